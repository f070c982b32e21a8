//! A function: what it holds for as long as its instance lives, and its run under the Lambda runtime.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use aws_sdk_dynamodb::Client;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::lambda_runtime::{self, LambdaEvent};
use lambda_http::service_fn;

use crate::api_key::KeyRing;
use crate::aws;
use crate::call::{Call, serve};
use crate::connections::Connections;
use crate::envelope::Response;
use crate::environment::{StartError, optional, required};
use crate::error::Error;
use crate::listing::{ListConfig, Lists};
use crate::log::log_as_function;
use crate::store::Store;

/// What a function's handler works with, made once from the environment. Clones are the same state.
pub trait State: Clone + Send + Sync + 'static {
    /// The state of a function that reaches DynamoDB through `client`.
    ///
    /// # Errors
    ///
    /// [`StartError`] about the first variable that is missing or not valid.
    fn from_environment(client: &Client) -> Result<Self, StartError>;
}

impl State for Store {
    fn from_environment(client: &Client) -> Result<Self, StartError> {
        let store = Self::new(client.clone(), required("CONTACTS_TABLE")?);
        Ok(match optional("CHANGE_LOG_INDEX") {
            Some(index) => store.with_change_log_index(index),
            None => store,
        })
    }
}

impl State for Arc<Lists> {
    fn from_environment(client: &Client) -> Result<Self, StartError> {
        Ok(Self::new(Lists::new(Store::from_environment(client)?, ListConfig::from_env()?)))
    }
}

/// Runs a function for as long as its instance lives: every event goes to `handler`. Returns early, with a sentence in the log, when
/// the environment lacks something or the Lambda runtime's interface does not answer.
pub async fn run<S, H, F>(handler: H) -> ExitCode
where
    S: State,
    H: Fn(S, Call) -> F + Copy + Send,
    F: Future<Output = Result<Response, Error>> + Send,
{
    log_as_function();
    let connections = Connections::default();
    let (keys, state) = match start::<S>(&connections).await {
        Ok(started) => started,
        Err(error) => {
            tracing::error!("The function cannot start: {error}.");
            return ExitCode::FAILURE;
        }
    };
    let (keys, state, connections) = (&keys, &state, &connections);
    let service = service_fn(move |event: LambdaEvent<ApiGatewayV2httpRequest>| async move {
        connections.call_begins();
        let left = event.context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
        let deadline = Instant::now() + left;
        Ok::<_, std::convert::Infallible>(serve(keys, state.clone(), event.payload, deadline, handler).await)
    });
    match lambda_runtime::run(service).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("The function cannot go on: {error}.");
            ExitCode::FAILURE
        }
    }
}

/// The keys and the state of a function, made from its environment.
async fn start<S: State>(connections: &Connections) -> Result<(KeyRing, S), StartError> {
    let table = required("API_KEYS_TABLE")?;
    let client = aws::function_client(connections).await?;
    Ok((KeyRing::new(client.clone(), table), S::from_environment(&client)?))
}
