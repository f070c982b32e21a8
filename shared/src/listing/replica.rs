//! A tenant's index in this instance's memory: loaded once, refreshed from the change log before each list.
//!
//! The change log is eventually consistent and is written by machines whose clocks differ, so a refresh goes back behind the
//! last one: a little each time, far once a minute. Applying an entry again changes nothing. See `docs/adr/0006-refresh.md`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::ListConfig;
use super::load::load;
use super::shared_refresh::SharedRefresh;
use crate::error::Error;
use crate::meter::Meter;
use crate::store::{LogRange, Store};
use crate::timestamp::Timestamp;
use index::ContactIndex;
use index::entry::IndexEntry;

/// An index that was not refreshed for this long, in milliseconds, is loaded anew: half of a tombstone's life, after which a
/// deletion could be missed.
const LIFE_WITHOUT_REFRESH: i64 = 12 * 60 * 60 * 1_000;

/// How long the index remembers a deletion, in milliseconds: as long as its tombstone is in the change log.
const TOMBSTONE_MEMORY: i64 = 24 * 60 * 60 * 1_000;

const HOUR: i64 = 60 * 60 * 1_000;

/// How many entries a long refresh may read again within a call. After a bulk import it would be many more; they are read beside
/// the calls then.
const LONG_REFRESH_ENTRIES: usize = 250;

/// How many of the newest entries outlive the index.
const RECENT_ENTRIES: usize = 250;

/// An index that lists read at the same time. Who has it can finish with it, though the replica is unloaded meanwhile.
pub type SharedIndex = Arc<RwLock<ContactIndex>>;

/// One tenant's index, or the place for it.
#[derive(Debug)]
pub struct Replica {
    store: Store,
    config: ListConfig,
    tenant: String,
    number: u64,
    index: Mutex<Option<SharedIndex>>,
    refresh: SharedRefresh,
    /// When the change log was last read to its end.
    refreshed: AtomicI64,
    /// When it is to be read far back the next time.
    long_refresh_due: AtomicI64,
    long_refresh_under_way: Arc<AtomicBool>,
    last_used: AtomicI64,
    memory: AtomicUsize,
    /// The newest entries, which the change log may not show again at once: no later list is older than an earlier one.
    recent: Mutex<VecDeque<IndexEntry>>,
}

impl Replica {
    /// The place for the index of `tenant`, which is not loaded yet. No two replicas of an instance have the same number.
    pub fn new(store: Store, config: ListConfig, tenant: &str, number: u64) -> Self {
        Self {
            store,
            config,
            tenant: tenant.to_owned(),
            number,
            index: Mutex::default(),
            refresh: SharedRefresh::default(),
            refreshed: AtomicI64::new(i64::MIN),
            long_refresh_due: AtomicI64::new(i64::MIN),
            long_refresh_under_way: Arc::default(),
            last_used: AtomicI64::new(i64::MIN),
            memory: AtomicUsize::new(0),
            recent: Mutex::default(),
        }
    }

    /// The tenant.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The replica's number in its instance.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether the index is there.
    pub fn is_loaded(&self) -> bool {
        self.index().is_some()
    }

    /// Says that the replica is in use at `now`.
    pub fn used(&self, now: Timestamp) {
        self.last_used.fetch_max(now.millis(), Ordering::Relaxed);
    }

    /// When the replica was last in use.
    pub fn last_used(&self) -> Timestamp {
        Timestamp::from_millis(self.last_used.load(Ordering::Relaxed))
    }

    /// Bytes that the index takes.
    pub fn memory_bytes(&self) -> usize {
        self.memory.load(Ordering::Relaxed)
    }

    /// Gives the index's memory back.
    pub fn unload(&self) {
        *self.place() = None;
        self.memory.store(0, Ordering::Relaxed);
    }

    /// The index in the state of the change log: all that was in that when this call started.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::Internal`]. The index is what it was, or newer; it is never half loaded.
    pub async fn refresh(&self, meter: &Meter, now: Timestamp) -> Result<SharedIndex, Error> {
        loop {
            let mut own = None;
            let refresh = async || {
                let refreshed = self.refreshed.load(Ordering::Relaxed);
                let stale = now.millis().saturating_sub(refreshed) > LIFE_WITHOUT_REFRESH;
                let index = match self.index().filter(|_| !stale) {
                    Some(index) => self.read_changes(meter, &index, now).await.map(|()| index)?,
                    None => self.load(meter, now).await?,
                };
                self.measure(&index);
                own = Some(index);
                Ok(())
            };
            self.refresh.run(refresh).await?;
            // Who shared another call's refresh can find the index unloaded again, by the list of another tenant.
            if let Some(index) = own.or_else(|| self.index()) {
                return Ok(index);
            }
        }
    }

    /// Takes entries that were read elsewhere, so that no later list is older than what the caller is shown.
    pub fn apply(&self, entries: &[IndexEntry], now: Timestamp) {
        self.keep_recent(entries, now);
        if let Some(index) = self.index() {
            write(&index).apply_all(entries);
        }
    }

    /// The newest entries that this instance has seen.
    pub fn recent(&self, now: Timestamp) -> Vec<IndexEntry> {
        let mut recent = self.recent_entries();
        self.forget_old(&mut recent, now);
        recent.iter().cloned().collect()
    }

