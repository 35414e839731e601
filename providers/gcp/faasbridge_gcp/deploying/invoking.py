"""Running a deployed function once, past its inbox, with our own event payload.

A function with an inbox can be called by the stage's pusher alone, in whose name the token is made; an api's wants the
payload's HMAC. Source: IAM documentation, "Create short-lived credentials for a service account" (generateIdToken takes
the role Service Account OpenID Connect Identity Token Creator on the account).
"""

from __future__ import annotations

import json
import os
from typing import Any

from google.api_core import exceptions

from faasbridge.adapter.invoking import value_of
from faasbridge.adapter.own_events import encode_event
from faasbridge.errors import DeployError
from faasbridge.events import Event, Message
from faasbridge.http import Request

from .. import wire
from ..drivers.secret import value_of as secret_value
from ..invoking import HEADER, signature
from .connection import Cloud
from .letters import Inbox

_TIMEOUT_S = 3610.0


def invoke(cloud: Cloud, url: str, function: str, event: Event, *, pusher: str, key: str) -> Any:
    """The handler's value, of an api a Response. Raises FaaSBridgeError with the handler's error.

    `pusher` is an email, `key` the name of the secret with the key of invocations.
    """
    import requests

    body = json.dumps(encode_event(event)).encode()
    headers = {"content-type": "application/json"}
    if isinstance(event, Request):
        headers[HEADER] = signature(secret_value(cloud.clients, key, "the key of invocations"), body)
    else:
        headers[HEADER] = "1"
        headers["authorization"] = f"Bearer {_token(cloud, pusher, url)}"
    try:
        answer = requests.post(url, data=body, headers=headers, timeout=_TIMEOUT_S)
    except requests.RequestException as error:
        raise DeployError(f"function {function!r} cannot be reached at {url}: {error}") from error
    return value_of(function, event, answer.status_code, answer.content)


def send(cloud: Cloud, inbox: Inbox, function: str, event: Event) -> None:
    """Into the inbox, for what nobody waits for."""
    if isinstance(event, Message):
        data, attributes = wire.pack(event.body, event.attributes, event.id or os.urandom(16).hex())
    else:
        data, attributes = json.dumps(encode_event(event)).encode(), {}
    if inbox.shared:
        attributes[wire.FOR] = function
    cloud.get("publisher").publish(topic=inbox.topic, messages=[{"data": data, "attributes": attributes}])


def _token(cloud: Cloud, account: str, audience: str) -> str:
    request = {"name": f"projects/-/serviceAccounts/{account}", "audience": audience, "include_email": True}
    try:
        return str(cloud.get("credentials").generate_id_token(request=request).token)
    except exceptions.PermissionDenied as error:
        raise DeployError(
            f"you may not call functions in the name of {account}: give yourself the role "
            f"roles/iam.serviceAccountOpenIdTokenCreator on it. {error.message}"
        ) from error
