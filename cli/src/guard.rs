//! Which requests may come from a web page, and so are not trusted as the user's own.
//!
//! Any page that a user visits can send requests to this machine. It cannot leave out or forge `Origin` and `Host`: a
//! browser sends `Origin` with every request that could change something, and `Host` always, with the name that the page used. A
//! name that an attacker makes resolve to this machine (DNS rebinding) therefore shows in `Host`; an IP address or
//! `localhost` cannot be redirected.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, header};

/// Sent by browsers to say how a page and the server that it calls are related.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The port of a URL that names none.
const HTTP: u16 = 80;

/// Why a request may come from a web page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    /// `Host` is missing, or not a name of this server.
    #[error("its Host is not an address of this server")]
    Host,
    /// `Origin` names another site.
    #[error("its Origin is another site")]
    Origin,
    /// `Sec-Fetch-Site` says that another site made the browser send it.
    #[error("another site made a browser send it")]
    Site,
}

/// Checks that a request to the API at `server` is the user's own, or comes from a page of this server.
///
/// # Errors
/// What makes it foreign.
pub fn check_api(parts: &Parts, server: SocketAddr) -> Result<(), Foreign> {
    let is_own = |authority: &Authority| is_own(authority, server);
    check_host(parts, is_own)?;
    let own_origin = |origin: &str| origin.strip_prefix("http://").and_then(parsed).is_some_and(|authority| is_own(&authority));
    if !all(&parts.headers, &header::ORIGIN, own_origin) {
        return Err(Foreign::Origin);
    }
    if !all(&parts.headers, &SEC_FETCH_SITE, |site| matches!(site, "same-origin" | "none")) {
        return Err(Foreign::Site);
    }
    Ok(())
}

/// Checks that a request for the contacts page names the server by an address of this machine. Under any other name the page would share an
/// origin with whoever owns the name. A link from another site may lead to it: it holds no data.
///
/// # Errors
/// When `Host` is another.
pub fn check_page(parts: &Parts, server: SocketAddr) -> Result<(), Foreign> {
    check_host(parts, |authority| is_own(authority, server))
}

/// Checks that a request to the engine comes from no browser at all. Containers reach it by other addresses than this machine's
/// own.
///
/// # Errors
/// What makes it foreign.
pub fn check_engine(parts: &Parts) -> Result<(), Foreign> {
    check_host(parts, is_no_public_name)?;
    if parts.headers.contains_key(header::ORIGIN) {
        return Err(Foreign::Origin);
    }
    if parts.headers.contains_key(SEC_FETCH_SITE) {
        return Err(Foreign::Site);
    }
    Ok(())
}

/// Checks the one `Host` that a request must have, and the authority of a target that has one too.
fn check_host(parts: &Parts, is_trusted: impl Fn(&Authority) -> bool) -> Result<(), Foreign> {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok()).and_then(parsed);
    let is_one = hosts.next().is_none();
    let trusted = is_one && host.is_some_and(|host| is_trusted(&host)) && parts.uri.authority().is_none_or(&is_trusted);
    if trusted { Ok(()) } else { Err(Foreign::Host) }
}

/// Whether every value of a header is text that meets a condition.
fn all(headers: &HeaderMap, name: &HeaderName, condition: impl Fn(&str) -> bool) -> bool {
    headers.get_all(name).iter().all(|value| value.to_str().is_ok_and(&condition))
}

/// A host with an optional port, and nothing else.
fn parsed(text: &str) -> Option<Authority> {
    text.parse().ok().filter(|authority: &Authority| !authority.as_str().contains('@'))
}

/// Whether a host and port are those of the server, by an IP address or a name that only this machine resolves.
fn is_own(authority: &Authority, server: SocketAddr) -> bool {
    let is_here = match address(authority) {
        Some(address) => address.is_loopback() || address == server.ip(),
        None => is_localhost(authority),
    };
    let port = match authority.port() {
        Some(port) => Some(port.as_u16()),
        None => (authority.as_str() == authority.host()).then_some(HTTP),
    };
    is_here && port == Some(server.port())
}

/// Whether a host is an IP address, `localhost`, or a name under `.internal`, which nobody can register (such as
/// `host.docker.internal`).
fn is_no_public_name(authority: &Authority) -> bool {
    address(authority).is_some() || is_localhost(authority) || authority.host().to_ascii_lowercase().ends_with(".internal")
}

fn is_localhost(authority: &Authority) -> bool {
    authority.host().eq_ignore_ascii_case("localhost")
}

