//! How a call treats what it does not know of a request. `Prefer: handling=strict` refuses it; otherwise it is ignored, and the answer
//! names it. Source: <https://www.rfc-editor.org/rfc/rfc7240#section-4.4>.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lambda_http::http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const IGNORED_PARAMETERS: HeaderName = HeaderName::from_static("x-ignored-parameters");
const IGNORED_MEMBERS: HeaderName = HeaderName::from_static("x-ignored-members");

/// The most unknown names that one answer tells.
pub const MAXIMUM_NAMES: usize = 20;

/// The most bytes of a name in a header, percent-encoded. API Gateway passes on at most 10,240 bytes of headers.
/// Source: <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>.
const MAXIMUM_NAME_BYTES: usize = 100;

/// What a name in a header cannot hold as it is: all but the unreserved characters of
/// <https://www.rfc-editor.org/rfc/rfc3986#section-2.3>.
const NOT_UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How one call treats what it does not know, and what it has ignored so far. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Handling {
    strict: bool,
    ignored: Arc<Mutex<Ignored>>,
}

/// Names as headers have them.
#[derive(Debug, Default)]
struct Ignored {
    parameters: Vec<String>,
    members: Vec<String>,
}

impl Handling {
    /// What the `Prefer` headers of a request ask for. Of several `handling` preferences the first counts.
    pub fn of_request(headers: &HeaderMap) -> Self {
        let values: Vec<_> = headers.get_all(PREFER).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        let handling = values.iter().flat_map(|value| split_outside_quotes(value, ',')).find_map(|preference| {
            // Parameters of a preference stand behind semicolons.
            let preference = split_outside_quotes(preference, ';').next().unwrap_or_default();
            let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
            let value = value.trim();
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
            name.trim().eq_ignore_ascii_case("handling").then(|| value.to_owned())
        });
        Self { strict: handling.is_some_and(|value| value.eq_ignore_ascii_case("strict")), ignored: Arc::default() }
    }

    /// Refuses what the call does not know.
    pub fn strict() -> Self {
        Self { strict: true, ignored: Arc::default() }
    }

    /// Whether what the call does not know is to be refused.
    pub fn is_strict(&self) -> bool {
        self.strict
    }

    /// Notes unknown parameters, which the call ignores.
    pub fn ignore_parameters(&self, names: impl IntoIterator<Item = String>) {
        note(&mut self.ignored().parameters, names);
    }

    /// Notes unknown members of the body, which the call ignores.
    pub fn ignore_members(&self, names: impl IntoIterator<Item = String>) {
        note(&mut self.ignored().members, names);
    }

    /// The headers of the answer that tell all this.
    pub fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let ignored = self.ignored();
        let listed = |name, names: &[String]| {
            let value = HeaderValue::try_from(names.join(",")).ok().filter(|value| !value.is_empty());
            value.map(|value| (name, value))
        };
        let applied = self.strict.then(|| (PREFERENCE_APPLIED, HeaderValue::from_static("handling=strict")));
        let parameters = listed(IGNORED_PARAMETERS, &ignored.parameters);
        let members = listed(IGNORED_MEMBERS, &ignored.members);
        [applied, parameters, members].into_iter().flatten().collect()
    }

    fn ignored(&self) -> MutexGuard<'_, Ignored> {
        self.ignored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn note(noted: &mut Vec<String>, names: impl IntoIterator<Item = String>) {
    for name in names.into_iter().map(|name| encoded(&name)) {
        if noted.len() == MAXIMUM_NAMES {
            break;
        }
        // One without a name cannot be named.
        if !name.is_empty() && !noted.contains(&name) {
            noted.push(name);
        }
    }
}

/// A name percent-encoded, and cut with an ellipsis when it is long.
fn encoded(name: &str) -> String {
    let mut encoded = String::new();
    for letter in name.chars() {
        let start = encoded.len();
        encoded.extend(utf8_percent_encode(letter.encode_utf8(&mut [0; 4]), NOT_UNRESERVED));
        if encoded.len() > MAXIMUM_NAME_BYTES {
            encoded.truncate(start);
            encoded.extend(utf8_percent_encode("…", NOT_UNRESERVED));
            break;
        }
    }
    encoded
}

/// The parts of `text` between `separator`s that are not in a quoted string.
fn split_outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut in_quotes, mut escaped) = (false, false);
    text.split(move |letter| {
        let separates = letter == separator && !in_quotes;
        if in_quotes && !escaped && letter == '\\' {
            escaped = true;
        } else {
            in_quotes ^= letter == '"' && !escaped;
            escaped = false;
        }
        separates
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_strict(values: &[&str]) -> bool {
        let values = values.iter().map(|value| (PREFER, HeaderValue::from_bytes(value.as_bytes()).unwrap()));
        Handling::of_request(&values.collect()).is_strict()
    }

    #[test]
    fn handling_is_found_among_preferences() {
        for values in [
            &["handling=strict"][..],
            &["Handling = STRICT"],
            &["handling=\"strict\""],
            &["handling=strict; x=\"a,b\""],
            &["respond-async, wait=100, handling=strict"],
            &["return=minimal; x=\"handling=lenient, \\\" handling=lenient\", handling=strict"],
            &["respond-async", "handling=strict"],
            &[",, ,handling=strict,"],
            &["handling=strict, handling=lenient"],
        ] {
            assert!(is_strict(values), "{values:?}");
        }
        for values in [
            &[][..],
            &[""],
            &["handling"],
            &["handling=lenient, handling=strict"],
            &["handling=lenient", "handling=strict"],
            &["x=\"handling=strict\""],
            &["x=\", handling=strict"],
            &["handling=stricter"],
            &["x; handling=strict"],
            &["\u{e9}=strict"],
        ] {
            assert!(!is_strict(values), "{values:?}");
        }
    }

    #[test]
    fn ignored_names_are_told_encoded_each_once_and_not_too_many() {
        let handling = Handling::default();
        assert_eq!(handling.headers(), []);

        handling.ignore_parameters(["a,b".to_owned(), "جون".to_owned(), "a,b".to_owned(), "x[0]".to_owned()]);
        handling.ignore_members((0..100).map(|number| format!("{number:0>200}")));

        let headers = HeaderMap::from_iter(handling.headers());
        assert_eq!(headers[IGNORED_PARAMETERS], "a%2Cb,%D8%AC%D9%88%D9%86,x%5B0%5D");
        let members: Vec<_> = headers[IGNORED_MEMBERS].to_str().unwrap().split(',').collect();
        assert_eq!((members.len(), members[0]), (1, format!("{}%E2%80%A6", "0".repeat(100)).as_str()));
        assert!(!headers.contains_key(PREFERENCE_APPLIED));
        let handling = Handling::default();
        handling.ignore_members((0..100).map(|number| number.to_string()));
        assert_eq!(handling.headers()[0].1.to_str().unwrap().split(',').count(), MAXIMUM_NAMES);
    }

    proptest! {
        #[test]
        fn junk_never_panics(value: Vec<u8>, name: String) {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                Handling::of_request(&HeaderMap::from_iter([(PREFER, value)]));
            }
            let handling = Handling::strict();
            handling.ignore_members([name]);
            prop_assert!(handling.headers().len() <= 2);
        }
    }
}
