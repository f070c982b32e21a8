//! Raw HTTP/1.1, for requests that ordinary clients cannot send.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::answer::Answer;

pub(crate) async fn send(url: &str, method: &str, target: &[u8], headers: &[(&str, &[u8])], body: &[u8]) -> Answer {
    let host = url.strip_prefix("http://").expect("raw requests go without TLS");
    let mut request = [method.as_bytes(), b" ", target, b" HTTP/1.1\r\n"].concat();
    let length = body.len().to_string();
    let announced: [(&str, &[u8]); 3] =
        [("host", host.as_bytes()), ("connection", b"close"), ("content-length", length.as_bytes())];
    for (name, value) in announced.iter().chain(headers) {
        request.extend([name.as_bytes(), b": ", *value, b"\r\n"].concat());
    }
    request.extend(b"\r\n");
    request.extend(body);

    let mut connection = TcpStream::connect(host).await.expect("the API can be reached");
    // A server may answer, and close, before it has read everything.
    connection.write_all(&request).await.ok();
    let mut received = Vec::new();
    let read = connection.read_to_end(&mut received).await;
    // What it has not read makes the system reset the connection behind the answer.
    assert!(read.is_ok() || !received.is_empty(), "the API's answer can be read, not {read:?}");
    answer(&received)
}

fn answer(received: &[u8]) -> Answer {
    let end = received.windows(4).position(|window| window == b"\r\n\r\n").expect("an answer has a head");
    let head = std::str::from_utf8(&received[..end]).expect("an answer's head is ASCII");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let headers: HeaderMap = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| {
            let name = HeaderName::try_from(name).expect("a header's name");
            (name, HeaderValue::try_from(value).expect("a header's value"))
        })
        .collect();
    let answer = Answer { status: status.expect("an answer has a status"), headers, body: received[end + 4..].to_vec() };
    assert!(answer.status < 500, "{} {}", answer.status, answer.text());
    answer
}
