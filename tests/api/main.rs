//! The contract, sentence by sentence, as a client of the API meets it.

#![expect(clippy::unwrap_used, reason = "what a test cannot go on without, it panics for")]

mod at_the_same_time;
mod bad_input;
mod batch;
mod batch_atomic;
mod callers;
mod changes;
mod copies;
mod create;
mod delete;
mod deployment;
mod events;
mod external_ids;
mod gateway;
mod get;
mod handling;
mod histories;
mod hostile_input;
mod idempotent_creation;
mod idempotent_update;
mod list;
mod malformed_items;
mod meta_members;
mod openapi;
mod pages;
mod reset;
mod search;
mod sort;
mod update;
mod upsert;
