"""Running a deployed function once, past its inbox, with our own event payload; or through its inbox, for what nobody
waits for. `faasbridge_azure.invoking` is what answers."""

from __future__ import annotations

import json
import os
from typing import Any

from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest

from faasbridge.adapter.invoking import value_of
from faasbridge.adapter.own_events import encode_event
from faasbridge.events import Event, Message

from .. import wire
from ..drivers import messages
from .code import Site
from .connection import Cloud

_TIMEOUT_S = 1810.0


def invoke(cloud: Cloud, site: Site, key: str, function: str, event: Event) -> Any:
    """The handler's value, of an api a Response. Raises FaaSBridgeError with the handler's error. `key` is the function
    app's master key."""
    request = HttpRequest(
        "POST",
        f"{site.url}/_faasbridge/invoke/{function}",
        content=json.dumps(encode_event(event)).encode(),
        headers={"content-type": "application/json", "x-functions-key": key},
    )
    # A handler is not run twice because an answer was lost.
    answer = cloud.plain.send_request(request, read_timeout=_TIMEOUT_S, retry_total=0)
    if answer.status_code in (401, 403, 404):
        raise HttpResponseError(message=f"the function app answered {answer.status_code}", response=answer)
    return value_of(function, event, answer.status_code, answer.content)


def master_key(cloud: Cloud, site: Site) -> str:
    return str(cloud.sites.list_host_keys(cloud.group, site.name).master_key)


def send(cloud: Cloud, inbox: str, function: str, event: Event) -> None:
    if isinstance(event, Message):
        content = wire.pack(event.body, event.attributes, event.id or os.urandom(16).hex())
    else:
        content = json.dumps(encode_event(event)).encode()
    messages.put(cloud.clients, inbox, f"the inbox of {function!r}", content)
