//! How a write is tried until its outcome is known: the part that decides, without clock, randomness and I/O.
//!
//! A try whose answer was lost may have been applied, may be applied later, or never. So a write keeps three things about its tries: the last
//! stamp, the largest `updatedAt` that a refusal showed, and the stamps of tries whose fate is open. A stamp is the key to all of it: a
//! try is applied only where `updatedAt` is less than its stamp, and makes it equal to that. An item that shows an `updatedAt` at or above
//! the last open stamp therefore shows the end of all of them.

use std::time::Duration;

use super::item::Item;
use crate::bounds::{FAILED_WRITE_TRIES, FIRST_PAUSE, WRITE_TRIES};
use crate::error::{Error, Source};
use crate::timestamp::Timestamp;

/// How one try ended, as far as its writer can know.
#[derive(Debug)]
pub enum Outcome {
    /// It was applied. What it returned of the item, if anything.
    Applied(Item),
    /// Its condition did not hold, and never will for this try. The item as it is, empty when there is none.
    Refused(Item),
    /// It was not applied and never will be, for a reason that passes.
    Busy(Source),
    /// It was not applied and never will be, and neither will another one.
    Failed(Error),
    /// It was applied, or will be, or neither: the answer is lost.
    Lost(Source),
}

/// What comes after a try.
#[derive(Debug)]
pub enum Step<T> {
    /// The next try, after a pause of at most this long.
    TryAgain(Duration),
    /// The write's answer.
    Answer(Result<T, Error>),
}

/// A write that is tried until its outcome is known.
pub trait Write {
    /// What one try sends.
    type Request;
    /// What the caller gets for a write that was applied.
    type Answer;

    /// What is known of the tries.
    fn tries(&mut self) -> &mut Tries;

    /// The request of the try with this stamp.
    fn request(&self, stamp: Timestamp) -> Result<Self::Request, Error>;

    /// The answer when the last try was applied and returned `item`.
    fn applied(&mut self, item: Item) -> Result<Self::Answer, Error>;

    /// What comes after a try whose condition did not hold for `item`.
    fn refused(&mut self, item: Item) -> Step<Self::Answer>;

    /// The next try's request. `now` is the time immediately before it is sent.
    fn next_try(&mut self, now: Timestamp) -> Result<Self::Request, Error> {
        let stamp = self.tries().stamp(now);
        self.request(stamp).map_err(|error| self.tries().failed(error))
    }

    /// What comes after a try with this outcome.
    fn step(&mut self, outcome: Outcome) -> Step<Self::Answer> {
        match outcome {
            Outcome::Applied(item) => Step::Answer(self.applied(item)),
            Outcome::Refused(item) => self.refused(item),
            Outcome::Busy(source) => self.tries().again_after_failure(source),
            Outcome::Failed(error) => Step::Answer(Err(self.tries().failed(error))),
            Outcome::Lost(source) => {
                self.tries().is_open();
                self.tries().again_after_failure(source)
            }
        }
    }

    /// The answer when there is no time for another try.
    fn give_up(&mut self) -> Error {
        self.tries().give_up("there was no time for another try".into())
    }
}

/// What a write knows of its tries.
#[derive(Debug, Default)]
pub struct Tries {
    made: u32,
    failed: u32,
    conflicts: u32,
    last: Option<Timestamp>,
    shown: Option<Timestamp>,
    open: Option<Open>,
}

/// The tries whose fate is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    first: Timestamp,
    last: Timestamp,
}

impl Tries {
    /// The stamp of the try that begins now: later than those before it, and than what the item is known to have.
    pub fn stamp(&mut self, now: Timestamp) -> Timestamp {
        let after = |earlier: Option<Timestamp>| earlier.map_or(now, |earlier| earlier.plus_millis(1));
        let stamp = now.max(after(self.last)).max(after(self.shown));
        self.made += 1;
        self.last = Some(stamp);
        stamp
    }

    /// The stamp of the last try. Before the first, the beginning of time.
    pub fn last_stamp(&self) -> Timestamp {
        self.last.unwrap_or(Timestamp::from_millis(0))
    }

    /// Whether a try was made.
    pub fn has_begun(&self) -> bool {
        self.made > 0
    }

    /// The stamp of the first try whose fate is open, if there is one.
    pub fn first_open(&self) -> Option<Timestamp> {
        self.open.map(|open| open.first)
    }

    /// The fate of the last try is open.
    pub fn is_open(&mut self) {
        let last = self.last_stamp();
        self.open = Some(Open { first: self.first_open().unwrap_or(last), last });
    }

