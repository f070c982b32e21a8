//! The change feed: first everything, then every change, from a cursor on.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Value, json};
use shared::clock;
use shared::meter::Meter;
use testkit::{Answer, App, Caller, contact};

/// One answer of the feed.
struct Feed {
    changes: Vec<Change>,
    cursor: String,
    more: bool,
}

/// A change, without the contact's fields.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    id: String,
    version: u64,
    name: Option<String>,
}

async fn ask(caller: &Caller, query: &str) -> Answer {
    caller.request(Method::GET, &format!("/client-contact/changes?{query}")).send().await
}

async fn feed(caller: &Caller, query: &str) -> Feed {
    let answer = ask(caller, query).await.expect(200).json();
    let members: BTreeSet<&str> = answer.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["cursor", "data", "more", "success"].into());
    assert_eq!(answer["success"], true);
    let changes = answer["data"].as_array().unwrap().iter().map(change).collect();
    Feed { changes, cursor: answer["cursor"].as_str().unwrap().to_owned(), more: answer["more"].as_bool().unwrap() }
}

fn change(change: &Value) -> Change {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let contact = &change["contact"];
    if change["deleted"] == json!(false) {
        assert_eq!(
            [&contact["_id"], &contact["__v"], &contact["updatedAt"]],
            [&change["_id"], &change["__v"], &change["updatedAt"]]
        );
        assert_eq!(change.as_object().unwrap().len(), 5, "{change}");
    } else {
        assert_eq!(change["deleted"], true, "{change}");
        assert_eq!(change.as_object().unwrap().len(), 4, "{change}");
    }
    Change { id: text(&change["_id"]).unwrap(), version: change["__v"].as_u64().unwrap(), name: text(&contact["name"]) }
}

/// The names of the contacts in the changes; a deletion has none.
fn names(feed: &Feed) -> Vec<&str> {
    feed.changes.iter().map(|change| change.name.as_deref().unwrap_or("-")).collect()
}

#[tokio::test]
async fn first_comes_everything_and_then_every_change() {
    let Some(app) = App::alone().await else { return };
    let contacts = app.add_named(&["Ann", "Ben", "Cid"]).await;

    let first = feed(&app, "").await;
    assert_eq!((names(&first), first.more), (vec!["Ann", "Ben", "Cid"], false));

    let nothing = feed(&app, &format!("cursor={}", first.cursor)).await;
    assert_eq!((names(&nothing), nothing.more), (vec![], false));

    app.put(contacts[0].id(), json!({"name": "Amy"})).await.expect(200);
    app.delete(contacts[1].id()).await.expect(200);
    app.add_named(&["Dan"]).await;
    let second = feed(&app, &format!("cursor={}", nothing.cursor)).await;
    assert_eq!((names(&second), second.more), (vec!["Amy", "-", "Dan"], false));
    let deleted = Change { id: contacts[1].id(), version: 1, name: None };
    assert_eq!(second.changes[1], deleted);

    // An older cursor gives again what came since.
    let again = feed(&app, &format!("cursor={}", first.cursor)).await;
    assert_eq!(names(&again), ["Amy", "-", "Dan"]);
}

#[tokio::test]
async fn a_contact_that_changed_often_comes_once_as_it_is() {
    let Some(app) = App::alone().await else { return };
    let id = app.add(contact()).await.id();
    for name in ["Ann", "Ben", "Cid"] {
        app.put(&id, json!({"name": name, "integration_meta": {"n": 1.50}})).await.expect(200);
    }

    let answer = ask(&app, "").await.expect(200).json();

    assert_eq!(answer["data"].as_array().unwrap().len(), 1);
    assert_eq!(answer["data"][0]["contact"], app.get(&id).await.expect(200).json()["data"]);
}

#[tokio::test]
async fn limit_cuts_the_answer_and_more_says_so() {
    let Some(app) = App::alone().await else { return };
    app.add_named(&["A", "B", "C", "D", "E", "F", "G"]).await;

    for limit in [1, 2, 3, 6, 7, 8, 500] {
        let mut all = Vec::new();
        let mut answer = feed(&app, &format!("limit={limit}")).await;
        let mut calls = 1;
        while answer.more {
            assert!(answer.changes.len() <= limit);
            all.append(&mut answer.changes);
            answer = feed(&app, &format!("limit={limit}&cursor={}", answer.cursor)).await;
            calls += 1;
            assert!(calls < 30, "there is always more");
        }
        all.append(&mut answer.changes);
        let names: Vec<&str> = all.iter().filter_map(|change| change.name.as_deref()).collect();
        assert_eq!(names, ["A", "B", "C", "D", "E", "F", "G"], "limit={limit}");
    }
}

