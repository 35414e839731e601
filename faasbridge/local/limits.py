"""Where the local cloud stops. Deliberately generous: the floor of an app's targets is what binds it."""

from __future__ import annotations

from ..limits import Limits

MESSAGE_BYTES = 8 * 1024 * 1024
ITEM_BYTES = 8 * 1024 * 1024
HTTP_BYTES = 32 * 1024 * 1024
"""A request is held in memory, in the server and in the worker."""

LIMITS = Limits(
    message_bytes=MESSAGE_BYTES,
    item_bytes=ITEM_BYTES,
    http_request_bytes=HTTP_BYTES,
    http_response_bytes=HTTP_BYTES,
    delay_s=900,
    sources={
        "message_bytes": "faasbridge/local/limits.py: a message is a row of SQLite and a frame to a worker",
        "item_bytes": "faasbridge/local/limits.py: a row is held in memory whole",
        "http_request_bytes": "faasbridge/local/limits.py: the server holds a request in memory",
        "http_response_bytes": "faasbridge/local/limits.py: the server holds a response in memory",
        "delay_s": "faasbridge/resources/queue.py: what every vendor takes",
    },
)
