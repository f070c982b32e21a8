//! DynamoDB's operations on the engine's database: a request's JSON in, an answer's JSON out.
//!
//! The engine has an HTTP server for this, which answers every web page that its user visits; so it is not part of this program.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use dynoxide::actions::transact_write_items::TransactWriteItemsRequest;
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::runtime::Handle;

use super::changes::Changes;

/// The prefix of an operation's name in `X-Amz-Target`.
const TARGET_PREFIX: &str = "DynamoDB_20120810.";

/// What marks the text of an error that serde only carries: DynamoDB calls it a validation error.
const VALIDATION_MARK: &str = "VALIDATION";

/// The open database of an engine, for as long as it is open.
#[derive(Clone)]
pub struct Operations {
    database: Arc<RwLock<Option<Database>>>,
    /// Where operations run: SQLite blocks the calling thread.
    runtime: Handle,
    /// The file that the database is in.
    file: Option<PathBuf>,
    /// Who takes note of what is written, if anybody does.
    changes: Arc<OnceLock<Changes>>,
    /// Whether a transaction with the token of an earlier one is answered as that one was.
    keeps_tokens: bool,
}

/// DynamoDB's answer to a request.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub json: String,
}

impl fmt::Debug for Operations {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Operations").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Operations {
    /// Operations on a database, which run on `runtime`.
    pub(super) fn new(database: Database, runtime: Handle, file: Option<PathBuf>) -> Operations {
        Operations { database: Arc::new(RwLock::new(Some(database))), runtime, file, changes: Arc::default(), keeps_tokens: true }
    }

    /// The same operations for this program's own clients, whose writes carry conditions that make them safe to repeat. The SDK gives every transaction a token all
    /// the same, and the engine looks through the tokens of the last ten minutes at each transaction.
    pub(super) fn without_tokens(&self) -> Operations {
        Operations { keeps_tokens: false, ..self.clone() }
    }

    /// From now on tells `changes` what is written. The first to ask is told.
    pub(super) fn watch(&self, changes: &Changes) {
        self.changes.get_or_init(|| changes.clone());
    }

    /// Performs the operation that `target` names; nothing when the engine has stopped.
    pub async fn perform(&self, target: &str, body: impl AsRef<[u8]> + Send + 'static) -> Option<Answer> {
        let operation = target.strip_prefix(TARGET_PREFIX).unwrap_or(target).to_owned();
        let operations = self.clone();
        // An error means that the engine's runtime is gone, or has stopped waiting for the operation.
        self.runtime.spawn(async move { operations.perform_here(&operation, body.as_ref()) }).await.ok()?
    }

    /// Removes expired items.
    pub(super) async fn sweep(&self) {
        let database = Arc::clone(&self.database);
        let swept = tokio::task::spawn_blocking(move || {
            let database = database.read().unwrap_or_else(PoisonError::into_inner);
            database.as_ref().map(Database::sweep_ttl)
        });
        if let Ok(Some(Err(error))) = swept.await {
            tracing::warn!(%error, "expired items could not be removed");
        }
    }

