//! The proof of how writes are tried again: one contact, and writers whose requests arrive in any order, late, twice or never, while their clocks
//! differ. The decisions and the requests are those that ship; the item stands in a small model of DynamoDB.
//!
//! `CONTACTS_SEED=<seed>` replays one world, `CONTACTS_SEEDS=<number>` tries that many.

pub(super) mod dynamodb;

use std::env;
use std::time::Duration;

use serde_json::json;

use self::dynamodb::Effect;
use super::Stored;
use super::change::{Change, Kind, Precondition, UpdateRequest};
use super::create::Create;
use super::item::{self, Item};
use super::left_namespaces::{Leaving, LeftNamespaces};
use super::register::{self, WriteId};
use super::tries::{Outcome, Step, Write};
use crate::body::ContactBody;
use crate::caller::Caller;
use crate::contact::Contact;
use crate::error::Error;
use crate::handling::Handling;
use crate::object_id::ObjectId;
use crate::seeded::{Random, replayable};
use crate::timestamp::Timestamp;

const SEEDS: u64 = 1_500;

#[test]
fn writes_are_applied_once_in_every_world() {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().expect("a whole number"));
    if let Some(seed) = number("CONTACTS_SEED") {
        let seen = run(seed);
        println!("{seen:#?}");
        return;
    }
    let mut seen = Seen::default();
    for seed in 0..number("CONTACTS_SEEDS").unwrap_or(SEEDS) {
        seen.add(run(seed));
    }
    // What was never met was never checked.
    let Seen {
        landed,
        twice_delivered,
        late_after_unknown,
        over_an_acknowledged,
        own_found,
        own_found_below,
        lost_after_rivals,
        unknown,
        left,
    } = seen;
    for times in [
        landed,
        twice_delivered,
        late_after_unknown,
        over_an_acknowledged,
        own_found,
        own_found_below,
        lost_after_rivals,
        unknown,
        left,
    ] {
        assert!(times > 0, "{seen:?}");
    }
}

fn run(seed: u64) -> Seen {
    replayable("CONTACTS_SEED", seed, |mut random| {
        let plans = plans(&mut random);
        World::new(random, &plans).run()
    })
}

/// How often something happened that worlds must not be without.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// A try was applied.
    landed: u64,
    /// A request arrived twice.
    twice_delivered: u64,
    /// A try was applied after its writer had answered that the outcome is unknown.
    late_after_unknown: u64,
    /// That, over an acknowledged write that began after the answer: what cannot be had.
    over_an_acknowledged: u64,
    /// A try found that an earlier one had been applied.
    own_found: u64,
    /// That, below writes of others.
    own_found_below: u64,
    /// A try found that others had written more often than the register remembers.
    lost_after_rivals: u64,
    /// A writer answered that the outcome is unknown.
    unknown: u64,
    /// The contact left a namespace or came back to one.
    left: u64,
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.landed += other.landed;
        self.twice_delivered += other.twice_delivered;
        self.late_after_unknown += other.late_after_unknown;
        self.over_an_acknowledged += other.over_an_acknowledged;
        self.own_found += other.own_found;
        self.own_found_below += other.own_found_below;
        self.lost_after_rivals += other.lost_after_rivals;
        self.unknown += other.unknown;
        self.left += other.left;
    }
}

/// What one writer wants, decided before the world begins.
struct Plan {
    caller: Caller,
    what: What,
    precondition: Precondition,
    machine: usize,
}

enum What {
    Create(Box<Contact>),
    Update(Box<ContactBody>),
    Delete,
}

const MACHINES: usize = 3;

fn caller(namespaces: &[&str]) -> Caller {
    Caller {
        tenant: "tenant".to_owned(),
        namespaces: namespaces.iter().map(ToString::to_string).collect(),
        user: serde_json::from_value(json!({"_id": "1", "type": "rep"})).expect("a user"),
    }
}

