//! Input that wants to break something: it never gets a 5xx, which the kit sees to, and what is accepted comes back equal.

use proptest::collection::vec;
use proptest::prelude::*;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, App, Caller, contact, holds_for_all, runtime};

/// Creates a contact with this text as `integration_meta`.
async fn create_with_meta(caller: &Caller, meta: &str) -> Answer {
    let body = format!("{{\"name\":\"John Smith\",\"integration_meta\":{meta}}}");
    caller.request(Method::POST, "/client-contact").body(body).send().await
}

/// The text of `integration_meta` in an answer with nothing else that is called so.
fn meta_text(answer: &Answer) -> String {
    let text = answer.text();
    let (_, after) = text.split_once("\"integration_meta\":").unwrap();
    let (meta, _) = after.rsplit_once(",\"company_namespace\":").unwrap();
    meta.to_owned()
}

#[tokio::test]
async fn metadata_of_any_kind_comes_back_equal() {
    let app = App::start().await;
    let levels = |count: usize| format!("{}{}", "{\"a\":".repeat(count - 1) + "{}", "}".repeat(count - 1));

    for meta in [
        "{}",
        r#"{"":""}"#,
        r#"{"":{"":{"":[]}}}"#,
        r#"{"a":null,"b":true,"c":[],"d":{},"e":""}"#,
        r#"{"z":1,"a":2,"m":3}"#,
        r#"{"int":9007199254740993,"large":18446744073709551616,"negative":-9223372036854775809}"#,
        r#"{"digits":123456789012345678901234567890123456789012345678901234567890}"#,
        r#"{"zero":-0,"zeros":1.000,"small":1e-400,"exponent":1E+2,"max":1.7976931348623157e308}"#,
        r#"{"decimal":0.1234567890123456789012345678901234567890123456789}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"$set":{"a.b":1},"__proto__":{"x":1},"constructor":null}"#,
        r#"{"_id":1,"tenant":"other","deleted":true,"#.replace("\"deleted\":true,", "\"deleted\":true}").as_str(),
        r#"{"integration":"😀 جون \u0000 \u001f \u007f \\ \" \/ \ud83d\ude00"}"#,
        r#"{"S":"x","N":"1","M":{},"NULL":true,"BOOL":"x"}"#,
        r#"{"a":{"$serde_json::private::Number":"1"},"b":[{"$serde_json::private::Number":"not one"}]}"#,
        "{ \"a\" :\t[ 1 ,\n2 ] }",
        &levels(30),
        &levels(100),
        &format!("{{\"a\":\"{}\"}}", "x".repeat(65_528)),
        &format!("{{\"a\":[{}]}}", vec!["[]"; 20_000].join(",")),
        &format!("{{\"{}\":1}}", "k".repeat(60_000)),
    ] {
        let shown: String = meta.chars().take(60).collect();
        let created = create_with_meta(&app, meta).await.expect(201);
        let id = created.contact().id();

        let read = app.get(&id).await.expect(200);

        assert_eq!(read.text(), created.text(), "{shown}");
        let (sent, kept): (Value, Value) =
            (serde_json::from_str(meta).unwrap(), serde_json::from_str(&meta_text(&read)).unwrap());
        assert_eq!(kept, sent, "{shown}");
        let tokens = |text: &str| text.split(|letter| " \t\n".contains(letter)).collect::<String>();
        assert_eq!(tokens(&meta_text(&read)), tokens(meta), "{shown}");
        let sent_back = format!("{{\"integration_meta\":{}}}", meta_text(&read));
        let changed = app.request(Method::PUT, &format!("/client-contact/{id}")).body(sent_back).send().await.expect(200);
        assert_eq!(meta_text(&changed), meta_text(&read), "{shown}");
    }
}

#[tokio::test]
async fn metadata_comes_back_with_names_that_a_library_takes_for_its_own() {
    let app = App::start().await;

    // The library that this test would compare values with takes them for its own, too.
    for meta in [
        r#"{"$serde_json::private::RawValue":1}"#,
        r#"{"$serde_json::private::RawValue":"[1,"}"#,
        r#"{"a":[{"$serde_json::private::RawValue":{"b":null}}]}"#,
        r#"{"$serde_json::private::Number":"1e400"}"#,
    ] {
        let created = create_with_meta(&app, meta).await.expect(201);
        assert_eq!(meta_text(&created), meta);
        let (_, id) = created.header("location").unwrap().rsplit_once('/').unwrap();
        assert_eq!(meta_text(&app.get(id).await.expect(200)), meta);
        assert_eq!(meta_text(&app.list(format!("_id={id}")).await.expect(200)), meta);
    }
}

