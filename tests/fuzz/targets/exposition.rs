//! As a page of Prometheus' text, and as one of OpenMetrics.

#![no_main]

#[expect(dead_code, reason = "each target calls one entry point")]
#[path = "../../it/support/robust/all.rs"]
mod robust;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| robust::exposition(bytes));
