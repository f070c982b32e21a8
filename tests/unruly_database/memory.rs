//! The memory that lists take, whatever the tenants.

use super::*;

fn contact(tenant: &str, number: usize) -> Contact {
    let name = format!("Contact {number} of {tenant}, with a name that takes some memory");
    let body = ContactBody::for_create(json!({"name": name}).to_string().as_bytes(), &Handling::default()).unwrap();
    let now = clock::now();
    body.into_contact(&caller(), object_id::generate(now), now).unwrap()
}

async fn fill(database: &Database, tenant: &str, count: usize) {
    let contacts: Vec<Contact> = (0..count).map(|number| contact(tenant, number)).collect();
    database.running.app.store.import(tenant, &contacts).await.unwrap();
}

impl Instance {
    async fn total(&self, tenant: &str) -> Result<u64, Error> {
        let caller = Caller { tenant: tenant.to_owned(), ..caller() };
        self.app.lists.list(&Meter::default(), &caller, &query(), clock::now()).await.map(|page| page.total)
    }
}

#[tokio::test]
async fn the_memory_of_many_tenants_stays_within_its_bound() {
    let (tenants, contacts) = (60, 100);
    let database = Database::start().await;
    let names: Vec<String> = (0..tenants).map(|number| format!("tenant {number}")).collect();
    for name in &names {
        fill(&database, name, contacts).await;
    }
    let first = database.instance(&Arc::default(), ListConfig::default()).await;
    first.total(&names[0]).await.unwrap();
    let one = first.app.lists.memory_bytes();
    // Ten of them fit, less what counts for each.
    let memory = 10 * one;
    let instance = database.instance(&Arc::default(), ListConfig { memory, ..ListConfig::default() }).await;

    // Forth and back, so that tenants are used again after they were given up.
    for name in names.iter().chain(names.iter().rev()) {
        assert_eq!(instance.total(name).await.unwrap(), contacts as u64, "{name}");
        let bytes = instance.app.lists.memory_bytes();
        assert!(bytes <= memory, "{bytes} of {memory} after {name}");
    }
    assert!(instance.app.lists.memory_bytes() > memory / 2, "the memory is used");
}

#[tokio::test]
async fn a_tenant_larger_than_the_memory_is_refused_and_the_others_go_on() {
    let database = Database::start().await;
    fill(&database, "large", 8_000).await;
    fill(&database, "small", 10).await;
    // The least that a single tenant is allowed.
    let instance = database.instance(&Arc::default(), ListConfig { memory: 1 << 20, ..ListConfig::default() }).await;

    for _ in 0..2 {
        let Err(Error::Unavailable(source)) = instance.total("large").await else { panic!("it does not fit") };
        assert!(source.to_string().contains("LIST_MEMORY_BYTES"), "{source}");
        assert_eq!(instance.total("small").await.unwrap(), 10);
        assert!(instance.app.lists.memory_bytes() <= 1 << 20);
    }
}
