//! Orders that lists asked for, kept for the next ones.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ContactIndex;
use crate::query::SortKey;
use crate::rough::RoughOrder;

/// How many orders beside the permanent ones are kept.
pub(super) const ORDERS: usize = 6;

/// The kept orders of an index. They are locked only to look and to leave, never while something is computed.
#[derive(Debug, Default)]
pub(super) struct KeptOrders(Mutex<Kept>);

impl KeptOrders {
    pub fn lock(&self) -> MutexGuard<'_, Kept> {
        // Nothing in there is ever half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn get_mut(&mut self) -> &mut Kept {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

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
}

impl Kept {
    /// The order by these keys, which is the last used one from now on.
    pub fn order(&mut self, keys: &[SortKey]) -> Option<SharedOrder> {
        let at = self.orders.iter().position(|kept| kept.keys == keys)?;
        self.orders[at..].rotate_left(1);
        self.orders.last().map(|kept| kept.order.clone())
    }

    /// Keeps an order, in place of the one that was not used for longest when there are many.
    pub fn keep(&mut self, keys: &[SortKey], order: &SharedOrder) {
        if self.order(keys).is_some() {
            return;
        }
        if self.orders.len() == ORDERS {
            self.orders.remove(0);
        }
        self.orders.push(KeptOrder { keys: keys.to_vec(), order: order.clone() });
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
