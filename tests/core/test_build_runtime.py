"""What an artifact packs of each package is enough: every module of it can be imported with nothing else there."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from faasbridge.build import runtime


@pytest.mark.parametrize("provider", ["faasbridge_aws", "faasbridge_azure", "faasbridge_gcp"])
def test_a_provider_s_modules_import_nothing_that_is_left_behind(tmp_path: Path, provider: str) -> None:
    files = runtime.collect(("faasbridge", provider))
    for name, source in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(source)
    modules = [
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in files if name.endswith(".py")
    ]
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "for name in sys.argv[2:]:\n"
        "    try:\n"
        "        __import__(name)\n"
        "    except ModuleNotFoundError as error:\n"
        # A driver may need its vendor's SDK, which the layout brings where the app uses the driver.
        "        if '.drivers.' not in name or error.name.startswith('faasbridge'):\n"
        "            raise\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(tmp_path), *modules],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("provider", ["faasbridge_aws", "faasbridge_azure", "faasbridge_gcp"])
def test_a_provider_s_lazy_imports_are_packed_too(provider: str) -> None:
    files = runtime.collect(("faasbridge", provider))
    wanted = {
        f"{package}/{name.replace('.', '/')}"
        for path, source in files.items()
        if path.startswith(f"{provider}/")
        for package, name in core_imports(source)
    }
    assert wanted
    assert sorted(path for path in wanted if f"{path}.py" not in files and f"{path}/__init__.py" not in files) == []


@pytest.mark.parametrize("provider", ["faasbridge_aws", "faasbridge_azure", "faasbridge_gcp"])
def test_a_start_reads_no_more_than_what_every_start_needs(tmp_path: Path, provider: str) -> None:
    made = runtime.packed(("faasbridge", provider), "", tmp_path)
    assert runtime.packed(("faasbridge", provider), "", tmp_path) == made, "what is kept is what was made"
    assert len(list(tmp_path.iterdir())) == 1
    for name, contents in made.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        if name.endswith("/__init__.pyc"):
            (tmp_path / name).write_bytes(contents)
    program = (
        f"import sys; sys.path.insert(0, sys.argv[1]); import faasbridge.artifact, {provider}.entry, {provider}.http\n"
        "left = [name for finder in sys.meta_path[:2] for name in finder._code if name not in sys.modules]\n"
        "print(left, len(sys.meta_path))"
    )
    command = [sys.executable, "-I", "-S", "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[] 5\n", "")


def test_what_is_kept_follows_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "faasbridge_acme"
    root.mkdir()
    (root / "__init__.py").write_text("")
    (root / ".#entry.py").symlink_to("nowhere")  # an editor's
    (root / "entry.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    packages = ("faasbridge", "faasbridge_acme")
    first = runtime.packed(packages, "", tmp_path)
    assert b"extra" not in first["faasbridge_acme/modules.bin"]
    (root / "entry.py").write_text("def f():\n    from . import extra\n")
    (root / "extra.py").write_text("")
    assert b"faasbridge_acme.extra" in runtime.packed(packages, "", tmp_path)["faasbridge_acme/modules.bin"]
    (root / "entry.py").write_text("VALUE = 1\n")
    assert runtime.packed(packages, "", tmp_path) == first
    assert runtime.packed((), "", tmp_path / "nowhere") == {}


def core_imports(source: bytes) -> set[tuple[str, str]]:
    """(`faasbridge`, module in it) for each import of the core that runs, at import time or later."""
    found: set[tuple[str, str]] = set()
    pending: list[ast.AST] = [ast.parse(source)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("faasbridge."):
            found.add(("faasbridge", node.module.removeprefix("faasbridge.")))
        pending += ast.iter_child_nodes(node)
    return found
