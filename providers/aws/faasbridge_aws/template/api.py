"""An api's endpoint: an HTTP API of API Gateway in front of the function, or a function URL. Pure.

The function answers everything, preflight requests of CORS included, as on every other vendor: the endpoint has one
route and no settings of its own for them.
Sources: API Gateway Developer Guide, "Working with AWS Lambda proxy integrations for HTTP APIs"; Lambda Developer
Guide, "Control access to Lambda function URLs".
"""

from __future__ import annotations

from typing import Any

from faasbridge.errors import ConfigError
from faasbridge.provider import Stage
from faasbridge.spec import FunctionSpec

from . import names
from .settings import of_function

_ENDPOINTS = ("http-api", "function-url")


def endpoint(function: FunctionSpec, stage: Stage, target: Any) -> dict[str, Any]:
    """`target`: the ARN of what is invoked."""
    chosen = of_function(function).get("endpoint", _ENDPOINTS[0])
    if chosen not in _ENDPOINTS:
        raise ConfigError(f"{function.location}: an api's endpoint is {' or '.join(_ENDPOINTS)}, not {chosen!r}")
    if chosen == "http-api":
        return _http_api(function, stage, target)
    for option in ("requests_per_s", "burst"):
        if option in of_function(function):
            raise ConfigError(
                f"{function.location}: a function URL has no {option}: leave it out, limit reserved_concurrency, or "
                "take the endpoint http-api"
            )
    return _function_url(function, target)


def _http_api(function: FunctionSpec, stage: Stage, target: Any) -> dict[str, Any]:
    name, options = function.name, of_function(function)
    api, integration = names.ref("api", name), names.logical_id("api", name, "Integration")
    deployed: dict[str, Any] = {"ApiId": api, "StageName": "$default", "AutoDeploy": True}
    limits = {
        key: options[option]
        for key, option in (
            ("ThrottlingRateLimit", "requests_per_s"),
            ("ThrottlingBurstLimit", "burst"),
        )
        if option in options
    }
    if limits:
        deployed["DefaultRouteSettings"] = limits
    return {
        "Resources": {
            names.logical_id("api", name): {
                "Type": "AWS::ApiGatewayV2::Api",
                "Properties": {"Name": stage.physical_name(name, 128), "ProtocolType": "HTTP"},
            },
            integration: {
                "Type": "AWS::ApiGatewayV2::Integration",
                "Properties": {
                    "ApiId": api,
                    "IntegrationType": "AWS_PROXY",
                    "IntegrationMethod": "POST",
                    "IntegrationUri": target,
                    "PayloadFormatVersion": "2.0",
                    "TimeoutInMillis": 30_000,
                },
            },
            names.logical_id("api", name, "Route"): {
                "Type": "AWS::ApiGatewayV2::Route",
                "Properties": {
                    "ApiId": api,
                    "RouteKey": "$default",
                    "Target": names.sub("integrations/${Integration}", Integration={"Ref": integration}),
                },
            },
            names.logical_id("api", name, "Stage"): {"Type": "AWS::ApiGatewayV2::Stage", "Properties": deployed},
            names.logical_id("api", name, "Permission"): {
                "Type": "AWS::Lambda::Permission",
                "Properties": {
                    "Action": "lambda:InvokeFunction",
                    "FunctionName": target,
                    "Principal": "apigateway.amazonaws.com",
                    "SourceArn": names.sub(
                        "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*/*", Api=api
                    ),
                },
            },
        },
        "Outputs": _output(name, names.get_att(names.logical_id("api", name), "ApiEndpoint")),
    }


def _function_url(function: FunctionSpec, target: Any) -> dict[str, Any]:
    name = function.name
    url = names.logical_id("api", name, "Url")
    given: dict[str, Any] = {"FunctionName": target, "Principal": "*"}
    return {
        "Resources": {
            url: {"Type": "AWS::Lambda::Url", "Properties": {"TargetFunctionArn": target, "AuthType": "NONE"}},
            names.logical_id("api", name, "UrlPermission"): {
                "Type": "AWS::Lambda::Permission",
                "Properties": {**given, "Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"},
            },
            # Both are needed since October 2025; this one counts for calls through the URL only.
            names.logical_id("api", name, "UrlInvokePermission"): {
                "Type": "AWS::Lambda::Permission",
                "Properties": {**given, "Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True},
            },
        },
        "Outputs": _output(name, names.get_att(url, "FunctionUrl")),
    }


def _output(name: str, value: Any) -> dict[str, Any]:
    return {names.endpoint_output(name): {"Description": f"The URL of the api {name}", "Value": value}}
