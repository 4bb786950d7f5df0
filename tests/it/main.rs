//! The one integration binary: every test that needs the public surface, files or sockets.

mod config;
mod tidy;
