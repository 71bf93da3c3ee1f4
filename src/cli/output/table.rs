//! Tables and paragraphs that fit a terminal. Where no terminal is, nothing is cut: a script or a file needs every character.

use std::io::IsTerminal;
use std::sync::OnceLock;

use rustix::termios::tcgetwinsize;

use super::printable;

/// Columns of a paragraph, at most.
const WIDTH: usize = 100;
/// A terminal that says that it has fewer columns is not believed.
const NARROWEST: usize = 40;
/// Columns that each column of a table keeps, if it has as many.
const KEPT: usize = 12;

/// Columns of the terminal, or those that `COLUMNS` says; none where there is no terminal.
pub fn columns() -> Option<usize> {
    static COLUMNS: OnceLock<Option<usize>> = OnceLock::new();
    *COLUMNS.get_or_init(|| {
        let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let asked = || {
            let out = std::io::stdout();
            out.is_terminal().then(|| tcgetwinsize(out).ok()).flatten().map(|size| usize::from(size.ws_col))
        };
        said.or_else(asked).filter(|columns| *columns >= NARROWEST)
    })
}

/// A text that fills `width` columns, or more.
pub fn cell(text: &str, width: usize) -> String {
    format!("{:<width$}", printable(text))
}

/// A text of at most so many columns; the whole where no number is given.
pub fn cut(text: &str, columns: Option<usize>) -> String {
    let text = printable(text);
    match columns {
        Some(columns) if text.chars().count() > columns => {
            text.chars().take(columns.saturating_sub(1)).chain(['…']).collect()
        }
        _ => text,
    }
}

/// How wide each column of a table is.
#[derive(Debug, Default)]
pub struct Columns {
    widths: Vec<usize>,
    limited: bool,
}

impl Columns {
    /// As wide as the longest of its cells; where the rows would be longer than `limit`, the widest columns are cut. `beside` is what
    /// else stands in each row, with its blanks.
    pub fn of<const N: usize, S: AsRef<str>>(
        rows: impl IntoIterator<Item = [S; N]>,
        beside: usize,
        limit: Option<usize>,
    ) -> Self {
        let mut widths = vec![0; N];
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(&row) {
                *width = printable(cell.as_ref()).chars().count().max(*width);
            }
        }
        let blanks = N.saturating_sub(1) + beside;
        while limit.is_some_and(|limit| widths.iter().sum::<usize>() + blanks > limit) {
            let Some(widest) = widths.iter_mut().filter(|width| **width > KEPT).max() else { break };
            *widest -= 1;
        }
        Self { widths, limited: limit.is_some() }
    }

    /// Columns of a whole row.
    pub fn width(&self) -> usize {
        self.widths.iter().sum::<usize>() + self.widths.len().saturating_sub(1)
    }

    /// A row, without the blanks at its end.
    pub fn row<S: AsRef<str>>(&self, cells: &[S]) -> String {
        let cells = cells.iter().zip(&self.widths);
        let cells = cells.map(|(text, width)| cell(&cut(text.as_ref(), self.limited.then_some(*width)), *width));
        cells.collect::<Vec<_>>().join(" ").trim_end().into()
    }
}

/// Lines of at most the width, broken at blanks; a word that is longer stands alone.
pub fn wrap(out: &mut String, text: &str, indent: usize) {
    let (mut used, most) = (0, columns().map_or(WIDTH, |columns| columns.min(WIDTH)));
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > most {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_cells_and_cut_where_the_terminal_ends() {
        let rows = [["nv-1", "Hoàng Thị Như Quỳnh", "x"], ["mot-ten-dai-hon-muoi-sau-ky-tu", "Lê An", "y"]];
        let whole = Columns::of(rows, 2, None);
        assert_eq!(whole.row(&rows[1]), "mot-ten-dai-hon-muoi-sau-ky-tu Lê An               y");
        assert_eq!(whole.row(&rows[0]).chars().count(), 30 + 1 + 19 + 1 + 1);
        let cut = Columns::of(rows, 2, Some(44));
        let lines = rows.map(|row| cut.row(&row));
        assert!(lines.iter().all(|line| line.chars().count() <= 42), "{lines:#?}");
        assert!(lines[1].starts_with("mot-ten-dai-hon") && lines[1].contains("… Lê An"), "{lines:#?}");
        // Below what each column keeps nothing is won.
        assert!(Columns::of(rows, 2, Some(10)).row(&rows[0]).chars().count() > 10);
    }
}
