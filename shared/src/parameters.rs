//! The parameters of a request, taken one by one by those who know them. What is wrong is collected, so that the caller learns of all
//! of it at once; what nobody takes is unknown.

use serde_json::value::RawValue;

use crate::error::{Error, Violations};
use crate::handling::{Handling, MAXIMUM_NAMES};
use crate::query_string::{self, Pair};
use crate::timestamp::Timestamp;

/// The most values of one parameter.
pub const MAXIMUM_VALUES: usize = 1_000;

/// The parameters of a query string that nobody has taken yet, and what was wrong with those taken.
#[derive(Debug)]
pub struct Parameters<'a> {
    handling: &'a Handling,
    pairs: Vec<Pair>,
    violations: Violations,
}

/// A parameter as it was given, with a value that is not empty.
#[derive(Debug)]
pub struct Given {
    /// The keys in brackets behind the name; nothing when the brackets do not match.
    pub keys: Option<Vec<String>>,
    /// The value.
    pub value: String,
    whole: String,
}

impl<'a> Parameters<'a> {
    /// The parameters of a query string.
    pub fn of(query: &str, handling: &'a Handling) -> Self {
        Self { handling, pairs: query_string::parse(query), violations: Violations::default() }
    }

    /// Notes that the parameter `name` breaks a rule; `reason` completes the sentence that `name` begins.
    pub fn refuse(&mut self, name: &str, reason: impl Into<String>) {
        self.violations.add(name, reason);
    }

    /// Whether the parameter `name` is known to break a rule.
    pub fn has_refused(&self, name: &str) -> bool {
        self.violations.sentences().any(|(refused, _)| refused == name)
    }

    /// Takes every parameter `name` in its order, with any brackets. A parameter with an empty value is treated as absent.
    pub fn take(&mut self, name: &str) -> Vec<Given> {
        let mut taken = Vec::new();
        for Pair { whole, keys, value, .. } in self.pairs.extract_if(.., |pair| pair.name == name) {
            match value {
                None => self.violations.add(name, "must be UTF-8 text, percent-encoded"),
                Some(value) if !value.is_empty() => taken.push(Given { keys, value, whole }),
                Some(_) if self.handling.is_strict() => self.violations.add(name, "must not be empty"),
                Some(_) => {}
            }
        }
        taken
    }

    /// Takes a parameter that has one value.
    pub fn once(&mut self, name: &str) -> Option<String> {
        let mut given = self.take(name);
        if let Some(bracketed) = given.iter().find(|given| given.keys.as_ref().is_none_or(|keys| !keys.is_empty())) {
            self.violations
                .add(name, format!("must be written without brackets, not as {}", crate::error::quoted(&bracketed.whole)));
        } else if given.len() > 1 {
            self.violations.add(name, "must be given only once");
        } else {
            return given.pop().map(|given| given.value);
        }
        None
    }

    /// Takes a parameter that has one value, which `read` understands; `rule` says what that is.
    pub fn parsed<T>(&mut self, name: &str, rule: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.once(name)?;
        let value = read(&text);
        if value.is_none() {
            self.violations.add(name, rule);
        }
        value
    }

    /// Takes a parameter that can have many values, in each of the forms that clients write. Nothing when it is not given; an empty list
    /// when it is an empty JSON array.
    pub fn many(&mut self, name: &str) -> Option<Vec<String>> {
        let given = self.take(name);
        let mut values = (!given.is_empty()).then(Vec::new)?;
        for Given { keys, value, whole } in given {
            match keys.as_deref() {
                // A text that is not JSON is a value that happens to start with a bracket.
                Some([]) if value.starts_with('[') => match serde_json::from_str::<Vec<Box<RawValue>>>(&value) {
                    Ok(array) => {
                        let strings = array.iter().map(|value| serde_json::from_str::<String>(value.get()).ok());
                        match strings.collect::<Option<Vec<_>>>() {
                            Some(strings) => values.extend(strings),
                            None => self.violations.add(name, "must hold only strings when it is a JSON array"),
                        }
                    }
                    Err(_) => values.push(value),
                },
                Some([]) => values.push(value),
                Some([index]) if index.bytes().all(|byte| byte.is_ascii_digit()) => values.push(value),
                _ => {
                    let whole = crate::error::quoted(&whole);
                    self.violations.add(name, format!("must be written as {name}, {name}[] or {name}[0], not as {whole}"));
                }
            }
        }
        if values.len() > MAXIMUM_VALUES {
            self.violations.add(name, "must have at most 1,000 values");
        }
        Some(values)
    }

    /// Ends the reading: what nobody took is unknown, and is ignored or refused as `Prefer` asks for.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidParameter`] about everything that was wrong.
    pub fn finish(mut self) -> Result<(), Error> {
        let mut unknown: Vec<String> = Vec::new();
        for pair in self.pairs {
            let is_given = self.handling.is_strict() || pair.value.is_none_or(|value| !value.is_empty());
            if is_given && unknown.len() < MAXIMUM_NAMES && !unknown.contains(&pair.whole) {
                unknown.push(pair.whole);
            }
        }
        if self.handling.is_strict() {
            unknown.iter().for_each(|name| self.violations.add(name, "is not a parameter of this call"));
        } else {
            self.handling.ignore_parameters(unknown);
        }
        self.violations.refuse(Error::InvalidParameter)
    }
}

/// Takes a parameter that is a moment, in the forms that every call takes.
pub fn moment(given: &mut Parameters<'_>, name: &str) -> Option<Timestamp> {
    let rule = "must be a time: milliseconds since 1970 as an integer, or RFC 3339 such as 2023-01-15T10:30:00.000Z";
    given.parsed(name, rule, |text| {
        let is_integer = text.strip_prefix('-').unwrap_or(text).bytes().all(|byte| byte.is_ascii_digit());
        if is_integer { text.parse().ok().map(Timestamp::from_millis) } else { Timestamp::from_rfc3339(text) }
    })
}
