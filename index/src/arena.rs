//! Many small records in few allocations, without headers, kept dense.
//!
//! Records lie one after another in pages, so that a search walks memory in one direction. A record belongs to an owner, who knows
//! its place; when a page has lost a quarter of its bytes, the rest moves to the open page and the owners are told. So the whole is
//! never copied at once, and garbage stays below a third of what is alive, whatever is replaced how often.

use std::mem;

/// Owner of a record that was removed.
pub(super) const NOBODY: u32 = u32::MAX;

/// How many bits of a place number the record within its page; the others number the page.
const RECORD_BITS: u32 = 12;

/// Where a record lies, until it is removed or its owner is told of another place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u32);

impl Place {
    fn new(page: usize, record: usize) -> Self {
        let page = u32::try_from(page).ok().filter(|page| page >> (32 - RECORD_BITS) == 0).expect("pages fill no 64 GB");
        Self(page << RECORD_BITS | record as u32)
    }

    const fn page(self) -> usize {
        (self.0 >> RECORD_BITS) as usize
    }

    const fn record(self) -> usize {
        (self.0 & ((1 << RECORD_BITS) - 1)) as usize
    }
}

/// A growing and shrinking collection of byte records.
#[derive(Clone, Debug)]
pub(super) struct Arena {
    pages: Vec<Page>,
    /// The page that takes new records.
    open: usize,
    /// Numbers of pages without records, to be used again.
    vacant: Vec<u32>,
    page_bytes: usize,
}

/// Records one after another, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    /// The records, removed ones too.
    pub bytes: Vec<u8>,
    /// Where each record starts; it ends where the next one starts.
    pub starts: Vec<u16>,
    /// Whose each record is, or [`NOBODY`]'s.
    pub owners: Vec<u32>,
    garbage: usize,
}

impl Page {
    /// Where the record that has this number ends.
    pub fn end(&self, record: usize) -> usize {
        self.starts.get(record + 1).map_or(self.bytes.len(), |&start| usize::from(start))
    }

    fn record(&self, record: usize) -> &[u8] {
        &self.bytes[usize::from(self.starts[record])..self.end(record)]
    }

    const fn is_sparse(&self) -> bool {
        self.garbage * 4 > self.bytes.len()
    }

    fn shrink_to_fit(&mut self) {
        self.bytes.shrink_to_fit();
        self.starts.shrink_to_fit();
        self.owners.shrink_to_fit();
    }

    fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.starts.capacity() * size_of::<u16>() + self.owners.capacity() * size_of::<u32>()
    }
}

impl Arena {
    /// An arena with pages of this size, at most 64 KiB. A greater record gets a page of its own.
    pub fn new(page_bytes: usize) -> Self {
        Self { pages: vec![Page::default()], open: 0, vacant: Vec::new(), page_bytes: page_bytes.min(1 << 16) }
    }

    /// Adds a record, which must not be empty. `moved` is told of each record that changes its place.
    pub fn push(&mut self, owner: u32, record: &[u8], mut moved: impl FnMut(u32, Place)) -> Place {
        let (place, closed) = self.append(owner, record);
        if let Some(closed) = closed {
            self.settle(closed, &mut moved);
        }
        place
    }

    /// The record at this place.
    pub fn get(&self, place: Place) -> &[u8] {
        self.pages[place.page()].record(place.record())
    }

    /// Removes the record at this place. `moved` is told of each record that changes its place.
    pub fn remove(&mut self, place: Place, mut moved: impl FnMut(u32, Place)) {
        let page = &mut self.pages[place.page()];
        page.garbage += page.record(place.record()).len();
        page.owners[place.record()] = NOBODY;
        if place.page() != self.open && page.is_sparse() {
            self.settle(place.page(), &mut moved);
        }
    }

    /// Gives back what the last page has in reserve.
    pub fn shrink_to_fit(&mut self) {
        self.pages[self.open].shrink_to_fit();
        self.pages.shrink_to_fit();
    }

    /// Bytes on the heap.
    pub fn memory_bytes(&self) -> usize {
        self.pages.capacity() * size_of::<Page>()
            + self.vacant.capacity() * size_of::<u32>()
            + self.pages.iter().map(Page::memory_bytes).sum::<usize>()
    }

    fn has_room(&self, len: usize) -> bool {
        let page = &self.pages[self.open];
        page.bytes.is_empty() || (page.bytes.len() + len <= self.page_bytes && page.owners.len() < 1 << RECORD_BITS)
    }

