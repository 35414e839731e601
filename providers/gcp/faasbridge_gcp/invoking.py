"""An event handed to a function past its inbox or its api, for `faasbridge invoke`.

It is a request with the header `HEADER`; `faasbridge.adapter.invoking` says what is sent and answered. A function with
an inbox can be called only by who has the right to, which Cloud Run has checked. An api's can be called by anybody, so
there the header has to be the body's HMAC with a key that is kept in Secret Manager: `FAASBRIDGE_INVOKE_KEY` is its
name, and the function's account and whoever may read the app's secrets can read it.
"""

from __future__ import annotations

import os
import time

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter.invoking import answered

from .entry import INVOCATION
from .events_own import own

if TYPE_CHECKING:
    from typing import Any

    from faasbridge.dispatch import Runner

HEADER = "x-faasbridge-invocation"
KEY_VARIABLE = "FAASBRIDGE_INVOKE_KEY"
_PAUSE_S = 5.0  # between questions for a key that there is none of: anybody can make us ask


def signature(key: str, body: bytes) -> str:
    import hmac

    return hmac.digest(key.encode(), body, "sha256").hex()


class Invoking:
    """The invocations of one function."""

    __slots__ = ("_asked", "_key", "_runner")

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._key = ""
        self._asked = float("-inf")

    def answer(self, request: Any) -> tuple[int, dict[str, Any]]:
        """Status and JSON of the answer to a Flask request that has the header."""
        body = request.get_data()
        if self._runner.api is not None and not self._is_genuine(request.environ[INVOCATION], body):
            return 403, {"error": f"the header {HEADER} was not made with this app's key"}
        return answered(self._runner, own, body, request.environ.get("HTTP_FUNCTION_EXECUTION_ID"))

    def _is_genuine(self, given: str, body: bytes) -> bool:
        import hmac

        name = os.environ.get(KEY_VARIABLE)
        if not self._key and name and time.monotonic() > self._asked + _PAUSE_S:
            self._asked = time.monotonic()
            from faasbridge.errors import NotFound

            from .drivers import clients, secret

            try:
                self._key = secret.value_of(clients.default(), name, "the key of invocations")
            except NotFound:
                return False
        return bool(self._key) and hmac.compare_digest(signature(self._key, body), given)
