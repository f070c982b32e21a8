//! Every example of the document, and every bound of it: at it, one below and one above.

use std::collections::BTreeMap;

use regex::Regex;
use reqwest::Method;
use serde_json::{Map, Value, json};
use testkit::{Answer, App, Caller};

use super::{document, operations};

/// A value for one member of a body or for one parameter.
#[derive(Clone, Debug)]
struct Try {
    /// The members on the way to what is varied, such as `["creator", "type"]`.
    path: Vec<String>,
    value: Value,
    /// Whether the document allows it.
    is_right: bool,
}

impl Try {
    fn right(value: impl Into<Value>) -> Try {
        Try { path: Vec::new(), value: value.into(), is_right: true }
    }

    fn wrong(value: impl Into<Value>) -> Try {
        Try { path: Vec::new(), value: value.into(), is_right: false }
    }

    /// What a refusal calls the member.
    fn name(&self) -> String {
        self.path.join(".")
    }
}

/// The schemas of a document.
struct Schemas<'a>(&'a Value);

impl Schemas<'_> {
    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(reference) => self.0.pointer(reference.trim_start_matches('#')).unwrap(),
            None => schema,
        }
    }

    /// A value that the schema allows, unlike those of other numbers.
    fn any(&self, schema: &Value, number: usize) -> Value {
        let schema = self.resolved(schema);
        if let Some(example) = schema["examples"].as_array().and_then(|examples| examples.first()) {
            return match example {
                Value::String(_) if schema["pattern"].is_null() => json!(format!("x{number}")),
                other => other.clone(),
            };
        }
        if let Some(only) = schema.get("const") {
            return only.clone();
        }
        if let Some(values) = schema["enum"].as_array() {
            return values[number % values.len()].clone();
        }
        if let Some(branch) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()).and_then(|branches| branches.first()) {
            return self.any(branch, number);
        }
        match schema["type"].as_str().or_else(|| schema["type"][0].as_str()) {
            Some("string") => json!(format!("x{number}")),
            Some("integer") => json!(1),
            Some("boolean") => json!(true),
            Some("array") => json!([self.any(&schema["items"], number)]),
            _ => self.object(schema),
        }
    }

    /// An object with the members that the schema requires.
    fn object(&self, schema: &Value) -> Value {
        let required = schema["required"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap());
        required.map(|name| (name.to_owned(), self.any(&schema["properties"][name], 0))).collect::<Map<_, _>>().into()
    }

    /// Values at and beside every bound of a schema, and its examples.
    fn tries(&self, schema: &Value) -> Vec<Try> {
        let schema = self.resolved(schema);
        let mut tries: Vec<Try> = schema["examples"].as_array().into_iter().flatten().cloned().map(Try::right).collect();
        if let Some(only) = schema.get("const") {
            tries.push(Try::right(only.clone()));
            tries.push(Try::wrong("other"));
            return tries;
        }
        if let Some(values) = schema["enum"].as_array() {
            tries.extend(values.iter().cloned().map(Try::right));
            tries.push(Try::wrong("other"));
            return tries;
        }
        if let Some(branches) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
            // What is wrong in one of them, such as a text of one character where another must be empty, is wrong in the others too.
            tries.extend(branches.iter().flat_map(|branch| self.tries(branch)));
            return tries;
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::Array(types) => types.iter().map(|name| name.as_str().unwrap()).collect(),
            name => name.as_str().into_iter().collect(),
        };
        for name in &types {
            match *name {
                "string" => tries.extend(strings(schema)),
                "integer" => tries.extend(integers(schema)),
                "boolean" => tries.extend([Try::right(true), Try::right(false), Try::wrong("other")]),
                "array" => tries.extend(self.arrays(schema)),
                "object" => tries.extend(self.objects(schema)),
                "null" => tries.push(Try::right(Value::Null)),
                other => panic!("no tries for the type {other}"),
            }
        }
        tries
    }

    fn arrays(&self, schema: &Value) -> Vec<Try> {
        let of =
            |count: u64| (0..count).map(|number| self.any(&schema["items"], usize::try_from(number).unwrap())).collect::<Value>();
        let mut tries: Vec<Try> =
            self.tries(&schema["items"]).into_iter().map(|item| Try { value: json!([item.value]), ..item }).collect();
        if let Some(most) = schema["maxItems"].as_u64() {
            tries.extend([Try::right(of(most - 1)), Try::right(of(most)), Try::wrong(of(most + 1))]);
        }
        if let Some(least) = schema["minItems"].as_u64() {
            tries.extend([Try::wrong(of(least - 1)), Try::right(of(least)), Try::right(of(least + 1))]);
        }
        if schema["uniqueItems"] == true {
            tries.push(Try::wrong(json!(["x1", "x1"])));
        }
        tries
    }

    fn objects(&self, schema: &Value) -> Vec<Try> {
        let whole = self.object(schema);
        let mut tries = vec![Try::right(whole.clone()), Try::wrong("other")];
        for name in whole.as_object().unwrap().keys() {
            let mut without = whole.clone();
            without.as_object_mut().unwrap().remove(name);
            tries.push(Try { path: vec![name.clone()], value: without, is_right: false });
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            for mut inner in self.tries(property) {
                let mut with = whole.clone();
                with[name] = inner.value.take();
                inner.path.insert(0, name.clone());
                tries.push(Try { value: with, ..inner });
            }
        }
        tries
    }
}

