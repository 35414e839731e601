"""`python -m local_aws --port N --folder F --attached|--detached [--test] [--keep]`."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import os
import secrets
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

REGION = "us-east-1"
_LOCK_S = 2.0
_READY_S = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="local_aws")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    life = parser.add_mutually_exclusive_group(required=True)
    life.add_argument("--attached", action="store_true")
    life.add_argument("--detached", action="store_true")
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    folder: Path = args.folder
    lock(folder)
    port = args.port
    endpoint = f"http://127.0.0.1:{port}"
    prepare(folder, port, endpoint, keep=args.keep)
    # From here on ministack reads its settings.
    from .control import Control
    from .fronts import Fronts
    from .pool import Pool

    pool, fronts = Pool(folder, endpoint), Fronts()
    install(pool, test=args.test)
    loop = asyncio.new_event_loop()
    stopping = asyncio.Event()

    def stop() -> None:
        loop.call_soon_threadsafe(stopping.set)

    control = Control(secrets.token_urlsafe(24), pool, fronts, stop)
    control.start()
    if args.attached:
        threading.Thread(target=stop_at_the_end_of_input, args=(stop,), daemon=True).start()
    threading.Thread(target=stop_without_folder, args=(folder, stop), daemon=True).start()
    server = {
        "pid": os.getpid(),
        "control": control.url,
        "token": control._token,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "details": {"endpoint": endpoint, "region": REGION, "address": endpoint},
    }
    try:
        loop.run_until_complete(serve(port, stopping, folder, server))
    finally:
        (folder / "server.json").unlink(missing_ok=True)
        pool.close()
        shutil.rmtree(folder / "code", ignore_errors=True)
        sys.stdout.flush()
        os._exit(0)  # threads of ministack do not keep it


def lock(folder: Path) -> None:
    """Held until this process ends, whatever way it does."""
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(fd, False)
    deadline = time.monotonic() + _LOCK_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:  # somebody looks whether it is held, or holds it
            if time.monotonic() > deadline:
                sys.exit(f"a simulator already runs in {folder}")
            time.sleep(0.01)


def prepare(folder: Path, port: int, endpoint: str, *, keep: bool) -> None:
    """The environment that ministack is imported in: loopback only, nothing of the user's AWS."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "MINISTACK_", "LOCALSTACK_"))]:
        del os.environ[name]
    state = folder / "state"
    os.environ |= {
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "AUTH": "true",
        "GATEWAY_PORT": str(port),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING"),
        "TMPDIR": str(folder / "tmp"),
        "PERSIST_STATE": "1" if keep else "0",
        "STATE_DIR": str(state),
        "S3_PERSIST": "1" if keep else "0",
        "S3_DATA_DIR": str(state / "s3"),
    }
    (folder / "tmp").mkdir(exist_ok=True)
    if not keep:
        shutil.rmtree(state, ignore_errors=True)


def install(pool: object, *, test: bool) -> None:
    from . import emptying, inboxes, mending, schedules, sources
    from . import pool as pools

    pools.install(pool)  # type: ignore[arg-type]
    inboxes.install(0.0 if test else 1.0)
    sources.install()
    schedules.install(ticking=not test)
    emptying.install()
    mending.install(pool, test=test)  # type: ignore[arg-type]


async def serve(port: int, stopping: asyncio.Event, folder: Path, server: dict[str, object]) -> None:
    from hypercorn.asyncio import serve as hypercorn
    from hypercorn.config import Config
    from ministack.app import app

    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"
    config.accesslog = None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    serving = asyncio.ensure_future(hypercorn(app, config, shutdown_trigger=stopping.wait))
    await ready(port, serving)
    write(folder, server)
    await serving


async def ready(port: int, serving: asyncio.Future[None]) -> None:
    deadline = time.monotonic() + _READY_S
    while not serving.done() and time.monotonic() < deadline:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.01)
            continue
        writer.close()
        return
    serving.result()


def write(folder: Path, server: dict[str, object]) -> None:
    """For the user's eyes only, because of the token."""
    part = folder / "server.json.part"
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(server, file)
    part.replace(folder / "server.json")


def stop_at_the_end_of_input(stop: Callable[[], None]) -> None:
    sys.stdin.buffer.read()
    stop()


def stop_without_folder(folder: Path, stop: Callable[[], None]) -> None:
    """Whoever removes its folder cannot find the server any more, to stop it."""
    while (folder / "lock").exists():
        time.sleep(2)
    stop()


main()
