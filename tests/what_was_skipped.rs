//! The report of what this run of `cargo test` skipped, with the reasons. The harness counts these tests as passed.
//!
//! Cargo runs test targets in the order of their names, so this one comes last. It has no harness, because the harness would keep
//! its output back.

use std::collections::BTreeMap;

fn main() {
    // Programs that ask a test binary for its tests expect nothing else.
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let skipped = testkit::take_skipped();
    let mut by_reason = BTreeMap::<&str, Vec<&str>>::new();
    for one in &skipped {
        by_reason.entry(&one.reason).or_default().push(&one.test);
    }
    println!();
    match skipped.len() {
        0 => println!("No test was skipped."),
        number => println!("{number} of the tests above did not run, although they are counted as passed:"),
    }
    for (reason, tests) in by_reason {
        println!("\n  {} skipped: {reason}", tests.len());
        tests.iter().for_each(|test| println!("    {test}"));
    }
    println!();
}
