"""Which of an app's files go into its artifact."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from faasbridge.build import sources
from faasbridge.errors import ConfigError


def write(root: Path, *names: str, text: str = "x") -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_code_and_the_data_beside_it_are_packed(tmp_path: Path) -> None:
    write(tmp_path, "shop/__init__.py", "shop/app.py", "shop/page/index.html", "main.py", "data/rates.csv")
    assert list(sources.collect(tmp_path)) == [
        "data/rates.csv",
        "main.py",
        "shop/__init__.py",
        "shop/app.py",
        "shop/page/index.html",
    ]


def test_what_is_in_src_lands_at_the_top(tmp_path: Path) -> None:
    write(tmp_path, "src/shop/app.py", "main.py")
    assert list(sources.collect(tmp_path)) == ["main.py", "shop/app.py"]
    assert sources.collect(tmp_path)["shop/app.py"] == tmp_path / "src" / "shop" / "app.py"


def test_two_files_of_one_place_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "src/shop/app.py", "shop/app.py")
    with pytest.raises(ConfigError, match=r"src/shop/app\.py .*one file of the artifact"):
        sources.collect(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        ".git/config",
        ".venv/lib/x.py",
        ".faasbridge/dev/state.db",
        "shop/__pycache__/app.cpython-311.pyc",
        "tests/test_app.py",
        "shop/tests/test_app.py",
        "shop/test_app.py",
        "conftest.py",
        "pyproject.toml",
        "uv.lock",
        "README.md",
        "node_modules/x/index.js",
        "shop.egg-info/PKG-INFO",
        "dist/shop.whl",
    ],
)
def test_what_only_developers_need_stays_out(tmp_path: Path, name: str) -> None:
    write(tmp_path, "shop/app.py", name)
    assert list(sources.collect(tmp_path)) == ["shop/app.py"]


@pytest.mark.parametrize(
    "name",
    [
        "shop/build/x.py",
        "shop/env/x.py",
        "shop/docs/x.html",
        "shop/templates/mail.md",
        "src/shop/dist/x.py",
        "ab_test/x",
    ],
)
def test_in_the_app_s_own_folders_a_name_says_nothing(tmp_path: Path, name: str) -> None:
    write(tmp_path, name)
    assert list(sources.collect(tmp_path)) == [name.removeprefix("src/")]


@pytest.mark.parametrize("name", ["src/build/x.py", "src/README.md", "build/x.py", "load_test.py"])
def test_beside_the_project_s_settings_and_in_src_it_does(tmp_path: Path, name: str) -> None:
    write(tmp_path, "shop/app.py", name)
    assert list(sources.collect(tmp_path)) == ["shop/app.py"]


@pytest.mark.parametrize("name", [b"caf\xe9.txt", b"a\\b.txt", b"a\nb.txt"])
def test_a_name_that_no_zip_has_is_refused_with_its_place(tmp_path: Path, name: bytes) -> None:
    write(tmp_path, "shop/app.py")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/shop/" + name)).write_text("x")
    with pytest.raises(ConfigError, match=r"shop/.*rename it, or exclude it"):
        sources.collect(tmp_path)
    assert list(sources.collect(tmp_path, exclude=["*.txt"])) == ["shop/app.py"]


def test_a_virtual_environment_of_any_name_stays_out(tmp_path: Path) -> None:
    write(tmp_path, "shop/app.py", "py311/pyvenv.cfg", "py311/lib/x.py")
    assert list(sources.collect(tmp_path)) == ["shop/app.py"]


@pytest.mark.parametrize(
    "name", [".env", ".env.prod", "prod.env", "shop/.env", ".aws/credentials", "id_rsa", "server.key"]
)
def test_secrets_are_never_packed(tmp_path: Path, name: str) -> None:
    write(tmp_path, "shop/app.py", name)
    assert list(sources.collect(tmp_path, include=["*", "**", name])) == ["shop/app.py"]


def test_a_private_key_is_known_by_what_is_in_it(tmp_path: Path) -> None:
    write(tmp_path, "account.json", "server.pem", text='{"k": "-----BEGIN PRIVATE KEY-----\\n..."}')
    write(tmp_path, "ca.pem", text="-----BEGIN CERTIFICATE-----\n...")
    assert list(sources.collect(tmp_path)) == ["ca.pem"]


def test_include_brings_back_and_exclude_wins(tmp_path: Path) -> None:
    write(tmp_path, "docs/help.md", "docs/secret/plan.md", "docs/page.html", "shop/app.py", "shop/big.bin")
    found = sources.collect(tmp_path, include=["docs/*.md"], exclude=["big.bin", "docs/secret"])
    assert list(found) == ["docs/help.md", "shop/app.py"]


def test_a_link_is_followed_within_the_project_only(tmp_path: Path) -> None:
    root = tmp_path / "project"
    write(root, "shop/app.py", "shared/rates.csv")
    write(tmp_path, "outside/passwords.txt")
    os.symlink(root / "shared", root / "shop" / "shared")
    os.symlink(tmp_path / "outside", root / "shop" / "outside")
    os.symlink(tmp_path / "outside" / "passwords.txt", root / "shop" / "passwords.txt")
    os.symlink(root / "shop", root / "shop" / "circle")
    os.symlink(root / "nowhere", root / "shop" / "nowhere")
    os.symlink(root / "shop" / "itself", root / "shop" / "itself")
    assert list(sources.collect(root)) == ["shared/rates.csv", "shop/app.py", "shop/shared/rates.csv"]
