"""How long an invocation may take, how many messages it gets, and how long they stay hidden meanwhile. Pure.

Sources: Lambda Developer Guide, "Configuring SQS for use with Lambda" (visibility at least six times the time-out, plus
the batching window) and "Lambda parameters for SQS event source mappings"; Lambda quotas.
"""

from __future__ import annotations

from math import ceil

from faasbridge.errors import ConfigError
from faasbridge.spec import FunctionSpec

from .settings import of_function

MOST_S, MOST_HTTP_S = 900, 30
_UNWINDOWED, _FIFO_BATCH = 10, 10


def batch_size(function: FunctionSpec, *, fifo: bool = False) -> int:
    """One for handlers of single events, so that a crash costs one event's attempt only, unless the option says
    otherwise. Raises ConfigError."""
    given = of_function(function).get("batch_size")
    if given is None:
        given = function.trigger.settings.get("batch_size", 1) if function.trigger.kind == "batch" else 1
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= 10_000:
        raise ConfigError(f"{function.location}: batch_size lies between 1 and 10,000, not {given!r}")
    if fifo and given > 1 and function.trigger.kind != "batch":
        # SQS counts an attempt for each message of the batch, those that are held back behind a failure included.
        raise ConfigError(
            f"{function.location}: a handler of an ordered queue's or topic's messages gets one at a time, since a "
            "failure would cost those behind it attempts that they never had: leave aws={'batch_size': ...} out"
        )
    return min(given, _FIFO_BATCH) if fifo else given


def window_s(function: FunctionSpec, *, fifo: bool = False) -> int:
    """Whole seconds that Lambda waits for a batch to fill: at least one for more than ten messages, none of a FIFO."""
    if fifo:
        return 0
    asked = ceil(function.trigger.settings.get("wait_s", 0)) if function.trigger.kind == "batch" else 0
    return max(asked, 1) if batch_size(function) > _UNWINDOWED else asked


def timeout_s(function: FunctionSpec) -> int:
    """Of an invocation. Raises ConfigError for one that Lambda does not give."""
    of_one = max(1, ceil(function.timeout_s))
    if function.trigger.kind == "http":
        url = of_function(function).get("endpoint") == "function-url"
        return _within(function, of_one, MOST_S if url else MOST_HTTP_S)
    _within(function, of_one, MOST_S)
    count = 1 if function.trigger.kind == "batch" else batch_size(function)
    if of_one * count > MOST_S:  # the last of them would lose attempts that they never had
        raise ConfigError(
            f"{function.location}: {count} messages of timeout_s={function.timeout_s:g} take {of_one * count:,} s, and "
            f"an invocation has {MOST_S}: lower aws={{'batch_size': ...}} or timeout_s"
        )
    return of_one * count


def visibility_s(function: FunctionSpec) -> int:
    return 6 * timeout_s(function) + window_s(function)


def _within(function: FunctionSpec, value: int, most: int) -> int:
    if value > most:
        raise ConfigError(
            f"{function.location + ': ' if function.location else ''}function {function.name!r} asks for "
            f"timeout_s={function.timeout_s:g}, and AWS gives {most} s at most"
        )
    return value
