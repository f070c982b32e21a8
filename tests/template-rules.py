#!/usr/bin/env python3
"""What template.yaml must keep and no linter knows: run by tests/check-template, with the packages of the SAM CLI.

Each rule prints what is wrong and where. The template is expanded as CloudFormation does it, with the translator of AWS SAM."""

import copy
import json
import logging
import re
import sys
from pathlib import Path

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

logging.disable(logging.CRITICAL)
ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = yaml_parse((ROOT / "template.yaml").read_text())
RESOURCES = TEMPLATE["Resources"]
FUNCTIONS = {name: resource for name, resource in RESOURCES.items() if resource["Type"] == "AWS::Serverless::Function"}
ALARMS = {name: resource["Properties"] for name, resource in RESOURCES.items() if resource["Type"] == "AWS::CloudWatch::Alarm"}
problems = []


def wrong(sentence):
    problems.append(sentence)


def expanded(**parameters):
    """The template as CloudFormation runs it, with these parameters."""

    class NoPolicies:
        def load(self):
            return {}

    template = copy.deepcopy(TEMPLATE)
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = f"s3://bucket/{name}"
    values = {name: parameter.get("Default", "") for name, parameter in TEMPLATE["Parameters"].items()}
    return transform(template, {**values, "AWS::Region": "us-east-1", **parameters}, NoPolicies())


def parameters_in(node):
    """The names of the parameters that a value depends on, through conditions too."""
    if isinstance(node, list):
        return set().union(*map(parameters_in, node)) if node else set()
    if isinstance(node, str):
        return {name for name in re.findall(r"\$\{(\w+)\}", node) if name in TEMPLATE["Parameters"]}
    if not isinstance(node, dict):
        return set()
    found = set()
    for key, value in node.items():
        if key == "Ref":
            found |= {value} & set(TEMPLATE["Parameters"])
        elif key == "Condition" and isinstance(value, str):
            found |= parameters_in(TEMPLATE["Conditions"][value])
        elif key == "Fn::If":
            found |= parameters_in(TEMPLATE["Conditions"][value[0]]) | parameters_in(value[1:])
        else:
            found |= parameters_in(value)
    return found


def metrics_of(alarm):
    """The metrics that an alarm watches: namespace, name, and the resources in its dimensions."""
    stats = [entry["MetricStat"]["Metric"] for entry in alarm.get("Metrics", []) if "MetricStat" in entry] or [alarm]
    for metric in stats:
        dimensions = {dimension["Name"]: dimension["Value"] for dimension in metric.get("Dimensions", [])}
        yield metric.get("Namespace"), metric["MetricName"], dimensions


def a_new_configuration_is_published():
    """SAM publishes a version when code or literals change, and not when a parameter does. The version's description must."""
    globals_ = TEMPLATE["Globals"]["Function"]
    for name, function in FUNCTIONS.items():
        properties = function["Properties"]
        configuration = [
            globals_["Environment"], globals_["KmsKeyArn"], globals_["Architectures"],
            properties.get("Environment", {}), properties.get("MemorySize"), properties.get("Timeout"),
        ]
        needed, described = parameters_in(configuration), parameters_in(properties.get("VersionDescription"))
        if needed != described:
            wrong(f"{name}: VersionDescription depends on {sorted(described)}, and the function's configuration on {sorted(needed)}")
        if not properties.get("AutoPublishAliasAllProperties"):
            wrong(f"{name}: it lacks AutoPublishAliasAllProperties")


def calls_go_to_the_alias():
    for rollout, gradual in [("AllAtOnce", False), ("Canary10Percent5Minutes", True)]:
        resources = expanded(Rollout=rollout)["Resources"]
        for name in FUNCTIONS:
            alias = resources[f"{name}Aliaslive"]
            if ("UpdatePolicy" in alias) != gradual:
                wrong(f"{name}: with Rollout={rollout} its alias changes {'gradually' if not gradual else 'at once'}")
        called = re.findall(r"\$\{(\w+)\}/invocations", json.dumps(resources["ClientContactApi"]["Properties"]["Body"]))
        past = [name for name in called if not name.endswith("Aliaslive")]
        if past or not called:
            wrong(f"with Rollout={rollout} the API calls {past or 'nothing'}, and not the aliases")


