//! The proof of how writes over what was read are tried again: a few contacts, and writers of one or several of them whose reads are not of one moment
//! and whose requests arrive in any order, late, twice or never, while their clocks differ. The decisions and the requests are those that ship.
//!
//! `CONTACTS_SEED=<seed>` replays one world, `CONTACTS_SEEDS=<number>` tries that many.

use std::collections::{BTreeMap, BTreeSet};
use std::env;

use serde_json::json;

use super::*;
use crate::handling::Handling;
use crate::seeded::{Random, replayable};
use crate::store::IdempotencyKey;
use crate::store::simulation::dynamodb::{self, Effect};

const SEEDS: u64 = 400;
const CONTACTS: usize = 3;
const MACHINES: usize = 3;

#[test]
fn writes_over_what_was_read_are_applied_once_in_every_world() {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().expect("a whole number"));
    if let Some(seed) = number("CONTACTS_SEED") {
        println!("{:#?}", run(seed));
        return;
    }
    let mut seen = BTreeMap::<&str, u64>::new();
    for seed in 0..number("CONTACTS_SEEDS").unwrap_or(SEEDS) {
        run(seed).into_iter().for_each(|(what, times)| *seen.entry(what).or_default() += times);
    }
    // What was never met was never checked.
    for what in [
        "done",
        "found done",
        "done before",
        "refused",
        "unknown",
        "unavailable",
        "late after unknown",
        "key reused",
        "moved",
        "rival",
        "outdated",
    ] {
        assert!(seen.get(what).is_some_and(|times| *times > 0), "{what}: {seen:?}");
    }
}

/// How often something happened.
type Seen = BTreeMap<&'static str, u64>;

fn run(seed: u64) -> Seen {
    replayable("CONTACTS_SEED", seed, |mut random| {
        let caller = Caller {
            tenant: "tenant".to_owned(),
            namespaces: vec!["a".to_owned(), "b".to_owned()],
            user: serde_json::from_value(json!({"_id": "1", "type": "rep"})).expect("a user"),
        };
        let plans = plans(&mut random, &caller);
        World::new(random, &caller, &plans).run()
    })
}

/// What one writer wants.
struct Plan {
    operations: Vec<Operation>,
    /// Those of contacts that are created for an external id which nobody carried.
    claims: Vec<Option<Claim>>,
    once: Option<Once>,
    machine: usize,
}

fn contact_id(place: usize) -> ObjectId {
    ObjectId::from_bytes([u8::try_from(place + 1).expect("few contacts"); 12])
}

fn body(fields: &serde_json::Value) -> ContactBody {
    ContactBody::for_update(fields.to_string().as_bytes(), &Handling::default()).expect("a body")
}

