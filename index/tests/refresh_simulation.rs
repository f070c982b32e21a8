//! A simulated world around the replica: writers with skewed clocks whose writes land late, a log that shows entries late and out
//! of order, instances that are throttled, cut off and frozen for seconds to days, bulk changes, deletions that expire, restores, and
//! snapshots that any instance wrote at any time and any other one starts from.
//!
//! The replica is the one that ships, with the bounds that ship; only the world is simulated. `SIMULATIONS=100000 cargo test -p index
//! --test refresh_simulation` runs more histories, `SIMULATION_SEED=…` one of them again.

#![expect(clippy::unwrap_used, reason = "what a test cannot go on without, it panics for")]

use std::collections::BTreeMap;
use std::num::{NonZeroU64, NonZeroUsize};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::{env, io};

use fastrand::Rng;
use index::bounds::{Bounds, LONG_OVERLAP_MS, SHORT_OVERLAP_MS};
use index::entry::{EntryFields, IndexEntry};
use index::log::{LogPage, LogPosition, LogRead, ResetMark};
use index::object_id::ObjectId;
use index::query::{Filter, ListQuery};
use index::snapshot::{Snapshot, TenantHash, read, write};
use index::timestamp::Timestamp;
use index::{Progress, Refused, Replica};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// How long the log shows a tombstone: the time after which DynamoDB may take it away.
const TOMBSTONE_LIFE: i64 = 30 * DAY;

/// After how long Lambda ends a list.
const TIMEOUT: i64 = 30 * SECOND;

/// How far a read of the log can lag behind another one.
const READ_LAG: i64 = 300;

/// Simulations within which each fault is found that is made on purpose.
const FAULTY_SIMULATIONS: u64 = 3_000;

const TENANT: TenantHash = [1; 32];

/// How many snapshots are kept: old ones too, as a restored backup of the table brings them back.
const SNAPSHOTS: usize = 6;

/// 2026-01-01, so that stamps look like those of the program.
const START: i64 = 1_767_225_600_000;

/// What the table holds of a contact after one of its writes.
#[derive(Clone, Debug)]
struct Version {
    number: u64,
    stamp: i64,
    /// Unlike every other version of any contact; nothing for a tombstone.
    name: Option<String>,
    /// Whether the item is there at all: a restored backup may be older than it.
    exists: bool,
    /// When the log shows it.
    visible: i64,
    /// How many restores were before it, itself included if it is of one.
    epoch: u32,
    is_restored: bool,
}

/// A write on its way to the table.
#[derive(Clone, Debug)]
struct Write {
    lands: i64,
    contact: usize,
    stamp: i64,
    deletes: bool,
    lag: i64,
}

struct Mark {
    visible: i64,
    mark: ResetMark,
    epoch: u32,
}

/// What the simulated protocol does wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// A snapshot's moment is when it is written, and not when its reading began.
    MomentAtEnd,
    /// Snapshots have no tombstones.
    NoTombstones,
    /// After a snapshot, the log is read from its moment less the short overlap.
    ShortOverlap,
    /// A snapshot from before the last reset mark is taken for one from after it.
    AnyGeneration,
}

/// A snapshot that an instance wrote.
struct Stored {
    bytes: Vec<u8>,
    /// When it was written, by the writer's clock.
    written: i64,
    /// The greatest skew of the clocks that it was read by.
    skew: i64,
    /// The version of each contact that it knows.
    known: BTreeMap<usize, u64>,
}

struct World {
    random: Rng,
    fault: Fault,
    snapshots: Vec<Stored>,
    now: i64,
    contacts: Vec<Vec<Version>>,
    writes: Vec<Write>,
    marks: Vec<Mark>,
    epoch: u32,
    names: u64,
    /// How bad things are: the chance, in percent, that something takes unusually long or fails.
    trouble: u32,
}

struct Instance {
    replica: Replica,
    /// What its clock shows, less the true time.
    skew: i64,
    /// The greatest skew of the clocks that its index was read by.
    index_skew: i64,
    /// What its lists showed since the index was last loaded, or what the snapshot knew that it started from.
    shown: BTreeMap<usize, u64>,
}

