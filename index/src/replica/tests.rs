use std::cell::Cell;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::bounds::LONG_OVERLAP_MS;
use crate::entry::EntryFields;
use crate::object_id::ObjectId;
use crate::snapshot;

const START: i64 = 1_767_225_600_000;

const DAY: i64 = 24 * 60 * 60 * 1_000;

thread_local! {
    static PANICS: Cell<bool> = const { Cell::new(false) };
}

/// Panics if a test has asked for it: what the engine would do if it had a defect.
pub(super) fn panic_if_asked() {
    assert!(!PANICS.get(), "a defect in the engine");
}

/// A log that shows everything at once, and counts what is read of it.
#[derive(Default)]
struct Log {
    entries: Vec<IndexEntry>,
    reads: Vec<(LogRead, usize)>,
}

impl Log {
    fn write(&mut self, contact: u32, stamp: i64) {
        let mut bytes = [0; 12];
        bytes[8..].copy_from_slice(&contact.to_be_bytes());
        let id = ObjectId::from_bytes(bytes);
        let version = self.entries.iter().find(|entry| entry.id == id).map_or(0, |entry| entry.version + 1);
        self.entries.retain(|entry| entry.id != id);
        let fields = EntryFields {
            name: format!("contact {contact}"),
            texts: Default::default(),
            external_id: None,
            disabled: false,
            created_at: at(0),
            company_namespace: vec!["a".to_owned()],
        };
        self.entries.push(IndexEntry { id, version, updated_at: at(stamp), fields: Some(fields) });
        self.entries.sort_by_key(|entry| (entry.updated_at, entry.id));
    }

    fn page(&mut self, read: &LogRead) -> LogPage {
        let key = |entry: &IndexEntry| (entry.updated_at, entry.id.to_string());
        let after = read.position.as_ref().map(|position| (position.updated_at, position.sort_key.clone()));
        let in_range = |entry: &&IndexEntry| (read.range.from..=read.range.to).contains(&entry.updated_at);
        let left = self.entries.iter().filter(in_range).filter(|entry| after.as_ref().is_none_or(|after| key(entry) > *after));
        let entries: Vec<IndexEntry> = left.take(read.limit as usize).cloned().collect();
        let last = entries.last().filter(|_| entries.len() == read.limit as usize);
        let next = last.map(|last| LogPosition { updated_at: last.updated_at, sort_key: last.id.to_string() });
        self.reads.push((read.clone(), entries.len()));
        LogPage { entries, reset: None, next }
    }

