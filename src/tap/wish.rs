//! What one who looks wants to see.

use super::{Pattern, Share};

/// All of it has to be met.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Sources and scraped jobs by name; none = all of them.
    pub sources: Vec<String>,
    /// How many of the tuples.
    pub share: Share,
    /// Those of such names alone.
    pub name: Option<Pattern>,
    /// What a line looks like.
    pub form: Form,
}

/// How a tuple is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it is delivered: `["name",seconds,value,{..}]`
    Tuple,
    /// `{"source":"..","tuple":[..]}`
    Sourced,
}

impl Default for Wish {
    fn default() -> Self {
        Self { sources: Vec::new(), share: Share::ALL, name: None, form: Form::Tuple }
    }
}
