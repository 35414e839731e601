"""The photos app as `faasbridge dev` starts it, and a headless Chromium."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

ROOT = Path(__file__).parents[2]
START_S = 240
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,900",
)

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session", params=["local", "aws", "gcp", "azure"])
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL that `faasbridge dev apps/photos` prints, on each provider that runs here."""
    options = ["--port", "0"] if request.param == "local" else ["--provider", request.param]
    folder = tmp_path_factory.mktemp("dev")
    output = folder / "output.txt"
    with output.open("w") as out:
        dev = subprocess.Popen(
            [sys.executable, "-m", "faasbridge", "dev", "apps/photos", *options],
            cwd=ROOT,
            env={**os.environ, "FAASBRIDGE_STATE": str(folder / "state"), "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        yield printed_address(dev, output)
    finally:
        dev.send_signal(signal.SIGINT)
        try:
            dev.wait(20)
        except subprocess.TimeoutExpired:
            dev.kill()
            dev.wait()
            raise


def printed_address(dev: subprocess.Popen[bytes], output: Path) -> str:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        found = re.search(r"http://127\.0\.0\.1:\d+", output.read_text())
        if found:
            return found.group()
        if dev.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError(f"`faasbridge dev` printed no address in {START_S} s:\n{output.read_text()}")


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        message = "the page's tests need chromium and chromium-driver (tests/system-packages.txt)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options, Service(driver))
    try:
        yield chrome
    finally:
        chrome.quit()
