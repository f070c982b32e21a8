//! A tenant's index and how it is kept up with the change log, as a state machine: what was read goes in, what to read next comes
//! out. It has no clock and does no I/O, so that a simulation can drive it through years of bad luck.
//!
//! A *pass* is what one list needs: it reads every entry that the log did not show before. The log is eventually consistent and
//! written by machines whose clocks differ, so each pass re-reads some of what was read before:
//!
//! - the short overlap, in full, as long as the tenant is not busy; on a busy tenant once a second, and its newest entries in between;
//! - as many of the newest entries as fit into the smallest read, which on a quiet tenant are all of the long overlap;
//! - of the long overlap a slice, which together make a *sweep*. A sweep starts a long overlap before the sweep before it did, so
//!   that no pause between them leaves a gap.
//!
//! Applying an entry again changes nothing, and their order does not matter. See `docs/adr/0006-refresh.md`.
//!
//! A replica that has nothing yet can start from a [`Snapshot`], which another one wrote. What the snapshot lacks, the log showed after the
//! snapshot's moment; it was no later than the long overlap, so its stamp is at most that much older than the moment. So the
//! load reads the log from there on, and not from its beginning.

use std::mem;

use crate::bounds::{
    BUSY_ENTRIES, Bounds, FREE_ENTRIES, OVERLAP_EVERY_MS, REFUSAL_MS, SLICE_ENTRIES, SNAPSHOT_TRUST_MS, SWEEP_AT_LEAST_EVERY_MS,
    SWEEP_AT_MOST_EVERY_MS, SWEEP_DURATION_MS, SWEEP_MS_PER_ENTRY, TRUST_MS,
};
use crate::entry::IndexEntry;
use crate::index::ContactIndex;
use crate::log::{LogPage, LogPosition, LogRange, LogRead, ReadId, ResetMark};
use crate::scan::Scan;
use crate::snapshot::{Origin, Snapshot, TenantHash};
use crate::timestamp::Timestamp;

/// A tenant's index, or what is known on the way to it.
#[derive(Debug)]
pub struct Replica {
    bounds: Bounds,
    state: State,
    /// The newest reset mark that was met.
    reset: Option<ResetMark>,
    /// How many marks were met.
    resets: u32,
    /// The moment of the pass.
    now: Timestamp,
    next_read: u64,
}

/// Where a pass stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Reads have to be answered first.
    Reading,
    /// The index has all that the log showed when the pass began.
    Ready,
    /// The index would take more memory than there is.
    TooLarge {
        /// Bytes that it took when it was given up.
        bytes: usize,
    },
}

/// Where an index came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From the whole log.
    Log,
    /// From a snapshot, and the log from shortly before it.
    Snapshot {
        /// The snapshot's moment.
        moment: Timestamp,
    },
}

/// Why a replica does not start from a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Deletions after it can have left the log already.
    #[error("the snapshot is {age_ms} ms old, and trusted for {SNAPSHOT_TRUST_MS} ms")]
    TooOld {
        /// Its age by this clock.
        age_ms: i64,
    },
    /// It is from the future.
    #[error("the snapshot is {ahead_ms} ms ahead of the clock")]
    Ahead {
        /// How far, by this clock.
        ahead_ms: i64,
    },
    /// The tenant's history was changed after it.
    #[error("the snapshot is from before the last reset mark")]
    Reset,
    /// Its index takes more memory than there is.
    #[error("the index of the snapshot takes {bytes} bytes")]
    TooLarge {
        /// Bytes that it takes.
        bytes: usize,
    },
    /// The replica has an index.
    #[error("the index is loaded already")]
    Loaded,
}

#[derive(Debug)]
enum State {
    Absent,
    Loading(Box<Loading>),
    Loaded(Box<Loaded>),
    Refused { bytes: usize, until: Timestamp },
}

/// An index of which a part is read.
#[derive(Debug)]
struct Loading {
    /// When reading began; nothing before the first pass.
    start: Option<Timestamp>,
    scan: Scan,
    index: ContactIndex,
    from: Start,
}

