"""What Microsoft Azure promises and where it stops, each fact with the page it was read from."""

from __future__ import annotations

from faasbridge.limits import Limits

_DOCS = "https://learn.microsoft.com/azure"
_SCALE = f"{_DOCS}/azure-functions/functions-scale"
_QUEUES = f"{_DOCS}/storage/queues/storage-queues-introduction"
_COSMOS = f"{_DOCS}/cosmos-db/concepts-limits"
_NAMES = "https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata"
_SAS = "https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas"
_HOST = "azure-functions-host, GrpcMessageConversionExtensions.cs"

_KB, _MB = 1024, 1024 * 1024
_ENVELOPE = 1 * _KB  # id, source, type, time, attributes' names

LIMITS = Limits(
    message_bytes=64 * _KB * 3 // 4 - _ENVELOPE,
    item_bytes=2 * _MB // 3 - 4 * _KB,
    http_request_bytes=100 * _MB,
    http_timeout_s=230,
    delay_s=7 * 86_400,
    memory_mb=4096,
    object_key_bytes=1024,
    table_key_bytes=2048,
    sign_expires_s=7 * 86_400,
    batch_size=1,
    dead_letter_days=7,
    name_chars=60,
    ordered=False,
    sources={
        "message_bytes": f"64 KB a message of a storage queue, which is base64 text: {_QUEUES}",
        "item_bytes": f"2 MB a request, which holds the row and its change, old and new: {_COSMOS}#per-request-limits",
        "http_request_bytes": "azure-functions-host, ScriptConstants.cs, DefaultMaxRequestBodySize (104,857,600)",
        "http_timeout_s": f"idle timeout of the load balancer: {_SCALE}#timeout",
        "delay_s": "visibility timeout up to 7 days: https://learn.microsoft.com/rest/api/storageservices/put-message",
        "memory_mb": f"instances of 512, 2,048 or 4,096 MB: {_DOCS}/azure-functions/flex-consumption-plan",
        "object_key_bytes": f"1,024 characters: {_NAMES}",
        "table_key_bytes": f"2,048 bytes a partition key; an id is made of the sort key: {_COSMOS}#per-item-limits",
        "sign_expires_s": (
            "a user delegation key is good for 7 days: "
            "https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key"
        ),
        "batch_size": (
            f"a queue trigger brings one message: {_DOCS}/azure-functions/functions-bindings-storage-queue-trigger"
        ),
        "dead_letter_days": f"the host writes poison messages with the default time to live: {_QUEUES}",
        "name_chars": f"{_DOCS}/azure-resource-manager/management/resource-name-rules",
        "ordered": (
            "storage queues promise no order: "
            f"{_DOCS}/service-bus-messaging/service-bus-azure-and-service-bus-queues-compared-contrasted"
        ),
    },
    caveats={
        "http-repeated-headers": f"repeated request headers arrive joined with commas: {_HOST}",
        "http-repeated-response-headers": f"of a response header that is given twice the last one is sent: {_HOST}",
        "http-cookie-values": (
            "cookie values of a response are encoded anew: azure-functions-host, RawScriptResult.cs, which hands them "
            "to ASP.NET's IResponseCookies.Append"
        ),
        "http-cookie-attributes": (
            "a cookie goes out without attributes that the worker does not know, such as Partitioned: source of "
            "azure-functions-runtime, bindings/datumdef.py"
        ),
        "http-reserved-prefixes": (
            "no api answers below /admin and /runtime, which are the functions host's own: azure-functions-host, "
            'ScriptHost.cs, ValidateHttpFunction ("The specified route conflicts with one or more built in routes.")'
        ),
        "http-chunked": (
            "a chunked request is answered with 411, since the host passes on a body only where Content-Length says "
            f"that there is one: {_HOST}; https://github.com/Azure/azure-functions-host/issues/4926"
        ),
        "signed-put-size": f"a signed PUT cannot limit the size: {_SAS}",
        "signed-put-type": f"a signed PUT takes any content type, a URL cannot bind it: {_SAS}",
        "signed-put-header": (
            "a signed PUT has to bring the header x-ms-blob-type: BlockBlob, as the URL's `headers` say: "
            "https://learn.microsoft.com/rest/api/storageservices/put-blob"
        ),
        "object-key-order": (
            "keys with a backslash, or with a part of their path that ends with a full stop, are kept under other "
            f"names and listed where those belong: {_NAMES}"
        ),
        "object-key-characters": (
            "a key has no characters of Unicode's private use area (U+E000 to U+F8FF), nor more than 254 parts: "
            f"{_NAMES}"
        ),
        "bucket-put-container": (
            "a function that may write or delete objects may delete the whole container as well: Storage Blob Data "
            "Contributor has that among its actions, and conditions take only data actions away: "
            f"{_DOCS}/role-based-access-control/built-in-roles/storage#storage-blob-data-contributor"
        ),
        "bucket-events-existing": (
            "a storage account has one system topic of Event Grid, in its own subscription and location: an app "
            "that handles events of a bucket with existing=True can only be deployed into these, and not where another "
            f"app, stage or person has made that topic: {_DOCS}/event-grid/system-topics"
        ),
        "dead-letters-attempts": (
            "where a queue's dead letters have a handler, `dead-letters` shows 32 of them, and replaying or purging "
            "some costs others an attempt: https://learn.microsoft.com/rest/api/storageservices/peek-messages"
        ),
        "table-expiry-events": (
            "a row that expires makes no change event: Cosmos DB's feed of latest versions does not tell of what its "
            f"time to live deletes: {_DOCS}/cosmos-db/change-feed-modes"
        ),
        "table-consistency": (
            "rows are read after write where the account's consistency is Strong, which templates of FaaSBridge set; "
            f"with Session, Azure's default, only by the client that wrote: {_DOCS}/cosmos-db/consistency-levels"
        ),
        "table-index-existing": (
            "a table declared with existing=True gets no index for the rows that it has: FaaSBridge writes rows again "
            "for a new index only where the table is its own (source: docs/decisions.md)"
        ),
        "table-foreign-writes": (
            f"writes past FaaSBridge's driver raise no change events: {_DOCS}/cosmos-db/change-feed-modes"
        ),
    },
)
