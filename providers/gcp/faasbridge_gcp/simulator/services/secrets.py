"""Secret Manager. Sources: https://cloud.google.com/secret-manager/docs/reference/rpc and the error messages there."""

from __future__ import annotations

from dataclasses import dataclass, field

import google_crc32c
import grpc  # type: ignore[import-untyped, unused-ignore]
from google.cloud import secretmanager_v1 as api
from google.protobuf import empty_pb2  # type: ignore[import-untyped, unused-ignore]

from ..masks import copy, now, page, updated
from ..names import KIND_LABEL, check, check_labels, check_project, labels_match, last
from ..policies import Policies
from ..rpc import Refusal, already_exists, invalid, rpc
from .iam import HasPolicies

MAX_BYTES = 64 * 1024  # https://cloud.google.com/secret-manager/quotas


@dataclass
class StoredVersion:
    resource: api.SecretVersion
    data: bytes


@dataclass
class StoredSecret:
    resource: api.Secret
    versions: list[StoredVersion] = field(default_factory=list)


class SecretManager(HasPolicies):
    service = "google.cloud.secretmanager.v1.SecretManagerService"
    api_name = "secretmanager.googleapis.com"

    def __init__(self, policies: Policies) -> None:
        super().__init__(policies)
        self.secrets: dict[str, StoredSecret] = {}

    def exists(self, resource: str) -> bool:
        return resource in self.secrets

    def reset(self) -> bool:
        """Every value is forgotten; the secrets, which a deployment made, stay, and so do the values that it put into
        those of its own. Whether there was one."""
        found = [each for each in self.secrets.values() if each.resource.labels.get(KIND_LABEL) != "app"]
        any_value = any(each.versions for each in found)
        for secret in found:
            secret.versions.clear()
        return any_value

    def _secret(self, name: str) -> StoredSecret:
        if name not in self.secrets:
            text = f"Secret [{name}] not found or has no versions."
            raise Refusal(grpc.StatusCode.NOT_FOUND, text)
        return self.secrets[name]

    def _version(self, name: str) -> StoredVersion:
        secret = self._secret(name.partition("/versions/")[0])
        wanted = last(name)
        if wanted == "latest" and secret.versions:
            return secret.versions[-1]  # whatever its state
        for each in secret.versions:
            if last(each.resource.name) == wanted:
                return each
        raise Refusal(grpc.StatusCode.NOT_FOUND, f"Secret Version [{name}] not found.")

    @rpc(api.CreateSecretRequest)
    async def create_secret(self, request: api.CreateSecretRequest) -> api.Secret:
        check_project(request.parent)
        check(request.secret_id, r"[A-Za-z0-9_-]{1,255}", "secret id")
        name = f"{request.parent}/secrets/{request.secret_id}"
        if name in self.secrets:
            raise already_exists(name)
        if "replication" not in request.secret:
            raise invalid("Secret.replication must be provided.")
        check_labels(request.secret.labels)
        secret = copy(request.secret)
        secret.name, secret.create_time, secret.etag = name, now(), '"1"'
        self.secrets[name] = StoredSecret(secret)
        return secret

    @rpc(api.GetSecretRequest)
    async def get_secret(self, request: api.GetSecretRequest) -> api.Secret:
        return self._secret(request.name).resource

    @rpc(api.ListSecretsRequest)
    async def list_secrets(self, request: api.ListSecretsRequest) -> api.ListSecretsResponse:
        found = [
            each.resource
            for name, each in sorted(self.secrets.items())
            if name.startswith(f"{request.parent}/") and labels_match(request.filter, each.resource.labels)
        ]
        items, token = page(found, request.page_size, request.page_token)
        return api.ListSecretsResponse(secrets=items, next_page_token=token, total_size=len(found))

    @rpc(api.UpdateSecretRequest)
    async def update_secret(self, request: api.UpdateSecretRequest) -> api.Secret:
        secret = self._secret(request.secret.name)
        check_labels(request.secret.labels)
        secret.resource = updated(
            secret.resource, request.secret, api.UpdateSecretRequest.pb(request).update_mask, fixed=("name", "etag")
        )
        return secret.resource

    @rpc(api.DeleteSecretRequest)
    async def delete_secret(self, request: api.DeleteSecretRequest) -> empty_pb2.Empty:
        self._secret(request.name)
        del self.secrets[request.name]
        self.policies.drop(request.name)
        return empty_pb2.Empty()

    @rpc(api.AddSecretVersionRequest)
    async def add_secret_version(self, request: api.AddSecretVersionRequest) -> api.SecretVersion:
        secret = self._secret(request.parent)
        data = request.payload.data
        if not data:
            raise invalid("Secret Payload cannot be empty.")
        if len(data) > MAX_BYTES:
            raise invalid("Secret Payload is larger than 65536 bytes.")
        if "data_crc32c" in request.payload and request.payload.data_crc32c != google_crc32c.value(data):
            raise invalid("Computed payload CRC32C checksum does not match the one in the request.")
        number = 1 + max((int(last(each.resource.name)) for each in secret.versions), default=0)
        version = api.SecretVersion(
            name=f"{request.parent}/versions/{number}",
            create_time=now(),
            state=api.SecretVersion.State.ENABLED,
            etag=f'"{number}"',
            client_specified_payload_checksum="data_crc32c" in request.payload,
        )
        secret.versions.append(StoredVersion(version, data))
        return version

    @rpc(api.AccessSecretVersionRequest)
    async def access_secret_version(self, request: api.AccessSecretVersionRequest) -> api.AccessSecretVersionResponse:
        found = self._version(request.name)
        if found.resource.state is not api.SecretVersion.State.ENABLED:
            text = f"Secret Version [{found.resource.name}] is in {found.resource.state.name} state."
            raise Refusal(grpc.StatusCode.FAILED_PRECONDITION, text)
        payload = api.SecretPayload(data=found.data, data_crc32c=google_crc32c.value(found.data))
        return api.AccessSecretVersionResponse(name=found.resource.name, payload=payload)

    @rpc(api.GetSecretVersionRequest)
    async def get_secret_version(self, request: api.GetSecretVersionRequest) -> api.SecretVersion:
        return self._version(request.name).resource

    @rpc(api.ListSecretVersionsRequest)
    async def list_secret_versions(self, request: api.ListSecretVersionsRequest) -> api.ListSecretVersionsResponse:
        versions = [each.resource for each in reversed(self._secret(request.parent).versions)]
        wanted = request.filter.replace(" ", "").removeprefix("state").lstrip(":=").upper()
        if wanted:
            versions = [each for each in versions if each.state.name == wanted]
        items, token = page(versions, request.page_size, request.page_token)
        return api.ListSecretVersionsResponse(versions=items, next_page_token=token, total_size=len(versions))

    @rpc(api.DisableSecretVersionRequest)
    async def disable_secret_version(self, request: api.DisableSecretVersionRequest) -> api.SecretVersion:
        return self._change(request.name, api.SecretVersion.State(api.SecretVersion.State.DISABLED))

    @rpc(api.EnableSecretVersionRequest)
    async def enable_secret_version(self, request: api.EnableSecretVersionRequest) -> api.SecretVersion:
        return self._change(request.name, api.SecretVersion.State(api.SecretVersion.State.ENABLED))

    @rpc(api.DestroySecretVersionRequest)
    async def destroy_secret_version(self, request: api.DestroySecretVersionRequest) -> api.SecretVersion:
        version = self._change(request.name, api.SecretVersion.State(api.SecretVersion.State.DESTROYED))
        self._version(version.name).data = b""
        version.destroy_time = now()
        return version

    def _change(self, name: str, state: api.SecretVersion.State) -> api.SecretVersion:
        found = self._version(name).resource
        if found.state is api.SecretVersion.State.DESTROYED:
            raise Refusal(grpc.StatusCode.FAILED_PRECONDITION, f"Secret Version [{name}] is in DESTROYED state.")
        found.state = state
        return found
