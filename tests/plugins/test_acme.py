"""A third party's provider and resource kind, found through their entry point as anybody's are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import faasbridge

ACME = Path(__file__).parent / "acme_provider"
HOME = Path(faasbridge.__file__).parents[1]


def python(cwd: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs Python where the acme distribution is installed."""
    env = {**os.environ, "PYTHONPATH": f"{ACME}{os.pathsep}{HOME}", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, *command], cwd=cwd, env=env, capture_output=True, text=True, check=False)


def test_its_provider_is_found_without_being_imported(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom faasbridge import plugins\nassert plugins.providers()['acme'] == 'acme_cloud.provider:Acme'\n"
        "assert 'acme_cloud.provider' not in sys.modules\nassert plugins.provider('acme').name == 'acme'\n"
        "assert plugins.provider('acme') is plugins.provider('acme')\n"
    )
    done = python(tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr


def test_its_resource_kind_runs_on_its_provider_and_on_the_local_one(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "from acme_cloud.cache import Cache\nfrom faasbridge import App, Message\n"
        "app = App('shop')\nsessions = app.add(Cache('sessions'))\n"
        "@app.queue('jobs').on_message(uses=[sessions.get])\n"
        "def look(message): return str(sessions.get('k'))\n"
        "@app.queue('more').on_message\ndef peek(message): sessions.get('k')\n"
    )
    (tmp_path / "try.py").write_text(
        "import pathlib\nfrom shop import app, sessions\nfrom faasbridge import Message, PermissionDenied, plugins\n"
        "from faasbridge.drivers import Binding\nfrom faasbridge.provider import Stage\n"
        "spec = app.spec()\nassert [r.kind for r in spec.resources] == ['acme.cache', 'queue', 'queue']\n"
        "stage = Stage('shop', 'dev', 'acme', pathlib.Path.cwd())\n"
        "cloud = plugins.provider('acme').simulator(stage)\ncloud.start()\napp.bound = cloud.bind(app)\n"
        "sessions.put('k', b'v')\nassert cloud.invoke('look', Message()) == str(b'v')\n"
        "try:\n    cloud.invoke('peek', Message())\nexcept PermissionDenied as error:\n"
        "    assert 'add sessions.get to uses= of peek (shop.py:7)' in str(error), error\n"
        "else:\n    raise AssertionError\n"
        "for provider in ('acme', 'local'):\n    kit = plugins.kits(provider)['acme.cache']\n"
        "    driver = plugins.load(kit.driver)(Binding(provider, 'shop', 'dev', kit.kind, 'sessions', {}, ''))\n"
        "    driver.put('k', b'v')\n    assert driver.get('k') == b'v'\n"
    )
    done = python(tmp_path, "try.py")
    assert done.returncode == 0, done.stderr


def test_it_passes_its_part_of_the_conformance_kit(tmp_path: Path) -> None:
    (tmp_path / "test_acme.py").write_text(
        "from faasbridge.conformance import Harness\n\n"
        "acme = Harness('acme', suites=('tables', 'secrets'), deploy=False)\n"
    )
    done = python(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", ".")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    assert "passed" in done.stdout
