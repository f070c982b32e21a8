//! Lists: any page, filter and order over a tenant's contacts, exact, from memory.
//!
//! DynamoDB answers with cursors and counts nothing. So an instance keeps an index of a tenant's contacts ([`index`]), asks the
//! change log what is new before every list ([`replica`]), selects in memory, and fetches just the contacts of the page.

mod load;
pub mod params;
mod query_string;
pub mod replica;
mod shared_refresh;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::app::StartError;
use crate::caller::Caller;
use crate::contact::Contact;
use crate::error::Error;
use crate::meter::Meter;
use crate::object_id::ObjectId;
use crate::store::{LogRange, Store, Stored};
use crate::timestamp::Timestamp;
use ::index::entry::IndexEntry;
use ::index::query::ListQuery;
use ::index::{ContactIndex, Row};
use replica::{Replica, SharedIndex};

/// The most ids for which a warm instance reads the items themselves instead of its index: their reads are strongly consistent, a
/// unit each for a contact of up to 4 KB.
const DIRECT_IDS: usize = 25;

/// How often a page is selected again because one of its contacts changed before it was fetched.
const MAXIMUM_ROUNDS: u32 = 16;

/// How an instance keeps lists. The environment variables are for tests and for unusual functions; each has a sensible default.
#[derive(Clone, Debug)]
pub struct ListConfig {
    /// Bytes that the indexes of all tenants may take together. Half of the function's memory; `LIST_MEMORY_BYTES`.
    pub memory: usize,
    /// Bytes of contacts kept between lists. A sixteenth of the function's memory; `LIST_CACHE_BYTES`.
    pub cache: usize,
    /// How far a refresh goes back behind the last one, in milliseconds. 5 seconds; `LIST_SHORT_OVERLAP_MS`.
    pub short_overlap: i64,
    /// How far a long refresh goes back, in milliseconds. 10 minutes; `LIST_LONG_OVERLAP_MS`.
    pub long_overlap: i64,
    /// How often a refresh is long, in milliseconds. A minute; `LIST_LONG_EVERY_MS`.
    pub long_every: i64,
    /// Entries asked for in one page of the change log, a little more than 1 MB holds. 5,000; `LIST_PAGE_ENTRIES`.
    pub page_entries: u32,
}

impl Default for ListConfig {
    /// The configuration of a function with 1,024 MB of memory.
    fn default() -> Self {
        Self::for_memory(1 << 30)
    }
}

impl ListConfig {
    fn for_memory(bytes: usize) -> Self {
        Self {
            memory: bytes / 2,
            cache: bytes / 16,
            short_overlap: 5_000,
            long_overlap: 600_000,
            long_every: 60_000,
            page_entries: 5_000,
        }
    }

    /// The configuration for the function's memory size, changed by what the environment says.
    ///
    /// # Errors
    ///
    /// [`StartError::NotANumber`] about a variable that is not a whole number.
    pub fn from_env() -> Result<Self, StartError> {
        let default = match number::<usize>("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")? {
            Some(megabytes) => Self::for_memory(megabytes << 20),
            None => Self::default(),
        };
        Ok(Self {
            memory: number("LIST_MEMORY_BYTES")?.unwrap_or(default.memory),
            cache: number("LIST_CACHE_BYTES")?.unwrap_or(default.cache),
            short_overlap: number("LIST_SHORT_OVERLAP_MS")?.unwrap_or(default.short_overlap),
            long_overlap: number("LIST_LONG_OVERLAP_MS")?.unwrap_or(default.long_overlap),
            long_every: number("LIST_LONG_EVERY_MS")?.unwrap_or(default.long_every),
            page_entries: number("LIST_PAGE_ENTRIES")?.unwrap_or(default.page_entries).max(1),
        })
    }
}

