"""Native HTTP event <-> Request and Response: which form it is, and who reads and writes that form. Pure."""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import InvalidEvent
from faasbridge.http import Response

from . import http_v2

if TYPE_CHECKING:
    from typing import Any

    from faasbridge.dispatch import Answer
    from faasbridge.http import Request


def decode(native: dict[str, Any]) -> Request:
    """The request of an API Gateway HTTP or REST API, a function URL, a load balancer or VPC Lattice.

    Its parts are read from `native` on first use. Raises InvalidEvent that names what was found instead.
    """
    try:
        if "rawPath" in native and native["version"] == "2.0" and "routeArn" not in native:
            return http_v2.decode(native)
        if "routeArn" in native or "methodArn" in native:
            raise _refused("this asks an authorizer, which answers with a policy", native)
        if "httpMethod" in native:
            from . import http_v1

            return http_v1.decode(native)
        if "method" in native:
            from . import http_lattice

            return http_lattice.decode(native)
    except (KeyError, TypeError, AttributeError) as error:
        raise _refused(f"the HTTP event is incomplete ({error!r})", native) from error
    raise _refused("this is no HTTP event", native)


def _refused(why: str, native: object) -> InvalidEvent:
    from .events_common import found_in

    return InvalidEvent(f"{why}; {found_in(native)}")


def encode(response: Response | Answer, native: dict[str, Any]) -> dict[str, Any]:
    """The answer in the form that `native` asks for. `response` may be finished already: status, headers and body."""
    status, headers, body = response.finish() if isinstance(response, Response) else response
    if "rawPath" in native and native["version"] == "2.0":
        return http_v2.encode(status, headers, body)
    if "httpMethod" in native:
        from . import http_v1

        if "elb" in native["requestContext"]:
            return http_v1.encode_balancer(native, status, headers, body)
        return http_v1.encode(status, headers, body)
    from . import http_lattice

    return http_lattice.encode(status, headers, body)
