"""What `check` finds in `gcp={...}` and in a stage's settings before anything is deployed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from faasbridge import App
from faasbridge.checks import check
from faasbridge.config import Project
from faasbridge.provider import Stage
from faasbridge_gcp.plugin import faasbridge_checks


def findings(app: App, **settings: Any) -> list[tuple[str, str, str]]:
    project = Project(Path(), "x:app", targets=("gcp",), stages={"prod": {"gcp": settings}})
    return [(each.code, each.severity, each.message) for each in check(app.spec(), project)]


def shop() -> App:
    app = App("shop")
    app.bucket("files")
    return app


def test_every_setting_of_the_documentation_is_known() -> None:
    assert (
        findings(
            shop(),
            project="acme-photos",
            region="europe-west1",
            bucket_location="EU",
            database_location="eur3",
            point_in_time_recovery=True,
            deletion_protection=True,
            build_service_account="builder@acme-photos.iam.gserviceaccount.com",
            platform="x86_64-manylinux_2_35",
            existing={},
            buckets={"files": {"versioning": True}},
        )
        == []
    )


def test_misspelt_settings_of_a_stage_are_errors() -> None:
    found = findings(
        shop(),
        regoin="europe-west1",
        deletion_protection="yes",
        buckets={"files": {"versionning": True}, "flies": {"versioning": True}},
    )
    assert {(code, severity) for code, severity, _ in found} == {("stage.setting", "error")}
    assert [text for _, _, text in found] == [
        "[tool.faasbridge.stages.prod.gcp]: there is no setting 'regoin'; did you mean 'region'?",
        "[tool.faasbridge.stages.prod.gcp]: deletion_protection is true or false, not 'yes'",
        "[tool.faasbridge.stages.prod.gcp.buckets.files]: there is no setting 'versionning'; did you mean "
        "'versioning'?",
        "[tool.faasbridge.stages.prod.gcp.buckets.flies]: there is no bucket 'flies'; did you mean 'files'?",
    ]


def test_paths_that_google_keeps_for_itself_are_found() -> None:
    app = App("shop")
    for path in ("/", "/eventlog", "/_ah/warmup", "/healthz", "/quiz/{id}", "/events"):
        app.get(path)(lambda request, id="": None)
    app.post("/healthz")(lambda request: None)
    stage = Stage("shop", "dev", "gcp", Path(), settings={"project": "acme-photos", "region": "europe-west1"})
    found = [(each.severity, each.message.partition(" ")[0]) for each in faasbridge_checks(app.spec(), stage)]
    assert sorted(found) == [("error", "/_ah/warmup"), ("error", "/eventlog"), ("warning", "/healthz")]
    assert faasbridge_checks(app.spec(), Stage("shop", "dev", "aws", Path())) == []


def test_instances_that_turn_messages_away_use_up_attempts() -> None:
    """Of an ordered queue one message is out at a time, and an api's caller sees that it was turned away."""
    app = App("shop", gcp={"max_instances": 20})
    app.get("/")(lambda request: None)
    app.queue("line", ordered=True).on_message(name="in_line", gcp={"max_instances": 1})(lambda message: None)
    app.queue("jobs").on_message(name="work", gcp={"max_instances": 2, "concurrency": 3})(lambda message: None)
    stage = Stage("shop", "dev", "gcp", Path(), settings={"project": "acme-photos", "region": "europe-west1"})
    (found,) = faasbridge_checks(app.spec(), stage)
    assert (found.code, found.severity) == ("gcp.max-instances", "warning")
    assert "'work' has max_instances=2, so it takes 6 messages at a time" in found.message
    assert "raise it, or max_attempts" in found.message
