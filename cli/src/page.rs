//! The contacts page: what a browser shows at `/`.
//!
//! Its files are part of the program and hold no data: the page calls the API like any other client. Its Content-Security-Policy allows it to
//! load its own files and to call this server, and nothing else.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

use crate::answer::message;
use crate::guard::{self, Foreign};

/// A file of the page, from `cli/page`.
struct File {
    path: &'static str,
    content_type: &'static str,
    content: &'static str,
}

/// The modules of the page's code, each at `/page/` and its name.
macro_rules! modules {
    ($($name:literal),*) => {
        [$(File {
            path: concat!("/page/", $name),
            content_type: "text/javascript; charset=utf-8",
            content: include_str!(concat!("../page/", $name)),
        }),*]
    };
}

static DOCUMENTS: [File; 4] = [
    File { path: "/", content_type: "text/html; charset=utf-8", content: include_str!("../page/index.html") },
    File { path: "/favicon.svg", content_type: "image/svg+xml", content: include_str!("../page/favicon.svg") },
    // Where browsers look for it when a document names none.
    File { path: "/favicon.ico", content_type: "image/svg+xml", content: include_str!("../page/favicon.svg") },
    File { path: "/page/style.css", content_type: "text/css; charset=utf-8", content: include_str!("../page/style.css") },
];

static MODULES: [File; 19] = modules![
    "address.js",
    "api.js",
    "confirm.js",
    "conflict.js",
    "dom.js",
    "fields.js",
    "filters.js",
    "form.js",
    "highlight.js",
    "json.js",
    "key-store.js",
    "key.js",
    "labelled.js",
    "list.js",
    "main.js",
    "pages.js",
    "table.js",
    "toast.js",
    "words.js"
];

/// What the page may do: its own files and this server's API. No frame may hold it, and no text becomes markup or code.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// The headers of every file.
const HEADERS: [(HeaderName, HeaderValue); 6] = [
    // A newer program has a newer page.
    (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// The answer to a request for a file of the page at `server`; `None` when it asks for something else.
///
/// # Errors
/// When the request names this server by another's name: a page of that name could read along what is typed.
pub fn answer(parts: &Parts, server: SocketAddr) -> Option<Result<Response<Body>, Foreign>> {
    let file = DOCUMENTS.iter().chain(&MODULES).find(|file| file.path == parts.uri.path())?;
    Some(guard::check_page(parts, server).map(|()| file.answer(parts)))
}

/// The answer to a request that names this server by another's name.
pub fn refusal() -> Response<Body> {
    message(StatusCode::FORBIDDEN, "Forbidden: open the page at an address of this machine")
}

impl File {
    fn answer(&self, parts: &Parts) -> Response<Body> {
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            let mut response = message(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let tag = self.tag();
        let mut response = if names(&parts.headers, &tag) {
            let mut unchanged = Response::new(Body::empty());
            *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
            unchanged
        } else {
            let mut whole = Response::new(Body::from(self.content));
            whole.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
            whole
        };
        response.headers_mut().extend(HEADERS);
        response.headers_mut().extend(HeaderValue::try_from(tag).map(|tag| (header::ETAG, tag)));
        response
    }

    /// The entity tag: it differs where the content does.
    fn tag(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.content.hash(&mut hasher);
        format!("\"{:016x}\"", hasher.finish())
    }
}

/// Whether `If-None-Match` names an entity tag.
fn names(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).any(|named| named == "*" || named.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::template::{self, Template};

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let of_name = |name: String| match &*name {
            "index.html" => "/".to_owned(),
            "favicon.svg" => "/favicon.svg".to_owned(),
            _ => format!("/page/{name}"),
        };
        let served: BTreeSet<_> = DOCUMENTS.iter().chain(&MODULES).map(|file| file.path.to_owned()).collect();
        let expected: BTreeSet<_> = names.map(of_name).chain(["/favicon.ico".to_owned()]).collect();

        assert_eq!(served, expected);
    }

    #[test]
    fn no_route_of_the_api_is_hidden() {
        for route in Template::parse(template::SOURCE).unwrap().routes {
            assert!(route.path.starts_with("/client-contact"), "{}", route.path);
        }
    }

    /// What the policy would refuse, and what would make markup of text, is not there in the first place.
    #[test]
    fn the_page_has_no_inline_code_and_no_other_host() {
        for File { path, content, .. } in DOCUMENTS.iter().chain(&MODULES) {
            for forbidden in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", " style=\"", "https:", "javascript:", "eval("]
            {
                assert!(!content.contains(forbidden), "{path}: {forbidden}");
            }
        }
        assert_eq!(DOCUMENTS[0].content.matches("<script").count(), 1);
        assert!(!DOCUMENTS[0].content.contains("<style"));
    }
}
