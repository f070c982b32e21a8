//! An HTTP/1.1 server for the gateway and the engine, which slow clients cannot exhaust.
//!
//! It reads a whole request before passing it on, within time limits, and serves a limited number of connections at once:
//! when all are in use, the one that has kept the server waiting longest is closed for the next.

mod target;

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::IoSlice;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use axum::serve::Listener;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, getrlimit};
use tokio::io::{self, AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, watch};
use tokio::task::{self, JoinSet};
use tokio::time::{self, Instant};

use self::target::Escaper;
use crate::answer::message;

/// The time limits and sizes for a client.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; fewer when that is more than half of the files that this process may have open.
    pub connections: usize,
    /// From the opening of a connection, or the last answer on it, to the end of a request's head.
    pub head: Duration,
    /// From the end of a request's head to the end of its body.
    pub body: Duration,
    /// Between two pieces of a body.
    pub pause: Duration,
    /// How long a connection may keep the server waiting while others want its place.
    pub patience: Duration,
    /// The bytes of a body.
    pub body_bytes: usize,
}

impl Limits {
    /// Those of a server on one machine, whose clients are near. API Gateway allows 30 seconds for a whole request.
    pub const fn with_body_bytes(body_bytes: usize) -> Limits {
        Limits {
            connections: 512,
            head: Duration::from_secs(30),
            body: Duration::from_secs(60),
            pause: Duration::from_secs(10),
            patience: Duration::from_secs(1),
            body_bytes,
        }
    }
}

/// How much of an oversized body is read and dropped, so that its sender receives the answer.
const MAXIMUM_DROPPED: usize = 100 * 1024 * 1024;

/// A complete request.
#[derive(Debug)]
pub struct Received<A> {
    /// Its head.
    pub parts: Parts,
    /// Its body.
    pub body: Bytes,
    /// Where it comes from.
    pub client: A,
}

/// Serves every request with `handler` until `shutdown`, and then until no request is under way.
pub async fn serve<L, H, F>(mut listener: L, limits: Limits, handler: H, shutdown: impl Future<Output = ()>)
where
    L: Listener<Addr: Clone + Send + Sync + 'static>,
    H: Fn(Received<L::Addr>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut places: HashMap<task::Id, Arc<Place>> = HashMap::new();
    let mut shutdown = pin!(shutdown);
    let open_files = getrlimit(Resource::Nofile).current.and_then(|most| usize::try_from(most).ok());
    let most = limits.connections.min(open_files.unwrap_or(usize::MAX) / 2);
    loop {
        let full = places.len() >= most;
        let room = if full { make_room(&places, limits.patience) } else { Duration::MAX };
        tokio::select! {
            () = &mut shutdown => break,
            Some(ended) = connections.join_next_with_id(), if !connections.is_empty() => {
                let id = ended.map_or_else(|panicked| panicked.id(), |(id, ())| id);
                places.remove(&id);
            }
            (connection, client) = listener.accept(), if !full => {
                let place = Arc::new(Place::default());
                let served = serve_connection(connection, client, limits, handler.clone(), Arc::clone(&place), stopping.clone());
                places.insert(connections.spawn(served).id(), place);
            }
            () = time::sleep(room), if full => {}
        }
    }
    drop(listener);
    stop.send_replace(true);
    while connections.join_next().await.is_some() {}
}

/// Closes the connection that has kept the server waiting longest, if that is longer than `patience`. Returns after which time to
/// look again.
fn make_room(places: &HashMap<task::Id, Arc<Place>>, patience: Duration) -> Duration {
    let waiting = places.values().filter_map(|place| place.waiting_since().map(|since| (since, place)));
    match waiting.min_by_key(|(since, _)| *since) {
        Some((since, place)) if since.elapsed() >= patience => place.close.notify_one(),
        Some((since, _)) => return patience.saturating_sub(since.elapsed()),
        None => {}
    }
    patience
}

/// What the server knows of a connection.
struct Place {
    /// Since when the server waits for the client; `None` while a request is being answered.
    waiting: Mutex<Option<Instant>>,
    /// Asks the connection to give up its place.
    close: Notify,
}

