//! Snapshots of tenants' contacts, so that the first list of an instance takes a second and not minutes.
//!
//! Two kinds of events arrive: batches of the contacts table's stream, which say whose contacts have changed, and the schedule's.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use shared::error::{Error, causes};
use shared::function::Job;
use shared::object_id::ObjectId;
use shared::snapshots::Snapshots;

/// An event of the function.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Event {
    /// A batch of a DynamoDB stream:
    /// <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>.
    #[serde(rename_all = "PascalCase")]
    Changes { records: Vec<Record> },
    /// What `template.yaml` has the scheduler send.
    Schedule { look_after: All },
}

#[derive(Debug, Deserialize)]
enum All {
    #[serde(rename = "all")]
    All,
}

#[derive(Debug, Deserialize)]
struct Record {
    dynamodb: Change,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Change {
    keys: Keys,
    sequence_number: String,
}

#[derive(Debug, Deserialize)]
struct Keys {
    tenant: Text,
    #[serde(rename = "_id")]
    id: Text,
}

#[derive(Debug, Deserialize)]
struct Text {
    #[serde(rename = "S")]
    text: String,
}

/// Does what an event asks for. A batch is answered with the records from which on it must come again, as `ReportBatchItemFailures` has it.
///
/// # Errors
///
/// [`Error::Internal`] about an event of another kind, and what [`Snapshots::look_after_all`] returns.
pub async fn handle(snapshots: Arc<Snapshots>, job: Job) -> Result<Value, Error> {
    match serde_json::from_value(job.event.clone()) {
        Ok(Event::Changes { records }) => Ok(count(&snapshots, &job, &records).await),
        Ok(Event::Schedule { look_after: All::All }) => {
            let tenants = snapshots.look_after_all(&job.meter, job.deadline).await?;
            Ok(json!({"tenants": tenants}))
        }
        Err(_) => Err(Error::Internal("the event is neither a batch of a DynamoDB stream nor the schedule's".into())),
    }
}

/// Counts the changes of each tenant. A tenant whose changes cannot be counted makes the batch come again from the first of them; counting others
/// twice only builds their snapshots a little earlier.
async fn count(snapshots: &Snapshots, job: &Job, records: &[Record]) -> Value {
    let mut changes: Vec<(&str, u64, &str)> = Vec::new();
    let mut places = HashMap::new();
    for Record { dynamodb: Change { keys, sequence_number } } in records {
        // The stream has all items of the table. The filter of the event source lets only contacts through; other sources may have none.
        if keys.id.text.parse::<ObjectId>().is_err() {
            continue;
        }
        let tenant = keys.tenant.text.as_str();
        let place = *places.entry(tenant).or_insert_with(|| {
            changes.push((tenant, 0, sequence_number));
            changes.len() - 1
        });
        changes[place].1 += 1;
    }
    let mut failures = Vec::new();
    for (tenant, changes, first) in changes {
        if let Err(error) = snapshots.changed(&job.meter, tenant, changes, job.deadline).await {
            tracing::error!(tenant, causes = causes(&error), "the changes of a tenant could not be counted");
            failures.push(json!({"itemIdentifier": first}));
        }
    }
    json!({"batchItemFailures": failures})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_batches_and_the_schedule() {
        let batch = serde_json::from_str(include_str!("../../../events/snapshot-client-contacts.json")).unwrap();
        let parsed = |event: Value| serde_json::from_value::<Event>(event).ok();

        let Some(Event::Changes { records }) = parsed(batch) else { panic!("a batch") };
        let Change { keys, sequence_number } = &records[0].dynamodb;
        assert_eq!((keys.tenant.text.as_str(), sequence_number.as_str()), ("local", "222"));
        assert!(matches!(parsed(json!({"look_after": "all"})), Some(Event::Schedule { look_after: All::All })));
        for other in [json!({}), json!({"look_after": "one"}), json!({"Records": [{}]}), json!("all")] {
            assert!(parsed(other.clone()).is_none(), "{other}");
        }
    }
}
