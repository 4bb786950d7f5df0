//! A single value as it was written, before it has a type.

use toml::de::DeValue;

use super::file::{found, shortened};

/// A single value, from the file or a variable.
#[derive(Debug)]
pub(super) enum Scalar<'f> {
    /// A TOML value.
    Value(&'f DeValue<'f>),
    /// The text of a variable, which can stand for any type.
    Variable(&'f str),
}

impl<'f> Scalar<'f> {
    /// The text of a string.
    pub(super) fn text(&self) -> Option<&'f str> {
        match self {
            Self::Value(value) => value.as_str(),
            Self::Variable(text) => Some(text),
        }
    }

    /// A number that is not negative; a variable writes it in decimal.
    pub(super) fn integer(&self) -> Option<u64> {
        match self {
            Self::Value(value) => {
                let number = value.as_integer()?;
                u64::from_str_radix(number.as_str(), number.radix()).ok()
            }
            Self::Variable(text) => text.trim().parse().ok(),
        }
    }

    /// A switch.
    pub(super) fn boolean(&self) -> Option<bool> {
        match self {
            Self::Value(value) => value.as_bool(),
            Self::Variable(text) => text.trim().parse().ok(),
        }
    }

    /// How a fault shows it.
    pub(super) fn found(&self) -> String {
        match self {
            Self::Value(value) => found(value),
            Self::Variable(text) => shortened(text),
        }
    }
}
