//! What the gateway answers itself.

use reqwest::Method;
use testkit::{App, contact};

#[tokio::test]
async fn routes_that_there_are_not_are_not_found_as_api_gateway_says_it() {
    let app = App::start().await;
    let id = app.add(contact()).await.id();
    let of_contact = format!("/client-contact/{id}");

    for (method, path) in [
        (Method::GET, "/v1"),
        (Method::GET, "/v1/"),
        (Method::GET, "/client-contacts"),
        (Method::GET, "/client-contact/"),
        (Method::GET, "/Client-Contact"),
        (Method::GET, "/client-contact/a/b"),
        (Method::GET, "/v2/client-contact"),
        (Method::GET, "/v1/v1/client-contact"),
        (Method::GET, "/v1client-contact"),
        (Method::GET, "//client-contact"),
        (Method::PATCH, "/client-contact/batch"),
        (Method::DELETE, "/client-contact"),
        (Method::PATCH, "/client-contact"),
        (Method::OPTIONS, "/client-contact"),
        (Method::POST, &of_contact),
        (Method::PATCH, &of_contact),
    ] {
        let answer = app.request(method.clone(), path).send().await;

        assert_eq!((answer.status, answer.text().as_str()), (404, r#"{"message":"Not Found"}"#), "{method} {path}");
    }
    assert_eq!(app.get(&id).await.contact().version(), 0);
}

#[tokio::test]
async fn every_call_works_below_v1_too() {
    let app = App::start().await;

    let created = app.request(Method::POST, "/v1/client-contact").json(&contact()).send().await.expect(201).contact();
    let path = format!("/v1/client-contact/{}", created.id());
    let read = app.request(Method::GET, &path).send().await.expect(200).contact();
    let listed = app.request(Method::GET, &format!("/v1/client-contact?_id={}", created.id())).send().await.expect(200);
    let changed = app.request(Method::PUT, &path).json(&contact().name("Jane")).send().await.expect(200).contact();
    let deleted = app.request(Method::DELETE, &path).send().await.expect(200).contact();

    assert_eq!(read, created);
    assert_eq!(listed.contacts(), [created]);
    assert_eq!(deleted, changed);
}

#[tokio::test]
async fn answers_are_for_the_caller_alone_and_tell_what_they_cost() {
    let app = App::start().await;

    let answer = app.create(contact()).await.expect(201);

    assert_eq!(answer.header("cache-control"), Some("private, no-cache"));
    assert!(answer.header("server-timing").unwrap().contains("total;dur="));
    assert!(answer.header("x-dynamodb-capacity").unwrap().parse::<f64>().unwrap() > 0.0);
}

#[tokio::test]
async fn queries_need_not_be_escaped_where_api_gateway_takes_them_raw() {
    let app = App::start().await;
    let odd = "<\"a|b\">{`^\\}ü";
    let contact = app.add(contact().name(odd)).await;
    let id = contact.id();

    for query in [
        format!("_id=[\"{id}\"]"),
        format!("_id={id}&name={odd}"),
        format!("_id={id}&name=[\"<\\\"a|b\\\">{{`^\\\\}}ü\"]"),
        format!("_id={id}&sortBy={{\"field\":\"name\",\"type\":\"desc\"}}"),
    ] {
        let answer = app.raw("GET", format!("/client-contact?{query}"), &[], "").await;

        assert_eq!(answer.expect(200).contacts(), std::slice::from_ref(&contact), "{query}");
    }
}
