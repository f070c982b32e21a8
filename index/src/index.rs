//! All that is known of one tenant's contacts, and any page of any list over them.
//!
//! A plain value: it reads no clock and asks nobody. What it answers depends on the newest version of each contact that was applied,
//! not on the order in which versions came, nor on how often.
//!
//! Two orders are always kept, by id and by change. Others are sorted on first use and kept up with changes from then on, so that
//! only the first list of a kind pays for its order. The contacts that a filter found are remembered until something changes, so
//! that its further pages cost nothing.

use std::collections::{HashMap, HashSet};
use std::ops::{Deref, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memchr::memmem::Finder;

use crate::arena::NOBODY;
use crate::entry::{EntryFields, IndexEntry};
use crate::fold::fold;
use crate::object_id::ObjectId;
use crate::ordered::{CHUNK, Ordered, Position, Visibility};
use crate::query::{Filter, ListQuery, SortField, SortKey};
use crate::records::{END, Records, names};
use crate::sorting::{self, Direction, SortPlan};
use crate::timestamp::Timestamp;
use crate::tombstones::Tombstones;

/// Bytes of a page in the arenas.
const PAGE: usize = 1 << 16;

/// How many orders beside the permanent ones are kept.
const ORDERS: usize = 6;

/// How many contacts may move in a kept order that no list uses meanwhile, besides a share of all, before it is dropped.
const MOVES: usize = 64;

/// How many filter results are kept, if they are small enough.
const RESULTS: usize = 32;

/// The keys of the permanent order by change.
const BY_UPDATED: [SortKey; 1] = [SortKey { field: SortField::UpdatedAt, descending: false }];

/// The contacts of one tenant.
#[derive(Debug)]
pub struct ContactIndex {
    records: Records,
    by_id: Ordered,
    by_updated: Ordered,
    tombstones: Tombstones,
    newest: Option<Timestamp>,
    chunk_len: usize,
    /// What lists have left for the next ones. It is locked only to look and to leave, never while something is computed.
    kept: Mutex<Kept>,
}

/// Orders and results of earlier lists, the last used ones at the end.
#[derive(Debug, Default)]
struct Kept {
    orders: Vec<KeptOrder>,
    results: Vec<(ResultKey, Arc<[u32]>)>,
}

/// An order that a list asked for.
#[derive(Debug)]
struct KeptOrder {
    keys: Vec<SortKey>,
    order: Arc<Ordered>,
    /// How many contacts came, went or moved since a list used it.
    moves: usize,
}

/// What a result depends on, besides the contacts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ResultKey {
    filter: Filter,
    namespaces: Vec<String>,
    sort: Vec<SortKey>,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// How many contacts match, on all pages.
    pub total: u64,
    /// The contacts of the page, in order.
    pub rows: Vec<Row>,
}

/// A contact on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The contact.
    pub id: ObjectId,
    /// The version of it that the index knows.
    pub version: u64,
}

/// An order, permanent or kept.
enum Order<'a> {
    Permanent(&'a Ordered),
    Kept(Arc<Ordered>),
}

impl Deref for Order<'_> {
    type Target = Ordered;

    fn deref(&self) -> &Ordered {
        match self {
            Self::Permanent(order) => order,
            Self::Kept(order) => order,
        }
    }
}

impl Default for ContactIndex {
    fn default() -> Self {
        Self::new()
    }
}

impl ContactIndex {
    /// An index without contacts.
    pub fn new() -> Self {
        Self::with_sizes(PAGE, CHUNK)
    }

    /// The index of a complete load: entries in any order, several for one contact and tombstones among them.
    pub fn from_entries(entries: impl IntoIterator<Item = IndexEntry>) -> Self {
        let mut index = Self::new();
        index.load(entries);
        index
    }

    /// Takes over an entry when it is newer than what is known of its contact, and says whether it was.
    pub fn apply(&mut self, entry: &IndexEntry) -> bool {
        self.newest = self.newest.max(Some(entry.updated_at));
        let slot = self.slot_of(entry.id);
        let known = slot.map(|slot| self.records.slot(slot).version);
        if known.or_else(|| self.tombstones.version(entry.id)).is_some_and(|known| known >= entry.version) {
            return false;
        }
        match (slot, &entry.fields) {
            (Some(slot), Some(fields)) => self.update(slot, entry, fields),
            (Some(slot), None) => {
                self.remove(slot);
                self.tombstones.insert(entry);
            }
            (None, Some(fields)) => {
                self.tombstones.remove(entry.id);
                self.insert(entry, fields);
            }
            (None, None) => self.tombstones.insert(entry),
        }
        true
    }

