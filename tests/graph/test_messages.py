"""Messages: Oris's wire form, the forms people write, and the two ways a state collects them."""

from __future__ import annotations

import json
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from oris_temporal.graph.errors import InvalidUpdateError
from oris_temporal.graph.messages import (
    Image,
    Message,
    MessagesInput,
    MessagesState,
    MessagesUpdate,
    RemoveMessage,
    ToolCall,
    add_messages,
    append_messages,
)

UPDATE: TypeAdapter[Any] = TypeAdapter(MessagesUpdate)
INPUT: TypeAdapter[Any] = TypeAdapter(MessagesInput)
STATE = TypeAdapter(MessagesState)


class TestWireForm:
    """The JSON of a message is Oris's, to the byte (graph model, section 3.2)."""

    def test_all_five_keys_are_written_in_order_nulls_included(self) -> None:
        call = ToolCall("call_1", "t", {})
        messages = [Message.human("hi"), Message.ai("", [call]), Message.tool("42", "call_1")]
        assert STATE.dump_json({"messages": messages}).decode() == (
            '{"messages":['
            '{"content":"hi","message_type":"human","id":null,"tool_calls":null,"images":null},'
            '{"content":"","message_type":"ai","id":null,"tool_calls":'
            '[{"id":"call_1","type":"function","function":{"name":"t","arguments":"{}"}}],"images":null},'
            '{"content":"42","message_type":"tool","id":"call_1","tool_calls":null,"images":null}'
            "]}"
        )

    def test_an_image_is_written_with_both_keys(self) -> None:
        message = Message.human("what is this?", ["https://example.com/cat.png"])
        assert message.model_dump()["images"] == [{"image_url": "https://example.com/cat.png", "detail": None}]

    def test_extra_is_written_only_when_set(self) -> None:
        assert "extra" not in Message.ai("hi").model_dump()
        assert Message.ai("hi", extra={"stop_reason": "end"}).model_dump()["extra"] == {"stop_reason": "end"}

    def test_unknown_keys_are_ignored(self) -> None:
        wire = {"content": "hi", "message_type": "human", "status": "new"}
        assert Message.parse(wire) == Message.human("hi")

    def test_optional_keys_may_be_absent(self) -> None:
        assert Message.parse({"content": "hi", "message_type": "system"}) == Message.system("hi")

    def test_tool_calls_may_be_any_json(self) -> None:
        wire = {"content": "", "message_type": "ai", "tool_calls": {"odd": [1, None]}}
        assert Message.parse(wire).model_dump()["tool_calls"] == {"odd": [1, None]}

    @pytest.mark.parametrize(
        "message",
        [
            Message.human("hi", [Image("data:image/png;base64,AA==", "low")], id="m-1"),
            Message.system("be brief"),
            Message.ai("", [ToolCall("c", "search", {"q": "ü", "deep": {"n": [1, 2.5, None]}})]),
            Message.ai("done", extra={"usage": {"input_tokens": 3}}),
            Message.tool("42", "c"),
        ],
    )
    def test_json_round_trip(self, message: Message) -> None:
        assert Message.model_validate_json(message.model_dump_json()) == message


class TestImmutability:
    """The engine shares messages between states, so nothing may change one."""

    def test_fields_cannot_be_assigned(self) -> None:
        with pytest.raises(ValidationError, match="frozen"):
            Message.human("hi").content = "bye"  # type: ignore[misc]

    def test_a_message_does_not_share_what_it_was_made_from(self) -> None:
        usage, args = {"tokens": [1]}, {"q": ["a"]}
        call = ToolCall("c", "search", args)
        message = Message.ai("", [call], extra=usage)
        usage["tokens"].append(2)
        args["q"].append("b")
        assert message.extra == {"tokens": [1]}
        assert message.calls == [call] == [ToolCall("c", "search", {"q": ["a"]})]

    def test_what_json_cannot_hold_is_refused_when_the_message_is_made(self) -> None:
        with pytest.raises(ValidationError, match="not a valid JSON value"):
            Message.ai("hi", extra={"raw": object()})


