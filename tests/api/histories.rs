//! Random histories of calls by several callers of two tenants, each answer compared with a plain model's: lists are exact, and
//! nobody ever sees, counts or changes what is not theirs.

use std::collections::BTreeSet;

use shared::listing::ListConfig;
use shared::meter::Meter;
use shared::objects::Objects;
use shared::snapshots::Snapshots;
use shared::snapshots::plan::Base;
use testkit::history::{self, history};
use testkit::{App, holds_for_all, runtime};

#[test]
fn a_random_history_is_answered_as_the_plain_model_answers_it() {
    let runtime = runtime();
    let Some(app) = runtime.block_on(App::alone()) else { return };
    let gateways = [app];

    holds_for_all(&runtime, 24, history(1..60), async |steps| history::run(&gateways, steps).await);
}

#[test]
fn a_random_history_is_answered_alike_by_several_gateways() {
    let runtime = runtime();
    let Some(app) = runtime.block_on(App::here()) else { return };
    let gateways = runtime.block_on(async { [app.sibling().await, app.sibling().await, app] });

    holds_for_all(&runtime, 24, history(1..60), async |steps| history::run(&gateways, steps).await);
}

#[test]
fn a_random_history_is_answered_alike_however_little_a_gateway_keeps() {
    let runtime = runtime();
    let usual = ListConfig::default();
    // With memory for one entry, each tenant's index is pushed out by the other's.
    let pushed_out = ListConfig { memory: 1, ..usual };
    let forgetful = ListConfig { page_entries: 3, memory: 1, cache: 2_000, short_overlap: 1, long_overlap: 1 };
    let one_entry = ListConfig { page_entries: 1, memory: 1, cache: 0, short_overlap: 0, long_overlap: 0 };
    let Some(app) = runtime.block_on(App::here_with(pushed_out)) else { return };
    let gateways = runtime.block_on(async { [app.sibling_with(forgetful).await, app.sibling_with(one_entry).await, app] });

    holds_for_all(&runtime, 24, history(1..60), async |steps| history::run(&gateways, steps).await);
}

#[test]
fn a_random_history_is_answered_alike_from_snapshots_also_when_they_are_tampered_with() {
    let runtime = runtime();
    let objects = Objects::in_memory();
    // With memory for one entry, each tenant's index is pushed out by the other's, and the next list starts from a snapshot again.
    let cold = ListConfig { memory: 1, cache: 0, ..ListConfig::default() };
    let Some(app) = runtime.block_on(App::here_with_snapshots(cold.clone(), &objects)) else { return };
    let gateways = runtime.block_on(async { [app.sibling_with_snapshots(cold, &objects).await, app] });

    holds_for_all(&runtime, 24, history(1..60), async |steps| {
        tokio::select! {
            () = history::run(&gateways, steps) => {}
            () = build_and_tamper(&gateways[1], &objects) => {}
        }
    });
}

/// Builds snapshots of the tenants whose keys are new, again and again, and turns a bit of every third one.
async fn build_and_tamper(app: &App, objects: &Objects) {
    let store = app.running().app.store.clone();
    let snapshots = Snapshots::new(store, objects.clone(), ListConfig::default()).with_least_contacts(0);
    for round in 0.. {
        // A key that is being made may be malformed for a moment, and an engine busy.
        let Ok(keys) = app.keys().list().await else { continue };
        let tenants: BTreeSet<String> = keys.records.into_iter().take(8).map(|record| record.tenant).collect();
        for tenant in tenants {
            let Ok(shared::snapshots::Done::Built(current)) = snapshots.build(&Meter::default(), &tenant, Base::Snapshot).await
            else {
                continue;
            };
            if round % 3 == 2 {
                let mut bytes = objects.read(&current.object, 0..current.bytes).await.unwrap();
                let place = round * 7_919 % bytes.len();
                bytes[place] ^= 1 << (round % 8);
                objects.create(&current.object, bytes).await.unwrap();
            }
        }
        tokio::task::yield_now().await;
    }
}
