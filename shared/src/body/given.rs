//! What a body says of a field: nothing, `null` or a value.

/// What a body says of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Given<T> {
    /// Nothing: the body has no such member.
    Nothing,
    /// `null`.
    Null,
    /// A value, which keeps the field's rule.
    Value(T),
}

impl<T> Given<T> {
    /// The value, if there is one: in a create body `null` means not given.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Nothing | Self::Null => None,
        }
    }

    /// The same with a reference to the value.
    pub fn as_ref(&self) -> Given<&T> {
        match self {
            Self::Nothing => Given::Nothing,
            Self::Null => Given::Null,
            Self::Value(value) => Given::Value(value),
        }
    }

    /// The same with the value changed.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Given<U> {
        match self {
            Self::Nothing => Given::Nothing,
            Self::Null => Given::Null,
            Self::Value(value) => Given::Value(change(value)),
        }
    }

    /// The same with the value replaced by what `read` makes of it.
    pub fn and_then<U>(self, read: impl FnOnce(T) -> Given<U>) -> Given<U> {
        match self {
            Self::Nothing => Given::Nothing,
            Self::Null => Given::Null,
            Self::Value(value) => read(value),
        }
    }
}
