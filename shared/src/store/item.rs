//! Items of the contacts table: how a contact, a tombstone and an entry of the change log are written there.
//!
//! Restores and scripts write items too, and not always as this API would. One that is not a contact is malformed: its own calls fail, and
//! lists leave it out. See `docs/adr/0012-malformed-items.md`.

use std::collections::HashMap;
use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::value::RawValue;

use super::Stored;
use super::expression::UpdateExpression;
use super::register::{self, WriteId};
use crate::contact::Contact;
use crate::error::{Error, quoted};
use crate::json_object::JsonObject;
use crate::object_id::ObjectId;
use crate::text_field::TextField;
use crate::timestamp::Timestamp;
use crate::user::UserType;
use index::entry::{EntryFields, IndexEntry};

/// The attributes of one item, by name.
pub type Item = HashMap<String, AttributeValue>;

/// The most malformed items that one line of the log names.
const LOGGED_ITEMS: usize = 20;

/// The primary key of a contact.
pub fn key(tenant: &str, id: ObjectId) -> Item {
    key_of_text(tenant, id.to_string())
}

/// The primary key of an item whose sort key need not be a contact's id.
pub fn key_of_text(tenant: &str, sort_key: String) -> Item {
    HashMap::from([("tenant".to_owned(), AttributeValue::S(tenant.to_owned())), ("_id".to_owned(), AttributeValue::S(sort_key))])
}

/// The item of a contact.
pub fn of_contact(tenant: &str, contact: &Contact) -> Result<Item, Error> {
    let mut item: Item = serde_dynamo::to_item(contact).map_err(|error| Error::Internal(error.into()))?;
    item.insert("tenant".to_owned(), AttributeValue::S(tenant.to_owned()));
    let external_id = contact.integration_meta.as_ref().and_then(JsonObject::external_id);
    item.extend(external_id.map(|id| (EXTERNAL_ID.to_owned(), AttributeValue::S(id))));
    Ok(item)
}

/// The item of a contact that the write `id` creates.
pub fn of_new_contact(tenant: &str, contact: &Contact, id: &WriteId) -> Result<Item, Error> {
    let mut item = of_contact(tenant, contact)?;
    let entry = AttributeValue::S(register::entry(contact.created_at, id));
    item.extend(register::ATTRIBUTES.first().map(|attribute| ((*attribute).to_owned(), entry)));
    Ok(item)
}

/// What an attribute of a contact must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Flag,
    Json,
    Text,
    /// A list of texts, empty or not.
    Texts,
    /// A list of at least one text.
    Namespaces,
    /// Milliseconds since 1970 that can be written as a text.
    Time,
    User,
    Version,
}

/// The attributes of a contact besides its key and its optional texts: what each must be, and whether every contact has it.
const ATTRIBUTES: [(&str, Kind, bool); 11] = [
    ("creator", Kind::User, true),
    ("editor", Kind::User, false),
    ("name", Kind::Text, true),
    ("disabled", Kind::Flag, false),
    ("media", Kind::Texts, false),
    ("cover_photo", Kind::Text, false),
    ("integration_meta", Kind::Json, false),
    ("company_namespace", Kind::Namespaces, true),
    ("createdAt", Kind::Time, true),
    ("updatedAt", Kind::Time, true),
    ("__v", Kind::Version, true),
];

/// The contact's external id, derived from its `integration_meta` by every write: the sort key of the index that finds contacts by it.
pub const EXTERNAL_ID: &str = "external_id";

/// The register of writes, as it was in the first release.
const FIRST_REGISTER: &str = "lastWrite";

/// The attributes of a contact besides its key, like [`ATTRIBUTES`].
fn attributes() -> impl Iterator<Item = (&'static str, Kind, bool)> {
    ATTRIBUTES.into_iter().chain(TextField::ALL.map(|field| (field.name(), Kind::Text, false)))
}

/// The attributes that a contact has and a tombstone must not have. A tombstone keeps the namespaces, which say who may learn of the
/// deletion.
pub fn attributes_of_contacts_only() -> impl Iterator<Item = &'static str> {
    let of_both = |attribute: &&str| matches!(*attribute, "company_namespace" | "updatedAt" | "__v");
    let of_contacts = attributes().map(|(attribute, ..)| attribute).filter(move |attribute| !of_both(attribute));
    of_contacts.chain([EXTERNAL_ID, FIRST_REGISTER])
}