    /// Ends a pass, and returns how many entries each of its reads showed.
    fn pass(&mut self, replica: &mut Replica, now: i64) -> Vec<usize> {
        let before = self.reads.len();
        replica.begin(at(now));
        loop {
            let mut reads = Vec::new();
            while reads.len() < 4 {
                let Some(read) = replica.next_read() else { break };
                reads.push(read);
            }
            for read in &reads {
                let page = self.page(read);
                replica.answer(read.id, page);
            }
            if replica.progress() != Progress::Reading {
                return self.reads[before..].iter().map(|(_, entries)| *entries).collect();
            }
        }
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(START + millis)
}

fn replica() -> Replica {
    Replica::new(Bounds::default())
}

#[test]
fn a_quiet_tenants_refresh_is_one_read_of_all_of_the_long_overlap() {
    let (mut log, mut replica) = (Log::default(), replica());
    (0..1_000).for_each(|contact| log.write(contact, -3_600_000));
    (0..5).for_each(|contact| log.write(contact, -400_000));
    log.pass(&mut replica, 0);

    let entries = log.pass(&mut replica, 2_000);

    assert_eq!(entries, [5]);
    assert_eq!(log.reads.last().unwrap().0.range, LogRange::since(at(-LONG_OVERLAP_MS)));
}

#[test]
fn more_entries_of_one_stamp_than_a_call_can_read_are_read_by_several() {
    let bounds = Bounds { page_entries: 10, ..Bounds::default() };
    let (mut log, mut replica) = (Log::default(), Replica::new(bounds));
    // Each call has ten seconds and time for five pages, of which the last is not answered any more.
    let call = |log: &mut Log, replica: &mut Replica, now: i64| {
        replica.begin(at(now));
        for page in 0..5 {
            let Some(read) = replica.next_read() else { break };
            if page < 4 {
                let page = log.page(&read);
                replica.answer(read.id, page);
            }
        }
        replica.progress() == Progress::Ready
    };
    let calls = |log: &mut Log, replica: &mut Replica, from: i64| {
        (0..40).find(|number| call(log, replica, from + 10_000 * number)).map(|number| number + 1)
    };

    (0..400).for_each(|contact| log.write(contact, -3_600_000));
    let load = calls(&mut log, &mut replica, 0);
    (400..800).for_each(|contact| log.write(contact, 10_000));
    let refresh = calls(&mut log, &mut replica, 10_001);

    assert!(load.is_some_and(|calls| calls <= 12), "{load:?}");
    assert!(refresh.is_some_and(|calls| calls <= 12), "{refresh:?}");
    assert_eq!(replica.index().unwrap().len(), 800);
}

#[test]
fn a_busy_tenants_overlap_is_read_once_a_second_whatever_the_lists() {
    let (mut log, mut replica) = (Log::default(), replica());
    // A thousand writes a second, and a hundred lists.
    let mut full_reads = 0;
    for millis in 0..8_000 {
        log.write(millis as u32 % 3_000, millis);
        if millis >= 3_000 && millis % 10 == 9 {
            let first = log.pass(&mut replica, millis)[0];
            full_reads += usize::from(first > 1_000);
            assert!(first > 1_000 || first <= BUSY_ENTRIES + 20, "{first} at {millis}");
            assert_eq!(
                replica.index().unwrap().version(log.entries.last().unwrap().id),
                Some(log.entries.last().unwrap().version)
            );
        }
    }

    // The load, and then one each second.
    assert!((5..=6).contains(&full_reads), "{full_reads}");
}

#[test]
fn after_a_mass_change_no_pass_reads_more_than_a_slice_beside_its_own() {
    let (mut log, mut replica) = (Log::default(), replica());
    (0..10_000).for_each(|contact| log.entries.push(entry(contact, i64::from(contact) / 10)));
    // For as long as the change is in the short overlap, it is read again once a second.
    (1..=10).for_each(|second| drop(log.pass(&mut replica, second * 1_000)));

    let mut most = 0;
    let mut now = 10_000;
    while replica.swept_to().unwrap() < at(10_000) {
        now += 1_000;
        let entries = log.pass(&mut replica, now);
        most = most.max(entries.iter().sum());
        assert!(entries.len() <= 2 && now < 600_000, "{entries:?} at {now}");
    }

    assert!((SLICE_ENTRIES as usize..=2 * SLICE_ENTRIES as usize).contains(&most), "{most}");
}

#[test]
fn a_sweep_whose_slice_fails_goes_on_with_the_next_pass() {
    let (mut log, mut replica) = (Log::default(), replica());
    (0..2_000).for_each(|contact| log.entries.push(entry(contact, i64::from(contact))));
    log.pass(&mut replica, 2_000);

    replica.begin(at(100_000));
    let (own, slice) = (replica.next_read().unwrap(), replica.next_read().unwrap());
    assert!(!replica.fail(slice.id), "the pass does not need it");
    let page = log.page(&own);
    replica.answer(own.id, page);

    assert_eq!(replica.progress(), Progress::Ready);
    replica.begin(at(100_100));
    replica.next_read().unwrap();
    let again = replica.next_read().unwrap();
    assert_eq!((again.range, again.position), (slice.range, slice.position));
}

#[test]
fn a_load_that_is_cut_off_goes_on_where_it_was() {
    let mut log = Log::default();
    (0..1_000).for_each(|contact| log.entries.push(entry(contact, -10_000_000 + 1_000 * i64::from(contact))));
    let mut replica = Replica::new(Bounds { page_entries: 100, ..Bounds::default() });

    // Each call has time for three pages.
    let mut calls = 0;
    'calls: loop {
        calls += 1;
        replica.begin(at(calls));
        for _ in 0..3 {
            let read = replica.next_read().unwrap();
            let page = log.page(&read);
            replica.answer(read.id, page);
            if replica.progress() == Progress::Ready {
                break 'calls;
            }
        }
        assert!(calls < 20, "it never ends");
    }

    assert_eq!(replica.index().unwrap().len(), 1_000);
    assert!(log.reads.iter().map(|(_, entries)| entries).sum::<usize>() < 1_100, "pages were read twice");
}

#[test]
fn a_tenant_larger_than_the_memory_is_refused_and_tried_again_later() {
    let mut log = Log::default();
    (0..1_000).for_each(|contact| log.entries.push(entry(contact, i64::from(contact))));
    let mut replica = Replica::new(Bounds { page_entries: 100, memory: 20_000, ..Bounds::default() });

    log.pass(&mut replica, 5_000);
    assert!(matches!(replica.progress(), Progress::TooLarge { bytes } if bytes > 20_000));
    assert_eq!(replica.memory_bytes(), 0);
    assert_eq!(log.pass(&mut replica, 6_000), [0; 0], "it is not looked at again");

    assert_ne!(log.pass(&mut replica, 5_000 + REFUSAL_MS), [0; 0]);
}

