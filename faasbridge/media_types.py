"""The content type of an object by its key, for every driver alike: `mimetypes` differs by version and machine."""

from __future__ import annotations

_BY_SUFFIX = {
    suffix: kind
    for line in (
        "text/plain txt log md",
        "text/html html htm",
        "text/css css",
        "text/csv csv",
        "text/javascript js mjs",
        "application/json json map",
        "application/xml xml",
        "application/pdf pdf",
        "application/zip zip",
        "application/gzip gz",
        "application/x-tar tar",
        "application/wasm wasm",
        "application/yaml yaml yml",
        "image/jpeg jpg jpeg",
        "image/png png",
        "image/gif gif",
        "image/webp webp",
        "image/avif avif",
        "image/heic heic",
        "image/svg+xml svg",
        "image/tiff tif tiff",
        "image/bmp bmp",
        "image/x-icon ico",
        "audio/mpeg mp3",
        "audio/wav wav",
        "audio/ogg ogg",
        "video/mp4 mp4",
        "video/webm webm",
        "video/quicktime mov",
        "font/woff woff",
        "font/woff2 woff2",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet xlsx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document docx",
    )
    for kind, *suffixes in (line.split(),)
    for suffix in suffixes
}


def media_type(key: str) -> str:
    """By the suffix, in any case; `application/octet-stream` for what is not known."""
    name = key[key.rfind("/") + 1 :]
    suffix = name[name.rfind(".") + 1 :] if "." in name else ""
    return _BY_SUFFIX.get(suffix.lower(), "application/octet-stream")
