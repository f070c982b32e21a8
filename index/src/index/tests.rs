use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::num::NonZeroU64;

use std::collections::HashMap;

use proptest::prelude::*;

use super::kept::ORDERS;
use super::*;
use crate::entry::{EntryFields, TextField};
use crate::fold::fold;
use crate::keys::{email_key, phone_key};
use crate::query::{Filter, ListQuery, SortField, SortKey};

/// The plain meaning of a list: the newest version of each contact, filtered, sorted and cut with nothing clever.
#[derive(Debug, Default)]
pub(crate) struct Model(pub(crate) BTreeMap<ObjectId, IndexEntry>);

impl Model {
    pub(crate) fn of<'a>(entries: impl IntoIterator<Item = &'a IndexEntry>) -> Self {
        let mut model = Self::default();
        for entry in entries {
            let known = model.0.get(&entry.id).map(|known| known.version);
            if known.is_none_or(|known| known < entry.version) {
                model.0.insert(entry.id, entry.clone());
            }
        }
        model
    }

    fn list(&self, query: &ListQuery, namespaces: &[String]) -> Vec<Row> {
        let mut matching: Vec<(&IndexEntry, &EntryFields)> =
            self.0.values().filter_map(|entry| Some((entry, entry.fields.as_ref()?))).collect();
        matching.retain(|(entry, fields)| {
            matches(&query.filter, entry, fields) && fields.company_namespace.iter().any(|own| namespaces.contains(own))
        });
        matching.sort_by(|one, other| {
            let keys = query.sort.iter().map(|key| {
                let order = compare(*one, *other, key.field);
                if key.descending { order.reverse() } else { order }
            });
            keys.fold(Ordering::Equal, Ordering::then).then(one.0.id.cmp(&other.0.id))
        });
        matching.into_iter().map(|(entry, _)| Row { id: entry.id, version: entry.version }).collect()
    }

    fn select(&self, query: &ListQuery, namespaces: &[String]) -> Selection {
        let all = self.list(query, namespaces);
        let offset = (u128::from(query.page.get()) - 1) * u128::from(query.per_page);
        let rows = all.iter().skip(usize::try_from(offset).unwrap_or(usize::MAX)).take(query.per_page as usize);
        Selection { total: all.len() as u64, rows: rows.copied().collect() }
    }
}

fn text_of(fields: &EntryFields, field: TextField) -> Option<&String> {
    fields.texts[field as usize].as_ref()
}

fn matches(filter: &Filter, entry: &IndexEntry, fields: &EntryFields) -> bool {
    let Filter {
        ids,
        names,
        search,
        emails,
        phones,
        external_ids,
        disabled,
        updated_after,
        updated_before,
        created_after,
        created_before,
        id_after,
        id_before,
    } = filter;
    let id = entry.id.to_string();
    let name = fold(&fields.name);
    let local_name = text_of(fields, TextField::LocalName).map(|name| fold(name));
    let has_phone = |phones: &Vec<String>| {
        let own = [TextField::Phone1, TextField::Phone2].map(|field| text_of(fields, field).map(|phone| phone_key(phone)));
        own.iter().flatten().any(|own| !own.is_empty() && phones.contains(own))
    };
    ids.as_ref().is_none_or(|ids| ids.contains(&entry.id))
        && names.as_ref().is_none_or(|names| names.contains(&fields.name))
        && search.iter().all(|word| name.contains(word) || local_name.as_ref().is_some_and(|name| name.contains(word)))
        && emails
            .as_ref()
            .is_none_or(|emails| text_of(fields, TextField::Email).is_some_and(|own| emails.contains(&own.to_ascii_lowercase())))
        && phones.as_ref().is_none_or(has_phone)
        && external_ids.as_ref().is_none_or(|ids| fields.external_id.as_ref().is_some_and(|own| ids.contains(own)))
        && disabled.is_none_or(|disabled| fields.disabled == disabled)
        && updated_after.is_none_or(|after| entry.updated_at > after)
        && updated_before.is_none_or(|before| entry.updated_at < before)
        && created_after.is_none_or(|after| fields.created_at > after)
        && created_before.is_none_or(|before| fields.created_at < before)
        && id_after.as_ref().is_none_or(|after| id > *after)
        && id_before.as_ref().is_none_or(|before| id < *before)
}

