use std::io;
use std::num::{NonZeroU64, NonZeroUsize};

use proptest::prelude::*;

use twox_hash::XxHash3_64;

use super::*;
use crate::entry::{EntryFields, IndexEntry, TextField};
use crate::fold::{UNICODE_TABLES, fold};
use crate::index::tests::{Model, assert_same_lists, history_of, namespaces, query, small};
use crate::object_id::ObjectId;
use crate::query::{Filter, ListQuery, SortField, SortKey};
use crate::records::Column;

const TENANT: TenantHash = [7; 32];

const ONE: NonZeroUsize = NonZeroUsize::MIN;

fn origin() -> Origin {
    let reset = ResetMark { updated_at: Timestamp::from_millis(5), generation: "a generation".to_owned(), voids_cursors: true };
    let moment = Timestamp::from_millis(1_767_225_600_000);
    Origin { tenant: TENANT, moment, log_read_at: Timestamp::from_millis(-3), reset: Some(reset) }
}

fn written(index: &ContactIndex) -> Vec<u8> {
    let mut bytes = Vec::new();
    let written = write::<io::Error>(index, &origin(), &mut |part| {
        bytes.extend(part);
        Ok(())
    });
    assert_eq!(written.unwrap().bytes, bytes.len() as u64);
    bytes
}

fn read_all(object: &[u8]) -> Result<Snapshot, Error> {
    read(object, &TENANT, usize::MAX, ONE)
}

/// An index of so many contacts.
fn some(contacts: u32) -> ContactIndex {
    let entry = |number: u32| IndexEntry {
        id: ObjectId::from_bytes(std::array::from_fn(|byte| if byte < 8 { 1 } else { number.to_be_bytes()[byte - 8] })),
        version: u64::from(number),
        updated_at: Timestamp::from_millis(i64::from(number)),
        fields: Some(EntryFields {
            name: format!("Ada {number}"),
            texts: Default::default(),
            external_id: None,
            disabled: false,
            created_at: Timestamp::from_millis(0),
            company_namespace: vec!["a".to_owned()],
        }),
    };
    ContactIndex::from_entries((0..contacts).map(entry))
}

