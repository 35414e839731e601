"""The portable types: what users call. A provider implements the interfaces of `drivers` under them.

A kind's module is imported when the app declares one, or somebody asks for its name: a cold start pays for no other.
"""

from __future__ import annotations

from .._typing import TYPE_CHECKING
from .base import Resource

if TYPE_CHECKING:
    from .bucket import Bucket, SignedUrl
    from .listing import BlobInfo, Page, Pages
    from .queue import Batch, Queue, Topic
    from .secret import Secret
    from .table import Table
else:
    _MODULES = {
        "Batch": "queue",
        "BlobInfo": "listing",
        "Bucket": "bucket",
        "Page": "listing",
        "Pages": "listing",
        "Queue": "queue",
        "Secret": "secret",
        "SignedUrl": "bucket",
        "Table": "table",
        "Topic": "queue",
    }

    def __getattr__(name):
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(__import__(f"{__name__}.{_MODULES[name]}", fromlist=(name,)), name)
        globals()[name] = found
        return found


__all__ = ["Batch", "BlobInfo", "Bucket", "Page", "Pages", "Queue", "Resource", "Secret", "SignedUrl", "Table", "Topic"]