class TestForms:
    """What people write where a message is expected."""

    def test_a_message_is_taken_as_it_is(self) -> None:
        message = Message.human("hi")
        assert Message.parse(message) is message

    def test_a_text_is_a_human_message(self) -> None:
        assert Message.parse("hi") == Message.human("hi")

    @pytest.mark.parametrize("pair", [("user", "hi"), ("human", "hi"), ["user", "hi"]])
    def test_a_pair_is_role_and_content(self, pair: Any) -> None:
        assert Message.parse(pair) == Message.human("hi")

    @pytest.mark.parametrize(
        ("role", "message"),
        [
            ("user", Message.human("x")),
            ("assistant", Message.ai("x")),
            ("system", Message.system("x")),
            ("developer", Message.system("x")),
        ],
    )
    def test_openai_roles(self, role: str, message: Message) -> None:
        assert Message.parse({"role": role, "content": "x"}) == message

    def test_openai_tool_message(self) -> None:
        wire = {"role": "tool", "content": "42", "tool_call_id": "c"}
        assert Message.parse(wire) == Message.tool("42", "c")

    def test_openai_assistant_that_only_calls_tools(self) -> None:
        call = ToolCall("c", "search", {"q": "a"})
        wire = {"role": "assistant", "content": None, "tool_calls": [call.to_wire()]}
        assert Message.parse(wire) == Message.ai("", [call])

    def test_openai_content_parts_keep_text_and_images(self) -> None:
        parts = [
            {"type": "text", "text": "cat "},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
            {"type": "text", "text": "or dog?"},
            {"type": "image_url", "image_url": "https://example.com/b.png"},
        ]
        images = [Image("https://example.com/a.png", "low"), Image("https://example.com/b.png")]
        expected = Message.human("cat or dog?", images)
        assert Message.parse({"role": "user", "content": parts}) == expected
        assert Message.parse(("user", parts)) == expected

    def test_openai_name_is_kept_in_extra(self) -> None:
        wire = {"role": "user", "content": "hi", "name": "ada"}
        assert Message.parse(wire) == Message.human("hi", extra={"name": "ada"})

    def test_every_form_fits_a_field_of_type_message(self) -> None:
        class Form(BaseModel):
            messages: list[Message]

        forms: Any = ["hi", ("user", "hi"), {"role": "user", "content": "hi"}, Message.human("hi")]
        assert Form(messages=forms).messages == [Message.human("hi")] * 4


class TestBadInput:
    """What is not a message is refused with a sentence that says why."""

    @pytest.mark.parametrize(
        ("value", "why"),
        [
            (5, "expected a Message, a text, .* not int"),
            (None, "not NoneType"),
            (("user", "a", "b"), "not tuple"),
            ({"content": "hi"}, "message_type: Field required"),
            ({"message_type": "human"}, "content: Field required"),
            ({"content": None, "message_type": "ai"}, "content: Input should be a valid string"),
            ({"content": ["a"], "message_type": "human"}, "content: Input should be a valid string"),
            ({"content": "hi", "message_type": "user"}, "message_type: Input should be 'system', 'human'"),
            ({"role": "robot", "content": "hi"}, "unknown role 'robot'; use one of system, developer, user"),
            (("robot", "hi"), "unknown role 'robot'"),
            ({"role": ["user"], "content": "hi"}, "unknown role"),
            ({"role": "user", "content": None}, "content: Input should be a valid string"),
            ({"role": "tool", "content": "42"}, "needs tool_call_id"),
            ({"role": "user", "content": [{"type": "audio"}]}, "a text or an image_url, not 'audio'"),
            ({"role": "user", "content": "hi", "name": "ada", "extra": 5}, "extra: Input should be a valid"),
            ({"content": "", "message_type": "human", "images": [{}]}, "images, element 0, image_url: Field"),
        ],
    )
    def test_the_reason_is_given(self, value: Any, why: str) -> None:
        with pytest.raises(InvalidUpdateError, match=f"^The value is not a message: .*{why}.*\\.$"):
            Message.parse(value)

    def test_the_value_is_not_shown(self) -> None:
        with pytest.raises(InvalidUpdateError) as caught:
            Message.parse({"content": {"password": "hunter2"}, "message_type": "human"})
        assert "hunter2" not in str(caught.value)


