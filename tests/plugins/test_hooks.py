"""Every hook, implemented by a plugin that is registered for real."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pluggy
import pytest
import typer

from faasbridge import App, ConfigError, hookspecs, plugins
from faasbridge.deploy import Outcome, Plan
from faasbridge.hookspecs import hookimpl
from faasbridge.provider import Finding, Stage
from faasbridge.spec import AppSpec

DOCS = Path(__file__).parents[2] / "docs" / "plugins.md"
HOOKS = {name: hook for name, hook in vars(hookspecs).items() if hasattr(hook, "faasbridge_spec")}
STAGE = Stage("shop", "dev", "local", Path())
SPEC = AppSpec("shop", "shop")


@pytest.fixture
def register() -> Iterator[Any]:
    """Registers functions as a plugin of their own for one test."""
    manager, registered = plugins.manager(), []

    def make(*functions: Any, name: str = "of-a-test") -> pluggy.PluginManager:
        plugin = SimpleNamespace(**{function.__name__: hookimpl(function) for function in functions})
        manager.register(plugin, name)
        registered.append(plugin)
        return manager

    yield make
    for plugin in registered:
        manager.unregister(plugin)


def test_every_hook_has_a_test_that_implements_it() -> None:
    assert len(HOOKS) == 9
    missing = [name for name in HOOKS if f"test_{name}" not in globals()]
    assert missing == []


def test_every_documented_signature_is_the_codes() -> None:
    block = re.search(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert block is not None
    documented = dict(re.findall(r"# (.*)\n(faasbridge_.*)", block[1]))
    code = {}
    for name, hook in HOOKS.items():
        signature = inspect.signature(hook)
        parameters = ", ".join(f"{p.name}: {p.annotation}" for p in signature.parameters.values())
        code[inspect.getdoc(hook)] = f"{name}({parameters}) -> {signature.return_annotation}"
    assert documented == code


def test_faasbridge_providers(register: Any) -> None:
    def faasbridge_providers() -> dict[str, str]:
        return {"nimbus": "collections:OrderedDict", "broken": "not_there:Provider"}

    register(faasbridge_providers)
    assert plugins.providers()["nimbus"] == "collections:OrderedDict"
    assert type(plugins.provider("nimbus")).__name__ == "OrderedDict"
    with pytest.raises(ConfigError, match=r"provider 'broken' \(not_there:Provider\) cannot be loaded: ModuleNotFound"):
        plugins.provider("broken")
    with pytest.raises(ConfigError, match=r"there is no provider 'nimbos'; did you mean 'nimbus'"):
        plugins.provider("nimbos")


def test_faasbridge_resource_kits(register: Any) -> None:
    kit = SimpleNamespace(kind="acme.queue", driver="x:Y")

    def faasbridge_resource_kits(provider: str) -> list[Any]:
        return [kit] if provider == "local" else []

    def of_another(provider: str) -> list[Any]:
        return [kit]

    register(faasbridge_resource_kits)
    assert plugins.kits("local")["acme.queue"] is kit
    assert "bucket" in plugins.kits("local")
    assert "acme.queue" not in plugins.kits("aws")
    of_another.__name__ = "faasbridge_resource_kits"
    register(of_another, name="another")
    with pytest.raises(ConfigError, match=r"brings a kit for 'acme.queue' on 'local', which has one already"):
        plugins.kits("local")


def test_faasbridge_commands(register: Any) -> None:
    def faasbridge_commands(cli: typer.Typer) -> None:
        cli.command("hello")(lambda: None)

    cli = typer.Typer()
    register(faasbridge_commands).hook.faasbridge_commands(cli=cli)
    assert "hello" in [command.name for command in cli.registered_commands]


def test_faasbridge_checks(register: Any) -> None:
    def faasbridge_checks(spec: AppSpec, stage: Stage) -> list[Finding]:
        return [Finding("acme.naming", f"{spec.name} on {stage.name} is a poor name")]

    found = register(faasbridge_checks).hook.faasbridge_checks(spec=SPEC, stage=STAGE)
    assert [finding.message for findings in found for finding in findings] == ["shop on dev is a poor name"]


def test_faasbridge_prepare_spec(register: Any) -> None:
    def faasbridge_prepare_spec(spec: AppSpec) -> AppSpec:
        return replace(spec, name="policy")

    changed = register(faasbridge_prepare_spec).hook.faasbridge_prepare_spec(spec=SPEC, stage=STAGE)
    assert [spec.name for spec in changed] == ["policy"]


def test_faasbridge_prepare_artifact(register: Any) -> None:
    def faasbridge_prepare_artifact(build: Any, stage: Stage) -> None:
        build.append(stage.provider)

    build: list[str] = []
    register(faasbridge_prepare_artifact).hook.faasbridge_prepare_artifact(build=build, stage=STAGE)
    assert build == ["local"]


def test_faasbridge_prepare_template(register: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from faasbridge.pipeline import template

    def faasbridge_prepare_template(template: dict[str, Any], stage: Stage) -> None:
        template["tags"] = {"cost-centre": stage.app}

    register(faasbridge_prepare_template)
    spec = App("shop").spec()
    assert template(spec, STAGE)["tags"] == {"cost-centre": "shop"}


def test_faasbridge_before_deploy(register: Any) -> None:
    def faasbridge_before_deploy(plan: Plan, stage: Stage) -> str | None:
        return "not on a Friday" if stage.name == "dev" else None

    manager = register(faasbridge_before_deploy)
    plan = Plan("shop", "dev", "local", ())
    assert manager.hook.faasbridge_before_deploy(plan=plan, stage=STAGE) == ["not on a Friday"]
    assert manager.hook.faasbridge_before_deploy(plan=plan, stage=replace(STAGE, name="prod")) == []


def test_faasbridge_after_deploy(register: Any) -> None:
    told: list[str] = []

    def faasbridge_after_deploy(outcome: Outcome, stage: Stage) -> None:
        told.append(outcome.endpoints["http"])

    outcome = Outcome("shop", "dev", "local", {"http": "http://127.0.0.1:1"})
    register(faasbridge_after_deploy).hook.faasbridge_after_deploy(outcome=outcome, stage=STAGE)
    assert told == ["http://127.0.0.1:1"]


@pytest.mark.parametrize("name", ["aws", "gcp", "azure"])
def test_a_provider_that_is_an_extra_says_how_to_install_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "providers", dict)
    with pytest.raises(ConfigError, match=rf"pip install 'faasbridge\[{name}\]'"):
        plugins.provider(name)


def load(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **members: Any) -> str:
    """What loading a plugin of the distribution acme-cloud with these members says."""
    if members:
        module = ModuleType("acme_plugin_of_a_test")
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    manager = pluggy.PluginManager("faasbridge")
    manager.add_hookspecs(hookspecs)
    point = EntryPoint("acme", "acme_plugin_of_a_test", "faasbridge")
    dist = SimpleNamespace(name="acme-cloud", version="1.2")
    vars(point).update(dist=dist)
    plugins._register(manager, point)
    monkeypatch.setattr(plugins, "_warned", [])
    return capsys.readouterr().err


def test_a_broken_plugin_is_left_out_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = load(monkeypatch, capsys)
    assert said.startswith("warning: the plugin 'acme' of acme-cloud 1.2 is left out: ModuleNotFoundError: ")
    assert "Traceback" not in said


def test_a_hook_of_a_wrong_shape_or_name_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def faasbridge_checks(spec: Any, colour: str) -> None: ...

    def faasbridge_cheks(spec: Any) -> None: ...

    assert "colour" in load(monkeypatch, capsys, faasbridge_checks=hookimpl(faasbridge_checks))
    said = load(monkeypatch, capsys, faasbridge_cheks=hookimpl(faasbridge_cheks))
    assert "implements faasbridge_cheks, and there is no such hook; did you mean 'faasbridge_checks'?" in said


def test_a_hook_without_its_mark_is_said_to_be_ignored(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def faasbridge_checks(spec: Any) -> None: ...

    said = load(monkeypatch, capsys, faasbridge_checks=faasbridge_checks)
    assert said.startswith("warning: the plugin 'acme' of acme-cloud 1.2 has faasbridge_checks without @hookimpl")
    assert said.count("\n") == 1
    marked = {"faasbridge_checks": hookimpl(faasbridge_checks), "faasbridge_providers": hookspecs.faasbridge_providers}
    assert load(monkeypatch, capsys, **marked, faasbridge_aws=sys, faasbridge_note="text") == ""


def test_asking_for_the_plugins_imports_no_provider() -> None:
    import subprocess

    code = (
        "import sys\nfrom faasbridge import plugins\n"
        "assert {'aws', 'gcp', 'azure', 'local'} <= set(plugins.providers())\n"
        "heavy = {'boto3', 'botocore', 'google.api_core', 'azure.core', 'faasbridge.local.server'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
