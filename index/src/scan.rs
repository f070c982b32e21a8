//! Reading a log with several readers, wherever its entries are.
//!
//! How the entries are spread over time is not known: a bulk import puts most of them into one minute. A page tells how much time a page
//! takes around there. So a reader that has nothing to do skips as many pages of the fullest part as were read of the log so far, and
//! reads on from there; of a part that is expected to be shorter than twice that, it takes the second half. A log of few pages costs few
//! requests more than it has pages, and the readers of a large one soon are far from each other.

use crate::log::{LogPosition, LogRange, ReadId};
use crate::timestamp::Timestamp;

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
    /// From the first to the last stamp of the page before the position, in milliseconds.
    page_ms: i64,
    read: Option<ReadId>,
}

impl Part {
    const fn new(range: LogRange) -> Self {
        Self { range, position: None, page_ms: 1, read: None }
    }

    /// Where the reads to come are expected to begin, after the one under way, and how many pages are expected from there to `end`. Of a
    /// part without a page nothing is known.
    fn rest(&self, end: Timestamp) -> Option<(Timestamp, i64)> {
        let under_way = if self.read.is_some() { self.page_ms } else { 0 };
        let start = self.position.as_ref()?.updated_at.plus_millis(under_way);
        Some((start, self.range.to.min(end).millis().saturating_sub(start.millis()) / self.page_ms))
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
        Self { parts: vec![Part::new(range)], end: now, pages: 0 }
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

    /// Takes note of an answer: the stamp of its first entry, and where the next page starts.
    pub fn answered(&mut self, id: ReadId, first: Option<Timestamp>, next: Option<LogPosition>) {
        let Some(at) = self.parts.iter().position(|part| part.read == Some(id)) else { return };
        self.pages += 1;
        let part = &mut self.parts[at];
        part.read = None;
        // The part may have been cut while it was read.
        let Some(next) = next.filter(|next| next.updated_at <= part.range.to) else {
            self.parts.swap_remove(at);
            return;
        };
        let first = first.unwrap_or(next.updated_at);
        part.page_ms = next.updated_at.millis().saturating_sub(first.millis()).max(1);
        part.position = Some(next);
    }

    /// Takes note that a read was not answered: it is to be done again.
    pub fn failed(&mut self, id: ReadId) {
        self.parts.iter_mut().filter(|part| part.read == Some(id)).for_each(|part| part.read = None);
    }

    /// Takes note that nobody does the reads under way any more.
    pub fn abandon_reads(&mut self) {
        self.parts.iter_mut().for_each(|part| part.read = None);
    }

    /// Cuts the part in two that is expected to have the most pages left, and says which is the new one.
    fn split(&mut self) -> Option<usize> {
        let rests = (0..).zip(&self.parts).filter_map(|(at, part)| Some((at, part.rest(self.end)?)));
        let (at, (start, pages)) = rests.max_by_key(|(_, (_, pages))| *pages).filter(|(_, (_, pages))| *pages >= 2)?;
        let part: &mut Part = &mut self.parts[at];
        let skipped = (pages / 2).min(i64::from(self.pages));
        let middle = start.plus_millis(part.page_ms.saturating_mul(skipped));
        if middle >= part.range.to {
            return None;
        }
        let upper = LogRange { from: middle.plus_millis(1), to: part.range.to };
        part.range.to = middle;
        self.parts.push(Part::new(upper));
        Some(self.parts.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    /// What reading a log took.
    struct Taken {
        /// How often each entry was read.
        read: Vec<u32>,
        requests: usize,
        /// How many reads were under way on average.
        parallel: f64,
    }

    /// Reads a log of these ascending stamps with four readers, `page` entries at a time. They are answered in this order, and of seven one
    /// is not, if `some_fail`.
    fn read(stamps: &[i64], page: usize, order: &[usize], some_fail: bool) -> Taken {
        let mut scan = Scan::new(Timestamp::from_millis(1_000_000));
        let (mut read, mut requests, mut turn, mut under_ways) = (vec![0; stamps.len()], 0, 0, 0);
        let mut under_way: VecDeque<(ReadId, LogRange, Option<LogPosition>)> = VecDeque::new();
        while !scan.is_done() {
            while under_way.len() < 4 {
                let id = ReadId(requests as u64);
                let Some((range, position)) = scan.next(id) else { break };
                under_way.push_back((id, range, position));
                requests += 1;
            }
            turn += 1;
            under_ways += under_way.len();
            let chosen = order.get(turn % order.len().max(1)).copied().unwrap_or_default() % under_way.len();
            let (id, range, position) = under_way.remove(chosen).unwrap();
            if some_fail && turn % 7 == 3 {
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
            let first = found.first().map(|&number| Timestamp::from_millis(stamps[number]));
            scan.answered(id, first, last.map(at));
        }
        Taken { read, requests, parallel: under_ways as f64 / turn as f64 }
    }

    proptest! {
        #[test]
        fn every_entry_is_read_wherever_the_entries_are(
            mut stamps in prop::collection::vec(prop_oneof![0..50_i64, 900_000..900_010_i64, -5..5_000_000_i64], 0..300),
            page in 1..40_usize,
            order in prop::collection::vec(0..4_usize, 1..20),
        ) {
            stamps.sort_unstable();
            let taken = read(&stamps, page, &order, true);

            prop_assert!(taken.read.iter().all(|&times| times > 0));
        }
    }

    #[test]
    fn a_log_of_one_page_costs_one_request() {
        let taken = read(&[1, 2, 3], 5, &[0], false);

        assert_eq!((taken.read, taken.requests), (vec![1, 1, 1], 1));
    }

    #[test]
    fn requests_are_few_more_than_pages_and_soon_four_at_a_time() {
        const DAY: i64 = 86_400;
        let logs: [(&str, Vec<i64>); 6] = [
            ("evenly", (0..10_000).map(|number| number * 100).collect()),
            ("within a moment", (0..10_000).map(|number| 500_000 + number / 100).collect()),
            ("in the last moment", (0..10_000).map(|number| 999_000 + number / 10).collect()),
            (
                "first seldom, then often",
                (0..2_000).map(|number| number * 400).chain((0..8_000).map(|number| 900_000 + number)).collect(),
            ),
            ("first often, then seldom", (0..8_000).chain((0..2_000).map(|number| 9_000 + number * 400)).collect()),
            ("by day", (0..10_000).map(|number| number / 1_000 * DAY + number % 1_000 * 20).collect()),
        ];
        for (how, stamps) in logs {
            let taken = read(&stamps, 100, &[0], false);
            assert!(taken.requests <= 120, "{how}: {} requests for 100 pages", taken.requests);
            assert!(taken.parallel > 3.7, "{how}: {:.1} reads at a time", taken.parallel);
        }
    }

    #[test]
    fn a_few_pages_cost_hardly_more_requests() {
        for pages in 2..=8 {
            let stamps: Vec<i64> = (0..pages * 100 - 50).map(|number| 990_000 + number).collect();

            let taken = read(&stamps, 100, &[0], false);

            assert!(taken.requests <= pages as usize + 2, "{} requests for {pages} pages", taken.requests);
        }
    }
}
