//! The embedded DynamoDB engine, behind an HTTP endpoint of its own.
//!
//! The engine answers requests on the thread that asks, in SQLite, under one lock. It therefore gets a thread and a runtime of its
//! own, so that it never holds up the API's. What it has acknowledged survives the death of the process and a loss of power: SQLite
//! syncs its write-ahead log with every change.

use std::fs::{self, File, TryLockError};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use dynoxide::Database;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::time;

/// How long a stopping engine waits for requests under way.
const GRACE: Duration = Duration::from_secs(2);

/// How often items that have expired are removed.
const SWEEP: Duration = Duration::from_secs(60);

/// The file in a data folder that names the endpoint of the engine which has the folder open.
const ENDPOINT_FILE: &str = "endpoint";

/// Where an engine keeps its tables.
#[derive(Clone, Debug)]
pub enum Storage {
    /// In memory, gone when the engine stops.
    Memory,
    /// In a folder, which is made when it is not there.
    Folder(PathBuf),
}

/// A running engine. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Engine {
    endpoint: String,
    stop: watch::Sender<bool>,
    stopped: oneshot::Receiver<()>,
}

/// Why an engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Another program listens on the port.
    #[error(
        "Port {port} for DynamoDB cannot be used ({source}): choose another one with --dynamodb-port, 0 for any that is free."
    )]
    Port {
        /// The port that was asked for.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// The address belongs to another machine, or to a network that is not up.
    #[error("{address} for DynamoDB is not an address of this machine: choose another one with --dynamodb-address.")]
    Address {
        /// The address that was asked for.
        address: IpAddr,
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
    /// The database in the folder cannot be opened.
    #[error("The contacts in {place} cannot be opened: {reason}.")]
    Database {
        /// The file, or `memory`.
        place: String,
        /// What the engine said.
        reason: String,
    },
    /// The system gave no thread to run in.
    #[error("The DynamoDB engine cannot be started: {0}.")]
    Thread(#[from] io::Error),
}

impl Engine {
    /// Starts an engine on a port of this machine, 0 for any that is free, and returns when it answers.
    ///
    /// # Errors
    /// When the port is taken, or the folder cannot be used or is open in another process.
    pub async fn start(storage: Storage, port: u16) -> Result<Engine, EngineError> {
        Engine::start_at(storage, (Ipv4Addr::LOCALHOST, port).into()).await
    }

    /// [`Engine::start`] on another address of this machine, for those who do not reach its own: containers.
    ///
    /// # Errors
    /// Those of [`Engine::start`], and when this machine does not have the address.
    pub async fn start_at(storage: Storage, address: SocketAddr) -> Result<Engine, EngineError> {
        let (stop, stopping) = watch::channel(false);
        let (ready, started) = oneshot::channel();
        let (done, stopped) = oneshot::channel();
        thread::Builder::new().name("dynamodb".to_owned()).spawn(move || {
            run(&storage, address, ready, stopping);
            // Nobody may be waiting any more.
            done.send(()).ok();
        })?;
        let endpoint = started.await.unwrap_or_else(|_| Err(io::Error::other("its thread ended").into()))?;
        Ok(Engine { endpoint, stop, stopped })
    }

    /// The URL at which the engine speaks DynamoDB.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Waits until the engine has stopped, which it only does on its own when it fails.
    pub async fn stopped(&mut self) {
        // An error says that the thread is gone, which is the same news.
        (&mut self.stopped).await.ok();
    }

    /// Stops the engine and returns when its files are closed, within a few seconds even when a client holds a request half sent.
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

/// The endpoint of the engine that has `folder` open. Only meaningful after [`EngineError::InUse`].
///
/// # Errors
/// When that engine has not said yet where it listens.
pub fn endpoint_of(folder: &Path) -> Result<String, EngineError> {
    fs::read_to_string(folder.join(ENDPOINT_FILE)).map_err(|source| EngineError::Folder { folder: folder.to_owned(), source })
}

/// The whole life of an engine, on its thread.
fn run(
    storage: &Storage,
    address: SocketAddr,
    ready: oneshot::Sender<Result<String, EngineError>>,
    mut stopping: watch::Receiver<bool>,
) {
    let opened = open(storage).and_then(|opened| {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("dynamodb").enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind(address)).map_err(|source| match source.kind() {
            io::ErrorKind::AddrNotAvailable => EngineError::Address { address: address.ip() },
            _ => EngineError::Port { port: address.port(), source },
        })?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        if let Storage::Folder(folder) = storage {
            let source = |source| EngineError::Folder { folder: folder.clone(), source };
            fs::write(folder.join(ENDPOINT_FILE), &endpoint).map_err(source)?;
        }
        Ok((opened, runtime, listener, endpoint))
    });
    let ((database, _lock), runtime, listener, endpoint) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            // Whoever asked for the engine may have gone away.
            ready.send(Err(error)).ok();
            return;
        }
    };

    // The caller may have gone away, but then `stopping` says so too.
    ready.send(Ok(endpoint)).ok();
    runtime.spawn(sweep(database.clone()));
    let mut asked = stopping.clone();
    let serving = dynoxide::server::serve_with_shutdown(listener, database, async move {
        asked.wait_for(|stop| *stop).await.ok();
    });
    runtime.block_on(async {
        let too_late = async {
            stopping.wait_for(|stop| *stop).await.ok();
            time::sleep(GRACE).await;
        };
        tokio::select! {
            served = serving => if let Err(error) = served {
                tracing::error!(error, "the DynamoDB engine failed");
            },
            () = too_late => {}
        }
    });
    // This ends the connections that are left, and with them closes the database, before the lock is given back.
    runtime.shutdown_timeout(GRACE);
    if let Storage::Folder(folder) = storage {
        // What is left behind is harmless: it is only read while the folder is locked.
        fs::remove_file(folder.join(ENDPOINT_FILE)).ok();
    }
}

