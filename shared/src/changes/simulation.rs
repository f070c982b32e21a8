//! The proof that the feed leaves nothing out: contacts that change, a log that shows it late, clocks that differ, and readers that are killed and go on
//! from an old cursor. The protocol is the one that ships, with its bounds; table and log are a small model.
//!
//! `FEED_SEED=<seed>` replays one world, `FEED_SEEDS=<number>` tries that many.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::env;

use index::bounds::{FEED_DEEP_MS, FEED_LAG_MS, FEED_SETTLE_MS};
use index::log::LogPosition;

use super::cursor::Cursor;
use super::feed::{FeedRead, Progress, Reading, Shown};
use crate::caller::Caller;
use crate::contact::Contact;
use crate::object_id::ObjectId;
use crate::seeded::{Random, replayable};
use crate::store::{ContactState, FeedEntry, FeedPage, Leaving, LeftNamespaces};
use crate::timestamp::Timestamp;

const SEEDS: u64 = 80;

const NAMESPACES: [&str; 3] = ["a", "b", "c"];

#[test]
fn nothing_is_left_out_in_any_world() {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().expect("a whole number"));
    if let Some(seed) = number("FEED_SEED") {
        println!("{:#?}", run(seed));
        return;
    }
    let mut seen = Seen::default();
    for seed in 0..number("FEED_SEEDS").unwrap_or(SEEDS) {
        seen.add(run(seed));
    }
    // What was never met was never checked.
    let Seen { late, frozen, departures, returns, killed, deep_passes, busy, overflows, ended } = seen;
    for times in [late, frozen, departures, returns, killed, deep_passes, busy, overflows, ended] {
        assert!(times > 0, "{seen:?}");
    }
}

/// Contact `n` is written `n` times `write_every` after the beginning, and shows at once, except those that `shows` gives another time. A reader
/// takes one change in every call, from `begin` on. Answers when it was first given each contact.
fn follow(write_every: i64, call_every: i64, begin: i64, until: i64, shows: &HashMap<usize, i64>) -> HashMap<usize, i64> {
    let namespaces = ["a".to_owned()];
    let entries = (1..until / write_every).map(|number| {
        let contact = usize::try_from(number).expect("it is positive");
        let stamp = number * write_every;
        let entry = FeedEntry {
            id: id(contact),
            version: 0,
            updated_at: Timestamp::from_millis(stamp),
            namespaces: namespaces.to_vec(),
            left: LeftNamespaces::default(),
        };
        (shows.get(&contact).copied().unwrap_or(stamp), entry)
    });
    let entries: Vec<(i64, FeedEntry)> = entries.collect();
    let mut progress = Progress::new(None, Timestamp::from_millis(0));
    let mut given = HashMap::new();
    for now in (begin..until).step_by(usize::try_from(call_every).expect("it is positive")) {
        let mut reading = Reading::new(progress, &namespaces, 1, Timestamp::from_millis(now));
        while let Some(read) = reading.next_read() {
            let is_behind = |entry: &FeedEntry| {
                read.position.as_ref().is_none_or(|position| {
                    (entry.updated_at, entry.id.to_string()) > (position.updated_at, position.sort_key.clone())
                })
            };
            let in_range =
                |(since, entry): &&(i64, FeedEntry)| *since <= now && entry.updated_at >= read.from && is_behind(entry);
            let mut page: Vec<FeedEntry> = entries.iter().filter(in_range).map(|(_, entry)| entry.clone()).collect();
            let is_cut = page.len() > read.limit as usize;
            page.truncate(read.limit as usize);
            let last = page.last().filter(|_| is_cut);
            let next = last.map(|last| LogPosition { updated_at: last.updated_at, sort_key: last.id.to_string() });
            reading.page(FeedPage { entries: page, voids_cursors: None, next });
        }
        let wanted: Vec<ObjectId> = reading.wanted().collect();
        for id in &wanted {
            given.entry(contact_of(*id)).or_insert(now);
        }
        let shown: Vec<Contact> = wanted
            .iter()
            .map(|id| Contact { id: *id, version: 0, company_namespace: namespaces.to_vec(), ..Contact::full() })
            .collect();
        let shown: Vec<Option<Shown<'_>>> = shown.iter().map(Shown::Contact).map(Some).collect();
        progress = reading.finish(&shown).0;
    }
    given
}

