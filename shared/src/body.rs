//! Request bodies: from bytes to fields of which each keeps its rule, or to a sentence about each that does not.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::contact::{JsonObject, User, UserType, has_lone_surrogate};
use crate::email;
use crate::error::{Error, Violations};
use crate::handling::{Handling, MAXIMUM_NAMES};

/// The largest request body, in bytes.
pub const MAXIMUM_BYTES: usize = 256 * 1024;

/// The largest `integration_meta`, in bytes of its JSON text without white space between tokens.
pub const MAXIMUM_META_BYTES: usize = 64 * 1024;

/// The longest name of a user's further member, in bytes: DynamoDB takes no longer one.
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>.
const MAXIMUM_MEMBER_NAME_BYTES: usize = 65_535;

/// Half of a surrogate pair is in no Unicode text, though JSON can write it.
const LONE_SURROGATE: &str = "must not hold half of a surrogate pair, such as \\ud800";

/// What a body says of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Given<T> {
    /// Nothing: the body has no such member.
    Nothing,
    /// `null`.
    Null,
    /// A value, which keeps the field's rule.
    Value(T),
}

impl<T> Given<T> {
    /// The value, if there is one: in a create body `null` means not given.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Nothing | Self::Null => None,
        }
    }

    /// The same with a reference to the value.
    pub fn as_ref(&self) -> Given<&T> {
        match self {
            Self::Nothing => Given::Nothing,
            Self::Null => Given::Null,
            Self::Value(value) => Given::Value(value),
        }
    }

    /// The same with the value changed.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Given<U> {
        match self {
            Self::Nothing => Given::Nothing,
            Self::Null => Given::Null,
            Self::Value(value) => Given::Value(change(value)),
        }
    }

    fn and_then<U>(self, read: impl FnOnce(T) -> Given<U>) -> Given<U> {
        match self {
            Self::Nothing => Given::Nothing,
            Self::Null => Given::Null,
            Self::Value(value) => read(value),
        }
    }
}

/// The fields that a body can set, each checked against its rule in the contract's table.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each is the contact's field of that name")]
pub struct ContactBody {
    pub creator: Given<User>,
    pub editor: Given<User>,
    pub name: Given<String>,
    pub local_name: Given<String>,
    pub phone1: Given<String>,
    pub phone2: Given<String>,
    pub email: Given<String>,
    pub title: Given<String>,
    pub extra_info: Given<String>,
    pub disabled: Given<bool>,
    pub media: Given<Vec<String>>,
    pub cover_photo: Given<String>,
    pub integration_meta: Given<JsonObject>,
    pub company_namespace: Given<Vec<String>>,
}

/// What a body is for, and so what `null` means in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// `null` means not given, and `name` is required.
    Create,
    /// `null` clears an optional field.
    Update,
}

impl ContactBody {
    /// Reads the body of a create: `null` means not given, and `name` is required. Unknown members are treated as `handling` says.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidField`] about each member that breaks a rule, [`Error::MalformedJson`] and [`Error::BodyTooLarge`].
    pub fn for_create(body: &[u8], handling: &Handling) -> Result<Self, Error> {
        Self::read(Members::of(body)?, Purpose::Create, handling)
    }

    /// Reads the body of an update: `null` clears an optional field. Unknown members are treated as `handling` says.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidField`] about each member that breaks a rule or is `null` though every contact has it, [`Error::MalformedJson`]
    /// and [`Error::BodyTooLarge`].
    pub fn for_update(body: &[u8], handling: &Handling) -> Result<Self, Error> {
        Self::read(Members::of(body)?, Purpose::Update, handling)
    }

    fn read(mut members: Members, purpose: Purpose, handling: &Handling) -> Result<Self, Error> {
        // In the order in which the documentation has them: an answer names the first that is wrong. `_id`, `createdAt`, `updatedAt` and
        // `__v` come back in whole documents: their types are checked and nothing else.
        members.string("_id");
        let body = Self {
            creator: members.of_every_contact("creator", purpose, |members, name| members.user(name)),
            editor: members.user("editor"),
            name: members.of_every_contact("name", purpose, Members::name),
            local_name: members.text("local_name", 1_000),
            title: members.text("title", 1_000),
            phone1: members.text("phone1", 100),
            phone2: members.text("phone2", 100),
            email: members.email("email"),
            extra_info: members.text("extra_info", 10_000),
            disabled: members.typed("disabled", "must be true or false"),
            media: members.media("media"),
            cover_photo: members.text("cover_photo", 2_048),
            integration_meta: members.meta("integration_meta"),
            company_namespace: members.of_every_contact("company_namespace", purpose, Members::namespaces),
        };
        members.string("createdAt");
        members.string("updatedAt");
        members.integer("__v");
        members.finish(handling)?;
        Ok(body)
    }
}

