"""The project that a stage is deployed to, and Google's faults as one sentence each."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from google.api_core import exceptions
from google.api_core.future.polling import DEFAULT_POLLING
from google.auth.exceptions import GoogleAuthError, TransportError
from requests import RequestException  # type: ignore[import-untyped, unused-ignore]

from faasbridge.errors import ConfigError, DeployError, FaaSBridgeError
from faasbridge.provider import Stage

from ..drivers.clients import Clients

OPERATION_S = 1800.0
_SETTLING_S = 60.0  # how long it may take until a service account that was just made is known everywhere
_BUSY_S = 90.0
_SPREADING_S = 300.0
_TURNS = 3
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_LOG_IN = "log in with `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS"


class Cloud:
    """Clients, and the names that a template's tokens stand for. Raises ConfigError where the stage lacks one."""

    def __init__(self, stage: Stage, clients: Clients) -> None:
        self.clients = clients
        self._stage = stage
        self._logging_in = threading.Lock()

    def get(self, service: str) -> Any:
        self._log_in()
        return self.clients.get(service)

    def _log_in(self) -> None:
        """Once for all clients. Each would do it by itself otherwise, and where it fails try again for a minute.

        Raises GoogleAuthError.
        """
        with self._logging_in:
            if self.clients.credentials is None and not self.clients.endpoints:
                import google.auth
                from google.auth.transport.requests import Request

                found, _ = google.auth.default(scopes=[_SCOPE])  # type: ignore[no-untyped-call, unused-ignore]
                found.refresh(Request())  # type: ignore[no-untyped-call, unused-ignore]
                self.clients.credentials = found

    @cached_property
    def project(self) -> str:
        found = self.clients.project
        if not found:
            import google.auth

            try:
                found = google.auth.default()[1]  # type: ignore[no-untyped-call, unused-ignore]
            except GoogleAuthError:
                found = None
        if not found:
            raise ConfigError(
                f"which Google Cloud project? Set `project` in [tool.faasbridge.stages.{self._stage.name}.gcp], or "
                "GOOGLE_CLOUD_PROJECT"
            )
        return str(found)

    @cached_property
    def region(self) -> str:
        found = self._stage.settings.get("region")
        if not found:
            raise ConfigError(
                f"which region of Google Cloud? Set `region` in [tool.faasbridge.stages.{self._stage.name}.gcp], for "
                'example "europe-west1"'
            )
        return str(found)

    @cached_property
    def number(self) -> str:
        try:
            found = patient(lambda: self.get("projects").get_project(name=f"projects/{self.project}"))
        except (exceptions.NotFound, exceptions.PermissionDenied) as error:
            if _is_disabled(error):
                raise
            raise DeployError(
                f"there is no Google Cloud project {self.project!r}, or you may not look at it. {error.message}"
            ) from error
        return str(found.name.rpartition("/")[2])

    @property
    def parent(self) -> str:
        return f"projects/{self.project}/locations/{self.region}"

    def resolved(self, text: str) -> str:
        """With the project's, its number's and the region's tokens replaced."""
        for token, value in (("project", self.project), ("number", self.number), ("region", self.region)):
            text = text.replace(f"${{{token}}}", value)
        return text


def finished(operation: Any) -> Any:
    """The result of a long-running operation. Raises what it ended with."""
    polling = DEFAULT_POLLING.with_delay(initial=0.1, maximum=5.0, multiplier=1.3)
    return operation.result(polling=polling.with_timeout(OPERATION_S))


def settled(call: Callable[..., Any], **arguments: Any) -> Any:
    """A call that names service accounts or roles made a moment ago, which not every service knows at once.

    Source: IAM documentation, "Access change propagation"; "Create service accounts", which advises to try again.
    """
    deadline = time.monotonic() + _SETTLING_S
    pause_s = 0.5
    while True:
        try:
            return call(**arguments)
        except exceptions.GoogleAPICallError as error:
            text = (error.message or "").lower()
            unknown = "service account" in text and ("does not exist" in text or "may not exist" in text)
            if not unknown or time.monotonic() > deadline:
                raise
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 5.0)


