//! Any page of any list.
//!
//! A query walks the narrowest thing that it names: ids, keys, words, or a part of a permanent order. Whoever is found there has to
//! pass every filter. Then the page is cut out of an order when walking to it is quick, or the contacts that match are sorted.

use std::cmp::Reverse;
use std::ops::Range;

use super::ContactIndex;
use super::check::{Check, Words, finders, names_have};
use super::kept::SharedOrder;
use super::walk::Walk;
use crate::object_id::ObjectId;
use crate::ordered::{Accepts, Ordered, Position, Visibility};
use crate::query::{Filter, ListQuery, SortField, SortKey};
use crate::rough::RoughOrder;
use crate::slots::{Bits, Slots};
use crate::sorting::{self, BY_UPDATED, Direction, SortPlan, Stream};
use crate::terms::Kind;
use crate::timestamp::Timestamp;

/// Up to so many contacts, words are looked for in their names and not in the dictionary.
const FEW: usize = if cfg!(test) { 4 } else { 512 };

/// A stretch with less than one of so many contacts is sorted in the time in which all others are walked past.
const SHORT: usize = if cfg!(test) { 2 } else { 16 };

/// Contacts that are walked past in no time.
const ENOUGH: usize = if cfg!(test) { 8 } else { 4_096 };

/// Contacts that are walked past in the time that it takes to look for a word in the names of one.
const NAMES: usize = 64;

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

/// What a query asks to cut out.
#[derive(Clone, Copy)]
pub(super) struct Page {
    /// Contacts before it, or more than there can be.
    pub offset: usize,
    pub limit: usize,
}

impl Page {
    fn of(query: &ListQuery) -> Self {
        let offset = (query.page.get() - 1).saturating_mul(u64::from(query.per_page));
        Self { offset: usize::try_from(offset).unwrap_or(usize::MAX), limit: query.per_page as usize }
    }
}

/// An order, permanent or kept.
enum Order<'a> {
    Permanent(&'a Ordered),
    Kept(SharedOrder),
}

/// The part of a permanent order that passes the filters on what it is ordered by.
struct Stretch<'a> {
    order: &'a Ordered,
    keys: &'static [SortKey],
    range: Range<Position>,
    /// How many contacts it has, visible or not.
    len: usize,
}

/// Contacts among which are all that match.
enum Candidates<'a> {
    Slots(Slots),
    Stretch(Stretch<'a>),
}

impl Candidates<'_> {
    const fn len(&self) -> usize {
        match self {
            Self::Slots(slots) => slots.len(),
            Self::Stretch(stretch) => stretch.len,
        }
    }
}

impl ContactIndex {
    /// The page of a list that a caller with these namespaces asks for: the contacts that share one of them and pass every filter.
    pub fn select(&self, query: &ListQuery, namespaces: &[String]) -> Selection {
        let Some(visibility) = self.records.lists().visible_to(namespaces, query.filter.disabled) else {
            return Selection { total: 0, rows: Vec::new() };
        };
        let plan = SortPlan::new(&query.sort);
        let page = Page::of(query);
        let (total, slots) = match self.only_stretch(&query.filter) {
            Some(stretch) => self.page_of_stretch(stretch, &query.filter, &visibility, &plan, page),
            None => self.page_of_slots(self.matching(&query.filter, &visibility), &plan, page),
        };
        let row = |slot| Row { id: self.records.id(slot), version: self.records.version(slot) };
        Selection { total: total as u64, rows: slots.into_iter().map(row).collect() }
    }

