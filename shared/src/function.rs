//! A function: what it holds for as long as its instance lives, and its run under the Lambda runtime.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime};

use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::lambda_runtime::{self, Context, LambdaEvent};
use lambda_http::service_fn;
use serde_json::Value;
use tokio::time::timeout;

use crate::api_key::KeyRing;
use crate::aws::{self, Aws};
use crate::bounds::CONNECT;
use crate::call::{Call, WAS_CALLED, serve};
use crate::clock;
use crate::connections::Connections;
use crate::envelope::Response;
use crate::environment::{StartError, optional, required};
use crate::error::{Error, Source, causes};
use crate::listing::{ListConfig, Lists};
use crate::log::log_as_function;
use crate::meter::Meter;
use crate::metrics::Answered;
use crate::objects::{Objects, S3};
use crate::snapshots::Snapshots;
use crate::store::Store;

/// What a function's handler works with, made once from the environment. Clones are the same state.
pub trait State: Clone + Send + Sync + 'static {
    /// The state of a function that reaches AWS through `aws`.
    ///
    /// # Errors
    ///
    /// [`StartError`] about the first variable that is missing or not valid.
    fn from_environment(aws: &Aws) -> Result<Self, StartError>;

    /// Opens the connections that a first call needs besides those to DynamoDB. What fails then, the call tries again.
    fn connect(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

impl State for Store {
    fn from_environment(aws: &Aws) -> Result<Self, StartError> {
        let store = Self::new(aws.client.clone(), required("CONTACTS_TABLE")?);
        Ok(match optional("CHANGE_LOG_INDEX") {
            Some(index) => store.with_change_log_index(index),
            None => store,
        })
    }
}

impl State for Arc<Lists> {
    fn from_environment(aws: &Aws) -> Result<Self, StartError> {
        let lists = Lists::new(Store::from_environment(aws)?, ListConfig::from_env()?);
        // Without a bucket there are no snapshots, as in a stack that was deployed before there were any.
        let is_off = std::env::var("LIST_SNAPSHOTS").is_ok_and(|value| value == "off");
        let has_bucket = std::env::var(BUCKET).is_ok_and(|bucket| !bucket.is_empty());
        Ok(Self::new(if has_bucket && !is_off { lists.with_snapshots(bucket(aws)?) } else { lists }))
    }

    async fn connect(&self) {
        Lists::connect(self).await;
    }
}

impl State for Arc<Snapshots> {
    fn from_environment(aws: &Aws) -> Result<Self, StartError> {
        let snapshots = Snapshots::new(Store::from_environment(aws)?, bucket(aws)?, ListConfig::from_env()?);
        Ok(Self::new(snapshots.configured()?))
    }

    async fn connect(&self) {
        Snapshots::connect(self).await;
    }
}

/// The variable with the name of the bucket of snapshots.
const BUCKET: &str = "SNAPSHOTS_BUCKET";

fn bucket(aws: &Aws) -> Result<Objects, StartError> {
    let bucket = S3::bucket(&aws.config, &required(BUCKET)?).map_err(|error| StartError::Objects(error.to_string()))?;
    Ok(Objects::in_s3(bucket))
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
        Err(error) => return cannot_start(&error),
    };
    // In the init phase a function has a whole processor, whatever its memory, and nobody waits yet.
    let connecting = async { futures::join!(keys.connect(), state.connect()) };
    let _is_late = timeout(CONNECT, connecting).await.is_err();
    let (keys, state, connections) = (&keys, &state, &connections);
    let service = service_fn(move |event: LambdaEvent<ApiGatewayV2httpRequest>| async move {
        connections.call_begins();
        let deadline = deadline(&event.context);
        Ok::<_, std::convert::Infallible>(serve(keys, state.clone(), event.payload, deadline, handler).await)
    });
    finish(lambda_runtime::run(service).await)
}

/// An event of a function that is not a call of the API.
#[derive(Clone, Debug)]
pub struct Job {
    /// The event.
    pub event: Value,
    /// When the function must have answered.
    pub deadline: Instant,
    /// What it costs.
    pub meter: Meter,
}

/// Runs a function that nobody calls, for as long as its instance lives: every event goes to `handler`. An error makes Lambda send the event again.
pub async fn run_job<S, H, F>(handler: H) -> ExitCode
where
    S: State,
    H: Fn(S, Job) -> F + Copy + Send,
    F: Future<Output = Result<Value, Error>> + Send,
{
    log_as_function();
    let connections = Connections::default();
    let state = async {
        let aws = aws::for_function(&connections).await?;
        S::from_environment(&aws)
    };
    let state = match state.await {
        Ok(state) => state,
        Err(error) => return cannot_start(&error),
    };
    let (state, connections) = (&state, &connections);
    let service = service_fn(move |event: LambdaEvent<Value>| async move {
        connections.call_begins();
        let LambdaEvent { payload, context } = event;
        let job = Job { event: payload, deadline: deadline(&context), meter: Meter::default() };
        do_job(state.clone(), job, &context, handler).await.map_err(Source::from)
    });
    finish(lambda_runtime::run(service).await)
}

async fn do_job<S, H, F>(state: S, job: Job, context: &Context, handler: H) -> Result<Value, Error>
where
    H: Fn(S, Job) -> F,
    F: Future<Output = Result<Value, Error>>,
{
    let (start, meter) = (Instant::now(), job.meter.clone());
    let result = handler(state, job).await;
    if let Err(error) = &result {
        tracing::error!(request = context.request_id, causes = causes(error), "an event could not be handled");
    }
    let answered = Answered {
        now: clock::now(),
        request: &context.request_id,
        route: &context.env_config.function_name,
        tenant: None,
        contact: None,
        status: if result.is_ok() { 200 } else { 500 },
        total: start.elapsed(),
        is_cold: !WAS_CALLED.swap(true, Ordering::Relaxed),
        readings: &meter.readings(),
    };
    answered.log();
    result
}

fn deadline(context: &Context) -> Instant {
    Instant::now() + context.deadline().duration_since(SystemTime::now()).unwrap_or_default()
}

fn cannot_start(error: &StartError) -> ExitCode {
    tracing::error!("The function cannot start: {error}.");
    ExitCode::FAILURE
}

fn finish(ended: Result<(), lambda_runtime::Error>) -> ExitCode {
    match ended {
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
    let aws = aws::for_function(connections).await?;
    Ok((KeyRing::new(aws.client.clone(), table), S::from_environment(&aws)?))
}
