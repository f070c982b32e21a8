//! Waiting for a condition instead of a guessed time.

use std::time::{Duration, Instant};

/// After this time a condition counts as never met.
const PATIENCE: Duration = Duration::from_secs(60);

/// Returns as soon as `condition` returns a value.
///
/// # Panics
/// When it does not within a minute.
pub async fn eventually<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