impl Kind {
    /// The type that DynamoDB has for it, as `attribute_type` calls it.
    fn type_name(self) -> &'static str {
        match self {
            Self::Flag => "BOOL",
            Self::Json | Self::Text => "S",
            Self::Texts | Self::Namespaces => "L",
            Self::Time | Self::Version => "N",
            Self::User => "M",
        }
    }

    fn describes(self, value: &AttributeValue) -> bool {
        let is_text = |value: &AttributeValue| value.is_s();
        match (self, value) {
            (Self::Flag, AttributeValue::Bool(_)) | (Self::Text, AttributeValue::S(_)) => true,
            (Self::Json, AttributeValue::S(text)) => {
                serde_json::from_str::<&RawValue>(text).is_ok_and(|json| json.get().starts_with('{'))
            }
            (Self::Texts, AttributeValue::L(values)) => values.iter().all(is_text),
            (Self::Namespaces, AttributeValue::L(values)) => !values.is_empty() && values.iter().all(is_text),
            (Self::Time, AttributeValue::N(digits)) => {
                digits.parse().is_ok_and(|millis| Timestamp::from_millis(millis).has_text())
            }
            (Self::Version, AttributeValue::N(digits)) => digits.parse::<u64>().is_ok(),
            (Self::User, AttributeValue::M(members)) => {
                let kind = members.get("type").and_then(|kind| kind.as_s().ok());
                members.values().all(is_text)
                    && members.contains_key("_id")
                    && kind.is_some_and(|kind| UserType::ALL.iter().any(|(known, _)| known == kind))
            }
            _ => false,
        }
    }
}

/// An item that is not a contact. It reads as a sentence for the log, with the item's key and nothing of a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the item {key} is malformed: {reason}")]
pub struct Malformed {
    key: String,
    reason: String,
    /// What the change log shows in its place.
    entry: Option<Box<IndexEntry>>,
}

impl Malformed {
    /// The item whose `attribute` is not what it must be.
    pub fn new(item: &Item, attribute: &str) -> Self {
        let reason = match item.get(attribute) {
            None => format!("{attribute} is missing"),
            Some(_) => format!("{attribute} is not what it must be"),
        };
        let id = item.get("_id").and_then(|id| id.as_s().ok());
        let entry = id.and_then(|id| id.parse().ok()).map(|id| match digits(item, "__v").zip(moment(item, "updatedAt")) {
            Some((version, updated_at)) => IndexEntry { id, version, updated_at, fields: None },
            // Of what state this is cannot be read: later than any other, until the index forgets old deletions.
            None => IndexEntry { id, version: u64::MAX, updated_at: Timestamp::from_millis(0), fields: None },
        });
        Self { key: quoted(id.map_or("", String::as_str)), reason, entry: entry.map(Box::new) }
    }

    /// What the change log shows in its place, when it has a contact's key: a deletion, so that an older state does not go on showing.
    pub fn entry(&self) -> Option<IndexEntry> {
        self.entry.as_deref().cloned()
    }
}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Self {
        Self::Internal(malformed.into())
    }
}

/// Logs items that a list leaves out. The field `malformed_items` is there to be counted.
pub fn log_left_out(tenant: &str, malformed: &[Malformed]) {
    if malformed.is_empty() {
        return;
    }
    let mut items: Vec<String> =
        malformed.iter().take(LOGGED_ITEMS).map(|item| format!("{}: {}", item.key, item.reason)).collect();
    if malformed.len() > LOGGED_ITEMS {
        items.push("and more".to_owned());
    }
    let items = items.join("; ");
    tracing::warn!(
        malformed_items = malformed.len(),
        tenant,
        items,
        "malformed items of the contacts table are left out of lists"
    );
}

/// A number attribute as a moment that can be written as a text.
pub fn moment(item: &Item, attribute: &str) -> Option<Timestamp> {
    digits(item, attribute).map(Timestamp::from_millis).filter(|moment| moment.has_text())
}

/// The contact or the tombstone in an item.
///
/// # Errors
///
/// [`Malformed`] when it is neither.
pub fn stored(item: Item) -> Result<Stored, Malformed> {
    let key = item.get("_id").and_then(|id| id.as_s().ok());
    let id: ObjectId = key.and_then(|id| id.parse().ok()).ok_or_else(|| Malformed::new(&item, "_id"))?;
    if item.contains_key("deleted") {
        let version = digits(&item, "__v").ok_or_else(|| Malformed::new(&item, "__v"))?;
        let updated_at = moment(&item, "updatedAt").ok_or_else(|| Malformed::new(&item, "updatedAt"))?;
        return Ok(Stored::Tombstone { id, version, updated_at });
    }
    let wrong = attributes().find(|(attribute, kind, is_required)| match item.get(*attribute) {
        None => *is_required,
        Some(value) => !kind.describes(value),
    });
    if let Some((attribute, ..)) = wrong {
        return Err(Malformed::new(&item, attribute));
    }
    serde_dynamo::from_item(item).map(Box::new).map(Stored::Contact).map_err(|_| {
        // What serde says of an item can repeat what is in it, so it is not for the log.
        Malformed { key: id.to_string(), reason: "it is not what a contact must be".to_owned(), entry: None }
    })
}