fn new_contact(caller: &Caller, id: ObjectId) -> Contact {
    let body = ContactBody::for_create(br#"{"name": "created"}"#, &Handling::default()).expect("a body");
    body.into_contact(caller, id, Timestamp::from_millis(0)).expect("a contact")
}

fn plans(random: &mut Random, caller: &Caller) -> Vec<Plan> {
    let writers = 2 + random.below(5);
    let [deletes, conditions, keys] = [random.percent(40), random.percent(40), random.percent(70)];
    let mut plans: Vec<Plan> = Vec::new();
    for number in 0..writers {
        let machine = random.below(MACHINES);
        // Now and then the same request comes again, or another one with its key.
        if let Some(before) = plans.last().filter(|plan| plan.once.is_some())
            && random.percent(40)
        {
            let mut once = before.once.clone();
            if random.percent(20) {
                let key = IdempotencyKey::parse(format!("key {}", number - 1).as_bytes()).expect("a key");
                once = Some(Once::new(key, &[b"another request"]));
            }
            // A contact that is created gets another id each time that the request comes.
            let (mut operations, before_claims) = (before.operations.clone(), before.claims.clone());
            for operation in &mut operations {
                if let Operation::Create(contact) = operation {
                    contact.id = contact_id(100 + number);
                }
            }
            plans.push(Plan { operations, claims: before_claims, once, machine });
            continue;
        }
        let mut operations = Vec::new();
        for place in 0..CONTACTS {
            if !random.percent(60) {
                continue;
            }
            let precondition = match random.below(6) {
                0 if conditions => Precondition::Versions(vec![random.next() % 4]),
                _ => Precondition::None,
            };
            operations.push(if deletes && random.percent(10) {
                Operation::Delete { id: contact_id(place), precondition }
            } else {
                let mut fields = json!({format!("integration_meta.w{number}"): true, "title": number.to_string()});
                if random.percent(15) {
                    fields["company_namespace"] = [json!(["a"]), json!(["a", "b"])][random.below(2)].clone();
                }
                Operation::Update { id: contact_id(place), body: Box::new(body(&fields)), precondition, external_id: None }
            });
        }
        if operations.is_empty() || random.percent(25) {
            operations.push(Operation::Create(Box::new(new_contact(caller, contact_id(100 + number)))));
        }
        let key = IdempotencyKey::parse(format!("key {number}").as_bytes()).expect("a key");
        let once = (keys && random.percent(60)).then(|| Once::new(key, &[b"request", number.to_string().as_bytes()]));
        let upserts = random.percent(60);
        let claim = |operation: &Operation| {
            let external_id = ExternalId::parse("wanted by many").expect("an external id");
            (upserts && matches!(operation, Operation::Create(_))).then_some(Claim { external_id, replaces: None })
        };
        let claims = operations.iter().map(claim).collect();
        plans.push(Plan { operations, claims, once, machine });
    }
    plans
}

/// The items by their sort keys.
type Table = BTreeMap<String, Item>;

/// Does what one request asks for, if all of its conditions hold.
fn apply(table: &mut Table, writes: &[ItemWrite], record: Option<&Item>) -> bool {
    let mut after = table.clone();
    if let Some(record) = record {
        // No record expires in these worlds.
        if after.insert(sort_key(record).expect("a key"), record.clone()).is_some() {
            return false;
        }
    }
    for write in writes {
        let (key, effect) = match write {
            ItemWrite::Put(new) => {
                let key = sort_key(new).expect("a key");
                let item = after.entry(key.clone()).or_default();
                (key, dynamodb::put_new(item, new))
            }
            ItemWrite::Claim(claim, replaces) => {
                let key = sort_key(claim).expect("a key");
                if after.get(&key).and_then(upsert::claimed) != *replaces {
                    return false;
                }
                after.insert(key, claim.clone());
                continue;
            }
            ItemWrite::Update(id, request) => {
                let item = after.entry(id.to_string()).or_default();
                (id.to_string(), dynamodb::update(item, request))
            }
        };
        if let Effect::Refused(_) = effect {
            return false;
        }
        assert!(!after[&key].is_empty());
    }
    *table = after;
    true
}

/// A request under way.
struct Message {
    writer: usize,
    attempt: u32,
    /// It meets a conflict with another transaction.
    is_busy: bool,
    writes: std::rc::Rc<Vec<ItemWrite>>,
    record: Option<Item>,
    stamp: Timestamp,
    not_before: u64,
}

#[derive(Debug)]
enum Phase {
    /// What it still reads, and what it has read.
    Reading(Vec<String>, Vec<Item>),
    Waiting,
    Answered,
}

struct Writer<'a> {
    plan: &'a Plan,
    write: Versioned<'a>,
    phase: Phase,
    attempt: u32,
    answer: Option<Result<Answered, Error>>,
    /// The contacts as its request left them, or found those that it deleted.
    landed: Vec<Vec<Contact>>,
}

struct World<'a> {
    random: Random,
    caller: &'a Caller,
    lost: u64,
    busy: u64,
    twice: u64,
    patience: u32,
    time: i64,
    skews: [i64; MACHINES],
    event: u64,
    table: Table,
    under_way: Vec<Message>,
    writers: Vec<Writer<'a>>,
    seen: Seen,
}

