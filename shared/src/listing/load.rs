//! Loading a tenant's whole change log: as few requests as its size allows, several at a time.
//!
//! How the contacts are spread over time is not known, and a bulk import puts most of them into one minute. So the log is
//! cut in the middle, and each part is read from both ends until the two readers meet: wherever the contacts are, at least
//! two readers work on them, and what they read twice is a page at the most.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::future::try_join;

use crate::error::Error;
use crate::meter::Meter;
use crate::store::{LogPage, LogPosition, LogRange, Store};
use crate::timestamp::Timestamp;
use index::entry::IndexEntry;

/// A tenant's whole change log.
pub struct Loaded {
    /// Its entries, in no order; some can be there twice.
    pub entries: Vec<IndexEntry>,
    /// How many pages were read. More than one were not read at the same moment.
    pub pages: usize,
}

/// Reads the change log of `tenant`, `page_entries` at a time.
///
/// # Errors
///
/// [`Error::Unavailable`] and [`Error::Internal`], when any of the requests failed.
pub async fn load(store: &Store, meter: &Meter, tenant: &str, page_entries: u32) -> Result<Loaded, Error> {
    let log = Log { store, meter, tenant, page_entries, pages: AtomicUsize::new(0) };
    let always = LogRange { from: Timestamp::from_millis(i64::MIN), to: Timestamp::from_millis(i64::MAX) };
    let mut loaded = Loaded { entries: Vec::new(), pages: 0 };

    let oldest = log.page(always, false, None).await?;
    loaded.take(oldest.entries);
    let Some(above) = oldest.next else { return Ok(loaded) };
    let low = above.updated_at().unwrap_or(always.from);
    let newest = log.page(LogRange { from: low, ..always }, true, None).await?;
    loaded.take(newest.entries);

    if let Some(below) = newest.next
        && let high = below.updated_at().unwrap_or(always.to)
        && low <= high
    {
        let middle = Timestamp::from_millis(low.millis().midpoint(high.millis()));
        if low < middle {
            let lower = Part::new(low, middle);
            let upper = Part::new(middle.plus_millis(1), high);
            let (one, other) = try_join(lower.read(&log, Some(above), None), upper.read(&log, None, Some(below))).await?;
            one.into_iter().chain(other).for_each(|entries| loaded.take(entries));
        } else {
            let rest = Part::new(low, high).read(&log, Some(above), Some(below)).await?;
            rest.into_iter().for_each(|entries| loaded.take(entries));
        }
    }
    Ok(loaded)
}

impl Loaded {
    fn take(&mut self, entries: Vec<IndexEntry>) {
        self.entries.extend(entries);
        self.pages += 1;
    }
}

struct Log<'a> {
    store: &'a Store,
    meter: &'a Meter,
    tenant: &'a str,
    page_entries: u32,
    /// How many pages all readers together have got.
    pages: AtomicUsize,
}

impl Log<'_> {
    /// One page. A large tenant is more than a partition gives in a second, so its readers get throttled by what they do themselves:
    /// a page that DynamoDB refuses is asked for again as long as other pages came since it did so before.
    async fn page(&self, range: LogRange, descending: bool, position: Option<LogPosition>) -> Result<LogPage, Error> {
        let mut pages_at_last_failure = 0;
        loop {
            let page =
                self.store.change_log(self.meter, self.tenant, range, descending, position.clone(), self.page_entries).await;
            match page {
                Err(Error::Unavailable(source)) => {
                    let pages = self.pages.load(Ordering::Relaxed);
                    if pages == pages_at_last_failure {
                        return Err(Error::Unavailable(source));
                    }
                    pages_at_last_failure = pages;
                }
                page => {
                    self.pages.fetch_add(1, Ordering::Relaxed);
                    return page;
                }
            }
        }
    }
}

/// A part of the log that two readers read towards each other.
struct Part {
    /// The moments between which something is left: at either, some entries can be read already.
    left: Mutex<LogRange>,
}

impl Part {
    fn new(from: Timestamp, to: Timestamp) -> Self {
        Self { left: Mutex::new(LogRange { from, to }) }
    }

    async fn read(
        &self,
        log: &Log<'_>,
        low: Option<LogPosition>,
        high: Option<LogPosition>,
    ) -> Result<Vec<Vec<IndexEntry>>, Error> {
        let (mut pages, others) =
            try_join(self.read_from_one_end(log, false, low), self.read_from_one_end(log, true, high)).await?;
        pages.extend(others);
        Ok(pages)
    }

    async fn read_from_one_end(
        &self,
        log: &Log<'_>,
        descending: bool,
        mut position: Option<LogPosition>,
    ) -> Result<Vec<Vec<IndexEntry>>, Error> {
        let mut pages = Vec::new();
        loop {
            let range = *self.left();
            // The other reader has come by.
            if range.from > range.to {
                return Ok(pages);
            }
            let page = log.page(range, descending, position).await?;
            position = page.next;
            let reached = position.as_ref().and_then(LogPosition::updated_at);
            pages.push(page.entries);

            let mut left = self.left();
            let (from, to) = (left.from, left.to);
            *left = match reached {
                // All of the range was read, and the other reader has read what is not in it.
                _ if position.is_none() => LogRange { from: Timestamp::from_millis(1), to: Timestamp::from_millis(0) },
                Some(reached) if descending => LogRange { from, to: to.min(reached) },
                Some(reached) => LogRange { from: from.max(reached), to },
                None => LogRange { from, to },
            };
        }
    }

    fn left(&self) -> MutexGuard<'_, LogRange> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
