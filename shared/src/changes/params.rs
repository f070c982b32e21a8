//! The parameters of a request for changes.

#[cfg(feature = "openapi")]
mod openapi;

use crate::error::Error;
use crate::handling::Handling;
use crate::parameters::{self, Parameters};
use crate::timestamp::Timestamp;

#[cfg(feature = "openapi")]
pub use openapi::ChangesParameters;

/// Changes in an answer when the request does not say.
const DEFAULT_LIMIT: usize = 100;

/// The most changes in an answer.
const MAXIMUM_LIMIT: usize = 500;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangesQuery {
    /// Where to begin.
    pub start: Start,
    /// The most changes to answer, 1 to 500.
    pub limit: usize,
}

/// Where a request begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the first change that there is.
    Beginning,
    /// With the first change strictly after this moment.
    After(Timestamp),
    /// Where the answer before ended, which gave this cursor.
    Cursor(String),
}

/// What a request with this query string asks for.
///
/// # Errors
///
/// [`Error::InvalidParameter`] about each parameter that is given twice or has the wrong form or range, and when both `cursor` and
/// `from_updatedAt` are given. Unknown parameters are treated as `handling` says.
pub fn parse(query: &str, handling: &Handling) -> Result<ChangesQuery, Error> {
    let mut given = Parameters::of(query, handling);
    let cursor = given.once("cursor");
    let after = parameters::moment(&mut given, "from_updatedAt");
    let limit = given.parsed("limit", "must be an integer from 1 to 500", |text| {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|limit| is_number && (1..=MAXIMUM_LIMIT).contains(limit))
    });
    if cursor.is_some() && after.is_some() {
        given.refuse("from_updatedAt", "must not be given together with cursor");
    }
    given.finish()?;
    let start = match (cursor, after) {
        (Some(cursor), _) => Start::Cursor(cursor),
        (None, Some(after)) => Start::After(after),
        (None, None) => Start::Beginning,
    };
    Ok(ChangesQuery { start, limit: limit.unwrap_or(DEFAULT_LIMIT) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<ChangesQuery, Error> {
        super::parse(query, &Handling::default())
    }

    #[test]
    fn nothing_given_is_the_beginning() {
        let query = ChangesQuery { start: Start::Beginning, limit: 100 };
        assert_eq!(parse("").unwrap(), query);
        assert_eq!(parse("cursor=&from_updatedAt=&limit=&page=2").unwrap(), query);
    }

    #[test]
    fn each_parameter_is_understood() {
        let after = |millis| Start::After(Timestamp::from_millis(millis));
        assert_eq!(parse("cursor=a-_b&limit=500").unwrap(), ChangesQuery { start: Start::Cursor("a-_b".to_owned()), limit: 500 });
        assert_eq!(parse("from_updatedAt=17&limit=1").unwrap(), ChangesQuery { start: after(17), limit: 1 });
        assert_eq!(parse("from_updatedAt=1970-01-01T00:00:01Z").unwrap().start, after(1_000));
    }

    #[test]
    fn what_breaks_a_rule_is_named() {
        for (query, sentence) in [
            ("limit=0", "limit must be an integer from 1 to 500"),
            ("limit=501", "limit must be an integer from 1 to 500"),
            ("limit=%2B1", "limit must be an integer from 1 to 500"),
            ("limit[]=1", "limit must be written without brackets, not as limit[]"),
            ("cursor=a&cursor=b", "cursor must be given only once"),
            ("cursor=a&from_updatedAt=1", "from_updatedAt must not be given together with cursor"),
            (
                "from_updatedAt=yesterday",
                "from_updatedAt must be a time: milliseconds since 1970 as an integer, or RFC 3339 such as 2023-01-15T10:30:00.000Z",
            ),
        ] {
            assert_eq!(parse(query).unwrap_err().to_string(), sentence, "{query}");
        }
    }
}
