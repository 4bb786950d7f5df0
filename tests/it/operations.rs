//! The guide for operators and the reference of metrics, held against the code: each line that warns, each
//! metric, and every link between them.

mod lines;
mod reference;
