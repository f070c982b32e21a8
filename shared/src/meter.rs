//! What one call costs: DynamoDB requests, capacity units, and where its time went.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::types::ConsumedCapacity;

/// The meter of one call. Clones are the same meter.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    readings: Arc<Mutex<Readings>>,
    /// Whether a write was begun on this meter, or on this part of it.
    has_written: Arc<AtomicBool>,
}

/// What a [`Meter`] shows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Readings {
    /// Requests sent to DynamoDB, each try of a request that was tried again included.
    pub requests: u32,
    /// Tries of writes that were begun.
    pub writes: u32,
    /// Read and write capacity units that DynamoDB says were consumed.
    pub capacity: f64,
    /// Time during which at least one DynamoDB request was under way.
    pub database: Duration,
    /// Time spent in filtering, sorting and applying changes.
    pub index: Duration,
    /// Time from the first byte that was asked for of a snapshot to the index that was made of it.
    pub snapshot: Duration,
    /// Where the index came from that the call used, if it used one.
    pub index_use: Option<IndexUse>,
    /// What was counted, in the order of [`Count::ALL`].
    pub counts: [u64; Count::ALL.len()],
    under_way: u32,
    under_way_since: Option<Instant>,
}

/// Where a list's index came from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IndexUse {
    /// Its source.
    pub source: IndexSource,
    /// How long before the call the source had last been read to its end.
    pub age: Duration,
    /// Bytes that the index takes.
    pub bytes: usize,
    /// Bytes of the snapshot that were read.
    pub snapshot_bytes: u64,
}

/// What an index was made of in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexSource {
    /// It was there, and was brought up to date.
    Memory,
    /// A snapshot, and the change log since.
    Snapshot,
    /// The whole change log.
    Log,
}

/// What happens so rarely that each time is worth a metric. A further one is a line here and one in each match below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// A change that a read of its contact showed, and that the change log had not shown within the long overlap.
    LateEntries,
    /// A list that was refused because its index takes more memory than there is.
    ListsRefused,
    /// A snapshot that was not used because something about it was in doubt.
    SnapshotsIgnored,
    /// A snapshot that was built.
    SnapshotsBuilt,
    /// A snapshot that could not be built.
    SnapshotsFailed,
}

impl Count {
    /// Every count.
    pub const ALL: [Self; 5] =
        [Self::LateEntries, Self::ListsRefused, Self::SnapshotsIgnored, Self::SnapshotsBuilt, Self::SnapshotsFailed];

    /// The name of the metric.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LateEntries => "lateEntries",
            Self::ListsRefused => "listsRefused",
            Self::SnapshotsIgnored => "snapshotsIgnored",
            Self::SnapshotsBuilt => "snapshotsBuilt",
            Self::SnapshotsFailed => "snapshotsFailed",
        }
    }
}

impl Meter {
    /// What the meter shows now.
    pub fn readings(&self) -> Readings {
        *self.lock()
    }

    /// The same meter for one part of the call, which has begun no write yet.
    #[must_use]
    pub fn part(&self) -> Self {
        Self { readings: Arc::clone(&self.readings), has_written: Arc::default() }
    }

    /// Whether a try of a write was begun on this meter itself, or on this part.
    pub fn has_written(&self) -> bool {
        self.has_written.load(Ordering::Relaxed)
    }

    /// Adds the capacity that one DynamoDB response says was consumed.
    pub fn consumed<'a>(&self, capacity: impl IntoIterator<Item = &'a ConsumedCapacity>) {
        let units: f64 = capacity.into_iter().filter_map(ConsumedCapacity::capacity_units).sum();
        self.lock().capacity += units;
    }

    /// Takes note that a try of a write begins.
    pub fn write_begins(&self) {
        self.lock().writes += 1;
        self.has_written.store(true, Ordering::Relaxed);
    }

    /// Counts something that is a metric of its own.
    pub fn count(&self, count: Count, number: u64) {
        self.lock().counts[count as usize] += number;
    }

    /// Takes note of where the index came from.
    pub fn index_used(&self, index_use: IndexUse) {
        self.lock().index_use = Some(index_use);
    }

    /// Runs `loading` on the snapshot's clock.
    pub async fn snapshot<T>(&self, loading: impl Future<Output = T>) -> T {
        let start = Instant::now();
        let result = loading.await;
        self.lock().snapshot += start.elapsed();
        result
    }

    /// Runs `request`, a DynamoDB request or several, on the database's clock.
    pub async fn database<T>(&self, request: impl Future<Output = T>) -> T {
        let _under_way = UnderWay::start(self);
        request.await
    }

    /// Runs `computing` on the index's clock.
    pub fn index<T>(&self, computing: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = computing();
        self.lock().index += start.elapsed();
        result
    }

    /// Counts every try of one SDK request.
    pub fn request_counter(&self) -> impl Intercept + 'static {
        RequestCounter(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Readings> {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the database's clock also when the request's future is dropped.
struct UnderWay<'a>(&'a Meter);

impl<'a> UnderWay<'a> {
    fn start(meter: &'a Meter) -> Self {
        let mut readings = meter.lock();
        readings.under_way += 1;
        readings.under_way_since.get_or_insert_with(Instant::now);
        Self(meter)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut readings = self.0.lock();
        readings.under_way -= 1;
        if readings.under_way == 0
            && let Some(since) = readings.under_way_since.take()
        {
            readings.database += since.elapsed();
        }
    }
}

#[derive(Debug)]
struct RequestCounter(Meter);

impl Intercept for RequestCounter {
    fn name(&self) -> &'static str {
        "RequestCounter"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.lock().requests += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_at_the_same_time_count_their_time_once() {
        let meter = Meter::default();

        let first = UnderWay::start(&meter);
        let second = UnderWay::start(&meter);
        drop(first);
        assert_eq!(meter.readings().database, Duration::ZERO);
        drop(second);

        assert!(meter.readings().database > Duration::ZERO);
        assert_eq!(meter.readings().under_way, 0);
    }

    #[test]
    fn every_count_has_its_place() {
        for (place, count) in Count::ALL.into_iter().enumerate() {
            let meter = Meter::default();

            meter.count(count, 3);

            assert_eq!(meter.readings().counts[place], 3, "{}", count.name());
        }
    }

    #[test]
    fn a_part_counts_for_the_whole_and_knows_its_own_writes() {
        let meter = Meter::default();
        let (idle, busy) = (meter.part(), meter.part());

        busy.write_begins();

        assert_eq!(meter.readings().writes, 1);
        assert!(busy.has_written() && !idle.has_written());
    }

    #[test]
    fn capacity_of_all_responses_adds_up() {
        let meter = Meter::default();
        let units = |units| ConsumedCapacity::builder().capacity_units(units).build();

        meter.consumed(&[units(12.5)]);
        meter.consumed(&Some(units(0.5)));
        meter.consumed(&None);

        assert_eq!(meter.readings().capacity, 13.0);
    }
}
