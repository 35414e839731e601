"""What is deployed to Azure: the inbox of every handler, what fills it, what runs, and how it is reached."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from faasbridge import App, ConfigError, Resource
from faasbridge.plugins import manager
from faasbridge.provider import Stage
from faasbridge.spec import FunctionSpec, ResourceSpec
from faasbridge_azure import lint, rows

sys.path.insert(0, str(Path(__file__).parent))
from arm_templates import (
    ASSIGNMENTS,
    COSMOS,
    KIT_OF,
    SITES,
    STORAGE,
    SUBSCRIPTION,
    TENANT,
    Evaluated,
    stage,
    template,
    whole_app,
)

MADE = template(whole_app())
WHOLE = Evaluated(MADE)
EVENT_FUNCTIONS = [each for each in whole_app().spec().functions if each.inbox is not None]
FUNCTIONS = list(whole_app().spec().functions)


def handler(event: Any) -> None: ...


def handler_named(name: str) -> Any:
    def named(event: Any) -> None: ...

    named.__name__ = name
    return named


def queue_of(url: str) -> str:
    account, _, name = url.removeprefix("https://").partition("/")
    assert account == f"{WHOLE.account}.queue.core.windows.net"
    return f"{STORAGE}/queueServices/queues/{WHOLE.account}/default/{name}"


def test_the_same_app_gives_the_same_text() -> None:
    spec = whole_app().spec()
    shuffled = replace(spec, resources=spec.resources[::-1], functions=spec.functions[::-1])
    assert json.dumps(template(spec)) == json.dumps(template(whole_app())) == json.dumps(template(shuffled))


def test_everything_is_made_after_what_it_needs() -> None:
    at = {each: wave for wave, every in enumerate(WHOLE.order) for each in every}
    for each in WHOLE.resources.values():
        if each["type"] == ASSIGNMENTS:
            target = each["id"].partition(f"/providers/{ASSIGNMENTS}")[0]
            made = next((key for key, one in WHOLE.resources.items() if one["id"] == target), None)
            if made is not None:
                assert at[made] < at[f"{ASSIGNMENTS}/{each['name']}"]
            for site in WHOLE.of_type(SITES):
                if each["properties"]["principalId"] == principal_of(site):
                    assert at[f"{ASSIGNMENTS}/{each['name']}"] < at[f"{SITES}/{site}"]
    for key, wave in at.items():
        if "/eventSubscriptions/" in key:
            assert at[key.replace("/eventSubscriptions", "").rpartition("/")[0]] < wave


def principal_of(site: str) -> str:
    (identity,) = WHOLE.of_type(SITES)[site]["identity"]["userAssignedIdentities"]
    return f"principal of {identity.rpartition('/')[2]}"


def test_every_resource_names_the_declared_thing_that_it_belongs_to() -> None:
    spec = whole_app().spec()
    declared = {(each.kind, each.name) for each in spec.resources if each.kind != "secret"}
    declared |= {("function" if each.inbox else "api", each.name) for each in spec.functions}
    declared |= {("app", "shop"), ("app", "small")}
    owners = MADE["metadata"]["faasbridge"]["owners"]
    assert set(owners) == {f"{each['type']}/{each['name']}" for each in MADE["resources"]}
    assert {(kind, name) for kind, name, _ in owners.values()} == declared
    base = f"{STORAGE}/queueServices/queues/[concat('shopdev', parameters('unique'), '/default/"
    assert owners[f"{base}shop-dev-jobs')]"] == ["queue", "jobs", ""]
    assert owners[f"{base}shop-dev-jobs-poison')]"] == ["queue", "jobs-dead", ""]
    assert owners[f"{base}shop-dev-bulk-poison')]"] == ["queue", "bulk", "dead-letters"]
    assert owners[f"{base}shop-dev-read-inbox')]"] == ["function", "read", "inbox"]
    assert owners[f"{STORAGE}/[concat('shopdev', parameters('unique'))]"] == ["app", "shop", "storage"]


def test_app_stage_and_version_are_tags_of_all_that_takes_tags() -> None:
    expected = {"faasbridge-app": "shop", "faasbridge-stage": "dev", "faasbridge-version": "1.2.3"}
    tagged = {each["type"] for each in WHOLE.resources.values() if "tags" in each}
    assert all(each["tags"] == expected for each in WHOLE.resources.values() if "tags" in each)
    assert tagged == {
        COSMOS,
        SITES,
        STORAGE,
        "Microsoft.EventGrid/systemTopics",
        "Microsoft.EventGrid/topics",
        "Microsoft.Insights/components",
        "Microsoft.KeyVault/vaults",
        "Microsoft.ManagedIdentity/userAssignedIdentities",
        "Microsoft.OperationalInsights/workspaces",
        "Microsoft.Web/serverfarms",
    }


@pytest.mark.parametrize("function", EVENT_FUNCTIONS, ids=lambda function: function.name)
class TestInboxes:
    def test_it_is_a_queue_with_a_poison_queue_beside_it(self, function: FunctionSpec) -> None:
        inbox = WHOLE.outputs["inboxes"][function.name]
        assert inbox["dead_letters"] == f"{inbox['inbox']}-poison"
        assert {queue_of(inbox["inbox"]), queue_of(inbox["dead_letters"])} <= set(WHOLE.resources)

    def test_the_host_reads_it(self, function: FunctionSpec) -> None:
        settings = WHOLE.settings(function.name)
        variable = f"FAASBRIDGE_INBOX_{function.name.upper()}"
        assert WHOLE.outputs["inboxes"][function.name]["inbox"].endswith(f"/{settings[variable]}")
        assert settings["AzureWebJobsStorage__accountName"] == WHOLE.account
        assert settings["AzureWebJobsStorage__credential"] == "managedidentity"
        assert settings["AzureWebJobsStorage__clientId"] == settings["AZURE_CLIENT_ID"]

    def test_the_function_knows_its_dead_letters_and_claims(self, function: FunctionSpec) -> None:
        settings = WHOLE.settings(function.name)
        dead = WHOLE.outputs["inboxes"][function.name]["dead_letters"]
        assert settings[f"FAASBRIDGE_DEAD_LETTERS_{function.name.upper()}"] == dead
        assert settings["FAASBRIDGE_CLAIMS"].endswith(".blob.core.windows.net/faasbridge-claims")

    def test_the_host_gives_up_after_the_last_attempt_and_ends_what_takes_too_long(
        self, function: FunctionSpec
    ) -> None:
        host = {
            name.removeprefix("AzureFunctionsJobHost__"): value
            for name, value in WHOLE.settings(function.name).items()
            if name.startswith("AzureFunctionsJobHost__")
        }
        assert int(host["extensions__queues__maxDequeueCount"]) >= function.max_attempts
        minutes, seconds = (int(part) for part in host["functionTimeout"].split(":")[1:])
        assert minutes * 60 + seconds >= function.timeout_s


def test_one_message_at_a_time_in_an_instance_unless_the_function_asks_for_more() -> None:
    batch, threshold = (
        f"AzureFunctionsJobHost__extensions__queues__{each}" for each in ("batchSize", "newBatchThreshold")
    )
    assert [WHOLE.settings("work")[each] for each in (batch, threshold)] == ["1", "0"]
    assert WHOLE.settings("load")[batch] == "8"


def test_attempts_and_time_are_those_of_the_handler() -> None:
    work = WHOLE.settings("work")
    assert work["AzureFunctionsJobHost__extensions__queues__maxDequeueCount"] == "3"
    assert work["AzureFunctionsJobHost__functionTimeout"] == "00:00:20"
    assert WHOLE.settings("changed")["AzureFunctionsJobHost__functionTimeout"] == "00:01:30"


def test_a_queue_is_the_inbox_of_its_handler_and_its_dead_letters_that_of_theirs() -> None:
    found = WHOLE.outputs["inboxes"]
    assert found["work"]["inbox"].endswith("/shop-dev-jobs")
    assert found["mourn"]["inbox"] == found["work"]["dead_letters"]
    assert found["mourn"]["dead_letters"] == f"{found['work']['inbox']}-poison-poison"
    assert [found[each]["attempts"] for each in ("work", "mourn")] == [3, 5]


@pytest.mark.parametrize("function", ["arrived", "gone", "read", "follow"])
def test_event_grid_writes_into_the_inbox_with_an_identity_and_keeps_what_it_cannot_deliver(function: str) -> None:
    properties = WHOLE.subscription(function)["properties"]
    way = properties["deliveryWithResourceIdentity"]
    target = way["destination"]
    assert target["endpointType"] == "StorageQueue"
    assert WHOLE.outputs["inboxes"][function]["inbox"].endswith(f"/{target['properties']['queueName']}")
    assert target["properties"]["queueMessageTimeToLiveInSeconds"] == -1
    assert target["properties"]["resourceId"] == WHOLE.one(STORAGE)["id"]
    assert properties["eventDeliverySchema"] == "CloudEventSchemaV1_0"
    identity = WHOLE.of_type("Microsoft.ManagedIdentity/userAssignedIdentities")["shop-dev--events"]
    assert way["identity"] == {"type": "UserAssigned", "userAssignedIdentity": identity["id"]}
    dead = properties["deadLetterWithResourceIdentity"]["deadLetterDestination"]["properties"]
    assert f"{STORAGE}/blobServices/containers/{WHOLE.account}/default/{dead['blobContainerName']}" in WHOLE.resources


def test_a_bucket_tells_of_what_its_handlers_asked_for() -> None:
    arrived, gone = WHOLE.subscription("arrived"), WHOLE.subscription("gone")
    topic = WHOLE.one("Microsoft.EventGrid/systemTopics")
    assert topic["properties"] == {"source": WHOLE.one(STORAGE)["id"], "topicType": "Microsoft.Storage.StorageAccounts"}
    assert {each["name"].partition("/")[0] for each in (arrived, gone)} == {topic["name"]}
    assert arrived["properties"]["filter"] == {
        "includedEventTypes": ["Microsoft.Storage.BlobCreated"],
        "isSubjectCaseSensitive": True,
        "subjectBeginsWith": "/blobServices/default/containers/shop-dev-files/blobs/in/",
        "subjectEndsWith": ".jpg",
    }
    assert gone["properties"]["filter"]["includedEventTypes"] == ["Microsoft.Storage.BlobDeleted"]
    assert "subjectEndsWith" not in gone["properties"]["filter"]


def test_a_prefix_that_names_cannot_hold_is_left_to_the_entry() -> None:
    app = App("shop")
    app.bucket("files").on_create(prefix="a/..", name="arrived")(handler)
    made = Evaluated(template(app))
    assert made.subscription("arrived")["properties"]["filter"]["subjectBeginsWith"].endswith("/blobs/a/.")


def test_a_topic_takes_cloud_events_from_identities_only() -> None:
    topic = WHOLE.of_type("Microsoft.EventGrid/topics")["shop-dev-news"]
    assert topic["properties"]["inputSchema"] == "CloudEventSchemaV1_0"
    assert topic["properties"]["disableLocalAuth"] is True
    assert topic["identity"]["type"] == "UserAssigned"
    assert WHOLE.subscription("read")["name"] == "shop-dev-news/shop-dev-read"


def test_the_storage_account_is_closed() -> None:
    properties = WHOLE.one(STORAGE)["properties"]
    assert properties["allowBlobPublicAccess"] is False
    assert properties["allowSharedKeyAccess"] is False
    assert properties["minimumTlsVersion"] == "TLS1_2"
    assert properties["supportsHttpsTrafficOnly"] is True
    assert all(
        each["properties"] == {"publicAccess": "None"}
        for each in WHOLE.of_type(f"{STORAGE}/blobServices/containers").values()
    )


def test_signed_urls_work_from_any_page() -> None:
    (rule,) = WHOLE.one(f"{STORAGE}/blobServices")["properties"]["cors"]["corsRules"]
    assert rule["allowedOrigins"] == ["*"]
    assert {"GET", "PUT"} <= set(rule["allowedMethods"])


def test_what_messages_claimed_goes_after_a_while() -> None:
    (rule,) = WHOLE.one(f"{STORAGE}/managementPolicies")["properties"]["policy"]["rules"]
    assert "faasbridge-claims/" in rule["definition"]["filters"]["prefixMatch"]
    assert rule["definition"]["actions"]["baseBlob"]["delete"] == {"daysAfterModificationGreaterThan": 30}


def test_a_table_is_a_container_as_the_driver_expects_it() -> None:
    account = WHOLE.one(COSMOS)
    assert account["properties"]["capabilities"] == [{"name": "EnableServerless"}]
    assert account["properties"]["consistencyPolicy"] == {"defaultConsistencyLevel": "Strong"}
    assert account["properties"]["disableLocalAuth"] is True
    containers = WHOLE.of_type(f"{COSMOS}/sqlDatabases/containers")
    (made,) = (each["properties"]["resource"] for name, each in containers.items() if "/rows-" in name)
    indexes = rows.Indexes({"by-day": ("day", "id")})
    assert made["partitionKey"]["paths"] == [rows.PARTITION_KEY]
    assert (made["defaultTtl"], made["indexingPolicy"]) == (rows.DEFAULT_TTL, rows.indexing(indexes))


def test_other_keys_make_another_table() -> None:
    def containers(**keys: Any) -> set[str]:
        app = App("shop")
        app.table("rows", **keys)
        return set(Evaluated(template(app)).of_type(f"{COSMOS}/sqlDatabases/containers"))

    made = [containers(key="id"), containers(key="name"), containers(key="id", sort_key="name")]
    assert len(set.union(*made)) == len(made)
    assert containers(key="id", indexes={"by-name": ("name", "id")}) == made[0]


def test_another_index_is_another_template() -> None:
    def policy(**indexes: tuple[str, str]) -> Any:
        app = App("shop")
        app.table("rows", key="id", indexes=indexes)
        return Evaluated(template(app)).one(f"{COSMOS}/sqlDatabases/containers")["properties"]["resource"]

    made = [
        policy(),
        policy(by=("name", "id")),
        policy(by=("name", "age")),
        policy(by=("name", "id"), of=("age", "id")),
    ]
    assert all(made.count(each) == 1 for each in made)
    assert policy(of=("age", "id"), by=("name", "id")) == made[3]


def test_a_table_with_handlers_of_its_changes_says_so_to_its_writers() -> None:
    rows_there, plain_there = (
        WHOLE.settings(of)[f"FAASBRIDGE_TABLE_{name}"] for of, name in (("work", "ROWS"), ("mourn", "PLAIN"))
    )
    assert re.search(r"/dbs/shop-dev-tables/colls/rows-[0-9a-f]{6}\?changes$", rows_there)
    assert re.search(r"/dbs/shop-dev-tables/colls/plain-[0-9a-f]{6}$", plain_there)
    assert WHOLE.outputs["addresses"]["FAASBRIDGE_TABLE_ROWS"] == WHOLE.settings("work")["FAASBRIDGE_TABLE_ROWS"]


def test_what_reads_a_tables_changes_runs_beside_the_handler() -> None:
    settings = WHOLE.settings("changed")
    account = WHOLE.one(COSMOS)["name"]
    assert settings["FAASBRIDGE_FEED__accountEndpoint"] == f"https://{account}.documents.azure.com:443/"
    assert settings["FAASBRIDGE_FEED__credential"] == "managedidentity"
    assert settings["FAASBRIDGE_FEED__clientId"] == settings["AZURE_CLIENT_ID"]
    watched = (
        f"/dbs/{settings['FAASBRIDGE_FEED_DATABASE']}/colls/{settings['FAASBRIDGE_FEED_CONTAINER_CHANGED']}?changes"
    )
    assert settings["FAASBRIDGE_TABLE_ROWS"].endswith(watched)
    leases = f"{account}/{settings['FAASBRIDGE_FEED_DATABASE']}/{settings['FAASBRIDGE_FEED_LEASES']}"
    lease = WHOLE.of_type(f"{COSMOS}/sqlDatabases/containers")[leases]["properties"]["resource"]
    assert lease["partitionKey"]["paths"] == ["/id"]
    assert settings["FAASBRIDGE_INBOX_URL_CHANGED"] == WHOLE.outputs["inboxes"]["changed"]["inbox"]


def test_a_schedule_wakes_its_forwarder_in_utc() -> None:
    settings = WHOLE.settings("nightly")
    assert settings["FAASBRIDGE_TIMER_NIGHTLY"] == "0 30 1,2 * * *"
    assert settings["FAASBRIDGE_INBOX_URL_NIGHTLY"] == WHOLE.outputs["inboxes"]["nightly"]["inbox"]


def test_a_secret_has_a_vault_and_no_value() -> None:
    vault = WHOLE.one("Microsoft.KeyVault/vaults")
    assert vault["properties"]["enableRbacAuthorization"] is True
    assert vault["properties"]["enableSoftDelete"] is True
    assert vault["properties"]["tenantId"] == TENANT
    assert WHOLE.settings("http")["FAASBRIDGE_SECRET_TOKEN"] == f"https://{vault['name']}.vault.azure.net/secrets/token"
    assert not any(each["type"].endswith("/secrets") for each in WHOLE.resources.values())


def test_a_function_is_a_plan_and_an_app_of_its_own() -> None:
    sites = [WHOLE.outputs["functions"][each.name] for each in FUNCTIONS]
    assert len(set(sites)) == len(sites) - 1  # follow and gone share one
    plans = {each["properties"]["serverFarmId"] for each in WHOLE.of_type(SITES).values()}
    assert len(plans) == len(WHOLE.of_type("Microsoft.Web/serverfarms")) == len(WHOLE.of_type(SITES))
    for plan in WHOLE.of_type("Microsoft.Web/serverfarms").values():
        assert plan["sku"] == {"name": "FC1", "tier": "FlexConsumption"}


def test_a_function_app_is_what_its_spec_says() -> None:
    site = WHOLE.site("work")
    config = site["properties"]["functionAppConfig"]
    assert config["runtime"] == {"name": "python", "version": "3.13"}
    assert config["scaleAndConcurrency"] == {"instanceMemoryMB": 512, "maximumInstanceCount": 100}
    storage = config["deployment"]["storage"]
    assert storage["value"] == f"https://{WHOLE.account}.blob.core.windows.net/faasbridge-code-work"
    (identity,) = site["identity"]["userAssignedIdentities"]
    assert storage["authentication"] == {"type": "UserAssignedIdentity", "userAssignedIdentityResourceId": identity}
    assert site["properties"]["httpsOnly"] is True
    assert {name for name in WHOLE.settings("work") if not name.startswith("Azure")} == {
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
        "APPLICATIONINSIGHTS_CONNECTION_STRING",
        "AZURE_CLIENT_ID",
        "FAASBRIDGE_BUCKET_FILES",
        "FAASBRIDGE_CLAIMS",
        "FAASBRIDGE_DEAD_LETTERS_WORK",
        "FAASBRIDGE_FUNCTION",
        "FAASBRIDGE_INBOX_WORK",
        "FAASBRIDGE_STAGE",
        "FAASBRIDGE_TABLE_ROWS",
    }


@pytest.mark.parametrize(("function", "expected"), [("work", 512), ("read", 2048), ("nightly", 4096)])
def test_an_instance_has_at_least_the_memory_that_was_asked_for(function: str, expected: int) -> None:
    scale = WHOLE.site(function)["properties"]["functionAppConfig"]["scaleAndConcurrency"]
    assert scale["instanceMemoryMB"] == expected


def test_options_of_a_function_app() -> None:
    scale = WHOLE.site("http")["properties"]["functionAppConfig"]["scaleAndConcurrency"]
    assert scale["alwaysReady"] == [{"name": "http", "instanceCount": 1}]
    assert scale["triggers"] == {"http": {"perInstanceConcurrency": 20}}
    app = App("shop")
    app.queue("jobs").on_message(name="work", azure={"always_ready": 2, "subnet_id": "/subscriptions/0/subnets/a"})(
        handler
    )
    site = Evaluated(template(app)).site("work")["properties"]
    assert site["virtualNetworkSubnetId"] == "/subscriptions/0/subnets/a"
    assert site["functionAppConfig"]["scaleAndConcurrency"]["alwaysReady"] == [
        {"name": "function:work", "instanceCount": 2}
    ]


def test_nobody_publishes_with_a_password() -> None:
    policies = WHOLE.of_type(f"{SITES}/basicPublishingCredentialsPolicies")
    assert len(policies) == 2 * len(WHOLE.of_type(SITES))
    assert all(each["properties"] == {"allow": False} for each in policies.values())


def test_hosts_that_share_a_storage_account_have_ids_of_their_own() -> None:
    ids = [WHOLE.settings(each.name)["AzureFunctionsWebHost__hostid"] for each in FUNCTIONS]
    assert len(set(ids)) == len(WHOLE.of_type(SITES))
    assert all(len(each) <= 32 for each in ids)


def test_logs_are_written_with_identities() -> None:
    component = WHOLE.one("Microsoft.Insights/components")["properties"]
    assert component["DisableLocalAuth"] is True
    assert component["WorkspaceResourceId"] == WHOLE.one("Microsoft.OperationalInsights/workspaces")["id"]
    settings = WHOLE.settings("work")
    assert (
        settings["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"]
        == f"ClientId={settings['AZURE_CLIENT_ID']};Authorization=AAD"
    )


def test_functions_may_share_an_app() -> None:
    assert WHOLE.outputs["functions"]["follow"] == WHOLE.outputs["functions"]["gone"]
    settings = WHOLE.settings("follow")
    assert settings["FAASBRIDGE_FUNCTION"] == "follow,gone"
    assert settings["AzureFunctionsJobHost__functionTimeout"] == "00:00:10"
    assert settings["AzureFunctionsJobHost__extensions__queues__maxDequeueCount"] == "5"
    assert {"FAASBRIDGE_INBOX_FOLLOW", "FAASBRIDGE_INBOX_GONE"} <= set(settings)


def test_an_endpoint_is_the_host_of_the_apis_function_app() -> None:
    assert WHOLE.outputs["endpoints"] == {
        name: f"https://{WHOLE.outputs['functions'][name]}.azurewebsites.net" for name in ("http", "admin")
    }


def test_outputs_say_where_everything_is() -> None:
    declared = {(each.kind, each.name) for each in whole_app().spec().resources}
    assert {tuple(each) for each in WHOLE.outputs["names"].values()} == declared
    assert set(WHOLE.outputs["addresses"]) == set(WHOLE.outputs["names"])
    assert WHOLE.outputs["places"] == {
        "claims": WHOLE.settings("work")["FAASBRIDGE_CLAIMS"],
        "workspace": "customer of shop-dev-logs",
    }


def test_the_environment_of_the_stage_is_the_functions_too_and_no_expression() -> None:
    made = Evaluated(template(whole_app(), stage(env={"PAGE_SIZE": "50", "LIST": "[1, 2]", "OPEN": "[x"})))
    settings = made.settings("work")
    assert (settings["PAGE_SIZE"], settings["LIST"], settings["OPEN"]) == ("50", "[1, 2]", "[x")


@pytest.mark.parametrize(
    "name", ["FUNCTIONS_WORKER_RUNTIME", "WEBSITE_X", "AzureWebJobsStorage", "FAASBRIDGE_STAGE", "1A"]
)
def test_variables_that_are_the_platforms_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="takes no variable"):
        template(whole_app(), stage(env={name: "x"}))


def test_settings_of_a_stage_ask_more_of_accounts() -> None:
    wishes = {
        "storage": {"redundancy": "Standard_ZRS", "versioning": True},
        "vault": {"retention_days": 90, "purge_protection": True},
        "logs": {"retention_days": 90},
    }
    made = Evaluated(template(whole_app(), stage(settings=wishes)), stage(settings=wishes))
    assert made.one(STORAGE)["sku"] == {"name": "Standard_ZRS"}
    assert made.one(f"{STORAGE}/blobServices")["properties"]["isVersioningEnabled"] is True
    assert made.one("Microsoft.KeyVault/vaults")["properties"]["enablePurgeProtection"] is True
    assert made.one("Microsoft.OperationalInsights/workspaces")["properties"]["retentionInDays"] == 90


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_instances": 0}, "max_instances lies between 1 and 1,000, not 0"),
        ({"max_instances": 1001}, "max_instances lies between 1 and 1,000, not 1001"),
        ({"always_ready": -1}, "always_ready lies between 0 and 1,000, not -1"),
        ({"always_ready": "two"}, "always_ready lies between 0 and 1,000, not 'two'"),
        ({"concurrency": 33}, "concurrency lies between 1 and 32, not 33"),
        ({"concurrency": True}, "concurrency lies between 1 and 32, not True"),
        ({"instance_memory_mb": "512"}, "instances of Azure have 512, 2,048 or 4,096 MB, not '512'"),
    ],
)
def test_an_option_that_azure_does_not_take_is_told_with_its_place(options: dict[str, Any], said: str) -> None:
    app = App("shop")
    app.queue("more").on_message(name="other", azure={"app": "same", "concurrency": 2, "instance_memory_mb": 512})(
        handler
    )
    app.queue("jobs").on_message(name="work", azure={"app": "same", **options})(handler)
    with pytest.raises(ConfigError, match=rf"test_template\.py:\d+: {said}$"):
        template(app)


@pytest.mark.parametrize(
    ("table", "days", "low", "high"),
    [("vault", 6, 7, 90), ("vault", 91, 7, 90), ("logs", 29, 30, 730), ("logs", "x", 30, 730)],
)
def test_a_time_to_keep_things_that_azure_does_not_take_is_refused(table: str, days: Any, low: int, high: int) -> None:
    with pytest.raises(
        ConfigError, match=rf"azure\.{table}\]: retention_days lies between {low} and {high}, not {days!r}"
    ):
        template(whole_app(), stage(settings={table: {"retention_days": days}}))


def test_only_what_an_app_needs_is_made() -> None:
    app = App("tiny")

    @app.get("/")
    def home(request: Any) -> None: ...

    made = Evaluated(template(app), stage("tiny"))
    types = {each["type"].partition("/")[0] for each in made.resources.values()}
    assert not types & {"Microsoft.DocumentDB", "Microsoft.EventGrid", "Microsoft.KeyVault"}
    assert not made.of_type(f"{STORAGE}/queueServices/queues")


def test_resources_that_exist_are_not_made() -> None:
    app = App("shop")
    jobs, news, files, rows_ = (
        app.queue("jobs", existing=True),
        app.topic("news", existing=True),
        app.bucket("files", existing=True),
        app.table("rows", key="id", existing=True),
    )

    @app.get("/", uses=[jobs.send, files.get, rows_.put])
    def home(request: Any) -> None: ...

    news.on_message(name="read")(handler)
    files.on_create(name="arrived")(handler)
    with pytest.raises(ConfigError, match=r"stages\.dev\.azure\.existing"):
        template(app)
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/shop-dev"
    there = {
        "jobs": "oldaccount/old-jobs",
        "news": f"{group}/providers/Microsoft.EventGrid/topics/old-news",
        "files": "oldaccount/old-files",
        "rows": "old-cosmos/db/old-rows",
    }
    with pytest.raises(ConfigError, match="ACCOUNT/QUEUE in the stage's resource group"):
        template(app, stage(settings={"existing": {**there, "jobs": "old-jobs"}}))
    at = stage(settings={"existing": {**there, "news": "old-news"}})
    made = Evaluated(template(app, at), at)
    assert made.settings("http")["FAASBRIDGE_QUEUE_JOBS"] == "https://oldaccount.queue.core.windows.net/old-jobs"
    assert made.settings("http")["FAASBRIDGE_BUCKET_FILES"] == "https://oldaccount.blob.core.windows.net/old-files"
    assert made.settings("http")["FAASBRIDGE_TABLE_ROWS"].endswith(".azure.com:443/dbs/db/colls/old-rows")
    assert (
        made.one("Microsoft.EventGrid/systemTopics")["properties"]["source"]
        == f"{group}/providers/{STORAGE}/oldaccount"
    )
    read = made.subscription("read")
    assert read["name"] == "old-news/shop-dev-read"
    assert read["properties"]["deliveryWithResourceIdentity"]["identity"] == {"type": "SystemAssigned"}
    assert not made.of_type(COSMOS)
    assert not made.of_type("Microsoft.EventGrid/topics")


OTHER = "/subscriptions/99998888-7777-4666-8555-444433332222/resourceGroups/other"


def app_with_things_elsewhere() -> tuple[App, Stage]:
    app = App("shop")
    files, rows_, news = (
        app.bucket("files", existing=True),
        app.table("rows", key="id", existing=True),
        app.topic("news", existing=True),
    )

    @app.get("/", uses=[files.get, rows_.put, news.publish])
    def home(request: Any) -> None: ...

    news.on_message(name="read")(handler)
    there = {
        "files": f"{OTHER}/providers/{STORAGE}/old/blobServices/default/containers/files",
        "rows": f"{OTHER}/providers/{COSMOS}/old-cosmos/sqlDatabases/db/containers/rows",
        "news": f"{OTHER}/providers/Microsoft.EventGrid/topics/old-news",
    }
    return app, stage(settings={"existing": there})


def test_rights_to_what_exists_elsewhere_are_given_there() -> None:
    made = template(*app_with_things_elsewhere())
    nested = {each["name"]: each for each in made["resources"] if each["type"] == "Microsoft.Resources/deployments"}
    role, read = sorted(nested)
    assert (re.sub("[0-9a-f]{6}$", "", role), read) == ("shop-dev-http-other-", "shop-dev-read-subscription")
    for each in nested.values():
        assert (each["subscriptionId"], each["resourceGroup"]) == tuple(OTHER.split("/")[2::2])
    inner = nested[role]["properties"]["template"]["resources"]
    assert {each["scope"] for each in inner if "scope" in each} == {
        f"['{OTHER}/providers/{STORAGE}/old/blobServices/default/containers/files']",
        f"['{OTHER}/providers/Microsoft.EventGrid/topics/old-news']",
    }
    definition, assignment = (
        each for kind in ("Definitions", "Assignments") for each in inner if each["type"] == f"{COSMOS}/sqlRole{kind}"
    )
    assert assignment["properties"]["roleDefinitionId"].startswith(f"['{OTHER}/providers/{COSMOS}/old-cosmos/")
    assert assignment["dependsOn"] == [assignment["properties"]["roleDefinitionId"]]
    assert definition["properties"]["assignableScopes"] == [f"['{OTHER}/providers/{COSMOS}/old-cosmos']"]
    identity = "[resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', 'shop-dev-http')]"
    assert nested[role]["dependsOn"] == [identity]
    (subscription,) = nested[read]["properties"]["template"]["resources"]
    assert subscription["name"] == "old-news/shop-dev-read"
    assert lint.findings(made) == []
    owners = made["metadata"]["faasbridge"]["owners"]
    assert {tuple(owners[f"{each['type']}/{each['name']}"]) for each in inner} == {("api", "http", "")}
    assert owners["Microsoft.EventGrid/topics/eventSubscriptions/old-news/shop-dev-read"] == ["function", "read", ""]


def test_groups_of_one_name_in_two_subscriptions_are_two() -> None:
    app = App("shop")
    one, two = app.bucket("one", existing=True), app.bucket("two", existing=True)
    app.get("/", uses=[one.get, two.get])(handler)
    groups = OTHER, OTHER.replace("9999", "0000")
    there = {
        name: f"{group}/providers/{STORAGE}/old{name}/blobServices/default/containers/files"
        for name, group in zip(("one", "two"), groups, strict=True)
    }
    made = template(app, stage(settings={"existing": there}))
    nested = [each for each in made["resources"] if each["type"] == "Microsoft.Resources/deployments"]
    assert {each["subscriptionId"] for each in nested} == {group.split("/")[2] for group in groups}
    for each in nested:
        (assignment,) = each["properties"]["template"]["resources"]
        assert assignment["scope"].startswith(f"['/subscriptions/{each['subscriptionId']}/")


def test_what_exists_elsewhere_is_bound_by_its_resource_id() -> None:
    addresses = template(*app_with_things_elsewhere())["outputs"]["addresses"]["value"]
    assert f"{OTHER}/providers/Microsoft.EventGrid/topics/old-news" in addresses["FAASBRIDGE_TOPIC_NEWS"]
    assert f"{OTHER}/providers/{STORAGE}/old'" in addresses["FAASBRIDGE_BUCKET_FILES"]


def test_events_of_an_account_in_another_subscription_are_refused() -> None:
    app = App("shop")
    app.bucket("files", existing=True).on_create(name="seen")(handler)
    there = {"files": f"{OTHER}/providers/{STORAGE}/old/blobServices/default/containers/files"}
    with pytest.raises(ConfigError, match="bucket 'files' is in another subscription"):
        template(app, stage(settings={"existing": there, "subscription": SUBSCRIPTION}))
    in_its_own = stage(settings={"existing": there, "subscription": OTHER.split("/")[2]})
    (topic,) = (each for each in template(app, in_its_own)["resources"] if each["type"].endswith("/systemTopics"))
    assert OTHER in topic["properties"]["source"]


@pytest.mark.parametrize("kind", ["queue", "table"])
def test_handlers_of_what_is_outside_of_the_apps_own_accounts_are_refused(kind: str) -> None:
    app = App("shop")
    if kind == "queue":
        app.queue("jobs", existing=True).on_message(name="work")(handler)
    else:
        app.table("jobs", key="id", existing=True).on_change(name="work")(handler)
    with pytest.raises(ConfigError, match="own"):
        template(app, stage(settings={"existing": {"jobs": "a/b/c" if kind == "table" else "a/b"}}))


class Cache(Resource):
    kind = "acme.cache"
    operations: ClassVar[Mapping[str, str]] = {"look": "look"}

    def look(self) -> None: ...

    def on_eviction(self, fn: Any) -> Any:
        return self._declare("eviction", fn, {})


REDIS = "Microsoft.Cache/redis"


@dataclass(frozen=True)
class CacheKit:
    kind: str = "acme.cache"
    driver: str = "acme.drivers:CacheDriver"

    def synthesize(self, resource: ResourceSpec, stage: Stage) -> Mapping[str, Any]:
        return {"resources": [{"type": REDIS, "apiVersion": "2024-11-01", "name": "cache"}]}

    def grant(self, resource: ResourceSpec, rights: frozenset[str], stage: Stage) -> Mapping[str, Any]:
        return {"grants": [{"type": REDIS, "name": "cache", "role": "e0f68234-74aa-48ed-b826-c38b57376e17"}]}

    def subscribe(self, resource: ResourceSpec, function: FunctionSpec, stage: Stage) -> Mapping[str, Any]:
        return {"settings": {"ACME_INBOX": function.name}}

    def address(self, resource: ResourceSpec, stage: Stage) -> str:
        return "https://cache.example"


def test_a_third_partys_kind_is_made_granted_and_subscribed_like_any_other() -> None:
    app = App("shop")
    sessions = app.add(Cache("sessions"))
    sessions.on_eviction(handler_named("evicted"))

    @app.get("/", uses=[sessions.look])
    def home(request: Any) -> None: ...

    made = template(app, kits={**KIT_OF, "acme.cache": CacheKit()})
    assert made["metadata"]["faasbridge"]["owners"][f"{REDIS}/cache"] == ["acme.cache", "sessions", ""]
    settings = {
        site["name"]: {each["name"]: each["value"] for each in site["properties"]["siteConfig"]["appSettings"]}
        for site in made["resources"]
        if site["type"] == SITES
    }
    http, evicted = (settings[made["outputs"]["functions"]["value"][each]] for each in ("http", "evicted"))
    assert http["FAASBRIDGE_ACME_CACHE_SESSIONS"] == "https://cache.example"
    assert http["FAASBRIDGE_DRIVERS"] == '{"acme.cache":"acme.drivers:CacheDriver"}'
    assert evicted["ACME_INBOX"] == "evicted"
    (granted,) = (each for each in made["resources"] if each.get("scope", "").startswith(f"[resourceId('{REDIS}'"))
    assert "e0f68234" in granted["properties"]["roleDefinitionId"]


def test_a_kind_without_a_kit_is_named() -> None:
    app = App("shop")
    app.add(Cache("sessions"))
    with pytest.raises(ConfigError, match=r"nothing makes the kind 'acme\.cache'"):
        template(app)


def test_what_azure_cannot_make_is_found_by_the_checks() -> None:
    app = App("shop")
    app.queue("jobs").on_message(name="work", memory_mb=8192)(handler)
    found = checks(app, stage())
    assert [(each.code, each.severity) for each in found] == [("azure.template", "error")]
    assert "4,096 MB at most" in found[0].message
    assert not checks(app, replace(stage(), provider="local"))


@pytest.mark.parametrize(
    ("prefix", "path"),
    [("/admin", "/admin/me"), ("/Administration", "/Administration/x"), ("", "/runtime/x"), ("", "/admin")],
)
def test_paths_of_the_functions_host_are_refused(prefix: str, path: str) -> None:
    app = App("shop")
    app.api("office", prefix=prefix).get(path)(handler_of_requests)
    with pytest.raises(ConfigError, match=r"test_template\.py:\d+: .* belongs to the functions host on Azure"):
        template(app)


def test_other_paths_are_not() -> None:
    app = App("shop")
    app.api("office", prefix="/staff").get("/staff/admin")(handler_of_requests)
    app.get("/administrators")(handler_of_requests)
    assert set(Evaluated(template(app)).outputs["endpoints"]) == {"office", "http"}


def handler_of_requests(request: Any) -> None: ...


def test_what_functions_share_is_said_by_the_checks() -> None:
    (found,) = checks(whole_app(), stage())
    assert (found.code, found.severity) == ("azure.shared-app", "warning")
    assert "follow and gone share the function app 'small'" in found.message
    assert "10 s and 5 attempts" in found.message


def test_a_shared_app_is_not_called_after_a_function() -> None:
    app = App("shop")
    app.queue("jobs").on_message(name="work")(handler)
    app.queue("more").on_message(name="other", azure={"app": "work"})(handler)
    with pytest.raises(ConfigError, match="give what functions share another one"):
        template(app)


@pytest.mark.parametrize(("name", "fits"), [("sweep__timer", False), ("sweep__feed", True)])
def test_no_function_has_the_name_of_a_forwarder_in_its_function_app(name: str, fits: bool) -> None:
    app = App("shop")
    app.schedule("0 3 * * *", name="sweep", azure={"app": "small"})(handler)
    app.queue("jobs").on_message(name=name, azure={"app": "small"})(handler)
    if fits:
        template(app)
        return
    with pytest.raises(ConfigError, match="give one of them another name="):
        template(app)


def checks(app: App, at: Stage) -> list[Any]:
    found = manager().hook.faasbridge_checks(spec=app.spec(), stage=at)
    return [each for more in found for each in more]
