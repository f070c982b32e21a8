//! What the OpenAPI document says of a list's parameters.

use index::query::SortField;
use serde_json::json;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn, ParameterStyle};
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::{ContentBuilder, Required};

use super::{DEFAULT_PER_PAGE, MAXIMUM_PER_PAGE, MAXIMUM_WORDS};
use crate::external_id;
use crate::openapi::{JSON, array, boolean, integer, moment, object, query, text};
use crate::parameters::MAXIMUM_VALUES;

/// The parameters of a list.
pub struct ListParameters;

impl IntoParams for ListParameters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let per_page = integer(1, MAXIMUM_PER_PAGE.into()).default(Some(json!(DEFAULT_PER_PAGE)));
        let words = format!(
            "Every word, separated by white space, occurs in `name` or in `local_name`, also within a word, ignoring case, accents and Arabic vowel \
             marks. At most {MAXIMUM_WORDS} different words."
        );
        let digit = text().min_length(Some(1)).pattern(Some(r"\p{Nd}")).examples([json!("+1 234 567 890")]);
        vec![
            query(
                "page",
                "The number of the page. A page past the end has no data.",
                integer(1, u64::MAX).default(Some(json!(1))),
            )
            .build(),
            query("per_page", "How many contacts a page has.", per_page).build(),
            many(
                "_id",
                "Contacts with one of these ids. What is not an ObjectId matches nothing.",
                value("60f1b2b3c9e9a12345678901"),
            ),
            many("name", "Contacts whose `name` is exactly one of these.", value("John Smith")),
            query("search", &words, text().examples([json!("john smi")])).build(),
            moment("from_updatedAt", "Contacts that were last changed strictly after this time."),
            moment("to_updatedAt", "Contacts that were last changed strictly before this time."),
            query("from__id", "Contacts whose `_id` is strictly greater, compared as text.", value("60f1b2b3c9e9a12345678901"))
                .build(),
            query("to__id", "Contacts whose `_id` is strictly less, compared as text.", value("60f1b2b3c9e9a12345678901"))
                .build(),
            many("email", "Contacts whose `email` is one of these, ignoring case.", value("john.smith@example.com")),
            many(
                "phone",
                "Contacts of which `phone1` or `phone2` has the same digits as one of these. Digits of any script count by their value, everything else \
                 is left out; a value needs a digit.",
                digit,
            ),
            many(external_id::PARAMETER, "Contacts with one of these external ids, compared exactly.", value("contact_123")),
            query("disabled", "Contacts that are disabled, or that are not.", boolean()).build(),
            moment("from_createdAt", "Contacts that were created strictly after this time."),
            moment("to_createdAt", "Contacts that were created strictly before this time."),
            sort(),
            query(
                "sortPageOrder",
                "The direction of a single `sort` field without a sign; no effect otherwise. `dsc` is `desc`.",
                text().enum_values(Some(["asc", "desc", "dsc"])),
            )
            .build(),
            sort_by(),
        ]
    }
}

fn value(example: &str) -> ObjectBuilder {
    text().examples([json!(example)])
}

/// A parameter that can have many values.
fn many(name: &str, description: &str, item: ObjectBuilder) -> Parameter {
    let forms = format!(
        "One or many, at most {MAXIMUM_VALUES}: repeated (`{name}=A&{name}=B`), with brackets (`{name}[]=A&{name}[]=B` or `{name}[0]=A&{name}[1]=B`), or as \
         one JSON array (`{name}=[\"A\",\"B\"]`). Commas are not separators. An empty JSON array matches nothing."
    );
    let values = array(item).max_items(Some(MAXIMUM_VALUES));
    query(name, &format!("{description}\n\n{forms}"), values).style(Some(ParameterStyle::Form)).explode(Some(true)).build()
}

fn sort() -> Parameter {
    // Text and not an array: few generators know how to separate values by commas.
    let fields = SortField::ALL.map(|(name, _)| name).join("|");
    let order = text().pattern(Some(format!("^ *-?({fields}) *(, *-?({fields}) *)*$"))).examples([json!("name,-updatedAt")]);
    let description = "Fields separated by commas, each ascending, or descending with a leading `-`. Text is compared ignoring case and accents, as `search` does; an \
                       absent value sorts before every present one; remaining ties go by `_id`. Without it the order is `_id` ascending.";
    query("sort", description, order).build()
}

fn sort_by() -> Parameter {
    let field = text().enum_values(Some(SortField::ALL.map(|(name, _)| name)));
    let direction = text().enum_values(Some(["asc", "desc"]));
    let keys = array(object(2, [("field", field.into()), ("type", direction.into())]));
    let keys = keys.examples([json!([{"field": "name", "type": "asc"}, {"field": "updatedAt", "type": "desc"}])]);
    let description = "An order in another form; it replaces `sort`. One JSON array of objects, repeated JSON objects (`sortBy={…}&sortBy={…}`), or \
                       `sortBy[0][field]=name&sortBy[0][type]=desc`.";
    ParameterBuilder::new()
        .name("sortBy")
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(description))
        .content(JSON, ContentBuilder::new().schema(Some(keys)).build())
        .build()
}
