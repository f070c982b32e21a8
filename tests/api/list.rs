//! `GET /client-contact`: filters, and all the ways to write them.

use serde_json::json;
use testkit::{App, contact};

const NOBODY: &str = "000000000000000000000000";

#[tokio::test]
async fn a_list_shows_whole_contacts() {
    let Some(app) = App::alone().await else { return };
    let meta = json!({"external_id": "contact_123", "": [1.5e300]});
    let created = app.add(contact().with("integration_meta", meta).with("media", json!(["x"])).with("extra_info", "none")).await;
    let changed = app.put(created.id(), json!({"phone1": "+1"})).await.expect(200).contact();

    let listed = app.list("").await.contacts();

    assert_eq!(listed, [changed]);
}

#[tokio::test]
async fn contacts_can_be_found_by_ids_in_every_form() {
    let app = App::start().await;
    let contacts = app.add_named(&["A", "B", "C"]).await;
    let (a, c) = (contacts[0].id(), contacts[2].id());
    let mut expected = [a.clone(), c.clone()];
    expected.sort();

    for query in [
        format!("_id={a}&_id={c}"),
        format!("_id={c}&_id={a}&_id={a}"),
        format!("_id[]={a}&_id[]={c}"),
        format!("_id%5B%5D={a}&_id%5b%5d={c}"),
        format!("_id[0]={a}&_id[1]={c}"),
        format!("_id[7]={a}&_id[3]={c}"),
        format!("_id=[\"{a}\",\"{c}\"]"),
        format!("_id=%5B%22{a}%22%2C%20%22{c}%22%5D"),
        format!("_id={a}&_id[]={c}&_id="),
        format!("_id={a}&_id={c}&_id={NOBODY}"),
        format!("_id={a}&_id={c}&_id=x&_id={}", contacts[1].id().to_uppercase().replace(char::is_numeric, "F")),
    ] {
        assert_eq!(app.list(&query).await.expect(200).ids(), expected, "{query}");
    }
}

#[tokio::test]
async fn ids_of_no_contact_find_nothing() {
    let app = App::start().await;
    let deleted = app.add(contact()).await.id();
    app.delete(&deleted).await.expect(200);
    let joined = format!("{deleted},{deleted}");

    for id in [deleted.as_str(), NOBODY, "x", "é", "%00", &joined] {
        assert_eq!(app.list(format!("_id={id}")).await.total(), 0, "{id}");
    }
}

#[tokio::test]
async fn any_number_of_ids_can_be_asked_for() {
    let Some(app) = App::here().await else { return };
    let mut ids = Vec::new();
    for number in 0..130 {
        ids.push(app.add(contact().name(&number.to_string())).await.id());
    }
    app.delete(ids.remove(64)).await.expect(200);
    let cold = app.sibling().await;

    for count in [1, 24, 25, 26, 99, 100, 101, 129] {
        let query = ids[..count].iter().map(|id| format!("_id={id}")).chain([format!("_id={NOBODY}&per_page=100")]);
        let query: String = query.collect::<Vec<_>>().join("&");
        let mut expected = ids[..count].to_vec();
        expected.sort();
        expected.truncate(100);

        for gateway in [&app, &cold] {
            let answer = gateway.list(&query).await;
            assert_eq!((answer.total(), answer.ids()), (count as u64, expected.clone()));
        }
        app.list("").await.expect(200);
    }
}

#[tokio::test]
async fn contacts_can_be_found_by_names_in_every_form() {
    let Some(app) = App::alone().await else { return };
    app.add_named(&["A", "B, C", "B", "C", "a", "Á", "A "]).await;

    for query in [
        "name=A&name=B,%20C",
        "name=B, C&name=A&name=A",
        "name[]=A&name[]=B,+C",
        "name%5B%5D=A&name%5B%5D=B,+C",
        "name[0]=A&name[1]=B%2C%20C",
        "name=[\"A\",\"B, C\"]",
        "name=%5B%22A%22%2C%22B%2C%20C%22%5D",
        "name=[\"A\"]&name[]=B, C&name=&name=nobody",
        "n%61me=A&name=B%2C C",
    ] {
        assert_eq!(app.list(format!("{query}&sort=name")).await.names(), ["A", "B, C"], "{query}");
    }
}

