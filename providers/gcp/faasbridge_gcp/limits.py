"""What Google Cloud promises and where it stops, each fact with the page it was read from."""

from __future__ import annotations

from faasbridge.limits import Limits

_DOCS = "https://cloud.google.com"
_FUNCTIONS = f"{_DOCS}/functions/quotas"
_PUBSUB = f"{_DOCS}/pubsub/quotas"
_FIRESTORE = f"{_DOCS}/firestore/quotas"
_FRAMEWORK = "functions-framework 3.10.2, its source"

_MB = 1024 * 1024
_ENVELOPE = 1024  # id, source, type, time, attributes' names

LIMITS = Limits(
    message_bytes=10_000_000 - _ENVELOPE,
    item_bytes=1_048_487,
    http_request_bytes=32 * _MB,
    http_response_bytes=32 * _MB,
    http_timeout_s=3600,
    event_timeout_s=540,
    memory_mb=32_768,
    object_key_bytes=1024,
    table_key_bytes=1500,
    sign_expires_s=604_800,
    batch_size=1,
    dead_letter_days=31,
    name_chars=63,
    ordered=True,
    sources={
        "message_bytes": f"10 MB a message: {_PUBSUB}",
        "item_bytes": f"1 MiB a document, 89 bytes less a field: {_FIRESTORE}",
        "http_request_bytes": f"32 MB, 2nd gen: {_FUNCTIONS}",
        "http_response_bytes": f"32 MB unless streamed, 2nd gen: {_FUNCTIONS}",
        "http_timeout_s": f"60 minutes, 2nd gen: {_FUNCTIONS}",
        "event_timeout_s": f"a push is acknowledged within 10 minutes, event functions end at 9: {_FUNCTIONS}",
        "memory_mb": f"32 GiB, 2nd gen: {_FUNCTIONS}",
        "object_key_bytes": f"{_DOCS}/storage/docs/objects",
        "table_key_bytes": f"1,500 bytes a document id: {_FIRESTORE}",
        "sign_expires_s": f"{_DOCS}/storage/docs/access-control/signed-urls",
        "batch_size": f"a push carries one message: {_DOCS}/pubsub/docs/push",
        "dead_letter_days": f"longest retention of a subscription: {_DOCS}/pubsub/docs/subscription-properties",
        "name_chars": f"{_DOCS}/functions/docs/reference/rest/v2/projects.locations.functions",
    },
    caveats={
        "delay": f"Pub/Sub delivers at once, so delay_s raises ValueError: {_DOCS}/tasks/docs/comp-pub-sub",
        "http-reserved-paths": f"/robots.txt and /favicon.ico never reach a function: {_FRAMEWORK}",
        "http-repeated-headers": f"repeated request headers arrive joined with commas: {_FRAMEWORK}",
        "max-attempts": (
            f"Pub/Sub makes 5 to 100 attempts; fewer are kept by the entry: {_DOCS}/pubsub/docs/handling-failures"
        ),
        "table-change-size": f"a change over Eventarc's 512 KB brings the keys only: {_FUNCTIONS}",
        "table-rights": f"a right on a table reaches the app's whole database: {_DOCS}/firestore/docs/security/iam",
    },
)
