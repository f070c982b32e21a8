//! Copies elsewhere that the change feed keeps, while contacts change and the processes that keep the copies are killed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use futures::future::join_all;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{App, Caller, contact, holds_for_all, runtime};

const NAMESPACES: [&str; 3] = ["a", "b", "c"];

/// What a writer does.
#[derive(Clone, Debug)]
enum Write {
    Create { namespaces: Vec<&'static str> },
    Rename { contact: Index },
    Move { contact: Index, namespaces: Vec<&'static str> },
    Delete { contact: Index },
    Upsert { external_id: u8, namespaces: Vec<&'static str> },
    Batch { contacts: Vec<Index>, atomic: bool },
}

/// What happens between two quiet moments: each writer does its part, one after the other; the writers work beside each other.
type Round = Vec<Vec<Write>>;

/// A process that keeps a copy.
#[derive(Clone, Debug)]
struct Plan {
    namespaces: Vec<&'static str>,
    limit: usize,
    /// Whether it starts with everything, or with what changes from now on.
    from_beginning: bool,
    /// After which of its calls it is killed before it can write its cursor down, and how much of the answer it has applied by then.
    kills: Vec<Option<Index>>,
}

fn namespaces() -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(&NAMESPACES[..], 1..=3)
}

fn round() -> impl Strategy<Value = Round> {
    let write = prop_oneof![
        3 => namespaces().prop_map(|namespaces| Write::Create { namespaces }),
        4 => any::<Index>().prop_map(|contact| Write::Rename { contact }),
        3 => (any::<Index>(), namespaces()).prop_map(|(contact, namespaces)| Write::Move { contact, namespaces }),
        2 => any::<Index>().prop_map(|contact| Write::Delete { contact }),
        2 => (0..4_u8, namespaces()).prop_map(|(external_id, namespaces)| Write::Upsert { external_id, namespaces }),
        2 => (vec(any::<Index>(), 1..4), any::<bool>()).prop_map(|(contacts, atomic)| Write::Batch { contacts, atomic }),
    ];
    vec(vec(write, 1..25), 1..5)
}

fn plan() -> impl Strategy<Value = Plan> {
    // It comes to the end of an answer now and then.
    let kills = vec(prop::option::weighted(0.2, any::<Index>()), 0..20).prop_map(|mut kills| {
        kills.push(None);
        kills
    });
    (namespaces(), select(vec![1, 2, 7, 100, 500]), prop::bool::weighted(0.7), kills)
        .prop_map(|(namespaces, limit, from_beginning, kills)| Plan { namespaces, limit, from_beginning, kills })
}

/// The contacts of a world, and every namespace that each of them was ever in.
#[derive(Default)]
struct Contacts(BTreeMap<String, BTreeSet<String>>);

impl Contacts {
    fn note(&mut self, contact: &Value) {
        let namespaces = contact["company_namespace"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
        self.0.entry(contact["_id"].as_str().unwrap().to_owned()).or_default().extend(namespaces);
    }

    fn pick(&self, index: &Index) -> Option<String> {
        let ids: Vec<&String> = self.0.keys().collect();
        (!ids.is_empty()).then(|| (*index.get(&ids)).clone())
    }
}

async fn write(caller: &Caller, contacts: &Mutex<Contacts>, write: &Write) {
    let pick = |index: &Index| contacts.lock().unwrap().pick(index);
    let answer = match write {
        Write::Create { namespaces } => caller.create(contact().with("company_namespace", json!(namespaces))).await,
        Write::Rename { contact } => {
            let Some(id) = pick(contact) else { return };
            caller.put(id, json!({"name": format!("{:?}", std::time::Instant::now())})).await
        }
        Write::Move { contact, namespaces } => {
            let Some(id) = pick(contact) else { return };
            caller.put(id, json!({"company_namespace": namespaces})).await
        }
        Write::Delete { contact } => {
            let Some(id) = pick(contact) else { return };
            caller.delete(id).await
        }
        Write::Upsert { external_id, namespaces } => {
            let path = format!("/client-contact?integration_meta.external_id=E-{external_id}");
            let body = json!({"name": "Upserted", "company_namespace": namespaces});
            caller.request(Method::PUT, &path).json(&body).send().await
        }
        Write::Batch { contacts: indexes, atomic } => return batch(caller, contacts, indexes, *atomic).await,
    };
    match answer.status {
        200 | 201 => contacts.lock().unwrap().note(&answer.json()["data"]),
        status => assert_eq!(status, 404, "{}", answer.text()),
    }
}

/// A batch that creates a contact and renames others; of several operations an atomic one does all or none.
async fn batch(caller: &Caller, contacts: &Mutex<Contacts>, indexes: &[Index], atomic: bool) {
    let ids: BTreeSet<String> = indexes.iter().filter_map(|index| contacts.lock().unwrap().pick(index)).collect();
    let create = json!({"action": "create", "data": {"name": "Batched", "company_namespace": ["a"]}});
    let renames = ids.iter().map(|id| json!({"action": "update", "_id": id, "data": {"name": "Renamed"}}));
    let operations: Vec<Value> = std::iter::once(create).chain(renames).collect();
    let body = json!({"operations": operations, "atomic": atomic});
    let answer = caller.request(Method::POST, "/client-contact/batch").json(&body).send().await.expect(200).json();
    for result in answer["data"].as_array().unwrap() {
        match result["success"] == true {
            true => contacts.lock().unwrap().note(&result["data"]),
            // Others delete contacts meanwhile, and then none of an atomic batch is done.
            false => assert!([404, 424].map(|status| json!(status)).contains(&result["status"]), "{result}"),
        }
    }
}

/// A process that keeps a copy: what it has on its disk, and what it knows until it is killed.
struct Copier {
    caller: Caller,
    plan: Plan,
    start: String,
    calls: usize,
    cursor_on_disk: Option<String>,
    cursor: Option<String>,
    rows: BTreeMap<String, Value>,
    /// The ids of everything that it was ever given.
    shown: BTreeSet<String>,
}

impl Copier {
    /// Asks once, and applies the answer. Answers whether there is more.
    async fn step(&mut self) -> bool {
        let limit = self.plan.limit;
        let place = self.cursor.as_ref().map_or_else(|| self.start.clone(), |cursor| format!("cursor={cursor}"));
        let path = format!("/client-contact/changes?limit={limit}&{place}");
        let answer = self.caller.request(Method::GET, &path).send().await.expect(200).json();
        let changes = answer["data"].as_array().unwrap();
        assert!(changes.len() <= limit);
        let kill = self.plan.kills[self.calls % self.plan.kills.len()];
        self.calls += 1;
        let applied = kill.map_or(changes.len(), |kill| kill.index(changes.len() + 1));
        changes[..applied].iter().for_each(|change| self.apply(change));
        if kill.is_some() {
            self.cursor.clone_from(&self.cursor_on_disk);
            return true;
        }
        self.cursor = Some(answer["cursor"].as_str().unwrap().to_owned());
        self.cursor_on_disk.clone_from(&self.cursor);
        answer["more"] == true
    }

    fn apply(&mut self, change: &Value) {
        let id = change["_id"].as_str().unwrap().to_owned();
        self.shown.insert(id.clone());
        let version = |value: &Value| value["__v"].as_u64().unwrap();
        if self.rows.get(&id).is_some_and(|row| version(row) >= version(change)) {
            return;
        }
        match change["deleted"] == true {
            true => drop(self.rows.remove(&id)),
            false => drop(self.rows.insert(id, change["contact"].clone())),
        }
    }

    async fn read_to_the_end(&mut self) {
        for _ in 0..2_000 {
            if !self.step().await {
                return;
            }
        }
        panic!("there is always more");
    }

    /// What the API lists, of the contacts that this copy has to have.
    async fn listed(&self, since: &str) -> BTreeMap<String, Value> {
        let filter = if self.plan.from_beginning { String::new() } else { format!("&from_updatedAt={since}") };
        let mut listed = BTreeMap::new();
        for page in 1.. {
            let answer = self.caller.list(format!("per_page=100&page={page}{filter}")).await.expect(200).json();
            let contacts = answer["data"].as_array().unwrap();
            listed.extend(contacts.iter().map(|contact| (contact["_id"].as_str().unwrap().to_owned(), contact.clone())));
            if answer["pagination"]["next_page"] == 0 {
                break;
            }
        }
        listed
    }
}

#[test]
fn every_copy_equals_the_api_at_every_quiet_moment() {
    let runtime = runtime();
    let worlds = (vec(round(), 1..4), vec(plan(), 1..5));
    holds_for_all(&runtime, 12, worlds, async |(rounds, plans)| {
        let Some(app) = App::alone().await else { return };
        let gateways = app.siblings(1).await;
        let writer = app.caller("acme", &NAMESPACES, "ann").await;
        let contacts = Mutex::new(Contacts::default());
        // Some are there from the start.
        for namespaces in [vec!["a"], vec!["b", "c"]] {
            write(&writer, &contacts, &Write::Create { namespaces }).await;
        }
        let last = writer.list("sort=-updatedAt&per_page=1").await.expect(200).contacts().remove(0);
        let since = last["updatedAt"].as_str().unwrap().to_owned();
        let mut copiers = Vec::new();
        for plan in plans {
            let caller = app.caller("acme", &plan.namespaces, "copy").await;
            let caller = gateways.first().map_or_else(|| caller.clone(), |gateway| caller.at(gateway));
            let start = if plan.from_beginning { String::new() } else { format!("from_updatedAt={since}") };
            let (rows, shown) = (BTreeMap::new(), BTreeSet::new());
            copiers.push(Copier { caller, plan, start, calls: 0, cursor_on_disk: None, cursor: None, rows, shown });
        }
        for round in &rounds {
            let writers = join_all(round.iter().map(|writes| {
                let (writer, contacts) = (&writer, &contacts);
                async move {
                    for one in writes {
                        write(writer, contacts, one).await;
                    }
                }
            }));
            let (done, is_done) = tokio::sync::watch::channel(false);
            let readers = join_all(copiers.iter_mut().map(|copier| {
                let is_done = is_done.clone();
                async move {
                    while !*is_done.borrow() {
                        copier.step().await;
                    }
                }
            }));
            let writers = async {
                writers.await;
                done.send(true).unwrap();
            };
            futures::join!(writers, readers);
            for copier in &mut copiers {
                copier.read_to_the_end().await;
                assert_eq!(copier.rows, copier.listed(&since).await, "{:?}", copier.plan);
                // Nothing shows of what its key could never list.
                let contacts = contacts.lock().unwrap();
                let in_sight = |id: &&String| contacts.0[*id].iter().any(|name| copier.caller.namespaces.contains(name));
                assert_eq!(copier.shown.iter().find(|id| !in_sight(id)), None, "{:?}", copier.plan);
            }
        }
    });
}
