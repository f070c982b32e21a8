//! Random histories of calls by several callers of two tenants, each answer compared with a plain model's: lists are exact, and
//! nobody ever sees, counts or changes what is not theirs.

use shared::listing::ListConfig;
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
