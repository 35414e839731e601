"""Template and plan of a large app: 1,000 functions with an inbox each, as a first deployment.

No stack holds so many (CloudFormation's limit is 500 resources); what is measured is that tools stay quick on the way
to saying so.
"""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Any

import botocore.session
from botocore.stub import Stubber

from faasbridge import App, Message
from faasbridge.provider import Artifact, Stage
from faasbridge_aws.deployer import AwsDeployer

from .report import Figure, middle

FUNCTIONS = 1000


def figures(rounds: int = 5) -> list[Figure]:
    spec = large().spec()
    artifact = Artifact(Path("artifact.zip"), "0" * 64, 1)
    samples = []
    for _ in range(rounds):
        deployer = AwsDeployer(Stage("large", "dev", "aws", Path()), NoStack())
        start = perf_counter()
        plan = deployer.plan(spec, artifact)
        samples.append(perf_counter() - start)
        if sum(step.kind == "function" for step in plan.changes) != FUNCTIONS:
            raise RuntimeError(f"the plan has {len(plan.changes)} changes")
    how = f"median of {rounds}; CloudFormation's answer that there is no stack costs nothing here"
    return [Figure("AWS, synthesize and plan of 1,000 functions", middle(samples), "s", 2, note=how)]


def large() -> App:
    app = App("large")
    rows = app.table("rows", key="id")
    for number in range(FUNCTIONS):

        @app.queue(f"jobs-{number}").on_message(name=f"work-{number}", uses=[rows.get, rows.put])
        def work(message: Message) -> None: ...

    return app


class NoStack:
    """botocore's client of CloudFormation in an account that has no stack."""

    def __init__(self) -> None:
        session = botocore.session.Session()
        session.set_credentials("test", "test")
        self._client = session.create_client("cloudformation", region_name="eu-central-1")
        stub = Stubber(self._client)
        stub.add_client_error("describe_stacks", "ValidationError", "Stack with id large-dev does not exist")
        stub.activate()

    def get(self, service: str) -> Any:
        if service != "cloudformation":
            raise RuntimeError(f"a first plan asked {service}")
        return self._client