fn compare(one: (&IndexEntry, &EntryFields), other: (&IndexEntry, &EntryFields), field: SortField) -> Ordering {
    let texts = |field| {
        let text = |fields| text_of(fields, field).map(|text| (fold(text), text.clone()));
        text(one.1).cmp(&text(other.1))
    };
    match field {
        SortField::Id => one.0.id.cmp(&other.0.id),
        SortField::Name => (fold(&one.1.name), &one.1.name).cmp(&(fold(&other.1.name), &other.1.name)),
        SortField::Text(field) => texts(field),
        SortField::Disabled => one.1.disabled.cmp(&other.1.disabled),
        SortField::CreatedAt => one.1.created_at.cmp(&other.1.created_at),
        SortField::UpdatedAt => one.0.updated_at.cmp(&other.0.updated_at),
    }
}

/// Chunks so small that a few contacts fill, split and join them.
pub(crate) fn small() -> ContactIndex {
    ContactIndex::with_chunks(4)
}

fn id(number: u32) -> ObjectId {
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&(number % 3).to_be_bytes());
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    ObjectId::from_bytes(bytes)
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn contact(number: u32, version: u64, name: &str) -> IndexEntry {
    let fields = EntryFields {
        name: name.to_owned(),
        texts: Default::default(),
        external_id: None,
        disabled: false,
        created_at: Timestamp::from_millis(1_000),
        company_namespace: strings(&["a"]),
    };
    IndexEntry { id: id(number), version, updated_at: Timestamp::from_millis(version as i64), fields: Some(fields) }
}

fn deleted(number: u32, version: u64) -> IndexEntry {
    IndexEntry { id: id(number), version, updated_at: Timestamp::from_millis(version as i64), fields: None }
}

fn list() -> ListQuery {
    ListQuery { filter: Filter::default(), sort: vec![], page: NonZeroU64::MIN, per_page: 25 }
}

fn searching(words: &[&str]) -> ListQuery {
    ListQuery { filter: Filter { search: strings(words), ..Filter::default() }, ..list() }
}

/// Field names as in a request's `sort`, but separated by spaces.
fn sort_of(names: &str) -> Vec<SortKey> {
    let key = |name: &str| {
        let (field, descending) = name.strip_prefix('-').map_or((name, false), |field| (field, true));
        let (_, field) = SortField::ALL.into_iter().find(|(name, _)| *name == field).unwrap();
        SortKey { field, descending }
    };
    names.split_whitespace().map(key).collect()
}

fn ids(selection: &Selection) -> Vec<ObjectId> {
    selection.rows.iter().map(|row| row.id).collect()
}

/// Texts that are equal when folded, prefixes of each other, longer than a prefix of the sort, and not ASCII.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(vec![
            "", "a", "A", "á", "Á", "b", "ab", "AB", "Ab", "aB", "Ａb", "ß", "SS", "ss", "é", "e\u{301}", "É",
            "a b", "b a", "á  b ", " ", "\u{a8}", "a\u{a8}b", "\u{fdfa}", "\u{fdfa}a", "صلى الله عليه وسلم", "a\tb", "a\u{a0}b",
            "Al-Hassan", "al-hassan", "Al-hassan", "Al-Ḥassan", "محمد", "مُحَمَّد", "أحمد", "احمد", "한", "하",
            "\u{10ffff}", "\0", "+971 50 1",
        ]).prop_map(str::to_owned),
        4 => ("[aA]", 35..45_usize, prop::option::of(30..45_usize), "[12Éé]")
            .prop_map(|(start, len, second, end)| start + &"x".repeat(len) + &"Y".repeat(second.unwrap_or(0)) + &end),
        3 => ("[aA]", "[12éE]").prop_map(|(start, end)| start + "long enough to need more than one prefix or even three prefixes, if it were sorted " + &end),
        1 => "[abAB ]{0,4}",
        1 => any::<String>(),
    ]
}