/// What a load began with.
#[derive(Clone, Copy, Debug)]
enum Start {
    Nothing,
    Snapshot {
        moment: Timestamp,
        /// When the reading of the whole log began from which the snapshot descends.
        log_read_at: Timestamp,
    },
}

#[derive(Debug)]
struct Loaded {
    index: ContactIndex,
    /// The start of the last pass.
    read_to: Timestamp,
    /// The start of the last pass that re-read the whole short overlap.
    overlap_to: Timestamp,
    sweep: Sweep,
    pass: Option<Pass>,
    /// Where a pass was given up that read on from the short overlap.
    resume: Option<LogPosition>,
    /// Tombstones older than this were forgotten.
    forgotten: Timestamp,
    source: Source,
    /// When the reading of the whole log began from which this descends.
    log_read_at: Timestamp,
}

/// The reading of one pass.
#[derive(Debug)]
struct Pass {
    start: Timestamp,
    from: Timestamp,
    /// Whether it re-reads the whole short overlap.
    covers_overlap: bool,
    /// Whether it re-reads the whole long overlap, and so is a sweep as well.
    covers_sweep: bool,
    position: Option<LogPosition>,
    read: Option<ReadId>,
    is_done: bool,
    /// The slice of a sweep that is read beside it.
    slice: Slice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slice {
    None,
    Wanted,
    UnderWay(ReadId),
}

#[derive(Debug)]
struct Sweep {
    /// The start of the last sweep that ended.
    base: Timestamp,
    current: Option<CurrentSweep>,
    /// When the last slice was asked for.
    last_slice: Timestamp,
}

#[derive(Debug)]
struct CurrentSweep {
    start: Timestamp,
    position: Option<LogPosition>,
}

impl Replica {
    /// A replica that has read nothing.
    pub const fn new(bounds: Bounds) -> Self {
        Self { bounds, state: State::Absent, reset: None, resets: 0, now: Timestamp::from_millis(i64::MIN), next_read: 0 }
    }

    /// Begins a pass at `now`, which must not be later than the first of its reads. Reads of a pass before it that were not answered are
    /// void; what was answered is kept.
    pub fn begin(&mut self, now: Timestamp) {
        self.now = now;
        if self.starts_anew(now) {
            self.load();
            return;
        }
        match &mut self.state {
            State::Loading(loading) => loading.begin(now),
            State::Loaded(loaded) => loaded.plan(now, &self.bounds, false),
            State::Refused { .. } | State::Absent => {}
        }
    }

    /// Whether a pass at `now` would begin with nothing: then a snapshot helps.
    pub fn starts_anew(&self, now: Timestamp) -> bool {
        let longest_refusal = REFUSAL_MS.max(self.bounds.long_overlap);
        match &self.state {
            State::Loading(loading) => !loading.is_trusted(now),
            State::Loaded(loaded) => !is_trusted(loaded.overlap_to, now),
            State::Refused { until, .. } => now >= *until || *until > now.plus_millis(longest_refusal),
            State::Absent => true,
        }
    }

    /// Where the pass stands.
    pub fn progress(&self) -> Progress {
        match &self.state {
            State::Loaded(loaded) if loaded.pass.as_ref().is_some_and(|pass| pass.is_done) => Progress::Ready,
            State::Refused { bytes, .. } => Progress::TooLarge { bytes: *bytes },
            _ => Progress::Reading,
        }
    }

    /// Whether the index is there, up to date or not.
    pub const fn is_loaded(&self) -> bool {
        matches!(self.state, State::Loaded(_))
    }

    /// The index, as far as it was kept up.
    pub fn index(&self) -> Option<&ContactIndex> {
        match &self.state {
            State::Loaded(loaded) => Some(&loaded.index),
            _ => None,
        }
    }

    /// The index as it stands, also while that of a snapshot has not caught up with the log yet: for work that is worth having when the
    /// pass leaves it valid. No list may be answered from it.
    pub fn provisional_index(&self) -> Option<&ContactIndex> {
        match &self.state {
            State::Loading(loading) if matches!(loading.from, Start::Snapshot { .. }) => Some(&loading.index),
            _ => self.index(),
        }
    }

    /// Where the index came from; nothing while there is none.
    pub fn source(&self) -> Option<Source> {
        match &self.state {
            State::Loaded(loaded) => Some(loaded.source),
            _ => None,
        }
    }

