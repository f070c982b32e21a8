//! The embedded DynamoDB engine.
//!
//! It listens on no TCP port unless it is asked to, because every web page in the user's browser can reach such a port;
//! docs/adr/0013 has the ways that lead to it. The engine answers requests on the thread that asks, in SQLite, under one lock. It
//! therefore gets a thread and a runtime of its own, so that it never holds up the API's. What it has acknowledged survives a
//! crash of the process and a loss of power: SQLite syncs its write-ahead log with every change.

mod changes;
mod folder;
mod operations;
mod transport;
mod wal;

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use dynoxide::Database;
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};
use tokio::time;

pub use self::changes::Changes;
pub use self::folder::Missing;
use self::operations::Operations;
use crate::answer::message;
use crate::guard;
use crate::http_server::{self, Limits, Received};

/// How long a stopping engine waits for requests under way.
const GRACE: Duration = Duration::from_secs(2);

/// How often items that have expired are removed.
const SWEEP: Duration = Duration::from_secs(60);

/// The file in a data folder that names the URL of the engine which has the folder open, when it has one.
const ENDPOINT_FILE: &str = "endpoint";

/// The socket in a data folder by which other processes reach the engine that has the folder open.
const SOCKET_FILE: &str = "engine.sock";

/// DynamoDB takes request bodies of at most 16 MB.
const LIMITS: Limits = Limits::with_body_bytes(16 * 1024 * 1024);

/// Where an engine keeps its tables.
#[derive(Clone, Debug)]
pub enum Storage {
    /// In memory, gone when the engine stops.
    Memory,
    /// In a folder.
    Folder(PathBuf, Missing),
}

/// A running engine. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Engine {
    operations: Operations,
    address: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    stopped: oneshot::Receiver<()>,
}

/// Why an engine did not start. Each message is one sentence.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Another program listens on the port.
    #[error(
        "{address} cannot be used for DynamoDB ({source}): choose another port with --dynamodb-port, 0 for any free port, \
         or another address with --dynamodb-listen."
    )]
    Address {
        /// The address and port that were asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Another engine has the folder open.
    #[error("The data folder {} is in use by another `contacts serve`.", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder cannot be made, read or written.
    #[error("The data folder {} cannot be used: {source}.", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing was ever stored in the folder.
    #[error("There is no database in {}: name the data folder of `contacts serve` with --data.", folder.display())]
    NoDatabase {
        /// The folder.
        folder: PathBuf,
    },
    /// The database in the folder is not sound.
    #[error(
        "The database {} is damaged: restore its folder from a backup, or move the folder away to start with an empty one.",
        file.display()
    )]
    Damaged {
        /// The database.
        file: PathBuf,
    },
    /// The database in the folder cannot be opened.
    #[error("The database {place} cannot be opened: {reason}.")]
    Database {
        /// The file, or `memory`.
        place: String,
        /// What the engine said.
        reason: String,
    },
    /// The system cannot start a thread.
    #[error("The DynamoDB engine cannot be started: {0}.")]
    Thread(#[from] io::Error),
}

impl Engine {
    /// Starts an engine and returns when it answers. With an address, whose port can be 0 for any free port, it also listens
    /// there.
    ///
    /// # Errors
    /// When the address cannot be used, or the folder cannot be used, is damaged or is open in another process.
    pub async fn start(storage: Storage, address: Option<SocketAddr>) -> Result<Engine, EngineError> {
        let (stop, stopping) = watch::channel(false);
        let (ready, started) = oneshot::channel();
        let (done, stopped) = oneshot::channel();
        thread::Builder::new().name("dynamodb".to_owned()).spawn(move || {
            match Opened::open(&storage, address) {
                Ok(opened) => {
                    // The caller may be gone; then `stopping` says so too.
                    ready.send(Ok((opened.operations.clone(), opened.address))).ok();
                    opened.run(&storage, stopping);
                }
                // The caller may be gone.
                Err(error) => drop(ready.send(Err(error))),
            }
            // Nobody may be waiting.
            done.send(()).ok();
        })?;
        let started = started.await.unwrap_or_else(|_| Err(io::Error::other("its thread ended").into()));
        let (operations, address) = started?;
        Ok(Engine { operations, address, stop, stopped })
    }

    /// A client of the engine, which needs no port.
    pub fn client(&self) -> Client {
        transport::in_process(self.operations.without_tokens())
    }

    /// From now on takes note of what is written to a table.
    pub fn watch(&self, changes: &Changes) {
        self.operations.watch(changes);
    }

    /// The URL at which the engine speaks DynamoDB, when it listens on a port.
    pub fn endpoint(&self) -> Option<String> {
        self.address.map(url)
    }

    /// Waits until the engine has stopped, which it only does on its own when it fails.
    pub async fn stopped(&mut self) {
        // An error means that the thread is gone, which is the same.
        (&mut self.stopped).await.ok();
    }

