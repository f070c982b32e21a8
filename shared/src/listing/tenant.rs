//! A tenant's replica in this instance: the I/O around the state machine in `index`, behind one lock.
//!
//! Whoever holds the lock for writing refreshes for all who wait for it. Nothing is spawned: an instance is frozen when its answer is
//! out, so work that no call waits for may sleep for an hour with a connection that is dead by then.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use index::bounds::Bounds;
use index::entry::IndexEntry;
use index::log::LogRead;
use index::snapshot::{Error as SnapshotError, Origin};
use index::{ContactIndex, Progress, Replica, Source};
use tokio::sync::{RwLock, RwLockReadGuard, Semaphore};

use super::snapshot::{self, Doubt, Loaded, tenant_hash};
use crate::error::Error;
use crate::meter::{Count, IndexSource, IndexUse, Meter};
use crate::objects::Objects;
use crate::store::Store;
use crate::timestamp::Timestamp;

/// Log pages that an instance reads at the same time while it loads indexes, of all tenants together. A partition gives about 23 pages
/// of 1 MB a second, and more readers would only be throttled.
pub const LOAD_READERS: usize = 4;

/// Pages that a load may ask for in vain, one after the other, before it gives up. The SDK has tried each of them several times.
const FAILURES: u32 = 4;

/// The pause after the first page that was asked for in vain; each further one doubles it.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a list waits for the slice of a sweep after all that it needs is there.
const SWEEP_GRACE: Duration = Duration::from_millis(100);

/// The most entries that wait to be told to the index.
const HEARD: usize = 1_000;

/// One tenant in this instance.
#[derive(Debug)]
pub struct Tenant {
    name: String,
    number: u64,
    /// How many reset marks were met.
    resets: AtomicU32,
    state: RwLock<State>,
    /// Entries that calls learned of elsewhere, with when that was, for whoever has the lock next.
    heard: Mutex<Vec<(Timestamp, IndexEntry)>>,
    /// For how long they are worth telling, in milliseconds: later the log shows them, or has shown that they are outdated.
    heard_life: i64,
    /// Bytes that the index may take.
    memory: usize,
}

#[derive(Debug)]
struct State {
    replica: Replica,
    /// When the last pass that ended began.
    passed: Option<Instant>,
}

/// What a refresh reads with.
pub struct Reader<'a> {
    pub store: &'a Store,
    /// Where snapshots are; nothing when none are used.
    pub objects: Option<&'a Objects>,
    pub meter: &'a Meter,
    pub loaders: &'a Semaphore,
}

/// An index that is up to date, held so that nobody changes it.
pub struct Fresh<'a>(RwLockReadGuard<'a, State>);

impl Fresh<'_> {
    /// The index; nothing when it was given up since.
    pub fn index(&self) -> Option<&ContactIndex> {
        self.0.replica.index()
    }

    /// Bytes that it takes.
    pub fn memory_bytes(&self) -> usize {
        self.0.replica.memory_bytes()
    }

    /// What a snapshot of the index says of itself.
    pub fn origin(&self, tenant: &str) -> Option<Origin> {
        self.0.replica.origin(tenant_hash(tenant))
    }
}

impl Tenant {
    /// The tenant `name`, of which nothing is known. No two tenants of an instance have the same number.
    pub fn new(name: &str, number: u64, bounds: Bounds) -> Self {
        let state = RwLock::new(State { replica: Replica::new(bounds), passed: None });
        Self {
            name: name.to_owned(),
            number,
            resets: AtomicU32::new(0),
            state,
            heard: Mutex::default(),
            heard_life: bounds.long_overlap,
            memory: bounds.memory,
        }
    }

    /// The tenant's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tenant's number in its instance, and how often it was reset. A version that was read under another pair may have been
    /// changed since without a new number.
    pub fn generation(&self) -> (u64, u32) {
        (self.number, self.resets.load(Ordering::Acquire))
    }

