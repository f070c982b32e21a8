//! What lists, changes and the load of an index cost, and what it takes of memory: the engine alone, without HTTP and DynamoDB.
//!
//! `cargo bench -p index` measures at 1,000, 100,000 and 1,000,000 contacts; `LISTING_ENTRIES=100000` at one other number, or at
//! several separated by commas. An argument is a part of the rows to measure. Every query is made up at random and none is repeated,
//! so nothing that is kept of one helps another, except the orders that lists with `sort` have in common.

mod contacts;

use std::hint::black_box;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use contacts::{Change, Contacts};
use index::ContactIndex;
use index::entry::{IndexEntry, TextField};
use index::fold::fold;
use index::keys::{email_key, phone_key};
use index::query::{Filter, ListQuery, SortField, SortKey};
use lifelike::Random;
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// How many random queries a row is measured by, at most.
const QUERIES: usize = 400;

/// How long a row is measured at most.
const PATIENCE: Duration = Duration::from_secs(2);

fn main() {
    let sizes = env::var("LISTING_ENTRIES").unwrap_or_else(|_| "1000,100000,1000000".to_owned());
    let only = env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    for size in sizes.split(',') {
        let size = size.trim().parse().expect("LISTING_ENTRIES holds numbers separated by commas");
        Bench { contacts: Contacts::new(size), size, only: only.clone() }.run();
    }
}

struct Bench {
    contacts: Contacts,
    size: u64,
    only: String,
}

impl Bench {
    fn run(&self) {
        println!("\n| {} contacts | least | median | 95 % | most |\n|---|---:|---:|---:|---:|", self.size);
        let entries: Vec<_> = self.contacts.log().collect();
        let before = HEAP.current_usage();
        let mut index = ContactIndex::new();
        // The entries are gone by then, though they were there before.
        println!("| load | {} | | |", show(running(|| index = ContactIndex::from_entries(entries))));
        drop(index);
        let after_drop = HEAP.current_usage();
        index = ContactIndex::from_entries(self.contacts.log());
        self.memory("after loading", &index, after_drop.min(before));

        self.lists(&index);
        self.hostile(&index);
        self.orders(&index);
        self.bursts(&mut index);
        index.release_memory();
        self.memory("after all changes", &index, after_drop.min(before));
    }

    fn memory(&self, when: &str, index: &ContactIndex, before: usize) {
        let counted = HEAP.current_usage() - before;
        let per_contact = |bytes: usize| bytes as f64 / index.len() as f64;
        println!(
            "| memory {when}, bytes a contact: {:.1} by the allocator, {:.1} by the index | | | |",
            per_contact(counted),
            per_contact(index.memory_bytes()),
        );
        let own = index.memory_bytes();
        assert!(own.abs_diff(counted) * 20 <= counted, "the index accounts for its memory within 5 %: {own} of {counted}");
        for (part, bytes) in index.memory_parts() {
            println!("| memory {when}, bytes a contact: {part} {:.1} | | | |", per_contact(bytes));
        }
    }

    /// Measures a row: each query once.
    fn row(&self, name: &str, index: &ContactIndex, mut query: impl FnMut(&mut Random) -> ListQuery) {
        if !name.contains(&self.only) {
            return;
        }
        let all = contacts::all_namespaces();
        let mut random = Random::new(name.bytes().fold(7, |hash: u64, byte| hash.wrapping_mul(31) + u64::from(byte)));
        let start = Instant::now();
        let mut times = Vec::new();
        while times.len() < QUERIES && (times.len() < 5 || start.elapsed() < PATIENCE) {
            let query = query(&mut random);
            times.push(timed(|| index.select(&query, &all)));
        }
        report(name, times);
    }

