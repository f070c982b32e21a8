//! Escapes bytes that a request's target must not have but some clients send.
//!
//! Browsers and `curl -g` send `"`, `<` or `>` in a query as they are. API Gateway accepts such a request, `http::Uri` does not. So
//! these bytes are percent-encoded before the HTTP parser sees them. The decoded target stays the same.

/// Tracks a connection's bytes far enough to know which belong to a request's target. The HTTP parser behind it checks them, so
/// bytes that are not HTTP pass unchanged.
#[derive(Debug, Default)]
pub(super) struct Escaper {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// Before the first space of a request line.
    #[default]
    Method,
    Target,
    Version,
    /// In a header, of which the beginning is kept.
    Header {
        line: Vec<u8>,
        body: u64,
    },
    /// In a body, of which this much is to come.
    Body(u64),
    /// Nothing will be escaped any more: the end of a body in chunks is for the parser to find.
    Rest,
}

/// How much of a header is kept: enough for any sensible length.
const KEPT: usize = 64;

impl Escaper {
    /// Appends the next bytes of a connection to `escaped`.
    pub(super) fn escape(&mut self, mut bytes: &[u8], escaped: &mut Vec<u8>) {
        while let Some((&byte, rest)) = bytes.split_first() {
            match &mut self.state {
                State::Rest => return escaped.extend_from_slice(bytes),
                State::Body(left) => {
                    let length = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    escaped.extend_from_slice(&bytes[..length]);
                    *left -= length as u64;
                    if *left == 0 {
                        self.state = State::Method;
                    }
                    bytes = &bytes[length..];
                    continue;
                }
                State::Target if is_escaped(byte) => {
                    escaped.extend_from_slice(format!("%{byte:02X}").as_bytes());
                    bytes = rest;
                    continue;
                }
                state => advance(state, byte),
            }
            escaped.push(byte);
            bytes = rest;
        }
    }
}

/// Processes one byte of a head.
fn advance(state: &mut State, byte: u8) {
    match (&mut *state, byte) {
        (State::Method, b' ') => *state = State::Target,
        (State::Target, b' ') => *state = State::Version,
        (State::Target | State::Version, b'\n') => *state = State::Header { line: Vec::new(), body: 0 },
        (State::Header { line, body }, b'\n') => {
            let body = *body;
            *state = match line.strip_suffix(b"\r").unwrap_or(line) {
                [] if body == 0 => State::Method,
                [] => State::Body(body),
                line => match framing(line) {
                    Framing::None => State::Header { line: Vec::new(), body },
                    Framing::Length(body) => State::Header { line: Vec::new(), body },
                    Framing::Unknown => State::Rest,
                },
            };
        }
        (State::Header { line, .. }, byte) if line.len() < KEPT => line.push(byte),
        _ => {}
    }
}

/// What a header says of the body's length.
enum Framing {
    None,
    Length(u64),
    Unknown,
}

fn framing(line: &[u8]) -> Framing {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return Framing::None };
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if name.eq_ignore_ascii_case(b"transfer-encoding") {
        return Framing::Unknown;
    }
    if !name.eq_ignore_ascii_case(b"content-length") {
        return Framing::None;
    }
    let length = str::from_utf8(value.trim_ascii()).ok().and_then(|length| length.parse().ok());
    // A truncated header is not used.
    length.filter(|_| line.len() < KEPT).map_or(Framing::Unknown, Framing::Length)
}

/// Whether RFC 3986 has no place for a byte. Control characters and spaces stay what they are, a malformed request.
fn is_escaped(byte: u8) -> bool {
    matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x7F..)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of bytes that arrive in pieces of this size.
    fn escaped(bytes: &[u8], piece: usize) -> String {
        let (mut escaper, mut escaped) = (Escaper::default(), Vec::new());
        for piece in bytes.chunks(piece) {
            escaper.escape(piece, &mut escaped);
        }
        String::from_utf8_lossy(&escaped).into_owned()
    }

    #[test]
    fn only_targets_are_escaped_however_the_bytes_arrive() {
        for (sent, expected) in [
            (
                "GET /\"<>|^`{}\\?ü HTTP/1.1\r\nA: \"<>\"\r\n\r\n",
                "GET /%22%3C%3E%7C%5E%60%7B%7D%5C?%C3%BC HTTP/1.1\r\nA: \"<>\"\r\n\r\n",
            ),
            ("GET /a?b=%22&c[]=1'#x HTTP/1.1\r\n\r\n", "GET /a?b=%22&c[]=1'#x HTTP/1.1\r\n\r\n"),
            ("\r\nGET /\" HTTP/1.1\n\nGET /\" HTTP/1.1\n\n", "\r\nGET /%22 HTTP/1.1\n\nGET /%22 HTTP/1.1\n\n"),
            (
                "PUT /\" HTTP/1.1\r\nCONTENT-LENGTH:  4 \r\nX: y\r\n\r\n /\" GET /\" HTTP/1.1\r\n",
                "PUT /%22 HTTP/1.1\r\nCONTENT-LENGTH:  4 \r\nX: y\r\n\r\n /\" GET /%22 HTTP/1.1\r\n",
            ),
            (
                "PUT /\" HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /\" HTTP/1.1\r\n",
                "PUT /%22 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /\" HTTP/1.1\r\n",
            ),
            (
                "PUT / HTTP/1.1\r\ncontent-length:                                                 12\r\n\r\nGET /\" HTTP/1.1\r\n",
                "PUT / HTTP/1.1\r\ncontent-length:                                                 12\r\n\r\nGET /\" HTTP/1.1\r\n",
            ),
            (
                "PUT / HTTP/1.1\r\ncontent-length: x\r\n\r\nGET /\" HTTP/1.1\r\n",
                "PUT / HTTP/1.1\r\ncontent-length: x\r\n\r\nGET /\" HTTP/1.1\r\n",
            ),
        ] {
            for piece in [1, 2, 3, 7, 1000] {
                assert_eq!(escaped(sent.as_bytes(), piece), expected, "in pieces of {piece}");
            }
        }
    }
}
