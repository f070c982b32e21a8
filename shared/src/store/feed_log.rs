//! What the change feed reads: the log with the namespaces of its entries, and the state of contacts now, deletions and departures included.

use index::log::{LogPosition, LogRange, ResetMark};

use super::change_log::{position_of, reset_mark};
use super::item::{self, Item, Malformed};
use super::left_namespaces::{self, LeftNamespaces};
use super::{Store, Stored};
use crate::contact::Contact;
use crate::error::Error;
use crate::meter::Meter;
use crate::object_id::ObjectId;
use crate::timestamp::Timestamp;

/// What the feed reads of an entry.
const ENTRY_ATTRIBUTES: [&str; 5] = ["_id", "__v", "updatedAt", "company_namespace", left_namespaces::ATTRIBUTE];

/// A contact's line in the log, as far as the feed has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedEntry {
    /// The contact.
    pub id: ObjectId,
    /// Its version.
    pub version: u64,
    /// Since when it is so.
    pub updated_at: Timestamp,
    /// Its namespaces, or for a deleted contact those that it had.
    pub namespaces: Vec<String>,
    /// The namespaces that it left.
    pub left: LeftNamespaces,
}

/// One page of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedPage {
    /// Its entries, in ascending order of stamps.
    pub entries: Vec<FeedEntry>,
    /// The newest mark on it that voids cursors.
    pub voids_cursors: Option<ResetMark>,
    /// Where the next page starts; nothing when the log ends here.
    pub next: Option<LogPosition>,
}

/// A contact as it is now.
#[derive(Clone, Debug, PartialEq)]
pub enum ContactState {
    /// It is there.
    Contact {
        /// The contact.
        contact: Box<Contact>,
        /// The namespaces that it left.
        left: LeftNamespaces,
    },
    /// It is deleted.
    Tombstone {
        /// The contact.
        id: ObjectId,
        /// The version of its deletion.
        version: u64,
        /// When it was deleted.
        updated_at: Timestamp,
        /// The namespaces that it had.
        namespaces: Vec<String>,
        /// The namespaces that it left before.
        left: LeftNamespaces,
    },
}

impl ContactState {
    /// The contact.
    pub fn id(&self) -> ObjectId {
        match self {
            Self::Contact { contact, .. } => contact.id,
            Self::Tombstone { id, .. } => *id,
        }
    }

    /// Its version.
    pub fn version(&self) -> u64 {
        match self {
            Self::Contact { contact, .. } => contact.version,
            Self::Tombstone { version, .. } => *version,
        }
    }

    /// Since when it is so.
    pub fn updated_at(&self) -> Timestamp {
        match self {
            Self::Contact { contact, .. } => contact.updated_at,
            Self::Tombstone { updated_at, .. } => *updated_at,
        }
    }

    /// Its namespaces, or those that it had.
    pub fn namespaces(&self) -> &[String] {
        match self {
            Self::Contact { contact, .. } => &contact.company_namespace,
            Self::Tombstone { namespaces, .. } => namespaces,
        }
    }

    /// The namespaces that it left.
    pub fn left(&self) -> &LeftNamespaces {
        match self {
            Self::Contact { left, .. } | Self::Tombstone { left, .. } => left,
        }
    }

    fn of_item(item: Item) -> Result<Self, Malformed> {
        let left = LeftNamespaces::of(&item);
        let namespaces = item::namespaces(&item);
        Ok(match item::stored(item)? {
            Stored::Contact(contact) => Self::Contact { contact, left },
            Stored::Tombstone { id, version, updated_at } => Self::Tombstone { id, version, updated_at, namespaces, left },
        })
    }
}

impl Store {
    /// One page of `tenant`'s log in ascending order, at most `limit` entries and at most 1 MB: what is stamped `from` or later, or what
    /// comes after `position`. A malformed item is left out. Eventually consistent.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn feed_page(
        &self,
        meter: &Meter,
        tenant: &str,
        from: Timestamp,
        position: Option<LogPosition>,
        limit: u32,
    ) -> Result<FeedPage, Error> {
        let output = self.log_page(meter, tenant, LogRange::since(from), position, limit, Some(&ENTRY_ATTRIBUTES)).await?;
        let mut page = FeedPage::default();
        let mut malformed = Vec::new();
        for item in output.items.unwrap_or_default() {
            if let Some(mark) = reset_mark(&item) {
                page.voids_cursors = Some(mark).filter(|mark| mark.voids_cursors).or(page.voids_cursors);
                continue;
            }
            match entry(&item) {
                Ok(entry) => page.entries.push(entry),
                Err(error) => malformed.push(error),
            }
        }
        item::log_left_out(tenant, &malformed);
        page.next = output.last_evaluated_key.and_then(|key| position_of(&key));
        Ok(page)
    }

    /// The state of each of at most [`super::BATCH_KEYS`] contacts, as the last acknowledged write left it, in any order; a contact without an
    /// item, or with a malformed one, is left out.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn current(&self, meter: &Meter, tenant: &str, ids: &[ObjectId]) -> Result<Vec<ContactState>, Error> {
        let mut found = Vec::with_capacity(ids.len());
        let mut malformed = Vec::new();
        for item in self.get_items(meter, tenant, ids, true).await? {
            match ContactState::of_item(item) {
                Ok(current) => found.push(current),
                Err(error) => malformed.push(error),
            }
        }
        item::log_left_out(tenant, &malformed);
        Ok(found)
    }
}

fn entry(item: &Item) -> Result<FeedEntry, Malformed> {
    let id = item::id(item).ok_or_else(|| Malformed::new(item, "_id"))?;
    let version = item::digits(item, "__v").ok_or_else(|| Malformed::new(item, "__v"))?;
    let updated_at = item::moment(item, "updatedAt").ok_or_else(|| Malformed::new(item, "updatedAt"))?;
    let left = LeftNamespaces::of(item);
    Ok(FeedEntry { id, version, updated_at, namespaces: item::namespaces(item), left })
}
