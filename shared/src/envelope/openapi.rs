//! What the OpenAPI document says of answers. Statuses, codes and examples of errors come from the code that answers with them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::link::LinkBuilder;
use utoipa::openapi::schema::{AdditionalProperties, AllOfBuilder, AnyOfBuilder, ObjectBuilder};
use utoipa::openapi::{ContentBuilder, RefOr, Response, ResponseBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::{Failure, failure_of};
use crate::contact::openapi::{all_succeeded, example, success};
use crate::error::Error;
use crate::openapi::{Answers, JSON, answer, array, body, boolean, link_to_contact, named, object, text};

/// The envelope around one contact.
pub struct ContactAnswer;

/// The envelope around a page of a list.
pub struct ContactList;

/// The envelope around changes.
pub struct ChangeFeed;

/// The envelope around the results of a batch.
pub struct BatchAnswer;

/// The result of an operation that succeeded.
pub struct OperationSucceeded;

/// The result of an operation that failed.
pub struct OperationFailed;

/// The envelope of an error.
pub struct ErrorAnswer;

/// What the gateway itself answers.
pub struct GatewayMessage;

macro_rules! schemas {
    ($($type:ty, $name:literal: $schema:expr;)*) => {
        $(
            impl ToSchema for $type {
                fn name() -> Cow<'static, str> {
                    $name.into()
                }
            }

            impl PartialSchema for $type {
                fn schema() -> RefOr<Schema> {
                    $schema.into()
                }
            }
        )*
    };
}

schemas! {
    ContactAnswer, "ContactAnswer": object(2, [("success", success(true)), ("data", named("Contact"))]).description(Some("One contact."));
    ContactList, "ContactList": object(
        3,
        [("success", success(true)), ("data", array(named("Contact")).into()), ("pagination", named("Pagination"))],
    )
    .description(Some("A page of contacts."));
    ChangeFeed, "ChangeFeed": object(4, [
        ("success", success(true)),
        ("data", array(named("Change")).description(Some("Changes, to be applied in their order. Skip one whose `__v` is known already.")).into()),
        ("cursor", text().description(Some("Where to go on, now or later.")).min_length(Some(1)).into()),
        ("more", boolean().description(Some("Whether there may be more now.")).into()),
    ])
    .description(Some("Changes, and where to go on."));
    BatchAnswer, "BatchAnswer": object(2, [("success", all_succeeded()), ("data", results().into())])
        .description(Some("The results of a batch."))
        .examples([batch_example()]);
    OperationSucceeded, "OperationSucceeded": object(3, [
        ("status", status(&[200, 201])),
        ("success", success(true)),
        ("data", AnyOfBuilder::new().item(named("Contact")).item(named("ContactVersion")).into()),
    ])
    .description(Some("What the single call would have answered. If the answer would be above 5 MB, further results have only `_id` and `__v`."));
    OperationFailed, "OperationFailed": object(4, [
        ("status", status(&[400, 403, 404, 409, 412, 413, 422, 424, 500, 503])),
        ("success", success(false)),
        ("error", sentence()),
        ("code", code()),
        ("fields", fields()),
    ])
    .description(Some("Why the operation was not done."));
    ErrorAnswer, "Error": object(3, [("success", success(false)), ("error", sentence()), ("code", code()), ("fields", fields())])
        .description(Some("Why a call did not succeed."));
    GatewayMessage, "GatewayMessage": object(1, [("message", text().into())])
        .description(Some("What the gateway itself answers, for a rate that is used up or an unknown route."));
}

fn results() -> utoipa::openapi::schema::ArrayBuilder {
    array(AnyOfBuilder::new().item(named("OperationSucceeded")).item(named("OperationFailed")))
        .description(Some("A result for each operation, in their order."))
}

fn status(values: &[u16]) -> RefOr<Schema> {
    let status = ObjectBuilder::new().schema_type(Type::Integer).enum_values(Some(values.iter().copied()));
    status.description(Some("The status of the single call.")).into()
}

fn sentence() -> RefOr<Schema> {
    text().description(Some("One sentence for people. It can change.")).min_length(Some(1)).into()
}

fn code() -> RefOr<Schema> {
    text().description(Some("The case, for programs.")).examples([json!("invalid_field")]).into()
}

fn fields() -> RefOr<Schema> {
    let fields =
        ObjectBuilder::new().schema_type(Type::Object).additional_properties(Some(AdditionalProperties::RefOr(text().into())));
    fields.description(Some("Present if several fields, parameters or headers break a rule: the sentence for each.")).into()
}

fn batch_example() -> Value {
    let contact = example();
    let mut failed = shown(&failure_of(&Error::VersionConflict { current: 4 }).1);
    failed["status"] = json!(412);
    json!({"success": false, "data": [{"status": 201, "success": true, "data": contact}, failed]})
}

fn shown(failure: &Failure<'_>) -> Value {
    serde_json::to_value(failure).unwrap_or_default()
}

/// The contact that a call answers with.
pub fn of_contact(description: &str, headers: &[&str]) -> ResponseBuilder {
    let example = json!({"success": true, "data": example()});
    let content = body(named("ContactAnswer")).example(Some(example)).build();
    answer(description, &[&["ETag"], headers].concat()).content(JSON, content)
}

/// The contact that a call has created, and what can be done with it.
pub fn of_new_contact(description: &str) -> Response {
    of_contact(description, &["Location", "X-Ignored-Members", "Idempotency-Replayed"])
        .link("get", link_to_contact("getClientContact", "The contact.", false))
        .link("update", link_to_contact("updateClientContact", "Changes the contact, if nobody else has changed it.", true))
        .link("delete", link_to_contact("deleteClientContact", "Deletes the contact, if nobody else has changed it.", true))
        .build()
}