/// The members of a JSON object that nobody has taken yet, each still as its text, and what was wrong with those taken. Of two members
/// with one name the last counts.
struct Members {
    left: BTreeMap<String, Box<RawValue>>,
    violations: Violations,
    /// Members inside of others that the contact does not keep.
    not_kept: Vec<String>,
}

impl Members {
    fn of(body: &[u8]) -> Result<Self, Error> {
        if body.len() > MAXIMUM_BYTES {
            return Err(Error::BodyTooLarge);
        }
        // Members stay text here, so that one that nobody asks for can hold anything, however deep.
        let left = serde_json::from_slice(body).map_err(|error| Error::MalformedJson(why_no_object(body, &error)))?;
        Ok(Self { left, violations: Violations::default(), not_kept: Vec::new() })
    }

    /// Ends the reading: what nobody took is unknown, and is ignored or refused as `handling` says.
    fn finish(mut self, handling: &Handling) -> Result<(), Error> {
        let unknown = self.left.into_keys().take(MAXIMUM_NAMES);
        if handling.is_strict() {
            unknown.for_each(|name| self.violations.add(name, "is not a field of a client contact"));
            self.not_kept.iter().take(MAXIMUM_NAMES).for_each(|name| self.violations.add(name, "must be a string"));
        } else {
            handling.ignore_members(unknown.chain(self.not_kept));
        }
        self.violations.refuse(Error::InvalidField)
    }

    /// Takes a member that every contact has: an update cannot clear it, and a create must give `name`, for which there is no default.
    fn of_every_contact<T>(
        &mut self,
        name: &'static str,
        purpose: Purpose,
        take: impl FnOnce(&mut Self, &'static str) -> Given<T>,
    ) -> Given<T> {
        let is_present = self.left.contains_key(name);
        match (take(self, name), purpose) {
            (Given::Null, Purpose::Update) => self.refused(name, "must not be null: every contact has one"),
            (Given::Null, Purpose::Create) if name == "name" => self.refused(name, "is required"),
            (Given::Nothing, Purpose::Create) if name == "name" && !is_present => self.refused(name, "is required"),
            (given, _) => given,
        }
    }

    /// Takes a member as the type that its rule asks for.
    fn typed<T: DeserializeOwned>(&mut self, name: &str, rule: &str) -> Given<T> {
        self.read(name, rule, rule)
    }

    /// Takes a member that is text or holds some.
    fn textual<T: DeserializeOwned>(&mut self, name: &str, rule: &str) -> Given<T> {
        self.read(name, rule, LONE_SURROGATE)
    }

    fn read<T: DeserializeOwned>(&mut self, name: &str, rule: &str, lone_surrogate: &str) -> Given<T> {
        match self.left.remove(name) {
            None => Given::Nothing,
            Some(raw) if raw.get() == "null" => Given::Null,
            Some(raw) => match serde_json::from_str(raw.get()) {
                Ok(value) => Given::Value(value),
                Err(error) => {
                    let is_lone_surrogate = error.classify() == Category::Syntax && has_lone_surrogate(raw.get());
                    self.refused(name, if is_lone_surrogate { lone_surrogate } else { rule })
                }
            },
        }
    }

    /// Notes that a member breaks a rule.
    fn refused<T>(&mut self, name: impl AsRef<str>, reason: impl Into<String>) -> Given<T> {
        self.violations.add(name, reason);
        Given::Nothing
    }

    /// Holds a value, if there is one, against a further rule.
    fn checked<T>(&mut self, name: &str, given: Given<T>, rule: &str, keeps: impl FnOnce(&T) -> bool) -> Given<T> {
        given.and_then(|value| if keeps(&value) { Given::Value(value) } else { self.refused(name, rule) })
    }

    fn string(&mut self, name: &str) -> Given<String> {
        self.textual(name, "must be a string")
    }

    fn integer(&mut self, name: &str) -> Given<serde_json::Number> {
        let rule = "must be an integer";
        let number = self.typed::<serde_json::Number>(name, rule);
        self.checked(name, number, rule, |number| {
            number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|value| value.fract() == 0.0)
        })
    }

