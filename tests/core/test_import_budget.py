"""What a cold start pays for: which modules `import faasbridge` brings, beside what any runtime has loaded already."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {
    "asyncio", "concurrent", "dataclasses", "email", "enum", "http", "inspect", "pathlib", "pluggy", "re", "tempfile",
    "typing", "typing_extensions", "urllib", "uuid", "zoneinfo",
}  # fmt: skip


def loaded(code: str) -> set[str]:
    # json and logging are there in every vendor's runtime, with what they bring themselves.
    script = f"import json, logging, sys; before = set(sys.modules); {code}; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True, check=True, env=PATH)
    return set(done.stdout.split())


PATH = {"PYTHONPATH": str(__import__("pathlib").Path(__import__("faasbridge").__file__).parents[1])}


def test_importing_the_package_brings_only_what_handlers_need() -> None:
    brought = loaded("import faasbridge")
    assert not {name for name in brought if name.split(".")[0] in HEAVY}
    assert {name for name in brought if not name.startswith(("faasbridge", "_"))} <= {"datetime", "binascii"}
    assert "faasbridge.dispatch" not in brought, "declaring an app dispatches nothing"


def test_declaring_and_running_an_app_brings_no_more() -> None:
    brought = loaded(
        "from faasbridge import App, Request; from faasbridge.dispatch import Runner; app = App('a', cors=['*']); "
        "q = app.queue('q'); app.get('/x/{y}', uses=[q.send])(lambda request, y: {'y': y}); "
        "r = Runner(app, 'http', provider='p', stage='s', driver_of=print); "
        "assert r.http(Request('GET', '/x/1', headers={'a': 'b'}))[0] == 200"
    )
    assert not {name for name in brought if name.split(".")[0] in HEAVY}


def test_a_kind_of_resource_is_imported_where_an_app_declares_one() -> None:
    kinds = {"bucket", "queue", "secret", "table"}

    def brought(code: str) -> set[str]:
        return {name.rpartition(".")[2] for name in loaded(code) if name.startswith("faasbridge.resources.")} & kinds

    assert brought("import faasbridge; faasbridge.App('a')") == set()
    assert brought("import faasbridge; faasbridge.App('a').table('t', key='id')") == {"table"}
    assert brought("from faasbridge import Topic") == {"queue"}


def test_other_events_and_listings_are_imported_where_an_app_needs_them() -> None:
    lazy = {"faasbridge.events", "faasbridge.resources.listing"}
    assert not loaded("import faasbridge, faasbridge.dispatch; faasbridge.App('a').queue('q')") & lazy
    assert loaded("from faasbridge import Message, Page") >= lazy


def test_what_adapters_share_is_light_and_only_theirs() -> None:
    assert not {name for name in loaded("import faasbridge, faasbridge.dispatch") if "adapter" in name}
    modules = ", ".join(
        f"faasbridge.adapter.{name}" for name in ("delivery", "entry", "fitting", "own_events", "times")
    )
    assert not {name for name in loaded(f"import {modules}") if name.split(".")[0] in HEAVY}


def test_public_names_are_all_there() -> None:
    import faasbridge

    assert [name for name in faasbridge.__all__ if not hasattr(faasbridge, name)] == []
    assert not hasattr(faasbridge, "Buckets")
    assert sorted(faasbridge.__all__) == faasbridge.__all__
