//! What can go wrong in a call, by what its caller can do about it. It knows nothing of HTTP: `envelope` gives each case its status
//! and its code.

use std::fmt;

use crate::object_id::ObjectId;

/// Any cause, kept for the log.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// The most characters of a caller's own text that a sentence repeats.
const MAXIMUM_QUOTED: usize = 100;

/// The most names that one refusal has a sentence for: a body can have thousands of members, each of them wrong.
const MAXIMUM_VIOLATIONS: usize = 100;

/// Why a call did not succeed. The text of a case is the sentence that the caller reads.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Parameters or headers break rules.
    #[error("{0}")]
    InvalidParameter(Violations),
    /// Fields of the body break rules.
    #[error("{0}")]
    InvalidField(Violations),
    /// The body is not a JSON object. The text completes the sentence that begins with "The request body".
    #[error("The request body {0}")]
    MalformedJson(String),
    /// The request has neither an `Authorization: Bearer` nor an `api-key` header.
    #[error("Authentication required")]
    Unauthenticated,
    /// The API key is unknown, revoked or expired.
    #[error("Invalid API key")]
    InvalidApiKey,
    /// A body adds or removes a namespace that the caller may not use.
    #[error("company_namespace must not add or remove {:?}, which the API key cannot use", quoted(namespace))]
    NamespaceNotAllowed {
        /// The namespace.
        namespace: String,
    },
    /// No such contact, or none that the caller may see, or an id that is not an ObjectId.
    #[error("Client contact not found")]
    ContactNotFound,
    /// No cursor of the change feed reads like this, or it is another tenant's or that of a key with other namespaces.
    #[error("cursor must be one that this API gave to an API key of the same tenant and namespaces")]
    CursorInvalid,
    /// A cursor, or the moment to begin after, is older than the deletions that the change feed still has.
    #[error(
        "The change feed no longer reaches back so far: start again without cursor and from_updatedAt, and drop what the new pass does not show"
    )]
    CursorExpired,
    /// `If-Match` names another version than the contact has.
    #[error("If-Match names another version than the contact has, which is \"{current}\"")]
    VersionConflict {
        /// The version that the contact has.
        current: u64,
    },
    /// `If-Match` came with an upsert, and no contact has the external id.
    #[error("If-Match wants a contact, and none has this external id")]
    NothingToMatch,
    /// Several contacts that the caller sees have the external id of an upsert.
    #[error("Several contacts have this external id: {}", ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    ExternalIdAmbiguous {
        /// The contacts.
        ids: Vec<ObjectId>,
    },
    /// Contacts that the caller does not see have the external id of an upsert, and none that it sees.
    #[error("The external id belongs to a contact that the API key cannot see")]
    ExternalIdOfOthers,
    /// The body is larger than its call takes.
    #[error("The request body must be at most {}", shown_bytes(*maximum))]
    BodyTooLarge {
        /// The most bytes that the call takes.
        maximum: usize,
    },
    /// The contacts of a page are larger than what a function can answer.
    #[error("per_page must be smaller for this page: its contacts are larger than 6 MB")]
    AnswerTooLarge,
    /// The contacts of an atomic batch are larger than what DynamoDB takes in one transaction.
    #[error("The contacts of an atomic batch must be at most 4 MB together: send fewer operations")]
    TransactionTooLarge,
    /// An operation of an atomic batch was not done, because another one failed.
    #[error("Nothing was changed, because another operation of the batch failed")]
    NotApplied,
    /// An `Idempotency-Key` came with another request before.
    #[error("Idempotency-Key was used for another request in the last 24 hours")]
    IdempotencyKeyReused,
    /// DynamoDB throttles, times out or cannot be reached, after all tries. Nothing was changed.
    #[error("The service is busy, try again in a moment")]
    Unavailable(#[source] Source),
    /// The answer to a write is lost, and it cannot be told whether the change was made, or not what was changed.
    #[error("The change may have been made: read the contact before trying again")]
    OutcomeUnknown(#[source] Source),
    /// A defect.
    #[error("Internal server error")]
    Internal(#[source] Source),
}

/// An error with all that caused it, for the log.
pub fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl Error {
    /// Writes the causes of an error that is not the caller's to the log.
    pub fn log(&self) {
        if let Self::Unavailable(source) | Self::OutcomeUnknown(source) | Self::Internal(source) = self {
            tracing::error!(causes = causes(source.as_ref()), "{self}");
        }
    }

    /// The case of one parameter or header `name` that breaks a rule; `reason` completes the sentence that `name` begins.
    pub fn invalid_parameter(name: impl AsRef<str>, reason: impl Into<String>) -> Self {
        Self::InvalidParameter(Violations::one(name, reason))
    }

    /// The case of one field `name` that breaks a rule; `reason` completes the sentence that `name` begins.
    pub fn invalid_field(name: impl AsRef<str>, reason: impl Into<String>) -> Self {
        Self::InvalidField(Violations::one(name, reason))
    }
}

/// The parameters, headers or fields of a request that break a rule, each with its sentence. It reads as the first of the sentences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations(Vec<Violation>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Violation {
    name: String,
    reason: String,
}

impl Violations {
    fn one(name: impl AsRef<str>, reason: impl Into<String>) -> Self {
        let mut violations = Self::default();
        violations.add(name, reason);
        violations
    }

    /// Adds `name`, about which `reason` completes the sentence. A name that is there already keeps its first sentence, and what is beyond
    /// the hundredth is left out.
    pub fn add(&mut self, name: impl AsRef<str>, reason: impl Into<String>) {
        let name = quoted(name.as_ref());
        if self.0.len() < MAXIMUM_VIOLATIONS && self.0.iter().all(|known| known.name != name) {
            self.0.push(Violation { name, reason: reason.into() });
        }
    }

    /// Adds what is wrong inside the field `name`.
    pub fn add_within(&mut self, name: &str, inner: Self) {
        for violation in inner.0 {
            self.add(format!("{name}.{}", violation.name), violation.reason);
        }
    }

    /// Whether nothing breaks a rule.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses the request if anything was added; `case` is the error that it is refused with.
    ///
    /// # Errors
    ///
    /// What `case` makes of the violations.
    pub fn refuse(self, case: impl FnOnce(Self) -> Error) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(case(self)) }
    }

    /// Each name with its sentence, in the order in which the rules were checked.
    pub fn sentences(&self) -> impl ExactSizeIterator<Item = (&str, String)> {
        self.0.iter().map(|violation| (violation.name.as_str(), violation.to_string()))
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.first().map_or(Ok(()), |violation| violation.fmt(formatter))
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.name, self.reason)
    }
}

