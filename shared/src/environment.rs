//! What a function reads from its environment when it starts.

use std::str::FromStr;

use lambda_http::http::Uri;

/// The environment does not say what a function needs to know.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A variable is missing or empty.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// A variable is not a valid number.
    #[error("the environment variable {0} must be a whole number")]
    NotANumber(&'static str),
    /// A variable is not a valid endpoint.
    #[error("the environment variable {0} must be an http or https URL, or empty for the endpoint of the region")]
    NotAnEndpoint(&'static str),
    /// The bucket of snapshots cannot be used.
    #[error("the bucket of snapshots cannot be used: {0}")]
    Objects(String),
}

/// The text of a variable.
///
/// # Errors
///
/// [`StartError::Missing`] when it is not set, or empty.
pub fn required(name: &'static str) -> Result<String, StartError> {
    optional(name).ok_or(StartError::Missing(name))
}

/// The text of a variable, if it is set and not empty.
pub fn optional(name: &'static str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The number in a variable, if it is set.
///
/// # Errors
///
/// [`StartError::NotANumber`] when it is not a whole number in the range of `T`.
pub fn number<T: FromStr>(name: &'static str) -> Result<Option<T>, StartError> {
    std::env::var(name).ok().map(|text| text.parse().map_err(|_| StartError::NotANumber(name))).transpose()
}

/// Refuses an endpoint with which every request would fail. An empty one is none.
///
/// # Errors
///
/// [`StartError::NotAnEndpoint`].
pub fn check_endpoint(name: &'static str) -> Result<(), StartError> {
    let endpoint = std::env::var(name).unwrap_or_default();
    let is_url = |uri: Uri| uri.host().is_some() && matches!(uri.scheme_str(), Some("http" | "https"));
    if endpoint.is_empty() || endpoint.parse().is_ok_and(is_url) { Ok(()) } else { Err(StartError::NotAnEndpoint(name)) }
}
