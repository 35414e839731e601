"""The page of apps/photos, used as a person uses it. Screenshots stay in pytest's temporary folder."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import photographs
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

WAIT_S = 60


def wait(browser: Chrome) -> WebDriverWait[Chrome]:
    return WebDriverWait(browser, WAIT_S, poll_frequency=0.02)


def card(browser: Chrome, name: str, state: str) -> WebElement:
    """The card of that file, once it is in that state and in its place: it fades in there, and what is transparent has
    no text."""
    script = """
        return [...document.querySelectorAll(".card")].find((card) => card.dataset.state === arguments[1]
            && card.querySelector("h2").textContent === arguments[0] && !card.getAnimations().length)"""
    found: WebElement = wait(browser).until(lambda _: browser.execute_script(script, name, state))
    return found


def facts(card: WebElement) -> dict[str, str]:
    names, values = (card.find_elements(By.CSS_SELECTOR, tag) for tag in ("dt", "dd"))
    texts = ([str(each.get_property("textContent")) for each in elements] for elements in (names, values))
    return dict(zip(*texts, strict=True))


def choose(browser: Chrome, *files: Path) -> None:
    browser.find_element(By.ID, "files").send_keys("\n".join(map(str, files)))


def slow_down_uploads(browser: Chrome, bytes_per_s: int) -> None:
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_s},
    )


def severe(browser: Chrome) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]  # type: ignore[no-untyped-call]


def requests(browser: Chrome) -> list[dict[str, Any]]:
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]  # type: ignore[no-untyped-call]
    return [each["params"]["request"] for each in messages if each["method"] == "Network.requestWillBeSent"]


@pytest.fixture
def page(browser: Chrome, address: str) -> Chrome:
    browser.get(address)
    wait(browser).until(
        lambda _: "no-photos" in (browser.find_element(By.TAG_NAME, "body").get_attribute("class") or "")
    )
    return browser


def test_a_photo_and_a_text_file_from_choosing_to_deleting(page: Chrome, tmp_path: Path) -> None:
    photo, text = photographs.from_camera(tmp_path), photographs.text_called_jpg(tmp_path)
    size = photo.stat().st_size
    page.save_screenshot(str(tmp_path / "1-empty.png"))
    slow_down_uploads(page, size // 20)  # long enough for a busy machine to see the bar move

    choose(page, photo, text)

    bar = card(page, photo.name, "uploading").find_element(By.TAG_NAME, "progress")
    wait(page).until(lambda _: 0 < float(bar.get_attribute("value") or 0) < 100 and bar.is_displayed())
    page.save_screenshot(str(tmp_path / "2-uploading.png"))
    slow_down_uploads(page, -1)

    ready = card(page, photo.name, "ready")
    thumbnail = ready.find_element(By.TAG_NAME, "img")
    wait(page).until(
        lambda _: page.execute_script("return arguments[0].complete && arguments[0].naturalWidth", thumbnail)
    )
    dimensions = page.execute_script("return [arguments[0].naturalWidth, arguments[0].naturalHeight]", thumbnail)
    assert dimensions == [480, 360]
    shown = facts(ready)
    assert shown["Size"] == f"{size / 1e6:.3g} MB"
    assert shown["Dimensions"] == f"{photographs.WIDTH} × {photographs.HEIGHT}"
    assert shown["Camera"] == "FUJIFILM X-T5"
    assert "2026" in shown["Taken"]
    assert "30" in shown["Taken"]

    failed = card(page, text.name, "failed")
    note = failed.find_element(By.CLASS_NAME, "note")
    wait(page).until(lambda _: note.text)  # the card moves once more when the other one is ready
    assert note.text == "This is not a photo: the file holds no JPEG, PNG, WebP or GIF image."
    wait(page).until(lambda _: page.find_element(By.ID, "totals").text.startswith("1 photo · "))
    wait(page).until(lambda _: page.find_element(By.ID, "totals").text.endswith(" · 1 failed"))
    page.save_screenshot(str(tmp_path / "3-ready.png"))

    failed.find_element(By.CLASS_NAME, "remove").click()
    wait(page).until(lambda _: len(page.find_elements(By.CLASS_NAME, "card")) == 1)  # the other moves into its place
    delete = ready.find_element(By.CLASS_NAME, "remove")
    delete.click()
    assert delete.text == "Delete for good?"
    delete.click()
    wait(page).until(lambda _: not page.find_elements(By.CLASS_NAME, "card"))
    page.refresh()
    wait(page).until(lambda _: page.find_element(By.ID, "empty").is_displayed())

    sent = requests(page)
    puts = [each for each in sent if each["method"] == "PUT"]
    assert len(puts) == 2
    assert all(re.search(r"uploads[^/]*/incoming/[^?]+\?", each["url"]) for each in puts)  # straight to storage
    hosts = {urlsplit(each["url"]).hostname for each in sent if each["url"].startswith("http")}
    assert hosts == {"127.0.0.1"}
    assert severe(page) == []


def test_a_photo_is_seen_large_and_survives_a_reload(page: Chrome, tmp_path: Path) -> None:
    photo = photographs.from_camera(tmp_path)
    choose(page, photo)
    card(page, photo.name, "ready")
    page.refresh()

    card(page, photo.name, "ready").find_element(By.CLASS_NAME, "picture").click()

    viewer = page.find_element(By.ID, "viewer")
    image = viewer.find_element(By.TAG_NAME, "img")
    wait(page).until(
        lambda _: (
            page.execute_script("return arguments[0].complete && arguments[0].naturalWidth", image) == photographs.WIDTH
        )
    )
    page.save_screenshot(str(tmp_path / "4-viewer.png"))
    viewer.find_element(By.TAG_NAME, "button").click()
    wait(page).until(lambda _: not viewer.is_displayed())
    delete = card(page, photo.name, "ready").find_element(By.CLASS_NAME, "remove")
    delete.click()
    delete.click()
    wait(page).until(lambda _: page.find_element(By.ID, "empty").is_displayed())
    assert severe(page) == []


def test_a_file_of_another_type_is_refused_before_its_upload(page: Chrome, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"\0" * 1000)
    choose(page, film)
    note = card(page, film.name, "failed").find_element(By.CLASS_NAME, "note")
    assert note.text == "Only JPEG, PNG, WebP and GIF photos can be uploaded."
    assert [each for each in requests(page) if each["method"] == "PUT"] == []


def test_the_page_follows_the_systems_colours(page: Chrome, tmp_path: Path) -> None:
    seen = []
    for scheme in ("light", "dark"):
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        seen.append(page.execute_script("return getComputedStyle(document.body).backgroundColor"))
        page.save_screenshot(str(tmp_path / f"{scheme}.png"))
    assert len(set(seen)) == 2