def patient(call: Callable[..., Any], *arguments: Any) -> Any:
    """Again where Google did not answer, was asked too often within a minute, or does not know everywhere what was
    given a moment ago: all of it may be done twice."""
    began = time.monotonic()
    turn = 0
    while True:
        try:
            return call(*arguments)
        except (exceptions.ServiceUnavailable, exceptions.InternalServerError) as error:
            if turn == _TURNS or _is_login(error):
                raise
        except exceptions.TooManyRequests as error:
            if not _is_rate(error) or time.monotonic() > began + _BUSY_S:
                raise
        except exceptions.GoogleAPICallError as error:
            if not _is_spreading(error) or time.monotonic() > began + _SPREADING_S:
                raise
        time.sleep(min(0.5 * 2**turn, 10.0))
        turn += 1


def _is_spreading(error: exceptions.GoogleAPICallError) -> bool:
    """Whether it is Eventarc's first time in a project, or a right that Eventarc has not heard of yet.

    Source: hashicorp/terraform-provider-google#14584 and eventarc-samples#94, where the API's messages are.
    """
    text = str(error.message).lower()
    return "propagated to the service agent" in text or '"eventarc.events.receiveevent" denied' in text


def _is_rate(error: exceptions.GoogleAPICallError) -> bool:
    """Whether waiting helps. Source: google.rpc ErrorInfo reasons, `google/api/error_reason.proto`."""
    return getattr(error, "reason", None) == "RATE_LIMIT_EXCEEDED" or "per minute" in str(error.message)


@contextmanager
def faults(what: str = "") -> Iterator[None]:
    """Google's faults as DeployError; `what` says whose they are."""
    try:
        yield
    except (ConfigError, FaaSBridgeError):
        raise
    except exceptions.RetryError as error:
        if _is_login(error.cause):
            raise DeployError(_of(what) + sentence(error.cause)) from error
        raise DeployError(f"{_of(what)}Google Cloud did not answer in time: {error}; run the command again") from error
    except exceptions.GoogleAPICallError as error:
        raise DeployError(_of(what) + sentence(error)) from error
    except (TransportError, RequestException) as error:
        raise DeployError(f"{_of(what)}Google Cloud cannot be reached: {' '.join(str(error).split())}") from error
    except GoogleAuthError as error:
        raise DeployError(f"Google Cloud does not accept the credentials, or there are none: {_LOG_IN}") from error


def sentence(error: exceptions.GoogleAPICallError) -> str:
    """Sources: Cloud APIs, "Errors"; google.rpc ErrorInfo reasons, `google/api/error_reason.proto`."""
    message = " ".join(str(error.message or error).split())
    reason, lower = getattr(error, "reason", None), message.lower()
    if _is_disabled(error):
        named = re.search(r"apis/api/([\w.-]+\.googleapis\.com)", message)
        service = (getattr(error, "metadata", None) or {}).get("service", "") or (named[1] if named else "")
        command = f"gcloud services enable {service or 'THE-API'}"
        return f"the API {service or 'that this needs'} is disabled in the project: enable it with `{command}`"
    if reason == "BILLING_DISABLED" or ("billing" in lower and re.search(r"disabled|not enabled|to be enabled", lower)):
        return f"the project has no billing account, which this needs: link one in the console. {message}"
    if isinstance(error, exceptions.TooManyRequests):
        return f"a quota of the project is used up: {message}. Ask for more, or delete what is not needed"
    if isinstance(error, exceptions.Unauthorized) or _is_login(error):
        return f"Google Cloud does not accept the credentials: {_LOG_IN}. {message}"
    if isinstance(error, exceptions.Forbidden):
        return f"you lack a right that this needs: {message}"
    if isinstance(error, exceptions.ServiceUnavailable):
        return f"Google Cloud cannot be reached: {message}"
    return message


def _is_login(error: Any) -> bool:
    """What grpc makes of credentials that cannot be refreshed: as if the service could not be reached."""
    text = str(getattr(error, "message", ""))
    return isinstance(error, exceptions.ServiceUnavailable) and "metadata from plugin failed" in text


def _is_disabled(error: exceptions.GoogleAPICallError) -> bool:
    """Whether the API is what the project has not enabled."""
    return getattr(error, "reason", None) == "SERVICE_DISABLED" or "has not been used in project" in str(error.message)


def _of(what: str) -> str:
    return f"{what}: " if what else ""
