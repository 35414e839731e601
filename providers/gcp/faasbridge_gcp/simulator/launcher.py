"""What a function's process begins with, in the function's own environment: standard library only.

It ends with the simulator whatever way that ends, lets Google's APIs be the simulator's, as a network inside Google's
cloud lets them be Google's, and hands over to functions-framework, which then does just what it does in the cloud.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Any


def die_with_parent() -> None:
    """Linux ends a process by this when the one that started it is gone; elsewhere the simulator does it in time."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        if os.getppid() == 1:
            os._exit(1)


def redirect(address: str) -> None:
    """Channels to *.googleapis.com go to the simulator. grpc is touched only if the function imports it."""
    import importlib.abc
    import importlib.util

    class Finder(importlib.abc.MetaPathFinder):
        def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
            if name not in ("grpc", "grpc.aio._channel"):
                return None
            sys.meta_path.remove(self)
            try:
                spec = importlib.util.find_spec(name)
            finally:
                sys.meta_path.insert(0, self)
            if spec is not None and spec.loader is not None:
                run = spec.loader.exec_module

                def exec_module(module: Any) -> None:
                    run(module)
                    secure, insecure = module.secure_channel, module.insecure_channel

                    def secure_channel(
                        target: str, credentials: Any, options: Any = None, compression: Any = None, **more: Any
                    ) -> Any:
                        if target.rpartition(":")[0].endswith(".googleapis.com"):
                            return insecure(address, options, compression, **more)
                        return secure(target, credentials, options, compression, **more)

                    module.secure_channel = secure_channel

                spec.loader.exec_module = exec_module  # type: ignore[method-assign]
            return spec

    sys.meta_path.insert(0, Finder())


def main() -> None:
    die_with_parent()
    os.register_at_fork(after_in_child=die_with_parent)
    host, address = sys.argv[1:3]
    redirect(address)
    sys.argv[:] = ["functions-framework", "--host", host]
    from functions_framework._cli import _cli

    _cli()


if __name__ == "__main__":
    main()
