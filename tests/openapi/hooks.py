"""What Schemathesis needs to know of the API beyond its OpenAPI document: rules that depend on what is stored, or for which OpenAPI has no words.

Requests that are meant to break the document are left as they are, or, where they would not break it on their way, left out.
"""

import os
from urllib.parse import urlencode

import schemathesis
from schemathesis.core.parameters import ParameterLocation

# Filters of lists that take any text, one or many.
TEXTS = ["_id", "name", "email", "integration_meta.external_id"]

# Of the 10,240 bytes of a request line and its headers.
MAXIMUM_QUERY_BYTES = 9_000

# Every cursor that the change feed has given out.
cursors = set()


def operation_id(operation):
    return operation.definition.raw.get("operationId")


def is_meant_to_be_right(case):
    return case.meta is not None and case.meta.generation.mode.is_positive


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Under strict handling the API takes no member that the document does not name, and no parameter with an empty value."""
    if os.environ["CONTACTS_HANDLING"] != "strict":
        return
    schemas = raw_schema["components"]["schemas"]
    for name in ["BatchInput", "BatchCreate", "BatchUpdate", "BatchUpsert", "BatchDelete"]:
        schemas[name]["additionalProperties"] = False
    for name in ["ContactCreate", "ContactChange"]:
        # The rules for `integration_meta.<key>`, beside which nothing else has a place.
        [rules] = schemas[name].pop("allOf")
        schemas[name] |= rules | {"additionalProperties": False}
    # Whatever else a user has, that is text, is kept.
    schemas["UserInput"]["additionalProperties"] = {"type": ["string", "null"]}
    for item in raw_schema["paths"].values():
        for operation in item.values():
            for parameter in operation["parameters"]:
                if parameter.pop("allowEmptyValue", False):
                    value = parameter.get("schema", {})
                    value = value.get("items", value)
                    if value.get("type") == "string":
                        value["minLength"] = 1


@schemathesis.hook
def filter_query(context, query):
    query = query or {}
    # A value of another type is a text on its way, and one value a list of one: nothing about it is wrong.
    is_list = operation_id(context.operation) == "listClientContacts"
    is_sent_as_it_is = not is_list or all(isinstance(query.get(name, []), list) for name in TEXTS)
    # The gateway itself refuses what is longer than it takes.
    return is_sent_as_it_is and len(urlencode(query, doseq=True, errors="replace")) < MAXIMUM_QUERY_BYTES


@schemathesis.hook
def before_call(context, case, kwargs):
    if not is_meant_to_be_right(case):
        return
    operation = operation_id(case.operation)
    if operation == "listClientContactChanges":
        only_one_beginning(case.query)
    if operation == "upsertClientContact":
        without_another_external_id(case.body)
    quote_version(case.headers)


def only_one_beginning(query):
    # Nobody can make up a cursor; and of `cursor` and `from_updatedAt` only one can be sent.
    if query and query.get("cursor") not in cursors:
        query.pop("cursor", None)
    if query and "cursor" in query:
        query.pop("from_updatedAt", None)


def without_another_external_id(body):
    # The parameter names the external id; the body may not say something else. A contact that does not exist yet needs a name.
    if isinstance(body, dict):
        body.pop("integration_meta.external_id", None)
        if isinstance(body.get("integration_meta"), dict):
            body["integration_meta"].pop("external_id", None)
        body.setdefault("name", "John Smith")


def quote_version(headers):
    # Schemathesis reads the value of a link, the ETag "0" in quotes, as JSON.
    version = (headers or {}).get("If-Match")
    if version is not None and str(version).isdigit():
        headers["If-Match"] = f'"{version}"'


@schemathesis.hook
def after_call(context, case, response):
    if operation_id(case.operation) == "listClientContactChanges" and response.status_code == 200:
        cursors.add(response.json()["cursor"])


@schemathesis.check
def malformed_operations_are_refused(ctx, response, case):
    """A batch that breaks the document answers 200 only with a result that says so."""
    is_batch = operation_id(case.operation) == "batchClientContacts"
    body = case.meta.components.get(ParameterLocation.BODY) if case.meta is not None else None
    if is_batch and response.status_code == 200 and body is not None and body.mode.is_negative:
        # 404 and 422 come before anything else about an operation: its contact is not there, or its Idempotency-Key had another request.
        statuses = {result["status"] for result in response.json()["data"]}
        assert statuses & {400, 404, 422}, f"no operation was refused: {statuses}"
