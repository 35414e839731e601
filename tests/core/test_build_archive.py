"""The zip: the same contents give the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from marshal import dumps, loads
from pathlib import Path

import pytest

from faasbridge.build import archive, bytecode
from faasbridge.build.interpreters import interpreter
from faasbridge.errors import ConfigError

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
OTHER = "3.12" if HERE != "3.12" else "3.13"


def python_of(version: str) -> str:
    """Skips where there is none, and fails in CI."""
    python = interpreter(version)
    if python is None:
        if os.environ.get("CI"):
            pytest.fail(f"Python {version} is not on this machine")
        pytest.skip(f"Python {version} is not on this machine")
    return python


def test_order_dates_modes_and_folders_do_not_show(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, mode in ((one, 0o600), (two, 0o664)):
        folder.mkdir()
        (folder / "a.py").write_text("X = 1\n")
        (folder / "a.py").chmod(mode)
    files = {"a.py": one / "a.py", "b.txt": b"b"}
    first = archive.write(tmp_path / "1.zip", files, None, python_version=HERE)
    again = {"b.txt": b"b", "a.py": two / "a.py"}
    second = archive.write(tmp_path / "2.zip", again, None, python_version=HERE)
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
    assert first.sha256 == second.sha256
    with zipfile.ZipFile(tmp_path / "1.zip") as zipped:
        assert {info.date_time for info in zipped.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.external_attr >> 16 for info in zipped.infolist()} == {0o100644}


def test_an_executable_stays_one(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o700)
    archive.write(tmp_path / "a.zip", {"tool": tool}, None, python_version=HERE)
    with zipfile.ZipFile(tmp_path / "a.zip") as zipped:
        assert zipped.getinfo("tool").external_attr >> 16 == 0o100755


@pytest.mark.parametrize("version", [HERE, OTHER])
def test_byte_code_is_the_targets_and_used_whatever_the_date_of_its_source(tmp_path: Path, version: str) -> None:
    python = python_of(version)
    files = {"one/mod.py": b"VALUE = 'from source'\n", "one/none.py": b"def {{name}}():", "two.txt": b"2"}
    archive.write(tmp_path / "a.zip", files, None, python_version=version)
    with zipfile.ZipFile(tmp_path / "a.zip") as zipped:
        cached = f"one/__pycache__/mod.cpython-{version.replace('.', '')}.pyc"
        assert zipped.namelist() == [cached, "one/mod.py", "one/none.py", "two.txt"]
        zipped.extractall(tmp_path)
    # Only the byte code knows the value from here on.
    (tmp_path / "one" / "mod.py").write_text("VALUE = 'changed'\n")
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from one import mod; print(mod.VALUE)"
    done = subprocess.run([python, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "from source\n"


@pytest.mark.parametrize("version", [HERE, OTHER])
def test_byte_code_is_the_same_whatever_else_its_process_knows(version: str) -> None:
    folder = Path(os.__file__).parent
    names = ("argparse.py", "json/__init__.py", "json/decoder.py", "typing.py")
    sources = {name: (folder / name).read_bytes() for name in names}
    of_json, start = {name: sources[name] for name in names if "json" in name}, frozenset({"json"})
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}; from faasbridge.build.bytecode import compiled, package; "
        "from marshal import dump, load; sources, of_json, start = load(sys.stdin.buffer); version = sys.argv[1]; "
        "dump((compiled(sources, version), package(of_json, start, version)), sys.stdout.buffer)"
    )

    def made(seed: str) -> tuple[dict[str, bytes], dict[str, bytes]]:
        arguments = [sys.executable, "-sS", "-c", program, version]
        env = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            arguments, input=dumps((sources, of_json, start)), env=env, capture_output=True, check=True
        )
        return loads(done.stdout)  # type: ignore[no-any-return]

    kept = [compile(source, name, "exec") for name, source in sources.items()]
    here = bytecode.compiled(sources, version), bytecode.package(of_json, start, version)
    assert made("1") == made("2") == here
    assert len(kept) == 4


@pytest.mark.parametrize("version", [HERE, OTHER])
def test_a_package_in_two_files_works_as_from_its_sources(tmp_path: Path, version: str) -> None:
    python = python_of(version)
    sources = {
        "one/__init__.py": b'"""Words."""\nfrom . import mod\nfrom json import load, loads\nVALUE: int = 1\n',
        "one/install.py": b"",
        "one/mod.py": b'"""Words."""\n\n\ndef fail(x: int) -> None:\n    """More."""\n    raise OSError("here")\n',
        "one/deep/__init__.py": b"from ..late import VALUE\n",
        "one/deep/down.py": b"from . import VALUE\nfrom one import VALUE as one\n",
        "one/late.py": b"TYPE_CHECKING = False\nif TYPE_CHECKING:\n    'Words'\n    x: 'Words'\nelse:\n    VALUE = 2\n",
    }
    made = bytecode.package(sources, frozenset({"one", "one.mod", "one.install"}), version)
    assert sorted(made) == ["one/__init__.pyc", "one/modules.bin"]
    for name, contents in made.items():
        assert b"ords" not in contents
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(contents)
    program = f"""
