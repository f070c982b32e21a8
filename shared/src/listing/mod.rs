//! Lists: any page, filter and order over a tenant's contacts, exact, from memory.
//!
//! DynamoDB answers with cursors and counts nothing. So an instance keeps an index of a tenant's contacts (the crate `index`), asks the
//! change log what is new before every list (the module `tenant`), selects in memory, and fetches just the contacts of the page.

pub mod params;
pub(crate) mod snapshot;
pub(crate) mod tenant;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::index::bounds::Bounds;
use ::index::entry::IndexEntry;
use ::index::log::LogRange;
use ::index::query::{Filter, ListQuery};
use ::index::{ContactIndex, Row, Selection};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

use crate::caller::Caller;
use crate::contact::Contact;
use crate::environment::{StartError, number};
use crate::error::Error;
use crate::meter::Meter;
use crate::object_id::ObjectId;
use crate::objects::Objects;
use crate::store::{Store, Stored};
use crate::timestamp::Timestamp;
use tenant::{Fresh, LOAD_READERS, Reader, Tenant};

/// The most ids for which a warm instance reads the items themselves instead of its index: their reads are strongly consistent, a
/// unit each for a contact of up to 4 KB.
const DIRECT_IDS: usize = 25;

/// The most external ids for which an instance without the tenant's index asks the index of external ids, a request for each. More are
/// no less work than loading, unless the tenant is large.
const DIRECT_EXTERNAL_IDS: usize = 100;

/// The most contacts that a list reads because the index of external ids shows them: as many as a request can name by their ids. Many contacts
/// can have the same external id.
const DIRECT_CANDIDATES: usize = 1_000;

/// Bytes that count for a tenant whose index is not loaded, so that many of them do not take memory without end.
const IDLE_TENANT_BYTES: usize = 1_024;

/// An index of so many bytes is never refused, however little memory lists may take.
const SMALL_INDEX: usize = 1 << 20;

/// How often a page is selected again because one of its contacts changed before it was fetched.
const MAXIMUM_ROUNDS: u32 = 16;

/// How an instance keeps lists. The environment variables are for tests and for unusual functions; each has a sensible default.
#[derive(Clone, Debug)]
pub struct ListConfig {
    /// Bytes that the indexes of all tenants may take together. Half of the function's memory; `LIST_MEMORY_BYTES`.
    pub memory: usize,
    /// Bytes of contacts kept between lists. A sixteenth of the function's memory; `LIST_CACHE_BYTES`.
    pub cache: usize,
    /// How far each refresh re-reads the change log behind the one before it, in milliseconds. 8 seconds; `LIST_SHORT_OVERLAP_MS`.
    pub short_overlap: i64,
    /// How far refreshes together re-read it, in milliseconds. 10 minutes; `LIST_LONG_OVERLAP_MS`.
    pub long_overlap: i64,
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
        let Bounds { short_overlap, long_overlap, page_entries, .. } = Bounds::default();
        Self { memory: bytes / 2, cache: bytes / 16, short_overlap, long_overlap, page_entries }
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
            page_entries: number("LIST_PAGE_ENTRIES")?.unwrap_or(default.page_entries).max(1),
        })
    }

    /// The bounds of one tenant's replica.
    pub(crate) const fn bounds(&self) -> Bounds {
        let Self { memory, cache: _, short_overlap, long_overlap, page_entries } = *self;
        Bounds { short_overlap, long_overlap, page_entries, memory: if memory < SMALL_INDEX { SMALL_INDEX } else { memory } }
    }
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
    objects: Option<Objects>,
    config: ListConfig,
    tenants: Mutex<Tenants>,
    contacts: Cache<ContactKey, Arc<Contact>, ContactWeight>,
    loaders: Semaphore,
}

/// The tenants that were asked for.
#[derive(Debug, Default)]
struct Tenants {
    by_name: HashMap<String, Used>,
    /// The number of the next tenant.
    next: u64,
    /// How often any of them was used.
    uses: u64,
}