    /// The index with all that the log showed when this was called, which was at `now`. `beside` is given the index as it stands, and
    /// what it returns runs while the log is read; when another call reads the log for this one, it does not run.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`]. What was read by then is kept for the next call.
    pub async fn refresh<F: Future>(
        &self,
        reader: &Reader<'_>,
        now: Timestamp,
        beside: impl FnOnce(&ContactIndex) -> F,
    ) -> Result<(Fresh<'_>, Option<F::Output>), Error> {
        let asked = Instant::now();
        let mut state = self.state.write().await;
        let mut output = None;
        // A pass that began before this call may have read already what has changed since.
        if !(state.passed.is_some_and(|passed| passed > asked) && state.replica.is_loaded()) {
            let waited = i64::try_from(asked.elapsed().as_millis()).unwrap_or(i64::MAX);
            let (start, now) = (Instant::now(), now.plus_millis(waited));
            let was_loaded = state.replica.is_loaded() && !state.replica.starts_anew(now);
            let last = state.passed.filter(|_| was_loaded);
            let snapshot_bytes = self.begin(reader, &mut state.replica, now).await?;
            // Of a snapshot too, before it has caught up with the log: what the log changes is fetched afterwards.
            let beside = state.replica.provisional_index().map(beside);
            let beside = async { if let Some(beside) = beside { Some(beside.await) } else { None } };
            let pass = self.pass(reader, &mut state.replica, now);
            let (passed, beside) = futures::join!(pass, beside);
            self.resets.store(state.replica.resets(), Ordering::Release);
            passed?;
            output = beside;
            state.passed = Some(start);
            let (source, age) = match state.replica.source() {
                _ if was_loaded => (IndexSource::Memory, last.map_or(Duration::ZERO, |last| start.duration_since(last))),
                Some(Source::Snapshot { moment }) => {
                    let age = now.millis().saturating_sub(moment.millis());
                    (IndexSource::Snapshot, Duration::from_millis(age.try_into().unwrap_or_default()))
                }
                Some(Source::Log) | None => (IndexSource::Log, Duration::ZERO),
            };
            reader.meter.index_used(IndexUse { source, age, bytes: state.replica.memory_bytes(), snapshot_bytes });
        } else {
            let bytes = state.replica.memory_bytes();
            reader.meter.index_used(IndexUse { source: IndexSource::Memory, age: Duration::ZERO, bytes, snapshot_bytes: 0 });
        }
        self.tell(&mut state.replica, reader.meter, now);
        Ok((Fresh(state.downgrade()), output))
    }