#[tokio::test]
async fn a_moment_to_begin_after_is_strict() {
    let Some(app) = App::alone().await else { return };
    let contacts = app.add_named(&["Ann", "Ben", "Cid"]).await;
    let moment = contacts[1]["updatedAt"].as_str().unwrap();

    let after = feed(&app, &format!("from_updatedAt={moment}")).await;
    assert_eq!(names(&after), ["Cid"]);

    app.delete(contacts[0].id()).await.expect(200);
    assert_eq!(names(&feed(&app, &format!("cursor={}", after.cursor)).await), ["-"]);
    let future = feed(&app, "from_updatedAt=2100-01-01T00:00:00Z").await;
    assert_eq!((names(&future), future.more), (vec![], false));
    let answer = ask(&app, "from_updatedAt=0").await.expect(410);
    assert_eq!(answer.code(), "cursor_expired");
}

#[tokio::test]
async fn a_contact_that_leaves_the_callers_namespaces_is_deleted_for_it() {
    let Some(app) = App::alone().await else { return };
    let [both, a, b] = [
        app.caller("acme", &["a", "b"], "ann").await,
        app.caller("acme", &["a"], "ben").await,
        app.caller("acme", &["b"], "cid").await,
    ];
    let id = both.add(contact().with("company_namespace", json!(["a"]))).await.id();
    let (of_a, of_b, of_both) = (feed(&a, "").await, feed(&b, "").await, feed(&both, "").await);
    assert_eq!((of_a.changes.len(), of_b.changes.len(), of_both.changes.len()), (1, 0, 1));

    both.put(&id, json!({"company_namespace": ["b"]})).await.expect(200);
    both.put(&id, json!({"title": "out of sight"})).await.expect(200);

    // It is told the departure, and nothing of what came after.
    let left = feed(&a, &format!("cursor={}", of_a.cursor)).await;
    assert_eq!(left.changes, [Change { id: id.clone(), version: 1, name: None }]);
    both.put(&id, json!({"title": "further"})).await.expect(200);
    both.delete(&id).await.expect(200);
    let later = feed(&a, &format!("cursor={}", left.cursor)).await;
    assert!(later.changes.iter().all(|change| change.version == 1), "{:?}", later.changes);
    // The others are told what they see.
    let arrived = feed(&b, &format!("cursor={}", of_b.cursor)).await;
    assert_eq!(arrived.changes, [Change { id: id.clone(), version: 4, name: None }]);
    let deleted = feed(&both, &format!("cursor={}", of_both.cursor)).await;
    assert_eq!(deleted.changes, [Change { id, version: 4, name: None }]);
}

#[tokio::test]
async fn a_contact_that_returns_is_a_contact_again() {
    let Some(app) = App::alone().await else { return };
    let both = app.caller("acme", &["a", "b"], "ann").await;
    let a = app.caller("acme", &["a"], "ben").await;
    let id = both.add(contact().with("company_namespace", json!(["a"]))).await.id();
    let first = feed(&a, "").await;

    both.put(&id, json!({"company_namespace": ["b"]})).await.expect(200);
    let left = feed(&a, &format!("cursor={}", first.cursor)).await;
    both.put(&id, json!({"company_namespace": ["a"], "name": "Back"})).await.expect(200);
    let back = feed(&a, &format!("cursor={}", left.cursor)).await;

    assert_eq!(names(&left), ["-"]);
    assert_eq!(back.changes, [Change { id, version: 2, name: Some("Back".to_owned()) }]);
}

#[tokio::test]
async fn a_cursor_belongs_to_its_tenant_and_namespaces() {
    let Some(app) = App::alone().await else { return };
    let cursor = |caller: Caller| async move { feed(&caller, "").await.cursor };
    let own = cursor(app.caller("acme", &["a", "b"], "ann").await).await;

    // Another key with the same namespaces goes on, in whatever order it has them.
    let same = app.caller("acme", &["b", "a"], "ben").await;
    ask(&same, &format!("cursor={own}")).await.expect(200);
    for (tenant, namespaces) in [("acme", &["a"][..]), ("acme", &["a", "b", "c"]), ("other", &["a", "b"])] {
        let other = app.caller(tenant, namespaces, "cid").await;
        let answer = ask(&other, &format!("cursor={own}")).await.expect(400);
        assert_eq!(answer.code(), "cursor_invalid");
        assert_eq!(answer.refusal(), "400 cursor must be one that this API gave to an API key of the same tenant and namespaces");
    }
}