    fn text(&mut self, name: &str, maximum: usize) -> Given<String> {
        let text = self.string(name);
        let rule = format!("must be at most {} characters", grouped(maximum));
        self.checked(name, text, &rule, |text| text.chars().count() <= maximum)
    }

    fn name(&mut self, name: &str) -> Given<String> {
        let text = self.text(name, 1_000);
        self.checked(name, text, "must not be empty", |text| !text.trim().is_empty())
    }

    fn email(&mut self, name: &str) -> Given<String> {
        let address = self.string(name);
        let rule = "must be empty or an e-mail address of at most 254 characters, such as john.smith@example.com";
        // Forms send a field that nobody filled in as an empty text.
        self.checked(name, address, rule, |address| address.is_empty() || email::is_mailbox(address))
    }

    fn media(&mut self, name: &str) -> Given<Vec<String>> {
        let rule = "must be an array of at most 100 strings of at most 2,048 characters";
        let media = self.textual::<Vec<String>>(name, rule);
        self.checked(name, media, rule, |media| media.len() <= 100 && media.iter().all(|entry| entry.chars().count() <= 2_048))
    }

    fn namespaces(&mut self, name: &str) -> Given<Vec<String>> {
        let rule = "must be an array of 1 to 100 distinct, non-empty strings";
        let namespaces = self.textual::<Vec<String>>(name, rule);
        self.checked(name, namespaces, rule, |namespaces| {
            let distinct: BTreeSet<_> = namespaces.iter().collect();
            (1..=100).contains(&namespaces.len())
                && distinct.len() == namespaces.len()
                && namespaces.iter().all(|namespace| !namespace.is_empty())
        })
    }

    fn meta(&mut self, name: &str) -> Given<JsonObject> {
        let raw = self.typed::<Box<RawValue>>(name, "must be a JSON object");
        let object = raw.and_then(|raw| match JsonObject::parse(&raw) {
            Ok(object) => Given::Value(object),
            Err(why) => self.refused(name, why.to_string()),
        });
        self.checked(name, object, "must be at most 64 KiB of JSON", |object| object.raw().get().len() <= MAXIMUM_META_BYTES)
    }

    fn user(&mut self, field: &str) -> Given<User> {
        // Its members stay text too: what a user does not keep can hold anything.
        let members = self.typed::<BTreeMap<String, Box<RawValue>>>(field, "must be an object with the strings _id and type");
        members.and_then(|members| self.user_of(field, members).map_or(Given::Nothing, Given::Value))
    }

    /// A user from its members, unless one of them is wrong. Further strings are kept; whatever else there is, is not.
    fn user_of(&mut self, field: &str, members: BTreeMap<String, Box<RawValue>>) -> Option<User> {
        let mut own = Self { left: members, violations: Violations::default(), not_kept: Vec::new() };
        let id = own.string("_id").value();
        let username = own.string("username").value();
        let name = own.string("name").value();
        let kind = own.string("type").value();
        for (member, value) in [("_id", &id), ("type", &kind)] {
            if value.is_none() {
                own.violations.add(member, "is required");
            }
        }
        let kind = kind.and_then(|kind| {
            let known = UserType::ALL.iter().find_map(|(name, known)| (*name == kind).then_some(*known));
            known.or_else(|| own.refused("type", "must be one of admin, rep, client").value())
        });
        let mut others = BTreeMap::new();
        for member in own.left.keys().cloned().collect::<Vec<_>>() {
            let is_text = own.left[&member].get().starts_with('"');
            if member.len() > MAXIMUM_MEMBER_NAME_BYTES {
                own.violations.add(member, "must have a name of at most 65,535 bytes");
            } else if is_text {
                if let Given::Value(text) = own.string(&member) {
                    others.insert(member, text);
                }
            } else if own.left[&member].get() != "null" {
                self.not_kept.push(format!("{field}.{member}"));
            }
        }
        let is_right = own.violations.is_empty();
        self.violations.add_within(field, own.violations);
        Some(User { id: id?, username, name, kind: kind?, others }).filter(|_| is_right)
    }
}