    /// Stops the engine and returns when its files are closed, within a few seconds even if a client has sent half a request.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        self.stopped().await;
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// A client of the engine that has `folder` open in another process. Only meaningful after [`EngineError::InUse`].
pub fn client_of(folder: &Path) -> Client {
    transport::over_socket(folder.join(SOCKET_FILE))
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// An engine before it runs, on its thread.
struct Opened {
    runtime: Runtime,
    operations: Operations,
    _lock: Option<File>,
    address: Option<SocketAddr>,
    tcp: Option<TcpListener>,
    socket: Option<UnixListener>,
}

impl Opened {
    fn open(storage: &Storage, address: Option<SocketAddr>) -> Result<Opened, EngineError> {
        let (database, file, lock) = match storage {
            Storage::Memory => {
                let failed =
                    |error: dynoxide::DynoxideError| EngineError::Database { place: "memory".into(), reason: error.to_string() };
                (Database::memory().map_err(failed)?, None, None)
            }
            Storage::Folder(folder, missing) => {
                let opened = folder::open(folder, *missing)?;
                (opened.database, Some(opened.file), Some(opened.lock))
            }
        };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("dynamodb").enable_all().build()?;
        // Listeners belong to the entered runtime.
        let entered = runtime.enter();
        let tcp = match address {
            Some(address) => {
                let listener = runtime.block_on(TcpListener::bind(address));
                Some(listener.map_err(|source| EngineError::Address { address, source })?)
            }
            None => None,
        };
        let address = tcp.as_ref().map(TcpListener::local_addr).transpose()?;
        let socket = match storage {
            Storage::Memory => None,
            Storage::Folder(folder, _) => {
                tell_endpoint(folder, address).map_err(|source| EngineError::Folder { folder: folder.clone(), source })?;
                listen(&folder.join(SOCKET_FILE))
            }
        };
        let operations = Operations::new(database, runtime.handle().clone(), file);
        drop(entered);
        Ok(Opened { runtime, operations, _lock: lock, address, tcp, socket })
    }

    /// Serves until it is asked to stop.
    fn run(self, storage: &Storage, stopping: watch::Receiver<bool>) {
        let Opened { runtime, operations, tcp, socket, .. } = self;
        let sweeping = runtime.spawn(sweep(operations.clone()));
        let asked = |mut stopping: watch::Receiver<bool>| async move {
            stopping.wait_for(|stop| *stop).await.ok();
        };
        let by_tcp = {
            let operations = operations.clone();
            move |received: Received<SocketAddr>| {
                let operations = operations.clone();
                async move {
                    match guard::check_engine(&received.parts) {
                        Ok(()) => answer(&operations, received).await,
                        Err(foreign) => {
                            tracing::warn!("A request to DynamoDB was refused: {foreign}.");
                            message(StatusCode::FORBIDDEN, &format!("Refused: {foreign}"))
                        }
                    }
                }
            }
        };
        let by_socket = {
            let operations = operations.without_tokens();
            move |received| {
                let operations = operations.clone();
                async move { answer(&operations, received).await }
            }
        };
        runtime.block_on(async {
            let serving = async {
                let tcp = async {
                    if let Some(listener) = tcp {
                        http_server::serve(listener, LIMITS, by_tcp, asked(stopping.clone())).await;
                    }
                };
                let socket = async {
                    if let Some(listener) = socket {
                        http_server::serve(listener, LIMITS, by_socket, asked(stopping.clone())).await;
                    }
                };
                tokio::join!(tcp, socket, asked(stopping.clone()));
            };
            let too_late = async {
                asked(stopping.clone()).await;
                time::sleep(GRACE).await;
            };
            tokio::select! {
                () = serving => {}
                () = too_late => {}
            }
        });
        sweeping.abort();
        // Closes the database before the lock is released.
        operations.close();
        runtime.shutdown_timeout(GRACE);
        if let Storage::Folder(folder, _) = storage {
            // A file that stays is harmless: it is only used while the folder is locked.
            for file in [ENDPOINT_FILE, SOCKET_FILE] {
                fs::remove_file(folder.join(file)).ok();
            }
        }
    }
}

/// Writes the engine's URL to a file, for people and scripts.
fn tell_endpoint(folder: &Path, address: Option<SocketAddr>) -> io::Result<()> {
    let file = folder.join(ENDPOINT_FILE);
    match address {
        Some(address) => fs::write(file, url(address)),
        None => match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        },
    }
}

/// Listens on a socket that only its owner may use. If that fails, only other processes on the same folder are affected.
fn listen(socket: &Path) -> Option<UnixListener> {
    // A crash may have left one.
    fs::remove_file(socket).ok();
    let listening = UnixListener::bind(socket).and_then(|listener| {
        fs::set_permissions(socket, fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    });
    match listening {
        Ok(listener) => Some(listener),
        Err(error) => {
            tracing::warn!(
                "`contacts keys` and `contacts seed` cannot use this folder while it is served: the socket {} cannot be made \
                 ({error}).",
                socket.display()
            );
            None
        }
    }
}

/// Answers an HTTP request as DynamoDB does.
async fn answer<A>(operations: &Operations, received: Received<A>) -> Response<Body> {
    let target = received.parts.headers.get(transport::TARGET).and_then(|target| target.to_str().ok()).unwrap_or_default();
    let Some(answer) = operations.perform(target, received.body).await else {
        return message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable");
    };
    let mut response = Response::new(Body::from(answer.json));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(transport::CONTENT_TYPE));
    response
}

/// Removes expired items regularly, as DynamoDB does in the background.
async fn sweep(operations: Operations) {
    let mut ticks = time::interval(SWEEP);
    loop {
        ticks.tick().await;
        operations.sweep().await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Instant;

    use aws_sdk_dynamodb::types::AttributeValue;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpStream;

    use super::*;
    use crate::tables;
    use crate::template::{self, Template};

    async fn make_table(client: &Client) {
        let template = Template::parse(template::SOURCE).unwrap();
        let contacts = template.tables.iter().find(|table| table.logical_id == "ContactsTable").unwrap();
        tables::prepare(client, &[(contacts, "contacts")]).await.unwrap();
    }

    #[tokio::test]
    async fn a_folder_opens_in_one_engine_at_a_time_which_its_socket_reaches() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::Folder(folder.path().join("data"), Missing::MakeAll);

        let first = Engine::start(storage.clone(), None).await.unwrap();
        let refused = Engine::start(storage.clone(), None).await.unwrap_err().to_string();
        assert!(refused.ends_with("is in use by another `contacts serve`."), "{refused}");
        assert_eq!(first.endpoint(), None);
        make_table(&first.client()).await;
        let listed = client_of(&folder.path().join("data")).list_tables().send().await.unwrap();
        assert_eq!(listed.table_names(), ["contacts"]);
        let mode = fs::metadata(folder.path().join("data").join(SOCKET_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        first.stop().await;
        Engine::start(storage, None).await.unwrap().stop().await;
    }

    #[tokio::test]
    async fn a_stopped_engine_answers_nobody() {
        let engine = Engine::start(Storage::Memory, None).await.unwrap();
        let client = engine.client();
        assert!(client.list_tables().send().await.is_ok());
        engine.stop().await;
        assert!(client.list_tables().send().await.is_err());
    }

    #[tokio::test]
    async fn what_cannot_be_used_is_one_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "not a folder").unwrap();
        fs::create_dir(folder.path().join("garbage")).unwrap();
        fs::write(folder.path().join("garbage/contacts.db"), "not a database, but long enough to look at").unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let taken = taken.local_addr().unwrap();

        for (storage, address, begins) in [
            (Storage::Folder(file, Missing::MakeAll), None, "The data folder "),
            (Storage::Folder(folder.path().join("garbage"), Missing::MakeAll), None, "The database "),
            (Storage::Memory, Some(taken), &format!("{taken} cannot be used for DynamoDB (")),
            // An address for documentation, which no machine has.
            (Storage::Memory, Some(([192, 0, 2, 1], 0).into()), "192.0.2.1:0 cannot be used for DynamoDB ("),
        ] {
            let sentence = Engine::start(storage, address).await.unwrap_err().to_string();
            assert!(sentence.starts_with(begins), "{sentence}");
            assert_eq!(sentence.lines().count(), 1, "{sentence}");
        }
    }

    #[tokio::test]
    async fn what_has_expired_goes_away_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::Folder(folder.path().to_owned(), Missing::MakeAll);
        let first = Engine::start(storage.clone(), None).await.unwrap();
        let client = first.client();
        make_table(&client).await;
        let key = |id: &str| {
            HashMap::from([("tenant".into(), AttributeValue::S("t".into())), ("_id".into(), AttributeValue::S(id.into()))])
        };
        for (id, expiry) in [("gone", 1_600_000_000_i64), ("stays", 9_000_000_000)] {
            let put = client.put_item().table_name("contacts").set_item(Some(key(id)));
            put.item("expiresAt", AttributeValue::N(expiry.to_string())).send().await.unwrap();
        }
        first.stop().await;

        // It sweeps as it starts.
        let second = Engine::start(storage, None).await.unwrap();
        let client = second.client();
        let is_there = async |id| {
            let found = client.get_item().table_name("contacts").set_key(Some(key(id))).send().await.unwrap();
            found.item.is_some()
        };
        let begun = Instant::now();
        while is_there("gone").await {
            assert!(begun.elapsed() < Duration::from_secs(10), "an expired item stays");
            time::sleep(Duration::from_millis(10)).await;
        }
        assert!(is_there("stays").await);
        second.stop().await;
    }

    #[tokio::test]
    async fn a_half_sent_request_does_not_hold_the_engine() {
        let engine = Engine::start(Storage::Memory, Some(([127, 0, 0, 1], 0).into())).await.unwrap();
        let mut client = TcpStream::connect(engine.endpoint().unwrap().trim_start_matches("http://")).await.unwrap();
        client.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf").await.unwrap();
        time::sleep(Duration::from_millis(50)).await;

        let asked = Instant::now();
        engine.stop().await;
        assert!(asked.elapsed() < 2 * GRACE, "{:?}", asked.elapsed());
    }
}
