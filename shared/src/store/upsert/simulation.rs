//! The proof of upserts: many of them with one external id, beside deletions, moves and changes of the external id, over an index that lags. Requests are
//! lost, repeated, frozen and refused. The decisions and the requests are those that ship; items stand in the model of DynamoDB that
//! writes are simulated with.
//!
//! Nobody else gives a contact the external id, so at every moment at most one contact carries it, whatever happens. `CONTACTS_SEED=<seed>` replays one
//! world, `CONTACTS_SEEDS=<number>` tries that many.

use std::collections::BTreeMap;
use std::env;

use serde_json::json;

use super::*;
use crate::body::ContactBody;
use crate::handling::Handling;
use crate::seeded::{Random, replayable};
use crate::store::change::UpdateRequest;
use crate::store::simulation::dynamodb::{self, Effect};

const SEEDS: u64 = 1_500;

#[test]
fn upserts_make_one_contact_in_every_world() {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().expect("a whole number"));
    if let Some(seed) = number("CONTACTS_SEED") {
        println!("{:#?}", run(seed));
        return;
    }
    let mut seen = Seen::default();
    for seed in 0..number("CONTACTS_SEEDS").unwrap_or(SEEDS) {
        seen.add(run(seed));
    }
    // What was never met was never checked.
    let Seen { created, created_again, updated, by_claim, lost_races, own_found, late, unknown } = seen;
    for times in [created, created_again, updated, by_claim, lost_races, own_found, late, unknown] {
        assert!(times > 0, "{seen:?}");
    }
}

fn run(seed: u64) -> Seen {
    replayable("CONTACTS_SEED", seed, |random| {
        let (caller, external_id) = (caller(), ExternalId::parse("C-1").expect("an external id"));
        World::new(random, &caller, &external_id).run()
    })
}

fn caller() -> Caller {
    Caller {
        tenant: "tenant".to_owned(),
        namespaces: vec!["a".to_owned()],
        user: serde_json::from_value(json!({"_id": "1", "type": "rep"})).expect("a user"),
    }
}

/// How often something happened that worlds must not be without.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// An upsert was answered that it created the contact.
    created: u64,
    /// A contact was created though another one had been there before.
    created_again: u64,
    /// An upsert was answered that it updated the contact.
    updated: u64,
    /// A contact was found by its claim while the index did not show it.
    by_claim: u64,
    /// An upsert that wanted to create was told that another one had.
    lost_races: u64,
    /// A try found that an earlier one had created the contact.
    own_found: u64,
    /// A try was applied after its upsert had stopped to wait for it.
    late: u64,
    /// An upsert answered that the outcome is unknown.
    unknown: u64,
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.created += other.created;
        self.created_again += other.created_again;
        self.updated += other.updated;
        self.by_claim += other.by_claim;
        self.lost_races += other.lost_races;
        self.own_found += other.own_found;
        self.late += other.late;
        self.unknown += other.unknown;
    }
}

/// What an upsert is doing.
enum Phase<'a> {
    /// It reads the claim first, or the index.
    Reading {
        claim: Option<Option<ObjectId>>,
        shown: Option<Vec<ObjectId>>,
    },
    Creating(Box<Claiming<'a>>),
    Updating(ObjectId, Box<Change<'a>>),
    Answered,
}

struct Upsert<'a> {
    phase: Phase<'a>,
    /// Whether it waits for an answer to its last request, of this number.
    waits_for: Option<u64>,
    /// The ids that its creations generated, and of its updates.
    contacts: Vec<ObjectId>,
    writes: Vec<WriteId>,
    landed: u32,
}

#[derive(Clone)]
enum Request {
    Both(ClaimAndContact),
    Update(ObjectId, UpdateRequest),
}

#[derive(Clone)]
struct Message {
    number: u64,
    upsert: usize,
    request: Request,
    /// The event before which it does not arrive.
    not_before: u64,
}

struct World<'a> {
    random: Random,
    caller: &'a Caller,
    external_id: &'a ExternalId,
    /// Of every hundred requests so many are lost, on the way there or back.
    lost: u64,
    /// How eager the others are.
    others: u64,
    event: u64,
    time: i64,
    items: BTreeMap<ObjectId, Item>,
    claim: Item,
    /// What the index shows, in which changes arrive late.
    index: BTreeMap<ObjectId, bool>,
    on_the_way_to_index: Vec<(ObjectId, bool)>,
    under_way: Vec<Message>,
    messages: u64,
    upserts: Vec<Upsert<'a>>,
    /// The body of every update of an upsert, which outlives its change.
    bodies: &'static [ContactBody],
    seen: Seen,
}

