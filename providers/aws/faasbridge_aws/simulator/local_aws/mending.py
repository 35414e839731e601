"""What AWS does and ministack does not, in small.

- A secret that CloudFormation makes without a value has no version.
- A changed secret reaches a function when its cache ends; in tests at once: sandboxes that read secrets are renewed.
"""

from __future__ import annotations

from typing import Any

from ministack.services import secretsmanager

from .sandboxes import Pool


def install(pool: Pool, *, test: bool) -> None:
    store = secretsmanager._store_new_secret

    def store_new(name: str, secret_string: Any = None, secret_binary: Any = None, *args: Any, **options: Any) -> Any:
        made = store(name, secret_string, secret_binary, *args, **options)
        if secret_string is None and secret_binary is None:
            secretsmanager._secrets[name]["Versions"].clear()
        return made

    secretsmanager._store_new_secret = store_new
    if test:
        publish = secretsmanager._put_secret_value

        def put(data: dict[str, Any]) -> Any:
            done = publish(data)
            pool.renew(lambda variables: any(name.startswith("FAASBRIDGE_SECRET_") for name in variables))
            return done

        secretsmanager._put_secret_value = put
