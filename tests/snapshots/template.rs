//! What the template says of snapshots, beside what the code does.

use std::collections::BTreeMap;

use contacts::template::SOURCE;
use serde::Deserialize;
use serde_json::Value;
use shared::bounds::{OBJECT_DAYS, SCHEDULE, SNAPSHOT_LEASE};

use super::*;

/// YAML's tags are left out here: `!Ref A` is `A`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Template {
    resources: BTreeMap<String, Value>,
}

fn properties(resource: &str) -> Value {
    let template: Template = serde_saphyr::from_str(SOURCE).unwrap();
    template.resources[resource]["Properties"].clone()
}

#[test]
fn the_streams_filter_takes_contacts_and_nothing_else() {
    let function = properties("SnapshotClientContactsFunction");
    let filters = function["Events"]["Changes"]["Properties"]["FilterCriteria"]["Filters"].as_array().unwrap().clone();
    assert_eq!(filters.len(), 1);
    let pattern: Value = serde_json::from_str(filters[0]["Pattern"].as_str().unwrap()).unwrap();
    assert_eq!(pattern["eventName"], json!(["INSERT", "MODIFY"]));
    let prefixes = pattern["dynamodb"]["Keys"]["_id"]["S"].as_array().unwrap().clone();
    let takes = |id: &str| prefixes.iter().any(|one| id.starts_with(one["prefix"].as_str().unwrap()));

    for byte in 0..=255_u8 {
        assert!(takes(&format!("{byte:02x}b2b3c9e9a1234567890123")), "{byte:02x}");
    }
    for other in ["tenant#a", "reset-mark#1", "idempotency#1", "external#1", "Idempotency", ""] {
        assert!(!takes(other), "{other:?}");
    }
}

#[test]
fn times_are_those_of_the_code() {
    let function = properties("SnapshotClientContactsFunction");
    let rule = &properties("SnapshotsBucket")["LifecycleConfiguration"]["Rules"][0];
    assert_eq!(rule["ExpirationInDays"], OBJECT_DAYS);
    assert_eq!(function["Events"]["Hourly"]["Properties"]["ScheduleExpression"], "rate(1 hour)");
    assert_eq!(SCHEDULE.as_secs(), 3_600);
    assert_eq!(function["Events"]["Hourly"]["Properties"]["Input"], r#"{"look_after": "all"}"#);
    let timeout = function["Timeout"].as_u64().unwrap();
    assert!(timeout < SNAPSHOT_LEASE.as_secs(), "a writer ends before its lease");
}

#[tokio::test]
async fn the_function_may_write_the_partition_of_manifests() {
    let Some(world) = World::start().await else { return };
    world.add(TENANT, names("contact", 3)).await;
    world.build(TENANT, Base::Log).await;
    let function = properties("SnapshotClientContactsFunction");
    let statements = function["Policies"][0]["Statement"].as_array().unwrap().clone();
    let write = statements.iter().find(|statement| statement["Sid"] == "WriteManifests").unwrap();
    let keys = &write["Condition"]["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"];

    let running = world.app.running();
    let all = running.client.scan().table_name(&running.contacts_table).send().await.unwrap();
    let others = all.items().iter().map(|item| item["tenant"].as_s().unwrap().clone()).filter(|tenant| tenant != TENANT);
    assert_eq!(json!(others.collect::<Vec<_>>()), *keys);
}
