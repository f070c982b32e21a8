//! What a list request asks for, as plain values: nothing invalid can be written down here, so nothing after the parser checks again.

use std::num::NonZeroU64;

use crate::entry::TextField;
use crate::object_id::ObjectId;
use crate::timestamp::Timestamp;

/// A list request after parsing: filters, order and page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// Which contacts; those of every filter at once.
    pub filter: Filter,
    /// The order, most significant key first. Empty is the default: `_id` ascending. Remaining ties go by `_id` ascending.
    pub sort: Vec<SortKey>,
    /// The page, from 1. Default 1.
    pub page: NonZeroU64,
    /// Contacts on a page, 1 to 100. Default 25.
    pub per_page: u32,
}

/// The filters of a list request. One that is absent lets every contact through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Contacts with one of these ids, sorted and distinct. What a caller wrote that is not an ObjectId is not here: it matches nothing,
    /// so an empty list matches nothing.
    pub ids: Option<Vec<ObjectId>>,
    /// Contacts whose name is exactly one of these, sorted and distinct.
    pub names: Option<Vec<String>>,
    /// Words in the form of [`fold`](crate::fold::fold), each of which occurs in the folded `name` or `local_name`.
    pub search: Vec<String>,
    /// Contacts whose email is one of these, which are in the form of [`email_key`](crate::keys::email_key), sorted and distinct.
    pub emails: Option<Vec<String>>,
    /// Contacts of which `phone1` or `phone2` has one of these digits, in the form of [`phone_key`](crate::keys::phone_key), sorted
    /// and distinct. Empty digits match nothing.
    pub phones: Option<Vec<String>>,
    /// Contacts with exactly one of these external ids, sorted and distinct.
    pub external_ids: Option<Vec<String>>,
    /// Contacts that are disabled, or those that are not.
    pub disabled: Option<bool>,
    /// Contacts changed strictly after this moment.
    pub updated_after: Option<Timestamp>,
    /// Contacts changed strictly before this moment.
    pub updated_before: Option<Timestamp>,
    /// Contacts created strictly after this moment.
    pub created_after: Option<Timestamp>,
    /// Contacts created strictly before this moment.
    pub created_before: Option<Timestamp>,
    /// Contacts whose id is greater than this text, which need not be an id.
    pub id_after: Option<String>,
    /// Contacts whose id is less than this text, which need not be an id.
    pub id_before: Option<String>,
}

/// One key of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SortKey {
    /// What is compared.
    pub field: SortField,
    /// From the greatest to the least; absent values, being the least, come last.
    pub descending: bool,
}

/// The fields that a list can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the contact's field of that name")]
pub enum SortField {
    Id,
    Name,
    Text(TextField),
    Disabled,
    CreatedAt,
    UpdatedAt,
}

impl SortField {
    /// Every sortable field with its name on the wire.
    pub const ALL: [(&'static str, Self); TextField::ALL.len() + 5] = {
        let mut all = [("_id", Self::Id); TextField::ALL.len() + 5];
        all[1] = ("name", Self::Name);
        let mut text = 0;
        while text < TextField::ALL.len() {
            all[2 + text] = (TextField::ALL[text].name(), Self::Text(TextField::ALL[text]));
            text += 1;
        }
        all[2 + text] = ("disabled", Self::Disabled);
        all[3 + text] = ("createdAt", Self::CreatedAt);
        all[4 + text] = ("updatedAt", Self::UpdatedAt);
        all
    };
}