    /// Starts from a snapshot, whose index is brought up to date by the passes that follow, instead of a load. Refused, it changes nothing.
    ///
    /// # Errors
    ///
    /// Each is a doubt in the snapshot, except [`Refused::Loaded`].
    pub fn start_from(&mut self, snapshot: Snapshot, now: Timestamp) -> Result<(), Refused> {
        let Snapshot { index, origin: Origin { tenant: _, moment, log_read_at, reset } } = snapshot;
        if self.is_loaded() {
            return Err(Refused::Loaded);
        }
        let age_ms = now.millis().saturating_sub(moment.millis());
        if age_ms > SNAPSHOT_TRUST_MS {
            return Err(Refused::TooOld { age_ms });
        }
        if age_ms < -self.bounds.long_overlap {
            return Err(Refused::Ahead { ahead_ms: -age_ms });
        }
        let bytes = index.memory_bytes();
        if bytes > self.bounds.memory {
            return Err(Refused::TooLarge { bytes });
        }
        let is_same = |known: &ResetMark| reset.as_ref().is_some_and(|reset| reset.generation == known.generation);
        if !self.meets_reset(reset.as_ref()) && !self.reset.as_ref().is_none_or(is_same) {
            return Err(Refused::Reset);
        }
        let scan = Scan::since(moment.plus_millis(-self.bounds.long_overlap), now);
        let from = Start::Snapshot { moment, log_read_at };
        self.state = State::Loading(Box::new(Loading { start: None, scan, index, from }));
        Ok(())
    }

    /// What a snapshot of the index as it stands says of itself; nothing while there is no index.
    pub fn origin(&self, tenant: TenantHash) -> Option<Origin> {
        match &self.state {
            State::Loaded(loaded) => {
                Some(Origin { tenant, moment: loaded.sweep.base, log_read_at: loaded.log_read_at, reset: self.reset.clone() })
            }
            _ => None,
        }
    }

    /// Everything that was visible in the log before this moment and was no later than the long overlap is in the index.
    pub fn swept_to(&self) -> Option<Timestamp> {
        match &self.state {
            State::Loaded(loaded) => Some(loaded.sweep.base),
            _ => None,
        }
    }

    /// The newest reset mark that was met.
    pub const fn reset(&self) -> Option<&ResetMark> {
        self.reset.as_ref()
    }

    /// How many reset marks were met. Whatever was read of the tenant while it was less is void.
    pub const fn resets(&self) -> u32 {
        self.resets
    }

    /// Bytes that the index takes, also while it is loaded.
    pub fn memory_bytes(&self) -> usize {
        match &self.state {
            State::Loaded(loaded) => loaded.index.memory_bytes(),
            State::Loading(loading) => loading.index.memory_bytes(),
            State::Absent | State::Refused { .. } => 0,
        }
    }

    /// The next read to start beside those under way; nothing when there is none to start now. A replica that is loaded has at
    /// most two under way, one that is loading as many as are asked for.
    pub fn next_read(&mut self) -> Option<LogRead> {
        let id = ReadId(self.next_read);
        let limit = self.bounds.page_entries;
        let read = match &mut self.state {
            State::Loading(loading) => {
                let (range, position) = loading.scan.next(id)?;
                LogRead { id, range, position, limit }
            }
            State::Loaded(loaded) => loaded.next_read(id, &self.bounds)?,
            State::Absent | State::Refused { .. } => return None,
        };
        self.next_read += 1;
        Some(read)
    }

    /// Takes the answer to a read. An answer to a read that is void changes nothing.
    pub fn answer(&mut self, id: ReadId, page: LogPage) {
        let meets_reset = self.meets_reset(page.reset.as_ref());
        // What panics while it is half changed is gone, and the next pass loads anew.
        match mem::replace(&mut self.state, State::Absent) {
            State::Loaded(_) if meets_reset => self.load(),
            State::Loading(loading) if meets_reset && self.may_be_void(&loading) => self.load(),
            State::Loading(mut loading) => {
                apply(&mut loading.index, &page.entries);
                loading.scan.answered(id, page.entries.first().map(|entry| entry.updated_at), page.next);
                self.state = if loading.scan.is_done() {
                    State::Loaded(Box::new(loading.finish(self.now, &self.bounds)))
                } else {
                    State::Loading(loading)
                };
            }
            State::Loaded(mut loaded) => {
                loaded.answer(id, page, &self.bounds);
                self.state = State::Loaded(loaded);
            }
            other => self.state = other,
        }
        let bytes = self.memory_bytes();
        if bytes > self.bounds.memory {
            self.state = State::Refused { bytes, until: self.now.plus_millis(REFUSAL_MS) };
        }
    }

