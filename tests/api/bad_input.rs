//! Input that breaks a rule, beside the sentence that says so. Nothing is changed by any of it.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{App, contact};

const NAMESPACES: &str = "400 company_namespace must be an array of 1 to 100 distinct, non-empty strings";
const MEDIA: &str = "400 media must be an array of at most 100 strings of at most 2,048 characters";
const EMAIL: &str = "400 email must be empty or an e-mail address of at most 254 characters, such as john.smith@example.com";
const META: &str = "400 integration_meta must be a JSON object";
const SORT_FIELDS: &str = "_id, name, local_name, phone1, phone2, email, title, disabled, createdAt, updatedAt";
const SORT_BY: &str = "400 sortBy must be a list of {\"field\": …, \"type\": \"asc\" or \"desc\"}";

/// Fields with a value that breaks their rule, for create and update alike.
fn bad_fields() -> Vec<(&'static str, Value, &'static str)> {
    let letters = |count| Value::from("x".repeat(count));
    let wide = |count| Value::from("\u{1F600}".repeat(count));
    let user = |member: &str, value: Value| {
        let mut user = json!({"_id": "1", "type": "admin"});
        user[member] = value;
        user
    };
    vec![
        ("name", json!(""), "400 name must not be empty"),
        ("name", json!(" \t\n\u{3000}"), "400 name must not be empty"),
        ("name", json!(7), "400 name must be a string"),
        ("name", json!(["John"]), "400 name must be a string"),
        ("name", letters(1_001), "400 name must be at most 1,000 characters"),
        ("name", wide(1_001), "400 name must be at most 1,000 characters"),
        ("local_name", json!(false), "400 local_name must be a string"),
        ("local_name", letters(1_001), "400 local_name must be at most 1,000 characters"),
        ("title", json!({}), "400 title must be a string"),
        ("title", letters(1_001), "400 title must be at most 1,000 characters"),
        ("phone1", json!(1_234_567), "400 phone1 must be a string"),
        ("phone1", letters(101), "400 phone1 must be at most 100 characters"),
        ("phone2", letters(101), "400 phone2 must be at most 100 characters"),
        ("extra_info", letters(10_001), "400 extra_info must be at most 10,000 characters"),
        ("cover_photo", letters(2_049), "400 cover_photo must be at most 2,048 characters"),
        ("email", json!(1), "400 email must be a string"),
        ("email", json!(" "), EMAIL),
        ("email", json!("john"), EMAIL),
        ("email", json!("john@"), EMAIL),
        ("email", json!("@example.com"), EMAIL),
        ("email", json!("john@example..com"), EMAIL),
        ("email", json!("john smith@example.com"), EMAIL),
        ("email", json!("John <john@example.com>"), EMAIL),
        ("email", json!("john@example.com, jane@example.com"), EMAIL),
        ("email", json!("john@example.com\n"), EMAIL),
        ("email", json!(format!("{}@example.com", "a".repeat(65))), EMAIL),
        ("email", json!(format!("a@{}", vec!["b".repeat(50); 5].join("."))), EMAIL),
        ("disabled", json!("true"), "400 disabled must be true or false"),
        ("disabled", json!(1), "400 disabled must be true or false"),
        ("media", json!("https://example.com"), MEDIA),
        ("media", json!([1]), MEDIA),
        ("media", json!([null]), MEDIA),
        ("media", json!(vec!["x"; 101]), MEDIA),
        ("media", json!([letters(2_049)]), MEDIA),
        ("integration_meta", json!([]), META),
        ("integration_meta", json!("{}"), META),
        ("integration_meta", json!(1), META),
        ("integration_meta", json!({"a": letters(65_529)}), "400 integration_meta must be at most 64 KiB of JSON"),
        ("company_namespace", json!("company1"), NAMESPACES),
        ("company_namespace", json!([]), NAMESPACES),
        ("company_namespace", json!([""]), NAMESPACES),
        ("company_namespace", json!(["company1", "company1"]), NAMESPACES),
        ("company_namespace", json!(["company1", 1]), NAMESPACES),
        ("company_namespace", (0..101).map(|number| format!("n{number}")).collect(), NAMESPACES),
        (
            "company_namespace",
            json!(["company1", "of others"]),
            "403 company_namespace must not add or remove \"of others\", which the API key cannot use",
        ),
        ("creator", json!("admin"), "400 creator must be an object with the strings _id and type"),
        ("creator", json!({"type": "admin"}), "400 creator._id is required"),
        ("creator", json!({"_id": "1"}), "400 creator.type is required"),
        ("creator", user("_id", json!(1)), "400 creator._id must be a string"),
        ("creator", user("type", json!("boss")), "400 creator.type must be one of admin, rep, client"),
        ("creator", user("type", json!("Admin")), "400 creator.type must be one of admin, rep, client"),
        ("creator", user("username", json!(1)), "400 creator.username must be a string"),
        ("editor", user("name", json!([])), "400 editor.name must be a string"),
        ("editor", json!([]), "400 editor must be an object with the strings _id and type"),
        ("_id", json!(1), "400 _id must be a string"),
        ("createdAt", json!(1_673_778_600_000_i64), "400 createdAt must be a string"),
        ("updatedAt", json!({}), "400 updatedAt must be a string"),
        ("__v", json!("0"), "400 __v must be an integer"),
        ("__v", json!(0.5), "400 __v must be an integer"),
    ]
}

