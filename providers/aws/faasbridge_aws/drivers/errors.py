"""AWS's faults as ours. The one place that knows their codes; needs no SDK.

Source: "Error responses" and "Common errors" in the API references of S3, DynamoDB, SQS, SNS and Secrets Manager.
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import Conflict, FaaSBridgeError, NotFound, PayloadTooLarge, PermissionDenied, Throttled

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_NOT_FOUND = frozenset(
    ("404", "NoSuchKey", "NoSuchBucket", "NotFound", "NotFoundException", "QueueDoesNotExist",
     "ResourceNotFoundException")
)  # fmt: skip
_DENIED = frozenset(
    ("403", "AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException", "Forbidden",
     "KMSAccessDenied", "KmsAccessDenied", "KMSAccessDeniedException", "UnauthorizedOperation")
)  # fmt: skip
_CREDENTIALS = frozenset(
    ("ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidSignatureException",
     "SignatureDoesNotMatch", "UnrecognizedClientException")
)  # fmt: skip
_THROTTLED = frozenset(
    ("ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException",
     "SlowDown", "Throttled", "ThrottledException", "Throttling", "ThrottlingException", "TooManyRequestsException",
     "LimitExceededException", "OverLimit", "ServiceUnavailable", "503", "KmsThrottled", "KMSThrottling")
)  # fmt: skip
_TOO_LARGE = frozenset(("413", "EntityTooLarge", "BatchRequestTooLong", "RequestEntityTooLarge", "RequestTooLong"))
_CONFLICT = frozenset(
    ("409", "412", "ConditionalCheckFailedException", "ConditionalRequestConflict", "PreconditionFailed",
     "TransactionConflictException")
)  # fmt: skip
_ACTIONS = {
    "s3:HeadObject": "s3:GetObject", "s3:ListObjectsV2": "s3:ListBucket", "s3:CopyObject": "s3:PutObject",
    "s3:CreateMultipartUpload": "s3:PutObject", "s3:UploadPart": "s3:PutObject",
    "s3:CompleteMultipartUpload": "s3:PutObject", "sqs:SendMessageBatch": "sqs:SendMessage",
    "sns:PublishBatch": "sns:Publish",
}  # fmt: skip


def call(what: str, method: Callable[..., Any], **parameters: Any) -> Any:
    """One operation of a client; `what` names the resource in errors: "queue 'jobs'"."""
    try:
        return method(**parameters)
    except Exception as error:
        service = getattr(getattr(method, "__self__", None), "meta", None)
        name = service.service_model.signing_name if service is not None else ""
        action = f"{name}:{getattr(error, 'operation_name', '')}"
        raise translated(error, what, _ACTIONS.get(action, action)) from error


def code_of(error: Exception) -> str:
    """AWS's name of the fault; empty where no service answered."""
    return str((getattr(error, "response", None) or {}).get("Error", {}).get("Code", "")).rpartition(".")[2]


def message_of(error: Exception) -> str:
    return str((getattr(error, "response", None) or {}).get("Error", {}).get("Message", "")) or str(error)


def translated(error: Exception, what: str, action: str = "") -> Exception:
    """Our fault for AWS's; anything that is no fault of a service or its client comes back as it is.

    `action`: the IAM action that was needed.
    """
    code, message = code_of(error), message_of(error)
    if not code:
        if not type(error).__module__.startswith(("botocore", "urllib3", "obstore")):
            return error
        return FaaSBridgeError(f"{what}: AWS was not reached, or did not answer in time: {error}")
    if code in _DENIED:
        return PermissionDenied(_denied(what, action, message))
    if code in _CREDENTIALS:
        return PermissionDenied(f"{what}: AWS does not accept the credentials ({code}): log in again, or renew them")
    if code in _NOT_FOUND or code.endswith(("NonExistentQueue", "QueueDoesNotExist")):
        return NotFound(f"{what} does not exist in AWS: {message}")
    if code in _THROTTLED:
        return Throttled(f"{what}: AWS throttles ({code}), also after several tries: {message}")
    if "Expression size has exceeded" in message or "too many operators" in message:
        return ValueError(f"{what}: these are too many fields for one operation, divide it: {message}")
    if code in _TOO_LARGE or "exceeded the maximum allowed size" in message or "too long" in message.lower():
        return PayloadTooLarge(f"{what}: {message}. Put the data into a bucket and send or keep its key")
    if code in _CONFLICT:
        return Conflict(f"{what}: {message}")
    if code in ("ValidationException", "InvalidMessageContents", "InvalidParameterValue", "InvalidParameter"):
        fault = ValueError(f"{what}: AWS does not take this: {message}")
        return (
            PayloadTooLarge(str(fault))
            if "bytes" in message and ("onger" in message or "shorter" in message)
            else fault
        )
    return FaaSBridgeError(f"{what}: AWS answered {code}: {message}")


def _denied(what: str, action: str, message: str) -> str:
    _, named, rest = message.partition("not authorized to perform: ")
    if named:
        action = rest.split()[0]
    _, found, place = rest.partition("on resource: ")
    where = f" on {place.split()[0]}" if found else ""
    return (
        f"{what}: AWS does not allow {action or 'this'}{where}. Name the operation in the function's uses= and deploy; "
        "where it is there, look at the bucket's, key's or organisation's policies"
    )
