"""The command line: `faasbridge`. One module a command; what they share is in `options`, `output` and `faults`."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command of `sys.argv` and exits: 0 success, 1 the user's fault, 2 wrong usage, 3 a cloud's failure."""
    from .faults import INTERRUPTED, Faults

    with Faults(sys.argv[1:]):
        from .commands import command_line

        code = command_line()(prog_name="faasbridge", standalone_mode=False) or 0
        if code == INTERRUPTED:  # Typer has caught the Ctrl-C, and says nothing
            raise KeyboardInterrupt
        sys.stdout.flush()  # where it fails, it fails in here
        sys.exit(code)