/// A bound in bytes as a sentence has it.
fn shown_bytes(bytes: usize) -> String {
    if bytes.is_multiple_of(1 << 20) { format!("{} MB", bytes >> 20) } else { format!("{} KiB", bytes >> 10) }
}

/// A caller's own text as a sentence can repeat it: in one line and not too long.
pub fn quoted(text: &str) -> String {
    if text.is_empty() {
        return "\"\"".to_owned();
    }
    let mut letters = text.chars();
    let mut quoted = String::new();
    for letter in letters.by_ref().take(MAXIMUM_QUOTED) {
        match letter {
            _ if letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}') => quoted.extend(letter.escape_default()),
            _ => quoted.push(letter),
        }
    }
    if letters.next().is_some() {
        quoted.push('…');
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_read_as_the_first_and_keep_one_sentence_a_name() {
        let mut violations = Violations::default();
        assert!(violations.clone().refuse(Error::InvalidField).is_ok());

        violations.add("name", "is required");
        violations.add("title", "must be a string");
        violations.add("name", "must be a string");

        assert_eq!(violations.to_string(), "name is required");
        let mut many = Violations::default();
        (0..1_000).for_each(|number| many.add(number.to_string(), "is wrong"));
        assert_eq!(many.sentences().len(), 100);
        let sentences: Vec<_> = violations.sentences().map(|(name, sentence)| (name.to_owned(), sentence)).collect();
        let expected = [("name", "name is required"), ("title", "title must be a string")];
        assert_eq!(sentences, expected.map(|(name, sentence)| (name.to_owned(), sentence.to_owned())));
    }

    #[test]
    fn what_a_caller_wrote_is_repeated_in_one_short_line() {
        assert_eq!(quoted("جون o'x"), "جون o'x");
        assert_eq!(quoted("a\n\u{2028}\0"), "a\\n\\u{2028}\\u{0}");
        assert_eq!(quoted(&"é".repeat(101)), format!("{}…", "é".repeat(100)));
        assert_eq!(quoted(""), "\"\"");
    }
}