/// Texts at and beside the bounds of a schema.
fn strings(schema: &Value) -> Vec<Try> {
    if schema["format"] == "date-time" {
        return vec![
            Try::right("2023-01-15T10:30:00Z"),
            Try::right("2023-01-15T12:30:00.123456789+02:00"),
            Try::wrong("2023-01-15"),
        ];
    }
    let pattern = schema["pattern"].as_str().map(|pattern| Regex::new(pattern).unwrap());
    let is_address = schema["format"] == "email";
    let (least, most) = (schema["minLength"].as_u64().unwrap_or(0), schema["maxLength"].as_u64());
    let of = |length: u64| {
        let length = usize::try_from(length).unwrap();
        // The longest local part and domain of an address have other bounds.
        let address = || {
            format!(
                "{}@{}.x",
                "x".repeat(64),
                vec!["x".repeat(60); 4].join(".").chars().take(length.saturating_sub(67)).collect::<String>()
            )
        };
        if is_address { address() } else { "1".repeat(length) }
    };
    let lengths = most.into_iter().flat_map(|most| [most.saturating_sub(1), most, most + 1]).chain([least, least + 1]);
    let mut texts: Vec<String> =
        lengths.chain(least.checked_sub(1)).filter(|length| !is_address || *length > 100).map(of).collect();
    texts.extend(["".to_owned(), " ".to_owned(), "other".to_owned()]);
    let allows = |text: &str| {
        let length = text.chars().count() as u64;
        let has_form = !is_address || text.contains('@');
        length >= least
            && most.is_none_or(|most| length <= most)
            && pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
            && has_form
    };
    // An empty address is right by the branch beside it.
    texts.retain(|text| !(is_address && text.is_empty()));
    texts.into_iter().map(|text| Try { path: Vec::new(), is_right: allows(&text), value: text.into() }).collect()
}

/// Integers at and beside the bounds of a schema, as text: some are beyond what JSON parsers take.
fn integers(schema: &Value) -> Vec<Try> {
    let bound = |name: &str| schema[name].to_string().parse::<i128>().ok();
    let least = bound("minimum").into_iter().flat_map(|least| [(least - 1, false), (least, true), (least + 1, true)]);
    let most = bound("maximum").into_iter().flat_map(|most| [(most - 1, true), (most, true), (most + 1, false)]);
    let tries = least.chain(most).map(|(number, is_right)| Try { path: Vec::new(), value: number.to_string().into(), is_right });
    tries.chain([Try::wrong("other"), Try::wrong("1.5")]).collect()
}

