//! Orders that lists asked for, kept for the next ones.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ContactIndex;
use crate::query::SortKey;
use crate::rough::RoughOrder;

/// How many orders beside the permanent ones are kept.
pub(super) const ORDERS: usize = 6;

/// How many contacts may move in a kept order that no list uses meanwhile, besides a share of all, before it is dropped.
const MOVES: usize = 64;

/// Kept orders, the last used one at the end.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub orders: Vec<KeptOrder>,
}

/// An order that lists make out further, one at a time.
#[derive(Clone, Debug)]
pub(super) struct SharedOrder(Arc<Mutex<RoughOrder>>);

impl SharedOrder {
    pub fn new(order: RoughOrder) -> Self {
        Self(Arc::new(Mutex::new(order)))
    }

    pub fn lock(&self) -> MutexGuard<'_, RoughOrder> {
        // An index in which a list panicked is given up.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An order that a list asked for.
#[derive(Debug)]
pub(super) struct KeptOrder {
    pub keys: Vec<SortKey>,
    pub order: SharedOrder,
    /// How many contacts came, went or moved since a list used it.
    pub moves: usize,
}

impl Kept {
    /// Drops the orders in which so many contacts have moved that sorting anew, if anybody asks, is no more work than going on.
    pub fn drop_unused(&mut self, contacts: usize) {
        self.orders.retain(|kept| kept.moves <= MOVES + contacts / 64);
    }

    /// The order by these keys, which is the last used one from now on.
    pub fn order(&mut self, keys: &[SortKey]) -> Option<SharedOrder> {
        let at = self.orders.iter().position(|kept| kept.keys == keys)?;
        self.orders[at..].rotate_left(1);
        self.orders.last_mut().map(|kept| {
            kept.moves = 0;
            kept.order.clone()
        })
    }

    /// Keeps an order, in place of the one that was not used for longest when there are many.
    pub fn keep(&mut self, keys: &[SortKey], order: &SharedOrder) {
        if self.order(keys).is_some() {
            return;
        }
        if self.orders.len() == ORDERS {
            self.orders.remove(0);
        }
        self.orders.push(KeptOrder { keys: keys.to_vec(), order: order.clone(), moves: 0 });
    }

    /// Bytes on the heap.
    pub fn memory_bytes(&self) -> usize {
        let order = |kept: &KeptOrder| {
            size_of_val(&kept.keys[..])
                + size_of::<Mutex<RoughOrder>>()
                + 2 * size_of::<usize>()
                + kept.order.lock().memory_bytes()
        };
        self.orders.capacity() * size_of::<KeptOrder>() + self.orders.iter().map(order).sum::<usize>()
    }
}

impl ContactIndex {
    /// Gives up everything that only makes further lists faster: the orders of earlier ones.
    pub fn release_memory(&self) {
        *self.kept() = Kept::default();
    }
}