/// A page of contacts.
pub fn of_list() -> Response {
    let pagination = json!({"page": 1, "per_page": 25, "pre_page": 0, "next_page": 2, "total": 100, "total_page": 4});
    let example = json!({"success": true, "data": [example()], "pagination": pagination});
    let description = "A page of the contacts that match. Totals are exact.";
    answer(description, &["Link"]).content(JSON, body(named("ContactList")).example(Some(example)).build()).build()
}

/// Changes.
pub fn of_changes() -> Response {
    let example = json!({
        "success": true,
        "data": [
            {"_id": "60f1b2b3c9e9a12345678901", "__v": 0, "updatedAt": "2023-01-15T10:30:00.000Z", "deleted": false, "contact": example()},
            {"_id": "60f1b2b3c9e9a12345678902", "__v": 7, "updatedAt": "2023-01-15T10:31:00.000Z", "deleted": true},
        ],
        "cursor": "AAECAwQFBgc",
        "more": false,
    });
    let next = LinkBuilder::new().operation_id("listClientContactChanges").description("The changes after these.");
    answer("Changes from the cursor on. The answer can be empty although there is more.", &[])
        .content(JSON, body(named("ChangeFeed")).example(Some(example)).build())
        .link("next", next.parameter("cursor", "$response.body#/cursor").build())
        .build()
}

/// The results of a batch.
pub fn of_batch() -> Response {
    let description = "The result of each operation, in their order, with the status and body of its single call.";
    answer(description, &["X-Ignored-Members", "Idempotency-Replayed"]).content(JSON, body(named("BatchAnswer")).build()).build()
}

/// The answer to a conditional read of a contact that the client has already.
pub fn of_nothing_new() -> Response {
    answer("The contact has a version that `If-None-Match` names. There is no body.", &["ETag"]).build()
}

/// The errors that every call can end with.
fn of_every_call() -> [Error; 5] {
    let no_parameter = Error::invalid_parameter("nmae", "is not a parameter of this call");
    [no_parameter, Error::Unauthenticated, Error::InvalidApiKey, Error::Unavailable("".into()), Error::Internal("".into())]
}

/// The answers of a call: those of success, those of the errors that it can end with besides those of every call, and the gateway's.
pub fn answers(successes: impl IntoIterator<Item = (u16, Response)>, errors: impl IntoIterator<Item = Error>) -> Answers {
    let mut by_status: BTreeMap<u16, Vec<Error>> = BTreeMap::new();
    for error in errors.into_iter().chain(of_every_call()) {
        by_status.entry(failure_of(&error).0.as_u16()).or_default().push(error);
    }
    let message = json!({"message": "Too Many Requests"});
    let throttled = ResponseBuilder::new()
        .description("The gateway's rate is used up. The answer is its own and lacks the headers of the others.")
        .content(JSON, body(named("GatewayMessage")).example(Some(message)).build());
    let failures = by_status.into_iter().map(|(status, errors)| (status, failure(status, &errors)));
    let answers = successes.into_iter().chain(failures).chain([(429, throttled.build())]);
    answers.map(|(status, answer)| (status.to_string(), answer.into())).collect()
}

/// The answer that errors with one status share.
fn failure(status: u16, errors: &[Error]) -> Response {
    let failures: Vec<_> = errors.iter().map(|error| failure_of(error).1).collect();
    let mut codes: Vec<&str> = Vec::new();
    for failure in &failures {
        if !codes.contains(&failure.code) {
            codes.push(failure.code);
        }
    }
    let these = ObjectBuilder::new().schema_type(Type::Object).property("code", text().enum_values(Some(codes.iter().copied())));
    let schema = AllOfBuilder::new().item(named("Error")).item(these);
    let examples = codes.iter().filter_map(|code| {
        let failure = failures.iter().find(|failure| failure.code == *code)?;
        Some(((*code).to_owned(), ExampleBuilder::new().summary(failure.error.clone()).value(Some(shown(failure))).build()))
    });
    let headers: &[&str] = match status {
        401 => &["WWW-Authenticate"],
        503 => &["Retry-After"],
        _ => &[],
    };
    let content = ContentBuilder::new().schema(Some(schema)).examples_from_iter(examples);
    answer(meaning(status), headers).content(JSON, content.build()).build()
}

/// When a call answers with this status.
fn meaning(status: u16) -> &'static str {
    match status {
        400 => "A parameter, a header or the body breaks a rule. Nothing was changed.",
        401 => "The request has no API key, or one that is unknown, revoked or expired.",
        403 => {
            "The body adds or removes a namespace that the API key cannot use, or contacts that the caller does not see have the external id. Nothing was changed."
        }
        404 => "No such contact, or one that the caller may not see, or an id that is not an ObjectId.",
        409 => "Several contacts that the caller sees have the external id; the sentence names them. Nothing was changed.",
        410 => {
            "The cursor, or the time to begin after, is too old: start again without one, and drop what the new pass does not show."
        }
        412 => "`If-Match` names another version, or needs a contact and finds none. Nothing was changed.",
        413 => "The body is too large. Nothing was changed.",
        422 => "The `Idempotency-Key` was used for another request in the last 24 hours. Nothing was changed.",
        500 => "A defect. Report the answer's `X-Request-Id`.",
        503 => {
            "`unavailable`: DynamoDB throttles, times out or cannot be reached; nothing was changed. `outcome_unknown`: the change may have been made; read the \
                contact before you repeat it, or repeat it with the same `Idempotency-Key`."
        }
        _ => "An error.",
    }
}