#[test]
fn an_index_whose_change_panicked_is_loaded_anew() {
    let (mut log, mut replica) = (Log::default(), replica());
    log.write(1, 0);
    log.pass(&mut replica, 10);
    log.write(2, 20);

    for learns in [false, true] {
        replica.begin(at(30));
        let read = replica.next_read().unwrap();
        let page = log.page(&read);
        PANICS.set(true);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            if learns {
                replica.learn(&page.entries);
            } else {
                replica.answer(read.id, page);
            }
        }));
        PANICS.set(false);

        assert!(outcome.is_err());
        assert!(!replica.is_loaded() && replica.index().is_none(), "a half-changed index goes on serving");
        log.pass(&mut replica, 40);
        assert_eq!(replica.index().unwrap().len(), 2);
    }
}

#[test]
fn what_the_log_showed_too_late_is_counted_when_it_is_learned() {
    let (mut log, mut replica) = (Log::default(), replica());
    log.write(1, 0);
    log.pass(&mut replica, 3 * LONG_OVERLAP_MS);
    // Two that the log does not show, one of them still in time, and one that is known.
    (2..4).for_each(|contact| log.write(contact, 2 * LONG_OVERLAP_MS * i64::from(contact - 2) + 1));
    let [known, late, in_time] = &log.entries[..] else { panic!("three contacts") };

    assert_eq!(replica.learn(std::slice::from_ref(known)), 0);
    assert_eq!(replica.learn(std::slice::from_ref(in_time)), 0);
    assert_eq!(replica.learn(&[late.clone(), in_time.clone()]), 1);
    assert_eq!(replica.learn(std::slice::from_ref(late)), 0, "it is known now");
    let deletion = IndexEntry { version: 9, fields: None, ..late.clone() };
    assert_eq!(replica.learn(&[deletion]), 0);
}

#[test]
fn a_read_that_lags_does_not_bring_a_deleted_contact_back() {
    let (mut log, mut replica) = (Log::default(), replica());
    log.write(1, 0);
    let alive = log.entries[0].clone();
    log.pass(&mut replica, 1_000);
    log.entries[0] = IndexEntry { version: 1, updated_at: at(2_000), fields: None, ..alive.clone() };
    log.pass(&mut replica, 3_000);

    // Whenever a read can still go back to where the contact was, it may show it.
    for seconds in (3..2 * LONG_OVERLAP_MS / 1_000).step_by(7) {
        replica.begin(at(seconds * 1_000));
        let read = replica.next_read().unwrap();
        let stale = read.range.from <= alive.updated_at;
        let page = if stale { LogPage { entries: vec![alive.clone()], ..LogPage::default() } } else { log.page(&read) };
        replica.answer(read.id, page);
        assert_eq!(replica.index().unwrap().len(), 0, "after {seconds} seconds");
    }
}

#[test]
fn a_clock_that_goes_back_hides_nothing() {
    let (mut log, mut replica) = (Log::default(), replica());
    (0..500).for_each(|contact| log.entries.push(entry(contact, 100_000)));
    log.pass(&mut replica, 100_000);
    // The reader's clock was a minute ahead, and is right now.
    log.write(1_000, 45_000);

    log.pass(&mut replica, 46_000);

    assert_eq!(replica.index().unwrap().len(), 501);
}

/// A snapshot of what the log shows to a replica of its own at a moment.
fn snapshot_at(log: &mut Log, now: i64) -> Snapshot {
    let mut writer = replica();
    log.pass(&mut writer, now);
    let mut object = Vec::new();
    let mut sink = |part: Vec<u8>| -> std::io::Result<()> {
        object.extend(part);
        Ok(())
    };
    snapshot::write(writer.index().unwrap(), &writer.origin([7; 32]).unwrap(), &mut sink).unwrap();
    snapshot::read(&object, &[7; 32], usize::MAX, NonZeroUsize::MIN).unwrap()
}

#[test]
fn a_replica_that_starts_from_a_snapshot_reads_the_log_from_a_long_overlap_before_it() {
    let mut log = Log::default();
    (0..1_000).for_each(|contact| log.entries.push(entry(contact, -10_000_000)));
    let snapshot = snapshot_at(&mut log, 0);
    assert_eq!(snapshot.origin.moment, at(0));
    log.write(5, 3_000);
    // It was stamped long before it showed.
    log.write(2_000, 1 - LONG_OVERLAP_MS);

    let mut replica = replica();
    replica.start_from(snapshot, at(DAY)).unwrap();
    assert!(replica.index().is_none() && replica.source().is_none(), "no list is answered from it yet");
    assert_eq!(replica.provisional_index().unwrap().len(), 1_000);
    let entries = log.pass(&mut replica, DAY);

    assert_eq!(entries, [2]);
    assert_eq!(log.reads.last().unwrap().0.range, LogRange::since(at(-LONG_OVERLAP_MS)));
    assert_eq!(replica.index().unwrap().len(), 1_001);
    assert_eq!(replica.source(), Some(Source::Snapshot { moment: at(0) }));
    let origin = replica.origin([7; 32]).unwrap();
    assert_eq!((origin.moment, origin.log_read_at), (at(DAY), at(0)), "a new snapshot begins where this reading began");
}