    /// Takes over many entries, and says how many of them were newer than what was known.
    pub fn apply_all(&mut self, entries: &[IndexEntry]) -> usize {
        if entries.len() > self.len() {
            return self.merge(entries);
        }
        entries.iter().filter(|entry| self.apply(entry)).count()
    }

    /// Forgets the tombstones of contacts that were deleted before `moment`.
    pub fn forget_tombstones_before(&mut self, moment: Timestamp) {
        self.tombstones.forget_before(moment);
    }

    /// The newest known version of a contact, deleted or not.
    pub fn version(&self, id: ObjectId) -> Option<u64> {
        self.slot_of(id).map(|slot| self.records.slot(slot).version).or_else(|| self.tombstones.version(id))
    }

    /// How many contacts there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are no contacts.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that all of this takes, reserves and kept results included.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.records.memory_bytes()
            + self.by_id.memory_bytes()
            + self.by_updated.memory_bytes()
            + self.tombstones.memory_bytes()
            + self.kept().memory_bytes()
    }

    /// Gives up everything that only makes further lists faster: the orders and results of earlier ones.
    pub fn release_memory(&self) {
        *self.kept() = Kept::default();
    }

    /// The time of the newest entry that was ever applied.
    pub const fn newest(&self) -> Option<Timestamp> {
        self.newest
    }

    /// How many contacts were changed at `since` or later.
    pub fn count_updated_since(&self, since: Timestamp) -> usize {
        let start = self.by_updated.partition_point(|slot| self.records.slot(slot).updated_at < since.millis());
        self.len() - self.by_updated.rank(start, &Visibility::All, |_| 0)
    }

    /// The page of a list that a caller with these namespaces asks for: the contacts that share one of them and pass every filter.
    pub fn select(&self, query: &ListQuery, namespaces: &[String]) -> Selection {
        let Some(visibility) = self.records.lists().visible_to(namespaces) else {
            return Selection { total: 0, rows: Vec::new() };
        };
        let plan = SortPlan::new(&query.sort);
        let page = Page::of(query);
        let filter = &query.filter;

        if let Some(ids) = &filter.ids {
            let check = self.check(filter, &visibility);
            let matching: Vec<u32> =
                ids.iter().filter_map(|id| self.slot_of(*id)).filter(|&slot| check.passes(&self.records, slot)).collect();
            return self.page_of(&sorting::sort(&self.records, &matching, &plan.keys), page);
        }
        if let Some((order, range)) = self.order_without_scan(filter, &plan) {
            return self.page_of_order(&order, range, &plan, &visibility, page);
        }

        let key = ResultKey { filter: filter.clone(), namespaces: namespaces.to_vec(), sort: plan.keys.clone() };
        if let Some(result) = self.kept().result(&key) {
            return self.page_of(&result, page);
        }
        let result: Arc<[u32]> = self.in_order(self.matching(filter, &visibility), &plan).into();
        self.kept().keep_result(key, &result, (8 * self.len()).max(1 << 20));
        self.page_of(&result, page)
    }
}

/// What a query asks to cut out.
#[derive(Clone, Copy)]
struct Page {
    /// Contacts before it, or more than there can be.
    offset: usize,
    limit: usize,
}

impl Page {
    fn of(query: &ListQuery) -> Self {
        let offset = (query.page.get() - 1).saturating_mul(u64::from(query.per_page));
        Self { offset: usize::try_from(offset).unwrap_or(usize::MAX), limit: query.per_page as usize }
    }
}

/// The filters of a query, ready to look at one contact after another.
struct Check<'a> {
    filter: &'a Filter,
    visibility: &'a Visibility,
    words: Vec<Finder<'a>>,
}

