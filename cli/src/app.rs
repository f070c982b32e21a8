//! The state of all functions, in one process.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use shared::api_key::KeyRing;
use shared::listing::{ListConfig, Lists};
use shared::objects::Objects;
use shared::store::Store;

/// Where things are, and how much of them to keep.
#[derive(Clone, Debug)]
pub struct Config {
    /// The name of the table of contacts.
    pub contacts_table: String,
    /// The name of the table of API keys.
    pub api_keys_table: String,
    /// How lists are kept.
    pub list: ListConfig,
    /// Where snapshots are, if lists use them.
    pub snapshots: Option<Objects>,
}

/// What the functions hold between calls.
#[derive(Clone, Debug)]
pub struct App {
    /// The API keys.
    pub keys: KeyRing,
    /// The contacts.
    pub store: Store,
    /// The lists of contacts.
    pub lists: Arc<Lists>,
}

impl App {
    /// The functions over the tables of `config`, reached through `client`.
    pub fn new(config: Config, client: Client) -> Self {
        let store = Store::new(client.clone(), config.contacts_table);
        let lists = Lists::new(store.clone(), config.list);
        let lists = Arc::new(match config.snapshots {
            Some(objects) => lists.with_snapshots(objects),
            None => lists,
        });
        Self { keys: KeyRing::new(client, config.api_keys_table), store, lists }
    }
}
