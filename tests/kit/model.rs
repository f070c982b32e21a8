//! The API's contacts as plain values, with lists that are filtered, sorted and cut in the simplest way.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use index::fold::fold;
use serde_json::{Value, json};

use crate::contact::Contact;

/// Texts that a URL's query cannot hold as they are, and some more.
const ENCODED: &[u8] = b"%&+#=[]\"'<>{}|\\^` ,;?";

/// The contacts of one tenant.
#[derive(Clone, Debug, Default)]
pub struct Model(BTreeMap<String, Contact>);

/// What a list can be asked for, with each parameter's meaning spelled out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// `page`
    pub page: Option<u64>,
    /// `per_page`
    pub per_page: Option<u64>,
    /// `_id`, when there is at least one
    pub ids: Vec<String>,
    /// `name`, when there is at least one
    pub names: Vec<String>,
    /// `integration_meta.external_id`, when there is at least one
    pub external_ids: Vec<String>,
    /// `search`
    pub search: Option<String>,
    /// `from_updatedAt`
    pub from_updated: Option<i64>,
    /// `to_updatedAt`
    pub to_updated: Option<i64>,
    /// `from__id`
    pub from_id: Option<String>,
    /// `to__id`
    pub to_id: Option<String>,
    /// The fields to sort by, and whether each is descending
    pub sort: Vec<(&'static str, bool)>,
    /// Which of the ways to write many values, and an order, is chosen
    pub form: u8,
}

impl Model {
    /// Stores a contact, or its next version.
    pub fn keep(&mut self, contact: Contact) {
        self.0.insert(contact.id(), contact);
    }

    /// Removes a contact.
    pub fn remove(&mut self, id: &str) -> Option<Contact> {
        self.0.remove(id)
    }

    /// A contact.
    pub fn get(&self, id: &str) -> Option<&Contact> {
        self.0.get(id)
    }

    /// All contacts, by id.
    pub fn contacts(&self) -> impl Iterator<Item = &Contact> {
        self.0.values()
    }

    /// All contacts that a caller with these namespaces finds, in order, on all pages.
    pub fn all(&self, query: &Query, namespaces: &[String]) -> Vec<Contact> {
        let mut found: Vec<Contact> =
            self.contacts().filter(|contact| sees(namespaces, contact) && matches(query, contact)).cloned().collect();
        // The order of the ids, which they are in, decides between contacts that are equal otherwise.
        found.sort_by(|one, other| {
            let orders = query.sort.iter().map(|(field, descending)| {
                let order = compare(one, other, field);
                if *descending { order.reverse() } else { order }
            });
            orders.fold(Ordering::Equal, Ordering::then)
        });
        found
    }

    /// The `data` and the `pagination` of a list.
    pub fn list(&self, query: &Query, namespaces: &[String]) -> (Vec<Contact>, Value) {
        let all = self.all(query, namespaces);
        let (page, per_page, total) = (query.page.unwrap_or(1), query.per_page.unwrap_or(25), all.len() as u64);
        let total_page = total.div_ceil(per_page);
        let pagination = json!({
            "page": page,
            "per_page": per_page,
            "pre_page": if page == 1 { 0 } else if page > total_page { total_page } else { page - 1 },
            "next_page": if page < total_page { page + 1 } else { 0 },
            "total": total,
            "total_page": total_page,
        });
        let offset = usize::try_from((page - 1).saturating_mul(per_page)).expect("a machine of 64 bits");
        (all.into_iter().skip(offset).take(per_page as usize).collect(), pagination)
    }
}

/// Whether a caller with these namespaces sees a contact of its tenant.
pub(crate) fn sees(namespaces: &[String], contact: &Contact) -> bool {
    let of_contact = contact["company_namespace"].as_array().expect("company_namespace is an array");
    of_contact.iter().any(|namespace| namespaces.iter().any(|own| namespace == own.as_str()))
}

fn matches(query: &Query, contact: &Contact) -> bool {
    let (id, name, updated) = (contact.id(), contact.text("name"), contact.millis("updatedAt"));
    let folded = |field: &str| contact[field].as_str().map(fold).unwrap_or_default();
    let (folded_name, folded_local_name) = (folded("name"), folded("local_name"));
    let words: Vec<String> = query.search.iter().flat_map(|text| text.split_whitespace()).map(fold).collect();
    (query.ids.is_empty() || query.ids.contains(&id))
        && (query.names.is_empty() || query.names.contains(&name))
        && (query.external_ids.is_empty() || external_id(contact).is_some_and(|own| query.external_ids.contains(&own)))
        && words.iter().all(|word| folded_name.contains(word) || folded_local_name.contains(word))
        && query.from_updated.is_none_or(|from| updated > from)
        && query.to_updated.is_none_or(|to| updated < to)
        && query.from_id.as_ref().is_none_or(|from| id > *from)
        && query.to_id.as_ref().is_none_or(|to| id < *to)
}

