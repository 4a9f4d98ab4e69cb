"""Options of models: what is accepted, what is refused and how it is told, and their JSON."""

from __future__ import annotations

import json
import traceback
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from oris_temporal.graph.errors import ConfigurationError
from oris_temporal.models import ChatModel, ModelOptions, init_chat_model

NAN = float("nan")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("temperature", value) for value in (0, 0.7, 2)),
        *(("max_tokens", value) for value in (1, 1_000_000)),
        *(("top_p", value) for value in (0, 0.5, 1)),
        ("top_k", 1),
        ("seed", -1),
        ("seed", 0),
        *((penalty, value) for penalty in ("frequency_penalty", "presence_penalty") for value in (-2, 0, 2)),
        *(("tool_choice", value) for value in ("auto", "none", "required", "search")),
        *(("parallel_tool_calls", value) for value in (True, False)),
        *(("reasoning_effort", value) for value in ("minimal", "xhigh")),
        *(("api", value) for value in ("chat", "responses")),
        *(("base_url", value) for value in ("http://localhost:11434", "https://[::1]:8080/v1", "env:MY_BASE_URL")),
        ("api_key", "env:MY_API_KEY"),
        *(("max_retries", value) for value in (0, 10)),
        ("extra", {"store": None, "metadata": {"team": ["a", 1, 2.5, True]}}),
    ],
)
def test_an_option_is_kept_as_it_is(option: str, value: Any) -> None:
    assert getattr(init_chat_model("gpt-4o", **{option: value}).options, option) == value


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("temperature", value) for value in (-0.1, 2.1, NAN, "hot")),
        *(("max_tokens", value) for value in (0, -1, 1.5, "many")),
        *(("top_p", value) for value in (-0.1, 1.1, NAN)),
        *(("top_k", value) for value in (0, -1, 0.5)),
        ("seed", "lucky"),
        *((penalty, value) for penalty in ("frequency_penalty", "presence_penalty") for value in (-2.1, 2.1, NAN)),
        ("stop", 1),
        ("stop", [1]),
        ("tool_choice", ""),
        ("parallel_tool_calls", "perhaps"),
        ("reasoning_effort", ""),
        ("api", "completions"),
        *(("timeout", value) for value in (0, -1, "soon", "10", NAN, [])),
        ("heartbeat", 0),
        *(("max_retries", value) for value in (-1, 0.5)),
        ("extra", "text"),
        ("extra", {"a": object()}),
        ("temprature", 1),
    ],
)
def test_a_wrong_option_is_refused_by_name(option: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"^Model openai:gpt-4o: option '{option}': .*[^.]\.$") as caught:
        init_chat_model("gpt-4o", **{option: value})
    assert caught.value.details == {"option": option}


def test_an_option_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ConfigurationError, match=r"there is no such option, only temperature, .*, extra\."):
        init_chat_model("gpt-4o", temprature=1)


@pytest.mark.parametrize(
    ("stop", "kept"), [("END", ("END",)), (["a", "b"], ("a", "b")), (("a",), ("a",)), ([], ()), (None, None)]
)
def test_stop_takes_one_text_or_several(stop: Any, kept: Any) -> None:
    assert init_chat_model("gpt-4o", stop=stop).options.stop == kept


@pytest.mark.parametrize("timeout", [90, 90.0, "90s", "1m30s", timedelta(seconds=90)])
def test_a_time_limit_is_any_duration(timeout: Any) -> None:
    options = init_chat_model("gpt-4o", timeout=timeout, heartbeat=timeout).options
    assert (options.timeout, options.heartbeat) == (90.0, 90.0)


def test_slashes_at_the_end_of_an_address_are_dropped() -> None:
    assert init_chat_model("gpt-4o", base_url="https://host/v1/").options.base_url == "https://host/v1"


def test_extra_is_copied() -> None:
    extra: dict[str, Any] = {"metadata": {"team": "a"}}
    model = init_chat_model("gpt-4o", extra=extra)
    extra["metadata"]["team"] = "b"
    assert model.options.extra == {"metadata": {"team": "a"}}


# --- secrets -------------------------------------------------------------------------------------------------------

SECRETS = [
    ("api_key", "sk-hunter2"),
    ("api_key", " env:hunter2"),
    ("api_key", "env:hunter2-key"),
    ("api_key", ["hunter2"]),
    ("base_url", "https://user:hunter2@host/v1"),
    ("base_url", "https://hunter2@host/v1"),
    ("base_url", "https://:hunter2@host/v1"),
    ("base_url", "https://host/v1?key=hunter2"),
    ("base_url", "https://host/v1#hunter2"),
    ("base_url", "https://user:hunter2@exa\u2100mple.com"),
    ("base_url", "https://user:hunter2@[bad"),
    ("base_url", "ftp://user:hunter2@host"),
    ("base_url", "hunter2"),
]


