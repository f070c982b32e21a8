//! What the API answered.

use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::contact::Contact;

/// The code that goes with each kind of refusal, by its status.
const CODES: [(u16, &str); 19] = [
    (400, "invalid_parameter"),
    (400, "invalid_field"),
    (400, "malformed_json"),
    (400, "answer_too_large"),
    (400, "transaction_too_large"),
    (401, "unauthenticated"),
    (401, "invalid_api_key"),
    (403, "namespace_forbidden"),
    (400, "cursor_invalid"),
    (404, "contact_not_found"),
    (409, "external_id_ambiguous"),
    (410, "cursor_expired"),
    (412, "version_conflict"),
    (413, "body_too_large"),
    (422, "idempotency_key_reused"),
    (424, "not_applied"),
    (500, "internal"),
    (503, "unavailable"),
    (503, "outcome_unknown"),
];

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status, never a 5xx: a 5xx fails the test at the call.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// This answer, which has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The names in a header that lists some, percent-encoded each.
    pub fn names_in(&self, header: &str) -> Vec<&str> {
        self.header(header).map(|names| names.split(',').collect()).unwrap_or_default()
    }

    /// This answer, after a check of the headers that every answer has: `X-Request-Id` and `Cache-Control`.
    #[track_caller]
    fn complete(&self) -> &Answer {
        assert!(self.header("x-request-id").is_some_and(|id| !id.is_empty()), "{:?}", self.headers);
        assert_eq!(self.header("cache-control"), Some("private, no-cache"));
        self
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("answers have headers of visible ASCII characters"))
    }

    /// How many requests to DynamoDB the call cost.
    #[track_caller]
    pub fn dynamodb_requests(&self) -> u32 {
        self.header("x-dynamodb-requests").and_then(|count| count.parse().ok()).expect("answers tell what they cost")
    }

    /// The contact in its envelope, after a check of its form.
    #[track_caller]
    pub fn contact(&self) -> Contact {
        let mut json = self.complete().json();
        assert_eq!(json["success"], true, "{json}");
        assert_eq!(json.as_object().map(serde_json::Map::len), Some(2), "{json}");
        let contact = Contact::of(json["data"].take());
        assert_eq!(self.header("etag"), Some(contact.etag().as_str()));
        contact
    }

    /// The contacts of a list, in order.
    #[track_caller]
    pub fn contacts(&self) -> Vec<Contact> {
        let mut json = self.complete().json();
        assert_eq!((self.status, &json["success"]), (200, &Value::Bool(true)), "{json}");
        assert_eq!(json.as_object().map(serde_json::Map::len), Some(3), "{json}");
        match json["data"].take() {
            Value::Array(contacts) => contacts.into_iter().map(Contact::of).collect(),
            other => panic!("data is an array, not {other}"),
        }
    }

    /// The names of a list's contacts, in order.
    #[track_caller]
    pub fn names(&self) -> Vec<String> {
        self.contacts().iter().map(|contact| contact.text("name")).collect()
    }

    /// The ids of a list's contacts, in order.
    #[track_caller]
    pub fn ids(&self) -> Vec<String> {
        self.contacts().iter().map(Contact::id).collect()
    }

    /// The pagination of a list.
    #[track_caller]
    pub fn pagination(&self) -> Value {
        let mut json = self.json();
        assert_eq!(self.status, 200, "{json}");
        json["pagination"].take()
    }

    /// How many contacts match a list's filters.
    #[track_caller]
    pub fn total(&self) -> u64 {
        self.pagination()["total"].as_u64().expect("total is a number")
    }

    /// The status and the sentence of an error, in its envelope.
    #[track_caller]
    pub fn refusal(&self) -> String {
        let json = self.complete().json();
        assert_eq!(json["success"], false, "{} {json}", self.status);
        let error = json["error"].as_str().unwrap_or_else(|| panic!("error is a sentence, not {json}"));
        assert!(!error.contains('\n'), "{error}");
        let code = json["code"].as_str().unwrap_or_default();
        assert!(CODES.contains(&(self.status, code)), "{} {code}", self.status);
        // Of several fields that are wrong, the first is the error; of a single one there is nothing more to say.
        if let Some(fields) = json.get("fields").and_then(Value::as_object) {
            assert!(fields.len() > 1 && fields.values().any(|sentence| sentence == error), "{json}");
            assert!(matches!(code, "invalid_parameter" | "invalid_field"), "{json}");
        }
        let members = 3 + usize::from(json.get("fields").is_some());
        assert_eq!(json.as_object().map(serde_json::Map::len), Some(members), "{json}");
        format!("{} {error}", self.status)
    }

    /// The results of a batch, each as the answer of its single call, after a check of the envelope around them.
    #[track_caller]
    pub fn results(&self) -> Vec<Answer> {
        let json = self.complete().json();
        assert_eq!(self.status, 200, "{json}");
        assert_eq!(json.as_object().map(serde_json::Map::len), Some(2), "{json}");
        let results = json["data"].as_array().unwrap_or_else(|| panic!("data is an array, not {json}"));
        let results: Vec<Answer> = results.iter().map(|result| self.result(result.clone())).collect();
        assert_eq!(json["success"], results.iter().all(|result| result.status < 300), "{json}");
        results
    }

    /// One result, with the headers that it would have as an answer.
    fn result(&self, mut result: Value) -> Answer {
        let members = result.as_object_mut().expect("a result is an object");
        let status = members.remove("status").and_then(|status| status.as_u64()).expect("a result has a status");
        let mut headers = self.headers.clone();
        if let Some(version) = members.get("data").and_then(|contact| contact["__v"].as_u64()) {
            headers.insert("etag", format!("\"{version}\"").parse().expect("a version between quotes is a header value"));
        }
        let status = u16::try_from(status).expect("a status has three digits");
        Answer { status, headers, body: result.to_string().into_bytes() }
    }

    /// The code of an error.
    #[track_caller]
    pub fn code(&self) -> String {
        self.refusal();
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The sentences about every field or parameter that is wrong, when there are several.
    #[track_caller]
    pub fn fields(&self) -> Value {
        self.refusal();
        self.json()["fields"].take()
    }
}
