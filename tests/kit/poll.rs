//! Waiting for a condition, and for no time that would have to be guessed.

use std::time::{Duration, Instant};

/// What never happens within this, does not happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Returns as soon as `condition` gives something.
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
