//! Request bodies: from bytes to fields of which each keeps its rule, or to a sentence about each that does not.

mod given;
mod malformed;
mod members;
#[cfg(feature = "openapi")]
pub(crate) mod openapi;
mod upsert;

pub use given::Given;
pub(crate) use members::Members;
#[cfg(feature = "openapi")]
pub use openapi::{ContactChange, ContactCreate, IntegrationMeta};
pub use upsert::UpsertBody;

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::caller::Caller;
use crate::contact::Contact;
use crate::error::Error;
use crate::handling::Handling;
use crate::json_object::{JsonMember, JsonObject};
use crate::object_id::ObjectId;
use crate::text_field::{Rule, TextField, Texts};
use crate::timestamp::Timestamp;
use crate::user::User;

/// The largest request body, in bytes.
pub const MAXIMUM_BYTES: usize = 256 * 1024;

/// The largest `integration_meta`, in bytes of its JSON text without white space between tokens.
pub const MAXIMUM_META_BYTES: usize = 64 * 1024;

/// The fields that a body can set, each checked against its rule in the contract's table.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each is the contact's member of that name")]
pub struct ContactBody {
    pub creator: Given<User>,
    pub editor: Given<User>,
    pub name: Given<String>,
    pub texts: Texts<Given<String>>,
    pub disabled: Given<bool>,
    pub media: Given<Vec<String>>,
    pub cover_photo: Given<String>,
    pub integration_meta: Given<JsonObject>,
    /// The members of `integration_meta` that an update sets, or removes where there is no value. When there are some, `integration_meta` is
    /// [`Given::Nothing`].
    pub meta_members: BTreeMap<String, Option<JsonMember>>,
    pub company_namespace: Given<Vec<String>>,
}

/// The field of which a body can set members one by one.
const META: &str = "integration_meta";

const META_TOO_LONG: &str = "must be at most 64 KiB of JSON";

/// What a body is for, and so what `null` means in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
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
        Self::read(Members::of(body, MAXIMUM_BYTES)?, Purpose::Create, handling)
    }

    /// Reads the body of an update: `null` clears an optional field. Unknown members are treated as `handling` says.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidField`] about each member that breaks a rule or is `null` though every contact has it, [`Error::MalformedJson`]
    /// and [`Error::BodyTooLarge`].
    pub fn for_update(body: &[u8], handling: &Handling) -> Result<Self, Error> {
        Self::read(Members::of(body, MAXIMUM_BYTES)?, Purpose::Update, handling)
    }

    fn read(mut members: Members, purpose: Purpose, handling: &Handling) -> Result<Self, Error> {
        // In the order in which the documentation has them: an answer names the first that is wrong. `_id`, `createdAt`, `updatedAt` and
        // `__v` come back in whole documents: their types are checked and nothing else.
        members.string("_id");
        let mut body = Self {
            creator: members.of_every_contact("creator", purpose, |members, name| members.user(name)),
            editor: members.user("editor"),
            name: members.of_every_contact("name", purpose, Members::name),
            texts: texts(&mut members),
            disabled: members.typed("disabled", "must be true or false"),
            media: members.media("media"),
            cover_photo: members.text("cover_photo", Rule::AtMost(members::MAXIMUM_URL)),
            integration_meta: members.meta(META, purpose),
            meta_members: members.members_of_meta(META),
            company_namespace: members.of_every_contact("company_namespace", purpose, Members::namespaces),
        };
        members.string("createdAt");
        members.string("updatedAt");
        members.integer("__v");
        members.finish(handling, "is not a field of a client contact")?;
        // A new contact has nothing that the members are set beside.
        if purpose == Purpose::Create && body.meta_members.values().any(Option::is_some) {
            body = body.with_meta_of(None)?.into_owned();
        }
        Ok(body)
    }

    /// The body as it is for a contact with this `integration_meta`: members of it that are set one by one become the whole object, so that all who
    /// write look at that alone.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidField`] when the object would be above its bounds.
    pub fn with_meta_of(&self, current: Option<&JsonObject>) -> Result<Cow<'_, Self>, Error> {
        if self.meta_members.is_empty() {
            return Ok(Cow::Borrowed(self));
        }
        let changes = self.meta_members.iter().map(|(key, value)| (key.as_str(), value.as_ref()));
        let object = JsonObject::with_members(current, changes).map_err(|why| Error::invalid_field(META, why.to_string()))?;
        if object.raw().get().len() > MAXIMUM_META_BYTES {
            return Err(Error::invalid_field(META, META_TOO_LONG));
        }
        // Where nothing was there to remove, nothing comes into being.
        let is_left_out = current.is_none() && self.meta_members.values().all(Option::is_none);
        let integration_meta = if is_left_out { Given::Nothing } else { Given::Value(object) };
        Ok(Cow::Owned(Self { integration_meta, meta_members: BTreeMap::new(), ..self.clone() }))
    }

    /// The contact that `caller` creates at `now` with these fields, and the defaults where the body is silent.
    ///
    /// # Errors
    ///
    /// [`Error::NamespaceNotAllowed`] when the body names a namespace that the caller may not use.
    pub fn into_contact(self, caller: &Caller, id: ObjectId, now: Timestamp) -> Result<Contact, Error> {
        let company_namespace =
            self.company_namespace.value().unwrap_or_else(|| caller.namespaces.first().cloned().into_iter().collect());
        caller.may_change_namespaces(&[], &company_namespace)?;
        Ok(Contact {
            id,
            creator: self.creator.value().unwrap_or_else(|| caller.user.clone()),
            editor: self.editor.value(),
            name: self.name.value().ok_or_else(|| Error::invalid_field("name", "is required"))?,
            texts: self.texts.map(Given::value),
            disabled: self.disabled.value().unwrap_or_default(),
            media: self.media.value(),
            cover_photo: self.cover_photo.value(),
            integration_meta: self.integration_meta.value(),
            company_namespace,
            created_at: now,
            updated_at: now,
            version: 0,
        })
    }
}

