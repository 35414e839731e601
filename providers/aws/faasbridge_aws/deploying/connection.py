"""The connection to an account: where it leads, and one sentence for each way that it fails.

Tool time only. The functions of a deployed app have errors of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Protocol

from faasbridge.errors import DeployError, FaaSBridgeError

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_UNKNOWN = {
    "AuthFailure",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "403", "Forbidden"}
_SKEWED = {"RequestTimeTooSkewed", "RequestInTheFuture"}
THROTTLED = {"Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown"}
_RIGHTS = {"HeadObject": "s3:GetObject", "HeadBucket": "s3:ListBucket"}  # whose answers have no text
_LOG_IN = "set AWS_PROFILE or the AWS_ACCESS_KEY_ID variables, or log in with `aws sso login`"


class Clients(Protocol):
    """`faasbridge_aws.drivers.clients.Clients`, or anything that gives botocore clients by service name."""

    def get(self, service: str) -> Any: ...


class Account:
    """Who and where the credentials are."""

    def __init__(self, clients: Clients) -> None:
        self.clients = clients

    @cached_property
    def _identity(self) -> Mapping[str, str]:
        return self.clients.get("sts").get_caller_identity()  # type: ignore[no-any-return]

    @property
    def id(self) -> str:
        return self._identity["Account"]

    @property
    def partition(self) -> str:
        """`aws`, or another world: `aws-cn`, `aws-us-gov`."""
        return self._identity["Arn"].split(":")[1]

    @cached_property
    def region(self) -> str:
        return str(self.clients.get("cloudformation").meta.region_name)


def code_of(error: Exception) -> str:
    """AWS's name of a fault; empty for one that no service answered."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def message_of(error: Exception) -> str:
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Message", "") or error)


@contextmanager
def faults() -> Iterator[None]:
    """Turns what botocore raises into a DeployError of one sentence, the original as its cause."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except FaaSBridgeError:
        raise
    except (BotoCoreError, ClientError) as error:
        raise DeployError(sentence(error)) from error


def sentence(error: Exception) -> str:
    """What is wrong and what to do. It holds nothing of the request: no header, no key, no signature."""
    code = code_of(error)
    if not code:
        return _of_the_client(error)
    operation = getattr(error, "operation_name", "the operation")
    if code in _EXPIRED:
        return f"the AWS credentials have expired: log in again ({_LOG_IN})"
    if code in _SKEWED or re.search(r"Signature expired|not yet current", message_of(error)):
        return "this machine's clock is wrong, so AWS takes nothing that it signs: set the time, then try again"
    if code in _UNKNOWN:
        return f"AWS does not accept the credentials ({code}): {_LOG_IN}, and see that the region is enabled"
    if code in _DENIED:
        found = re.search(r"not authorized to perform:? (\S+?)(?: on resource:? (\S+))?(?: |$)", message_of(error))
        action = found[1] if found else _RIGHTS.get(operation, operation)
        where = f" on {found[2]}" if found and found[2] else ""
        denied = "explicit deny" in message_of(error)
        what_to_do = "a policy denies it whatever others allow" if denied else "add it to their policy"
        return f"the AWS credentials lack the right to {action}{where}: {what_to_do}"
    if code in THROTTLED:
        return f"AWS throttles {operation}, and retrying did not help: run the command again in a minute"
    if code == "OptInRequired":
        return f"the account is not subscribed to what {operation} needs, or the region is not enabled for it"
    return f"AWS refused {operation}: {' '.join(message_of(error).split())}"


def _of_the_client(error: Exception) -> str:
    from botocore import exceptions

    if isinstance(error, exceptions.NoCredentialsError | exceptions.CredentialRetrievalError):
        return f"there are no AWS credentials: {_LOG_IN}"
    if isinstance(error, exceptions.PartialCredentialsError):
        return f"the AWS credentials are incomplete, there is no {error.kwargs.get('cred_var')}: {_LOG_IN}"
    if isinstance(error, exceptions.ProfileNotFound):
        return f"there is no AWS profile {error.kwargs.get('profile')!r}: `aws configure list-profiles` has them"
    if isinstance(
        error,
        exceptions.SSOError | exceptions.TokenRetrievalError | exceptions.SSOTokenLoadError,
    ):
        return "the AWS single sign-on session has ended: log in again with `aws sso login`"
    if isinstance(error, exceptions.NoRegionError):
        return (
            "no AWS region is chosen: set `region` in [tool.faasbridge.stages.<stage>.aws] of pyproject.toml, "
            "or AWS_REGION"
        )
    if isinstance(error, exceptions.InvalidRegionError):
        return f"{error.kwargs.get('region_name')!r} is no AWS region: correct `region` in the stage's settings"
    if isinstance(
        error,
        exceptions.HTTPClientError | exceptions.ConnectionError,
    ):
        endpoint = error.kwargs.get("endpoint_url", "AWS")
        return f"{endpoint} cannot be reached: check the network and that the region exists"
    return f"the AWS client failed: {' '.join(str(error).split())}"
