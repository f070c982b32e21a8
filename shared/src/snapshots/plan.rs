//! When a snapshot is built, from what, and what is deleted. Pure: the manifest, what the log shows and the moment go in, what to do comes out.

use std::time::Duration;

use crate::bounds::{
    PREDECESSOR_LIFE, SNAPSHOT_AGE, SNAPSHOT_CHANGES, SNAPSHOT_FROM_LOG, SNAPSHOT_LAST_CHANCE, SNAPSHOT_MOVE_ON, SNAPSHOT_PAUSE,
    SNAPSHOT_RENEWAL,
};
use crate::store::{Current, Manifest};
use crate::timestamp::Timestamp;

/// What a snapshot is built from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The snapshot before it, and the change log since.
    Snapshot,
    /// The whole change log.
    Log,
}

/// What to do with a tenant's snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Keep,
    /// Say that it is complete up to now.
    MoveOn,
    /// Build the next one.
    Build(Base),
    /// Take it away at once, because it may have a contact that was deleted almost a day ago, and then build the next one from the whole log.
    Replace,
}

/// What the schedule does with a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Care {
    /// The object of a writer that ended before its swap.
    pub abandoned: Option<String>,
    /// The predecessor, when its time is over.
    pub predecessor: Option<String>,
    /// What to do with the snapshot.
    pub step: Step,
}

/// What the change log shows after the moment of a snapshot, less the long overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// Whether there is an entry.
    pub has_changed: bool,
    /// The generation of the tenant's last reset mark; only needed when there is an entry.
    pub generation: Option<String>,
}

/// What the stream's changes lead to. The manifest's count includes them.
pub fn after_changes(manifest: &Manifest, format: &str, now: Timestamp) -> Option<Base> {
    if is_leased(manifest, now) {
        // The schedule looks again.
        return None;
    }
    let Some(current) = &manifest.current else {
        let is_worth_a_look = manifest.small_at.is_none() || manifest.changes >= SNAPSHOT_CHANGES;
        return is_worth_a_look.then_some(Base::Log);
    };
    if current.format != format {
        return Some(Base::Log);
    }
    let is_due = has_many_changes(manifest, current) || is_older(current.moment, SNAPSHOT_AGE, now);
    (is_due && is_older(current.written_at, SNAPSHOT_PAUSE, now)).then(|| base(current, now))
}

/// What the schedule does.
pub fn on_schedule(manifest: &Manifest, log: &Log, format: &str, now: Timestamp) -> Care {
    let abandoned = manifest.lease.as_ref().filter(|lease| lease.until < now).map(|lease| lease.object.clone());
    let predecessor = manifest.predecessor.as_ref().filter(|old| is_older(old.replaced_at, PREDECESSOR_LIFE, now));
    let predecessor = predecessor.map(|old| old.object.clone());
    Care { abandoned, predecessor, step: scheduled_step(manifest, log, format, now) }
}

fn scheduled_step(manifest: &Manifest, log: &Log, format: &str, now: Timestamp) -> Step {
    if is_leased(manifest, now) {
        return Step::Keep;
    }
    let Some(current) = &manifest.current else {
        let build = manifest.changes > 0 && after_changes(manifest, format, now).is_some();
        return if build { Step::Build(Base::Log) } else { Step::Keep };
    };
    if log.has_changed && is_older(current.moment, SNAPSHOT_LAST_CHANCE, now) {
        return Step::Replace;
    }
    let is_reset = log.has_changed && log.generation.is_some() && log.generation != current.generation;
    if is_reset || current.format != format || is_older(current.written_at, SNAPSHOT_RENEWAL, now) {
        return Step::Build(Base::Log);
    }
    if log.has_changed {
        let is_due = has_many_changes(manifest, current) || is_older(current.moment, SNAPSHOT_AGE, now);
        return if is_due { Step::Build(base(current, now)) } else { Step::Keep };
    }
    if is_older(current.moment, SNAPSHOT_MOVE_ON, now) { Step::MoveOn } else { Step::Keep }
}

/// Whether somebody builds the tenant's next snapshot.
fn is_leased(manifest: &Manifest, now: Timestamp) -> bool {
    manifest.lease.as_ref().is_some_and(|lease| now <= lease.until)
}

fn has_many_changes(manifest: &Manifest, current: &Current) -> bool {
    manifest.changes >= SNAPSHOT_CHANGES.max(current.contacts / 10)
}

fn base(current: &Current, now: Timestamp) -> Base {
    if is_older(current.log_read_at, SNAPSHOT_FROM_LOG, now) { Base::Log } else { Base::Snapshot }
}

