//! The line that each call writes to the log, which CloudWatch also reads as metrics.
//!
//! Its form is the embedded metric format, so a metric costs no request:
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>.
//! Every combination of dimensions is a metric that is paid for. So dimensions have few values: the route, the class of the status, the source of an
//! index. Tenant, request and contact are properties, which Logs Insights can search.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::meter::{Count, IndexSource, Readings};
use crate::timestamp::Timestamp;

/// The target of the event whose field `line` is the line.
pub const TARGET: &str = "shared::answered";

/// The metrics' namespace where the environment names none.
const NAMESPACE: &str = "client-contacts";

/// What one call reports.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// When it was answered.
    pub now: Timestamp,
    /// The request's name.
    pub request: &'a str,
    /// The route of the gateway, such as `GET /client-contact`, or what else the function did.
    pub route: &'a str,
    /// The caller's tenant, once it is known.
    pub tenant: Option<&'a str>,
    /// The contact that the path names.
    pub contact: Option<&'a str>,
    /// The status of the answer.
    pub status: u16,
    /// How long it took.
    pub total: Duration,
    /// Whether it was the first call of its process.
    pub is_cold: bool,
    /// What it cost.
    pub readings: &'a Readings,
}

impl Answered<'_> {
    /// Writes the line to the log.
    pub fn log(&self) {
        let namespace = std::env::var("METRICS_NAMESPACE").ok().filter(|name| !name.is_empty());
        tracing::info!(target: TARGET, line = %self.line(namespace.as_deref().unwrap_or(NAMESPACE)));
    }

    fn line(&self, namespace: &str) -> Value {
        let Readings { requests, capacity, database, index, snapshot, index_use, counts, .. } = self.readings;
        let mut line = json!({
            "level": "INFO",
            "message": "answered",
            "request": self.request,
            "route": self.route,
            "statusClass": format!("{}xx", self.status / 100),
            "status": self.status,
            "milliseconds": milliseconds(self.total),
            "databaseMilliseconds": milliseconds(*database),
            "indexMilliseconds": milliseconds(*index),
            "requests": requests,
            "capacity": (capacity * 10.0).round() / 10.0,
            "coldStart": u8::from(self.is_cold),
        });
        let mut directives = vec![directive(
            namespace,
            &[&["route"], &["route", "statusClass"]],
            &[("milliseconds", "Milliseconds"), ("requests", "Count"), ("capacity", "Count"), ("coldStart", "Count")],
        )];
        let mut more = Map::new();
        more.extend(self.tenant.map(|tenant| ("tenant".to_owned(), json!(tenant))));
        more.extend(self.contact.map(|contact| ("contact".to_owned(), json!(contact))));
        if let Some(index_use) = index_use {
            let source = match index_use.source {
                IndexSource::Memory => "memory",
                IndexSource::Snapshot => "snapshot",
                IndexSource::Log => "log",
            };
            more.insert("indexSource".to_owned(), json!(source));
            more.insert("indexAge".to_owned(), json!(milliseconds(index_use.age)));
            more.insert("indexBytes".to_owned(), json!(index_use.bytes));
            let mut metrics = vec![("milliseconds", "Milliseconds"), ("indexAge", "Milliseconds"), ("indexBytes", "Bytes")];
            if index_use.source == IndexSource::Snapshot {
                more.insert("snapshotMilliseconds".to_owned(), json!(milliseconds(*snapshot)));
                more.insert("snapshotBytes".to_owned(), json!(index_use.snapshot_bytes));
                metrics.extend([("snapshotMilliseconds", "Milliseconds"), ("snapshotBytes", "Bytes")]);
            }
            directives.push(directive(namespace, &[&["indexSource"]], &metrics));
        }
        let counted = Count::ALL.into_iter().zip(counts).filter(|(_, number)| **number > 0);
        let counted: Vec<_> = counted.map(|(count, number)| (count.name(), *number)).collect();
        if !counted.is_empty() {
            more.extend(counted.iter().map(|(name, number)| ((*name).to_owned(), json!(number))));
            let metrics: Vec<_> = counted.iter().map(|(name, _)| (*name, "Count")).collect();
            directives.push(directive(namespace, &[&[]], &metrics));
        }
        more.insert("_aws".to_owned(), json!({"Timestamp": self.now.millis(), "CloudWatchMetrics": directives}));
        if let Value::Object(line) = &mut line {
            line.extend(more);
        }
        line
    }
}