fn phone() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(vec!["1", "12", "+1 2", "(1)2", "٢١", "21", "２", "x", "", "1٢x", "12 "]).prop_map(str::to_owned),
        1 => text(),
    ]
}

fn email() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(vec!["a@b.c", "A@b.c", "a@B.C", "é@b.c", "É@b.c", "", "b@b.c"]).prop_map(str::to_owned),
        1 => text(),
    ]
}

fn external_id() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["1", "2", "a", "A", "á", "a "]).prop_map(str::to_owned)
}

pub(crate) fn namespaces() -> impl Strategy<Value = Vec<String>> {
    prop_oneof![
        6 => prop::sample::subsequence(vec!["a", "b", "c"], 1..=2).prop_shuffle().prop_map(|names| strings(&names)),
        1 => (0..40_u32).prop_map(|number| vec![format!("n{number}"), "b".to_owned()]),
    ]
}

prop_compose! {
    fn fields()(
        name in text(),
        texts in prop::array::uniform(prop::option::weighted(0.6, text())),
        (phone1, phone2) in (prop::option::weighted(0.7, phone()), prop::option::weighted(0.3, phone())),
        (email, external_id) in (prop::option::weighted(0.7, email()), prop::option::of(external_id())),
        disabled in any::<bool>(),
        created_at in prop_oneof![0..5_i64, any::<i64>()],
        company_namespace in namespaces(),
    ) -> EntryFields {
        let mut texts: crate::entry::Texts = texts;
        texts[TextField::Phone1 as usize] = phone1;
        texts[TextField::Phone2 as usize] = phone2;
        texts[TextField::Email as usize] = email;
        EntryFields { name, texts, external_id, disabled, created_at: Timestamp::from_millis(created_at), company_namespace }
    }
}

fn history() -> impl Strategy<Value = Vec<IndexEntry>> {
    history_of(30, 80)
}

/// A history of at most so many writes of so many contacts: the versions of each contact ascend, some contacts are deleted, some come back.
pub(crate) fn history_of(contacts: u32, writes: usize) -> impl Strategy<Value = Vec<IndexEntry>> {
    prop::collection::vec((0..contacts, prop::option::weighted(0.8, fields()), 0..20_i64), 0..writes).prop_map(|writes| {
        let mut versions = HashMap::new();
        let entry = |(number, fields, time): (u32, Option<EntryFields>, i64)| {
            let version = versions.entry(number).and_modify(|version| *version += 1).or_insert(0);
            IndexEntry { id: id(number), version: *version, updated_at: Timestamp::from_millis(time), fields }
        };
        writes.into_iter().map(entry).collect()
    })
}

fn sort() -> impl Strategy<Value = Vec<SortKey>> {
    let key = (prop::sample::select(SortField::ALL.to_vec()), any::<bool>());
    prop::collection::vec(key.prop_map(|((_, field), descending)| SortKey { field, descending }), 0..4)
}

fn bound() -> impl Strategy<Value = Option<String>> {
    let id = (0..30_u32, 0..=24_usize).prop_map(|(number, len)| id(number).to_string()[..len].to_owned());
    prop::option::weighted(0.25, prop_oneof![4 => id, 1 => any::<String>()])
}

