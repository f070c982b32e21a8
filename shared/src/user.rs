//! Users: who made and edited a contact, and as whom a caller acts.

#[cfg(feature = "openapi")]
mod openapi;

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

#[cfg(feature = "openapi")]
pub use openapi::UserInput;

/// Somebody who acts on contacts: an administrator, a field-sales representative or a client.
///
/// Its `Serialize` and `Deserialize` are the form of the tables, which differs from that of an answer in the names of `others`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The user's own identifier, in whatever form the calling system has.
    #[serde(rename = "_id")]
    pub id: String,
    /// The name to log in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What kind of user this is.
    #[serde(rename = "type")]
    pub kind: UserType,
    /// Further string members, such as `admin`, `rep` and `client`, by name.
    #[serde(flatten, with = "attribute_names")]
    pub others: BTreeMap<String, String>,
}

/// A user as an answer shows it.
pub(crate) struct UserJson<'a>(pub &'a User);

impl Serialize for UserJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let User { id, username, name, kind, others } = self.0;
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("_id", id)?;
        for (member, text) in [("username", username), ("name", name)] {
            if let Some(text) = text {
                object.serialize_entry(member, text)?;
            }
        }
        object.serialize_entry("type", kind)?;
        others.iter().try_for_each(|(member, text)| object.serialize_entry(member, text))?;
        object.end()
    }
}

/// Further members of a user as attributes of a DynamoDB map, which takes every name but the empty one. That is kept as one NUL, and a
/// name of NULs alone as one more of them.
mod attribute_names {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    const ESCAPE: char = '\0';

    fn is_escaped(name: &str) -> bool {
        name.chars().all(|letter| letter == ESCAPE)
    }

    pub fn serialize<S: Serializer>(members: &BTreeMap<String, String>, serializer: S) -> Result<S::Ok, S::Error> {
        let attribute = |name: &str| if is_escaped(name) { format!("{ESCAPE}{name}") } else { name.to_owned() };
        serializer.collect_map(members.iter().map(|(name, text)| (attribute(name), text)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
        let attributes = BTreeMap::<String, String>::deserialize(deserializer)?;
        let member = |name: String| match name.strip_prefix(ESCAPE) {
            Some(rest) if is_escaped(rest) => rest.to_owned(),
            _ => name,
        };
        Ok(attributes.into_iter().map(|(name, text)| (member(name), text)).collect())
    }
}

/// The kinds of user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the contract names them so")]
pub enum UserType {
    Admin,
    Rep,
    Client,
}

impl UserType {
    /// Every kind with its name on the wire.
    pub const ALL: [(&'static str, Self); 3] = [("admin", Self::Admin), ("rep", Self::Rep), ("client", Self::Client)];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_kept_with_members_of_any_name() {
        let user: User = serde_json::from_str(r#"{"_id":"1","type":"rep"}"#).unwrap();
        let others: BTreeMap<_, _> = ["", "\0", "\0\0", "a\0", "\0a"].map(|name| (name.to_owned(), format!("of {name}"))).into();
        let user = User { others, ..user };

        let attributes = serde_json::to_value(&user).unwrap();

        assert!(attributes.as_object().unwrap().keys().all(|name| !name.is_empty()));
        assert_eq!(serde_json::from_value::<User>(attributes).unwrap(), user);
        assert_eq!(serde_json::to_value(UserJson(&user)).unwrap()[""], "of ");
    }
}
