//! The test kit of the black-box tests: an API to call, contacts to send, and a simple model to compare lists with.
//!
//! By default every [`App`] is the whole API in this process, on free ports, over an engine in memory. These environment variables
//! point the same tests at something else:
//!
//! - `TEST_DYNAMODB_ENDPOINT`: the API is in this process, but uses this engine, with tables of its own for each app.
//! - `TEST_API_URL` and `TEST_API_KEY`: the API is the one at that URL. Tests that need more than one key, access to the inside or
//!   contacts that nobody else changes are skipped, see [`skip`].
//! - `TEST_API_KEYS_TABLE` in addition: that API's table of keys, in which each app makes keys for tenants of its own. The table is
//!   in the DynamoDB of the AWS configuration, or in the one that `TEST_DYNAMODB_ENDPOINT` names. Then only tests that look inside
//!   are skipped. The keys are removed with their app, and with `TEST_CONTACTS_TABLE` all items of their tenants.
//! - `TEST_API_SETTLES_MS`: for how long lists may be behind writes there. They wait so long after the latest write.
//!
//! `tests/run-on-a-deployment` sets these for a stack.
//!
//! `TEST_FUNCTIONS` names a folder of functions to test instead of those of this build, see [`binary`].
//!
//! `PROPTEST_CASES` sets the number of cases of every property.

mod answer;
mod app;
mod caller;
mod contact;
mod deployment;
mod function;
pub mod history;
mod model;
mod poll;
mod program;
mod property;
mod raw;
mod s3;
mod silent_proxy;
mod skipped;

pub use answer::Answer;
pub use app::App;
pub use caller::{Caller, Request};
pub use contact::{Contact, ContactBody, contact, is_object_id, millis};
pub use deployment::Deployment;
pub use function::{FunctionProcess, binary};
pub use model::{Model, Query};
pub use poll::eventually;
pub use program::{Finished, Program, Serving};
pub use property::{holds_for_all, runtime};
pub use s3::{ACCESS_KEY, S3Fault, S3Pace, S3Server};
pub use silent_proxy::{Passed, SilentProxy};
pub use skipped::{Skipped, skip, take_skipped};
