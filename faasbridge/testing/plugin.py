"""pytest's side: options, the `cloud` fixture, what fails a test and what a failure shows."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ..codec import dumps
from ..errors import FaaSBridgeError
from . import projects

if TYPE_CHECKING:
    from .cloud import Cloud

pytest.register_assert_rewrite("faasbridge.conformance")

_COMMON = ("id", "source", "type", "subject", "time", "provider")  # of every event; the listing has the id already
_LAST_EVENTS_S = 10.0  # how long a test that passed waits for what it left in flight


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faasbridge")
    group.addoption(
        "--provider",
        default=None,
        metavar="NAMES",
        help="where the cloud fixture runs the app; several, comma separated, run each test on all of them "
        "(default: $FAASBRIDGE_PROVIDER or local)",
    )
    group.addoption(
        "--stage",
        default=None,
        metavar="NAME",
        help="the stage whose settings the app gets (default: $FAASBRIDGE_STAGE or dev)",
    )


def pytest_configure(config: pytest.Config) -> None:
    if not _providers(config):
        raise pytest.UsageError(
            "--provider names no provider; write --provider local, or several as in --provider local,aws"
        )


def pytest_unconfigure() -> None:
    running = sys.modules.get("faasbridge.testing.running")
    if running is not None:
        running.stop_all()


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule(module_path: Path) -> None:
    root = projects.root_of(module_path.parent)
    if root is not None:
        projects.importable(root)


def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, obj: object) -> Any:
    conformance = sys.modules.get("faasbridge.conformance.harness")
    # A suite's class has its harness as an attribute: only a module's own makes suites.
    if conformance is not None and isinstance(collector, pytest.Module) and isinstance(obj, conformance.Harness):
        return conformance.collect(collector, obj)
    return None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    names = _providers(metafunc.config)
    own = metafunc.cls is not None and hasattr(metafunc.cls, "harness")
    if len(names) > 1 and "cloud" in metafunc.fixturenames and not own:
        metafunc.parametrize("cloud", names, indirect=True)


@pytest.fixture
def cloud(request: pytest.FixtureRequest) -> Iterator[Cloud]:
    """The project's app on the chosen provider, with every resource empty."""
    from .running import fresh, running

    provider = getattr(request, "param", None) or _providers(request.config)[0]
    stage = request.config.getoption("--stage") or projects.defaults()[1]
    run, fault = None, ""
    try:
        root = projects.project_root(request.path)
        run = running((root, provider, stage), lambda: projects.start(root, provider, stage))
    except FaaSBridgeError as error:
        fault = str(error)
    if run is None:
        pytest.fail(fault, pytrace=False)  # outside of `except`, or the frames that led to it were shown as well
    with fresh(run) as cloud:
        yield cloud


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """A test that left dead letters unread fails, as its own failure and not as one of its fixture."""
    result = yield
    cloud = _cloud_of(item)
    if cloud is not None:
        with suppress(TimeoutError):  # what is still under way has not failed
            cloud.settle(_LAST_EVENTS_S)
        unread = cloud.unread_dead_letters()
        if unread:
            listing = "\n".join(
                f"  {name}, event {letter.id}, {_times(letter.attempts)}: {letter.reason}\n    {_shown(letter.event)}"
                for name, letter in unread
            )
            pytest.fail(
                f"{len(unread)} dead letter(s) that the test did not read (cloud.dead_letters(name) reads them):\n"
                f"{listing}",
                pytrace=False,
            )
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what the functions wrote."""
    report = yield
    cloud = _cloud_of(item) if report.failed else None
    if cloud is not None and report.when == "call":
        try:
            lines = [f"{line.time} {line.function} {line.level} {line.text}" for line in cloud.logs()]
        except Exception as error:  # noqa: BLE001 - the test's own failure must still be shown
            lines = [f"the logs could not be read: {error!r}"]
        if lines:
            report.sections.append((f"The functions' logs ({cloud.provider})", "\n".join(lines)))
    return report


def _providers(config: pytest.Config) -> list[str]:
    chosen = config.getoption("--provider")
    names = projects.defaults()[0] if chosen is None else str(chosen)
    return [*dict.fromkeys(name.strip() for name in names.split(",") if name.strip())]


def _cloud_of(item: pytest.Item) -> Cloud | None:
    cloud = getattr(item, "funcargs", {}).get("cloud")
    testing = sys.modules.get("faasbridge.testing.cloud")
    return cloud if testing is not None and isinstance(cloud, testing.Cloud) else None


def _times(attempts: int) -> str:
    return "1 attempt" if attempts == 1 else f"{attempts} attempts"


def _shown(event: Mapping[str, Any]) -> str:
    facts = {name: value for name, value in event.items() if name not in _COMMON}
    if isinstance(facts.get("body"), bytes):
        facts["body"] = facts["body"].decode(errors="backslashreplace")
    text = dumps(facts)
    return text if len(text) <= 500 else f"{text[:500]}…"
