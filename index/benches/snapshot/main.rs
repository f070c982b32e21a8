//! What it costs to write an index as a snapshot and to read it again: time, bytes and memory, without I/O.
//!
//! Beside the time that passes it shows the processor time of the thread, which other programs on the machine disturb less (on Linux; 0 elsewhere).
//!
//! `cargo bench -p index --bench snapshot` measures at 100,000 and 1,000,000 contacts; `LISTING_ENTRIES=10000` at one other number, or at
//! several separated by commas.

#[path = "../listing/contacts.rs"]
#[expect(dead_code, reason = "lists are measured elsewhere")]
mod contacts;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};
use std::{env, fs};

use contacts::Contacts;
use index::ContactIndex;
use index::snapshot::{Decoder, Footer, Origin, TenantHash, read, write};
use index::timestamp::Timestamp;
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const TENANT: TenantHash = [7; 32];

/// How often each thing is measured.
const TIMES: usize = 7;

fn main() {
    let sizes = env::var("LISTING_ENTRIES").unwrap_or_else(|_| "100000,1000000".to_owned());
    for size in sizes.split(',') {
        measure(size.trim().parse().expect("LISTING_ENTRIES holds numbers separated by commas"));
    }
}

fn measure(size: u64) {
    println!("\n| {size} contacts | least | median | most | processor, least | median |\n|---|---:|---:|---:|---:|---:|");
    let index = ContactIndex::from_entries(Contacts::new(size).log());
    let moment = Timestamp::from_millis(0);
    let origin = Origin { tenant: TENANT, moment, log_read_at: moment, reset: None };

    let mut object = Vec::new();
    let mut written = None;
    row("write", || {
        object.clear();
        let parts = &mut |part: Vec<u8>| -> io::Result<()> {
            object.extend(part);
            Ok(())
        };
        written = write(&index, &origin, parts).ok();
    });
    let footer = written.expect("the sink takes all").footer;
    drop(index);

    for threads in [1, 2] {
        let threads = NonZeroUsize::new(threads).expect("at least one");
        row(&format!("read with {threads} threads"), || black_box(all(read(&object, &TENANT, usize::MAX, threads))));
    }
    let (mut blocks, mut ends) = (Vec::new(), Vec::new());
    let mut ratio: f64 = 0.0;
    for _ in 0..TIMES {
        let before = HEAP.current_usage();
        HEAP.reset_peak_usage();
        let decoder = all(Decoder::new(all(Footer::read(&object)), &TENANT, usize::MAX));
        let start = Clock::start();
        for (number, block) in footer.blocks().iter().enumerate() {
            all(decoder.block(number, &object[block.range.start as usize..block.range.end as usize]));
        }
        blocks.push(start.elapsed());
        let start = Clock::start();
        let snapshot = all(decoder.finish(NonZeroUsize::MIN));
        ends.push(start.elapsed());
        let (peak, index) = (HEAP.peak_usage() - before, HEAP.current_usage() - before);
        ratio = ratio.max(peak as f64 / index as f64);
        let own = snapshot.index.memory_bytes();
        assert!(own.abs_diff(index) * 20 <= index, "the index accounts for its memory within 5 %: {own} of {index}");
    }
    report("of which the blocks, one after another", blocks);
    report("of which the end", ends);
    println!("| memory at most, as a multiple of the index | | | {ratio:.2} | | |");

    let per_contact = |bytes: u64| bytes as f64 / size as f64;
    println!("\n| bytes a contact at {size} | stored | raw |\n|---|---:|---:|");
    let mut columns: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for block in footer.blocks() {
        let column = columns.entry(block.column.name()).or_default();
        column.0 += block.range.end - block.range.start;
        column.1 += u64::from(block.raw_len);
    }
    for (name, (stored, raw)) in columns {
        println!("| {name} | {:.2} | {:.2} |", per_contact(stored), per_contact(raw));
    }
    println!("| all, with the footer | {:.2} | |", per_contact(object.len() as u64));
}

fn all<T>(result: Result<T, index::snapshot::Error>) -> T {
    result.unwrap_or_else(|error| panic!("what was written is read: {error}"))
}

fn row<T>(name: &str, mut once: impl FnMut() -> T) {
    let times = (0..TIMES).map(|_| {
        let start = Clock::start();
        let result = once();
        let elapsed = start.elapsed();
        drop(result);
        elapsed
    });
    report(name, times.collect());
}

/// The time that passes, and that of the processor.
struct Clock(Instant, Duration);

impl Clock {
    fn start() -> Self {
        Self(Instant::now(), processor())
    }

    fn elapsed(&self) -> (Duration, Duration) {
        (self.0.elapsed(), processor() - self.1)
    }
}

/// How long this thread has been on a processor.
fn processor() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
}

fn report(name: &str, times: Vec<(Duration, Duration)>) {
    let (mut passed, mut processor): (Vec<Duration>, Vec<Duration>) = times.into_iter().unzip();
    passed.sort_unstable();
    processor.sort_unstable();
    let show = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    let (least, median) = (0, passed.len() / 2);
    let most = show(passed[passed.len() - 1]);
    let (passed, processor) = ([least, median].map(|at| show(passed[at])), [least, median].map(|at| show(processor[at])));
    println!("| {name} | {} | {} | {most} | {} | {} |", passed[0], passed[1], processor[0], processor[1]);
}
