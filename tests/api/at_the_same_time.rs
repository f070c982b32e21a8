//! Lists while others write.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::future::{join, join_all};
use serde_json::json;
use testkit::{App, Caller, Contact, contact};

/// What a writer has done to its contacts: the versions that were acknowledged, and the contacts whose deletion has begun or ended.
#[derive(Clone, Default)]
struct Done {
    versions: BTreeMap<String, u64>,
    going: BTreeMap<String, bool>,
}

/// Creates, changes and deletes contacts, at one gateway and then at another.
async fn write(gateways: &[Caller], writer: usize, done: &Mutex<Done>) {
    let mut own: Vec<Contact> = Vec::new();
    for round in 0..40 {
        let caller = &gateways[(writer + round) % gateways.len()];
        match round % 4 {
            0 | 1 => own.push(caller.add(contact().name(&format!("{writer} {round}"))).await),
            2 => {
                let changed = round % own.len();
                own[changed] = caller.put(own[changed].id(), json!({"title": round.to_string()})).await.expect(200).contact();
            }
            _ => {
                let id = own.remove(round % own.len()).id();
                done.lock().unwrap().going.insert(id.clone(), false);
                caller.delete(&id).await.expect(200);
                done.lock().unwrap().going.insert(id, true);
            }
        }
        done.lock().unwrap().versions.extend(own.iter().map(|contact| (contact.id(), contact.version())));
    }
}

/// One writer less when it ends, however it does.
struct AtWork(Arc<AtomicUsize>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lists again and again, and looks whether everything is there that was acknowledged before.
async fn read(caller: &Caller, sort: &str, done: &Mutex<Done>, writers: &AtomicUsize) {
    while writers.load(Ordering::Relaxed) > 0 {
        let before = done.lock().unwrap().clone();
        let answer = caller.list(format!("sort={sort}&per_page=100")).await;
        let after = done.lock().unwrap().clone();

        let listed: BTreeMap<String, u64> = answer.contacts().iter().map(|contact| (contact.id(), contact.version())).collect();
        assert_eq!(
            (answer.total(), answer.ids().len()),
            (listed.len() as u64, listed.len()),
            "nobody is there twice, or missing"
        );
        for (id, version) in &before.versions {
            match (listed.get(id), before.going.get(id), after.going.contains_key(id)) {
                (Some(_), Some(true), _) => panic!("{id} was deleted before"),
                (Some(listed), _, _) => assert!(listed >= version, "{id} is older than what was acknowledged"),
                (None, _, true) => {}
                (None, _, false) => panic!("{id} was there before"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_show_all_that_was_acknowledged_before() {
    let Some(app) = App::here().await else { return };
    let siblings = app.siblings(2).await;
    let gateways: Arc<[Caller]> = std::iter::once(&app).chain(&siblings).map(|gateway| app.at(gateway)).collect();
    let done: Arc<Mutex<Done>> = Arc::default();
    let writers = Arc::new(AtomicUsize::new(4));

    let writing = (0..4).map(|writer| {
        let (gateways, done, writers) = (Arc::clone(&gateways), Arc::clone(&done), Arc::clone(&writers));
        tokio::spawn(async move {
            let _until_it_ends = AtWork(writers);
            write(&gateways, writer, &done).await;
        })
    });
    let reading = gateways.iter().zip(["_id", "-updatedAt", "name"]).map(|(caller, sort)| read(caller, sort, &done, &writers));
    let (written, _) = join(join_all(writing.collect::<Vec<_>>()), join_all(reading)).await;
    written.into_iter().for_each(|written| written.unwrap());

    let done = done.lock().unwrap().clone();
    let left: BTreeMap<String, u64> = done.versions.into_iter().filter(|(id, _)| !done.going.contains_key(id)).collect();
    for caller in gateways.iter() {
        let listed: BTreeMap<_, _> = caller.list("per_page=100").await.contacts().iter().map(|c| (c.id(), c.version())).collect();
        assert_eq!(listed, left);
    }
}
