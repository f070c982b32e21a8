//! Clients that begin a request and do not go on.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use testkit::{contact, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::contacts;

/// More than a process may have open files, by default.
const HALVES: usize = 1_100;

#[tokio::test(flavor = "multi_thread")]
async fn half_requests_do_not_keep_others_out() {
    let open_files = getrlimit(Resource::Nofile);
    let wanted = open_files.maximum.map_or(4_096, |maximum| maximum.min(4_096));
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: open_files.maximum }).unwrap();
    assert!(wanted > HALVES as u64 + 100, "this test opens {HALVES} connections, and only {wanted} files may be open");
    // The program has fewer than that, as it has where nobody raised the limit.
    let serving = contacts().with(&["serve", "--port", "0", "--memory"]).with_open_files(1_024).start_serving().await;
    let address = serving.url.strip_prefix("http://").unwrap().to_owned();

    let mut halves = Vec::new();
    for number in 0..HALVES {
        let mut half = TcpStream::connect(&address).await.unwrap();
        let sent = match number % 3 {
            0 => "",
            1 => "GET /client-contact HTTP/1.1\r\nHost: x\r\n",
            _ => "POST /client-contact HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
        };
        half.write_all(sent.as_bytes()).await.unwrap();
        halves.push(half);
    }
    let caller = serving.caller(None);
    let created = eventually("an answer", async || {
        let request = caller.request(reqwest::Method::POST, "/client-contact").json(&contact());
        timeout(Duration::from_secs(30), request.try_send()).await.ok()?.ok()
    })
    .await;

    assert_eq!(created.status, 201);
    assert_eq!(caller.list("").await.contacts(), [created.contact()]);
    // The first ones have made room.
    let mut first = halves.remove(0);
    assert!(matches!(first.read(&mut [0; 1]).await, Ok(0) | Err(_)));
}
