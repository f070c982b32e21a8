//! What CloudFormation does with a template before it makes anything: conditions, and the values that depend on them.
//!
//! Only what tables and functions need is evaluated: `Ref` of a parameter, `If`, and the functions of conditions. A value that only a stack has,
//! such as the name of a table, becomes `null`.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::{Map, Value};
use serde_saphyr::Tagged;

/// What `Ref` gives for "not there".
const NO_VALUE: &str = "AWS::NoValue";

/// A node of the template with its tag, such as `!If`.
type Node = Tagged<Content>;

/// What is in a node.
#[derive(Clone, Debug)]
pub enum Content {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Content;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("any YAML value")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Content, E> {
                Ok(Content::Scalar(Value::Null))
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Content, E> {
                Ok(Content::Scalar(value.into()))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Content, E> {
                Ok(Content::Scalar(value.into()))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Content, E> {
                Ok(Content::Scalar(value.into()))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Content, E> {
                Ok(Content::Scalar(value.into()))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Content, E> {
                Ok(Content::Scalar(value.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Content, A::Error> {
                let mut list = Vec::new();
                while let Some(element) = elements.next_element()? {
                    list.push(element);
                }
                Ok(Content::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Content, A::Error> {
                let mut map = Vec::new();
                while let Some(member) = members.next_entry()? {
                    map.push(member);
                }
                Ok(Content::Map(map))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

/// A template before it is evaluated.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Source {
    #[serde(default)]
    parameters: BTreeMap<String, Parameter>,
    #[serde(default)]
    conditions: BTreeMap<String, Node>,
    globals: Option<Node>,
    resources: Node,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    #[serde(default)]
    default: Value,
}

/// A value that cannot be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// `If` or a condition names one that is not declared.
    #[error("it has no condition {0}")]
    UnknownCondition(String),
    /// A function does not have the operands that it needs.
    #[error("{0} has other operands than it needs")]
    Operands(String),
}

impl Source {
    /// The section `Globals` and the section `Resources` of a stack with these parameters; others have their defaults.
    pub fn evaluate(&self, parameters: &[(&str, &str)]) -> Result<Value, EvaluationError> {
        let defaults = self.parameters.iter().map(|(name, parameter)| (name.as_str(), parameter.default.clone()));
        let given = parameters.iter().map(|(name, value)| (*name, Value::from(*value)));
        let stack = Stack { parameters: defaults.chain(given).collect(), conditions: &self.conditions };
        let mut evaluated = Map::new();
        for (section, node) in self.globals.iter().map(|node| ("Globals", node)).chain([("Resources", &self.resources)]) {
            evaluated.extend(stack.value(node)?.map(|value| (section.to_owned(), value)));
        }
        Ok(Value::Object(evaluated))
    }
}

struct Stack<'a> {
    parameters: BTreeMap<&'a str, Value>,
    conditions: &'a BTreeMap<String, Node>,
}

impl Stack<'_> {
    /// The value of a node; nothing for `AWS::NoValue`.
    fn value(&self, node: &Node) -> Result<Option<Value>, EvaluationError> {
        let Tagged(content, tag) = node;
        match (tag.as_deref(), content) {
            (Some("!Ref"), Content::Scalar(name)) => Ok(match name.as_str() {
                Some(NO_VALUE) => None,
                name => Some(name.and_then(|name| self.parameters.get(name)).cloned().unwrap_or_default()),
            }),
            (Some("!If"), Content::List(operands)) => {
                let [condition, met, otherwise] = operands.as_slice() else { return Err(operands_of("!If")) };
                self.value(if self.named(condition)? { met } else { otherwise })
            }
            // A tag of YAML itself says what is there anyway.
            (Some(tag), _) if tag.starts_with('!') => Ok(Some(Value::Null)),
            (_, Content::Scalar(value)) => Ok(Some(value.clone())),
            (_, Content::List(elements)) => {
                let values = elements.iter().filter_map(|element| self.value(element).transpose());
                values.collect::<Result<_, _>>().map(Value::Array).map(Some)
            }
            (_, Content::Map(members)) => {
                let mut values = Map::new();
                for (name, node) in members {
                    values.extend(self.value(node)?.map(|value| (name.clone(), value)));
                }
                Ok(Some(Value::Object(values)))
            }
        }
    }

    /// Whether the condition holds that a node names.
    fn named(&self, name: &Node) -> Result<bool, EvaluationError> {
        let Content::Scalar(Value::String(name)) = &name.0 else { return Err(operands_of("a reference to a condition")) };
        self.holds(self.conditions.get(name).ok_or_else(|| EvaluationError::UnknownCondition(name.clone()))?)
    }

    fn holds(&self, condition: &Node) -> Result<bool, EvaluationError> {
        let Tagged(content, tag) = condition;
        let tag = tag.as_deref().unwrap_or("a condition without a function");
        match (tag, content) {
            ("!Condition", Content::Scalar(_)) => self.named(condition),
            ("!Equals", Content::List(operands)) => {
                let [one, other] = operands.as_slice() else { return Err(operands_of(tag)) };
                Ok(text(self.value(one)?) == text(self.value(other)?))
            }
            ("!Not", Content::List(operands)) => match operands.as_slice() {
                [operand] => self.holds(operand).map(|holds| !holds),
                _ => Err(operands_of(tag)),
            },
            ("!And", Content::List(operands)) => {
                operands.iter().try_fold(true, |holds, operand| Ok(self.holds(operand)? && holds))
            }
            ("!Or", Content::List(operands)) => {
                operands.iter().try_fold(false, |holds, operand| Ok(self.holds(operand)? || holds))
            }
            _ => Err(operands_of(tag)),
        }
    }
}

/// A value as `Equals` compares it: parameters are text, whatever their type.
fn text(value: Option<Value>) -> String {
    match value.unwrap_or_default() {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn operands_of(function: &str) -> EvaluationError {
    EvaluationError::Operands(function.to_owned())
}
