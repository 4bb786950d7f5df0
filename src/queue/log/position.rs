//! How far one destination is, and its books (contract C5.2, C7).
