//! The members of a body, each read by the rule of its field.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::given::Given;
use super::malformed::why_no_object;
use super::{MAXIMUM_META_BYTES, META_TOO_LONG, Purpose};
use crate::email;
use crate::error::{Error, Violations};
use crate::handling::{Handling, MAXIMUM_NAMES};
use crate::json_object::{JsonMember, JsonObject, MAXIMUM_LEVELS, NotMetadata, has_lone_surrogate};
use crate::text_field::Rule;
use crate::user::{User, UserType};

/// The longest name of a user's further member, in bytes: DynamoDB takes no longer one.
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>.
const MAXIMUM_MEMBER_NAME_BYTES: usize = 65_535;

/// The most characters of a name.
pub(super) const MAXIMUM_NAME: usize = 1_000;

/// The most entries of `media`.
pub(super) const MAXIMUM_MEDIA: usize = 100;

/// The most characters of a URL in `media` and `cover_photo`.
pub(super) const MAXIMUM_URL: usize = 2_048;

/// The most namespaces of a contact.
pub(super) const MAXIMUM_NAMESPACES: usize = 100;

/// The most characters of the key in `integration_meta.<key>`.
pub(super) const MAXIMUM_KEY: usize = 255;

/// Half of a surrogate pair is in no Unicode text, though JSON can write it.
const LONE_SURROGATE: &str = "must not hold half of a surrogate pair, such as \\ud800";

/// The members of a JSON object that nobody has taken yet, each still as its text, and what was wrong with those taken. Of two members
/// with one name the last counts.
pub(crate) struct Members {
    left: BTreeMap<String, Box<RawValue>>,
    violations: Violations,
    /// Members inside others that the contact does not keep.
    not_kept: Vec<String>,
}

impl Members {
    /// The members of a body of at most `maximum` bytes.
    pub(crate) fn of(body: &[u8], maximum: usize) -> Result<Self, Error> {
        if body.len() > maximum {
            return Err(Error::BodyTooLarge { maximum });
        }
        // Members stay text here, so that one that nobody asks for can hold anything, however deep.
        let left = serde_json::from_slice(body).map_err(|error| Error::MalformedJson(why_no_object(body, &error)))?;
        Ok(Self { left, violations: Violations::default(), not_kept: Vec::new() })
    }

    /// Ends the reading: what nobody took is unknown, and is ignored, or refused with the sentence that its name and `why` make, as `handling`
    /// says.
    pub(crate) fn finish(mut self, handling: &Handling, why: &str) -> Result<(), Error> {
        let unknown = self.left.into_keys().take(MAXIMUM_NAMES);
        if handling.is_strict() {
            unknown.for_each(|name| self.violations.add(name, why));
            self.not_kept.iter().take(MAXIMUM_NAMES).for_each(|name| self.violations.add(name, "must be a string"));
        } else {
            handling.ignore_members(unknown.chain(self.not_kept));
        }
        self.violations.refuse(Error::InvalidField)
    }

