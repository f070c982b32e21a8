//! How often a list waits for DynamoDB, one wait after the other: each request is held until the test lets all of a round pass, so no
//! clock decides what is counted.

use super::*;

use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

/// Nothing takes this long, except a request that never comes.
const LONG: Duration = Duration::from_secs(60);

/// A request that waits: its operation, and what lets it go.
type Waiting = (String, oneshot::Sender<()>);

/// The API over HTTP, and its requests to DynamoDB that wait.
struct Held {
    api: Running,
    requests: Arc<Mutex<Vec<Waiting>>>,
    came: Arc<Notify>,
}

impl Held {
    /// An API of its own over this database, of which the reads of lists are held.
    async fn start(database: &Database, list: ListConfig) -> Self {
        let trouble = Arc::<Trouble>::default();
        let endpoint = proxy(database.running.dynamodb_endpoint.clone().unwrap(), Arc::clone(&trouble)).await;
        let options = Options { port: 0, dynamodb_endpoint: Some(endpoint), list, ..Options::default() };
        let held = Self { api: serve::start(options).await.unwrap(), requests: Arc::default(), came: Arc::default() };
        // The index is loaded, and the API key known.
        held.get("per_page=1").await;
        let (requests, came) = (Arc::clone(&held.requests), Arc::clone(&held.came));
        trouble.before(move |operation| {
            if !["Query", "BatchGetItem"].contains(&operation) {
                return async {}.boxed();
            }
            let (pass, passes) = oneshot::channel();
            requests.lock().unwrap().push((operation.to_owned(), pass));
            came.notify_one();
            async move { passes.await.unwrap_or_default() }.boxed()
        });
        held
    }

    async fn get(&self, query: &str) -> Vec<String> {
        let url = format!("{}/client-contact?{query}", self.api.url);
        let answer = reqwest::get(url).await.unwrap().error_for_status().unwrap();
        let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        answer["data"].as_array().unwrap().iter().map(|contact| contact["name"].as_str().unwrap().to_owned()).collect()
    }

    /// The names on the page that `query` asks for, which takes exactly these rounds of requests.
    async fn list(&self, query: &str, rounds: &[&[&str]]) -> Vec<String> {
        let rounds = async {
            for &round in rounds {
                let all_wait = async {
                    while self.waiting() != round {
                        self.came.notified().await;
                    }
                };
                let waited = timeout(LONG, all_wait).await;
                assert!(waited.is_ok(), "{query}: {:?} wait, not {round:?}", self.waiting());
                self.requests.lock().unwrap().drain(..).for_each(|(_, pass)| pass.send(()).unwrap());
            }
        };
        let (names, ()) = futures::join!(timeout(LONG, self.get(query)), rounds);
        assert_eq!(self.waiting(), [""; 0], "{query}");
        names.unwrap_or_else(|_| panic!("{query}: the list waits for more than {rounds} rounds", rounds = self.waiting().len()))
    }

    fn waiting(&self) -> Vec<String> {
        let mut waiting: Vec<String> = self.requests.lock().unwrap().iter().map(|(operation, _)| operation.clone()).collect();
        waiting.sort_unstable();
        waiting
    }
}

/// What a list whose page is not cached asks for at once.
const TOGETHER: &[&str] = &["BatchGetItem", "Query"];

/// A database with these contacts, in this order.
async fn database(names: &[&str]) -> (Database, Vec<Contact>) {
    let database = Database::start().await;
    let mut contacts = Vec::new();
    for name in names {
        contacts.push(database.create(name).await);
    }
    (database, contacts)
}

#[tokio::test]
async fn a_list_waits_once_whatever_others_write_beside_its_page() {
    let (database, contacts) = database(&["a", "b", "c", "d"]).await;
    let held = Held::start(&database, ListConfig { cache: 0, ..patient() }).await;
    let page = "sort=name&per_page=2";

    assert_eq!(held.list(page, &[TOGETHER]).await, ["a", "b"]);
    database.rename(contacts[3].id, "e").await;
    assert_eq!(held.list(page, &[TOGETHER]).await, ["a", "b"]);
    database.create("f").await;
    database.delete(contacts[2].id).await;
    assert_eq!(held.list(page, &[TOGETHER]).await, ["a", "b"]);
    assert_eq!(held.list("search=nobody", &[&["Query"]]).await, [""; 0]);
}

#[tokio::test]
async fn a_list_waits_a_second_time_only_for_contacts_that_came_onto_its_page() {
    let (database, contacts) = database(&["a", "b", "c", "d"]).await;
    let held = Held::start(&database, ListConfig { cache: 0, ..patient() }).await;
    let page = "sort=name&per_page=2";

    // What is fetched is newer than the index was.
    database.rename(contacts[1].id, "bb").await;
    assert_eq!(held.list(page, &[TOGETHER]).await, ["a", "bb"]);
    database.rename(contacts[3].id, "aa").await;
    assert_eq!(held.list(page, &[TOGETHER, &["BatchGetItem"]]).await, ["a", "aa"]);
    database.delete(contacts[0].id).await;
    assert_eq!(held.list(page, &[TOGETHER, &["BatchGetItem"]]).await, ["aa", "bb"]);
}

#[tokio::test]
async fn a_list_whose_page_is_cached_fetches_only_what_changed_on_it() {
    let (database, contacts) = database(&["a", "b", "c", "d"]).await;
    let held = Held::start(&database, patient()).await;
    let page = "sort=name&per_page=3";

    assert_eq!(held.list(page, &[TOGETHER]).await, ["a", "b", "c"]);
    assert_eq!(held.list(page, &[&["Query"]]).await, ["a", "b", "c"]);
    database.rename(contacts[3].id, "e").await;
    assert_eq!(held.list(page, &[&["Query"]]).await, ["a", "b", "c"]);
    database.rename(contacts[1].id, "bb").await;
    assert_eq!(held.list(page, &[&["Query"], &["BatchGetItem"]]).await, ["a", "bb", "c"]);
}
