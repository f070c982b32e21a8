//! A page cut out of a permanent order, by walking to it.

use std::ops::Range;

use super::ContactIndex;
use super::select::Page;
use crate::ordered::{Accepts, Ordered, Position};
use crate::sorting::{Direction, SortPlan};

/// A part of an order.
pub(super) struct Walk<'a> {
    pub index: &'a ContactIndex,
    pub order: &'a Ordered,
    pub range: Range<Position>,
    pub accepts: Accepts<'a>,
}

impl Walk<'_> {
    fn accepts(&self, slot: u32) -> bool {
        self.accepts.accepts(slot, &self.index.records)
    }

    /// How many contacts count between two positions.
    pub fn count(&self, range: Range<Position>) -> usize {
        match self.accepts {
            Accepts::Visible(visibility) => {
                let rank = |at| self.order.rank(at, visibility, |slot| self.index.records.class(slot));
                rank(range.end) - rank(range.start)
            }
            Accepts::Those(accepts) => self.order.iter_range(range).filter(|&slot| accepts(slot)).count(),
        }
    }

    /// The position of the contact that follows `n` others.
    fn nth(&self, n: usize) -> Position {
        match self.accepts {
            Accepts::Visible(visibility) => {
                let class_of = |slot| self.index.records.class(slot);
                let before = self.order.rank(self.range.start, visibility, class_of);
                self.order.nth(before + n, visibility, class_of)
            }
            Accepts::Those(accepts) => self.order.nth_accepted(self.range.start, n, accepts),
        }
    }

    /// The position of the contact that `n` others follow.
    fn nth_back(&self, n: usize) -> Position {
        match self.accepts {
            Accepts::Visible(visibility) => {
                let class_of = |slot| self.index.records.class(slot);
                let before_end = self.order.rank(self.range.end, visibility, class_of);
                self.order.nth(before_end.saturating_sub(n + 1), visibility, class_of)
            }
            Accepts::Those(accepts) => self.order.nth_accepted_back(self.range.end, n, accepts),
        }
    }

    fn from(&self, at: Position) -> impl Iterator<Item = u32> {
        self.order.iter_from(at).filter(|&slot| self.accepts(slot))
    }

    /// The contacts of a page, when `total` count in all.
    pub fn page(&self, plan: &SortPlan, page: Page, total: usize) -> Vec<u32> {
        let count = page.limit.min(total.saturating_sub(page.offset));
        let mut slots: Vec<u32> = Vec::with_capacity(count);
        match plan.direction {
            _ if count == 0 => {}
            Direction::Forward => slots.extend(self.from(self.nth(page.offset)).take(count)),
            Direction::Backward => {
                slots.extend(self.from(self.nth_back(page.offset + count - 1)).take(count));
                slots.reverse();
            }
            Direction::BackwardByGroups => {
                // Each group of contacts changed at the same time is walked forward. The first one may have contacts on earlier pages.
                let last = self.nth_back(page.offset);
                let mut skipped = self.count(last..self.group_end(last)) - 1;
                let mut next = Some(last);
                while slots.len() < count
                    && let Some(last) = next
                {
                    let start = self.group_start(last);
                    let end = self.group_end(last);
                    let group = self.order.iter_range(start..end).filter(|&slot| self.accepts(slot));
                    slots.extend(group.skip(skipped).take(count - slots.len()));
                    skipped = 0;
                    next = self.order.before(start);
                }
            }
        }
        slots
    }

    /// Where the contacts start that were changed at the same time as the one here.
    fn group_start(&self, at: Position) -> Position {
        let records = &self.index.records;
        let Some(time) = self.order.get(at).map(|slot| records.updated_at(slot)) else { return at };
        let mut start = at;
        // Most groups are small.
        for _ in 0..8 {
            match self.order.before(start) {
                Some(before) if self.order.get(before).is_some_and(|slot| records.updated_at(slot) == time) => start = before,
                _ => return start,
            }
        }
        self.order.partition_point(|slot| records.updated_at(slot) < time)
    }

    /// Where the contacts end that were changed at the same time as the one here.
    fn group_end(&self, at: Position) -> Position {
        let records = &self.index.records;
        let Some(time) = self.order.get(at).map(|slot| records.updated_at(slot)) else { return at };
        let mut end = self.order.after(at);
        for _ in 0..8 {
            match self.order.get(end) {
                Some(slot) if records.updated_at(slot) == time => end = self.order.after(end),
                _ => return end,
            }
        }
        self.order.partition_point(|slot| records.updated_at(slot) <= time)
    }
}