#[test]
fn a_contact_that_changes_between_two_pages_is_wanted_once() {
    let namespaces = ["a".to_owned()];
    let entry = |contact, version, stamp| FeedEntry {
        id: id(contact),
        version,
        updated_at: Timestamp::from_millis(stamp),
        namespaces: namespaces.to_vec(),
        left: LeftNamespaces::default(),
    };
    let position = LogPosition { updated_at: Timestamp::from_millis(2), sort_key: id(2).to_string() };
    let now = Timestamp::from_millis(100);
    let mut reading = Reading::new(Progress::new(None, now), &namespaces, 10, now);

    reading.page(FeedPage { entries: vec![entry(1, 0, 1), entry(2, 0, 2)], voids_cursors: None, next: Some(position) });
    reading.page(FeedPage { entries: vec![entry(3, 0, 3), entry(1, 1, 4)], voids_cursors: None, next: None });

    assert_eq!(reading.wanted().collect::<Vec<_>>(), [id(2), id(3), id(1)]);
}

#[test]
fn a_reader_that_never_sees_the_end_is_given_what_came_late() {
    // It begins 3 seconds after the first write, and stays two behind the last.
    let late = 50;
    let given = follow(1_000, 1_000, 3_000, 300_000, &HashMap::from([(late, 55_000)]));

    assert!(given[&late] < 55_000 + 2 * FEED_LAG_MS, "given at {}", given[&late]);
    assert_eq!(given[&40], 42_000, "it is two behind");
}

#[test]
fn a_reader_that_is_hardly_faster_than_the_writers_is_not_held_up_by_deep_passes() {
    let hours = 4 * 60 * 60 * 1_000;

    let given = follow(3_000, 2_800, 0, hours, &HashMap::new());

    let last = given.keys().max().expect("some were given");
    assert!(3_000 * *last as i64 > hours - 3 * FEED_DEEP_MS, "only contact {last} was given");
}

fn run(seed: u64) -> Seen {
    replayable("FEED_SEED", seed, |random| World::new(random).run())
}

/// How often something happened that worlds must not be without.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// The log showed a change behind one that a reader had been given.
    late: u64,
    /// That, by more than the settled place steps back.
    frozen: u64,
    /// A reader was told that a contact had left its namespaces.
    departures: u64,
    /// A contact came back to a reader that had been told that it was gone.
    returns: u64,
    /// A reader went on from an older cursor.
    killed: u64,
    /// A call began a deep pass.
    deep_passes: u64,
    /// A call went back to the settled place in the middle of a pass.
    busy: u64,
    /// A reader was given more than its cursor remembers.
    overflows: u64,
    /// An answer said that there is no more.
    ended: u64,
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.late += other.late;
        self.frozen += other.frozen;
        self.departures += other.departures;
        self.returns += other.returns;
        self.killed += other.killed;
        self.deep_passes += other.deep_passes;
        self.busy += other.busy;
        self.overflows += other.overflows;
        self.ended += other.ended;
    }
}

/// A contact as the table has it.
#[derive(Clone, Debug)]
struct Row {
    version: u64,
    updated_at: i64,
    namespaces: Vec<String>,
    left: LeftNamespaces,
    is_deleted: bool,
}

/// A write that is sent and has not landed.
struct UnderWay {
    lands: i64,
    contact: usize,
    namespaces: Option<Vec<String>>,
    stamp: i64,
    lag: i64,
}

