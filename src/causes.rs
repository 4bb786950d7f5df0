//! Errors with their causes, for the log: the outermost alone often says no more than "error sending".

use std::error::Error;

/// An error and its causes in one line.
pub(crate) fn in_one_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
