"""What Event Grid asks an endpoint before it sends events there: whether the endpoint wants them.

For its own schema it posts an event with a code that has to come back; for CloudEvents it sends OPTIONS with its
origin, which has to be allowed.
Sources: Event Grid documentation, "Endpoint validation with Event Grid event schema"; CloudEvents, "HTTP 1.1 Web Hooks
for Event Delivery", section 4.
"""

from __future__ import annotations

import json

from faasbridge._typing import TYPE_CHECKING
from faasbridge.http import Response

from .events_grid import VALIDATION

if TYPE_CHECKING:
    from faasbridge.http import Request


def answer(request: Request) -> Response | None:
    """The answer where the request is such a question; else None."""
    if request.method == "OPTIONS":
        origin = request.headers.get("webhook-request-origin")
        if not origin:
            return None
        allowed = {"webhook-allowed-origin": origin}
        rate = request.headers.get("webhook-request-rate")
        if rate:
            allowed["webhook-allowed-rate"] = rate
        return Response(headers=allowed)
    if request.method != "POST" or request.headers.get("aeg-event-type", "") != "SubscriptionValidation":
        return None
    try:
        events = json.loads(request.body)
        (event,) = events if isinstance(events, list) else [events]
        code = event["data"]["validationCode"]
    except (KeyError, TypeError, ValueError):
        return Response({"error": "a subscription's validation has data.validationCode"}, status=400)
    if event.get("eventType") != VALIDATION:
        return Response({"error": f"a subscription's validation is of the type {VALIDATION}"}, status=400)
    return Response({"validationResponse": code})
