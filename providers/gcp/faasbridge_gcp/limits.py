"""What Google Cloud promises and where it stops, each fact with the page it was read from."""

from __future__ import annotations

from faasbridge.limits import Limits

_DOCS = "https://cloud.google.com"
_FUNCTIONS = f"{_DOCS}/functions/quotas"
_PUBSUB = f"{_DOCS}/tasks/docs/comp-pub-sub"  # which has Pub/Sub's numbers side by side
_FIRESTORE = f"{_DOCS}/firestore/quotas"
_FRAMEWORK = "functions-framework 3.10.2, its source"

_MB = 1024 * 1024
_ENVELOPE = 1024  # id, source, type, time, attributes' names
_NAME = 2048  # of a document, with what Firestore adds to it: https://cloud.google.com/firestore/docs/storage-size

LIMITS = Limits(
    message_bytes=10_000_000 - _ENVELOPE,
    item_bytes=_MB - _NAME,
    http_request_bytes=32 * _MB,
    http_response_bytes=32 * _MB,
    http_timeout_s=3600,
    event_timeout_s=540,
    memory_mb=32_768,
    object_key_bytes=1024,
    table_key_bytes=(1500 - 2) // 2,
    sign_expires_s=604_800,
    batch_size=1,
    dead_letter_days=31,
    name_chars=63,
    ordered=True,
    sources={
        "message_bytes": f"10 MB a message: {_PUBSUB}",
        "item_bytes": f"1 MiB a document, its name counted: {_FIRESTORE}",
        "http_request_bytes": f"32 MB, 2nd gen: {_FUNCTIONS}",
        "http_response_bytes": f"32 MB unless streamed, 2nd gen: {_FUNCTIONS}",
        "http_timeout_s": f"60 minutes, 2nd gen: {_FUNCTIONS}",
        "event_timeout_s": f"a push is acknowledged within 10 minutes: {_PUBSUB}; 9 for an event: {_FUNCTIONS}",
        "memory_mb": f"32 GiB: {_DOCS}/functions/docs/configuring/memory",
        "object_key_bytes": f"{_DOCS}/storage/docs/objects",
        "table_key_bytes": f"1,500 bytes a document id, which holds key and sort key: {_FIRESTORE}",
        "sign_expires_s": f"7 days: {_DOCS}/storage/docs/access-control/signed-urls",
        "batch_size": f"a push carries one message: {_DOCS}/pubsub/docs/push",
        "dead_letter_days": f"longest retention of a subscription: {_DOCS}/pubsub/docs/subscription-properties",
        "name_chars": f"{_DOCS}/functions/docs/reference/rest/v2/projects.locations.functions/create",
    },
    caveats={
        "attempts-turned-away": (
            "a message that finds no free instance is answered 429, which Pub/Sub counts as an attempt that failed: "
            f"{_DOCS}/pubsub/docs/handling-failures"
        ),
        "delay": f"Pub/Sub delivers at once, so delay_s raises ValueError: {_PUBSUB}",
        "http-reserved-paths": f"/robots.txt and /favicon.ico never reach a function: {_FRAMEWORK}",
        "http-google-paths": (
            "Google keeps /eventlog, paths below /_ah/ and some that end in z, such as /healthz, for itself: "
            f"{_DOCS}/run/docs/known-issues"
        ),
        "http-repeated-headers": f"repeated request headers arrive joined with commas: {_FRAMEWORK}",
        "max-attempts": (
            "Pub/Sub makes 5 to 100 attempts; fewer are kept by the entry: "
            f"{_DOCS}/pubsub/docs/reference/rest/v1/projects.subscriptions#deadletterpolicy"
        ),
        "object-key-challenge": (
            f"no object's key begins with .well-known/acme-challenge/: {_DOCS}/storage/docs/objects"
        ),
        "table-change-size": (
            f"a change over Eventarc's 512 KB is an update that brings its key only: {_DOCS}/eventarc/docs/quotas"
        ),
        "table-rights": f"a right on a table reaches the app's whole database: {_DOCS}/firestore/docs/security/iam",
    },
)
