//! How long lists take, and how much memory their index.
//!
//! `cargo bench -p index --bench listing` measures with 10,000, 100,000 and 1,000,000 contacts; `LISTING_ENTRIES=100000` with one
//! other number, or several separated by commas. For the first of them it also prints how much memory the process gained. As with
//! every criterion benchmark, an argument filters by name.

use std::env;
use std::hint::black_box;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, measurement::WallTime};
use index::ContactIndex;
use index::entry::{EntryFields, IndexEntry};
use index::fold::fold;
use index::object_id::ObjectId;
use index::query::{Filter, ListQuery, SortField, SortKey};
use index::timestamp::Timestamp;

/// 2023-01-15T10:30:00Z, when the first contact was created.
const START: i64 = 1_673_778_600_000;

/// Contacts are created this many milliseconds apart.
const PACE: i64 = 41_000;

fn main() {
    let sizes = env::var("LISTING_ENTRIES").unwrap_or_else(|_| "10000,100000,1000000".to_owned());
    let mut criterion = Criterion::default().configure_from_args();
    // Later indexes lie where earlier ones were, so only the first one shows in what the process occupies.
    let mut resident = resident_bytes();
    for size in sizes.split(',') {
        let size = size.trim().parse().expect("LISTING_ENTRIES holds numbers separated by commas");
        bench(&mut criterion, size, resident.take());
    }
    criterion.final_summary();
}

fn bench(criterion: &mut Criterion, size: u32, resident: Option<usize>) {
    let mut group = criterion.benchmark_group("listing");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));

    let mut index = ContactIndex::from_entries(entries(size));
    let per_entry = |bytes: usize| bytes / size as usize;
    println!("{size} entries: {} bytes each by their own account", per_entry(index.memory_bytes()));
    if let (Some(before), Some(after)) = (resident, resident_bytes()) {
        println!("{size} entries: {} bytes each in resident memory", per_entry(after.saturating_sub(before)));
    }

    measure(&mut group, "load", size, |times| {
        (0..times).map(|_| timed(|| ContactIndex::from_entries(entries(size))) - timed(|| entries(size).for_each(drop))).sum()
    });
    bench_lists(&mut group, size, &mut index);
    bench_changes(&mut group, size, &mut index);
    group.finish();

    index.release_memory();
    println!("{size} entries: {} bytes each after all changes", per_entry(index.memory_bytes()));
}

