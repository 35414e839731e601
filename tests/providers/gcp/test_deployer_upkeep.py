"""Looking after what is deployed: status, logs, invocations and dead letters."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from faasbridge import App, ConfigError, Message
from faasbridge.provider import LogLine
from faasbridge.simulation.servers import Server
from faasbridge_gcp import wire
from faasbridge_gcp.deploying import logs

sys.path.insert(0, str(Path(__file__).parent))
from deploying import PROJECT, WARM, Deployment, simulated
from simulated_cloud import wait_until

CODE = """
import base64, json, os

def handler(request):
    if os.environ["FAASBRIDGE_FUNCTION"] == "http":
        print("somebody came")
        return "home"
    body = base64.b64decode(json.loads(request.get_data())["message"]["data"])
    print(json.dumps({"severity": "WARNING", "message": f"got {body.decode()}"}))
    return "", 500 if b"poison" in body else 204
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with simulated(tmp_path_factory.mktemp("cloud") / "s", WARM) as server:
        yield server


@pytest.fixture(scope="module")
def life(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    life = Deployment(server, f"life{uuid4().hex[:6]}", tmp_path_factory.mktemp("life"))
    life.app, life.code = App(life.stage.app), CODE

    @life.app.get("/")
    def home(request: Any) -> None: ...

    @life.app.queue("jobs").on_message(max_attempts=5, memory_mb=512)
    def work(message: Any) -> None: ...

    life.deploy()
    yield life
    life.destroy()


def send(life: Deployment, body: bytes, id: str) -> None:
    data, attributes = wire.pack(body, {"colour": "red"}, id)
    message = {"data": data, "attributes": attributes}
    life.calm.get("publisher").publish(topic=life.of("topics", "jobs"), messages=[message])


def lines(life: Deployment, function: str | None) -> list[LogLine]:
    return list(life.deployer().logs(function, since_s=600, follow=False))


def letters(life: Deployment) -> list[str]:
    return sorted(letter.id for letter in life.deployer().dead_letters("work"))


@pytest.fixture
def buried(life: Deployment) -> Iterator[list[str]]:
    ids = [f"{each}-{uuid4().hex[:6]}" for each in ("e1", "e2")]
    for id in ids:
        send(life, b"poison", id)
    wait_until(lambda: letters(life) == ids)
    yield ids
    life.deployer().purge("work")


def test_the_status_is_of_each_function(life: Deployment, buried: list[str]) -> None:
    found = life.deployer().status()
    assert (found["deployed"], found["project"], found["region"]) == (True, PROJECT, "europe-west1")
    assert set(found["functions"]) == {"http", "work"}
    work = found["functions"]["work"]
    assert (work["state"], work["memory"], work["dead letters"]) == ("active", "512Mi", 2)
    assert "dead letters" not in found["functions"]["http"]


def test_logs_are_of_one_function_or_of_all_with_their_level(life: Deployment) -> None:
    import httpx2 as httpx

    httpx.get(life.deployer().outcome().endpoints["http"])
    send(life, b"paper", "p1")
    wait_until(lambda: "got paper" in [line.text for line in lines(life, "work")])
    found = {(line.function, line.level, line.text) for line in lines(life, None)}
    assert {("work", "WARNING", "got paper"), ("http", "INFO", "somebody came")} <= found
    assert {line.function for line in lines(life, "http")} == {"http"}


def test_following_gives_each_line_once_also_late_ones_and_those_of_one_moment(
    life: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_PAUSE_S", 0.02)
    service, now = life.of("services", "work").rpartition("/")[2], datetime.now(UTC)

    def write(moment: datetime, *texts: str) -> None:
        entries = [
            {
                "log_name": f"projects/{PROJECT}/logs/run.googleapis.com%2Fstdout",
                "insert_id": uuid4().hex,
                "timestamp": moment,
                "text_payload": text,
                "resource": {"type": "cloud_run_revision", "labels": {"service_name": service}},
            }
            for text in texts
        ]
        life.calm.get("logging").write_log_entries(entries=entries)

    write(now, "a", "b")
    following = (line for line in life.deployer().logs("work", since_s=600, follow=True) if len(line.text) < 5)
    assert [next(following).text for _ in range(2)] == ["a", "b"]
    write(now, "c")
    write(now - timedelta(seconds=1), "late")
    assert {next(following).text for _ in range(2)} == {"c", "late"}
    write(now + timedelta(milliseconds=1), "d")
    assert next(following).text == "d"


def test_an_event_that_nobody_waits_for_goes_through_the_inbox(life: Deployment) -> None:
    assert life.deployer().invoke("work", Message("parcel"), wait=False) is None
    wait_until(lambda: "got parcel" in [line.text for line in lines(life, "work")])


def test_dead_letters_are_looked_at_without_using_them_up(life: Deployment, buried: list[str]) -> None:
    for _ in range(3):
        assert letters(life) == buried
    letter = min(life.deployer().dead_letters("work"), key=lambda each: each.id)
    assert (letter.inbox, letter.attempts, "crashed or ran out of time" in letter.reason) == ("queue:jobs", 5, True)
    assert (letter.event["body"], letter.event["attributes"]) == (b"poison", {"colour": "red"})


def test_chosen_dead_letters_are_thrown_away(life: Deployment, buried: list[str]) -> None:
    assert life.deployer().purge("work", [buried[1], "e9"]) == 1
    assert letters(life) == buried[:1]
    assert life.deployer().purge("work") == 1
    assert letters(life) == []


def test_a_replayed_letter_goes_through_the_function_again(life: Deployment, buried: list[str]) -> None:
    before = time.time()
    assert life.deployer().replay("work", buried[:1]) == 1
    again = lambda: [line for line in lines(life, "work") if line.text == "got poison" and line.time > stamp(before)]  # noqa: E731
    wait_until(lambda: len(again()) >= 5)
    wait_until(lambda: letters(life) == buried)


def test_a_subscription_that_lost_its_dead_letters_is_mended_by_a_deployment(life: Deployment) -> None:
    changed = {
        "subscription": {"name": life.of("subscriptions", "jobs")},
        "update_mask": {"paths": ["dead_letter_policy"]},
    }
    life.calm.get("subscriber").update_subscription(request=changed)
    assert "dead letters" not in life.deployer().status()["functions"]["work"]
    with pytest.raises(ConfigError, match=r"has lost its dead-letter policy.*`faasbridge deploy"):
        letters(life)
    life.deploy()
    assert letters(life) == []


def stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
