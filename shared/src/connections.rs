//! A function's connections to DynamoDB, across the times that its instance is frozen.
//!
//! Lambda freezes an instance as soon as its answer is out. While it is frozen, what lies between it and DynamoDB forgets connections,
//! and nothing tells the instance: a request on such a connection goes nowhere, and only a time-out ends it. The HTTP client keeps its
//! idle connections regardless, so one dead connection after the other would be tried.
//!
//! Three rules end that:
//! - When a call begins and nothing has been received for [`IDLE`], all connections are dropped. The call opens new ones.
//! - Otherwise they are in doubt for as long as the call lasts. A read that has no answer after [`PATIENCE`] drops them all and is sent
//!   again on a new one; the first answer of the two counts. A write is never sent twice from here: its tries are the store's. It opens a
//!   new connection when nothing has been received for [`QUIET`].
//! - A request that fails, or that is given up, takes all connections with it that are as old as its own. So no retry, of a read or a
//!   write, meets another dead one.

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connection::CaptureSmithyConnection;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_types::config_bag::ConfigBag;
use futures::future::{Either, select};
use tokio::time::timeout;

/// How long connections may be silent between two calls before they are dropped. Well below the minute or more after which servers
/// and address translation forget them, and long enough that a function in use keeps them.
pub const IDLE: Duration = Duration::from_secs(10);

/// How long a read waits for the head of its answer on a connection that is in doubt. A healthy DynamoDB answers within a few tens of
/// milliseconds, so hardly any request is sent twice.
pub const PATIENCE: Duration = Duration::from_millis(200);

/// After so long a silence a write opens a new connection: a handshake costs it less than the time-out of a dead one.
pub const QUIET: Duration = Duration::from_secs(1);

/// The operations that may be sent twice because they change nothing.
const READS: [&str; 4] = ["BatchGetItem", "GetItem", "Query", "TransactGetItems"];

/// The connections of one function's instance.
#[derive(Clone, Debug)]
pub struct Connections(Arc<Shared>);

impl Default for Connections {
    /// No connections yet; those to come use TLS where the endpoint does.
    fn default() -> Self {
        Connections::new(|| {
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https()
        })
    }
}

impl Connections {
    /// No connections yet; `client` makes the HTTP client that opens and pools them.
    fn new(client: impl Fn() -> SharedHttpClient + Send + Sync + 'static) -> Self {
        let pool = Pool { client: client(), generation: 0, in_doubt: false, heard: Moment::now() };
        Connections(Arc::new(Shared { new_client: Box::new(client), pool: Mutex::new(pool) }))
    }

    /// Takes note that a call begins, before which the instance may have been frozen.
    pub fn call_begins(&self) {
        self.call_begins_at(Moment::now());
    }

    fn call_begins_at(&self, now: Moment) {
        let mut pool = self.0.pool();
        if now.since(pool.heard) > IDLE {
            self.0.renew(&mut pool);
        } else {
            pool.in_doubt = true;
        }
    }

    /// The HTTP client of these connections.
    pub fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(self.clone())
    }
}

/// What every request of an instance shares.
struct Shared {
    new_client: Box<dyn Fn() -> SharedHttpClient + Send + Sync>,
    pool: Mutex<Pool>,
}

/// Connections that live and die together.
#[derive(Clone, Debug)]
struct Pool {
    client: SharedHttpClient,
    /// Counts the pools of this instance, so that a failure on an old one does not end its successor.
    generation: u64,
    /// There are connections from before the call that is being answered.
    in_doubt: bool,
    /// When something was last received.
    heard: Moment,
}

impl Shared {
    /// A pool is replaced as a whole, so a panic leaves it as it was.
    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops the connections.
    fn renew(&self, pool: &mut Pool) {
        *pool = Pool { client: (self.new_client)(), generation: pool.generation + 1, in_doubt: false, heard: Moment::now() };
    }

    /// Drops the connections of that generation, unless that was done before.
    fn renew_after(&self, generation: u64) {
        let mut pool = self.pool();
        if pool.generation == generation {
            tracing::debug!(generation, "connections to DynamoDB are dropped");
            self.renew(&mut pool);
        }
    }

