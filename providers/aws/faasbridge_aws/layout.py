"""What goes into the artifact, and which machine its wheels must fit.

Lambda's images have glibc 2.26 (Amazon Linux 2: Python 3.11) or 2.34 (Amazon Linux 2023: 3.12 and later), so wheels
for manylinux 2.26 and below, or 2.34 and below, run there. Sources: Lambda Developer Guide, "Lambda runtimes"; Amazon
Linux User Guide, "glibc". uv knows the platforms manylinux2014 and manylinux_2_28 to _2_40: its reference,
`--python-platform`.
"""

from __future__ import annotations

from faasbridge.provider import Layout, Stage
from faasbridge.spec import AppSpec

from .limits import LIMITS
from .template.settings import architecture

PACKAGES = ("faasbridge", "faasbridge_aws")
OBSTORE = "obstore>=0.10"
_MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}


def layout(spec: AppSpec, stage: Stage) -> Layout:
    """The stage's setting `platform`, uv's name of one, stands for another; empty is this machine's. Raises
    ConfigError."""
    return Layout(
        packages=PACKAGES,
        requirements=(OBSTORE,) if any(each.kind == "bucket" for each in spec.resources) else (),
        python_version=stage.python,
        python_platform=stage.settings.get("platform", platform(architecture(spec, stage), stage.python)),
        max_unzipped_bytes=LIMITS.unzipped_bytes,
    )


def platform(machine: str, python: str) -> str:
    """uv's name: `aarch64-manylinux_2_28`."""
    return f"{_MACHINES[machine]}-{'manylinux2014' if python == '3.11' else 'manylinux_2_34'}"
