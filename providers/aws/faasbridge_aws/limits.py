"""What Amazon Web Services promises and where it stops, each fact with the page it was read from."""

from __future__ import annotations

from faasbridge.limits import Limits

_DOCS = "https://docs.aws.amazon.com"
_LAMBDA = f"{_DOCS}/lambda/latest/dg/gettingstarted-limits.html"
_HTTP_API = f"{_DOCS}/apigateway/latest/developerguide/http-api-quotas.html"
_SQS = f"{_DOCS}/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"
_DYNAMODB = f"{_DOCS}/amazondynamodb/latest/developerguide/Constraints.html"
_S3 = f"{_DOCS}/AmazonS3/latest/userguide"
_PROXY = f"{_DOCS}/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html"
_ROUTES = f"{_DOCS}/apigateway/latest/developerguide/http-api-develop-routes.html"
_INBOX = f"{_DOCS}/lambda/latest/dg/services-sqs-configure.html"

_KB, _MB = 1024, 1024 * 1024
_ENVELOPE = 1 * _KB  # id, source, type, time, attributes' names
_PAYLOAD = 6 * _MB  # of a synchronous invocation: a JSON text in which binary bodies are base64
_HEADERS = 32 * _KB  # what the request's line, headers and context take of it, rounded up

LIMITS = Limits(
    message_bytes=256 * _KB * 3 // 4 - _ENVELOPE,
    item_bytes=400 * _KB,
    http_request_bytes=(_PAYLOAD - _HEADERS) * 3 // 4,
    http_response_bytes=(_PAYLOAD - _HEADERS) * 3 // 4,
    http_timeout_s=30,
    event_timeout_s=900,
    delay_s=900,
    memory_mb=10_240,
    object_key_bytes=1024,
    table_key_bytes=1024,
    sign_expires_s=604_800,
    batch_size=10_000,
    dead_letter_days=14,
    unzipped_bytes=250 * _MB,
    name_chars=64,
    ordered=True,
    sources={
        "message_bytes": (
            "256 KiB a message of SNS, attributes included, unless its topic's MaximumMessageSize says more; bodies "
            f"may be base64: {_DOCS}/sns/latest/dg/large-message-payloads.html"
        ),
        "item_bytes": f"400 KB, names of attributes included: {_DYNAMODB}",
        "http_request_bytes": f"6 MB a payload, binary bodies in base64: {_LAMBDA}",
        "http_response_bytes": f"6 MB a payload, binary bodies in base64: {_LAMBDA}",
        "http_timeout_s": f"maximum integration timeout, 30 seconds: {_HTTP_API}",
        "event_timeout_s": f"15 minutes: {_LAMBDA}",
        "delay_s": f"15 minutes: {_SQS}",
        "memory_mb": f"10,240 MB: {_LAMBDA}",
        "object_key_bytes": f"1,024 bytes of UTF-8: {_S3}/object-keys.html",
        "table_key_bytes": f"2,048 bytes a partition key, 1,024 a sort key: {_DYNAMODB}",
        "sign_expires_s": f"7 days: {_S3}/ShareObjectPreSignedURL.html",
        "batch_size": (
            f"10,000 of a standard queue, 10 of a FIFO one: {_DOCS}/lambda/latest/dg/services-sqs-parameters.html"
        ),
        "dead_letter_days": f"1,209,600 seconds, from the sending on: {_SQS}",
        "unzipped_bytes": f"250 MB, layers included; its zip may have any size through S3: {_LAMBDA}",
        "name_chars": f"64 characters: {_DOCS}/lambda/latest/api/API_CreateFunction.html",
    },
    caveats={
        "http-repeated-headers": f"repeated request headers arrive joined with commas: {_PROXY}",
        "http-encoded-slash": f"an HTTP API decodes the path before it hands it over, so %2F is a slash: {_ROUTES}",
        "http-chunked": f"a chunked request arrives whole, in one event: {_PROXY}",
        "signed-put-size": (
            "a signed PUT is for a bucket, key, method and time, and cannot limit the size; the app checks it on "
            f"create: {_S3}/PresignedUrlUploadObject.html"
        ),
        "sign-session": f"a URL ends with the credentials that signed it: {_S3}/ShareObjectPreSignedURL.html",
        "cron-both-days": (
            f"one of the two day fields must be open: {_DOCS}/scheduler/latest/UserGuide/schedule-types.html, "
            f"{_DOCS}/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html"
        ),
        "attempts-throttled": (
            "a message that is taken while the account has no concurrency left loses an attempt without having been "
            f"tried, so AWS recommends max_attempts of 5 and more: {_INBOX}"
        ),
        "recursion": (
            "a function that causes itself to run through SQS, SNS or S3 is stopped after about 16 times, and the "
            "message is a dead letter, unless it has the option recursive_loop: "
            f"{_DOCS}/lambda/latest/dg/invocation-recursion.html"
        ),
        "update-fields": (
            "an expression has 4 KB, so one update sets about 300 fields, or increments about 40: "
            f"{_DYNAMODB}#limits-expression-parameters"
        ),
        "change-size": (
            "a change whose old and new row together are larger than a message arrives in the dead letters by its "
            f"sequence number only: {_SQS}, {_DOCS}/eventbridge/latest/userguide/eb-pipes-error-troubleshooting.html"
        ),
    },
)
