//! The library under every function of the client-contact API.
//!
//! A function's crate holds its handler; everything that two of them would need is here. `store` alone speaks of contacts to
//! DynamoDB, and `listing` computes over plain values.

pub mod api_key;
pub mod aws;
pub mod batch;
pub mod body;
pub mod bounds;
pub mod call;
pub mod caller;
pub mod changes;
pub mod clock;
mod connections;
pub mod contact;
mod email;
pub mod envelope;
pub mod environment;
pub mod error;
pub mod external_id;
pub mod function;
pub mod handling;
mod headers;
mod hex;
pub mod json_object;
mod links;
pub mod listing;
pub mod log;
pub mod meter;
pub mod metrics;
pub mod object_id;
pub mod objects;
#[cfg(feature = "openapi")]
pub mod openapi;
mod parameters;
mod query_string;
#[cfg(test)]
mod seeded;
pub mod snapshots;
pub mod store;
pub mod text_field;
pub mod user;
pub mod writes;

#[cfg(feature = "openapi")]
pub use headers::openapi::{IdempotencyKeyHeader, IfMatchHeader, IfNoneMatchHeader, PreferHeader};
pub use headers::{if_match, if_match_if_sent, if_none_match};
pub use index::timestamp;
