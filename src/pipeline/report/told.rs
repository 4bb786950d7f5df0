//! A report as clients and people read it: with the place that explains each of its codes.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::Report;
use crate::normalize::Code;

/// The members of contract C1.6, and `help` where there is a code to explain.
#[derive(Debug, Serialize)]
pub struct Told<'r> {
    #[serde(flatten)]
    report: &'r Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<Help<'r>>,
}

/// `{"invalid_name": "docs/codes.md#invalid_name"}`, in the order of C2.4.
#[derive(Debug)]
struct Help<'r> {
    codes: [bool; Code::COUNT],
    url: &'r str,
}

impl Report {
    /// With the place of each code that its lists name; `url` is that of all codes.
    pub fn told<'r>(&'r self, url: &'r str) -> Told<'r> {
        let mut codes = [false; Code::COUNT];
        for entry in self.errors.iter().chain(&self.warnings) {
            codes[entry.code as usize] = true;
        }
        let help = codes.contains(&true).then_some(Help { codes, url });
        Told { report: self, help }
    }
}

impl Serialize for Help<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for code in Code::ALL.into_iter().filter(|code| self.codes[*code as usize]) {
            let name = code.as_str();
            map.serialize_entry(name, &format_args!("{}#{name}", self.url))?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::report::Entry;

    #[test]
    fn each_code_of_the_lists_is_explained_once_and_a_clean_report_explains_nothing() {
        let entry = |code| Entry { index: 0, line: None, code, message: "why".to_owned() };
        let errors = vec![entry(Code::TooLarge), entry(Code::InvalidName), entry(Code::TooLarge)];
        let warnings = vec![entry(Code::Renamed)];
        let report = Report { accepted: 1, rejected: 3, errors, warnings, ..Report::default() };
        let text = serde_json::to_string(&report.told("docs/codes.md")).unwrap();
        let expected = "\"help\":{\"invalid_name\":\"docs/codes.md#invalid_name\",\
             \"too_large\":\"docs/codes.md#too_large\",\"renamed\":\"docs/codes.md#renamed\"}}";
        assert!(text.starts_with("{\"accepted\":1,\"rejected\":3,\"errors\":[{"), "{text}");
        assert!(text.ends_with(expected), "{text}");

        let clean = Report { accepted: 1, ..Report::default() };
        assert_eq!(
            serde_json::to_string(&clean.told("x")).unwrap(),
            serde_json::to_string(&clean).unwrap()
        );
    }
}
