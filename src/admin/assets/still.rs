//! The page where no script runs: the same as plain tables, as it was when it was asked for. The page asks again
//! by itself.

use std::fmt::Write as _;

use serde_json::Value;

/// What stands inside `noscript`.
pub(super) fn render(told: &Value) -> String {
    let mut html = String::new();
    let summary = &told["summary"];
    push(&mut html, "<section class=\"verdict\" data-state=\"", &summary["state"], "\"><h1>");
    push(&mut html, "", &summary["text"], "</h1><ul class=\"problems\">");
    // The worst is the sentence above.
    for problem in list(&told["problems"]).skip(1) {
        push(&mut html, "<li>", &problem["text"], "</li>");
    }
    push(&mut html, "</ul></section><p class=\"quiet\">As of ", &told["now"], ", version ");
    push(&mut html, "", &told["version"], "; asked for again every ten seconds. ");
    html += "Live with scripts; as data at <a href=\"/status\">/status</a>.</p>";

    sources(&mut html, told);
    facts(&mut html, "What waits", &told["queue"]);
    html += "<p>";
    push(&mut html, "Durability ", &told["durability"], ": ");
    push(&mut html, "", &told["crash_loses"], ".</p>");
    receivers(&mut html, told);
    facts(&mut html, "Dead letters", &told["dead_letters"]);
    facts(&mut html, "Limits in effect", &told["limits"]);
    html
}

/// Member, and the head of its column.
type Columns<'c> = &'c [(&'c str, &'c str)];

fn sources(html: &mut String, told: &Value) {
    let columns: Columns<'_> = &[
        ("/name", "Source"),
        ("/rate", "Accepted/s"),
        ("/reject_rate", "Rejected/s"),
        ("/accepted", "Accepted"),
        ("/rejected", "Rejected"),
        ("/refused", "Bodies refused"),
        ("/silent_s", "Silent for, s"),
    ];
    table(html, "What comes in", columns, list(&told["sources"]));
    let rejects: Columns<'_> = &[
        ("/at", "When"),
        ("/code", "Code"),
        ("/message", "Reason"),
        ("/example", "Example, as sent"),
    ];
    for source in list(&told["sources"]) {
        if list(&source["last_rejects"]).next().is_some() {
            let title = format!("Last rejects of {}", shown(&source["name"]));
            table(html, &title, rejects, list(&source["last_rejects"]));
        }
    }
    facts(
        html,
        "Turned away before it had a source, in the last minute",
        &told["edge"]["last_minute"],
    );
}

fn receivers(html: &mut String, told: &Value) {
    let columns: Columns<'_> = &[
        ("/name", "Receiver"),
        ("/state", "State"),
        ("/why", "Why it is held"),
        ("/rate", "Delivered/s"),
        ("/latency_ms", "Latency, ms"),
        ("/backlog/tuples", "Waiting"),
        ("/last_error/at", "Last error at"),
        ("/last_error/text", "Last error"),
    ];
    table(html, "What goes out", columns, list(&told["receivers"]));
}

fn table<'v>(
    html: &mut String,
    title: &str,
    columns: Columns<'_>,
    rows: impl Iterator<Item = &'v Value>,
) {
    push_text(html, "<h2>", title, "</h2><div class=\"card\"><table class=\"stack\"><caption>");
    push_text(html, "", title, "</caption><thead><tr>");
    for (_, head) in columns {
        push_text(html, "<th scope=\"col\">", head, "</th>");
    }
    *html += "</tr></thead><tbody>";
    for row in rows {
        *html += "<tr>";
        for (member, head) in columns {
            push_text(html, "<td class=\"wide\" data-title=\"", head, "\">");
            push(html, "", row.pointer(member).unwrap_or(&Value::Null), "</td>");
        }
        *html += "</tr>";
    }
    *html += "</tbody></table></div>";
}

/// The members of an object that say something.
fn facts(html: &mut String, title: &str, of: &Value) {
    push_text(html, "<h2>", title, "</h2><div class=\"card\"><table><caption>");
    push_text(html, "", title, "</caption><tbody>");
    for (name, value) in of.as_object().into_iter().flatten() {
        push_text(html, "<tr><th scope=\"row\">", name, "</th><td>");
        push(html, "", value, "</td></tr>");
    }
    *html += "</tbody></table></div>";
}

fn list(of: &Value) -> impl Iterator<Item = &Value> {
    of.as_array().into_iter().flatten()
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn push(html: &mut String, before: &str, value: &Value, after: &str) {
    push_text(html, before, &shown(value), after);
}

/// Texts are of clients and receivers in part: nothing of them is markup.
fn push_text(html: &mut String, before: &str, text: &str, after: &str) {
    *html += before;
    for letter in text.chars() {
        match letter {
            '<' | '>' | '&' | '"' | '\'' => {
                write!(html, "&#{};", letter as u32).expect("a string takes every text");
            }
            _ => html.push(letter),
        }
    }
    *html += after;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_of_a_text_becomes_markup() {
        let evil = "</noscript><script>alert(\"1\")</script>'&";
        let told = json!({
            "summary": {"state": evil, "text": evil},
            "problems": [{"text": evil}],
            "now": evil, "version": evil, "durability": evil, "crash_loses": evil,
            "sources": [{
                "name": evil,
                "last_rejects": [{"at": evil, "code": evil, "message": evil, "example": evil}],
            }],
            "receivers": [{"name": evil, "why": evil, "last_error": {"at": evil, "text": evil}}],
            "queue": {evil: evil}, "dead_letters": {evil: evil}, "limits": {evil: [evil]},
            "edge": {"last_minute": {evil: evil}},
        });
        let html = render(&told);
        assert!(!html.contains("script>") && !html.contains("<script"), "{html}");
        assert!(html.matches("&#60;/noscript&#62;&#60;script&#62;").count() > 20, "{html}");
    }
}
