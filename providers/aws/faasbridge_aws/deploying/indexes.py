"""The updates before the last one, where a table's indexes change by more than one. Pure.

DynamoDB makes or removes one global secondary index at a time, and CloudFormation fails an update that asks for more.
Source: DynamoDB API Reference, UpdateTable, GlobalSecondaryIndexUpdates: "You can create or delete only one global
secondary index per UpdateTable operation".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

Index = Mapping[str, Any]


def stages(deployed: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """`deployed` with one more index of each table as `wanted` has it, until the rest is one update.

    Functions keep the code and the rights they have until then: an index is there before anything asks for it, unless
    it is an old one with other fields.
    """
    tables = {
        logical_id: found
        for logical_id, resource in deployed["Resources"].items()
        if resource["Type"] == "AWS::DynamoDB::Table"
        and logical_id in wanted["Resources"]
        and len(found := list(_changes(resource, wanted["Resources"][logical_id]))) > 1
    }
    for done in count(1):
        left = {logical_id: found for logical_id, found in tables.items() if len(found) > done}
        if not left:
            return
        stage: dict[str, Any] = json.loads(json.dumps(deployed))
        for logical_id, found in tables.items():
            properties = stage["Resources"][logical_id]["Properties"]
            of_wanted = wanted["Resources"][logical_id]["Properties"]
            types = {**_types(of_wanted), **_types(properties)}
            _set(properties, found[min(done, len(found) - 1) - 1], types)
        yield stage


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[dict[str, Index]]:
    """The table's indexes after each of its changes: those that go first, so that one with other fields finds room.

    None for a table that is made anew.
    """
    if any(old["Properties"].get(key) != new["Properties"].get(key) for key in ("TableName", "KeySchema")):
        return
    indexes, target = _indexes(old), _indexes(new)
    for name in [name for name, index in indexes.items() if index != target.get(name)]:
        indexes = {other: index for other, index in indexes.items() if other != name}
        yield indexes
    for name in [name for name in target if name not in indexes]:
        indexes = {**indexes, name: target[name]}
        yield indexes


def _indexes(table: Mapping[str, Any]) -> dict[str, Index]:
    return {index["IndexName"]: index for index in table["Properties"].get("GlobalSecondaryIndexes", ())}


def _types(properties: Mapping[str, Any]) -> dict[str, str]:
    return {each["AttributeName"]: each["AttributeType"] for each in properties["AttributeDefinitions"]}


def _set(properties: dict[str, Any], indexes: Mapping[str, Index], types: Mapping[str, str]) -> None:
    """The attributes are those that keys name: another one is refused."""
    properties.pop("GlobalSecondaryIndexes", None)
    if indexes:
        properties["GlobalSecondaryIndexes"] = [indexes[name] for name in sorted(indexes)]
    schemas = [properties["KeySchema"], *(index["KeySchema"] for index in indexes.values())]
    fields = {key["AttributeName"] for schema in schemas for key in schema}
    properties["AttributeDefinitions"] = [
        {"AttributeName": field, "AttributeType": types[field]} for field in sorted(fields)
    ]
