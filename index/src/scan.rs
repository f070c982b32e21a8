//! Reading a whole log with several readers, wherever its entries are.
//!
//! How the entries are spread over time is not known, and a bulk import puts most of them into one minute. So a reader that has
//! nothing to do takes half of the widest part that is left: an empty half costs one small request, and the next half is taken
//! from what remains.

use crate::log::{LogPosition, LogRange, ReadId};
use crate::timestamp::Timestamp;

/// How far beyond the reader's clock the bulk of the log is expected to end, in milliseconds.
const AHEAD_MS: i64 = 60 * 60 * 1_000;

/// What is left to read of a log.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    parts: Vec<Part>,
    /// The stamp after which hardly an entry is expected.
    end: Timestamp,
    /// How many pages were answered.
    pages: u32,
}

#[derive(Clone, Debug)]
struct Part {
    range: LogRange,
    position: Option<LogPosition>,
    read: Option<ReadId>,
}

impl Part {
    /// The stamps that are left: all before the first of them were read.
    fn left(&self) -> LogRange {
        LogRange { from: self.position.as_ref().map_or(self.range.from, |position| position.updated_at), to: self.range.to }
    }
}

impl Scan {
    /// A scan of a whole log that starts at `now`.
    pub fn new(now: Timestamp) -> Self {
        Self::of(LogRange::ALL, now)
    }

    /// A scan of what has stamps of `from` and later, which starts at `now`.
    pub fn since(from: Timestamp, now: Timestamp) -> Self {
        Self::of(LogRange::since(from), now)
    }

    fn of(range: LogRange, now: Timestamp) -> Self {
        Self { parts: vec![Part { range, position: None, read: None }], end: now.plus_millis(AHEAD_MS), pages: 0 }
    }

    /// Whether nothing is left to read.
    pub fn is_done(&self) -> bool {
        self.parts.is_empty()
    }

    /// How many pages were answered.
    pub const fn pages(&self) -> u32 {
        self.pages
    }

    /// The next read, which is `id` from now on; nothing when the reads under way are all there is to do now.
    pub fn next(&mut self, id: ReadId) -> Option<(LogRange, Option<LogPosition>)> {
        let idle = self.parts.iter().position(|part| part.read.is_none());
        let part = idle.or_else(|| self.split())?;
        let part = &mut self.parts[part];
        part.read = Some(id);
        Some((part.range, part.position.clone()))
    }

    /// Takes note of an answer.
    pub fn answered(&mut self, id: ReadId, next: Option<LogPosition>) {
        let Some(at) = self.parts.iter().position(|part| part.read == Some(id)) else { return };
        self.pages += 1;
        let part = &mut self.parts[at];
        part.read = None;
        part.position = next;
        // The part may have been cut while it was read.
        if part.position.as_ref().is_none_or(|position| position.updated_at > part.range.to) {
            self.parts.swap_remove(at);
        }
    }

    /// Takes note that a read was not answered: it is to be done again.
    pub fn failed(&mut self, id: ReadId) {
        self.parts.iter_mut().filter(|part| part.read == Some(id)).for_each(|part| part.read = None);
    }

    /// Takes note that nobody does the reads under way any more.
    pub fn abandon_reads(&mut self) {
        self.parts.iter_mut().for_each(|part| part.read = None);
    }

    /// Cuts the widest part in two, and says which is the new one.
    fn split(&mut self) -> Option<usize> {
        // A log that fits on one page costs one request.
        if self.pages == 0 {
            return None;
        }
        let end = self.end;
        let middle = |part: &Part| {
            let LogRange { from, to } = part.left();
            if to > end { from.max(end) } else { Timestamp::from_millis(from.millis().midpoint(to.millis())) }
        };
        let width = |part: &Part| part.left().to.min(end).millis().saturating_sub(part.left().from.millis());
        let widest = self.parts.iter_mut().filter(|part| part.left().from < part.left().to).max_by_key(|part| width(part))?;
        let middle = middle(widest);
        if middle >= widest.range.to {
            return None;
        }
        let upper = LogRange { from: middle.plus_millis(1), to: widest.range.to };
        widest.range.to = middle;
        self.parts.push(Part { range: upper, position: None, read: None });
        Some(self.parts.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    /// Reads a log of these ascending stamps with four readers, `page` entries at a time, and counts how often each entry was read.
    fn read(stamps: &[i64], page: usize, order: &[usize]) -> (Vec<u32>, usize) {
        let mut scan = Scan::new(Timestamp::from_millis(1_000_000));
        let (mut read, mut requests, mut turn) = (vec![0; stamps.len()], 0, 0);
        let mut under_way: VecDeque<(ReadId, LogRange, Option<LogPosition>)> = VecDeque::new();
        while !scan.is_done() {
            while under_way.len() < 4 {
                let id = ReadId(requests as u64);
                let Some((range, position)) = scan.next(id) else { break };
                under_way.push_back((id, range, position));
                requests += 1;
            }
            turn += 1;
            let chosen = order.get(turn % order.len().max(1)).copied().unwrap_or_default() % under_way.len();
            let (id, range, position) = under_way.remove(chosen).unwrap();
            if turn % 7 == 3 {
                scan.failed(id);
                continue;
            }
            let after = |number: usize| position.as_ref().is_none_or(|position| number > position.sort_key.parse().unwrap());
            let in_range = |number: usize| (range.from.millis()..=range.to.millis()).contains(&stamps[number]);
            let found: Vec<usize> = (0..stamps.len()).filter(|&number| in_range(number) && after(number)).collect();
            found.iter().take(page).for_each(|&number| read[number] += 1);
            let last = (found.len() >= page).then(|| found[page - 1]);
            let at =
                |number: usize| LogPosition { updated_at: Timestamp::from_millis(stamps[number]), sort_key: number.to_string() };
            scan.answered(id, last.map(at));
        }
        (read, requests)
    }

    proptest! {
        #[test]
        fn every_entry_is_read_wherever_the_entries_are(
            mut stamps in prop::collection::vec(prop_oneof![0..50_i64, 900_000..900_010_i64, -5..5_000_000_i64], 0..300),
            page in 1..40_usize,
            order in prop::collection::vec(0..4_usize, 1..20),
        ) {
            stamps.sort_unstable();
            let (read, _) = read(&stamps, page, &order);

            prop_assert!(read.iter().all(|&times| times > 0));
        }
    }

    #[test]
    fn a_log_of_one_page_costs_one_request() {
        assert_eq!(read(&[1, 2, 3], 5, &[0]), (vec![1, 1, 1], 1));
    }

    #[test]
    fn an_import_within_a_moment_costs_few_requests_more_than_it_has_pages() {
        let stamps: Vec<i64> = (0..10_000).map(|number| 500_000 + number / 100).collect();

        let (_, requests) = read(&stamps, 100, &[0, 3, 1, 2]);

        assert!(requests < 200, "{requests}");
    }
}
