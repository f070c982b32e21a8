//! The contacts that have a word or a key in common.
//!
//! Most words belong to one or two contacts, which are kept in place; some to many, which are an ascending list; and a few to a large
//! part of all, which are a bitmap, because a list of them would take long to insert into.

use crate::slots::Bits;

/// How many numbers are kept in place.
const FEW: usize = 3;

/// From this length on, a list becomes a bitmap if that is smaller.
const LONG: usize = if cfg!(test) { 8 } else { 4_096 };

/// A set of slots, 16 bytes large when it is small.
#[derive(Clone, Debug)]
pub(crate) enum Postings {
    /// So many of these, ascending.
    Few(u8, [u32; FEW]),
    List(Box<List>),
    Bits(Box<Bits>),
}

/// Slots, ascending.
#[derive(Clone, Debug, Default)]
pub(crate) struct List(Vec<u32>);

impl Default for Postings {
    fn default() -> Self {
        Self::Few(0, [0; FEW])
    }
}

impl Postings {
    /// How many slots there are.
    pub const fn len(&self) -> usize {
        match self {
            Self::Few(len, _) => *len as usize,
            Self::List(list) => list.0.len(),
            Self::Bits(bits) => bits.len(),
        }
    }

    /// Calls `visit` with each slot, ascending.
    pub fn for_each(&self, visit: impl FnMut(u32)) {
        match self {
            Self::Few(len, slots) => slots[..usize::from(*len)].iter().copied().for_each(visit),
            Self::List(list) => list.0.iter().copied().for_each(visit),
            Self::Bits(bits) => bits.iter().for_each(visit),
        }
    }

    /// Adds these slots to a bitmap.
    pub fn unite_into(&self, united: &mut Bits) {
        match self {
            Self::Bits(bits) => united.unite(bits),
            _ => self.for_each(|slot| {
                united.insert(slot);
            }),
        }
    }

    /// Adds a slot, if it is not there.
    pub fn insert(&mut self, slot: u32) {
        match self {
            Self::Few(len, slots) => {
                let Err(at) = slots[..usize::from(*len)].binary_search(&slot) else { return };
                if usize::from(*len) < FEW {
                    slots.copy_within(at..usize::from(*len), at + 1);
                    slots[at] = slot;
                    *len += 1;
                } else {
                    let mut list = Vec::with_capacity(FEW + 2);
                    list.extend_from_slice(slots);
                    list.insert(at, slot);
                    *self = Self::List(Box::new(List(list)));
                }
            }
            Self::List(list) => {
                let list = &mut list.0;
                // New contacts have new slots, most of the time.
                let at = if list.last() < Some(&slot) { Err(list.len()) } else { list.binary_search(&slot) };
                let Err(at) = at else { return };
                if list.len() == list.capacity() {
                    list.reserve_exact(2 + list.len() / 8);
                }
                list.insert(at, slot);
                let bound = list.last().map_or(0, |&last| last as usize);
                if list.len() >= LONG && list.len() * 32 > bound {
                    let mut bits = Bits::below(bound + 1);
                    bits.extend(list.iter().copied());
                    *self = Self::Bits(Box::new(bits));
                }
            }
            Self::Bits(bits) => {
                bits.insert(slot);
                self.leave_sparse_bits();
            }
        }
    }

    /// Removes a slot, if it is there.
    pub fn remove(&mut self, slot: u32) {
        match self {
            Self::Few(len, slots) => {
                let Ok(at) = slots[..usize::from(*len)].binary_search(&slot) else { return };
                slots.copy_within(at + 1..usize::from(*len), at);
                *len -= 1;
            }
            Self::List(list) => {
                let list = &mut list.0;
                let Ok(at) = list.binary_search(&slot) else { return };
                list.remove(at);
                if list.len() == FEW - 1 {
                    let mut slots = [0; FEW];
                    slots[..FEW - 1].copy_from_slice(list);
                    *self = Self::Few(FEW as u8 - 1, slots);
                } else if list.capacity() > 4 + list.len() * 4 / 3 {
                    list.shrink_to(2 + list.len() * 9 / 8);
                }
            }
            Self::Bits(bits) => {
                bits.remove(slot);
                self.leave_sparse_bits();
            }
        }
    }

    /// Goes back to a list when a bitmap is twice as large.
    fn leave_sparse_bits(&mut self) {
        if let Self::Bits(bits) = self
            && (bits.len() < LONG / 2 || bits.len() * 64 < bits.bound())
        {
            let list: Vec<u32> = bits.iter().collect();
            *self = Self::List(Box::new(List(list)));
        }
    }

    /// Gives back what was reserved for more slots.
    pub fn shrink_to_fit(&mut self) {
        if let Self::List(list) = self {
            list.0.shrink_to_fit();
        }
    }

    /// Bytes on the heap.
    pub fn memory_bytes(&self) -> usize {
        match self {
            Self::Few(..) => 0,
            Self::List(list) => size_of::<List>() + list.0.capacity() * size_of::<u32>(),
            Self::Bits(bits) => size_of::<Bits>() + bits.memory_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn postings_are_a_set_whatever_their_form(
            changes in prop::collection::vec((0..400_u32, prop::bool::weighted(0.7)), 0..600),
            spread in 1..40_u32,
        ) {
            let (mut postings, mut set) = (Postings::default(), BTreeSet::new());
            for (number, insert) in changes {
                let slot = number * spread;
                if insert {
                    postings.insert(slot);
                    set.insert(slot);
                } else {
                    postings.remove(slot);
                    set.remove(&slot);
                }
                prop_assert_eq!(postings.len(), set.len());
            }
            for slot in set.clone().into_iter().chain([3]) {
                let mut slots = vec![];
                postings.for_each(|slot| slots.push(slot));
                prop_assert_eq!(&slots, &set.iter().copied().collect::<Vec<_>>());
                let mut bits = Bits::default();
                postings.unite_into(&mut bits);
                prop_assert_eq!(bits.len(), set.len());
                postings.remove(slot);
                set.remove(&slot);
            }
            prop_assert_eq!(postings.memory_bytes(), 0);
        }
    }

    #[test]
    fn few_slots_take_sixteen_bytes() {
        assert_eq!(size_of::<Postings>(), 16);
    }
}
