//! Contacts of made-up people ([`lifelike`]) with everything that the API keeps of a contact: for demonstrations, and for measuring.
//!
//! The same seed gives the same contacts: there is no clock and no other source of chance.

use std::collections::BTreeMap;

use lifelike::{People, Person, Random};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use shared::contact::Contact;
use shared::json_object::JsonObject;
use shared::object_id::ObjectId;
use shared::text_field::TextField;
use shared::timestamp::Timestamp;
use shared::user::{User, UserType};

/// The contacts of a company, in the order in which they were created.
#[derive(Clone, Debug)]
pub struct Lifelike {
    people: People,
    namespace: String,
}

impl Lifelike {
    /// `count` contacts in `namespace`, created one after the other in the two years before `until` and not changed since. Another
    /// `seed` gives other people with other ids; another `until` gives other ids.
    pub fn new(seed: u64, count: u64, namespace: &str, until: Timestamp) -> Lifelike {
        Lifelike { people: People::new(seed, count, until.millis()), namespace: namespace.to_owned() }
    }

    fn contact(&self, person: Person) -> Contact {
        let mut random = Random::new(person.random);
        let created_at = Timestamp::from_millis(person.created_at);
        Contact {
            id: ObjectId::from_bytes(person.id),
            creator: creator(random.pick(&CREATORS)),
            editor: None,
            name: person.name,
            texts: [
                (TextField::LocalName, person.local_name),
                (TextField::Phone1, person.phone1),
                (TextField::Phone2, person.phone2),
                (TextField::Email, person.email),
                (TextField::Title, person.title),
                (TextField::ExtraInfo, random.chance(20).then(|| extra_info(&mut random))),
            ]
            .into_iter()
            .collect(),
            disabled: person.disabled,
            media: random
                .chance(4)
                .then(|| (0..=random.below(3)).map(|_| format!("https://media.example/{:016x}.jpg", random.next())).collect()),
            cover_photo: random.chance(3).then(|| format!("https://media.example/covers/{:016x}.jpg", random.next())),
            integration_meta: integration_meta(person.external_id.as_deref(), &mut random),
            company_namespace: vec![self.namespace.clone()],
            created_at,
            updated_at: created_at,
            version: 0,
        }
    }
}

impl Iterator for Lifelike {
    type Item = Contact;

    fn next(&mut self) -> Option<Contact> {
        self.people.next().map(|person| self.contact(person))
    }
}

/// A user who enters contacts.
fn creator(&(id, username, name, kind): &(&str, &str, &str, UserType)) -> User {
    User { id: id.to_owned(), username: Some(username.to_owned()), name: Some(name.to_owned()), kind, others: BTreeMap::new() }
}

fn extra_info(random: &mut Random) -> String {
    let sentences = 1 + random.below(3);
    (0..sentences).map(|_| *random.pick(&REMARKS)).collect::<Vec<_>>().join(" ")
}

/// What other systems keep with the contact: the external id, as a number where it is one, and for some a member of their own.
fn integration_meta(external_id: Option<&str>, random: &mut Random) -> Option<JsonObject> {
    let mut meta = serde_json::Map::new();
    if let Some(external_id) = external_id {
        let number = external_id.parse::<u64>().ok().filter(|number| number.to_string() == external_id);
        meta.insert("external_id".to_owned(), number.map_or_else(|| Value::from(external_id), Value::from));
    }
    if random.chance(25) {
        let code = random.below(1_000_000);
        let (system, member) = match random.below(3) {
            0 => ("erp", json!({ "code": format!("C-{code:06}"), "synced": random.chance(90) })),
            1 => ("crm", json!({ "id": code, "source": "import", "score": random.below(1_000) as f64 / 10.0 })),
            _ => ("route", json!({ "code": format!("R{code}"), "day": random.below(7), "stop": random.below(40) })),
        };
        meta.insert(system.to_owned(), member);
    }
    if meta.is_empty() {
        return None;
    }
    JsonObject::parse(&to_raw_value(&meta).ok()?).ok()
}

const CREATORS: [(&str, &str, &str, UserType); 6] = [
    ("60f1b2b3c9e9a12345678901", "admin_user", "Admin User", UserType::Admin),
    ("60f1b2b3c9e9a12345678902", "layla.h", "Layla Haddad", UserType::Rep),
    ("60f1b2b3c9e9a12345678903", "tariq", "Tariq Mansour", UserType::Rep),
    ("60f1b2b3c9e9a12345678904", "mchen", "Mei Chen", UserType::Rep),
    ("60f1b2b3c9e9a12345678905", "jsmith", "John Smith", UserType::Rep),
    ("60f1b2b3c9e9a12345678906", "portal", "Customer Portal", UserType::Client),
];

const REMARKS: [&str; 12] = [
    "Prefers to be called in the morning.",
    "Speaks Arabic and English.",
    "Orders every second Thursday.",
    "Met at the trade fair.",
    "Send invoices to the accountant, with the order number.",
    "يفضل التواصل عبر البريد الإلكتروني.",
    "Do not call on Fridays.",
    "Decides on the budget; ask the assistant for an appointment first.",
    "Deliveries through the back entrance, before ten.",
    "Говорит по-русски.",
    "Préfère le courriel au téléphone.",
    "Has taken over from a colleague and is new to our range.",
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use shared::body::ContactBody;
    use shared::contact::ContactJson;
    use shared::handling::Handling;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_760_000_000_000);

    fn some(seed: u64) -> Vec<Contact> {
        Lifelike::new(seed, 2_000, "company1", NOW).collect()
    }

    #[test]
    fn every_contact_is_one_that_the_api_takes() {
        for contact in some(1) {
            let json = serde_json::to_vec(&ContactJson(&contact)).unwrap();
            ContactBody::for_create(&json, &Handling::default()).unwrap();
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_contacts_and_another_gives_others() {
        assert_eq!(some(1), some(1));
        let ids: HashSet<_> = some(1).into_iter().chain(some(2)).map(|contact| contact.id).collect();
        assert_eq!(ids.len(), 4_000);
    }

    #[test]
    fn some_contacts_have_external_ids_as_texts_and_as_numbers() {
        let contacts = some(1);
        let metas = contacts.iter().filter_map(|contact| contact.integration_meta.as_ref());
        let ids: Vec<Value> = metas
            .filter_map(|meta| serde_json::from_str::<Value>(meta.raw().get()).unwrap().get("external_id").cloned())
            .collect();
        assert!((700..900).contains(&ids.len()), "{}", ids.len());
        assert!(ids.iter().any(Value::is_string) && ids.iter().any(Value::is_u64));
        assert_eq!(ids.iter().map(Value::to_string).collect::<HashSet<_>>().len(), ids.len());
    }
}
