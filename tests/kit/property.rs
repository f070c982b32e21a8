//! Properties over HTTP.

use std::panic::Location;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestError, TestRunner};
use tokio::runtime::Runtime;

/// A runtime for a test that is not asynchronous itself.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime can be made")
}

/// Tries `property` on this many inputs, or on as many as `PROPTEST_CASES` says, and reports the smallest for which it fails.
///
/// # Panics
/// When there is one.
#[track_caller]
pub fn holds_for_all<S: Strategy>(runtime: &Runtime, cases: u32, inputs: S, property: impl AsyncFn(S::Value)) {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(cases);
    let source_file = Some(Location::caller().file());
    let config = Config { cases, source_file, max_shrink_iters: 300, ..Config::default() };
    let tried = TestRunner::new(config).run(&inputs, |input| {
        runtime.block_on(property(input));
        Ok(())
    });
    match tried {
        Ok(()) => {}
        Err(TestError::Fail(reason, input)) => panic!("{reason}\nthe smallest input for which it fails: {input:#?}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}
