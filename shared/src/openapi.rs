//! Building blocks of the OpenAPI document.
//!
//! What the document says of a body, a parameter or an answer stands beside the code that reads or writes it, in modules of this name, and takes its
//! bounds from the same constants. Only the `contacts` program is built with them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::link::{Link, LinkBuilder};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{
    AnyOfBuilder, ArrayBuilder, KnownFormat, ObjectBuilder, OneOfBuilder, Schema, SchemaFormat, SchemaType,
};
use utoipa::openapi::{ContentBuilder, Header, Ref, RefOr, Required, Response, ResponseBuilder, Type};

/// The answers of a call, by status.
pub type Answers = BTreeMap<String, RefOr<Response>>;

/// A character that is not white space, as `str::trim` has it. Dialects of regular expressions disagree about `\s`.
pub const NOT_BLANK: &str = r"[^\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]";

/// Text.
pub fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// An integer from `minimum` to `maximum`.
pub fn integer(minimum: u64, maximum: u64) -> ObjectBuilder {
    let number = |value| usize::try_from(value).unwrap_or(usize::MAX);
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(number(minimum))).maximum(Some(number(maximum)))
}

/// `true` or `false`.
pub fn boolean() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Boolean)
}

/// Exactly this value.
pub fn constant(kind: Type, value: impl Into<Value>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(kind).extensions(Some(keyword("const", value.into())))
}

/// An array of `items`.
pub fn array(items: impl Into<RefOr<Schema>>) -> ArrayBuilder {
    ArrayBuilder::new().items(items.into())
}

/// A moment as answers have it.
pub fn date_time() -> ObjectBuilder {
    text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).examples([json!("2023-01-15T10:30:00.000Z")])
}

/// The identifier of a contact.
pub fn object_id() -> ObjectBuilder {
    text().pattern(Some("^[0-9a-f]{24}$")).examples([json!("60f1b2b3c9e9a12345678901")])
}

/// The schema that the document names so.
pub fn named(name: &str) -> RefOr<Schema> {
    Ref::from_schema_name(name).into()
}

/// The schema that the document names so, in a place where it has this meaning.
pub fn described(name: &str, description: &str) -> RefOr<Schema> {
    let mut reference = Ref::from_schema_name(name);
    reference.description = description.to_owned();
    reference.into()
}

/// A keyword of JSON Schema that `utoipa` has no method for. One a schema: several would come in a random order.
pub fn keyword(name: &str, value: Value) -> Extensions {
    Extensions::from_iter([(name, value)])
}

/// An object with these members, of which the first so many are required.
pub fn object<const N: usize>(required: usize, members: [(&str, RefOr<Schema>); N]) -> ObjectBuilder {
    let mut object = ObjectBuilder::new().schema_type(Type::Object);
    for (place, (name, schema)) in members.into_iter().enumerate() {
        object = object.property(name, schema);
        if place < required {
            object = object.required(name);
        }
    }
    object
}

/// The same, or `null`.
pub fn nullable(schema: RefOr<Schema>) -> RefOr<Schema> {
    let null = || ObjectBuilder::new().schema_type(Type::Null);
    let with_null = |kind: SchemaType| match kind {
        SchemaType::Type(kind) => SchemaType::from_iter([kind, Type::Null]),
        other => other,
    };
    match schema {
        RefOr::T(Schema::Object(mut object)) => {
            object.schema_type = with_null(object.schema_type);
            Schema::Object(object).into()
        }
        RefOr::T(Schema::Array(mut array)) => {
            array.schema_type = with_null(array.schema_type);
            Schema::Array(array).into()
        }
        RefOr::T(Schema::AnyOf(mut any)) => {
            any.items.push(null().into());
            Schema::AnyOf(any).into()
        }
        RefOr::Ref(mut reference) => {
            let description = Some(std::mem::take(&mut reference.description)).filter(|description| !description.is_empty());
            OneOfBuilder::new().description(description).item(reference).item(null()).into()
        }
        other => OneOfBuilder::new().item(other).item(null()).into(),
    }
}

/// A moment in a parameter, in the forms that every call takes.
pub fn moment(name: &str, description: &str) -> Parameter {
    let millis = ObjectBuilder::new().schema_type(Type::Integer).format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)));
    let rfc3339 = text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
    let millis = millis.minimum(Some(isize::MIN)).maximum(Some(isize::MAX)).description(Some("Milliseconds since 1970"));
    let schema = AnyOfBuilder::new().item(millis).item(rfc3339.description(Some("RFC 3339, as answers have it")));
    let forms = "Milliseconds since 1970 as an integer, or RFC 3339 such as `2023-01-15T10:30:00.000Z`; digits beyond milliseconds are cut.";
    let schema = schema.examples([json!(1_673_778_600_000_i64), json!("2023-01-15T10:30:00.000Z")]);
    query(name, &format!("{description} {forms}"), schema).build()
}

/// A parameter of the query that can be left out.
pub fn query(name: &str, description: &str, schema: impl Into<RefOr<Schema>>) -> ParameterBuilder {
    // One with an empty value is treated as absent.
    parameter(ParameterIn::Query, name, description, schema).extensions(Some(keyword("allowEmptyValue", json!(true))))
}