fn number<T: std::str::FromStr>(name: &'static str) -> Result<Option<T>, StartError> {
    std::env::var(name).ok().map(|text| text.parse().map_err(|_| StartError::NotANumber(name))).transpose()
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Page {
    /// The contacts, in their order.
    pub contacts: Vec<Arc<Contact>>,
    /// How many contacts match, on all pages together.
    pub total: u64,
}

/// The lists of every tenant, as one instance knows them.
#[derive(Debug)]
pub struct Lists {
    store: Store,
    config: ListConfig,
    replicas: Mutex<HashMap<String, Arc<Replica>>>,
    /// The number of the next replica.
    numbers: AtomicU64,
    contacts: Cache<ContactKey, Arc<Contact>, ContactWeight>,
}

/// Contacts by their ids.
type Contacts = HashMap<ObjectId, Arc<Contact>>;

/// What a list is selected from: all of a tenant's contacts, or a part that has those which the list can show.
#[derive(Debug, Default)]
struct View {
    index: SharedIndex,
    /// Contacts that were read on the way to the index.
    contacts: Contacts,
}

impl View {
    fn of(entries: impl IntoIterator<Item = IndexEntry>, contacts: Contacts) -> Self {
        Self { index: Arc::new(RwLock::new(ContactIndex::from_entries(entries))), contacts }
    }
}

/// A contact in the cache, of which only one version is kept: the newest that was read. The number is that of its tenant's
/// replica, so that nothing is ever found for another tenant.
type ContactKey = (u64, ObjectId);

#[derive(Clone, Debug)]
struct ContactWeight;

impl Weighter<ContactKey, Arc<Contact>> for ContactWeight {
    fn weight(&self, _key: &ContactKey, contact: &Arc<Contact>) -> u64 {
        contact.memory_bytes() as u64
    }
}

impl Lists {
    /// The lists of the contacts in `store`.
    pub fn new(store: Store, config: ListConfig) -> Self {
        let contacts = Cache::with_weighter(config.cache / 1_024, config.cache as u64, ContactWeight);
        Self { store, config, replicas: Mutex::default(), numbers: AtomicU64::default(), contacts }
    }

    /// The page that `query` asks for among the contacts that `caller` sees, as they are at `now`.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn list(&self, meter: &Meter, caller: &Caller, query: &ListQuery, now: Timestamp) -> Result<Page, Error> {
        let replica = self.replica(&caller.tenant);
        replica.used(now);
        let view = match &query.filter.ids {
            Some(ids) if ids.is_empty() => return Ok(Page { contacts: Vec::new(), total: 0 }),
            Some(ids) if ids.len() <= DIRECT_IDS || !replica.is_loaded() => {
                Some(self.read_items(meter, &replica, ids, now).await?)
            }
            _ if !replica.is_loaded() => self.read_range(meter, &replica, query, now).await?,
            _ => None,
        };
        let view = match view {
            Some(view) => view,
            None => {
                let index = replica.refresh(meter, now).await?;
                self.keep_within_memory(&replica);
                View { index, contacts: Contacts::new() }
            }
        };
        self.page(meter, &replica, &view, caller, query, now).await
    }

    fn replica(&self, tenant: &str) -> Arc<Replica> {
        let mut replicas = self.replicas.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(replica) = replicas.get(tenant) {
            return Arc::clone(replica);
        }
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let replica = Arc::new(Replica::new(self.store.clone(), self.config.clone(), tenant, number));
        replicas.insert(tenant.to_owned(), Arc::clone(&replica));
        replica
    }

    /// Just the contacts with one of `ids`, read from their items.
    async fn read_items(&self, meter: &Meter, replica: &Replica, ids: &[ObjectId], now: Timestamp) -> Result<View, Error> {
        let stored = self.store.get_many(meter, replica.tenant(), ids, true).await?;
        let entries: Vec<IndexEntry> = stored.iter().map(IndexEntry::from).collect();
        meter.index(|| {
            replica.apply(&entries, now);
            let contacts = stored.into_iter().filter_map(|stored| self.remember(replica, stored));
            let contacts = contacts.map(|contact| (contact.id, contact)).collect();
            Ok(View::of(entries, contacts))
        })
    }

    /// Just the range of `updatedAt` that `query` asks for, if it asks for one and a single page of the change log
    /// holds it. More than that is no less work than loading all.
    async fn read_range(
        &self,
        meter: &Meter,
        replica: &Replica,
        query: &ListQuery,
        now: Timestamp,
    ) -> Result<Option<View>, Error> {
        let filter = &query.filter;
        if filter.updated_after.is_none() && filter.updated_before.is_none() {
            return Ok(None);
        }
        let range = LogRange {
            from: filter.updated_after.map_or(Timestamp::from_millis(i64::MIN), |after| after.plus_millis(1)),
            to: filter.updated_before.map_or(Timestamp::from_millis(i64::MAX), |before| before.plus_millis(-1)),
        };
        if range.from > range.to {
            return Ok(Some(View::default()));
        }
        let page = self.store.change_log(meter, replica.tenant(), range, false, None, self.config.page_entries).await?;
        if page.next.is_some() {
            return Ok(None);
        }
        let mut entries = page.entries;
        meter.index(|| replica.apply(&entries, now));
        // What this instance knows to be newer than the change log shows counts. But what the log does not show in the range, though
        // this instance saw it there, is either late or has gone on since: only its item can tell.
        let recent = replica.recent(now);
        let shown: HashMap<ObjectId, u64> = entries.iter().map(|entry| (entry.id, entry.version)).collect();
        let is_in_doubt = |entry: &IndexEntry| {
            let in_range = range.from <= entry.updated_at && entry.updated_at <= range.to;
            in_range && shown.get(&entry.id).is_none_or(|version| *version < entry.version)
        };
        let in_doubt: Vec<ObjectId> = recent.iter().filter(|entry| is_in_doubt(entry)).map(|entry| entry.id).collect();
        let stored = self.store.get_many(meter, replica.tenant(), &in_doubt, true).await?;
        entries.extend(stored.iter().map(IndexEntry::from));
        meter.index(|| {
            replica.apply(&entries, now);
            entries.extend(recent.into_iter().filter(|entry| !in_doubt.contains(&entry.id)));
            Ok(Some(View::of(entries, Contacts::new())))
        })
    }

    /// Selects the page from `view` and fetches its contacts. When one has changed since, the index learns of it and the page is
    /// selected again: it never shows a hole, a contact twice, or one that does not belong there.
    async fn page(
        &self,
        meter: &Meter,
        replica: &Replica,
        view: &View,
        caller: &Caller,
        query: &ListQuery,
        now: Timestamp,
    ) -> Result<Page, Error> {
        for _ in 0..MAXIMUM_ROUNDS {
            let selection = meter.index(|| replica::read(&view.index).select(query, &caller.namespaces));
            let mut contacts = Contacts::with_capacity(selection.rows.len());
            let mut missing = Vec::new();
            for row in &selection.rows {
                let is_current = |contact: &Arc<Contact>| contact.version == row.version;
                let kept = || self.contacts.get(&(replica.number(), row.id)).filter(is_current);
                match view.contacts.get(&row.id).filter(|contact| is_current(contact)).cloned().or_else(kept) {
                    Some(contact) => drop(contacts.insert(row.id, contact)),
                    None => missing.push(*row),
                }
            }
            let mut learned = Vec::new();
            // The first read is eventually consistent, for half the price. What it shows older than the index does, is read again.
            for consistent in [false, true] {
                let ids: Vec<ObjectId> = missing.iter().map(|row| row.id).collect();
                for stored in self.store.get_many(meter, replica.tenant(), &ids, consistent).await? {
                    let entry = IndexEntry::from(&stored);
                    let is_answered = |row: &Row| row.id == entry.id && row.version <= entry.version;
                    let Some(place) = missing.iter().position(is_answered) else { continue };
                    let row = missing.swap_remove(place);
                    if entry.version > row.version {
                        learned.push(entry);
                    }
                    if let Some(contact) = self.remember(replica, stored) {
                        contacts.insert(row.id, contact);
                    }
                }
            }
            // An item that is gone altogether: its tombstone's time was over, or somebody took it out of the table.
            learned.extend(missing.iter().map(|row| IndexEntry {
                id: row.id,
                version: row.version + 1,
                updated_at: now,
                fields: None,
            }));

            if learned.is_empty() {
                let contacts = selection.rows.iter().filter_map(|row| contacts.remove(&row.id)).collect();
                return Ok(Page { contacts, total: selection.total });
            }
            meter.index(|| {
                replica.apply(&learned, now);
                replica::write(&view.index).apply_all(&learned);
            });
        }
        Err(Error::Unavailable("the contacts of the page kept changing while it was read".into()))
    }

    /// Keeps a contact that was read, unless a newer version of it is there.
    fn remember(&self, replica: &Replica, stored: Stored) -> Option<Arc<Contact>> {
        let Stored::Contact(contact) = stored else { return None };
        let contact: Arc<Contact> = contact.into();
        let key = (replica.number(), contact.id);
        if self.contacts.get(&key).is_none_or(|kept| kept.version < contact.version) {
            self.contacts.insert(key, Arc::clone(&contact));
        }
        Some(contact)
    }

    /// Unloads the replicas that were used least recently until the others fit into the memory that lists may take. The one in
    /// use stays.
    fn keep_within_memory(&self, in_use: &Replica) {
        let mut replicas = self.replicas.lock().unwrap_or_else(PoisonError::into_inner);
        let mut total: usize = replicas.values().map(|replica| replica.memory_bytes()).sum();
        while total > self.config.memory {
            let least = replicas
                .values()
                .filter(|replica| replica.number() != in_use.number() && replica.is_loaded())
                .min_by_key(|replica| replica.last_used());
            let Some(replica) = least else { break };
            total -= replica.memory_bytes().min(total);
            replica.unload();
        }
        // A replica that is not loaded and knows nothing recent is like a new one.
        let now = in_use.last_used();
        replicas.retain(|_, replica| {
            replica.is_loaded()
                || Arc::strong_count(replica) > 1
                || replica.last_used().plus_millis(self.config.long_overlap) > now
        });
    }
}