impl<'a> World<'a> {
    fn new(mut random: Random, caller: &'a Caller, plans: &'a [Plan]) -> Self {
        let skews = std::array::from_fn(|_| random.within(-3_000..3_000));
        let mut table = Table::new();
        for place in 0..CONTACTS {
            let contact = new_contact(caller, contact_id(place)).created(Timestamp::from_millis(1_000));
            let id = WriteId::from_bytes([200 + u8::try_from(place).expect("few contacts"); 8]);
            let item = item::of_new_contact(&caller.tenant, &contact, &id).expect("an item");
            table.insert(contact.id.to_string(), item);
        }
        let writer = |(number, plan): (usize, &'a Plan)| {
            let id = WriteId::from_bytes([u8::try_from(number).expect("few writers"); 8]);
            let write = Versioned::new(caller, &plan.operations, plan.once.as_ref(), id).claiming(&plan.claims);
            Writer { plan, write, phase: Phase::Waiting, attempt: 0, answer: None, landed: Vec::new() }
        };
        let (lost, busy, twice) = (random.next() % 70, random.next() % 15, random.next() % 30);
        let patience = 3 + u32::try_from(random.below(12)).expect("a small number");
        let writers = plans.iter().enumerate().map(writer).collect();
        let (under_way, seen) = (Vec::new(), Seen::new());
        Self { random, caller, lost, busy, twice, patience, time: 10_000, skews, event: 0, table, under_way, writers, seen }
    }