struct Reader {
    caller: Caller,
    limit: usize,
    skew: i64,
    pause: i64,
    next_call: i64,
    /// The cursor that a restart finds, as text.
    kept: Option<String>,
    /// The cursor of the last answer.
    cursor: Option<String>,
    /// The copy: the versions of the contacts that it has. It remembers no deletion.
    copy: HashMap<ObjectId, u64>,
    /// The latest version of each contact that was ever given.
    given: HashMap<ObjectId, u64>,
    gone: HashSet<ObjectId>,
    after: Option<i64>,
}

struct World {
    random: Random,
    now: i64,
    table: Vec<Option<Row>>,
    /// What the log shows, and from when on: the last state of each contact that is old enough counts.
    shown: Vec<Vec<(i64, Row)>>,
    under_way: Vec<UnderWay>,
    readers: Vec<Reader>,
    /// The namespaces that each contact ever had.
    ever: Vec<HashSet<String>>,
    /// How late the log may show a change, from its stamp on.
    prompt: bool,
    write_pause: i64,
    frozen_percent: u64,
    seen: Seen,
}

fn id(contact: usize) -> ObjectId {
    let mut bytes = [7; 12];
    bytes[4..].copy_from_slice(&(contact as u64).to_be_bytes());
    ObjectId::from_bytes(bytes)
}

fn contact_of(id: ObjectId) -> usize {
    let bytes = id.bytes();
    u64::from_be_bytes(std::array::from_fn(|place| bytes[4 + place])) as usize
}

impl World {
    fn new(mut random: Random) -> Self {
        let contacts = [3, 12, 60, 3_000][random.below(4)];
        let prompt = random.percent(50);
        let busy = random.percent(30);
        let readers = (0..1 + random.below(3))
            .map(|_| {
                let first = random.below(3);
                let namespaces: Vec<String> =
                    NAMESPACES.iter().cycle().skip(first).take(1 + random.below(2)).map(ToString::to_string).collect();
                Reader {
                    caller: Caller {
                        tenant: "t".to_owned(),
                        namespaces,
                        user: serde_json::from_value(serde_json::json!({"_id": "1", "type": "rep"})).expect("a user"),
                    },
                    limit: [1, 3, 10, 100, 500][random.below(5)].min(if contacts > 100 { 500 } else { 10 }).max(contacts / 70),
                    skew: random.within(-2_000..2_000),
                    pause: [20, 500, 8_000, 200_000][random.below(4)],
                    next_call: random.within(0..120_000),
                    kept: None,
                    cursor: None,
                    copy: HashMap::new(),
                    given: HashMap::new(),
                    gone: HashSet::new(),
                    after: None,
                }
            })
            .collect();
        Self {
            now: 0,
            table: vec![None; contacts],
            shown: vec![Vec::new(); contacts],
            under_way: Vec::new(),
            readers,
            ever: vec![HashSet::new(); contacts],
            prompt,
            write_pause: if contacts > 100 {
                4
            } else if busy {
                30
            } else {
                random.within(100..20_000)
            },
            frozen_percent: if random.percent(50) { 3 } else { 0 },
            seen: Seen::default(),
            random,
        }
    }

    fn run(mut self) -> Seen {
        // The clocks of the world begin when there is a time before it.
        self.now = 1_700_000_000_000;
        let begin = self.now;
        let mut next_write = self.now;
        for _ in 0..2_500 {
            let next_call = self.readers.iter().map(|reader| begin + reader.next_call).min().unwrap_or(i64::MAX);
            let landing = self.under_way.iter().map(|write| write.lands).min().unwrap_or(i64::MAX);
            self.now = self.now.max(next_write.min(next_call).min(landing));
            if landing <= self.now {
                self.land();
            } else if next_write <= self.now {
                self.send();
                next_write = self.now + self.random.within(1..2 * self.write_pause);
            } else {
                let reader = (0..self.readers.len()).min_by_key(|&reader| self.readers[reader].next_call).expect("a reader");
                self.call(reader);
                let pause = self.readers[reader].pause;
                let pause =
                    if self.random.percent(3) { self.random.within(0..40 * 60_000) } else { self.random.within(1..2 * pause) };
                self.readers[reader].next_call = self.now - begin + pause;
            }
            if self.random.percent(1) {
                self.quiet_moment();
            }
        }
        while !self.under_way.is_empty() {
            self.now = self.under_way.iter().map(|write| write.lands).min().expect("a write").max(self.now);
            self.land();
        }
        self.now = self.shown.iter().flatten().map(|(since, _)| *since).max().unwrap_or(0).max(self.now);
        // Whatever was late: two deep passes later every copy has it.
        for _ in 0..2 {
            self.now += FEED_DEEP_MS + 60_000;
            for reader in 0..self.readers.len() {
                self.read_to_the_end(reader);
            }
        }
        self.copies_are_equal();
        self.seen
    }

