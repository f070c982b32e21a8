//! Conditional requests: entity tags in `If-Match` and `If-None-Match`, as RFC 9110, section 13.1, has them.

#[cfg(feature = "openapi")]
pub(crate) mod openapi;

use lambda_http::http::HeaderMap;
use lambda_http::http::header::{AsHeaderName, IF_MATCH, IF_NONE_MATCH};

use crate::error::Error;
use crate::store::Precondition;

/// The most entity tags in `If-Match`: DynamoDB compares with at most 100 values at a time.
const MAXIMUM_TAGS: usize = 100;

/// What `If-Match` asks of the contact. A tag that is weak, or not a version, matches none.
///
/// # Errors
///
/// [`Error::InvalidParameter`] when the header is neither `*` nor a list of at most 100 entity tags.
pub fn if_match(headers: &HeaderMap) -> Result<Precondition, Error> {
    let Some(value) = joined(headers, IF_MATCH) else { return Ok(Precondition::None) };
    precondition(&value).ok_or_else(|| Error::invalid_parameter("If-Match", PRECONDITION_RULE))
}

/// What [`precondition`] takes.
pub(crate) const PRECONDITION_RULE: &str = "must be * or at most 100 versions in quotes, such as \"3\"";

/// What `If-Match` with this value asks of the contact; nothing when it is neither `*` nor a list of at most 100 entity tags.
pub(crate) fn precondition(value: &str) -> Option<Precondition> {
    if value.trim() == "*" {
        // Every contact matches, and one that does not exist is a 404 in any case.
        return Some(Precondition::None);
    }
    let tags = entity_tags(value).filter(|tags| tags.len() <= MAXIMUM_TAGS)?;
    Some(Precondition::Versions(tags.iter().filter(|tag| !tag.weak).filter_map(EntityTag::version).collect()))
}

/// What `If-Match` asks of a contact that must be there; nothing when the header was not sent.
///
/// # Errors
///
/// Those of [`if_match`].
pub fn if_match_if_sent(headers: &HeaderMap) -> Result<Option<Precondition>, Error> {
    let precondition = if_match(headers)?;
    Ok(headers.contains_key(IF_MATCH).then_some(precondition))
}

/// Whether `If-None-Match` names `version`. A header that is not a list of entity tags names nothing.
pub fn if_none_match(headers: &HeaderMap, version: u64) -> bool {
    let Some(value) = joined(headers, IF_NONE_MATCH) else { return false };
    let tags = entity_tags(&value).unwrap_or_default();
    value.trim() == "*" || tags.iter().any(|tag| tag.version() == Some(version))
}

fn joined(headers: &HeaderMap, name: impl AsHeaderName) -> Option<String> {
    let values: Vec<_> = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    (!values.is_empty()).then(|| values.join(","))
}

#[derive(Debug, PartialEq)]
struct EntityTag<'a> {
    weak: bool,
    opaque: &'a str,
}

impl EntityTag<'_> {
    /// The version that the tag stands for, if it could be of this API.
    fn version(&self) -> Option<u64> {
        self.opaque.parse().ok().filter(|version: &u64| version.to_string() == self.opaque)
    }
}

/// The tags of `"1", W/"2"`, at least one; nothing when the text is not such a list. Elements of the list can be empty:
/// <https://www.rfc-editor.org/rfc/rfc9110#section-5.6.1.2>.
fn entity_tags(list: &str) -> Option<Vec<EntityTag<'_>>> {
    let separators = |text: &str| text.len() - text.trim_start_matches([' ', '\t', ',']).len();
    let mut tags = Vec::new();
    let mut rest = &list[separators(list)..];
    while !rest.is_empty() {
        let weak = rest.starts_with("W/");
        let quoted = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"')?;
        let (opaque, after) = quoted.split_once('"')?;
        tags.push(EntityTag { weak, opaque });
        rest = &after[separators(after)..];
        let separated = after[..separators(after)].contains(',');
        if !separated && !rest.is_empty() {
            return None;
        }
    }
    (!tags.is_empty()).then_some(tags)
}

#[cfg(test)]
mod tests {
    use lambda_http::http::HeaderValue;

    use super::*;

    fn precondition(value: &'static str) -> Result<Precondition, Error> {
        if_match(&HeaderMap::from_iter([(IF_MATCH, HeaderValue::from_static(value))]))
    }

    #[test]
    fn if_match_takes_versions_in_quotes() {
        assert_eq!(if_match(&HeaderMap::new()).unwrap(), Precondition::None);
        assert_eq!(precondition("*").unwrap(), Precondition::None);
        assert_eq!(precondition("\"3\"").unwrap(), Precondition::Versions(vec![3]));
        assert_eq!(precondition("\"3\" ,\"4\"").unwrap(), Precondition::Versions(vec![3, 4]));
        assert_eq!(precondition(" ,\"3\",, \t,\"4\" , ").unwrap(), Precondition::Versions(vec![3, 4]));
    }

    #[test]
    fn a_weak_or_foreign_tag_matches_no_version() {
        assert_eq!(precondition("W/\"3\", \"abc\", \"03\", \"+3\", \"\"").unwrap(), Precondition::Versions(vec![]));
    }

    #[test]
    fn if_match_that_is_no_list_of_tags_is_refused() {
        for value in ["", " ", ",", ", ,", "3", "\"3", "\"3\" \"4\"", "\"3\"\"4\"", "\"3\",x", "\"3\",*", "w/\"3\""] {
            let refusal = precondition(value).unwrap_err().to_string();
            assert_eq!(refusal, "If-Match must be * or at most 100 versions in quotes, such as \"3\"", "{value}");
        }
    }

    #[test]
    fn if_none_match_compares_weakly() {
        let named = |value| if_none_match(&HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_static(value))]), 3);

        assert!(named("\"3\"") && named("W/\"3\"") && named("\"1\", \"3\"") && named("*"));
        assert!(!named("\"4\"") && !named("3") && !named(""));
    }
}