impl Check<'_> {
    fn passes(&self, records: &Records, slot: u32) -> bool {
        self.passes_fixed(records, slot) && self.passes_names(records, slot) && self.has_words(|| records.search_record(slot))
    }

    /// Whether the contact passes those filters that its texts do not matter for.
    fn passes_fixed(&self, records: &Records, slot: u32) -> bool {
        let slot = records.slot(slot);
        let Filter { updated_after, updated_before, id_after, id_before, .. } = self.filter;
        self.visibility.sees(slot.list)
            && updated_after.is_none_or(|after| slot.updated_at > after.millis())
            && updated_before.is_none_or(|before| slot.updated_at < before.millis())
            && id_after.as_ref().is_none_or(|after| slot.id.hex().as_slice() > after.as_bytes())
            && id_before.as_ref().is_none_or(|before| slot.id.hex().as_slice() < before.as_bytes())
    }

    fn passes_names(&self, records: &Records, slot: u32) -> bool {
        self.filter.names.as_ref().is_none_or(|names| {
            let name = records.name(slot).text();
            names.binary_search_by(|wanted| wanted.as_bytes().cmp(&name)).is_ok()
        })
    }

    fn has_words<'r>(&self, search_record: impl FnOnce() -> &'r [u8]) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let record = search_record();
        self.words.iter().all(|word| word.find(record).is_some())
    }
}

