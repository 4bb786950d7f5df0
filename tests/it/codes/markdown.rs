//! As much of Markdown as our documents use.

/// A piece of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    Heading {
        level: usize,
        text: String,
    },
    /// Its lines, joined.
    Paragraph(String),
    /// Between fences.
    Code {
        language: String,
        text: String,
    },
}

/// The blocks of a document. What is neither of the three panics: nothing must go missing on the way.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let (mut blocks, mut paragraph) = (Vec::new(), String::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let is_other = line.is_empty() || line.starts_with('#') || line.starts_with("```");
        if is_other && !paragraph.is_empty() {
            blocks.push(Block::Paragraph(std::mem::take(&mut paragraph)));
        }
        if let Some(language) = line.strip_prefix("```") {
            let code = lines.by_ref().take_while(|line| *line != "```");
            let text = code.fold(String::new(), |text, line| text + line + "\n");
            blocks.push(Block::Code { language: language.to_owned(), text });
        } else if line.starts_with('#') {
            let text = line.trim_start_matches('#');
            let level = line.len() - text.len();
            blocks.push(Block::Heading { level, text: text.trim().to_owned() });
        } else if !line.is_empty() {
            assert!(!line.starts_with(['-', '|', '>', ' ']), "not understood: {line}");
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(line);
        }
    }
    if !paragraph.is_empty() {
        blocks.push(Block::Paragraph(paragraph));
    }
    blocks
}

/// Where a heading can be linked to, as GitHub has it.
pub(crate) fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' ');
    heading.to_ascii_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
}