    /// The order that these keys ask for, when it is there.
    fn existing_order(&self, keys: &[SortKey]) -> Option<Order<'_>> {
        match keys {
            [] => Some(Order::Permanent(&self.by_id)),
            _ if *keys == BY_UPDATED => Some(Order::Permanent(&self.by_updated)),
            _ => self.kept().order(keys).map(Order::Kept),
        }
    }

    /// The order that these keys ask for.
    fn order(&self, keys: &[SortKey]) -> Order<'_> {
        self.existing_order(keys).unwrap_or_else(|| {
            let stream = Stream { records: &self.records, keys };
            let mut slots = Vec::with_capacity(self.len());
            slots.extend(self.records.used_slots());
            let order = SharedOrder::new(RoughOrder::new(&stream, slots, self.chunk_len));
            self.kept().keep(keys, &order);
            Order::Kept(order)
        })
    }

    /// The order to walk for a page of so many contacts, unless sorting them is less work.
    fn order_to_walk(&self, plan: &SortPlan, total: usize, page: Page) -> Option<Order<'_>> {
        let has_text = plan.keys.iter().any(|key| matches!(key.field, SortField::Name | SortField::Text(_)));
        let steps_of_sorting = total.saturating_mul(if has_text { 64 } else { 16 });
        match self.existing_order(&plan.walked) {
            Some(order) => (self.steps_to(page, total) < steps_of_sorting).then_some(order),
            None => (total > self.len() / 2).then(|| self.order(&plan.walked)),
        }
    }

    /// The page of an order, when `total` of its contacts count.
    fn page_of_order(&self, order: &Order<'_>, accepts: Accepts<'_>, plan: &SortPlan, page: Page, total: usize) -> Vec<u32> {
        match order {
            Order::Permanent(order) => {
                Walk { index: self, order, range: order.start()..order.end(), accepts }.page(plan, page, total)
            }
            Order::Kept(order) => {
                let stream = Stream { records: &self.records, keys: &plan.walked };
                let count = page.limit.min(total.saturating_sub(page.offset));
                order.lock().page(&stream, &accepts, page.offset, count, plan.direction == Direction::Backward)
            }
        }
    }

    /// How many contacts of an order are walked past until a page of `total` contacts is over, if they lie evenly.
    fn steps_to(&self, page: Page, total: usize) -> usize {
        let walked = page.offset.saturating_add(page.limit).min(total);
        (walked as u128 * self.len() as u128 / total.max(1) as u128) as usize
    }

    /// The part of a permanent order that the filter asks for, if it asks for nothing else.
    fn only_stretch(&self, filter: &Filter) -> Option<Stretch<'_>> {
        let Filter {
            ids: None,
            names: None,
            search,
            emails: None,
            phones: None,
            external_ids: None,
            disabled: _,
            updated_after,
            updated_before,
            created_after: None,
            created_before: None,
            id_after,
            id_before,
        } = filter
        else {
            return None;
        };
        let by_updated = updated_after.is_some() || updated_before.is_some();
        let by_id = id_after.is_some() || id_before.is_some();
        match (by_updated, by_id) {
            _ if search.iter().any(|word| !word.is_empty()) => None,
            (true, true) => None,
            (true, false) => Some(self.updated_stretch(filter)),
            (false, _) => Some(self.id_stretch(filter)),
        }
    }

    /// The contacts in the order by change that pass the filters on that.
    fn updated_stretch(&self, filter: &Filter) -> Stretch<'_> {
        let (order, updated_at) = (&self.by_updated, |slot| self.records.updated_at(slot));
        let start =
            filter.updated_after.map_or(order.start(), |after| order.partition_point(|slot| updated_at(slot) <= after.millis()));
        let end =
            filter.updated_before.map_or(order.end(), |before| order.partition_point(|slot| updated_at(slot) < before.millis()));
        self.stretch(order, &BY_UPDATED, start, end)
    }

    /// The contacts in the order by id that pass the filters on that.
    fn id_stretch(&self, filter: &Filter) -> Stretch<'_> {
        let (order, hex) = (&self.by_id, |slot| self.records.id(slot).hex());
        let start = filter
            .id_after
            .as_ref()
            .map_or(order.start(), |after| order.partition_point(|slot| hex(slot).as_slice() <= after.as_bytes()));
        let end = filter
            .id_before
            .as_ref()
            .map_or(order.end(), |before| order.partition_point(|slot| hex(slot).as_slice() < before.as_bytes()));
        self.stretch(order, &[], start, end)
    }

    fn stretch<'a>(&self, order: &'a Ordered, keys: &'static [SortKey], start: Position, end: Position) -> Stretch<'a> {
        let end = end.max(start);
        let rank = |at| order.rank(at, &Visibility::All, |_| 0);
        Stretch { order, keys, len: rank(end) - rank(start), range: start..end }
    }

    /// A page of the visible contacts of a stretch, and how many there are.
    fn page_of_stretch(
        &self,
        stretch: Stretch<'_>,
        filter: &Filter,
        visibility: &Visibility,
        plan: &SortPlan,
        page: Page,
    ) -> (usize, Vec<u32>) {
        let Stretch { order, range, .. } = &stretch;
        let walk = Walk { index: self, order, range: range.clone(), accepts: Accepts::Visible(visibility) };
        let total = walk.count(range.clone());
        if *plan.walked == *stretch.keys || page.offset >= total {
            return (total, walk.page(plan, page, total));
        }
        if stretch.len == self.len() {
            return (total, self.page_of_order(&self.order(&plan.walked), Accepts::Visible(visibility), plan, page, total));
        }
        // The first pages of a long stretch are met in another order before all of it could be looked at, if its contacts lie evenly there.
        let steps = self.steps_to(page, total);
        let is_short = total < self.len() / SHORT;
        if steps < total / 2
            && let Some(order) = self.order_to_walk(plan, total, page)
        {
            let check = Check { records: &self.records, filter, visibility, words: Words::NONE };
            // What most contacts fail on comes first, and is quick.
            let after = filter.updated_after.map_or(i64::MIN, Timestamp::millis);
            let before = filter.updated_before.map_or(i64::MAX, Timestamp::millis);
            let passes = |slot| {
                let updated_at = self.records.updated_at(slot);
                after <= updated_at && updated_at <= before && check.passes(slot)
            };
            let count = page.limit.min(total - page.offset);
            let slots = match (&order, plan.direction) {
                // Contacts that were changed at one time were often created at one time, too, and then they lie together.
                (Order::Permanent(order), Direction::Forward | Direction::Backward) => {
                    let most = if is_short { steps.saturating_mul(4).max(ENOUGH) } else { usize::MAX };
                    order.page_accepted(plan.direction == Direction::Backward, (page.offset, count), most, passes)
                }
                _ => Some(self.page_of_order(&order, Accepts::Those(&passes), plan, page, total)),
            };
            if let Some(slots) = slots {
                return (total, slots);
            }
        }
        let visible = |slot: &u32| visibility.sees(self.records.class(*slot));
        let slots = stretch.order.iter_range(stretch.range.clone()).filter(visible);
        if is_short {
            let stream = Stream { records: &self.records, keys: &plan.keys };
            return (total, sorting::page(&stream, slots.collect(), page.offset, page.limit));
        }
        self.page_of_slots(self.collect(slots, total), plan, page)
    }

    /// About `expected` slots as a set.
    fn collect(&self, slots: impl Iterator<Item = u32>, expected: usize) -> Slots {
        if expected < self.records.slots() / 64 {
            return Slots::Few(slots.collect());
        }
        let mut bits = Bits::below(self.records.slots());
        bits.extend(slots);
        Slots::Many(bits)
    }

    /// A page of these contacts, and how many there are.
    fn page_of_slots(&self, slots: Slots, plan: &SortPlan, page: Page) -> (usize, Vec<u32>) {
        let total = slots.len();
        if page.offset >= total {
            return (total, Vec::new());
        }
        if let Some(order) = self.order_to_walk(plan, total, page) {
            let bits = slots.into_bits(self.records.slots());
            let contains = |slot| bits.contains(slot);
            return (total, self.page_of_order(&order, Accepts::Those(&contains), plan, page, total));
        }
        let stream = Stream { records: &self.records, keys: &plan.keys };
        (total, sorting::page(&stream, slots.into_vec(), page.offset, page.limit))
    }

    /// The contacts that pass every filter.
    fn matching(&self, filter: &Filter, visibility: &Visibility) -> Slots {
        let (updated, ids) = (self.updated_stretch(filter), self.id_stretch(filter));
        let stretch = if updated.len < ids.len { updated } else { ids };
        let mut candidates = match self.by_keys(filter) {
            Some(slots) if slots.len() <= stretch.len => Candidates::Slots(Slots::Few(slots)),
            _ => Candidates::Stretch(stretch),
        };
        let mut check = Check { records: &self.records, filter, visibility, words: Words::NONE };

        let words = telling(&filter.search);
        if !words.is_empty() {
            let found = if candidates.len() > FEW { self.search(&words) } else { None };
            match found {
                Some(found) if found.len() > candidates.len() => {
                    check.words = Words::Found(found.into_bits(self.records.slots()));
                }
                Some(found) if check.is_only_of_words() => return found,
                Some(found) => candidates = Candidates::Slots(found),
                None => check.words = Words::InNames(finders(words)),
            }
        }
        match candidates {
            Candidates::Slots(slots) => slots.filter(|slot| check.passes(slot)),
            // In the order of their slots, contacts are looked at without a jump from one to the next.
            Candidates::Stretch(Stretch { len, .. }) if len == self.len() => {
                self.collect(self.records.used_slots().filter(|&slot| check.passes(slot)), len)
            }
            Candidates::Stretch(Stretch { order, range, len, keys: _ }) => {
                self.collect(order.iter_range(range).filter(|&slot| check.passes(slot)), len)
            }
        }
    }

    /// The contacts that the narrowest filter on exact values may let through, if there is one.
    fn by_keys(&self, filter: &Filter) -> Option<Vec<u32>> {
        let Filter {
            ids,
            names,
            search: _,
            emails,
            phones,
            external_ids,
            disabled: _,
            updated_after: _,
            updated_before: _,
            created_after: _,
            created_before: _,
            id_after: _,
            id_before: _,
        } = filter;
        let keys = [(Kind::Name, names), (Kind::Email, emails), (Kind::Phone, phones), (Kind::ExternalId, external_ids)];
        let narrowest = keys
            .into_iter()
            .filter_map(|(kind, values)| {
                let hashes: Vec<u32> = values.as_ref()?.iter().map(|value| self.hasher.hash(kind, value.as_bytes())).collect();
                Some((hashes.iter().map(|&hash| self.keys.count(hash)).sum::<usize>(), hashes))
            })
            .min_by_key(|(count, _)| *count);
        let mut slots: Vec<u32> = match (ids, narrowest) {
            (Some(ids), narrowest) if narrowest.as_ref().is_none_or(|(count, _)| ids.len() <= *count) => {
                ids.iter().filter_map(|id| self.slot_of(*id)).collect()
            }
            (_, Some((count, hashes))) => {
                let mut slots = Vec::with_capacity(count);
                hashes.iter().for_each(|&hash| self.keys.for_each(hash, |slot| slots.push(slot)));
                slots
            }
            (_, None) => return None,
        };
        slots.sort_unstable();
        slots.dedup();
        Some(slots)
    }

    /// The contacts that have all of these words, if the dictionary tells anything of them.
    fn search(&self, words: &[&str]) -> Option<Slots> {
        // A word that became several when it was folded, as U+FDFA does, occurs only where all of these do; the name has to be looked at.
        let parts = words.iter().flat_map(|word| word.split(' ')).filter(|part| !part.is_empty());
        let mut found: Vec<_> = parts.map(|part| (part, self.dictionary.find(part.as_bytes()))).collect();
        found.sort_by_key(|(_, found)| found.postings);
        let bound = self.records.slots();
        let mut found = found.into_iter();
        let mut slots = self.dictionary.contacts(&found.next()?.1, bound);
        for (part, found) in found {
            if slots.len() * NAMES < found.postings {
                let part = finders([part]);
                slots = slots.filter(|slot| names_have(self.records.record(slot), &part));
            } else {
                let (mut bits, others) = (slots.into_bits(bound), self.dictionary.contacts(&found, bound).into_bits(bound));
                bits.intersect(&others);
                slots = Slots::Many(bits);
            }
        }
        let spaced: Vec<&str> = words.iter().copied().filter(|word| word.contains(' ')).collect();
        if !spaced.is_empty() {
            let spaced = finders(spaced);
            slots = slots.filter(|slot| names_have(self.records.record(slot), &spaced));
        }
        Some(slots)
    }
}

/// The words without those that every name has which has the others.
fn telling(words: &[String]) -> Vec<&str> {
    let mut longest_first: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
    longest_first.sort_by_key(|word| Reverse(word.len()));
    let mut telling: Vec<&str> = Vec::new();
    for word in longest_first {
        if !telling.iter().any(|longer| longer.contains(word)) {
            telling.push(word);
        }
    }
    telling
}
