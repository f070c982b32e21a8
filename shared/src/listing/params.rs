//! The parameters of a list request, from the query string to a [`ListQuery`] or to a sentence about the first that is wrong.
//! Out of range is refused, never clamped.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;

use serde::Deserialize;

use super::query_string::{self, Pair};
use crate::error::Error;
use crate::timestamp::Timestamp;
use index::fold::fold;
use index::query::{Filter, ListQuery, SortField, SortKey};

/// Contacts on a page when the request does not say.
const DEFAULT_PER_PAGE: u32 = 25;

/// The most contacts on a page.
const MAXIMUM_PER_PAGE: u32 = 100;

/// What a list request with this query string asks for.
///
/// # Errors
///
/// [`Error::Invalid`] about the first parameter that is given twice or has the wrong form or range. Unknown parameters are ignored.
pub fn parse(query: &str) -> Result<ListQuery, Error> {
    let parameters = Parameters(query_string::parse(query));
    let sort = parameters.sort()?;
    Ok(ListQuery {
        filter: Filter {
            ids: parameters.many("_id")?.map(|ids| distinct(ids.iter().filter_map(|id| id.parse().ok()))),
            names: parameters.many("name")?.map(distinct),
            search: parameters.text("search")?.map(|text| text.split_whitespace().map(fold).collect()).unwrap_or_default(),
            updated_after: parameters.moment("from_updatedAt")?,
            updated_before: parameters.moment("to_updatedAt")?,
            id_after: parameters.text("from__id")?.map(str::to_owned),
            id_before: parameters.text("to__id")?.map(str::to_owned),
        },
        sort: parameters.sort_by()?.unwrap_or(sort),
        page: parameters.number("page", "must be an integer of at least 1")?.unwrap_or(NonZeroU64::MIN),
        per_page: parameters
            .number("per_page", "must be an integer from 1 to 100")?
            .map(|per_page: NonZeroU64| u32::try_from(per_page.get()).ok().filter(|per_page| *per_page <= MAXIMUM_PER_PAGE))
            .map_or(Ok(DEFAULT_PER_PAGE), |per_page| {
                per_page.ok_or_else(|| Error::invalid("per_page", "must be an integer from 1 to 100"))
            })?,
    })
}

fn distinct<T: Ord>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    values.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

struct Parameters(Vec<Pair>);

impl Parameters {
    fn named(&self, name: &str) -> impl Iterator<Item = (&Pair, Result<&str, Error>)> {
        self.0.iter().filter(move |pair| pair.name == name).map(move |pair| {
            let value = pair.value.as_deref().ok_or_else(|| Error::invalid(name, "must be UTF-8 text, percent-encoded"));
            (pair, value)
        })
    }