/// Opens the database, and locks its folder for as long as the returned file lives.
fn open(storage: &Storage) -> Result<(Database, Option<File>), EngineError> {
    match storage {
        Storage::Memory => {
            let failed =
                |error: dynoxide::DynoxideError| EngineError::Database { place: "memory".into(), reason: error.to_string() };
            Ok((Database::memory().map_err(failed)?, None))
        }
        Storage::Folder(folder) => {
            // Contacts are personal data: a new folder is its owner's alone.
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(|source| EngineError::Folder { folder: folder.clone(), source })?;
            let lock = lock(folder)?;
            let file = folder.join("contacts.db");
            let failed = |error: dynoxide::DynoxideError| EngineError::Database {
                place: file.display().to_string(),
                reason: error.to_string(),
            };
            let database = Database::new(&file.to_string_lossy()).map_err(failed)?;
            Ok((database, Some(lock)))
        }
    }
}

/// Locks a folder. The engine itself would let two processes open it, and each would go by what it remembers.
fn lock(folder: &Path) -> Result<File, EngineError> {
    let failed = |source| EngineError::Folder { folder: folder.to_owned(), source };
    let lock = File::options().create(true).append(true).open(folder.join("lock")).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(EngineError::InUse { folder: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Removes expired items now and then, as DynamoDB does in the background.
async fn sweep(database: Database) {
    let mut ticks = time::interval(SWEEP);
    loop {
        ticks.tick().await;
        let database = database.clone();
        let swept = tokio::task::spawn_blocking(move || database.sweep_ttl()).await;
        if let Ok(Err(error)) = swept {
            tracing::warn!(%error, "expired items could not be removed");
        }
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

    #[tokio::test]
    async fn a_folder_opens_in_one_engine_at_a_time_and_tells_where_it_listens() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::Folder(folder.path().join("data"));

        let first = Engine::start(storage.clone(), 0).await.unwrap();
        let refused = Engine::start(storage.clone(), 0).await.unwrap_err().to_string();
        let told = endpoint_of(&folder.path().join("data")).unwrap();
        assert!(refused.ends_with("is in use by another `contacts serve`."), "{refused}");
        assert_eq!(told, first.endpoint());

        first.stop().await;
        Engine::start(storage, 0).await.unwrap().stop().await;
    }

    #[tokio::test]
    async fn what_cannot_be_used_is_one_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "not a folder").unwrap();
        fs::create_dir(folder.path().join("garbage")).unwrap();
        fs::write(folder.path().join("garbage/contacts.db"), "not a database, but long enough to look at").unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = taken.local_addr().unwrap().port();

        for (storage, port, begins) in [
            (Storage::Folder(file), 0, "The data folder "),
            (Storage::Folder(folder.path().join("garbage")), 0, "The contacts in "),
            (Storage::Memory, port, &format!("Port {port} for DynamoDB cannot be used (")),
        ] {
            let sentence = Engine::start(storage, port).await.unwrap_err().to_string();
            assert!(sentence.starts_with(begins), "{sentence}");
            assert_eq!(sentence.lines().count(), 1, "{sentence}");
        }
        // An address for documentation, which no machine has.
        let elsewhere = Engine::start_at(Storage::Memory, "192.0.2.1:0".parse().unwrap()).await.unwrap_err();
        assert!(elsewhere.to_string().starts_with("192.0.2.1 for DynamoDB is not an address of this machine"), "{elsewhere}");
    }

    #[tokio::test]
    async fn what_has_expired_goes_away_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::Folder(folder.path().to_owned());
        let template = Template::parse(template::SOURCE).unwrap();
        let contacts = template.tables.iter().find(|table| table.logical_id == "ContactsTable").unwrap();
        let first = Engine::start(storage.clone(), 0).await.unwrap();
        let client = shared::app::local_client(first.endpoint());
        tables::create(&client, &[(contacts, "contacts")]).await.unwrap();
        let key = |id: &str| {
            HashMap::from([("tenant".into(), AttributeValue::S("t".into())), ("_id".into(), AttributeValue::S(id.into()))])
        };
        for (id, expiry) in [("gone", 1_600_000_000_i64), ("stays", 9_000_000_000)] {
            let put = client.put_item().table_name("contacts").set_item(Some(key(id)));
            put.item("expiresAt", AttributeValue::N(expiry.to_string())).send().await.unwrap();
        }
        first.stop().await;

        // It sweeps as it starts.
        let second = Engine::start(storage, 0).await.unwrap();
        let client = shared::app::local_client(second.endpoint());
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
        let engine = Engine::start(Storage::Memory, 0).await.unwrap();
        let mut client = TcpStream::connect(engine.endpoint().trim_start_matches("http://")).await.unwrap();
        client.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf").await.unwrap();
        time::sleep(Duration::from_millis(50)).await;

        let asked = Instant::now();
        engine.stop().await;
        assert!(asked.elapsed() < 2 * GRACE, "{:?}", asked.elapsed());
    }
}
