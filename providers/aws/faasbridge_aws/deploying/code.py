"""What functions run, and changing that without CloudFormation.

UpdateFunctionCode takes seconds where a stack takes minutes, and the stack's parameter then names an older artifact
than what runs. So what a function runs is always read from Lambda, and set right after each operation of the stack.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from faasbridge.errors import DeployError

from .connection import Clients, code_of

_THREADS = 8
_TIMEOUT_S = 300.0


def running(clients: Clients, functions: Iterable[str]) -> dict[str, str]:
    """Function -> the CodeSha256 of what it runs; those that do not exist are left out."""
    names = list(functions)
    with ThreadPoolExecutor(_THREADS) as pool:
        found = pool.map(lambda name: configuration(clients, name), names)
        return {name: each["CodeSha256"] for name, each in zip(names, found, strict=True) if each is not None}


def configuration(clients: Clients, function: str) -> dict[str, Any] | None:
    from botocore.exceptions import ClientError

    try:
        return clients.get("lambda").get_function_configuration(FunctionName=function)  # type: ignore[no-any-return]
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return None
        raise


def update(clients: Clients, wanted: Mapping[str, str], bucket: str) -> Iterator[str]:
    """Gives each function the object of that key, and says of each when it runs it. Raises DeployError."""
    api = clients.get("lambda")
    for function, key in wanted.items():
        _settled(clients, function)
        api.update_function_code(FunctionName=function, S3Bucket=bucket, S3Key=key)
    for function in wanted:
        found = _settled(clients, function)
        if found.get("LastUpdateStatus") == "Failed":
            raise DeployError(f"Lambda could not update {function}: {found.get('LastUpdateStatusReason', '')}")
        yield function


def _settled(clients: Clients, function: str) -> dict[str, Any]:
    """Its configuration, once no update runs: Lambda refuses a second one meanwhile."""
    deadline = time.monotonic() + _TIMEOUT_S
    pause_s = 0.1
    while True:
        found = configuration(clients, function)
        if found is None:
            raise DeployError(f"the function {function} is gone: deploy again")
        if found.get("State") != "Pending" and found.get("LastUpdateStatus") != "InProgress":
            return found
        if time.monotonic() > deadline:
            raise DeployError(f"the function {function} is still being updated after {_TIMEOUT_S:.0f} s: deploy again")
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 2.0)
