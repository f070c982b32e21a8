//! From a function's answer to HTTP, as API Gateway does it for payload format 2.0.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

/// What API Gateway reads of an answer. It does not look at `multiValueHeaders`, which belongs to payload format 1.0.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    headers: Option<BTreeMap<String, String>>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
    cookies: Option<Vec<String>>,
}

/// The HTTP response of an answer, or `None` when API Gateway would not understand the answer.
pub fn response(answer: Value) -> Option<Response<Body>> {
    let answer: Answer = serde_json::from_value(answer).ok()?;
    let status = StatusCode::from_u16(answer.status_code).ok()?;
    let body = match answer.body {
        _ if status == StatusCode::NOT_MODIFIED || status == StatusCode::NO_CONTENT => Body::empty(),
        Some(encoded) if answer.is_base64_encoded => BASE64_STANDARD.decode(encoded).ok()?.into(),
        Some(text) => text.into(),
        None => Body::empty(),
    };

    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in answer.headers.unwrap_or_default() {
        headers.insert(HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?);
    }
    for cookie in answer.cookies.unwrap_or_default() {
        headers.append(header::SET_COOKIE, HeaderValue::try_from(cookie).ok()?);
    }
    // The server sets the length itself.
    headers.remove(header::CONTENT_LENGTH);
    if status != StatusCode::NOT_MODIFIED {
        headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    }
    Some(response)
}

/// A message of the gateway itself, such as `{"message":"Not Found"}`.
pub fn message(status: StatusCode, message: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(json!({ "message": message }).to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    #[tokio::test]
    async fn an_answer_becomes_a_response() {
        let answer = json!({
            "statusCode": 201,
            "headers": {"content-type": "application/json", "etag": "\"0\"", "content-length": "1"},
            "multiValueHeaders": {"x-other": ["1"]},
            "body": "{}",
            "isBase64Encoded": false,
            "cookies": ["a=1", "b=2"],
        });
        let response = response(answer).unwrap();
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()["etag"], "\"0\"");
        assert_eq!(response.headers().get("x-other"), None);
        assert_eq!(response.headers().get("content-length"), None);
        assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
        assert_eq!(to_bytes(response.into_body(), 100).await.unwrap(), "{}");
    }

    #[tokio::test]
    async fn base64_is_decoded_and_304_has_no_body() {
        let decoded = response(json!({"statusCode": 200, "body": "/w==", "isBase64Encoded": true})).unwrap();
        assert_eq!(decoded.headers()["content-type"], "application/json");
        assert_eq!(to_bytes(decoded.into_body(), 100).await.unwrap(), &[255][..]);
        let unchanged = response(json!({"statusCode": 304, "headers": {"etag": "\"3\""}, "body": "{}"})).unwrap();
        assert_eq!(unchanged.headers().get("content-type"), None);
        assert!(to_bytes(unchanged.into_body(), 100).await.unwrap().is_empty());
    }

    #[test]
    fn what_api_gateway_would_not_understand_is_no_response() {
        for answer in [
            json!(null),
            json!({}),
            json!({"statusCode": 99_999}),
            json!({"statusCode": 200, "headers": {"bad name": "x"}}),
            json!({"statusCode": 200, "headers": {"x": "a\nb"}}),
            json!({"statusCode": 200, "body": "%", "isBase64Encoded": true}),
        ] {
            assert!(response(answer.clone()).is_none(), "{answer}");
        }
    }
}