fn plans(random: &mut Random) -> Vec<Plan> {
    let rivals = 2 + random.below(16);
    let deletes = random.percent(40);
    let conditions = random.percent(40);
    let moves = random.percent(30);
    let creator = caller(&["a", "b"]);
    let body = ContactBody::for_create(br#"{"name": "created"}"#, &Handling::default()).expect("a body");
    let id = ObjectId::from_bytes([7; 12]);
    let contact = body.into_contact(&creator, id, Timestamp::from_millis(0)).expect("a contact");
    let create = Plan {
        caller: creator,
        what: What::Create(Box::new(contact)),
        precondition: Precondition::None,
        machine: random.below(MACHINES),
    };
    let rival = |number: usize, random: &mut Random| {
        let what = if deletes && random.percent(10) {
            What::Delete
        } else {
            let mut body = json!({});
            for field in ["name", "title", "phone1", "email"] {
                if random.percent(40) {
                    body[field] = if field != "name" && random.percent(20) { json!(null) } else { json!(format!("w{number}@x")) };
                }
            }
            if moves && random.percent(30) {
                body["company_namespace"] = [json!(["a"]), json!(["b"]), json!(["a", "b"])][random.below(3)].clone();
            }
            What::Update(Box::new(ContactBody::for_update(body.to_string().as_bytes(), &Handling::default()).expect("a body")))
        };
        let first = random.next() % 8;
        let precondition = match random.below(4) {
            0 if conditions => Precondition::Versions(vec![first]),
            1 if conditions => Precondition::Versions(vec![first, first + 1, first + 4]),
            _ => Precondition::None,
        };
        let namespaces: [&[&str]; 3] = [&["a", "b"], &["a"], &["b"]];
        let caller = caller(namespaces[if moves { random.below(3) } else { 0 }]);
        // The last machine is seldom there, so that its clock is not everybody's.
        let machine = if random.percent(12) { MACHINES - 1 } else { random.below(MACHINES - 1) };
        Plan { caller, what, precondition, machine }
    };
    std::iter::once(create).chain((0..rivals).map(|number| rival(number, random))).collect()
}

/// A write that is being tried.
enum Writing<'a> {
    Create(Box<Create<'a>>),
    Change(Change<'a>),
}

#[derive(Clone)]
enum Request {
    Put(Item),
    Update(UpdateRequest),
}

impl Writing<'_> {
    fn next_try(&mut self, now: Timestamp) -> Request {
        match self {
            Self::Create(create) => Request::Put(create.next_try(now).expect("a request")),
            Self::Change(change) => Request::Update(change.next_try(now).expect("a request")),
        }
    }

    fn step(&mut self, outcome: Outcome) -> Step<Contact> {
        match self {
            Self::Create(create) => create.step(outcome),
            Self::Change(change) => change.step(outcome),
        }
    }

    fn give_up(&mut self) -> Error {
        match self {
            Self::Create(create) => create.give_up(),
            Self::Change(change) => change.give_up(),
        }
    }

    fn last_stamp(&mut self) -> Timestamp {
        match self {
            Self::Create(create) => create.tries().last_stamp(),
            Self::Change(change) => change.tries().last_stamp(),
        }
    }
}

/// A request under way.
#[derive(Clone)]
struct Message {
    writer: usize,
    attempt: u32,
    stamp: Timestamp,
    request: Request,
    /// The event before which it does not arrive.
    not_before: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    NotBegun,
    /// For the answer to its last try.
    Waiting,
    PausingUntil(i64),
    Answered,
}

struct Writer<'a> {
    plan: &'a Plan,
    id: WriteId,
    writing: Writing<'a>,
    phase: Phase,
    attempt: u32,
    began: Option<Began>,
    answered_at_event: Option<u64>,
    answer: Option<Result<(), Error>>,
    landed: Option<Landed>,
    /// The item that showed that the contact was created did not show when: it was deleted, and changed eight times.
    creation_forgotten: bool,
}

