"""Which provider and model a name means (ledger B40)."""

from __future__ import annotations

import pytest

from oris_temporal.graph.errors import ConfigurationError
from oris_temporal.models import ChatModel, Provider, init_chat_model, providers, register_provider


@pytest.fixture(autouse=True)
def _table(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    monkeypatch.setattr(providers, "_providers", dict(providers._providers))


@pytest.mark.parametrize(
    ("written", "provider", "model"),
    [
        ("openai:gpt-4o", "openai", "gpt-4o"),
        ("anthropic:claude-3-5-sonnet-latest", "anthropic", "claude-3-5-sonnet-latest"),
        ("ollama:llama3:8b", "ollama", "llama3:8b"),
        ("openai:ft:gpt-4o-mini:acme::9x", "openai", "ft:gpt-4o-mini:acme::9x"),
        ("huggingface:microsoft/Phi-3-mini-4k-instruct", "huggingface", "microsoft/Phi-3-mini-4k-instruct"),
        ("fake:echo", "fake", "echo"),
        # aliases
        ("claude:claude-3-opus-20240229", "anthropic", "claude-3-opus-20240229"),
        ("mistralai:mistral-small-latest", "mistral", "mistral-small-latest"),
        ("google:gemini-1.5-flash", "gemini", "gemini-1.5-flash"),
        ("google_genai:gemini-1.5-flash", "gemini", "gemini-1.5-flash"),
        ("hf:org/model", "huggingface", "org/model"),
        # blanks
        (" openai:gpt-4o\n", "openai", "gpt-4o"),
        ("openai : gpt-4o", "openai", "gpt-4o"),
        ("openai: gpt-4o", "openai", "gpt-4o"),
    ],
)
def test_b40_a_provider_before_the_first_colon(written: str, provider: str, model: str) -> None:
    assert init_chat_model(written) == ChatModel(provider, model)


@pytest.mark.parametrize(
    ("written", "provider"),
    [
        ("gpt-4o", "openai"),
        ("chatgpt-4o-latest", "openai"),
        ("o1", "openai"),
        ("o1-preview", "openai"),
        ("o3-mini", "openai"),
        ("o4-mini-2025-04-16", "openai"),
        ("claude-3-5-sonnet-20240620", "anthropic"),
        ("qwen", "qwen"),
        ("qwen-turbo", "qwen"),
        ("deepseek", "deepseek"),
        ("deepseek-chat", "deepseek"),
        ("mistral-small-latest", "mistral"),
        ("mixtral-8x7b", "mistral"),
        ("pixtral-12b", "mistral"),
        ("gemini-1.5-flash", "gemini"),
        ("microsoft/Phi-3-mini-4k-instruct", "huggingface"),
        ("llama3", "ollama"),
        ("qwen2.5", "ollama"),
        ("olmo2", "ollama"),
        ("mistral", "ollama"),
        # a colon is part of a name unless a provider stands before it
        ("llama3:8b", "ollama"),
        ("qwen2.5:7b-instruct", "ollama"),
        ("anthropic.claude-3-5-sonnet-20240620-v1:0", "ollama"),
        ("meta.llama3-8b-instruct-v1:0", "ollama"),
        ("unheard-of:some-model", "ollama"),
        ("ft:gpt-4o-mini:acme::9x", "ollama"),
        ("org/model:fastest", "huggingface"),
    ],
)
def test_b40_a_bare_name_belongs_to_the_provider_that_claims_it(written: str, provider: str) -> None:
    assert init_chat_model(written) == ChatModel(provider, written)


@pytest.mark.parametrize("written", ["", "  ", ":", "openai:", "openai: ", ":gpt-4o", "llama3:", "openai::gpt-4o"])
def test_a_name_without_a_model_is_refused(written: str) -> None:
    with pytest.raises(ConfigurationError, match=r"names no model\. Write 'provider:model'"):
        init_chat_model(written)


class TestModelProvider:
    """`model_provider=`, in place of what the name says."""

    @pytest.mark.parametrize(
        ("written", "provider", "meant"),
        [
            ("gpt-4o", "ollama", ChatModel("ollama", "gpt-4o")),
            ("my-deployment", "openai", ChatModel("openai", "my-deployment")),
            ("anything", "claude", ChatModel("anthropic", "anything")),
            ("mistral:7b", "ollama", ChatModel("ollama", "mistral:7b")),
            ("anthropic.claude-v1:0", "huggingface", ChatModel("huggingface", "anthropic.claude-v1:0")),
        ],
    )
    def test_the_whole_name_is_the_model(self, written: str, provider: str, meant: ChatModel) -> None:
        assert init_chat_model(written, model_provider=provider) == meant

    @pytest.mark.parametrize(("written", "provider"), [("openai:gpt-4o", "openai"), ("claude:x", "anthropic")])
    def test_a_provider_that_is_said_twice_is_no_part_of_the_name(self, written: str, provider: str) -> None:
        assert init_chat_model(written, model_provider=provider).name == f"{provider}:{written.partition(':')[2]}"

    def test_it_takes_a_chat_model_to_another_provider(self) -> None:
        model = init_chat_model("gpt-4o", temperature=0)
        assert init_chat_model(model, model_provider="ollama") == init_chat_model("ollama:gpt-4o", temperature=0)

    @pytest.mark.parametrize("provider", ["nobody", "", "OpenAI"])
    def test_an_unknown_one_is_refused_with_the_known_ones(self, provider: str) -> None:
        with pytest.raises(
            ConfigurationError, match=r"There is no model provider .*; there are anthropic, .*openai"
        ) as caught:
            init_chat_model("gpt-4o", model_provider=provider)
        assert caught.value.details == {"provider": provider}


class TestRegisteredProviders:
    def test_their_names_and_aliases_are_known(self) -> None:
        register_provider(Provider("acme", "acme:adapter", aliases=("ac",)))
        assert init_chat_model("ac:model:1") == init_chat_model("acme:model:1") == ChatModel("acme", "model:1")

    def test_they_are_asked_first_for_bare_names(self) -> None:
        register_provider(Provider("acme", "acme:adapter", match=r"gpt-4"))
        assert init_chat_model("gpt-4o").provider == "acme"
        assert init_chat_model("gpt-3.5-turbo").provider == "openai"

    def test_the_last_one_is_asked_before_the_others(self) -> None:
        register_provider(Provider("first", "acme:adapter", match=r"acme-"))
        register_provider(Provider("second", "acme:adapter", match=r"acme-"))
        assert init_chat_model("acme-1").provider == "second"

    def test_they_replace_the_one_of_their_name(self) -> None:
        register_provider(Provider("openai", "acme:adapter", match=r"acme-"))
        assert init_chat_model("acme-1").provider == "openai"
        assert init_chat_model("gpt-4o").provider == "ollama"

    def test_a_name_that_no_provider_claims_any_more_is_refused(self) -> None:
        register_provider(Provider("ollama", "acme:adapter"))
        with pytest.raises(ConfigurationError, match=r"No model provider claims 'llama3:8b'"):
            init_chat_model("llama3:8b")
