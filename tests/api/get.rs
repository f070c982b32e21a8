//! `GET /client-contact/{id}`

use reqwest::Method;
use testkit::{App, contact};

#[tokio::test]
async fn a_contact_reads_as_it_was_written() {
    let app = App::start().await;
    let created = app.add(contact().with("email", "john.smith@example.com")).await;

    let answer = app.get(created.id()).await.expect(200);

    assert_eq!(answer.contact(), created);
    assert_eq!(answer.header("etag"), Some("\"0\""));
    assert_eq!(answer.dynamodb_requests(), 1);
}

#[tokio::test]
async fn if_none_match_that_names_the_version_is_answered_304() {
    let app = App::start().await;
    let id = app.add(contact()).await.id();
    app.put(&id, contact()).await.expect(200);

    for (tags, status) in [
        ("\"1\"", 304),
        ("W/\"1\"", 304),
        ("\"0\", \"1\"", 304),
        ("*", 304),
        ("\"0\"", 200),
        ("\"11\"", 200),
        ("\"01\"", 200),
        ("1", 200),
        ("rubbish", 200),
    ] {
        let answer = app.request(Method::GET, &format!("/client-contact/{id}")).header("if-none-match", tags).send().await;

        assert_eq!((answer.status, answer.header("etag")), (status, Some("\"1\"")), "{tags}");
        assert_eq!(answer.body.is_empty(), status == 304, "{tags}");
    }
}

#[tokio::test]
async fn an_id_of_no_contact_is_not_found() {
    let app = App::start().await;
    let id = app.add(contact()).await.id();
    let other = format!("{}{}", &id[..23], if id.ends_with('0') { '1' } else { '0' });
    let upper = id.to_uppercase();
    let longer = format!("{id}0");

    for none in [
        other.as_str(),
        "000000000000000000000000",
        "ffffffffffffffffffffffff",
        // What follows is not an ObjectId at all.
        if upper == id { "ABCDEFABCDEFABCDEFABCDEF" } else { &upper },
        &id[1..],
        &longer,
        "x",
        "0",
        "-1",
        "null",
        "undefined",
        "60f1b2b3c9e9a1234567890g",
        "60f1b2b3%20c9e9a1234567890",
        "%20",
        "%00",
        "%",
        "%zz",
        "%ff%fe",
        "a%2Fb",
        "..%2F..%2Fetc",
        "%D8%AC%D9%88%D9%86",
        "idempotency-key%23",
        "'%20OR%201=1",
    ] {
        let expected = "404 Client contact not found";
        assert_eq!(app.get(none).await.refusal(), expected, "GET {none}");
        assert_eq!(app.put(none, contact()).await.refusal(), expected, "PUT {none}");
        assert_eq!(app.delete(none).await.refusal(), expected, "DELETE {none}");
    }
    assert_eq!(app.get(&id).await.expect(200).contact().version(), 0);
}
