//! The `contacts` program as its users start and stop it, in a process of its own.

#![expect(clippy::unwrap_used, reason = "what a test cannot go on without, it panics for")]

use testkit::Program;

mod account;
mod crash;
mod data_folder;
mod docs;
mod export;
mod help;
mod import;
mod keys;
mod logs;
mod page;
mod serve;
mod slow_clients;
mod snapshots;
mod two_way_sync;
mod web_page;

/// The program, which Cargo has built for these tests.
fn contacts() -> Program {
    Program::new(env!("CARGO_BIN_EXE_contacts-under-test"))
}
