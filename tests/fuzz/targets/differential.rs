//! The pipeline beside the second reading, in every JSON format.

#![no_main]

#[expect(dead_code, reason = "the fuzzer makes the bodies, not the generator")]
#[path = "../../it/support/differential/all.rs"]
mod reading;

use tidegate::decode::Format;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for format in [Format::Json, Format::JsonStream, Format::Ndjson] {
        for profile in &reading::profiles() {
            if let Err(difference) = reading::compare(bytes, format, profile, reading::now()) {
                panic!("{difference}");
            }
        }
    }
});
