//! JSONTestSuite, whole: what must parse parses, what must not is refused (contract C1.7, C2.5).

use serde::de::IgnoredAny;
use tidegate::decode::Format;
use tidegate::pipeline::BodyError;

use crate::differential::reading::{compare, now, profiles, verdicts};
use crate::mutation::robust;
use crate::support::corpus;

fn refused(bytes: &[u8], format: Format) -> bool {
    match robust::body(bytes, format) {
        Ok(_) => false,
        Err(BodyError::Syntax(_)) => true,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn every_n_file_is_refused_and_every_y_file_is_not() {
    let Some(folder) = corpus::folder("jsontestsuite/test_parsing") else { return };
    let (mut yes, mut no) = (0, 0);
    for (name, bytes) in corpus::files(&folder, 318) {
        let refused = refused(&bytes, Format::Json);
        match name.get(..2) {
            Some("y_") => {
                yes += 1;
                assert!(!refused, "{name} is valid");
            }
            Some("n_") => {
                no += 1;
                assert!(refused, "{name} is not valid");
            }
            // `i_`: either, as long as it is an answer.
            _ => {}
        }
    }
    assert!(yes >= 95 && no >= 185, "{yes} y_ and {no} n_ files");
}

#[test]
fn every_file_gets_the_verdict_of_serde_json() {
    let Some(folder) = corpus::folder("jsontestsuite/test_parsing") else { return };
    let profile = &profiles()[0];
    let mut valid = 0;
    for (name, bytes) in corpus::files(&folder, 318) {
        verdicts(&bytes).unwrap_or_else(|difference| panic!("{name}: {difference}"));
        for format in [Format::Json, Format::JsonStream, Format::Ndjson] {
            compare(&bytes, format, profile, now())
                .unwrap_or_else(|difference| panic!("{name}: {difference}"));
        }
        valid += u32::from(serde_json::from_slice::<IgnoredAny>(&bytes).is_ok());
    }
    assert!(valid >= 95, "{valid} valid files");
}

#[test]
fn numbers_of_the_transform_files_reach_the_tuple_unchanged() {
    let Some(folder) = corpus::folder("jsontestsuite/test_transform") else { return };
    let mut numbers = 0;
    for (name, bytes) in corpus::files(&folder, 22) {
        // Whatever it is, as a body and as every member.
        for format in [Format::Json, Format::JsonStream, Format::Ndjson] {
            compare(&bytes, format, &profiles()[0], now())
                .unwrap_or_else(|difference| panic!("{name}: {difference}"));
        }
        let Ok(text) = std::str::from_utf8(&bytes) else { continue };
        for member in ["name", "tags", "dt", "gauge", "histogram"] {
            let body = format!(r#"{{"{member}":{text},"counter":{{"value":{text}}}}}"#);
            compare(body.as_bytes(), Format::Json, &profiles()[0], now())
                .unwrap_or_else(|difference| panic!("{name} as {member}: {difference}"));
        }
        let Some(number) = text.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'))
        else {
            continue;
        };
        let number = number.trim();
        if !name.starts_with("number_") || number.parse::<f64>().is_err() {
            continue;
        }
        let body = format!(r#"{{"name":"n","gauge":{{"value":{number}}}}}"#);
        let mut tuples = Vec::new();
        let report = tidegate::pipeline::run(
            body.as_bytes(),
            Format::Json,
            &profiles()[0],
            now(),
            &mut |block| {
                tuples.extend_from_slice(&block.bytes);
                Ok(())
            },
        );
        if number.parse::<f64>().is_ok_and(f64::is_infinite) {
            assert_eq!(report.expect("valid JSON").rejected, 1, "{name}");
            continue;
        }
        let tuple = String::from_utf8(tuples).expect("tuples are UTF-8");
        let whole = !number.contains(['.', 'e', 'E']);
        let expected = format!(",{number}{},{{", if whole { ".0" } else { "" });
        // Past 308 the contract has it reprinted (C4.1).
        assert!(tuple.contains(&expected) || number.contains("-999"), "{name}: {tuple}");
        numbers += 1;
    }
    assert!(numbers >= 5, "{numbers} numbers");
}
