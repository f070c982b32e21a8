//! From lines and records to rows: what each is in the terms of the API, or why it is none.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::str;

use serde_json::value::RawValue;
use shared::body::ContactBody;
use shared::bounds;
use shared::clock;
use shared::error::{Error, Violations};
use shared::external_id::ExternalId;
use shared::handling::Handling;
use shared::object_id::ObjectId;
use shared::store::ImportRow;
use shared::text_field::TextField;
use shared::timestamp::Timestamp;

use super::csv::{Cell, Record, Records};
use super::extended_json;
use super::source::{Format, Line, MAXIMUM_ROW_BYTES, Opened, Source, SourceError};

/// The fields of a contact besides its optional texts.
const FIELDS: [&str; 12] = [
    "_id",
    "creator",
    "editor",
    "name",
    "disabled",
    "media",
    "cover_photo",
    "integration_meta",
    "company_namespace",
    "createdAt",
    "updatedAt",
    "__v",
];

/// The largest `__v` that every JSON parser reads exactly.
const MAXIMUM_VERSION: u64 = (1 << 53) - 1;

/// By how much a clock that said when a contact was created may be ahead of this one.
const CLOCK_SKEW_MILLIS: i64 = bounds::CLOCK_SKEW.as_secs() as i64 * 1_000;

/// The most unknown names that are told.
const MAXIMUM_IGNORED: usize = 100;

/// The members of a document, each as its JSON text.
type Members = BTreeMap<String, Box<RawValue>>;

/// Whether a contact has a field of this name, or a row can set a member of one by it.
pub fn is_field(name: &str) -> bool {
    FIELDS.contains(&name)
        || TextField::ALL.iter().any(|field| field.name() == name)
        || name.strip_prefix("integration_meta.").is_some_and(|key| !key.is_empty())
}

/// What `--map` says: a column of the file, and the field that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    column: String,
    /// Nothing when the column is left out.
    field: Option<String>,
}

/// Reads a `--map`.
///
/// # Errors
/// When it names no column, or no field of a contact.
pub fn mapping(text: &str) -> Result<Mapping, String> {
    let (column, field) = text.rsplit_once('=').ok_or("it must be COLUMN=FIELD, or COLUMN= to leave the column out")?;
    if column.is_empty() {
        return Err("it must name a column before the =".to_owned());
    }
    if !field.is_empty() && !is_field(field) {
        return Err(format!("{field} is not a field of a contact: {}", names().join(", ")));
    }
    Ok(Mapping { column: column.to_owned(), field: (!field.is_empty()).then(|| field.to_owned()) })
}

fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = FIELDS.into_iter().chain(TextField::ALL.map(TextField::name)).collect();
    names.push("integration_meta.<key>");
    names
}

/// Why a row is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// All that is wrong, in one sentence or several.
    pub reason: String,
    /// Each field that is wrong, with its sentence.
    pub fields: Vec<(String, String)>,
}

impl From<&str> for Refusal {
    fn from(reason: &str) -> Refusal {
        Refusal { reason: reason.to_owned(), fields: Vec::new() }
    }
}

impl From<Violations> for Refusal {
    fn from(violations: Violations) -> Refusal {
        let fields: Vec<_> = violations.sentences().map(|(name, sentence)| (name.to_owned(), sentence)).collect();
        let reason = fields.iter().map(|(_, sentence)| &**sentence).collect::<Vec<_>>().join("; ");
        Refusal { reason, fields }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        match error {
            Error::InvalidField(violations) => violations.into(),
            Error::BodyTooLarge { .. } => "the contact must be at most 256 KiB of JSON".into(),
            other => Refusal { reason: other.to_string(), fields: Vec::new() },
        }
    }
}

/// A row of the file, or why it is none.
#[derive(Debug)]
pub struct ReadRow {
    /// The line on which it begins.
    pub line: u64,
    /// What it is.
    pub row: Result<Box<ImportRow>, Refusal>,
}

/// Why the command line does not go with the file. It is a sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct HeaderError(pub(super) String);

/// The rows of a file.
pub struct Rows {
    reader: Reader,
    tenant: String,
    seen: Seen,
    ignored: BTreeSet<String>,
}

enum Reader {
    Jsonl(Source),
    Csv { records: Box<Records>, columns: Vec<Column>, has_quoted_header: bool },
}

/// What a column is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Column {
    Ignored,
    Field(String),
}

