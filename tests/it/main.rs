//! The one integration binary: every test that needs a socket, a file or a process.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do: by a panic")]

mod receiver_client;
mod receiver_corpus;
mod receiver_faults;
mod receiver_intake;
mod receiver_library;