#[derive(Debug)]
struct Used {
    tenant: Arc<Tenant>,
    /// Bytes that its index took when it was last looked at; none when it is not loaded.
    bytes: usize,
    /// Which use of any tenant its last one was.
    last_use: u64,
}

/// Contacts by their ids.
type Contacts = HashMap<ObjectId, Arc<Contact>>;

/// What a list is selected from.
enum View<'a> {
    /// All of a tenant's contacts.
    Tenant(Fresh<'a>),
    /// A part that has those which the list can show.
    Part(Box<ContactIndex>),
}

/// A contact in the cache, of which only one version is kept: the newest that was read. It is found only for the generation of its
/// tenant that it was read in.
type ContactKey = ((u64, u32), ObjectId);

#[derive(Clone, Debug)]
struct ContactWeight;

impl Weighter<ContactKey, Arc<Contact>> for ContactWeight {
    fn weight(&self, _key: &ContactKey, contact: &Arc<Contact>) -> u64 {
        contact.memory_bytes() as u64
    }
}

/// Where a list gets its contacts from. Whatever it is, all filters are applied to what comes from there.
#[derive(Debug, PartialEq, Eq)]
enum Source<'a> {
    /// Nowhere: a filter has no values.
    Nothing,
    /// The items of these contacts.
    Items(&'a [ObjectId]),
    /// The items of the contacts with these external ids.
    ExternalIds(&'a [String]),
    /// This range of the change log.
    Range(LogRange),
    /// The tenant's index.
    Index,
}

impl<'a> Source<'a> {
    /// The cheapest source that has all contacts that `filter` lets through.
    fn of(filter: &'a Filter, is_loaded: bool) -> Self {
        // A new filter does not compile before it is decided here whether it can narrow the source.
        let Filter {
            ids,
            names,
            search: _,
            emails,
            phones,
            external_ids,
            disabled: _,
            updated_after,
            updated_before,
            created_after: _,
            created_before: _,
            id_after: _,
            id_before: _,
        } = filter;
        let has_no_value = ids.as_ref().is_some_and(Vec::is_empty)
            || [names, emails, phones, external_ids].iter().any(|values| values.as_ref().is_some_and(Vec::is_empty));
        if has_no_value {
            return Self::Nothing;
        }
        match (ids, external_ids) {
            (Some(ids), _) if ids.len() <= DIRECT_IDS || !is_loaded => return Self::Items(ids),
            (_, Some(values)) if !is_loaded && values.len() <= DIRECT_EXTERNAL_IDS => return Self::ExternalIds(values),
            _ => {}
        }
        if is_loaded || updated_after.is_none() && updated_before.is_none() {
            return Self::Index;
        }
        let from = updated_after.map_or(LogRange::ALL.from, |after| after.plus_millis(1));
        let to = updated_before.map_or(LogRange::ALL.to, |before| before.plus_millis(-1));
        if from > to { Self::Nothing } else { Self::Range(LogRange { from, to }) }
    }
}

/// One list on its way.
struct Listing<'a> {
    meter: &'a Meter,
    caller: &'a Caller,
    query: &'a ListQuery,
    now: Timestamp,
    tenant: &'a Tenant,
}

impl Listing<'_> {
    fn select(&self, index: &ContactIndex) -> Selection {
        self.meter.index(|| index.select(self.query, &self.caller.namespaces))
    }
}

impl Lists {
    /// The lists of the contacts in `store`.
    pub fn new(store: Store, config: ListConfig) -> Self {
        let contacts = Cache::with_weighter(config.cache / 1_024, config.cache as u64, ContactWeight);
        let loaders = Semaphore::new(LOAD_READERS);
        Self { store, objects: None, config, tenants: Mutex::default(), contacts, loaders }
    }