#[tokio::test]
async fn a_field_that_breaks_its_rule_is_named() {
    let Some(app) = App::alone().await else { return };
    let before = app.add(contact()).await;

    for (field, value, sentence) in bad_fields() {
        let shown: String = value.to_string().chars().take(60).collect();
        let body = contact().with("title", "Director").with(field, value);

        assert_eq!(app.create(&body).await.refusal(), sentence, "POST {field}: {shown}");
        assert_eq!(app.put(before.id(), &body).await.refusal(), sentence, "PUT {field}: {shown}");
    }

    assert_eq!(app.list("").await.contacts(), [before]);
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused() {
    let Some(app) = App::alone().await else { return };
    let before = app.add(contact()).await;
    let path = format!("/client-contact/{}", before.id());

    for (body, what) in [
        (&b""[..], ", and is empty"),
        (b" ", ", and is empty"),
        (b"null", ", not null"),
        (b"true", ", not a boolean"),
        (b"7", ", not a number"),
        (b"\"name\"", ", not a string"),
        (b"[]", ", not an array"),
        (b"[{\"name\":\"John\"}]", ", not an array"),
        (b"{", ": its JSON ends too early, at line 1, column 1"),
        (b"{\"name\":\"John\"", ": its JSON ends too early, at line 1, column 14"),
        (b"{\n\t\"name\": \"Jo", ": its JSON ends too early, at line 2, column 12"),
        (b"{\"name\":\"John\"}}", ": its JSON is malformed at line 1, column 16: trailing characters"),
        (b"{\"name\":\"John\"} {}", ": its JSON is malformed at line 1, column 17: trailing characters"),
        (b"{\"name\":\"John\",}", ": its JSON is malformed at line 1, column 16: trailing comma"),
        (b"{\n\"name\" \"John\"}", ": its JSON is malformed at line 2, column 8: expected `:`"),
        (b"{name:\"John\"}", ": its JSON is malformed at line 1, column 2: key must be a string"),
        (b"{'name':'John'}", ": its JSON is malformed at line 1, column 2: key must be a string"),
        (b"{\"name\":\"John\nSmith\"}", ": its JSON is malformed at line 1, column 13: control character"),
        (b"{\"name\":\"\xff\"}", ": its JSON is malformed at line 1, column 1"),
        (b"{\"name\":\"\xed\xa0\x80\"}", ": its JSON is malformed at line 1, column 1"),
        (b"\xef\xbb\xbf{\"name\":\"John\"}", ": its JSON is malformed at line 1, column 1: expected value"),
        (b"name=John", ": its JSON is malformed at line 1, column 2: expected ident"),
        (b"<contact/>", ": its JSON is malformed at line 1, column 1: expected value"),
        (b"\0", ": its JSON is malformed at line 1, column 1: expected value"),
        (b"{\"name\":NaN}", ": its JSON is malformed at line 1, column 9: expected value"),
        (b"{\"title\":+1}", ": its JSON is malformed at line 1, column 10: expected value"),
    ] {
        for (method, path) in [(Method::POST, "/client-contact"), (Method::PUT, &path)] {
            let answer = app.request(method, path).body(body).send().await;
            let refusal = answer.refusal();
            let sentence = format!("400 The request body must be a JSON object{what}");
            assert!(refusal.starts_with(&sentence), "{}: {refusal}", String::from_utf8_lossy(body));
            assert_eq!(answer.code(), "malformed_json");
        }
    }

    assert_eq!(app.list("").await.contacts(), [before]);
}

#[tokio::test]
async fn every_field_that_breaks_a_rule_is_named() {
    let app = App::start().await;
    let before = app.add(contact()).await;
    let body = json!({
        "__v": "0", "company_namespace": [], "title": 7, "name": " ", "creator": {"type": "boss"}, "extra_info": "fine", "media": [1],
    });
    let sentences = json!({
        "creator._id": "creator._id is required",
        "creator.type": "creator.type must be one of admin, rep, client",
        "name": "name must not be empty",
        "title": "title must be a string",
        "media": "media must be an array of at most 100 strings of at most 2,048 characters",
        "company_namespace": "company_namespace must be an array of 1 to 100 distinct, non-empty strings",
        "__v": "__v must be an integer",
    });

    for answer in [app.create(&body).await, app.put(before.id(), &body).await] {
        assert_eq!(answer.refusal(), "400 creator._id is required");
        assert_eq!((answer.code().as_str(), answer.fields()), ("invalid_field", sentences.clone()));
    }
    // Without a name in a create, that is one of them; and a single one is in the sentence alone.
    let answer = app.create(json!({"title": 7})).await;
    assert_eq!(answer.fields(), json!({"name": "name is required", "title": "title must be a string"}));
    let single = app.create(json!({"title": "Director"})).await;
    assert_eq!((single.refusal().as_str(), single.fields()), ("400 name is required", Value::Null));

    assert_eq!(app.get(before.id()).await.contact(), before);
}

#[tokio::test]
async fn every_parameter_that_breaks_a_rule_is_named() {
    let app = App::start().await;

    let answer = app.list("sort=media&page=0&from_updatedAt[gt]=1&search=%ff&_id[x]=1&unknown=1").await;

    assert_eq!(answer.refusal(), "400 page must be an integer of at least 1 and less than 2^64");
    assert_eq!(answer.code(), "invalid_parameter");
    assert_eq!(
        answer.fields(),
        json!({
            "page": "page must be an integer of at least 1 and less than 2^64",
            "_id": "_id must be written as _id, _id[] or _id[0], not as _id[x]",
            "search": "search must be UTF-8 text, percent-encoded",
            "from_updatedAt": "from_updatedAt must be written without brackets, not as from_updatedAt[gt]",
            "sort": format!("sort must name only sortable fields: {SORT_FIELDS}"),
        })
    );
}

#[tokio::test]
async fn every_kind_of_refusal_has_its_code() {
    let Some(app) = App::here().await else { return };
    let id = app.add(contact()).await.id();
    let path = format!("/client-contact/{id}");
    let required = app.sibling_that_requires_a_key().await;
    let create = || app.request(Method::POST, "/client-contact").header("idempotency-key", "once");
    create().json(&contact().name("One")).send().await.expect(201);

    for (answer, code) in [
        (app.list("page=0").await, "invalid_parameter"),
        (app.request(Method::PUT, &path).header("if-match", "0").json(&contact()).send().await, "invalid_parameter"),
        (app.put(&id, json!({"name": null})).await, "invalid_field"),
        (app.request(Method::PUT, &path).body("{").send().await, "malformed_json"),
        (required.list("").await, "unauthenticated"),
        (app.anonymous(Method::GET, &path).header("api-key", "wrong").send().await, "invalid_api_key"),
        (app.put(&id, json!({"company_namespace": ["of others"]})).await, "namespace_forbidden"),
        (app.get("x").await, "contact_not_found"),
        (app.request(Method::DELETE, &path).header("if-match", "\"7\"").send().await, "version_conflict"),
        (app.request(Method::PUT, &path).body(vec![b' '; 300_000]).send().await, "body_too_large"),
        (create().json(&contact().name("Another")).send().await, "idempotency_key_reused"),
    ] {
        assert_eq!(answer.code(), code);
    }
}

#[tokio::test]
async fn a_create_without_a_name_is_refused() {
    let app = App::start().await;

    for body in [json!({}), json!({"name": null}), json!({"Name": "John"}), json!({"local_name": "جون"})] {
        assert_eq!(app.create(&body).await.refusal(), "400 name is required", "{body}");
    }
}

#[tokio::test]
async fn a_body_above_256_kib_is_too_large() {
    let Some(app) = App::alone().await else { return };
    let before = app.add(contact()).await;
    let path = format!("/client-contact/{}", before.id());
    let body = |length: usize| {
        let head = "{\"name\":\"John Smith\",\"ignored\":\"";
        format!("{head}{}\"}}", "x".repeat(length - head.len() - 2)).into_bytes()
    };

    for length in [256 * 1024 + 1, 1 << 20] {
        for (method, path) in [(Method::POST, "/client-contact"), (Method::PUT, &path)] {
            let refusal = app.request(method, path).body(body(length)).send().await.refusal();
            assert_eq!(refusal, "413 The request body must be at most 256 KiB", "{length}");
        }
    }
    let largest = body(256 * 1024);

    assert_eq!(app.list("").await.contacts(), [before]);
    app.request(Method::POST, "/client-contact").body(largest.clone()).send().await.expect(201);
    app.request(Method::PUT, &path).body(largest).send().await.expect(200);
}

#[tokio::test]
async fn a_contact_above_what_dynamodb_takes_is_refused() {
    let app = App::start().await;
    let created = app.add(contact()).await;
    // 200 KB each: two of them fit into an item of 400 KB, with no place for a third.
    let media = json!(vec!["m".repeat(2_000); 100]);
    let user = json!({"_id": "1", "type": "rep", "rep": "r".repeat(195_000)});
    app.put(created.id(), json!({"media": media})).await.expect(200);
    let before = app.put(created.id(), json!({"creator": user})).await.expect(200).contact();

    let refusals = [
        app.put(created.id(), json!({"editor": user, "title": "Director"})).await.refusal(),
        app.put(created.id(), json!({"company_namespace": [before["company_namespace"][0], "n".repeat(200_000)]}))
            .await
            .refusal(),
    ];

    assert_eq!(refusals[0], "400 The request body would make the contact larger than 400 KB");
    assert!(refusals[1].starts_with("403 company_namespace must not add or remove "), "{:.100}", refusals[1]);
    assert_eq!(app.get(created.id()).await.contact(), before);
    app.put(created.id(), json!({"media": null, "editor": user})).await.expect(200);
}

#[tokio::test]
async fn a_parameter_that_breaks_its_rule_is_named() {
    let app = App::start().await;
    let page = "400 page must be an integer of at least 1 and less than 2^64";
    let per_page = "400 per_page must be an integer from 1 to 100";
    let moment = |name| {
        format!("400 {name} must be a time: milliseconds since 1970 as an integer, or RFC 3339 such as 2023-01-15T10:30:00.000Z")
    };
    let without_brackets = |name, whole| format!("400 {name} must be written without brackets, not as {whole}");

    for (query, sentence) in [
        ("page=0", page.to_owned()),
        ("page=-1", page.to_owned()),
        ("page=1.5", page.to_owned()),
        ("page=1e3", page.to_owned()),
        ("page=one", page.to_owned()),
        ("page=%2B1", page.to_owned()),
        ("page=+1", page.to_owned()),
        ("page=0x1", page.to_owned()),
        ("page=%D9%A1", page.to_owned()),
        ("page=99999999999999999999", page.to_owned()),
        ("page=1&page=2", "400 page must be given only once".to_owned()),
        ("page=1&page=1", "400 page must be given only once".to_owned()),
        ("per_page=0", per_page.to_owned()),
        ("per_page=101", per_page.to_owned()),
        ("per_page=-25", per_page.to_owned()),
        ("per_page=all", per_page.to_owned()),
        ("per_page=4294967297", per_page.to_owned()),
        ("per_page=5&per_page=6", "400 per_page must be given only once".to_owned()),
        ("search=a&search=b", "400 search must be given only once".to_owned()),
        ("search=%ff", "400 search must be UTF-8 text, percent-encoded".to_owned()),
        ("name=%ff", "400 name must be UTF-8 text, percent-encoded".to_owned()),
        ("_id=%c3%28", "400 _id must be UTF-8 text, percent-encoded".to_owned()),
        ("name=[1]", "400 name must hold only strings when it is a JSON array".to_owned()),
        ("name=[\"A\",null]", "400 name must hold only strings when it is a JSON array".to_owned()),
        ("_id=[{}]", "400 _id must hold only strings when it is a JSON array".to_owned()),
        ("from_updatedAt=yesterday", moment("from_updatedAt")),
        ("from_updatedAt=2023-01-15", moment("from_updatedAt")),
        ("from_updatedAt=1.0", moment("from_updatedAt")),
        ("to_updatedAt=9223372036854775808", moment("to_updatedAt")),
        ("from_updatedAt=2023-01-15T10:30", moment("from_updatedAt")),
        ("to_updatedAt=2023-02-30T10:30:00Z", moment("to_updatedAt")),
        ("from_updatedAt[gt]=1", without_brackets("from_updatedAt", "from_updatedAt[gt]")),
        ("to_updatedAt[]=1", without_brackets("to_updatedAt", "to_updatedAt[]")),
        ("page[]=2", without_brackets("page", "page[]")),
        ("page[=2", without_brackets("page", "page[")),
        ("per_page%5B0%5D=2", without_brackets("per_page", "per_page[0]")),
        ("search[0]=a", without_brackets("search", "search[0]")),
        ("from__id[gte]=a", without_brackets("from__id", "from__id[gte]")),
        ("sort[0]=name", without_brackets("sort", "sort[0]")),
        ("sortPageOrder[]=asc", without_brackets("sortPageOrder", "sortPageOrder[]")),
        ("_id[x]=1", "400 _id must be written as _id, _id[] or _id[0], not as _id[x]".to_owned()),
        ("_id[$in][]=1", "400 _id must be written as _id, _id[] or _id[0], not as _id[$in][]".to_owned()),
        ("name[like]=A", "400 name must be written as name, name[] or name[0], not as name[like]".to_owned()),
        ("name[0=A", "400 name must be written as name, name[] or name[0], not as name[0".to_owned()),
        ("sortBy[0][other]=name", SORT_BY.to_owned()),
        ("to_updatedAt=1&to_updatedAt=2", "400 to_updatedAt must be given only once".to_owned()),
        ("from__id=a&from__id=b", "400 from__id must be given only once".to_owned()),
        ("to__id=a&to__id=b", "400 to__id must be given only once".to_owned()),
        ("sort=media", format!("400 sort must name only sortable fields: {SORT_FIELDS}")),
        ("sort=Name", format!("400 sort must name only sortable fields: {SORT_FIELDS}")),
        ("sort=name,,email", format!("400 sort must name only sortable fields: {SORT_FIELDS}")),
        ("sort=-", format!("400 sort must name only sortable fields: {SORT_FIELDS}")),
        ("sort=name%20desc", format!("400 sort must name only sortable fields: {SORT_FIELDS}")),
        ("sort=name&sort=email", "400 sort must be given only once".to_owned()),
        ("sort=name&sortPageOrder=down", "400 sortPageOrder must be asc, desc or dsc".to_owned()),
        ("sort=name&sortPageOrder=asc&sortPageOrder=asc", "400 sortPageOrder must be given only once".to_owned()),
        ("sortBy=name", SORT_BY.to_owned()),
        ("sortBy=[\"name\"]", SORT_BY.to_owned()),
        ("sortBy={\"field\":\"name\"}", SORT_BY.to_owned()),
        ("sortBy={\"type\":\"asc\"}", SORT_BY.to_owned()),
        ("sortBy=[{\"field\":\"name\",\"type\":\"dsc\"}]", SORT_BY.to_owned()),
        ("sortBy=[{\"field\":\"name\",\"type\":\"asc\"}", SORT_BY.to_owned()),
        ("sortBy[0][field]=name", SORT_BY.to_owned()),
        ("sortBy[0][type]=asc", SORT_BY.to_owned()),
        ("sortBy[first][field]=name&sortBy[first][type]=asc", SORT_BY.to_owned()),
        ("sortBy=[{\"field\":\"media\",\"type\":\"asc\"}]", format!("400 sortBy must name only sortable fields: {SORT_FIELDS}")),
    ] {
        assert_eq!(app.list(query).await.refusal(), sentence, "{query}");
    }
}

#[tokio::test]
async fn words_and_values_are_bounded() {
    let app = App::start().await;
    let words = |count: u32| (0..count).map(|number| format!("w{number}")).collect::<Vec<_>>().join("+");
    let values = |count| vec!["v"; count].join("&name=");

    app.list(format!("search={}", words(16))).await.expect(200);
    app.list(format!("search={}+{}+W0", words(16), words(16))).await.expect(200);
    app.list(format!("name={}", values(1_000))).await.expect(200);

    let refused = app.list(format!("search={}&name={}", words(17), values(1_001))).await;
    assert_eq!(
        refused.fields(),
        json!({"name": "name must have at most 1,000 values", "search": "search must have at most 16 different words"})
    );
}

#[tokio::test]
async fn if_match_can_have_empty_elements() {
    let app = App::start().await;
    let created = app.add(contact()).await;
    let path = format!("/client-contact/{}", created.id());

    for (tags, version) in [("\"0\",,\"7\"", 1), (" ,\"1\" , ", 2)] {
        let changed = app.request(Method::PUT, &path).header("if-match", tags).json(&json!({"title": tags})).send().await;
        assert_eq!(changed.expect(200).contact().version(), version, "{tags}");
    }
}

#[tokio::test]
async fn a_header_that_breaks_its_rule_is_named() {
    let app = App::start().await;
    let before = app.add(contact()).await;
    let path = format!("/client-contact/{}", before.id());
    let too_many = vec!["\"0\""; 101].join(",");
    let longer = "x".repeat(256);

    for tags in ["", "0", "\"0", "0\"", "\"0\" \"1\"", ", ,", "w/\"0\"", "*, \"0\"", too_many.as_str()] {
        for method in [Method::PUT, Method::DELETE] {
            let refusal = app.request(method, &path).header("if-match", tags).json(&contact()).send().await.refusal();
            assert_eq!(refusal, "400 If-Match must be * or at most 100 versions in quotes, such as \"3\"", "{tags}");
        }
    }
    for key in ["", longer.as_str(), "schlüssel", "tab\tbed"] {
        let request = app.request(Method::POST, "/client-contact").header("idempotency-key", key).json(&contact());
        assert_eq!(request.send().await.refusal(), "400 Idempotency-Key must be 1 to 255 printable ASCII characters", "{key}");
    }

    assert_eq!(app.get(before.id()).await.contact(), before);
}