    /// Takes note that a read was not answered, and says whether the pass cannot end without it: then the next read asks for it again.
    pub fn fail(&mut self, id: ReadId) -> bool {
        match &mut self.state {
            State::Loading(loading) => {
                loading.scan.failed(id);
                true
            }
            State::Loaded(loaded) => loaded.fail(id),
            State::Absent | State::Refused { .. } => false,
        }
    }

    /// Takes entries that were read elsewhere, so that no later list is older than what its caller was shown. Answers how many contacts among
    /// them were later in the log than the long overlap: the index should have known them already.
    pub fn learn(&mut self, entries: &[IndexEntry]) -> usize {
        let mut late = 0;
        match mem::replace(&mut self.state, State::Absent) {
            State::Loading(mut loading) => {
                apply(&mut loading.index, entries);
                self.state = State::Loading(loading);
            }
            State::Loaded(mut loaded) => {
                let complete_to = loaded.sweep.base.plus_millis(-self.bounds.long_overlap);
                let is_late = |entry: &&IndexEntry| {
                    // Of a deletion that is unknown the index may have been told before.
                    entry.fields.is_some()
                        && entry.updated_at < complete_to
                        && loaded.index.version(entry.id).is_none_or(|known| known < entry.version)
                };
                late = entries.iter().filter(is_late).count();
                apply(&mut loaded.index, entries);
                self.state = State::Loaded(loaded);
            }
            other => self.state = other,
        }
        late
    }

    /// Gives the index up.
    pub fn unload(&mut self) {
        self.state = State::Absent;
    }

    fn load(&mut self) {
        let (start, scan) = (Some(self.now), Scan::new(self.now));
        self.state = State::Loading(Box::new(Loading { start, scan, index: ContactIndex::new(), from: Start::Nothing }));
    }

    /// Whether the mark says that what was read before is void.
    fn meets_reset(&mut self, met: Option<&ResetMark>) -> bool {
        let Some(met) = met else { return false };
        let is_new =
            self.reset.as_ref().is_none_or(|known| known.generation != met.generation && known.updated_at <= met.updated_at);
        if is_new {
            self.reset = Some(met.clone());
            self.resets += 1;
        }
        is_new
    }

    /// Whether the mark that was just met may have been written after this load began. One that was there long before is like
    /// any other entry, unless the load began with a snapshot, which knew the newest mark.
    fn may_be_void(&self, loading: &Loading) -> bool {
        match loading.from {
            Start::Snapshot { .. } => true,
            Start::Nothing => {
                let latest = loading.start.unwrap_or(self.now).plus_millis(-self.bounds.long_overlap);
                self.reset.as_ref().is_some_and(|reset| reset.updated_at >= latest)
            }
        }
    }
}

/// Whether what was read at a moment can still be brought up to date. A clock that went back that far says nothing.
const fn is_trusted(read: Timestamp, now: Timestamp) -> bool {
    now.millis().saturating_sub(read.millis()).saturating_abs() <= TRUST_MS
}

fn apply(index: &mut ContactIndex, entries: &[IndexEntry]) {
    index.apply_all(entries);
    #[cfg(test)]
    tests::panic_if_asked();
}

impl Loading {
    /// Whether what was read can still be brought up to date.
    fn is_trusted(&self, now: Timestamp) -> bool {
        let is_snapshot_trusted = match self.from {
            Start::Snapshot { moment, .. } => now.millis().saturating_sub(moment.millis()).saturating_abs() <= SNAPSHOT_TRUST_MS,
            Start::Nothing => true,
        };
        is_snapshot_trusted && self.start.is_none_or(|start| is_trusted(start, now))
    }

