//! An API to call.

use std::env;
use std::ops::Deref;
use std::thread;
use std::time::Duration;

use contacts::serve::{self, Options, Running};
use contacts::snapshots::SnapshotOptions;
use serde_json::{Value, json};
use shared::api_key::{ApiKey, KeyAdmin, KeyRecord};
use shared::clock;
use shared::listing::ListConfig;
use shared::object_id;
use shared::objects::Objects;
use shared::user::{User, UserType};

use crate::caller::Caller;
use crate::deployment::{Deployment, Guest};
use crate::skipped::skip;

/// An API with a caller: in this process, the caller of requests without credentials.
#[derive(Debug)]
pub struct App {
    me: Caller,
    running: Option<Running>,
    keys: Option<KeyAdmin>,
    /// The API runs elsewhere, where this was made.
    guest: Option<Guest>,
    /// A suffix that distinguishes this app's tenants from those of other apps.
    tenants: String,
    /// The tables are to be removed from a DynamoDB that outlives the app.
    leaves_nothing: bool,
}

impl Deref for App {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.me
    }
}

impl App {
    /// An API for tests that only look at the contacts that they create.
    pub async fn start() -> App {
        match Deployment::of_environment() {
            Some(deployment) => App::deployed(deployment).await,
            None => App::in_process(ListConfig::default()).await,
        }
    }

    /// An API with a tenant of its own and more callers on demand. `None`, and the test is skipped, if no key can be created.
    pub async fn alone() -> Option<App> {
        let app = App::start().await;
        if app.keys.is_none() {
            skip("it makes API keys, and TEST_API_URL is set without TEST_API_KEYS_TABLE");
            return None;
        }
        Some(app)
    }

    /// An API in this process, for tests that look inside. `None`, and the test is skipped, if another API is tested.
    pub async fn here() -> Option<App> {
        App::here_with(ListConfig::default()).await
    }

    /// [`App::here`] that keeps lists in this way.
    pub async fn here_with(list: ListConfig) -> Option<App> {
        if Deployment::of_environment().is_some() {
            skip("it looks inside the API, and TEST_API_URL names one that runs elsewhere");
            return None;
        }
        Some(App::in_process(list).await)
    }

    /// [`App::here_with`] whose lists start from the snapshots in `objects`. Nobody builds any but the test.
    pub async fn here_with_snapshots(list: ListConfig, objects: &Objects) -> Option<App> {
        if Deployment::of_environment().is_some() {
            skip("it looks inside the API, and TEST_API_URL names one that runs elsewhere");
            return None;
        }
        Some(App::in_process_with(list, Some(objects.clone())).await)
    }

    /// An API that runs elsewhere. What tests leave there is removed with the app.
    pub async fn deployed(deployment: Deployment) -> App {
        let keys = deployment.keys().await;
        let me = Caller {
            http: http(),
            url: deployment.url.clone(),
            key: deployment.key.clone(),
            tenant: String::new(),
            namespaces: Vec::new(),
            user: Value::Null,
        };
        let tenants = format!(" of test {}", object_id::generate(clock::now()));
        let mut app = App { me, running: None, keys, guest: Some(Guest::of(deployment)), tenants, leaves_nothing: true };
        if app.keys.is_some() {
            app.me = app.caller("local", &["company1"], "admin_user").await;
        }
        app
    }

    async fn in_process(list: ListConfig) -> App {
        App::in_process_with(list, None).await
    }

    async fn in_process_with(list: ListConfig, objects: Option<Objects>) -> App {
        let other_engine = env::var("TEST_DYNAMODB_ENDPOINT").ok();
        let leaves_nothing = other_engine.is_some();
        let table_prefix = match other_engine {
            Some(_) => format!("test-{}-", object_id::generate(clock::now())),
            None => String::new(),
        };
        let snapshots = snapshots_in(objects);
        let memory = other_engine.is_none();
        let options = Options { memory, dynamodb_endpoint: other_engine, table_prefix, list, snapshots, ..free_ports() };
        App::serving(options, leaves_nothing).await
    }

    async fn serving(options: Options, leaves_nothing: bool) -> App {
        let running = serve::start(options).await.expect("the API can be started");
        let me = Caller {
            http: http(),
            url: running.url.clone(),
            key: None,
            tenant: "local".to_owned(),
            namespaces: vec!["company1".to_owned()],
            user: json!({"_id": "60f1b2b3c9e9a12345678901", "username": "admin_user", "name": "Admin User", "type": "admin"}),
        };
        let keys = Some(KeyAdmin::new(running.client.clone(), &running.api_keys_table));
        App { me, running: Some(running), keys, guest: None, tenants: String::new(), leaves_nothing }
    }

    /// Another gateway over the same tables, like another instance of the functions.
    pub async fn sibling(&self) -> App {
        self.sibling_with(ListConfig::default()).await
    }