    /// The value of a parameter that can be given once.
    fn text(&self, name: &str) -> Result<Option<&str>, Error> {
        let mut values = self.named(name).filter(|(pair, _)| pair.keys.is_empty()).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Error::invalid(name, "must be given only once")),
            (value, None) => value.transpose(),
        }
    }

    fn number(&self, name: &str, rule: &str) -> Result<Option<NonZeroU64>, Error> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| digits).map(Some).ok_or_else(|| Error::invalid(name, rule))
    }

    fn moment(&self, name: &str) -> Result<Option<Timestamp>, Error> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let digits = text.strip_prefix('-').unwrap_or(text).bytes().all(|byte| byte.is_ascii_digit());
        let millis = text.parse().ok().filter(|_| digits);
        millis
            .map(|millis| Some(Timestamp::from_millis(millis)))
            .ok_or_else(|| Error::invalid(name, "must be an integer, a moment in milliseconds since 1970"))
    }

    /// The values of a parameter that can have many, in each of the forms that clients write; nothing when none is given.
    fn many(&self, name: &str) -> Result<Option<Vec<String>>, Error> {
        let mut values = Vec::new();
        for (pair, value) in self.named(name) {
            let value = value?;
            match pair.keys.as_slice() {
                // A text that is no JSON is a value that happens to start with a bracket.
                [] if value.starts_with('[') => match serde_json::from_str::<Vec<serde_json::Value>>(value) {
                    Ok(array) => {
                        let strings = array.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
                        values.extend(strings.ok_or_else(|| Error::invalid(name, "must be strings where it is a JSON array"))?);
                    }
                    Err(_) => values.push(value.to_owned()),
                },
                [] => values.push(value.to_owned()),
                [index] if is_index(index) => values.push(value.to_owned()),
                _ => {}
            }
        }
        values.retain(|value| !value.is_empty());
        Ok((!values.is_empty()).then_some(values))
    }

    /// The order that `sort` and `sortPageOrder` ask for; empty when they do not.
    fn sort(&self) -> Result<Vec<SortKey>, Error> {
        let descending = match self.text("sortPageOrder")? {
            None | Some("asc") => false,
            Some("desc" | "dsc") => true,
            Some(_) => return Err(Error::invalid("sortPageOrder", "must be asc, desc or dsc")),
        };
        let Some(text) = self.text("sort")? else { return Ok(Vec::new()) };
        let mut keys = text
            .split(',')
            .map(|field| {
                let field = field.trim();
                let unsigned = field.strip_prefix('-');
                Ok(SortKey { field: sort_field("sort", unsigned.unwrap_or(field))?, descending: unsigned.is_some() })
            })
            .collect::<Result<Vec<_>, Error>>()?;
        // It gives the direction of a single field without a sign, and says nothing of others.
        if let [only] = keys.as_mut_slice() {
            only.descending |= descending;
        }
        Ok(keys)
    }

    /// The order that `sortBy` asks for, in each of the forms that clients write; nothing when it is not given.
    fn sort_by(&self) -> Result<Option<Vec<SortKey>>, Error> {
        let wrong = || Error::invalid("sortBy", "must be a list of {\"field\": …, \"type\": \"asc\" or \"desc\"}");
        let mut listed = Vec::new();
        let mut indexed: BTreeMap<u64, Partial> = BTreeMap::new();
        for (pair, value) in self.named("sortBy") {
            let value = value?;
            match pair.keys.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                [] | [""] if value.trim_start().starts_with('[') => {
                    listed.extend(serde_json::from_str::<Vec<Partial>>(value).map_err(|_| wrong())?);
                }
                [] | [""] => listed.push(serde_json::from_str(value).map_err(|_| wrong())?),
                [index] => {
                    let index = index.parse().map_err(|_| wrong())?;
                    let whole = serde_json::from_str(value).map_err(|_| wrong())?;
                    if indexed.insert(index, whole).is_some() {
                        return Err(wrong());
                    }
                }
                [index, member @ ("field" | "type")] => {
                    let partial = indexed.entry(index.parse().map_err(|_| wrong())?).or_default();
                    let slot = if *member == "field" { &mut partial.field } else { &mut partial.direction };
                    if slot.replace(value.to_owned()).is_some() {
                        return Err(wrong());
                    }
                }
                _ => {}
            }
        }
        listed.extend(indexed.into_values());
        let keys = listed
            .into_iter()
            .map(|partial| {
                let descending = match partial.direction.as_deref() {
                    Some("asc") => false,
                    Some("desc") => true,
                    _ => return Err(wrong()),
                };
                Ok(SortKey { field: sort_field("sortBy", &partial.field.ok_or_else(wrong)?)?, descending })
            })
            .collect::<Result<Vec<_>, Error>>()?;
        Ok((!keys.is_empty()).then_some(keys))
    }
}

/// An element of `sortBy`, as far as it is known.
#[derive(Default, Deserialize)]
struct Partial {
    field: Option<String>,
    #[serde(rename = "type")]
    direction: Option<String>,
}

fn is_index(key: &str) -> bool {
    key.bytes().all(|byte| byte.is_ascii_digit())
}