    fn lists(&self, index: &ContactIndex) {
        let page = |random: &mut Random| NonZeroU64::new(1 + random.below(self.size.div_ceil(25))).expect("at least 1");
        let by = |field, descending| vec![SortKey { field, descending }];
        let word = |random: &mut Random| self.contacts.word(random);
        let part = |random: &mut Random| {
            let word: Vec<char> = word(random).chars().collect();
            let len = (3 + random.below(3) as usize).min(word.len());
            let start = random.below((word.len() - len + 1) as u64) as usize;
            word[start..start + len].iter().collect::<String>()
        };

        self.row("random page, default order", index, |random| ListQuery { page: page(random), ..list() });
        self.row("random page, by name", index, |random| ListQuery {
            page: page(random),
            sort: by(SortField::Name, false),
            ..list()
        });
        self.row("random page, newest change first", index, |random| ListQuery {
            page: page(random),
            sort: by(SortField::UpdatedAt, true),
            ..list()
        });
        self.row("search, part of a word", index, |random| searching(&[&part(random)]));
        self.row("search, a whole word", index, |random| searching(&[&word(random)]));
        self.row("search, two words, newest first", index, |random| {
            let (one, other) = self.contacts.two_words(random);
            ListQuery { sort: by(SortField::UpdatedAt, true), ..searching(&[&one, &other]) }
        });
        self.row("search, part of a word, by name", index, |random| ListQuery {
            sort: by(SortField::Name, false),
            ..searching(&[&part(random)])
        });
        self.row("search, no hits", index, |random| searching(&[&format!("{}qx{}", part(random), random.below(1_000))]));
        for share in [1, 10, 50] {
            self.row(&format!("updatedAt range of {share} %"), index, |random| ListQuery {
                filter: self.contacts.changed(share, random),
                ..list()
            });
        }
        self.row("updatedAt range of 10 %, newest first", index, |random| ListQuery {
            filter: self.contacts.changed(10, random),
            sort: by(SortField::UpdatedAt, true),
            ..list()
        });
        self.row("one exact name", index, |random| named(vec![self.contacts.person(random).name]));
        self.row("20 exact names", index, |random| named((0..20).map(|_| self.contacts.person(random).name).collect()));
        let one = |value: String| Some(vec![value]);
        let filtered = |filter| ListQuery { filter, ..list() };
        self.row("one email", index, |random| {
            let email = self.contacts.some(random, |person| person.email);
            filtered(Filter { emails: one(email_key(&email)), ..Filter::default() })
        });
        self.row("one phone number", index, |random| {
            let phone = self.contacts.some(random, |person| person.phone2);
            filtered(Filter { phones: one(phone_key(&phone)), ..Filter::default() })
        });
        self.row("one external id", index, |random| {
            let external_id = self.contacts.some(random, |person| person.external_id);
            filtered(Filter { external_ids: one(external_id), ..Filter::default() })
        });
        self.row("random page of those not disabled", index, |random| ListQuery {
            page: page(random),
            ..filtered(Filter { disabled: Some(false), ..Filter::default() })
        });
        self.row("createdAt range of 1 %", index, |random| filtered(self.contacts.created(1, random)));
        self.row("createdAt range of 50 % and a search", index, |random| {
            let search = vec![fold(&part(random))];
            filtered(Filter { search, ..self.contacts.created(50, random) })
        });
    }

    /// The worst that a request can ask for.
    fn hostile(&self, index: &ContactIndex) {
        let letters =
            |random: &mut Random, len: usize| (0..len).map(|_| char::from(b'a' + random.below(26) as u8)).collect::<String>();
        self.row("hostile: one letter", index, |random| searching(&[&letters(random, 1)]));
        self.row("hostile: 16 letters that nearly all have", index, |_| {
            searching(&["a", "i", "e", "n", "r", "o", "l", "s", "h", "t", "m", "d", "u", "k", "c", "b"])
        });
        self.row("hostile: 16 words of 2 letters", index, |random| {
            let words: Vec<_> = (0..16).map(|_| letters(random, 2)).collect();
            searching(&words.iter().map(String::as_str).collect::<Vec<_>>())
        });
        self.row("hostile: a word that is white space when folded", index, |_| searching(&["\u{a8}"]));
        self.row("hostile: 1,000 names", index, |random| named((0..1_000).map(|_| self.contacts.person(random).name).collect()));
        self.row("hostile: 1,000 _ids", index, |random| {
            let mut ids: Vec<_> = (0..1_000).map(|_| self.contacts.id(random)).collect();
            ids.sort_unstable();
            ids.dedup();
            ListQuery { filter: Filter { ids: Some(ids), ..Filter::default() }, ..list() }
        });
    }

