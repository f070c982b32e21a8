//! The query string as the client sent it: names and values in their order, decoded, with brackets taken apart.
//!
//! API Gateway's own `queryStringParameters` will not do: it joins repeated parameters with commas, which names of
//! contacts hold as well.

use std::string::FromUtf8Error;

use percent_encoding::percent_decode;

/// One `name=value` of a query string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The whole name, decoded: `sortBy[0][field]`. Bytes that are not UTF-8 are replaced, so no parameter has such a name.
    pub whole: String,
    /// The name up to its first bracket: `sortBy`.
    pub name: String,
    /// What stands between brackets behind the name: `["0", "field"]`. Nothing when the brackets do not match.
    pub keys: Option<Vec<String>>,
    /// The value, decoded; nothing when it is not UTF-8.
    pub value: Option<String>,
}

/// The parameters of a query string, by the rules of <https://url.spec.whatwg.org/#urlencoded-parsing>, except that a value
/// which is not UTF-8 is kept apart from one that is.
pub fn parse(query: &str) -> Vec<Pair> {
    query.split('&').filter(|text| !matches!(*text, "" | "=")).map(pair).collect()
}

/// The query string without the parameter `name` in whatever spelling, each other one byte for byte as it is.
pub fn without(query: &str, name: &str) -> String {
    query.split('&').filter(|text| pair(text).name != name).collect::<Vec<_>>().join("&")
}

fn pair(text: &str) -> Pair {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let whole = decode(name).unwrap_or_else(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let (name, keys) = brackets(&whole);
    Pair { name: name.to_owned(), keys, value: decode(value).ok(), whole }
}

/// The text that is encoded, or its bytes when they are not UTF-8.
fn decode(text: &str) -> Result<String, Vec<u8>> {
    let spaces = text.replace('+', " ");
    let bytes: Vec<u8> = percent_decode(spaces.as_bytes()).collect();
    String::from_utf8(bytes).map_err(FromUtf8Error::into_bytes)
}

/// `a[b][c]` as `a` and `b`, `c`; no keys when the brackets do not match.
fn brackets(name: &str) -> (&str, Option<Vec<String>>) {
    let Some((name, keys)) = name.split_once('[') else { return (name, Some(Vec::new())) };
    (name, keys.strip_suffix(']').map(|keys| keys.split("][").map(str::to_owned).collect()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(query: &str) -> Pair {
        let mut pairs = parse(query);
        assert_eq!(pairs.len(), 1, "{query}");
        pairs.remove(0)
    }

    #[test]
    fn names_and_values_are_decoded() {
        let value = |query| one(query).value.unwrap();

        assert_eq!(value("name=a+b%20c%2Bd"), "a b c+d");
        assert_eq!(value("name=100%25,+a=b"), "100%, a=b");
        assert_eq!(value("name=100%"), "100%");
        assert_eq!(value("name=%zz"), "%zz");
        assert_eq!(value("name=%D8%AC%D9%88%D9%86"), "جون");
        assert_eq!(value("name=جون"), "جون");
        assert_eq!(value("na%6De=a%00b"), "a\0b");
        assert_eq!((value("name="), value("name"), one("na%6De").name), (String::new(), String::new(), "name".to_owned()));
    }

    #[test]
    fn brackets_behind_a_name_are_its_keys() {
        let name_and_keys = |query| {
            let pair = one(query);
            (pair.name, pair.keys)
        };

        for (query, name, keys) in [
            ("name=a", "name", Some(&[][..])),
            ("name[]=a", "name", Some(&[""][..])),
            ("name%5B12%5D=a", "name", Some(&["12"][..])),
            ("sortBy[0][field]=a", "sortBy", Some(&["0", "field"][..])),
            ("name[=a", "name", None),
            ("name[0=a", "name", None),
            ("name[0]x=a", "name", None),
            ("name]=a", "name]", Some(&[][..])),
            ("[name]=a", "", Some(&["name"][..])),
        ] {
            let keys = keys.map(|keys| keys.iter().map(ToString::to_string).collect::<Vec<_>>());
            assert_eq!(name_and_keys(query), (name.to_owned(), keys), "{query}");
        }
        assert_eq!(one("sortBy%5B0%5D[field]=a").whole, "sortBy[0][field]");
    }

    #[test]
    fn what_is_empty_between_two_ampersands_is_no_parameter() {
        for query in ["", "&&", "=", "&=&"] {
            assert_eq!(parse(query), [], "{query}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_told_apart() {
        assert_eq!(one("name=%FF").value, None);
        assert_eq!(one("name=%ED%A0%80").value, None);
        assert_eq!(one("name%FF=a").whole, "name\u{fffd}");
    }

    #[test]
    fn a_parameter_is_taken_out_in_every_spelling_and_the_others_stay_as_they_are() {
        for (query, rest) in [
            ("page=2", ""),
            ("", ""),
            ("per_page=2&page=3&name=B,%20c+d", "per_page=2&name=B,%20c+d"),
            ("p%61ge=3&Page=4&pages=5", "Page=4&pages=5"),
            ("page&page=&page=2&a", "a"),
            ("page[]=&page%5B0%5D=&page[=&a=page", "a=page"),
            ("a=1&&=&b=%zz&page=1&c[x]=%FF", "a=1&&=&b=%zz&c[x]=%FF"),
        ] {
            assert_eq!(without(query, "page"), rest, "{query}");
        }
    }

    proptest! {
        #[test]
        fn junk_never_panics(query: String) {
            parse(&query);
        }

        #[test]
        fn what_stays_is_what_was_there_besides(query in "((page|p%61ge|name|a)(\\[0?\\])?(=[ -~]{0,4})?&){0,5}") {
            let others: Vec<Pair> = parse(&query).into_iter().filter(|pair| pair.name != "page").collect();
            prop_assert_eq!(parse(&without(&query, "page")), others);
        }
    }
}