class TestToolCall:
    def test_wire_form_is_openais(self) -> None:
        assert ToolCall("c", "search", {"q": "ü", "n": 2}).to_wire() == {
            "id": "c",
            "type": "function",
            "function": {"name": "search", "arguments": '{"q":"ü","n":2}'},
        }

    @pytest.mark.parametrize(
        "wire",
        [
            {"id": "c", "type": "function", "function": {"name": "search", "arguments": '{"q": "a"}'}},
            {"id": "c", "function": {"name": "search", "arguments": {"q": "a"}}},
            {"id": "c", "name": "search", "args": {"q": "a"}},
            {"id": "c", "name": "search", "arguments": '{"q": "a"}'},
        ],
    )
    def test_is_read_from_openais_shape_and_bare(self, wire: dict[str, Any]) -> None:
        assert ToolCall.from_wire(wire) == ToolCall("c", "search", {"q": "a"})

    @pytest.mark.parametrize("arguments", [{}, {"arguments": ""}, {"arguments": None}, {"arguments": "null"}])
    def test_arguments_may_be_missing(self, arguments: dict[str, Any]) -> None:
        assert ToolCall.from_wire({"id": "c", "name": "now", **arguments}) == ToolCall("c", "now")

    @pytest.mark.parametrize("arguments", ["{not json", "[]", '"text"', "0", "false", " "])
    def test_bad_arguments_say_which_call_they_belong_to(self, arguments: str) -> None:
        wire = {"id": "c", "function": {"name": "search", "arguments": arguments}}
        with pytest.raises(InvalidUpdateError, match=r"A tool call cannot be read: .*a JSON object\.$") as caught:
            ToolCall.from_wire(wire)
        assert caught.value.details == {"id": "c", "name": "search"}

    @pytest.mark.parametrize("wire", [{}, {"id": "c"}, {"name": "search"}, "search", None, 5])
    def test_id_and_name_are_required(self, wire: Any) -> None:
        with pytest.raises(InvalidUpdateError, match="A tool call cannot be read"):
            ToolCall.from_wire(wire)

    @given(
        st.dictionaries(
            st.text(),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
                max_leaves=8,
            ),
            max_size=4,
        )
    )
    def test_survives_the_wire(self, args: dict[str, Any]) -> None:
        call = ToolCall("c", "search", args)
        assert ToolCall.from_wire(json.loads(json.dumps(call.to_wire()))) == call


class TestCalls:
    def test_are_parsed_from_the_wire_form(self) -> None:
        call = ToolCall("c", "search", {"q": "a"})
        assert Message.ai("", [call]).calls == [call]

    def test_wire_calls_given_to_ai_are_stored_as_they_are(self) -> None:
        wire = {"id": "c", "name": "search"}
        message = Message.ai("", [wire])
        assert message.tool_calls == [wire]
        assert message.calls == [ToolCall("c", "search")]

    @pytest.mark.parametrize("odd", [None, {}, "text", 5])
    def test_anything_but_a_list_is_no_calls(self, odd: Any) -> None:
        assert Message(content="", message_type="ai", tool_calls=odd).calls == []

    def test_a_call_that_cannot_be_read_is_an_error(self) -> None:
        with pytest.raises(InvalidUpdateError):
            _ = Message.ai("", [{"id": "c"}]).calls