/// Reads the optional texts. The documentation has `title` beside `local_name`, so what is wrong with it is named there.
fn texts(members: &mut Members) -> Texts<Given<String>> {
    let mut fields = TextField::ALL;
    fields.sort_by_key(|field| !matches!(field, TextField::LocalName | TextField::Title));
    let mut texts = Texts::from_fn(|_| Given::Nothing);
    for field in fields {
        texts[field] = members.text(field.name(), field.rule());
    }
    texts
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::contact::ContactJson;

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
    fn the_reference_has_the_declared_fields_and_bounds() {
        let reference = include_str!("../../docs/api.md");
        let table = reference.split("## A contact\n\n").nth(1).unwrap().split("\n\n").next().unwrap();
        let mut documented = BTreeMap::new();
        for row in table.lines().skip(2) {
            let cells: Vec<&str> = row.split('|').collect();
            documented.extend(cells[1].split('`').skip(1).step_by(2).map(|name| (name.to_owned(), cells[4])));
        }

        let answer = serde_json::to_value(ContactJson(&Contact::full())).unwrap();
        let fields: BTreeSet<&String> = answer.as_object().unwrap().keys().collect();
        let missing: Vec<_> = fields.iter().filter(|field| !documented.contains_key(**field)).collect();
        assert!(missing.is_empty(), "docs/api.md does not list {missing:?}");
        let unknown: Vec<_> = documented.keys().filter(|field| !fields.contains(field)).collect();
        assert!(unknown.is_empty(), "docs/api.md lists {unknown:?}, which no contact has");
        for field in TextField::ALL {
            let rule = match field.rule() {
                Rule::AtMost(maximum) => {
                    let refusal = refusal(&json!({"name": "John", field.name(): "x".repeat(maximum + 1)}).to_string());
                    refusal.strip_prefix(&format!("{} must be ", field.name())).unwrap().to_owned()
                }
                Rule::Mailbox => "at most 254 characters".to_owned(),
            };
            assert!(documented[field.name()].contains(&rule), "docs/api.md does not say of {} that it has {rule}", field.name());
        }
    }

    #[test]
    fn the_reference_lists_what_lists_sort_by() {
        let reference = include_str!("../../docs/api.md");
        let list = reference.lines().find_map(|line| line.strip_prefix("Sortable: ")).unwrap();

        let documented: Vec<&str> = list.split('`').skip(1).step_by(2).collect();

        assert_eq!(documented, index::query::SortField::ALL.map(|(name, _)| name));
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
    fn members_of_integration_meta_are_set_one_by_one() {
        const KEY: &str = "must name a member by a key of 1 to 255 characters without a dot";
        let long = "é".repeat(256);
        for (member, value, sentence) in [
            ("integration_meta.", json!(1), format!("integration_meta. {KEY}")),
            ("integration_meta.a.b", json!(1), format!("integration_meta.a.b {KEY}")),
            ("integration_meta..", json!(null), format!("integration_meta.. {KEY}")),
            (&format!("integration_meta.{long}"), json!(1), format!("integration_meta.{}… {KEY}", "é".repeat(83))),
            (
                "integration_meta",
                json!({}),
                "integration_meta must not come together with members of it, such as integration_meta.erp".into(),
            ),
            ("integration_meta.x", json!("x".repeat(65_535)), "integration_meta.x must be at most 64 KiB of JSON".into()),
        ] {
            let mut body = json!({"name": "John", "integration_meta.erp": 1});
            body[member] = value;
            assert_eq!(refusal(&body.to_string()), sentence);
            assert_eq!(update(&body.to_string()).unwrap_err().to_string(), sentence);
        }
        let deep = format!(r#"{{"integration_meta.a":{}{}}}"#, "[".repeat(100), "]".repeat(100));
        let number = r#"{"integration_meta.a":1e400}"#;
        let half = r#"{"integration_meta.a":"\ud800"}"#;
        assert_eq!(update(&deep).unwrap_err().to_string(), "integration_meta.a must be at most 99 levels deep");
        assert_eq!(
            update(number).unwrap_err().to_string(),
            "integration_meta.a must not hold a number beyond the range of a double"
        );
        assert_eq!(
            update(half).unwrap_err().to_string(),
            "integration_meta.a must not hold half of a surrogate pair, such as \\ud800"
        );

        let meta = |body: &ContactBody| body.integration_meta.clone().value().map(|object| object.raw().get().to_owned());
        let longest = "é".repeat(255);
        let made = create(&format!(
            r#"{{"name":"John","integration_meta":null,"integration_meta.b":[1.0],"integration_meta.{longest}":2,"integration_meta.a":null}}"#
        ));
        assert_eq!(meta(&made.unwrap()).unwrap(), format!(r#"{{"b":[1.0],"{longest}":2}}"#));
        assert_eq!(meta(&create(r#"{"name":"John","integration_meta.a":null}"#).unwrap()), None);
        let both = update(r#"{"integration_meta":null,"integration_meta.a":1}"#).unwrap_err().to_string();
        assert_eq!(both, "integration_meta must not come together with members of it, such as integration_meta.erp");
    }

    #[test]
    fn members_become_the_whole_object_over_what_is_there() {
        let body = update(r#"{"integration_meta.erp": {"id": 7}, "integration_meta.old": null, "title": "x"}"#).unwrap();
        let there =
            |json: &str| JsonObject::parse(&serde_json::from_str::<Box<serde_json::value::RawValue>>(json).unwrap()).unwrap();
        let text = |body: &ContactBody| body.integration_meta.clone().value().map(|object| object.raw().get().to_owned());

        let after = body.with_meta_of(Some(&there(r#"{"old":1,"crm":2.50}"#))).unwrap();
        assert_eq!(text(&after), Some(r#"{"crm":2.50,"erp":{"id":7}}"#.to_owned()));
        assert!(after.meta_members.is_empty());
        assert_eq!(after.texts, body.texts);
        assert_eq!(text(&body.with_meta_of(None).unwrap()), Some(r#"{"erp":{"id":7}}"#.to_owned()));
        let removing = update(r#"{"integration_meta.old": null}"#).unwrap();
        assert_eq!(removing.with_meta_of(None).unwrap().integration_meta, Given::Nothing);
        assert_eq!(text(&removing.with_meta_of(Some(&there(r#"{"old":1}"#))).unwrap()), Some("{}".to_owned()));
        let full = there(&format!(r#"{{"a":"{}"}}"#, "x".repeat(65_528)));
        let refusal = body.with_meta_of(Some(&full)).unwrap_err().to_string();
        assert_eq!(refusal, "integration_meta must be at most 64 KiB of JSON");
    }

    #[test]
    fn null_is_nothing_in_a_create_and_clears_in_an_update() {
        let body = r#"{"name":"John","email":null,"editor":null,"disabled":null,"creator":null,"company_namespace":null}"#;
        assert_eq!(create(body).unwrap().texts[TextField::Email].clone().value(), None);

        let body = r#"{"name":"John","email":null}"#;
        assert_eq!(update(body).unwrap().texts[TextField::Email], Given::Null);
        assert_eq!(update("{}").unwrap().texts[TextField::Email], Given::Nothing);
    }

    #[test]
    fn a_body_above_its_limit_is_too_large() {
        let body = vec![b' '; MAXIMUM_BYTES + 1];

        assert!(matches!(
            ContactBody::for_update(&body, &Handling::default()),
            Err(Error::BodyTooLarge { maximum: MAXIMUM_BYTES })
        ));
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
                ("(name|creator|editor|media|__v|integration_meta|integration_meta[.]{1,2}a?|email|x)", "(null|1|1e999|\"(\\\\u[0-9a-f]{4}|\\\\\\\\|é|x){0,3}\"|\\[\\]|\\{\"[_a-z]{0,4}\":\"\"\\})"),
                0..6,
            ),
        ) {
            let members: Vec<String> = members.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            let _either = create(&format!("{{{}}}", members.join(",")));
        }
    }
}
