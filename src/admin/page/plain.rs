//! The same page in Prometheus' text format 0.0.4: OpenMetrics names a family without the ending of its
//! samples and knows types and units that the older format does not.

/// The page in OpenMetrics, without its end marker, as text 0.0.4.
pub(super) fn of(page: &str) -> String {
    let mut text = String::with_capacity(page.len());
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((name, help)) = parts(line, "# HELP ") else {
            // A unit stands in the name already.
            if !line.starts_with("# UNIT ") {
                text.extend([line, "\n"]);
            }
            continue;
        };
        let kind = lines.next_if(|line| line.starts_with("# TYPE "));
        let kind = kind.and_then(|line| parts(line, "# TYPE ")).map_or("untyped", |(_, kind)| kind);
        let (ending, kind) = match kind {
            "counter" => ("_total", "counter"),
            "info" => ("_info", "gauge"),
            kind => ("", kind),
        };
        text.extend(["# HELP ", name, ending, " ", help, "\n"]);
        text.extend(["# TYPE ", name, ending, " ", kind, "\n"]);
    }
    text
}

/// Name and rest of a comment.
fn parts<'l>(line: &'l str, word: &str) -> Option<(&'l str, &'l str)> {
    line.strip_prefix(word)?.split_once(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_infos_are_named_as_their_samples_and_units_go() {
        let page = "# HELP a_seconds Time.\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\n\
                    a_seconds_total{x=\"# HELP\"} 1\n# HELP b It is.\n# TYPE b info\nb_info{v=\"1\"} 1\n\
                    # HELP c Now.\n# TYPE c gauge\nc 2\n# HELP d None yet.\n# TYPE d histogram\n";
        let expected = "# HELP a_seconds_total Time.\n# TYPE a_seconds_total counter\n\
                        a_seconds_total{x=\"# HELP\"} 1\n# HELP b_info It is.\n# TYPE b_info gauge\n\
                        b_info{v=\"1\"} 1\n# HELP c Now.\n# TYPE c gauge\nc 2\n# HELP d None yet.\n\
                        # TYPE d histogram\n";
        assert_eq!(of(page), expected);
    }
}
