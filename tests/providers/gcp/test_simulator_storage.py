"""Signed URLs of the simulated Cloud Storage, signed by Google's own library through IAM Credentials."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from google.auth import credentials

sys.path.insert(0, str(Path(__file__).parent))

from simulated_cloud import SimulatedCloud, wait_until


class BySignBlob(credentials.AnonymousCredentials, credentials.Signing):
    """A service account without a key: IAM Credentials signs in its name."""

    def __init__(self, cloud: SimulatedCloud, email: str) -> None:
        super().__init__()
        self._cloud = cloud
        self._email = email

    def sign_bytes(self, message: bytes) -> bytes:
        name = f"projects/-/serviceAccounts/{self._email}"
        found: bytes = self._cloud.credentials.sign_blob(name=name, delegates=[], payload=message).signed_blob
        return found

    @property
    def signer_email(self) -> str:
        return self._email

    @property
    def signer(self) -> Any:
        return self


@pytest.fixture(scope="module", autouse=True)
def signer(cloud: SimulatedCloud) -> None:
    bucket = cloud.storage.create_bucket("signed-objects")
    policy = bucket.get_iam_policy(requested_policy_version=3)
    policy["roles/storage.objectUser"] = {f"serviceAccount:{cloud.account('signer-one')}"}
    bucket.set_iam_policy(policy)


@pytest.fixture
def sign(cloud: SimulatedCloud) -> Callable[..., str]:
    def make(method: str, name: str, *, expires_s: float = 600, **more: Any) -> str:
        signer = BySignBlob(cloud, "signer-one@demo-project.iam.gserviceaccount.com")
        url: str = (
            cloud.storage.bucket("signed-objects")
            .blob(name)
            .generate_signed_url(
                version="v4",
                method=method,
                expiration=datetime.timedelta(seconds=expires_s),
                credentials=signer,
                api_access_endpoint=cloud.server.details["storage"],
                **more,
            )
        )
        return url

    return make


@pytest.mark.parametrize("name", ["plain.txt", "a b/+%41&=#?.txt", "Grüße/🎉"])
def test_signed_urls_read_and_write_any_name(cloud: SimulatedCloud, sign: Callable[..., str], name: str) -> None:
    put = httpx.put(sign("PUT", name, content_type="text/x"), content=b"data", headers={"content-type": "text/x"})
    assert put.status_code == 200

    got = httpx.get(sign("GET", name))

    assert (got.status_code, got.content, got.headers["content-type"]) == (200, b"data", "text/x")
    blob = cloud.storage.bucket("signed-objects").get_blob(name)
    assert (blob.download_as_bytes(), blob.content_type) == (b"data", "text/x")


def test_a_signed_url_is_for_its_method_its_type_and_its_time(cloud: SimulatedCloud, sign: Callable[..., str]) -> None:
    cloud.storage.bucket("signed-objects").blob("own").upload_from_string("1")

    assert httpx.put(sign("GET", "own"), content=b"2").status_code == 403
    assert httpx.delete(sign("GET", "own")).status_code == 403
    wrong = httpx.put(sign("PUT", "own", content_type="text/x"), content=b"2", headers={"content-type": "text/html"})
    assert wrong.status_code == 403
    assert httpx.get(sign("GET", "own").replace("/own?", "/other?")).status_code == 403
    assert httpx.get(sign("GET", "own").replace("Expires=600", "Expires=601")).status_code == 403
    assert httpx.get(sign("GET", "own").partition("?")[0]).status_code == 403
    assert httpx.get(sign("GET", "own")).content == b"1"
    assert httpx.get(sign("GET", "none")).status_code == 404


def test_a_signed_url_ends(sign: Callable[..., str], cloud: SimulatedCloud) -> None:
    cloud.storage.bucket("signed-objects").blob("brief").upload_from_string("1")
    url = sign("GET", "brief", expires_s=1)

    assert wait_until(lambda: httpx.get(url).status_code == 400)
    assert "expired" in httpx.get(url).text


def test_pages_may_do_with_a_signed_url_what_the_buckets_cors_says(
    cloud: SimulatedCloud, sign: Callable[..., str]
) -> None:
    bucket = cloud.storage.bucket("signed-objects")
    bucket.blob("shared").upload_from_string("1")
    get, put = sign("GET", "shared"), sign("PUT", "shared", content_type="text/x")
    page = {"origin": "https://shop.example"}
    ask = {**page, "access-control-request-method": "PUT", "access-control-request-headers": "content-type"}
    assert "access-control-allow-origin" not in httpx.options(put, headers=ask).headers
    assert "access-control-allow-origin" not in httpx.get(get, headers=page).headers

    bucket.cors = [
        {"origin": ["https://shop.example"], "method": ["GET", "PUT"], "responseHeader": ["Content-Type"]},
    ]
    bucket.patch()

    allowed = httpx.options(put, headers=ask)
    assert (allowed.status_code, allowed.headers["access-control-allow-methods"]) == (200, "GET, PUT")
    assert allowed.headers["access-control-allow-origin"] == "https://shop.example"
    written = httpx.put(put, content=b"2", headers={**page, "content-type": "text/x"})
    assert (written.status_code, written.headers["access-control-allow-origin"]) == (200, "https://shop.example")
    assert httpx.get(get, headers=page).content == b"2"
    for refused in (
        {"origin": "https://other.example"},
        {"access-control-request-method": "DELETE"},
        {"access-control-request-headers": "content-type, x-other"},
    ):
        assert "access-control-allow-origin" not in httpx.options(put, headers={**ask, **refused}).headers
