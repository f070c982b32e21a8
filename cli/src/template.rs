//! The tables and routes that `template.yaml` declares, so that the local API is the deployed one.
//!
//! Only what a local API needs is read; permissions, logs and limits are left to AWS. Conditions are evaluated as CloudFormation does for a new
//! stack with the default parameters.

mod intrinsics;

use std::collections::BTreeMap;
use std::time::Duration;

use intrinsics::{EvaluationError, Source};
use serde::Deserialize;
use serde_json::Value;

/// The template that this program was built with.
pub const SOURCE: &str = include_str!("../../template.yaml");

/// The time-out of a function that names none, in seconds.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html>.
const LAMBDAS_TIMEOUT: u64 = 3;

/// What a template declares.
#[derive(Debug)]
pub struct Template {
    /// The DynamoDB tables, ordered by logical id.
    pub tables: Vec<Table>,
    /// The routes of the HTTP API, ordered by the logical id of their function.
    pub routes: Vec<Route>,
    /// The environment variables of every function whose values do not depend on other resources.
    pub environment: BTreeMap<String, String>,
}

/// A DynamoDB table.
#[derive(Clone, Debug)]
pub struct Table {
    /// The name of the resource in the template, such as `ContactsTable`.
    pub logical_id: String,
    /// The attributes that keys are made of.
    pub attributes: Vec<Attribute>,
    /// The table's primary key.
    pub key: Vec<KeyElement>,
    /// Its global secondary indexes.
    pub indexes: Vec<Index>,
    /// The attribute that holds an item's expiry, when the table has one.
    pub expiry: Option<String>,
}

/// An attribute of a key.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Attribute {
    /// The attribute's name.
    pub attribute_name: String,
    /// `S`, `N` or `B`.
    pub attribute_type: String,
}

/// One part of a key.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeyElement {
    /// The attribute's name.
    pub attribute_name: String,
    /// `HASH` or `RANGE`.
    pub key_type: String,
}

/// A global secondary index.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Index {
    /// The index's name.
    pub index_name: String,
    /// Its key.
    pub key_schema: Vec<KeyElement>,
    /// Which attributes it holds.
    pub projection: Projection,
}

/// The attributes that an index holds besides its key.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Projection {
    /// `ALL`, `KEYS_ONLY` or `INCLUDE`.
    pub projection_type: String,
    /// The attributes of `INCLUDE`.
    #[serde(default)]
    pub non_key_attributes: Vec<String>,
}

/// A route of the HTTP API.
#[derive(Debug, PartialEq, Eq)]
pub struct Route {
    /// The HTTP method, such as `GET`.
    pub method: String,
    /// The path, such as `/client-contact/{id}`.
    pub path: String,
    /// The binary of the function behind it, such as `get-client-contact`.
    pub binary: String,
    /// The time after which Lambda ends a call of that function.
    pub timeout: Duration,
}

