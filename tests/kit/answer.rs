//! What the API answered.

use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::contact::Contact;

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status, which is never a 5xx: those fail the test where they come.
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

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("answers have headers of visible ASCII characters"))
    }

    /// How many requests to DynamoDB the call cost.
    #[track_caller]
    pub fn dynamodb_requests(&self) -> u32 {
        self.header("x-dynamodb-requests").and_then(|count| count.parse().ok()).expect("answers tell what they cost")
    }

    /// The contact in its envelope, in which everything has its form.
    #[track_caller]
    pub fn contact(&self) -> Contact {
        let mut json = self.json();
        assert_eq!(json["success"], true, "{json}");
        assert_eq!(json.as_object().map(serde_json::Map::len), Some(2), "{json}");
        let contact = Contact::of(json["data"].take());
        assert_eq!(self.header("etag"), Some(contact.etag().as_str()));
        contact
    }

    /// The contacts of a list, in order.
    #[track_caller]
    pub fn contacts(&self) -> Vec<Contact> {
        let mut json = self.json();
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

    /// The status and the sentence of an answer that is no success, in its envelope.
    #[track_caller]
    pub fn refusal(&self) -> String {
        let json = self.json();
        assert_eq!(json["success"], false, "{} {json}", self.status);
        assert_eq!(json.as_object().map(serde_json::Map::len), Some(2), "{json}");
        let error = json["error"].as_str().unwrap_or_else(|| panic!("error is a sentence, not {json}"));
        assert!(!error.contains('\n'), "{error}");
        format!("{} {error}", self.status)
    }
}
