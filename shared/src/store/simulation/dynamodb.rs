//! One item of a table, with as much of DynamoDB's expressions as the writes of this crate use, evaluated as its documentation says.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};

use crate::store::change::UpdateRequest;
use crate::store::item::Item;

/// What DynamoDB does with one request.
#[derive(Debug)]
pub enum Effect {
    /// The item is another one now; what the request wants to have returned.
    Applied(Item),
    /// The condition does not hold; the item as it is.
    Refused(Item),
}

/// Puts `new` where no item may be.
pub fn put_new(item: &mut Item, new: &Item) -> Effect {
    if !item.is_empty() {
        return Effect::Refused(item.clone());
    }
    item.clone_from(new);
    Effect::Applied(Item::new())
}

/// Updates `item` if the condition holds.
pub fn update(item: &mut Item, request: &UpdateRequest) -> Effect {
    let before = item.clone();
    let mut condition = Expression::new(&request.condition, request, &before);
    let holds = condition.any_of();
    assert_eq!(condition.tokens.next(), None, "the whole condition is understood: {}", request.condition);
    if !holds {
        return Effect::Refused(before);
    }
    let mut expression = Expression::new(&request.update, request, &before);
    expression.expect("SET");
    loop {
        let attribute = expression.attribute();
        expression.expect("=");
        let value = expression.value();
        item.insert(attribute, value);
        match expression.tokens.next() {
            Some(",") => {}
            Some("REMOVE") => break,
            None => return applied(request, item, before),
            other => panic!("{other:?} in {}", request.update),
        }
    }
    loop {
        item.remove(&expression.attribute());
        match expression.tokens.next() {
            Some(",") => {}
            None => return applied(request, item, before),
            other => panic!("{other:?} in {}", request.update),
        }
    }
}

fn applied(request: &UpdateRequest, item: &Item, before: Item) -> Effect {
    Effect::Applied(match request.returns {
        ReturnValue::AllNew => item.clone(),
        ReturnValue::AllOld => before,
        ref other => panic!("{other:?}"),
    })
}

/// An expression that is read from left to right, over the item as it was before the request.
struct Expression<'a> {
    tokens: std::iter::Peekable<std::vec::IntoIter<&'a str>>,
    names: &'a HashMap<String, String>,
    values: &'a HashMap<String, AttributeValue>,
    item: &'a Item,
}

impl<'a> Expression<'a> {
    fn new(text: &'a str, request: &'a UpdateRequest, item: &'a Item) -> Self {
        Self { tokens: tokens(text).into_iter().peekable(), names: &request.names, values: &request.values, item }
    }

    fn next(&mut self) -> &'a str {
        self.tokens.next().expect("the expression goes on")
    }

    fn expect(&mut self, token: &str) {
        assert_eq!(self.next(), token);
    }

    fn attribute(&mut self) -> String {
        let placeholder = self.next();
        self.names.get(placeholder).unwrap_or_else(|| panic!("{placeholder} is no attribute")).clone()
    }

    fn operand(&mut self) -> Option<AttributeValue> {
        match self.tokens.peek() {
            Some(token) if token.starts_with(':') => Some(self.values[self.next()].clone()),
            _ => self.item.get(&self.attribute()).cloned(),
        }
    }

    /// The right-hand side of an assignment.
    fn value(&mut self) -> AttributeValue {
        if self.tokens.next_if_eq(&"if_not_exists").is_some() {
            self.expect("(");
            let first = self.operand();
            self.expect(",");
            let second = self.operand();
            self.expect(")");
            return first.or(second).expect("a value to set");
        }
        let first = self.operand().expect("a value to set");
        if self.tokens.next_if_eq(&"+").is_none() {
            return first;
        }
        let second = self.operand().expect("a number to add");
        AttributeValue::N((number(&first) + number(&second)).to_string())
    }

    fn any_of(&mut self) -> bool {
        let mut holds = self.all_of();
        while self.tokens.next_if_eq(&"OR").is_some() {
            holds |= self.all_of();
        }
        holds
    }

    fn all_of(&mut self) -> bool {
        let mut holds = self.one();
        while self.tokens.next_if_eq(&"AND").is_some() {
            holds &= self.one();
        }
        holds
    }

    fn one(&mut self) -> bool {
        match *self.tokens.peek().expect("a condition") {
            "NOT" => {
                self.next();
                !self.one()
            }
            "(" => {
                self.next();
                let holds = self.any_of();
                self.expect(")");
                holds
            }
            function @ ("attribute_exists" | "attribute_not_exists" | "attribute_type" | "contains") => {
                self.next();
                self.expect("(");
                let attribute = self.attribute();
                let value = self.item.get(&attribute);
                let holds = match function {
                    "attribute_exists" => value.is_some(),
                    "attribute_not_exists" => value.is_none(),
                    _ => {
                        self.expect(",");
                        let operand = self.operand();
                        value.zip(operand).is_some_and(|(value, operand)| match function {
                            "contains" => contains(value, &operand),
                            _ => operand.as_s().is_ok_and(|name| name == type_name(value)),
                        })
                    }
                };
                self.expect(")");
                holds
            }
            _ => self.comparison(),
        }
    }

    /// A comparison with an attribute that is not there does not hold.
    fn comparison(&mut self) -> bool {
        let left = self.operand();
        match self.next() {
            "=" => left.zip(self.operand()).is_some_and(|(left, right)| left == right),
            "<" => left.zip(self.operand()).is_some_and(|(left, right)| match (&left, &right) {
                (AttributeValue::S(left), AttributeValue::S(right)) => left < right,
                (AttributeValue::N(_), AttributeValue::N(_)) => number(&left) < number(&right),
                _ => false,
            }),
            "BETWEEN" => {
                let first = self.operand();
                self.expect("AND");
                let (left, first, last) = (left, first, self.operand());
                left.zip(first).zip(last).is_some_and(|((left, first), last)| match left {
                    AttributeValue::N(_) => (number(&first)..=number(&last)).contains(&number(&left)),
                    _ => false,
                })
            }
            "IN" => {
                self.expect("(");
                let mut holds = false;
                loop {
                    let right = self.operand();
                    holds |= left.is_some() && left == right;
                    match self.next() {
                        "," => {}
                        ")" => return holds,
                        other => panic!("{other:?} in a list"),
                    }
                }
            }
            other => panic!("{other:?} is no comparison"),
        }
    }
}

fn contains(value: &AttributeValue, operand: &AttributeValue) -> bool {
    match (value, operand) {
        (AttributeValue::S(value), AttributeValue::S(part)) => value.contains(part.as_str()),
        (AttributeValue::L(values), operand) => values.contains(operand),
        _ => false,
    }
}

fn type_name(value: &AttributeValue) -> &'static str {
    match value {
        AttributeValue::Bool(_) => "BOOL",
        AttributeValue::L(_) => "L",
        AttributeValue::M(_) => "M",
        AttributeValue::N(_) => "N",
        AttributeValue::S(_) => "S",
        other => panic!("{other:?} is in no item of ours"),
    }
}

fn number(value: &AttributeValue) -> i64 {
    value.as_n().expect("a number").parse().expect("an integer")
}

/// Words, placeholders and single signs.
fn tokens(text: &str) -> Vec<&str> {
    let is_word = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '#' | ':');
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if is_word(first) { rest.find(|character| !is_word(character)).unwrap_or(rest.len()) } else { 1 };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}
