//! Properties over HTTP.

use std::cell::RefCell;
use std::panic::{self, Location};
use std::sync::Once;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestError, TestRunner};
use tokio::runtime::Runtime;

thread_local! {
    /// The last panic of a case on this thread, while cases are tried there.
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// A runtime for a test that is not async.
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
    keep_panics_of_cases();
    LAST_PANIC.set(Some(String::new()));
    let tried = TestRunner::new(config).run(&inputs, |input| {
        runtime.block_on(property(input));
        Ok(())
    });
    let last_panic = LAST_PANIC.take().unwrap_or_default();
    match tried {
        Ok(()) => {}
        Err(TestError::Fail(_, input)) => panic!("{last_panic}\nThe smallest input for which it fails: {input:#?}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

/// Shrinking an input causes hundreds of panics, of which only the last is reported.
fn keep_panics_of_cases() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let kept = LAST_PANIC.with_borrow_mut(|last| last.as_mut().map(|last| *last = panic.to_string()));
            if kept.is_none() {
                print(panic);
            }
        }));
    });
}
