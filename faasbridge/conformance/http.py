"""HTTP: what a client sends reaches the handler, and what a handler answers reaches the client; over a real socket."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import pytest

from ..http import Request
from ..testing.client import Answer
from ..testing.cloud import Cloud
from .app import SECRET_TEXT
from .harness import Suite, logged, needs

ORIGIN = "https://page.example"


class Cases(Suite):
    # Routes

    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
    def test_every_method_reaches_its_handler(self, cloud: Cloud, method: str) -> None:
        assert cloud.client().request(method, "/echo/x").json()["method"] == method

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("/things/special", {"route": "special"}),
            ("/things/other", {"route": "thing", "thing": "other"}),
            ("/things/special%20", {"route": "thing", "thing": "special "}),
            ("/things/42/parts", {"route": "parts", "number": 42}),
            ("/things/-1/parts", {"route": "parts", "number": -1}),
        ],
    )
    def test_a_static_path_wins_and_parameters_are_converted(self, cloud: Cloud, path: str, expected: object) -> None:
        assert cloud.client().get(path).json() == expected

    @pytest.mark.parametrize("path", ["/none", "/things", "/things/x/parts", "/Text", "/things/1/parts/2"])
    def test_an_unknown_path_is_404_in_json(self, cloud: Cloud, path: str) -> None:
        answer = cloud.client().get(path)
        assert answer.status == 404
        assert "error" in answer.json()

    def test_a_wrong_method_is_405_with_allow(self, cloud: Cloud) -> None:
        answer = cloud.client().delete("/text")
        assert answer.status == 405
        assert {"GET", "HEAD"} <= {method.strip() for method in answer.headers["allow"].split(",")}
        assert "POST" not in answer.headers["allow"]

    def test_head_answers_as_get_without_the_body(self, cloud: Cloud) -> None:
        get, head = cloud.client().get("/text"), cloud.client().request("HEAD", "/text")
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-type"] == get.headers["content-type"]
        assert head.headers["content-length"] == str(len(get.body))
        assert cloud.client().request("HEAD", "/none").status == 404

    # Paths and queries

    @pytest.mark.parametrize(
        "rest",
        [
            "Grüße/世界/🎉",
            "a b",
            "a+b",
            "100%",
            "%41",
            "a;b=c",
            "a:b@c",
            "~-._!$&'()*,=",
            "a?b#c",
            '"<>[]{}|^`\\',
            "trailing/",
            "//double",
            ".hidden",
        ],
        ids=ascii,
    )
    def test_any_path_arrives_decoded(self, cloud: Cloud, rest: str) -> None:
        answer = cloud.client().get("/echo/" + quote(rest, safe="/"))
        assert answer.json()["rest"] == rest
        assert answer.json()["path"] == f"/echo/{rest}"

    def test_a_plus_and_reserved_characters_stay_as_they_are(self, cloud: Cloud) -> None:
        assert cloud.client().get("/echo/a+b;c=d,e:f@g!$&'()*").json()["rest"] == "a+b;c=d,e:f@g!$&'()*"

    @needs("http-encoded-slash")
    def test_an_encoded_slash_stays_within_its_segment(self, cloud: Cloud) -> None:
        assert cloud.client().get("/things/a%2Fb").json() == {"route": "thing", "thing": "a/b"}

    def test_repeated_empty_and_encoded_query_values_arrive_in_order(self, cloud: Cloud) -> None:
        raw = "a=1&b=&a=2&c&d=%26%3D%2B&e=x+y&f=x%20y&g=%C3%BC&%C3%A4=1&a=3"
        assert cloud.client().get("/echo", query=raw).json()["query"] == [
            ["a", "1"], ["b", ""], ["a", "2"], ["c", ""], ["d", "&=+"], ["e", "x y"], ["f", "x y"],
            ["g", "ü"], ["ä", "1"], ["a", "3"],
        ]  # fmt: skip

    def test_a_query_keeps_what_others_split_at(self, cloud: Cloud) -> None:
        pairs = [
            ["list", "1,2,3"],
            ["semi", "a;b"],
            ["eq", "a=b=c"],
            ["url", "https://x.example/?a=1#b"],
            ["empty", ""],
        ]
        answer = cloud.client().get("/echo", query=[(name, value) for name, value in pairs])
        assert answer.json()["query"] == pairs

    # Headers and cookies

    def test_header_names_are_case_insensitive_and_values_exact(self, cloud: Cloud) -> None:
        answer = cloud.client().get("/echo", headers={"X-CaSe": 'Kept, as "it" is; a=b', "x-empty": ""})
        headers = dict(map(tuple, answer.json()["headers"]))
        assert headers["x-case"] == 'Kept, as "it" is; a=b'
        assert headers.get("x-empty", "") == ""
        answer = cloud.client().get("/headers")
        assert answer.headers["x-mixed-case"] == answer.headers["X-MIXED-CASE"] == "kept"

    def test_repeated_request_headers_all_arrive(self, cloud: Cloud) -> None:
        pairs = [("x-many", "one"), ("x-other", "1"), ("x-many", "two, three")]
        got = [
            value for name, value in cloud.client().get("/echo", headers=pairs).json()["headers"] if name == "x-many"
        ]
        assert [part.strip() for value in got for part in value.split(",")] == ["one", "two", "three"]

    @needs("http-repeated-response-headers")
    def test_repeated_response_headers_all_arrive(self, cloud: Cloud) -> None:
        values = cloud.client().get("/headers").headers.getlist("x-many")
        assert [part.strip() for value in values for part in value.split(",")] == ["one", "two"]

    def test_cookies_arrive(self, cloud: Cloud) -> None:
        header = 'a=1; b="quoted"; c=x=y==; empty=; a=2'
        got = cloud.client().get("/echo", headers={"cookie": header}).json()["cookies"]
        assert got == [["a", "1"], ["b", "quoted"], ["c", "x=y=="], ["empty", ""], ["a", "2"]]

    def test_cookies_are_set_one_header_each(self, cloud: Cloud) -> None:
        answer = cloud.client().get("/cookies")
        assert answer.cookies == {"plain": "1", "lasting": "2"}
        plain, lasting = sorted(answer.headers.getlist("set-cookie"), reverse=True)
        for attribute in ("Path=/", "HttpOnly", "Secure", "SameSite=Lax"):
            assert attribute.lower() in plain.lower()
        assert "max-age=60" in lasting.lower()
        assert "httponly" not in lasting.lower()

    # Bodies

    @pytest.mark.parametrize(
        "body",
        [b"", b"\x00", bytes(range(256)), b"\xff\xfe\xfd", "Grüße 🎉".encode(), b"x" * 1_000_000],
        ids=lambda body: f"{len(body)} bytes",
    )
    @pytest.mark.parametrize(
        "content_type", ["application/octet-stream", "image/png", "application/json", "text/plain; charset=latin-1"]
    )
    def test_any_body_survives_both_ways(self, cloud: Cloud, body: bytes, content_type: str) -> None:
        answer = cloud.client().post("/mirror", body=body, headers={"content-type": content_type})
        assert answer.status == 200
        assert answer.body == body
        assert answer.headers["content-type"].startswith(content_type.split(";", maxsplit=1)[0])

    def test_a_form_arrives_as_it_was_sent(self, cloud: Cloud) -> None:
        body = b'--b\r\ncontent-disposition: form-data; name="f"; filename="x"\r\n\r\n\x00\xff\r\n--b--\r\n'
        answer = cloud.client().post("/echo", body=body, headers={"content-type": "multipart/form-data; boundary=b"})
        assert bytes.fromhex(answer.json()["body"]) == body

    def test_a_large_request_and_a_large_response(self, cloud: Cloud) -> None:
        size = min(
            4_000_000,
            self.harness.limits.http_request_bytes or 4_000_000,
            self.harness.limits.http_response_bytes or 4_000_000,
        )
        body = bytes(i % 251 for i in range(size // 1000)) * 1000
        assert cloud.client().post("/digest", body=body).json() == {
            "size": len(body),
            "sha256": sha256(body).hexdigest(),
        }
        count = min(size, 4_000_000)
        answer = cloud.client().get(f"/bytes/{count}")
        assert answer.body == bytes(range(256)) * (count // 256) + bytes(count % 256)

    @needs("http-chunked")
    def test_a_chunked_request_arrives_whole(self, cloud: Cloud) -> None:
        answer = cloud.client().post("/digest", body=(b"%d," % n for n in range(1000)))
        expected = b"".join(b"%d," % n for n in range(1000))
        assert answer.json() == {"size": len(expected), "sha256": sha256(expected).hexdigest()}

    # Answers

    def test_what_a_handler_returns_becomes_an_answer(self, cloud: Cloud) -> None:
        client = cloud.client()
        nothing = client.get("/nothing")
        assert (nothing.status, nothing.body) == (204, b"")
        text = client.get("/text")
        assert text.text() == "Grüße, 世界 🎉"
        assert text.headers["content-type"].replace(" ", "").lower() == "text/plain;charset=utf-8"
        listing = client.get("/list")
        assert listing.json() == [1, "zwei", None, {"drei": 3.0}]
        assert listing.headers["content-type"].startswith("application/json")
        assert client.get("/bytes/3").headers["content-type"].startswith("application/octet-stream")

    @pytest.mark.parametrize(
        "code", [200, 201, 202, 301, 302, 400, 401, 403, 404, 409, 410, 418, 422, 429, 451, 500, 503]
    )
    def test_any_status_arrives_with_its_body(self, cloud: Cloud, code: int) -> None:
        answer = cloud.client().get(f"/status/{code}")
        assert (answer.status, answer.json()) == (code, {"status": code})

    def test_json_both_ways(self, cloud: Cloud) -> None:
        value = {"ü": ["🎉", 1, 1.5, None, True, {"a": {}}]}
        answer = cloud.client().post("/json", json=value)
        assert answer.json() == {"got": value}

    @pytest.mark.parametrize("body", [b"{", b"", b"\xff", b"{'a': 1}"])
    def test_bad_json_is_400(self, cloud: Cloud, body: bytes) -> None:
        answer = cloud.client().post("/json", body=body, headers={"content-type": "application/json"})
        assert answer.status == 400
        assert "error" in answer.json()

    def test_an_http_error_is_its_status_and_detail(self, cloud: Cloud) -> None:
        answer = cloud.client().get("/teapot")
        assert (answer.status, answer.json()) == (418, {"error": "short and stout"})

    def test_an_uncaught_error_is_500_with_an_id_that_is_in_the_log(self, cloud: Cloud) -> None:
        answer = cloud.client().get("/broken")
        assert answer.status == 500
        assert SECRET_TEXT not in answer.text()
        assert "ValueError" not in answer.text()
        assert "Traceback" not in answer.text()
        error_id = answer.json()["id"]
        logged(cloud, "http", lambda line: error_id in line.text or error_id == line.invocation)
        logged(cloud, "http", lambda line: SECRET_TEXT in line.text)

    def test_a_crash_costs_its_own_request_only(self, cloud: Cloud) -> None:
        client = cloud.client()
        assert client.get("/crash").status in (500, 502, 503)
        assert client.get("/text").status == 200

    def test_requests_at_once_get_their_own_answers(self, cloud: Cloud) -> None:
        client = cloud.client()

        def ask(n: int) -> Any:
            return client.post(f"/echo/{n}", body=str(n)).json()

        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(ask, range(100)))
        assert [(answer["rest"], bytes.fromhex(answer["body"])) for answer in answers] == [
            (str(n), str(n).encode()) for n in range(100)
        ]

    def test_middleware_sees_every_answer(self, cloud: Cloud) -> None:
        client = cloud.client()
        for path in ("/text", "/nothing", "/none", "/teapot"):
            assert client.get(path).headers["x-traced"] == "http"

    def test_an_async_handler_knows_its_invocation(self, cloud: Cloud) -> None:
        first, second = (cloud.client().get("/invocation").json() for _ in range(2))
        assert (first["function"], first["provider"], first["attempt"]) == ("http", cloud.provider, 1)
        assert first["stage"] == self.harness.stage_name
        assert first["id"] != second["id"]
        assert 0 < first["remaining_ms"] <= 20_000

    def test_a_handler_knows_its_clients_address(self, cloud: Cloud) -> None:
        assert cloud.client().get("/echo").json()["client_ip"]

    def test_what_a_handler_prints_is_in_the_log(self, cloud: Cloud) -> None:
        cloud.client().post("/log", body="Grüße aus dem Handler")
        logged(cloud, "http", lambda line: "Grüße aus dem Handler" in line.text)

    # Apis and who may call them

    def test_another_api_is_another_function(self, cloud: Cloud) -> None:
        answer = cloud.client("admin").get("/staff/me", headers={"authorization": "Bearer ada"})
        assert answer.json() == {"claims": {"sub": "ada"}, "function": "admin"}
        assert cloud.client("admin").get("/text").status == 404
        assert cloud.client().get("/staff/me").status == 404

    def test_without_claims_only_public_routes_answer(self, cloud: Cloud) -> None:
        client = cloud.client("admin")
        for headers in ({}, {"authorization": "Bearer eve"}):
            answer = client.get("/staff/me", headers=headers)
            assert answer.status == 401
            assert "www-authenticate" in answer.headers
        assert client.get("/staff/open").json() == {"claims": {}}

    def test_a_tests_client_can_bring_claims(self, cloud: Cloud) -> None:
        claims = {"sub": "eve", "groups": ["a", "b"]}
        assert cloud.client("admin", claims=claims).get("/staff/me").json()["claims"] == claims
        reply = cloud.invoke("http", Request("POST", "/echo/in ü", body=b"\x00\xff", query=[("a", "1"), ("a", "2")]))
        answer = Answer(*reply.finish()).json()
        assert (answer["rest"], answer["body"], answer["query"]) == ("in ü", "00ff", [["a", "1"], ["a", "2"]])

    def test_a_page_of_the_allowed_origin_may_read_answers(self, cloud: Cloud) -> None:
        for path in ("/text", "/none", "/teapot", "/broken"):
            assert cloud.client().get(path, headers={"origin": ORIGIN}).headers["access-control-allow-origin"] == ORIGIN
        foreign = cloud.client().get("/text", headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in foreign.headers
        assert (
            "access-control-allow-origin"
            not in cloud.client("admin").get("/staff/open", headers={"origin": ORIGIN}).headers
        )

    def test_a_preflight_is_answered(self, cloud: Cloud) -> None:
        asked = {
            "origin": ORIGIN,
            "access-control-request-method": "PUT",
            "access-control-request-headers": "x-a, content-type",
        }
        answer = cloud.client().request("OPTIONS", "/echo/x", headers=asked)
        assert answer.status in (200, 204)
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "PUT" in answer.headers["access-control-allow-methods"]
        assert "x-a" in answer.headers["access-control-allow-headers"]
        foreign = cloud.client().request("OPTIONS", "/echo/x", headers={**asked, "origin": "https://evil.example"})
        assert "access-control-allow-origin" not in foreign.headers
