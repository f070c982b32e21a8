//! The contacts page as `contacts serve` delivers it. `tests/browser` uses it in a browser.

use reqwest::Method;
use testkit::{Answer, Serving};

use crate::contacts;

/// Everything that the page may do.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

async fn serve() -> Serving {
    contacts().with(&["serve", "--port", "0", "--memory"]).start_serving().await
}

/// Asks for a path as a browser of the server's own user does, with further headers.
async fn get(serving: &Serving, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = serving.caller(None).request(Method::GET, path);
    headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send().await
}

#[tokio::test]
async fn every_file_has_its_type_and_the_headers_that_protect_it() {
    let serving = serve().await;
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/?search=john&page=2", "text/html; charset=utf-8"),
        ("/page/main.js", "text/javascript; charset=utf-8"),
        ("/page/style.css", "text/css; charset=utf-8"),
        ("/favicon.svg", "image/svg+xml"),
        ("/favicon.ico", "image/svg+xml"),
    ] {
        let answer = get(&serving, path, &[]).await.expect(200);

        for (name, value) in [
            ("content-type", content_type),
            ("content-security-policy", POLICY),
            ("cache-control", "no-cache"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path} {name}");
        }
        assert!(!answer.body.is_empty());
    }
}

#[tokio::test]
async fn all_that_a_file_of_the_page_refers_to_is_there() {
    let serving = serve().await;
    let (mut known, mut open) = (Vec::new(), vec!["/".to_owned()]);
    while let Some(path) = open.pop() {
        let text = get(&serving, &path, &[]).await.expect(200).text();
        // Attributes of the document, and imports of the modules.
        let of_document = text.split(['"']).filter(|part| part.starts_with("/page/") || part.starts_with("/favicon"));
        let imported = text.split(" from \"./").skip(1).filter_map(|rest| rest.split('"').next());
        let found = of_document.map(str::to_owned).chain(imported.map(|name| format!("/page/{name}")));
        known.push(path);
        for path in found {
            if !known.contains(&path) && !open.contains(&path) {
                open.push(path);
            }
        }
    }
    assert!(known.len() > 15, "{known:?}");
}

#[tokio::test]
async fn a_file_that_the_browser_has_is_not_sent_again() {
    let serving = serve().await;
    let tag = get(&serving, "/", &[]).await.header("etag").unwrap().to_owned();

    for (sent, status) in [
        (tag.clone(), 304),
        (format!("W/{tag}"), 304),
        (format!("\"another\", {tag}"), 304),
        ("*".to_owned(), 304),
        ("\"another\"".to_owned(), 200),
        (String::new(), 200),
    ] {
        let answer = get(&serving, "/", &[("if-none-match", &sent)]).await.expect(status);
        assert_eq!(answer.body.is_empty(), status == 304, "{sent}");
        assert_eq!(answer.header("etag"), Some(&*tag));
        assert_eq!(answer.header("content-security-policy"), Some(POLICY));
    }
    assert_ne!(get(&serving, "/page/main.js", &[]).await.header("etag"), Some(&*tag));
}

#[tokio::test]
async fn the_page_is_only_read() {
    let serving = serve().await;
    let caller = serving.caller(None);
    let whole = get(&serving, "/", &[]).await;

    let head = caller.request(Method::HEAD, "/").send().await.expect(200);
    assert_eq!(head.header("content-length"), Some(&*whole.body.len().to_string()));
    assert_eq!(head.header("etag"), whole.header("etag"));
    assert!(head.body.is_empty());

    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        for path in ["/", "/page/main.js", "/favicon.svg"] {
            let answer = caller.request(method.clone(), path).send().await.expect(405);
            assert_eq!(answer.header("allow"), Some("GET, HEAD"), "{method} {path}");
            assert_eq!(answer.text(), r#"{"message":"Method Not Allowed"}"#);
        }
    }
}

#[tokio::test]
async fn the_paths_of_the_api_and_unknown_ones_are_as_they_were() {
    let serving = serve().await;
    let browser = [("accept", "text/html,application/xhtml+xml"), ("sec-fetch-mode", "navigate"), ("sec-fetch-site", "none")];

    let list = get(&serving, "/client-contact", &browser).await.expect(200);
    assert_eq!(list.total(), 0);
    for path in
        ["/page", "/page/", "/page/nothing.js", "/page/../page/main.js", "/page/index.html", "//", "/v1/", "/v1/page/main.js"]
    {
        // As sent: a client would tidy the path up.
        let answer = serving.caller(None).raw("GET", path, &[], "").await;
        assert_eq!((answer.status, answer.text().as_str()), (404, r#"{"message":"Not Found"}"#), "{path}");
    }
}

#[tokio::test]
async fn under_another_name_there_is_no_page() {
    let serving = serve().await;
    let port = serving.url.rsplit(':').next().unwrap();
    for (headers, status) in [
        (&[("host", &*format!("evil.example:{port}"))][..], 403),
        (&[("host", "localhost:1")], 403),
        (&[("host", &format!("localhost:{port}"))], 200),
        // A link from another site leads to the page, which holds no data.
        (&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")], 200),
    ] {
        for path in ["/", "/page/main.js"] {
            let answer = get(&serving, path, headers).await.expect(status);
            assert_eq!(answer.text().contains("Forbidden"), status == 403, "{headers:?}");
        }
    }
    let log = serving.signal("TERM").await.errors;
    assert!(log.contains("GET /page/main.js 403: its Host is not an address of this server"), "{log}");
}

#[tokio::test]
async fn the_page_needs_no_key_and_gives_none_away() {
    let serving = contacts().with(&["serve", "--port", "0", "--memory", "--require-key"]).start_serving().await;
    let key = serving.ready.split("api-key: ").nth(1).unwrap().split('\'').next().unwrap().to_owned();

    let page = get(&serving, "/", &[]).await.expect(200);

    assert!(!page.text().contains(&key));
    assert_eq!(serving.caller(None).list("").await.status, 401);
    assert_eq!(serving.caller(Some(&key)).list("").await.status, 200);
}