impl ContactIndex {
    fn with_sizes(page_bytes: usize, chunk_len: usize) -> Self {
        let empty = Ordered::from_sorted(&[], chunk_len, |_| 0);
        Self {
            records: Records::new(page_bytes),
            by_id: empty.clone(),
            by_updated: empty,
            tombstones: Tombstones::default(),
            newest: None,
            chunk_len,
            kept: Mutex::default(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing in there is ever half done.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept_mut(&mut self) -> &mut Kept {
        self.kept.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot_of(&self, id: ObjectId) -> Option<u32> {
        let at = self.by_id.partition_point(|slot| self.records.slot(slot).id < id);
        self.by_id.get(at).filter(|&slot| self.records.slot(slot).id == id)
    }

    /// When contacts were changed, newest first.
    pub(super) fn changes_newest_first(&self) -> impl Iterator<Item = Timestamp> {
        self.by_updated.iter_backward().map(|slot| Timestamp::from_millis(self.records.slot(slot).updated_at))
    }

    pub(super) const fn tombstones(&self) -> &Tombstones {
        &self.tombstones
    }

    fn insert(&mut self, entry: &IndexEntry, fields: &EntryFields) {
        let slot = self.records.insert(entry, fields);
        let records = &self.records;
        let list_of = |slot| records.list(slot);
        self.by_id.insert(slot, |other| records.slot(other).id < entry.id, list_of);
        self.by_updated.insert(slot, |other| records.compare(other, slot, &BY_UPDATED).is_lt(), list_of);
        let kept = self.kept.get_mut().unwrap_or_else(PoisonError::into_inner);
        kept.change(records.len());
        for KeptOrder { keys, order, moves } in &mut kept.orders {
            *moves += 1;
            Arc::make_mut(order).insert(slot, |other| records.compare(other, slot, keys).is_lt(), list_of);
        }
    }

    fn remove(&mut self, slot: u32) {
        let records = &self.records;
        let list_of = |slot| records.list(slot);
        self.by_id.remove(slot, |other| records.slot(other).id < records.slot(slot).id, list_of);
        self.by_updated.remove(slot, |other| records.compare(other, slot, &BY_UPDATED).is_lt(), list_of);
        let kept = self.kept.get_mut().unwrap_or_else(PoisonError::into_inner);
        kept.change(records.len());
        for KeptOrder { keys, order, moves } in &mut kept.orders {
            *moves += 1;
            Arc::make_mut(order).remove(slot, |other| records.compare(other, slot, keys).is_lt(), list_of);
        }
        self.records.remove(slot);
    }

    fn update(&mut self, slot: u32, entry: &IndexEntry, fields: &EntryFields) {
        let list = self.records.add_list(&fields.company_namespace);
        let records = &self.records;
        let moves_list = list != records.list(slot);
        let moves = |keys: &[SortKey]| moves_list || keys.iter().any(|key| records.differs(slot, entry, fields, key.field));
        let kept = self.kept.get_mut().unwrap_or_else(PoisonError::into_inner);
        kept.change(records.len());

        // A contact is found in an order by its former values, so it leaves before they change. Most changes leave most orders alone.
        let mut orders: Vec<(&[SortKey], &mut Ordered)> = Vec::with_capacity(2 + ORDERS);
        if moves_list {
            orders.push((&[], &mut self.by_id));
        }
        if moves(&BY_UPDATED) {
            orders.push((&BY_UPDATED, &mut self.by_updated));
        }
        for kept in kept.orders.iter_mut().filter(|kept| moves(&kept.keys)) {
            kept.moves += 1;
            orders.push((&kept.keys, Arc::make_mut(&mut kept.order)));
        }
        for (keys, order) in &mut orders {
            order.remove(slot, |other| records.compare(other, slot, keys).is_lt(), |slot| records.list(slot));
        }

        self.records.update(slot, entry, fields, list);
        let records = &self.records;
        for (keys, order) in orders {
            order.insert(slot, |other| records.compare(other, slot, keys).is_lt(), |slot| records.list(slot));
        }
    }

    /// Fills an index that is empty.
    fn load(&mut self, entries: impl IntoIterator<Item = IndexEntry>) {
        let mut slots = Vec::new();
        for entry in entries {
            self.newest = self.newest.max(Some(entry.updated_at));
            match &entry.fields {
                Some(fields) => slots.push(self.records.insert(&entry, fields)),
                None if self.tombstones.version(entry.id).is_none_or(|known| known < entry.version) => {
                    self.tombstones.insert(&entry)
                }
                None => {}
            }
        }
        // The newest of a contact's versions comes first.
        slots.sort_unstable_by_key(|&slot| {
            let slot = self.records.slot(slot);
            (slot.id, u64::MAX - slot.version)
        });
        let mut last = None;
        slots.retain(|&slot| {
            let (id, version) = (self.records.slot(slot).id, self.records.slot(slot).version);
            let is_newest = last.replace(id) != Some(id);
            let is_alive = is_newest && self.tombstones.version(id).is_none_or(|deleted| deleted < version);
            if is_alive {
                self.tombstones.remove(id);
            } else {
                self.records.remove(slot);
            }
            is_alive
        });
        self.records.shrink_to_fit();
        self.sort_permanent(&slots);
    }

    /// Takes over more entries than there are contacts, with the permanent orders out of use meanwhile.
    fn merge(&mut self, entries: &[IndexEntry]) -> usize {
        *self.kept_mut() = Kept::default();
        let mut slots: HashMap<ObjectId, u32> = self.by_id.iter().map(|slot| (self.records.slot(slot).id, slot)).collect();
        let mut taken = 0;
        for entry in entries {
            self.newest = self.newest.max(Some(entry.updated_at));
            let slot = slots.get(&entry.id).copied();
            let known = slot.map(|slot| self.records.slot(slot).version).or_else(|| self.tombstones.version(entry.id));
            if known.is_some_and(|known| known >= entry.version) {
                continue;
            }
            taken += 1;
            match (slot, &entry.fields) {
                (Some(slot), Some(fields)) => {
                    let list = self.records.add_list(&fields.company_namespace);
                    self.records.update(slot, entry, fields, list);
                }
                (Some(slot), None) => {
                    slots.remove(&entry.id);
                    self.records.remove(slot);
                    self.tombstones.insert(entry);
                }
                (None, Some(fields)) => {
                    self.tombstones.remove(entry.id);
                    slots.insert(entry.id, self.records.insert(entry, fields));
                }
                (None, None) => self.tombstones.insert(entry),
            }
        }
        let mut slots: Vec<u32> = slots.into_values().collect();
        slots.sort_unstable_by_key(|&slot| self.records.slot(slot).id);
        self.sort_permanent(&slots);
        taken
    }

    /// Builds the permanent orders from all contacts by id.
    fn sort_permanent(&mut self, by_id: &[u32]) {
        let records = &self.records;
        self.by_id = Ordered::from_sorted(by_id, self.chunk_len, |slot| records.list(slot));
        let by_updated = sorting::sort(records, by_id, &BY_UPDATED);
        self.by_updated = Ordered::from_sorted(&by_updated, self.chunk_len, |slot| records.list(slot));
    }

    /// The order that these keys ask for, when it is there.
    fn existing_order(&self, keys: &[SortKey]) -> Option<Order<'_>> {
        match keys {
            [] => Some(Order::Permanent(&self.by_id)),
            _ if *keys == BY_UPDATED => Some(Order::Permanent(&self.by_updated)),
            _ => self.kept().order(keys).map(Order::Kept),
        }
    }

    fn order(&self, keys: &[SortKey]) -> Order<'_> {
        self.existing_order(keys).unwrap_or_else(|| {
            let by_id: Vec<u32> = self.by_id.iter().collect();
            let sorted = sorting::sort(&self.records, &by_id, keys);
            // Slots lie far apart in this order; just their lists fit into the processor's cache.
            let lists = self.records.lists_of_slots();
            let order = Arc::new(Ordered::from_sorted(&sorted, self.chunk_len, |slot| lists[slot as usize]));
            self.kept().keep_order(keys, &order);
            Order::Kept(order)
        })
    }

    /// When no contact needs a look to answer a query: the order to walk, and which part of it.
    fn order_without_scan(&self, filter: &Filter, plan: &SortPlan) -> Option<(Order<'_>, Range<Position>)> {
        let has_words = filter.search.iter().any(|word| !word.is_empty());
        if has_words || filter.names.is_some() {
            return None;
        }
        let by_updated = filter.updated_after.is_some() || filter.updated_before.is_some();
        let by_id = filter.id_after.is_some() || filter.id_before.is_some();
        match (by_updated, by_id, &plan.walked[..]) {
            (false, false, keys) => {
                let order = self.order(keys);
                let all = order.start()..order.end();
                Some((order, all))
            }
            (false, true, []) => Some((Order::Permanent(&self.by_id), self.id_range(filter))),
            (true, false, keys) if *keys == BY_UPDATED => Some((Order::Permanent(&self.by_updated), self.updated_range(filter))),
            _ => None,
        }
    }

    /// The contacts in the order by change that pass the filters on that.
    fn updated_range(&self, filter: &Filter) -> Range<Position> {
        let updated_at = |slot| self.records.slot(slot).updated_at;
        let start = filter
            .updated_after
            .map_or(self.by_updated.start(), |after| self.by_updated.partition_point(|slot| updated_at(slot) <= after.millis()));
        let end = filter
            .updated_before
            .map_or(self.by_updated.end(), |before| self.by_updated.partition_point(|slot| updated_at(slot) < before.millis()));
        start..end.max(start)
    }

    /// The contacts in the order by id that pass the filters on that.
    fn id_range(&self, filter: &Filter) -> Range<Position> {
        let hex = |slot| self.records.slot(slot).id.hex();
        let start = filter
            .id_after
            .as_ref()
            .map_or(self.by_id.start(), |after| self.by_id.partition_point(|slot| hex(slot).as_slice() <= after.as_bytes()));
        let end = filter
            .id_before
            .as_ref()
            .map_or(self.by_id.end(), |before| self.by_id.partition_point(|slot| hex(slot).as_slice() < before.as_bytes()));
        start..end.max(start)
    }

    fn check<'a>(&self, filter: &'a Filter, visibility: &'a Visibility) -> Check<'a> {
        let words = filter.search.iter().filter(|word| !word.is_empty()).map(|word| Finder::new(word.as_bytes())).collect();
        Check { filter, visibility, words }
    }

    /// Those who pass the filters, among which is none on ids, in any order.
    fn matching(&self, filter: &Filter, visibility: &Visibility) -> Vec<u32> {
        let mut check = self.check(filter, visibility);
        let updated = self.updated_range(filter);
        let ids = self.id_range(filter);
        let len = |order: &Ordered, range: &Range<Position>| {
            let rank = |at| order.rank(at, &Visibility::All, |_| 0);
            rank(range.end) - rank(range.start)
        };
        let (updated_len, ids_len) = (len(&self.by_updated, &updated), len(&self.by_id, &ids));
        let (order, range, candidates) =
            if updated_len < ids_len { (&self.by_updated, updated, updated_len) } else { (&self.by_id, ids, ids_len) };

        // A walk through the texts from end to end reads about sixteen contacts in the time that it takes to look one up.
        let scans = candidates > self.len() / 16;
        let mut matching = Vec::new();
        if scans && !check.words.is_empty() {
            // Of several words the longest is likely to be the rarest.
            let longest = (0..check.words.len()).max_by_key(|&word| check.words[word].needle().len());
            let word = check.words.swap_remove(longest.expect("there are words"));
            let sees_all = *visibility == Visibility::All && candidates == self.len();
            self.records.search_for(word.needle(), |slot, record| {
                if check.has_words(|| record)
                    && (sees_all || check.passes_fixed(&self.records, slot))
                    && check.passes_names(&self.records, slot)
                {
                    matching.push(slot);
                }
            });
        } else if scans && let Some(names) = &filter.names {
            self.named(names, |slot| {
                if check.passes(&self.records, slot) {
                    matching.push(slot);
                }
            });
        } else {
            matching.extend(order.iter_from(range.start).take(candidates).filter(|&slot| check.passes(&self.records, slot)));
        }
        matching
    }

    /// Calls `found` with each contact whose folded name is that of one of these, and perhaps with others.
    fn named(&self, wanted: &[String], mut found: impl FnMut(u32)) {
        let folded: HashSet<Vec<u8>> = wanted.iter().map(|name| fold(name).into_bytes()).collect();
        // Nearly all contacts differ in the first two bytes already.
        let mut starts = vec![0_u64; 1 << 10];
        for name in &folded {
            let second = match name.len() {
                0 => 0..=u8::MAX,
                1 => END..=END,
                _ => name[1]..=name[1],
            };
            let first = name.first().copied().unwrap_or(END);
            for second in second {
                starts[usize::from(first) << 2 | usize::from(second >> 6)] |= 1 << (second & 63);
            }
        }
        for page in self.records.search().pages() {
            for (record, (&start, &slot)) in page.starts.iter().zip(&page.owners).enumerate() {
                let start = usize::from(start);
                let (first, second) = (page.bytes[start], page.bytes[start + 1]);
                let may_be = starts[usize::from(first) << 2 | usize::from(second >> 6)] >> (second & 63) & 1 == 1;
                if may_be && slot != NOBODY && folded.contains(names(&page.bytes[start..page.end(record)]).0) {
                    found(slot);
                }
            }
        }
    }

    /// These contacts in the order that the plan asks for.
    fn in_order(&self, mut matching: Vec<u32>, plan: &SortPlan) -> Vec<u32> {
        let id = |slot: &u32| self.records.slot(*slot).id;
        let walk = if matching.len() > self.len() / 4 {
            Some(self.order(&plan.walked))
        } else if matching.len() > self.len() / 32 {
            self.existing_order(&plan.walked)
        } else {
            None
        };
        let Some(order) = walk else {
            matching.sort_unstable_by_key(id);
            return sorting::sort(&self.records, &matching, &plan.keys);
        };

        let mut is_matching = vec![0_u64; self.records.slots().div_ceil(64)];
        for slot in &matching {
            is_matching[*slot as usize / 64] |= 1 << (slot % 64);
        }
        let count = matching.len();
        matching.clear();
        matching.extend(order.iter().filter(|slot| is_matching[*slot as usize / 64] >> (slot % 64) & 1 == 1).take(count));
        if plan.direction != Direction::Forward {
            matching.reverse();
        }
        if plan.direction == Direction::BackwardByGroups {
            let equal = |one: &u32, other: &u32| self.records.compare_keys(*one, *other, &plan.keys).is_eq();
            matching.chunk_by_mut(equal).for_each(<[u32]>::reverse);
        }
        matching
    }

    fn row(&self, slot: u32) -> Row {
        let slot = self.records.slot(slot);
        Row { id: slot.id, version: slot.version }
    }

    /// A page of a result.
    fn page_of(&self, result: &[u32], page: Page) -> Selection {
        let rows = result.iter().skip(page.offset).take(page.limit).map(|&slot| self.row(slot)).collect();
        Selection { total: result.len() as u64, rows }
    }

    /// A page of what is visible in a part of an order.
    fn page_of_order(
        &self,
        order: &Ordered,
        range: Range<Position>,
        plan: &SortPlan,
        visibility: &Visibility,
        page: Page,
    ) -> Selection {
        let list_of = |slot| self.records.list(slot);
        let rank = |at| order.rank(at, visibility, list_of);
        let (start, end) = (rank(range.start), rank(range.end));
        let total = end - start;
        let count = page.limit.min(total.saturating_sub(page.offset));
        let visible_from = |at| order.iter_from(at).filter(|&slot| visibility.sees(list_of(slot)));
        let nth = |rank| order.nth(rank, visibility, list_of);

        let mut slots: Vec<u32> = Vec::with_capacity(count);
        match plan.direction {
            _ if count == 0 => {}
            Direction::Forward => slots.extend(visible_from(nth(start + page.offset)).take(count)),
            Direction::Backward => {
                slots.extend(visible_from(nth(end - page.offset - count)).take(count));
                slots.reverse();
            }
            Direction::BackwardByGroups => {
                // Each group is walked forward. The first one may have contacts on earlier pages.
                let keys = &plan.walked[..];
                let last = nth(end - page.offset - 1);
                let before_page = end - self.group_end(order, last, keys).map_or(end, rank);
                let mut skipped = page.offset - before_page;
                let mut next = Some(last);
                while slots.len() < count
                    && let Some(last) = next
                {
                    let start = self.group_start(order, last, keys);
                    let member = order.get(start);
                    let group = visible_from(start)
                        .take_while(|&slot| member.is_some_and(|member| self.records.compare_keys(member, slot, keys).is_eq()));
                    slots.extend(group.skip(skipped).take(count - slots.len()));
                    skipped = 0;
                    next = order.before(start);
                }
            }
        }
        Selection { total: total as u64, rows: slots.into_iter().map(|slot| self.row(slot)).collect() }
    }

    /// Where the contacts start that have the same keys as the one here.
    fn group_start(&self, order: &Ordered, at: Position, keys: &[SortKey]) -> Position {
        let Some(member) = order.get(at) else { return at };
        let mut start = at;
        // Most groups are small.
        for _ in 0..8 {
            match order.before(start) {
                Some(before) if order.get(before).is_some_and(|slot| self.records.compare_keys(slot, member, keys).is_eq()) => {
                    start = before;
                }
                _ => return start,
            }
        }
        order.partition_point(|slot| self.records.compare_keys(slot, member, keys).is_lt())
    }

    /// Where the contacts end that have the same keys as the one here.
    fn group_end(&self, order: &Ordered, at: Position, keys: &[SortKey]) -> Option<Position> {
        let member = order.get(at)?;
        Some(order.partition_point(|slot| self.records.compare_keys(slot, member, keys).is_le()))
    }
}

impl Kept {
    /// One of `contacts` changes.
    fn change(&mut self, contacts: usize) {
        self.results.clear();
        // To move one contact in an order takes as long as to sort about sixty, and nobody may ask for that order again.
        self.orders.retain(|kept| kept.moves <= MOVES + contacts / 64);
    }

    fn order(&mut self, keys: &[SortKey]) -> Option<Arc<Ordered>> {
        let at = self.orders.iter().position(|kept| kept.keys == keys)?;
        self.orders[at..].rotate_left(1);
        self.orders.last_mut().map(|kept| {
            kept.moves = 0;
            Arc::clone(&kept.order)
        })
    }

    fn keep_order(&mut self, keys: &[SortKey], order: &Arc<Ordered>) {
        if self.order(keys).is_some() {
            return;
        }
        if self.orders.len() == ORDERS {
            self.orders.remove(0);
        }
        self.orders.push(KeptOrder { keys: keys.to_vec(), order: Arc::clone(order), moves: 0 });
    }

    fn result(&mut self, key: &ResultKey) -> Option<Arc<[u32]>> {
        let at = self.results.iter().position(|(kept, _)| kept == key)?;
        self.results[at..].rotate_left(1);
        self.results.last().map(|(_, result)| Arc::clone(result))
    }

    fn keep_result(&mut self, key: ResultKey, result: &Arc<[u32]>, most_bytes: usize) {
        if self.result(&key).is_some() {
            return;
        }
        self.results.push((key, Arc::clone(result)));
        while self.results.len() > RESULTS || self.results_bytes() > most_bytes {
            self.results.remove(0);
        }
    }

    fn results_bytes(&self) -> usize {
        self.results.iter().map(|(key, result)| key.memory_bytes() + size_of_val(&**result)).sum()
    }

    fn memory_bytes(&self) -> usize {
        let orders =
            self.orders.iter().map(|kept| size_of_val(&kept.keys[..]) + size_of::<Ordered>() + kept.order.memory_bytes());
        self.orders.capacity() * size_of::<KeptOrder>()
            + self.results.capacity() * size_of::<(ResultKey, Arc<[u32]>)>()
            + orders.sum::<usize>()
            + self.results_bytes()
    }
}

impl ResultKey {
    /// Bytes on the heap.
    fn memory_bytes(&self) -> usize {
        let Filter { ids, names, search, updated_after: _, updated_before: _, id_after, id_before } = &self.filter;
        let texts = search.iter().chain(names.iter().flatten()).chain(&self.namespaces);
        let bounds = id_after.iter().chain(id_before).map(String::len);
        texts.map(|text| size_of::<String>() + text.len()).chain(bounds).sum::<usize>()
            + ids.as_ref().map_or(0, |ids| size_of_val(&ids[..]))
            + size_of_val(&self.sort[..])
    }
}

#[cfg(test)]
mod tests;
