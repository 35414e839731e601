"""A project's settings, and reading its app in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from faasbridge import ConfigError
from faasbridge.config import Project, load_app

SETTINGS = '[tool.faasbridge]\napp = "shop.app:app"\n'
CANNOT = "the app cannot be imported"
APP = 'from faasbridge import App\napp = App("shop")\njobs = app.queue("jobs")\n'


@pytest.fixture(autouse=True)
def no_other_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FAASBRIDGE_PYTHON", raising=False)


def project(root: Path, settings: str = SETTINGS, **modules: str) -> Path:
    (root / "pyproject.toml").write_text(settings)
    package = root / "shop"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text("")
    for name, text in ({"app": APP} | modules).items():
        (package / f"{name}.py").write_text(text)
    return root


def fault(call: Any) -> str:
    with pytest.raises(ConfigError) as raised:
        call()
    return str(raised.value)


def test_the_nearest_project_above_a_folder_or_file_counts(tmp_path: Path) -> None:
    project(tmp_path, SETTINGS + 'targets = ["aws", "gcp", "aws"]\npython = "3.12"\n')
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "pyproject.toml").write_text('[project]\nname = "other"\n')
    for path in (tmp_path, tmp_path / "shop" / "app.py", tmp_path / "inner", tmp_path / "pyproject.toml"):
        found = Project.load(path)
        assert (found.root, found.app_ref, found.targets, found.python) == (
            tmp_path,
            "shop.app:app",
            ("aws", "gcp"),
            "3.12",
        )
    assert Project.load(tmp_path, "shop.other:it").app_ref == "shop.other:it"


def test_the_environment_can_name_another_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = project(tmp_path, SETTINGS + 'python = "3.13"\n')
    monkeypatch.setenv("FAASBRIDGE_PYTHON", "3.12")
    assert Project.load(root).python == "3.12"
    monkeypatch.setenv("FAASBRIDGE_PYTHON", "4")
    with pytest.raises(ConfigError, match=r"^FAASBRIDGE_PYTHON is one of 3\.11, 3\.12, 3\.13, not '4'$"):
        Project.load(root)


def test_the_running_python_is_the_default(tmp_path: Path) -> None:
    assert Project.load(project(tmp_path)).python == f"{sys.version_info.major}.{sys.version_info.minor}"


def test_no_project_says_how_to_make_one(tmp_path: Path) -> None:
    assert "faasbridge init" in fault(lambda: Project.load(tmp_path))
    assert "there is no" in fault(lambda: Project.load(tmp_path / "nowhere"))


def test_a_broken_file_shows_its_line(tmp_path: Path) -> None:
    project(tmp_path, '[tool.faasbridge]\napp = "shop.app:app"\ntargets = [aws]\n')
    text = fault(lambda: Project.load(tmp_path))
    assert text.startswith(f"{tmp_path}/pyproject.toml:3: ")
    assert text.endswith("\n    targets = [aws]")
    (tmp_path / "pyproject.toml").write_bytes(b"\xff")
    assert "not UTF-8" in fault(lambda: Project.load(tmp_path))


@pytest.mark.parametrize(
    ("settings", "line", "says"),
    [
        ("target = []", 3, "has no key 'target'; did you mean 'targets'"),
        ('targets = "aws"', 3, "targets is a list of providers"),
        ('python = "2.7"', 3, "python is one of 3.11, 3.12, 3.13, not '2.7'"),
        ("python = 3.13", 3, 'write it as text: "3.13"'),
        ("stages = 1", 3, "stages is a table"),
        ("[tool.faasbridge.stages.Prod]", 3, "'Prod' is no name for a stage"),
        ("[tool.faasbridge.stages.prod.env]\nSIZE = 50", 4, 'write SIZE = "50"'),
        ('[tool.faasbridge.stages.prod]\nregion = "x"', 4, "holds tables only"),
        ("[tool.faasbridge.stages.prod.aws.existing]\nfiles = true", 4, 'write files = "true"'),
    ],
)
def test_a_wrong_setting_shows_its_line(tmp_path: Path, settings: str, line: int, says: str) -> None:
    project(tmp_path, SETTINGS + settings)
    text = fault(lambda: Project.load(tmp_path))
    assert text.startswith(f"{tmp_path}/pyproject.toml:{line}: ")
    assert says in text


def test_the_app_has_to_be_named(tmp_path: Path) -> None:
    assert 'app = "photos.app:app"' in fault(lambda: Project.load(project(tmp_path, "[tool.faasbridge]\n")))
    for ref in ("shop app", "shop/app.py:app", ":app", "shop:a b"):
        with pytest.raises(ConfigError, match="an app is named by its module and variable"):
            Project.load(tmp_path, ref)


def test_a_stage_is_what_concerns_one_provider(tmp_path: Path) -> None:
    project(
        tmp_path,
        SETTINGS + '[tool.faasbridge.stages.prod.env]\nSIZE = "5"\n[tool.faasbridge.stages.prod.aws]\nregion = "eu"\n'
        '[tool.faasbridge.stages.prod.aws.existing]\nfiles = "the-bucket"\n',
    )
    stage = Project.load(tmp_path).stage("prod", "aws")
    assert (stage.app, stage.env, stage.settings["region"], stage.existing) == (
        "shop",
        {"SIZE": "5"},
        "eu",
        {"files": "the-bucket"},
    )
    plain = Project.load(tmp_path).stage("dev", "gcp")
    assert (plain.env, plain.settings, plain.existing) == ({}, {}, {})
    assert "no name for a stage" in fault(lambda: Project.load(tmp_path).stage("a--b", "aws"))


def test_the_app_is_read_elsewhere_whatever_it_prints_or_starts(tmp_path: Path) -> None:
    noisy = APP + "import os, threading\nprint('noise')\nthreading.Thread(target=threading.Event().wait).start()\n"
    noisy += "app.get('/' + os.environ['PAGE'])(lambda request: None)\n"
    spec = Project.load(project(tmp_path, app=noisy)).read_spec({"PAGE": "start"})
    assert spec.name == "shop"
    assert spec.function("http").routes[0].path == "/start"
    assert spec.resources[0].location == "shop/app.py:3"
    assert "shop.app" not in sys.modules


def test_a_src_layout_is_found(tmp_path: Path) -> None:
    project(tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "shop").rename(tmp_path / "src" / "shop")
    assert Project.load(tmp_path).read_spec().resources[0].location == "src/shop/app.py:3"


def test_each_reading_sees_the_code_of_now(tmp_path: Path) -> None:
    found = Project.load(project(tmp_path))
    assert [r.name for r in found.read_spec().resources] == ["jobs"]
    project(tmp_path, app=APP + "app.bucket('files')\n")
    assert [r.name for r in found.read_spec().resources] == ["files", "jobs"]


@pytest.mark.parametrize(
    ("modules", "says"),
    [
        ({"app": "x = 1\n\nraise ValueError('two\\nlines')"}, f"shop/app.py:3: {CANNOT}: ValueError: two lines"),
        ({"app": "def f(:\n"}, f"shop/app.py:1: {CANNOT}: SyntaxError: invalid syntax"),
        ({"app": "import not_there"}, f"shop/app.py:1: {CANNOT}: ModuleNotFoundError: No module named 'not_there'; is"),
        ({"app": "import json\njson.loads('')"}, f"shop/app.py:2: {CANNOT}: JSONDecodeError: "),
        ({"app": APP + "jobs.send('x')"}, "shop/app.py:4: queue 'jobs' is used outside of an invocation"),
        ({"app": APP + "app.queue('jobs')"}, "shop/app.py:4: queue 'jobs' is declared already at shop/app.py:3"),
        ({"app": APP + "app.queue('j', maxattempts=3)"}, "shop/app.py:4: there is no option maxattempts= here; did you "
            "mean 'max_attempts'?"),
        ({"app": APP + "app.get('/x', timeout_s=5)"}, "4: there is no option timeout_s= here; there is public, uses"),
        ({"app": APP + "jobs.send('x', delay=3)"}, "4: there is no option delay= here; did you mean 'delay_s'?"),
        ({"app": APP + "dict.fromkeys(x=1)"}, f"shop/app.py:4: {CANNOT}: TypeError: dict.fromkeys() takes no keyword"),
        ({"app": APP + "app.queue('J')\napp.queue('K')"}, "shop/app.py:4: queue 'J' is no name"),
        ({"app": APP + "app.include('shop.jbos')"}, "shop/app.py:4: the app includes 'shop.jbos', but there is"),
        ({"app": APP + "app.include('shop.jobs')", "jobs": "import nothing_like"}, f"shop/jobs.py:1: {CANNOT}: "),
        ({"app": "import sys\nsys.exit('enough')"}, f"shop/app.py:2: {CANNOT}: SystemExit: enough"),
        ({"app": "import os\nos._exit(7)"}, "importing shop.app:app ended the process with 7"),
        ({"app": "application = 1"}, "the app is 'shop.app:app', but shop.app has no 'app'; there is none"),
        ({"app": "app = 1"}, "the app is 'shop.app:app', but that is a int, not a faasbridge.App"),
        ({"app": APP + "aps = app\ndel app"}, "shop.app has no 'app'; did you mean 'aps'?"),
    ],
)  # fmt: skip
def test_what_goes_wrong_while_reading_is_said_where_it_is(tmp_path: Path, modules: dict[str, str], says: str) -> None:
    text = fault(Project.load(project(tmp_path, **modules)).read_spec)
    assert says in text
    assert str(tmp_path) not in text
    assert "Traceback" not in text


def test_a_missing_module_names_the_folder(tmp_path: Path) -> None:
    text = fault(Project.load(project(tmp_path), "shopp.app:app").read_spec)
    assert text == f"the app is 'shopp.app:app', but there is no module 'shopp' in {tmp_path}"


def test_a_worker_loads_the_app_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = project(tmp_path) / "shop"
    package.rename(tmp_path / "workershop")
    monkeypatch.setattr(sys, "path", list(sys.path))
    app = load_app("workershop.app:app", tmp_path)
    assert app.app_name == "shop"
    assert load_app("workershop.app", tmp_path) is app


def test_globs_of_the_artifact_are_settings(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.faasbridge]\napp = "main:app"\ninclude = ["data/*.csv"]\nexclude = ["*.psd"]\n'
    )
    project = Project.load(tmp_path)
    assert (project.include, project.exclude) == (("data/*.csv",), ("*.psd",))


def test_an_app_that_broke_keeps_the_name_it_had(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.faasbridge]\napp = "main:app"\n')
    (tmp_path / "main.py").write_text('from faasbridge import App\napp = App("shop")\n')
    (tmp_path / ".faasbridge").mkdir()
    assert Project.load(tmp_path).stage("dev", "local").app == "shop"
    (tmp_path / "main.py").write_text("def broken(:\n")
    project = Project.load(tmp_path)
    assert project.stage("dev", "local").app == "shop"
    with pytest.raises(ConfigError, match="SyntaxError"):
        project.read_spec()


def test_a_command_reads_the_app_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = tmp_path / "reads"
    root = project(tmp_path, app=f"open({str(reads)!r}, 'a').write('x')\n{APP}")
    found = Project.load(root)
    found.stage("dev", "local")
    assert found.read_spec().name == "shop"
    assert reads.read_text() == "x"
    found.read_spec()
    assert reads.read_text() == "xx"
