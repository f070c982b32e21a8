//! Instances whose connections died while they were frozen: `docs/adr/0016-connections-across-a-freeze.md`.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use contacts::gateway::Function;
use serde_json::json;
use testkit::{App, FunctionProcess, Passed, SilentProxy, contact};

use crate::{binary, environment, event, outcome};

/// Less than the first attempt's time-out, so nothing waited for it; far more than the answer takes.
const AT_ONCE: Duration = Duration::from_millis(1_400);

/// Calls `function` twice, with all its connections dead before the second call; returns what that call sent and how long it took.
async fn call_across_a_freeze(function: Function) -> Option<(Vec<Passed>, Duration)> {
    let app = App::here().await?;
    let caller = app.caller("acme", &["company1"], "ann").await;
    let id = caller.add(contact()).await.id();
    let proxy = SilentProxy::start(app.dynamodb_endpoint()).await;
    let mut process = FunctionProcess::start(&binary(function), &environment(&app, &proxy.endpoint)).await;
    let event = event(caller.key.as_deref(), &id, Some(&json!({"title": "Director"})));
    assert_eq!(outcome(&process.invoke(&event).await), "200");
    proxy.silence();
    proxy.take_requests();

    let begun = Instant::now();
    let answer = process.invoke(&event).await;
    let took = begun.elapsed();

    assert_eq!(outcome(&answer), "200", "{}", process.log());
    Some((proxy.take_requests(), took))
}

#[tokio::test]
async fn a_read_is_answered_at_once_though_its_connection_died() {
    let Some((requests, took)) = call_across_a_freeze(Function::GetClientContact).await else { return };

    // The same attempt went out twice: into nothing, and to DynamoDB.
    let get = |alive| Passed { operation: "GetItem".to_owned(), attempt: 1, alive };
    assert_eq!(requests, [get(false), get(true)]);
    assert!(took < AT_ONCE, "{took:?}");
}

#[tokio::test]
async fn a_list_is_answered_at_once_though_its_connections_died() {
    let Some((requests, took)) = call_across_a_freeze(Function::ListClientContacts).await else { return };

    let (alive, dead): (Vec<_>, Vec<_>) = requests.into_iter().partition(|request| request.alive);
    let operations = |requests: &[Passed]| requests.iter().map(|request| request.operation.clone()).collect::<BTreeSet<_>>();
    assert!(operations(&dead).is_subset(&operations(&alive)), "{dead:?} {alive:?}");
    assert!(alive.iter().all(|request| request.attempt == 1), "{alive:?}");
    assert!(took < AT_ONCE, "{took:?}");
}

#[tokio::test]
async fn a_write_meets_one_dead_connection_at_most() {
    let Some((requests, _)) = call_across_a_freeze(Function::UpdateClientContact).await else { return };

    let dead = requests.iter().filter(|request| !request.alive).count();
    assert!(dead <= 1, "{requests:?}");
    assert!(requests.last().is_some_and(|request| request.alive), "{requests:?}");
}