    /// A write of some contact is stamped and sent.
    fn send(&mut self) {
        let contact = self.random.below(self.table.len());
        let namespaces = match (&self.table[contact], self.random.below(10)) {
            (Some(_), 0) => None,
            (Some(row), 1..6) => Some(row.namespaces.clone()),
            _ => {
                let mut namespaces: Vec<String> = NAMESPACES.iter().map(ToString::to_string).collect();
                namespaces.retain(|_| self.random.percent(50));
                Some(if namespaces.is_empty() { vec!["b".to_owned()] } else { namespaces })
            }
        };
        let skew = self.random.within(-1_500..1_500);
        let is_frozen = !self.prompt && self.random.percent(self.frozen_percent);
        let delay = match self.random.below(4) {
            _ if is_frozen => self.random.within(20_000..400_000),
            0 => self.random.within(500..3_000),
            _ => self.random.within(1..60),
        };
        let lag = match self.random.below(5) {
            0 if !self.prompt => self.random.within(1_000..100_000),
            1 => self.random.within(100..2_000),
            _ => self.random.within(0..50),
        };
        let stamp = self.now + skew;
        self.under_way.push(UnderWay { lands: self.now + delay, contact, namespaces, stamp, lag });
    }

    /// The write that lands first does so, if its stamp is later than that of the contact.
    fn land(&mut self) {
        let first = (0..self.under_way.len()).min_by_key(|&write| self.under_way[write].lands).expect("a write");
        let UnderWay { contact, namespaces, stamp, lag, .. } = self.under_way.swap_remove(first);
        let before = self.table[contact].take();
        let row = match (before, namespaces) {
            (Some(row), _) if row.is_deleted || row.updated_at >= stamp => {
                self.table[contact] = Some(row);
                return;
            }
            (None, None) => return,
            (None, Some(namespaces)) => {
                Row { version: 0, updated_at: stamp, namespaces, left: LeftNamespaces::default(), is_deleted: false }
            }
            (Some(row), None) => Row { version: row.version + 1, updated_at: stamp, is_deleted: true, ..row },
            (Some(row), Some(namespaces)) => {
                let change = Leaving { version: row.version + 1, updated_at: Timestamp::from_millis(stamp) };
                let left = row.left.after(&row.namespaces, &namespaces, change);
                Row { version: row.version + 1, updated_at: stamp, namespaces, left, is_deleted: false }
            }
        };
        self.ever[contact].extend(row.namespaces.iter().cloned());
        let since = self.shown[contact].last().map_or(0, |(since, _)| *since).max(self.now + lag);
        for reader in &self.readers {
            let behind = reader.cursor.as_ref().is_some_and(|text| {
                let place = Cursor::of_text(text, &reader.caller).expect("its own cursor").progress.place;
                place.stamp.millis() > row.updated_at
            });
            self.seen.late += u64::from(behind);
            self.seen.frozen += u64::from(behind && self.now + lag - row.updated_at > FEED_SETTLE_MS);
        }
        self.shown[contact].push((since, row.clone()));
        self.table[contact] = Some(row);
    }