prop_compose! {
    fn filter()(
        ids in prop::option::weighted(0.2, prop::collection::btree_set(0..35_u32, 0..20)),
        names in prop::option::weighted(0.2, prop::collection::btree_set(text(), 0..8)),
        search in prop_oneof![
            2 => Just(vec![]),
            1 => prop::collection::vec(prop_oneof![text(), Just("a".to_owned()), Just("s".to_owned())], 1..3),
        ],
        (emails, phones, external_ids) in (
            prop::option::weighted(0.15, prop::collection::btree_set(email().prop_map(|email| email_key(&email)), 0..6)),
            prop::option::weighted(0.15, prop::collection::btree_set(phone().prop_map(|phone| phone_key(&phone)), 0..6)),
            prop::option::weighted(0.15, prop::collection::btree_set(external_id(), 0..4)),
        ),
        disabled in prop::option::weighted(0.2, any::<bool>()),
        (created_after, created_before) in (prop::option::weighted(0.15, -1..6_i64), prop::option::weighted(0.15, -1..6_i64)),
        updated_after in prop::option::weighted(0.2, -1..21_i64),
        updated_before in prop::option::weighted(0.2, -1..21_i64),
        id_after in bound(),
        id_before in bound(),
    ) -> Filter {
        let mut ids: Option<Vec<ObjectId>> = ids.map(|ids| ids.into_iter().map(id).collect());
        ids.iter_mut().for_each(|ids| ids.sort_unstable());
        Filter {
            ids,
            names: names.map(|names| names.into_iter().collect()),
            search: search.iter().map(|word| fold(word)).collect(),
            emails: emails.map(|emails| emails.into_iter().collect()),
            phones: phones.map(|phones| phones.into_iter().collect()),
            external_ids: external_ids.map(|ids| ids.into_iter().collect()),
            disabled,
            created_after: created_after.map(Timestamp::from_millis),
            created_before: created_before.map(Timestamp::from_millis),
            updated_after: updated_after.map(Timestamp::from_millis),
            updated_before: updated_before.map(Timestamp::from_millis),
            id_after,
            id_before,
        }
    }
}

prop_compose! {
    pub(crate) fn query()(filter in prop_oneof![1 => Just(Filter::default()), 3 => filter()], sort in sort(), per_page in 1..12_u32)
    -> ListQuery {
        ListQuery { filter, sort, page: NonZeroU64::MIN, per_page }
    }
}

