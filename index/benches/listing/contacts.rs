//! The contacts that are measured, made from [`lifelike`] people, and their changes.

use index::entry::{EntryFields, IndexEntry, TextField, Texts};
use index::fold::fold;
use index::object_id::ObjectId;
use index::query::Filter;
use index::timestamp::Timestamp;
use lifelike::{HISTORY, People, Person, Random};

/// When the last contact was created.
const UNTIL: i64 = 1_760_000_000_000;

const NAMESPACES: [&str; 4] = ["ns-emea", "ns-apac", "ns-americas", "ns-partners"];

/// Everything is visible.
pub fn all_namespaces() -> Vec<String> {
    NAMESPACES.iter().map(ToString::to_string).collect()
}

/// A change, of which there are many.
#[derive(Clone, Copy, Default)]
pub struct Change {
    /// Which one of all it is.
    pub number: u64,
    /// The version that it makes.
    pub version: u64,
}

impl Change {
    fn at(self) -> i64 {
        UNTIL + self.number as i64
    }
}

pub struct Contacts {
    people: People,
    size: u64,
}

impl Contacts {
    pub fn new(size: u64) -> Self {
        Self { people: People::new(1, size, UNTIL), size }
    }

    /// The contacts as a load reads them: in the order of their changes.
    pub fn log(&self) -> impl Iterator<Item = IndexEntry> {
        let mut changes: Vec<(i64, u64)> = (0..self.size).map(|number| (self.updated_at(number), number)).collect();
        changes.sort_unstable();
        changes.into_iter().map(|(_, number)| self.entry(number))
    }

    /// A third was changed since it was created.
    fn updated_at(&self, number: u64) -> i64 {
        let created_at = self.people.person(number).created_at;
        let mut random = Random::new(number);
        if random.chance(33) { created_at + (random.fraction() * (UNTIL - created_at) as f64) as i64 } else { created_at }
    }

    /// A contact as it was entered.
    pub fn entry(&self, number: u64) -> IndexEntry {
        entry_of(self.people.person(number), 0, self.updated_at(number))
    }

    /// A contact after a change of everything.
    pub fn with_all_else(&self, number: u64, change: Change) -> IndexEntry {
        let (person, other) = (self.people.person(number), self.people.person(number ^ change.number << 32));
        entry_of(Person { id: person.id, created_at: person.created_at, ..other }, change.version, change.at())
    }

    pub fn with_other_phone(&self, number: u64, change: Change) -> IndexEntry {
        let phone1 = Some(format!("+9714{:07}", change.number));
        entry_of(Person { phone1, ..self.people.person(number) }, change.version, change.at())
    }

    pub fn deletion(&self, number: u64, change: Change) -> IndexEntry {
        IndexEntry { fields: None, ..self.with_other_phone(number, change) }
    }

    pub fn person(&self, random: &mut Random) -> Person {
        self.people.person(random.below(self.size))
    }

    /// A value that somebody has.
    pub fn some(&self, random: &mut Random, value: impl Fn(Person) -> Option<String>) -> String {
        loop {
            if let Some(value) = value(self.person(random)) {
                return value;
            }
        }
    }

    pub fn id(&self, random: &mut Random) -> ObjectId {
        ObjectId::from_bytes(self.person(random).id)
    }

    /// A folded word of somebody's name.
    pub fn word(&self, random: &mut Random) -> String {
        self.two_words(random).0
    }

    /// Folded words that one name holds both.
    pub fn two_words(&self, random: &mut Random) -> (String, String) {
        loop {
            let person = self.person(random);
            let text = if random.chance(70) { Some(person.name) } else { person.local_name };
            let words: Vec<String> = fold(&text.unwrap_or_default()).split_whitespace().map(str::to_owned).collect();
            if let [first, .., last] = &words[..]
                && first.chars().count() > 2
            {
                return if random.chance(50) { (first.clone(), last.clone()) } else { (last.clone(), first.clone()) };
            }
        }
    }

    /// A filter on changes in a random range of so many of a hundred parts of the time.
    pub fn changed(&self, share: i64, random: &mut Random) -> Filter {
        let (updated_after, updated_before) = range(share, random);
        Filter { updated_after, updated_before, ..Filter::default() }
    }

    /// The same on creation.
    pub fn created(&self, share: i64, random: &mut Random) -> Filter {
        let (created_after, created_before) = range(share, random);
        Filter { created_after, created_before, ..Filter::default() }
    }
}

fn range(share: i64, random: &mut Random) -> (Option<Timestamp>, Option<Timestamp>) {
    let start = UNTIL - HISTORY + (random.fraction() * (HISTORY * (100 - share) / 100) as f64) as i64;
    (Some(Timestamp::from_millis(start)), Some(Timestamp::from_millis(start + HISTORY * share / 100)))
}

fn entry_of(person: Person, version: u64, updated_at: i64) -> IndexEntry {
    let Person { id, name, local_name, phone1, phone2, email, title, external_id, disabled, created_at, random } = person;
    let mut texts = Texts::default();
    texts[TextField::LocalName as usize] = local_name;
    texts[TextField::Phone1 as usize] = phone1;
    texts[TextField::Phone2 as usize] = phone2;
    texts[TextField::Email as usize] = email;
    texts[TextField::Title as usize] = title;
    let fields = EntryFields {
        name,
        texts,
        external_id,
        disabled,
        created_at: Timestamp::from_millis(created_at),
        company_namespace: vec![NAMESPACES[(random % 8).saturating_sub(4) as usize].to_owned()],
    };
    IndexEntry { id: ObjectId::from_bytes(id), version, updated_at: Timestamp::from_millis(updated_at), fields: Some(fields) }
}
