//! Tables and paragraphs that fit a terminal.

use super::printable;

/// Columns.
pub const WIDTH: usize = 100;

/// A text that fills `width` columns.
pub fn cell(text: &str, width: usize) -> String {
    let text = printable(text);
    if text.chars().count() <= width {
        return format!("{text:<width$}");
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

/// Lines of at most the width, broken at blanks; a word that is longer stands alone.
pub fn wrap(out: &mut String, text: &str, indent: usize) {
    let mut used = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > WIDTH {
            out.push('\n');
            used = 0;
        }
        if used == 0 {
            out.extend(std::iter::repeat_n(' ', indent));
            used = indent;
        } else {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
    }
    out.push('\n');
}
