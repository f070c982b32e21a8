//! Orders that lists asked for, kept for the next ones.

use std::sync::Arc;

use super::ContactIndex;
use crate::ordered::Ordered;
use crate::query::SortKey;

/// How many orders beside the permanent ones are kept.
pub(super) const ORDERS: usize = 6;

/// How many contacts may move in a kept order that no list uses meanwhile, besides a share of all, before it is dropped.
const MOVES: usize = 64;

/// Kept orders, the last used one at the end.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub orders: Vec<KeptOrder>,
    /// The keys of orders that were asked for once and not made, the last ones at the end.
    asked: Vec<Vec<SortKey>>,
}

/// An order that a list asked for.
#[derive(Debug)]
pub(super) struct KeptOrder {
    pub keys: Vec<SortKey>,
    pub order: Arc<Ordered>,
    /// How many contacts came, went or moved since a list used it.
    pub moves: usize,
}

impl Kept {
    /// Drops the orders in which so many contacts have moved that sorting anew, if anybody asks, is no more work than going on.
    pub fn drop_unused(&mut self, contacts: usize) {
        self.orders.retain(|kept| kept.moves <= MOVES + contacts / 64);
    }

    /// The order by these keys, which is the last used one from now on.
    pub fn order(&mut self, keys: &[SortKey]) -> Option<Arc<Ordered>> {
        let at = self.orders.iter().position(|kept| kept.keys == keys)?;
        self.orders[at..].rotate_left(1);
        self.orders.last_mut().map(|kept| {
            kept.moves = 0;
            Arc::clone(&kept.order)
        })
    }

    /// Whether an order by these keys was asked for before. It was, from now on.
    pub fn is_asked_again(&mut self, keys: &[SortKey]) -> bool {
        let was_asked = self.asked.iter().any(|asked| asked == keys);
        if !was_asked {
            if self.asked.len() == ORDERS {
                self.asked.remove(0);
            }
            self.asked.push(keys.to_vec());
        }
        was_asked
    }

    /// Keeps an order, in place of the one that was not used for longest when there are many.
    pub fn keep(&mut self, keys: &[SortKey], order: &Arc<Ordered>) {
        if self.order(keys).is_some() {
            return;
        }
        if self.orders.len() == ORDERS {
            self.orders.remove(0);
        }
        self.orders.push(KeptOrder { keys: keys.to_vec(), order: Arc::clone(order), moves: 0 });
    }

    /// Bytes on the heap.
    pub fn memory_bytes(&self) -> usize {
        let orders =
            self.orders.iter().map(|kept| size_of_val(&kept.keys[..]) + size_of::<Ordered>() + kept.order.memory_bytes());
        let asked = self.asked.iter().map(|keys| size_of_val(&keys[..])).sum::<usize>();
        self.orders.capacity() * size_of::<KeptOrder>()
            + self.asked.capacity() * size_of::<Vec<SortKey>>()
            + orders.sum::<usize>()
            + asked
    }
}

impl ContactIndex {
    /// Gives up everything that only makes further lists faster: the orders of earlier ones.
    pub fn release_memory(&self) {
        *self.kept() = Kept::default();
    }
}