def _both(reduce: Any) -> Any:
    return pytest.param(reduce, id=reduce.__name__)


@pytest.mark.parametrize("reduce", [_both(append_messages), _both(add_messages)])
class TestBothReducers:
    def test_an_update_may_be_one_message_or_a_list_in_any_form(self, reduce: Any) -> None:
        hi = Message.human("hi")
        forms: list[Any] = ["hi", ("user", "hi"), {"role": "user", "content": "hi"}, hi.model_dump(), hi]
        assert reduce([], forms) == [hi] * 5
        for form in forms:
            assert reduce([], form) == [hi]

    def test_a_pair_is_one_message_even_when_json_made_it_a_list(self, reduce: Any) -> None:
        assert reduce([], json.loads(json.dumps(("user", "hi")))) == [Message.human("hi")]
        assert reduce([], [["user", "hi"]]) == [Message.human("hi")]

    def test_a_list_of_two_texts_is_two_messages(self, reduce: Any) -> None:
        assert reduce([], ["hi", "there"]) == [Message.human("hi"), Message.human("there")]

    def test_the_prefix_is_shared_not_copied(self, reduce: Any) -> None:
        current, new = [Message.human("a", id="1"), Message.ai("b")], Message.human("c")
        result = reduce(current, [new, "d"])
        assert [id(message) for message in result[:3]] == [id(message) for message in (*current, new)]

    def test_arguments_are_left_alone(self, reduce: Any) -> None:
        current, update = [Message.human("a")], [Message.ai("b")]
        result = reduce(current, update)
        result.append(Message.human("c"))
        assert (current, update) == ([Message.human("a")], [Message.ai("b")])

    def test_an_empty_update_changes_nothing(self, reduce: Any) -> None:
        current = [Message.human("a")]
        result = reduce(current, [])
        assert result == current
        assert result is not current

    @pytest.mark.parametrize("bad", [None, 5, [None], ["ok", {"content": "no role"}], {}])
    def test_what_is_not_a_message_is_an_error(self, reduce: Any, bad: Any) -> None:
        with pytest.raises(InvalidUpdateError, match=r"^The update of the messages does not fit: .*\.$"):
            reduce([], bad)

    def test_the_error_names_the_element(self, reduce: Any) -> None:
        with pytest.raises(InvalidUpdateError, match="element 1, message_type: Field required"):
            reduce([], ["ok", {"content": "no role"}])


messages = st.lists(
    st.builds(
        Message,
        content=st.text(max_size=3),
        message_type=st.sampled_from(["system", "human", "ai", "tool"]),
        id=st.sampled_from([None, "1", "2", "3"]),
    ),
    max_size=4,
)


class TestAppendMessages:
    def test_duplicates_are_kept(self) -> None:
        answer = Message.tool("42", "c")
        assert append_messages([answer], [answer, answer]) == [answer] * 3

    @pytest.mark.parametrize("removal", [RemoveMessage("1"), [RemoveMessage("1")], [{"remove": "1"}]])
    def test_removal_points_to_the_reducer_that_can(self, removal: Any) -> None:
        with pytest.raises(InvalidUpdateError, match="annotated with add_messages"):
            append_messages([Message.human("a", id="1")], removal)

    @given(messages, messages, messages)
    def test_is_associative(self, a: list[Message], b: list[Message], c: list[Message]) -> None:
        assert append_messages(append_messages(a, b), c) == append_messages(a, append_messages(b, c))

    def test_messages_state_appends(self) -> None:
        annotation = get_type_hints(MessagesState, include_extras=True)["messages"]
        assert annotation.__metadata__ == (append_messages,)


