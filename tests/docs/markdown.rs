//! As much of Markdown as holds examples: tables and fenced blocks, each with its line.

/// A row of a table.
#[derive(Debug)]
pub struct Row<'t> {
    /// Line, from 1.
    pub line: usize,
    /// Cells without blanks and backticks around them.
    pub cells: Vec<&'t str>,
}

/// A table.
#[derive(Debug)]
pub struct Table<'t> {
    /// Its header.
    pub header: Row<'t>,
    /// Its rows.
    pub rows: Vec<Row<'t>>,
}

/// A fenced block.
#[derive(Debug)]
pub struct Block<'t> {
    /// Line of its first line of text, from 1.
    pub line: usize,
    /// What stands behind the fence: `yaml`.
    pub language: &'t str,
    /// Its lines.
    pub lines: Vec<&'t str>,
}

/// The tables and blocks of a document.
pub fn parse(text: &str) -> (Vec<Table<'_>>, Vec<Block<'_>>) {
    let (mut tables, mut blocks) = (Vec::<Table>::new(), Vec::new());
    let (mut open, mut in_table) = (None::<Block>, false);
    for (index, line) in text.lines().enumerate() {
        if let Some(language) = line.strip_prefix("```") {
            match open.take() {
                Some(block) => blocks.push(block),
                None => open = Some(Block { line: index + 2, language, lines: Vec::new() }),
            }
            in_table = false;
        } else if let Some(block) = &mut open {
            block.lines.push(line);
        } else if let Some(inner) = line.strip_prefix('|').and_then(|l| l.strip_suffix('|')) {
            let cells = inner.split('|').map(|c| c.trim().trim_matches('`')).collect();
            let row = Row { line: index + 1, cells };
            match tables.last_mut().filter(|_| in_table) {
                Some(table) if row.cells.iter().all(|c| c.starts_with("---")) => assert!(table.rows.is_empty()),
                Some(table) => table.rows.push(row),
                None => tables.push(Table { header: row, rows: Vec::new() }),
            }
            in_table = true;
        } else {
            in_table = false;
        }
    }
    assert!(open.is_none(), "a fenced block is not closed");
    (tables, blocks)
}

/// The words of a command line: blanks part them, double and single quotes hold them together.
pub fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(q)) if c == q => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (' ', None) => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[test]
fn words_are_parted_as_a_shell_does() {
    assert_eq!(
        words(r#"name "Lê An" --suffix  snv --allow-missing 'Agency/*'"#).join("|"),
        "name|Lê An|--suffix|snv|--allow-missing|Agency/*"
    );
}

#[test]
fn tables_and_blocks_are_found_with_their_lines() {
    let text =
        "# x\n\n| A | B |\n|---|---|\n| 1 | `2` |\n| 3 | |\n\ntext\n| C |\n|---|\n```yaml\na: 1\n| no | row |\n```\n";
    let (tables, blocks) = parse(text);
    assert_eq!(tables.len(), 2);
    assert_eq!((tables[0].rows[0].line, tables[0].rows[0].cells.as_slice()), (5, ["1", "2"].as_slice()));
    assert_eq!(tables[0].rows[1].cells, ["3", ""]);
    assert_eq!((blocks[0].line, blocks[0].language, blocks[0].lines.len()), (12, "yaml", 2));
}
