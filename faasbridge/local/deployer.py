"""`deploy --provider local`: an artifact unpacked beside its state, and a detached server that runs it.

`deployed.json` in the state folder says which release runs; it is written when the release is unpacked, before the
server is started or told, so that an interrupted deployment goes on from there. What is said of folders in
`state` holds here: where
nothing is deployed, everything but plan, apply and destroy means a running `dev`.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..app import App
from ..deploy import DeadLetter, Outcome, Plan, Progress, Step
from ..errors import ConfigError, DeployError, FaaSBridgeError
from ..events import Event
from ..provider import Artifact, LogLine, Stage
from ..resources import Resource
from ..spec import AppSpec
from .bind import driver_of
from .client import Client
from .launch import launch, stop
from .logs import follow_logs, read_logs
from .options import check_settings, port_of
from .release import kinds_of, limits_of
from .releases import steps, unpack
from .secrets import secret_values, set_secret, take_over, unset_secret, variable
from .simulator import inbox_of
from .stages import stage_to_json
from .state import Running, deployed_folder, dev_folder, make_folder, running
from .store import Store, forget, shared


class LocalDeployer:
    """Implements `provider.Deployer`."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._home = deployed_folder(stage.root, stage.name)

    def plan(self, spec: AppSpec, artifact: Artifact) -> Plan:
        check_settings(self._stage)
        deployed = self._deployed()
        old = AppSpec.from_json(deployed["manifest"]) if deployed else None
        found = steps(old, spec, same_code=self._same(deployed, artifact))
        if not any(step.action != "none" for step in found) and running(self._home) is None:
            found.append(Step("update", "server", spec.name, "it is not running"))
        return Plan(self._stage.app, self._stage.name, "local", tuple(found), (spec, artifact))

    def apply(self, plan: Plan) -> Iterator[Progress]:
        """Goes on serving the old release until the new one answers. Raises DeployError where it does not."""
        spec, artifact = plan.token
        make_folder(self._home)
        if self._deployed() is None:
            take_over(dev_folder(self._stage.root, self._stage.name), self._home)
        if plan.changes:
            for step in plan.changes:
                yield Progress(step, "started")
            try:
                self._run(spec, artifact)
            except Exception as error:
                for step in plan.changes:
                    yield Progress(step, "failed", str(error))
                if isinstance(error, FaaSBridgeError):
                    raise DeployError(str(error)) from error
                raise
            for step in plan.changes:
                yield Progress(step, "done")

    def outcome(self) -> Outcome:
        found = self._running()
        stage = self._stage
        return Outcome(stage.app, stage.name, "local", found.apis if found else {}, {"state": str(self._folder())})

    def destroy(self, *, delete_data: bool = False) -> Iterator[Progress]:
        """Stops the server and removes the state. Raises ConfigError where there is data and `delete_data` is
        not given."""
        if not self._home.exists():
            return
        if (self._home / "state.db").exists() and not delete_data:
            store = Store(self._home)
            try:
                empty = store.is_empty()
            finally:
                store.close()
            if not empty:
                raise ConfigError(
                    f"stage {self._stage.name!r} holds objects, rows or messages in {self._home}; destroy them "
                    f"as well with --delete-data"
                )
        server = Step("delete", "server", self._stage.app)
        yield Progress(server, "started")
        stop(self._home)
        yield Progress(server, "done")
        state = Step("delete", "state", str(self._home), data_loss=delete_data)
        yield Progress(state, "started")
        forget(self._home)
        shutil.rmtree(self._home)
        yield Progress(state, "done")

    def status(self) -> Mapping[str, Any]:
        """Says also what is deployed and not running."""
        found = self._running()
        result: dict[str, Any] = {"deployed": self._deployed() is not None, "running": found is not None}
        if found is not None:
            client = Client(found)
            try:
                result.update(client.status())
            finally:
                client.close()
        result["state"] = str(self._folder())
        return result

    def logs(self, function: str | None, *, since_s: float, follow: bool) -> Iterator[LogLine]:
        since = time.time() - since_s
        names = None if function is None else [function]
        return follow_logs(self._folder(), function, since) if follow else iter(read_logs(self._folder(), names, since))

    def invoke(
        self, function: str, event: Event, *, wait: bool = True, log: Callable[[LogLine], None] | None = None
    ) -> Any:
        found = self._running()
        if found is None:
            raise ConfigError(
                f"stage {self._stage.name!r} is not running here; start it with `faasbridge dev` or `faasbridge "
                f"deploy --provider local`"
            )
        client = Client(found)
        began = time.time()
        try:
            return client.invoke(function, event, wait=wait)
        finally:
            client.close()
            if wait and log is not None:
                for line in read_logs(self._folder(), [function], began):
                    log(line)

    def dead_letters(self, function: str) -> list[DeadLetter]:
        store = self._store()
        return store.dead_letters(inbox_of(store, function))

    def replay(self, function: str, ids: Iterable[str] | None = None) -> int:
        store = self._store()
        return store.replay(inbox_of(store, function), ids)

    def purge(self, function: str, ids: Iterable[str] | None = None) -> int:
        store = self._store()
        return store.purge(inbox_of(store, function), ids)

    def set_secret(self, name: str, value: str) -> None:
        self._prepare()
        set_secret(self._folder(), name, value)

    def unset_secret(self, name: str) -> None:
        self._prepare()
        unset_secret(self._folder(), name)

    def secrets(self) -> Mapping[str, bool]:
        self._prepare()
        values = secret_values(self._folder())
        text = shared(self._folder()).meta("manifest")
        spec = AppSpec.from_json(text) if text else None
        return {r.name: variable(r.name) in values for r in (spec.resources if spec else ()) if r.kind == "secret"}

    def bind(self, app: App) -> Callable[[Resource], Any]:
        self._prepare()
        options = {"max_item_bytes": limits_of(self._stage.targets).item_bytes}
        return driver_of(app.app_name, self._stage.name, self._folder(), kinds_of(), options)

    def _folder(self) -> Path:
        """Whose state is meant: the deployment's where there is one, else `dev`'s."""
        return self._home if self._deployed() is not None else dev_folder(self._stage.root, self._stage.name)

    def _running(self) -> Running | None:
        return running(self._folder())

    def _prepare(self) -> None:
        folder = self._folder()
        make_folder(folder)
        store = shared(folder)
        if store.meta("root") is None:
            store.set_meta("root", str(self._stage.root))

    def _store(self) -> Store:
        if not (self._folder() / "state.db").exists():
            raise ConfigError(f"nothing has run at stage {self._stage.name!r} yet; start it with `faasbridge dev`")
        return shared(self._folder())

    def _deployed(self) -> dict[str, Any] | None:
        try:
            return json.loads((self._home / "deployed.json").read_text())  # type: ignore[no-any-return]
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise ConfigError(f"{self._home / 'deployed.json'} is damaged; remove it and deploy again") from error

    def _same(self, deployed: Mapping[str, Any] | None, artifact: Artifact) -> bool:
        return (
            deployed is not None
            and deployed["sha256"] == artifact.sha256
            and deployed["stage"] == self._stage_text(artifact)
        )

    def _stage_text(self, artifact: Artifact) -> str:
        return stage_to_json(replace(self._stage, root=self._home / "releases" / artifact.sha256))

    def _run(self, spec: AppSpec, artifact: Artifact) -> None:
        release = self._home / "releases" / artifact.sha256
        if not release.exists():
            unpack(artifact.path, release)
        stage = replace(self._stage, root=release)
        found = running(self._home)
        before = self._deployed()
        self._record({"sha256": artifact.sha256, "manifest": spec.to_json(), "stage": self._stage_text(artifact)})
        try:
            if found is not None:
                client = Client(found)
                try:
                    client.call("POST", "reload", stage_to_json(stage).encode())
                finally:
                    client.close()
            else:
                process, _ = launch(stage, self._home, port=port_of(stage), detached=True, project=self._stage.root)
                # It outlives this process; where this one is the longer-lived, its end must still be taken note of.
                threading.Thread(target=process.wait, daemon=True).start()
        except Exception:
            self._record(before)
            raise
        for old in (self._home / "releases").iterdir():
            if old != release:
                shutil.rmtree(old, ignore_errors=True)

    def _record(self, what: Mapping[str, Any] | None) -> None:
        path = self._home / "deployed.json"
        if what is None:
            path.unlink(missing_ok=True)
            return
        part = path.with_suffix(".part")
        part.write_text(json.dumps(what))
        part.replace(path)