/// The rows that came before, by what tells two of them apart.
#[derive(Debug, Default)]
struct Seen {
    ids: HashMap<ObjectId, u64>,
    /// The line, and whether that row has an `_id`.
    external_ids: HashMap<ExternalIdText, (u64, bool)>,
}

type ExternalIdText = Box<str>;

impl Rows {
    /// The rows of a file that was opened.
    ///
    /// # Errors
    /// When the file cannot be read, or `mappings` do not go with its header.
    pub fn new(opened: Opened, tenant: &str, mappings: &[Mapping]) -> Result<Result<Rows, HeaderError>, SourceError> {
        let mut ignored = BTreeSet::new();
        let reader = match opened.format {
            Format::Jsonl if !mappings.is_empty() => {
                return Ok(Err(HeaderError(
                    "--map is for CSV: the members of JSON Lines have the names of the fields.".to_owned(),
                )));
            }
            Format::Jsonl => Reader::Jsonl(opened.source),
            Format::Csv => {
                let mut records = Records::new(opened.source, opened.delimiter);
                let header = records.next()?;
                let has_quoted_header = header.as_ref().is_some_and(|header| header.cells.iter().all(|cell| cell.is_quoted));
                match columns(header.as_ref(), mappings, &mut ignored) {
                    Ok(columns) => Reader::Csv { records: Box::new(records), columns, has_quoted_header },
                    Err(error) => return Ok(Err(error)),
                }
            }
        };
        Ok(Ok(Rows { reader, tenant: tenant.to_owned(), seen: Seen::default(), ignored }))
    }

    /// How many bytes of the file were read.
    pub fn bytes(&self) -> u64 {
        match &self.reader {
            Reader::Jsonl(source) => source.bytes(),
            Reader::Csv { records, .. } => records.bytes(),
        }
    }

    /// The names of columns and members that no contact has: those of the header, and those that came until now.
    pub fn ignored(&self) -> impl Iterator<Item = &str> {
        self.ignored.iter().map(String::as_str)
    }

    /// The next row.
    ///
    /// # Errors
    /// When the file cannot be read any further.
    pub fn next(&mut self) -> Result<Option<ReadRow>, SourceError> {
        let (line, members) = match &mut self.reader {
            Reader::Jsonl(source) => loop {
                match source.next_line()? {
                    None => return Ok(None),
                    Some(Line { bytes: Some(bytes), .. }) if bytes.trim_ascii().is_empty() => {}
                    Some(Line { number, bytes }) => break (number, members_of_line(bytes)),
                }
            },
            Reader::Csv { records, columns, has_quoted_header } => match records.next()? {
                None => return Ok(None),
                Some(record) => (record.line, members_of_record(&record, columns, *has_quoted_header)),
            },
        };
        let row = members.and_then(|members| self.row(members)).and_then(|row| {
            self.seen.add(line, &row)?;
            Ok(Box::new(row))
        });
        Ok(Some(ReadRow { line, row }))
    }