impl Instance {
    fn new(bounds: Bounds, skew: i64) -> Self {
        Self { replica: Replica::new(bounds), skew, index_skew: skew, shown: BTreeMap::new() }
    }

    /// Takes note that whatever was known is void.
    fn forget(&mut self) {
        self.shown.clear();
        self.index_skew = self.skew;
    }
}

fn id(contact: usize) -> ObjectId {
    let mut bytes = [7; 12];
    bytes[8..].copy_from_slice(&(contact as u32).to_be_bytes());
    ObjectId::from_bytes(bytes)
}

impl World {
    fn new(seed: u64, fault: Fault) -> Self {
        let mut random = Rng::with_seed(seed);
        // Now and then so many that a change of all of them makes the tenant a busy one.
        let count = if random.u32(0..8) == 0 { random.usize(200..400) } else { random.usize(1..60) };
        let contacts = vec![Vec::new(); count];
        let trouble = [0, 2, 10, 30][random.usize(0..4)];
        let (snapshots, writes, marks) = (Vec::new(), Vec::new(), Vec::new());
        Self { random, fault, snapshots, now: START, contacts, writes, marks, epoch: 0, names: 0, trouble }
    }

    fn bad_luck(&mut self) -> bool {
        self.random.u32(0..100) < self.trouble
    }

    /// How far a clock is off: hardly in general, a lot now and then, but less than the long overlap allows for.
    fn skew(&mut self) -> i64 {
        let most = if self.bad_luck() { if self.bad_luck() { 2 * MINUTE } else { 7 * SECOND } } else { 50 };
        self.random.i64(-most..=most)
    }

    fn advance(&mut self, millis: i64) {
        let end = self.now + millis;
        let mut due: Vec<Write> = self.writes.extract_if(.., |write| write.lands <= end).collect();
        due.sort_by_key(|write| write.lands);
        for write in due {
            self.now = self.now.max(write.lands);
            self.land(&write);
        }
        self.now = end;
    }

    fn start_write(&mut self, contact: usize, deletes: bool) {
        let skew = self.skew();
        let last = self.contacts[contact].last().map_or(i64::MIN, |version| version.stamp);
        // As the program does: a stamp is taken for each try, and one that would not be the greatest is refused.
        let stamp = (self.now + skew).max(last.saturating_add(1));
        let delay = match (self.bad_luck(), self.bad_luck()) {
            (true, true) => self.random.i64(0..4 * MINUTE),
            (true, false) => self.random.i64(0..6 * SECOND),
            _ => self.random.i64(1..if self.contacts.len() > 100 { 4 } else { 30 }),
        };
        let lag = match (self.bad_luck(), self.bad_luck()) {
            (true, true) => self.random.i64(0..2 * MINUTE),
            (true, false) => self.random.i64(0..3 * SECOND),
            _ => self.random.i64(0..40),
        };
        let write = Write { lands: self.now + delay, contact, stamp, deletes, lag };
        if delay < 100 {
            self.advance(delay);
            self.land(&write);
        } else {
            self.writes.push(write);
        }
    }

    fn land(&mut self, write: &Write) {
        let last = self.contacts[write.contact].last().cloned();
        let (number, exists) = last.as_ref().map_or((0, false), |last| (last.number + 1, last.exists));
        if exists && last.as_ref().is_some_and(|last| last.stamp >= write.stamp) {
            return;
        }
        if write.deletes && last.as_ref().is_none_or(|last| last.name.is_none()) {
            return;
        }
        self.names += 1;
        let visible = (self.now + write.lag).max(last.as_ref().map_or(0, |last| last.visible));
        let name = (!write.deletes).then(|| format!("name {}", self.names));
        let number = if exists { number } else { 0 };
        let version = Version { number, stamp: write.stamp, name, exists: true, visible, epoch: self.epoch, is_restored: false };
        self.contacts[write.contact].push(version);
    }

