//! The contacts that have a word or a key in common.
//!
//! Most words belong to one or two contacts, which are kept in place; some to many, which are an ascending list; and a few to so many
//! that a list would take long to insert into, which are a compressed bitmap.

use roaring::RoaringBitmap;

/// How many slots are kept in place.
const FEW: usize = 3;

/// From this length on, slots are a bitmap; a bitmap of a quarter of it is a list again.
const LONG: usize = if cfg!(test) { 8 } else { 1_024 };

/// Slots that share an array or a bitmap inside a compressed bitmap.
const CONTAINER: u32 = 1 << 16;

/// Bytes that such a container takes beside its slots.
const CONTAINER_BYTES: usize = 40;

/// A set of slots, 16 bytes large when it is small.
#[derive(Clone, Debug)]
pub(crate) enum Postings {
    /// So many of these, ascending.
    Few(u8, [u32; FEW]),
    List(Box<List>),
    Bits(Box<Long>),
}

/// Slots, ascending.
#[derive(Clone, Debug, Default)]
pub(crate) struct List(Vec<u32>);

/// Slots in a compressed bitmap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Long {
    slots: RoaringBitmap,
    len: usize,
}

impl Default for Postings {
    fn default() -> Self {
        Self::Few(0, [0; FEW])
    }
}

impl Postings {
    /// These slots, which are ascending and distinct.
    pub fn from_sorted(slots: &[u32]) -> Self {
        match slots.len() {
            len @ ..=FEW => {
                let mut few = [0; FEW];
                few[..len].copy_from_slice(slots);
                Self::Few(len as u8, few)
            }
            ..LONG => Self::List(Box::new(List(slots.to_vec()))),
            len => {
                let bits =
                    RoaringBitmap::from_sorted_iter(slots.iter().copied()).unwrap_or_else(|_| slots.iter().copied().collect());
                Self::Bits(Box::new(Long { slots: bits, len }))
            }
        }
    }

    /// How many slots there are.
    pub const fn len(&self) -> usize {
        match self {
            Self::Few(len, _) => *len as usize,
            Self::List(list) => list.0.len(),
            Self::Bits(bits) => bits.len,
        }
    }

    /// Calls `visit` with each slot, ascending.
    pub fn for_each(&self, visit: impl FnMut(u32)) {
        match self {
            Self::Few(len, slots) => slots[..usize::from(*len)].iter().copied().for_each(visit),
            Self::List(list) => list.0.iter().copied().for_each(visit),
            Self::Bits(bits) => bits.slots.iter().for_each(visit),
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
                    list.reserve_exact(2 + list.len() / 16);
                }
                list.insert(at, slot);
                if list.len() >= LONG {
                    let bits = Long { slots: list.iter().copied().collect(), len: list.len() };
                    *self = Self::Bits(Box::new(bits));
                }
            }
            Self::Bits(bits) => bits.len += usize::from(bits.slots.insert(slot)),
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
                if list.len() < FEW {
                    let mut slots = [0; FEW];
                    slots[..list.len()].copy_from_slice(list);
                    *self = Self::Few(list.len() as u8, slots);
                } else if list.capacity() > 4 + list.len() * 9 / 8 {
                    list.shrink_to(2 + list.len() * 17 / 16);
                }
            }
            Self::Bits(bits) => {
                bits.len -= usize::from(bits.slots.remove(slot));
                if bits.len <= LONG / 4 {
                    *self = Self::List(Box::new(List(bits.slots.iter().collect())));
                }
            }
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
            Self::Bits(bits) => {
                let containers = bits.slots.max().map_or(0, |last| last / CONTAINER + 1) as usize;
                // An array of 16 bits a slot has a reserve; a bitmap takes less than the array would.
                size_of::<Long>() + containers * CONTAINER_BYTES + (bits.len * 5 / 2).min(containers * CONTAINER as usize / 8)
            }
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
