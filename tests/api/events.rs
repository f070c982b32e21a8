//! The functions themselves, with events of API Gateway: recorded ones, odd ones and broken ones.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use contacts::gateway::Function;
use contacts::sample;
use contacts::template::{SOURCE, Template};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};
use testkit::{App, contact, holds_for_all, runtime};

/// The recorded events, one for each function, with their key and id left open.
fn recorded() -> Vec<(Function, String)> {
    let event = |function: Function| {
        let file = format!("{}/../events/{}.json", env!("CARGO_MANIFEST_DIR"), function.binary());
        let event = fs::read_to_string(file).unwrap().replace(sample::KEY, "<API KEY>");
        (function, event.replace(sample::CONTACT, "<ID>").replace(sample::CONTACT_TO_DELETE, "<ID>"))
    };
    Function::ALL.map(event).into()
}

/// The odd events, with what is odd about each.
fn odd() -> Vec<(String, Function, String)> {
    let file = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/events/odd.json")).unwrap();
    let file = file.replace("<300000 SPACES>", &" ".repeat(300_000));
    let events: Vec<Value> = serde_json::from_str(&file).unwrap();
    let function = |name: &Value| Function::ALL.into_iter().find(|function| name == function.binary()).unwrap();
    events
        .into_iter()
        .map(|odd| (odd["what"].as_str().unwrap().to_owned(), function(&odd["function"]), odd["event"].to_string()))
        .collect()
}

/// What a function answers to an event, as Lambda would pass it on.
async fn invoke(app: &App, function: Function, event: &str) -> Value {
    let event = serde_json::from_str(event).unwrap();
    serde_json::to_value(function.invoke(app.running().app.clone(), event, Instant::now() + Duration::from_secs(30)).await)
        .unwrap()
}

/// The status and the error of an answer.
fn outcome(answer: &Value) -> String {
    let body: Value = answer["body"].as_str().map(|body| serde_json::from_str(body).unwrap()).unwrap_or_default();
    format!("{} {}", answer["statusCode"], body["error"].as_str().unwrap_or_default()).trim_end().to_owned()
}

