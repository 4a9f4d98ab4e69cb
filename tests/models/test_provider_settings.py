"""Where adapters connect and with which credentials, and how they are made."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from oris_temporal.graph.errors import ConfigurationError, ModelError
from oris_temporal.models import Provider, providers, register_provider
from oris_temporal.models.providers import AdapterSettings, ModelAdapter, find_provider

ACME = Provider(
    "acme",
    "acme:adapter",
    credentials=("ACME_KEY", "OLD_ACME_KEY"),
    base_url="https://acme.example",
    base_url_from=("ACME_URL", "ACME_HOST"),
)


class TestCredentials:
    @pytest.mark.parametrize(
        ("environ", "key"),
        [
            ({"ACME_KEY": "new", "OLD_ACME_KEY": "old"}, "new"),
            ({"OLD_ACME_KEY": "old"}, "old"),
            ({"ACME_KEY": "", "OLD_ACME_KEY": "old"}, "old"),
            ({"ACME_KEY": " \n", "OLD_ACME_KEY": "old"}, "old"),
        ],
    )
    def test_the_first_that_is_set_counts(self, environ: dict[str, str], key: str) -> None:
        assert ACME.settings(environ=environ).api_key == key

    @pytest.mark.parametrize(
        ("provider", "names"),
        [
            ("openai", ["OPENAI_API_KEY"]),
            ("anthropic", ["ANTHROPIC_API_KEY", "CLAUDE_API_KEY"]),
            ("qwen", ["QWEN_API_KEY"]),
            ("deepseek", ["DEEPSEEK_API_KEY"]),
            ("mistral", ["MISTRAL_API_KEY"]),
            ("gemini", ["GOOGLE_API_KEY", "GEMINI_API_KEY"]),
            ("huggingface", ["HUGGINGFACE_API_KEY", "HF_TOKEN"]),
            ("ollama", []),
            ("fake", []),
        ],
    )
    def test_b40_variables_by_provider(self, provider: str, names: list[str]) -> None:
        assert list(find_provider(provider).credentials) == names

    def test_a_line_end_is_no_part_of_a_key(self) -> None:
        assert ACME.settings(environ={"ACME_KEY": "new\n"}).api_key == "new"

    def test_a_reference_takes_the_place_of_the_providers_variables(self) -> None:
        environ = {"ACME_KEY": "new", "TEAM_KEY": "team"}
        assert ACME.settings(api_key="env:TEAM_KEY", environ=environ).api_key == "team"

    def test_by_default_they_are_read_from_this_process(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ACME_KEY", "new")
        assert ACME.settings().api_key == "new"

    @pytest.mark.parametrize(
        ("provider", "names"),
        [("openai", "OPENAI_API_KEY"), ("anthropic", "ANTHROPIC_API_KEY or CLAUDE_API_KEY")],
    )
    def test_missing_ones_are_named(self, provider: str, names: str) -> None:
        with pytest.raises(
            ModelError, match=rf"Provider {provider}: the worker's environment has no {names}\."
        ) as caught:
            find_provider(provider).settings(environ={})
        assert (caught.value.kind, caught.value.provider, caught.value.is_retryable) == ("credentials", provider, False)

    def test_a_missing_reference_is_named(self) -> None:
        with pytest.raises(ModelError, match=r"has no TEAM_KEY\."):
            ACME.settings(api_key="env:TEAM_KEY", environ={"ACME_KEY": "new"})

    def test_a_missing_reference_is_named_at_another_address_as_well(self) -> None:
        with pytest.raises(ModelError, match=r"has no TEAM_KEY\."):
            ACME.settings("http://localhost", "env:TEAM_KEY", environ={})

    def test_another_address_may_need_none(self) -> None:
        assert ACME.settings("http://localhost", environ={}) == AdapterSettings("acme", "http://localhost", None)

    def test_a_provider_without_any_needs_none(self) -> None:
        assert find_provider("fake").settings(environ={}) == AdapterSettings("fake", None, None)

    def test_one_may_be_given_to_a_provider_that_needs_none(self) -> None:
        assert find_provider("ollama").settings(api_key="env:PROXY_KEY", environ={"PROXY_KEY": "k"}).api_key == "k"


class TestAddress:
    @pytest.mark.parametrize(
        ("environ", "address"),
        [
            ({}, "https://acme.example"),
            ({"ACME_URL": ""}, "https://acme.example"),
            ({"ACME_HOST": "http://host"}, "http://host"),
            ({"ACME_URL": "http://url", "ACME_HOST": "http://host"}, "http://url"),
        ],
    )
    def test_it_is_the_providers_unless_the_environment_has_another(
        self, environ: dict[str, str], address: str
    ) -> None:
        assert ACME.settings(environ={"ACME_KEY": "k", **environ}).base_url == address

    @pytest.mark.parametrize(
        ("provider", "variable"),
        [
            ("openai", "OPENAI_BASE_URL"),
            ("anthropic", "ANTHROPIC_BASE_URL"),
            ("ollama", "OLLAMA_HOST"),
            ("ollama", "OLLAMA_BASE_URL"),
        ],
    )
    def test_variables_by_provider(self, provider: str, variable: str) -> None:
        environ = {"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k", variable: "http://elsewhere"}
        assert find_provider(provider).settings(environ=environ).base_url == "http://elsewhere"

    def test_an_option_comes_before_the_environment(self) -> None:
        assert (
            ACME.settings("http://option", environ={"ACME_KEY": "k", "ACME_URL": "http://url"}).base_url
            == "http://option"
        )

    def test_an_option_may_name_a_variable(self) -> None:
        assert ACME.settings("env:TEAM_URL", environ={"TEAM_URL": "http://team"}).base_url == "http://team"

    @pytest.mark.parametrize("environ", [{}, {"TEAM_URL": ""}])
    def test_a_variable_that_is_missing_is_named(self, environ: dict[str, str]) -> None:
        with pytest.raises(ModelError, match=r"has no TEAM_URL\.") as caught:
            ACME.settings("env:TEAM_URL", environ={"ACME_KEY": "k", **environ})
        assert caught.value.kind == "credentials"


class TestMaking:
    SETTINGS = AdapterSettings("acme", None, None)

    def test_a_function_is_called(self) -> None:
        made: list[AdapterSettings] = []

        def make(settings: AdapterSettings) -> ModelAdapter:
            made.append(settings)
            return find_provider("fake").make(settings)

        Provider("acme", make).make(self.SETTINGS)
        assert made == [self.SETTINGS]

    def test_a_place_is_imported(self, monkeypatch: pytest.MonkeyPatch) -> None:
        module = ModuleType("acme_models")
        module.adapter = lambda settings: ("adapter", settings)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "acme_models", module)
        assert Provider("acme", "acme_models:adapter").make(self.SETTINGS) == ("adapter", self.SETTINGS)

    @pytest.mark.parametrize(
        ("extra", "remedy"), [("openai", r"pip install 'oris-temporal\[openai\]'"), (None, "install it")]
    )
    def test_a_missing_package_is_named_with_the_way_to_get_it(
        self, extra: str | None, remedy: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "acme_sdk", None)
        with pytest.raises(
            ModelError, match=rf"Provider acme needs package 'acme_sdk' on the worker: {remedy}\."
        ) as caught:
            Provider("acme", "acme_sdk:adapter", extra=extra).make(self.SETTINGS)
        assert (caught.value.kind, caught.value.is_retryable) == ("configuration", False)

    def test_a_package_that_the_adapter_itself_imports_may_be_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def adapter(settings: AdapterSettings) -> ModelAdapter:
            import acme_sdk

            return acme_sdk  # type: ignore[no-any-return]

        module = ModuleType("acme_models")
        module.adapter = adapter  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "acme_models", module)
        monkeypatch.setitem(sys.modules, "acme_sdk", None)
        with pytest.raises(ModelError, match=r"needs package 'acme_sdk'"):
            Provider("acme", "acme_models:adapter").make(self.SETTINGS)

    @pytest.mark.parametrize("place", ["json:nothing", "json", "json:"])
    def test_a_place_without_an_adapter_is_refused(self, place: str) -> None:
        with pytest.raises(ModelError, match=rf"there is no adapter '{place}'") as caught:
            Provider("acme", place).make(self.SETTINGS)
        assert caught.value.kind == "configuration"

    @pytest.mark.parametrize("provider", ["openai", "anthropic", "qwen", "mistral", "gemini", "huggingface", "ollama"])
    def test_providers_name_the_extra_of_their_sdk(self, provider: str) -> None:
        assert find_provider(provider).extra == ("anthropic" if provider == "anthropic" else "openai")


class TestTable:
    @pytest.fixture(autouse=True)
    def _table(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(providers, "_providers", dict(providers._providers))

    def test_a_registered_provider_replaces_the_one_of_its_name(self) -> None:
        mine = Provider("openai", "mine:adapter")
        register_provider(mine)
        assert find_provider("openai") is mine

    def test_a_registered_provider_takes_an_alias_over(self) -> None:
        mine = Provider("acme", "mine:adapter", aliases=("google",))
        register_provider(mine)
        assert find_provider("google") is mine

    def test_a_name_goes_before_an_alias(self) -> None:
        register_provider(Provider("acme", "mine:adapter", aliases=("openai",)))
        assert find_provider("openai").name == "openai"

    def test_an_unknown_provider_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match=r"There is no model provider 'nobody'.*register_provider"):
            find_provider("nobody")