    fn begin(&mut self, now: Timestamp) {
        self.start.get_or_insert(now);
        self.scan.abandon_reads();
    }

    fn finish(self, now: Timestamp, bounds: &Bounds) -> Loaded {
        let Self { start, scan, index, from } = self;
        let start = start.unwrap_or(now);
        let sweep = Sweep { base: start, current: None, last_slice: start };
        let (source, log_read_at) = match from {
            Start::Nothing => (Source::Log, start),
            Start::Snapshot { moment, log_read_at } => (Source::Snapshot { moment }, log_read_at),
        };
        let mut loaded = Loaded {
            index,
            read_to: start,
            overlap_to: start,
            sweep,
            pass: None,
            resume: None,
            forgotten: start,
            source,
            log_read_at,
        };
        loaded.index.forget_tombstones_before(start.plus_millis(-2 * bounds.long_overlap));
        // A single page shows the whole log at one moment. Of several, a contact that changed meanwhile can have moved from one that
        // was not read yet to one that was, and is in none of them.
        loaded.plan(now, bounds, true);
        if scan.pages() == 1 && start == now {
            loaded.pass.iter_mut().for_each(|pass| pass.is_done = true);
        }
        loaded
    }
}

impl Loaded {
    /// Decides what the next pass reads. `in_full` says that it must re-read the short overlap, however busy the tenant is.
    fn plan(&mut self, now: Timestamp, bounds: &Bounds, in_full: bool) {
        self.follow_clock_back(now, bounds);
        let overlap = self.overlap_to.plus_millis(-bounds.short_overlap);
        let is_due = now >= self.overlap_to.plus_millis(OVERLAP_EVERY_MS);
        let covers_overlap = in_full || is_due || self.index.count_since(overlap, BUSY_ENTRIES) <= BUSY_ENTRIES;
        let sweep_from = self.sweep.base.plus_millis(-bounds.long_overlap);
        let nth_newest = |n| self.index.nth_newest(n).unwrap_or(sweep_from);

        let from = if covers_overlap {
            overlap.min(nth_newest(FREE_ENTRIES).max(sweep_from))
        } else {
            // Stamps can lie ahead of this clock; what was not read yet must not be left out for them.
            nth_newest(BUSY_ENTRIES).min(self.read_to)
        };
        let covers_sweep = from <= sweep_from;
        let slice = if !covers_sweep && (self.sweep.current.is_some() || self.sweep_is_due(sweep_from, now)) {
            if self.sweep.current.is_none() {
                self.sweep.current = Some(CurrentSweep { start: now, position: None });
                self.sweep.last_slice = now;
            }
            Slice::Wanted
        } else {
            Slice::None
        };
        // A stamp can have more entries than one call has time for. The pass that was given up within it has read all before.
        let position = self.resume.take().filter(|resume| covers_overlap && !covers_sweep && resume.updated_at == from);
        self.pass = Some(Pass { start: now, from, covers_overlap, covers_sweep, position, read: None, is_done: false, slice });
    }

    /// By a clock that went back, entries can come with stamps that seem to be read already.
    fn follow_clock_back(&mut self, now: Timestamp, bounds: &Bounds) {
        let back = self.overlap_to.millis().max(self.read_to.millis()).saturating_sub(now.millis());
        if back <= 0 {
            return;
        }
        // A step within the short overlap is what clocks do; after a greater one nothing is known of the time in between.
        let known = if back <= bounds.short_overlap { now } else { now.plus_millis(-bounds.long_overlap) };
        self.overlap_to = self.overlap_to.min(known);
        self.read_to = self.read_to.min(known);
        self.sweep.base = self.sweep.base.min(known);
        self.sweep.last_slice = self.sweep.last_slice.min(now);
        self.sweep.current = None;
    }

    fn sweep_is_due(&self, sweep_from: Timestamp, now: Timestamp) -> bool {
        let entries = i64::try_from(self.index.count_since(sweep_from, SLICE_ENTRIES as usize * 100)).unwrap_or(i64::MAX);
        let pause = entries.saturating_mul(SWEEP_MS_PER_ENTRY).clamp(SWEEP_AT_MOST_EVERY_MS, SWEEP_AT_LEAST_EVERY_MS);
        now >= self.sweep.base.plus_millis(pause)
    }

