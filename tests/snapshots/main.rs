//! Lists that start from snapshots, over a real engine: exact whatever was written since, and whatever became of the snapshot.

#![expect(clippy::unwrap_used, reason = "what a test cannot go on without, it panics for")]

mod reading;
mod s3;
mod tampering;
mod template;
mod time;

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use index::query::{Filter, ListQuery};
use serde_json::json;
use shared::body::ContactBody;
use shared::caller::Caller;
use shared::clock;
use shared::contact::Contact;
use shared::handling::Handling;
use shared::listing::{ListConfig, Lists};
use shared::meter::{Count, IndexSource, Meter};
use shared::object_id;
use shared::objects::Objects;
use shared::snapshots::plan::Base;
use shared::snapshots::{Done, Snapshots};
use shared::store::{Current, Precondition, Store};
use shared::user::{User, UserType};
use testkit::App;

/// Contacts of a tenant in an engine of their own, and their snapshots.
struct World {
    app: App,
    store: Store,
    objects: Objects,
}

/// The tenant of most tests.
const TENANT: &str = "acme";

impl World {
    async fn start() -> Option<World> {
        let app = App::here().await?;
        let store = app.running().app.store.clone();
        Some(World { app, store, objects: Objects::in_memory() })
    }

    /// Who writes snapshots, of tenants of any size.
    fn snapshots(&self) -> Snapshots {
        Snapshots::new(self.store.clone(), self.objects.clone(), ListConfig::default()).with_least_contacts(0)
    }

    async fn add(&self, tenant: &str, names: impl IntoIterator<Item = String>) -> Vec<Contact> {
        let contacts: Vec<Contact> = names.into_iter().map(|name| contact(tenant, &name)).collect();
        for batch in contacts.chunks(100) {
            self.store.import(tenant, batch).await.unwrap();
        }
        contacts
    }

    async fn build(&self, tenant: &str, base: Base) -> Current {
        match self.snapshots().build(&Meter::default(), tenant, base).await.unwrap() {
            Done::Built(current) => current,
            other => panic!("{other:?}"),
        }
    }

    /// All names of a tenant's contacts as a cold instance lists them, where it has them from, and how many snapshots it ignored.
    async fn cold_list(&self, tenant: &str) -> (Vec<String>, IndexSource, u64) {
        self.list_with(tenant, Lists::new(self.store.clone(), ListConfig::default()).with_snapshots(self.objects.clone())).await
    }

    async fn list_with(&self, tenant: &str, lists: Lists) -> (Vec<String>, IndexSource, u64) {
        let caller = caller(tenant);
        let (mut names, mut first) = (Vec::new(), None);
        for number in 1.. {
            let meter = Meter::default();
            let page = lists.list(&meter, &caller, &page(number), clock::now()).await.unwrap();
            first.get_or_insert_with(|| meter.readings());
            names.extend(page.contacts.iter().map(|contact| contact.name.clone()));
            if page.contacts.len() < 100 {
                break;
            }
        }
        let first = first.unwrap();
        (names, first.index_use.unwrap().source, first.counts[Count::SnapshotsIgnored as usize])
    }

    /// The same from the change log alone.
    async fn exact_list(&self, tenant: &str) -> Vec<String> {
        self.list_with(tenant, Lists::new(self.store.clone(), ListConfig::default())).await.0
    }
}

fn page(number: u64) -> ListQuery {
    ListQuery { filter: Filter::default(), sort: vec![], page: NonZeroU64::new(number).unwrap(), per_page: 100 }
}

fn caller(tenant: &str) -> Caller {
    let user = User { id: "1".to_owned(), username: None, name: None, kind: UserType::Admin, others: BTreeMap::default() };
    Caller { tenant: tenant.to_owned(), namespaces: vec!["north".to_owned()], user }
}

fn contact(tenant: &str, name: &str) -> Contact {
    let body = ContactBody::for_create(json!({"name": name}).to_string().as_bytes(), &Handling::default()).unwrap();
    let now = clock::now();
    body.into_contact(&caller(tenant), object_id::generate(now), now).unwrap()
}

/// `count` names with this beginning.
fn names(beginning: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{beginning} {number}")).collect()
}
