//! The OpenAPI document beside the API that it describes, and the reference that shows it.

mod bounds;

use std::collections::BTreeSet;
use std::fs;

use contacts::template::{SOURCE, Template};
use reqwest::Method;
use serde_json::Value;
use testkit::App;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi.json");

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

fn document() -> Value {
    serde_json::from_str(&contacts::openapi::document().unwrap()).unwrap()
}

/// Every operation with its method and path.
fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| {
        let operations = item.as_object().unwrap().iter().filter(|(method, _)| METHODS.contains(&method.as_str()));
        operations.map(move |(method, operation)| (method.as_str(), path.as_str(), operation))
    })
}

#[test]
fn the_checked_in_document_is_up_to_date() {
    let checked_in = fs::read_to_string(FILE).unwrap_or_default();
    let is_current = checked_in == contacts::openapi::document().unwrap();
    assert!(is_current, "openapi.json is out of date; this renews it: cargo run -- openapi > openapi.json");
}

#[test]
fn the_document_has_the_calls_of_the_template_and_names_them_as_the_functions() {
    let document = document();
    let documented: BTreeSet<_> = operations(&document)
        .map(|(method, path, operation)| {
            (method.to_uppercase(), path.to_owned(), operation["operationId"].as_str().unwrap().to_owned())
        })
        .collect();

    let camel_case = |name: &str| {
        let mut words = name.split('-');
        let first = words.next().unwrap().to_owned();
        words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
    };
    let routes = Template::parse(SOURCE).unwrap().routes;
    let routed: BTreeSet<_> = routes.into_iter().map(|route| (route.method, route.path, camel_case(&route.binary))).collect();
    assert_eq!(documented, routed);
}

#[tokio::test]
async fn the_server_serves_the_document_and_the_reference() {
    let Some(app) = App::here().await else { return };

    let served = app.request(Method::GET, "/openapi.json").send().await.expect(200);
    assert_eq!(served.text(), contacts::openapi::document().unwrap());
    assert_eq!(served.header("content-type"), Some("application/json"));

    let page = app.request(Method::GET, "/docs").send().await.expect(200);
    assert!(page.text().contains("<div id=\"swagger-ui\">"), "{}", page.text());
    let files: Vec<_> = ["src=\"", "href=\""]
        .into_iter()
        .flat_map(|attribute| {
            page.text().split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect::<Vec<_>>()
        })
        .collect();
    assert!(files.len() >= 4, "{files:?}");
    for file in &files {
        let name = file.strip_prefix("./").or(Some(file.as_str())).filter(|name| !name.contains("//")).unwrap();
        let served = app.request(Method::GET, &format!("/docs/{name}")).send().await.expect(200);
        let policy = served.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("http"), "{name} {policy}");
    }
    let start = app.request(Method::GET, "/docs/swagger-initializer.js").send().await.expect(200).text();
    assert!(start.contains("validatorUrl: null") && start.contains("tryItOutEnabled: true"), "{start}");

    for (method, path) in
        [(Method::POST, "/docs/"), (Method::GET, "/docs/nothing"), (Method::PUT, "/openapi.json"), (Method::GET, "/docsx")]
    {
        app.request(method, path).send().await.expect(404);
    }
}

#[tokio::test]
async fn the_reference_has_the_development_key_where_it_is_lent_and_nowhere_else() {
    let Some(app) = App::here().await else { return };
    let key = |headers: &[(&str, &str)], of: &App| {
        let request = headers
            .iter()
            .fold(of.anonymous(Method::GET, "/docs/key.json"), |request, (name, value)| request.header(name, value));
        async { request.send().await.expect(200).json()["key"].clone() }
    };
    let lent = app.running().development_key.as_ref().unwrap().secret();

    assert_eq!(key(&[], &app).await, lent);
    assert_eq!(key(&[("sec-fetch-site", "same-origin")], &app).await, lent);
    for foreign in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("api-key", "x")] {
        assert_eq!(key(&[foreign], &app).await, Value::Null, "{foreign:?}");
    }
    for path in ["/docs", "/docs/", "/docs/key.json"] {
        app.anonymous(Method::GET, path).header("host", "evil.example").send().await.expect(403);
    }
    assert_eq!(key(&[], &app.sibling_that_requires_a_key().await).await, Value::Null);
}
