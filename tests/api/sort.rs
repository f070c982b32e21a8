//! Orders of lists.

use serde_json::json;
use testkit::{App, contact};

#[tokio::test]
async fn texts_sort_folded_then_by_code_points_and_absent_ones_come_first() {
    let Some(app) = App::alone().await else { return };
    for field in ["local_name", "phone1", "phone2", "email", "title"] {
        let values = match field {
            "email" => ["B@example.com", "a@example.com", "b@example.com", "A@example.com", "c@example.com"],
            _ => ["b", "Á", "a", "A", "ا"],
        };
        let ascending = match field {
            "email" => ["-", "A@example.com", "a@example.com", "B@example.com", "b@example.com", "c@example.com"],
            _ => ["-", "A", "a", "Á", "b", "ا"],
        };
        app.add(contact().name("-").with("extra_info", field)).await;
        for value in values {
            app.add(contact().name(value).with(field, value).with("extra_info", field)).await;
        }
        let shown = async |sort: &str| -> Vec<String> {
            let contacts = app.list(format!("sort={sort}&per_page=100")).await.contacts();
            contacts.iter().filter(|contact| contact["extra_info"] == field).map(|contact| contact.text("name")).collect()
        };

        let mut expected: Vec<String> = ascending.map(str::to_owned).into();
        assert_eq!(shown(field).await, expected, "{field}");
        expected.reverse();
        assert_eq!(shown(&format!("-{field}")).await, expected, "-{field}");
    }
}

#[tokio::test]
async fn an_empty_text_comes_after_an_absent_one() {
    let Some(app) = App::alone().await else { return };
    app.add(contact().name("of a space").with("title", " ")).await;
    app.add(contact().name("empty").with("title", "")).await;
    app.add(contact().name("absent")).await;

    assert_eq!(app.list("sort=title").await.names(), ["absent", "empty", "of a space"]);
    assert_eq!(app.list("sort=-title").await.names(), ["of a space", "empty", "absent"]);
}

#[tokio::test]
async fn ties_go_by_id_ascending_in_both_directions() {
    let Some(app) = App::alone().await else { return };
    let mut ids = Vec::new();
    for number in 0..6 {
        ids.push(app.add(contact().name("same").with("disabled", number % 2 == 0)).await.id());
    }
    ids.sort();
    let disabled: Vec<_> =
        app.list("sort=-disabled").await.contacts().iter().map(|contact| contact["disabled"] == true).collect();

    for sort in ["name", "-name", "-title,email,-phone1"] {
        assert_eq!(app.list(format!("sort={sort}")).await.ids(), ids, "{sort}");
    }
    assert_eq!(disabled, [true, true, true, false, false, false]);
    assert!(app.list("sort=-disabled").await.ids()[..3].is_sorted());
    assert!(app.list("sort=-disabled").await.ids()[3..].is_sorted());
    ids.reverse();
    assert_eq!(app.list("sort=-_id").await.ids(), ids);
    assert_eq!(app.list("sort=name,-_id").await.ids(), ids);
}

#[tokio::test]
async fn times_sort_by_time() {
    let Some(app) = App::alone().await else { return };
    let contacts = app.add_named(&["A", "B", "C"]).await;
    for contact in [&contacts[1], &contacts[0]] {
        app.put(contact.id(), json!({"title": "changed"})).await.expect(200);
    }

    let by_creation = app.list("sort=createdAt").await.contacts();
    let by_change = app.list("sort=-updatedAt").await.contacts();

    assert!(by_creation.is_sorted_by_key(|contact| (contact.millis("createdAt"), contact.id())));
    assert!(by_change.is_sorted_by_key(|contact| (-contact.millis("updatedAt"), contact.id())));
    assert_eq!(by_change[2].text("name"), "C");
}

#[tokio::test]
async fn an_order_can_be_written_in_many_ways() {
    let Some(app) = App::alone().await else { return };
    for (name, title) in [("A", "2"), ("B", "1"), ("C", "2"), ("D", "1")] {
        app.add(contact().name(name).with("title", title)).await;
    }

    for (query, expected) in [
        ("sort=name", "ABCD"),
        ("sort=-name", "DCBA"),
        ("sort=name&sortPageOrder=asc", "ABCD"),
        ("sort=name&sortPageOrder=desc", "DCBA"),
        ("sort=name&sortPageOrder=dsc", "DCBA"),
        ("sortPageOrder=desc&sort=name", "DCBA"),
        ("sort=-name&sortPageOrder=asc", "DCBA"),
        ("sort=-name&sortPageOrder=desc", "DCBA"),
        ("sort=title,-name", "DBCA"),
        ("sort=-title,name", "ACBD"),
        ("sort=title,name&sortPageOrder=desc", "BDAC"),
        ("sort=title,title,-title,-name", "DBCA"),
        ("sort=title%2C-name", "DBCA"),
        ("sortBy=[{\"field\":\"title\",\"type\":\"asc\"},{\"field\":\"name\",\"type\":\"desc\"}]", "DBCA"),
        ("sortBy={\"field\":\"title\",\"type\":\"asc\"}&sortBy={\"field\":\"name\",\"type\":\"desc\"}", "DBCA"),
        ("sortBy[]={\"field\":\"title\",\"type\":\"asc\"}&sortBy[]={\"field\":\"name\",\"type\":\"desc\"}", "DBCA"),
        ("sortBy[0][field]=title&sortBy[0][type]=asc&sortBy[1][field]=name&sortBy[1][type]=desc", "DBCA"),
        ("sortBy[1][type]=desc&sortBy[0][type]=asc&sortBy[1][field]=name&sortBy[0][field]=title", "DBCA"),
        ("sortBy[10][field]=name&sortBy[10][type]=desc&sortBy[9][field]=title&sortBy[9][type]=asc", "DBCA"),
        ("sortBy%5B0%5D%5Bfield%5D=name&sortBy%5B0%5D%5Btype%5D=desc", "DCBA"),
        ("sortBy=[{\"field\":\"name\",\"type\":\"desc\"}]&sort=name", "DCBA"),
        ("sortBy=[{\"field\":\"name\",\"type\":\"asc\"}]&sort=name&sortPageOrder=desc", "ABCD"),
        ("sortBy=[{\"type\":\"desc\",\"field\":\"_id\",\"more\":1}]", "DCBA"),
    ] {
        assert_eq!(app.list(query).await.expect(200).names().concat(), expected, "{query}");
    }
}

#[tokio::test]
async fn an_order_holds_after_changes() {
    let Some(app) = App::alone().await else { return };
    let contacts = app.add_named(&["A", "B", "C", "D"]).await;
    assert_eq!(app.list("sort=-name").await.names().concat(), "DCBA");

    app.put(contacts[0].id(), json!({"name": "E"})).await.expect(200);
    app.delete(contacts[2].id()).await.expect(200);
    app.add(contact().name("c")).await;
    app.put(contacts[3].id(), json!({"name": "a"})).await.expect(200);

    assert_eq!(app.list("sort=-name").await.names().concat(), "EcBa");
    assert_eq!(app.list("sort=name&per_page=2&page=2").await.names().concat(), "cE");
}
