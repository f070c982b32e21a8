//! A page cut out of an order, by walking to it.

use std::ops::Range;

use super::ContactIndex;
use super::select::Page;
use crate::ordered::{Ordered, Position, Visibility};
use crate::sorting::{Direction, SortPlan};

/// Which contacts of an order count.
pub(super) enum Accepts<'a> {
    /// The visible ones, which the order has counted.
    Visible(&'a Visibility),
    /// Those that this holds of.
    Those(&'a dyn Fn(u32) -> bool),
}

/// A part of an order.
pub(super) struct Walk<'a> {
    pub index: &'a ContactIndex,
    pub order: &'a Ordered,
    pub range: Range<Position>,
    pub accepts: Accepts<'a>,
}

impl Walk<'_> {
    fn accepts(&self, slot: u32) -> bool {
        match self.accepts {
            Accepts::Visible(visibility) => visibility.sees(self.index.records.class(slot)),
            Accepts::Those(accepts) => accepts(slot),
        }
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
                // Each group of equal keys is walked forward. The first one may have contacts on earlier pages.
                let last = self.nth_back(page.offset);
                let mut skipped = self.count(last..self.group_end(last, plan)) - 1;
                let mut next = Some(last);
                while slots.len() < count
                    && let Some(last) = next
                {
                    let start = self.group_start(last, plan);
                    let end = self.group_end(last, plan);
                    let group = self.order.iter_range(start..end).filter(|&slot| self.accepts(slot));
                    slots.extend(group.skip(skipped).take(count - slots.len()));
                    skipped = 0;
                    next = self.order.before(start);
                }
            }
        }
        slots
    }

    /// Where the contacts start that have the same keys as the one here.
    fn group_start(&self, at: Position, plan: &SortPlan) -> Position {
        let records = &self.index.records;
        let Some(member) = self.order.get(at) else { return at };
        let mut start = at;
        // Most groups are small.
        for _ in 0..8 {
            match self.order.before(start) {
                Some(before)
                    if self.order.get(before).is_some_and(|slot| records.compare_keys(slot, member, &plan.walked).is_eq()) =>
                {
                    start = before;
                }
                _ => return start,
            }
        }
        self.order.partition_point(|slot| records.compare_keys(slot, member, &plan.walked).is_lt())
    }

    /// Where the contacts end that have the same keys as the one here.
    fn group_end(&self, at: Position, plan: &SortPlan) -> Position {
        let records = &self.index.records;
        let Some(member) = self.order.get(at) else { return at };
        let mut end = self.order.after(at);
        for _ in 0..8 {
            match self.order.get(end) {
                Some(slot) if records.compare_keys(slot, member, &plan.walked).is_eq() => end = self.order.after(end),
                _ => return end,
            }
        }
        self.order.partition_point(|slot| records.compare_keys(slot, member, &plan.walked).is_le())
    }
}