fn bench_lists(group: &mut BenchmarkGroup<'_, WallTime>, size: u32, index: &mut ContactIndex) {
    let pages = [("first", 1), ("middle", u64::from(size) / 50), ("last", u64::from(size) / 25)];
    let some = strings(&["ns-emea"]);
    for (name, page) in pages {
        let query = ListQuery { page: NonZeroU64::new(page).unwrap_or(NonZeroU64::MIN), ..list() };
        repeat(group, &format!("default order, {name} page"), size, || index.select(&query, &all()));
        let query = ListQuery { page: NonZeroU64::new(page / 4).unwrap_or(NonZeroU64::MIN), ..query };
        repeat(group, &format!("default order, {name} page of a part"), size, || index.select(&query, &some));
        let query = ListQuery { sort: vec![key(SortField::UpdatedAt, true)], ..query };
        repeat(group, &format!("newest change first, {name} page of a part"), size, || index.select(&query, &some));
    }
    let after = |share: i64| Some(Timestamp::from_millis(START + PACE * i64::from(size) * share / 100));
    let changed = |share| Filter { updated_after: after(share), updated_before: after(101), ..Filter::default() };
    let query = ListQuery { filter: changed(50), sort: vec![key(SortField::UpdatedAt, false)], ..list() };
    repeat(group, "updatedAt range, by updatedAt", size, || index.select(&query, &all()));

    let mut version = 1_000;
    let mut uncached = |group: &mut BenchmarkGroup<'_, WallTime>, name: &str, query: &ListQuery, index: &mut ContactIndex| {
        measure(group, name, size, |times| {
            let mut once = || {
                // Results are kept until something changes.
                version += 1;
                index.apply(&changed_entry(size / 2, version));
                timed(|| index.select(query, &all()))
            };
            (0..times).map(|_| once()).sum()
        });
    };
    let searching = |words: &[&str]| ListQuery {
        filter: Filter { search: words.iter().map(|word| fold(word)).collect(), ..Filter::default() },
        ..list()
    };
    uncached(group, "updatedAt range of 2 %, by _id", &ListQuery { filter: changed(98), ..list() }, index);
    uncached(group, "updatedAt range of 50 %, by _id", &ListQuery { filter: changed(50), ..list() }, index);
    uncached(group, "search, nearly all match", &searching(&["a"]), index);
    uncached(group, "search, many match", &searching(&["mar"]), index);
    uncached(group, "search, few match", &searching(&["Zaharios"]), index);
    uncached(group, "search, none matches", &searching(&["quetzalcoatl"]), index);
    uncached(group, "search, Arabic", &searching(&["مُحمّد"]), index);
    uncached(group, "search, two words", &searching(&["maria", "an"]), index);
    // The most that a request can ask for: words of one letter, which occur nearly everywhere, and words that nearly occur.
    let letters = ["a", "e", "i", "o", "n", "r", "m", "h", "s", "d", "l", "t", "u", "م", "ا", "ر"];
    uncached(group, "search, 16 letters", &searching(&letters), index);
    let ends = ["aria", "amed", "atima", "ammed", "hmed", "ohn", "ari", "ima", "med", "mar", "ah", "fat", "oha", "an", "a", "m"];
    uncached(group, "search, 16 words", &searching(&ends), index);
    let long: Vec<String> = (0..16).map(|number| format!("{}{number}", "a".repeat(600))).collect();
    uncached(group, "search, 16 long words", &searching(&long.iter().map(String::as_str).collect::<Vec<_>>()), index);
    let mut names: Vec<String> = (0..20).map(|number| name(&mut Random(number)).0).collect();
    names.sort_unstable();
    names.dedup();
    let one = Filter { names: Some(vec![names[0].clone()]), ..Filter::default() };
    uncached(group, "one name", &ListQuery { filter: one, ..list() }, index);
    let mut thousand: Vec<String> = (0..1_000).map(|number| name(&mut Random(number)).0).collect();
    thousand.sort_unstable();
    thousand.dedup();
    let thousand = Filter { names: Some(thousand), ..Filter::default() };
    uncached(group, "a thousand names", &ListQuery { filter: thousand, ..list() }, index);
    uncached(group, "twenty names", &ListQuery { filter: Filter { names: Some(names), ..Filter::default() }, ..list() }, index);

    let sorts = [
        ("name", vec![key(SortField::Name, false)]),
        ("local_name", vec![key(SortField::LocalName, false)]),
        ("email", vec![key(SortField::Email, false)]),
        ("title and -name", vec![key(SortField::Title, false), key(SortField::Name, true)]),
        ("all fields", SortField::ALL.iter().rev().map(|(_, field)| key(*field, true)).collect()),
    ];
    for (name, sort) in sorts {
        let mut query = ListQuery { sort, ..list() };
        measure(group, &format!("by {name}, first time"), size, |times| {
            let once = |_| {
                index.release_memory();
                timed(|| index.select(&query, &all()))
            };
            (0..times).map(once).sum()
        });
        repeat(group, &format!("by {name}, next page"), size, || {
            query.page = query.page.saturating_add(1);
            index.select(&query, &all())
        });
    }
    let query = ListQuery { sort: vec![key(SortField::Name, true)], ..searching(&["mar"]) };
    uncached(group, "search, many match, by -name", &query, index);
    let query = ListQuery { sort: vec![key(SortField::Email, true)], ..searching(&["Zaharios"]) };
    uncached(group, "search, few match, by -email", &query, index);
}

