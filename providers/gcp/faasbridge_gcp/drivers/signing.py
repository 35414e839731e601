"""Who signs a bucket's URLs: IAM, in the name of a service account, for nobody has its key.

Source: IAM documentation, "Service account credentials", signBlob: it takes `iam.serviceAccounts.signBlob` on the
account, which the role Service Account Token Creator has.
"""

from __future__ import annotations

from google.auth.credentials import Credentials, Signing

from faasbridge._typing import TYPE_CHECKING
from faasbridge.errors import PermissionDenied

if TYPE_CHECKING:
    from typing import Any

    from .clients import Clients


def credentials(clients: Clients, bucket: str, method: str, what: str) -> Any:
    """For `generate_signed_url`. Raises PermissionDenied where no account may sign."""
    account = clients.signer(bucket, method)
    if account:
        return Remote(clients, account)
    own = clients.get("storage")._credentials
    if isinstance(own, Signing):
        return own
    raise PermissionDenied(
        f"{what}: no service account signs its URLs: name `sign_get` or `sign_put` in a function's uses= and deploy"
    )


class Remote(Credentials, Signing):  # type: ignore[misc, unused-ignore]
    def __init__(self, clients: Clients, account: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]
        self._clients = clients
        self._account = account

    def sign_bytes(self, message: bytes) -> bytes:
        client = self._clients.get("credentials")
        answer = client.sign_blob(name=f"projects/-/serviceAccounts/{self._account}", payload=message)
        return bytes(answer.signed_blob)

    @property
    def signer_email(self) -> str:
        return self._account

    @property
    def signer(self) -> Any:
        return self

    def refresh(self, request: Any) -> None:
        """Holds no token."""
