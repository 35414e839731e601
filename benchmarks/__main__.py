"""Prints each figure with its target. Takes about a minute. `--json` for machines, `--only NAME` for one group."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict

from . import aws_cold_start, aws_http, azure_functions, build, deploy, gcp_framework, local, runtime, synthesis
from .report import Figure, show

GROUPS: dict[str, Callable[[], list[Figure]]] = {
    "imports": runtime.imports,
    "dispatch": runtime.dispatch,
    "aws-http": aws_http.figures,
    "aws-cold-start": aws_cold_start.figures,
    "aws-build": build.figures,
    "aws-plan": synthesis.figures,
    "aws-deploy": lambda: deploy.figures("aws", "AWS"),
    "gcp-framework": gcp_framework.figures,
    "gcp-deploy": lambda: deploy.figures("gcp", "Google Cloud"),
    "azure-functions": azure_functions.figures,
    "azure-deploy": lambda: deploy.figures("azure", "Azure"),
    "queue": local.throughput,
    "http": local.warm_http,
    "reload": local.reload,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", choices=GROUPS, action="append")
    args = parser.parse_args()
    figures: list[Figure] = []
    for name in args.only or GROUPS:
        print(f"measuring {name} ...", file=sys.stderr)
        figures += GROUPS[name]()
    if args.json:
        print(json.dumps([{**asdict(figure), "kept": figure.kept} for figure in figures], indent=2))
    else:
        show(figures)


main()
