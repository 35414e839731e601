"""Function apps and the code that they run: which it is says a tag, and One Deploy brings another.

The tag is taken away before a package is sent and set when it runs, so an interruption leaves no app that claims to run
what it does not.
Source: Azure Functions documentation, "Deployment technologies", "One deploy"; the states are those of Kudu's
DeployStatus.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.rest import HttpRequest

from faasbridge.errors import DeployError
from faasbridge.provider import Artifact

from .connection import Cloud
from .faults import faults
from .stack import Owner, text

CODE_TAG = "faasbridge-code"
_AT_A_TIME = 4
_TIMEOUT_S = 900.0
_FAILED, _SUCCEEDED, _CONFLICT, _PARTLY = 3, 4, 5, 6
_UNSENT = frozenset({404, 502, 503})  # of an app that was made a moment ago
_SETTLING_S = 120.0


@dataclass(frozen=True)
class Site:
    """A function app. `code` is the digest of what it runs, empty where that is not known."""

    id: str
    name: str
    code: str
    tags: Mapping[str, str]
    state: str
    host: str
    scm: str
    https: bool
    config: Mapping[str, Any]

    @property
    def url(self) -> str:
        return f"{'https' if self.https else 'http'}://{self.host}"


def sites(cloud: Cloud) -> list[Site]:
    """Those of the app and stage; none where the resource group is not there."""
    try:
        listed = list(cloud.sites.list_by_resource_group(cloud.group))
    except ResourceNotFoundError:
        return []
    return [_site(each) for each in listed if cloud.is_ours(each.tags)]


def tagged(template: Mapping[str, Any], running: Iterable[Site]) -> dict[str, Any]:
    """The template with the tags that say which code runs: Resource Manager takes away those that it does not have."""
    codes = {each.name.lower(): each.code for each in running if each.code}
    resources = []
    for each in template["resources"]:
        code = codes.get(str(each["name"]).lower()) if each["type"].lower() == "microsoft.web/sites" else None
        resources.append({**each, "tags": {**(each.get("tags") or {}), CODE_TAG: code}} if code else each)
    return {**template, "resources": resources}


def publish(cloud: Cloud, apps: Iterable[tuple[Site, Owner]], artifact: Artifact) -> Iterator[tuple[Owner, str, str]]:
    """A few at a time: whose it is and `started` or `done`, or `failed` and why. Raises DeployError with the first
    failure when nothing is under way any more; no other is begun then."""
    waiting = list(reversed(list(apps)))
    ended: queue.SimpleQueue[tuple[Owner, Future[None]]] = queue.SimpleQueue()
    running = 0
    cause: BaseException | None = None
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        while waiting or running:
            while waiting and running < _AT_A_TIME:
                site, owner = waiting.pop()
                yield owner, "started", ""
                future = pool.submit(_publish, cloud, site, owner, artifact)
                future.add_done_callback(partial(_end, ended, owner))
                running += 1
            owner, future = ended.get()
            running -= 1
            error = future.exception()
            if error is None:
                yield owner, "done", ""
                continue
            waiting.clear()
            cause = cause or error
            yield owner, "failed", str(error)
    if cause is not None:
        raise cause


def _end(ended: queue.SimpleQueue[tuple[Owner, Future[None]]], owner: Owner, done: Future[None]) -> None:
    ended.put((owner, done))


def _publish(cloud: Cloud, site: Site, owner: Owner, artifact: Artifact) -> None:
    with faults(f"{owner[0]} {owner[1]!r}"):
        if site.code:
            _tag(cloud, site, "")
        where = _send(cloud, site, artifact)
        _finished(cloud, where, f"{owner[0]} {owner[1]!r}")
        _tag(cloud, site, artifact.sha256)


def _tag(cloud: Cloud, site: Site, code: str) -> None:
    tags = {name: value for name, value in site.tags.items() if name != CODE_TAG}
    cloud.sites.update(cloud.group, site.name, {"tags": {**tags, **({CODE_TAG: code} if code else {})}})


def _send(cloud: Cloud, site: Site, artifact: Artifact) -> str:
    """Where the deployment's state is."""
    url = f"https://{site.scm}/api/publish?RemoteBuild=false&Deployer=faasbridge"
    deadline = time.monotonic() + _SETTLING_S
    content = artifact.path.read_bytes()
    while True:
        request = HttpRequest("POST", url, content=content, headers={"Content-Type": "application/zip"})
        answer = cloud.pipeline.send_request(request)
        if answer.status_code not in _UNSENT or time.monotonic() > deadline:
            break
        time.sleep(1.0)
    if answer.status_code >= 400:
        raise HttpResponseError(message=f"One Deploy answered {answer.status_code}: {answer.text()}", response=answer)
    id = answer.json() if answer.content else ""
    place = f"https://{site.scm}/api/deployments/"
    return str(answer.headers.get("Location") or "") or place + (id if isinstance(id, str) and id else "latest")


def _finished(cloud: Cloud, where: str, what: str) -> None:
    """Raises DeployError with what the platform says of a package that does not run."""
    deadline = time.monotonic() + _TIMEOUT_S
    pause_s = 0.05
    while True:
        answer = cloud.pipeline.send_request(HttpRequest("GET", where))
        if answer.status_code not in (404, 502, 503):
            if answer.status_code >= 400:
                raise HttpResponseError(message=f"One Deploy's state: {answer.status_code}", response=answer)
            state = answer.json()
            status = state.get("status")
            if status == _SUCCEEDED:
                return
            if status in (_FAILED, _CONFLICT, _PARTLY, -1):
                raise DeployError(_refusal(what, status, state))
        if time.monotonic() > deadline:
            raise DeployError(f"{what}: One Deploy did not end in {_TIMEOUT_S:.0f} s")
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 2.0)


def _refusal(what: str, status: int, state: Mapping[str, Any]) -> str:
    text = " ".join(str(state.get("status_text") or state.get("message") or "no reason was given").split())
    if status in (_CONFLICT, -1):
        return f"{what}: another deployment of its code is running; deploy again when it has ended"
    return f"{what}: the code does not run there: {text}"


def _site(raw: Any) -> Site:
    tags = dict(raw.tags or {})
    properties = raw.properties
    hosts = {text(each.host_type): each.name for each in properties.host_name_ssl_states or ()}
    config = properties.function_app_config
    return Site(
        raw.id,
        raw.name,
        tags.get(CODE_TAG, ""),
        tags,
        properties.state or "",
        properties.default_host_name or "",
        hosts.get("Repository", ""),
        bool(properties.https_only),
        config.as_dict() if config is not None else {},
    )
