//! What the black-box tests share: an API to call, contacts to call it with, and the plain model that its lists are held against.
//!
//! Without further ado every [`App`] is the whole API in this process, on free ports, over an engine in memory. These environment
//! variables send the same tests elsewhere:
//!
//! - `TEST_DYNAMODB_ENDPOINT`: the API is still in this process, but over this engine, with tables of its own for each app.
//! - `TEST_API_URL` and `TEST_API_KEY`: the API is the one that answers there. Tests that need more than one key, a look inside or
//!   contacts that nobody else changes are skipped, and say so.
//! - `TEST_API_KEYS_TABLE` besides: its table of keys, in which each app makes a key for a tenant of its own; in the DynamoDB of the AWS
//!   configuration, or in the one that `TEST_DYNAMODB_ENDPOINT` names. Now only tests that look inside are skipped. They expect
//!   lists to show a change at once, as those of a local DynamoDB do.
//!
//! `TEST_FUNCTIONS` names a folder of functions to test instead of those of this build, see [`binary`].
//!
//! `PROPTEST_CASES` raises the number of cases of every property.

mod answer;
mod app;
mod caller;
mod contact;
mod function;
pub mod history;
mod model;
mod poll;
mod program;
mod property;
mod raw;
mod silent_proxy;
mod skipped;

pub use answer::Answer;
pub use app::App;
pub use caller::{Caller, Request};
pub use contact::{Contact, ContactBody, contact, is_object_id, millis};
pub use function::{FunctionProcess, binary};
pub use model::{Model, Query};
pub use poll::eventually;
pub use program::{Finished, Program, Serving};
pub use property::{holds_for_all, runtime};
pub use silent_proxy::{Passed, SilentProxy};
pub use skipped::{Skipped, skip, take_skipped};
