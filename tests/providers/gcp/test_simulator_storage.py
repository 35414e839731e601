"""Signed URLs of the simulated Cloud Storage, signed by Google's own library through IAM Credentials."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from google.auth import credentials

sys.path.insert(0, str(Path(__file__).parent))

from simulated_cloud import SimulatedCloud, running, wait_until


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


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedCloud]:
    with running(tmp_path_factory.mktemp("cloud")) as found:
        found.storage.create_bucket("signed-objects")
        found.account("signer-one")
        yield found


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
