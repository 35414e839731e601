from __future__ import annotations

import pytest
from photos.keys import clean_name, photo_id_of_thumbnail, split_upload_key, thumbnail_key, upload_key


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("beach.jpg", "beach.jpg"),
        ("Straße & Co #1 100%?.jpg", "Straße & Co #1 100%?.jpg"),
        ("C:\\Users\\ada\\beach.jpg", "beach.jpg"),
        ("../../etc/passwd", "passwd"),
        ("..", "photo"),
        ("trailing. ", "trailing"),
        ("line\nbreak\0.png", "line_break_.png"),
        ("x" * 300 + ".jpeg", "x" * 115 + ".jpeg"),
        ("y" * 300, "y" * 120),
    ],
)
def test_a_file_name_becomes_safe_in_a_key_and_stays_readable(name: str, cleaned: str) -> None:
    assert clean_name(name) == cleaned
    assert split_upload_key(upload_key("7f", name)) == ("7f", cleaned)


@pytest.mark.parametrize(
    "key", ["", "incoming/", "incoming/x.jpg", "incoming//x.jpg", "incoming/a/b/c.jpg", "other/a/b.jpg"]
)
def test_a_key_that_the_page_did_not_make_is_recognised(key: str) -> None:
    assert split_upload_key(key) is None


def test_a_thumbnail_belongs_to_its_photo() -> None:
    assert photo_id_of_thumbnail(thumbnail_key("7f")) == "7f"
