//! The reference for people at `/docs`: Swagger UI over the OpenAPI document at `/openapi.json`.
//!
//! Nothing comes from another host. The page acts with the development key where the gateway lends it, and with no other.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use serde_json::json;
use utoipa_swagger_ui::Config;

use crate::{guard, page};

/// The path of the page.
const PAGE: &str = "/docs";

/// The path of the document.
const DOCUMENT: &str = "/openapi.json";

/// Starts Swagger UI, instead of the script that comes with it.
const INITIALIZER: &str = include_str!("docs/swagger-initializer.js");

/// What a browser may do on the page. Swagger UI has its icons in `data:` URLs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The reference of one server.
pub struct Docs {
    server: SocketAddr,
    document: String,
    files: Arc<Config<'static>>,
}

impl Docs {
    /// The reference of the API at `server`.
    ///
    /// # Errors
    /// When the document cannot be written as JSON.
    pub fn new(server: SocketAddr) -> serde_json::Result<Docs> {
        Ok(Docs { server, document: crate::openapi::document()?, files: Arc::new(Config::from(DOCUMENT)) })
    }

    /// The answer to a request for the reference; `None` for any other path. `key` is what the gateway would lend to the request.
    pub fn answer(&self, parts: &Parts, key: Option<&HeaderValue>) -> Option<Response<Body>> {
        let path = parts.uri.path();
        let response = if path == DOCUMENT {
            found("application/json", self.document.clone())
        } else {
            let file = path.strip_prefix(PAGE).filter(|file| file.is_empty() || file.starts_with('/'))?;
            // A page of another's name could read along what is typed.
            if guard::check_page(parts, self.server).is_err() {
                return Some(page::refusal());
            }
            match file.strip_prefix('/') {
                None => to_the_page(),
                Some("swagger-initializer.js") => found("text/javascript", INITIALIZER),
                Some("key.json") => found("application/json", json!({"key": key.and_then(|key| key.to_str().ok())}).to_string()),
                Some(file) => match utoipa_swagger_ui::serve(file, Arc::clone(&self.files)) {
                    Ok(Some(file)) => found(&file.content_type, file.bytes.into_owned()),
                    Ok(None) | Err(_) => return None,
                },
            }
        };
        // For any other method there is no route.
        matches!(parts.method, Method::GET | Method::HEAD).then_some(response)
    }
}

/// The page's files are relative to a path with a slash at its end.
fn to_the_page() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/docs/"));
    response
}

fn found(content_type: &str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    if let Ok(content_type) = HeaderValue::try_from(content_type) {
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