    fn open_page(&mut self) {
        self.open = self.vacant.pop().map_or(self.pages.len(), |page| page as usize);
        if self.open == self.pages.len() {
            if self.pages.len() == self.pages.capacity() {
                self.pages.reserve_exact(1 + self.pages.len() / 8);
            }
            self.pages.push(Page::default());
        }
    }

    /// Adds a record to the open page, or closes that page and adds it to another.
    fn append(&mut self, owner: u32, record: &[u8]) -> (Place, Option<usize>) {
        debug_assert!(!record.is_empty(), "an empty record would have no place of its own");
        let closed = (!self.has_room(record.len())).then_some(self.open);
        if closed.is_some() {
            self.open_page();
        }
        let page = &mut self.pages[self.open];
        let start = u16::try_from(page.bytes.len()).expect("a page with room is shorter than 64 KiB");
        page.bytes.extend_from_slice(record);
        page.starts.push(start);
        page.owners.push(owner);
        (Place::new(self.open, page.owners.len() - 1), closed)
    }

    /// Empties a closed page when it holds too much garbage, and gives back its reserve otherwise.
    fn settle(&mut self, number: usize, moved: &mut impl FnMut(u32, Place)) {
        if !self.pages[number].is_sparse() {
            self.pages[number].shrink_to_fit();
            return;
        }
        let page = mem::take(&mut self.pages[number]);
        self.vacant.push(number as u32);
        for (record, &owner) in page.owners.iter().enumerate() {
            if owner == NOBODY {
                continue;
            }
            let (place, closed) = self.append(owner, page.record(record));
            moved(owner, place);
            // This goes no deeper than one more page: the one that is open now has no garbage.
            if let Some(closed) = closed {
                self.settle(closed, moved);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_keep_their_bytes_while_others_come_and_go() {
        let mut arena = Arena::new(64);
        let mut places: Vec<Option<Place>> = vec![None; 40];
        let bytes = |owner: usize, round: usize| vec![owner as u8; 1 + (owner * 7 + round * 3) % 30];

        for round in 0..200 {
            let owner = round * 17 % 40;
            if let Some(place) = places[owner].take() {
                arena.remove(place, |moved, place| places[moved as usize] = Some(place));
            }
            let place = arena.push(owner as u32, &bytes(owner, round), |moved, place| places[moved as usize] = Some(place));
            places[owner] = Some(place);

            for (owner, place) in places.iter().enumerate().filter_map(|(owner, place)| Some((owner, (*place)?))) {
                assert!(arena.get(place).iter().all(|&byte| byte == owner as u8), "{owner} after {round}");
            }
        }
    }

    #[test]
    fn a_record_that_is_replaced_again_and_again_takes_no_more_memory() {
        let mut arena = Arena::new(256);
        let mut place = arena.push(0, b"at first", |_, _| {});
        let mut most = 0;

        for round in 0..10_000 {
            arena.remove(place, |_, _| {});
            place = arena.push(0, b"and then", |_, moved| panic!("removed, but moved to {moved:?}"));
            most = if round < 1_000 { most.max(arena.memory_bytes()) } else { most };
        }

        assert!(arena.memory_bytes() <= most);
    }

    #[test]
    fn pages_that_keep_one_record_each_are_joined() {
        let mut arena = Arena::new(256);
        let mut places = vec![];
        for owner in 0..500 {
            for round in 0..40 {
                let place = arena.push(owner, b"16 bytes of text", |owner, place| places[owner as usize] = place);
                if round == 0 {
                    places.push(place);
                } else {
                    let former = std::mem::replace(&mut places[owner as usize], place);
                    arena.remove(former, |owner, place| places[owner as usize] = place);
                }
            }
        }

        assert!(arena.pages.iter().map(|page| page.bytes.len()).sum::<usize>() < 500 * 16 * 3 / 2);
    }

    #[test]
    fn a_record_greater_than_a_page_is_kept_whole() {
        let mut arena = Arena::new(64);
        let small = arena.push(0, b"small", |_, _| {});
        let great = arena.push(1, &[7; 100_000], |_, _| {});
        let after = arena.push(2, b"after", |_, _| {});

        assert_eq!(arena.get(small), b"small");
        assert_eq!(arena.get(great), [7; 100_000]);
        assert_eq!(arena.get(after), b"after");
    }
}