    /// Puts contacts back to what they were, without new stamps, and ends with the mark.
    fn restore(&mut self) {
        self.epoch += 1;
        let epoch = self.epoch;
        for contact in 0..self.contacts.len() {
            let versions = &self.contacts[contact];
            let Some(last) = versions.last().cloned() else { continue };
            let back = self.random.usize(0..=versions.len());
            // An item that was written after the backup is gone.
            let mut restored = match back {
                0 => Version { exists: false, name: None, ..last.clone() },
                _ => versions[back - 1].clone(),
            };
            restored.visible = last.visible.max(self.now + self.random.i64(0..2 * SECOND));
            restored.epoch = epoch;
            restored.is_restored = true;
            self.contacts[contact].push(restored);
        }
        // Whoever restores waits until the log has caught up before the mark is written.
        let latest = self.contacts.iter().filter_map(|versions| Some(versions.last()?.visible)).max().unwrap_or(self.now);
        self.advance(latest + READ_LAG + SECOND - self.now);
        let (skew, lag) = (self.skew(), self.random.i64(0..100));
        // Marks are stamped one after another, whoever writes them.
        let last = self.marks.last().map_or(i64::MIN, |mark| mark.mark.updated_at.millis());
        let stamp = Timestamp::from_millis((self.now + skew).max(last.saturating_add(1)));
        let mark = ResetMark { updated_at: stamp, generation: format!("{epoch}"), voids_cursors: true };
        self.marks.push(Mark { visible: self.now + lag, mark, epoch });
    }

    /// What the log answers now, or nothing when it throttles.
    fn answer(&mut self, read: &LogRead) -> Option<LogPage> {
        let latency = if self.bad_luck() { self.random.i64(100..5 * SECOND) } else { self.random.i64(1..20) };
        self.advance(latency);
        if self.bad_luck() {
            return None;
        }
        let at = self.now - self.random.i64(0..READ_LAG);
        let mut entries: Vec<(i64, String, Option<IndexEntry>, Option<ResetMark>)> = Vec::new();
        for (contact, versions) in self.contacts.iter().enumerate() {
            let Some(version) = versions.iter().rev().find(|version| version.visible <= at) else { continue };
            let is_expired = version.name.is_none() && version.stamp + TOMBSTONE_LIFE < at;
            if !version.exists || is_expired {
                continue;
            }
            let fields = version.name.clone().map(|name| EntryFields {
                name,
                texts: Default::default(),
                external_id: None,
                disabled: false,
                created_at: Timestamp::from_millis(START),
                company_namespace: vec!["a".to_owned()],
            });
            let entry = IndexEntry {
                id: id(contact),
                version: version.number,
                updated_at: Timestamp::from_millis(version.stamp),
                fields,
            };
            entries.push((version.stamp, id(contact).to_string(), Some(entry), None));
        }
        let shown = self.marks.iter().filter(|mark| mark.visible <= at);
        for Mark { mark, .. } in shown {
            entries.push((mark.updated_at.millis(), format!("reset-mark#{}", mark.generation), None, Some(mark.clone())));
        }
        let range = read.range.from.millis()..=read.range.to.millis();
        let after = read.position.as_ref().map(|position| (position.updated_at.millis(), position.sort_key.clone()));
        entries.retain(|(stamp, key, ..)| {
            range.contains(stamp) && after.as_ref().is_none_or(|after| (*stamp, key.clone()) > *after)
        });
        entries.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        let limit = read.limit as usize;
        let next = entries
            .get(limit.wrapping_sub(1))
            .map(|(stamp, key, ..)| LogPosition { updated_at: Timestamp::from_millis(*stamp), sort_key: key.clone() });
        entries.truncate(limit);
        let reset = entries.iter().filter_map(|entry| entry.3.clone()).max_by_key(|mark| mark.updated_at);
        Some(LogPage { entries: entries.into_iter().filter_map(|entry| entry.2).collect(), reset, next })
    }