impl Default for Place {
    fn default() -> Place {
        Place { waiting: Mutex::new(Some(Instant::now())), close: Notify::new() }
    }
}

impl Place {
    fn waiting_since(&self) -> Option<Instant> {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_waiting(&self, since: Option<Instant>) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

async fn serve_connection<C, A, H, F>(
    connection: C,
    client: A,
    limits: Limits,
    handler: H,
    place: Arc<Place>,
    mut stopping: watch::Receiver<bool>,
) where
    C: AsyncRead + AsyncWrite + Unpin,
    A: Clone,
    H: Fn(Received<A>) -> F,
    F: Future<Output = Response<Body>>,
{
    let service = service_fn(|request: Request<Incoming>| {
        let (place, client, handler) = (&place, client.clone(), &handler);
        async move {
            let (parts, body) = request.into_parts();
            // `Escaper` does not know where a chunked body ends, so the next request could not be read.
            let is_chunked = parts.headers.contains_key(header::TRANSFER_ENCODING);
            let read = read(body, limits).await;
            place.set_waiting(None);
            let mut response = match read {
                Ok(body) => handler(Received { parts, body, client }).await,
                Err(refusal) => refusal.response(),
            };
            if is_chunked {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            place.set_waiting(Some(Instant::now()));
            Ok::<_, Infallible>(response)
        }
    });
    let mut serving = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .serve_connection(TokioIo::new(Escaped::new(connection)), service)
    );
    let mut stopped = false;
    loop {
        tokio::select! {
            // A client that disconnects or does not send HTTP is not an error of the server.
            _ = &mut serving => return,
            () = place.close.notified() => return,
            // An error means that the server was dropped, which stops it as well.
            _ = stopping.wait_for(|stop| *stop), if !stopped => {
                stopped = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Why a body is not passed on.
#[derive(Debug, PartialEq)]
enum Refusal {
    TooLarge,
    TooSlow,
    Broken,
}

impl Refusal {
    fn response(&self) -> Response<Body> {
        let mut response = match self {
            Refusal::TooLarge => message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
            Refusal::TooSlow => message(StatusCode::REQUEST_TIMEOUT, "Request Timeout"),
            Refusal::Broken => message(StatusCode::BAD_REQUEST, "Bad Request"),
        };
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

/// Reads a body to its end.
async fn read(mut body: Incoming, limits: Limits) -> Result<Bytes, Refusal> {
    let deadline = Instant::now() + limits.body;
    let (mut read, mut length) = (Vec::new(), 0);
    while !body.is_end_stream() {
        let pause = deadline.min(Instant::now() + limits.pause);
        let frame = match time::timeout_at(pause, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => break,
            Ok(Some(Err(_))) => return Err(Refusal::Broken),
            Err(_) => return Err(Refusal::TooSlow),
        };
        let Ok(piece) = frame.into_data() else { continue };
        length += piece.len();
        if length <= limits.body_bytes {
            read.extend_from_slice(&piece);
        } else {
            read = Vec::new();
        }
        if length > MAXIMUM_DROPPED {
            break;
        }
    }
    if length <= limits.body_bytes { Ok(read.into()) } else { Err(Refusal::TooLarge) }
}

/// A connection whose requests' targets are read with every byte escaped that a URI must not have.
struct Escaped<C> {
    connection: C,
    escaper: Escaper,
    /// Escaped, and not read yet.
    ready: Vec<u8>,
    /// How much of it was read.
    taken: usize,
}

impl<C> Escaped<C> {
    fn new(connection: C) -> Escaped<C> {
        Escaped { connection, escaper: Escaper::default(), ready: Vec::new(), taken: 0 }
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Escaped<C> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.taken == this.ready.len() {
            let mut room = [0; 8 * 1024];
            let mut read = ReadBuf::new(&mut room);
            ready!(Pin::new(&mut this.connection).poll_read(context, &mut read))?;
            this.ready.clear();
            this.taken = 0;
            this.escaper.escape(read.filled(), &mut this.ready);
        }
        let next = &this.ready[this.taken..];
        let length = next.len().min(buffer.remaining());
        buffer.put_slice(&next[..length]);
        this.taken += length;
        Poll::Ready(Ok(()))
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Escaped<C> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().connection).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().connection).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().connection).poll_shutdown(context)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().connection).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    const PATIENT: Limits =
        Limits { connections: 3, head: LONG, body: LONG, pause: LONG, patience: Duration::ZERO, body_bytes: 1000 };

    /// A server that answers with a request's target and body. Dropping what is returned beside the address stops it.
    async fn start(limits: Limits) -> (SocketAddr, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let echo = async |received: Received<SocketAddr>| {
            let target = received.parts.uri.to_string();
            Response::new(Body::from([target.as_bytes(), b" ", &received.body].concat()))
        };
        let mut server = JoinSet::new();
        server.spawn(serve(listener, limits, echo, std::future::pending()));
        (address, server)
    }

    async fn open(address: SocketAddr, sent: &str) -> TcpStream {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(sent.as_bytes()).await.unwrap();
        connection
    }

    /// All that the server says before it closes the connection.
    async fn rest(mut connection: TcpStream) -> String {
        let mut said = Vec::new();
        // A reset is an end as well.
        connection.read_to_end(&mut said).await.ok();
        String::from_utf8(said).unwrap()
    }

    #[tokio::test]
    async fn a_head_a_body_and_a_silence_that_take_too_long_end_the_connection() {
        let short = Duration::from_millis(50);
        for (limits, sent, begins) in [
            (Limits { head: short, ..PATIENT }, "", ""),
            (Limits { head: short, ..PATIENT }, "GET / HTTP/1.1\r\nhost: x\r\n", ""),
            (Limits { head: short, ..PATIENT }, "GET / HTTP/1.1\r\nhost: x\r\n\r\n", "HTTP/1.1 200 OK"),
            (Limits { pause: short, ..PATIENT }, "PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{", "HTTP/1.1 408 "),
            (Limits { body: short, ..PATIENT }, "PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{", "HTTP/1.1 408 "),
        ] {
            let (address, _server) = start(limits).await;
            let said = rest(open(address, sent).await).await;
            assert!(said.starts_with(begins) && said.is_empty() == begins.is_empty(), "{sent:?} {said:?}");
        }
    }

    #[tokio::test]
    async fn whoever_keeps_the_server_waiting_longest_makes_room() {
        let (address, _server) = start(PATIENT).await;
        let mut halves = Vec::new();
        for sent in ["", "GET / HTTP/1.1\r\nhost: x\r\n", "PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{"] {
            halves.push(open(address, sent).await);
        }

        let served = rest(open(address, "GET /there HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await).await;

        assert!(served.ends_with("\r\n\r\n/there "), "{served}");
        assert_eq!(rest(halves.remove(0)).await, "");
    }

    #[tokio::test]
    async fn bodies_are_read_up_to_the_limit() {
        let (address, _server) = start(PATIENT).await;
        for (length, status) in [(0, "200"), (1000, "200"), (1001, "413"), (1_000_000, "413")] {
            let head = format!("PUT / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
            let said = rest(open(address, &(head + &"x".repeat(length))).await).await;
            assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{length} {said}");
        }
    }

    #[tokio::test]
    async fn requests_on_one_connection_are_read_apart() {
        let (address, _server) = start(PATIENT).await;
        let sent = "PUT /{1}?a=\"<>\" HTTP/1.1\r\nhost: x\r\nContent-Length: 17\r\n\r\nGET /\"2\" HTTP/1.1\
                    GET /\"3\"?| HTTP/1.1\r\nhost: x\r\n\r\n\
                    PUT /\"4\" HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n4\r\n\"<>\"\r\n0\r\n\r\n";

        let said = rest(open(address, sent).await).await;

        let mut bodies = said.split("HTTP/1.1 200 OK").skip(1).map(|answer| answer.split("\r\n\r\n").nth(1).unwrap());
        assert_eq!(bodies.next(), Some("/%7B1%7D?a=%22%3C%3E%22 GET /\"2\" HTTP/1.1"));
        assert_eq!(bodies.next(), Some("/%223%22?%7C "));
        assert_eq!(bodies.next(), Some("/%224%22 \"<>\""));
        assert_eq!(bodies.next(), None);
    }
}
