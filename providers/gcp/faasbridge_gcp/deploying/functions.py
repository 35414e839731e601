"""Functions, and the Cloud Run services behind them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from google.api_core import exceptions

from ..template.document import APP_LABEL, STAGE_LABEL, Type
from .connection import Cloud, finished, settled
from .kinds import Body, Found, as_body, gone, mask, message_of
from .owning import is_ours, owner_of, refuse_foreign


class Functions:
    """What a wanted one lacks, its source, is put in by the roll-out."""

    type: Type = "functions.function"

    def __init__(self, cloud: Cloud) -> None:
        from google.cloud.functions_v2.types import Function

        self.message: Any = Function
        self._cloud = cloud
        self._api = cloud.get("functions")

    def found(self, labels: Mapping[str, str]) -> Iterable[Found]:
        """Those of other regions as well: what the stage's setting said before."""
        clauses = " AND ".join(f"labels.{key}={labels[key]}" for key in (APP_LABEL, STAGE_LABEL))
        everywhere = f"projects/{self._cloud.project}/locations/-"
        for each in self._api.list_functions(request={"parent": everywhere, "filter": clauses}):
            if is_ours(each.labels, labels):
                yield self._found(each)

    def _found(self, function: Any) -> Found:
        config = function.service_config
        details = {"url": config.uri, "function": config.environment_variables.get("FAASBRIDGE_FUNCTION", "")}
        state = function.state.name
        return Found(self.type, function.name, as_body(function), owner_of(function.labels), "", state, details)

    def create(self, name: str, body: Body) -> str:
        parent, _, id = name.partition("/functions/")
        wanted = message_of(self.message, {**body, "name": name})
        request = {"parent": parent, "function_id": id, "function": wanted}
        try:
            return str(finished(settled(self._api.create_function, request=request)).service_config.uri)
        except exceptions.AlreadyExists:
            refuse_foreign(name, self._api.get_function(name=name), body)
            return self.update(Found(self.type, name, {}, {"kind": "", "name": ""}), body, body)

    def update(self, found: Found, body: Body, changed: Iterable[str]) -> str:
        self._idle(found.name)
        wanted = message_of(self.message, {**body, "name": found.name})
        request = {"function": wanted, "update_mask": mask(changed)}
        return str(finished(settled(self._api.update_function, request=request)).service_config.uri)

    def delete(self, found: Found) -> None:
        if self._idle(found.name):
            operation = gone(self._api.delete_function, name=found.name)
            if operation is not None:
                finished(operation)

    def _idle(self, name: str) -> bool:
        """Waits for what an earlier command began; whether the function is there then."""
        pause_s = 0.1
        while True:
            try:
                state = self._api.get_function(name=name).state.name
            except exceptions.NotFound:
                return False
            if state not in ("DEPLOYING", "DELETING"):
                return True
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 5.0)


class Services:
    """A function's Cloud Run service is there as long as the function is."""

    type: Type = "run.service"

    def __init__(self, cloud: Cloud) -> None:
        from google.cloud.run_v2.types import Service

        self.message: Any = Service
        self._api = cloud.get("run")

    def found(self, functions: Iterable[Found]) -> Iterable[Found]:
        for function in functions:
            name = function.name.replace("/functions/", "/services/")
            try:
                yield Found(self.type, name, as_body(self._api.get_service(name=name)), function.owner)
            except exceptions.NotFound:
                continue

    def create(self, name: str, body: Body) -> None:
        if body:
            self.update(Found(self.type, name, {}, {"kind": "", "name": ""}), body, body)

    def update(self, found: Found, body: Body, changed: Iterable[str]) -> None:
        service = self._api.get_service(name=found.name)
        fields = {mask((name,))["paths"][0]: value for name, value in body.items()}
        if all(getattr(service, name) == value for name, value in fields.items()):
            return
        for name, value in fields.items():
            setattr(service, name, value)
        finished(self._api.update_service(request={"service": service, "update_mask": mask(changed)}))

    def delete(self, found: Found) -> None:
        """Goes with its function."""