#[tokio::test]
async fn a_damaged_cursor_is_refused() {
    let Some(app) = App::alone().await else { return };
    app.add_named(&["Ann", "Ben"]).await;
    let cursor = feed(&app, "limit=1").await.cursor;

    let changed = |place: usize| {
        let mut cursor = cursor.clone().into_bytes();
        cursor[place] = if cursor[place] == b'A' { b'B' } else { b'A' };
        String::from_utf8(cursor).unwrap()
    };
    let damaged = (0..cursor.len()).step_by(7).map(changed);
    let cut =
        [cursor[..cursor.len() - 1].to_owned(), format!("{cursor}A"), "x".to_owned(), "%C3%A9".to_owned(), "AAAA".repeat(1_000)];
    for cursor in damaged.chain(cut) {
        let answer = ask(&app, &format!("cursor={cursor}")).await.expect(400);
        assert_eq!(answer.code(), "cursor_invalid", "{cursor}");
    }
}

#[tokio::test]
async fn a_restore_ends_every_cursor_and_a_migration_none() {
    let Some(app) = App::here().await else { return };
    app.add_named(&["Ann"]).await;
    let cursor = feed(&app, "").await.cursor;
    let store = &app.running().app.store;

    store.write_reset_mark(&Meter::default(), &app.tenant, false, clock::now()).await.unwrap();
    let cursor = feed(&app, &format!("cursor={cursor}")).await.cursor;
    store.write_reset_mark(&Meter::default(), &app.tenant, true, clock::now()).await.unwrap();

    let answer = ask(&app, &format!("cursor={cursor}")).await.expect(410);
    assert_eq!(answer.code(), "cursor_expired");
    assert_eq!(
        answer.refusal(),
        "410 The change feed no longer reaches back so far: start again without cursor and from_updatedAt, and drop what the new pass \
         does not show"
    );
    // Whoever starts after it goes on.
    let first = feed(&app, "").await;
    assert_eq!((names(&first), first.more), (vec!["Ann"], false));
    feed(&app, &format!("cursor={}", first.cursor)).await;
    feed(&app, &format!("cursor={}", feed(&app, "limit=1").await.cursor)).await;
}

#[tokio::test]
async fn wrong_parameters_are_named() {
    let Some(app) = App::here().await else { return };
    for (query, sentence) in [
        ("limit=501", "limit must be an integer from 1 to 500"),
        ("cursor=a&from_updatedAt=5", "from_updatedAt must not be given together with cursor"),
        ("cursor[]=a", "cursor must be written without brackets, not as cursor[]"),
    ] {
        assert_eq!(ask(&app, query).await.expect(400).refusal(), format!("400 {sentence}"));
    }
    let strict = app.request(Method::GET, "/client-contact/changes?page=2").header("prefer", "handling=strict").send().await;
    assert_eq!(strict.expect(400).refusal(), "400 page is not a parameter of this call");
    assert_eq!(ask(&app, "page=2").await.expect(200).names_in("x-ignored-parameters"), ["page"]);
}

#[tokio::test]
async fn an_answer_stays_below_four_megabytes() {
    let Some(app) = App::alone().await else { return };
    // The quotes take two bytes each where Lambda passes the answer on.
    let meta = json!({"text": "\"".repeat(30_000)});
    for _ in 0..100 {
        app.add(contact().with("integration_meta", meta.clone()).with("extra_info", "é".repeat(10_000))).await;
    }

    let mut seen = BTreeMap::new();
    let mut query = "limit=500".to_owned();
    for _ in 0..30 {
        let answer = ask(&app, &query).await.expect(200);
        assert!(answer.text().len() < 4_000_000);
        assert!(serde_json::to_string(&answer.text()).unwrap().len() < 6_000_000);
        let json = answer.json();
        for change in json["data"].as_array().unwrap() {
            *seen.entry(change["_id"].as_str().unwrap().to_owned()).or_insert(0) += 1;
        }
        query = format!("limit=500&cursor={}", json["cursor"].as_str().unwrap());
        if json["more"] == false {
            break;
        }
    }
    assert_eq!(seen.len(), 100);
    assert_eq!(seen.values().sum::<i32>(), 100);
}

#[tokio::test]
async fn polling_costs_half_a_unit() {
    let Some(app) = App::here().await else { return };
    app.add_named(&["Ann", "Ben"]).await;
    let first = feed(&app, "").await;
    // The key's record and the mark are read already.
    let answer = ask(&app, &format!("cursor={}", first.cursor)).await.expect(200);

    assert_eq!((answer.dynamodb_requests(), answer.header("x-dynamodb-capacity")), (1, Some("0.5")));
}
