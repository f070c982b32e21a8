//! Whether a contact passes the filters of a query, looked at alone.

use memchr::memmem::Finder;

use crate::entry::TextField;
use crate::keys::email_key;
use crate::ordered::Visibility;
use crate::query::Filter;
use crate::records::{Column, Record, Records};
use crate::slots::Bits;
use crate::terms::phone_digits;

/// The filters of a query, ready to look at one contact after another.
pub(super) struct Check<'a> {
    pub records: &'a Records,
    pub filter: &'a Filter,
    pub visibility: &'a Visibility,
    pub words: Words<'a>,
}

/// How the search words are looked for.
pub(super) enum Words<'a> {
    /// In the contact's names.
    InNames(Vec<Finder<'a>>),
    /// They were looked for before, and these contacts have them.
    Found(Bits),
}

impl Words<'_> {
    /// No words, which all contacts have.
    pub const NONE: Self = Self::InNames(Vec::new());
}

/// Texts that look for these words in a contact's names.
pub(super) fn finders<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<Finder<'a>> {
    words.into_iter().map(|word| Finder::new(word.as_bytes())).collect()
}

/// Whether each of these words occurs in one of the names.
pub(super) fn names_have(record: Record<'_>, words: &[Finder<'_>]) -> bool {
    if words.is_empty() {
        return true;
    }
    let folded = |column| record.text(column).map(crate::text::Text::folded).unwrap_or_default();
    let (name, local_name) = (folded(Column::Name), folded(Column::Field(TextField::LocalName)));
    words.iter().all(|word| word.find(&name).is_some() || word.find(&local_name).is_some())
}

impl Check<'_> {
    /// Whether the contact passes every filter.
    #[inline]
    pub fn passes(&self, slot: u32) -> bool {
        let Filter {
            ids,
            names,
            search: _,
            emails,
            phones,
            external_ids,
            // It is a matter of visibility.
            disabled: _,
            updated_after,
            updated_before,
            created_after,
            created_before,
            id_after,
            id_before,
        } = self.filter;
        let Self { records, filter: _, visibility, words } = self;
        // Only what a filter names is read: each field of each contact is a wait for memory.
        let (id, updated_at, created_at) = (|| records.id(slot), || records.updated_at(slot), || records.created_at(slot));
        let found = match words {
            Words::InNames(_) => true,
            Words::Found(bits) => bits.contains(slot),
        };
        found
            && updated_after.is_none_or(|after| updated_at() > after.millis())
            && updated_before.is_none_or(|before| updated_at() < before.millis())
            && (matches!(visibility, Visibility::All) || visibility.sees(records.class(slot)))
            && created_after.is_none_or(|after| created_at() > after.millis())
            && created_before.is_none_or(|before| created_at() < before.millis())
            && ids.as_ref().is_none_or(|ids| ids.binary_search(&id()).is_ok())
            && id_after.as_ref().is_none_or(|after| id().hex().as_slice() > after.as_bytes())
            && id_before.as_ref().is_none_or(|before| id().hex().as_slice() < before.as_bytes())
            && names.as_ref().is_none_or(|names| self.has(slot, Column::Name, names))
            && external_ids.as_ref().is_none_or(|wanted| self.has(slot, Column::ExternalId, wanted))
            && emails.as_ref().is_none_or(|wanted| self.has_email(slot, wanted))
            && phones.as_ref().is_none_or(|wanted| self.has_phone(slot, wanted))
            && match words {
                Words::InNames(words) => words.is_empty() || names_have(records.record(slot), words),
                Words::Found(_) => true,
            }
    }

    fn has(&self, slot: u32, column: Column, wanted: &[String]) -> bool {
        self.records
            .text(slot, column)
            .is_some_and(|text| wanted.binary_search_by(|wanted| wanted.as_bytes().cmp(text.text)).is_ok())
    }

    fn has_email(&self, slot: u32, wanted: &[String]) -> bool {
        self.records.text(slot, Column::Field(TextField::Email)).is_some_and(|text| {
            let email = email_key(std::str::from_utf8(text.text).unwrap_or_default());
            wanted.binary_search(&email).is_ok()
        })
    }

    fn has_phone(&self, slot: u32, wanted: &[String]) -> bool {
        let record = self.records.record(slot);
        let mut digits = String::new();
        [TextField::Phone1, TextField::Phone2].into_iter().any(|field| {
            record.text(Column::Field(field)).is_some_and(|text| {
                phone_digits(text, &mut digits);
                !digits.is_empty() && wanted.binary_search(&digits).is_ok()
            })
        })
    }

    /// Whether the caller and the filters let pass whoever has the words.
    pub fn is_only_of_words(&self) -> bool {
        let only_words = matches!(
            self.filter,
            Filter {
                ids: None,
                names: None,
                search: _,
                emails: None,
                phones: None,
                external_ids: None,
                disabled: None,
                updated_after: None,
                updated_before: None,
                created_after: None,
                created_before: None,
                id_after: None,
                id_before: None,
            }
        );
        only_words && *self.visibility == Visibility::All
    }
}
