"""What goes into the artifact, and which machine its wheels must fit.

Dependencies are packed, so that what runs is what was locked; Cloud Build adds functions-framework, which a function
without a `requirements.txt` gets of itself. Google's images are Ubuntu 22.04 on x86-64, whose glibc is 2.35.
Sources: Google Cloud buildpacks documentation, "Building a Python application"; Cloud Run functions documentation,
"Runtime support", runtimes base images.
"""

from __future__ import annotations

from faasbridge.provider import Layout, Stage
from faasbridge.spec import AppSpec

from .entry import MAIN
from .limits import LIMITS

PACKAGES = ("faasbridge", "faasbridge_gcp")
PLATFORM = "x86_64-manylinux_2_35"
MESSAGES = "google-cloud-pubsub>=2.28"
_SDKS = {
    "bucket": ("google-cloud-storage>=3.0",),
    "table": ("google-cloud-firestore>=2.20",),
    "queue": (MESSAGES,),
    "topic": (MESSAGES,),
    "secret": ("google-cloud-secret-manager>=2.22",),
}
SIGNING = "google-cloud-iam>=2.17"


def layout(spec: AppSpec, stage: Stage) -> Layout:
    """With the SDKs of what functions use, and no others. The stage's setting `platform`, uv's name of one, stands for
    another; empty is this machine's."""
    needed: set[str] = set()
    for function in spec.functions:
        for right in function.rights:
            needed.update(_SDKS.get(right.kind, ()))
            if right.operation in ("sign_get", "sign_put"):
                needed.add(SIGNING)
        if function.inbox is not None:
            needed.add(MESSAGES)  # for its dead letters, and the forwarder of a table's changes
        else:
            needed.update(_SDKS["secret"])  # for the key of invocations
    return Layout(
        files={"main.py": MAIN.encode()},
        packages=PACKAGES,
        requirements=tuple(sorted(needed)),
        python_version=stage.python,
        python_platform=stage.settings.get("platform", PLATFORM),
        max_zip_bytes=LIMITS.zip_bytes,
    )