/// Lets an update happen only to an item whose attributes have the types of a contact's. Their elements and members are beyond what a
/// condition can tell.
pub fn only_if_well_formed(expression: &mut UpdateExpression) {
    for (attribute, kind, is_required) in attributes() {
        let name = expression.name(attribute);
        let mut value = |value| expression.shared_value(value);
        let condition = if kind == Kind::Time {
            let [first, last] = [Timestamp::FIRST_WITH_TEXT, Timestamp::LAST_WITH_TEXT]
                .map(|moment| value(AttributeValue::N(moment.millis().to_string())));
            format!("{name} BETWEEN {first} AND {last}")
        } else {
            format!("attribute_type({name},{})", value(AttributeValue::S(kind.type_name().to_owned())))
        };
        expression.only_if(if is_required { condition } else { format!("(attribute_not_exists({name}) OR {condition})") });
    }
}

/// The entry of the change log in an item of its index. By hand and not by `serde_dynamo`, because a load reads
/// hundreds of thousands of them.
///
/// # Errors
///
/// [`Malformed`] when it is neither a contact's nor a tombstone's.
pub fn entry(mut item: Item) -> Result<IndexEntry, Malformed> {
    let id = id(&item).ok_or_else(|| Malformed::new(&item, "_id"))?;
    let version = digits(&item, "__v").ok_or_else(|| Malformed::new(&item, "__v"))?;
    let updated_at = moment(&item, "updatedAt").ok_or_else(|| Malformed::new(&item, "updatedAt"))?;
    if item.contains_key("deleted") {
        return Ok(IndexEntry { id, version, updated_at, fields: None });
    }
    let created_at = moment(&item, "createdAt").ok_or_else(|| Malformed::new(&item, "createdAt"))?;
    let disabled = match item.get("disabled") {
        None => false,
        Some(AttributeValue::Bool(disabled)) => *disabled,
        Some(_) => return Err(Malformed::new(&item, "disabled")),
    };
    if !item.get("company_namespace").is_some_and(|value| Kind::Namespaces.describes(value)) {
        return Err(Malformed::new(&item, "company_namespace"));
    }
    let name = text(&mut item, "name")?.ok_or_else(|| Malformed::new(&item, "name"))?;
    let mut texts = index::entry::Texts::default();
    for (field, value) in index::entry::TextField::ALL.into_iter().zip(&mut texts) {
        *value = text(&mut item, field.name())?;
    }
    let fields = EntryFields {
        name,
        texts,
        // Derived, so that nothing of the contact is missing when it is not there.
        external_id: item.remove(EXTERNAL_ID).and_then(|value| value.as_s().cloned().ok()),
        disabled,
        created_at,
        company_namespace: item.remove("company_namespace").map(texts_of).unwrap_or_default(),
    };
    Ok(IndexEntry { id, version, updated_at, fields: Some(fields) })
}

/// Takes a text attribute.
fn text(item: &mut Item, attribute: &str) -> Result<Option<String>, Malformed> {
    match item.remove(attribute) {
        None => Ok(None),
        Some(AttributeValue::S(text)) => Ok(Some(text)),
        Some(other) => {
            item.insert(attribute.to_owned(), other);
            Err(Malformed::new(item, attribute))
        }
    }
}

/// The id of the contact whose item it is, or was.
pub fn id(item: &Item) -> Option<ObjectId> {
    item.get("_id")?.as_s().ok()?.parse().ok()
}

/// The sort key of any item.
pub fn sort_key(item: &Item) -> Option<&str> {
    item.get("_id")?.as_s().ok().map(String::as_str)
}

/// A number attribute.
pub fn digits<T: FromStr>(item: &Item, attribute: &str) -> Option<T> {
    item.get(attribute)?.as_n().ok()?.parse().ok()
}

/// The namespaces of a contact or a tombstone.
pub fn namespaces(item: &Item) -> Vec<String> {
    item.get("company_namespace").cloned().map(texts_of).unwrap_or_default()
}

