//! tidegate, the command.

fn main() {}
