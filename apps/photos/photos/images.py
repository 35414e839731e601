"""From the bytes of a photo to its thumbnail and its facts. Pure: no storage, no events."""

from __future__ import annotations

import struct
import warnings
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Final

from PIL import Image, UnidentifiedImageError
from PIL.Image import Transpose

FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF")
THUMBNAIL_PX: Final = 480
# What fits into 1 GB in each format's worst case: a progressive CMYK JPEG, and a lossless WebP, of which its decoder
# holds four copies. A file of 36 bytes can claim either.
MAX_PIXELS_JPEG: Final = 100_000_000
MAX_PIXELS: Final = 55_000_000

_MAKE, _MODEL, _ORIENTATION, _EXIF_IFD = 0x010F, 0x0110, 0x0112, 0x8769
_TAKEN, _TAKEN_OFFSET, _DIGITIZED, _DIGITIZED_OFFSET = 0x9003, 0x9011, 0x9004, 0x9012
_UPRIGHT: Final = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
# All that Pillow's decoders and its EXIF reader are known to raise on bad data; a MemoryError is none of these.
_BAD_DATA = (OSError, SyntaxError, ValueError, TypeError, EOFError, LookupError, OverflowError, struct.error)


class BadImage(ValueError):
    """The file is no photo that can be read; the message says why, to the one who uploaded it."""


@dataclass(frozen=True)
class Facts:
    """`width` and `height` are the upright photo's, in pixels; `taken_at` is ISO 8601, in the camera's own time."""

    width: int
    height: int
    camera: str | None
    taken_at: str | None


def read_photo(data: bytes) -> tuple[Facts, bytes]:
    """The facts and the thumbnail, a JPEG of at most 480 pixels a side without any metadata. Raises BadImage."""
    with open_photo(data) as image:
        exif = exif_of(image)
        orientation = exif.get(_ORIENTATION)
        width, height = image.size
        if orientation in (5, 6, 7, 8):
            width, height = height, width
        facts = Facts(width, height, camera_of(exif), taken_at_of(exif))
        return facts, thumbnail(image, orientation)


def open_photo(data: bytes) -> Image.Image:
    """Header read, pixels not yet. Raises BadImage for what is no photo, or one that is too large to decode."""
    if not data:
        raise BadImage("The file is empty.")
    try:
        with warnings.catch_warnings():
            # Pillow warns from about 90 megapixels on; the limit below is ours, and lower.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise BadImage("This is not a photo: the file holds no JPEG, PNG, WebP or GIF image.") from None
    except Image.DecompressionBombError:
        raise BadImage(
            f"The image is far too large; up to {MAX_PIXELS_JPEG // 1_000_000} megapixels can be handled."
        ) from None
    except _BAD_DATA as error:
        raise _bad_data(error) from error
    width, height = image.size
    most = MAX_PIXELS_JPEG if image.format in ("JPEG", "MPO") else MAX_PIXELS
    if width * height > most:
        raise BadImage(
            f"The image has {width * height / 1e6:.0f} megapixels; up to {most // 1_000_000} can be handled."
        )
    return image


def thumbnail(image: Image.Image, orientation: object = 1) -> bytes:
    """A small upright JPEG of the image, which is used up. Raises BadImage where its data is cut off or damaged."""
    size = (THUMBNAIL_PX, THUMBNAIL_PX)
    try:
        # A JPEG decodes at an eighth to a half of its size at once: a 50-megapixel photo costs 3 MB instead of 150.
        image.draft("RGB", (2 * THUMBNAIL_PX, 2 * THUMBNAIL_PX))
        image.load()
        image = _eight_bits(image)
        image.thumbnail(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    except _BAD_DATA as error:
        raise _bad_data(error) from error
    # The profile belongs to the colours only as long as they have not been converted.
    profile = image.info.get("icc_profile") if image.mode == "RGB" else None
    image = _on_white(image)
    if orientation in _UPRIGHT and isinstance(orientation, int):
        image = image.transpose(_UPRIGHT[orientation])
    small = BytesIO()
    image.save(small, "JPEG", quality=82, optimize=True, progressive=True, icc_profile=profile)
    return small.getvalue()


def exif_of(image: Image.Image) -> dict[int, object]:
    """The main and the Exif directory in one; empty where there is none or it is damaged."""
    try:
        exif = image.getexif()
        return {**exif, **exif.get_ifd(_EXIF_IFD)}
    except _BAD_DATA:
        return {}


def camera_of(exif: dict[int, object]) -> str | None:
    """Maker and model; the maker once, where the model begins with it."""
    make, model = _text(exif.get(_MAKE)), _text(exif.get(_MODEL))
    if make and model:
        return model if model.split()[0].lower() == make.split()[0].lower() else f"{make} {model}"
    return make or model or None


def taken_at_of(exif: dict[int, object]) -> str | None:
    for when, offset in ((_TAKEN, _TAKEN_OFFSET), (_DIGITIZED, _DIGITIZED_OFFSET)):
        try:
            taken = datetime.strptime(_text(exif.get(when)), "%Y:%m:%d %H:%M:%S")
        except ValueError:
            continue
        try:
            return datetime.fromisoformat(f"{taken.isoformat()}{_text(exif.get(offset))}").isoformat()
        except ValueError:
            return taken.isoformat()
    return None


def _text(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in value.partition("\0")[0]).split())[:80]


def _bad_data(error: Exception) -> BadImage:
    if "truncated" in str(error).lower() or isinstance(error, EOFError):
        return BadImage("The photo is incomplete: the file was cut off before its end.")
    return BadImage(f"The photo is damaged: {error}.")


def _eight_bits(image: Image.Image) -> Image.Image:
    """A mode that resizes well: palettes and bitmaps become colours, 16 bits a channel become 8."""
    if image.mode in ("P", "PA"):
        return image.convert("RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB")
    if image.mode.startswith("I"):
        # Converting would clip: everything above 255 of 65,535 became white.
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.mode == "1":
        return image.convert("L")
    if "transparency" in image.info:
        return image.convert("RGBA")
    return image


def _on_white(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        return white
    return image if image.mode == "RGB" else image.convert("RGB")