/// What reading the footer says after a change of its body, whose checksum is made right again.
fn after_change(object: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Error {
    let trailer = object.len() - 24;
    let len = u32::from_le_bytes(object[trailer..trailer + 4].try_into().unwrap()) as usize;
    let mut body = object[trailer - len..trailer].to_vec();
    change(&mut body);
    let checksum = XxHash3_64::oneshot(&body).to_le_bytes();
    let len = (body.len() as u32).to_le_bytes();
    body.extend_from_slice(&[&len[..], &checksum, &object[trailer + 12..]].concat());
    Footer::read(&body).unwrap_err()
}

#[test]
fn what_this_release_does_not_read_is_refused_with_the_reason() {
    let object = written(&some(40));
    let read = |object: &[u8]| read_all(object).map(|snapshot| snapshot.index.len()).unwrap_err();
    assert_eq!(read_all(&object).unwrap().index.len(), 40);

    let format = object.len() - 12;
    for found in [FORMAT + 1, FORMAT - 1, u32::MAX] {
        let mut other = object.clone();
        other[format..format + 4].copy_from_slice(&found.to_le_bytes());
        assert_eq!(read(&other), Error::Format { found });
    }
    let tables = UNICODE_TABLES ^ 1;
    let unicode = Error::Unicode { found: tables, known: UNICODE_TABLES };
    assert_eq!(after_change(&object, |body| body[..4].copy_from_slice(&tables.to_le_bytes())), unicode);
    let columns = after_change(&object, |body| {
        let at = body.windows(6).position(|window| window == b"phone2").unwrap();
        body[at..at + 6].copy_from_slice(b"phone9");
    });
    assert!(columns.to_string().contains("phone9"), "{columns}");
    assert_eq!(super::read(&object, &[8; 32], usize::MAX, ONE).unwrap_err(), Error::Tenant);
    assert!(matches!(super::read(&object, &TENANT, 1_000, ONE).unwrap_err(), Error::TooLarge { bytes: 1_001.. }));
    assert_eq!(read(&object[..object.len() - 1]), Error::NotASnapshot);
    assert_eq!(read(b"{}"), Error::NotASnapshot);
}

#[test]
fn the_end_of_a_snapshot_says_how_much_of_it_is_needed() {
    let object = written(&some(40));
    let whole = Footer::read(&object).unwrap();
    let needed = object.len() - whole.block_bytes() as usize;

    for len in 24..needed {
        assert_eq!(Footer::read(&object[object.len() - len..]), Err(Error::Incomplete { needed }));
    }
    assert_eq!(Footer::read(&object[object.len() - needed..]), Ok(whole));
}

#[test]
fn a_byte_that_changed_anywhere_is_noticed() {
    let object = written(&some(70));
    for at in 0..object.len() {
        let mut other = object.clone();
        other[at] ^= 1 << (at % 8);

        assert!(read_all(&other).is_err(), "byte {at}");
    }
}

#[test]
fn blocks_that_are_missing_are_named() {
    let object = written(&some(40));
    let decoder = Decoder::new(Footer::read(&object).unwrap(), &TENANT, usize::MAX).unwrap();
    for (number, block) in decoder.footer().blocks().iter().enumerate().filter(|(number, _)| *number != 5) {
        decoder.block(number, &object[block.range.start as usize..block.range.end as usize]).unwrap();
    }
    assert_eq!(decoder.block(5, b"something else"), Err(Error::Checksum { block: 5 }));

    assert_eq!(decoder.finish(ONE).unwrap_err(), Error::Missing { block: 5 });
}

#[test]
fn contacts_that_are_all_alike_are_padded_to_the_bound_on_decoding() {
    let name = "the same long name ".repeat(50);
    let alike = entries(&some(200)).into_iter().map(|mut entry| {
        let fields = entry.fields.as_mut().unwrap();
        fields.name = name.clone();
        fields.texts = TextField::ALL.map(|_| Some("x".repeat(500)));
        fields.external_id = Some("y".repeat(200));
        entry
    });
    let index = ContactIndex::from_entries(alike);

    let object = written(&index);

    assert_eq!(entries(&read_all(&object).unwrap().index), entries(&index));
    assert!(object.len() < index.memory_bytes() / 12, "{} bytes of {}", object.len(), index.memory_bytes());
}

/// What an index knows of its contacts and of deletions.
fn entries(index: &ContactIndex) -> Vec<IndexEntry> {
    let records = index.records();
    let text = |slot, column| records.text(slot, column).map(|text| String::from_utf8(text.text.to_vec()).unwrap());
    let contact = |slot| IndexEntry {
        id: records.id(slot),
        version: records.version(slot),
        updated_at: Timestamp::from_millis(records.updated_at(slot)),
        fields: Some(EntryFields {
            name: text(slot, Column::Name).unwrap(),
            texts: TextField::ALL.map(|field| text(slot, Column::Field(field))),
            external_id: text(slot, Column::ExternalId),
            disabled: records.disabled(slot),
            created_at: Timestamp::from_millis(records.created_at(slot)),
            company_namespace: records.lists().names(records.class(slot) / 2).to_vec(),
        }),
    };
    let deletion = |(id, version, updated_at)| IndexEntry { id, version, updated_at, fields: None };
    index.slots_by_id().into_iter().map(contact).chain(index.deletions().into_iter().map(deletion)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn an_index_that_was_written_and_read_answers_and_changes_as_before(
        history in history_of(100, 300),
        (loaded, applied) in (0..300_usize, 0..300_usize),
        queries in prop::collection::vec((query(), namespaces()), 1..6),
        order in any::<u64>(),
        threads in 1..3_usize,
    ) {
        let applied = applied.min(history.len());
        let loaded = loaded.min(applied);
        let mut index = small();
        index.apply_all(&history[..loaded]);
        index.apply_all(&history[loaded..applied]);
        let bytes = written(&index);

        let footer = Footer::read(&bytes).unwrap();
        prop_assert_eq!(footer.contacts(), index.len() as u64);
        let decoder = Decoder::new(footer, &TENANT, usize::MAX).unwrap();
        let mut blocks: Vec<usize> = (0..decoder.footer().blocks().len()).collect();
        fastrand::Rng::with_seed(order).shuffle(&mut blocks);
        for &block in blocks.iter().chain(blocks.first()) {
            let range = decoder.footer().blocks()[block].range.clone();
            prop_assert_eq!(decoder.block(block, &bytes[range.start as usize..range.end as usize]), Ok(()));
        }
        let Snapshot { index: mut again, origin: origin_again } = decoder.finish(NonZeroUsize::new(threads).unwrap()).unwrap();

        prop_assert_eq!(origin_again, origin());
        prop_assert_eq!(again.newest(), index.newest());
        prop_assert_eq!(again.memory_parts().len(), index.memory_parts().len());
        let model = Model::of(&history[..applied]);
        for (query, namespaces) in &queries {
            assert_same_lists(&again, &model, query, namespaces);
        }
        prop_assert_eq!(entries(&again), entries(&index));
        prop_assert_eq!(again.apply_all(&history[applied..]), index.apply_all(&history[applied..]));
        prop_assert_eq!(entries(&again), entries(&index));
        let model = Model::of(&history);
        for (query, namespaces) in &queries {
            assert_same_lists(&again, &model, query, namespaces);
        }
        for entry in &history {
            prop_assert_eq!(again.version(entry.id), index.version(entry.id));
        }
    }
}

#[path = "../../tests/damage/mod.rs"]
mod damage;

/// What each contact of a small address book has, so that every kind of block has something in it.
fn varied() -> ContactIndex {
    let names =
        ["Ada Lovelace", "Ada", "  ", "José Ñandú", "محمد أحمد", "a\u{a8}b \u{fdfa}", "ＡＢＣ Straße", "الف با تا ثا", "x"];
    let mut random = fastrand::Rng::with_seed(3);
    let mut listed: Vec<IndexEntry> = entries(&some(75));
    for (number, entry) in listed.iter_mut().enumerate() {
        let mut some = |text: String| random.bool().then_some(text);
        let fields = entry.fields.as_mut().unwrap();
        fields.name = format!("{} {}", names[number % names.len()], names[number / 2 % names.len()]);
        fields.texts = TextField::ALL.map(|field| match field {
            TextField::LocalName => some(names[number % 5].to_owned()),
            TextField::Phone1 => some(format!("+971 {number}")),
            TextField::Phone2 => some("٠١٢".to_owned()),
            TextField::Email => some(format!("a{number}@b.example")),
            _ => some("Head of Sales".to_owned()),
        });
        fields.external_id = some(format!("C-{number}"));
        fields.disabled = number % 5 == 0;
        fields.company_namespace = vec!["a".to_owned(), format!("n{}", number % 4)];
        entry.updated_at = Timestamp::from_millis(number as i64 * 7 % 40);
    }
    let mut index = ContactIndex::from_entries(listed.iter().cloned());
    for entry in &listed[..10] {
        index.apply(&IndexEntry { version: entry.version + 1, fields: None, ..entry.clone() });
    }
    index
}

/// That an index is one: lists are those of the plain model of what it holds, also after each contact was changed or deleted.
fn assert_valid(mut index: ContactIndex, seed: u64) {
    let known = entries(&index);
    let mut ids: Vec<ObjectId> = known.iter().map(|entry| entry.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), known.len(), "each contact is there once");
    let mut random = fastrand::Rng::with_seed(seed);
    let namespaces: Vec<String> =
        known.iter().filter_map(|entry| entry.fields.as_ref()).flat_map(|fields| fields.company_namespace.clone()).collect();
    let word = |random: &mut fastrand::Rng| {
        let names: Vec<&String> = known.iter().filter_map(|entry| Some(&entry.fields.as_ref()?.name)).collect();
        let name = if names.is_empty() { "" } else { names[random.usize(..names.len())] };
        fold(name.split(' ').next().unwrap_or_default())
    };
    let queries: Vec<ListQuery> = SortField::ALL
        .into_iter()
        .map(|(_, field)| {
            let search = if random.bool() { vec![word(&mut random)] } else { Vec::new() };
            let sort = vec![SortKey { field, descending: random.bool() }];
            let disabled = (random.u8(..3) == 0).then_some(false);
            ListQuery { filter: Filter { search, disabled, ..Filter::default() }, sort, page: NonZeroU64::MIN, per_page: 7 }
        })
        .collect();
    let model = Model::of(&known);
    queries.iter().for_each(|query| assert_same_lists(&index, &model, query, &namespaces));

    for (number, entry) in known.iter().enumerate() {
        let Some(version) = entry.version.checked_add(1) else { continue };
        let fields = entry.fields.clone().filter(|_| number % 3 > 0).map(|mut fields| {
            fields.name.push_str(" x");
            fields.external_id = None;
            fields.disabled ^= number % 2 == 0;
            fields
        });
        assert!(index.apply(&IndexEntry { version, fields, ..entry.clone() }));
    }
    let known = entries(&index);
    let model = Model::of(&known);
    queries.iter().for_each(|query| assert_same_lists(&index, &model, query, &namespaces));
}

/// Whatever is changed below the checksums: an error, or an index that is one. `SNAPSHOT_DAMAGES=100000` tries more.
#[test]
fn a_snapshot_that_is_damaged_below_its_checksums_is_an_error_or_an_index() {
    let object = written(&varied());
    let whole = damage::Pieces::of(&object, Footer::read(&object).unwrap().blocks().len());
    assert_eq!(whole.object(), object);
    let damages = std::env::var("SNAPSHOT_DAMAGES").ok().map_or(3_000, |text| text.parse().expect("a number"));
    let (mut errors, mut indexes) = (std::collections::BTreeMap::new(), 0);
    for seed in 0..damages {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut pieces = whole.clone();
        (0..random.u32(1..3)).for_each(|_| pieces.damage(|bound| random.usize(..bound)));
        let outcome = std::panic::catch_unwind(|| match read_all(&pieces.object()) {
            Ok(snapshot) => {
                assert_valid(snapshot.index, seed);
                None
            }
            Err(error) => Some(error),
        });
        match outcome {
            Ok(Some(error)) => *errors.entry(error.to_string()).or_insert(0) += 1,
            Ok(None) => indexes += 1,
            Err(panic) => {
                eprintln!("the damage of seed {seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    // Both have to occur often, and for many reasons, or else nothing was tried.
    assert!(indexes > damages / 20 && errors.len() > 15, "{indexes} of {damages}: {errors:#?}");
}
