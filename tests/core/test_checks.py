"""Where an app asks for more than a target gives, and what all targets together give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from faasbridge import App, plugins
from faasbridge.checks import check
from faasbridge.config import Project
from faasbridge.limits import Limits, floor

VENDORS = ("aws", "gcp", "azure")


def findings(app: App, *targets: str, stages: Any = None) -> list[tuple[str, str, str]]:
    project = Project(Path(), "x:app", targets=targets, stages=stages)
    return [(found.code, found.severity, found.message) for found in check(app.spec(), project)]


def handler(event: Any) -> None: ...


def page(request: Any) -> None: ...


def test_the_floor_is_the_strictest_of_each_limit_and_says_whose() -> None:
    low = floor({"a": Limits(message_bytes=5, memory_mb=9), "b": Limits(message_bytes=4, ordered=False)})
    assert (low.message_bytes, low.memory_mb, low.item_bytes, low.ordered) == (4, 9, None, False)
    assert low.sources == {"message_bytes": "b", "memory_mb": "a"}


def test_the_floor_of_all_vendors() -> None:
    low = floor({name: plugins.provider(name).limits for name in VENDORS})
    assert (low.message_bytes, low.http_timeout_s, low.event_timeout_s, low.batch_size) == (
        48 * 1024 - 1024,
        30,
        540,
        1,
    )
    assert (low.item_bytes, low.delay_s, low.memory_mb, low.ordered) == (400 * 1024, 900, 4096, False)
    assert low.http_request_bytes is not None
    assert 4_500_000 < low.http_request_bytes < 6 * 1024 * 1024


@pytest.mark.parametrize("name", VENDORS)
def test_every_limit_of_a_vendor_has_its_source(name: str) -> None:
    limits = plugins.provider(name).limits
    numbers = {
        key for key, value in vars(limits).items() if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    assert numbers <= set(limits.sources)
    assert all("http" in text or "source" in text or "host" in text for text in limits.caveats.values())


@pytest.mark.parametrize("name", VENDORS)
def test_a_vendor_has_options_for_functions_and_apis(name: str) -> None:
    assert set(plugins.provider(name).options) - {"stage"} == {"function", "api"}


def test_an_app_within_the_floor_has_no_findings() -> None:
    app = App("modest")
    app.get("/")(page)
    app.queue("jobs").on_message(timeout_s=540, memory_mb=4096)(handler)
    app.schedule("0 3 * * MON", name="tick")(handler)
    assert findings(app, *VENDORS) == []


def test_time_and_memory_beyond_a_target_are_errors_with_their_source() -> None:
    app = App("greedy", timeout_s=60)
    app.get("/")(page)
    app.queue("jobs").on_message(timeout_s=600, memory_mb=8192)(handler)
    found = findings(app, *VENDORS)
    assert sorted((c, s, m.split(" (")[0]) for c, s, m in found) == [
        ("limit.memory_mb", "error", "function 'handler' asks for memory_mb=8192; azure gives 4,096 MB at most"),
        ("limit.timeout_s", "error", "api 'http' asks for timeout_s=60; aws gives 30 s at most"),
        ("limit.timeout_s", "error", "function 'handler' asks for timeout_s=600; gcp gives 540 s at most"),
    ]
    assert all("https://" in message for _, _, message in found)


@pytest.mark.parametrize(
    ("declare", "target", "code", "severity"),
    [
        (lambda app: app.queue("jobs", ordered=True), "azure", "ordered", "error"),
        (lambda app: app.topic("news", ordered=True), "azure", "ordered", "error"),
        (lambda app: app.schedule("0 3 1 * MON")(handler), "aws", "cron.both-days", "error"),
        (lambda app: app.get("/robots.txt")(page), "gcp", "http.reserved-path", "warning"),
        (lambda app: app.get("/favicon.ico")(page), "gcp", "http.reserved-path", "warning"),
        (
            lambda app: app.table("t", key="k", existing=True).on_change(handler),
            "azure",
            "table.foreign-writes",
            "warning",
        ),
    ],
)
def test_what_one_vendor_cannot_keep(declare: Any, target: str, code: str, severity: str) -> None:
    app = App("special")
    declare(app)
    assert [(found, how) for found, how, _ in findings(app, target)] == [(code, severity)]
    others = [vendor for vendor in VENDORS if vendor != target]
    assert findings(app, *others) == []


def test_options_of_a_vendor_are_listed_and_misspelt_ones_are_errors() -> None:
    app = App("special", aws={"endpoint": "function-url"})
    app.get("/")(page)
    app.queue("jobs").on_message(aws={"snapstart": True}, gcp={"min_instances": 1}, asw={"x": 1})(handler)
    assert [(code, severity) for code, severity, _ in findings(app)] == [
        ("option.unknown", "error"),
        ("option.vendor", "ok"),
        ("option.provider", "error"),
        ("option.vendor", "ok"),
    ]
    assert "did you mean 'snap_start'" in findings(app)[0][2]


def test_settings_of_a_stage_that_are_misspelt_are_errors() -> None:
    app = App("shop")
    app.table("rows", key="id")
    settings = {
        "regoin": "eu-central-1",
        "profile": "work",
        "tables": {"rows": {"point_in_time_recovry": True, "deletion_protection": "yes"}, "raws": {}},
    }
    found = findings(app, stages={"prod": {"aws": settings}})
    assert {(code, severity) for code, severity, _ in found} == {("stage.setting", "error")}
    assert [text for _, _, text in found] == [
        "[tool.faasbridge.stages.prod.aws]: there is no setting 'regoin'; did you mean 'region'?",
        "[tool.faasbridge.stages.prod.aws.tables.rows]: there is no setting 'point_in_time_recovry'; did you mean "
        "'point_in_time_recovery'?",
        "[tool.faasbridge.stages.prod.aws.tables.rows]: deletion_protection is true or false, not 'yes'",
        "[tool.faasbridge.stages.prod.aws.tables.raws]: there is no table 'raws'; did you mean 'rows'?",
    ]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"resouce_group": "x"}, "azure]: there is no setting 'resouce_group'; did you mean 'resource_group'?"),
        (
            {"storage": {"redundency": "x"}},
            "azure.storage]: there is no setting 'redundency'; did you mean 'redundancy'?",
        ),
        ({"storage": {"redundancy": "ZRS"}}, "azure.storage]: redundancy is one of Standard_LRS, Standard_ZRS, "),
        ({"vault": {"retention_days": "90"}}, "azure.vault]: retention_days is a whole number, not '90'"),
        ({"vault": {"retention_days": True}}, "azure.vault]: retention_days is a whole number, not True"),
        ({"logs": 90}, "azure]: logs is a table, not 90"),
        ({"tenant": 1}, "azure]: tenant is text, not 1"),
    ],
)
def test_settings_in_tables_of_a_stage_are_looked_at_too(settings: Any, said: str) -> None:
    ((code, severity, text),) = findings(App("shop"), stages={"prod": {"azure": settings}})
    assert (code, severity) == ("stage.setting", "error")
    assert text.startswith(f"[tool.faasbridge.stages.prod.{said}")


def test_settings_of_a_stage_that_are_right_are_no_finding() -> None:
    azure = {"location": "westeurope", "storage": {"redundancy": "Standard_ZRS"}, "vault": {"retention_days": 90}}
    assert findings(App("shop"), stages={"prod": {"azure": azure}}) == []


def test_a_target_that_is_not_installed_is_a_warning_and_an_unknown_one_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plugins, "providers", dict)
    (missing, unknown) = findings(App("any"), "aws", "awz")
    assert missing[:2] == ("target.missing", "warning")
    assert "pip install 'faasbridge[aws]'" in missing[2]
    assert unknown[:2] == ("target.unknown", "error")
    assert "did you mean 'aws'" in unknown[2]


def test_what_exists_already_has_to_be_named_in_each_stage() -> None:
    app = App("tenant")
    app.bucket("files", existing=True)
    stages = {"prod": {"env": {}, "aws": {"existing": {"fils": "x"}}, "asw": {"existing": {"files": "y"}}}}
    assert [(code, severity) for code, severity, _ in findings(app, stages=stages)] == [
        ("existing.missing", "error"),
        ("existing.unknown", "warning"),
        ("stage.provider", "warning"),
    ]
