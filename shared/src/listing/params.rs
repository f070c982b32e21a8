//! The parameters of a list request, from the query string to a [`ListQuery`] or to a sentence about each that is wrong. Out of range is
//! refused, never clamped.
//!
//! A new filter is one more line in [`parse`], and a field of [`Filter`]: the literal there does not compile without it, and what it
//! does not take is an unknown parameter.

#[cfg(feature = "openapi")]
mod openapi;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;

use index::fold::fold;
use index::keys::{email_key, phone_key};
use index::query::{Filter, ListQuery, SortField, SortKey};
use serde::Deserialize;

use crate::error::Error;
use crate::handling::Handling;
use crate::parameters::{Given, Parameters, moment};

#[cfg(feature = "openapi")]
pub use openapi::ListParameters;

/// Contacts on a page when the request does not say.
const DEFAULT_PER_PAGE: u32 = 25;

/// The most contacts on a page.
const MAXIMUM_PER_PAGE: u32 = 100;

/// The most different words of a search: each is looked for in every contact's names.
const MAXIMUM_WORDS: usize = 16;

/// What a list request with this query string asks for.
///
/// # Errors
///
/// [`Error::InvalidParameter`] about each parameter that is given twice or has the wrong form or range. Unknown parameters are treated
/// as `handling` says.
pub fn parse(query: &str, handling: &Handling) -> Result<ListQuery, Error> {
    let mut given = Parameters::of(query, handling);
    // In the order in which the documentation has them: an answer names the first that is wrong.
    let page = given.parsed("page", "must be an integer of at least 1 and less than 2^64", number);
    let per_page = given.parsed("per_page", "must be an integer from 1 to 100", |text| {
        number(text).and_then(|number| u32::try_from(number.get()).ok()).filter(|per_page| *per_page <= MAXIMUM_PER_PAGE)
    });
    let filter = Filter {
        // No contact has an id that is not an ObjectId.
        ids: given.many("_id").map(|ids| distinct(ids.iter().filter_map(|id| id.parse().ok()))),
        names: given.many("name").map(distinct),
        search: search(&mut given),
        updated_after: moment(&mut given, "from_updatedAt"),
        updated_before: moment(&mut given, "to_updatedAt"),
        id_after: given.once("from__id"),
        id_before: given.once("to__id"),
        emails: given.many("email").map(|emails| distinct(emails.iter().map(|email| email_key(email)))),
        phones: phones(&mut given),
        external_ids: given.many("integration_meta.external_id").map(distinct),
        disabled: given.parsed("disabled", "must be true or false", |text| text.parse().ok()),
        created_after: moment(&mut given, "from_createdAt"),
        created_before: moment(&mut given, "to_createdAt"),
    };
    let sort = sort(&mut given);
    let sort = sort_by(&mut given).unwrap_or(sort);
    given.finish()?;
    Ok(ListQuery {
        filter,
        sort: without_repeated_fields(sort),
        page: page.unwrap_or(NonZeroU64::MIN),
        per_page: per_page.unwrap_or(DEFAULT_PER_PAGE),
    })
}

fn distinct<T: Ord>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    values.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

fn number(text: &str) -> Option<NonZeroU64> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The different words of `search`, folded. One that folds to nothing occurs everywhere.
fn search(given: &mut Parameters) -> Vec<String> {
    let text = given.once("search").unwrap_or_default();
    let words = distinct(text.split_whitespace().map(fold).filter(|word| !word.is_empty()));
    if words.len() > MAXIMUM_WORDS {
        given.refuse("search", "must have at most 16 different words");
    }
    words
}

/// The digits of each `phone`.
fn phones(given: &mut Parameters) -> Option<Vec<String>> {
    let phones = distinct(given.many("phone")?.iter().map(|phone| phone_key(phone)));
    if phones.iter().any(String::is_empty) {
        given.refuse("phone", "must have digits");
    }
    Some(phones)
}

