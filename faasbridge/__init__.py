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
from .event import Event
from .http import Request, Response
from .resources import Resource

if TYPE_CHECKING:
    from ._typing import CallNext, Reply
    from .dispatch import Invocation, invocation
    from .events import BlobEvent, Change, Message, Tick
    from .resources import Batch, BlobInfo, Bucket, Page, Pages, Queue, Secret, SignedUrl, Table, Topic
else:
    CallNext = Reply = object

    # A cold start pays for what the app names.
    def __getattr__(name):
        if name in ("Invocation", "invocation"):
            from . import dispatch as module
        elif name in ("BlobEvent", "Change", "Message", "Tick"):
            from . import events as module
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
