//! The whole client-contact API on one machine, and the operator's commands.
//!
//! Tables and routes come from `template.yaml`, the functions are those that are deployed, and each request reaches them as the
//! event that API Gateway would send. So this crate has no API behaviour of its own. It adds an embedded DynamoDB
//! engine, a gateway, and a page to use the API with. Web pages of other sites in the user's browser can use neither.

pub mod account;
pub mod answer;
pub mod app;
pub mod contacts_table;
mod database;
pub mod development_key;
pub mod docs;
pub mod engine;
pub mod event;
pub mod export;
pub mod gateway;
pub mod guard;
pub mod help;
pub mod http_server;
pub mod import;
pub mod keys;
pub mod lifelike;
pub mod migrate;
pub mod openapi;
pub mod page;
pub mod reset;
pub mod sample;
pub mod seed;
pub mod serve;
pub mod snapshots;
pub mod tables;
pub mod template;
