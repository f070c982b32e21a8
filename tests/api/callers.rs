//! Callers: what a key is, and what it reaches.

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use shared::clock;
use shared::error::Error;
use shared::meter::Meter;
use shared::timestamp::Timestamp;
use testkit::{App, Caller, Contact, contact};

const NOT_FOUND: &str = "404 Client contact not found";
const INVALID: &str = "401 Invalid API key";
const REQUIRED: &str = "401 Authentication required";

/// A contact in these namespaces.
async fn add_in(caller: &Caller, namespaces: &[&str]) -> Contact {
    caller.add(contact().with("company_namespace", json!(namespaces))).await
}

#[tokio::test]
async fn a_request_carries_its_key_in_either_header() {
    let Some(app) = App::here().await else { return };
    let app = app.sibling_that_requires_a_key().await;
    let caller = app.caller("acme", &["north"], "ann").await;
    let key = caller.key.as_deref().unwrap();

    for (name, value) in [
        ("authorization", format!("Bearer {key}")),
        ("Authorization", format!("bearer {key}")),
        ("authorization", format!("BEARER   {key}")),
        ("api-key", key.to_owned()),
        ("API-Key", format!(" {key} ")),
    ] {
        let created = app.anonymous(Method::POST, "/client-contact").header(name, &value).json(&contact()).send().await;
        assert_eq!(created.expect(201).contact()["creator"], caller.user, "{name}");
    }
}