    fn saw(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn now(&self, machine: usize) -> Timestamp {
        Timestamp::from_millis(self.time + self.skews[machine])
    }

    fn run(mut self) -> Seen {
        for number in 0..self.writers.len() {
            self.begins_to_read(number);
        }
        while self.writers.iter().any(|writer| writer.answer.is_none()) {
            self.event += 1;
            assert!(self.event < 20_000, "everybody gets an answer");
            self.time += self.random.within(0..40);
            match self.random.below(10) {
                0 | 1 => self.something_arrives(),
                2 if self.random.percent(15) => self.a_rival_writes(),
                _ => {
                    let number = self.random.below(self.writers.len());
                    self.a_writer_goes_on(number);
                }
            }
        }
        while !self.under_way.is_empty() {
            self.event += 10;
            self.something_arrives();
        }
        self.check();
        self.seen
    }

    fn begins_to_read(&mut self, number: usize) {
        let writer = &mut self.writers[number];
        let keys = writer.write.keys().iter().filter_map(sort_key).collect();
        writer.phase = Phase::Reading(keys, Vec::new());
    }

    /// The next of its reads, its decision, or the end of its patience with the network.
    fn a_writer_goes_on(&mut self, number: usize) {
        let now = self.now(self.writers[number].plan.machine);
        let writer = &mut self.writers[number];
        match &mut writer.phase {
            Phase::Answered => {}
            Phase::Waiting => {
                if self.random.percent(20) {
                    self.outcome(number, Outcome::Lost("the time is over".into()));
                }
            }
            Phase::Reading(keys, items) if !keys.is_empty() => {
                // A batch of reads is not of one moment.
                let key = keys.swap_remove(self.random.below(keys.len()));
                items.extend(self.table.get(&key).cloned());
            }
            Phase::Reading(_, items) => {
                let items = std::mem::take(items);
                let had_open = writer.write.tries.first_open().is_some();
                let step = writer.write.decide(items, now);
                if had_open && writer.write.tries.first_open().is_none() && step.is_none() {
                    self.saw("moved");
                }
                match step {
                    None => self.sends(number, now),
                    Some(Step::Answer(answer)) => {
                        if matches!(answer, Ok(Answered::Done(_))) {
                            self.saw("found done");
                        }
                        self.answers(number, answer);
                    }
                    Some(Step::TryAgain(_)) => self.tries_again(number),
                }
            }
        }
    }

    fn sends(&mut self, number: usize, now: Timestamp) {
        let writer = &mut self.writers[number];
        let request = writer.write.next_try(now).expect("a request");
        writer.attempt += 1;
        writer.phase = Phase::Waiting;
        let record = writer.write.record("table", request.stamp).expect("a record").map(|put| put.item().clone());
        let (attempt, stamp, writes) = (writer.attempt, request.stamp, std::rc::Rc::new(request.writes));
        // What DynamoDB refuses for a conflict came once.
        let is_busy = self.random.percent(self.busy);
        let copies = 1 + usize::from(!is_busy && self.random.percent(self.twice));
        for _ in 0..copies {
            let late = if self.random.percent(self.lost) { self.random.next() % 200 } else { self.random.next() % 5 };
            let (writes, record) = (std::rc::Rc::clone(&writes), record.clone());
            self.under_way.push(Message {
                writer: number,
                attempt,
                is_busy,
                writes,
                record,
                stamp,
                not_before: self.event + late,
            });
        }
    }

    fn something_arrives(&mut self) {
        let due: Vec<usize> = (0..self.under_way.len()).filter(|&place| self.under_way[place].not_before <= self.event).collect();
        if due.is_empty() {
            return;
        }
        let message = self.under_way.swap_remove(due[self.random.below(due.len())]);
        let outcome = if message.is_busy {
            Outcome::Busy("a conflict with a transaction".into())
        } else {
            let before = self.table.clone();
            if apply(&mut self.table, &message.writes, message.record.as_ref()) {
                self.landed(&message, &before);
                Outcome::Applied(Item::new())
            } else {
                Outcome::Refused(Item::new())
            }
        };
        let writer = &self.writers[message.writer];
        let is_awaited = matches!(writer.phase, Phase::Waiting) && writer.attempt == message.attempt;
        if is_awaited && !self.random.percent(self.lost) {
            self.outcome(message.writer, outcome);
        }
    }

    fn landed(&mut self, message: &Message, before: &Table) {
        let contact = |table: &Table, id: ObjectId| match item::stored(table[&id.to_string()].clone()).expect("an item of ours") {
            Stored::Contact(contact) => *contact,
            Stored::Tombstone { .. } => panic!("a contact is there"),
        };
        let operations = &self.writers[message.writer].plan.operations;
        let contacts: Vec<Contact> = operations
            .iter()
            .map(|operation| match operation {
                Operation::Delete { id, .. } => contact(before, *id),
                operation => contact(&self.table, operation.id()),
            })
            .collect();
        let changed = operations.iter().zip(&contacts).filter(|(operation, _)| !matches!(operation, Operation::Delete { .. }));
        changed.for_each(|(_, contact)| assert_eq!(contact.updated_at, message.stamp));
        if matches!(self.writers[message.writer].answer, Some(Err(Error::OutcomeUnknown(_)))) {
            self.saw("late after unknown");
        }
        self.writers[message.writer].landed.push(contacts);
    }

    /// Somebody else changes a contact in one request, as plain updates do.
    fn a_rival_writes(&mut self) {
        let id = contact_id(self.random.below(CONTACTS));
        let times = if self.random.percent(20) { 10 } else { 1 };
        for _ in 0..times {
            let machine = self.random.below(MACHINES);
            let now = self.now(machine);
            let bytes = self.random.next().to_be_bytes();
            let update = body(&json!({"phone1": "1"}));
            let change = Change::new(self.caller, Kind::Update(&update), &Precondition::None, WriteId::from_bytes(bytes));
            let there = item::moment(&self.table[&id.to_string()], "updatedAt").expect("a time");
            let request = change.request(now.max(there.plus_millis(1))).expect("a request");
            if let Effect::Applied(_) = dynamodb::update(self.table.get_mut(&id.to_string()).expect("an item"), &request) {
                self.saw("rival");
            }
        }
    }

    fn outcome(&mut self, number: usize, outcome: Outcome) {
        match self.writers[number].write.step(outcome) {
            Step::Answer(answer) => self.answers(number, answer),
            Step::TryAgain(_) => self.tries_again(number),
        }
    }

    fn tries_again(&mut self, number: usize) {
        let writer = &self.writers[number];
        if writer.attempt >= self.patience {
            let error = writer.write.tries.give_up("there was no time for another try".into());
            return self.answers(number, Err(error));
        }
        self.begins_to_read(number);
    }

    fn answers(&mut self, number: usize, answer: Result<Answered, Error>) {
        self.saw(match &answer {
            Ok(Answered::Refused(_)) if self.writers[number].write.is_outdated() => "outdated",
            Ok(Answered::Done(_)) => "done",
            Ok(Answered::Replayed(_)) => "done before",
            Ok(Answered::Refused(_)) => "refused",
            Err(Error::OutcomeUnknown(_)) => "unknown",
            Err(Error::Unavailable(_)) => "unavailable",
            Err(Error::IdempotencyKeyReused) => "key reused",
            Err(other) => panic!("{other:?}"),
        });
        let writer = &mut self.writers[number];
        writer.phase = Phase::Answered;
        writer.answer = Some(answer);
    }

    fn check(&self) {
        for (number, writer) in self.writers.iter().enumerate() {
            assert!(writer.landed.len() <= 1, "writer {number} is applied once");
            match writer.answer.as_ref().expect("everybody was answered") {
                Ok(Answered::Done(contacts)) => {
                    assert_eq!(Some(contacts), writer.landed.first(), "writer {number} answers with what it did");
                }
                Err(Error::OutcomeUnknown(_)) => {}
                answer => assert!(writer.landed.is_empty(), "writer {number} is not applied: {answer:?}"),
            }
        }
        // Of those with one key at most one is applied, and who learns that it was done before is right.
        let records: BTreeSet<String> = self.table.keys().filter(|key| key.starts_with("idempotency-key#")).cloned().collect();
        for record in self
            .writers
            .iter()
            .filter_map(|writer| Some(writer.plan.once.as_ref()?.record_key("tenant")))
            .filter_map(|key| sort_key(&key))
        {
            let of_key = self.writers.iter().filter(|writer| {
                writer.plan.once.as_ref().and_then(|once| sort_key(&once.record_key("tenant"))).as_ref() == Some(&record)
            });
            let (mut landed, mut replayed) = (0, 0);
            for writer in of_key {
                landed += writer.landed.len();
                replayed += usize::from(matches!(writer.answer, Some(Ok(Answered::Replayed(_)))));
            }
            assert_eq!(landed, usize::from(records.contains(&record)));
            assert!(replayed == 0 || landed == 1);
        }
        // Of those who claim an external id that nobody has at most one creates its contact.
        let has_claimed = |writer: &&Writer<'_>| writer.plan.claims.iter().any(Option::is_some) && !writer.landed.is_empty();
        assert!(self.writers.iter().filter(has_claimed).count() <= 1);
        // Whatever was applied is whole: each of its contacts has its member, unless it is deleted.
        for (number, writer) in self.writers.iter().enumerate().filter(|(_, writer)| !writer.landed.is_empty()) {
            for operation in &writer.plan.operations {
                let item = &self.table[&operation.id().to_string()];
                let Ok(Stored::Contact(contact)) = item::stored(item.clone()) else { continue };
                if let Operation::Update { body, .. } = operation {
                    let member = body.meta_members.keys().next().expect("it sets one").clone();
                    let meta = contact.integration_meta.as_ref().map(|meta| meta.raw().get().to_owned()).unwrap_or_default();
                    assert!(meta.contains(&format!("\"{member}\":true")), "writer {number} left {member} in {meta}");
                }
            }
        }
    }
}
