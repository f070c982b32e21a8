//! What reading a snapshot reserves of memory, whatever the snapshot says of itself.
//!
//! One test, in a program of its own: it counts every allocation.

#![expect(clippy::unwrap_used, reason = "what a test cannot go on without, it panics for")]

mod damage;

use std::io;
use std::num::NonZeroUsize;

use damage::Pieces;
use fastrand::Rng;
use index::ContactIndex;
use index::entry::{EntryFields, IndexEntry, TextField};
use index::object_id::ObjectId;
use index::snapshot::{BlockColumn, Footer, Origin, TenantHash, read, write};
use index::timestamp::Timestamp;
use lifelike::People;
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const TENANT: TenantHash = [7; 32];

/// How many bytes of memory each byte of a snapshot justifies: 16 when it is decompressed, and for each of these what an index makes of it.
const JUSTIFIED: usize = 200;

/// What reading takes of memory anyway: tables of the decompressor, and of letters.
const ANYWAY: usize = 1 << 20;

fn object() -> Vec<u8> {
    let entry = |person: lifelike::Person| IndexEntry {
        id: ObjectId::from_bytes(person.id),
        version: person.random % 3,
        updated_at: Timestamp::from_millis(person.created_at),
        fields: Some(EntryFields {
            name: person.name,
            texts: TextField::ALL.map(|field| match field {
                TextField::LocalName => person.local_name.clone(),
                TextField::Phone1 => person.phone1.clone(),
                TextField::Phone2 => person.phone2.clone(),
                TextField::Email => person.email.clone(),
                _ => person.title.clone(),
            }),
            external_id: person.external_id,
            disabled: person.disabled,
            created_at: Timestamp::from_millis(person.created_at),
            company_namespace: vec!["a".to_owned()],
        }),
    };
    let index = ContactIndex::from_entries(People::new(5, 1_000, 1_760_000_000_000).map(entry));
    let moment = Timestamp::from_millis(0);
    let mut object = Vec::new();
    let mut sink = |part: Vec<u8>| -> io::Result<()> {
        object.extend(part);
        Ok(())
    };
    write(&index, &Origin { tenant: TENANT, moment, log_read_at: moment, reset: None }, &mut sink).unwrap();
    object
}

/// Reads an object, and says whether it could be read and how many bytes of memory that took at most.
fn measure(object: &[u8]) -> (bool, usize) {
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let is_read = read(object, &TENANT, usize::MAX, NonZeroUsize::MIN).is_ok();
    (is_read, HEAP.peak_usage().saturating_sub(before))
}

fn check(object: &[u8], what: &str) -> bool {
    let (is_read, peak) = measure(object);
    assert!(peak <= ANYWAY + JUSTIFIED * object.len(), "{what}: {peak} bytes for a snapshot of {}", object.len());
    is_read
}

/// A number as LEB128.
fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn sections(first: &[u8], second: &[u8]) -> Vec<u8> {
    [&(first.len() as u32).to_le_bytes(), first, second].concat()
}

#[test]
fn no_snapshot_makes_its_reader_reserve_more_memory_than_its_bytes_justify() {
    let object = object();
    let footer = Footer::read(&object).unwrap();
    let column = |name: &str| footer.blocks().iter().position(|block| block.column.name() == name).unwrap();
    let whole = Pieces::of(&object, footer.blocks().len());
    assert!(check(&object, "as it was written"));

    // What the footer says.
    for number in 1..60 {
        for value in [1 << 15, 1 << 29, (1 << 30) - 1, u64::MAX] {
            let mut pieces = whole.clone();
            let start = pieces.head.len().saturating_sub(number);
            pieces.head.splice(start..start + 1, varint(value));
            check(&pieces.object(), "a number in the footer");
        }
    }
    for block in 0..whole.blocks.len() {
        for raw_len in [u32::MAX, 1 << 30, whole.blocks[block].len() as u32 * 16] {
            let mut pieces = whole.clone();
            pieces.raw_lens[block] = raw_len;
            assert!(!check(&pieces.object(), "the length of a block"));
        }
    }

    // What compresses well: the same word, the same text, nothing.
    let (words, names, emails) = (column("words"), column("name"), column("email"));
    assert_eq!(footer.blocks()[names].column, BlockColumn::Name);
    for len in [10, 1_000, 100_000] {
        let mut pieces = whole.clone();
        let mut word = pieces.raw(words).unwrap();
        // The first word takes the bytes of all others.
        let lens = u32::from_le_bytes(word[..4].try_into().unwrap()) as usize;
        let (text, count) = (word.split_off(4 + lens), lens);
        let first = varint(len as u64);
        let rest = vec![0; count.saturating_sub(1)];
        pieces.set_raw(words, &sections(&[first, rest].concat(), &[vec![b'w'; len], text].concat()[..len]));
        let numbers = 100_000;
        pieces.set_raw(names, &sections(&[&varint(numbers)[..], &[1; 999]].concat(), &vec![0; numbers as usize + 999]));
        check(&pieces.object(), "a word that occurs often");
        let texts = [&varint(len as u64 * 1_000 + 1)[..], &[0; 999]].concat();
        let mut pieces = whole.clone();
        pieces.set_raw(emails, &sections(&texts, &vec![b'a'; len * 1_000]));
        assert!(check(&pieces.object(), "a long text"));
    }

    // Anything.
    let mut read = 0;
    for seed in 0..4_000 {
        let mut random = Rng::with_seed(seed);
        let mut pieces = whole.clone();
        (0..random.u32(1..4)).for_each(|_| pieces.damage(|bound| random.usize(..bound)));
        read += u32::from(check(&pieces.object(), &format!("the damage of seed {seed}")));
    }
    assert!(read > 100, "{read} of the damaged snapshots could be read");
}