/// A header that a request can have.
pub fn request_header(name: &str, description: &str, schema: impl Into<RefOr<Schema>>) -> Parameter {
    parameter(ParameterIn::Header, name, description, schema).build()
}

fn parameter(place: ParameterIn, name: &str, description: &str, schema: impl Into<RefOr<Schema>>) -> ParameterBuilder {
    let parameter = ParameterBuilder::new().name(name).parameter_in(place).required(Required::False);
    parameter.description(Some(description)).schema(Some(schema))
}

/// The parameter of a path that names a contact.
pub struct ContactId;

impl IntoParams for ContactId {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description = "The contact's id. One that is not 24 lower-case hex digits is a 404, because no contact has it.";
        vec![parameter(ParameterIn::Path, "id", description, object_id()).required(Required::True).build()]
    }
}

/// A header of an answer; `is_always_there` unless the description says when it is.
pub fn header(description: &str, is_always_there: bool, schema: impl Into<RefOr<Schema>>) -> Header {
    let header = HeaderBuilder::new().description(Some(description)).schema(Some(schema));
    if is_always_there { header.extensions(Some(keyword("required", json!(true)))).build() } else { header.build() }
}

/// The headers that every answer of a function has, or can have, which the document describes once.
const OF_EVERY_ANSWER: [&str; 7] = [
    "X-Request-Id",
    "Cache-Control",
    "Server-Timing",
    "X-DynamoDB-Requests",
    "X-DynamoDB-Capacity",
    "X-Ignored-Parameters",
    "Preference-Applied",
];

/// An answer with the headers that every answer has, and these.
pub fn answer(description: &str, headers: &[&str]) -> ResponseBuilder {
    let headers = OF_EVERY_ANSWER.iter().chain(headers);
    headers.fold(ResponseBuilder::new().description(description), |answer, name| {
        answer.header_ref(*name, Ref::new(format!("#/components/headers/{name}")))
    })
}

/// A JSON body with this schema.
pub fn body(schema: RefOr<Schema>) -> ContentBuilder {
    ContentBuilder::new().schema(Some(schema))
}

/// A link to a call about the contact in this answer's `data`.
pub fn link_to_contact(operation: &str, description: &str, is_conditional: bool) -> Link {
    let link = LinkBuilder::new().operation_id(operation).description(description).parameter("id", "$response.body#/data/_id");
    if is_conditional { link.parameter("If-Match", "$response.header.ETag").build() } else { link.build() }
}

/// The type of every body.
pub const JSON: &str = "application/json";

/// Every header that answers refer to, by its name.
pub fn headers() -> BTreeMap<String, RefOr<Header>> {
    let names = "separated by commas, each percent-encoded, at most 20";
    [
        ("X-Request-Id", header("The name of the request, which the log has too.", true, text().min_length(Some(1)))),
        (
            "Cache-Control",
            header("Contacts are personal data, and change.", true, constant(Type::String, "private, no-cache")),
        ),
        (
            "Server-Timing",
            header(
                "Milliseconds spent waiting for DynamoDB (`db`), filtering and sorting (`index`), reading a snapshot (`snapshot`, only in the \
                 first list of an instance), and in the whole call (`total`).",
                true,
                text().examples([json!("db;dur=1.2, index;dur=0.1, total;dur=1.6")]),
            ),
        ),
        (
            "X-DynamoDB-Requests",
            header("How many requests to DynamoDB the call made, repeated tries included.", true, integer(0, u32::MAX.into())),
        ),
        (
            "X-DynamoDB-Capacity",
            header(
                "The sum of the capacity units that DynamoDB reported.",
                true,
                ObjectBuilder::new().schema_type(Type::Number).minimum(Some(0_usize)),
            ),
        ),
        ("X-Ignored-Parameters", header(&format!("The parameters that were ignored because no call has them: {names}."), false, text())),
        (
            "X-Ignored-Members",
            header(&format!("The members of the body that were ignored because no contact has them: {names}."), false, text()),
        ),
        (
            "Preference-Applied",
            header("Present if the request had `Prefer: handling=strict`.", false, constant(Type::String, "handling=strict")),
        ),
        (
            "ETag",
            header(
                "The contact's version in quotes, for `If-Match` and `If-None-Match`.",
                true,
                text().pattern(Some("^\"[0-9]+\"$")).examples([json!("\"0\"")]),
            ),
        ),
        (
            "Location",
            header(
                "The path of the new contact.",
                true,
                text().examples([json!("/client-contact/60f1b2b3c9e9a12345678901")]),
            ),
        ),
        (
            "Link",
            header(
                "The pages `first`, `prev`, `next` and `last`, as far as there are such pages (RFC 8288). Each reference is a query alone and \
                 repeats the other parameters. Left out when it would be longer than 4 KB.",
                false,
                text().examples([json!("<?page=1&per_page=25>; rel=\"first\", <?page=2&per_page=25>; rel=\"next\"")]),
            ),
        ),
        (
            "Idempotency-Replayed",
            header("Present if the same request took effect before.", false, constant(Type::String, "true")),
        ),
        ("Retry-After", header("After how many seconds to try again.", true, integer(0, u32::MAX.into()))),
        ("WWW-Authenticate", header("The scheme to send a key with.", true, constant(Type::String, "Bearer"))),
    ]
    .into_iter()
    .map(|(name, header)| (name.to_owned(), header.into()))
    .collect()
}
