"""AWS's services on this machine, for tests of what talks to them: one server, and things of a test's own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from deploying import local_aws

from faasbridge_aws.attribute_value import EXPIRY
from faasbridge_aws.drivers.clients import Clients

REGION = "us-east-1"


class Services:
    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.clients = Clients(region=REGION, endpoint=endpoint, credentials=("test", "test", None))
        self._count = itertools.count(1)

    def name(self, kind: str) -> str:
        return f"test-{kind}-{next(self._count)}"

    def bucket(self) -> str:
        name = self.name("bucket")
        self.clients.get("s3").create_bucket(Bucket=name)
        return name

    def table(self, key: str, indexes: Mapping[str, tuple[str, str]] | None = None) -> str:
        def schema(key: str, sort_key: str | None = None) -> list[dict[str, str]]:
            keys = [{"AttributeName": key, "KeyType": "HASH"}]
            return keys + ([{"AttributeName": sort_key, "KeyType": "RANGE"}] if sort_key else [])

        name = self.name("table")
        indexes = indexes or {}
        fields = {key, *(field for pair in indexes.values() for field in pair)}
        more = {
            "GlobalSecondaryIndexes": [
                {"IndexName": index, "KeySchema": schema(*pair), "Projection": {"ProjectionType": "ALL"}}
                for index, pair in indexes.items()
            ]
        }
        client = self.clients.get("dynamodb")
        client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=schema(key),
            AttributeDefinitions=[{"AttributeName": field, "AttributeType": "S"} for field in fields],
            **(more if indexes else {}),
        )
        client.update_time_to_live(TableName=name, TimeToLiveSpecification={"AttributeName": EXPIRY, "Enabled": True})
        return name

    def queue(self, *, fifo: bool = False) -> str:
        attributes = {"FifoQueue": "true"} if fifo else {}
        name = self.name("queue") + (".fifo" if fifo else "")
        return str(self.clients.get("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])

    def received(self, url: str, count: int) -> list[dict[str, Any]]:
        """That many messages of a queue, as the records that Lambda would be given."""
        found: list[dict[str, Any]] = []
        for _ in range(100):
            answer = self.clients.get("sqs").receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                WaitTimeSeconds=0 if found else 5,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
            )
            found += [_record(message, url) for message in answer.get("Messages", ())]
            if len(found) >= count:
                break
        assert len(found) == count, f"{len(found)} of {count} messages"
        return found


def _record(message: dict[str, Any], url: str) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {
            name: {"stringValue": value.get("StringValue"), "dataType": value["DataType"]}
            for name, value in message.get("MessageAttributes", {}).items()
        },
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:000000000000:{url.rpartition('/')[2]}",
    }


@contextmanager
def running() -> Iterator[Services]:
    with local_aws() as endpoint:
        yield Services(endpoint)