#[tokio::test]
async fn a_name_is_found_whatever_it_holds() {
    let Some(app) = App::alone().await else { return };
    let names = [
        "Smith, John",
        "100%",
        "100%25",
        "a+b",
        "a b",
        "a&b=c",
        "a=b",
        "#1",
        "[\"A\"]",
        "[Draft] John",
        "{\"a\":1}",
        "\"John\"",
        "جون سميث",
        "Jose\u{301}",
        "José",
        "😀",
        "\u{0}",
        "%00",
        "\\",
        "null",
        "😀\u{200d}😀?;:@/",
    ];
    app.add_named(&names).await;

    for name in names {
        let array = json!([name]).to_string();
        for parameter in [("name[]", name), ("name[3]", name), ("name", array.as_str())] {
            assert_eq!(app.list_with(&[parameter]).await.names(), [name], "{parameter:?}");
        }
        // Only what is a JSON array itself cannot be written alone.
        if name != "[\"A\"]" {
            assert_eq!(app.list_with(&[("name", name)]).await.names(), [name]);
        }
    }
}

#[tokio::test]
async fn ranges_of_updated_at_leave_out_their_ends() {
    let Some(app) = App::here().await else { return };
    let contacts = app.add_named(&["A", "B", "C"]).await;
    let changed = app.put(contacts[0].id(), json!({"title": "last"})).await.contact();
    let (first, last) = (contacts[1].millis("updatedAt"), changed.millis("updatedAt"));
    let expected = |from: i64, to: i64| -> Vec<String> {
        let mut found: Vec<_> = [&changed, &contacts[1], &contacts[2]]
            .into_iter()
            .filter(|contact| from < contact.millis("updatedAt") && contact.millis("updatedAt") < to)
            .map(|contact| contact.id())
            .collect();
        found.sort();
        found
    };
    let cold = app.sibling().await;

    for (from, to) in [
        (first - 1, last + 1),
        (first, last + 1),
        (first - 1, last),
        (first, last),
        (last, last + 1),
        (last, first),
        (-1, first),
        (last - 1, i64::MAX),
        (i64::MIN, i64::MAX),
        (i64::MAX, i64::MIN),
    ] {
        for gateway in [&cold, &app] {
            let answer = gateway.list(format!("from_updatedAt={from}&to_updatedAt={to}")).await;
            assert_eq!(answer.ids(), expected(from, to), "{from} {to}");
        }
    }
    assert_eq!(app.list(format!("from_updatedAt={}", last - 1)).await.ids(), expected(last - 1, i64::MAX));
    assert_eq!(app.list(format!("to_updatedAt={last}")).await.ids(), expected(i64::MIN, last));
    assert_eq!(app.list("from_updatedAt=0").await.total(), 3);
    assert_eq!(app.list("to_updatedAt=0").await.total(), 0);
}

#[tokio::test]
async fn a_contact_that_has_left_a_range_is_not_in_it_for_a_gateway_that_knew_it_there() {
    let Some(app) = App::here().await else { return };
    let contacts = app.add_named(&["A", "B", "C"]).await;
    let cold = app.sibling().await;
    cold.list(format!("_id={}&_id={}", contacts[0].id(), contacts[1].id())).await.expect(200);
    let to = contacts[2].millis("updatedAt") + 1;
    app.put(contacts[0].id(), json!({"title": "changed"})).await.expect(200);
    let changed = app.put(contacts[0].id(), json!({"title": "changed again"})).await.contact();
    assert!(changed.millis("updatedAt") >= to);
    app.delete(contacts[1].id()).await.expect(200);

    let beyond_the_end = cold.list(format!("to_updatedAt={to}&per_page=1&page=9")).await;
    let all = cold.list(format!("to_updatedAt={to}")).await;

    assert_eq!((all.names(), all.total()), (vec!["C".to_owned()], 1));
    assert_eq!(beyond_the_end.total(), 1);
}

#[tokio::test]
async fn ranges_of_ids_are_of_texts_and_leave_out_their_ends() {
    let Some(app) = App::alone().await else { return };
    let mut ids: Vec<String> = app.add_named(&["A", "B", "C", "D"]).await.iter().map(testkit::Contact::id).collect();
    ids.sort();
    let start = &ids[0][..8];

    for (query, expected) in [
        (format!("from__id={}", ids[0]), &ids[1..]),
        (format!("to__id={}", ids[3]), &ids[..3]),
        (format!("from__id={}&to__id={}", ids[0], ids[2]), &ids[1..2]),
        (format!("from__id={}&to__id={}", ids[2], ids[1]), &ids[..0]),
        (format!("from__id={}0", ids[1]), &ids[2..]),
        (format!("to__id={}0", ids[1]), &ids[..2]),
        (format!("from__id={}", &ids[0][..23]), &ids[..]),
        (format!("to__id={}", &ids[0][..23]), &ids[..0]),
        (format!("from__id={start}"), &ids[..]),
        ("from__id=g".to_owned(), &ids[..0]),
        ("to__id=g".to_owned(), &ids[..]),
        ("from__id=%00".to_owned(), &ids[..]),
        ("to__id=é".to_owned(), &ids[..]),
        ("from__id=é".to_owned(), &ids[..0]),
        (format!("from__id={}", ids[0].to_uppercase()), if ids[0].to_uppercase() == ids[0] { &ids[1..] } else { &ids[..] }),
    ] {
        assert_eq!(app.list(&query).await.ids(), expected, "{query}");
    }
}