    /// Takes a member that every contact has: an update cannot clear it, and a create must give `name`, for which there is no default.
    pub(super) fn of_every_contact<T>(
        &mut self,
        name: &'static str,
        purpose: Purpose,
        take: impl FnOnce(&mut Self, &'static str) -> Given<T>,
    ) -> Given<T> {
        let is_present = self.left.contains_key(name);
        match (take(self, name), purpose) {
            (Given::Null, Purpose::Update) => self.refused(name, "must not be null: every contact has one"),
            (Given::Null, Purpose::Create) if name == "name" => self.refused(name, "is required"),
            (Given::Nothing, Purpose::Create) if name == "name" && !is_present => self.refused(name, "is required"),
            (given, _) => given,
        }
    }

    /// Takes a member as the type that its rule asks for.
    pub(crate) fn typed<T: DeserializeOwned>(&mut self, name: &str, rule: &str) -> Given<T> {
        self.read(name, rule, rule)
    }

    /// Takes a member that is text or holds some.
    fn textual<T: DeserializeOwned>(&mut self, name: &str, rule: &str) -> Given<T> {
        self.read(name, rule, LONE_SURROGATE)
    }

    fn read<T: DeserializeOwned>(&mut self, name: &str, rule: &str, lone_surrogate: &str) -> Given<T> {
        match self.left.remove(name) {
            None => Given::Nothing,
            Some(raw) if raw.get() == "null" => Given::Null,
            Some(raw) => match serde_json::from_str(raw.get()) {
                Ok(value) => Given::Value(value),
                Err(error) => {
                    let is_lone_surrogate = error.classify() == Category::Syntax && has_lone_surrogate(raw.get());
                    self.refused(name, if is_lone_surrogate { lone_surrogate } else { rule })
                }
            },
        }
    }

    /// Notes that a member breaks a rule.
    pub(crate) fn refused<T>(&mut self, name: impl AsRef<str>, reason: impl Into<String>) -> Given<T> {
        self.violations.add(name, reason);
        Given::Nothing
    }

    /// Holds a value, if there is one, against a further rule.
    fn checked<T>(&mut self, name: &str, given: Given<T>, rule: &str, keeps: impl FnOnce(&T) -> bool) -> Given<T> {
        given.and_then(|value| if keeps(&value) { Given::Value(value) } else { self.refused(name, rule) })
    }

    pub(crate) fn string(&mut self, name: &str) -> Given<String> {
        self.textual(name, "must be a string")
    }

    pub(super) fn integer(&mut self, name: &str) -> Given<serde_json::Number> {
        let rule = "must be an integer";
        let number = self.typed::<serde_json::Number>(name, rule);
        self.checked(name, number, rule, |number| {
            number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|value| value.fract() == 0.0)
        })
    }

    pub(super) fn text(&mut self, name: &str, rule: Rule) -> Given<String> {
        match rule {
            Rule::AtMost(maximum) => self.text_of_at_most(name, maximum),
            Rule::Mailbox => self.email(name),
        }
    }

    fn text_of_at_most(&mut self, name: &str, maximum: usize) -> Given<String> {
        let text = self.string(name);
        let rule = format!("must be at most {} characters", grouped(maximum));
        self.checked(name, text, &rule, |text| text.chars().count() <= maximum)
    }

    pub(super) fn name(&mut self, name: &str) -> Given<String> {
        let text = self.text(name, Rule::AtMost(MAXIMUM_NAME));
        self.checked(name, text, "must not be empty", |text| !text.trim().is_empty())
    }

    fn email(&mut self, name: &str) -> Given<String> {
        let address = self.string(name);
        let rule = "must be empty or an e-mail address of at most 254 characters, such as john.smith@example.com";
        // Forms send a field that nobody filled in as an empty text.
        self.checked(name, address, rule, |address| address.is_empty() || email::is_mailbox(address))
    }

    pub(super) fn media(&mut self, name: &str) -> Given<Vec<String>> {
        let rule = "must be an array of at most 100 strings of at most 2,048 characters";
        let media = self.textual::<Vec<String>>(name, rule);
        self.checked(name, media, rule, |media| {
            media.len() <= MAXIMUM_MEDIA && media.iter().all(|entry| entry.chars().count() <= MAXIMUM_URL)
        })
    }

    pub(super) fn namespaces(&mut self, name: &str) -> Given<Vec<String>> {
        let rule = "must be an array of 1 to 100 distinct, non-empty strings";
        let namespaces = self.textual::<Vec<String>>(name, rule);
        self.checked(name, namespaces, rule, |namespaces| {
            let distinct: BTreeSet<_> = namespaces.iter().collect();
            (1..=MAXIMUM_NAMESPACES).contains(&namespaces.len())
                && distinct.len() == namespaces.len()
                && namespaces.iter().all(|namespace| !namespace.is_empty())
        })
    }

