//! As a remote write of either version, decompressed.

#![no_main]

#[expect(dead_code, reason = "each target calls one entry point")]
#[path = "../../it/support/robust/all.rs"]
mod robust;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| robust::remote_write(bytes));