fn bench_changes(group: &mut BenchmarkGroup<'_, WallTime>, size: u32, index: &mut ContactIndex) {
    let mut version = 10_000;
    let mut apply = |group: &mut BenchmarkGroup<'_, WallTime>, name: &str, changes: u32, index: &mut ContactIndex| {
        measure(group, name, size, |times| {
            let mut once = || {
                version += 1;
                let entry = |number: u32| changed_entry(number.wrapping_mul(2_654_435_761) % size, version);
                let entries: Vec<_> = (0..changes).map(|number| entry(number + version as u32 * changes)).collect();
                timed(|| index.apply_all(&entries))
            };
            (0..times).map(|_| once()).sum()
        });
    };
    index.release_memory();
    apply(group, "1 change", 1, index);
    apply(group, "10,000 changes", 10_000, index);
    index.select(&ListQuery { sort: vec![key(SortField::Name, false)], ..list() }, &all());
    index.select(&ListQuery { sort: vec![key(SortField::Title, false), key(SortField::Name, true)], ..list() }, &all());
    apply(group, "1 change with two kept orders", 1, index);
    apply(group, "10,000 changes with two kept orders", 10_000, index);
}

fn measure(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, size: u32, mut times: impl FnMut(u64) -> Duration) {
    group.bench_function(BenchmarkId::new(name, size), |bencher| bencher.iter_custom(&mut times));
}

fn repeat<T>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, size: u32, mut once: impl FnMut() -> T) {
    group.bench_function(BenchmarkId::new(name, size), |bencher| bencher.iter(&mut once));
}

fn timed<T>(once: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    let result = black_box(once());
    let elapsed = start.elapsed();
    drop(result);
    elapsed
}

/// What the operating system says that this process occupies.
fn resident_bytes() -> Option<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    statm.split(' ').nth(1)?.parse::<usize>().ok().map(|pages| pages * 4_096)
}

fn list() -> ListQuery {
    ListQuery { filter: Filter::default(), sort: vec![], page: NonZeroU64::MIN, per_page: 25 }
}

const fn key(field: SortField, descending: bool) -> SortKey {
    SortKey { field, descending }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn all() -> Vec<String> {
    strings(&NAMESPACES)
}

const NAMESPACES: [&str; 4] = ["ns-emea", "ns-apac", "ns-americas", "ns-partners"];

const FIRST: [(&str, &str); 40] = [
    ("Mohammed", "محمد"),
    ("Maria", "ماريا"),
    ("Ahmed", "أحمد"),
    ("Fatima", "فاطمة"),
    ("Ali", "علي"),
    ("Mariam", "مَرْيَم"),
    ("Omar", "عمر"),
    ("José", "Хосе"),
    ("Anna", "Анна"),
    ("Ivan", "Иван"),
    ("Wei", "伟"),
    ("Min-jun", "민준"),
    ("Yuki", "ゆき"),
    ("Khalid", "خالد"),
    ("Sara", "سارة"),
    ("John", "جون"),
    ("Emma", "إيما"),
    ("Abdullah", "عبد الله"),
    ("Aisha", "عائشة"),
    ("Hassan", "حسن"),
    ("Layla", "ليلى"),
    ("Youssef", "يوسف"),
    ("Elena", "Елена"),
    ("Dmitri", "Дмитрий"),
    ("Li", "李"),
    ("François", "فرانسوا"),
    ("Jürgen", "يورغن"),
    ("Noor", "نور"),
    ("Zainab", "زينب"),
    ("Ibrahim", "إبراهيم"),
    ("Karim", "كريم"),
    ("Salma", "سلمى"),
    ("Tariq", "طارق"),
    ("Huda", "هدى"),
    ("Priya", "प्रिया"),
    ("Rahul", "राहुल"),
    ("Olga", "Ольга"),
    ("Chloé", "كلوي"),
    ("Bilal", "بلال"),
    ("Samir", "سمير"),
];

const SYLLABLES: [(&str, &str); 24] = [
    ("ha", "ها"),
    ("ri", "ري"),
    ("man", "مان"),
    ("sa", "سا"),
    ("del", "دل"),
    ("kov", "كوف"),
    ("ba", "با"),
    ("shi", "شي"),
    ("ra", "را"),
    ("os", "وس"),
    ("mar", "مار"),
    ("ti", "تي"),
    ("nez", "نيز"),
    ("al", "ال"),
    ("fa", "فا"),
    ("yed", "يد"),
    ("gar", "غار"),
    ("cia", "سيا"),
    ("ro", "رو"),
    ("za", "زا"),
    ("ben", "بن"),
    ("li", "لي"),
    ("mo", "مو"),
    ("no", "نو"),
];

const TITLES: [&str; 16] = [
    "Sales Manager",
    "CEO",
    "Purchasing Manager",
    "Account Manager",
    "Owner",
    "Accountant",
    "Chief Financial Officer",
    "Engineer",
    "مدير المبيعات",
    "Procurement Lead",
    "Store Supervisor",
    "Assistant Buyer",
    "Head of Operations",
    "Marketing Director",
    "Driver",
    "Technician",
];

/// Splitmix64: the same contacts in every run.
struct Random(u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    const fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// One of them, the first ones more often, as with names.
    fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let bound = choices.len() as u64;
        &choices[(self.below(bound) * self.below(bound) / bound) as usize]
    }
}

