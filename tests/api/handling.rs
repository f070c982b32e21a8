//! What a call does not know of a request: ignored and named, or refused on request. And what every answer has.

use reqwest::Method;
use serde_json::json;
use testkit::{App, contact};

#[tokio::test]
async fn unknown_parameters_are_ignored_and_named() {
    let app = App::start().await;
    let id = app.add(contact()).await.id();

    let listed = app.list("limit=1&Name=A&limit=2&mail[]=a,b&x%5B%5D=&%D8%AC=1&page=1").await.expect(200);
    let many: Vec<String> = (0..30).map(|number| format!("{}{number}=1", "x".repeat(200))).collect();
    let cut = app.list(many[..3].join("&")).await.expect(200);
    let at_most_20 = app.list(many.join("&").replace(&"x".repeat(190), "")).await.expect(200);

    assert_eq!(listed.header("x-ignored-parameters"), Some("limit,Name,mail%5B%5D,%D8%AC"));
    assert_eq!(listed.header("preference-applied"), None);
    assert_eq!(cut.names_in("x-ignored-parameters"), [format!("{}%E2%80%A6", "x".repeat(100))]);
    assert_eq!(at_most_20.names_in("x-ignored-parameters").len(), 20);
    assert_eq!(app.list("page=1&search=&sort=").await.header("x-ignored-parameters"), None);
    // The other calls have no parameters.
    let path = format!("/client-contact/{id}?fields=name");
    for (method, path) in [
        (Method::GET, path.as_str()),
        (Method::PUT, &path),
        (Method::POST, "/client-contact?fields=name"),
        (Method::DELETE, &path),
    ] {
        let answer = app.request(method.clone(), path).json(&contact()).send().await;
        assert_eq!(answer.header("x-ignored-parameters"), Some("fields"), "{method} {}", answer.text());
        answer.contact();
    }
}

#[tokio::test]
async fn unknown_members_are_ignored_and_named() {
    let app = App::start().await;
    let body = contact()
        .with("nickname", "Johnny")
        .with("a,b", json!([]))
        .with("integration-meta", "7")
        .with("creator", json!({"_id": "1", "type": "rep", "admin": "x", "age": 7, "none": null}));

    let created = app.create(&body).await.expect(201);
    let changed = app.put(created.contact().id(), &body).await.expect(200);
    let not_there = app.put("000000000000000000000000", &body).await.expect(404);
    let known = app.create(&created.contact()).await.expect(201);

    for answer in [&created, &changed, &not_there] {
        let mut ignored = answer.names_in("x-ignored-members");
        ignored.sort_unstable();
        assert_eq!(ignored, ["a%2Cb", "creator.age", "integration-meta", "nickname"]);
    }
    assert_eq!(created.contact()["creator"], json!({"_id": "1", "type": "rep", "admin": "x"}));
    // A whole document that comes back has no unknown member.
    assert_eq!(known.header("x-ignored-members"), None);
}

#[tokio::test]
async fn strict_handling_refuses_what_is_unknown_and_changes_nothing() {
    let Some(app) = App::alone().await else { return };
    let before = app.add(contact()).await;
    let path = format!("/client-contact/{}", before.id());
    let strict = |method, path: &str| app.request(method, path).header("prefer", "handling=strict");
    let unknown = "400 limit is not a parameter of this call";

    for (method, path) in [
        (Method::GET, "/client-contact"),
        (Method::POST, "/client-contact"),
        (Method::GET, &path),
        (Method::PUT, &path),
        (Method::DELETE, &path),
    ] {
        let refused = strict(method.clone(), &format!("{path}?limit=1")).json(&contact().name("Jane")).send().await;
        assert_eq!((refused.refusal().as_str(), refused.code().as_str()), (unknown, "invalid_parameter"), "{method}");
        assert_eq!(refused.header("preference-applied"), Some("handling=strict"));
    }
    for (method, path) in [(Method::POST, "/client-contact"), (Method::PUT, &path)] {
        let body = contact().name("Jane").with("Title", "Director").with("creator", json!({"_id": "1", "type": "rep", "age": 7}));
        let refused = strict(method, path).json(&body).send().await;
        assert_eq!(
            (refused.code().as_str(), refused.fields()),
            (
                "invalid_field",
                json!({"Title": "Title is not a field of a client contact", "creator.age": "creator.age must be a string"})
            )
        );
    }
    let empty = strict(Method::GET, "/client-contact?page=&search=&x=").send().await;
    assert_eq!(
        empty.fields(),
        json!({"page": "page must not be empty", "search": "search must not be empty", "x": "x is not a parameter of this call"})
    );

    assert_eq!(app.list("").await.contacts(), std::slice::from_ref(&before));
    let changed = strict(Method::PUT, &path).json(&before).send().await.expect(200);
    assert_eq!(changed.header("preference-applied"), Some("handling=strict"));
    let page = strict(Method::GET, "/client-contact?page=1&search=john").send().await.expect(200);
    assert_eq!((page.total(), page.header("preference-applied")), (1, Some("handling=strict")));
}

#[tokio::test]
async fn strict_handling_can_be_one_of_several_preferences() {
    let app = App::start().await;
    let status = async |preferences: &[&str]| {
        let request = app.request(Method::GET, "/client-contact?unknown=1");
        preferences.iter().fold(request, |request, preference| request.header("prefer", preference)).send().await.status
    };

    for preferences in [
        &["handling=strict"][..],
        &["respond-async, wait=10; x=\"a,b\", Handling=Strict; y"],
        &["respond-async", "handling=\"strict\""],
        &["handling=strict, handling=lenient"],
    ] {
        assert_eq!(status(preferences).await, 400, "{preferences:?}");
    }
    for preferences in
        [&[][..], &["handling=lenient"], &["handling=lenient, handling=strict"], &["x=\"handling=strict\""], &["handling"]]
    {
        assert_eq!(status(preferences).await, 200, "{preferences:?}");
    }
}

#[tokio::test]
async fn every_answer_has_the_name_of_its_request_and_a_word_to_caches() {
    let app = App::start().await;
    let created = app.create(contact()).await.expect(201);
    let (path, etag) = (format!("/client-contact/{}", created.contact().id()), created.contact().etag());

    let answers = [
        created,
        app.list("").await.expect(200),
        app.list("page=0").await.expect(400),
        app.request(Method::GET, &path).send().await.expect(200),
        app.request(Method::GET, &path).header("if-none-match", &etag).send().await.expect(304),
        app.request(Method::GET, &path).header("api-key", "wrong").send().await,
        app.request(Method::PUT, &path).json(&contact()).send().await.expect(200),
        app.request(Method::PUT, &path).header("if-match", "\"7\"").json(&contact()).send().await.expect(412),
        app.request(Method::DELETE, &path).send().await.expect(200),
        app.request(Method::DELETE, &path).send().await.expect(404),
    ];

    let mut ids: Vec<_> = answers.iter().map(|answer| answer.header("x-request-id").unwrap()).collect();
    assert!(answers.iter().all(|answer| answer.header("cache-control") == Some("private, no-cache")));
    if let Some(of_gateway) = answers[0].header("apigw-requestid") {
        assert_eq!(ids[0], of_gateway);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), answers.len());
}
