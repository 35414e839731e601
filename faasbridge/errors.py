"""The faults that FaaSBridge names: one class a fault on every provider, the vendor's own error as `__cause__`."""

from __future__ import annotations


class FaaSBridgeError(Exception):
    """Base of every fault this package names. Raised itself for a fault of the machine, such as a full disk."""


class ConfigError(FaaSBridgeError):
    """The app or its settings contradict themselves; the message says where and what to change."""


class NotFound(FaaSBridgeError):
    """What was asked for does not exist."""


class Conflict(FaaSBridgeError):
    """A condition (`if_absent`, `if_match`) was not met; nothing was written."""


class PermissionDenied(FaaSBridgeError):
    """The function's `uses=` (or the vendor) does not allow this operation."""


class PayloadTooLarge(FaaSBridgeError):
    """More bytes than the smallest of the app's `targets` takes; nothing was sent."""


class Throttled(FaaSBridgeError):
    """The service asks for patience, and retrying with back-off did not help in time."""


class InvalidEvent(FaaSBridgeError):
    """A native event of unknown or broken shape; the message names what was found."""


class DeployError(FaaSBridgeError):
    """The vendor refused or failed a deployment; the message is the first real cause."""


class Reject(FaaSBridgeError):
    """Raised by a handler: this event can never succeed; it goes to the dead letters at once, with this reason."""


class HTTPError(FaaSBridgeError):
    """Raised by a handler or middleware: answer with this status and, as JSON, this detail."""

    def __init__(self, status: int, detail: str = "") -> None:
        super().__init__(f"{status} {detail}".rstrip())
        self.status = status
        self.detail = detail