    /// The index as it stands, with all that this instance knows.
    pub async fn latest(&self, meter: &Meter, now: Timestamp) -> Fresh<'_> {
        let mut state = self.state.write().await;
        self.tell(&mut state.replica, meter, now);
        Fresh(state.downgrade())
    }

    /// Takes entries that were read elsewhere at `now` or later, so that no later list of the index is older than what a caller is shown.
    pub fn hear(&self, entries: impl IntoIterator<Item = IndexEntry>, now: Timestamp) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.extend(entries.into_iter().map(|entry| (now, entry)));
        let surplus = heard.len().saturating_sub(HEARD);
        heard.drain(..surplus);
    }

    /// Gives the index up.
    pub async fn unload(&self) {
        self.state.write().await.replica.unload();
    }

    fn tell(&self, replica: &mut Replica, meter: &Meter, now: Timestamp) {
        let heard = std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner));
        // The index forgets deletions after twice that time, and an entry from before one would bring its contact back.
        let oldest = now.plus_millis(-self.heard_life);
        let heard: Vec<IndexEntry> = heard.into_iter().filter(|(since, _)| *since >= oldest).map(|(_, entry)| entry).collect();
        if !heard.is_empty() {
            let late = meter.index(|| replica.learn(&heard));
            if late > 0 {
                meter.count(Count::LateEntries, late as u64);
                tracing::warn!(tenant = self.name, late, "the change log showed entries later than the long overlap");
            }
        }
    }

    /// Gives a replica that would begin to load the change log the tenant's snapshot instead, if that can be had. Returns how many bytes of it were
    /// read.
    async fn begin(&self, reader: &Reader<'_>, replica: &mut Replica, now: Timestamp) -> Result<u64, Error> {
        let Some(objects) = reader.objects.filter(|_| replica.starts_anew(now)) else { return Ok(0) };
        let doubt = match snapshot::load(reader.store, objects, reader.meter, &self.name, self.memory).await {
            Ok(None) => return Ok(0),
            Ok(Some(Loaded { snapshot, bytes })) => {
                replica.unload();
                match reader.meter.index(|| replica.start_from(snapshot, now)) {
                    Ok(()) => return Ok(bytes),
                    Err(refused) => refused.to_string(),
                }
            }
            // The log would lead to the same, after a long time.
            Err(Doubt::Snapshot(SnapshotError::TooLarge { bytes })) => return Err(self.too_large(reader, bytes)),
            Err(doubt) => doubt.to_string(),
        };
        reader.meter.count(Count::SnapshotsIgnored, 1);
        tracing::warn!(tenant = self.name, "the change log is loaded instead of a snapshot: {doubt}");
        Ok(0)
    }

    fn too_large(&self, reader: &Reader<'_>, bytes: impl std::fmt::Display) -> Error {
        reader.meter.count(Count::ListsRefused, 1);
        Error::Unavailable(
            format!("the index of tenant {:?} takes {bytes} bytes, more than LIST_MEMORY_BYTES allows", self.name).into(),
        )
    }

    /// Reads what the replica asks for until it is up to date.
    async fn pass(&self, reader: &Reader<'_>, replica: &mut Replica, now: Timestamp) -> Result<(), Error> {
        replica.begin(now);
        let mut reads = FuturesUnordered::new();
        let (mut parallel, mut failures) = (LOAD_READERS, 0);
        while replica.progress() == Progress::Reading {
            while reads.len() < parallel {
                let Some(read) = replica.next_read() else { break };
                reads.push(self.read(reader, read, !replica.is_loaded()));
            }
            let Some((id, page)) = reads.next().await else {
                return Err(Error::Internal("a pass has nothing to read and no end".into()));
            };
            match page {
                Ok(page) => {
                    reader.meter.index(|| replica.answer(id, page));
                    failures = 0;
                }
                Err(error) => {
                    let is_needed = replica.fail(id);
                    match error {
                        Error::Unavailable(source) if is_needed && !replica.is_loaded() && failures < FAILURES => {
                            tracing::warn!(tenant = self.name, "a page of the change log has to be read again: {source}");
                            // A large tenant is more than a partition gives in a second: its own readers throttle each other.
                            parallel = (parallel / 2).max(1);
                            tokio::time::sleep(PAUSE * (1 << failures)).await;
                            failures += 1;
                        }
                        error if is_needed => return Err(error),
                        error => tracing::warn!(tenant = self.name, "a slice of a sweep could not be read: {error}"),
                    }
                }
            }
        }
        if let Progress::TooLarge { bytes } = replica.progress() {
            return Err(self.too_large(reader, bytes));
        }
        let slices = async {
            while let Some((id, page)) = reads.next().await {
                match page {
                    Ok(page) => reader.meter.index(|| replica.answer(id, page)),
                    Err(error) => {
                        replica.fail(id);
                        tracing::warn!(tenant = self.name, "a slice of a sweep could not be read: {error}");
                    }
                }
            }
        };
        // What is not answered by then, the next pass asks for again.
        let _is_late = tokio::time::timeout(SWEEP_GRACE, slices).await.is_err();
        Ok(())
    }

    async fn read(
        &self,
        reader: &Reader<'_>,
        read: LogRead,
        is_load: bool,
    ) -> (index::log::ReadId, Result<index::log::LogPage, Error>) {
        let _permit = if is_load { reader.loaders.acquire().await.ok() } else { None };
        let page = reader.store.change_log(reader.meter, &self.name, read.range, read.position, read.limit).await;
        (read.id, page)
    }
}