#[tokio::test]
async fn all_filters_hold_at_once() {
    let Some(app) = App::alone().await else { return };
    let contacts = app.add_named(&["John A", "John B", "Jane A", "John A"]).await;
    let one = &contacts[3];

    let both = format!("name=John A&name=Jane A&search=john&_id={}&_id={}", one.id(), contacts[2].id());
    let range = format!("search=john a&from__id={}&from_updatedAt={}", contacts[0].id(), one.millis("updatedAt") - 1);

    assert_eq!(app.list(&both).await.ids(), [one.id()]);
    assert_eq!(app.list(&range).await.ids(), [one.id()]);
    assert_eq!(app.list(format!("{both}&{}", range.replace("search=", "unknown="))).await.ids(), [one.id()]);
    assert_eq!(app.list(format!("_id={}&name=Jane A", one.id())).await.total(), 0);
}

#[tokio::test]
async fn an_empty_value_counts_as_not_given_and_unknown_parameters_are_ignored() {
    let Some(app) = App::alone().await else { return };
    app.add_named(&["B", "A"]).await;
    let plain = app.list("").await;

    for query in [
        "page=&per_page=&_id=&name=&search=&from_updatedAt=&to_updatedAt=&from__id=&to__id=&sort=&sortBy=&sortPageOrder=",
        "page&per_page&search&sort",
        "page=1&page=&per_page=25&per_page=",
        "name[]=&_id[0]=&page[]=&from_updatedAt[gt]=&sortBy=[]",
        "limit=1&offset=1&filter=x&Name=A&names=A&NAME=A",
        "&&&",
        "=A",
        "%FF=A",
        "sortPageOrder=desc",
    ] {
        let answer = app.list(query).await.expect(200);
        assert_eq!((answer.contacts(), answer.pagination()), (plain.contacts(), plain.pagination()), "{query}");
    }
}

#[tokio::test]
async fn lists_follow_every_change_at_once_at_every_gateway() {
    let Some(app) = App::here().await else { return };
    let sibling = app.sibling().await;
    let everywhere = async |expected: &[&str]| {
        for gateway in [&app, &sibling] {
            assert_eq!(gateway.list("sort=name").await.names(), expected);
        }
    };
    everywhere(&[]).await;

    let (one, other) = (app.add(contact().name("A")).await.id(), sibling.add(contact().name("B")).await.id());
    everywhere(&["A", "B"]).await;
    sibling.put(&one, json!({"name": "C"})).await.expect(200);
    everywhere(&["B", "C"]).await;
    app.delete(&other).await.expect(200);
    everywhere(&["C"]).await;
    app.put(&one, json!({"name": "D"})).await.expect(200);
    sibling.put(&one, json!({"name": "E"})).await.expect(200);
    everywhere(&["E"]).await;
    sibling.delete(&one).await.expect(200);
    everywhere(&[]).await;
}

#[tokio::test]
async fn a_warm_list_costs_one_request_or_two() {
    let Some(app) = App::alone().await else { return };
    let contacts = app.add_named(&["A", "B", "C"]).await;

    let cold = app.list("").await;
    let warm = app.list("sort=-name&search=a").await;
    app.put(contacts[0].id(), json!({"title": "new"})).await.expect(200);
    let changed = app.list("per_page=1&page=1").await;
    let again = app.list("").await;

    assert!(cold.dynamodb_requests() >= 2, "the key, the change log, and the contacts");
    assert_eq!((warm.dynamodb_requests(), changed.dynamodb_requests(), again.dynamodb_requests()), (1, 2, 1));
}

#[tokio::test]
async fn a_page_above_what_a_function_can_answer_is_refused() {
    let Some(app) = App::alone().await else { return };
    let large = contact().with("media", vec!["x".repeat(2_000); 100]).with("extra_info", "x".repeat(10_000));
    for _ in 0..30 {
        app.add(&large).await;
    }

    let refused = app.list("per_page=100").await;

    assert_eq!(refused.code(), "answer_too_large");
    assert_eq!(refused.refusal(), "400 per_page must be smaller for this page: its contacts are larger than 6 MB");
    assert_eq!(app.list("per_page=20").await.ids().len(), 20);
}