/// A template that the local API cannot be built from.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The text is not YAML, or not a template.
    #[error("template.yaml cannot be read: {0}")]
    Malformed(#[from] Box<serde_saphyr::Error>),
    /// A condition, or a value that depends on one, cannot be evaluated.
    #[error("template.yaml cannot be evaluated: {0}")]
    Evaluation(#[from] EvaluationError),
    /// A property that is read here has another form.
    #[error("template.yaml has an unexpected property: {0}")]
    Property(#[from] serde_json::Error),
    /// A resource lacks a property that this program needs.
    #[error("{resource} in template.yaml has no {missing}")]
    Incomplete {
        /// The resource's logical id.
        resource: String,
        /// The property that is not there.
        missing: &'static str,
    },
}

impl Template {
    /// Reads a template as a new stack with the default parameters has it.
    ///
    /// # Errors
    /// When it is not YAML, or a table or function lacks one of the properties that make it work.
    pub fn parse(source: &str) -> Result<Template, TemplateError> {
        Template::with_parameters(source, &[])
    }

    /// Reads a template as a stack with these parameters has it; the others have their defaults.
    ///
    /// # Errors
    /// When it is not YAML, or a table or function lacks one of the properties that make it work.
    pub fn with_parameters(source: &str, parameters: &[(&str, &str)]) -> Result<Template, TemplateError> {
        let source: Source = serde_saphyr::from_str(source).map_err(Box::new)?;
        let document: Document = serde_json::from_value(source.evaluate(parameters)?)?;
        let function = document.globals.function;
        let known = |(name, value): (String, Value)| Some((name, value.as_str()?.to_owned()));
        let environment = function.environment.variables.into_iter().filter_map(known).collect();
        let mut template = Template { tables: Vec::new(), routes: Vec::new(), environment };
        let usual_timeout = function.timeout.unwrap_or(LAMBDAS_TIMEOUT);
        for (logical_id, resource) in document.resources {
            match resource.kind.as_str() {
                "AWS::DynamoDB::Table" => template.tables.push(resource.properties.into_table(logical_id)?),
                "AWS::Serverless::Function" => {
                    let incomplete = |missing| TemplateError::Incomplete { resource: logical_id.clone(), missing };
                    let build = resource.metadata.and_then(|metadata| metadata.build_properties);
                    let binary = build.ok_or_else(|| incomplete("Metadata.BuildProperties.Binary"))?.binary;
                    let timeout = Duration::from_secs(resource.properties.timeout.unwrap_or(usual_timeout));
                    for event in resource.properties.events.into_values().filter(|event| event.kind == "HttpApi") {
                        let method = event.properties.method.ok_or_else(|| incomplete("Method in an event"))?;
                        let path = event.properties.path.ok_or_else(|| incomplete("Path in an event"))?;
                        let method = method.to_ascii_uppercase();
                        template.routes.push(Route { method, path, binary: binary.clone(), timeout });
                    }
                }
                _ => {}
            }
        }
        Ok(template)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    #[serde(default)]
    globals: Globals,
    resources: BTreeMap<String, Resource>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Globals {
    function: GlobalFunction,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct GlobalFunction {
    timeout: Option<u64>,
    environment: Environment,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Environment {
    variables: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Resource {
    #[serde(rename = "Type")]
    kind: String,
    metadata: Option<Metadata>,
    #[serde(default)]
    properties: Properties,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    build_properties: Option<BuildProperties>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BuildProperties {
    binary: String,
}

/// The properties of tables and functions together: each kind of resource has its own.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Properties {
    attribute_definitions: Vec<Attribute>,
    key_schema: Vec<KeyElement>,
    global_secondary_indexes: Vec<Index>,
    time_to_live_specification: Option<TimeToLive>,
    events: BTreeMap<String, Event>,
    timeout: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TimeToLive {
    attribute_name: String,
    enabled: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    properties: EventProperties,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct EventProperties {
    method: Option<String>,
    path: Option<String>,
}

impl Properties {
    fn into_table(self, logical_id: String) -> Result<Table, TemplateError> {
        for (missing, is_missing) in
            [("AttributeDefinitions", self.attribute_definitions.is_empty()), ("KeySchema", self.key_schema.is_empty())]
        {
            if is_missing {
                return Err(TemplateError::Incomplete { resource: logical_id, missing });
            }
        }
        Ok(Table {
            logical_id,
            attributes: self.attribute_definitions,
            key: self.key_schema,
            indexes: self.global_secondary_indexes,
            expiry: self.time_to_live_specification.filter(|expiry| expiry.enabled).map(|expiry| expiry.attribute_name),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::gateway::Function;

    #[test]
    fn the_template_declares_both_tables_with_their_keys() {
        let template = Template::parse(SOURCE).unwrap();
        let keys =
            |key: &[KeyElement]| key.iter().map(|part| format!("{} {}", part.attribute_name, part.key_type)).collect::<Vec<_>>();

        let [api_keys, contacts] = &template.tables[..] else { panic!("two tables, not {:?}", template.tables) };
        assert_eq!((api_keys.logical_id.as_str(), keys(&api_keys.key)), ("ApiKeysTable", vec!["keyHash HASH".to_owned()]));
        assert_eq!(api_keys.expiry, None);
        assert_eq!(contacts.logical_id, "ContactsTable");
        assert_eq!(keys(&contacts.key), ["tenant HASH", "_id RANGE"]);
        assert_eq!(contacts.expiry.as_deref(), Some("expiresAt"));
        let [log, external_ids] = &contacts.indexes[..] else { panic!("two indexes, not {:?}", contacts.indexes) };
        assert_eq!(
            (log.index_name.as_str(), keys(&log.key_schema)),
            ("change-log-index", vec!["tenant HASH".into(), "updatedAt RANGE".into()])
        );
        assert_eq!(log.projection.projection_type, "INCLUDE");
        assert!(log.projection.non_key_attributes.contains(&"company_namespace".to_owned()));
        assert_eq!(
            (external_ids.index_name.as_str(), keys(&external_ids.key_schema)),
            ("external-id-index", vec!["tenant HASH".into(), "external_id RANGE".into()])
        );
        assert_eq!(external_ids.projection.projection_type, "KEYS_ONLY");
        assert_eq!(template.environment["CHANGE_LOG_INDEX"], "change-log-index");
    }

    #[test]
    fn each_deployment_of_an_update_changes_one_index_and_reads_one_that_was_there_before() {
        // As the first version made it.
        let mut before = BTreeSet::from(["updatedAt-index".to_owned()]);
        let mut read_before = "updatedAt-index".to_owned();
        for step in ["first", "second", "done"] {
            let template = Template::with_parameters(SOURCE, &[("IndexUpdate", step)]).unwrap();
            let contacts = template.tables.iter().find(|table| table.logical_id == "ContactsTable").unwrap();
            let indexes: BTreeSet<String> = contacts.indexes.iter().map(|index| index.index_name.clone()).collect();
            let read = template.environment["CHANGE_LOG_INDEX"].clone();

            assert_eq!(before.symmetric_difference(&indexes).count(), 1, "{step}: {before:?}, then {indexes:?}");
            // What functions read while they are replaced, the table has before and after.
            assert!(before.contains(&read) && indexes.contains(&read_before), "{step} reads {read}");
            // CloudFormation refuses a definition that no key uses.
            let keys: BTreeSet<&str> = contacts
                .indexes
                .iter()
                .flat_map(|index| &index.key_schema)
                .chain(&contacts.key)
                .map(|element| element.attribute_name.as_str())
                .collect();
            assert_eq!(
                contacts.attributes.iter().map(|attribute| attribute.attribute_name.as_str()).collect::<BTreeSet<_>>(),
                keys
            );
            (before, read_before) = (indexes, read);
        }
        assert_eq!(before, ["change-log-index", "external-id-index"].map(str::to_owned).into());
    }

    #[test]
    fn what_depends_on_a_condition_is_what_a_stack_with_these_parameters_has() {
        let source = "Parameters:\n  Mode: { Type: String, Default: a }\n  Count: { Type: Number, Default: 0 }\n\
            Conditions:\n  IsA: !Equals [!Ref Mode, a]\n  IsNone: !Equals [!Ref Count, 0]\n  \
              Both: !And [!Condition IsA, !Condition IsNone]\n  Neither: !Not [!Or [!Condition IsA, !Condition IsNone]]\n\
            Globals: { Function: { Environment: { Variables: { A: !If [IsA, yes it is, 'no'], B: !If [Both, 'yes', 'no'], \
              C: !If [Neither, 'yes', 'no'], D: !If [IsA, !Ref AWS::NoValue, there], E: !GetAtt Other.Arn } } } }\n\
            Resources: {}\n";
        let environment = |parameters: &[(&str, &str)]| {
            let environment = Template::with_parameters(source, parameters).unwrap().environment;
            environment.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
        };

        assert_eq!(environment(&[]), "A=yes it is B=yes C=no");
        assert_eq!(environment(&[("Count", "1")]), "A=yes it is B=no C=no");
        assert_eq!(environment(&[("Mode", "b"), ("Count", "1")]), "A=no B=no C=yes D=there");
        let unknown = Template::parse("Resources: { A: !If [Nobody, 1, 2] }").unwrap_err().to_string();
        assert_eq!(unknown, "template.yaml cannot be evaluated: it has no condition Nobody");
    }

    #[test]
    fn the_template_routes_the_calls() {
        let template = Template::parse(SOURCE).unwrap();
        let routes: BTreeSet<_> = template.routes.iter().map(|r| format!("{} {} {}", r.method, r.path, r.binary)).collect();

        let expected = [
            "DELETE /client-contact/{id} delete-client-contact",
            "GET /client-contact list-client-contacts",
            "GET /client-contact/changes list-client-contact-changes",
            "GET /client-contact/{id} get-client-contact",
            "POST /client-contact create-client-contact",
            "POST /client-contact/batch batch-client-contacts",
            "PUT /client-contact upsert-client-contact",
            "PUT /client-contact/{id} update-client-contact",
        ];
        assert_eq!(routes, expected.map(str::to_owned).into());
        let seconds = |binary| template.routes.iter().find(|route| route.binary == binary).map(|route| route.timeout.as_secs());
        assert_eq!((seconds("get-client-contact"), seconds("list-client-contacts")), (Some(10), Some(30)));
    }

    #[test]
    fn every_function_crate_has_a_handler_and_a_route_unless_it_has_other_events() {
        let template = Template::parse(SOURCE).unwrap();
        let routed: BTreeSet<_> = template.routes.iter().map(|route| route.binary.clone()).collect();

        let crates = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../functions")).unwrap();
        let crates: BTreeSet<_> = crates.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let handled: BTreeSet<_> = Function::ALL.iter().map(|function| function.binary().to_owned()).collect();
        assert_eq!(routed, handled);
        // Nobody calls this one: the table's stream and the schedule do.
        let jobs = BTreeSet::from(["snapshot-client-contacts".to_owned()]);
        assert_eq!(routed.union(&jobs).cloned().collect::<BTreeSet<_>>(), crates);
    }

    #[test]
    fn values_that_cloudformation_computes_are_skipped() {
        let template = Template::parse(
            "Conditions: { HasKey: !Not [!Equals [1, 1]] }\nResources:\n  \
               Things:\n    \
                 Type: AWS::DynamoDB::Table\n    \
                 Properties:\n      \
                   TableName: !Sub '${AWS::StackName}-things'\n      \
                   SSESpecification: !If [HasKey, { KMSMasterKeyId: !Ref Key }, !Ref AWS::NoValue]\n      \
                   AttributeDefinitions: [{ AttributeName: id, AttributeType: S }]\n      \
                   KeySchema: [{ AttributeName: id, KeyType: HASH }]\n",
        );
        assert_eq!(template.unwrap().tables[0].key[0].attribute_name, "id");
    }

    #[test]
    fn what_is_missing_is_named() {
        let table = "Resources:\n  Things:\n    Type: AWS::DynamoDB::Table\n    Properties: { BillingMode: PAY_PER_REQUEST }\n";
        assert_eq!(Template::parse(table).unwrap_err().to_string(), "Things in template.yaml has no AttributeDefinitions");
        let function = "Resources:\n  Do:\n    Type: AWS::Serverless::Function\n    Properties: {}\n";
        assert_eq!(
            Template::parse(function).unwrap_err().to_string(),
            "Do in template.yaml has no Metadata.BuildProperties.Binary"
        );
    }
}
