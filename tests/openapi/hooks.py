"""What Schemathesis needs to know of the API beyond its OpenAPI document: rules that depend on what is stored, or for which OpenAPI has no words.

Requests that are meant to break the document are left as they are.
"""

import schemathesis
from schemathesis.core.parameters import ParameterLocation

# Every cursor that the change feed has given out.
cursors = set()


def is_meant_to_be_right(case):
    return case.meta is not None and case.meta.generation.mode.is_positive


@schemathesis.hook
def before_call(context, case, kwargs):
    if not is_meant_to_be_right(case):
        return
    operation = case.operation.definition.raw.get("operationId")
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
    if case.operation.definition.raw.get("operationId") == "listClientContactChanges" and response.status_code == 200:
        cursors.add(response.json()["cursor"])


@schemathesis.check
def malformed_operations_are_refused(ctx, response, case):
    """A batch that breaks the document answers 200 only with a result that says so."""
    is_batch = case.operation.definition.raw.get("operationId") == "batchClientContacts"
    body = case.meta.components.get(ParameterLocation.BODY) if case.meta is not None else None
    if is_batch and response.status_code == 200 and body is not None and body.mode.is_negative:
        # 404 and 422 come before anything else about an operation: its contact is not there, or its Idempotency-Key had another request.
        statuses = {result["status"] for result in response.json()["data"]}
        assert statuses & {400, 404, 422}, f"no operation was refused: {statuses}"
