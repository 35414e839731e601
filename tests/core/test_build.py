"""Whole artifacts: what is in them, that they load, and what is refused. Dependencies come from wheels made here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import faasbridge
from faasbridge import plugins
from faasbridge.build import Build, build, requirements, runtime, uv, wheels
from faasbridge.build.artifact import MANIFEST, MAX_RUNTIME_BYTES
from faasbridge.config import Project
from faasbridge.errors import ConfigError
from faasbridge.hookspecs import hookimpl
from faasbridge.provider import Artifact, Layout, Stage

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
ARM = "aarch64-manylinux_2_28"

APP = """
from faasbridge import App, Message, Request

app = App("shop")
orders = app.queue("orders")
app.include("shop.more")


@app.get("/")
def index(request: Request):
    return {"hello": "world"}
"""
MORE = """
from shop.app import orders


@orders.on_message
def pack(message):
    import tinydep
"""


def wheel(
    folder: Path,
    name: str,
    version: str,
    *,
    tag: str = "py3-none-any",
    files: dict[str, str] | None = None,
    needs: str = "",
) -> None:
    """A wheel as an index would have it."""
    info = f"{name}-{version}.dist-info"
    contents = {f"{name}/__init__.py": f"VERSION = {version!r}\n", **(files or {})}
    requires = f"Requires-Dist: {needs}\n" if needs else ""
    contents[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}"
    contents[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n"
    contents[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*contents, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as zipped:
        for path, text in contents.items():
            zipped.writestr(path, text)


class Index(SimpleHTTPRequestHandler):
    """A package index (PEP 503) over a folder of wheels."""

    def do_GET(self) -> None:
        if self.path.endswith(".whl"):
            super().do_GET()
            return
        wanted = self.path.strip("/").replace("-", "_")
        found = [path for path in sorted(Path(self.directory).glob("*.whl")) if path.name.partition("-")[0] == wanted]
        links = "".join(
            f'<a href="/{path.name}#sha256={sha256(path.read_bytes()).hexdigest()}">{path.name}</a>' for path in found
        )
        self.send_response(200 if found else 404)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(f"<!DOCTYPE html><html><body>{links}</body></html>".encode())

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    servers: list[ThreadingHTTPServer] = []

    def start(folder: Path) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Index, directory=str(folder)))
        Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Callable[[Path], str]) -> Path:
    """A folder of wheels behind the only index that uv knows."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in list(os.environ):
        if name.startswith(("UV_", "FAASBRIDGE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_DEFAULT_INDEX", serve(folder))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("UV_PYTHON", sys.executable)
    wheel(folder, "tinydep", "1.0")
    wheel(folder, "tinydep", "2.0", needs="deeper")
    wheel(folder, "deeper", "0.5")
    wheel(folder, "native", "1.0", tag="cp313-cp313-manylinux_2_28_aarch64", files={"native/_c.so": "\x7fELF arm"})
    wheel(folder, "native", "1.0", tag="cp313-cp313-manylinux_2_28_x86_64", files={"native/_c.so": "\x7fELF intel"})
    wheel(folder, "faasbridge", "9.9", needs="deeper")
    wheel(folder, "cachekind", "1.0", needs="faasbridge")
    return folder


def make_project(root: Path, *dependencies: str) -> Project:
    (root / "shop").mkdir(parents=True)
    (root / "shop" / "__init__.py").write_text("")
    (root / "shop" / "app.py").write_text(APP)
    (root / "shop" / "more.py").write_text(MORE)
    (root / ".env").write_text("TOKEN=hunter2\n")
    lines = json.dumps(["faasbridge", *dependencies])
    (root / "pyproject.toml").write_text(
        f'[project]\nname = "shop"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = {lines}\n'
        '[tool.uv]\npackage = false\n[tool.faasbridge]\napp = "shop.app:app"\n'
    )
    return Project.load(root)


def make(project: Project, out: Path, **layout: Any) -> Artifact:
    stage = project.stage("dev", "local")
    return build(project, project.read_spec(), Layout(**layout), out, stage=stage)


def names(artifact: Artifact) -> list[str]:
    with zipfile.ZipFile(artifact.path) as zipped:
        return [name for name in zipped.namelist() if "__pycache__" not in name]


def top(artifact: Artifact) -> set[str]:
    return {name.partition("/")[0] for name in names(artifact)}


def test_the_same_inputs_give_the_same_bytes_in_another_folder(tmp_path: Path) -> None:
    made = [
        make(make_project(tmp_path / each, "tinydep"), tmp_path / f"{each}.zip", files={"entry.py": b"import shop\n"})
        for each in ("one", "two")
    ]
    assert made[0].path.read_bytes() == made[1].path.read_bytes()
    assert made[0].sha256 == made[1].sha256
    assert made[0].size == made[0].path.stat().st_size
    again = make(Project.load(tmp_path / "one"), tmp_path / "again.zip", files={"entry.py": b"import shop\n"})
    assert again.sha256 == made[0].sha256


def test_what_is_in_it(tmp_path: Path) -> None:
    artifact = make(make_project(tmp_path / "p", "tinydep"), tmp_path / "out.zip", files={"host.json": b"{}"})
    assert top(artifact) == {
        *("deeper", "deeper-0.5.dist-info", "faasbridge", "faasbridge.json", "host.json"),
        *("shop", "tinydep", "tinydep-2.0.dist-info"),
    }
    with zipfile.ZipFile(artifact.path) as zipped:
        manifest = json.loads(zipped.read("faasbridge.json"))
        assert b"hunter2" not in b"".join(zipped.read(name) for name in zipped.namelist())
    assert manifest["app"] == "shop.app:app"
    assert [function["name"] for function in manifest["manifest"]["functions"]] == ["http", "pack"]


def test_it_loads_where_nothing_else_is_installed(tmp_path: Path) -> None:
    artifact = make(make_project(tmp_path / "p", "tinydep"), tmp_path / "out.zip")
    with zipfile.ZipFile(artifact.path) as zipped:
        zipped.extractall(tmp_path / "task")
    program = """
import sys
sys.path.insert(0, sys.argv[1])
from faasbridge import Request, artifact
from faasbridge.dispatch import Runner
app = artifact.load(sys.argv[1], "http")
assert "shop.more" not in sys.modules, "only the modules of the function are loaded"
print(Runner(app, "http", provider="p", stage="s", driver_of=None).http(Request())[2].decode())
app = artifact.load(sys.argv[1])
assert set(app.functions) == {"pack"}
import faasbridge.drivers, faasbridge.event_json, faasbridge.resources, tinydep
"""
    command = [sys.executable, "-I", "-S", "-c", program, str(tmp_path / "task")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ('{"hello":"world"}\n', "")


@pytest.mark.parametrize("provider", ["faasbridge_aws", "faasbridge_azure", "faasbridge_gcp"])
def test_what_faasbridge_adds_is_small_and_run_time_only(tmp_path: Path, provider: str) -> None:
    artifact = make(make_project(tmp_path / "p"), tmp_path / "out.zip", packages=("faasbridge", provider))
    with zipfile.ZipFile(artifact.path) as zipped:
        ours = [info for info in zipped.infolist() if info.filename.startswith("faasbridge")]
    assert sum(info.compress_size for info in ours) < MAX_RUNTIME_BYTES
    packages = ("faasbridge", provider)
    files = {f"{package}/{file}" for package in packages for file in ("__init__.pyc", "modules.bin")}
    assert {info.filename for info in ours} == {*files, MANIFEST}
    modules = {path.split("/")[1] for path in runtime.collect(packages) if path.startswith("faasbridge/")}
    assert {"app.py", "dispatch.py", "resources"} <= modules
    assert not modules & {
        "cli",
        "local",
        "conformance",
        "testing",
        "build",
        "templates",
        "provider.py",
        "plugins.py",
        "spec.py",
    }


def test_run_time_modules_import_nothing_that_is_left_behind() -> None:
    files = runtime.collect(("faasbridge",))
    program = "import sys; sys.path.insert(0, sys.argv[1])\nfor name in sys.argv[2:]: __import__(name)"
    modules = [
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in files if name.endswith(".py")
    ]
    root = str(Path(faasbridge.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, root, *modules], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_package_that_is_not_installed() -> None:
    with pytest.raises(ConfigError, match="pip install faasbridge-nowhere"):
        runtime.collect(("faasbridge_nowhere",))


def test_dependencies_are_the_targets(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p", "native")
    for platform, word in ((ARM, b"arm"), ("x86_64-manylinux_2_28", b"intel")):
        artifact = make(project, tmp_path / f"{platform}.zip", python_version="3.13", python_platform=platform)
        with zipfile.ZipFile(artifact.path) as zipped:
            assert zipped.read("native/_c.so").endswith(word)


def test_a_package_without_a_wheel_is_named(tmp_path: Path, index: Path) -> None:
    project = make_project(tmp_path / "p", "native")
    with pytest.raises(ConfigError, match=rf"^native has no wheel for Python 3\.12 on {ARM}"):
        make(project, tmp_path / "out.zip", python_version="3.12", python_platform=ARM)
    assert not (tmp_path / "out.zip").exists()


def test_a_package_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'no-such-thing' is to be found"):
        make(make_project(tmp_path / "p", "no_such_thing"), tmp_path / "out.zip")


def test_faasbridge_itself_is_never_fetched(tmp_path: Path) -> None:
    artifact = make(make_project(tmp_path / "p", "cachekind", "faasbridge[aws]>=1"), tmp_path / "out.zip")
    assert "cachekind" in top(artifact)
    assert not any(name.startswith(("faasbridge-", "deeper")) for name in names(artifact))


def test_dependencies_are_fetched_once(tmp_path: Path, index: Path) -> None:
    project = make_project(tmp_path / "p", "tinydep")
    first = make(project, tmp_path / "1.zip")
    for each in index.iterdir():
        each.unlink()
    (tmp_path / "p" / "shop" / "app.py").write_text(APP + "# changed\n")
    second = make(project, tmp_path / "2.zip")
    assert first.sha256 != second.sha256
    assert "tinydep" in top(second)


@pytest.fixture
def locked(tmp_path: Path, index: Path) -> Path:
    """A project whose lock was made before tinydep 2.0 came."""
    new = (index / "tinydep-2.0-py3-none-any.whl").read_bytes()
    (index / "tinydep-2.0-py3-none-any.whl").unlink()
    make_project(tmp_path / "p", "tinydep")
    done = uv.run(["lock", "--python", sys.executable], cwd=tmp_path / "p")
    assert done.returncode == 0, done.stderr
    (index / "tinydep-2.0-py3-none-any.whl").write_bytes(new)
    return tmp_path / "p"


def versions(artifact: Artifact) -> set[str]:
    return {name for name in top(artifact) if name.endswith(".dist-info")}


def test_a_lock_decides(tmp_path: Path, locked: Path) -> None:
    assert versions(make(Project.load(locked), tmp_path / "out.zip")) == {"tinydep-1.0.dist-info"}
    (locked / "uv.lock").unlink()
    assert "tinydep-2.0.dist-info" in versions(make(Project.load(locked), tmp_path / "out.zip"))


def test_a_wheel_that_is_not_the_locked_one_is_refused(tmp_path: Path, locked: Path, index: Path) -> None:
    (index / "tinydep-1.0-py3-none-any.whl").unlink()
    wheel(index, "tinydep", "1.0", files={"tinydep/evil.py": ""})
    with pytest.raises(ConfigError, match=r"(?i)hash mismatch"):
        make(Project.load(locked), tmp_path / "out.zip")


def test_a_lock_that_is_older_than_the_project(tmp_path: Path, locked: Path) -> None:
    settings = locked / "pyproject.toml"
    settings.write_text(settings.read_text().replace('"tinydep"', '"tinydep", "native"'))
    with pytest.raises(ConfigError, match=r"uv\.lock does not know 'native'.*`uv lock`"):
        make(Project.load(locked), tmp_path / "out.zip")


@pytest.mark.parametrize("kind", ["requirements.txt", "pylock.toml"])
def test_other_locks_decide_as_well(tmp_path: Path, locked: Path, kind: str) -> None:
    export = {"requirements.txt": "requirements.txt", "pylock.toml": "pylock.toml"}[kind]
    done = uv.run(["export", "--frozen", "--format", export, "--prune", "faasbridge", "--no-emit-project"], cwd=locked)
    assert done.returncode == 0, done.stderr
    (locked / kind).write_text(done.stdout)
    (locked / "uv.lock").unlink()
    assert versions(make(Project.load(locked), tmp_path / "out.zip")) == {"tinydep-1.0.dist-info"}


def test_too_large_names_the_largest_parts(tmp_path: Path, index: Path) -> None:
    wheel(index, "fat", "1.0", files={"fat/data.bin": os.urandom(300_000).hex()})
    project = make_project(tmp_path / "p", "fat")
    with pytest.raises(ConfigError, match=r"the artifact has 0\.\d MB, local takes 0\.1 MB: .* fat \(0\.3 MB\)"):
        make(project, tmp_path / "out.zip", max_zip_bytes=100_000)
    with pytest.raises(ConfigError, match=r"has 0\.\d MB unzipped, local takes 0\.5 MB: .* are fat \(0\.6 MB\)"):
        make(project, tmp_path / "out.zip", max_unzipped_bytes=500_000)
    assert not (tmp_path / "out.zip").exists()


def test_a_file_of_the_app_where_the_providers_stands(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p")
    (tmp_path / "p" / "host.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"'host\.json' comes from the app's folder .* and from provider 'local'"):
        make(project, tmp_path / "out.zip", files={"host.json": b"{}"})


class Plugin:
    @hookimpl
    def faasbridge_prepare_artifact(self, build: Build, stage: Stage) -> None:
        assert build.spec.name == "shop"
        build.add_file("org/policy.json", stage.name.encode())
        build.add_file("audit.py", b"def audit(event, call_next):\n    return call_next(event)\n")
        build.add_requirement("tinydep<2")
        build.add_middleware("audit:audit")


def test_plugins_add_files_requirements_and_middleware(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p")
    plugins.manager().register(Plugin(), name="test-artifact")
    try:
        artifact = make(project, tmp_path / "out.zip")
    finally:
        plugins.manager().unregister(name="test-artifact")
    assert {"org", "audit.py", "tinydep-1.0.dist-info"} <= top(artifact)
    with zipfile.ZipFile(artifact.path) as zipped:
        assert zipped.read("org/policy.json") == b"dev"
        zipped.extractall(tmp_path / "task")
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from faasbridge import artifact; "
        "print([f.__name__ for f in artifact.load(sys.argv[1]).chain])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(tmp_path / "task")], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("['audit']\n", "")


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "a//b", "", "a\\b"])
def test_a_plugins_file_stays_in_the_artifact(tmp_path: Path, path: str) -> None:
    prepared = Build(make_project(tmp_path / "p").read_spec())
    with pytest.raises(ConfigError, match="relative path"):
        prepared.add_file(path, b"")


def test_plugins_that_contradict_each_other(tmp_path: Path) -> None:
    prepared = Build(make_project(tmp_path / "p").read_spec())
    prepared.add_file("a", b"1")
    prepared.add_file("a", b"1")
    with pytest.raises(ConfigError, match="two plugins"):
        prepared.add_file("a", b"2")
    with pytest.raises(ConfigError, match="module:function"):
        prepared.add_middleware("audit.audit")


def test_requirements_that_are_none(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p")
    with pytest.raises(ConfigError, match="is no requirement"):
        requirements.read(project.root, ["!"])


def test_uv_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="pip install uv"):
        wheels.install(requirements.Requirements(open=("x",)), "", "", cache=tmp_path, cwd=tmp_path)
