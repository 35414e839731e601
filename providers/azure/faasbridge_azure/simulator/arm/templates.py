"""A template and its parameters made into resources: validated, copies expanded, ordered by what depends on what."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import expressions
from .errors import ArmError, template_error
from .kinds import KINDS, check_name

DEPLOYMENTS = "microsoft.resources/deployments"
_TYPES = {
    "string": str, "securestring": str, "int": int, "bool": bool, "object": dict, "secureobject": dict, "array": list,
}  # fmt: skip
_KEYS = {
    "$schema", "contentversion", "languageversion", "apiprofile", "definitions", "parameters", "variables", "functions",
    "resources", "outputs", "metadata",
}  # fmt: skip


@dataclass(frozen=True)
class Scope:
    subscription: str
    group: str
    location: str
    tenant: str

    @property
    def id(self) -> str:
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"

    def resource_id(self, *parts: str) -> str:
        at = next((index for index, part in enumerate(parts) if "/" in part), None)
        if at is None:
            raise ValueError("no resource type among the arguments of resourceId")
        group = parts[at - 1] if at else self.group
        kinds, names = parts[at].split("/"), parts[at + 1 :]
        if len(kinds) - 1 != len(names):
            raise ValueError(f"{parts[at]} needs {len(kinds) - 1} names, {len(names)} are given")
        path = "".join(f"/{kind}/{name}" for kind, name in zip(kinds[1:], names, strict=True))
        return f"/subscriptions/{self.subscription}/resourceGroups/{group}/providers/{kinds[0]}{path}"


@dataclass(frozen=True)
class Declared:
    """A resource of a template, everything evaluated but what is only known when it is created (`raw`)."""

    id: str
    kind: str
    name: str
    raw: Mapping[str, Any]
    depends_on: frozenset[str]
    copy: Mapping[str, int]

    @property
    def nested(self) -> bool:
        """Whether it is a deployment within the deployment."""
        return self.kind.lower() == DEPLOYMENTS


class Template:
    """Raises ArmError where Resource Manager's validation would. `outer`: the one that this one is within, which
    evaluates its expressions."""

    def __init__(self, template: Any, parameters: Any, scope: Scope, outer: Template | None = None) -> None:
        if not isinstance(template, dict) or "resources" not in template or "$schema" not in template:
            raise ArmError(
                "InvalidRequestContent", "The request content was invalid: the template lacks $schema or resources."
            )
        wrong = [key for key in template if key.lower() not in _KEYS]
        if wrong:
            raise template_error(f"could not find member '{wrong[0]}' on object of type 'Template'")
        self.scope, self._template, self._outer = scope, template, outer
        self.parameters = self._parameters(template.get("parameters") or {}, parameters or {})
        self.resources = self._declared()
        self._check()

    def functions(
        self, reference: Callable[..., Any] | None = None, copy: Mapping[str, int] | None = None
    ) -> dict[str, Any]:
        """`reference` is None where nothing exists yet: what needs it is then left for later."""
        if self._outer is not None:
            return self._outer.functions(reference, copy)
        scope, variables = self.scope, self._template.get("variables") or {}

        def parameters(name: str) -> Any:
            if name not in self.parameters:
                raise template_error(f"the template parameter '{name}' is not found")
            return self.parameters[name]

        def variable(name: str) -> Any:
            if name not in variables:
                raise template_error(f"the template variable '{name}' is not found")
            return expressions.evaluate(variables[name], made)

        def copy_index(*arguments: Any) -> int:
            offset = next((each for each in arguments if isinstance(each, int)), 0)
            loop = next((each for each in arguments if isinstance(each, str)), None)
            known = copy or {}
            if not known or (loop is not None and loop not in known):
                raise template_error("copyIndex is used outside of a copy")
            return (known[loop] if loop else next(iter(known.values()))) + offset

        made: dict[str, Any] = {
            **expressions.PURE,
            "parameters": parameters,
            "variables": variable,
            "copyindex": copy_index,
            "resourceid": scope.resource_id,
            "subscriptionresourceid": lambda kind, *names: (
                f"/subscriptions/{scope.subscription}/providers/"
                + "/".join(
                    [
                        kind.split("/")[0],
                        *(part for pair in zip(kind.split("/")[1:], names, strict=True) for part in pair),
                    ]
                )
            ),
            "extensionresourceid": lambda base, kind, *names: (
                f"{base}/providers/"
                + "/".join(
                    [
                        kind.split("/")[0],
                        *(part for pair in zip(kind.split("/")[1:], names, strict=True) for part in pair),
                    ]
                )
            ),
            "subscription": lambda: {
                "subscriptionId": scope.subscription,
                "id": f"/subscriptions/{scope.subscription}",
                "tenantId": scope.tenant,
                "displayName": "simulator",
            },
            "tenant": lambda: {"tenantId": scope.tenant},
            "resourcegroup": lambda: {"id": scope.id, "name": scope.group, "location": scope.location, "tags": {}},
            "deployment": lambda: {"name": "deployment", "properties": {}},
            "environment": lambda: {
                "name": "AzureCloud",
                "suffixes": {"storage": "core.windows.net", "keyvaultDns": ".vault.azure.net"},
                "resourceManager": "https://management.azure.com/",
            },
        }
        if reference is not None:
            made["reference"] = reference
            made["listkeys"] = lambda resource, *rest: reference(resource, "listKeys")
        else:
            made["reference"] = made["listkeys"] = _later
        return made

    def within(self, declared: Declared, scope_of: Callable[[str, str], Scope]) -> Template:
        """The template of a deployment in this one."""
        given = declared.raw.get("properties") or {}
        if given.get("expressionEvaluationOptions", {}).get("scope", "outer").lower() != "outer":
            raise template_error("this simulator evaluates expressions of nested templates in the outer one only")
        _, _, subscription, _, group, *_ = declared.id.split("/")
        return Template(given.get("template"), given.get("parameters"), scope_of(subscription, group), self)

    def body(self, declared: Declared, reference: Callable[..., Any]) -> dict[str, Any]:
        """The resource as it is to be created."""
        raw = {
            key: value
            for key, value in declared.raw.items()
            if key not in ("dependsOn", "copy", "condition", "comments")
        }
        made: dict[str, Any] = expressions.evaluate(raw, self.functions(reference, declared.copy))
        return {**made, "id": declared.id}

    def outputs(self, reference: Callable[..., Any]) -> dict[str, Any]:
        found = {}
        for name, output in (self._template.get("outputs") or {}).items():
            functions = self.functions(reference)
            if expressions.evaluate(output.get("condition", True), functions):
                found[name] = {"type": output["type"], "value": expressions.evaluate(output["value"], functions)}
        return found

    def in_order(self) -> list[list[Declared]]:
        """Waves: what is in one depends only on those before. Raises ArmError for a circle."""
        left, done, waves = dict(self.resources), set[str](), list[list[Declared]]()
        while left:
            wave = [each for each in left.values() if all(one in done for one in self._needs(each))]
            if not wave:
                raise template_error(f"circular dependency detected on resource: '{next(iter(left.values())).id}'")
            waves.append(wave)
            for each in wave:
                del left[each.id.lower()]
                done.add(each.id.lower())
        return waves

    def _needs(self, declared: Declared) -> set[str]:
        needed = set(declared.depends_on)
        text = str({key: value for key, value in declared.raw.items() if key != "dependsOn"})
        for other in self.resources.values():
            # A reference() makes a dependency by itself; its argument is an id, or a name of this template.
            if other.id != declared.id and "reference(" in text and f"'{other.name.split('/')[-1]}'" in text:
                called = re.findall(r"reference\((.*?)\)", text)
                if any(f"'{other.kind}'" in each and f"'{other.name.split('/')[-1]}'" in each for each in called):
                    needed.add(other.id.lower())
        return needed

    def _parameters(self, declared: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        wrong = [name for name in given if name not in declared]
        if wrong:
            raise template_error(
                f"the template parameters '{wrong[0]}' in the parameters file are not valid; they are not present in the original template"  # noqa: E501
            )
        for name, parameter in declared.items():
            if name in given:
                value = given[name].get("value") if isinstance(given[name], dict) else given[name]
            elif "defaultValue" in parameter:
                self.parameters, self._template = found, self._template
                value = expressions.evaluate(parameter["defaultValue"], self.functions())
            else:
                raise template_error(f"the value for the template parameter '{name}' is not provided")
            wanted = _TYPES.get(str(parameter.get("type", "")).lower())
            if wanted is None:
                raise template_error(f"the template parameter '{name}' has no valid type")
            if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
                raise template_error(
                    f"the provided value for the template parameter '{name}' is not a {parameter['type']}"
                )
            allowed = parameter.get("allowedValues")
            if allowed and value not in allowed:
                raise template_error(
                    f"the value '{value}' of the template parameter '{name}' is not among its allowedValues"
                )
            found[name] = value
        return found

    def _declared(self) -> dict[str, Declared]:
        resources = self._template["resources"]
        listed = list(resources.values()) if isinstance(resources, dict) else list(resources)
        found: dict[str, Declared] = {}
        names: dict[str, str] = {}
        pending: list[tuple[Declared, list[str]]] = []
        for raw in listed:
            copied = raw.get("copy")
            indexes: list[Mapping[str, int]] = [{}]
            if copied:
                count = expressions.evaluate(copied["count"], self.functions())
                indexes = [{copied["name"]: index} for index in range(count)]
            for copy in indexes:
                functions = self.functions(None, copy)
                if not expressions.evaluate(raw.get("condition", True), functions):
                    continue
                one = self._one(raw, copy, functions)
                if one.id.lower() in found:
                    raise template_error(f"the resource '{one.name}' is defined multiple times in a template")
                found[one.id.lower()] = one
                names[one.name.lower()] = one.id.lower()
                pending.append(
                    (one, [str(each) for each in expressions.evaluate(raw.get("dependsOn") or [], functions)])
                )
        for one, wanted in pending:
            needs = set()
            for each in wanted:
                target = each.lower() if each.lower() in found else names.get(each.lower())
                if target is None:
                    raise template_error(f"the resource '{each}' is not defined in the template")
                needs.add(target)
            found[one.id.lower()] = Declared(one.id, one.kind, one.name, one.raw, frozenset(needs), one.copy)
        return found

    def _one(self, raw: Mapping[str, Any], copy: Mapping[str, int], functions: Mapping[str, Any]) -> Declared:
        for key in ("type", "apiVersion", "name"):
            if key not in raw:
                raise template_error(f"a resource lacks the property '{key}'")
        kind, name = str(raw["type"]), str(expressions.evaluate(raw["name"], functions))
        if kind.count("/") != name.count("/") + 1:
            raise template_error(f"the template resource '{name}' of type '{kind}' has incorrect segment lengths")
        scope = expressions.evaluate(raw.get("scope"), functions)
        path = self.scope.resource_id(kind, *name.split("/"))
        if kind.lower() == DEPLOYMENTS:  # these may be elsewhere
            subscription, group = (
                expressions.evaluate(raw.get(key) or own, functions)
                for key, own in (("subscriptionId", self.scope.subscription), ("resourceGroup", self.scope.group))
            )
            path = f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{kind}/{name}"
        if scope:
            base = scope if str(scope).startswith("/") else f"{self.scope.id}/providers/{scope}"
            path = base + path[len(self.scope.id) :]
        return Declared(path, kind, name, raw, frozenset(), copy)

    def _check(self) -> None:
        for each in self.resources.values():
            known = next((value for kind, value in KINDS.items() if kind.lower() == each.kind.lower()), None)
            if known is None:
                raise ArmError(
                    "InvalidTemplate",
                    f"The resource type '{each.kind}' could not be found in its namespace, or this simulator has none.",
                )
            version = str(each.raw["apiVersion"])
            if not re.fullmatch(r"20\d\d-\d\d-\d\d(-preview)?", version):
                raise ArmError(
                    "NoRegisteredProviderFound",
                    f"No registered resource provider found for API version '{version}' for type '{each.kind}'.",
                )
            check_name(each.kind, each.name)


def _later(*arguments: Any) -> Any:
    raise template_error("the template function 'reference' is not expected at this location")
