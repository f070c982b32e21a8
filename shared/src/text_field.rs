//! The optional texts of a contact. Here each is declared; bodies, items, tombstones, the change log and answers follow from it.

use std::fmt;
use std::ops::{Index, IndexMut};

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a text must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Text of at most so many characters.
    AtMost(usize),
    /// Empty, or an e-mail address of at most 254 characters.
    Mailbox,
}

use Rule::{AtMost, Mailbox};

/// Declares the optional texts: those that lists sort by, which are fields of [`index::entry::TextField`] too, and the others.
macro_rules! text_fields {
    (
        sorted { $($sorted:ident $sorted_name:literal $sorted_rule:expr,)* }
        others { $($other:ident $other_name:literal $other_rule:expr,)* }
    ) => {
        /// An optional text of a contact.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum TextField {
            $(#[doc = concat!("The field `", $sorted_name, "`, which lists sort by.")] $sorted,)*
            $(#[doc = concat!("The field `", $other_name, "`.")] $other,)*
        }

        impl TextField {
            /// Every field, in the order in which answers show them.
            pub const ALL: [Self; [$($sorted_name,)* $($other_name,)*].len()] = [$(Self::$sorted,)* $(Self::$other,)*];

            /// The field's name on the wire and in the table.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$sorted => $sorted_name,)*
                    $(Self::$other => $other_name,)*
                }
            }

            /// What a body may say there.
            pub const fn rule(self) -> Rule {
                match self {
                    $(Self::$sorted => $sorted_rule,)*
                    $(Self::$other => $other_rule,)*
                }
            }
        }

        impl From<index::entry::TextField> for TextField {
            fn from(field: index::entry::TextField) -> Self {
                match field {
                    $(index::entry::TextField::$sorted => Self::$sorted,)*
                }
            }
        }
    };
}

text_fields! {
    sorted {
        LocalName "local_name" AtMost(1_000),
        Phone1 "phone1" AtMost(100),
        Phone2 "phone2" AtMost(100),
        Email "email" Mailbox,
        Title "title" AtMost(1_000),
    }
    others {
        ExtraInfo "extra_info" AtMost(10_000),
    }
}

/// One value for each of the optional texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts<T>([T; TextField::ALL.len()]);

impl<T> Texts<T> {
    /// What `value` says of each field, asked in the order of [`TextField::ALL`].
    pub fn from_fn(value: impl FnMut(TextField) -> T) -> Self {
        Self(TextField::ALL.map(value))
    }

    /// The fields with their values, in the order of [`TextField::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (TextField, &T)> {
        TextField::ALL.into_iter().zip(&self.0)
    }

    /// The same with each value changed.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Texts<U> {
        Texts(self.0.map(change))
    }
}

impl<T: Default> Default for Texts<T> {
    fn default() -> Self {
        Self::from_fn(|_| T::default())
    }
}

impl<T> Index<TextField> for Texts<T> {
    type Output = T;

    fn index(&self, field: TextField) -> &T {
        &self.0[field as usize]
    }
}

impl<T> IndexMut<TextField> for Texts<T> {
    fn index_mut(&mut self, field: TextField) -> &mut T {
        &mut self.0[field as usize]
    }
}

impl<T: Default> FromIterator<(TextField, T)> for Texts<T> {
    /// Fields that do not come have the default.
    fn from_iter<I: IntoIterator<Item = (TextField, T)>>(values: I) -> Self {
        let mut texts = Self::default();
        values.into_iter().for_each(|(field, value)| texts[field] = value);
        texts
    }
}

impl Serialize for Texts<Option<String>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().filter_map(|(field, text)| Some((field.name(), text.as_ref()?))))
    }
}

impl<'de> Deserialize<'de> for Texts<Option<String>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TextsVisitor)
    }
}

/// Takes the optional texts of a map that has other members too.
struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Texts<Option<String>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the optional texts of a contact")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut texts = Texts::default();
        while let Some(name) = members.next_key::<String>()? {
            match TextField::ALL.into_iter().find(|field| field.name() == name) {
                Some(field) => texts[field] = Some(members.next_value()?),
                None => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_has_the_same_name_in_lists() {
        for listed in index::entry::TextField::ALL {
            assert_eq!(listed.name(), TextField::from(listed).name(), "index/src/entry.rs and shared/src/text_field.rs");
        }
    }
}