/// The texts in a list.
fn texts_of(list: AttributeValue) -> Vec<String> {
    let AttributeValue::L(values) = list else { return Vec::new() };
    let text = |value| match value {
        AttributeValue::S(text) => Some(text),
        _ => None,
    };
    values.into_iter().filter_map(text).collect()
}

impl From<&Stored> for IndexEntry {
    /// What the change log shows, or will show, of what the table holds.
    fn from(stored: &Stored) -> Self {
        match stored {
            Stored::Contact(contact) => Self {
                id: contact.id,
                version: contact.version,
                updated_at: contact.updated_at,
                fields: Some(EntryFields {
                    name: contact.name.clone(),
                    texts: index::entry::TextField::ALL.map(|field| contact.texts[field.into()].clone()),
                    external_id: contact.integration_meta.as_ref().and_then(JsonObject::external_id),
                    disabled: contact.disabled,
                    created_at: contact.created_at,
                    company_namespace: contact.company_namespace.clone(),
                }),
            },
            Stored::Tombstone { id, version, updated_at } => {
                Self { id: *id, version: *version, updated_at: *updated_at, fields: None }
            }
        }
    }
}

/// The size of an item by DynamoDB's rules, in bytes.
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>.
pub fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

fn value_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len() / 2 + 2,
        AttributeValue::L(values) => 3 + values.iter().map(|value| 1 + value_size(value)).sum::<usize>(),
        AttributeValue::M(members) => 3 + members.iter().map(|(name, value)| 1 + name.len() + value_size(value)).sum::<usize>(),
        // No other type is in an item of ours but the one byte of a boolean.
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::store::left_namespaces;

    #[test]
    fn the_change_log_shows_what_the_table_holds() {
        let whole = json!({
            "_id": "60f1b2b3c9e9a12345678901", "creator": {"_id": "1", "type": "rep"}, "name": "John", "local_name": "جون", "phone1": "1",
            "phone2": "2", "email": "j@example.com", "title": "", "extra_info": "x", "disabled": true, "company_namespace": ["a", "b"],
            "integration_meta": "{\"external_id\":5}", "external_id": "5", "createdAt": 5, "updatedAt": 7, "__v": 3,
        });
        let least = json!({
            "_id": "60f1b2b3c9e9a12345678902", "creator": {"_id": "1", "type": "rep"}, "name": "Jane", "disabled": false,
            "company_namespace": ["a"], "createdAt": 5, "updatedAt": 5, "__v": 0,
        });
        let tombstone = json!({"_id": "60f1b2b3c9e9a12345678903", "deleted": true, "expiresAt": 9, "updatedAt": 8, "__v": 1});

        for item in [whole, least, tombstone] {
            let item: Item = serde_dynamo::to_item(item).unwrap();
            assert_eq!(entry(item.clone()).unwrap(), IndexEntry::from(&stored(item).unwrap()));
        }
    }

    /// The attributes of a contact with one of each type, and the key.
    fn contact() -> Item {
        serde_dynamo::to_item(json!({
            "_id": "60f1b2b3c9e9a12345678901", "tenant": "t", "creator": {"_id": "1", "type": "rep"}, "name": "John", "phone1": "1",
            "disabled": true, "media": ["x"], "integration_meta": "{}", "company_namespace": ["a"], "createdAt": 5, "updatedAt": 7, "__v": 3,
        }))
        .unwrap()
    }

    #[test]
    fn an_item_that_is_no_contact_is_malformed_and_nothing_of_it_is_told() {
        let year_10_000 = Timestamp::LAST_WITH_TEXT.millis() + 1;
        for (attribute, value) in [
            ("_id", json!("Xanthippe")),
            ("_id", json!(7)),
            ("creator", json!(null)),
            ("creator", json!("Xanthippe")),
            ("creator", json!({"_id": "1", "type": "Xanthippe"})),
            ("creator", json!({"_id": "1", "type": "rep", "name": 7})),
            ("creator", json!({"type": "rep"})),
            ("editor", json!([])),
            ("name", json!(null)),
            ("name", json!(7)),
            ("phone1", json!(7)),
            ("local_name", json!(["Xanthippe"])),
            ("disabled", json!("Xanthippe")),
            ("media", json!("Xanthippe")),
            ("media", json!([7])),
            ("integration_meta", json!({"Xanthippe": 1})),
            ("integration_meta", json!("Xanthippe")),
            ("integration_meta", json!("[]")),
            ("company_namespace", json!([])),
            ("company_namespace", json!("a")),
            ("company_namespace", json!([7])),
            ("createdAt", json!(year_10_000)),
            ("createdAt", json!("2023")),
            ("updatedAt", json!(year_10_000)),
            ("updatedAt", json!(i64::MIN)),
            ("__v", json!("3")),
            ("__v", json!(-1)),
            ("__v", json!(1.5)),
        ] {
            let mut item = contact();
            match value {
                serde_json::Value::Null => item.remove(attribute),
                value => item.insert(attribute.to_owned(), serde_dynamo::to_attribute_value(value).unwrap()),
            };

            let malformed = stored(item.clone()).unwrap_err();

            let told = malformed.to_string();
            let key = item["_id"].as_s().map_or("\"\"", String::as_str);
            assert!(told.starts_with(&format!("the item {key} is malformed: {attribute} is ")), "{told}");
            assert!(attribute == "_id" || !told.contains("Xanthippe"), "{told}");
            // The change log does not have every attribute.
            if !["creator", "editor", "media", "integration_meta"].contains(&attribute) {
                assert_eq!(entry(item).unwrap_err(), malformed);
            }
            let shown = malformed.entry().map(|entry| (entry.version, entry.fields));
            let expected = match attribute {
                "_id" => None,
                "__v" | "updatedAt" => Some((u64::MAX, None)),
                _ => Some((3, None)),
            };
            assert_eq!(shown, expected, "{attribute}");
        }
        assert!(stored(contact()).is_ok() && entry(contact()).is_ok());
    }

    #[test]
    fn the_condition_of_a_well_formed_item_is_short() {
        let mut expression = UpdateExpression::default();
        only_if_well_formed(&mut expression);

        // An expression has 4 KB, of which a caller's namespaces and `If-Match` take most at worst.
        let (condition, _, values) = expression.into_condition();
        assert!(condition.len() < 850, "{}", condition.len());
        assert_eq!(values.len(), 7);
    }

    #[test]
    fn a_contact_is_read_as_it_was_written_and_has_the_declared_attributes() {
        let contact = Contact::full();

        let item = of_contact("t", &contact).unwrap();

        let others = ["tenant", "_id", EXTERNAL_ID];
        let own: BTreeSet<&str> = item.keys().map(String::as_str).filter(|name| !others.contains(name)).collect();
        assert_eq!(item[EXTERNAL_ID], AttributeValue::S("C-1".to_owned()));
        assert_eq!(own, attributes().map(|(attribute, ..)| attribute).collect());
        assert_eq!(stored(item).unwrap(), Stored::Contact(Box::new(contact)));
    }

    #[test]
    fn the_template_projects_what_entries_need() {
        let template = include_str!("../../../template.yaml");
        let index = template.split("IndexName: change-log-index").nth(1).unwrap();
        let list = index.split("NonKeyAttributes:\n").nth(1).unwrap();
        let projected: BTreeSet<&str> = list.lines().map_while(|line| line.trim().strip_prefix("- ")).collect();

        let contact = of_contact("t", &Contact::full()).unwrap();
        let tombstone: Item =
            serde_dynamo::to_item(json!({"_id": "60f1b2b3c9e9a12345678903", "deleted": true, "updatedAt": 8, "__v": 1})).unwrap();
        // The change feed asks each entry who may learn of it.
        let mut needed = BTreeSet::from([left_namespaces::ATTRIBUTE]);
        for item in [&contact, &tombstone] {
            for attribute in item.keys().filter(|attribute| !["tenant", "_id", "updatedAt"].contains(&attribute.as_str())) {
                let mut without = item.clone();
                without.remove(attribute);
                if entry(without) != entry(item.clone()) {
                    needed.insert(attribute.as_str());
                }
            }
        }

        let missing: Vec<_> = needed.difference(&projected).collect();
        assert!(missing.is_empty(), "template.yaml does not project {missing:?} into change-log-index");
        let unused: Vec<_> = projected.difference(&needed).collect();
        assert!(unused.is_empty(), "template.yaml projects {unused:?} into change-log-index, which nothing needs");
    }

    #[test]
    fn the_size_of_an_item_counts_names_and_values() {
        let item: Item = HashMap::from([
            ("name".to_owned(), AttributeValue::S("جون".to_owned())),
            ("disabled".to_owned(), AttributeValue::Bool(false)),
            ("media".to_owned(), AttributeValue::L(vec![AttributeValue::S("abc".to_owned())])),
        ]);

        assert_eq!(size(&item), (4 + 6) + (8 + 1) + (5 + 3 + 1 + 3));
    }
}