/// A caller that may use every namespace that the tries name.
async fn caller(app: &App) -> Caller {
    let namespaces: Vec<String> = (0..100).map(|number| format!("x{number}")).collect();
    let others = ["company1", "1", "11", " ", "other"].map(str::to_owned);
    let namespaces: Vec<String> = namespaces.into_iter().chain(others).collect();
    app.caller("bounds", &namespaces.iter().map(String::as_str).collect::<Vec<_>>(), "jane").await
}

/// The sentences of a refusal.
fn sentences(answer: &Value) -> String {
    let fields = answer["fields"].as_object().into_iter().flatten().map(|(_, sentence)| sentence.to_string());
    std::iter::once(answer["error"].to_string()).chain(fields).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn bodies_at_their_bounds_are_accepted_and_beyond_them_refused_by_name() {
    let Some(app) = App::alone().await else { return };
    let (caller, document) = (caller(&app).await, document());
    let schemas = Schemas(&document);
    let id = caller.create(json!({"name": "x"})).await.expect(201).contact().id();
    let mut sent = BTreeMap::new();

    for (method, path, operation) in operations(&document) {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        if schema.is_null() {
            continue;
        }
        let call = operation["operationId"].as_str().unwrap();
        let method: Method = method.to_uppercase().parse().unwrap();
        let target = match call {
            "updateClientContact" => path.replace("{id}", &id),
            "upsertClientContact" => format!("{path}?integration_meta.external_id=bounds"),
            _ => path.to_owned(),
        };
        for mut attempt in schemas.tries(schema) {
            // A body that is no object is not about a member, and an update of something else than its id's contact is about the next test.
            if !attempt.value.is_object() {
                continue;
            }
            if call == "upsertClientContact" {
                without_another_external_id(&mut attempt.value);
            }
            // An operation on a contact that is not there is a 404, whatever else it says.
            if attempt.value["operations"][0]["_id"] == "x0" {
                attempt.value["operations"][0]["_id"] =
                    caller.create(json!({"name": "x"})).await.expect(201).contact().id().into();
            }
            let answer = caller.request(method.clone(), &target).json(&attempt.value).send().await;
            *sent.entry((call, attempt.is_right)).or_insert(0) += 1;
            check(call, &attempt, &answer);
        }
    }

    for call in ["createClientContact", "updateClientContact", "upsertClientContact", "batchClientContacts"] {
        assert!(sent[&(call, true)] > 10 && sent[&(call, false)] > 10, "{sent:?}");
    }
}

/// The parameter of an upsert says what the external id is, and a contact that is not there yet needs a name.
fn without_another_external_id(body: &mut Value) {
    let members = body.as_object_mut().unwrap();
    members.remove("integration_meta.external_id");
    if let Some(meta) = members.get_mut("integration_meta").and_then(Value::as_object_mut) {
        meta.remove("external_id");
    }
    members.entry("name").or_insert_with(|| "x".into());
}

#[track_caller]
fn check(call: &str, attempt: &Try, answer: &Answer) {
    let said = answer.json();
    let body: String = attempt.value.to_string().chars().take(300).collect();
    if attempt.is_right {
        assert!(answer.status < 300, "{call} {body}: {} {said}", answer.status);
        // The contact of an upsert in a batch has the external id of the operation, whatever its data are.
        let is_malformed = said["data"][0]["status"] == 400 && attempt.value["operations"][0]["action"] != "upsert";
        assert!(!is_malformed, "{call} {body}: {said}");
        return;
    }
    // A malformed operation is a 400 of its own.
    let (status, said, name) = match answer.status {
        200 if call == "batchClientContacts" => {
            let name = attempt.path.last().map(|name| name.trim_end_matches('s').to_owned());
            (said["data"][0]["status"].clone(), said["data"][0].clone(), name.unwrap_or_default())
        }
        status => (json!(status), said, attempt.name()),
    };
    assert_eq!(status, 400, "{call} {} {body}: {said}", attempt.name());
    assert!(sentences(&said).contains(&name), "{call} {name} {body}: {said}");
}

#[tokio::test]
async fn parameters_at_their_bounds_are_accepted_and_beyond_them_refused_by_name() {
    let Some(app) = App::alone().await else { return };
    let (caller, document) = (caller(&app).await, document());
    let schemas = Schemas(&document);
    let mut sent = BTreeMap::new();

    for (method, path, operation) in operations(&document) {
        for parameter in operation["parameters"].as_array().unwrap() {
            let name = parameter["name"].as_str().unwrap();
            // Nobody can make one up.
            if name == "cursor" {
                continue;
            }
            let schema = parameter.get("schema").unwrap_or(&parameter["content"]["application/json"]["schema"]);
            for attempt in schemas.tries(schema) {
                let method: Method = method.to_uppercase().parse().unwrap();
                let id = caller.create(json!({"name": "x"})).await.expect(201).contact().id();
                let Some(request) = with_parameter(&caller, &method, &path.replace("{id}", &id), path, parameter, &attempt.value)
                else {
                    continue;
                };
                let request = match method {
                    Method::POST if path.ends_with("/batch") => {
                        request.json(&json!({"operations": [{"action": "create", "data": {"name": "x"}}]}))
                    }
                    Method::POST | Method::PUT => request.json(&json!({"name": "x"})),
                    _ => request,
                };
                let answer = request.send().await;
                *sent.entry((parameter["in"].as_str().unwrap(), attempt.is_right)).or_insert(0) += 1;

                let value: String = attempt.value.to_string().chars().take(200).collect();
                let what = format!("{method} {path} {name}={value}: {} {}", answer.status, answer.text());
                match parameter["in"].as_str() {
                    // Nobody has these versions, keys were used before, and the feed does not reach back to every time.
                    _ if attempt.is_right => {
                        assert!(answer.status < 400 || matches!(answer.status, 404 | 410 | 412 | 422), "{what}")
                    }
                    Some("path") => assert_eq!(answer.status, 404, "{what}"),
                    _ => assert!(answer.status == 400 && sentences(&answer.json()).contains(name), "{what}"),
                }
            }
        }
    }

    assert!(sent[&("query", true)] > 100 && sent[&("query", false)] > 50, "{sent:?}");
    assert!(sent[&("header", true)] > 10 && sent[&("header", false)] > 5 && sent[&("path", false)] > 2, "{sent:?}");
}

/// The request with this value of a parameter, unless it cannot be sent.
fn with_parameter(
    caller: &Caller,
    method: &Method,
    target: &str,
    path: &str,
    parameter: &Value,
    value: &Value,
) -> Option<testkit::Request> {
    let name = parameter["name"].as_str().unwrap();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let required = (path == "/client-contact" && method == Method::PUT)
        .then(|| ("integration_meta.external_id".to_owned(), "bounds".to_owned()));
    let plain = |target: &str, mut pairs: Vec<(String, String)>| {
        pairs.extend(required.clone().filter(|(required, _)| required != name));
        let encoded: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        caller.request(method.clone(), &format!("{target}?{}", encoded.join("&")))
    };
    match parameter["in"].as_str().unwrap() {
        "path" => {
            let id = text(value);
            // Without an id it is another path.
            (!id.is_empty()).then(|| plain(&path.replace("{id}", &encoded(&id)), Vec::new()))
        }
        "header" => {
            let value = text(value);
            // White space around a header's value is not part of it.
            (value.trim() == value).then(|| plain(target, Vec::new()).header(name, value))
        }
        _ => {
            let pairs = match value {
                Value::Array(values) if !parameter["content"].is_null() => vec![Value::from(values.clone()).to_string()],
                Value::Array(values) if parameter["explode"] == false => {
                    vec![values.iter().map(text).collect::<Vec<_>>().join(",")]
                }
                Value::Array(values) => values.iter().map(text).collect(),
                other => vec![text(other)],
            };
            // A parameter with an empty value is treated as absent.
            let is_sent = parameter["required"] == true || pairs.iter().all(|value| !value.is_empty());
            is_sent.then(|| plain(target, pairs.into_iter().map(|value| (name.to_owned(), value)).collect()))
        }
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