impl<'a> World<'a> {
    fn new(mut random: Random, caller: &'a Caller, external_id: &'a ExternalId) -> Self {
        static BODIES: std::sync::OnceLock<Vec<ContactBody>> = std::sync::OnceLock::new();
        let bodies = BODIES.get_or_init(|| {
            [r#"{"title":"x"}"#, r#"{"integration_meta":{"external_id":"C-1","a":1}}"#]
                .map(|body| ContactBody::for_update(body.as_bytes(), &Handling::default()).expect("a body"))
                .into()
        });
        let upsert = |_| Upsert {
            phase: Phase::Reading { claim: None, shown: None },
            waits_for: None,
            contacts: Vec::new(),
            writes: Vec::new(),
            landed: 0,
        };
        let lost = random.next() % 50;
        let others = random.next() % 4;
        let upserts = (0..2 + random.below(8)).map(upsert).collect();
        Self {
            random,
            caller,
            external_id,
            lost,
            others,
            event: 0,
            time: 1_764_000_000_000,
            items: BTreeMap::new(),
            claim: Item::new(),
            index: BTreeMap::new(),
            on_the_way_to_index: Vec::new(),
            under_way: Vec::new(),
            messages: 0,
            upserts,
            bodies,
            seen: Seen::default(),
        }
    }

    fn run(mut self) -> Seen {
        while self.upserts.iter().any(|upsert| !matches!(upsert.phase, Phase::Answered)) || !self.under_way.is_empty() {
            self.event += 1;
            self.time += self.random.within(0..30);
            match self.random.below(12) {
                0..=4 => self.an_upsert_moves(),
                5..=8 => self.a_request_arrives(),
                9 | 10 => self.the_index_catches_up(),
                _ => self.somebody_else_writes(),
            }
            self.at_most_one_contact_carries_the_external_id();
        }
        self.seen
    }

    fn carries(&self, id: ObjectId) -> bool {
        let item = self.items.get(&id);
        item.and_then(|item| item.get(item::EXTERNAL_ID)?.as_s().ok()).is_some_and(|own| own == self.external_id.as_str())
    }

    fn at_most_one_contact_carries_the_external_id(&self) {
        let carriers = self.items.keys().filter(|id| self.carries(**id)).count();
        assert!(carriers <= 1, "{carriers} contacts carry the external id");
    }

    fn stored(&self, id: ObjectId) -> Option<Stored> {
        self.items.get(&id).map(|item| item::stored(item.clone()).expect("a contact or a tombstone"))
    }

    fn an_upsert_moves(&mut self) {
        let number = self.random.below(self.upserts.len());
        if self.upserts[number].waits_for.is_some() {
            // Its time for the try is over. The request goes on, or not.
            if self.random.percent(self.lost) {
                let drops = self.random.percent(30);
                let (event, delay) = (self.event, self.random.next() % 200);
                let waits_for = self.upserts[number].waits_for;
                self.under_way.retain(|message| !drops || Some(message.number) != waits_for);
                if let Some(message) = self.under_way.iter_mut().find(|message| Some(message.number) == waits_for) {
                    message.not_before = event + delay;
                }
                self.outcome(number, Outcome::Lost("no answer".into()));
            }
            return;
        }
        let claim_first = self.random.percent(50);
        let claim_now = claimed(&self.claim);
        let index_now: Vec<ObjectId> = self.index.iter().filter(|(_, shown)| **shown).map(|(id, _)| *id).collect();
        match &mut self.upserts[number].phase {
            Phase::Reading { claim: Some(claim), shown: Some(shown) } => {
                let (claim, shown) = (*claim, std::mem::take(shown));
                self.decide(number, claim, shown);
            }
            Phase::Reading { claim: claim @ None, shown } if claim_first || shown.is_some() => *claim = Some(claim_now),
            Phase::Reading { shown, .. } => *shown = Some(index_now),
            Phase::Creating(_) | Phase::Updating(..) => self.send(number),
            Phase::Answered => {}
        }
    }

    /// The upsert has read the claim and the index, and reads the candidates.
    fn decide(&mut self, number: usize, claim: Option<ObjectId>, mut candidates: Vec<ObjectId>) {
        let is_shown = |id: &ObjectId| candidates.contains(id);
        let by_claim = claim.filter(|id| !is_shown(id));
        candidates.extend(by_claim);
        let candidates: Vec<Stored> = candidates.iter().filter_map(|id| self.stored(*id)).collect();
        let id = WriteId::from_bytes(self.random.next().to_be_bytes());
        let phase = match Found::among(candidates, self.external_id, self.caller) {
            Found::One(contact) => {
                self.seen.by_claim += u64::from(by_claim == Some(contact.id));
                let body = &self.bodies[self.random.below(self.bodies.len())];
                self.upserts[number].writes.push(id.clone());
                let change = Change::new(self.caller, Kind::Update(body), &Precondition::None, id);
                Phase::Updating(contact.id, Box::new(change.of_carrier(self.external_id)))
            }
            Found::Nobody => {
                let body = br#"{"name":"x","integration_meta":{"external_id":"C-1"}}"#;
                let body = ContactBody::for_create(body, &Handling::default()).expect("a body");
                let mut bytes = [0; 12];
                bytes[4..].copy_from_slice(&self.random.next().to_be_bytes());
                let now = Timestamp::from_millis(self.time);
                let contact = body.into_contact(self.caller, ObjectId::from_bytes(bytes), now).expect("a contact");
                self.upserts[number].contacts.push(contact.id);
                Phase::Creating(Box::new(Claiming::new(&self.caller.tenant, self.external_id, contact, claim, id)))
            }
            // They have left the caller's namespace, and end the upsert.
            Found::OfOthers => Phase::Answered,
            Found::Several(ids) => panic!("{ids:?} carry the external id"),
        };
        self.upserts[number].phase = phase;
    }

    fn send(&mut self, number: usize) {
        let now = Timestamp::from_millis(self.time + self.random.within(-500..500));
        let request = match &mut self.upserts[number].phase {
            Phase::Creating(create) => Request::Both(create.next_try(now).expect("a request")),
            Phase::Updating(id, change) => Request::Update(*id, change.next_try(now).expect("a request")),
            Phase::Reading { .. } | Phase::Answered => return,
        };
        self.messages += 1;
        self.upserts[number].waits_for = Some(self.messages);
        self.under_way.push(Message { number: self.messages, upsert: number, request, not_before: 0 });
    }

    fn a_request_arrives(&mut self) {
        let event = self.event;
        let can_arrive: Vec<usize> =
            (0..self.under_way.len()).filter(|&place| self.under_way[place].not_before <= event).collect();
        if can_arrive.is_empty() {
            return;
        }
        let message = self.under_way.remove(can_arrive[self.random.below(can_arrive.len())]);
        let is_waited_for = self.upserts[message.upsert].waits_for == Some(message.number);
        if is_waited_for && self.random.percent(5) {
            return self.outcome(message.upsert, Outcome::Busy("another transaction has the item".into()));
        }
        let effect = self.deliver(&message, is_waited_for);
        if self.random.percent(self.lost / 4) {
            // It arrives twice.
            self.under_way.push(message.clone());
        }
        if !is_waited_for {
            return;
        }
        let outcome = match effect {
            _ if self.random.percent(self.lost) => Outcome::Lost("cut off".into()),
            Effect::Applied(item) => Outcome::Applied(item),
            Effect::Refused(item) => Outcome::Refused(item),
        };
        self.outcome(message.upsert, outcome);
    }

    fn deliver(&mut self, message: &Message, is_waited_for: bool) -> Effect {
        let (id, effect) = match &message.request {
            Request::Update(id, request) => {
                let item = self.items.entry(*id).or_default();
                (*id, dynamodb::update(item, request))
            }
            Request::Both(ClaimAndContact { claim, contact, replaces, .. }) => {
                let id = item::id(contact).expect("an id");
                let is_free = match replaces {
                    None => self.claim.is_empty(),
                    Some(read) => claimed(&self.claim) == Some(*read),
                };
                let effect = match self.items.get(&id) {
                    Some(there) => Effect::Refused(there.clone()),
                    None if !is_free => Effect::Refused(self.claim.clone()),
                    None => {
                        self.seen.created_again += u64::from(!self.items.is_empty());
                        self.items.insert(id, contact.clone());
                        self.claim.clone_from(claim);
                        Effect::Applied(Item::new())
                    }
                };
                (id, effect)
            }
        };
        if let Effect::Applied(_) = effect {
            self.seen.late += u64::from(!is_waited_for);
            let upsert = &mut self.upserts[message.upsert];
            upsert.landed += 1;
            assert_eq!(upsert.landed, 1, "an upsert is applied once");
            assert!(self.carries(id), "what an upsert wrote carries the external id");
            self.on_the_way_to_index.push((id, true));
        }
        effect
    }

    fn outcome(&mut self, number: usize, outcome: Outcome) {
        let upsert = &mut self.upserts[number];
        upsert.waits_for = None;
        let again = || Phase::Reading { claim: None, shown: None };
        // What the loop of `Store::upsert` makes of a write's answer.
        let answer = match &mut upsert.phase {
            Phase::Creating(create) => {
                let was_refused = matches!(outcome, Outcome::Refused(_));
                match create.step(outcome) {
                    Step::TryAgain(_) if self.random.percent(95) => return,
                    Step::TryAgain(_) => Err(create.give_up()),
                    Step::Answer(Ok(None)) => {
                        self.seen.lost_races += 1;
                        assert_eq!(upsert.landed, 0, "what was applied is known by its contact");
                        upsert.phase = again();
                        return;
                    }
                    Step::Answer(Ok(Some(contact))) => {
                        self.seen.own_found += u64::from(was_refused);
                        self.seen.created += 1;
                        Ok(contact)
                    }
                    Step::Answer(Err(error)) => Err(error),
                }
            }
            Phase::Updating(_, change) => match change.step(outcome) {
                Step::TryAgain(_) if self.random.percent(95) => return,
                Step::TryAgain(_) => Err(change.give_up()),
                Step::Answer(Err(Error::ContactNotFound)) => {
                    assert_eq!(upsert.landed, 0, "what was applied is known by its register");
                    upsert.phase = again();
                    return;
                }
                Step::Answer(answer) => {
                    self.seen.updated += u64::from(answer.is_ok());
                    answer
                }
            },
            Phase::Reading { .. } | Phase::Answered => panic!("nothing was sent"),
        };
        match answer {
            Ok(contact) => {
                assert_eq!(upsert.landed, 1, "what is acknowledged was applied");
                let own = contact.integration_meta.as_ref().and_then(|meta| meta.external_id());
                // Others may have changed it since, and their changes are in the answer.
                assert!(own.as_deref() == Some(self.external_id.as_str()) || contact.version > 0);
            }
            Err(Error::OutcomeUnknown(_)) => self.seen.unknown += 1,
            Err(Error::Unavailable(_)) => assert_eq!(upsert.landed, 0, "nothing was changed"),
            Err(other) => panic!("{other:?}"),
        }
        upsert.phase = Phase::Answered;
    }

    fn the_index_catches_up(&mut self) {
        if self.on_the_way_to_index.is_empty() {
            return;
        }
        let place = self.random.below(self.on_the_way_to_index.len());
        let (id, _) = self.on_the_way_to_index.swap_remove(place);
        // It shows what the table has then.
        self.index.insert(id, self.carries(id));
    }

    /// Somebody deletes the contact, or takes its external id away.
    fn somebody_else_writes(&mut self) {
        if !self.random.percent(self.others * 10) {
            return;
        }
        let Some(id) = self.items.keys().copied().find(|id| self.carries(*id)) else { return };
        let other =
            ContactBody::for_update(br#"{"integration_meta":{"external_id":"C-2"}}"#, &Handling::default()).expect("a body");
        let kind = if self.random.percent(50) { Kind::Delete } else { Kind::Update(&other) };
        let write = WriteId::from_bytes(self.random.next().to_be_bytes());
        let mut change = Change::new(self.caller, kind, &Precondition::None, write);
        let request = change.next_try(Timestamp::from_millis(self.time)).expect("a request");
        if let Some(item) = self.items.get_mut(&id) {
            dynamodb::update(item, &request);
        }
        self.on_the_way_to_index.push((id, false));
    }
}