#[derive(Clone, Copy, Debug)]
struct Began {
    event: u64,
    time: i64,
    clock: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Landed {
    stamp: Timestamp,
    version: u64,
}

/// How badly the network treats requests, in percent.
struct Network {
    lost: u64,
    busy: u64,
    twice: u64,
    gives_up: u64,
    /// The last request overtakes the others.
    overtakes: u64,
}

struct World<'a> {
    random: Random,
    network: Network,
    time: i64,
    skews: [i64; MACHINES],
    clocks_are_right: bool,
    event: u64,
    item: Item,
    /// Every state that the item had, and since when.
    history: Vec<(i64, Option<Contact>)>,
    under_way: Vec<Message>,
    answers: Vec<(Message, Outcome)>,
    writers: Vec<Writer<'a>>,
    seen: Seen,
}

impl<'a> World<'a> {
    fn new(mut random: Random, plans: &'a [Plan]) -> Self {
        let clocks_are_right = random.percent(30);
        let skews = std::array::from_fn(|_| if clocks_are_right { 0 } else { random.within(-3_000..3_000) });
        let healthy = random.percent(10);
        let network = Network {
            lost: if healthy { 0 } else { 5 + random.next() % 60 },
            busy: if healthy { 0 } else { random.next() % 10 },
            twice: if healthy { 0 } else { random.next() % 30 },
            gives_up: if healthy { 0 } else { random.next() % 70 },
            overtakes: random.next() % 100,
        };
        let writer = |(number, plan): (usize, &'a Plan)| {
            let id = WriteId::from_bytes([u8::try_from(number).expect("few writers"); 8]);
            let change = |kind| Writing::Change(Change::new(&plan.caller, kind, &plan.precondition, id.clone()));
            let writing = match &plan.what {
                What::Create(contact) => {
                    Writing::Create(Box::new(Create::new(&plan.caller.tenant, (**contact).clone(), id.clone())))
                }
                What::Update(body) => change(Kind::Update(body)),
                What::Delete => change(Kind::Delete),
            };
            Writer {
                plan,
                id,
                writing,
                phase: Phase::NotBegun,
                attempt: 0,
                began: None,
                answered_at_event: None,
                answer: None,
                landed: None,
                creation_forgotten: false,
            }
        };
        Self {
            random,
            network,
            time: 1_764_000_000_000,
            skews,
            clocks_are_right,
            event: 0,
            item: Item::new(),
            history: vec![(0, None)],
            under_way: Vec::new(),
            answers: Vec::new(),
            writers: plans.iter().enumerate().map(writer).collect(),
            seen: Seen::default(),
        }
    }

    fn run(mut self) -> Seen {
        let is_over = |world: &Self| {
            let answered = |writer: &Writer<'_>| writer.phase == Phase::Answered;
            let never_created = answered(&world.writers[0]) && world.history.len() == 1 && world.under_way.is_empty();
            never_created || world.writers.iter().all(answered)
        };
        while !is_over(&self) {
            self.event += 1;
            self.time += self.random.within(0..30);
            if !self.clocks_are_right && self.random.percent(1) {
                self.skews[self.random.below(MACHINES)] = self.random.within(-3_000..3_000);
            }
            match self.random.below(10) {
                0..=2 => self.a_writer_moves(),
                3..=6 => self.a_request_arrives(),
                _ => self.an_answer_arrives(),
            }
        }
        // What is under way still arrives, or does not.
        while !self.under_way.is_empty() {
            self.event += 1;
            self.time += self.random.within(0..30);
            let message = self.under_way.swap_remove(self.random.below(self.under_way.len()));
            if self.random.percent(80) {
                self.deliver(&message);
            }
        }
        self.seen
    }

    fn clock(&self, writer: usize) -> Timestamp {
        Timestamp::from_millis(self.time + self.skews[self.writers[writer].plan.machine])
    }

