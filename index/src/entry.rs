//! One entry of a tenant's change log: what the listing engine knows of a contact.

use crate::object_id::ObjectId;
use crate::timestamp::Timestamp;

/// Declares the optional texts of a contact that lists sort by. One more is one more line here, and nothing else in this crate.
macro_rules! text_fields {
    ($($field:ident $name:literal,)+) => {
        /// An optional text of a contact that lists sort by.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum TextField {
            $(#[doc = concat!("The field `", $name, "`.")] $field,)+
        }

        impl TextField {
            /// Every field, in the order of [`Texts`].
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$field),+];

            /// The field's name on the wire and in the table.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$field => $name,)+
                }
            }
        }
    };
}

text_fields! {
    LocalName "local_name",
    Phone1 "phone1",
    Phone2 "phone2",
    Email "email",
    Title "title",
}

/// The optional texts of a contact, each at the place of its field in [`TextField::ALL`].
pub type Texts = [Option<String>; TextField::ALL.len()];

/// The last known state of a contact, as the change log projects it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The contact.
    pub id: ObjectId,
    /// Its `__v`; of two entries for one contact the one with the higher version counts.
    pub version: u64,
    /// When that version was written.
    pub updated_at: Timestamp,
    /// The values, or nothing for a tombstone.
    pub fields: Option<EntryFields>,
}

/// What filters, orders and visibility need of a contact that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryFields {
    /// The contact's `name`.
    pub name: String,
    /// The optional texts, as in `TextField::ALL.map(|field| value_of(field.name()))`.
    pub texts: Texts,
    /// The name by which another system knows the contact.
    pub external_id: Option<String>,
    /// Whether the contact is disabled.
    pub disabled: bool,
    /// When the contact was created.
    pub created_at: Timestamp,
    /// The contact's company namespaces: at least one, distinct, in the contact's order.
    pub company_namespace: Vec<String>,
}
