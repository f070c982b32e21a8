//! The DynamoDB that an operator's command works on: that of a data folder, whether it is being served or not, or another one.

use std::path::Path;

use aws_sdk_dynamodb::Client;

use crate::engine::{self, Engine, EngineError, Missing, Storage};
use crate::serve;

/// An open DynamoDB.
pub(crate) struct Database {
    /// A client of it.
    pub(crate) client: Client,
    /// The engine, when it had to be started.
    engine: Option<Engine>,
}

impl Database {
    /// The DynamoDB of a data folder.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub(crate) async fn of_folder(folder: &Path, missing: Missing) -> Result<Database, EngineError> {
        match Engine::start(Storage::Folder(folder.to_owned(), missing), None).await {
            Ok(engine) => Ok(Database { client: engine.client(), engine: Some(engine) }),
            // `contacts serve` has the folder open, and with it an engine that we can speak to.
            Err(EngineError::InUse { .. }) => Ok(Database { client: engine::client_of(folder), engine: None }),
            Err(error) => Err(error),
        }
    }

    /// A DynamoDB of its own, which is gone when it is closed.
    ///
    /// # Errors
    /// When the engine cannot be started.
    pub(crate) async fn in_memory() -> Result<Database, EngineError> {
        let engine = Engine::start(Storage::Memory, None).await?;
        Ok(Database { client: engine.client(), engine: Some(engine) })
    }

    /// The DynamoDB at an endpoint.
    pub(crate) async fn at(endpoint: &str) -> Database {
        Database { client: serve::client(endpoint).await, engine: None }
    }

    /// Closes it, so that everything is stored.
    pub(crate) async fn close(self) {
        if let Some(engine) = self.engine {
            engine.stop().await;
        }
    }
}
