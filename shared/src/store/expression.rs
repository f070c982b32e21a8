//! Update and condition expressions, with every name and value behind a placeholder: `_id` and `__v` would be syntax
//! errors, and words such as `name` are reserved.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;

use crate::error::Error;

/// An update of one item with the condition under which it happens.
#[derive(Debug, Default)]
pub struct UpdateExpression {
    set: Vec<String>,
    remove: Vec<String>,
    conditions: Vec<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl UpdateExpression {
    /// Sets `attribute` to `value`.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when the value has no form in DynamoDB.
    pub fn set(&mut self, attribute: &str, value: &impl Serialize) -> Result<(), Error> {
        let value = serde_dynamo::to_attribute_value(value).map_err(|error| Error::Internal(error.into()))?;
        self.set_value(attribute, value);
        Ok(())
    }

    /// Sets `attribute` to a value of DynamoDB's.
    pub fn set_value(&mut self, attribute: &str, value: AttributeValue) {
        let assignment = format!("{} = {}", self.name(attribute), self.value(value));
        self.set.push(assignment);
    }

    /// Sets a numeric `attribute` to one more than it is.
    pub fn increment(&mut self, attribute: &str) {
        let name = self.name(attribute);
        let assignment = format!("{name} = {name} + {}", self.value(AttributeValue::N("1".to_owned())));
        self.set.push(assignment);
    }

    /// Sets the first of `attributes` to `entry` and each other one to what the one before it was, or to `none` where that was not there. It
    /// works because all that an update expression reads is the item as it was before.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when a value has no form in DynamoDB.
    pub fn shift(&mut self, attributes: &[&str], entry: &str, none: &str) -> Result<(), Error> {
        let none = self.value(AttributeValue::S(none.to_owned()));
        for pair in attributes.windows(2) {
            let assignment = format!("{} = if_not_exists({},{none})", self.name(pair[1]), self.name(pair[0]));
            self.set.push(assignment);
        }
        attributes.first().map_or(Ok(()), |first| self.set(first, &entry))
    }

    /// Removes `attribute`.
    pub fn remove(&mut self, attribute: &str) {
        let name = self.name(attribute);
        self.remove.push(name);
    }

    /// Lets the update happen only if `condition` holds as well.
    pub fn only_if(&mut self, condition: String) {
        self.conditions.push(condition);
    }

    /// The placeholder of an attribute's name. It is short, because an expression is at most 4 KB.
    pub fn name(&mut self, attribute: &str) -> String {
        if let Some((placeholder, _)) = self.names.iter().find(|(_, name)| *name == attribute) {
            return placeholder.clone();
        }
        let placeholder = format!("#{}", self.names.len());
        self.names.insert(placeholder.clone(), attribute.to_owned());
        placeholder
    }

    /// A placeholder of a value.
    pub fn value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    /// A placeholder of a value that can be there already.
    pub fn shared_value(&mut self, value: AttributeValue) -> String {
        let known = self.values.iter().find(|(_, known)| **known == value).map(|(placeholder, _)| placeholder.clone());
        known.unwrap_or_else(|| self.value(value))
    }

    /// The update expression.
    pub fn update(&self) -> String {
        let clauses = [("SET", &self.set), ("REMOVE", &self.remove)];
        let clauses = clauses.into_iter().filter(|(_, parts)| !parts.is_empty());
        clauses.map(|(clause, parts)| format!("{clause} {}", parts.join(", "))).collect::<Vec<_>>().join(" ")
    }

    /// The condition expression, then what the placeholders of both stand for.
    pub fn into_condition(self) -> (String, HashMap<String, String>, HashMap<String, AttributeValue>) {
        (self.conditions.join(" AND "), self.names, self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_reads_each_attribute_before_it_is_set() {
        let mut expression = UpdateExpression::default();
        expression.shift(&["w0", "w1", "w2"], "new", "-").unwrap();

        assert_eq!(expression.update(), "SET #0 = if_not_exists(#1,:0), #2 = if_not_exists(#0,:0), #1 = :1");
        let (_, names, values) = expression.into_condition();
        assert_eq!(names, HashMap::from([("#0", "w1"), ("#1", "w0"), ("#2", "w2")].map(|(a, b)| (a.to_owned(), b.to_owned()))));
        assert_eq!(values[":1"], AttributeValue::S("new".to_owned()));
    }

    #[test]
    fn an_update_that_only_removes_has_no_other_clause() {
        let mut expression = UpdateExpression::default();
        expression.remove("a");
        expression.remove("b");

        assert_eq!(expression.update(), "REMOVE #0, #1");
    }

    #[test]
    fn names_and_values_stand_behind_placeholders() {
        let mut expression = UpdateExpression::default();
        expression.set("name", &"John").unwrap();
        expression.increment("__v");
        expression.remove("email");
        let id = expression.name("_id");
        expression.only_if(format!("attribute_exists({id})"));

        assert_eq!(expression.update(), "SET #0 = :0, #1 = #1 + :1 REMOVE #2");
        let (condition, names, values) = expression.into_condition();
        assert_eq!(condition, "attribute_exists(#3)");
        assert_eq!(names["#1"], "__v");
        assert_eq!(values[":0"], AttributeValue::S("John".to_owned()));
    }
}