fn is_older(moment: Timestamp, age: Duration, now: Timestamp) -> bool {
    now.millis().saturating_sub(moment.millis()) >= i64::try_from(age.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::bounds::{OBJECT_DAYS, SNAPSHOT_LEASE};
    use crate::store::{Lease, Predecessor};
    use index::bounds::LONG_OVERLAP_MS;

    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    const FORMAT: &str = "1";

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn current(contacts: u64, moment: i64) -> Current {
        Current {
            object: format!("o{moment}"),
            bytes: 60 * contacts,
            moment: at(moment),
            written_at: at(moment),
            log_read_at: at(moment),
            generation: None,
            contacts,
            format: FORMAT.to_owned(),
        }
    }

    fn with(current: Current, changes: u64) -> Manifest {
        Manifest { current: Some(current), changes, ..Manifest::default() }
    }

    const CHANGED: Log = Log { has_changed: true, generation: None };

    #[test]
    fn changes_lead_to_a_new_snapshot_when_they_are_a_thousand_and_a_tenth() {
        for (contacts, changes, hours, expected) in [
            (8_000, 999, 1, None),
            (8_000, 1_000, 1, Some(Base::Snapshot)),
            (8_000, 1_000, 0, None),
            (1_000_000, 99_999, 1, None),
            (1_000_000, 100_000, 1, Some(Base::Snapshot)),
            (1_000_000, 1, 19, None),
            (1_000_000, 1, 20, Some(Base::Snapshot)),
            (1_000_000, 1, 24 * 7, Some(Base::Log)),
        ] {
            let manifest = with(current(contacts, 0), changes);
            assert_eq!(after_changes(&manifest, FORMAT, at(hours * HOUR)), expected, "{contacts} {changes} {hours}");
        }
    }

    #[test]
    fn a_tenant_without_a_snapshot_is_looked_at_once_and_again_after_a_thousand_changes() {
        let small = Manifest { small_at: Some(at(0)), changes: 999, ..Manifest::default() };

        assert_eq!(after_changes(&Manifest::default(), FORMAT, at(HOUR)), Some(Base::Log));
        assert_eq!(after_changes(&small, FORMAT, at(HOUR)), None);
        assert_eq!(after_changes(&Manifest { changes: 1_000, ..small }, FORMAT, at(HOUR)), Some(Base::Log));
    }

    #[test]
    fn another_format_or_generation_is_built_from_the_whole_log() {
        let manifest = with(current(10_000, 0), 1);
        let reset = Log { has_changed: true, generation: Some("g".to_owned()) };
        let known = with(Current { generation: Some("g".to_owned()), ..current(10_000, 0) }, 1);
        let from_log = Step::Build(Base::Log);

        assert_eq!(after_changes(&manifest, "2", at(HOUR)), Some(Base::Log));
        assert_eq!(on_schedule(&manifest, &CHANGED, "2", at(HOUR)).step, from_log);
        assert_eq!(on_schedule(&manifest, &reset, FORMAT, at(HOUR)).step, from_log);
        assert_eq!(on_schedule(&known, &reset, FORMAT, at(HOUR)).step, Step::Keep);
    }

    #[test]
    fn nobody_builds_beside_another() {
        let lease = Some(Lease { object: "o".to_owned(), until: at(10 * MINUTE) });
        let leased = Manifest { lease, ..with(current(10_000, -HOUR), 5_000) };

        assert_eq!(after_changes(&leased, FORMAT, at(10 * MINUTE)), None);
        assert_eq!(on_schedule(&leased, &CHANGED, FORMAT, at(10 * MINUTE)).step, Step::Keep);
        let after = on_schedule(&leased, &CHANGED, FORMAT, at(10 * MINUTE + 1));
        assert_eq!(after.abandoned.as_deref(), Some("o"));
        assert_eq!(after.step, Step::Build(Base::Snapshot));
    }

    #[test]
    fn a_predecessor_can_be_read_for_an_hour() {
        let predecessor = Some(Predecessor { object: "p".to_owned(), replaced_at: at(0) });
        let manifest = Manifest { predecessor, ..with(current(10_000, 0), 0) };

        assert_eq!(on_schedule(&manifest, &Log::default(), FORMAT, at(HOUR - 1)).predecessor, None);
        assert_eq!(on_schedule(&manifest, &Log::default(), FORMAT, at(HOUR)).predecessor.as_deref(), Some("p"));
    }

    /// A tenant, its objects and the schedule, over many hours.
    struct World {
        now: i64,
        manifest: Manifest,
        /// When each object was written, and which moment it shows.
        objects: BTreeMap<String, (i64, i64)>,
        /// Stamps of the log's entries.
        log: Vec<i64>,
        /// Whether builds fail, or their writers end before the swap.
        fails: bool,
        crashes: bool,
    }

    impl World {
        fn new() -> Self {
            let mut world = Self {
                now: 0,
                manifest: Manifest::default(),
                objects: BTreeMap::new(),
                log: vec![-DAY],
                fails: false,
                crashes: false,
            };
            world.build(Base::Log);
            world
        }

        /// Runs the schedule at `now`, whatever came of it before.
        fn schedule(&mut self, now: i64) {
            self.now = now;
            self.objects.retain(|_, (written, _)| now - *written < OBJECT_DAYS as i64 * DAY);
            let since = self.manifest.current.as_ref().map(|current| current.moment.millis() - LONG_OVERLAP_MS);
            let has_changed = since.is_some_and(|since| self.log.iter().any(|stamp| *stamp >= since));
            let care = on_schedule(&self.manifest, &Log { has_changed, generation: None }, FORMAT, at(now));
            if let Some(abandoned) = care.abandoned {
                self.objects.remove(&abandoned);
                self.manifest.lease = None;
            }
            if let Some(predecessor) = care.predecessor {
                self.objects.remove(&predecessor);
                self.manifest.predecessor = None;
            }
            match care.step {
                Step::Keep => {}
                Step::MoveOn => self.manifest.current.as_mut().unwrap().moment = at(now),
                Step::Build(base) => self.build(base),
                Step::Replace => {
                    let gone = self.manifest.current.take().map(|current| current.object).into_iter();
                    for object in gone.chain(self.manifest.predecessor.take().map(|old| old.object)) {
                        self.objects.remove(&object);
                    }
                    self.build(Base::Log);
                }
            }
        }

        fn build(&mut self, base: Base) {
            if self.fails {
                return;
            }
            let object = format!("o{}", self.now);
            self.objects.insert(object.clone(), (self.now, self.now));
            if self.crashes {
                let until = at(self.now + SNAPSHOT_LEASE.as_millis() as i64);
                self.manifest.lease = Some(Lease { object, until });
                return;
            }
            let before = self.manifest.current.take();
            let log_read_at = match (base, &before) {
                (Base::Snapshot, Some(before)) => before.log_read_at,
                _ => at(self.now),
            };
            let old = self.manifest.predecessor.take();
            if let Some(old) = old {
                self.objects.remove(&old.object);
            }
            self.manifest.predecessor = before.map(|before| Predecessor { object: before.object, replaced_at: at(self.now) });
            self.manifest.current = Some(Current { object, log_read_at, ..current(10_000, self.now) });
            self.manifest.lease = None;
        }

        /// The oldest moment that any object shows.
        fn oldest(&self) -> Option<i64> {
            self.objects.values().map(|(_, moment)| *moment).min()
        }
    }

    #[test]
    fn a_tenant_that_is_silent_for_40_days_keeps_its_snapshot() {
        let mut world = World::new();

        for hour in 1..=40 * 24 {
            world.schedule(hour * HOUR);

            let current = world.manifest.current.as_ref().expect("there is a snapshot");
            assert!(world.objects.contains_key(&current.object), "the object is there in hour {hour}");
            assert!(world.now - current.moment.millis() <= 5 * DAY, "its moment is at most five days old in hour {hour}");
        }
        let oldest = world.objects.values().map(|(written, _)| *written).min();
        assert!(oldest > Some(0), "the object was renewed");
    }

    proptest! {
        #[test]
        fn a_deletion_is_out_of_every_object_within_a_day(
            deleted_at in 0..10 * DAY,
            phase in 0..HOUR,
            fails in any::<bool>(),
            crashes in any::<bool>(),
        ) {
            let mut world = World::new();
            for hour in 0.. {
                let now = phase + hour * HOUR;
                if now >= deleted_at {
                    break;
                }
                world.schedule(now);
            }
            world.log.push(deleted_at);
            (world.fails, world.crashes) = (fails, crashes);

            let mut now = (deleted_at - phase).div_euclid(HOUR) * HOUR + phase + HOUR;
            while now < deleted_at + DAY {
                world.schedule(now);
                now += HOUR;
            }

            // An object that a writer left behind has the deletion, as all have that were read after it.
            prop_assert!(world.oldest().is_none_or(|moment| moment > deleted_at), "{:?} {:?}", world.objects, world.manifest);
        }

        #[test]
        fn no_object_is_forgotten(hours in prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 1..200)) {
            let mut world = World::new();
            for (hour, (changes, fails, crashes)) in (1..).zip(hours) {
                (world.fails, world.crashes) = (fails, crashes);
                if changes {
                    world.log.push(world.now);
                }
                world.schedule(hour * HOUR);

                let Manifest { current, predecessor, lease, .. } = &world.manifest;
                let current = current.iter().map(|current| &current.object);
                let old = predecessor.iter().map(|old| &old.object);
                let known: Vec<_> = current.chain(old).chain(lease.iter().map(|lease| &lease.object)).collect();
                prop_assert!(world.objects.keys().all(|object| known.contains(&object)), "{:?}: {known:?}", world.objects);
            }
        }
    }
}