pub(crate) fn assert_same_lists(index: &ContactIndex, model: &Model, query: &ListQuery, namespaces: &[String]) {
    let total = model.list(query, namespaces).len() as u64;
    let pages = total.div_ceil(u64::from(query.per_page)) + 1;
    for page in (1..=pages).chain([u64::MAX]) {
        let query = ListQuery { page: NonZeroU64::new(page).unwrap(), ..query.clone() };
        assert_eq!(index.select(&query, namespaces), model.select(&query, namespaces), "{query:?} {namespaces:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn a_history_of_writes_gives_the_lists_of_the_plain_model(
        history in history(),
        loaded in 0..80_usize,
        queries in prop::collection::vec((query(), namespaces()), 1..8),
        step in 1..20_usize,
    ) {
        let loaded = loaded.min(history.len());
        let mut index = small();
        index.load(history[..loaded].iter().cloned());
        for (done, changes) in (loaded..).step_by(step).zip(history[loaded..].chunks(step)) {
            // The first query leaves its order behind, which the changes then meet.
            for (query, namespaces) in &queries {
                assert_same_lists(&index, &Model::of(&history[..done]), query, namespaces);
            }
            prop_assert!(index.apply_all(changes) > 0);
            prop_assert_eq!(index.apply_all(changes), 0);
        }

        let model = Model::of(&history);
        for (query, namespaces) in &queries {
            assert_same_lists(&index, &model, query, namespaces);
        }
        for (&id, entry) in &model.0 {
            prop_assert_eq!(index.version(id), Some(entry.version));
        }
        prop_assert_eq!(index.len(), model.0.values().filter(|entry| entry.fields.is_some()).count());
        prop_assert_eq!(index.newest(), history.iter().map(|entry| entry.updated_at).max());
    }

    #[test]
    fn neither_the_order_nor_the_number_of_applications_matters(
        (history, shuffled) in history().prop_flat_map(|history| {
            let doubled = history.iter().chain(&history[history.len() / 2..]).cloned().collect::<Vec<_>>();
            (Just(history), Just(doubled).prop_shuffle())
        }),
        queries in prop::collection::vec((query(), namespaces()), 1..4),
        loaded in 0..100_usize,
        step in 1..50_usize,
    ) {
        let loaded = loaded.min(shuffled.len());
        let mut index = small();
        index.load(shuffled[..loaded].iter().cloned());
        for changes in shuffled[loaded..].chunks(step) {
            index.apply_all(changes);
        }

        let model = Model::of(&history);
        for (query, namespaces) in &queries {
            assert_same_lists(&index, &model, query, namespaces);
        }
        prop_assert_eq!(index.newest(), history.iter().map(|entry| entry.updated_at).max());
        prop_assert!(history.iter().all(|entry| !index.apply(entry)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Contacts that changed at one time lie together in the order by id, or evenly, or something between.
    #[test]
    fn a_range_of_time_or_ids_has_the_pages_of_the_plain_model_in_any_order(
        jitters in prop::collection::vec(0..1_000_u32, 60..300),
        spread in prop::sample::select(vec![0, 30, 1_000]),
        (start, len) in (0..1_000_u32, 0..1_000_u32),
        by_id in any::<bool>(),
        sort in prop::sample::select(vec!["", "-_id", "updatedAt", "-updatedAt", "-updatedAt -_id", "name", "-name"]),
        per_page in 1..6_u32,
    ) {
        let count = jitters.len() as u32;
        let moment = |share: u32| i64::from(share * count);
        let entries: Vec<IndexEntry> = (0..).zip(&jitters).map(|(number, jitter)| {
            let own = i64::from(1_000 * number + jitter * spread / 1_000 * count);
            let mut entry = contact(number, 1, &format!("{}", jitter % 50));
            entry.id = ObjectId::from_bytes(std::array::from_fn(|at| if at < 8 { 0 } else { number.to_be_bytes()[at - 8] }));
            entry.updated_at = Timestamp::from_millis(own);
            if let Some(fields) = &mut entry.fields {
                fields.company_namespace = strings(if jitter % 7 == 0 { &["b"] } else { &["a"] });
            }
            entry
        }).collect();
        let mut index = small();
        index.apply_all(&entries);
        let filter = if by_id {
            let bound = |share: u32| Some(format!("{:024x}", share * count / 1_000));
            Filter { id_after: bound(start), id_before: bound(start + len), ..Filter::default() }
        } else {
            let bound = |share| Some(Timestamp::from_millis(moment(share)));
            Filter { updated_after: bound(start), updated_before: bound(start + len), ..Filter::default() }
        };

        let query = ListQuery { filter, sort: sort_of(sort), page: NonZeroU64::MIN, per_page };
        assert_same_lists(&index, &Model::of(&entries), &query, &strings(&["a"]));
        assert_same_lists(&index, &Model::of(&entries), &query, &strings(&["a", "b"]));
    }
}

#[test]
fn every_field_sorts_like_the_plain_model_in_both_directions() {
    let texts = [
        "B",
        "a",
        "",
        "á",
        "A",
        "ß",
        "ss",
        "b",
        "a longer text, of which the prefix is equal 2",
        "a longer text, of which the prefix is equal 1",
    ];
    let entry = |number: u32| {
        let text = |shift: u32| {
            Some(texts[((number * 7 + shift) % 10) as usize].to_owned()).filter(|_| !(number + shift).is_multiple_of(5))
        };
        let mut entry = contact(number, u64::from(number % 4), &text(0).unwrap_or_default());
        let fields = entry.fields.as_mut().unwrap();
        // With a shift of 5, a contact would have the field exactly if it has a name.
        fields.texts = TextField::ALL.map(|field| text([1, 2, 3, 4, 6][field as usize % 5]));
        fields.disabled = number.is_multiple_of(3);
        fields.created_at = Timestamp::from_millis(i64::from(number % 6) - 3);
        entry
    };
    let entries: Vec<_> = (0..60).map(entry).collect();
    let model = Model::of(&entries);
    let mut index = small();
    index.load(entries);

    for (first, second) in SortField::ALL.iter().flat_map(|first| SortField::ALL.map(|second| (first.1, second.1))) {
        for (one, other) in [(false, false), (false, true), (true, false), (true, true)] {
            let sort = vec![SortKey { field: first, descending: one }, SortKey { field: second, descending: other }];
            assert_same_lists(&index, &model, &ListQuery { sort: sort.clone(), per_page: 7, ..list() }, &strings(&["a"]));
            assert_same_lists(&index, &model, &ListQuery { sort, ..searching(&["e"]) }, &strings(&["a"]));
        }
    }
}

#[test]
fn a_late_older_version_does_not_bring_a_deleted_contact_back() {
    let mut index = ContactIndex::new();
    index.apply(&deleted(1, 5));

    assert!(!index.apply(&contact(1, 4, "Ada")));
    assert_eq!(index.version(id(1)), Some(5));
    assert_eq!(index.len(), 0);

    index.forget_tombstones_before(Timestamp::from_millis(5));
    assert_eq!(index.version(id(1)), Some(5));

    index.forget_tombstones_before(Timestamp::from_millis(6));
    assert_eq!(index.version(id(1)), None);
}

#[test]
fn a_word_is_found_in_either_name_but_not_across_both() {
    let mut entry = contact(1, 0, "Ada");
    entry.fields.as_mut().unwrap().texts[TextField::LocalName as usize] = Some("مُحَمَّد".to_owned());
    let index = ContactIndex::from_entries([entry, contact(2, 0, "Lovelace")]);
    let found = |words: &[&str]| index.select(&searching(words), &strings(&["a"])).total;

    assert_eq!(found(&["ada"]), 1);
    assert_eq!(found(&["محمد", "da"]), 1);
    assert_eq!(found(&["adaمحمد"]), 0);
    assert_eq!(found(&["ada", "lovelace"]), 0);
    assert_eq!(found(&["", "a"]), 2);
    assert_eq!(found(&["", ""]), 2);
}

#[test]
fn a_word_that_becomes_several_when_folded_is_found_as_a_whole() {
    let names = ["صلى الله عليه وسلم", "صلى وسلم عليه الله", "\u{fdfa}", "a\u{a8}b", "a b", "ab"];
    let index = ContactIndex::from_entries((0..).zip(names).map(|(number, name)| contact(number * 3, 0, name)));
    let found = |word: &str| ids(&index.select(&searching(&[&fold(word)]), &strings(&["a"])));

    assert_eq!(found("\u{fdfa}"), [0, 6].map(id));
    assert_eq!(found("\u{a8}"), [0, 3, 6, 9, 12].map(id));
    assert_eq!(found("a\u{a8}b"), [9, 12].map(id));
    assert_eq!(found("\u{301}"), [0, 3, 6, 9, 12, 15].map(id));
}

#[test]
fn emails_phones_and_external_ids_are_found_in_the_form_in_which_they_are_compared() {
    let entry = |number: u32, email: &str, phone: &str, external_id: &str| {
        let mut entry = contact(number * 3, 0, "Ada");
        let fields = entry.fields.as_mut().unwrap();
        fields.texts[TextField::Email as usize] = Some(email.to_owned());
        fields.texts[TextField::Phone2 as usize] = Some(phone.to_owned());
        fields.external_id = Some(external_id.to_owned());
        entry
    };
    let index = ContactIndex::from_entries([
        entry(0, "Ada@Example.com", "+971 (50) 1", "C-1"),
        entry(1, "ada@example.com", "٩٧١٥٠١", "c-1"),
        entry(2, "ada@example.org", "none", "C-1 "),
    ]);
    let found = |filter| ids(&index.select(&ListQuery { filter, ..list() }, &strings(&["a"])));
    let one = |value: &str| Some(strings(&[value]));

    let email = email_key("ADA@example.COM");
    assert_eq!(found(Filter { emails: one(&email), ..Filter::default() }), [0, 3].map(id));
    assert_eq!(found(Filter { phones: one(&phone_key("97150-1")), ..Filter::default() }), [0, 3].map(id));
    assert_eq!(found(Filter { phones: one(""), ..Filter::default() }), []);
    assert_eq!(found(Filter { external_ids: one("C-1"), ..Filter::default() }), [id(0)]);
    assert_eq!(found(Filter { emails: one(&email), external_ids: one("c-1"), ..Filter::default() }), [id(3)]);
    assert_eq!(found(Filter { emails: Some(vec![]), ..Filter::default() }), []);
}

#[test]
fn the_parts_of_the_memory_are_all_of_it() {
    let index = ContactIndex::from_entries((0..500).map(|number| contact(number, 0, &format!("Name {number}"))));
    let parts = index.memory_parts();

    assert_eq!(parts.iter().map(|(_, bytes)| bytes).sum::<usize>(), index.memory_bytes());
    assert!(parts.iter().any(|(part, bytes)| *part == "texts" && *bytes > 500 * 8), "{parts:?}");
}

#[test]
fn an_absent_value_sorts_before_an_empty_one_and_last_when_descending() {
    let with_title = |number, title: Option<&str>| {
        let mut entry = contact(number, 0, "Ada");
        entry.fields.as_mut().unwrap().texts[TextField::Title as usize] = title.map(str::to_owned);
        entry
    };
    let index =
        ContactIndex::from_entries([with_title(0, Some("")), with_title(3, None), with_title(6, Some("x")), with_title(9, None)]);
    let sorted = |descending| {
        let sort = vec![SortKey { field: SortField::Text(TextField::Title), descending }];
        ids(&index.select(&ListQuery { sort, ..list() }, &strings(&["a"])))
    };

    assert_eq!(sorted(false), [3, 9, 0, 6].map(id));
    assert_eq!(sorted(true), [6, 0, 3, 9].map(id));
}

#[test]
fn a_caller_sees_contacts_that_share_a_namespace() {
    let mut entry = contact(1, 0, "Ada");
    entry.fields.as_mut().unwrap().company_namespace = strings(&["z", "b"]);
    let index = ContactIndex::from_entries([entry, contact(3, 0, "Grace")]);
    let seen = |namespaces: &[&str]| ids(&index.select(&list(), &strings(namespaces)));

    assert_eq!(seen(&["b"]), [id(1)]);
    assert_eq!(seen(&["x", "a"]), [id(3)]);
    assert_eq!(seen(&["a", "b"]), [id(3), id(1)]);
    assert_eq!(seen(&["x"]), []);
    assert_eq!(seen(&[]), []);
}

#[test]
fn ids_and_names_that_are_empty_lists_match_nothing() {
    let index = ContactIndex::from_entries([contact(1, 0, "Ada")]);

    for filter in [Filter { ids: Some(vec![]), ..Filter::default() }, Filter { names: Some(vec![]), ..Filter::default() }] {
        assert_eq!(index.select(&ListQuery { filter, ..list() }, &strings(&["a"])).total, 0);
    }
}

#[test]
fn names_match_exactly_while_search_ignores_case() {
    let index =
        ContactIndex::from_entries([contact(1, 0, "ada"), contact(2, 0, "Ada"), contact(4, 0, "ADA"), contact(5, 0, "Ada L")]);
    let named = |name: &str| {
        let filter = Filter { names: Some(strings(&[name])), ..Filter::default() };
        ids(&index.select(&ListQuery { filter, ..list() }, &strings(&["a"])))
    };

    assert_eq!(named("Ada"), [id(2)]);
    assert_eq!(named("ada"), [id(1)]);
    assert_eq!(named("ADA"), [id(4)]);
    assert_eq!(index.select(&searching(&["ada"]), &strings(&["a"])).total, 4);
}

#[test]
fn updating_all_contacts_again_and_again_takes_no_more_memory() {
    let mut index = ContactIndex::with_chunks(64);
    index.load((0..2_000).map(|number| contact(number, 0, &format!("Name {number}"))));
    let by_name = ListQuery { sort: vec![SortKey { field: SortField::Name, descending: false }], ..list() };
    let mut most = 0;

    for version in 1..=50 {
        for number in 0..2_000 {
            let number = number * 7 % 2_000;
            let mut entry = contact(number, version, &format!("Náme {} of {version}", (u64::from(number) * version) % 977));
            let fields = entry.fields.as_mut().unwrap();
            fields.company_namespace = strings(&[["a", "b", "c"][(version % 3) as usize]]);
            index.apply(&entry);
        }
        index.select(&by_name, &strings(&["a"]));
        index.select(&searching(&[&format!("{version}")]), &strings(&["a", "b", "c"]));
        if version <= 10 {
            most = most.max(index.memory_bytes());
        }
    }

    assert!(index.memory_bytes() <= most + most / 20, "{} {most}", index.memory_bytes());
}

#[test]
fn deleting_everything_gives_the_memory_of_the_texts_back() {
    let mut index = ContactIndex::new();
    index.load((0..5_000).map(|number| contact(number, 0, &format!("A rather long name, so that it counts {number}"))));
    let full = index.memory_bytes();

    for number in 0..5_000 {
        index.apply(&deleted(number, 1));
    }
    index.forget_tombstones_before(Timestamp::from_millis(i64::MAX));

    assert_eq!(index.len(), 0);
    assert!(index.memory_bytes() < full * 2 / 3, "{} of {full}", index.memory_bytes());
}

#[test]
fn orders_that_are_kept_stay_few() {
    let index = ContactIndex::from_entries((0..500).map(|number| contact(number, 0, &format!("Name {number}"))));

    for (number, (_, field)) in SortField::ALL.iter().enumerate() {
        for word in 0..20 {
            let sort =
                vec![SortKey { field: *field, descending: word % 2 == 0 }, SortKey { field: SortField::Name, descending: true }];
            index.select(&ListQuery { sort: sort.clone(), ..searching(&[&format!("{word}")]) }, &strings(&["a"]));
            index.select(&ListQuery { sort, ..list() }, &strings(&["a"]));
        }
        assert!(index.kept().orders.len() <= ORDERS, "after {number}");
    }
}

#[test]
fn an_index_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}

    shared::<ContactIndex>();
}

#[test]
fn lists_are_the_same_with_chunks_of_their_true_size() {
    let entry = |number: u32, version: u64| {
        let number_and_version = u64::from(number) * 7_919 + version * 104_729;
        let mut entry = contact(number, version, &format!("Náme {}", number_and_version % 701));
        entry.updated_at = Timestamp::from_millis((number_and_version % 9_973) as i64);
        let fields = entry.fields.as_mut().unwrap();
        fields.texts[TextField::Email as usize] = (!number.is_multiple_of(7))
            .then(|| format!("A{}@EXAMPLE.com", number_and_version % 5_003).repeat(1 + number as usize % 30));
        fields.company_namespace = strings(&[["a", "b", "c"][(number_and_version % 3) as usize]]);
        entry
    };
    let mut index = ContactIndex::new();
    let mut entries: Vec<_> = (0..4_000).map(|number| entry(number, 0)).collect();
    index.load(entries.clone());
    let sorts = ["", "name", "-updatedAt", "email -name", "-disabled"].map(sort_of);
    let queries = sorts
        .iter()
        .flat_map(|sort| [&[][..], &["7"]].map(|words| ListQuery { sort: sort.clone(), per_page: 97, ..searching(words) }));
    let queries: Vec<_> = queries.collect();

    for version in 1..=2 {
        let changes: Vec<_> = (0..4_500).step_by(3).map(|number| entry(number, version)).collect();
        index.apply_all(&changes);
        entries.extend(changes);

        let model = Model::of(&entries);
        for query in &queries {
            let all = model.list(query, &strings(&["a", "c"]));
            for page in [1, 2, 7, 14, 28, 29] {
                let query = ListQuery { page: NonZeroU64::new(page).unwrap(), ..query.clone() };
                let rows = all.chunks(97).nth(page as usize - 1).unwrap_or_default().to_vec();
                let expected = Selection { total: all.len() as u64, rows };
                assert_eq!(index.select(&query, &strings(&["a", "c"])), expected, "{query:?}");
            }
        }
    }
}
