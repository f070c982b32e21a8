//! What the table's stream and the scheduler do on AWS: events for the function that builds snapshots, in a thread of its own, so that no request
//! waits for it.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shared::api_key::KeyAdmin;
use shared::function::Job;
use shared::meter::Meter;
use shared::objects::Objects;
use shared::snapshots::Snapshots;
use shared::store::Store;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval_at, timeout};

use crate::engine::Changes;

/// How long one event may be worked on: Lambda's longest time.
const TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// The most records of one event.
const BATCH: u64 = 10_000;

/// How long a stop waits for what runs.
const GRACE: Duration = Duration::from_millis(500);

/// How a server keeps snapshots.
#[derive(Clone, Debug)]
pub struct SnapshotOptions {
    /// Whether there are any.
    pub are_kept: bool,
    /// Where they are, instead of a folder beside the data.
    pub objects: Option<Objects>,
    /// How long changes are gathered before the function learns of them.
    pub window: Duration,
    /// How often the function looks after all of them.
    pub schedule: Duration,
}

impl Default for SnapshotOptions {
    fn default() -> SnapshotOptions {
        SnapshotOptions { are_kept: true, objects: None, window: Duration::from_secs(60), schedule: shared::bounds::SCHEDULE }
    }
}

impl SnapshotOptions {
    /// As the environment says: `LIST_SNAPSHOTS=off` keeps none.
    pub fn from_env() -> SnapshotOptions {
        let is_off = std::env::var("LIST_SNAPSHOTS").is_ok_and(|value| value == "off");
        SnapshotOptions { are_kept: !is_off, ..SnapshotOptions::default() }
    }
}

/// The running thread. Dropping it stops it without waiting.
#[derive(Debug)]
pub(crate) struct Worker {
    thread: Option<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

/// What the thread works with.
pub(crate) struct Work {
    pub snapshots: Arc<Snapshots>,
    pub store: Store,
    pub keys: KeyAdmin,
    pub changes: Changes,
    pub options: SnapshotOptions,
}

impl Worker {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system cannot.
    pub(crate) fn start(work: Work) -> io::Result<Worker> {
        let (stop, mut stopping) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new().name("snapshots".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = work.run() => {}
                    // An error means that the worker was dropped.
                    _ = stopping.wait_for(|stop| *stop) => {}
                }
            });
            runtime.shutdown_timeout(GRACE);
        })?;
        Ok(Worker { thread: Some(thread), stop })
    }

    /// Stops the thread. A build that runs is given up; the next start begins it again.
    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let joined = tokio::task::spawn_blocking(move || thread.join());
            let _is_late = timeout(2 * GRACE, joined).await.is_err();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

impl Work {
    async fn run(self) {
        // Whoever had a lease is gone: a data folder has one server.
        if let Err(error) = self.snapshots.take_over(&Meter::default()).await {
            tracing::warn!("what an earlier run left of snapshots could not be tidied up: {error}");
        }
        let (mut windows, mut schedule) = (ticks(self.options.window), ticks(self.options.schedule));
        let mut is_first = true;
        loop {
            tokio::select! {
                _ = windows.tick() => {
                    if std::mem::take(&mut is_first) {
                        self.tell_of_unknown_tenants().await;
                    }
                    for event in batches(self.changes.take()) {
                        self.invoke(event).await;
                    }
                }
                _ = schedule.tick() => self.invoke(json!({"look_after": "all"})).await,
            }
        }
    }

    /// Contacts that an older version wrote, or another program, are changes that nobody saw.
    async fn tell_of_unknown_tenants(&self) {
        let Ok(keys) = self.keys.list().await else { return };
        let tenants: BTreeSet<String> = keys.records.into_iter().map(|record| record.tenant).collect();
        for tenant in tenants {
            if let Ok(None) = self.store.manifest(&Meter::default(), &tenant, true).await {
                for event in batches([(tenant, 1)]) {
                    self.invoke(event).await;
                }
            }
        }
    }

    async fn invoke(&self, event: Value) {
        let job = Job { event, deadline: Instant::now() + TIMEOUT, meter: Meter::default() };
        if let Err(error) = snapshot_client_contacts::handle(Arc::clone(&self.snapshots), job).await {
            tracing::error!("snapshots could not be looked after: {error}");
        }
    }
}

fn ticks(period: Duration) -> Interval {
    let mut ticks = interval_at(tokio::time::Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// The changes as events of a DynamoDB stream. How often a tenant was changed is what counts; which contacts is not known any more.
fn batches(changes: impl IntoIterator<Item = (String, u64)>) -> impl Iterator<Item = Value> {
    changes.into_iter().flat_map(|(tenant, changes)| {
        let record = move |number: u64| {
            let keys = json!({"tenant": {"S": tenant}, "_id": {"S": format!("{number:024x}")}});
            json!({"dynamodb": {"Keys": keys, "SequenceNumber": number.to_string()}})
        };
        (0..changes.div_ceil(BATCH)).map(move |batch| {
            let last = changes.min((batch + 1) * BATCH);
            json!({"Records": (batch * BATCH..last).map(&record).collect::<Vec<Value>>()})
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_in_a_batch() {
        let events: Vec<Value> = batches([("a".to_owned(), 1), ("b".to_owned(), 2 * BATCH + 1)]).collect();

        let sizes: Vec<usize> = events.iter().map(|event| event["Records"].as_array().unwrap().len()).collect();
        assert_eq!(sizes, [1, 10_000, 10_000, 1]);
        assert_eq!(events[3]["Records"][0]["dynamodb"]["Keys"]["tenant"]["S"], "b");
    }
}