    /// Begins, tries again, or loses its patience.
    fn a_writer_moves(&mut self) {
        // Nobody knows the contact's id before it is there.
        let known = if self.history.len() > 1 { self.writers.len() } else { 1 };
        let writer = self.random.below(known);
        match self.writers[writer].phase {
            Phase::NotBegun => {
                let clock = self.clock(writer);
                self.writers[writer].began = Some(Began { event: self.event, time: self.time, clock });
                self.send(writer);
            }
            Phase::PausingUntil(_) if self.random.percent(self.network.gives_up) => {
                let error = self.writers[writer].writing.give_up();
                self.answer(writer, Err(error));
            }
            Phase::PausingUntil(until) => {
                self.time = self.time.max(until);
                self.send(writer);
            }
            // Its time for the try is over. The request goes on or not.
            Phase::Waiting if self.random.percent(self.network.lost) => {
                self.time += 1;
                self.answers.retain(|(message, _)| message.writer != writer);
                let drops = self.random.percent(30);
                let attempt = self.writers[writer].attempt;
                self.under_way.retain(|message| !drops || message.writer != writer || message.attempt != attempt);
                // The instance is frozen, and sends the rest when it thaws.
                if let Some(last) =
                    self.under_way.iter_mut().find(|message| message.writer == writer && message.attempt == attempt)
                {
                    last.not_before = self.event + self.random.next() % 300;
                }
                self.outcome(writer, Outcome::Lost("no answer".into()));
            }
            Phase::Waiting | Phase::Answered => {}
        }
    }

    fn send(&mut self, writer: usize) {
        let now = self.clock(writer);
        let its = &mut self.writers[writer];
        let request = its.writing.next_try(now);
        let stamp = its.writing.last_stamp();
        assert!(stamp >= now, "a stamp is taken when the request is sent, and never lies behind the clock");
        its.attempt += 1;
        its.phase = Phase::Waiting;
        self.under_way.push(Message { writer, attempt: its.attempt, stamp, request, not_before: 0 });
    }

    fn a_request_arrives(&mut self) {
        let event = self.event;
        let can_arrive: Vec<usize> =
            (0..self.under_way.len()).filter(|&place| self.under_way[place].not_before <= event).collect();
        let Some(&newest) = can_arrive.last() else { return };
        let overtakes = self.random.percent(self.network.overtakes);
        let place = if overtakes { newest } else { can_arrive[self.random.below(can_arrive.len())] };
        let message = self.under_way.remove(place);
        let its = &self.writers[message.writer];
        let is_waited_for = its.phase == Phase::Waiting && its.attempt == message.attempt;
        if is_waited_for && self.random.percent(self.network.busy) {
            self.answers.push((message, Outcome::Busy("throttled".into())));
            return;
        }
        let effect = self.deliver(&message);
        if is_waited_for && !self.random.percent(self.network.lost) {
            let outcome = match effect {
                Effect::Applied(item) => Outcome::Applied(item),
                Effect::Refused(item) => Outcome::Refused(item),
            };
            self.answers.push((message, outcome));
        } else if self.random.percent(self.network.twice) {
            // A request arrives twice only where its first answer does not.
            self.seen.twice_delivered += 1;
            if is_waited_for {
                self.outcome(message.writer, Outcome::Lost("cut off".into()));
            }
            self.under_way.push(message);
        } else if is_waited_for {
            self.outcome(message.writer, Outcome::Lost("cut off".into()));
        }
    }

    fn an_answer_arrives(&mut self) {
        if self.answers.is_empty() {
            return;
        }
        let (message, outcome) = self.answers.swap_remove(self.random.below(self.answers.len()));
        self.outcome(message.writer, outcome);
    }

