"""What AWS does and ministack does not, in small.

- A secret that CloudFormation makes without a value has no version.
- A request to a bucket is refused that has no signature, or one of an unknown algorithm: our buckets are private, and
  ministack serves them to anybody.
- Policies are enforced, those that want TLS as well, although here requests come without it.
- A changed secret reaches a function when its cache ends; in tests at once: sandboxes that read secrets are renewed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ministack.core import iam_evaluator
from ministack.services import s3, secretsmanager
from ministack.services.cloudformation import provisioners

from .pool import Pool

_ALGORITHMS = ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256")


def install(pool: Pool, *, test: bool) -> None:
    _make_secrets_empty()
    _refuse_strangers()
    _take_loopback_for_tls()
    if test:
        _renew_at_once(pool)


def _make_secrets_empty() -> None:
    handlers = provisioners._RESOURCE_HANDLERS["AWS::SecretsManager::Secret"]
    create = handlers["create"]

    def create_secret(logical_id: str, properties: Mapping[str, Any], stack_name: str) -> Any:
        made = create(logical_id, properties, stack_name)
        if "SecretString" not in properties and "GenerateSecretString" not in properties:
            secretsmanager._secrets[made[0]]["Versions"].clear()
        return made

    handlers["create"] = create_secret


def _refuse_strangers() -> None:
    verify = s3._verify_presigned_sigv4

    def verify_url(method: str, path: str, headers: Mapping[str, str], query: Mapping[str, Any]) -> Any:
        given = query.get("X-Amz-Algorithm")
        algorithm = given[0] if isinstance(given, list) and given else given
        signed = query.get("X-Amz-Signature")
        if not signed and "authorization" not in headers and method in ("DELETE", "GET", "HEAD", "PUT"):
            return s3._error("AccessDenied", "Access Denied", 403, path)
        if signed and algorithm not in _ALGORITHMS:
            text = "X-Amz-Algorithm only supports 'AWS4-HMAC-SHA256' and 'AWS4-ECDSA-P256-SHA256'"
            return s3._error("AuthorizationQueryParametersError", text, 400, path)
        return verify(method, path, headers, query)

    s3._verify_presigned_sigv4 = verify_url


def _take_loopback_for_tls() -> None:
    resolve = iam_evaluator._resolve_condition_key

    def resolve_key(key: str, context: Any) -> Any:
        return "true" if key.lower() == "aws:securetransport" else resolve(key, context)

    iam_evaluator._resolve_condition_key = resolve_key


def _renew_at_once(pool: Pool) -> None:
    put = secretsmanager._put_secret_value

    def put_value(data: dict[str, Any]) -> Any:
        done = put(data)
        pool.renew(lambda variables: any(name.startswith("FAASBRIDGE_SECRET_") for name in variables))
        return done

    secretsmanager._put_secret_value = put_value
