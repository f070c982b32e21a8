//! A snapshot that is changed below its checksums, as the fuzzer's bytes have it: an error, or an index that answers and can be changed.

#![no_main]

#[path = "../../tests/damage/mod.rs"]
mod damage;

use std::io;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::LazyLock;

use damage::Pieces;
use index::ContactIndex;
use index::entry::{EntryFields, IndexEntry, TextField};
use index::object_id::ObjectId;
use index::query::{Filter, ListQuery, SortField, SortKey};
use index::snapshot::{Footer, Origin, read, write};
use index::timestamp::Timestamp;
use libfuzzer_sys::fuzz_target;
use lifelike::{People, Person};

const TENANT: [u8; 32] = [0; 32];

fn entry(person: Person) -> IndexEntry {
    let Person { id, name, local_name, phone1, phone2, email, title, external_id, disabled, created_at, random } = person;
    let texts = TextField::ALL.map(|field| match field {
        TextField::LocalName => local_name.clone(),
        TextField::Phone1 => phone1.clone(),
        TextField::Phone2 => phone2.clone(),
        TextField::Email => email.clone(),
        _ => title.clone(),
    });
    let created_at = Timestamp::from_millis(created_at);
    let company_namespace = vec![format!("n{}", random % 3)];
    let fields = EntryFields { name, texts, external_id, disabled, created_at, company_namespace };
    // Some are deleted.
    let fields = (random % 7 > 0).then_some(fields);
    IndexEntry { id: ObjectId::from_bytes(id), version: random % 3, updated_at: created_at, fields }
}

static WHOLE: LazyLock<Pieces> = LazyLock::new(|| {
    let index = ContactIndex::from_entries(People::new(1, 100, 1_760_000_000_000).map(entry));
    let moment = Timestamp::from_millis(0);
    let origin = Origin { tenant: TENANT, moment, log_read_at: moment, reset: None };
    let mut object = Vec::new();
    let mut sink = |part: Vec<u8>| -> io::Result<()> {
        object.extend(part);
        Ok(())
    };
    write(&index, &origin, &mut sink).expect("the sink takes all");
    let blocks = Footer::read(&object).expect("it was just written").blocks().len();
    Pieces::of(&object, blocks)
});

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.chunks(2).map(|pair| usize::from(pair[0]) << 8 | pair.get(1).map_or(0, |&byte| usize::from(byte)));
    let mut pieces = WHOLE.clone();
    for _ in 0..bytes.next().unwrap_or_default() % 4 + 1 {
        pieces.damage(|bound| bytes.next().unwrap_or_default() % bound);
    }
    let Ok(snapshot) = read(&pieces.object(), &TENANT, 1 << 30, NonZeroUsize::MIN) else { return };
    let mut index = snapshot.index;
    let namespaces: Vec<String> = (0..3).map(|number| format!("n{number}")).collect();
    let mut ids = Vec::new();
    for (_, field) in SortField::ALL {
        let sort = vec![SortKey { field, descending: ids.len() % 2 == 1 }];
        for search in [Vec::new(), vec!["a".to_owned()]] {
            let filter = Filter { search, ..Filter::default() };
            let query = ListQuery { filter, sort: sort.clone(), page: NonZeroU64::MIN, per_page: 100 };
            ids.extend(index.select(&query, &namespaces).rows.into_iter().map(|row| row.id));
        }
    }
    ids.sort_unstable();
    ids.dedup();
    for (number, id) in ids.into_iter().enumerate() {
        let Some(version) = index.version(id).and_then(|version| version.checked_add(1)) else { continue };
        let other = entry(People::new(2, 100, 1_760_000_000_000).person(number as u64));
        assert!(index.apply(&IndexEntry { id, version, ..other }), "a newer version is taken over");
    }
});
