//! What a function holds for as long as its instance lives, and how it is made from the environment.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Builder, Credentials, Region};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::http::Uri;
use lambda_http::lambda_runtime::{self, LambdaEvent};
use lambda_http::service_fn;
use tracing_subscriber::EnvFilter;

use crate::api_key::KeyRing;
use crate::call::{Call, serve};
use crate::connections::Connections;
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
    /// A variable is missing or empty.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// A variable is not a valid number.
    #[error("the environment variable {0} must be a whole number")]
    NotANumber(&'static str),
    /// A variable is not a valid endpoint.
    #[error("the environment variable {0} must be an http or https URL, or empty for the endpoint of the region")]
    NotAnEndpoint(&'static str),
}

impl Config {
    /// The configuration in the environment.
    ///
    /// # Errors
    ///
    /// [`StartError`] about the first variable that is missing or not valid.
    pub fn from_env() -> Result<Self, StartError> {
        let required = |name| std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or(StartError::Missing(name));
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

/// Runs a function for as long as its instance lives: every event goes to `handler`. Returns early, with a sentence in the log, when
/// the environment lacks something or the Lambda runtime's interface does not answer.
pub async fn run<H, F>(handler: H) -> ExitCode
where
    H: Fn(Arc<App>, Call) -> F + Copy + Send,
    F: Future<Output = Result<Response, Error>> + Send,
{
    tracing_subscriber::fmt().json().with_env_filter(log_filter("info")).without_time().with_current_span(true).init();
    let connections = Connections::default();
    let app = match start(&connections).await {
        Ok(app) => Arc::new(app),
        Err(error) => {
            tracing::error!("The function cannot start: {error}.");
            return ExitCode::FAILURE;
        }
    };
    let (app, connections) = (&app, &connections);
    let service = service_fn(move |event: LambdaEvent<ApiGatewayV2httpRequest>| async move {
        connections.call_begins();
        Ok::<_, std::convert::Infallible>(serve(app, event.payload, handler).await)
    });
    match lambda_runtime::run(service).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("The function cannot go on: {error}.");
            ExitCode::FAILURE
        }
    }
}

/// A function's state, made from its environment.
async fn start(connections: &Connections) -> Result<App, StartError> {
    let config = Config::from_env()?;
    check_endpoint(DYNAMODB_ENDPOINT)?;
    let dynamodb = dynamodb_config(&aws_config().await).http_client(connections.http_client()).build();
    Ok(App::new(config, Client::from_conf(dynamodb)))
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

/// The variable with which the SDK and we can be pointed at another DynamoDB.
const DYNAMODB_ENDPOINT: &str = "AWS_ENDPOINT_URL_DYNAMODB";

/// Refuses an endpoint with which every request would fail.
fn check_endpoint(variable: &'static str) -> Result<(), StartError> {
    let endpoint = std::env::var(variable).unwrap_or_default();
    let is_url = |uri: Uri| uri.host().is_some() && matches!(uri.scheme_str(), Some("http" | "https"));
    if endpoint.is_empty() || endpoint.parse().is_ok_and(is_url) { Ok(()) } else { Err(StartError::NotAnEndpoint(variable)) }
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