/// The order that `sort` and `sortPageOrder` ask for; empty when they do not.
fn sort(given: &mut Parameters) -> Vec<SortKey> {
    let keys = given.parsed("sort", &only_sortable(), |text| {
        let key = |field: &str| {
            let field = field.trim();
            let unsigned = field.strip_prefix('-');
            Some(SortKey { field: sort_field(unsigned.unwrap_or(field))?, descending: unsigned.is_some() })
        };
        text.split(',').map(key).collect::<Option<Vec<_>>>()
    });
    let descending = given.parsed("sortPageOrder", "must be asc, desc or dsc", |text| match text {
        "asc" => Some(false),
        "desc" | "dsc" => Some(true),
        _ => None,
    });
    let mut keys = keys.unwrap_or_default();
    // It gives the direction of a single field without a sign, and says nothing of others.
    if let [only] = keys.as_mut_slice() {
        only.descending |= descending.unwrap_or_default();
    }
    keys
}

/// Why a value of `sortBy` is refused.
enum SortByRule {
    Form,
    Field,
}

/// The order that `sortBy` asks for; nothing when it is not given.
fn sort_by(given: &mut Parameters) -> Option<Vec<SortKey>> {
    match read_sort_by(given.take("sortBy")) {
        Ok(keys) => (!keys.is_empty()).then_some(keys),
        Err(SortByRule::Form) => {
            given.refuse("sortBy", "must be a list of {\"field\": …, \"type\": \"asc\" or \"desc\"}");
            None
        }
        Err(SortByRule::Field) => {
            given.refuse("sortBy", only_sortable());
            None
        }
    }
}

/// The keys of an order, in each of the forms that clients write.
fn read_sort_by(given: Vec<Given>) -> Result<Vec<SortKey>, SortByRule> {
    let mut listed: Vec<Partial> = Vec::new();
    let mut indexed: BTreeMap<u64, Partial> = BTreeMap::new();
    for Given { keys, value, .. } in &given {
        let keys: Vec<&str> = keys.as_ref().ok_or(SortByRule::Form)?.iter().map(String::as_str).collect();
        match keys.as_slice() {
            [] | [""] if value.trim_start().starts_with('[') => listed.extend(json::<Vec<Partial>>(value)?),
            [] | [""] => listed.push(json(value)?),
            [index] => {
                if indexed.insert(place(index)?, json(value)?).is_some() {
                    return Err(SortByRule::Form);
                }
            }
            [index, member @ ("field" | "type")] => {
                let partial = indexed.entry(place(index)?).or_default();
                let slot = if *member == "field" { &mut partial.field } else { &mut partial.direction };
                if slot.replace(value.clone()).is_some() {
                    return Err(SortByRule::Form);
                }
            }
            _ => return Err(SortByRule::Form),
        }
    }
    listed.into_iter().chain(indexed.into_values()).map(Partial::key).collect()
}

fn json<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, SortByRule> {
    serde_json::from_str(text).map_err(|_| SortByRule::Form)
}

fn place(index: &str) -> Result<u64, SortByRule> {
    index.parse().ok().filter(|_| index.bytes().all(|byte| byte.is_ascii_digit())).ok_or(SortByRule::Form)
}

/// The order without keys that change nothing, because one before them has the same field.
fn without_repeated_fields(keys: Vec<SortKey>) -> Vec<SortKey> {
    let mut distinct: Vec<SortKey> = Vec::new();
    for key in keys {
        if distinct.iter().all(|known| known.field != key.field) {
            distinct.push(key);
        }
    }
    distinct
}

/// An element of `sortBy`, as far as it is known.
#[derive(Default, Deserialize)]
struct Partial {
    field: Option<String>,
    #[serde(rename = "type")]
    direction: Option<String>,
}

impl Partial {
    fn key(self) -> Result<SortKey, SortByRule> {
        let descending = match self.direction.as_deref() {
            Some("asc") => false,
            Some("desc") => true,
            _ => return Err(SortByRule::Form),
        };
        let field = self.field.ok_or(SortByRule::Form)?;
        Ok(SortKey { field: sort_field(&field).ok_or(SortByRule::Field)?, descending })
    }
}

fn sort_field(name: &str) -> Option<SortField> {
    SortField::ALL.iter().find_map(|(known, field)| (*known == name).then_some(*field))
}