/// A name in Latin letters, and the same in others.
fn name(random: &mut Random) -> (String, String) {
    let (first, local_first) = random.pick(&FIRST);
    let (mut last, mut local_last) = (String::new(), String::new());
    for _ in 0..2 + random.below(3) {
        let (syllable, local_syllable) = random.pick(&SYLLABLES);
        last += syllable;
        local_last += local_syllable;
    }
    last[..1].make_ascii_uppercase();
    let al = if random.below(5) == 0 { ("Al-", "ال") } else { ("", "") };
    (format!("{first} {}{last}", al.0), format!("{local_first} {}{local_last}", al.1))
}

fn entry(number: u32, version: u64) -> IndexEntry {
    let mut random = Random(u64::from(number) << 20 ^ version);
    let (name, local_name) =
        if number % 1_000_000 == 77 { ("Zaharios Unique".to_owned(), "زاهاريوس".to_owned()) } else { name(&mut random) };
    let (account, domain) = (fold(&name).replace([' ', '-', '\''], "."), random.below(3_000));
    let phone = |random: &mut Random| format!("+9715{:08}", random.below(100_000_000));
    let fields = EntryFields {
        phone1: Some(phone(&mut random)),
        phone2: (random.below(2) == 0).then(|| phone(&mut random)),
        email: Some(format!("{account}@co{domain}.ae")),
        title: (random.below(10) > 0).then(|| (*random.pick(&TITLES)).to_owned()),
        disabled: random.below(20) == 0,
        created_at: Timestamp::from_millis(START + PACE * i64::from(number)),
        company_namespace: vec![NAMESPACES[(random.below(8) as usize).saturating_sub(4)].to_owned()],
        name,
        local_name: Some(local_name),
    };

    let mut id = [0; 12];
    id[..4].copy_from_slice(&Timestamp::from_millis(START + PACE * i64::from(number)).unix_seconds().to_be_bytes());
    id[4..9].copy_from_slice(&Random(u64::from(number % 64)).next().to_be_bytes()[..5]);
    id[9..].copy_from_slice(&number.to_be_bytes()[1..]);
    let age = Random(u64::from(number)).below(1_000_000) as i64 * i64::from(version == 0);
    let updated_at = Timestamp::from_millis(START + PACE * i64::from(number) + age + version as i64);
    IndexEntry { id: ObjectId::from_bytes(id), version, updated_at, fields: Some(fields) }
}

/// The contacts in the order of their changes, more or less.
fn entries(size: u32) -> impl Iterator<Item = IndexEntry> {
    (0..size).map(|number| entry(number, 0))
}

/// A contact that was just changed.
fn changed_entry(number: u32, version: u64) -> IndexEntry {
    let entry = entry(number, version);
    IndexEntry { updated_at: Timestamp::from_millis(START + (1 << 48) + version as i64), ..entry }
}