    /// What the log shows of each contact, in its order.
    fn log(&self) -> BTreeMap<(i64, ObjectId), &Row> {
        let last = |states: &'_ [(i64, Row)]| states.iter().rposition(|(since, _)| *since <= self.now);
        let rows = self.shown.iter().enumerate().filter_map(|(contact, states)| Some((contact, &states[last(states)?].1)));
        rows.map(|(contact, row)| ((row.updated_at, id(contact)), row)).collect()
    }

    fn page(&mut self, read: &FeedRead) -> FeedPage {
        let behind = read.position.as_ref().map(|position| {
            (position.updated_at.millis(), position.sort_key.parse::<ObjectId>().expect("only contacts are in this log"))
        });
        let log = self.log();
        let mut entries = Vec::new();
        let mut next = None;
        for (&(stamp, id), row) in &log {
            if stamp < read.from.millis() || behind.is_some_and(|behind| (stamp, id) <= behind) {
                continue;
            }
            if entries.len() == read.limit as usize {
                let last: &FeedEntry = entries.last().expect("a page takes at least one");
                next = Some(LogPosition { updated_at: last.updated_at, sort_key: last.id.to_string() });
                break;
            }
            entries.push(FeedEntry {
                id,
                version: row.version,
                updated_at: Timestamp::from_millis(stamp),
                namespaces: row.namespaces.clone(),
                left: row.left.clone(),
            });
        }
        FeedPage { entries, voids_cursors: None, next }
    }

    fn current(&self, id: ObjectId) -> Option<ContactState> {
        let Row { version, updated_at, namespaces, left, is_deleted } = self.table[contact_of(id)].clone()?;
        let updated_at = Timestamp::from_millis(updated_at);
        Some(if is_deleted {
            ContactState::Tombstone { id, version, updated_at, namespaces, left }
        } else {
            let contact = Contact { id, version, updated_at, company_namespace: namespaces, ..Contact::full() };
            ContactState::Contact { contact: Box::new(contact), left }
        })
    }

    /// One call. Answers whether there is more.
    fn call(&mut self, number: usize) -> bool {
        let (caller, limit) = (self.readers[number].caller.clone(), self.readers[number].limit);
        let reader = &mut self.readers[number];
        let now = Timestamp::from_millis(self.now + reader.skew);
        if self.random.percent(5) {
            // Its process was killed after it had applied some of the changes, and before it wrote the cursor down.
            self.seen.killed += u64::from(reader.kept != reader.cursor);
            reader.cursor.clone_from(&reader.kept);
        }
        let (before, cursor) = match &reader.cursor {
            Some(text) => {
                let cursor = Cursor::of_text(text, &caller).expect("its own cursor");
                (Some(cursor.progress.clone()), cursor)
            }
            None => {
                let after = reader.after.map(Timestamp::from_millis);
                (None, Cursor { issued: now, mark: None, progress: Progress::new(after, now) })
            }
        };
        let mut reading = Reading::new(cursor.progress, &caller.namespaces, limit, now);
        let mut is_first = true;
        while let Some(read) = reading.next_read() {
            if let Some(before) = before.as_ref().filter(|_| std::mem::take(&mut is_first)) {
                let goes_back = read.from < before.place.stamp;
                let is_deep = now.millis() - before.deep_pass.millis() >= FEED_DEEP_MS;
                self.seen.deep_passes += u64::from(goes_back && is_deep);
                self.seen.busy += u64::from(goes_back && !is_deep);
            }
            // Time passes between reads, and writes land.
            self.now += self.random.within(0..20);
            while self.under_way.iter().any(|write| write.lands <= self.now) {
                self.land();
            }
            let page = self.page(&read);
            reading.page(page);
        }
        self.now += self.random.within(0..20);
        let wanted: Vec<ObjectId> = reading.wanted().collect();
        assert!(wanted.len() <= limit);
        assert_eq!(wanted.iter().collect::<HashSet<_>>().len(), wanted.len(), "a contact is wanted twice");
        // Now and then there is no room for all.
        let fits = if wanted.len() > 1 && self.random.percent(10) { 1 + self.random.below(wanted.len()) } else { wanted.len() };
        let current: Vec<Option<ContactState>> = wanted.iter().take(fits).map(|id| self.current(*id)).collect();
        let shown: Vec<Option<Shown<'_>>> =
            current.iter().map(|current| current.as_ref().and_then(|current| reading.show(current))).collect();
        let changes: Vec<(ObjectId, u64, bool)> = shown
            .iter()
            .flatten()
            .map(|shown| match *shown {
                Shown::Contact(contact) => (contact.id, contact.version, false),
                Shown::Deleted { id, version, .. } => (id, version, true),
            })
            .collect();
        let (progress, more) = reading.finish(&shown);
        self.seen.overflows += u64::from(progress.has_forgotten);
        self.seen.ended += u64::from(!more);
        for (id, version, is_deleted) in changes {
            self.apply(number, id, version, is_deleted);
        }
        let text = Cursor { issued: now, mark: None, progress: progress.clone() }.to_text(&caller);
        assert_eq!(Cursor::of_text(&text, &caller).expect("a cursor that was just made").progress, progress);
        assert!(text.len() < 3_100, "{} characters", text.len());
        let reader = &mut self.readers[number];
        reader.cursor = Some(text);
        if self.random.percent(60) {
            reader.kept.clone_from(&reader.cursor);
        }
        more
    }

