"""What of a stack holds data: told by the types of its resources, and counted by looking into them.

Outputs are not asked, since a stack has none after a deployment that failed; who owns a container only chooses the
words, since Azure may not have the template any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from azure.core.exceptions import AzureError, ResourceNotFoundError

from faasbridge.errors import ConfigError

from ..template import names
from ..template.storage import CLAIMS, HOST, UNDELIVERED
from ..template.tables import LEASE_CONTAINER
from .connection import Cloud
from .faults import said
from .stack import UNKNOWN, Made

_BLOBS, _DOCUMENTS = names.CONTAINERS.lower(), names.TABLES.lower()
_OWN = frozenset({CLAIMS, UNDELIVERED, LEASE_CONTAINER, *HOST})
_CODE = "faasbridge-code-"  # as in `names.code`
_MOST = 1000


def holds_data(each: Made) -> bool:
    """Whether it may: a container of anybody's but FaaSBridge's own, which are parts of the app and its functions."""
    if each.type.lower() not in (_BLOBS, _DOCUMENTS) or each.part:
        return False
    return each.owner[0] != UNKNOWN or not (each.name in _OWN or each.name.startswith(_CODE))


def held(cloud: Cloud, resources: Iterable[Made]) -> list[str]:
    """`bucket 'photos' holds 3 objects`. Raises ConfigError where nobody can say."""
    found = []
    for each in resources:
        if not holds_data(each):
            continue
        kind, name = ("container", each.name) if each.owner[0] == UNKNOWN else each.owner
        of_blobs = each.type.lower() == _BLOBS
        try:
            count = _objects(cloud, each) if of_blobs else _rows(cloud, each)
        except ResourceNotFoundError:  # half destroyed
            continue
        except AzureError as error:
            raise ConfigError(
                f"whether {kind} {name!r} holds anything cannot be seen ({said(error).rstrip('.')}): destroy it "
                "whatever is in it with --delete-data"
            ) from error
        if count:
            found.append(f"{kind} {name!r} holds {_counted(count, 'object' if of_blobs else 'row')}")
    return found


def _objects(cloud: Cloud, each: Made) -> int:
    """Up to one more than a thousand, as `_rows`."""
    endpoint = _account(cloud, each)["primaryEndpoints"]["blob"]
    count = 0
    container = cloud.clients.container(f"{endpoint.rstrip('/')}/{each.name}")
    for _ in container.list_blob_names(results_per_page=_MOST + 1):
        count += 1
        if count > _MOST:
            break
    return count


def _rows(cloud: Cloud, each: Made) -> int:
    endpoint = _account(cloud, each)["documentEndpoint"]
    database = each.id.split("/")[-3]
    container = cloud.clients.cosmos(endpoint).get_database_client(database).get_container_client(each.name)
    # A table has documents of changes as well. What else a plugin has made is anything.
    where = "WHERE c.faasbridge = 'row'" if each.owner[0] in ("table", UNKNOWN) else ""
    text = f"SELECT TOP {_MOST + 1} c.id FROM c {where}"  # noqa: S608 - a number of ours
    return sum(1 for _ in container.query_items(text, enable_cross_partition_query=True))


def _account(cloud: Cloud, each: Made) -> Any:
    start, _, inner = each.id.rpartition("/providers/")
    return cloud.properties("/".join((start, "providers", *inner.split("/")[:3])))


def _counted(count: int, what: str) -> str:
    return f"{'more than ' if count > _MOST else ''}{min(count, _MOST)} {what}{'s' * (count != 1)}"