import sys; sys.path.insert(0, {str(tmp_path)!r})
import one, importlib, importlib.util
assert one.__annotations__ == {{"VALUE": int}} and not one.mod.fail.__annotations__
from one import install
import one.deep.down
assert install.__name__ == "one.install" and one.loads("[]") == [] and not hasattr(one, "PackedModules")
assert (one.deep.down.VALUE, one.deep.down.one) == (2, 1)
print(one.late.__file__, one.deep.__file__, one.deep.__path__, one.__file__)
for gone in ("one", "one.mod"):  # Azure's worker imports anew what it has specialised
    del sys.modules[gone]
before = len(sys.meta_path)
assert importlib.import_module("one.mod").fail
assert len(sys.meta_path) == before
assert importlib.util.find_spec("one.nothing") is None
try:
    import one.deep.nothing
except ModuleNotFoundError as error:
    print(error)
one.mod.fail(1)
"""
    done = subprocess.run([python, "-I", "-S", "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-2:] == ['  File "one/mod.py", line 6, in fail', "OSError: here"]
    at = f"{tmp_path}/one"
    assert done.stdout.splitlines() == [
        f"{at}/late.py {at}/deep/__init__.py [] {at}/__init__.pyc",
        "No module named 'one.deep.nothing'",
    ]


def test_a_package_stays_source_where_it_cannot_be_compiled() -> None:
    sources = {"one/__init__.py": b"", "one/none.py": b"def {{name}}():"}
    assert bytecode.package(sources, frozenset({"one"}), HERE) == sources
    assert bytecode.package({"one/__init__.py": b""}, frozenset({"one"}), "3.99") == {"one/__init__.py": b""}
    sources = {"one/__init__.py": b"", "one/sub/mod.py": b""}
    assert bytecode.package(sources, frozenset({"one"}), HERE) == sources, "a folder without __init__.py"


def test_a_version_that_is_not_here_gets_no_byte_code(tmp_path: Path) -> None:
    archive.write(tmp_path / "a.zip", {"a.py": b"x = 1\n"}, None, python_version="3.99")
    with zipfile.ZipFile(tmp_path / "a.zip") as zipped:
        assert zipped.namelist() == ["a.py"]


def test_a_template_that_is_no_python_is_packed_as_it_is(tmp_path: Path) -> None:
    archive.write(tmp_path / "a.zip", {"a.py": b"def {{name}}():"}, None, python_version=HERE)
    with zipfile.ZipFile(tmp_path / "a.zip") as zipped:
        assert zipped.namelist() == ["a.py"]


def test_a_base_stands_first_and_keeps_its_names(tmp_path: Path) -> None:
    archive.write(tmp_path / "base.zip", {"dep/x.txt": b"x" * 5000}, None, python_version=OTHER)
    contents = archive.write(tmp_path / "a.zip", {"app.txt": b"y"}, tmp_path / "base.zip", python_version=OTHER)
    with zipfile.ZipFile(tmp_path / "a.zip") as zipped:
        assert zipped.namelist() == ["dep/x.txt", "app.txt"]
        assert zipped.testzip() is None
    assert [name for name, _ in contents.parts().most_common(1)] == ["dep"]
    with pytest.raises(ConfigError, match=r"'dep/x\.txt' is in the app and in one of its dependencies"):
        archive.write(tmp_path / "b.zip", {"dep/x.txt": b""}, tmp_path / "base.zip", python_version=OTHER)
    assert sorted(path.name for path in tmp_path.glob("*.zip")) == ["a.zip", "base.zip"]
    assert not list(tmp_path.glob(".*"))
