//! From an HTTP request to the event that API Gateway would send to the function: payload format 2.0 of an HTTP API.
//!
//! Requests are hostile: any bytes make an event. Bytes that are not UTF-8 are dropped from text.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// The stage that API Gateway uses when a path names none.
const STAGE: &str = "$default";

/// How API Gateway writes a request's time, `12/Mar/2020:19:03:58 +0000`.
const CLF_TIME: &[BorrowedFormatItem<'_>] = format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");

/// A path's parameters, as sent: name and value.
pub type PathParameters<'a> = Vec<(&'a str, &'a str)>;

/// What the gateway knows of a request besides what the client sent.
#[derive(Debug)]
pub struct Known<'a> {
    /// The route that it took, such as `GET /client-contact/{id}`.
    pub route_key: &'a str,
    /// Its path's parameters.
    pub path_parameters: PathParameters<'a>,
    /// The client's address.
    pub client: SocketAddr,
    /// When it came.
    pub time: OffsetDateTime,
    /// The name that the gateway gave it.
    pub request_id: &'a str,
}

/// The event of a request.
pub fn event(parts: &Parts, body: &[u8], known: &Known<'_>) -> Value {
    let path = decoded(parts.uri.path());
    let query = parts.uri.query().unwrap_or_default();
    let host = text(parts.headers.get(header::HOST)).unwrap_or_else(|| "localhost".into());
    let client = known.client.ip().to_string();
    let is_base64 = !body.is_empty() && is_binary(&parts.headers, body);

    let mut event = json!({
        "version": "2.0",
        "routeKey": known.route_key,
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers(&parts.headers, &client),
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": host.split(':').next(),
            "domainPrefix": host.split([':', '.']).next(),
            "http": {
                "method": parts.method.as_str(),
                "path": path,
                "protocol": format!("{:?}", parts.version),
                "sourceIp": client,
                "userAgent": text(parts.headers.get(header::USER_AGENT)).unwrap_or_default(),
            },
            "requestId": known.request_id,
            "routeKey": known.route_key,
            "stage": STAGE,
            "time": known.time.format(CLF_TIME).unwrap_or_default(),
            "timeEpoch": i64::try_from(known.time.unix_timestamp_nanos() / 1_000_000).unwrap_or_default(),
        },
        "isBase64Encoded": is_base64,
    });
    // API Gateway leaves out what is empty.
    let cookies = cookies(&parts.headers);
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if !query.is_empty() {
        event["queryStringParameters"] = json!(query_parameters(query));
    }
    if !known.path_parameters.is_empty() {
        let parameters: BTreeMap<_, _> = known.path_parameters.iter().map(|(name, value)| (name, decoded(value))).collect();
        event["pathParameters"] = json!(parameters);
    }
    if is_base64 {
        event["body"] = BASE64_STANDARD.encode(body).into();
    } else if !body.is_empty() {
        event["body"] = String::from_utf8_lossy(body).into();
    }
    event
}

/// Whether a body is sent in base64. API Gateway decides by the client's content type, and treats these few as text. A form is
/// not among them, nor is a body without a type. Its documentation has no list; this one was found by experiment, see
/// <https://github.com/ministackorg/ministack/pull/766>.
fn is_binary(headers: &HeaderMap, body: &[u8]) -> bool {
    let content_type = text(headers.get(header::CONTENT_TYPE)).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_text = essence.starts_with("text/")
        || matches!(essence.as_str(), "application/json" | "application/xml" | "application/javascript");
    !is_text || str::from_utf8(body).is_err()
}

/// All headers but the cookies, each once, with what API Gateway adds.
fn headers(sent: &HeaderMap, client: &str) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    for (name, value) in sent.iter().filter(|(name, _)| *name != header::COOKIE) {
        let value = String::from_utf8_lossy(value.as_bytes());
        join(&mut headers, name.as_str().to_owned(), &value);
    }
    join(&mut headers, "x-forwarded-for".to_owned(), client);
    headers.insert("x-forwarded-proto".to_owned(), "http".to_owned());
    headers
}

/// The cookies, each with its name.
fn cookies(headers: &HeaderMap) -> Vec<String> {
    let sent = headers.get_all(header::COOKIE).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    sent.flat_map(|line| line.split(';').map(|cookie| cookie.trim().to_owned()).collect::<Vec<_>>())
        .filter(|c| !c.is_empty())
        .collect()
}

/// The parameters of a query string, decoded.
fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        join(&mut parameters, decoded(&name.replace('+', " ")).into_owned(), &decoded(&value.replace('+', " ")));
    }
    parameters
}

/// Adds a value, after a comma when the name already has one.
fn join(map: &mut BTreeMap<String, String>, name: String, value: &str) {
    map.entry(name).and_modify(|joined| *joined = format!("{joined},{value}")).or_insert_with(|| value.to_owned());
}

fn decoded(encoded: &str) -> Cow<'_, str> {
    percent_decode_str(encoded).decode_utf8_lossy()
}