    /// How many entries this pass has to sweep, so that the sweep ends in time.
    fn slice_entries(&self, sweep_from: Timestamp, now: Timestamp, bounds: &Bounds) -> u32 {
        let entries = self.index.count_since(sweep_from, bounds.page_entries as usize * 100) as i64;
        let elapsed = now.millis().saturating_sub(self.sweep.last_slice.millis()).clamp(0, SWEEP_DURATION_MS);
        let share = u32::try_from(entries.saturating_mul(elapsed) / SWEEP_DURATION_MS).unwrap_or(u32::MAX);
        share.max(SLICE_ENTRIES).min(bounds.page_entries)
    }

    fn next_read(&mut self, id: ReadId, bounds: &Bounds) -> Option<LogRead> {
        let sweep_from = self.sweep.base.plus_millis(-bounds.long_overlap);
        let (start, slice) = self.pass.as_ref().map(|pass| (pass.start, pass.slice))?;
        let limit = if slice == Slice::Wanted { self.slice_entries(sweep_from, start, bounds) } else { bounds.page_entries };
        let pass = self.pass.as_mut()?;
        if !pass.is_done && pass.read.is_none() {
            pass.read = Some(id);
            let range = LogRange::since(pass.from);
            return Some(LogRead { id, range, position: pass.position.clone(), limit: bounds.page_entries });
        }
        let sweep = self.sweep.current.as_ref().filter(|_| slice == Slice::Wanted)?;
        pass.slice = Slice::UnderWay(id);
        self.sweep.last_slice = start;
        let range = LogRange { from: sweep_from, to: sweep.start };
        Some(LogRead { id, range, position: sweep.position.clone(), limit })
    }

    fn answer(&mut self, id: ReadId, page: LogPage, bounds: &Bounds) {
        let Some(pass) = &mut self.pass else { return };
        if pass.read == Some(id) {
            pass.read = None;
            apply(&mut self.index, &page.entries);
            let reached = match &page.next {
                None => pass.start,
                // What is read stays read, also when this pass is given up before its end.
                Some(position) => pass.start.min(position.updated_at.plus_millis(bounds.short_overlap)),
            };
            pass.is_done = page.next.is_none();
            pass.position = page.next;
            self.resume = pass.position.clone().filter(|_| pass.covers_overlap);
            if pass.covers_overlap {
                self.overlap_to = self.overlap_to.max(reached);
                self.read_to = self.read_to.max(reached);
            } else if pass.is_done {
                self.read_to = self.read_to.max(pass.start);
            }
            if pass.is_done && pass.covers_sweep {
                self.sweep.base = self.sweep.base.max(pass.start);
                self.sweep.current = None;
            }
            self.forget_tombstones(bounds);
        } else if pass.slice == Slice::UnderWay(id) {
            pass.slice = Slice::None;
            apply(&mut self.index, &page.entries);
            match (&mut self.sweep.current, page.next) {
                (Some(current), Some(position)) => current.position = Some(position),
                (Some(current), None) => {
                    self.sweep.base = self.sweep.base.max(current.start);
                    self.sweep.current = None;
                }
                (None, _) => {}
            }
        }
    }

    fn fail(&mut self, id: ReadId) -> bool {
        let Some(pass) = &mut self.pass else { return false };
        if pass.slice == Slice::UnderWay(id) {
            // The next pass does it; this one does not wait for it.
            pass.slice = Slice::None;
        }
        let is_needed = pass.read == Some(id);
        if is_needed {
            pass.read = None;
        }
        is_needed
    }

    /// A deletion is remembered until no read goes back to where the contact was before it.
    fn forget_tombstones(&mut self, bounds: &Bounds) {
        let oldest = self.overlap_to.min(self.sweep.base).plus_millis(-2 * bounds.long_overlap);
        if oldest >= self.forgotten.plus_millis(bounds.long_overlap) {
            self.index.forget_tombstones_before(oldest);
            self.forgotten = oldest;
        }
    }
}

#[cfg(test)]
mod tests;
