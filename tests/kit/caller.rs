//! Who calls the API, and how.

use std::env;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::Value;
use tokio::time::sleep_until;

use crate::answer::Answer;
use crate::app::App;
use crate::contact::Contact;
use crate::raw;

/// A client of the API with credentials of its own.
#[derive(Clone, Debug)]
pub struct Caller {
    pub(crate) http: reqwest::Client,
    /// Where the API is.
    pub url: String,
    /// The API key, when it sends one.
    pub key: Option<String>,
    /// The key's tenant.
    pub tenant: String,
    /// The key's namespaces.
    pub namespaces: Vec<String>,
    /// The key's user, as a contact shows it.
    pub user: Value,
}

impl Caller {
    /// Creates a contact.
    pub async fn create(&self, body: impl Serialize) -> Answer {
        self.request(Method::POST, "/client-contact").json(&body).send().await
    }

    /// Creates a contact, which must work, and returns it.
    pub async fn add(&self, body: impl Serialize) -> Contact {
        self.create(body).await.expect(201).contact()
    }

    /// Creates contacts with these names, one after the other.
    pub async fn add_named(&self, names: &[&str]) -> Vec<Contact> {
        let mut contacts = Vec::new();
        for name in names {
            contacts.push(self.add(crate::contact().name(name)).await);
        }
        contacts
    }

    /// Reads a contact.
    pub async fn get(&self, id: impl AsRef<str>) -> Answer {
        self.request(Method::GET, &path(id)).send().await
    }

    /// Changes a contact.
    pub async fn put(&self, id: impl AsRef<str>, body: impl Serialize) -> Answer {
        self.request(Method::PUT, &path(id)).json(&body).send().await
    }

    /// Deletes a contact.
    pub async fn delete(&self, id: impl AsRef<str>) -> Answer {
        self.request(Method::DELETE, &path(id)).send().await
    }

    /// Carries out a batch of these operations.
    pub async fn batch(&self, operations: impl Serialize) -> Answer {
        self.request(Method::POST, "/client-contact/batch").json(&serde_json::json!({"operations": operations})).send().await
    }

    /// Carries out an atomic batch of these operations.
    pub async fn batch_atomic(&self, operations: impl Serialize) -> Answer {
        let batch = serde_json::json!({"operations": operations, "atomic": true});
        self.request(Method::POST, "/client-contact/batch").json(&batch).send().await
    }

    /// Lists contacts. Characters that a URL cannot have are percent-encoded.
    pub async fn list(&self, query: impl AsRef<str>) -> Answer {
        self.request(Method::GET, &format!("/client-contact?{}", query.as_ref())).send().await
    }

    /// Lists contacts with parameters that are encoded as forms are.
    pub async fn list_with(&self, parameters: &[(&str, &str)]) -> Answer {
        let request = self.request(Method::GET, "/client-contact");
        Request(request.0.query(parameters)).send().await
    }

    /// Any request, with this caller's key.
    pub fn request(&self, method: Method, path: &str) -> Request {
        let request = self.anonymous(method, path);
        match &self.key {
            Some(key) => request.header("api-key", key),
            None => request,
        }
    }

    /// Any request, without credentials.
    pub fn anonymous(&self, method: Method, path: &str) -> Request {
        Request(self.http.request(method, format!("{}{path}", self.url)))
    }

    /// A request sent byte for byte, with this caller's key. Only `Content-Length` and `Connection: close` are added.
    pub async fn raw(&self, method: &str, target: impl AsRef<[u8]>, headers: &[(&str, &[u8])], body: impl AsRef<[u8]>) -> Answer {
        let key = self.key.as_ref().map(|key| ("api-key", key.as_bytes()));
        let headers: Vec<_> = key.into_iter().chain(headers.iter().copied()).collect();
        raw::send(&self.url, method, target.as_ref(), &headers, body.as_ref()).await
    }

    /// The same caller at another gateway.
    #[must_use]
    pub fn at(&self, app: &App) -> Caller {
        Caller { url: app.url.clone(), ..self.clone() }
    }
}

/// When the latest write of this process ended.
fn latest_write() -> MutexGuard<'static, Option<Instant>> {
    static LATEST: Mutex<Option<Instant>> = Mutex::new(None);
    LATEST.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until indexes show the latest write, at an API where they may be behind.
async fn settle() {
    static SETTLES: LazyLock<Option<Duration>> = LazyLock::new(|| {
        Some(Duration::from_millis(env::var("TEST_API_SETTLES_MS").ok()?.parse().expect("a number of milliseconds")))
    });
    let Some(settles) = *SETTLES else { return };
    let settled = latest_write().map(|written| written + settles);
    if let Some(settled) = settled {
        sleep_until(settled.into()).await;
    }
}

/// The path of a contact.
fn path(id: impl AsRef<str>) -> String {
    format!("/client-contact/{}", id.as_ref())
}

/// A request that is being built.
#[derive(Debug)]
pub struct Request(reqwest::RequestBuilder);

impl Request {
    /// With a header.
    #[must_use]
    pub fn header(self, name: &str, value: impl AsRef<[u8]>) -> Request {
        let name = HeaderName::try_from(name).expect("a header's name");
        let value = HeaderValue::from_bytes(value.as_ref()).expect("a header's value");
        Request(self.0.header(name, value))
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(self, body: &impl Serialize) -> Request {
        Request(self.0.json(body))
    }

    /// With a body of any bytes, said to be JSON.
    #[must_use]
    pub fn body(self, body: impl Into<Vec<u8>>) -> Request {
        Request(self.0.header("content-type", "application/json").body(body.into()))
    }

    /// With a body of any bytes and type.
    #[must_use]
    pub fn body_of_type(self, content_type: Option<&str>, body: impl Into<Vec<u8>>) -> Request {
        let request = match content_type {
            Some(content_type) => self.0.header("content-type", content_type),
            None => self.0,
        };
        Request(request.body(body.into()))
    }

    /// Sends it and reads the answer, which must not be a 5xx.
    pub async fn send(self) -> Answer {
        self.try_send().await.expect("the API answers")
    }

    /// Sends it to an API that may end meanwhile, and reads the answer if there is one.
    ///
    /// # Errors
    /// When the API cannot be reached, or its answer breaks off.
    pub async fn try_send(self) -> Result<Answer, reqwest::Error> {
        let answer = self.answer().await?;
        assert!(answer.status < 500, "{} {}", answer.status, answer.text());
        Ok(answer)
    }

    /// Sends it and reads the answer, which must be a 5xx.
    pub async fn send_and_fail(self) -> Answer {
        let answer = self.answer().await.expect("the API answers");
        assert!(answer.status >= 500, "{} {}", answer.status, answer.text());
        answer
    }

    async fn answer(self) -> Result<Answer, reqwest::Error> {
        let (client, request) = self.0.build_split();
        let request = request?;
        let (path, method) = (request.url().path(), request.method());
        let is_write = method != Method::GET;
        // Lists, upserts and the feed.
        if (path.ends_with("/client-contact") && method != Method::POST) || path.ends_with("/client-contact/changes") {
            settle().await;
        }
        let response = client.execute(request).await;
        if is_write {
            *latest_write() = Some(Instant::now());
        }
        let response = response?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, body: response.bytes().await?.into() })
    }
}