/// The external id of a contact, of those that the histories write.
fn external_id(contact: &Contact) -> Option<String> {
    match &contact["integration_meta"]["external_id"] {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) if number.is_i64() => Some(number.to_string()),
        _ => None,
    }
}

fn compare(one: &Contact, other: &Contact, field: &str) -> Ordering {
    let text = |contact: &Contact| contact[field].as_str().map(|text| (fold(text), text.to_owned()));
    match field {
        "disabled" => one[field].as_bool().cmp(&other[field].as_bool()),
        "createdAt" | "updatedAt" => one.millis(field).cmp(&other.millis(field)),
        "_id" => one.id().cmp(&other.id()),
        _ => text(one).cmp(&text(other)),
    }
}

impl Query {
    /// The query string that asks for this.
    pub fn text(&self) -> String {
        let mut pairs: Vec<String> = Vec::new();
        let mut one = |name: &str, value: Option<String>| pairs.extend(value.map(|value| format!("{name}={}", encoded(&value))));
        one("page", self.page.map(|page| page.to_string()));
        one("per_page", self.per_page.map(|per_page| per_page.to_string()));
        one("search", self.search.clone());
        one("from_updatedAt", self.from_updated.map(|moment| moment.to_string()));
        one("to_updatedAt", self.to_updated.map(|moment| moment.to_string()));
        one("from__id", self.from_id.clone());
        one("to__id", self.to_id.clone());
        pairs.extend(many("_id", &self.ids, self.form));
        pairs.extend(many("name", &self.names, self.form));
        pairs.extend(many("integration_meta.external_id", &self.external_ids, self.form));
        pairs.extend(sort(&self.sort, self.form));
        pairs.join("&")
    }
}

/// A parameter with many values, in one of its forms.
fn many(name: &str, values: &[String], form: u8) -> Vec<String> {
    let each = values.iter();
    match form % 4 {
        // A text that starts with a bracket could be taken for an array.
        0 if values.iter().all(|value| !value.starts_with('[')) => {
            each.map(|value| format!("{name}={}", encoded(value))).collect()
        }
        1 => each.map(|value| format!("{name}[]={}", encoded(value))).collect(),
        2 => each.enumerate().map(|(index, value)| format!("{name}[{index}]={}", encoded(value))).collect(),
        _ if values.is_empty() => Vec::new(),
        _ => vec![format!("{name}={}", encoded(&json!(values).to_string()))],
    }
}

/// An order, in one of its forms.
fn sort(keys: &[(&str, bool)], form: u8) -> Vec<String> {
    let kind = |descending: bool| if descending { "desc" } else { "asc" };
    let object = |(field, descending): &(&str, bool)| json!({"field": field, "type": kind(*descending)});
    match (form % 5, keys) {
        (_, []) => Vec::new(),
        (0, [(field, descending)]) => vec![format!("sort={field}"), format!("sortPageOrder={}", kind(*descending))],
        (1, _) => {
            vec!["sort=phone2".to_owned(), format!("sortBy={}", encoded(&keys.iter().map(object).collect::<Value>().to_string()))]
        }
        (2, _) => keys.iter().map(|key| format!("sortBy={}", encoded(&object(key).to_string()))).collect(),
        (3, _) => (0..)
            .zip(keys)
            .flat_map(|(index, (field, descending))| {
                [format!("sortBy[{index}][type]={}", kind(*descending)), format!("sortBy[{index}][field]={field}")]
            })
            .collect(),
        _ => {
            let signed = |(field, descending): &(&str, bool)| format!("{}{field}", if *descending { "-" } else { "" });
            vec![format!("sort={}", keys.iter().map(signed).collect::<Vec<_>>().join(","))]
        }
    }
}

/// A value as a query string holds it.
fn encoded(value: &str) -> String {
    let byte = |byte: u8| {
        if byte.is_ascii_graphic() && !ENCODED.contains(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    value.bytes().map(byte).collect()
}