#[test]
fn what_a_snapshot_lacks_is_read_by_several_readers() {
    let mut log = Log::default();
    log.write(0, 0);
    let snapshot = snapshot_at(&mut log, 1_000);
    (1..1_000).for_each(|contact| log.entries.push(entry(contact, 1_000 * i64::from(contact))));
    let mut replica = Replica::new(Bounds { page_entries: 100, ..Bounds::default() });
    replica.start_from(snapshot, at(1_000_000)).unwrap();

    replica.begin(at(1_000_000));
    let first = replica.next_read().unwrap();
    assert_eq!(replica.next_read(), None, "it may be no more than a page");
    let page = log.page(&first);
    replica.answer(first.id, page);
    for readers in [2, 4] {
        let reads: Vec<LogRead> = (0..4).filter_map(|_| replica.next_read()).collect();
        assert_eq!(reads.len(), readers, "as far ahead as was read");
        for read in reads {
            let page = log.page(&read);
            replica.answer(read.id, page);
        }
    }
    log.pass(&mut replica, 1_000_100);

    assert_eq!(replica.index().unwrap().len(), 1_000);
}

#[test]
fn a_doubtful_snapshot_is_refused_with_the_reason() {
    let mut log = Log::default();
    log.write(1, 0);
    let mark = |generation: &str, millis| {
        Some(ResetMark { updated_at: at(millis), generation: generation.to_owned(), voids_cursors: false })
    };
    let mut start = |replica: &mut Replica, reset, now| {
        let mut snapshot = snapshot_at(&mut log, 0);
        snapshot.origin.reset = reset;
        replica.start_from(snapshot, at(now)).err()
    };

    assert_eq!(start(&mut replica(), None, SNAPSHOT_TRUST_MS), None);
    let age_ms = SNAPSHOT_TRUST_MS + 1;
    assert_eq!(start(&mut replica(), None, age_ms), Some(Refused::TooOld { age_ms }));
    let ahead_ms = LONG_OVERLAP_MS + 1;
    assert_eq!(start(&mut replica(), None, -ahead_ms), Some(Refused::Ahead { ahead_ms }));
    let mut small = Replica::new(Bounds { memory: 100, ..Bounds::default() });
    assert!(matches!(start(&mut small, None, 0), Some(Refused::TooLarge { bytes: 101.. })));

    let mut after_reset = replica();
    assert_eq!(start(&mut after_reset, mark("one", 5), 10), None);
    assert_eq!(after_reset.resets(), 1);
    assert_eq!(start(&mut after_reset, mark("one", 5), 10), None);
    for before in [None, mark("none", 4)] {
        assert_eq!(start(&mut after_reset, before, 10), Some(Refused::Reset));
    }
    assert_eq!(start(&mut after_reset, mark("two", 6), 10), None);
    assert_eq!(after_reset.resets(), 2);

    log.pass(&mut after_reset, 20);
    let again = snapshot_at(&mut log, 20);
    assert_eq!(after_reset.start_from(again, at(30)), Err(Refused::Loaded));
}

#[test]
fn a_snapshot_whose_time_ran_out_before_the_first_pass_is_dropped() {
    let mut log = Log::default();
    log.write(1, 0);
    let snapshot = snapshot_at(&mut log, 0);
    let mut replica = replica();
    replica.start_from(snapshot, at(SNAPSHOT_TRUST_MS)).unwrap();

    log.pass(&mut replica, SNAPSHOT_TRUST_MS + 1);

    assert_eq!(replica.source(), Some(Source::Log));
}

#[test]
fn a_mark_of_another_generation_drops_the_snapshot() {
    let mut log = Log::default();
    log.write(1, -10_000_000);
    let snapshot = snapshot_at(&mut log, 0);
    let mut replica = replica();
    replica.start_from(snapshot, at(5_000)).unwrap();

    replica.begin(at(5_000));
    let read = replica.next_read().unwrap();
    let reset = ResetMark { updated_at: at(2_000), generation: "another".to_owned(), voids_cursors: true };
    replica.answer(read.id, LogPage { reset: Some(reset), ..LogPage::default() });
    assert!(replica.provisional_index().is_none());
    let next = replica.next_read().unwrap();

    assert_eq!(next.range, LogRange::ALL);
    assert_eq!(replica.resets(), 1);
}

fn entry(contact: u32, stamp: i64) -> IndexEntry {
    let mut log = Log::default();
    log.write(contact, stamp);
    log.entries.remove(0)
}
