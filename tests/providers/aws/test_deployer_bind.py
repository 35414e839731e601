"""A deployed app's resources, bound for `run`, `shell` and tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from faasbridge import App, Message
from faasbridge.errors import ConfigError
from faasbridge.provider import Stage
from faasbridge_aws.deployer import AwsDeployer

sys.path.insert(0, str(Path(__file__).parent))
from deploying import Clients, artifact_of


def test_a_bound_app_reaches_what_is_deployed_and_what_was_there(clients: Clients, tmp_path: Path) -> None:
    app = App("bound")
    jobs = app.queue("jobs")
    news = app.topic("news")
    outside = app.queue("outside", existing=True)
    told = app.topic("told", existing=True)

    @jobs.on_message
    def work(message: Message) -> None: ...

    sqs, sns = clients.get("sqs"), clients.get("sns")
    sqs.create_queue(QueueName="not-ours")
    sns.create_topic(Name="not-ours-either")
    names = {"outside": "not-ours", "told": "not-ours-either"}
    stage = Stage("bound", "t", "aws", tmp_path, settings={"existing": names}, python="3.12")
    deployer = AwsDeployer(stage, clients, receive_wait_s=0)
    list(deployer.apply(deployer.plan(app.spec(), artifact_of(tmp_path / "a.zip", ""))))
    app.bound = deployer.bind(app)
    try:
        outside.send("there before")
        news.publish("to nobody")
        told.publish("to nobody")
        jobs.dead_letters.send("buried")
    finally:
        app.bound = None
    url = sqs.get_queue_url(QueueName="not-ours")["QueueUrl"]
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "there before"
    (letter,) = deployer.dead_letters("work")
    assert letter.event["body"] == b"buried"
    list(deployer.destroy(delete_data=True))
    assert sqs.get_queue_url(QueueName="not-ours")["QueueUrl"] == url


def test_what_is_not_deployed_has_no_driver(clients: Clients, tmp_path: Path) -> None:
    app = App("unbound")
    jobs = app.queue("jobs")
    with pytest.raises(ConfigError, match="not deployed"):
        AwsDeployer(Stage("unbound", "t", "aws", tmp_path), clients).bind(app)(jobs)