    /// One list of an instance. It may end without an answer.
    fn list(&mut self, instance: &mut Instance, parallel: usize) -> bool {
        let asked = self.now;
        instance.replica.begin(Timestamp::from_millis(self.now + instance.skew));
        let had_index = instance.replica.provisional_index().is_some();
        let mut under_way: Vec<LogRead> = Vec::new();
        let (mut failures, mut pages, mut read_from) = (0, 0, asked);
        while instance.replica.progress() == Progress::Reading {
            while under_way.len() < parallel {
                let Some(read) = instance.replica.next_read() else { break };
                under_way.push(read);
            }
            let read = under_way.swap_remove(self.random.usize(0..under_way.len()));
            if self.bad_luck() && self.random.u32(0..4) == 0 {
                // The instance is frozen, or the call's time is over.
                let pause = [SECOND, MINUTE, 10 * MINUTE, 3 * HOUR, 20 * DAY][self.random.usize(0..5)];
                let pause = self.random.i64(0..pause);
                self.advance(pause);
                // A call whose function's time is over is not answered.
                if self.now - asked > TIMEOUT || self.random.bool() {
                    return false;
                }
            }
            match self.answer(&read) {
                Some(page) => {
                    let was_loaded = instance.replica.is_loaded();
                    instance.replica.answer(read.id, page);
                    pages += 1;
                    // Of a load of several pages, what has moved meanwhile is read after it.
                    if !was_loaded && instance.replica.is_loaded() && pages > 1 {
                        read_from = self.now;
                    }
                }
                None => {
                    instance.replica.fail(read.id);
                    failures += 1;
                    if failures > 3 {
                        return false;
                    }
                }
            }
            if instance.replica.provisional_index().is_none() {
                instance.forget();
            }
        }
        if !had_index {
            instance.forget();
        }
        self.check(instance, read_from);
        true
    }

    /// Writes a snapshot of an instance's index as it stands, if it has one.
    fn write_snapshot(&mut self, instance: &Instance) {
        let (Some(index), Some(origin)) = (instance.replica.index(), instance.replica.origin(TENANT)) else { return };
        let mut bytes = Vec::new();
        let mut sink = |part: Vec<u8>| -> io::Result<()> {
            bytes.extend(part);
            Ok(())
        };
        write(index, &origin, &mut sink).unwrap();
        let known = (0..self.contacts.len()).filter_map(|contact| Some((contact, index.version(id(contact))?))).collect();
        if self.snapshots.len() == SNAPSHOTS {
            let oldest = self.random.usize(0..SNAPSHOTS);
            self.snapshots.remove(oldest);
        }
        self.snapshots.push(Stored { bytes, written: self.now + instance.skew, skew: instance.index_skew, known });
    }

    /// Lets an instance that has no index start from a snapshot, mostly the last one.
    fn start_from_snapshot(&mut self, instance: &mut Instance) {
        let Some(last) = self.snapshots.len().checked_sub(1) else { return };
        let stored = &self.snapshots[if self.random.u32(0..4) == 0 { self.random.usize(0..=last) } else { last }];
        let mut snapshot = read(&stored.bytes, &TENANT, usize::MAX, NonZeroUsize::MIN).unwrap();
        let Snapshot { index, origin } = &mut snapshot;
        match self.fault {
            Fault::None => {}
            Fault::MomentAtEnd => origin.moment = Timestamp::from_millis(stored.written),
            Fault::NoTombstones => index.forget_tombstones_before(Timestamp::from_millis(i64::MAX)),
            Fault::ShortOverlap => origin.moment = origin.moment.plus_millis(LONG_OVERLAP_MS - SHORT_OVERLAP_MS),
            Fault::AnyGeneration => origin.reset = self.marks.last().map(|mark| mark.mark.clone()),
        }
        let (now, moment) = (self.now + instance.skew, snapshot.origin.moment.millis());
        match instance.replica.start_from(snapshot, Timestamp::from_millis(now)) {
            Ok(()) => {
                instance.shown.clone_from(&stored.known);
                instance.index_skew = instance.skew.max(stored.skew);
            }
            Err(Refused::TooOld { age_ms }) => assert_eq!(age_ms, now - moment),
            Err(refused) => assert!(matches!(refused, Refused::Reset | Refused::Ahead { .. }), "{refused}"),
        }
    }

    /// What the function that writes snapshots does: a replica of its own, from a snapshot or, once in a while, from the whole log.
    fn rebuild(&mut self, bounds: Bounds) {
        let mut builder = Instance::new(bounds, self.skew());
        if self.random.u32(0..4) > 0 {
            self.start_from_snapshot(&mut builder);
        }
        let parallel = self.random.usize(1..5);
        if self.list(&mut builder, parallel) {
            self.write_snapshot(&builder);
        }
    }

