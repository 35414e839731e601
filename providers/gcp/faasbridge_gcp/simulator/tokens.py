"""Identity: the key that signs for every service account here, tokens, and signed blobs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from google.auth import crypt, jwt

ISSUER = "https://accounts.google.com"
LIFETIME_S = 3600


class Tokens:
    """Google keeps a key for each account; one for all does the same to whoever has to check."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        private = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self._public = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.key_id = "simulator"
        self._signer = crypt.RSASigner.from_string(private.decode(), self.key_id)  # type: ignore[no-untyped-call]

    def identity(self, email: str, audience: str) -> str:
        """An OIDC token as Google's metadata server and IAM Credentials issue them."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": audience,
            "azp": email,
            "sub": email,
            "email": email,
            "email_verified": True,
            "iat": now,
            "exp": now + LIFETIME_S,
        }
        return self.signed(claims)

    def signed(self, claims: Mapping[str, Any]) -> str:
        token: bytes = jwt.encode(self._signer, claims)  # type: ignore[no-untyped-call]
        return token.decode()

    def claims(self, token: str) -> Mapping[str, Any] | None:
        """Those of a token that was issued here and still holds, whatever its audience. None for another one."""
        try:
            found: Mapping[str, Any] = jwt.decode(token, certs=self._public)  # type: ignore[no-untyped-call]
        except ValueError:
            return None
        return found

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())

    def is_signature(self, data: bytes, signature: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature

        try:
            self._key.public_key().verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True
