"""Whole blobs through obstore, for names that its paths can hold: they have no empty parts.

Other names go through `blobs`; so do listings (obstore's prefixes are folders), copies, deletes (obstore sends a batch
of one), streams that do not fit a request, and signed URLs.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import obstore
from obstore.store import AzureStore

from faasbridge._typing import TYPE_CHECKING
from faasbridge.adapter import obstore_faults
from faasbridge.adapter.streams import reader
from faasbridge.errors import Conflict, FaaSBridgeError, NotFound, PermissionDenied, Throttled
from faasbridge.media_types import media_type
from faasbridge.resources import BlobInfo

from ..blob_names import from_metadata, to_metadata, to_name
from .clients import CONNECT_S, READ_S, STORAGE_SCOPE, TRIES, is_local

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, BinaryIO

    from obstore.store import AzureConfig, AzureCredential, ClientConfig, RetryConfig

    from .clients import Clients

_PIECE = 1024 * 1024
_LONGEST = timedelta(minutes=15)  # the default of 30 s would cut large blobs off


class Objects:
    """Those of the container at `url`, `https://<account>.blob.core.windows.net/<container>` or the like."""

    def __init__(self, url: str, what: str, clients: Clients) -> None:
        endpoint, _, container = url.rpartition("/")
        host = endpoint.partition("://")[2]
        config: AzureConfig = {"account_name": host.rpartition("/")[2].partition(".")[0], "endpoint": endpoint}
        client: ClientConfig = {
            "connect_timeout": timedelta(seconds=CONNECT_S),
            "read_timeout": timedelta(seconds=READ_S),
            "timeout": _LONGEST,
            "allow_http": is_local(url),
        }
        if clients.ca:
            with open(clients.ca, "rb") as file:
                client["root_certificate"] = file.read()
        retries: RetryConfig = {"max_retries": TRIES - 1, "retry_timeout": timedelta(minutes=3)}
        self._what = what
        if clients.storage_key:
            config["account_key"] = clients.storage_key
            self._store = AzureStore(container, config=config, client_options=client, retry_config=retries)
            return

        def credential() -> AzureCredential:
            token, expires_on = clients.token(STORAGE_SCOPE)
            return {"token": token, "expires_at": datetime.fromtimestamp(expires_on, UTC)}

        self._store = AzureStore(
            container, config=config, client_options=client, retry_config=retries, credential_provider=credential
        )

    def takes(self, key: str) -> bool:
        return not (key.startswith("/") or key.endswith("/") or "//" in key)

    def get(self, key: str) -> bytes:
        data: bytes = self._call(key, lambda name: obstore.get(self._store, name).bytes().to_bytes())
        return data

    def open(self, key: str) -> BinaryIO:
        pieces: Any = self._call(key, lambda name: iter(obstore.get(self._store, name).stream(_PIECE)))

        def next_piece(_: int) -> bytes:
            piece: bytes = self._call(key, lambda _: bytes(next(pieces, b"")))
            return piece

        return reader(next_piece)

    def head(self, key: str) -> BlobInfo:
        found = self._call(key, lambda name: obstore.get(self._store, name, options={"head": True}))
        metadata = {name: value for name, value in found.attributes.items() if name not in _HEADERS}
        return BlobInfo(
            key,
            size=found.meta["size"],
            etag=(found.meta["e_tag"] or "").strip('"'),
            content_type=found.attributes.get("Content-Type", ""),
            metadata=from_metadata(metadata),
            modified=found.meta["last_modified"],
        )

    def put(
        self,
        key: str,
        data: bytes,
        content_type: str | None,
        metadata: Mapping[str, str],
        if_absent: bool,
        if_match: str | None,
    ) -> BlobInfo:
        type = content_type or media_type(key)
        attributes = {"Content-Type": type, **to_metadata(metadata)}
        mode: Any = "create" if if_absent else "overwrite" if if_match is None else {"e_tag": f'"{if_match}"'}
        result = self._call(
            key,
            lambda name: obstore.put(self._store, name, data, attributes=attributes, mode=mode, use_multipart=False),
        )
        return BlobInfo(
            key,
            size=len(data),
            etag=(result["e_tag"] or "").strip('"'),
            content_type=type,
            metadata=dict(metadata),
            modified=datetime.now(UTC),
        )

    def delete(self, key: str) -> None:
        """Idempotent. obstore sends a batch of one, so that whoever listens to deletes hears of it as such."""
        import contextlib

        with contextlib.suppress(NotFound):
            self._call(key, lambda name: obstore.delete(self._store, name))

    def _call(self, key: str, act: Callable[[str], Any]) -> Any:
        from obstore.exceptions import (
            AlreadyExistsError,
            BaseError,
            PermissionDeniedError,
            PreconditionError,
            UnauthenticatedError,
        )

        name = to_name(key)
        try:
            return act(name)
        except FileNotFoundError as error:
            if obstore_faults.has_code(error, "ContainerNotFound"):
                raise NotFound(f"{self._what} does not exist in Azure") from error
            raise NotFound(f"{self._what} has no object {key!r}") from error
        except (AlreadyExistsError, PreconditionError) as error:
            raise Conflict(
                f"{self._what}: object {key!r} is there already, or is not the version that was asked for"
            ) from error
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise PermissionDenied(
                f"{self._what}: Azure does not allow this on {key!r}. Name the operation in the function's uses= and "
                "deploy; where it is there, look at the role assignments and the storage account's network rules"
            ) from error
        except BaseError as error:
            if obstore_faults.status_of(error) in (429, 503):
                raise Throttled(f"{self._what}: Blob Storage throttles, also after {TRIES} tries") from error
            text = str(error).partition("\n")[0]
            raise FaaSBridgeError(f"{self._what}: {text}") from error


_HEADERS = frozenset(
    ("Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Type", "Storage-Class")
)