    /// The item has this `updatedAt`, and no try was applied to it.
    pub fn item_shows(&mut self, updated_at: Timestamp) {
        self.shown = self.shown.max(Some(updated_at));
        self.open = self.open.filter(|open| updated_at < open.last);
    }

    /// No try was applied, and none will be.
    pub fn none_is_open(&mut self) {
        self.open = None;
    }

    /// The next try, if there may be one, after the last was refused for what another write had done.
    pub fn again_after_refusal<T>(&mut self) -> Step<T> {
        if self.made < WRITE_TRIES {
            Step::TryAgain(Duration::ZERO)
        } else {
            Step::Answer(Err(self.give_up("other writes of the contact kept coming first".into())))
        }
    }

    /// The next try after the last was refused because somebody else changed what had been read. It comes after a pause that grows, so that many
    /// who want the same contact get out of each other's way; only the deadline ends it.
    pub fn again_after_conflict<T>(&mut self) -> Step<T> {
        self.conflicts += 1;
        Step::TryAgain(FIRST_PAUSE / 8 * (1 << (self.conflicts - 1).min(7)))
    }

    /// The next try, if there may be one, after the last failed.
    pub fn again_after_failure<T>(&mut self, source: Source) -> Step<T> {
        self.failed += 1;
        if self.made < WRITE_TRIES && self.failed < FAILED_WRITE_TRIES {
            Step::TryAgain(FIRST_PAUSE * (1 << (self.failed - 1)))
        } else {
            Step::Answer(Err(self.give_up(source)))
        }
    }

    /// The error of a write that cannot be tried again and whose last try was not applied.
    pub fn failed(&self, error: Error) -> Error {
        match error {
            error if self.open.is_none() => error,
            Error::Unavailable(source) | Error::Internal(source) => Error::OutcomeUnknown(source),
            error => Error::OutcomeUnknown(error.into()),
        }
    }

    /// The error of a write that is not tried any more.
    pub fn give_up(&self, source: Source) -> Error {
        self.failed(Error::Unavailable(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_stamp_is_later_than_all_that_is_known() {
        let mut tries = Tries::default();

        assert_eq!(tries.stamp(at(100)), at(100));
        assert_eq!(tries.stamp(at(100)), at(101));
        assert_eq!(tries.stamp(at(50)), at(102));
        tries.item_shows(at(300));
        assert_eq!(tries.stamp(at(200)), at(301));
        tries.item_shows(at(250));
        assert_eq!(tries.stamp(at(200)), at(302));
        assert_eq!(tries.stamp(at(400)), at(400));
    }

    #[test]
    fn a_try_is_open_until_the_item_is_at_its_stamp_or_beyond() {
        let mut tries = Tries::default();
        for now in [100, 200] {
            tries.stamp(at(now));
            tries.is_open();
        }

        tries.item_shows(at(199));
        assert_eq!(tries.first_open(), Some(at(100)));
        tries.item_shows(at(200));
        assert_eq!(tries.first_open(), None);
    }

    #[test]
    fn nothing_was_changed_for_certain_unless_a_try_is_open() {
        let mut tries = Tries::default();
        tries.stamp(at(100));
        assert!(matches!(tries.give_up("busy".into()), Error::Unavailable(_)));
        assert!(matches!(tries.failed(Error::ContactNotFound), Error::ContactNotFound));

        tries.is_open();

        assert!(matches!(tries.give_up("busy".into()), Error::OutcomeUnknown(_)));
        assert!(matches!(tries.failed(Error::ContactNotFound), Error::OutcomeUnknown(_)));
    }

    #[test]
    fn tries_and_their_pauses_are_bounded() {
        let mut tries = Tries::default();
        let mut pauses = Vec::new();
        let error = loop {
            tries.stamp(at(0));
            match tries.again_after_failure::<()>("busy".into()) {
                Step::TryAgain(pause) => pauses.push(pause.as_millis()),
                Step::Answer(answer) => break answer.unwrap_err(),
            }
        };
        assert!(matches!(error, Error::Unavailable(_)));
        assert_eq!(pauses, [25, 50, 100, 200, 400, 800, 1_600]);

        let mut tries = Tries::default();
        let pauses = std::iter::repeat_with(|| match tries.again_after_conflict::<()>() {
            Step::TryAgain(pause) => pause.as_micros(),
            Step::Answer(_) => panic!("only the deadline ends conflicts"),
        });
        assert_eq!(pauses.take(100).last(), Some(400_000));

        let mut tries = Tries::default();
        let refused = std::iter::repeat_with(|| {
            tries.stamp(at(0));
            tries.again_after_refusal::<()>()
        });
        assert_eq!(refused.take_while(|step| matches!(step, Step::TryAgain(Duration::ZERO))).count(), 19);
    }
}
