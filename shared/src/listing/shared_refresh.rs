//! One refresh for all who wait for one.
//!
//! Whoever asks must see all that was acknowledged before, so a refresh under way is no use to them: it may have read already
//! what has changed since. They wait for the first that starts after they asked, and one of them does it for all.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::error::Error;

/// The refreshes of one thing.
#[derive(Debug, Default)]
pub struct SharedRefresh {
    state: Mutex<State>,
    ended: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// How many refreshes have started.
    started: u64,
    under_way: bool,
    /// The number of the last that ended, and the error with which it did.
    last: u64,
    failure: Option<Failure>,
}

#[derive(Clone, Debug)]
enum Failure {
    Unavailable(String),
    Internal(String),
}

impl SharedRefresh {
    /// Returns when a refresh that started after this call has ended: `refresh`, or that of another call.
    ///
    /// # Errors
    ///
    /// The error of that refresh.
    pub async fn run(&self, refresh: impl AsyncFnOnce() -> Result<(), Error>) -> Result<(), Error> {
        let asked = self.state().started;
        loop {
            // Created before the state is looked at, so that no end in between goes unnoticed.
            let ended = self.ended.notified();
            {
                let mut state = self.state();
                if state.last > asked {
                    return state.failure.clone().map_or(Ok(()), |failure| Err(failure.into()));
                }
                if !state.under_way {
                    state.under_way = true;
                    state.started += 1;
                    break;
                }
            }
            ended.await;
        }
        let turn = Turn(self);
        let result = refresh().await;
        turn.end(&result);
        result
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody's turn to refresh. It ends in any case, also when whoever has it goes away: then the next one takes it.
struct Turn<'a>(&'a SharedRefresh);

impl Turn<'_> {
    fn end(self, result: &Result<(), Error>) {
        let mut state = self.0.state();
        state.last = state.started;
        state.failure = match result {
            Ok(()) => None,
            Err(error @ Error::Unavailable(source)) => Some(Failure::Unavailable(format!("{error}: {source}"))),
            Err(error) => Some(Failure::Internal(error.to_string())),
        };
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.state().under_way = false;
        self.0.ended.notify_waiters();
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unavailable(text) => Self::Unavailable(text.into()),
            Failure::Internal(text) => Self::Internal(text.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::future::{join_all, pending};
    use futures::{FutureExt, join, pin_mut, poll};
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn who_asks_during_a_refresh_waits_for_the_next_one_and_shares_it() {
        let shared = SharedRefresh::default();
        let refreshes = AtomicU32::new(0);
        let counted = async || {
            refreshes.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        let (finish, finished) = oneshot::channel::<()>();

        let first = shared.run(async || {
            finished.await.map_err(|_| Error::Internal("gone".into()))?;
            counted().await
        });
        pin_mut!(first);
        assert!(poll!(&mut first).is_pending());
        let mut others: Vec<_> = (0..10).map(|_| Box::pin(shared.run(counted))).collect();
        for other in &mut others {
            assert!(poll!(other).is_pending());
        }
        assert_eq!(refreshes.load(Ordering::Relaxed), 0);
        finish.send(()).unwrap();
        let (first, others) = join!(first, join_all(others));

        assert!(first.is_ok() && others.iter().all(Result::is_ok));
        assert_eq!(refreshes.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_failure_is_shared_too() {
        let shared = SharedRefresh::default();
        let (finish, finished) = oneshot::channel::<()>();
        let first = shared.run(async || finished.await.map_err(|_| Error::Internal("gone".into())));
        pin_mut!(first);
        assert!(poll!(&mut first).is_pending());

        let failing = shared.run(async || Err(Error::Unavailable("throttled".into())));
        let waiting = shared.run(async || panic!("the failure before is this one's answer"));
        pin_mut!(failing, waiting);
        assert!(poll!(&mut failing).is_pending() && poll!(&mut waiting).is_pending());
        finish.send(()).unwrap();

        let (_, failing, waiting) = join!(first, failing, waiting);
        assert!(matches!(failing, Err(Error::Unavailable(_))));
        assert!(matches!(waiting, Err(Error::Unavailable(_))));
    }

    #[tokio::test]
    async fn a_refresh_that_is_given_up_leaves_the_turn_to_the_next() {
        let shared = SharedRefresh::default();
        {
            let given_up = shared.run(pending::<Result<(), Error>>);
            pin_mut!(given_up);
            assert!(given_up.now_or_never().is_none());
        }

        assert!(shared.run(async || Ok(())).now_or_never().unwrap().is_ok());
    }
}
