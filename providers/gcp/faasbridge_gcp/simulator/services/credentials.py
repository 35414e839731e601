"""IAM Credentials: tokens and signatures in a service account's name.

Source: https://cloud.google.com/iam/docs/reference/credentials/rest.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

from google.cloud import iam_credentials_v1 as api

from ..masks import now
from ..names import last
from ..rpc import Servicer, invalid, not_found, rpc
from ..tokens import LIFETIME_S, Tokens


class Credentials(Servicer):
    service = "google.iam.credentials.v1.IAMCredentials"
    api_name = "iamcredentials.googleapis.com"

    def __init__(self, tokens: Tokens, is_account: Callable[[str], bool]) -> None:
        self._tokens = tokens
        self._is_account = is_account

    def _email(self, name: str) -> str:
        email = last(name)
        if not self._is_account(email):
            raise not_found(name)
        return email

    @rpc(api.GenerateIdTokenRequest)
    async def generate_id_token(self, request: api.GenerateIdTokenRequest) -> api.GenerateIdTokenResponse:
        email = self._email(request.name)
        if not request.audience:
            raise invalid("audience is required")
        return api.GenerateIdTokenResponse(token=self._tokens.identity(email, request.audience))

    @rpc(api.GenerateAccessTokenRequest)
    async def generate_access_token(self, request: api.GenerateAccessTokenRequest) -> api.GenerateAccessTokenResponse:
        email = self._email(request.name)
        token = self._tokens.identity(email, "https://www.googleapis.com")
        return api.GenerateAccessTokenResponse(access_token=token, expire_time=now() + timedelta(seconds=LIFETIME_S))

    @rpc(api.SignBlobRequest)
    async def sign_blob(self, request: api.SignBlobRequest) -> api.SignBlobResponse:
        self._email(request.name)
        return api.SignBlobResponse(key_id=self._tokens.key_id, signed_blob=self._tokens.sign(request.payload))

    @rpc(api.SignJwtRequest)
    async def sign_jwt(self, request: api.SignJwtRequest) -> api.SignJwtResponse:
        self._email(request.name)
        try:
            claims = json.loads(request.payload)
        except ValueError:
            raise invalid("the payload is not a JSON object of claims") from None
        return api.SignJwtResponse(key_id=self._tokens.key_id, signed_jwt=self._tokens.signed(claims))
