"""A stage's settings: found by `check` where they are wrong, refused in a sentence, followed where they are right."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from faasbridge import App
from faasbridge.config import Project
from faasbridge.errors import ConfigError, FaaSBridgeError
from faasbridge.local.launch import launch
from faasbridge.local.options import port_of, workers_of
from faasbridge.local.stages import stage_to_json
from faasbridge.pipeline import Target
from faasbridge.provider import Stage

HEADER = "[tool.faasbridge.stages.dev.local]"
WRONG = {
    "port": [-1, 65_536, "8080", "abc", 80.5, True],
    "workers": [0, -1, "x", 2.0, True],
}


def stage(**settings: Any) -> Stage:
    return Stage("demo", "dev", "local", Path(), app_ref="main:app", settings=settings)


def findings(**settings: Any) -> list[str]:
    project = Project(Path(), "main:app", stages={"dev": {"local": settings}}, app_name="demo")
    found = Target(project, "local", "dev").findings(App("demo").spec())
    assert {each.code for each in found} <= {"stage.setting"}
    assert {each.severity for each in found} <= {"error"}
    return [each.message for each in found]


def test_right_settings_are_taken_and_what_is_not_given_has_a_default() -> None:
    assert (port_of(stage()), workers_of(stage())) == (8080, 4)
    assert (port_of(stage(port=0)), workers_of(stage(workers=1))) == (0, 1)
    assert findings() == findings(port=65_535, workers=100, existing={}) == []


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_setting_is_found_by_check_and_refused(name: str, value: Any) -> None:
    (found,) = findings(**{name: value})
    assert found.startswith(f"{HEADER}: {name} is a whole number")
    assert found.endswith(f", not {value!r}")
    read = {"port": port_of, "workers": workers_of}[name]
    with pytest.raises(
        ConfigError, match=r"^\[tool.*: (port is a .* from 0 to 65535|workers is a .* of 1 or more), not "
    ):
        read(stage(**{name: value}))


def test_a_misspelt_setting_is_found() -> None:
    assert findings(prot=8080) == [f"{HEADER}: there is no setting 'prot'; did you mean 'port'?"]


def test_a_server_says_which_setting_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        launch(replace(stage(workers="x"), root=tmp_path), tmp_path / "state", port=0)
    assert str(caught.value) == f"{HEADER}: workers is a whole number of 1 or more, not 'x'"


def test_a_new_number_of_workers_counts_from_the_reload_on(local: Callable[..., Any]) -> None:
    app = local(
        """
        @app.get("/meet", uses=[seen.update, seen.get])
        def meet(request: Request) -> Reply:
            seen.update("n", increment={"here": 1})
            while seen.get("n")["here"] < 3:
                time.sleep(0.005)
            return "met"
        """,
        settings={"workers": 1},
    )
    app.seen.put({"id": "n", "here": 0})
    wrong, right = (stage_to_json(replace(app.stage, settings={"workers": number})) for number in (0, 3))
    with pytest.raises(FaaSBridgeError, match="workers is a whole number of 1 or more, not 0"):
        app.simulator.client.call("POST", "reload", wrong.encode())
    app.simulator.client.call("POST", "reload", right.encode())
    with ThreadPoolExecutor(3) as threads:
        assert [answer[0] for answer in threads.map(lambda _: app.http("GET", "/meet"), range(3))] == [200, 200, 200]


def test_after_the_last_port_any_free_one_is_taken(local: Callable[..., Any], tmp_path: Path) -> None:
    app = local('app.api("admin", prefix="/admin").get("/")(lambda request: "admin")\n')
    process, running = launch(app.stage, tmp_path / "other", port=65_535)
    process.communicate()  # it ends with its standard input
    assert running.apis["http"].endswith(":65535")
    assert running.apis["admin"] != running.apis["http"]