fn text(value: Option<&HeaderValue>) -> Option<Cow<'_, str>> {
    value.map(|value| String::from_utf8_lossy(value.as_bytes()))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
    use time::macros::datetime;

    use super::*;
    use crate::template::{self, Template};

    fn event_of(request: Request<&[u8]>, path_parameters: Vec<(&str, &str)>) -> Value {
        let (parts, body) = request.into_parts();
        let event = event(
            &parts,
            body,
            &Known {
                route_key: "GET /client-contact",
                path_parameters,
                client: SocketAddr::from(([127, 0, 0, 1], 50_000)),
                time: datetime!(2023-01-15 10:30:00.25 UTC),
                request_id: "request-1",
            },
        );
        // Whatever was sent, the Lambda runtime can read it.
        serde_json::from_value::<ApiGatewayV2httpRequest>(event.clone()).unwrap();
        event
    }

    fn get(uri: &str) -> Request<&[u8]> {
        Request::get(uri).body(&b""[..]).unwrap()
    }

    #[test]
    fn every_function_has_a_sample_event_that_lambda_can_read() {
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../events")).unwrap();
        let mut samples = BTreeMap::new();
        // The events of the snapshot function come from the stream and the schedule; its own tests read them.
        let of_snapshots =
            |file: &std::path::Path| file.file_stem().unwrap().to_str().unwrap().starts_with("snapshot-client-contacts");
        for file in folder.map(|entry| entry.unwrap().path()).filter(|file| !of_snapshots(file)) {
            let sample: ApiGatewayV2httpRequest = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
            samples.insert(file.file_stem().unwrap().to_str().unwrap().to_owned(), sample.route_key.unwrap());
        }

        let routes = Template::parse(template::SOURCE).unwrap().routes.into_iter();
        let routes: BTreeMap<_, _> = routes.map(|route| (route.binary, format!("{} {}", route.method, route.path))).collect();
        assert_eq!(samples, routes);
    }

    #[test]
    fn a_plain_request_has_what_it_has_and_no_more() {
        let event = event_of(get("/client-contact"), vec![]);
        for absent in ["cookies", "queryStringParameters", "pathParameters", "body", "stageVariables"] {
            assert_eq!(event.get(absent), None, "{absent}");
        }
        assert_eq!(event["rawQueryString"], "");
        assert_eq!(event["isBase64Encoded"], false);
        assert_eq!(event["requestContext"]["time"], "15/Jan/2023:10:30:00 +0000");
        assert_eq!(event["requestContext"]["timeEpoch"], 1_673_778_600_250_i64);
        assert_eq!(event["requestContext"]["http"]["protocol"], "HTTP/1.1");
        assert_eq!(event["requestContext"]["http"]["sourceIp"], "127.0.0.1");
    }

    #[test]
    fn query_strings_arrive_as_sent_and_decoded() {
        for (sent, decoded) in [
            ("name=A&name=B", json!({"name": "A,B"})),
            ("name[]=A&name%5B%5D=B", json!({"name[]": "A,B"})),
            ("name=a+b%2Bc%2C", json!({"name": "a b+c,"})),
            ("name=%D8%AC%D9%88%D9%86", json!({"name": "جون"})),
            ("search=%ff%fe", json!({"search": "\u{fffd}\u{fffd}"})),
            ("search=100%", json!({"search": "100%"})),
            ("a&b=&&=c", json!({"a": "", "b": "", "": "c"})),
            ("a=b=c", json!({"a": "b=c"})),
        ] {
            let event = event_of(get(&format!("/client-contact?{sent}")), vec![]);
            assert_eq!(event["rawQueryString"], sent);
            assert_eq!(event["queryStringParameters"], decoded, "{sent}");
        }
    }

    #[test]
    fn paths_and_their_parameters_arrive_decoded() {
        for (sent, decoded) in
            [("a%2Fb", "a/b"), ("a%20b", "a b"), ("%ff", "\u{fffd}"), ("%", "%"), ("%zz", "%zz"), ("%00", "\0")]
        {
            let event = event_of(get(&format!("/client-contact/{sent}")), vec![("id", sent)]);
            assert_eq!(event["pathParameters"], json!({"id": decoded}));
            assert_eq!(event["rawPath"], format!("/client-contact/{decoded}"));
        }
    }

    #[test]
    fn repeated_headers_are_joined_and_cookies_stand_apart() {
        let request = Request::get("/client-contact")
            .header("Accept", "a/b")
            .header("accept", "c/d")
            .header("cookie", "x=1; y=2")
            .header("cookie", "z=3")
            .header("x-name", HeaderValue::from_bytes(b"J\xe9r\xc3\xb4me").unwrap())
            .body(&b""[..])
            .unwrap();
        let event = event_of(request, vec![]);
        assert_eq!(event["headers"]["accept"], "a/b,c/d");
        assert_eq!(event["headers"]["x-name"], "J\u{fffd}rôme");
        assert_eq!(event["headers"].get("cookie"), None);
        assert_eq!(event["cookies"], json!(["x=1", "y=2", "z=3"]));
    }

    #[test]
    fn only_what_api_gateway_takes_for_text_travels_as_text() {
        for (content_type, body, is_base64) in [
            (Some("application/json"), &b"{}"[..], false),
            (Some("Application/JSON; charset=utf-8"), b"{}", false),
            (Some("text/plain"), "ü".as_bytes(), false),
            (Some("application/json"), b"\xff", true),
            (Some("application/x-www-form-urlencoded"), b"{}", true),
            (Some("application/octet-stream"), b"{}", true),
            (None, b"{}", true),
            (None, b"", false),
        ] {
            let mut request = Request::post("/client-contact");
            if let Some(content_type) = content_type {
                request = request.header("content-type", content_type);
            }
            let event = event_of(request.body(body).unwrap(), vec![]);
            assert_eq!(event["isBase64Encoded"], is_base64, "{content_type:?} {body:?}");
            if is_base64 {
                assert_eq!(event["body"], BASE64_STANDARD.encode(body));
            } else if !body.is_empty() {
                assert_eq!(event["body"], str::from_utf8(body).unwrap());
            }
        }
    }
}