    fn row(&mut self, members: Members) -> Result<ImportRow, Refusal> {
        let (mut members, unknown): (Members, Members) = members.into_iter().partition(|(name, _)| is_field(name));
        let room = MAXIMUM_IGNORED.saturating_sub(self.ignored.len());
        self.ignored.extend(unknown.into_keys().take(room));
        let mut violations = Violations::default();
        if extended_json::is_used_in(&members) {
            for (name, value) in &mut members {
                match extended_json::resolved(value) {
                    Ok(resolved) => *value = resolved,
                    Err(why) => violations.add(name, why),
                }
            }
        }
        let mut of_server = |name: &str, rule: &str, read: &dyn Fn(&str) -> Option<i64>| {
            let value = members.remove(name).filter(|value| value.get() != "null")?;
            let number = read(value.get());
            if number.is_none() {
                violations.add(name, rule);
            }
            number
        };
        let created_at =
            of_server("createdAt", "must be a time such as 2023-01-15T10:30:00.000Z, or milliseconds since 1970", &|json| {
                let text: Option<String> = serde_json::from_str(json).ok();
                let moment = match text {
                    Some(text) => Timestamp::from_rfc3339(&text)?,
                    None => Timestamp::from_millis(json.parse().ok()?),
                };
                moment.has_text().then_some(moment.millis())
            });
        let is_future = |created_at: &i64| Timestamp::from_millis(*created_at) > clock::now().plus_millis(CLOCK_SKEW_MILLIS);
        let version = of_server("__v", "must be an integer from 0 to 2^53 - 1", &|json| {
            json.parse().ok().filter(|&version: &u64| version <= MAXIMUM_VERSION).and_then(|version| version.try_into().ok())
        });
        if created_at.as_ref().is_some_and(is_future) {
            violations.add("createdAt", "must not be in the future");
        }
        let id = match members.remove("_id").filter(|value| value.get() != "null") {
            None => None,
            Some(value) => {
                let text: Option<String> = serde_json::from_str(value.get()).ok();
                let id: Option<ObjectId> = text.and_then(|text| text.to_ascii_lowercase().parse().ok());
                if id.is_none() {
                    violations.add("_id", "must be 24 hex digits");
                }
                id
            }
        };
        members.remove("updatedAt");
        let body = serde_json::to_vec(&members).map_err(|_| Refusal::from("must be JSON"))?;
        let body = ContactBody::for_create(&body, &Handling::default());
        match body {
            Ok(body) if violations.is_empty() => {
                let version = version.and_then(|version| version.try_into().ok());
                Ok(ImportRow::new(&self.tenant, id, body, created_at.map(Timestamp::from_millis), version)?)
            }
            Ok(_) => Err(violations.into()),
            Err(Error::InvalidField(of_body)) => {
                let own: Refusal = violations.into();
                let of_body: Refusal = of_body.into();
                let reasons = [&*own.reason, &*of_body.reason].into_iter().filter(|reason| !reason.is_empty());
                let reason = reasons.collect::<Vec<_>>().join("; ");
                Err(Refusal { reason, fields: own.fields.into_iter().chain(of_body.fields).collect() })
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Seen {
    /// Adds a row, unless it is one that came before. Two rows can only share an external id when each has an `_id` of its own,
    /// as in an export of contacts that share it.
    fn add(&mut self, line: u64, row: &ImportRow) -> Result<(), Refusal> {
        let external_id = row.external_id();
        let has_own_id = row.has_own_id();
        if let Some(first) = self.ids.get(&row.id()) {
            let same = match (has_own_id, &external_id) {
                (true, _) => "_id",
                (false, Some(_)) => "external id",
                (false, None) => "content",
            };
            return Err(Refusal { reason: format!("it has the same {same} as the row at line {first}"), fields: Vec::new() });
        }
        let text = external_id.as_ref().map(ExternalId::as_str);
        if let Some((first, had_own_id)) = text.and_then(|text| self.external_ids.get(text))
            && !(has_own_id && *had_own_id)
        {
            return Err(Refusal {
                reason: format!("it has the same external id as the row at line {first}"),
                fields: Vec::new(),
            });
        }
        self.ids.insert(row.id(), line);
        if let Some(text) = text {
            self.external_ids.entry(text.into()).or_insert((line, has_own_id));
        }
        Ok(())
    }
}

fn members_of_line(bytes: Option<Vec<u8>>) -> Result<Members, Refusal> {
    let Some(bytes) = bytes else {
        return Err(Refusal { reason: format!("it is longer than {} MiB", MAXIMUM_ROW_BYTES >> 20), fields: Vec::new() });
    };
    let text = str::from_utf8(&bytes).map_err(|_| Refusal::from("it is not UTF-8"))?;
    serde_json::from_str(text).map_err(|error| {
        let error = error.to_string();
        let what = error.rsplit_once(" at line ").map_or(&*error, |(what, _)| what);
        let column = error.rsplit_once(" column ").map_or("?", |(_, column)| column);
        Refusal { reason: format!("it must be a JSON object: {what} at column {column}"), fields: Vec::new() }
    })
}

fn columns(header: Option<&Record>, mappings: &[Mapping], ignored: &mut BTreeSet<String>) -> Result<Vec<Column>, HeaderError> {
    let Some(header) = header else {
        return Err(HeaderError(
            "The file is empty: a CSV file needs a header, and JSON Lines an object on each line.".to_owned(),
        ));
    };
    let names = header.cells.iter().map(|cell| str::from_utf8(&cell.bytes).map(str::trim));
    let names: Vec<&str> = names
        .collect::<Result<_, _>>()
        .map_err(|_| HeaderError("The header is not UTF-8: save the file as \"CSV UTF-8\".".to_owned()))?;
    if let Some(mapping) = mappings.iter().find(|mapping| !names.contains(&mapping.column.trim())) {
        let columns = names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        return Err(HeaderError(format!("--map names the column {:?}, and the file has {columns}.", mapping.column)));
    }
    let mut columns = Vec::with_capacity(names.len());
    for &name in &names {
        let mapped = mappings.iter().rev().find(|mapping| mapping.column.trim() == name);
        let field = match mapped {
            Some(mapping) => mapping.field.as_deref(),
            None if is_field(name) => Some(name),
            None => {
                if !name.is_empty() && ignored.len() < MAXIMUM_IGNORED {
                    ignored.insert(name.to_owned());
                }
                None
            }
        };
        columns.push(field.map_or(Column::Ignored, |field| Column::Field(field.to_owned())));
    }
    for (place, column) in columns.iter().enumerate() {
        if let Column::Field(field) = column
            && let Some(other) = columns[..place].iter().position(|earlier| earlier == column)
        {
            return Err(HeaderError(format!(
                "The columns {:?} and {:?} are both {field}: leave one out with --map \"{}=\".",
                names[other], names[place], names[place]
            )));
        }
    }
    if !columns.iter().any(|column| matches!(column, Column::Field(field) if field == "name")) {
        let columns = names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        return Err(HeaderError(format!(
            "No column is the name of the contact; the file has {columns}. Say which one it is, such as with --map \"Full name=name\"."
        )));
    }
    Ok(columns)
}

fn members_of_record(record: &Record, columns: &[Column], has_quoted_header: bool) -> Result<Members, Refusal> {
    if record.cells.len() != columns.len() {
        let (found, expected) = (record.cells.len(), columns.len());
        return Err(Refusal {
            reason: format!("the number of its cells is {found}, that of the header {expected}"),
            fields: Vec::new(),
        });
    }
    let mut members = Members::new();
    for (Cell { bytes, is_quoted }, column) in record.cells.iter().zip(columns) {
        let Column::Field(field) = column else { continue };
        let text = str::from_utf8(bytes).map_err(|_| Refusal::from("it is not UTF-8"))?;
        // Where everything is in quotes, they do not say that a text is there.
        let is_given = !text.is_empty() || (*is_quoted && !has_quoted_header && is_text(field));
        if is_given {
            let json = json_of_cell(field, text);
            members.insert(field.clone(), RawValue::from_string(json).map_err(|_| Refusal::from("it is not text"))?);
        }
    }
    Ok(members)
}

fn is_text(field: &str) -> bool {
    field == "cover_photo" || TextField::ALL.iter().any(|text| text.name() == field)
}

/// The JSON of a cell, by what its field is. What does not fit is a string, about which the field's own rule has its sentence.
fn json_of_cell(field: &str, text: &str) -> String {
    let trimmed = text.trim();
    let as_string = || serde_json::Value::from(text).to_string();
    let as_json = || serde_json::from_str::<&RawValue>(trimmed).ok().map(|json| json.get().to_owned());
    let of_array = || trimmed.starts_with('[').then(as_json).flatten();
    let of_object = || trimmed.starts_with('{').then(as_json).flatten();
    let json = match field {
        "disabled" => match &*trimmed.to_ascii_lowercase() {
            "true" | "yes" | "1" => Some("true".to_owned()),
            "false" | "no" | "0" => Some("false".to_owned()),
            _ => None,
        },
        "media" | "company_namespace" => of_array().or_else(|| Some(serde_json::Value::from(elements(text)).to_string())),
        "creator" | "editor" | "integration_meta" => of_object(),
        "__v" | "createdAt" => trimmed.parse::<i64>().ok().map(|number| number.to_string()),
        "_id" => {
            // As mongoexport writes it into a CSV file.
            let id = trimmed.strip_prefix("ObjectId(").and_then(|id| id.strip_suffix(')')).unwrap_or(trimmed);
            Some(serde_json::Value::from(id.trim_matches('"')).to_string())
        }
        _ if field.starts_with("integration_meta.") => of_object().or_else(of_array),
        _ => None,
    };
    json.unwrap_or_else(as_string)
}

/// The elements of an array that is written without JSON: between semicolons, without white space around them.
pub fn elements(text: &str) -> Vec<&str> {
    text.split(';').map(str::trim).filter(|element| !element.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use shared::contact::ContactJson;
    use shared::timestamp::Timestamp;

    use super::*;
    use crate::import::source;
    use crate::lifelike::Lifelike;

    fn rows(text: &str, mappings: &[&str]) -> Result<Rows, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, text).unwrap();
        let mappings: Vec<Mapping> = mappings.iter().map(|text| mapping(text).unwrap()).collect();
        Rows::new(source::open(Path::new(&file), None).unwrap(), "t", &mappings).unwrap().map_err(|error| error.to_string())
    }

    fn all(text: &str, mappings: &[&str]) -> Vec<(u64, String)> {
        let mut rows = rows(text, mappings).unwrap();
        let read = std::iter::from_fn(|| rows.next().unwrap());
        read.map(|ReadRow { line, row }| (line, row.map_or_else(|refusal| refusal.reason, |_| "fine".to_owned()))).collect()
    }

    #[test]
    fn every_member_of_an_answer_is_a_field() {
        let contacts = Lifelike::new(1, 500, "company1", Timestamp::from_millis(1_760_000_000_000));
        for contact in contacts {
            let json = serde_json::to_value(ContactJson(&contact)).unwrap();
            let unknown: Vec<_> = json.as_object().unwrap().keys().filter(|name| !is_field(name)).collect();
            assert!(unknown.is_empty(), "{unknown:?}");
        }
        assert!(is_field("integration_meta.erp") && !is_field("integration_meta.") && !is_field("Name"));
    }

    #[test]
    fn a_column_is_a_field_by_its_name_or_by_a_mapping() {
        let text = "Full name,Fax,phone1,x=y,Fax\nJane,1,2,3,4\n";
        let read = |mappings: &[&str]| rows(text, mappings).map(|rows| rows.ignored().map(str::to_owned).collect::<Vec<_>>());

        assert_eq!(read(&["Full name=name"]).unwrap(), ["Fax", "x=y"]);
        assert_eq!(read(&["Full name=name", "x=y=title"]).unwrap(), ["Fax"]);
        assert_eq!(read(&["Full name=name", "Fax=", "x=y=integration_meta.erp"]).unwrap(), [""; 0]);
        for (mappings, sentence) in [
            (
                &[][..],
                "No column is the name of the contact; the file has \"Full name\", \"Fax\", \"phone1\", \"x=y\", \"Fax\". ",
            ),
            (&["Full name=name", "Fax=phone2"], "The columns \"Fax\" and \"Fax\" are both phone2: leave one out "),
            (&["Full name=name", "x=y=phone1"], "The columns \"phone1\" and \"x=y\" are both phone1: leave one out "),
            (&["Name=name"], "--map names the column \"Name\", and the file has "),
        ] {
            let error = read(mappings).unwrap_err();
            assert!(error.starts_with(sentence), "{error}");
        }
        assert!(rows("", &[]).err().unwrap().starts_with("The file is empty"));
        assert!(rows("{}", &["a=name"]).err().unwrap().starts_with("--map is for CSV"));
        for wrong in ["name", "=name", "Fax=phone3", "Fax=integration_meta."] {
            assert!(mapping(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn cells_become_what_their_fields_are() {
        for (field, text, json) in [
            ("name", " 7 ", "\" 7 \""),
            ("title", "{\"a\":1}", r#""{\"a\":1}""#),
            ("disabled", "TRUE", "true"),
            ("disabled", " no", "false"),
            ("disabled", "maybe", "\"maybe\""),
            ("media", "a; b ;;c", r#"["a","b","c"]"#),
            ("media", "[\"a;b\", \"\"]", r#"["a;b", ""]"#),
            ("media", "[a", r#"["[a"]"#),
            ("company_namespace", "company1", r#"["company1"]"#),
            ("creator", "{\"_id\":\"1\",\"type\":\"rep\"}", r#"{"_id":"1","type":"rep"}"#),
            ("creator", "Bob", "\"Bob\""),
            ("integration_meta", "{\"n\": 1.50}", r#"{"n": 1.50}"#),
            ("integration_meta.external_id", "007", "\"007\""),
            ("integration_meta.erp", "{\"id\":7}", r#"{"id":7}"#),
            ("integration_meta.erp", "{not", "\"{not\""),
            ("createdAt", "1673778600000", "1673778600000"),
            ("createdAt", "2023-01-15T10:30:00Z", "\"2023-01-15T10:30:00Z\""),
            ("__v", "7", "7"),
            ("_id", "ObjectId(60f1b2b3c9e9a12345678901)", "\"60f1b2b3c9e9a12345678901\""),
        ] {
            assert_eq!(json_of_cell(field, text), json, "{field}");
        }
    }

    #[test]
    fn a_quoted_empty_cell_is_an_empty_text_unless_everything_is_quoted() {
        let members = |text: &str| {
            let mut rows = rows(text, &[]).unwrap();
            let Reader::Csv { records, columns, has_quoted_header } = &mut rows.reader else { panic!() };
            let members = members_of_record(&records.next().unwrap().unwrap(), columns, *has_quoted_header).unwrap();
            members.into_iter().map(|(name, json)| format!("{name}={}", json.get())).collect::<Vec<_>>().join(" ")
        };

        assert_eq!(members("name,title,phone1,_id,createdAt\nJane,\"\",,\"\",\"\"\n"), r#"name="Jane" title="""#);
        assert_eq!(members("\"name\",\"title\"\n\"Jane\",\"\"\n"), r#"name="Jane""#);
    }

    #[test]
    fn each_row_that_is_none_has_its_line_and_its_reason() {
        let json = [
            r#"{"name":"fine"}"#,
            "",
            r#"{"name":" "}"#,
            r#"{"name":"x","email":"x","phone1":1,"_id":"7"}"#,
            "[]",
            r#"{"name":"x""#,
            r#"{"name":"fine"}"#,
            r#"{"_id":"60f1b2b3c9e9a12345678901","name":"a","integration_meta":{"external_id":"E"}}"#,
            r#"{"_id":"60F1B2B3C9E9A12345678901","name":"b"}"#,
            r#"{"_id":"60f1b2b3c9e9a12345678902","name":"c","integration_meta":{"external_id":"E"}}"#,
            r#"{"name":"d","integration_meta":{"external_id":"E"}}"#,
            r#"{"name":"x","createdAt":"yesterday","__v":-1}"#,
            r#"{"name":"x","createdAt":{"$date":"x"}}"#,
            r#"{"name":"x","createdAt":"9999-01-01T00:00:00Z"}"#,
        ];
        let read = all(&json.join("\n"), &[]);
        let expected = [
            (1, "fine"),
            (3, "name must not be empty"),
            (
                4,
                "_id must be 24 hex digits; phone1 must be a string; email must be empty or an e-mail address of at most 254 \
                 characters, such as john.smith@example.com",
            ),
            (5, "it must be a JSON object: invalid type: sequence, expected a map at column 0"),
            (6, "it must be a JSON object: EOF while parsing an object at column 11"),
            (7, "it has the same content as the row at line 1"),
            (8, "fine"),
            (9, "it has the same _id as the row at line 8"),
            (10, "fine"),
            (11, "it has the same external id as the row at line 8"),
            (
                12,
                "createdAt must be a time such as 2023-01-15T10:30:00.000Z, or milliseconds since 1970; __v must be an integer from \
                 0 to 2^53 - 1",
            ),
            (13, "createdAt has a \"$date\" that is not a time in the years 0 to 9999"),
            (14, "createdAt must not be in the future"),
        ];
        let read: Vec<_> = read.iter().map(|(line, text)| (*line, &**text)).collect();
        assert_eq!(read, expected);

        let csv = "name;integration_meta.external_id\nx;1\ny;1\nz\n\"\n\";\n";
        let expected = [
            (2, "fine"),
            (3, "it has the same external id as the row at line 2"),
            (4, "the number of its cells is 1, that of the header 2"),
            (5, "name must not be empty"),
        ];
        let read = all(csv, &[]);
        assert_eq!(read.iter().map(|(line, text)| (*line, &**text)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_document_of_mongodb_is_the_contact_that_the_api_would_show() {
        let canonical = r#"{"_id":{"$oid":"60f1b2b3c9e9a12345678901"},"name":"Jane","creator":{"_id":{"$oid":"60f1b2b3c9e9a12345678900"},"type":"admin"},"createdAt":{"$date":{"$numberLong":"1673778600000"}},"updatedAt":{"$date":{"$numberLong":"1673778600001"}},"__v":{"$numberInt":"3"},"integration_meta":{"external_id":{"$numberLong":"7"},"at":{"$date":{"$numberLong":"0"}}}}"#;
        let plain = r#"{"_id":"60f1b2b3c9e9a12345678901","name":"Jane","creator":{"_id":"60f1b2b3c9e9a12345678900","type":"admin"},"createdAt":"2023-01-15T10:30:00.000Z","updatedAt":"2023-01-15T10:30:00.001Z","__v":3,"integration_meta":{"external_id":7,"at":"1970-01-01T00:00:00.000Z"}}"#;
        let row = |json: &str| format!("{:?}", rows(json, &[]).unwrap().next().unwrap().unwrap().row.unwrap());

        assert_eq!(row(canonical), row(plain));
    }
}
