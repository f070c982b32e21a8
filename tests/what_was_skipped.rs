//! Reports which tests this run of `cargo test` skipped, and why. The test harness counts them as passed.
//!
//! Cargo runs test targets in the order of their names, so this one is the last. It has no harness, because the harness would hide
//! its output.

use std::collections::BTreeMap;

fn main() {
    // Programs that list the tests of a binary expect no other output.
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
