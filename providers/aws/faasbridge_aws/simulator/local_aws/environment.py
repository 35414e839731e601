"""What a sandbox sees: what Lambda documents, its function's own variables, and nothing of this machine's.

Source: Lambda Developer Guide, "Defined runtime environment variables".
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from ministack.core import lambda_runtime

Start = Callable[[int], tuple[list[str], dict[str, str]]]  # the Runtime API's port -> the command and its environment


def starter(config: dict[str, Any], python: str, folder: Path, endpoint: str) -> Start:
    """`python` has the runtime client, `folder` is the unpacked artifact, `endpoint` is where AWS's services are."""
    name, handler, runtime = (str(config.get(key, "")) for key in ("FunctionName", "Handler", "Runtime"))
    credentials = lambda_runtime.execution_credentials(config)
    variables = (config.get("Environment") or {}).get("Variables") or {}
    region = str(config.get("FunctionArn", "arn:aws:lambda:us-east-1")).split(":")[3]
    logging = config.get("LoggingConfig") or {}

    def start(port: int) -> tuple[list[str], dict[str, str]]:
        env = {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": str(config.get("Version", "$LATEST")),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.get("MemorySize", 128)),
            "AWS_LAMBDA_LOG_GROUP_NAME": str(logging.get("LogGroup") or f"/aws/lambda/{name}"),
            "AWS_LAMBDA_LOG_STREAM_NAME": uuid4().hex,
            "AWS_LAMBDA_LOG_FORMAT": str(logging.get("LogFormat", "Text")).upper().replace("TEXT", "Text"),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{runtime}",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "LAMBDA_TASK_ROOT": str(folder),
            "_HANDLER": handler,
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "PYTHONPATH": str(folder),
            "PYTHONNOUSERSITE": "1",
            "PYTHONUNBUFFERED": "1",
            **credentials,
            **{key: str(value) for key, value in variables.items()},
        }
        return [python, "-m", "awslambdaric", handler], env

    return start
