//! The namespaces that a contact left: by them the change feed tells callers of a namespace that the contact is gone for them.
//!
//! An item has them as the attribute `left_namespaces`, which the change log projects: a list of `[namespace, __v, updatedAt]`, where the numbers
//! are those of the change by which the contact left. Tombstones keep the attribute, next to `company_namespace`.

use aws_sdk_dynamodb::types::AttributeValue;

use super::item::Item;
use super::number;
use crate::timestamp::Timestamp;

/// The attribute of an item.
pub const ATTRIBUTE: &str = "left_namespaces";

/// How long a left namespace is remembered at least, in milliseconds: as long as a tombstone.
const LIFE_MS: i64 = super::change::TOMBSTONE_LIFE_SECONDS * 1_000;

/// The change by which a contact left a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// The contact's `__v` after that change.
    pub version: u64,
    /// The contact's `updatedAt` after that change.
    pub updated_at: Timestamp,
}

/// The namespaces that a contact left and did not return to, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftNamespaces(Vec<(String, Leaving)>);

impl LeftNamespaces {
    /// What an item of the table or an entry of the change log says. A malformed element says nothing.
    pub fn of(item: &Item) -> Self {
        let Some(AttributeValue::L(elements)) = item.get(ATTRIBUTE) else { return Self::default() };
        Self(elements.iter().filter_map(element).collect())
    }

    /// The change by which the contact left the last of `namespaces` that it was in; nothing when it left none of them. For a caller with these
    /// namespaces who does not see the contact as it is, this is the contact's end.
    pub fn last_of(&self, namespaces: &[String]) -> Option<Leaving> {
        let left = self.0.iter().filter(|(namespace, _)| namespaces.contains(namespace));
        left.map(|(_, leaving)| *leaving).max_by_key(|leaving| leaving.version)
    }

    /// What is remembered after a change of the contact's namespaces from `before` to `after`: those that it left by this change and, if it
    /// did not return to them, those that it left in the 30 days before.
    #[must_use]
    pub fn after(&self, before: &[String], after: &[String], change: Leaving) -> Self {
        let oldest = change.updated_at.plus_millis(-LIFE_MS);
        let is_left_now = |namespace: &String| before.contains(namespace);
        let earlier = self.0.iter().filter(|(namespace, leaving)| leaving.updated_at >= oldest && !is_left_now(namespace));
        let now = before.iter().map(|namespace| (namespace.clone(), change));
        Self(earlier.cloned().chain(now).filter(|(namespace, _)| !after.contains(namespace)).collect())
    }

    /// The attribute's value; nothing when no namespace was left.
    pub fn value(&self) -> Option<AttributeValue> {
        let element = |(namespace, leaving): &(String, Leaving)| {
            let Leaving { version, updated_at } = leaving;
            AttributeValue::L(vec![AttributeValue::S(namespace.clone()), number(version), number(updated_at.millis())])
        };
        (!self.0.is_empty()).then(|| AttributeValue::L(self.0.iter().map(element).collect()))
    }
}

fn element(value: &AttributeValue) -> Option<(String, Leaving)> {
    let [namespace, version, updated_at] = value.as_l().ok()?.as_slice() else { return None };
    let version = version.as_n().ok()?.parse().ok()?;
    let updated_at = Timestamp::from_millis(updated_at.as_n().ok()?.parse().ok()?);
    Some((namespace.as_s().ok()?.clone(), Leaving { version, updated_at }))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn change(version: u64, day: i64) -> Leaving {
        Leaving { version, updated_at: Timestamp::from_millis(1_764_000_000_000 + day * DAY_MS) }
    }

    fn left(namespaces: &LeftNamespaces, namespace: &str) -> Option<u64> {
        namespaces.last_of(&names(&[namespace])).map(|leaving| leaving.version)
    }

    #[test]
    fn a_namespace_is_remembered_from_the_change_that_left_it_until_the_contact_returns() {
        let none = LeftNamespaces::default();
        assert_eq!(none.after(&names(&["a"]), &names(&["a", "b"]), change(1, 0)), none);

        let moved = none.after(&names(&["a", "b"]), &names(&["c", "b"]), change(2, 0));
        assert_eq!([left(&moved, "a"), left(&moved, "b"), left(&moved, "c")], [Some(2), None, None]);
        let moved = moved.after(&names(&["c", "b"]), &names(&["d"]), change(3, 1));
        assert_eq!([left(&moved, "a"), left(&moved, "b"), left(&moved, "c")], [Some(2), Some(3), Some(3)]);
        // Who had two of them saw the contact until it left the second.
        assert_eq!(moved.last_of(&names(&["a", "b"])), Some(change(3, 1)));
        assert_eq!(moved.last_of(&names(&["d", "e"])), None);

        let returned = moved.after(&names(&["d"]), &names(&["a"]), change(4, 2));
        assert_eq!([left(&returned, "a"), left(&returned, "b"), left(&returned, "d")], [None, Some(3), Some(4)]);
        let again = returned.after(&names(&["a"]), &names(&["d"]), change(5, 3));
        assert_eq!([left(&again, "a"), left(&again, "d")], [Some(5), None]);
    }

    #[test]
    fn what_was_left_more_than_30_days_ago_is_forgotten() {
        let moved = LeftNamespaces::default().after(&names(&["a"]), &names(&["b"]), change(1, 0));

        let in_time = moved.after(&names(&["b"]), &names(&["c"]), change(2, 30));
        let late = moved.after(&names(&["b"]), &names(&["c"]), change(2, 31));

        assert_eq!([left(&in_time, "a"), left(&in_time, "b")], [Some(1), Some(2)]);
        assert_eq!([left(&late, "a"), left(&late, "b")], [None, Some(2)]);
    }

    #[test]
    fn they_are_read_as_they_were_written_and_what_is_malformed_says_nothing() {
        let left = LeftNamespaces::default().after(&names(&["a", "b"]), &names(&["c"]), change(7, 0));
        let item = |value| HashMap::from([(ATTRIBUTE.to_owned(), value)]);
        assert_eq!(LeftNamespaces::of(&item(left.value().unwrap())), left);
        assert_eq!(LeftNamespaces::default().value(), None);
        assert_eq!(LeftNamespaces::of(&Item::new()), LeftNamespaces::default());

        let AttributeValue::L(mut elements) = left.value().unwrap() else { panic!("a list") };
        let (text, number) = (AttributeValue::S("x".to_owned()), number(1));
        elements.extend([
            text.clone(),
            AttributeValue::L(vec![text.clone(), number.clone()]),
            AttributeValue::L(vec![number.clone(), number.clone(), number.clone()]),
            AttributeValue::L(vec![text.clone(), text.clone(), number.clone()]),
            AttributeValue::L(vec![text.clone(), number, text.clone()]),
        ]);
        assert_eq!(LeftNamespaces::of(&item(AttributeValue::L(elements))), left);
        assert_eq!(LeftNamespaces::of(&item(text)), LeftNamespaces::default());
    }
}
