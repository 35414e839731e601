"""Several modules make one app, and a function loads only those of its own handlers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from faasbridge.config import Project

FILES = {
    "pyproject.toml": '[tool.faasbridge]\napp = "shop:app"\n',
    "shop/__init__.py": (
        "from faasbridge import App\nfrom shop.guard import check\napp = App('shop')\nmail = app.queue('mail')\n"
        "news = app.topic('news')\nadmin = app.api('admin', auth=check)\n"
        "app.include('shop.api', 'shop.jobs', 'shop.office')\n"
    ),
    "shop/guard.py": "def check(request): return {'sub': 'me'}\n",
    "shop/api.py": "from shop import app\n@app.get('/')\ndef home(request): return 'home'\n",
    "shop/jobs.py": "import smtplib\nfrom shop import mail\n@mail.on_message\ndef send(message): pass\n",
    # A handler that lives elsewhere, and one that a helper of another module declares.
    "shop/office.py": "from shop import admin, news\nfrom shop.plain import handle\nfrom shop.helper import listen\n"
    "admin.get('/')(handle)\nlisten(news)\n",
    "shop/plain.py": "def handle(request): return 'office'\n",
    "shop/helper.py": "def listen(topic):\n    @topic.on_message\n    def heard(message): pass\n",
}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    return tmp_path


def test_a_functions_modules_are_where_its_handlers_are_declared(shop: Path) -> None:
    spec = Project.load(shop).read_spec()
    assert {f.name: f.modules for f in spec.functions} == {
        "admin": ("shop.office",),
        "heard": ("shop.office",),
        "http": ("shop.api",),
        "send": ("shop.jobs",),
    }


def test_middleware_is_loaded_by_every_function(shop: Path) -> None:
    (shop / "shop/logs.py").write_text(
        "from shop import app\n@app.middleware\ndef log(event, call_next): return call_next(event)\n"
    )
    init = shop / "shop/__init__.py"
    init.write_text(init.read_text() + "app.include('shop.logs')\n")
    spec = Project.load(shop).read_spec()
    assert {f.name: f.modules for f in spec.functions}["send"] == ("shop.jobs", "shop.logs")


@pytest.mark.parametrize(
    ("function", "module"), [("http", "shop.api"), ("send", "shop.jobs"), ("heard", "shop.office")]
)
def test_those_modules_are_enough_to_run_it(shop: Path, function: str, module: str) -> None:
    code = (
        "import json, sys\nfrom faasbridge.config import load_app\nfrom faasbridge.dispatch import Runner\n"
        "from pathlib import Path\n"
        f"app = load_app('shop:app', Path.cwd()).load(['{module}'])\n"
        f"Runner(app, '{function}', provider='p', stage='s', driver_of=print)\n"
        "names = ('smtplib', 'shop.api', 'shop.jobs', 'shop.office')\n"
        "print(json.dumps([name for name in names if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=shop, capture_output=True, text=True, check=True)
    expected = {"shop.jobs": ["smtplib", "shop.jobs"]}.get(module, [module])
    assert json.loads(done.stdout) == expected
