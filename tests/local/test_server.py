"""The local server: HTTP as it was sent, faults as answers, one server a state folder, nothing left behind."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from faasbridge import Request
from faasbridge.errors import ConfigError
from faasbridge.local.launch import launch
from faasbridge.local.state import Lock, is_locked, running

ECHO = """
@app.route("/{rest:path}", methods=["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def echo(request: Request, rest: str) -> Reply:
    return {
        "method": request.method, "path": request.path, "raw_path": request.raw_path, "rest": rest,
        "query": request.query.pairs, "headers": request.headers.pairs, "cookies": request.cookies.pairs,
        "body": list(request.body), "client_ip": request.client_ip, "claims": dict(request.claims),
    }
"""


def test_a_request_arrives_as_it_was_sent(local: Callable[..., Any]) -> None:
    app = local(ECHO)
    status, _, content = app.http(
        "POST",
        "/caf%C3%A9/a%2Fb?x=1&x=2&y=&z=a+b%26",
        bytes(range(256)),
        [("X-Two", "a"), ("X-Two", "b"), ("Cookie", "c=1; d=2")],
    )
    assert status == 200
    seen = json.loads(content)
    assert (seen["method"], seen["path"], seen["rest"]) == ("POST", "/café/a/b", "café/a/b")
    assert seen["raw_path"] == "/caf%C3%A9/a%2Fb"
    assert seen["query"] == [["x", "1"], ["x", "2"], ["y", ""], ["z", "a b&"]]
    assert [pair for pair in seen["headers"] if pair[0] == "x-two"] == [["x-two", "a"], ["x-two", "b"]]
    assert seen["cookies"] == [["c", "1"], ["d", "2"]]
    assert bytes(seen["body"]) == bytes(range(256))
    assert seen["client_ip"] == "127.0.0.1"


def test_an_answer_leaves_as_it_was_given(local: Callable[..., Any]) -> None:
    app = local(
        """
        @app.get("/")
        def home(request: Request) -> Reply:
            return Response(
                bytes(range(256)),
                status=201,
                headers={"X-Many": ["1", "2"], "content-type": "image/x"},
                cookies={"a": "1", "b": "2; Path=/b"},
            )
        @app.get("/none")
        def none(request: Request) -> Reply:
            return None
        """
    )
    status, headers, content = app.http("GET", "/")
    assert (status, content) == (201, bytes(range(256)))
    assert [v for n, v in headers if n == "x-many"] == ["1", "2"]
    assert [v for n, v in headers if n == "set-cookie"] == [
        "a=1; Path=/; HttpOnly; Secure; SameSite=Lax",
        "b=2; Path=/b",
    ]
    assert ("content-type", "image/x") in headers
    status, headers, content = app.http("HEAD", "/")
    assert (status, content) == (201, b"")
    assert ("content-length", "256") in headers
    status, headers, content = app.http("GET", "/none")
    assert (status, content) == (204, b"")
    status, headers, _ = app.http("DELETE", "/none")
    assert status == 405
    assert ("allow", "GET, HEAD, OPTIONS") in headers
    assert app.http("OPTIONS", "/none")[0] == 204
    assert app.http("GET", "/nowhere")[0] == 404


def test_every_api_has_a_port_of_its_own(local: Callable[..., Any]) -> None:
    app = local(
        """
        admin = app.api("admin", prefix="/admin")
        @app.get("/")
        def home(request: Request) -> Reply:
            return "home"
        @admin.get("/x")
        def x(request: Request) -> Reply:
            return "admin"
        """
    )
    assert app.http("GET", "/")[2] == b"home"
    assert app.http("GET", "/admin/x", api="admin")[2] == b"admin"
    assert app.http("GET", "/admin/x")[0] == 404


def test_a_handler_that_fails_dies_or_hangs_is_an_answer_with_its_id_in_the_log(local: Callable[..., Any]) -> None:
    app = local(
        """
        @app.get("/raise")
        def fails(request: Request) -> Reply:
            raise RuntimeError("secret internals")
        @app.get("/exit")
        def exits(request: Request) -> Reply:
            print("about to exit")
            os._exit(9)
        @app.get("/hang")
        def hangs(request: Request) -> Reply:
            while True:
                pass
        @app.get("/ahang")
        async def ahangs(request: Request) -> Reply:
            import asyncio
            await asyncio.sleep(600)
        @app.get("/")
        def home(request: Request) -> Reply:
            return "well"
        """.replace('app.get("/raise")', 'app.get("/raise")'),
        header=HEADER_SHORT,
    )
    for path, expected in {"/raise": 500, "/exit": 502, "/hang": 504, "/ahang": 504}.items():
        status, _, content = app.http("GET", path)
        answer = json.loads(content)
        assert status == expected, path
        assert "secret internals" not in answer["error"]
        assert answer["id"]
        assert app.http("GET", "/")[2] == b"well"
        if path in ("/raise", "/exit"):
            assert answer["id"] in {line.invocation for line in app.simulator.logs()}
    # Where it hung is in the log.
    assert "in hangs" in app.log_text("http")
    assert "secret internals" in app.log_text("http")


HEADER_SHORT = """
import os
from faasbridge import App, Reply, Request
app = App("demo", timeout_s=1)
"""


def test_requests_run_beside_each_other_up_to_the_number_of_workers(local: Callable[..., Any]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    app = local(
        """
        @app.get("/meet", uses=[seen.update, seen.put, seen.get])
        def meet(request: Request) -> Reply:
            seen.update("n", increment={"here": 1})
            while seen.get("n")["here"] < 3:
                time.sleep(0.005)
            return "met"
        """,
        settings={"workers": 3},
    )
    app.seen.put({"id": "n", "here": 0})
    with ThreadPoolExecutor(3) as threads:
        assert [r[0] for r in threads.map(lambda _: app.http("GET", "/meet"), range(3))] == [200, 200, 200]


def test_a_body_over_the_limit_is_refused(local: Callable[..., Any]) -> None:
    from faasbridge.local.limits import HTTP_BYTES

    app = local(ECHO)
    connection = socket.create_connection(("127.0.0.1", int(app.simulator.endpoint("http").rsplit(":", 1)[1])))
    connection.sendall(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {HTTP_BYTES + 1}\r\n\r\n".encode())
    answer = connection.recv(65536).decode()
    connection.close()
    assert answer.startswith("HTTP/1.1 413")


@pytest.mark.parametrize("head", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
def test_a_body_that_breaks_off_runs_nothing(local: Callable[..., Any], tmp_path: Path, head: str) -> None:
    seen = tmp_path / "seen"
    app = local(
        f"""
        from pathlib import Path

        @app.post("/up")
        def up(request: Request) -> Reply:
            with Path({str(seen)!r}).open("a") as stream:
                stream.write(f"{{len(request.body)}} ")
            return {{}}
        """
    )
    host, port = app.simulator.endpoint("http").removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"POST /up HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n5\r\nhello\r\n".encode())
    assert app.http("POST", "/up", b"whole")[0] == 200
    assert seen.read_text() == "5 "  # of the whole one


def test_claims_go_past_auth_through_the_control_api_only(local: Callable[..., Any]) -> None:
    app = local(
        """
        def nobody(request):
            return None
        private = app.api("private", auth=nobody)
        @private.get("/me")
        def me(request: Request) -> Reply:
            return dict(request.claims)
        """
    )
    assert app.http("GET", "/me", api="private")[0] == 401
    answer = app.simulator.request("private", Request("GET", "/me", claims={"sub": "ann"}))
    assert (answer.status, answer.body) == (200, b'{"sub":"ann"}')


def test_the_control_api_wants_the_token_and_a_local_name(local: Callable[..., Any]) -> None:
    app = local(ECHO)
    run = running(app.simulator.folder)
    assert run is not None
    token = ("Authorization", f"Bearer {run.token}")
    url, path = run.storage, "/_faasbridge/control/status"
    assert stat.S_IMODE((app.simulator.folder / "run.json").stat().st_mode) == 0o600
    assert app.http("GET", path, headers=[token], url=url)[0] == 200
    assert app.http("GET", path, url=url)[0] == 401
    assert app.http("GET", path, headers=[("Authorization", "Bearer x")], url=url)[0] == 401
    assert app.http("GET", path, headers=[token, ("Origin", "http://evil.example")], url=url)[0] == 403
    port = url.rsplit(":", 1)[1]
    raw = socket.create_connection(("127.0.0.1", int(port)))
    raw.sendall(f"GET {path} HTTP/1.1\r\nHost: evil.example:{port}\r\n{token[0]}: {token[1]}\r\n\r\n".encode())
    assert raw.recv(1000).startswith(b"HTTP/1.1 403")
    raw.close()


def test_storage_takes_and_gives_objects_by_signed_urls(local: Callable[..., Any]) -> None:
    app = local(
        """
        uploads = app.bucket("uploads")
        @uploads.on_create(uses=[seen.put])
        def made(event: BlobEvent) -> None:
            seen.put({"id": event.key, "size": event.size})
        """
    )
    bucket = app.app.bucket("uploads")
    put = bucket.sign_put("ünï/a b.html", expires_s=60, content_type="text/html", max_bytes=1000)
    base, path = put[: put.index("/", 8)], put[put.index("/", 8) :]
    html = [("Content-Type", "text/html")]
    assert app.http("PUT", path, b"x" * 1001, html, url=base)[0] == 413
    assert app.http("PUT", path, b"x", [("Content-Type", "image/png")], url=base)[0] == 415
    assert app.http("PUT", path.replace("a%20b", "other"), b"x", html, url=base)[0] == 403
    status, headers, _ = app.http("PUT", path, b"<script>" * 100, html, url=base)
    assert status == 200
    assert ("access-control-allow-origin", "*") in headers
    app.settle()
    assert app.rows() == {"ünï/a b.html": {"id": "ünï/a b.html", "size": 800}}

    get = bucket.sign_get("ünï/a b.html", expires_s=60)[len(base) :]
    status, headers, content = app.http("GET", get, url=base)
    assert (status, content) == (200, b"<script>" * 100)
    have = dict(headers)
    assert have["content-type"] == "text/html"
    assert have["x-content-type-options"] == "nosniff"
    assert "sandbox" in have["content-security-policy"]
    assert have["content-disposition"] == "attachment"
    status, headers, content = app.http("GET", get, headers=[("Range", "bytes=1-6")], url=base)
    assert (status, content) == (206, b"script")
    assert dict(headers)["content-range"] == "bytes 1-6/800"
    assert app.http("GET", get, headers=[("Range", "bytes=800-")], url=base)[0] == 416
    assert app.http("PUT", get, b"x", url=base)[0] == 403
    status, headers, _ = app.http(
        "OPTIONS", path, headers=[("Access-Control-Request-Headers", "content-type")], url=base
    )
    assert status == 204
    assert dict(headers)["access-control-allow-methods"] == "GET, HEAD, PUT"
    bucket.delete("ünï/a b.html")
    status, _, content = app.http("GET", get, url=base)
    assert status == 404
    assert "error" in json.loads(content)


def test_an_upload_of_unknown_length_stops_at_its_limit_and_leaves_nothing(
    local: Callable[..., Any], until: Callable[..., None]
) -> None:
    app = local('uploads = app.bucket("uploads")\n')
    bucket = app.app.bucket("uploads")
    url = bucket.sign_put("big", expires_s=60, max_bytes=100_000)
    port, path = int(url.split(":")[2].split("/")[0]), url[url.index("/", 8) :]
    raw = socket.create_connection(("127.0.0.1", port))
    raw.sendall(f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    try:
        for _ in range(4):
            raw.sendall(chunk)
    except OSError:
        pass
    assert raw.recv(1000).startswith(b"HTTP/1.1 413")
    raw.close()
    # One that breaks off is no object either.
    raw = socket.create_connection(("127.0.0.1", port))
    raw.sendall(f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000\r\n\r\nxxx".encode())
    raw.close()
    until(lambda: not os.listdir(app.simulator.folder / "blobs"), "the removal of what was uploaded")
    assert list(bucket.list()) == []


def test_a_second_server_of_a_state_is_refused(local: Callable[..., Any]) -> None:
    app = local(ECHO)
    with pytest.raises(ConfigError, match=r"already running, pid \d+, at http://127.0.0.1:\d+"):
        launch(app.stage, app.simulator.folder, port=0)
    assert app.http("GET", "/")[0] == 200


def test_a_port_in_use_is_refused_with_the_way_out(local: Callable[..., Any], tmp_path: Path) -> None:
    app = local(ECHO)
    port = int(app.simulator.endpoint("http").rsplit(":", 1)[1])
    with pytest.raises(ConfigError, match=f"^port {port} is in use; choose another one with --port"):
        launch(app.stage, tmp_path / "other", port=port)
    assert not is_locked(tmp_path / "other")


def test_an_app_that_cannot_be_loaded_is_one_sentence(local: Callable[..., Any], tmp_path: Path) -> None:
    app = local(ECHO)
    app.write("import nothing_like_this\n")
    with pytest.raises(ConfigError) as caught:
        launch(app.stage, tmp_path / "other", port=0)
    assert "main.py:1" in str(caught.value)
    assert "nothing_like_this" in str(caught.value)
    assert "Traceback" not in str(caught.value)
    with pytest.raises(ConfigError, match="no module 'nowhere'"):
        launch(replace(app.stage, app_ref="nowhere:app"), tmp_path / "other", port=0)


def test_an_unwritable_state_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        Lock(tmp_path / "file" / "below").acquire()


def test_stopping_finishes_what_runs_and_leaves_no_process(
    local: Callable[..., Any], until: Callable[..., None]
) -> None:
    app = local(
        """
        jobs = app.queue("jobs")
        @jobs.on_message(uses=[seen.put])
        def work(message: Message) -> None:
            seen.put({"id": "begun"})
            time.sleep(0.5)
            seen.put({"id": "finished"})
        """
    )
    folder = app.simulator.folder
    process, _ = launch(app.stage, app.root / "own", port=0)
    from faasbridge.local.bind import driver_of

    app.app.bound = driver_of("demo", "dev", app.root / "own")
    app.queue("jobs").send("x")
    until(lambda: "begun" in app.rows(), "the beginning")
    children = _children(process.pid)
    assert children
    process.terminate()
    assert process.wait(10) == 0
    assert process.stdin is not None
    process.stdin.close()
    assert "finished" in app.rows()
    assert not (app.root / "own" / "run.json").exists()
    assert folder.exists()
    until(lambda: not any(_alive(pid) for pid in children), "the end of the workers")


def test_a_killed_server_takes_its_workers_with_it(local: Callable[..., Any], until: Callable[..., None]) -> None:
    app = local(
        """
        jobs = app.queue("jobs")
        @jobs.on_message(uses=[seen.put])
        def work(message: Message) -> None:
            seen.put({"id": "begun"})
            while True:
                pass
        """
    )
    process, _ = launch(app.stage, app.root / "own", port=0)
    from faasbridge.local.bind import driver_of

    app.app.bound = driver_of("demo", "dev", app.root / "own")
    app.queue("jobs").send("x")
    until(lambda: "begun" in app.rows(), "the beginning")
    children = _children(process.pid)
    process.kill()
    process.wait()
    assert process.stdin is not None
    process.stdin.close()
    until(lambda: not any(_alive(pid) for pid in children), "the end of the workers")
    assert running(app.root / "own") is None


def _children(pid: int) -> list[int]:
    return [
        int(text)
        for text in subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
        ).stdout.split()
    ]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