/// Says which members of the line are metrics, once for each set of dimensions.
fn directive(namespace: &str, dimensions: &[&[&str]], metrics: &[(&str, &str)]) -> Value {
    let metrics: Vec<Value> = metrics.iter().map(|(name, unit)| json!({"Name": name, "Unit": unit})).collect();
    json!({"Namespace": namespace, "Dimensions": dimensions, "Metrics": metrics})
}

/// Milliseconds to the microsecond.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::{IndexUse, Meter};

    fn line(readings: &Readings) -> Value {
        let answered = Answered {
            now: Timestamp::from_millis(1_700_000_000_000),
            request: "r1",
            route: "GET /client-contact",
            tenant: Some("acme"),
            contact: None,
            status: 503,
            total: Duration::from_micros(1_234_567),
            is_cold: true,
            readings,
        };
        answered.line("stack")
    }

    /// Every metric of the line with its dimensions, its unit and its value.
    fn metrics(line: &Value) -> Vec<String> {
        let mut found = Vec::new();
        for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
            assert_eq!(directive["Namespace"], "stack");
            for dimensions in directive["Dimensions"].as_array().unwrap() {
                let values = dimensions.as_array().unwrap().iter().map(|name| line[name.as_str().unwrap()].as_str().unwrap());
                let values = values.collect::<Vec<_>>().join(" ");
                for metric in directive["Metrics"].as_array().unwrap() {
                    let (name, unit) = (metric["Name"].as_str().unwrap(), metric["Unit"].as_str().unwrap());
                    found.push(format!("[{values}] {name} {} {unit}", line[name].as_f64().unwrap()));
                }
            }
        }
        found
    }

    #[test]
    fn the_line_of_a_call_is_in_the_embedded_metric_format() {
        let meter = Meter::default();
        meter.count(Count::LateEntries, 2);
        meter.index_used(IndexUse {
            source: IndexSource::Snapshot,
            age: Duration::from_secs(60),
            bytes: 1_000,
            snapshot_bytes: 300,
        });

        let line = line(&meter.readings());

        assert_eq!(line["_aws"]["Timestamp"], 1_700_000_000_000_i64);
        assert_eq!(
            metrics(&line),
            [
                "[GET /client-contact] milliseconds 1234.567 Milliseconds",
                "[GET /client-contact] requests 0 Count",
                "[GET /client-contact] capacity 0 Count",
                "[GET /client-contact] coldStart 1 Count",
                "[GET /client-contact 5xx] milliseconds 1234.567 Milliseconds",
                "[GET /client-contact 5xx] requests 0 Count",
                "[GET /client-contact 5xx] capacity 0 Count",
                "[GET /client-contact 5xx] coldStart 1 Count",
                "[snapshot] milliseconds 1234.567 Milliseconds",
                "[snapshot] indexAge 60000 Milliseconds",
                "[snapshot] indexBytes 1000 Bytes",
                "[snapshot] snapshotMilliseconds 0 Milliseconds",
                "[snapshot] snapshotBytes 300 Bytes",
                "[] lateEntries 2 Count",
            ]
        );
    }

    #[test]
    fn no_tenant_request_or_contact_is_a_dimension() {
        let line = line(&Meter::default().readings());

        assert_eq!((&line["tenant"], &line["request"]), (&json!("acme"), &json!("r1")));
        let metrics = line["_aws"].to_string();
        assert!(["tenant", "request\"", "contact\"", "acme", "r1"].iter().all(|name| !metrics.contains(name)), "{metrics}");
    }
}
