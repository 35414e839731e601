"""Portable serverless apps: write once, run on a laptop, AWS Lambda, Google Cloud Functions and Azure Functions."""

from __future__ import annotations

from ._typing import TYPE_CHECKING
from .app import Api, App
from .errors import (
    ConfigError,
    Conflict,
    DeployError,
    FaaSBridgeError,
    HTTPError,
    InvalidEvent,
    NotFound,
    PayloadTooLarge,
    PermissionDenied,
    Reject,
    Throttled,
)
from .events import BlobEvent, Change, Event, Message, Tick
from .http import Request, Response
from .resources import BlobInfo, Page, Pages, Resource

if TYPE_CHECKING:
    from ._typing import CallNext, Reply
    from .dispatch import Invocation, invocation
    from .resources import Batch, Bucket, Queue, Secret, SignedUrl, Table, Topic
else:
    CallNext = Reply = object

    def __getattr__(name):  # a kind of resource, what an invocation knows of itself, or a mistake
        if name in ("Invocation", "invocation"):
            from . import dispatch as module
        else:
            from . import resources as module

            if name not in module.__all__:
                raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(module, name)
        return found


__all__ = [
    "Api",
    "App",
    "Batch",
    "BlobEvent",
    "BlobInfo",
    "Bucket",
    "CallNext",
    "Change",
    "ConfigError",
    "Conflict",
    "DeployError",
    "Event",
    "FaaSBridgeError",
    "HTTPError",
    "InvalidEvent",
    "Invocation",
    "Message",
    "NotFound",
    "Page",
    "Pages",
    "PayloadTooLarge",
    "PermissionDenied",
    "Queue",
    "Reject",
    "Reply",
    "Request",
    "Resource",
    "Response",
    "Secret",
    "SignedUrl",
    "Table",
    "Throttled",
    "Tick",
    "Topic",
    "invocation",
]