fn sort_field(parameter: &str, name: &str) -> Result<SortField, Error> {
    SortField::ALL.iter().find_map(|(known, field)| (*known == name).then_some(*field)).ok_or_else(|| {
        let known = SortField::ALL.map(|(name, _)| name).join(", ");
        Error::invalid(parameter, format!("must name fields among {known}"))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
        assert_eq!(names("name[x]=A&name[0][1]=B"), None);
        assert_eq!(names("name=[]&name=[\"\"]"), None);
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
        let fields = "_id, name, local_name, phone1, phone2, email, title, disabled, createdAt, updatedAt";
        for (query, sentence) in [
            ("page=0", "page must be an integer of at least 1"),
            ("page=-1", "page must be an integer of at least 1"),
            ("page=+1", "page must be an integer of at least 1"),
            ("page=%2B1", "page must be an integer of at least 1"),
            ("page=1.0", "page must be an integer of at least 1"),
            ("page=x", "page must be an integer of at least 1"),
            ("page=18446744073709551616", "page must be an integer of at least 1"),
            ("page=1&page=1", "page must be given only once"),
            ("per_page=0", "per_page must be an integer from 1 to 100"),
            ("per_page=101", "per_page must be an integer from 1 to 100"),
            ("per_page=4294967297", "per_page must be an integer from 1 to 100"),
            ("search=a&search=b", "search must be given only once"),
            ("search=%FF", "search must be UTF-8 text, percent-encoded"),
            ("name=%C3%28", "name must be UTF-8 text, percent-encoded"),
            ("name=[1]", "name must be strings where it is a JSON array"),
            ("from_updatedAt=now", "from_updatedAt must be an integer, a moment in milliseconds since 1970"),
            ("from_updatedAt=%2B5", "from_updatedAt must be an integer, a moment in milliseconds since 1970"),
            ("to_updatedAt=9223372036854775808", "to_updatedAt must be an integer, a moment in milliseconds since 1970"),
            ("to_updatedAt=1.5", "to_updatedAt must be an integer, a moment in milliseconds since 1970"),
            ("sort=media", &format!("sort must name fields among {fields}")),
            ("sort=name,", &format!("sort must name fields among {fields}")),
            ("sort=--name", &format!("sort must name fields among {fields}")),
            ("sortPageOrder=up", "sortPageOrder must be asc, desc or dsc"),
            ("sortBy=name", "sortBy must be a list of {\"field\": …, \"type\": \"asc\" or \"desc\"}"),
            ("sortBy={\"field\":\"name\"}", "sortBy must be a list of {\"field\": …, \"type\": \"asc\" or \"desc\"}"),
            ("sortBy[0][field]=name", "sortBy must be a list of {\"field\": …, \"type\": \"asc\" or \"desc\"}"),
            (
                "sortBy[0][field]=name&sortBy[0][type]=dsc",
                "sortBy must be a list of {\"field\": …, \"type\": \"asc\" or \"desc\"}",
            ),
            ("sortBy[x][field]=name", "sortBy must be a list of {\"field\": …, \"type\": \"asc\" or \"desc\"}"),
            ("sortBy[0][field]=media&sortBy[0][type]=asc", &format!("sortBy must name fields among {fields}")),
        ] {
            assert_eq!(parse(query).unwrap_err().to_string(), sentence, "{query}");
        }
    }

    #[test]
    fn moments_can_lie_before_1970() {
        assert_eq!(parse("from_updatedAt=-5").unwrap().filter.updated_after, Some(Timestamp::from_millis(-5)));
    }

    #[test]
    fn search_words_are_folded_apart() {
        assert_eq!(parse("search=%C3%89mile%20+ZO%C3%8B").unwrap().filter.search, ["emile", "zoe"]);
    }

    proptest! {
        #[test]
        fn junk_never_panics(query in "((page|per_page|name|_id|sort|sortBy|search|to__id)(\\[[a-z0-9]?\\])*=[ -~]{0,12}&?){0,6}") {
            let _either = parse(&query);
        }
    }
}