    /// The same lists, whose indexes start from the snapshots in `objects`.
    #[must_use]
    pub fn with_snapshots(self, objects: Objects) -> Self {
        Self { objects: Some(objects), ..self }
    }

    /// Opens a connection to where the snapshots are, if they are used.
    pub async fn connect(&self) {
        if let Some(objects) = &self.objects {
            objects.connect().await;
        }
    }

    /// The page that `query` asks for among the contacts that `caller` sees, as they are at `now`.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn list(&self, meter: &Meter, caller: &Caller, query: &ListQuery, now: Timestamp) -> Result<Page, Error> {
        let (tenant, is_loaded) = self.tenant(&caller.tenant);
        let listing = Listing { meter, caller, query, now, tenant: &tenant };
        if query.filter.external_ids.is_some() {
            self.store.needs_full_change_log()?;
        }
        let page = match Source::of(&query.filter, is_loaded) {
            Source::Nothing => Some(Page { contacts: Vec::new(), total: 0 }),
            Source::Items(ids) => Some(self.list_items(&listing, ids).await?),
            Source::ExternalIds(values) => self.list_external_ids(&listing, values).await?,
            Source::Range(range) => self.list_range(&listing, range).await?,
            Source::Index => None,
        };
        match page {
            Some(page) => Ok(page),
            None => self.list_index(&listing).await,
        }
    }

    /// Bytes that the indexes of all tenants take together, each as it was when it was last used.
    pub fn memory_bytes(&self) -> usize {
        self.tenants().by_name.values().map(|used| used.bytes).sum()
    }

    /// The tenant, and whether its index is loaded as far as is known without waiting.
    fn tenant(&self, name: &str) -> (Arc<Tenant>, bool) {
        let mut tenants = self.tenants();
        tenants.uses += 1;
        let last_use = tenants.uses;
        if let Some(used) = tenants.by_name.get_mut(name) {
            used.last_use = last_use;
            return (Arc::clone(&used.tenant), used.bytes > 0);
        }
        let tenant = Arc::new(Tenant::new(name, tenants.next, self.config.bounds()));
        tenants.next += 1;
        tenants.by_name.insert(name.to_owned(), Used { tenant: Arc::clone(&tenant), bytes: 0, last_use });
        (tenant, false)
    }

    fn tenants(&self) -> MutexGuard<'_, Tenants> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A list of just the contacts with one of `ids`, read from their items.
    async fn list_items(&self, listing: &Listing<'_>, ids: &[ObjectId]) -> Result<Page, Error> {
        let stored = self.store.get_many(listing.meter, listing.tenant.name(), ids, true).await?;
        let entries: Vec<IndexEntry> = stored.iter().map(IndexEntry::from).collect();
        listing.tenant.hear(entries.iter().cloned(), listing.now);
        let contacts = stored.into_iter().filter_map(|stored| self.remember(listing.tenant, stored));
        let contacts = contacts.map(|contact| (contact.id, contact)).collect();
        let part = listing.meter.index(|| ContactIndex::from_entries(entries));
        self.page(listing, View::Part(Box::new(part)), contacts).await
    }

    /// A list of just the contacts that the index of external ids shows with one of `values`, unless they are too many. It lags behind, so what
    /// is listed is what their items say.
    async fn list_external_ids(&self, listing: &Listing<'_>, values: &[String]) -> Result<Option<Page>, Error> {
        let found = self.store.find_by_external_ids(listing.meter, listing.tenant.name(), values, DIRECT_CANDIDATES).await?;
        let Some(mut ids) = found else { return Ok(None) };
        // One that was changed between two queries can be found twice.
        ids.sort_unstable();
        ids.dedup();
        self.list_items(listing, &ids).await.map(Some)
    }

    /// A list of just the range of `updatedAt` that is asked for, if a single page of the change log holds it. More than that is no less work
    /// than loading all.
    async fn list_range(&self, listing: &Listing<'_>, range: LogRange) -> Result<Option<Page>, Error> {
        let log = self.store.change_log(listing.meter, listing.tenant.name(), range, None, self.config.page_entries).await?;
        if log.next.is_some() {
            return Ok(None);
        }
        let part = listing.meter.index(|| ContactIndex::from_entries(log.entries));
        self.page(listing, View::Part(Box::new(part)), Contacts::new()).await.map(Some)
    }

    /// A list from the tenant's index. The page as the index stands is fetched while the index is brought up to date.
    async fn list_index(&self, listing: &Listing<'_>) -> Result<Page, Error> {
        let reader = Reader { store: &self.store, objects: self.objects.as_ref(), meter: listing.meter, loaders: &self.loaders };
        let beside = |index: &ContactIndex| {
            let rows = listing.select(index).rows;
            async move {
                let mut contacts = self.kept(listing.tenant, &rows);
                let missing: Vec<ObjectId> = rows.iter().map(|row| row.id).filter(|id| !contacts.contains_key(id)).collect();
                // When this fails, what is missing is asked for again after the refresh.
                for stored in self.store.get_many(listing.meter, listing.tenant.name(), &missing, false).await.unwrap_or_default()
                {
                    if let Some(contact) = self.remember(listing.tenant, stored) {
                        contacts.insert(contact.id, contact);
                    }
                }
                contacts
            }
        };
        let generation = listing.tenant.generation();
        let refreshed = listing.tenant.refresh(&reader, listing.now, beside).await;
        // A refresh that failed says nothing of the memory: what was known of it stands.
        let (fresh, contacts) = refreshed?;
        self.keep_within_memory(listing.tenant, fresh.memory_bytes());
        // After a reset a version that is at hand may have been changed without a new number.
        let contacts = contacts.filter(|_| listing.tenant.generation() == generation);
        self.page(listing, View::Tenant(fresh), contacts.unwrap_or_default()).await
    }

    /// Selects the page and fetches those of its contacts that are not at hand. When one has changed since, the index learns of it
    /// and the page is selected again: it never shows a hole, a contact twice, or one that does not belong there.
    async fn page(&self, listing: &Listing<'_>, view: View<'_>, mut at_hand: Contacts) -> Result<Page, Error> {
        let mut view = view;
        for _ in 0..MAXIMUM_ROUNDS {
            let (selection, part) = match view {
                View::Part(part) => (listing.select(&part), Some(part)),
                View::Tenant(fresh) => match select_or_unload(listing, fresh).await? {
                    Some(selection) => (selection, None),
                    // The tenant was reset or its index given up between two rounds.
                    None => break,
                },
            };
            let mut learned = Vec::new();
            let contacts = self.fetch(listing, &selection.rows, &mut at_hand, &mut learned).await?;
            if learned.is_empty() {
                return Ok(Page { contacts, total: selection.total });
            }
            view = match part {
                Some(mut part) => {
                    listing.meter.index(|| part.apply_all(&learned));
                    View::Part(part)
                }
                None => {
                    listing.tenant.hear(learned, listing.now);
                    View::Tenant(listing.tenant.latest(listing.meter, listing.now).await)
                }
            };
        }
        Err(Error::Unavailable("the contacts of the page kept changing while it was read".into()))
    }

    /// The contacts of these rows, in their order. What turns out to be newer than its row goes to `learned`.
    async fn fetch(
        &self,
        listing: &Listing<'_>,
        rows: &[Row],
        at_hand: &mut Contacts,
        learned: &mut Vec<IndexEntry>,
    ) -> Result<Vec<Arc<Contact>>, Error> {
        let kept = self.kept(listing.tenant, rows);
        let mut contacts = Contacts::with_capacity(rows.len());
        let mut missing = Vec::new();
        for row in rows {
            let is_current = |contact: &&Arc<Contact>| contact.version == row.version;
            match at_hand.get(&row.id).filter(is_current).or_else(|| kept.get(&row.id).filter(is_current)) {
                Some(contact) => drop(contacts.insert(row.id, Arc::clone(contact))),
                None => missing.push(*row),
            }
        }
        // The first read is eventually consistent, for half the price. What it shows older than the index does, is read again.
        for consistent in [false, true] {
            let ids: Vec<ObjectId> = missing.iter().map(|row| row.id).collect();
            for stored in self.store.get_many(listing.meter, listing.tenant.name(), &ids, consistent).await? {
                let entry = IndexEntry::from(&stored);
                let is_answered = |row: &Row| row.id == entry.id && row.version <= entry.version;
                let Some(place) = missing.iter().position(is_answered) else { continue };
                let row = missing.swap_remove(place);
                if entry.version > row.version {
                    learned.push(entry);
                }
                if let Some(contact) = self.remember(listing.tenant, stored) {
                    at_hand.insert(row.id, Arc::clone(&contact));
                    contacts.insert(row.id, contact);
                }
            }
        }
        // An item that is gone altogether: its tombstone's time was over, or somebody took it out of the table.
        let gone = |row: &Row| IndexEntry { id: row.id, version: row.version + 1, updated_at: listing.now, fields: None };
        learned.extend(missing.iter().map(gone));
        Ok(rows.iter().filter_map(|row| contacts.remove(&row.id)).collect())
    }

    /// Those of the rows' contacts that are in the cache in the version of the row.
    fn kept(&self, tenant: &Tenant, rows: &[Row]) -> Contacts {
        let kept = |row: &Row| self.contacts.get(&(tenant.generation(), row.id)).filter(|contact| contact.version == row.version);
        rows.iter().filter_map(|row| Some((row.id, kept(row)?))).collect()
    }

    /// Keeps a contact that was read, unless a newer version of it is there.
    fn remember(&self, tenant: &Tenant, stored: Stored) -> Option<Arc<Contact>> {
        let Stored::Contact(contact) = stored else { return None };
        let contact: Arc<Contact> = contact.into();
        let key = (tenant.generation(), contact.id);
        if self.contacts.get(&key).is_none_or(|kept| kept.version < contact.version) {
            self.contacts.insert(key, Arc::clone(&contact));
        }
        Some(contact)
    }

    /// Takes note that a tenant's index takes so many bytes, and gives up tenants that were used least recently until the others fit
    /// into the memory that lists may take. Lists that are on their way finish with the index that they have.
    fn keep_within_memory(&self, in_use: &Tenant, bytes: usize) {
        let mut tenants = self.tenants();
        if let Some(used) =
            tenants.by_name.get_mut(in_use.name()).filter(|used| used.tenant.generation().0 == in_use.generation().0)
        {
            used.bytes = bytes;
        }
        let weight = |used: &Used| used.bytes + IDLE_TENANT_BYTES;
        let mut total: usize = tenants.by_name.values().map(weight).sum();
        while total > self.config.memory {
            let others = tenants.by_name.iter().filter(|(_, used)| used.tenant.generation().0 != in_use.generation().0);
            let Some((name, used)) = others.min_by_key(|(_, used)| used.last_use) else { break };
            total -= weight(used);
            let name = name.clone();
            tenants.by_name.remove(&name);
        }
    }
}

/// Selects from the tenant's index, or from nothing when it was given up. An index in which selecting panics is given up: what is
/// wrong with it is not known.
async fn select_or_unload(listing: &Listing<'_>, fresh: Fresh<'_>) -> Result<Option<Selection>, Error> {
    let selected = catch_unwind(AssertUnwindSafe(|| fresh.index().map(|index| listing.select(index))));
    drop(fresh);
    match selected {
        Ok(selection) => Ok(selection),
        Err(_) => {
            listing.tenant.unload().await;
            Err(Error::Internal("selecting from an index panicked".into()))
        }
    }
}
