"""The portable types: what users call. A provider implements the interfaces of `drivers` under them."""

from __future__ import annotations

from .base import BlobInfo, Page, Pages, Resource
from .bucket import Bucket
from .queue import Batch, Queue, Topic
from .secret import Secret
from .table import Table

__all__ = ["Batch", "BlobInfo", "Bucket", "Page", "Pages", "Queue", "Resource", "Secret", "Table", "Topic"]