    /// Closes the database when the operations under way are done.
    pub(super) fn close(&self) {
        drop(self.database.write().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn perform_here(&self, operation: &str, body: &[u8]) -> Option<Answer> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        Some(match self.dispatch(database.as_ref()?, operation, body) {
            Ok(json) => {
                if let Some(changes) = self.changes.get() {
                    changes.wrote(operation, body);
                }
                Answer { status: 200, json }
            }
            Err(Failure::Unknown) => refusal("com.amazon.coral.service#UnknownOperationException", operation),
            Err(Failure::Engine(error)) if is_damage(&error) => self.damaged(),
            Err(Failure::Engine(error)) => Answer { status: error.status_code(), json: error.to_json() },
        })
    }

    /// Reports that the database is damaged, as an error that the SDK does not retry.
    fn damaged(&self) -> Answer {
        let file = self.file.as_ref().map_or_else(|| "in memory".into(), |file| file.display().to_string());
        tracing::error!("The database {file} is damaged: stop this program and restore its folder from a backup.");
        refusal("com.amazonaws.dynamodb.v20120810#DatabaseDamaged", &format!("the database {file} is damaged"))
    }

    fn dispatch(&self, database: &Database, operation: &str, body: &[u8]) -> Result<String, Failure> {
        let answer = match operation {
            "BatchExecuteStatement" => call(body, |request| database.batch_execute_statement(request)),
            "BatchGetItem" => call(body, |request| database.batch_get_item(request)),
            "BatchWriteItem" => call(body, |request| database.batch_write_item(request)),
            "CreateTable" => call(body, |request| database.create_table(request)),
            "DeleteItem" => call(body, |request| database.delete_item(request)),
            "DeleteTable" => call(body, |request| database.delete_table(request)),
            "DescribeTable" => call(body, |request| database.describe_table(request)),
            "DescribeTimeToLive" => call(body, |request| database.describe_time_to_live(request)),
            "ExecuteStatement" => call(body, |request| database.execute_statement(request)),
            "ExecuteTransaction" => call(body, |request| database.execute_transaction(request)),
            "GetItem" => call(body, |request| database.get_item(request)),
            "ListTables" => call(body, |request| database.list_tables(request)),
            "ListTagsOfResource" => call(body, |request| database.list_tags_of_resource(request)),
            "PutItem" => call(body, |request| database.put_item(request)),
            "Query" => call(body, |request| database.query(request)),
            "Scan" => call(body, |request| database.scan(request)),
            "TagResource" => call(body, |request| database.tag_resource(request)),
            "TransactGetItems" => call(body, |request| database.transact_get_items(request)),
            "TransactWriteItems" => call(body, |mut request: TransactWriteItemsRequest| {
                request.client_request_token.take_if(|_| !self.keeps_tokens);
                database.transact_write_items(request)
            }),
            "UntagResource" => call(body, |request| database.untag_resource(request)),
            "UpdateItem" => call(body, |request| database.update_item(request)),
            "UpdateTable" => call(body, |request| database.update_table(request)),
            "UpdateTimeToLive" => call(body, |request| database.update_time_to_live(request)),
            _ => return Err(Failure::Unknown),
        };
        Ok(answer?)
    }
}

fn refusal(kind: &str, message: &str) -> Answer {
    Answer { status: 400, json: json!({"__type": kind, "message": message}).to_string() }
}

/// Why there is no answer.
enum Failure {
    /// No such operation.
    Unknown,
    /// The engine refuses, or fails.
    Engine(DynoxideError),
}

impl From<DynoxideError> for Failure {
    fn from(error: DynoxideError) -> Failure {
        Failure::Engine(error)
    }
}

fn call<Request: DeserializeOwned, Response: Serialize>(
    body: &[u8],
    perform: impl FnOnce(Request) -> dynoxide::Result<Response>,
) -> dynoxide::Result<String> {
    let answer = perform(serde_json::from_slice(body).map_err(|error| malformed(&error))?)?;
    serde_json::to_string(&answer).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// Why a request cannot be read. The engine checks some rules while it reads, and marks what breaks them.
fn malformed(error: &serde_json::Error) -> DynoxideError {
    let text = error.to_string();
    let is_validation = |text: &str| text.contains("missing field") || text.contains("Supplied AttributeValue");
    match text.split_once(':') {
        Some((mark, reason)) if mark.starts_with(VALIDATION_MARK) => DynoxideError::ValidationException(reason.to_owned()),
        _ if is_validation(&text) => DynoxideError::ValidationException(text),
        _ => DynoxideError::SerializationException(text),
    }
}

/// Whether SQLite reports a damaged database.
pub(super) fn is_damage(error: &DynoxideError) -> bool {
    let text = error.to_string();
    ["database disk image is malformed", "file is not a database", "malformed database schema"]
        .iter()
        .any(|known| text.contains(known))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[tokio::test]
    async fn what_cannot_be_done_is_refused_as_dynamodb_does() {
        let operations = Operations::new(Database::memory().unwrap(), Handle::current(), None);
        for (target, body, status, kind) in [
            ("DynamoDB_20120810.ListTables", "{}", 200, None),
            ("DynamoDB_20120810.Nonsense", "{}", 400, Some("UnknownOperationException")),
            ("", "{}", 400, Some("UnknownOperationException")),
            ("DynamoDB_20120810.GetItem", "nonsense", 400, Some("SerializationException")),
            ("DynamoDB_20120810.UpdateTable", "{}", 400, Some("ValidationException")),
            (
                "DynamoDB_20120810.GetItem",
                r#"{"TableName": "nowhere", "Key": {"a": {"S": "b"}}}"#,
                400,
                Some("ResourceNotFoundException"),
            ),
        ] {
            let answer = operations.perform(target, body).await.unwrap();
            let said: Value = serde_json::from_str(&answer.json).unwrap();
            let said = said["__type"].as_str().and_then(|kind| kind.split('#').nth(1));
            assert_eq!((answer.status, said), (status, kind), "{target} {body} {}", answer.json);
        }
        operations.close();
        assert!(operations.perform("DynamoDB_20120810.ListTables", "{}").await.is_none());
    }

    #[tokio::test]
    async fn a_repeated_transaction_is_known_by_its_token_unless_the_program_sends_it() {
        let known = Operations::new(Database::memory().unwrap(), Handle::current(), None);
        let unknown = known.without_tokens();
        let table = json!({
            "TableName": "things", "BillingMode": "PAY_PER_REQUEST", "KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}],
        });
        known.perform("CreateTable", table.to_string()).await.unwrap();
        for (operations, key, again) in [(known, "a", 200), (unknown, "b", 400)] {
            let put = json!({"TableName": "things", "Item": {"k": {"S": key}}, "ConditionExpression": "attribute_not_exists(k)"});
            let request = json!({"ClientRequestToken": key, "TransactItems": [{"Put": put}]}).to_string();
            let first = operations.perform("TransactWriteItems", request.clone()).await.unwrap();
            assert_eq!(first.status, 200, "{first:?}");
            assert_eq!(operations.perform("TransactWriteItems", request).await.unwrap().status, again);
        }
    }
}
