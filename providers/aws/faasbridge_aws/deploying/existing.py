"""What a resource that was there before must have for its handlers to hear of anything. Only reads."""

from __future__ import annotations

from faasbridge.errors import ConfigError
from faasbridge.provider import Stage
from faasbridge.spec import AppSpec

from .connection import Clients


def check(clients: Clients, spec: AppSpec, stage: Stage) -> None:
    """A bucket tells EventBridge of its objects only where somebody turned that on. Raises ConfigError.

    Source: S3 User Guide, "Enabling Amazon EventBridge".
    """
    triggers = {(each.trigger.resource_kind, each.trigger.resource) for each in spec.functions}
    for resource in spec.resources:
        if resource.existing and resource.kind == "bucket" and ("bucket", resource.name) in triggers:
            name = stage.existing[resource.name]
            found = clients.get("s3").get_bucket_notification_configuration(Bucket=name)
            if "EventBridgeConfiguration" not in found:
                raise ConfigError(
                    f"the bucket {name} does not send its events to EventBridge, so the handlers of {resource.name!r} "
                    "would hear of nothing: turn that on in the bucket's properties, beside its other notifications"
                )
