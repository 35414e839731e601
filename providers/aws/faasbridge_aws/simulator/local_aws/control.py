"""The API that the simulator's owner talks to: JSON, with a bearer token, on loopback."""

from __future__ import annotations

import hmac
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ministack.services import cloudformation

from . import emptying, waiting
from .fronts import Fronts
from .pool import Pool

_GONE = ("DELETE_COMPLETE", "REVIEW_IN_PROGRESS")


class Control:
    """`stop` is called once, by `POST /stop`."""

    def __init__(self, token: str, pool: Pool, fronts: Fronts, stop: Callable[[], None]) -> None:
        self._token = token
        self._pool = pool
        self._fronts = fronts
        self._stop = stop
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def answer(self, method: str, path: str, body: Any) -> Any:
        """Raises KeyError for what there is not."""
        if (method, path) == ("POST", "/reset"):
            emptying.empty(self._pool)
            return None
        if (method, path) == ("GET", "/left"):
            return waiting.left()
        if (method, path) == ("GET", "/queues"):
            return waiting.queues()
        if (method, path) == ("GET", "/deployments"):
            self._fronts.close_gone()
            return deployments()
        if (method, path) == ("POST", "/runtimes"):  # runtime -> interpreter that has the runtime client
            self._pool.pythons.update(body)
            return None
        if (method, path) == ("POST", "/endpoints"):  # name -> endpoint as AWS gives it, and as it is reached here
            return {name: self._fronts.url(endpoint) or endpoint for name, endpoint in body.items()}
        if (method, path) == ("POST", "/stop"):
            self._stop()
            return None
        raise KeyError(path)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        control = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_GET(self) -> None:
                self._serve()

            def do_POST(self) -> None:
                self._serve()

            def _serve(self) -> None:
                content = self.rfile.read(int(self.headers.get("content-length") or 0))
                given = self.headers.get("authorization", "")
                if not hmac.compare_digest(given.encode(), f"Bearer {control._token}".encode()):
                    self._reply(401, {"error": "this needs the token of server.json"})
                    return
                try:
                    self._reply(200, control.answer(self.command, self.path, json.loads(content or b"null")))
                except KeyError:
                    self._reply(404, {"error": f"there is no {self.command} {self.path}"})
                except Exception as error:  # noqa: BLE001 - the caller is told
                    self._reply(500, {"error": f"{type(error).__name__}: {error}"})

            def _reply(self, status: int, value: Any) -> None:
                text = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)
                self.wfile.flush()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


def deployments() -> list[dict[str, str]]:
    """App and stage of each stack that is ours."""
    found = []
    for stack in list(cloudformation._stacks._data.values()):
        if stack.get("StackStatus") in _GONE:
            continue
        tags = {each.get("Key"): each.get("Value") for each in stack.get("Tags") or ()}
        if "faasbridge:app" in tags:
            found.append({"app": str(tags["faasbridge:app"]), "stage": str(tags.get("faasbridge:stage", ""))})
    return found