#[tokio::test]
async fn a_request_without_a_key_that_works_is_refused() {
    let Some(app) = App::here().await else { return };
    let app = app.sibling_that_requires_a_key().await;
    let caller = app.caller("acme", &["north"], "ann").await;
    let key = caller.key.clone().unwrap();
    let hash = app.keys().list().await.unwrap().records.into_iter().find(|record| record.tenant == "acme").unwrap().hash;
    let id = caller.add(contact()).await.id();

    for (header, refusal) in [
        (None, REQUIRED),
        (Some(("authorization", String::new())), REQUIRED),
        (Some(("authorization", "Bearer".to_owned())), REQUIRED),
        (Some(("authorization", "Bearer ".to_owned())), REQUIRED),
        (Some(("authorization", key.clone())), REQUIRED),
        (Some(("authorization", format!("Basic {key}"))), REQUIRED),
        (Some(("authorization", format!("Bearer: {key}"))), REQUIRED),
        (Some(("api-key", String::new())), REQUIRED),
        (Some(("x-api-key", key.clone())), REQUIRED),
        (Some(("cookie", format!("api-key={key}"))), REQUIRED),
        (Some(("api-key", "x".to_owned())), INVALID),
        (Some(("api-key", key.to_uppercase())), INVALID),
        (Some(("api-key", key[..key.len() - 1].to_owned())), INVALID),
        (Some(("api-key", format!("{key}x"))), INVALID),
        (Some(("api-key", format!("Bearer {key}"))), INVALID),
        (Some(("api-key", hash.clone())), INVALID),
        (Some(("api-key", "schlüssel".to_owned())), INVALID),
        (Some(("authorization", format!("Bearer {key}{key}"))), INVALID),
        (Some(("authorization", "Bearer ' OR 1=1".to_owned())), INVALID),
        (Some(("api-key", "k".repeat(8_000))), INVALID),
    ] {
        for (method, path) in [
            (Method::GET, "/client-contact".to_owned()),
            (Method::POST, "/client-contact".to_owned()),
            (Method::GET, format!("/client-contact/{id}")),
            (Method::PUT, format!("/client-contact/{id}")),
            (Method::DELETE, format!("/client-contact/{id}")),
        ] {
            let request = app.anonymous(method.clone(), &path).json(&contact());
            let answer = match &header {
                Some((name, value)) => request.header(name, value).send().await,
                None => request.send().await,
            };
            assert_eq!(answer.refusal(), refusal, "{method} {header:?}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
    assert_eq!(caller.get(&id).await.expect(200).contact().version(), 0);
}

#[tokio::test]
async fn a_wrong_key_is_refused_where_none_would_do() {
    let Some(app) = App::here().await else { return };

    let without = app.anonymous(Method::GET, "/client-contact").send().await;
    let with_a_wrong_one = app.anonymous(Method::GET, "/client-contact").header("api-key", "wrong").send().await;
    let with_another_scheme = app.anonymous(Method::GET, "/client-contact").header("authorization", "Basic x").send().await;

    assert_eq!(without.total(), 0);
    assert_eq!(with_a_wrong_one.refusal(), INVALID);
    assert_eq!(with_another_scheme.refusal(), REQUIRED);
}

#[tokio::test]
async fn only_the_hash_of_a_key_is_stored() {
    let Some(app) = App::here().await else { return };
    let caller = app.caller("acme", &["north"], "ann").await;
    let key = caller.key.as_deref().unwrap();
    let hash: String = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();

    let running = app.running();
    let scanned = running.client.scan().table_name(&running.api_keys_table).send().await.unwrap().items.unwrap();

    assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(key.strip_prefix("cc_").unwrap()).unwrap().len(), 256 / 8);
    let hashed = AttributeValue::S(hash);
    assert_eq!(scanned.iter().filter(|item| item["keyHash"] == hashed).count(), 1);
    assert!(!format!("{scanned:?}").contains(&key[3..20]));
}

#[tokio::test]
async fn a_key_acts_as_its_user_in_its_first_namespace() {
    let Some(app) = App::alone().await else { return };
    let ann = app.caller("acme", &["south", "north"], "ann").await;
    let bob = app.caller("acme", &["north", "south"], "bob").await;

    let created = ann.add(contact()).await;
    let changed = bob.put(created.id(), json!({"title": "Director"})).await.expect(200).contact();

    assert_eq!((&created["creator"], &created["company_namespace"]), (&ann.user, &json!(["south"])));
    assert_eq!((&changed["creator"], &changed["editor"]), (&ann.user, &bob.user));
    assert_eq!(changed["company_namespace"], json!(["south"]));
}

#[tokio::test]
async fn an_expired_key_is_refused() {
    let Some(app) = App::here().await else { return };
    let now = clock::now();
    let expired = app.caller_with("acme", &["north"], "ann", |key| key.expires_at = Some(now)).await;
    let valid = app.caller_with("acme", &["north"], "ann", |key| key.expires_at = Some(now.plus_millis(3_600_000))).await;

    assert_eq!(expired.list("").await.refusal(), INVALID);
    assert_eq!(valid.list("").await.total(), 0);
    // Having been seen does not lengthen its life.
    let later = now.plus_millis(3_600_000);
    assert!(who(&app, &valid, later.plus_millis(-1)).await.is_ok());
    assert!(matches!(who(&app, &valid, later).await, Err(Error::InvalidApiKey)));
}

#[tokio::test]
async fn a_revoked_key_is_refused_within_a_minute() {
    let Some(app) = App::here().await else { return };
    let caller = app.caller("acme", &["north"], "ann").await;
    let record = app.keys().list().await.unwrap().records.into_iter().find(|record| record.tenant == "acme").unwrap();
    caller.list("").await.expect(200);
    let seen = clock::now();

    app.keys().revoke(record.id(), clock::now()).await.unwrap().unwrap();

    assert_eq!(caller.at(&app.sibling().await).list("").await.refusal(), INVALID);
    assert!(matches!(who(&app, &caller, seen.plus_millis(60_000)).await, Err(Error::InvalidApiKey)));
    assert!(app.keys().revoke(record.id(), clock::now()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_key_that_was_unknown_works_seconds_after_it_is_made() {
    let Some(app) = App::here().await else { return };
    let other = app.sibling().await;
    let caller = app.caller("acme", &["north"], "ann").await;
    let record = app.keys().list().await.unwrap().records.into_iter().find(|record| record.tenant == "acme").unwrap();
    let running = app.running();
    let removed = running.client.delete_item().table_name(&running.api_keys_table);
    removed.key("keyHash", AttributeValue::S(record.hash.clone())).send().await.unwrap();
    assert_eq!(caller.at(&other).list("").await.refusal(), INVALID);

    app.keys().put(&record).await.unwrap();

    caller.list("").await.expect(200);
    assert!(who(&other, &caller, clock::now().plus_millis(5_000)).await.is_ok());
}

/// Whom a gateway takes the caller for, at a time of the test's choice.
async fn who(app: &App, caller: &Caller, now: Timestamp) -> Result<shared::caller::Caller, Error> {
    let bearer = HeaderValue::try_from(format!("Bearer {}", caller.key.as_deref().unwrap())).unwrap();
    let headers = HeaderMap::from_iter([(AUTHORIZATION, bearer)]);
    app.running().app.keys.authenticate(&Meter::default(), &headers, now).await.map(|(caller, _)| caller)
}

#[tokio::test]
async fn checking_a_key_that_was_seen_costs_no_request() {
    let Some(app) = App::alone().await else { return };
    let caller = app.caller("acme", &["north"], "ann").await;

    let first = caller.create(contact()).await.expect(201);
    let id = first.contact().id();
    caller.list("").await.expect(200);
    let warm = [
        caller.create(contact()).await.expect(201),
        caller.get(&id).await.expect(200),
        caller.request(Method::PUT, &format!("/client-contact/{id}")).header("if-match", "\"0\"").json(&contact()).send().await,
        caller.delete(&id).await.expect(200),
    ];
    caller.list("").await.expect(200);

    assert_eq!(first.dynamodb_requests(), 2);
    assert_eq!(warm.map(|answer| answer.dynamodb_requests()), [1, 1, 1, 1]);
    assert_eq!(caller.list("").await.dynamodb_requests(), 1);
    let invalid = async || app.anonymous(Method::GET, "/client-contact").header("api-key", "wrong").send().await;
    assert_eq!((invalid().await.dynamodb_requests(), invalid().await.dynamodb_requests()), (1, 0));
}

#[tokio::test]
async fn a_tenants_contacts_are_out_of_reach_of_other_tenants_keys() {
    let Some(app) = App::here().await else { return };
    let ann = app.caller("acme", &["north"], "ann").await;
    let eve = app.caller("evil", &["north"], "ann").await;
    let contact = add_in(&ann, &["north"]).await;
    let id = contact.id();
    ann.list("").await.expect(200);

    for (planted_before, caller) in [&eve, &eve.at(&app.sibling().await)].into_iter().enumerate() {
        assert_eq!(caller.get(&id).await.refusal(), NOT_FOUND);
        assert_eq!(
            caller.request(Method::GET, &format!("/client-contact/{id}")).header("if-none-match", "*").send().await.status,
            404
        );
        assert_eq!(caller.put(&id, json!({"name": "Eve"})).await.refusal(), NOT_FOUND);
        assert_eq!(caller.delete(&id).await.refusal(), NOT_FOUND);
        for query in
            ["_id={id}", "name=John Smith", "search=john", "from__id=0&search=john", "from_updatedAt=0&name[]=John Smith"]
        {
            let answer = caller.list(query.replace("{id}", &id)).await;
            assert_eq!((answer.total(), answer.contacts()), (0, vec![]), "{query}");
        }
        assert_eq!(caller.list("sort=-updatedAt").await.total(), planted_before as u64);
        // What a body says of the tenant, the id or the namespace opens nothing.
        let planted = caller.add(json!({"name": "Eve", "_id": id, "tenant": "acme", "company_namespace": ["north"]})).await;
        assert_ne!(planted.id(), id);
    }
    assert_eq!(ann.list("").await.contacts(), [contact]);
}

#[tokio::test]
async fn a_key_sees_the_contacts_that_share_a_namespace_with_it() {
    let Some(app) = App::alone().await else { return };
    let north = app.caller("acme", &["north"], "north").await;
    let both = app.caller("acme", &["south", "north"], "both").await;
    let west = app.caller("acme", &["west", "North", "nort"], "west").await;
    let (of_north, of_south, of_both) =
        (add_in(&both, &["north"]).await, add_in(&both, &["south"]).await, add_in(&both, &["south", "north"]).await);

    for (caller, seen, unseen) in [
        (&north, vec![&of_north, &of_both], vec![&of_south]),
        (&both, vec![&of_north, &of_south, &of_both], vec![]),
        (&west, vec![], vec![&of_north, &of_south, &of_both]),
    ] {
        for contact in &seen {
            assert_eq!(caller.get(contact.id()).await.expect(200).contact(), **contact);
            assert_eq!(caller.list(format!("_id={}", contact.id())).await.total(), 1);
        }
        for contact in unseen {
            assert_eq!(caller.get(contact.id()).await.refusal(), NOT_FOUND);
            assert_eq!(caller.put(contact.id(), json!({"name": "x"})).await.refusal(), NOT_FOUND);
            assert_eq!(caller.delete(contact.id()).await.refusal(), NOT_FOUND);
            assert_eq!(caller.list(format!("_id={}", contact.id())).await.total(), 0);
        }
        let mut ids: Vec<_> = seen.into_iter().map(Contact::id).collect();
        ids.sort();
        for query in ["", "search=john", "name=John Smith", "from_updatedAt=0", "sort=disabled", "from__id=0"] {
            let answer = caller.list(query).await;
            assert_eq!((answer.total(), answer.ids()), (ids.len() as u64, ids.clone()), "{query}");
        }
        assert_eq!(caller.list("per_page=1").await.pagination()["total_page"], ids.len());
    }
}

#[tokio::test]
async fn a_body_may_only_add_or_remove_namespaces_of_the_key() {
    let Some(app) = App::alone().await else { return };
    let north = app.caller("acme", &["north", "east"], "north").await;
    let all = app.caller("acme", &["south", "north", "east"], "all").await;
    let refused =
        |namespace| format!("403 company_namespace must not add or remove \"{namespace}\", which the API key cannot use");

    assert_eq!(north.create(contact().with("company_namespace", json!(["south"]))).await.refusal(), refused("south"));
    assert_eq!(north.create(contact().with("company_namespace", json!(["north", "south"]))).await.refusal(), refused("south"));
    let before = add_in(&all, &["south", "north"]).await;
    for (namespaces, refusal) in [
        (json!(["north"]), refused("south")),
        (json!(["east"]), refused("south")),
        (json!(["south", "north", "west"]), refused("west")),
        (json!(["north", "South"]), refused("South")),
    ] {
        let answer = north.put(before.id(), json!({"company_namespace": namespaces, "title": "Director"})).await;
        assert_eq!(answer.refusal(), refusal, "{namespaces}");
    }

    assert_eq!(all.list("").await.contacts(), [before]);
}

#[tokio::test]
async fn namespaces_that_the_key_cannot_use_stay_and_may_be_sent_back() {
    let Some(app) = App::alone().await else { return };
    let north = app.caller("acme", &["north", "east"], "north").await;
    let all = app.caller("acme", &["south", "north"], "all").await;
    let before = add_in(&all, &["south", "north"]).await;

    for (body, after) in [
        (json!({"title": "Director"}), json!(["south", "north"])),
        (serde_json::to_value(&before).unwrap(), json!(["south", "north"])),
        (json!({"company_namespace": ["north", "south"]}), json!(["north", "south"])),
        (json!({"company_namespace": ["south", "east", "north"]}), json!(["south", "east", "north"])),
        (json!({"company_namespace": ["south", "east"]}), json!(["south", "east"])),
        (json!({"company_namespace": ["south"]}), json!(["south"])),
    ] {
        assert_eq!(north.put(before.id(), &body).await.expect(200).contact()["company_namespace"], after, "{body}");
    }

    // Its own are out, and with them the contact is out of its sight.
    assert_eq!(north.get(before.id()).await.refusal(), NOT_FOUND);
    assert_eq!(north.list("").await.total(), 0);
    assert_eq!(all.get(before.id()).await.expect(200).contact().version(), 6);
}

#[tokio::test]
async fn a_key_can_have_many_namespaces() {
    let Some(app) = App::alone().await else { return };
    let names: Vec<String> = (0..100).map(|number| format!("namespace {number}")).collect();
    let caller = app.caller("acme", &names.iter().map(String::as_str).collect::<Vec<_>>(), "ann").await;
    let tags = (0..100).map(|version| format!("\"{version}\"")).collect::<Vec<_>>().join(",");

    let created = caller.add(contact().with("company_namespace", json!(names))).await;
    let path = format!("/client-contact/{}", created.id());
    let body = json!({"company_namespace": &names[..99], "editor": null});
    let changed = caller.request(Method::PUT, &path).header("if-match", &tags).json(&body).send().await.expect(200);

    assert_eq!(caller.list("").await.contacts(), [changed.contact()]);
    caller.request(Method::DELETE, &path).header("if-match", &tags).send().await.expect(200);
}
