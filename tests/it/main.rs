//! Everything that needs sockets, files or a process: one binary, so that it links once.

mod forward_delivery;
mod forward_receiver;
mod forward_secret;
mod forward_shutdown;
mod forward_trouble;