@pytest.mark.parametrize(("option", "value"), SECRETS)
def test_what_may_be_a_secret_is_refused_and_not_repeated(option: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"option '{option}': ") as caught:
        init_chat_model("gpt-4o", **{option: value})
    assert not _tells(caught.value)


@pytest.mark.parametrize(("option", "value"), SECRETS)
def test_nor_by_the_options_themselves(option: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        ModelOptions(**{option: value})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("option", "value"), SECRETS)
def test_nor_by_with_options(option: str, value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        init_chat_model("gpt-4o").with_options(**{option: value})
    assert not _tells(caught.value)


@pytest.mark.parametrize(("option", "value"), SECRETS)
def test_nor_when_the_json_is_read(option: str, value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ChatModel.from_wire({"model": "openai:gpt-4o", "options": {option: value}})
    assert not _tells(caught.value)


@pytest.mark.parametrize("value", ["", "env:", "env:1KEY", "env:MY KEY", "env:MY_KEY\n", "MY_KEY"])
def test_a_reference_names_a_variable(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"pass a reference, such as 'env:MY_API_KEY'"):
        init_chat_model("gpt-4o", api_key=value)


@pytest.mark.parametrize("value", ["", "localhost:11434", "http://", "env:", "http:host", "/v1"])
def test_an_address_is_a_url_or_a_reference(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"must be a URL of http or https, or a reference"):
        init_chat_model("gpt-4o", base_url=value)


def _tells(error: ConfigurationError) -> bool:
    """Whether a secret is in an error, its details or its traceback."""
    told = [*traceback.format_exception_only(error), json.dumps(error.details), repr(error.__cause__)]
    return any("hunter2" in text for text in told)


# --- with_options and JSON -----------------------------------------------------------------------------------------


def test_other_options_go_on_top() -> None:
    model = init_chat_model("gpt-4o", temperature=0, max_tokens=10).with_options(max_tokens=20, top_k=5)
    assert model == init_chat_model("gpt-4o", temperature=0, max_tokens=20, top_k=5)


def test_none_takes_an_option_back() -> None:
    assert init_chat_model("gpt-4o", temperature=0, seed=1).with_options(seed=None) == init_chat_model(
        "gpt-4o", temperature=0
    )


def test_with_options_leaves_the_model_alone() -> None:
    model = init_chat_model("gpt-4o", temperature=0)
    model.with_options(temperature=1)
    assert model.options.temperature == 0


def test_with_options_refuses_a_wrong_option() -> None:
    with pytest.raises(ConfigurationError, match=r"Model openai:gpt-4o: option 'top_p': "):
        init_chat_model("gpt-4o").with_options(top_p=2)


def test_options_of_init_chat_model_go_on_top_of_a_models_own() -> None:
    assert init_chat_model(init_chat_model("gpt-4o", seed=1), seed=2).options.seed == 2


def test_options_do_not_change() -> None:
    with pytest.raises(ValidationError):
        init_chat_model("gpt-4o").options.seed = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "model",
    [
        init_chat_model("gpt-4o"),
        init_chat_model("ollama:llama3:8b"),
        init_chat_model("anthropic.claude-3-5-sonnet-20240620-v1:0"),
        init_chat_model(
            "claude-3-opus",
            temperature=0,
            max_tokens=5,
            top_p=0,
            top_k=1,
            stop="x",
            seed=0,
            frequency_penalty=0,
            presence_penalty=-1,
            tool_choice="none",
            parallel_tool_calls=False,
            reasoning_effort="low",
            api="chat",
            base_url="env:URL",
            api_key="env:KEY",
            timeout="250ms",
            max_retries=0,
            extra={"a": None, "b": {"c": None, "d": [1]}},
        ),
    ],
    ids=lambda model: model.name,
)
def test_json_round_trip(model: ChatModel) -> None:
    assert ChatModel.from_wire(json.loads(json.dumps(model.to_wire()))) == model


def test_json_has_what_is_set() -> None:
    model = init_chat_model("gpt-4o", temperature=0, timeout="1m", stop="x", parallel_tool_calls=False)
    assert model.to_wire() == {
        "model": "openai:gpt-4o",
        "options": {"temperature": 0.0, "stop": ["x"], "parallel_tool_calls": False, "timeout": 60.0},
    }


def test_json_of_a_model_without_options_is_its_name() -> None:
    assert init_chat_model("gpt-4o").to_wire() == {"model": "openai:gpt-4o"}


def test_json_does_not_ask_for_the_provider_to_be_registered() -> None:
    assert ChatModel.from_wire({"model": "elsewhere:model"}) == ChatModel("elsewhere", "model")
