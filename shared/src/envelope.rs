//! Answers: the envelope around the data, the status and the code of each error, and the sentence that goes with it.

#[cfg(feature = "openapi")]
pub mod openapi;

use lambda_http::http::header::{CONTENT_TYPE, ETAG, LINK, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use lambda_http::http::{HeaderName, HeaderValue, Response as HttpResponse, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::changes::Changes;
use crate::contact::{Contact, ContactJson};
use crate::error::{Error, Violations};
use crate::links::{self, Pages};
use crate::object_id::ObjectId;
use crate::writes::{Written, WrittenKind};
use index::query::ListQuery;

/// An answer, complete but for the headers that every answer has.
pub type Response = HttpResponse<String>;

/// The header that marks the answer to a request that took effect before.
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What a path in a URI cannot hold as it is, besides what is not ASCII.
/// Source: <https://url.spec.whatwg.org/#path-percent-encode-set>.
const NOT_IN_A_PATH: AsciiSet =
    CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'<').add(b'>').add(b'?').add(b'^').add(b'`').add(b'{').add(b'}');

/// The most bytes that a function may answer, less what surrounds the body: 6 MB of JSON, in which the body is a string.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
const MAXIMUM_ANSWER_BYTES: usize = 6 * 1024 * 1024 - 16 * 1024;

/// The most bytes of a batch's results with whole contacts.
const MAXIMUM_BATCH_BYTES: usize = 5 * 1024 * 1024;

#[derive(Serialize)]
struct Success<T> {
    success: bool,
    data: T,
}

#[derive(Serialize)]
struct List<'a> {
    success: bool,
    data: Vec<ContactJson<'a>>,
    pagination: Pagination,
}

#[derive(Serialize)]
struct ChangesBody<'a> {
    success: bool,
    data: &'a [Box<RawValue>],
    cursor: &'a str,
    more: bool,
}

#[derive(Serialize)]
struct Failure<'a> {
    success: bool,
    error: String,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<Fields<'a>>,
}

/// The result of an operation that succeeded.
#[derive(Serialize)]
struct OperationSuccess<T> {
    status: u16,
    success: bool,
    data: T,
}

/// What a result shows of a contact when the answer has no room for it.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContactVersion {
    #[serde(rename = "_id")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[0-9a-f]{24}$"))]
    id: ObjectId,
    #[serde(rename = "__v")]
    version: u64,
}

/// The result of an operation that failed.
#[derive(Serialize)]
struct OperationFailure<'a> {
    status: u16,
    #[serde(flatten)]
    failure: Failure<'a>,
}

/// The parameters, headers or fields that break a rule, each with its sentence.
struct Fields<'a>(&'a Violations);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let sentences = self.0.sentences();
        let mut fields = serializer.serialize_map(Some(sentences.len()))?;
        for (name, sentence) in sentences {
            fields.serialize_entry(name, &sentence)?;
        }
        fields.end()
    }
}

/// Where a page stands among the pages of a list. A neighbour that does not exist is 0.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Pagination {
    /// The number of this page.
    page: u64,
    /// The most contacts on a page.
    per_page: u32,
    /// The number of the page before, or 0 if there is none.
    pre_page: u64,
    /// The number of the page after, or 0 if there is none.
    next_page: u64,
    /// How many contacts match, exactly.
    total: u64,
    /// How many pages there are.
    total_page: u64,
}

impl Pagination {
    fn new(page: u64, per_page: u32, total: u64) -> Self {
        let total_page = total.div_ceil(u64::from(per_page));
        Self {
            page,
            per_page,
            pre_page: (page - 1).min(total_page),
            next_page: if page < total_page { page + 1 } else { 0 },
            total,
            total_page,
        }
    }
}

/// A contact in its envelope, with its version as `ETag`.
///
/// # Errors
///
/// [`Error::Internal`] when the contact cannot be written as JSON.
pub fn contact(status: StatusCode, contact: &Contact) -> Result<Response, Error> {
    let mut response = json(status, &Success { success: true, data: ContactJson(contact) })?;
    response.headers_mut().insert(ETAG, etag(contact.version));
    Ok(response)
}

