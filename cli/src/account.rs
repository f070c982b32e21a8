//! The AWS account that this shell is signed in to.
//!
//! Whoever administers keys uses what the AWS CLI uses: environment variables, `aws sso login`, `aws login`, a profile with a
//! `credential_process`, a role. What is missing is reported before the first request, which would fail with the SDK's wording.

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::ProvideCredentials as _;
use shared::aws;

use crate::tables::causes;

/// What the SDK says before each cause.
const LOADING: &str = "an error occurred while loading credentials: ";

/// Why no account can be used. Each message is one sentence without its full stop.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Nothing says where the tables are.
    #[error("no AWS region is configured: set AWS_REGION, or set AWS_PROFILE to a profile with a region")]
    NoRegion,
    /// Nobody is signed in.
    #[error(
        "there are no valid AWS credentials: sign in, for example with `aws sso login` or `aws login`, or set AWS_PROFILE to another \
         profile ({0})"
    )]
    NoCredentials(String),
}

/// A client of the account's DynamoDB.
///
/// # Errors
/// When region or credentials are missing.
pub async fn client() -> Result<Client, AccountError> {
    let config = aws::aws_config().await;
    if config.region().is_none_or(|region| region.as_ref().is_empty()) {
        return Err(AccountError::NoRegion);
    }
    let none = || AccountError::NoCredentials("none were found".to_owned());
    let found = config.credentials_provider().ok_or_else(none)?.provide_credentials().await;
    found.map_err(|error| match error {
        // The SDK lists every source of credentials and what was wrong with it.
        CredentialsError::CredentialsNotLoaded(_) => none(),
        error => AccountError::NoCredentials(causes(&error).trim_start_matches(LOADING).to_owned()),
    })?;
    Ok(aws::client(&config))
}