    fn outcome(&mut self, writer: usize, outcome: Outcome) {
        let its = &mut self.writers[writer];
        assert_eq!(its.phase, Phase::Waiting);
        if let Outcome::Refused(item) = &outcome {
            let position = register::position(item, &its.id);
            self.seen.own_found += u64::from(position.is_some());
            self.seen.own_found_below += u64::from(position > Some(0));
            its.creation_forgotten = position.is_none() && !item.contains_key("createdAt");
        }
        match its.writing.step(outcome) {
            Step::Answer(answer) => self.answer(writer, answer),
            Step::TryAgain(pause) => {
                let least = if pause == Duration::ZERO { 0 } else { 1 + pause.as_millis() / 2 };
                its.phase = Phase::PausingUntil(self.time + i64::try_from(least).expect("a short pause"));
            }
        }
    }

    /// A request reaches the item, and may change it.
    fn deliver(&mut self, message: &Message) -> Effect {
        let before = self.item.clone();
        let effect = match &message.request {
            Request::Put(new) => dynamodb::put_new(&mut self.item, new),
            Request::Update(request) => dynamodb::update(&mut self.item, request),
        };
        match &effect {
            Effect::Applied(_) => self.landed(message, &before),
            Effect::Refused(_) => assert_eq!(self.item, before),
        }
        effect
    }

    fn landed(&mut self, message: &Message, before: &Item) {
        self.seen.landed += 1;
        let (version, updated_at) =
            (integer(&self.item, "__v").expect("a version"), integer(&self.item, "updatedAt").expect("a time"));
        assert_eq!(updated_at, message.stamp.millis());
        assert!(integer(before, "updatedAt").is_none_or(|before| before < updated_at), "updatedAt strictly increases");
        assert_eq!(version, integer(before, "__v").map_or(0, |before| before + 1), "each change is one version");

        let plan = self.writers[message.writer].plan;
        assert!(self.writers[message.writer].landed.is_none(), "a write is applied once");
        match &self.writers[message.writer].answer {
            None => {}
            Some(Ok(())) => panic!("what was acknowledged had been applied before"),
            Some(Err(Error::OutcomeUnknown(_))) => {
                self.seen.late_after_unknown += 1;
                self.nothing_acknowledged_is_overwritten_but_by_a_faster_clock(message);
            }
            Some(Err(error)) => panic!("a write that was answered {error:?} is applied"),
        }
        if let What::Update(body) = &plan.what {
            let attributes = item::attributes_of_contacts_only().chain(["company_namespace"]);
            for attribute in attributes.filter(|&attribute| !sets(body, attribute)) {
                assert_eq!(self.item.get(attribute), before.get(attribute), "an update leaves what it does not name");
            }
        }
        self.left_namespaces_are_remembered(message, before);
        let stamp = message.stamp;
        self.writers[message.writer].landed = Some(Landed { stamp, version: version.unsigned_abs() });
        let contact = match item::stored(self.item.clone()).expect("a contact or a tombstone") {
            Stored::Contact(contact) => Some(*contact),
            Stored::Tombstone { .. } => None,
        };
        self.history.push((self.time, contact));
    }

    /// A namespace that the contact leaves is remembered with the version and the stamp of the try that landed, until the contact is back.
    fn left_namespaces_are_remembered(&mut self, message: &Message, before: &Item) {
        let [was, is] = [before, &self.item].map(item::namespaces);
        let version = integer(&self.item, "__v").expect("a version").unsigned_abs();
        let (left_before, left) = (LeftNamespaces::of(before), LeftNamespaces::of(&self.item));
        for namespace in ["a", "b"].map(str::to_owned) {
            let expected = match (was.contains(&namespace), is.contains(&namespace)) {
                (_, true) => None,
                (true, false) => Some(Leaving { version, updated_at: message.stamp }),
                (false, false) => left_before.last_of(std::slice::from_ref(&namespace)),
            };
            assert_eq!(left.last_of(&[namespace]), expected, "what the contact left is remembered");
        }
        self.seen.left += u64::from(left != left_before);
    }

