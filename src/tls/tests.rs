//! Handshakes over pipes: what is in use, and when it changes.

use super::*;