    fn apply(&mut self, number: usize, id: ObjectId, version: u64, is_deleted: bool) {
        let reader = &mut self.readers[number];
        let may_know = self.ever[contact_of(id)].iter().any(|namespace| reader.caller.may_use(namespace));
        assert!(may_know, "{id} was never in sight");
        let before = reader.given.insert(id, version);
        assert!(before.is_none_or(|before| before <= version), "{id} goes back from {before:?} to {version}");
        let has = reader.copy.get(&id).copied();
        if is_deleted {
            if has.is_some_and(|has| has < version) {
                reader.copy.remove(&id);
                reader.gone.insert(id);
                let row = self.table[contact_of(id)].as_ref().expect("it was given");
                self.seen.departures += u64::from(!row.is_deleted);
            }
        } else if has.is_none_or(|has| has < version) {
            reader.copy.insert(id, version);
            self.seen.returns += u64::from(reader.gone.remove(&id));
        }
    }

    fn read_to_the_end(&mut self, reader: usize) {
        // Twice, because the log is read again where it was read too early. Each time everything comes at most twice.
        let most = 20 + 6 * self.table.len() / self.readers[reader].limit;
        let calls = (0..most).take_while(|_| self.call(reader)).count();
        assert!(calls < most, "there is always more");
    }

    /// Where nothing is late beyond the settled place, every copy is equal as soon as an answer says that there is no more.
    fn quiet_moment(&mut self) {
        if !self.prompt {
            return;
        }
        while !self.under_way.is_empty() {
            self.now = self.under_way.iter().map(|write| write.lands).min().expect("a write").max(self.now);
            self.land();
        }
        self.now = self.shown.iter().filter_map(|states| Some(states.last()?.0)).max().unwrap_or(0).max(self.now);
        for reader in 0..self.readers.len() {
            self.read_to_the_end(reader);
        }
        if self.table.len() <= super::feed::REMEMBERED {
            self.copies_are_equal();
        }
    }

    fn copies_are_equal(&self) {
        for reader in &self.readers {
            let rows = self.table.iter().enumerate().filter_map(|(contact, row)| Some((id(contact), row.as_ref()?)));
            let visible = rows
                .filter(|(_, row)| !row.is_deleted && row.namespaces.iter().any(|namespace| reader.caller.may_use(namespace)));
            let expected: HashMap<ObjectId, u64> = visible.map(|(id, row)| (id, row.version)).collect();
            assert_eq!(reader.copy, expected, "the copy of {:?}", reader.caller.namespaces);
        }
    }
}
