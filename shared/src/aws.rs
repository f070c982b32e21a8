//! Clients of DynamoDB: that of a function's region, that of an operator's account, that of an engine on this machine.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Builder, Credentials, Region};

use crate::connections::Connections;
use crate::environment::{StartError, check_endpoint};

/// The variable with which the SDK and we can be pointed at another DynamoDB.
const DYNAMODB_ENDPOINT: &str = "AWS_ENDPOINT_URL_DYNAMODB";

/// AWS as a function reaches it, DynamoDB over `connections`.
///
/// # Errors
///
/// [`StartError::NotAnEndpoint`] when the environment names one that cannot be.
pub(crate) async fn for_function(connections: &Connections) -> Result<Aws, StartError> {
    check_endpoint(DYNAMODB_ENDPOINT)?;
    let config = aws_config().await;
    let client = Client::from_conf(dynamodb_config(&config).http_client(connections.http_client()).build());
    Ok(Aws { client, config })
}

/// AWS as a function reaches it.
#[derive(Debug)]
pub struct Aws {
    /// DynamoDB.
    pub client: Client,
    /// Region and credentials.
    pub config: SdkConfig,
}

/// The AWS configuration in the environment: in a function that of its role and region, in a shell that of its user.
pub async fn aws_config() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest()).retry_config(retries()).timeout_config(timeouts(ATTEMPT)).load().await
}

/// DynamoDB as the environment configures it.
pub async fn aws_client() -> Client {
    client(&aws_config().await)
}

/// DynamoDB as `config` says.
pub fn client(config: &SdkConfig) -> Client {
    Client::from_conf(dynamodb_config(config).build())
}

/// The same, to be changed further.
fn dynamodb_config(config: &SdkConfig) -> Builder {
    let mut builder = Builder::from(config);
    // The SDK takes an empty variable for an endpoint, and each request then fails.
    if std::env::var(DYNAMODB_ENDPOINT).is_ok_and(|endpoint| endpoint.is_empty()) {
        builder.set_endpoint_url(config.endpoint_url().map(str::to_owned));
    }
    builder
}

/// A DynamoDB engine on this machine or network, without TLS and with credentials that mean nothing.
pub fn local_client(endpoint: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .endpoint_url(endpoint)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(retries())
        .timeout_config(timeouts(LOCAL_ATTEMPT))
        .build();
    Client::from_conf(config)
}

/// How long one attempt may take. DynamoDB answers even a full page within a few hundred milliseconds, so a second attempt is worth
/// more than patience, and two fit into [`OPERATION`].
const ATTEMPT: Duration = Duration::from_millis(1_500);

/// How long one attempt may take on an engine that shares a machine with other work.
const LOCAL_ATTEMPT: Duration = Duration::from_secs(3);

/// How long an operation may take, attempts and all. Within it a function still answers 503 itself, before Lambda ends it. No write
/// happens later than the overlap of a refresh after the moment that it is stamped with.
const OPERATION: Duration = Duration::from_millis(4_500);

/// Three attempts, the second within a second: what lasts longer is the client's `Retry-After`.
fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(3)
}

fn timeouts(attempt: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(attempt)
        .operation_timeout(OPERATION)
        .build()
}
