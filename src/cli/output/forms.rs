//! The forms of each command: what its help lists is what it takes. And examples of a help that can be copied.

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::Format;

/// Takes exactly these forms, and lists them.
fn forms(all: &'static [Format]) -> impl TypedValueParser<Value = Format> {
    let values = all.iter().filter_map(ValueEnum::to_possible_value);
    PossibleValuesParser::new(values).map(|text| Format::from_str(&text, false).unwrap_or(Format::Text))
}

/// A blank at which clap breaks no line; who prints the help puts a blank in its place.
pub const HARD_BLANK: char = '\u{a0}';

/// The end of a help whose examples (lines that begin with blanks) stay as they are, however narrow the terminal is: a line that is
/// broken cannot be copied.
pub fn unbroken(text: &str) -> String {
    let hard = |line: &str| line.chars().map(|c| if c == ' ' { HARD_BLANK } else { c }).collect();
    let line = |line: &str| -> String { if line.starts_with("  ") { hard(line) } else { line.into() } };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

macro_rules! takes {
    ($($(#[doc = $doc:literal])+ $name:ident: $($form:ident),+;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, clap::Args)]
        #[group(skip)]
        pub struct $name {
            /// How to print.
            #[arg(short = 'o', long = "output", value_name = "FORM", default_value = "text", value_parser = forms(&[$(Format::$form),+]))]
            pub form: Format,
        }
    )+};
}

takes! {
    /// Of most commands.
    Plain: Text, Json;
    /// Of those that find what is wrong with files.
    Findings: Text, Json, Sarif, Github;
    /// Of `plan`.
    Plan: Text, Markdown, Json;
    /// Of `proposals`.
    Proposals: Text, Json, Csv;
    /// Of tables that are cut to fit the terminal.
    Wide: Text, Wide, Json;
}