    /// This many of [`App::sibling`]; none if the API runs elsewhere.
    pub async fn siblings(&self, count: usize) -> Vec<App> {
        let mut siblings = Vec::new();
        if self.running.is_some() {
            for _ in 0..count {
                siblings.push(self.sibling().await);
            }
        }
        siblings
    }

    /// [`App::sibling`] that keeps lists in this way.
    pub async fn sibling_with(&self, list: ListConfig) -> App {
        self.sibling_of(Options { list, ..free_ports() }).await
    }

    /// [`App::sibling_with`] whose lists start from the snapshots in `objects`.
    pub async fn sibling_with_snapshots(&self, list: ListConfig, objects: &Objects) -> App {
        self.sibling_of(Options { list, snapshots: snapshots_in(Some(objects.clone())), ..free_ports() }).await
    }

    /// [`App::sibling`] that refuses requests without credentials.
    pub async fn sibling_that_requires_a_key(&self) -> App {
        self.sibling_of(Options { require_key: true, ..free_ports() }).await
    }

    async fn sibling_of(&self, options: Options) -> App {
        let running = self.running();
        let options = Options {
            dynamodb_endpoint: running.dynamodb_endpoint.clone(),
            contacts_table: Some(running.contacts_table.clone()),
            api_keys_table: Some(running.api_keys_table.clone()),
            ..options
        };
        App::serving(options, false).await
    }

    /// Where other programs reach the engine.
    ///
    /// # Panics
    /// When they cannot.
    pub fn dynamodb_endpoint(&self) -> &str {
        self.running().dynamodb_endpoint.as_deref().expect("the engine has a port")
    }

    /// What runs in this process.
    ///
    /// # Panics
    /// When it does not: a test that looks inside starts from [`App::here`].
    pub fn running(&self) -> &Running {
        self.running.as_ref().expect("the API runs in this process")
    }

    /// Another caller, with a new key.
    pub async fn caller(&self, tenant: &str, namespaces: &[&str], username: &str) -> Caller {
        self.caller_with(tenant, namespaces, username, |_| {}).await
    }

    /// Another caller, with a new key whose record is changed before it is stored.
    pub async fn caller_with(
        &self,
        tenant: &str,
        namespaces: &[&str],
        username: &str,
        change: impl FnOnce(&mut KeyRecord),
    ) -> Caller {
        let key = ApiKey::generate();
        let mut record = KeyRecord {
            hash: key.hash(),
            tenant: format!("{tenant}{}", self.tenants),
            namespaces: namespaces.iter().map(ToString::to_string).collect(),
            user: User {
                id: format!("id of {username}"),
                username: Some(username.to_owned()),
                name: None,
                kind: UserType::Rep,
                others: Default::default(),
            },
            created_at: clock::now(),
            expires_at: None,
            revoked_at: None,
        };
        change(&mut record);
        if let Some(guest) = &self.guest {
            guest.will_have(&record);
        }
        self.keys().put(&record).await.expect("a key can be stored");
        Caller {
            http: self.http.clone(),
            url: self.url.clone(),
            key: Some(key.secret().to_owned()),
            tenant: record.tenant,
            namespaces: record.namespaces,
            user: serde_json::to_value(record.user).expect("a user is JSON"),
        }
    }

    /// The keys, as an operator sees them.
    ///
    /// # Panics
    /// When they cannot be seen: a test that makes keys starts from [`App::alone`].
    pub fn keys(&self) -> &KeyAdmin {
        self.keys.as_ref().expect("keys can be made")
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if !self.leaves_nothing {
            return;
        }
        let (running, guest) = (self.running.take(), self.guest.take());
        // A client of another runtime cannot be used in this one.
        let cleaning = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
            runtime.block_on(async {
                if let Some(running) = running {
                    remove_tables(&running).await;
                }
                if let Some(guest) = guest {
                    guest.clean().await;
                }
            });
        });
        cleaning.join().ok();
    }
}

async fn remove_tables(running: &Running) {
    let Some(endpoint) = &running.dynamodb_endpoint else { return };
    let client = serve::client(endpoint).await;
    for table in [&running.contacts_table, &running.api_keys_table] {
        // A table that stays is a nuisance, not a failure.
        client.delete_table().table_name(table).send().await.ok();
    }
}

fn free_ports() -> Options {
    Options { port: 0, dynamodb_port: Some(0), ..Options::default() }
}

/// Snapshots in `objects`, of which the server itself builds none while a test runs.
fn snapshots_in(objects: Option<Objects>) -> SnapshotOptions {
    let never = Duration::from_secs(24 * 60 * 60);
    SnapshotOptions { objects, window: never, schedule: never, ..SnapshotOptions::default() }
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().build().expect("an HTTP client can be made")
}
