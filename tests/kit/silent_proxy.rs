//! A proxy to DynamoDB that drops connections without telling either side, as happens while an instance is frozen.

use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A proxy that passes bytes on, until it goes silent on the connections that are open.
#[derive(Debug)]
pub struct SilentProxy {
    /// Where it listens.
    pub endpoint: String,
    /// Counts how often it went silent; connections of before are dead.
    generation: watch::Sender<u64>,
    requests: Arc<Mutex<Vec<Passed>>>,
}

/// A request that reached the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The DynamoDB operation.
    pub operation: String,
    /// Which attempt at it the SDK says that this is.
    pub attempt: u32,
    /// It went to DynamoDB, and into nothing otherwise.
    pub alive: bool,
}

impl SilentProxy {
    /// A proxy to the `http` endpoint.
    pub async fn start(endpoint: &str) -> SilentProxy {
        let target = endpoint.strip_prefix("http://").expect("an endpoint without TLS").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("it has an address"));
        let generation = watch::Sender::new(0);
        let requests = Arc::default();
        let (seen, listening) = (Arc::clone(&requests), generation.subscribe());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (target, seen, generation) = (target.clone(), Arc::clone(&seen), listening.clone());
                tokio::spawn(async move { pass(client, &target, &seen, generation).await });
            }
        });
        SilentProxy { endpoint, generation, requests }
    }

    /// From now on, bytes on open connections are dropped. New connections work.
    pub fn silence(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }

    /// The requests since the last call of this.
    pub fn take_requests(&self) -> Vec<Passed> {
        std::mem::take(&mut *self.requests.lock().expect("no test panics while it holds the lock"))
    }
}

/// Passes one connection's bytes on while it lives, and then keeps it open and reads on.
async fn pass(
    mut client: TcpStream,
    target: &str,
    seen: &Mutex<Vec<Passed>>,
    generation: watch::Receiver<u64>,
) -> io::Result<()> {
    let mut server = TcpStream::connect(target).await?;
    let born = *generation.borrow();
    let (mut request, mut answer) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut request) => {
                let sent = &request[..read?];
                if sent.is_empty() {
                    return Ok(());
                }
                let alive = *generation.borrow() == born;
                // The SDK sends the head of a request at once.
                if let Some(passed) = passed(&String::from_utf8_lossy(sent), alive) {
                    seen.lock().expect("no test panics while it holds the lock").push(passed);
                }
                if alive {
                    server.write_all(sent).await?;
                }
            }
            read = server.read(&mut answer) => {
                let received = &answer[..read?];
                if received.is_empty() {
                    return Ok(());
                }
                if *generation.borrow() == born {
                    client.write_all(received).await?;
                }
            }
        }
    }
}

/// The request that begins with these bytes, if one does.
fn passed(text: &str, alive: bool) -> Option<Passed> {
    let header = |name: &str| {
        let line = text.lines().find(|line| line.to_ascii_lowercase().starts_with(name))?;
        Some(line[name.len()..].trim().to_owned())
    };
    let operation = header("x-amz-target:")?.rsplit('.').next()?.to_owned();
    let attempt = header("amz-sdk-request:")?.split([';', ' ']).find_map(|part| part.strip_prefix("attempt=")?.parse().ok())?;
    Some(Passed { operation, attempt, alive })
}