    /// Holds the index against what the log showed at `asked`.
    fn check(&self, instance: &mut Instance, asked: i64) {
        let index = instance.replica.index().unwrap();
        let swept = instance.replica.swept_to().unwrap().millis() - instance.skew;
        let certain = |visible: i64| visible + READ_LAG;
        // The first epoch whose mark is not certain to be known, or rather of a restore that is not over yet.
        let settled = |epoch: u32| {
            let late = |mark: &Mark, skew| certain(mark.visible) + skew - mark.mark.updated_at.millis();
            let shows = |mark: &Mark| {
                (certain(mark.visible) <= asked && late(mark, instance.skew) <= SHORT_OVERLAP_MS)
                    || (certain(mark.visible) <= swept && late(mark, instance.index_skew) <= LONG_OVERLAP_MS)
            };
            epoch == 0 || self.marks.iter().any(|mark| mark.epoch >= epoch && shows(mark))
        };
        for (contact, versions) in self.contacts.iter().enumerate() {
            let known = index.version(id(contact));
            let must_show = |version: &Version| {
                let late = |skew| certain(version.visible) + skew - version.stamp;
                let pause = if self.contacts.len() > 100 { SECOND } else { 0 };
                let shown_at_once = late(instance.skew) <= SHORT_OVERLAP_MS && certain(version.visible) + pause <= asked;
                let shown_by_sweep = late(instance.index_skew) <= LONG_OVERLAP_MS && certain(version.visible) <= swept;
                let is_certain = certain(version.visible) <= asked;
                is_certain && (shown_at_once || shown_by_sweep || (version.is_restored && settled(version.epoch)))
            };
            let first = versions.iter().rposition(must_show).unwrap_or_default();
            if versions.iter().any(|version| !settled(version.epoch)) {
                continue;
            }
            let is_shown = versions[first..].iter().any(|version| match known {
                Some(known) => version.exists && version.number == known,
                None => version.name.is_none(),
            });
            let nothing_has_to_show = !versions.iter().any(must_show) && known.is_none();
            // A contact that moved in the log while its pages were read can be on none of them, until its new place has to show.
            let is_moving = versions[first..].iter().any(|version| version.visible <= self.now && !must_show(version));
            assert!(
                is_shown || nothing_has_to_show || is_moving,
                "contact {contact} shows as {known:?}, asked at {asked}, swept {swept}: {versions:#?}"
            );
            if let Some(known) = known {
                let before = instance.shown.insert(contact, known);
                assert!(
                    before.is_none_or(|before| before <= known),
                    "contact {contact} was shown as {before:?} and then as {known}: {versions:#?}"
                );
            }
        }
    }

    fn versions_of(&self, wanted: ObjectId) -> &[Version] {
        (0..self.contacts.len()).find(|contact| id(*contact) == wanted).map_or(&[], |contact| &self.contacts[contact])
    }

    /// After everything has calmed down, the index is what the table is.
    fn check_end(&mut self, instance: &mut Instance) {
        self.trouble = 0;
        // The last write lands after 4 minutes at most, and shows 2 minutes later.
        self.advance(7 * MINUTE);
        let calm = Timestamp::from_millis(self.now + instance.skew);
        // The pause between two sweeps, and a slice for each list. Pages can be as small as one entry here.
        let most = 300 / 5 + 2 * (self.contacts.len() + self.marks.len()) + 100;
        let mut lists = 0;
        while instance.replica.swept_to().is_none_or(|swept| swept < calm) {
            self.advance(5 * SECOND);
            assert!(self.list(instance, 4), "a list without trouble succeeds");
            lists += 1;
            assert!(lists < most, "no sweep ends within {most} lists");
        }
        let query = |filter| ListQuery { filter, sort: Vec::new(), page: NonZeroU64::MIN, per_page: 100 };
        let index = instance.replica.index().unwrap();
        let names: BTreeMap<ObjectId, &String> = (0..self.contacts.len())
            .filter_map(|contact| Some((id(contact), self.contacts[contact].last()?.name.as_ref()?)))
            .collect();
        let all = index.select(&query(Filter::default()), &["a".to_owned()]);
        for contact in (0..self.contacts.len()).filter(|contact| !names.contains_key(&id(*contact))) {
            let filter = Filter { ids: Some(vec![id(contact)]), ..Filter::default() };
            let found = index.select(&query(filter), &["a".to_owned()]).total;
            assert_eq!(found, 0, "contact {contact}, by a clock that is off by {}: {:#?}", instance.skew, self.contacts[contact]);
        }
        assert_eq!(all.total, names.len() as u64);
        for (id, name) in names {
            let filter = Filter { names: Some(vec![name.clone()]), ..Filter::default() };
            let found = index.select(&query(filter), &["a".to_owned()]);
            assert_eq!(
                found.rows.iter().map(|row| row.id).collect::<Vec<_>>(),
                [id],
                "{name}, by a clock that is off by {}: {:#?}",
                instance.skew,
                self.versions_of(id)
            );
        }
    }
}