    fn heard(&self, generation: u64) {
        let mut pool = self.pool();
        if pool.generation == generation {
            pool.heard = Moment::now();
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").field("pool", &self.pool).finish_non_exhaustive()
    }
}

/// A moment on both clocks. The monotonic one may stand still while an instance is frozen, the other one can be set back.
#[derive(Clone, Copy, Debug)]
struct Moment(Instant, SystemTime);

impl Moment {
    fn now() -> Moment {
        Moment(Instant::now(), SystemTime::now())
    }

    /// The time since an earlier moment, by the clock that shows more.
    fn since(self, earlier: Moment) -> Duration {
        let by_date = self.1.duration_since(earlier.1).unwrap_or_default();
        by_date.max(self.0.saturating_duration_since(earlier.0))
    }
}

impl HttpClient for Connections {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let (shared, settings, components) = (Arc::clone(&self.0), settings.clone(), components.clone());
        SharedHttpConnector::new(Connector { shared, settings, components })
    }

    fn validate_base_client_config(&self, components: &RuntimeComponentsBuilder, config: &ConfigBag) -> Result<(), BoxError> {
        self.0.pool().client.validate_base_client_config(components, config)
    }

    fn validate_final_config(&self, components: &RuntimeComponents, config: &ConfigBag) -> Result<(), BoxError> {
        self.0.pool().client.validate_final_config(components, config)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.pool().client.connector_metadata()
    }
}

/// Sends one request.
#[derive(Clone, Debug)]
struct Connector {
    shared: Arc<Shared>,
    settings: HttpConnectorSettings,
    components: RuntimeComponents,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let is_read = is_read(&request);
        let pool = {
            let mut pool = self.shared.pool();
            // A write cannot be sent twice, so it is not sent on a connection that may be dead.
            if pool.in_doubt && !is_read && Moment::now().since(pool.heard) > QUIET {
                self.shared.renew(&mut pool);
            }
            pool.clone()
        };
        let again = if pool.in_doubt && is_read { copy(&request) } else { None };
        let (first, connector) = (self.send(&pool, request), self.clone());
        HttpConnectorFuture::new(async move {
            match again {
                Some(again) => connector.insist(pool.generation, first, again).await,
                None => first.await,
            }
        })
    }
}

impl Connector {
    /// Sends a request on the connections of `pool`, and drops them all when no answer comes of it.
    fn send(
        &self,
        pool: &Pool,
        request: HttpRequest,
    ) -> impl Future<Output = Result<HttpResponse, ConnectorError>> + Send + use<> {
        let under_way = UnderWay { shared: Arc::clone(&self.shared), generation: pool.generation };
        let answer = pool.client.http_connector(&self.settings, &self.components).call(request);
        async move {
            let answer = answer.await;
            match &answer {
                Ok(_) => under_way.answered(),
                Err(error) if error.is_user() => under_way.says_nothing(),
                Err(_) => drop(under_way),
            }
            answer
        }
    }

    /// Awaits the answer to a read and, when that takes long or fails, to the same read on a new connection.
    async fn insist(
        self,
        generation: u64,
        first: impl Future<Output = Result<HttpResponse, ConnectorError>> + Send,
        again: HttpRequest,
    ) -> Result<HttpResponse, ConnectorError> {
        let mut first = pin!(first);
        let failed = match timeout(PATIENCE, &mut first).await {
            Ok(Err(error)) if !error.is_user() => true,
            Ok(answer) => return answer,
            Err(_) => false,
        };
        self.shared.renew_after(generation);
        let pool = self.shared.pool().clone();
        let second = self.send(&pool, again);
        if failed {
            return second.await;
        }
        // A database that is slow, and not out of reach, answers the first one all the same.
        match select(first, pin!(second)).await {
            Either::Left((Ok(answer), _)) | Either::Right((Ok(answer), _)) => Ok(answer),
            Either::Left((Err(_), second)) => second.await,
            Either::Right((Err(_), first)) => first.await,
        }
    }
}

