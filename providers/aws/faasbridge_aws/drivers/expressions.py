"""DynamoDB's expressions: placeholders for names and values, and the conditions that a table's promises need. Pure.

Source: DynamoDB Developer Guide, "Condition and filter expressions, operators, and functions".
"""

from __future__ import annotations

from faasbridge._typing import TYPE_CHECKING

from ..attribute_value import EXPIRY_US, attribute_name

if TYPE_CHECKING:
    from typing import Any

    Attribute = dict[str, Any]


class Expressions:
    """Names and values of one request."""

    __slots__ = ("names", "values")

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.values: dict[str, Attribute] = {}

    def name(self, attribute: str) -> str:
        return self.names.setdefault(attribute, f"#{len(self.names)}")

    def field(self, field: str) -> str:
        return self.name(attribute_name(field))

    def value(self, attribute: Attribute) -> str:
        place = f":{len(self.values)}"
        self.values[place] = attribute
        return place

    def live(self, now_us: int) -> str:
        """What is not expired, whether it is there or not."""
        expiry = self.name(EXPIRY_US)
        return f"(attribute_not_exists({expiry}) OR {expiry} > {self.value({'N': str(now_us)})})"

    def present(self, key: str, now_us: int) -> str:
        return f"attribute_exists({self.field(key)}) AND {self.live(now_us)}"

    def absent(self, key: str, now_us: int) -> str:
        expired = f"{self.name(EXPIRY_US)} <= {self.value({'N': str(now_us)})}"
        return f"attribute_not_exists({self.field(key)}) OR {expired}"

    def is_null(self, field: str) -> str:
        name = self.field(field)
        return f"(attribute_not_exists({name}) OR attribute_type({name}, {self.value({'S': 'NULL'})}))"

    def equals(self, field: str, attribute: Attribute | None) -> str:
        """`attribute` None: missing."""
        name = self.field(field)
        return f"attribute_not_exists({name})" if attribute is None else f"{name} = {self.value(attribute)}"

    def parameters(self, **expressions: str) -> dict[str, Any]:
        """For a request, without what is empty: DynamoDB refuses that."""
        every: dict[str, Any] = {
            **expressions,
            "ExpressionAttributeNames": {place: attribute for attribute, place in self.names.items()},
            "ExpressionAttributeValues": self.values,
        }
        return {name: value for name, value in every.items() if value}
