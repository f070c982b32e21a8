//! What a function holds for as long as its instance lives, and how it is made from the environment.

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Credentials, Region};
use std::sync::Arc;
use std::time::Duration;

use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::lambda_runtime::{self, LambdaEvent};
use lambda_http::service_fn;
use tracing_subscriber::EnvFilter;

use crate::api_key::KeyRing;
use crate::call::{Call, serve};
use crate::envelope::Response;
use crate::error::Error;
use crate::listing::{ListConfig, Lists};
use crate::store::Store;

/// Where things are, and how much of them to keep.
#[derive(Clone, Debug)]
pub struct Config {
    /// The name of the table of contacts: `CONTACTS_TABLE`.
    pub contacts_table: String,
    /// The name of the table of API keys: `API_KEYS_TABLE`.
    pub api_keys_table: String,
    /// How lists are kept.
    pub list: ListConfig,
}

/// The environment does not say what a function needs to know.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A variable is missing.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// A variable has no sense.
    #[error("the environment variable {0} must be a whole number")]
    NotANumber(&'static str),
}

impl Config {
    /// The configuration in the environment.
    ///
    /// # Errors
    ///
    /// [`StartError`] about the first variable that is missing or has no sense.
    pub fn from_env() -> Result<Self, StartError> {
        let required = |name| std::env::var(name).map_err(|_| StartError::Missing(name));
        Ok(Self {
            contacts_table: required("CONTACTS_TABLE")?,
            api_keys_table: required("API_KEYS_TABLE")?,
            list: ListConfig::from_env()?,
        })
    }
}

/// A function's state between calls.
#[derive(Debug)]
pub struct App {
    /// The contacts.
    pub store: Store,
    /// The API keys.
    pub keys: KeyRing,
    /// The lists of contacts.
    pub lists: Lists,
}

impl App {
    /// The app over the tables of `config`, reached through `client`.
    pub fn new(config: Config, client: Client) -> Self {
        let store = Store::new(client.clone(), config.contacts_table);
        Self { keys: KeyRing::new(client, config.api_keys_table), lists: Lists::new(store.clone(), config.list), store }
    }
}

/// Starts a function: log, state, and then the Lambda runtime with every request going to `handler`.
///
/// # Errors
///
/// When the environment lacks something, or the Lambda runtime's interface does not answer.
pub async fn run<H, F>(handler: H) -> Result<(), lambda_http::Error>
where
    H: Fn(Arc<App>, Call) -> F + Copy + Send,
    F: Future<Output = Result<Response, Error>> + Send,
{
    tracing_subscriber::fmt().json().with_env_filter(log_filter("info")).without_time().with_current_span(true).init();
    let app = Arc::new(App::new(Config::from_env()?, aws_client().await));
    let app = &app;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<ApiGatewayV2httpRequest>| async move {
        Ok::<_, std::convert::Infallible>(serve(app, event.payload, handler).await)
    }))
    .await
}

/// What is logged: `RUST_LOG`, or else `default`. The HTTP and AWS crates log bodies and keys below the level of a warning, so
/// they stay there whatever `RUST_LOG` says.
pub fn log_filter(default: &str) -> EnvFilter {
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let filter =
        EnvFilter::try_new(if wanted.is_empty() { default } else { &wanted }).unwrap_or_else(|_| EnvFilter::new(default));
    [
        "aws_config",
        "aws_runtime",
        "aws_sdk_dynamodb",
        "aws_smithy_http_client",
        "aws_smithy_runtime",
        "aws_smithy_runtime_api",
        "dynoxide",
        "h2",
        "hyper",
        "hyper_util",
        "lambda_runtime",
        "rustls",
    ]
    .into_iter()
    .filter_map(|name| format!("{name}=warn").parse().ok())
    .fold(filter, EnvFilter::add_directive)
}

/// DynamoDB as the environment configures it: in a function, that of its region.
pub async fn aws_client() -> Client {
    let config = aws_config::defaults(BehaviorVersion::latest()).retry_config(retries()).timeout_config(timeouts()).load().await;
    Client::new(&config)
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
        .timeout_config(timeouts())
        .build();
    Client::from_conf(config)
}

/// Three tries, the second within a second: what lasts longer is the client's `Retry-After`.
fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(3)
}

/// Bounds within which a function still answers 503 itself, before Lambda ends it. No write happens later than the overlap of a
/// refresh after the moment that it is stamped with, tries and all.
fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(3))
        .operation_timeout(Duration::from_millis(4_500))
        .build()
}