/// A contact that was written, with the place where it is when it is a new one: `path` is that of the create request.
///
/// # Errors
///
/// [`Error::Internal`] when the contact cannot be written as JSON.
pub fn written(path: &str, written: &Written) -> Result<Response, Error> {
    let mut response = match (&written.contact, written.kind) {
        // The request that comes again changed it, and it was deleted since.
        (None, _) => failure(&Error::ContactNotFound),
        (Some(changed), WrittenKind::Changed) => contact(StatusCode::OK, changed)?,
        (Some(created), WrittenKind::Created) => {
            let mut response = contact(StatusCode::CREATED, created)?;
            let location = format!("{}/{}", utf8_percent_encode(path.trim_end_matches('/'), &NOT_IN_A_PATH), created.id);
            let location = HeaderValue::try_from(location).map_err(|error| Error::Internal(error.into()))?;
            response.headers_mut().insert(LOCATION, location);
            response
        }
    };
    if written.replayed {
        response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// The answer to a conditional GET of a contact that the client has in this version already.
pub fn not_modified(version: u64) -> Response {
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response.headers_mut().insert(ETAG, etag(version));
    response
}

/// A page of a list in its envelope, with references to the other pages. `total` counts all that match `query`, which `query_string` asked
/// for.
///
/// # Errors
///
/// [`Error::AnswerTooLarge`] when the page is above what a function can answer, 6 MB; [`Error::Internal`] when a contact cannot be
/// written as JSON.
pub fn list<'a>(
    contacts: impl IntoIterator<Item = &'a Contact>,
    query: &ListQuery,
    query_string: &str,
    total: u64,
) -> Result<Response, Error> {
    let pagination = Pagination::new(query.page.get(), query.per_page, total);
    let pages = Pages { previous: pagination.pre_page, next: pagination.next_page, last: pagination.total_page };
    let data = contacts.into_iter().map(ContactJson).collect();
    let mut response = json(StatusCode::OK, &List { success: true, data, pagination })?;
    response.headers_mut().extend(links::link(query_string, pages).map(|links| (LINK, links)));
    if in_json(response.body()) <= MAXIMUM_ANSWER_BYTES { Ok(response) } else { Err(Error::AnswerTooLarge) }
}

/// The results of a batch, each with the status and body of its single call. From where the answer would be above 5 MB, further contacts
/// are only named, with their version.
///
/// # Errors
///
/// [`Error::Internal`] when a contact cannot be written as JSON.
pub fn batch(results: &[Result<Written, Error>]) -> Result<Response, Error> {
    let (mut bytes, mut escaped, mut is_whole) = (0, 0, true);
    let mut data = Vec::with_capacity(results.len());
    for result in results {
        let mut shown = shown_result(result, is_whole)?;
        let fits = bytes + shown.len() <= MAXIMUM_BATCH_BYTES && escaped + in_json(&shown) <= MAXIMUM_ANSWER_BYTES - 256 * 1024;
        if is_whole && !fits {
            is_whole = false;
            shown = shown_result(result, is_whole)?;
        }
        bytes += shown.len();
        escaped += in_json(&shown);
        data.push(RawValue::from_string(shown).map_err(|error| Error::Internal(error.into()))?);
    }
    let is_done = |result: &Result<Written, Error>| result.as_ref().is_ok_and(|written| written.contact.is_some());
    let mut response = json(StatusCode::OK, &Success { success: results.iter().all(is_done), data })?;
    let mut written = results.iter().flatten().peekable();
    if written.peek().is_some() && written.all(|written| written.replayed) {
        response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// The JSON of one operation's result, with its whole contact or only what names it.
fn shown_result(result: &Result<Written, Error>, is_whole: bool) -> Result<String, Error> {
    let shown = match result {
        Ok(Written { contact: Some(contact), kind, .. }) => {
            let status = match kind {
                WrittenKind::Created => StatusCode::CREATED,
                WrittenKind::Changed => StatusCode::OK,
            };
            let status = status.as_u16();
            if is_whole {
                serde_json::to_string(&OperationSuccess { status, success: true, data: ContactJson(contact) })
            } else {
                let data = ContactVersion { id: contact.id, version: contact.version };
                serde_json::to_string(&OperationSuccess { status, success: true, data })
            }
        }
        // It was deleted since the same request changed it.
        Ok(Written { contact: None, .. }) => shown_failure(&Error::ContactNotFound, is_whole),
        Err(error) => shown_failure(error, is_whole),
    };
    shown.map_err(|error| Error::Internal(error.into()))
}

fn shown_failure(error: &Error, is_whole: bool) -> serde_json::Result<String> {
    let (status, mut failure) = failure_of(error);
    failure.fields = failure.fields.filter(|_| is_whole);
    serde_json::to_string(&OperationFailure { status: status.as_u16(), failure })
}

/// How many bytes `text` takes as a string in the function's own JSON, where quotes and backslashes take two.
fn in_json(text: &str) -> usize {
    text.len() + text.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count()
}

/// An answer of the change feed in its envelope.
///
/// # Errors
///
/// [`Error::Internal`] when it cannot be written as JSON.
pub fn changes(changes: &Changes) -> Result<Response, Error> {
    let Changes { data, cursor, more } = changes;
    json(StatusCode::OK, &ChangesBody { success: true, data, cursor, more: *more })
}

/// The answer for an error. The cause of one that is not the client's is for the log, not for the answer.
pub fn failure(error: &Error) -> Response {
    let (status, body) = failure_of(error);
    let mut response = json(status, &body).unwrap_or_else(|_| Response::new(String::new()));
    *response.status_mut() = status;
    match status {
        StatusCode::UNAUTHORIZED => {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    response
}

/// The status and the body of an error.
fn failure_of(error: &Error) -> (StatusCode, Failure<'_>) {
    let (status, code) = status_and_code(error);
    let fields = match error {
        Error::InvalidParameter(violations) | Error::InvalidField(violations) => Some(violations),
        _ => None,
    };
    // One field alone is in the sentence already.
    let fields = fields.filter(|violations| violations.sentences().len() > 1).map(Fields);
    (status, Failure { success: false, error: error.to_string(), code, fields })
}

/// The status of an error, and the name by which programs know it. Names are only added, never changed.
fn status_and_code(error: &Error) -> (StatusCode, &'static str) {
    match error {
        Error::InvalidParameter(_) => (StatusCode::BAD_REQUEST, "invalid_parameter"),
        Error::InvalidField(_) => (StatusCode::BAD_REQUEST, "invalid_field"),
        Error::MalformedJson(_) => (StatusCode::BAD_REQUEST, "malformed_json"),
        Error::AnswerTooLarge => (StatusCode::BAD_REQUEST, "answer_too_large"),
        Error::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated"),
        Error::InvalidApiKey => (StatusCode::UNAUTHORIZED, "invalid_api_key"),
        Error::NamespaceNotAllowed { .. } => (StatusCode::FORBIDDEN, "namespace_forbidden"),
        Error::ContactNotFound => (StatusCode::NOT_FOUND, "contact_not_found"),
        Error::CursorInvalid => (StatusCode::BAD_REQUEST, "cursor_invalid"),
        Error::CursorExpired => (StatusCode::GONE, "cursor_expired"),
        Error::ExternalIdOfOthers => (StatusCode::FORBIDDEN, "namespace_forbidden"),
        Error::ExternalIdAmbiguous { .. } => (StatusCode::CONFLICT, "external_id_ambiguous"),
        Error::VersionConflict { .. } | Error::NothingToMatch => (StatusCode::PRECONDITION_FAILED, "version_conflict"),
        Error::TransactionTooLarge => (StatusCode::BAD_REQUEST, "transaction_too_large"),
        Error::NotApplied => (StatusCode::FAILED_DEPENDENCY, "not_applied"),
        Error::BodyTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
        Error::IdempotencyKeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused"),
        Error::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        Error::OutcomeUnknown(_) => (StatusCode::SERVICE_UNAVAILABLE, "outcome_unknown"),
        Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

fn json(status: StatusCode, body: &impl Serialize) -> Result<Response, Error> {
    let body = serde_json::to_string(body).map_err(|error| Error::Internal(error.into()))?;
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn etag(version: u64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).expect("digits between quotes are a header value")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn neighbours(page: u64, per_page: u32, total: u64) -> (u64, u64, u64) {
        let pagination = Pagination::new(page, per_page, total);
        (pagination.pre_page, pagination.next_page, pagination.total_page)
    }

    #[test]
    fn neighbours_are_0_where_there_is_none() {
        assert_eq!(neighbours(1, 25, 0), (0, 0, 0));
        assert_eq!(neighbours(1, 25, 25), (0, 0, 1));
        assert_eq!(neighbours(1, 25, 26), (0, 2, 2));
        assert_eq!(neighbours(2, 25, 26), (1, 0, 2));
    }

    #[test]
    fn past_the_end_the_page_before_is_the_last() {
        assert_eq!(neighbours(3, 25, 26), (2, 0, 2));
        assert_eq!(neighbours(u64::MAX, 1, 2), (2, 0, 2));
        assert_eq!(neighbours(7, 25, 0), (0, 0, 0));
    }

    #[test]
    fn the_cause_of_a_defect_is_not_in_the_answer() {
        let response = failure(&Error::Internal("table contacts-7 has no key".into()));

        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.body(), r#"{"success":false,"error":"Internal server error","code":"internal"}"#);
    }

    #[test]
    fn of_several_fields_the_first_is_the_error_and_each_has_its_sentence() {
        let mut violations = Violations::default();
        violations.add("title", "must be a string");
        assert_eq!(
            failure(&Error::InvalidField(violations.clone())).body(),
            r#"{"success":false,"error":"title must be a string","code":"invalid_field"}"#
        );

        violations.add("name", "is required");

        assert_eq!(
            failure(&Error::InvalidField(violations)).body(),
            concat!(
                r#"{"success":false,"error":"title must be a string","code":"invalid_field","#,
                r#""fields":{"title":"title must be a string","name":"name is required"}}"#
            )
        );
    }
}