    async fn load(&self, meter: &Meter, now: Timestamp) -> Result<SharedIndex, Error> {
        let loaded = load(&self.store, meter, &self.tenant, self.config.page_entries).await?;
        let pages = loaded.pages;
        let index = meter.index(|| {
            self.keep_recent(&loaded.entries, now);
            Arc::new(RwLock::new(ContactIndex::from_entries(loaded.entries)))
        });
        self.refreshed.store(now.millis(), Ordering::Relaxed);
        self.next_long_refresh_after(self.config.long_every, now);
        if pages > 1 {
            // A contact that changed while the pages were read can have moved from one not yet read to one read already.
            self.read_changes(meter, &index, now).await?;
        }
        *self.place() = Some(Arc::clone(&index));
        // What was seen before, and what other calls learned while this one was loading.
        write(&index).apply_all(&self.recent(now));
        Ok(index)
    }

    /// Reads what is new in the change log. `now` is when the call started, which is before this reads anything.
    async fn read_changes(&self, meter: &Meter, index: &SharedIndex, now: Timestamp) -> Result<(), Error> {
        // By the clock of this machine: entries up to the last refresh less the overlap are known. If the clock went back since,
        // others may write earlier times than it had shown.
        let last = now.millis().min(self.refreshed.load(Ordering::Relaxed));
        let short = last.saturating_sub(self.config.short_overlap);
        let long = now.millis().saturating_sub(self.config.long_overlap).min(short);

        let due = self.long_refresh_due.load(Ordering::Relaxed);
        // One that lies far ahead was set before the clock went back.
        let long_is_due = now.millis() >= due || due - now.millis() > self.config.long_overlap;
        let long_is_cheap = || {
            let since = Timestamp::from_millis(long);
            read(index).count_updated_since(since) <= LONG_REFRESH_ENTRIES
        };
        let since = match long_is_due {
            true if long_is_cheap() => {
                self.next_long_refresh_after(self.config.long_every, now);
                long
            }
            true => {
                self.read_far_back_beside_the_calls(index, long, now);
                short
            }
            false => short,
        };

        let range = LogRange { from: Timestamp::from_millis(since), to: Timestamp::from_millis(i64::MAX) };
        let take = |entries: &[IndexEntry]| {
            meter.index(|| {
                self.keep_recent(entries, now);
                write(index).apply_all(entries);
            });
        };
        self.store.each_change(meter, &self.tenant, range, self.config.page_entries, take).await?;
        self.refreshed.store(now.millis(), Ordering::Relaxed);
        Ok(())
    }

    fn next_long_refresh_after(&self, millis: i64, now: Timestamp) {
        self.long_refresh_due.store(now.plus_millis(millis).millis(), Ordering::Relaxed);
    }

    /// Reads again what was written in the last minutes, without a call waiting for it. When that fails, the next one, which is due
    /// before the minutes are over, reads it.
    fn read_far_back_beside_the_calls(&self, index: &SharedIndex, since: i64, now: Timestamp) {
        if self.long_refresh_under_way.swap(true, Ordering::AcqRel) {
            return;
        }
        // It reads much, so it comes just often enough to read every entry again once.
        self.next_long_refresh_after(self.config.long_every.max(self.config.long_overlap / 2), now);
        let under_way = Ended(Arc::clone(&self.long_refresh_under_way));
        let (store, tenant, index) = (self.store.clone(), self.tenant.clone(), Arc::clone(index));
        let page_entries = self.config.page_entries;
        let range = LogRange { from: Timestamp::from_millis(since), to: now };
        tokio::spawn(async move {
            let _until_it_ends = under_way;
            let take = |entries: &[IndexEntry]| {
                write(&index).apply_all(entries);
            };
            if let Err(error) = store.each_change(&Meter::default(), &tenant, range, page_entries, take).await {
                tracing::warn!(tenant, "a long refresh failed: {error}");
            }
        });
    }

    fn measure(&self, index: &SharedIndex) {
        let mut index = write(index);
        // Once an hour: it looks at every tombstone.
        let oldest = self.last_used().millis().saturating_sub(TOMBSTONE_MEMORY);
        index.forget_tombstones_before(Timestamp::from_millis(oldest - oldest.rem_euclid(HOUR)));
        let bytes = if self.is_loaded() { index.memory_bytes() } else { 0 };
        self.memory.store(bytes, Ordering::Relaxed);
    }

    fn keep_recent(&self, entries: &[IndexEntry], now: Timestamp) {
        let mut recent = self.recent_entries();
        let oldest = now.plus_millis(-self.config.long_overlap);
        let mut newest: Vec<&IndexEntry> = entries.iter().filter(|entry| entry.updated_at >= oldest).collect();
        newest.sort_by_key(|entry| entry.updated_at);
        newest.drain(..newest.len().saturating_sub(RECENT_ENTRIES));
        recent.retain(|kept| newest.iter().all(|entry| entry.id != kept.id || entry.version < kept.version));
        recent.extend(newest.into_iter().cloned());
        self.forget_old(&mut recent, now);
    }

    fn forget_old(&self, recent: &mut VecDeque<IndexEntry>, now: Timestamp) {
        let oldest = now.plus_millis(-self.config.long_overlap);
        recent.retain(|entry| entry.updated_at >= oldest);
        let surplus = recent.len().saturating_sub(RECENT_ENTRIES);
        recent.drain(..surplus);
    }

    fn recent_entries(&self) -> MutexGuard<'_, VecDeque<IndexEntry>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn index(&self) -> Option<SharedIndex> {
        self.place().clone()
    }

    fn place(&self) -> MutexGuard<'_, Option<SharedIndex>> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads an index.
pub fn read(index: &RwLock<ContactIndex>) -> RwLockReadGuard<'_, ContactIndex> {
    index.read().unwrap_or_else(PoisonError::into_inner)
}

/// Writes an index.
pub fn write(index: &RwLock<ContactIndex>) -> RwLockWriteGuard<'_, ContactIndex> {
    index.write().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a flag back when what it stands for has ended, however it did.
struct Ended(Arc<AtomicBool>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
