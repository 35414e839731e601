"""What goes into the artifact, and which machine its wheels must fit.

Dependencies are packed where the Python worker looks before it looks at its own, which brings `azure-functions`. Flex
Consumption runs on x86-64, with a glibc of 2.31 or newer.
Sources: Azure Functions documentation, "Python developer guide" (folder structure, `.python_packages`), "host.json
reference"; azure-functions-python-worker, pyproject.toml and utils/dependency.py; azure-functions-docker, python.
"""

from __future__ import annotations

import json

from faasbridge.provider import Layout, Stage
from faasbridge.spec import AppSpec

from .entry import SOURCE
from .limits import LIMITS

PACKAGES = ("faasbridge", "faasbridge_azure")
PLATFORM = "x86_64-manylinux_2_28"
DEPENDENCIES = ".python_packages/lib/site-packages"
_OBJECTS, _QUEUES = "obstore>=0.10", "azure-storage-queue>=12.12"
_SDKS = {
    "bucket": (_OBJECTS, "azure-storage-blob>=12.24"),
    "table": ("azure-cosmos>=4.9",),
    "queue": (_QUEUES, _OBJECTS),
    "topic": ("azure-eventgrid>=4.20", _OBJECTS),
    "secret": ("azure-keyvault-secrets>=4.9",),
}
HOST = {
    "version": "2.0",
    "extensionBundle": {"id": "Microsoft.Azure.Functions.ExtensionBundle", "version": "[4.0.0, 5.0.0)"},
    "extensions": {
        "http": {"routePrefix": ""},
        "queues": {"maxPollingInterval": "00:00:02", "messageEncoding": "base64"},
    },
    "logging": {
        "applicationInsights": {"samplingSettings": {"isEnabled": True, "excludedTypes": "Exception;Request;Trace"}}
    },
}
"""What differs from one function app to the next is in its settings: see `template.function`."""


def layout(spec: AppSpec, stage: Stage) -> Layout:
    """With the SDKs of what functions use, and no others. The stage's setting `platform`, uv's name of one, stands for
    another; empty is this machine's."""
    needed: set[str] = set()
    for function in spec.functions:
        for right in function.rights:
            needed.update(_SDKS.get(right.kind, ()))
        if function.inbox is not None:
            needed.update((_QUEUES, _OBJECTS))  # for its dead letters, and what messages claim
    return Layout(
        files={
            "function_app.py": SOURCE.encode(),
            "host.json": (json.dumps(HOST, indent=2, sort_keys=True) + "\n").encode(),
        },
        packages=PACKAGES,
        requirements=tuple(sorted(needed)),
        dependencies=DEPENDENCIES,
        python_version=stage.python,
        python_platform=stage.settings.get("platform", PLATFORM),
        max_zip_bytes=LIMITS.zip_bytes,
    )