    pub(super) fn meta(&mut self, name: &str, purpose: Purpose) -> Given<JsonObject> {
        let is_given = self.left.get(name).is_some_and(|raw| purpose == Purpose::Update || raw.get() != "null");
        if is_given && self.left.keys().any(|member| key_in(name, member).is_some()) {
            self.violations.add(name, format!("must not come together with members of it, such as {name}.erp"));
        }
        let raw = self.typed::<Box<RawValue>>(name, "must be a JSON object");
        let object = raw.and_then(|raw| match JsonObject::parse(&raw) {
            Ok(object) => Given::Value(object),
            Err(why) => self.refused(name, why.to_string()),
        });
        self.checked(name, object, META_TOO_LONG, |object| object.raw().get().len() <= MAXIMUM_META_BYTES)
    }

    /// Takes the members `<name>.<key>`, each a value to set, or `null` to remove it.
    pub(super) fn members_of_meta(&mut self, name: &str) -> BTreeMap<String, Option<JsonMember>> {
        let mut members = BTreeMap::new();
        let named = format!("{name}.");
        let taken: Vec<_> = self.left.extract_if(named.., |member, _| key_in(name, member).is_some()).collect();
        for (member, raw) in taken {
            let Some(key) = key_in(name, &member) else { continue };
            if key.contains('.') || !(1..=MAXIMUM_KEY).contains(&key.chars().count()) {
                self.violations.add(&member, "must name a member by a key of 1 to 255 characters without a dot");
                continue;
            }
            let value = if raw.get() == "null" { Ok(None) } else { JsonMember::parse(&raw).map(Some) };
            match value {
                Ok(Some(value)) if value.bytes() > MAXIMUM_META_BYTES => self.violations.add(&member, META_TOO_LONG),
                Ok(value) => {
                    members.insert(key.to_owned(), value);
                }
                Err(NotMetadata::TooDeep) => {
                    self.violations.add(&member, format!("must be at most {} levels deep", MAXIMUM_LEVELS - 1));
                }
                Err(why) => self.violations.add(&member, why.to_string()),
            }
        }
        members
    }

    pub(super) fn user(&mut self, field: &str) -> Given<User> {
        // Its members stay text too: what a user does not keep can hold anything.
        let members = self.typed::<BTreeMap<String, Box<RawValue>>>(field, "must be an object with the strings _id and type");
        members.and_then(|members| self.user_of(field, members).map_or(Given::Nothing, Given::Value))
    }

    /// A user from its members, unless one of them is wrong. Further strings are kept; whatever else there is, is not.
    fn user_of(&mut self, field: &str, members: BTreeMap<String, Box<RawValue>>) -> Option<User> {
        let mut own = Self { left: members, violations: Violations::default(), not_kept: Vec::new() };
        let id = own.string("_id").value();
        let username = own.string("username").value();
        let name = own.string("name").value();
        let kind = own.string("type").value();
        for (member, value) in [("_id", &id), ("type", &kind)] {
            if value.is_none() {
                own.violations.add(member, "is required");
            }
        }
        let kind = kind.and_then(|kind| {
            let known = UserType::ALL.iter().find_map(|(name, known)| (*name == kind).then_some(*known));
            known.or_else(|| own.refused("type", "must be one of admin, rep, client").value())
        });
        let mut others = BTreeMap::new();
        for member in own.left.keys().cloned().collect::<Vec<_>>() {
            let is_text = own.left[&member].get().starts_with('"');
            if member.len() > MAXIMUM_MEMBER_NAME_BYTES {
                own.violations.add(member, "must have a name of at most 65,535 bytes");
            } else if is_text {
                if let Given::Value(text) = own.string(&member) {
                    others.insert(member, text);
                }
            } else if own.left[&member].get() != "null" {
                self.not_kept.push(format!("{field}.{member}"));
            }
        }
        let is_right = own.violations.is_empty();
        self.violations.add_within(field, own.violations);
        Some(User { id: id?, username, name, kind: kind?, others }).filter(|_| is_right)
    }
}

/// The key of a member that is written as `<name>.<key>`.
fn key_in<'a>(name: &str, member: &'a str) -> Option<&'a str> {
    member.strip_prefix(name)?.strip_prefix('.')
}

/// A number as prose writes it: `10,000`.
fn grouped(number: usize) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", grouped(number / 1_000), number % 1_000),
    }
}