/// The IP address that a host is.
fn address(authority: &Authority) -> Option<IpAddr> {
    let host = authority.host();
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(host) => host.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, Request};

    use super::*;

    fn request(target: &str, headers: &[(&'static str, &'static str)]) -> Parts {
        let mut request = Request::get(target).body(()).unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        request.into_parts().0
    }

    #[test]
    fn the_api_trusts_its_own_addresses_and_its_own_pages() {
        let server = SocketAddr::from(([127, 0, 0, 1], 3030));
        for (headers, expected) in [
            (&[("host", "127.0.0.1:3030")][..], Ok(())),
            (&[("host", "LocalHost:3030")], Ok(())),
            (&[("host", "[::1]:3030")], Ok(())),
            (&[("host", "localhost:3030"), ("origin", "http://localhost:3030"), ("sec-fetch-site", "same-origin")], Ok(())),
            (&[("host", "localhost:3030"), ("origin", "http://127.0.0.1:3030")], Ok(())),
            (&[("host", "localhost:3030"), ("sec-fetch-site", "none")], Ok(())),
            (&[], Err(Foreign::Host)),
            (&[("host", "")], Err(Foreign::Host)),
            (&[("host", "localhost")], Err(Foreign::Host)),
            (&[("host", "localhost:")], Err(Foreign::Host)),
            (&[("host", "localhost:3031")], Err(Foreign::Host)),
            (&[("host", "evil.example:3030")], Err(Foreign::Host)),
            (&[("host", "127.0.0.1.evil.example:3030")], Err(Foreign::Host)),
            (&[("host", "evil.localhost:3030")], Err(Foreign::Host)),
            (&[("host", "192.0.2.1:3030")], Err(Foreign::Host)),
            (&[("host", "x@localhost:3030")], Err(Foreign::Host)),
            (&[("host", "localhost:3030"), ("host", "localhost:3030")], Err(Foreign::Host)),
            (&[("host", "localhost:3030"), ("origin", "null")], Err(Foreign::Origin)),
            (&[("host", "localhost:3030"), ("origin", "https://evil.example")], Err(Foreign::Origin)),
            (&[("host", "localhost:3030"), ("origin", "http://localhost:8080")], Err(Foreign::Origin)),
            (&[("host", "localhost:3030"), ("origin", "https://localhost:3030")], Err(Foreign::Origin)),
            (&[("host", "localhost:3030"), ("origin", "http://localhost:3030/")], Err(Foreign::Origin)),
            (&[("host", "localhost:3030"), ("origin", "http://localhost:3030"), ("origin", "null")], Err(Foreign::Origin)),
            (&[("host", "localhost:3030"), ("sec-fetch-site", "cross-site")], Err(Foreign::Site)),
            (&[("host", "localhost:3030"), ("sec-fetch-site", "same-site")], Err(Foreign::Site)),
        ] {
            assert_eq!(check_api(&request("/client-contact", headers), server), expected, "{headers:?}");
        }
        let absolute = |target| check_api(&request(target, &[("host", "localhost:3030")]), server);
        assert_eq!(absolute("http://localhost:3030/"), Ok(()));
        assert_eq!(absolute("http://evil.example:3030/"), Err(Foreign::Host));
        let port_80 = SocketAddr::from(([127, 0, 0, 1], 80));
        assert_eq!(check_api(&request("/", &[("host", "localhost"), ("origin", "http://localhost")]), port_80), Ok(()));
    }

    #[test]
    fn the_engine_trusts_no_browser_and_no_public_name() {
        for (headers, expected) in [
            (&[("host", "127.0.0.1:8000")][..], Ok(())),
            (&[("host", "localhost:8000")], Ok(())),
            (&[("host", "172.17.0.1:8000")], Ok(())),
            (&[("host", "[::1]:8000")], Ok(())),
            (&[("host", "host.docker.internal:8000")], Ok(())),
            (&[], Err(Foreign::Host)),
            (&[("host", "evil.example:8000")], Err(Foreign::Host)),
            (&[("host", "internal:8000")], Err(Foreign::Host)),
            (&[("host", "host.docker.internal.evil.example")], Err(Foreign::Host)),
            (&[("host", "127.0.0.1:8000"), ("origin", "http://127.0.0.1:8000")], Err(Foreign::Origin)),
            (&[("host", "127.0.0.1:8000"), ("origin", "null")], Err(Foreign::Origin)),
            (&[("host", "127.0.0.1:8000"), ("sec-fetch-site", "none")], Err(Foreign::Site)),
        ] {
            assert_eq!(check_engine(&request("/", headers)), expected, "{headers:?}");
        }
    }
}
