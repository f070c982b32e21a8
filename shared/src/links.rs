//! The `Link` header of a list, as <https://www.rfc-editor.org/rfc/rfc8288> has it: where the other pages are.
//!
//! A reference is a query alone, so that it holds behind whatever stage or domain the request came through. It repeats the client's own
//! parameters, because only the client knows why it spelled them so.

use lambda_http::http::HeaderValue;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::query_string;

/// The longest header, in bytes. API Gateway passes on at most 10,240 bytes of headers in all.
/// Source: <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>.
const MAXIMUM_BYTES: usize = 4 * 1024;

/// What a reference cannot hold as it is, besides what is not ASCII. API Gateway takes these in a query, and passes them on.
const NOT_IN_A_REFERENCE: AsciiSet =
    CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');

/// The pages that a list refers to, each 0 when there is none.
#[derive(Clone, Copy, Debug)]
pub struct Pages {
    /// The page before, or the last one when the list is past the end.
    pub previous: u64,
    /// The page behind.
    pub next: u64,
    /// The last page.
    pub last: u64,
}

/// The header of a list that was asked for with this query string. Nothing when there are no pages, or the header would be above 4 KB.
pub fn link(query: &str, pages: Pages) -> Option<HeaderValue> {
    let others = query_string::without(query, "page");
    let others = utf8_percent_encode(&others, &NOT_IN_A_REFERENCE).to_string();
    let separator = if others.is_empty() { "" } else { "&" };
    let first = pages.last.min(1);
    let relations = [("first", first), ("prev", pages.previous), ("next", pages.next), ("last", pages.last)];
    let links = relations.iter().filter(|(_, page)| *page > 0);
    let links: Vec<_> = links.map(|(relation, page)| format!("<?page={page}{separator}{others}>; rel=\"{relation}\"")).collect();
    let header = links.join(", ");
    HeaderValue::try_from(header).ok().filter(|header| (1..=MAXIMUM_BYTES).contains(&header.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(query: &str, previous: u64, next: u64, last: u64) -> Option<String> {
        link(query, Pages { previous, next, last }).map(|header| header.to_str().expect("a header of ASCII").to_owned())
    }

    #[test]
    fn each_page_that_there_is_has_a_reference() {
        assert_eq!(
            shown("page=2&per_page=5", 1, 3, 4).unwrap(),
            concat!(
                "<?page=1&per_page=5>; rel=\"first\", <?page=1&per_page=5>; rel=\"prev\", ",
                "<?page=3&per_page=5>; rel=\"next\", <?page=4&per_page=5>; rel=\"last\""
            )
        );
        assert_eq!(shown("", 0, 0, 1).unwrap(), "<?page=1>; rel=\"first\", <?page=1>; rel=\"last\"");
        assert_eq!(shown("page=9", 0, 0, 0), None);
    }

    #[test]
    fn what_a_uri_cannot_hold_is_encoded_and_the_rest_is_kept() {
        assert_eq!(
            shown("name[]=a+b%2C,;'&name=%zz\"<>|{} \u{e9}\n", 0, 0, 1).unwrap(),
            concat!(
                "<?page=1&name[]=a+b%2C,;'&name=%zz%22%3C%3E%7C%7B%7D%20%C3%A9%0A>; rel=\"first\", ",
                "<?page=1&name[]=a+b%2C,;'&name=%zz%22%3C%3E%7C%7B%7D%20%C3%A9%0A>; rel=\"last\""
            )
        );
    }

    #[test]
    fn a_header_above_4_kb_is_left_out() {
        // Two references with 34 bytes around what they keep.
        let around = shown("a", 0, 0, 1).unwrap().len() - 2;
        let longest = (MAXIMUM_BYTES - around) / 2;

        assert_eq!(shown(&"a".repeat(longest), 0, 0, 1).unwrap().len(), MAXIMUM_BYTES - (MAXIMUM_BYTES - around) % 2);
        assert_eq!(shown(&"a".repeat(longest + 1), 0, 0, 1), None);
    }
}