fn only_sortable() -> String {
    format!("must name only sortable fields: {}", SortField::ALL.map(|(name, _)| name).join(", "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::timestamp::Timestamp;

    fn parse(query: &str) -> Result<ListQuery, Error> {
        super::parse(query, &Handling::default())
    }

    /// Every sentence about a query string.
    fn refusals(query: &str, handling: &Handling) -> Vec<String> {
        match super::parse(query, handling).unwrap_err() {
            Error::InvalidParameter(violations) => violations.sentences().map(|(_, sentence)| sentence).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn names(query: &str) -> Option<Vec<String>> {
        parse(query).unwrap().filter.names
    }

    fn sort(query: &str) -> Vec<(SortField, bool)> {
        parse(query).unwrap().sort.into_iter().map(|key| (key.field, key.descending)).collect()
    }

    #[test]
    fn nothing_given_is_the_first_page_of_everything() {
        let query = parse("").unwrap();

        assert_eq!(query, parse("page=&per_page=&name=&search=&sort=&sortBy=&unknown=1").unwrap());
        assert_eq!((query.page.get(), query.per_page), (1, 25));
        assert_eq!(query.filter, Filter::default());
        assert_eq!(query.sort, []);
    }

    #[test]
    fn many_values_can_be_written_in_four_ways() {
        let expected = Some(vec!["A".to_owned(), "B, C".to_owned()]);
        for query in [
            "name=A&name=B,%20C",
            "name[]=A&name[]=B,%20C",
            "name[0]=A&name[1]=B,+C",
            "name=[\"A\",%22B, C%22]",
            "name=B, C&name[7]=A",
        ] {
            assert_eq!(names(query), expected, "{query}");
        }
    }

    #[test]
    fn a_text_in_brackets_that_is_no_json_is_a_value() {
        assert_eq!(names("name=[Draft] John"), Some(vec!["[Draft] John".to_owned()]));
        assert_eq!(names("name=&name[]=&name[0]="), None);
    }

    #[test]
    fn an_empty_array_is_a_filter_that_nothing_passes() {
        assert_eq!(names("name=[]"), Some(vec![]));
        assert_eq!(names("name=[]&name=[\"A\"]&name=B"), Some(vec!["A".to_owned(), "B".to_owned()]));
        assert_eq!(names("name=[\"\"]"), Some(vec![String::new()]));
        assert_eq!(parse("_id=[]").unwrap().filter.ids, Some(vec![]));
        assert_eq!(parse("_id=[\"\"]").unwrap().filter.ids, Some(vec![]));
    }

    #[test]
    fn an_id_that_is_none_matches_nothing() {
        assert_eq!(parse("_id=x").unwrap().filter.ids, Some(vec![]));
        assert_eq!(parse("_id=x&_id=60f1b2b3c9e9a12345678901").unwrap().filter.ids.unwrap().len(), 1);
    }

    #[test]
    fn an_order_can_be_written_in_many_ways() {
        use SortField::{Id, Name, UpdatedAt};

        assert_eq!(sort("sort=name"), [(Name, false)]);
        assert_eq!(sort("sort=-name,+_id"), [(Name, true), (Id, false)]);
        assert_eq!(sort("sort=updatedAt&sortPageOrder=dsc"), [(UpdatedAt, true)]);
        assert_eq!(sort("sort=updatedAt&sortPageOrder=asc"), [(UpdatedAt, false)]);
        assert_eq!(sort("sort=-name&sortPageOrder=asc"), [(Name, true)]);
        assert_eq!(sort("sort=name,_id&sortPageOrder=desc"), [(Name, false), (Id, false)]);
        assert_eq!(sort("sortPageOrder=desc"), []);
        let two = [(Name, true), (Id, false)];
        for query in [
            "sortBy=[{\"field\":\"name\",\"type\":\"desc\"},{\"field\":\"_id\",\"type\":\"asc\"}]",
            "sortBy={\"field\":\"name\",\"type\":\"desc\"}&sortBy={\"type\":\"asc\",\"field\":\"_id\"}",
            "sortBy[]={\"field\":\"name\",\"type\":\"desc\"}&sortBy[]={\"type\":\"asc\",\"field\":\"_id\"}",
            "sortBy[1]={\"field\":\"_id\",\"type\":\"asc\"}&sortBy[0]={\"field\":\"name\",\"type\":\"desc\"}",
            "sortBy[10][type]=asc&sortBy[9][field]=name&sortBy[10][field]=_id&sortBy[9][type]=desc&sort=updatedAt",
        ] {
            assert_eq!(sort(query), two, "{query}");
        }
        assert_eq!(sort("sortBy=[]&sort=name"), [(Name, false)]);
    }

    #[test]
    fn what_breaks_a_rule_is_named() {
        let moment = "must be a time: milliseconds since 1970 as an integer, or RFC 3339 such as 2023-01-15T10:30:00.000Z";
        let fields = SortField::ALL.map(|(name, _)| name).join(", ");
        for (query, sentence) in [
            ("page=0", "page must be an integer of at least 1 and less than 2^64"),
            ("page=-1", "page must be an integer of at least 1 and less than 2^64"),
            ("page=+1", "page must be an integer of at least 1 and less than 2^64"),
            ("page=%2B1", "page must be an integer of at least 1 and less than 2^64"),
            ("page=1.0", "page must be an integer of at least 1 and less than 2^64"),
            ("page=x", "page must be an integer of at least 1 and less than 2^64"),
            ("page=18446744073709551616", "page must be an integer of at least 1 and less than 2^64"),
            ("page=1&page=1", "page must be given only once"),
            ("per_page=0", "per_page must be an integer from 1 to 100"),
            ("per_page=101", "per_page must be an integer from 1 to 100"),
            ("per_page=4294967297", "per_page must be an integer from 1 to 100"),
            ("search=a&search=b", "search must be given only once"),
            ("search=%FF", "search must be UTF-8 text, percent-encoded"),
            ("name=%C3%28", "name must be UTF-8 text, percent-encoded"),
            ("name=[1]", "name must hold only strings when it is a JSON array"),
            ("from_updatedAt=now", &format!("from_updatedAt {moment}")),
            ("from_updatedAt=%2B5", &format!("from_updatedAt {moment}")),
            ("from_updatedAt=-", &format!("from_updatedAt {moment}")),
            ("from_updatedAt=2023-01-15", &format!("from_updatedAt {moment}")),
            ("to_updatedAt=9223372036854775808", &format!("to_updatedAt {moment}")),
            ("to_updatedAt=1.5", &format!("to_updatedAt {moment}")),
            ("page[]=2", "page must be written without brackets, not as page[]"),
            ("from_updatedAt[gt]=1", "from_updatedAt must be written without brackets, not as from_updatedAt[gt]"),
            ("from_updatedAt[=1", "from_updatedAt must be written without brackets, not as from_updatedAt["),
            ("search[0]=a", "search must be written without brackets, not as search[0]"),
            ("_id[x]=1", "_id must be written as _id, _id[] or _id[0], not as _id[x]"),
            ("_id[0][1]=1", "_id must be written as _id, _id[] or _id[0], not as _id[0][1]"),
            ("name[0=1", "name must be written as name, name[] or name[0], not as name[0"),
            ("name[%0A]=1", "name must be written as name, name[] or name[0], not as name[\\n]"),
            (&format!("name={}", vec!["a"; 1_001].join("&name=")), "name must have at most 1,000 values"),
            (&format!("_id=[{}]", vec!["\"\""; 1_001].join(",")), "_id must have at most 1,000 values"),
            (&format!("search={}", words(17)), "search must have at most 16 different words"),
            ("sort=media", &format!("sort must name only sortable fields: {fields}")),
            ("sort=name,", &format!("sort must name only sortable fields: {fields}")),
            ("sort=--name", &format!("sort must name only sortable fields: {fields}")),
            ("sortPageOrder=up", "sortPageOrder must be asc, desc or dsc"),
            ("sortBy=name", "sortBy must be a list of {\"field\": …, \"type\": \"asc\" or \"desc\"}"),
            ("sortBy={\"field\":\"name\"}", "sortBy must be a list of {\"field\": …, \"type\": \"asc\" or \"desc\"}"),
            ("sortBy[0][field]=name", "sortBy must be a list of {\"field\": …, \"type\": \"asc\" or \"desc\"}"),
            (
                "sortBy[0][field]=name&sortBy[0][type]=dsc",
                "sortBy must be a list of {\"field\": …, \"type\": \"asc\" or \"desc\"}",
            ),
            ("sortBy[0][other]=name", "sortBy must be a list of {\"field\": …, \"type\": \"asc\" or \"desc\"}"),
            ("sortBy[+1]={}", "sortBy must be a list of {\"field\": …, \"type\": \"asc\" or \"desc\"}"),
            ("sortBy[0=name", "sortBy must be a list of {\"field\": …, \"type\": \"asc\" or \"desc\"}"),
            ("sortBy[x][field]=name", "sortBy must be a list of {\"field\": …, \"type\": \"asc\" or \"desc\"}"),
            ("sortBy[0][field]=media&sortBy[0][type]=asc", &format!("sortBy must name only sortable fields: {fields}")),
        ] {
            assert_eq!(parse(query).unwrap_err().to_string(), sentence, "{query}");
        }
    }

    #[test]
    fn moments_can_lie_before_1970() {
        assert_eq!(parse("from_updatedAt=-5").unwrap().filter.updated_after, Some(Timestamp::from_millis(-5)));
    }

    #[test]
    fn every_parameter_that_is_wrong_is_named_in_the_order_of_the_documentation() {
        assert_eq!(
            refusals("sortBy=x&per_page=0&unknown=1&page=0&name[x]=1&search=a&search=b&page[]=3", &Handling::default()),
            [
                "page must be written without brackets, not as page[]",
                "per_page must be an integer from 1 to 100",
                "name must be written as name, name[] or name[0], not as name[x]",
                "search must be given only once",
                "sortBy must be a list of {\"field\": …, \"type\": \"asc\" or \"desc\"}",
            ]
        );
    }

    #[test]
    fn moments_can_be_written_as_answers_have_them() {
        for text in [
            "2023-01-15T10:30:00.007Z",
            "2023-01-15T10:30:00.0079Z",
            "2023-01-15T12:30:00.007+02:00",
            "2023-01-15T12:30:00.007%2B02:00",
        ] {
            let moment = parse(&format!("from_updatedAt={text}")).unwrap().filter.updated_after;
            assert_eq!(moment, Some(Timestamp::from_millis(1_673_778_600_007)), "{text}");
        }
    }

    #[test]
    fn unknown_parameters_are_told_or_refused() {
        let query = "limit=1&Name=a&x[0]=%FF&%FF=b&limit=2&empty=&=c&name=A&page=";
        let handling = Handling::default();

        super::parse(query, &handling).unwrap();

        assert_eq!(handling.headers()[0].1, "limit,Name,x%5B0%5D,%EF%BF%BD");
        let sentence = |name| format!("{name} is not a parameter of this call");
        let unknown = ["limit", "Name", "x[0]", "\u{fffd}", "empty", "\"\""].map(sentence);
        assert_eq!(refusals(query, &Handling::strict()), [&["page must not be empty".to_owned()], &unknown[..]].concat());
        let many: Vec<String> = (0..100).map(|number| format!("x{number}=1")).collect();
        assert_eq!(refusals(&many.join("&"), &Handling::strict()).len(), 20);
    }

    fn words(count: u32) -> String {
        (0..count).map(|number| format!("w{number}")).collect::<Vec<_>>().join("+")
    }

    #[test]
    fn equal_words_and_sort_keys_count_once() {
        let query = parse(&format!("search={}+W0+w1+%D9%8E+w%C3%B3&sort=name,-name,_id,name", words(15))).unwrap();

        assert_eq!(query.filter.search.len(), 16);
        assert_eq!(query.sort.len(), 2);
        assert!(!query.sort[0].descending);
    }

    #[test]
    fn search_words_are_folded_apart() {
        assert_eq!(parse("search=%C3%89mile%20+ZO%C3%8B").unwrap().filter.search, ["emile", "zoe"]);
    }

    proptest! {
        #[test]
        fn junk_never_panics(query in "((page|per_page|name|_id|sort|sortBy|search|to__id)(\\[[a-z0-9]?\\])*=[ -~]{0,12}&?){0,6}") {
            let _either = (parse(&query), super::parse(&query, &Handling::strict()));
        }
    }
}