    fn orders(&self, index: &ContactIndex) {
        for (name, sort) in [
            ("name", vec![key(SortField::Name, false)]),
            ("local_name", vec![key(SortField::Text(TextField::LocalName), false)]),
            ("email", vec![key(SortField::Text(TextField::Email), false)]),
            ("phone1", vec![key(SortField::Text(TextField::Phone1), false)]),
            ("title and -name", vec![key(SortField::Text(TextField::Title), false), key(SortField::Name, true)]),
            ("createdAt", vec![key(SortField::CreatedAt, false)]),
        ] {
            let name = format!("first list by {name}");
            if !name.contains(&self.only) {
                continue;
            }
            let query = ListQuery { sort, ..list() };
            let all = contacts::all_namespaces();
            let (mut first, mut second, mut third) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..7 {
                index.release_memory();
                first.push(running(|| index.select(&query, &all)));
                for times in [&mut second, &mut third] {
                    times.push(timed(|| index.select(&query, &all)));
                }
            }
            report(&name, first);
            report(&name.replace("first", "second"), second);
            report(&name.replace("first", "third"), third);
        }
    }

    fn bursts(&self, index: &mut ContactIndex) {
        let mut change = Change::default();
        let mut new = self.size;
        for orders in [false, true] {
            let kept = if orders { ", two orders kept" } else { "" };
            let mut burst = |name: &str, make: &mut dyn FnMut(Change) -> IndexEntry| {
                let name = format!("a change of 10,000: {name}{kept}");
                if !name.contains(&self.only) {
                    return;
                }
                let (mut times, mut lists) = (Vec::new(), Vec::new());
                for _ in 0..9 {
                    for sort in [vec![key(SortField::Name, false)], vec![key(SortField::CreatedAt, true)]] {
                        if orders {
                            index.select(&ListQuery { sort, ..list() }, &contacts::all_namespaces());
                        }
                    }
                    change.version += 1;
                    let mut next = || {
                        change.number += 1;
                        make(change)
                    };
                    let entries: Vec<_> = (0..10_000).map(|_| next()).collect();
                    // As a refresh reads them.
                    times.push(running(|| entries.chunks(5_000).map(|page| index.apply_all(page)).sum::<usize>()) / 10_000);
                    if orders {
                        let query = ListQuery { sort: vec![key(SortField::Name, false)], ..list() };
                        lists.push(running(|| index.select(&query, &contacts::all_namespaces())));
                    }
                }
                report(&name, times);
                if orders {
                    report(&format!("the first list by name after {name}"), lists);
                }
            };
            burst("new contacts", &mut |_| {
                new += 1;
                self.contacts.entry(new)
            });
            let mut random = Random::new(11);
            burst("one field each", &mut |change| self.contacts.with_other_phone(random.below(self.size), change));
            burst("names, phones and addresses", &mut |change| self.contacts.with_all_else(random.below(self.size), change));
            burst("deletions", &mut |change| self.contacts.deletion(random.below(self.size), change));
        }
    }
}

fn report(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| show(times[(times.len() - 1) * share / 100]);
    println!("| {name} | {} | {} | {} | {} |", at(0), at(50), at(95), at(100));
}

/// Three digits.
fn show(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    match micros {
        ..10.0 => format!("{micros:.2} µs"),
        ..100.0 => format!("{micros:.1} µs"),
        ..10_000.0 => format!("{:.3} ms", micros / 1e3),
        _ => format!("{:.1} ms", micros / 1e3),
    }
}

fn timed<T>(once: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    let result = black_box(once());
    let elapsed = start.elapsed();
    drop(result);
    elapsed
}

/// The time for which this thread ran meanwhile, where the system tells it. Other work on the machine lengthens it less than the time
/// that passes, and it is exact enough for what takes milliseconds.
fn running<T>(once: impl FnOnce() -> T) -> Duration {
    let ran = || {
        // What ran since the last switch is counted at the next one.
        thread::yield_now();
        let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
    };
    let before = ran();
    let passed = timed(once);
    before.and_then(|before| ran()?.checked_sub(before)).unwrap_or(passed)
}

fn list() -> ListQuery {
    ListQuery { filter: Filter::default(), sort: vec![], page: NonZeroU64::MIN, per_page: 25 }
}

const fn key(field: SortField, descending: bool) -> SortKey {
    SortKey { field, descending }
}

fn searching(words: &[&str]) -> ListQuery {
    let search = words.iter().map(|word| fold(word)).collect();
    ListQuery { filter: Filter { search, ..Filter::default() }, ..list() }
}

fn named(mut names: Vec<String>) -> ListQuery {
    names.sort_unstable();
    names.dedup();
    ListQuery { filter: Filter { names: Some(names), ..Filter::default() }, ..list() }
}
