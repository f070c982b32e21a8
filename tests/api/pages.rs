//! Pages: what they say of themselves, and that all of them together are the list.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::clock;
use shared::object_id;
use testkit::{App, Contact, Model, Query, contact, eventually};

#[tokio::test]
async fn the_first_25_by_id_come_without_parameters() {
    let Some(app) = App::alone().await else { return };
    let mut ids = Vec::new();
    for _ in 0..30 {
        ids.push(app.add(contact()).await.id());
    }
    ids.sort();

    let answer = app.list("").await;

    assert_eq!(answer.ids(), ids[..25]);
    insta::assert_snapshot!(answer.pagination(), @r#"{"next_page":2,"page":1,"per_page":25,"pre_page":0,"total":30,"total_page":2}"#);
}

#[tokio::test]
async fn a_list_of_nothing_has_no_pages() {
    let Some(app) = App::alone().await else { return };

    let answer = app.list("").await;

    assert_eq!(answer.contacts(), []);
    insta::assert_snapshot!(answer.pagination(), @r#"{"next_page":0,"page":1,"per_page":25,"pre_page":0,"total":0,"total_page":0}"#);
    let far = app.list("page=5&per_page=1").await.pagination();
    insta::assert_snapshot!(far, @r#"{"next_page":0,"page":5,"per_page":1,"pre_page":0,"total":0,"total_page":0}"#);
}

#[tokio::test]
async fn neighbours_are_right_at_every_edge() {
    let Some(app) = App::alone().await else { return };
    app.add_named(&["A", "B", "C", "D", "E"]).await;
    let mut answers = Vec::new();

    for (page, per_page) in
        [(1, 2), (2, 2), (3, 2), (4, 2), (5, 2), (1, 5), (2, 5), (1, 4), (2, 4), (1, 100), (5, 1), (u64::MAX, 100)]
    {
        let answer = app.list(format!("page={page}&per_page={per_page}&sort=name")).await.expect(200);
        let Value::Object(pagination) = answer.pagination() else { panic!("pagination is an object") };
        assert_eq!((&pagination["page"], &pagination["per_page"]), (&json!(page), &json!(per_page)));
        let [pre, next] = ["pre_page", "next_page"].map(|member| &pagination[member]);
        answers.push(format!("{page} of {}, {pre} < > {next}: {}", pagination["total_page"], answer.names().join(" ")));
        assert_eq!(pagination.len(), 6);
        assert_eq!(pagination["total"], 5);
    }

    insta::assert_snapshot!(answers.join("\n"), @r"
    1 of 3, 0 < > 2: A B
    2 of 3, 1 < > 3: C D
    3 of 3, 2 < > 0: E
    4 of 3, 3 < > 0: 
    5 of 3, 3 < > 0: 
    1 of 1, 0 < > 0: A B C D E
    2 of 1, 1 < > 0: 
    1 of 2, 0 < > 2: A B C D
    2 of 2, 1 < > 0: E
    1 of 1, 0 < > 0: A B C D E
    5 of 5, 4 < > 0: E
    18446744073709551615 of 1, 1 < > 0: 
    ");
}

#[tokio::test]
async fn the_total_counts_what_matches() {
    let Some(app) = App::alone().await else { return };
    app.add_named(&["John A", "John B", "Jane", "John C"]).await;

    let pagination = app.list("search=john&per_page=2").await.pagination();

    insta::assert_snapshot!(pagination, @r#"{"next_page":2,"page":1,"per_page":2,"pre_page":0,"total":3,"total_page":2}"#);
}

/// Contacts with many ties, absent values and texts that differ in case and accents only.
async fn a_motley_crowd(app: &App, count: usize, word: Option<&str>) -> Model {
    let mut model = Model::default();
    for number in 0..count {
        let names = ["john", "John", "JOHN", "Jöhn", "Bob", "bob ", "ßam", "ssam", "جون", "يوسف", "😀", "Z"];
        let name = names[number % names.len()];
        let mut body = contact().name(&word.map_or(name.to_owned(), |word| format!("{name} {word}")));
        for (field, values) in [
            ("local_name", ["A", "a", "Á", "á", "B"]),
            ("email", ["a@example.com", "A@example.com", "b@example.com", "c@example.com", "d@example.com"]),
            ("title", ["", "Manager", "manager", "Mänager", "Director"]),
            ("phone1", ["+1", "1", "٣", "", "+12"]),
        ] {
            if let Some(value) = values.get((number * number + field.len()) % 7) {
                body = body.with(field, *value);
            }
        }
        model.keep(app.add(body.with("disabled", number % 3 == 0)).await);
    }
    model
}

#[tokio::test]
async fn all_pages_together_are_the_list_at_every_size() {
    let Some(app) = App::here().await else { return };
    let model = a_motley_crowd(&app, 105, None).await;
    let cold = app.sibling().await;
    let orders: [&[(&str, bool)]; 6] = [
        &[],
        &[("name", false)],
        &[("local_name", true)],
        &[("disabled", true), ("title", false), ("email", true)],
        &[("phone1", false), ("_id", true)],
        &[("updatedAt", true)],
    ];

    for (gateway, sort) in [&app, &cold].into_iter().cycle().zip(orders) {
        let unpaged = model.all(&Query { sort: sort.to_vec(), ..Query::default() }, &app.namespaces);
        for per_page in [1, 3, 100] {
            let mut walked: Vec<Contact> = Vec::new();
            let mut page = 1;
            while page != 0 {
                let query =
                    Query { page: Some(page), per_page: Some(per_page), sort: sort.to_vec(), form: 4, ..Query::default() };
                let answer = gateway.list(query.text()).await;
                walked.extend(answer.contacts());
                page = answer.pagination()["next_page"].as_u64().unwrap();
            }
            assert_eq!(walked, unpaged, "{sort:?} {per_page}");
        }
    }
}

#[tokio::test]
async fn a_walk_among_the_contacts_of_others_meets_each_one_once() {
    let app = App::start().await;
    let word = object_id::generate(clock::now()).to_string();
    let model = a_motley_crowd(&app, 10, Some(&word)).await;
    let expected: BTreeSet<String> = model.contacts().map(Contact::id).collect();
    // A deployed API shows a change in lists a little later.
    eventually("all contacts in the list", async || (app.list(format!("search={word}")).await.total() == 10).then_some(())).await;

    for per_page in [1, 3, 100] {
        let mut walked = Vec::new();
        for page in 1..=10_u64.div_ceil(per_page) {
            walked.extend(app.list(format!("search={word}&sort=-name,email&page={page}&per_page={per_page}")).await.ids());
        }

        assert_eq!(walked.len(), 10);
        assert_eq!(walked.into_iter().collect::<BTreeSet<_>>(), expected);
    }
}

/// The references of a list's `Link` header, by what they are.
fn links(answer: &testkit::Answer) -> Vec<(String, String)> {
    let link = |link: &str| {
        let (reference, relation) = link.strip_prefix('<').unwrap().split_once(">; rel=\"").unwrap();
        (relation.strip_suffix('"').unwrap().to_owned(), reference.to_owned())
    };
    answer.header("link").map(|header| header.split(", ").map(link).collect()).unwrap_or_default()
}

#[tokio::test]
async fn links_refer_to_the_pages_that_there_are() {
    let Some(app) = App::alone().await else { return };
    app.add_named(&["A", "B", "C", "D", "E"]).await;
    let mut answers = Vec::new();

    for query in [
        "",
        "per_page=2",
        "page=2&per_page=2",
        "per_page=2&page=3",
        "sort=name&page=9&per_page=2&x=1",
        "page=18446744073709551615&per_page=1",
        "name=nobody",
        "name=nobody&page=2",
    ] {
        let answer = app.list(query).await.expect(200);
        let links = links(&answer).iter().map(|(relation, reference)| format!("{relation} {reference}")).collect::<Vec<_>>();
        answers.push(format!("{query}: {}", links.join(", ")));
    }

    insta::assert_snapshot!(answers.join("\n"), @r"
    : first ?page=1, last ?page=1
    per_page=2: first ?page=1&per_page=2, next ?page=2&per_page=2, last ?page=3&per_page=2
    page=2&per_page=2: first ?page=1&per_page=2, prev ?page=1&per_page=2, next ?page=3&per_page=2, last ?page=3&per_page=2
    per_page=2&page=3: first ?page=1&per_page=2, prev ?page=2&per_page=2, last ?page=3&per_page=2
    sort=name&page=9&per_page=2&x=1: first ?page=1&sort=name&per_page=2&x=1, prev ?page=3&sort=name&per_page=2&x=1, last ?page=3&sort=name&per_page=2&x=1
    page=18446744073709551615&per_page=1: first ?page=1&per_page=1, prev ?page=5&per_page=1, last ?page=5&per_page=1
    name=nobody: 
    name=nobody&page=2: 
    ");
}

#[tokio::test]
async fn links_keep_the_other_parameters_as_the_client_wrote_them() {
    let app = App::start().await;
    app.add(contact().name("A")).await;
    let others = "name=A&name[]=B,+c&name%5B%5D=%D8%AC&per_page=1&&search=&sortBy[0][field]=_id&sortBy[0][type]=desc&%zz=%41";

    for page in ["page=1&", "p%61ge=1&", "page=01&", "page=&page=1&", "page[]=&page=1&"] {
        let answer = app.raw("GET", format!("/client-contact?{page}{others}"), &[], "").await.expect(200);
        let links = links(&answer);
        assert_eq!(links[0], ("first".to_owned(), format!("?page=1&{others}")), "{page}");
        assert!(links.iter().all(|(_, reference)| reference.ends_with(&format!("&{others}"))), "{page} {links:?}");
    }
    let end = app.raw("GET", format!("/client-contact?{others}&page=1"), &[], "").await.expect(200);
    assert_eq!(links(&end)[0].1, format!("?page=1&{others}"));
}

#[tokio::test]
async fn whoever_follows_the_links_meets_every_contact_once() {
    let Some(app) = App::alone().await else { return };
    let contacts = app.add_named(&["A", "B", "C", "D", "E", "F", "G"]).await;
    let mut names: Vec<String> = Vec::new();
    let mut reference = Some("?sortBy=[{\"field\":\"name\",\"type\":\"desc\"}]&per_page=3".to_owned());

    while let Some(query) = reference {
        let answer = app.list(query.trim_start_matches('?')).await.expect(200);
        names.extend(answer.names());
        reference = links(&answer).into_iter().find(|(relation, _)| relation == "next").map(|(_, reference)| reference);
    }

    assert_eq!(names.len(), contacts.len());
    assert_eq!(names, ["G", "F", "E", "D", "C", "B", "A"]);
}

#[tokio::test]
async fn links_that_would_be_longer_than_4_kb_are_left_out() {
    let app = App::start().await;
    app.add(contact().name("A")).await;
    let query = |length: usize| format!("name=A&x={}", "y".repeat(length));

    let short = app.list(query(1_900)).await.expect(200);
    let long = app.list(query(2_100)).await.expect(200);

    assert!(short.header("link").is_some_and(|links| links.len() <= 4_096));
    assert_eq!(long.header("link"), None);
}