def every_function_is_watched_and_has_its_limit():
    snapshots = {"SnapshotClientContactsFunction"}
    watched = {}
    for alarm in ALARMS.values():
        for namespace, metric, dimensions in metrics_of(alarm):
            if namespace == "AWS/Lambda":
                watched.setdefault(metric, set()).add(dimensions["FunctionName"]["Ref"])
    for metric in ["Errors", "Throttles", "Duration"]:
        for name in set(FUNCTIONS) - watched.get(metric, set()):
            wrong(f"{name}: no alarm watches its {metric}")
    for name, function in FUNCTIONS.items():
        properties = function["Properties"]
        if not any(parameter.endswith("Concurrency") for parameter in parameters_in(properties.get("ReservedConcurrentExecutions"))):
            wrong(f"{name}: no parameter of its own says how many concurrent executions are reserved for it")
        group = properties.get("LoggingConfig", {}).get("LogGroup", {}).get("Ref")
        if "RetentionInDays" not in RESOURCES.get(group, {}).get("Properties", {}):
            wrong(f"{name}: it has no log group with a retention")
        if f"${{{group}}}" not in json.dumps(RESOURCES["Dashboard"]):
            wrong(f"{name}: the dashboard's queries do not search its log group")
        limit = 1000 * properties.get("Timeout", TEMPLATE["Globals"]["Function"]["Timeout"])
        for alarm_name, alarm in ALARMS.items():
            own = [m for m in metrics_of(alarm) if m[1] == "Duration" and m[2]["FunctionName"]["Ref"] == name]
            if own and name not in snapshots and alarm["Threshold"] != 0.8 * limit:
                wrong(f"{alarm_name}: its threshold is not 80 % of the time-out of {name}, which is {limit} ms")


def alarms_and_dashboard_name_metrics_that_the_functions_write():
    sources = [(ROOT / "shared/src" / name).read_text().split("#[cfg(test)]")[0] for name in ["metrics.rs", "meter.rs"]]
    written = set(re.findall(r'"(\w+)"', "".join(sources)))
    body = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    used = {metric: "the dashboard" for metric in re.findall(r'MetricName=\\"(\w+)\\"', body)}
    dimensions = set(re.findall(r'\{\\"\$\{AWS::StackName\}\\",(\w+)\}', body))
    for name, alarm in ALARMS.items():
        for namespace, metric, found in metrics_of(alarm):
            if namespace == {"Ref": "AWS::StackName"}:
                used[metric] = name
                dimensions |= set(found)
    if len(used) < 5 or not dimensions:
        wrong("the metrics of the functions were not found in alarms and dashboard")
    for metric, place in used.items():
        if metric not in written:
            wrong(f"{place} names the metric {metric}, which no function writes")
    for dimension in dimensions - written:
        wrong(f"the dashboard names the dimension {dimension}, which no function writes")


def the_dashboard_is_json_with_resources_that_exist():
    body = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    for name in re.findall(r"\$\{(\w+)", body):
        if name not in RESOURCES and name != "AWS":
            wrong(f"the dashboard refers to {name}, which is not a resource")
    for name in ALARMS:
        if f"${{{name}.Arn}}" not in body:
            wrong(f"{name}: it is not on the dashboard")
    try:
        json.loads(re.sub(r"\$\{[^}]+\}", "x", body))
    except ValueError as error:
        wrong(f"the dashboard's body is not JSON: {error}")


def browsers_see_every_header_that_the_reference_names():
    cors = RESOURCES["ClientContactApi"]["Properties"]["CorsConfiguration"]["Fn::If"][1]
    reference = (ROOT / "docs/api.md").read_text()
    exposed = {name.lower() for name in cors["ExposeHeaders"]}
    named = set(re.findall(r"`(X-[A-Za-z-]+|ETag|Location|Link|Retry-After|Server-Timing|WWW-Authenticate|Idempotency-Replayed|Preference-Applied)\b", reference))
    for name in sorted(named):
        if name.lower() not in exposed:
            wrong(f"docs/api.md has the header {name}, which web pages cannot read: add it to ExposeHeaders")
    api = expanded(CorsOrigins="https://app.example.com")["Resources"]["ClientContactApi"]["Properties"]["Body"]
    if "exposeHeaders" not in json.dumps(api.get("x-amazon-apigateway-cors", {})):
        wrong("the expanded API has no CORS configuration")


def the_cost_model_knows_how_many_metrics_the_alarms_watch():
    count = sum(len(list(metrics_of(alarm))) for alarm in ALARMS.values())
    if f"ALARM_METRICS = {count}\n" not in (ROOT / "docs/examples/cost.py").read_text():
        wrong(f"docs/examples/cost.py has another ALARM_METRICS than {count}")


RULES = [
    a_new_configuration_is_published,
    calls_go_to_the_alias,
    every_function_is_watched_and_has_its_limit,
    alarms_and_dashboard_name_metrics_that_the_functions_write,
    the_dashboard_is_json_with_resources_that_exist,
    browsers_see_every_header_that_the_reference_names,
    the_cost_model_knows_how_many_metrics_the_alarms_watch,
]
for rule in RULES:
    rule()
for problem in problems:
    print(problem)
print(f"{len(RULES)} rules, {len(FUNCTIONS)} functions, {len(ALARMS)} alarms, {len(problems)} problems.")
sys.exit(bool(problems))