    /// What cannot be had: a try of a write whose answer was "unknown" can come after a write that began later, by a slower clock.
    fn nothing_acknowledged_is_overwritten_but_by_a_faster_clock(&mut self, late: &Message) {
        let answered = self.writers[late.writer].answered_at_event;
        let later = self.writers.iter().filter(|writer| matches!(writer.answer, Some(Ok(()))));
        let later = later.filter(|writer| writer.began.map(|began| began.event) > answered);
        let overwritten: Vec<_> = later.filter_map(|writer| writer.began.zip(writer.landed)).collect();
        for (began, landed) in &overwritten {
            assert!(!self.clocks_are_right, "an acknowledged write is overwritten by an older one, though all clocks are right");
            assert!(landed.stamp < late.stamp && began.clock < late.stamp, "its clock was the slower one");
        }
        self.seen.over_an_acknowledged += u64::from(!overwritten.is_empty());
    }

    fn answer(&mut self, writer: usize, answer: Result<Contact, Error>) {
        let its = &mut self.writers[writer];
        its.phase = Phase::Answered;
        its.answered_at_event = Some(self.event);
        let began = its.began.expect("it began");
        let plan = its.plan;
        // The states from the one in which the write began.
        let begins = self.history.iter().rposition(|(since, _)| *since < began.time).unwrap_or_default();
        let mut states = self.history[begins..].iter().map(|(_, state)| state.as_ref());
        let sees = |state: Option<&Contact>| state.is_some_and(|contact| plan.caller.sees(contact));
        match &answer {
            Ok(contact) => {
                let landed = its.landed.expect("what is acknowledged was applied");
                let version = |version: u64| self.history[usize::try_from(version + 1).expect("few versions")].1.as_ref();
                match &plan.what {
                    What::Create(_) => {
                        let created = version(0).expect("it was created");
                        let shown =
                            if its.creation_forgotten { contact.clone().created(created.created_at) } else { contact.clone() };
                        assert_eq!(&shown, created, "the answer is what was created");
                    }
                    What::Update(_) => {
                        assert!(contact.version >= landed.version);
                        assert_eq!(Some(contact), version(contact.version), "the answer is a state with the change in it");
                        assert!(contact.version == landed.version || plan.caller.sees(contact));
                    }
                    What::Delete => assert_eq!(Some(contact), version(landed.version - 1), "the answer is the contact before"),
                }
            }
            Err(Error::OutcomeUnknown(source)) => {
                assert!(self.network.lost > 0, "an outcome is unknown though no answer is lost");
                self.seen.unknown += 1;
                self.seen.lost_after_rivals += u64::from(source.to_string().contains("more writes"));
            }
            Err(error) => {
                assert!(its.landed.is_none(), "a write that is answered {error:?} was not applied");
                match error {
                    Error::ContactNotFound => assert!(states.any(|state| !sees(state)), "it was there all the time"),
                    Error::VersionConflict { current } => {
                        let conflicts = |contact: &Contact| {
                            contact.version == *current
                                && matches!(&plan.precondition, Precondition::Versions(versions) if !versions.contains(current))
                        };
                        assert!(states.flatten().any(conflicts), "it never had this version");
                    }
                    Error::NamespaceNotAllowed { .. } => assert!(plan.caller.namespaces.len() < 2),
                    Error::Unavailable(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        its.answer = Some(answer.map(|_| ()));
    }
}

fn sets(body: &ContactBody, attribute: &str) -> bool {
    use crate::body::Given;
    fn given<T>(given: &Given<T>) -> bool {
        !matches!(given, Given::Nothing)
    }
    match attribute {
        "name" => given(&body.name),
        "company_namespace" => given(&body.company_namespace),
        "editor" => true,
        _ => body.texts.iter().any(|(field, text)| field.name() == attribute && given(text)),
    }
}

fn integer(item: &Item, attribute: &str) -> Option<i64> {
    item.get(attribute)?.as_n().ok()?.parse().ok()
}