#[tokio::test]
async fn an_empty_array_matches_nothing() {
    let Some(app) = App::alone().await else { return };
    let ids: Vec<String> = app.add_named(&["A", "B"]).await.iter().map(testkit::Contact::id).collect();
    let cold = app.siblings(1).await;

    for gateway in cold.iter().chain([&app]) {
        for query in ["_id=[]", "name=[]", "name=[\"\"]", "name[]=[\"A\"]", "_id=[]&name=A", "name=[]&search=a", "_id=[]&_id="] {
            assert_eq!(gateway.list(query).await.total(), 0, "{query}");
        }
        assert_eq!(gateway.list("name=[]&name=A").await.names(), ["A"]);
        assert_eq!(gateway.list(format!("_id=[]&_id={}", ids[1])).await.names(), ["B"]);
        assert_eq!(gateway.list("").await.total(), 2);
    }
}

#[tokio::test]
async fn times_can_be_given_as_answers_have_them() {
    let Some(app) = App::alone().await else { return };
    let created = app.add(contact()).await;
    let at = created.text("updatedAt");
    let before = &at[..at.len() - 1];
    let total = async |query: String| app.list(query).await.total();

    assert_eq!(total(format!("from_updatedAt={at}")).await, 0, "strictly after");
    assert_eq!(total(format!("to_updatedAt={at}")).await, 0, "strictly before");
    assert_eq!(total(format!("from_updatedAt={before}999Z")).await, 0, "digits beyond milliseconds are cut");
    assert_eq!(total(format!("to_updatedAt={before}999Z")).await, 0, "digits beyond milliseconds are cut");
    assert_eq!(total(format!("from_updatedAt={before}%2B00:01")).await, 1, "a minute earlier");
    assert_eq!(total(format!("from_updatedAt={before}+00:01")).await, 1, "a plus sign that was not encoded");
    assert_eq!(total(format!("to_updatedAt={before}-00:01")).await, 1, "a minute later");
    assert_eq!(total(format!("from_updatedAt=2000-01-01T00:00:00Z&to_updatedAt={}", created.millis("updatedAt") + 1)).await, 1);
}

#[tokio::test]
async fn contacts_can_be_found_by_email_phone_state_and_creation() {
    let app = App::start().await;
    let ann = contact().with("name", "Ann").with("email", "Ann.Lee@Example.com").with("phone1", "+971 (50) 123-4567");
    let ben = contact().with("name", "Ben").with("email", "ben@example.com").with("phone2", "٠٥٠ ١٢٣").with("disabled", true);
    let (ann, ben) = (app.add(ann).await, app.add(ben).await);
    let (a, b) = (ann.millis("createdAt"), ben.millis("createdAt"));

    for (query, expected) in [
        ("email=ann.lee@EXAMPLE.com".to_owned(), &["Ann"][..]),
        ("email[]=ann.lee@example.com&email[]=ben@example.com".to_owned(), &["Ann", "Ben"]),
        ("email=ann.lee@example".to_owned(), &[]),
        ("email=[]".to_owned(), &[]),
        ("phone=971501234567".to_owned(), &["Ann"]),
        ("phone=%2B971-50-1234567&phone=050123".to_owned(), &["Ann", "Ben"]),
        ("phone=50123".to_owned(), &[]),
        ("disabled=true".to_owned(), &["Ben"]),
        ("disabled=false".to_owned(), &["Ann"]),
        (format!("from_createdAt={}&to_createdAt={}", a - 1, b + 1), &["Ann", "Ben"]),
        (format!("to_createdAt={a}"), &[]),
        (format!("from_createdAt={b}"), &[]),
        (format!("from_createdAt={}", ann["createdAt"].as_str().unwrap()), if a < b { &["Ben"] } else { &[] }),
        ("disabled=true&email=ann.lee@example.com".to_owned(), &[]),
        ("search=ann&phone=971501234567&disabled=false".to_owned(), &["Ann"]),
    ] {
        let answer = app.list(format!("{query}&sort=name")).await.expect(200);
        let names: Vec<_> = answer.contacts().iter().map(|contact| contact["name"].as_str().unwrap().to_owned()).collect();
        assert_eq!(names, expected, "{query}");
    }
    for (query, refusal) in [
        ("phone=none", "400 phone must have digits"),
        ("disabled=yes", "400 disabled must be true or false"),
        ("disabled=true&disabled=true", "400 disabled must be given only once"),
        ("email[x]=a", "400 email"),
        ("from_createdAt=soon", "400 from_createdAt must be a time"),
    ] {
        let answer = app.list(query).await.refusal();
        assert!(answer.starts_with(refusal), "{query}: {answer}");
    }
}
