//! What can go wrong in a call, by what its caller can do about it. It knows nothing of HTTP: `envelope` gives each case its status.

/// Any cause, kept for the log.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a call did not succeed. The text of a case is the sentence that the caller reads.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A parameter, a header or a field of the body breaks a rule.
    #[error("{name} {reason}")]
    Invalid {
        /// The parameter, header or field.
        name: String,
        /// What would be right, as the rest of a sentence that starts with the name.
        reason: String,
    },
    /// The request has neither an `Authorization: Bearer` nor an `api-key` header.
    #[error("Authentication required")]
    Unauthenticated,
    /// The API key is unknown, revoked or expired.
    #[error("Invalid API key")]
    InvalidApiKey,
    /// A body adds or removes a namespace that the caller may not use.
    #[error("company_namespace must not add or remove {namespace:?}, which the API key cannot use")]
    NamespaceNotAllowed {
        /// The namespace.
        namespace: String,
    },
    /// No such contact, or none that the caller may see, or an id that is not an ObjectId.
    #[error("Client contact not found")]
    ContactNotFound,
    /// `If-Match` names another version than the contact has.
    #[error("If-Match names another version than the contact has, which is \"{current}\"")]
    VersionConflict {
        /// The version that the contact has.
        current: u64,
    },
    /// The body is larger than [`crate::body::MAXIMUM_BYTES`].
    #[error("The request body must be at most 256 KiB")]
    BodyTooLarge,
    /// An `Idempotency-Key` came with another body before.
    #[error("Idempotency-Key was used with another request body in the last 24 hours")]
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

impl Error {
    /// The case of a parameter, header or field `name` that breaks a rule; `reason` completes the sentence that `name` begins.
    pub fn invalid(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { name: name.into(), reason: reason.into() }
    }
}
