"""The pure functions: no cloud, no events."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
import samples
from photos.images import BadImage, camera_of, read_photo, taken_at_of
from PIL import Image, ImageChops, ImageStat


def difference(one: Image.Image, other: Image.Image) -> float:
    """The mean difference a channel, of 255, seen from a distance: dithering and JPEG's noise even out."""
    ours, theirs = (image.convert("RGB").resize((96, 72), Image.Resampling.BOX) for image in (one, other))
    return max(ImageStat.Stat(ImageChops.difference(ours, theirs)).mean)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_becomes_upright(orientation: int) -> None:
    facts, small = read_photo(samples.from_camera(orientation))

    assert (facts.width, facts.height) == (500, 375)
    upright = samples.opened(small)
    assert upright.size == (480, 360)
    assert difference(upright, samples.opened(samples.photograph())) < 6


def test_the_thumbnail_tells_nothing_of_the_camera_or_the_place() -> None:
    _, small = read_photo(samples.from_camera(6))
    assert dict(samples.opened(small).getexif()) == {}


def test_facts_come_from_exif() -> None:
    facts, _ = read_photo(samples.from_camera())
    assert facts.camera == "NIKON D750"
    assert facts.taken_at == "2026-03-29T14:30:05+02:00"


def test_a_photo_without_exif_has_no_camera_and_no_time() -> None:
    facts, _ = read_photo(samples.photograph())
    assert (facts.camera, facts.taken_at) == (None, None)


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Canon", "Canon EOS 5D Mark III", "Canon EOS 5D Mark III"),
        ("FUJIFILM", "X-T5", "FUJIFILM X-T5"),
        ("Apple\0\0", " iPhone 17 \n", "Apple iPhone 17"),
        ("", "DMC-G9", "DMC-G9"),
        ("Leica", "", "Leica"),
        (b"OM Digital", "OM-1", "OM Digital OM-1"),
        (7, None, None),
    ],
)
def test_camera_names_the_maker_once(make: object, model: object, camera: str | None) -> None:
    assert camera_of({0x010F: make, 0x0110: model}) == camera


@pytest.mark.parametrize(
    ("exif", "taken_at"),
    [
        ({0x9003: "2024:06:30 18:05:11"}, "2024-06-30T18:05:11"),
        ({0x9003: "2024:06:30 18:05:11", 0x9011: "-03:30"}, "2024-06-30T18:05:11-03:30"),
        ({0x9003: "2024:06:30 18:05:11", 0x9011: "summer"}, "2024-06-30T18:05:11"),
        ({0x9004: "1999:12:31 23:59:59\0"}, "1999-12-31T23:59:59"),
        ({0x9003: "0000:00:00 00:00:00"}, None),
        ({0x9003: "    :  :     :  :  "}, None),
        ({}, None),
    ],
)
def test_time_taken_keeps_the_cameras_clock(exif: dict[int, object], taken_at: str | None) -> None:
    assert taken_at_of(exif) == taken_at


def test_damaged_exif_costs_the_facts_only() -> None:
    data = samples.from_camera()
    begin = data.index(b"Exif\0\0") + 6
    facts, small = read_photo(data[:begin] + b"\xff" * 40 + data[begin + 40 :])
    assert facts.camera is None
    assert samples.opened(small).size == (480, 360)


def test_cmyk_looks_like_the_original() -> None:
    _, small = read_photo(samples.cmyk())
    assert samples.opened(small).mode == "RGB"
    assert difference(samples.opened(small), samples.opened(samples.photograph())) < 8


def test_transparency_becomes_white() -> None:
    _, small = read_photo(samples.see_through_png())
    left = samples.opened(small).crop((0, 0, 230, 360))
    assert min(ImageStat.Stat(left).mean) > 250


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16"])
def test_other_modes_look_like_the_grey_original(mode: str) -> None:
    grey = samples.opened(samples.photograph()).convert("L")
    if mode == "I;16":
        image = Image.frombytes("I;16", grey.size, b"".join(bytes((0, value)) for value in grey.tobytes()))
    else:
        image = grey.convert(mode)

    _, small = read_photo(samples.saved(image, "PNG"))

    assert difference(samples.opened(small).convert("L"), grey) < (30 if mode == "1" else 6)


def test_a_palette_with_a_transparent_colour() -> None:
    image = samples.opened(samples.photograph()).quantize(16)
    _, small = read_photo(samples.saved(image, "PNG", transparency=0))
    assert samples.opened(small).size == (480, 360)


def test_a_small_image_is_not_enlarged() -> None:
    _, small = read_photo(samples.saved(Image.new("RGB", (20, 10), "navy"), "PNG"))
    assert samples.opened(small).size == (20, 10)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "The file is empty."),
        (b"This is no image.\n", "This is not a photo: the file holds no JPEG, PNG, WebP or GIF image."),
        (b"\xff\xd8\xff\xe0 and then nothing", "The photo is incomplete: the file was cut off before its end."),
        (samples.truncated(), "The photo is incomplete: the file was cut off before its end."),
        (samples.see_through_png()[:20_000], "The photo is incomplete: the file was cut off before its end."),
    ],
    ids=["empty", "text", "only the first bytes", "half a JPEG", "half a PNG"],
)
def test_what_is_no_photo_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(BadImage) as refused:
        read_photo(data)
    assert str(refused.value).startswith(reason)


@pytest.mark.parametrize("size", [(8_000, 7_000), (10_000, 9_500), (20_000, 15_000)])
def test_a_decompression_bomb_is_refused_before_its_pixels_are_read(size: tuple[int, int]) -> None:
    bomb = samples.saved(Image.new("1", size), "PNG")
    assert len(bomb) < 100_000
    with pytest.raises(BadImage, match=r"megapixels.* can be handled\.$"):
        read_photo(bomb)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is one of Linux")
def test_fifty_megapixels_take_little_memory(tmp_path: Path) -> None:
    """Decoded at full size its pixels alone would be 150 MB."""
    photo, small = tmp_path / "large.jpg", tmp_path / "small.jpg"
    photo.write_bytes(samples.fifty_megapixels())
    code = (
        "import resource, sys; from pathlib import Path; from photos.images import read_photo\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (120_000_000, 120_000_000))\n"
        "facts, small = read_photo(Path(sys.argv[1]).read_bytes())\n"
        "Path(sys.argv[2]).write_bytes(small)\n"
        "print(facts.width, facts.height)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, str(photo), str(small)],
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )

    assert done.stdout.split() == ["8660", "5774"]
    assert samples.opened(small.read_bytes()).size == (480, 320)


def test_the_samples_are_what_they_say() -> None:
    assert samples.opened(samples.cmyk()).mode == "CMYK"
    assert samples.opened(samples.from_camera(6)).size == (375, 500)
    with Image.open(BytesIO(samples.fifty_megapixels())) as large:
        assert large.width * large.height > 50_000_000