/// Why a body is no JSON object, as the rest of a sentence about it.
fn why_no_object(body: &[u8], error: &serde_json::Error) -> String {
    let must = "must be a JSON object";
    let start = body.iter().find(|byte| !byte.is_ascii_whitespace());
    let place = || format!("line {}, column {}", error.line(), column(body, error));
    match (error.classify(), start) {
        (_, None) => format!("{must}, and is empty"),
        (Category::Data, Some(b'[')) => format!("{must}, not an array"),
        (Category::Data, Some(b'"')) => format!("{must}, not a string"),
        (Category::Data, Some(b't' | b'f')) => format!("{must}, not a boolean"),
        (Category::Data, Some(b'n')) => format!("{must}, not null"),
        (Category::Data, Some(_)) => format!("{must}, not a number"),
        (Category::Eof, Some(_)) => format!("{must}: its JSON ends too early, at {}", place()),
        (Category::Syntax | Category::Io, Some(_)) => {
            let text = error.to_string();
            let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
            format!("{must}: its JSON is malformed at {}: {what}", place())
        }
    }
}

/// The column of an error in characters, counted from 1; the error counts bytes.
fn column(body: &[u8], error: &serde_json::Error) -> usize {
    let line = body.split(|byte| *byte == b'\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let before = &line[..error.column().min(line.len())];
    String::from_utf8_lossy(before).chars().count().max(1)
}

/// A number as prose writes it: `10,000`.
fn grouped(number: usize) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", grouped(number / 1_000), number % 1_000),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const EMAIL: &str = "email must be empty or an e-mail address of at most 254 characters, such as john.smith@example.com";

    fn create(body: &str) -> Result<ContactBody, Error> {
        ContactBody::for_create(body.as_bytes(), &Handling::default())
    }

    fn update(body: &str) -> Result<ContactBody, Error> {
        ContactBody::for_update(body.as_bytes(), &Handling::default())
    }

    fn refusal(body: &str) -> String {
        create(body).unwrap_err().to_string()
    }

    /// Every sentence about a body.
    fn refusals(read: Result<ContactBody, Error>) -> Vec<String> {
        match read.unwrap_err() {
            Error::InvalidField(violations) => violations.sentences().map(|(_, sentence)| sentence).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_rule_of_a_field_has_its_sentence() {
        let characters = |count| "x".repeat(count);
        for (member, value, sentence) in [
            ("name", json!(null), "name is required"),
            ("name", json!(" \t\u{3000}"), "name must not be empty"),
            ("name", json!(7), "name must be a string"),
            ("name", json!(characters(1_001)), "name must be at most 1,000 characters"),
            ("local_name", json!(characters(1_001)), "local_name must be at most 1,000 characters"),
            ("title", json!({}), "title must be a string"),
            ("phone1", json!(characters(101)), "phone1 must be at most 100 characters"),
            ("phone2", json!(5_551_234), "phone2 must be a string"),
            ("extra_info", json!(characters(10_001)), "extra_info must be at most 10,000 characters"),
            ("cover_photo", json!(characters(2_049)), "cover_photo must be at most 2,048 characters"),
            ("disabled", json!("false"), "disabled must be true or false"),
            ("media", json!("a"), "media must be an array of at most 100 strings of at most 2,048 characters"),
            ("media", json!(vec!["a"; 101]), "media must be an array of at most 100 strings of at most 2,048 characters"),
            ("media", json!([characters(2_049)]), "media must be an array of at most 100 strings of at most 2,048 characters"),
            ("company_namespace", json!([]), "company_namespace must be an array of 1 to 100 distinct, non-empty strings"),
            (
                "company_namespace",
                json!(["a", "a"]),
                "company_namespace must be an array of 1 to 100 distinct, non-empty strings",
            ),
            ("company_namespace", json!([""]), "company_namespace must be an array of 1 to 100 distinct, non-empty strings"),
            ("integration_meta", json!([]), "integration_meta must be a JSON object"),
            ("integration_meta", json!({"a": characters(65_529)}), "integration_meta must be at most 64 KiB of JSON"),
            ("creator", json!("admin"), "creator must be an object with the strings _id and type"),
            ("creator", json!({"type": "admin"}), "creator._id is required"),
            ("creator", json!({"_id": "1", "type": "boss"}), "creator.type must be one of admin, rep, client"),
            ("editor", json!({"_id": "1", "type": "rep", "name": 1}), "editor.name must be a string"),
            ("email", json!("john"), EMAIL),
            ("email", json!(" "), EMAIL),
            ("_id", json!(1), "_id must be a string"),
            ("createdAt", json!(1), "createdAt must be a string"),
            ("updatedAt", json!(false), "updatedAt must be a string"),
            ("__v", json!("0"), "__v must be an integer"),
            ("__v", json!(0.5), "__v must be an integer"),
        ] {
            let mut body = json!({"name": "John"});
            body[member] = value;
            assert_eq!(refusal(&body.to_string()), sentence);
        }
    }

    #[test]
    fn values_at_their_bounds_are_accepted() {
        let wide = |count| "\u{1F600}".repeat(count);
        let body = json!({
            "name": wide(1_000), "local_name": wide(1_000), "title": "", "phone1": wide(100), "phone2": "", "extra_info": wide(10_000),
            "cover_photo": wide(2_048), "media": vec!["x".repeat(2_048); 50], "integration_meta": {"a": "x".repeat(65_528)},
            "_id": "", "email": "", "__v": 1.0, "createdAt": "yesterday", "creator": {"_id": "", "type": "client", "client": "c", "": "", "other": 5, "none": null},
        });

        let read = create(&body.to_string()).unwrap();

        let others = [("client", "c"), ("", "")].map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(read.creator.value().unwrap().others, BTreeMap::from(others));
        assert_eq!(read.integration_meta.value().unwrap().raw().get().len(), MAXIMUM_META_BYTES);
    }

    #[test]
    fn what_is_no_object_is_refused_with_the_place_of_the_mistake() {
        for (body, sentence) in [
            ("", "must be a JSON object, and is empty"),
            (" \n", "must be a JSON object, and is empty"),
            ("null", "must be a JSON object, not null"),
            ("[]", "must be a JSON object, not an array"),
            ("\"name\"", "must be a JSON object, not a string"),
            ("true", "must be a JSON object, not a boolean"),
            ("-7", "must be a JSON object, not a number"),
            ("{", "must be a JSON object: its JSON ends too early, at line 1, column 1"),
            ("{\"name\":\n\"John", "must be a JSON object: its JSON ends too early, at line 2, column 5"),
            ("{\"name\":\"a\"} x", "must be a JSON object: its JSON is malformed at line 1, column 14: trailing characters"),
            ("{\n  \"name\": \"جون\",\n}", "must be a JSON object: its JSON is malformed at line 3, column 1: trailing comma"),
            ("{\"جون\": x}", "must be a JSON object: its JSON is malformed at line 1, column 9: expected value"),
            ("\u{feff}{}", "must be a JSON object: its JSON is malformed at line 1, column 1: expected value"),
            ("{'name':1}", "must be a JSON object: its JSON is malformed at line 1, column 2: key must be a string"),
        ] {
            assert_eq!(refusal(body), format!("The request body {sentence}"), "{body}");
        }
        let not_utf_8 = ContactBody::for_create(b"{\"name\":\"\xff\"}", &Handling::default()).unwrap_err().to_string();
        assert!(
            not_utf_8.starts_with("The request body must be a JSON object: its JSON is malformed at line 1, column 1"),
            "{not_utf_8}"
        );
    }

    #[test]
    fn every_field_that_breaks_a_rule_is_named_in_the_order_of_the_documentation() {
        let body = json!({
            "__v": "x", "_id": 1, "creator": {"_id": 1, "type": "boss", "name": []}, "editor": [], "title": 5, "company_namespace": [],
            "media": [1], "phone1": "x".repeat(101), "disabled": 0, "createdAt": 1,
        });

        assert_eq!(
            refusals(create(&body.to_string())),
            [
                "_id must be a string",
                "creator._id must be a string",
                "creator.name must be a string",
                "creator.type must be one of admin, rep, client",
                "editor must be an object with the strings _id and type",
                "name is required",
                "title must be a string",
                "phone1 must be at most 100 characters",
                "disabled must be true or false",
                "media must be an array of at most 100 strings of at most 2,048 characters",
                "company_namespace must be an array of 1 to 100 distinct, non-empty strings",
                "createdAt must be a string",
                "__v must be an integer",
            ]
        );
        let nulls = r#"{"name":null,"creator":null,"company_namespace":null,"email":null}"#;
        let sentence = |field| format!("{field} must not be null: every contact has one");
        assert_eq!(refusals(update(nulls)), ["creator", "name", "company_namespace"].map(sentence));
        assert_eq!(
            refusals(create("{\"creator\":{}}")),
            ["creator._id is required", "creator.type is required", "name is required"]
        );
    }

    #[test]
    fn half_a_surrogate_pair_is_told_apart_from_a_wrong_type() {
        for (field, value) in [
            ("name", r#""\ud800""#),
            ("title", r#""\ud83dx\ude00""#),
            ("email", r#""\udc00""#),
            ("media", r#"["a","\ud800"]"#),
            ("company_namespace", r#"["\ud800"]"#),
            ("integration_meta", r#"{"a":"\ud800"}"#),
            ("createdAt", r#""\ud800""#),
        ] {
            let body = format!(r#"{{"name":"John","{field}":{value}}}"#);
            assert_eq!(refusal(&body), format!("{field} must not hold half of a surrogate pair, such as \\ud800"));
        }
        assert_eq!(refusal(r#"{"name":1e999}"#), "name must be a string");
        assert_eq!(
            refusal(r#"{"name":"a","media":[1e999]}"#),
            "media must be an array of at most 100 strings of at most 2,048 characters"
        );
        assert_eq!(refusal(r#"{"name":"a","disabled":"\ud800"}"#), "disabled must be true or false");
    }

    #[test]
    fn a_user_can_hold_anything_that_it_does_not_keep() {
        let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
        for value in [r#"{"$serde_json::private::RawValue":1}"#, "1e999", r#"["\ud800"]"#, &deep] {
            let handling = Handling::default();
            let body = format!(r#"{{"name":"John","editor":{{"_id":"1","type":"rep","x":{value}}}}}"#);

            let read = ContactBody::for_create(body.as_bytes(), &handling).unwrap();

            assert_eq!(read.editor.value().unwrap().others, BTreeMap::new());
            assert_eq!(handling.headers()[0].1, "editor.x");
            let refused = refusals(ContactBody::for_create(body.as_bytes(), &Handling::strict()));
            assert_eq!(refused, ["editor.x must be a string"]);
        }
        let long = format!(r#"{{"name":"John","editor":{{"_id":"1","type":"rep","{}":""}}}}"#, "x".repeat(65_536));
        assert!(refusal(&long).ends_with("… must have a name of at most 65,535 bytes"));
    }

    #[test]
    fn unknown_members_are_ignored_however_deep_or_refused() {
        let body = format!(r#"{{"name":"John","x":{}{},"y":1e999}}"#, "[".repeat(100_000), "]".repeat(100_000));
        let handling = Handling::default();

        assert!(ContactBody::for_create(body.as_bytes(), &handling).is_ok());

        assert_eq!(handling.headers()[0].1, "x,y");
        let refused = refusals(ContactBody::for_update(body.as_bytes(), &Handling::strict()));
        assert_eq!(refused, ["x is not a field of a client contact", "y is not a field of a client contact"]);
        // Known members are none of them, whether they count or not.
        let known = br#"{"_id":"","createdAt":"","updatedAt":"","__v":0,"name":"John"}"#;
        assert!(ContactBody::for_create(known, &Handling::strict()).is_ok());
    }

    #[test]
    fn null_is_nothing_in_a_create_and_clears_in_an_update() {
        let body = r#"{"name":"John","email":null,"editor":null,"disabled":null,"creator":null,"company_namespace":null}"#;
        assert_eq!(create(body).unwrap().email.value(), None);

        let body = r#"{"name":"John","email":null}"#;
        assert_eq!(update(body).unwrap().email, Given::Null);
        assert_eq!(update("{}").unwrap().email, Given::Nothing);
    }

    #[test]
    fn a_body_above_its_limit_is_too_large() {
        let body = vec![b' '; MAXIMUM_BYTES + 1];

        assert!(matches!(ContactBody::for_update(&body, &Handling::default()), Err(Error::BodyTooLarge)));
    }

    proptest! {
        #[test]
        fn junk_never_panics(body: Vec<u8>) {
            for handling in [Handling::default(), Handling::strict()] {
                let _either = (ContactBody::for_create(&body, &handling), ContactBody::for_update(&body, &handling));
            }
        }

        #[test]
        fn members_of_any_kind_never_panic(
            members in proptest::collection::vec(
                ("(name|creator|editor|media|__v|integration_meta|email|x)", "(null|1|1e999|\"(\\\\u[0-9a-f]{4}|\\\\\\\\|é|x){0,3}\"|\\[\\]|\\{\"[_a-z]{0,4}\":\"\"\\})"),
                0..6,
            ),
        ) {
            let members: Vec<String> = members.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            let _either = create(&format!("{{{}}}", members.join(",")));
        }
    }
}