/// One history from beginning to end.
fn simulate(seed: u64, fault: Fault) {
    let mut world = World::new(seed, fault);
    let page_entries = [1, 3, 10, 5_000][world.random.usize(0..4)];
    let bounds = Bounds { page_entries, ..Bounds::default() };
    let mut instances: Vec<Instance> = (0..world.random.usize(1..4)).map(|_| Instance::new(bounds, world.skew())).collect();
    for _ in 0..world.random.usize(10..120) {
        let contact = world.random.usize(0..world.contacts.len());
        match world.random.u32(0..100) {
            0..45 => world.start_write(contact, false),
            45..55 => world.start_write(contact, true),
            55..58 => (0..world.contacts.len()).for_each(|contact| world.start_write(contact, false)),
            58..60 => (0..world.contacts.len()).for_each(|contact| world.start_write(contact, true)),
            60..62 => world.restore(),
            62..65 => {
                let instance = world.random.usize(0..instances.len());
                instances[instance].replica.unload();
                if world.random.bool() {
                    world.start_from_snapshot(&mut instances[instance]);
                }
            }
            65..68 => {
                let instance = world.random.usize(0..instances.len());
                world.write_snapshot(&instances[instance]);
            }
            68..71 => {
                world.rebuild(bounds);
                // A new instance can start at once, from what was just written.
                let mut instance = Instance::new(bounds, world.skew());
                world.start_from_snapshot(&mut instance);
                let (replaced, parallel) = (world.random.usize(0..instances.len()), world.random.usize(1..5));
                world.list(&mut instance, parallel);
                instances[replaced] = instance;
            }
            71..76 => {
                let pause = [100, SECOND, 10 * SECOND, 10 * MINUTE, 3 * HOUR, 40 * DAY][world.random.usize(0..6)];
                let pause = world.random.i64(0..pause);
                world.advance(pause);
            }
            _ => {
                let (instance, parallel) = (world.random.usize(0..instances.len()), world.random.usize(1..5));
                world.list(&mut instances[instance], parallel);
            }
        }
        let pause = world.random.i64(0..200);
        world.advance(pause);
    }
    for instance in &mut instances {
        world.check_end(instance);
    }
}

#[test]
fn lists_show_what_the_log_showed_whatever_happens() {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    if let Some(seed) = number("SIMULATION_SEED") {
        return simulate(seed, Fault::None);
    }
    let simulations = number("SIMULATIONS").unwrap_or(1_000);
    let first = if simulations > 1_000 { fastrand::u64(..u64::MAX / 2) } else { 1 };
    for seed in first..first + simulations {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| simulate(seed, Fault::None))) {
            eprintln!("SIMULATION_SEED={seed} shows this again");
            resume_unwind(panic);
        }
    }
}

#[test]
fn a_fault_in_the_protocol_of_snapshots_is_found() {
    for fault in [Fault::MomentAtEnd, Fault::NoTombstones, Fault::ShortOverlap, Fault::AnyGeneration] {
        let is_found = |seed: &u64| catch_unwind(AssertUnwindSafe(|| simulate(*seed, fault))).is_err();
        let found: Option<u64> = (1..=FAULTY_SIMULATIONS).find(is_found);

        assert!(found.is_some(), "{fault:?} is not found within {FAULTY_SIMULATIONS} simulations");
        eprintln!("{fault:?} is found by the simulation with the seed {found:?}");
    }
}