#[tokio::test]
async fn recorded_events_are_answered() {
    let Some(app) = App::here().await else { return };
    let caller = app.caller("acme", &["company1"], "ann").await;

    let mut outcomes = Vec::new();
    for (function, event) in recorded() {
        let id = caller.add(contact()).await.id();
        let event = event.replace("<API KEY>", caller.key.as_deref().unwrap()).replace("<ID>", &id);
        outcomes.push(format!("{}: {}", function.binary(), outcome(&invoke(&app, function, &event).await)));
    }

    insta::assert_snapshot!(outcomes.join("\n"), @r"
    batch-client-contacts: 200
    create-client-contact: 201
    delete-client-contact: 200
    get-client-contact: 200
    list-client-contact-changes: 200
    list-client-contacts: 200
    update-client-contact: 200
    upsert-client-contact: 200
    ");
}

#[tokio::test]
async fn odd_events_are_answered() {
    let Some(app) = App::here().await else { return };
    let caller = app.caller("acme", &["company1"], "ann").await;
    caller.add_named(&["Smith, John", "Jane", "John"]).await;

    let mut outcomes = Vec::new();
    for (what, function, event) in odd() {
        let answer = invoke(&app, function, &event.replace("<API KEY>", caller.key.as_deref().unwrap())).await;
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        let total = body["pagination"]["total"].as_u64().map(|total| format!(", {total} contacts")).unwrap_or_default();
        let location = answer["headers"]["location"].as_str().map(|place| format!(", {}", place.rsplit_once('/').unwrap().0));
        outcomes.push(format!("{what}: {}{total}{}", outcome(&answer), location.unwrap_or_default()));
    }

    insta::assert_snapshot!(outcomes.join("\n"), @r"
    a body in base64: 201, /client-contact
    a body that says base64 and is not: 400 The request body must be base64 where the event says so
    no body: 400 The request body must be a JSON object, and is empty
    a stage in front of the path: 201, /production/client-contact
    no path: 201, 
    a path that no header can hold: 201, /%00%0A/%D8%AC%D9%88%D9%86
    parameters taken apart, and no query string: 200, 7 contacts
    parameters of both kinds, of which the raw ones count: 200, 2 contacts
    no headers: 401 Authentication required
    nothing at all: 401 Authentication required
    a host and a query that are no URI: 200, 0 contacts
    an authorizer, cookies and stage variables: 200, 7 contacts
    no path parameters: 404 Client contact not found
    an id that is none: 404 Client contact not found
    a body above the limit: 413 The request body must be at most 256 KiB
    ");
    assert_eq!(caller.list("name=جون").await.total(), 1);
}

#[test]
fn broken_events_never_fail_a_function() {
    let runtime = runtime();
    let Some(app) = runtime.block_on(App::here()) else { return };
    let caller = runtime.block_on(app.caller("acme", &["company1"], "ann"));
    let events: Vec<(Function, Value)> = recorded()
        .into_iter()
        .chain(odd().into_iter().map(|(_, function, event)| (function, event)))
        .map(|(function, event)| {
            (function, serde_json::from_str(&event.replace("<API KEY>", caller.key.as_deref().unwrap())).unwrap())
        })
        .collect();
    let instead = prop_oneof![
        Just(None),
        select(vec![
            json!(null),
            json!(""),
            json!({}),
            json!([]),
            json!(true),
            json!(7),
            json!("%"),
            json!("\u{0}"),
            json!({"a": "é\n"})
        ])
        .prop_map(Some),
        any::<String>().prop_map(|text| Some(json!(text))),
    ];
    let breaks = proptest::collection::vec((any::<Index>(), instead), 1..4);

    holds_for_all(&runtime, 200, (any::<Index>(), breaks), async |(event, breaks)| {
        let (function, mut event) = event.get(&events).clone();
        for (place, instead) in breaks {
            replace(&mut event, place, instead);
        }
        // The Lambda runtime refuses an event that it cannot parse, so no function sees it.
        if serde_json::from_value::<lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest>(event.clone()).is_ok() {
            let answer = invoke(&app, function, &event.to_string()).await;
            assert!(answer["statusCode"].as_u64().unwrap() < 500, "{event:#}");
        }
    });
}

/// Replaces or removes one member of an event: of the event itself, its headers or its path's parameters.
fn replace(event: &mut Value, place: Index, instead: Option<Value>) {
    let below = |event: &Value, member: &str| event[member].as_object().map(Map::len).unwrap_or_default();
    let (own, headers) = (event.as_object().map(Map::len).unwrap_or_default(), below(event, "headers"));
    let mut place = place.index((own + headers + below(event, "pathParameters")).max(1));
    let object = if place < own {
        event
    } else if place < own + headers {
        place -= own;
        &mut event["headers"]
    } else {
        place -= own + headers;
        &mut event["pathParameters"]
    };
    let Value::Object(members) = object else { return };
    let Some(name) = members.keys().nth(place).cloned() else { return };
    match instead {
        Some(value) => drop(members.insert(name, value)),
        None => drop(members.remove(&name)),
    }
}

#[test]
fn there_is_a_recorded_event_for_every_route_of_the_template() {
    let routes: BTreeSet<_> = Template::parse(SOURCE)
        .unwrap()
        .routes
        .into_iter()
        .map(|route| (format!("{} {}", route.method, route.path), route.binary))
        .collect();

    let events: BTreeSet<_> = recorded()
        .into_iter()
        .map(|(function, event)| {
            let event: Value = serde_json::from_str(&event).unwrap();
            (event["routeKey"].as_str().unwrap().to_owned(), function.binary().to_owned())
        })
        .collect();

    assert_eq!(events, routes);
}