/// A request whose answer is awaited. Dropped without one, because it failed or was given up, it drops the connections.
struct UnderWay {
    shared: Arc<Shared>,
    generation: u64,
}

impl UnderWay {
    fn answered(self) {
        self.shared.heard(self.generation);
        self.says_nothing();
    }

    /// What became of the request says nothing about the connections.
    fn says_nothing(mut self) {
        // No pool has this number.
        self.generation = u64::MAX;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.shared.renew_after(self.generation);
    }
}

/// Whether a request changes nothing.
fn is_read(request: &HttpRequest) -> bool {
    let operation = request.headers().get("x-amz-target").and_then(|target| target.rsplit('.').next());
    operation.is_some_and(|operation| READS.contains(&operation))
}

/// A request with the same bytes, if its body can be had again.
fn copy(request: &HttpRequest) -> Option<HttpRequest> {
    let mut copy = request.try_clone()?;
    if let Some(capture) = request.extension::<CaptureSmithyConnection>() {
        copy.add_extension(capture.clone());
    }
    Some(copy)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use aws_config::retry::RetryConfig;
    use aws_config::timeout::TimeoutConfig;
    use aws_sdk_dynamodb::Client;
    use aws_sdk_dynamodb::types::AttributeValue;
    use futures::future::join_all;
    use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::aws::local_client;

    /// A DynamoDB that answers everything with `{}`, until what it has accepted goes silent.
    #[derive(Default)]
    struct Database {
        silent: Mutex<Vec<Arc<AtomicBool>>>,
        /// Each request: its operation, the SDK's count of attempts, and whether it was answered.
        seen: Mutex<Vec<(String, String, bool)>>,
    }

    impl Database {
        async fn start() -> (Arc<Database>, String) {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let endpoint = format!("http://{}", listener.local_addr().unwrap());
            let database = Arc::new(Database::default());
            let shared = Arc::clone(&database);
            tokio::spawn(async move {
                while let Ok((connection, _)) = listener.accept().await {
                    let silent = Arc::new(AtomicBool::new(false));
                    shared.silent.lock().unwrap().push(Arc::clone(&silent));
                    tokio::spawn(Arc::clone(&shared).answer(connection, silent));
                }
            });
            (database, endpoint)
        }

        async fn answer(self: Arc<Self>, connection: TcpStream, silent: Arc<AtomicBool>) -> std::io::Result<()> {
            let mut connection = BufReader::new(connection);
            loop {
                let (mut operation, mut attempt, mut length) = (String::new(), String::new(), 0);
                loop {
                    let mut line = String::new();
                    if connection.read_line(&mut line).await? == 0 {
                        return Ok(());
                    }
                    let Some((name, value)) = line.trim_end().split_once(": ") else {
                        if line == "\r\n" {
                            break;
                        } else {
                            continue;
                        };
                    };
                    match name.to_ascii_lowercase().as_str() {
                        "x-amz-target" => operation = value.rsplit('.').next().unwrap().to_owned(),
                        "amz-sdk-request" => attempt = value.to_owned(),
                        "content-length" => length = value.parse().unwrap(),
                        _ => {}
                    }
                }
                connection.read_exact(&mut vec![0; length]).await?;
                let answers = !silent.load(Ordering::SeqCst);
                self.seen.lock().unwrap().push((operation, attempt, answers));
                if answers {
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: 2\r\n\r\n{}";
                    connection.write_all(answer).await?;
                }
            }
        }

        /// From now on the connections that are open swallow what they get.
        fn silence(&self) {
            self.silent.lock().unwrap().iter().for_each(|silent| silent.store(true, Ordering::SeqCst));
            self.seen.lock().unwrap().clear();
        }

        /// The requests since then, as `operation attempt answered`.
        fn seen(&self) -> Vec<String> {
            let seen = self.seen.lock().unwrap();
            seen.iter().map(|(operation, attempt, answered)| format!("{operation} {attempt} {answered}")).collect()
        }
    }

    /// A client with connections of its own, whose attempts take at most this long.
    fn client(endpoint: &str, attempt: Duration) -> (Connections, Client) {
        let connections = Connections::new(|| aws_smithy_http_client::Builder::new().build_http());
        let config = local_client(endpoint).config().to_builder();
        let config = config
            .http_client(connections.http_client())
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(attempt).build())
            .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(1)));
        (connections, Client::from_conf(config.build()))
    }

    async fn read(client: &Client) {
        client.get_item().table_name("t").key("k", AttributeValue::S("v".into())).send().await.unwrap();
    }

    async fn write(client: &Client) {
        client.put_item().table_name("t").item("k", AttributeValue::S("v".into())).send().await.unwrap();
    }

    /// Longer than anything takes here.
    const LONG: Duration = Duration::from_secs(600);

    /// Longer than an answer takes.
    const ENOUGH: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn a_read_after_a_freeze_is_answered_by_a_new_connection_without_a_second_attempt() {
        let (database, endpoint) = Database::start().await;
        let (connections, client) = client(&endpoint, LONG);
        join_all([read(&client), read(&client), read(&client)]).await;
        database.silence();

        connections.call_begins();
        read(&client).await;
        read(&client).await;
        write(&client).await;

        assert_eq!(
            database.seen(),
            [
                "GetItem attempt=1; max=3 false",
                "GetItem attempt=1; max=3 true",
                "GetItem attempt=1; max=3 true",
                "PutItem attempt=1; max=3 true"
            ]
        );
    }

    #[tokio::test]
    async fn a_write_that_meets_a_dead_connection_meets_no_second_one() {
        let (database, endpoint) = Database::start().await;
        let (connections, client) = client(&endpoint, ENOUGH);
        join_all([read(&client), read(&client), read(&client)]).await;
        database.silence();

        connections.call_begins();
        write(&client).await;

        let seen = database.seen();
        assert_eq!(seen[0], "PutItem attempt=1; max=3 false");
        assert!(seen[1..].iter().all(|seen| seen.ends_with("true")), "{seen:?}");
    }

    #[tokio::test]
    async fn a_write_after_a_silence_opens_a_new_connection() {
        let (database, endpoint) = Database::start().await;
        let (connections, client) = client(&endpoint, LONG);
        join_all([read(&client), read(&client)]).await;
        database.silence();
        let heard = connections.0.pool().heard;
        connections.0.pool().heard = Moment(heard.0, heard.1 - 2 * QUIET);

        connections.call_begins();
        write(&client).await;
        write(&client).await;

        assert_eq!(database.seen(), ["PutItem attempt=1; max=3 true", "PutItem attempt=1; max=3 true"]);
    }

    #[tokio::test]
    async fn a_read_is_sent_once_while_its_connection_is_in_no_doubt() {
        let (database, endpoint) = Database::start().await;
        let (_, client) = client(&endpoint, ENOUGH);
        read(&client).await;
        database.silence();

        read(&client).await;

        let seen = database.seen();
        assert_eq!(seen[..2], ["GetItem attempt=1; max=3 false", "GetItem attempt=2; max=3 true"]);
    }

    #[tokio::test]
    async fn connections_that_were_idle_for_long_are_dropped_when_a_call_begins() {
        let (database, endpoint) = Database::start().await;
        for later in [
            |now: Moment| Moment(now.0 + 2 * IDLE, now.1),
            // The monotonic clock stood still.
            |now: Moment| Moment(now.0, now.1 + 2 * IDLE),
        ] {
            let (connections, client) = client(&endpoint, LONG);
            join_all([read(&client), read(&client)]).await;
            database.silence();

            connections.call_begins_at(later(Moment::now()));
            write(&client).await;

            assert_eq!(database.seen(), ["PutItem attempt=1; max=3 true"]);
        }
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_does_no_harm() {
        let (database, endpoint) = Database::start().await;
        let (connections, client) = client(&endpoint, LONG);
        read(&client).await;
        let now = Moment::now();

        connections.call_begins_at(Moment(now.0, now.1 - 2 * IDLE));
        read(&client).await;

        assert_eq!(database.silent.lock().unwrap().len(), 1, "the connection is kept");
    }
}