class TestAddMessages:
    def test_same_id_replaces_in_place(self) -> None:
        old, new, other = Message.ai("draft", id="1"), Message.ai("final", id="1"), Message.human("x")
        assert add_messages([old, other], new) == [new, other]

    def test_a_tool_message_replaces_the_answer_to_the_same_call(self) -> None:
        assert add_messages([Message.tool("41", "c")], Message.tool("42", "c")) == [Message.tool("42", "c")]

    def test_a_new_id_is_appended(self) -> None:
        first, second = Message.human("a", id="1"), Message.human("b", id="2")
        assert add_messages([first], second) == [first, second]

    def test_messages_without_id_are_always_appended(self) -> None:
        assert add_messages([Message.human("a")], [Message.human("a")]) == [Message.human("a")] * 2

    def test_a_later_element_replaces_an_earlier_one_of_the_same_update(self) -> None:
        update = [Message.ai("draft", id="1"), Message.human("x"), Message.ai("final", id="1")]
        assert add_messages([], update) == [Message.ai("final", id="1"), Message.human("x")]

    def test_of_several_with_one_id_the_last_is_meant(self) -> None:
        first, last = Message.human("a", id="1"), Message.human("b", id="1")
        assert add_messages([first, last], Message.human("c", id="1")) == [first, Message.human("c", id="1")]

    def test_remove(self) -> None:
        first, second = Message.human("a", id="1"), Message.human("b", id="2")
        assert add_messages([first, second], RemoveMessage("1")) == [second]
        assert add_messages([first, second], [RemoveMessage(id="2")]) == [first]

    def test_a_removed_id_can_be_added_again_at_the_end(self) -> None:
        first, second = Message.human("a", id="1"), Message.human("b", id="2")
        assert add_messages([first, second], [RemoveMessage("1"), first]) == [second, first]

    def test_remove_all_clears_what_came_before_it(self) -> None:
        current = [Message.human("a", id="1"), Message.human("b")]
        update: list[Any] = [Message.human("gone"), RemoveMessage.all(), Message.ai("summary")]
        assert add_messages(current, update) == [Message.ai("summary")]

    @pytest.mark.parametrize("update", [RemoveMessage("2"), [RemoveMessage("1"), RemoveMessage("1")]])
    def test_removing_an_unknown_id_is_an_error(self, update: Any) -> None:
        with pytest.raises(InvalidUpdateError, match=r"No message has the id '\d', so it cannot be removed\."):
            add_messages([Message.human("a", id="1")], update)

    @given(messages, messages)
    def test_ids_stay_unique_and_the_last_value_wins(self, a: list[Message], b: list[Message]) -> None:
        result = add_messages(add_messages([], a), b)
        by_id = {message.id: message for message in (*a, *b) if message.id is not None}
        assert {message.id: message for message in result if message.id is not None} == by_id
        assert len(result) == len(by_id) + sum(message.id is None for message in (*a, *b))


class TestUpdateTypes:
    """The annotations of the reducers, through which updates cross process boundaries."""

    @pytest.mark.parametrize(
        "update",
        [
            Message.human("hi"),
            RemoveMessage("1"),
            RemoveMessage.all(),
            [Message.ai("hi", extra={"name": "bob"}), RemoveMessage("1"), Message.tool("42", "c")],
            [],
        ],
    )
    def test_json_round_trip(self, update: Any) -> None:
        assert UPDATE.validate_json(UPDATE.dump_json(update)) == update

    def test_a_removal_in_json(self) -> None:
        assert UPDATE.dump_json(RemoveMessage("1")) == b'{"remove":"1"}'

    def test_a_removal_needs_an_id(self) -> None:
        with pytest.raises(ValidationError):
            RemoveMessage(None)  # type: ignore[arg-type]

    def test_validation_keeps_messages_as_they_are(self) -> None:
        message = Message.human("hi")
        assert INPUT.validate_python([message])[0] is message
        assert UPDATE.validate_python([message])[0] is message

    @given(messages)
    def test_reducing_before_or_after_the_wire_is_the_same(self, update: list[Message]) -> None:
        sent = INPUT.validate_json(INPUT.dump_json(update))
        assert append_messages([], sent) == append_messages([], update)