#[tokio::test]
async fn a_user_keeps_members_of_any_name() {
    let app = App::start().await;
    let user = json!({"_id": "1", "type": "rep", "": "nameless", "\0": "null", "a b": "", "é": "x", "$set": "y"});

    let created = app.add(contact().with("creator", user.clone()).with("editor", user.clone())).await;
    let read = app.get(created.id()).await.contact();
    let listed = app.list(format!("_id={}", created.id())).await.contacts();

    assert_eq!((&created["creator"], &created["editor"]), (&user, &user));
    assert_eq!(([&read], listed.as_slice()), ([&created], [created.clone()].as_slice()));
}

#[tokio::test]
async fn metadata_that_could_not_come_back_is_refused() {
    let app = App::start().await;
    let deep = |count: usize| format!("{{\"a\":{}{}}}", "[".repeat(count), "]".repeat(count));

    let (double, pair) = ("not hold a number beyond the range of a double", "not hold half of a surrogate pair, such as \\ud800");
    let (object, levels) = ("be a JSON object", "be at most 100 levels deep");

    for (meta, rule) in [
        (r#"{"a":1e400}"#, double),
        (r#"{"a":-1e999999999}"#, double),
        (r#"{"a":"\ud800"}"#, pair),
        (r#"{"a":"\udc00\ud800"}"#, pair),
        (r#"{"\ud83d":1}"#, pair),
        (&deep(100), levels),
        (&deep(1_000), levels),
        (&deep(60_000), levels),
        ("[]", object),
        ("[{}]", object),
        ("\"{}\"", object),
        ("1", object),
        ("true", object),
    ] {
        let refusal = create_with_meta(&app, meta).await.refusal();
        assert!(refusal.starts_with(&format!("400 integration_meta must {rule}")), "{meta:.60} {refusal}");
    }
    for meta in [r#"{"a":01}"#, r#"{"a":.5}"#, r#"{"a":"\x"}"#, r#"{"a":"\u12"}"#, r#"{"a"}"#, "{", "{\"a\":\"\u{1}\"}"] {
        assert_eq!(create_with_meta(&app, meta).await.code(), "malformed_json", "{meta}");
    }
}

/// The text of any JSON value: also such as no decent program writes.
fn json_text() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>()
            .prop_filter("JSON has no such numbers", |number| number.is_finite())
            .prop_map(|number| format!("{number:e}")),
        "-?(0|[1-9][0-9]{0,50})(\\.[0-9]{1,50})?([eE][+-]?[0-9]{1,3})?",
    ];
    let text = prop_oneof![
        any::<String>().prop_map(|text| Value::from(text).to_string()),
        "\"(\\\\u[0-9a-fA-F]{4}|\\\\[\"\\\\/bfnrt]|[a-z ]){0,8}\"",
    ];
    let leaf = prop_oneof![Just("null".to_owned()), Just("false".to_owned()), number, text];
    leaf.prop_recursive(6, 40, 5, |inner| {
        let member = (any::<String>(), inner.clone()).prop_map(|(name, value)| format!("{}:{value}", Value::from(name)));
        prop_oneof![
            vec(inner, 0..5).prop_map(|values| format!("[{}]", values.join(","))),
            vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(", "))),
        ]
    })
}

#[test]
fn any_metadata_comes_back_equal_or_is_refused() {
    let runtime = runtime();
    let app = runtime.block_on(App::start());

    holds_for_all(&runtime, 100, json_text().prop_map(|json| format!("{{\"\":{json}}}")), async |meta| {
        let created = create_with_meta(&app, &meta).await;

        match created.status {
            201 => {
                let read = app.get(created.contact().id()).await.expect(200);
                assert_eq!(read.text(), created.text());
                let kept: Value = serde_json::from_str(&meta_text(&read)).unwrap();
                assert_eq!(kept, serde_json::from_str::<Value>(&meta).unwrap());
            }
            _ => assert!(created.refusal().starts_with("400 integration_meta must "), "{}", created.refusal()),
        }
    });
}

#[tokio::test]
async fn members_that_nobody_asks_for_can_hold_anything() {
    let app = App::start().await;
    let deep = "[".repeat(120_000) + &"]".repeat(120_000);

    for member in [
        format!("\"x\":{deep}"),
        "\"x\":1e999999".to_owned(),
        "\"x\":\"\\ud800\"".to_owned(),
        "\"\":{\"\":\"\"}".to_owned(),
        "\"\\u0000\":0".to_owned(),
        format!("\"{}\":0", "k".repeat(200_000)),
        (0..20_000).map(|number| format!("\"{number}\":0")).collect::<Vec<_>>().join(","),
    ] {
        let body = format!("{{\"name\":\"John Smith\",{member}}}");
        let created = app.request(Method::POST, "/client-contact").body(body).send().await;

        assert_eq!(created.expect(201).contact().text("name"), "John Smith", "{member:.40}");
    }
}

#[tokio::test]
async fn fields_with_wild_values_are_refused_or_kept() {
    let app = App::start().await;
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let long = format!("\"{}\"", "x".repeat(262_000));
    let wild =
        [r#""\ud800""#, r#""\udfff\ud800""#, "1e999", "-1e999", "123456789012345678901234567890", &deep, &long, "{}", "[[]]"];

    for field in [
        "_id",
        "creator",
        "editor",
        "name",
        "local_name",
        "phone1",
        "phone2",
        "email",
        "title",
        "extra_info",
        "disabled",
        "media",
        "cover_photo",
        "company_namespace",
        "createdAt",
        "updatedAt",
        "__v",
    ] {
        for value in wild {
            let body = format!("{{\"name\":\"John\",\"{field}\":{value}}}");
            let answer = app.request(Method::POST, "/client-contact").body(body).send().await;

            // Server fields are checked for their type only, and these have it.
            let accepted = matches!((field, value), ("_id" | "createdAt" | "updatedAt", text) if text == long)
                || (field == "__v" && value == "123456789012345678901234567890");
            if accepted {
                answer.expect(201);
            } else {
                let refusal = answer.refusal();
                assert!(refusal.starts_with(&format!("400 {field}")), "{field}: {value:.40}: {refusal}");
            }
        }
    }
}

#[tokio::test]
async fn texts_with_odd_characters_come_back_equal() {
    let app = App::start().await;

    for text in [
        "\0",
        "a\0b",
        "\u{7f}\u{80}\u{9f}",
        "\u{feff}x",
        "\u{202e}x",
        "\u{fffd}",
        "\u{10ffff}",
        "\u{1F468}\u{200d}\u{1F469}",
        "' OR 1=1 --",
        "${x}",
        "<script>",
        "\r\n",
        "\\\"/",
    ] {
        let name = format!("x{text}");
        let created = app.add(contact().name(&name).with("phone1", text).with("media", json!([text]))).await;

        let read = app.get(created.id()).await.contact();

        assert_eq!((&read["name"], &read["phone1"], &read["media"][0]), (&json!(name), &json!(text), &json!(text)), "{text:?}");
    }
}

#[tokio::test]
async fn bodies_of_any_content_type_are_read_as_json() {
    let app = App::start().await;

    for content_type in [
        None,
        Some("application/json"),
        Some("APPLICATION/JSON; charset=utf-8"),
        Some("text/plain"),
        Some("application/octet-stream"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data"),
        Some("image/png"),
        Some(";;;"),
        Some("application/json; charset=utf-16"),
    ] {
        let created = app.request(Method::POST, "/client-contact").body_of_type(content_type, r#"{"name":"جون"}"#).send().await;

        assert_eq!(created.expect(201).contact().text("name"), "جون", "{content_type:?}");
    }
    for body in ["eyJuYW1lIjoiSm9obiJ9", "%7B%22name%22%3A%22John%22%7D"] {
        let refused = app.request(Method::POST, "/client-contact").body_of_type(None, body).send().await;
        assert_eq!(refused.code(), "malformed_json", "{body}");
    }
}

#[tokio::test]
async fn query_strings_of_8_kib_are_answered() {
    let app = App::start().await;
    let fill = |pair: &str| pair.repeat(8_192 / pair.len() + 1)[..8_192].to_owned();

    for query in [
        fill("x"),
        fill("&"),
        fill("="),
        fill("%"),
        fill("[]"),
        fill("a=b&"),
        fill("name=a&"),
        fill("name[]=%25&"),
        fill("unknown[][][]=1&"),
        format!("search={}", fill("a%20")),
        format!("search={}", fill("%D9%8E")),
        format!("search={}", fill("%EF%B7%BA")),
        format!("name={}", "[".repeat(8_000)),
        format!("name=[{}]", vec!["\"a\""; 1_500].join(",")),
        format!("from__id={}", fill("f")),
        format!("page=1{}", "&sort=".repeat(1_000)),
        format!("sort={}", ["name"; 1_600].join(",")),
    ] {
        let answer = app.list(&query).await;

        assert!(matches!(answer.status, 200 | 400), "{query:.40}: {} {}", answer.status, answer.text());
    }
    let ids: Vec<String> = (0..280).map(|number| format!("_id={number:024x}")).collect();
    assert_eq!(app.list(ids.join("&")).await.total(), 0);
}

#[tokio::test]
async fn bytes_that_no_client_sends_are_answered() {
    let app = App::start().await;
    if !app.url.starts_with("http://") {
        return;
    }
    let id = app.add(contact()).await.id();

    for target in [
        &b"/client-contact?search=\xff\xfe"[..],
        b"/client-contact?search=%ff%fe",
        b"/client-contact?search=%",
        b"/client-contact?search=%zz%4",
        b"/client-contact?search=\xc3\xa9",
        b"/client-contact?search=a b",
        b"/client-contact?search=\"'<>{}|\\^`",
        b"/client-contact?name[",
        b"/client-contact?name]=a",
        b"/client-contact?name[=a&name[]]=b&[name]=c&[]=d",
        b"/client-contact?=&&=&?&#x",
        b"/client-contact??",
        b"/client-contact/\xff",
        b"/client-contact/%ff",
        b"/client-contact/%00%0a%0d",
        b"/client-contact/%2e%2e%2f",
        b"/client-contact/../client-contact",
        b"/client-contact/;x=y",
        b"/client-contact/a%2fb%2Fc",
        b"/v1/client-contact/%F0%9F%98%80",
        b"/%63lient-contact",
        b"http://elsewhere.example/client-contact",
        b"*",
        b"//",
    ] {
        for method in ["GET", "PUT", "DELETE", "POST", "HEAD", "BREW", "get"] {
            let answer = app.raw(method, target, &[], "").await;

            assert_ne!(answer.status, 201, "{method} {}", String::from_utf8_lossy(target));
        }
    }
    for (name, value) in [
        ("if-match", &b"\"\xff\""[..]),
        ("if-none-match", b"\xff\xfe"),
        ("idempotency-key", b"\xff"),
        ("content-type", b"\xff"),
        ("cookie", b"=;;\xff"),
        ("user-agent", b"\xf0\x9f\x98\x80"),
        ("x-forwarded-for", b"'; DROP TABLE"),
        ("accept-encoding", b"\xff"),
        ("referer", b"\xff"),
    ] {
        for method in ["GET", "PUT"] {
            let answer = app.raw(method, format!("/client-contact/{id}"), &[(name, value)], "{}").await;

            assert!(matches!(answer.status, 200 | 400 | 412), "{method} {name}: {} {}", answer.status, answer.text());
        }
    }
}

#[test]
fn parameters_of_any_kind_are_answered_or_refused() {
    let runtime = runtime();
    let app = runtime.block_on(App::start());
    let value = prop_oneof![
        "[-0-9TZ:.+ ]{0,26}",
        "\\[(\"[a-c]{0,2}\",?){0,3}\\]?",
        "(asc|desc|dsc|name|-_id|updatedAt,-name|%ff|%00|%D9%8E|\\{\"field\":\"name\",\"type\":\"asc\"\\})",
        any::<String>().prop_map(|text| text.chars().filter(|letter| !letter.is_control() && *letter != '#').collect()),
    ];
    let names = "(page|per_page|_id|name|search|sort|sortBy|sortPageOrder|from_updatedAt|to_updatedAt|from__id|to__id|limit)(\\[[a-z0-9]?\\]?){0,2}";
    let query = vec((names, value).prop_map(|(name, value)| format!("{name}={value}")), 0..5).prop_map(|pairs| pairs.join("&"));

    holds_for_all(&runtime, 150, (query, any::<bool>()), async |(query, strict)| {
        let request = app.request(Method::GET, &format!("/client-contact?{query}"));
        let answer = if strict { request.header("prefer", "handling=strict") } else { request }.send().await;

        match answer.status {
            200 => assert!(!strict || answer.names_in("x-ignored-parameters").is_empty()),
            _ => assert_eq!(answer.code(), "invalid_parameter"),
        }
    });
}

#[test]
fn junk_never_gets_a_failure_and_never_a_contact() {
    let runtime = runtime();
    let app = runtime.block_on(App::start());
    if !app.url.starts_with("http://") {
        return;
    }
    let junk = || vec(any::<u8>().prop_filter("the end of a line ends the request", |byte| !b" \r\n\t\0".contains(byte)), 0..60);
    let targets = prop_oneof![
        junk().prop_map(|junk| [b"/client-contact?".to_vec(), junk].concat()),
        junk().prop_map(|junk| [b"/client-contact/".to_vec(), junk].concat()),
        "(page|per_page|_id|name|search|sort|sortBy|sortPageOrder|from_updatedAt|to__id)(\\[[a-z0-9]?\\]){0,2}=[-a-z0-9\\[\\]\"{}:,%+]{0,20}"
            .prop_map(|query| format!("/client-contact?{query}").into_bytes()),
    ];

    holds_for_all(&runtime, 150, (targets, junk(), junk()), async |(target, header, body)| {
        for method in ["GET", "POST", "PUT"] {
            let answer = app.raw(method, &target, &[("if-match", &header), ("idempotency-key", &header)], &body).await;

            assert_ne!(answer.status, 201);
        }
    });
}
