//! The query string as the client sent it: names and values in their order, decoded, with brackets taken apart.
//!
//! API Gateway's own `queryStringParameters` will not do: it joins repeated parameters with commas, which names of
//! contacts hold as well.

use percent_encoding::percent_decode;

/// One `name=value` of a query string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The name up to its first bracket.
    pub name: String,
    /// What stands between brackets behind the name: `["0", "field"]` of `sortBy[0][field]`.
    pub keys: Vec<String>,
    /// The value; nothing when it is not UTF-8.
    pub value: Option<String>,
}

/// The parameters of a query string, by the rules of <https://url.spec.whatwg.org/#urlencoded-parsing>, except that a value
/// which is not UTF-8 is kept apart from one that is, and a name which is not is left out: no parameter has such a name. A
/// parameter with an empty value counts as not given and is left out too.
pub fn parse(query: &str) -> Vec<Pair> {
    query.split('&').filter_map(pair).collect()
}

fn pair(text: &str) -> Option<Pair> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    if value.is_empty() {
        return None;
    }
    let (name, keys) = brackets(decode(name)?)?;
    Some(Pair { name, keys, value: decode(value) })
}

fn decode(text: &str) -> Option<String> {
    let spaces = text.replace('+', " ");
    let bytes: Vec<u8> = percent_decode(spaces.as_bytes()).collect();
    String::from_utf8(bytes).ok()
}

/// `a[b][c]` as `a` and `b`, `c`; nothing when the brackets do not match.
fn brackets(name: String) -> Option<(String, Vec<String>)> {
    let Some((name, keys)) = name.split_once('[') else { return Some((name, Vec::new())) };
    let keys = keys.strip_suffix(']')?.split("][").map(str::to_owned).collect();
    Some((name.to_owned(), keys))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(query: &str) -> Vec<(String, Vec<String>, Option<String>)> {
        parse(query).into_iter().map(|pair| (pair.name, pair.keys, pair.value)).collect()
    }

    fn one(query: &str) -> (String, Vec<String>, Option<String>) {
        let mut pairs = pairs(query);
        assert_eq!(pairs.len(), 1, "{query}");
        pairs.remove(0)
    }

    #[test]
    fn names_and_values_are_decoded() {
        let value = |query| one(query).2.unwrap();

        assert_eq!(value("name=a+b%20c%2Bd"), "a b c+d");
        assert_eq!(value("name=100%25,+a=b"), "100%, a=b");
        assert_eq!(value("name=100%"), "100%");
        assert_eq!(value("name=%zz"), "%zz");
        assert_eq!(value("name=%D8%AC%D9%88%D9%86"), "جون");
        assert_eq!(value("name=جون"), "جون");
        assert_eq!(value("na%6De=a%00b"), "a\0b");
    }

    #[test]
    fn brackets_behind_a_name_are_its_keys() {
        let keys = |query| one(query).1;

        assert_eq!(keys("name=a"), Vec::<String>::new());
        assert_eq!(keys("name[]=a"), [""]);
        assert_eq!(keys("name%5B12%5D=a"), ["12"]);
        assert_eq!(keys("sortBy[0][field]=a"), ["0", "field"]);
    }

    #[test]
    fn what_has_no_value_or_no_name_counts_as_not_given() {
        for query in ["", "&&", "name", "name=", "=", "name[=a", "name[0=a", "%FF=a"] {
            assert_eq!(pairs(query), [], "{query}");
        }
    }

    #[test]
    fn a_value_that_is_not_utf_8_is_told_apart() {
        assert_eq!(one("name=%FF").2, None);
        assert_eq!(one("name=%ED%A0%80").2, None);
    }

    proptest! {
        #[test]
        fn junk_never_panics(query: String) {
            parse(&query);
        }
    }
}
