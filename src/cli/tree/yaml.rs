//! From text to documents: the events of the parser become values that know their place. What a document holds is bounded,
//! aliases counted.

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, StructureStyle};

use crate::cli::{Code, Finding};

#[cfg(test)]
use super::Limits;
use super::node::{At, Entry, Mapping, Node, Scalar, ScalarKind, Value};
use super::scalar;

/// Levels of one document.
const MAX_DEPTH: usize = 60;

/// A document, and what is wrong with its keys.
pub struct Document {
    /// Its value.
    pub root: Node,
    /// Keys that stand twice.
    pub duplicates: Vec<Finding>,
}

/// Those of a file that people wrote.
#[cfg(test)]
pub fn documents(file: &str, text: &str, findings: &mut Vec<Finding>) -> Vec<Document> {
    documents_up_to(file, text, Limits::WRITTEN.nodes, findings)
}

/// Every document of a file that could be read; what could not, or has more than `nodes` values, goes to `findings`.
pub fn documents_up_to(file: &str, text: &str, nodes: usize, findings: &mut Vec<Finding>) -> Vec<Document> {
    let mut parser = Parser::new_from_str_with_options(text, granit_parser::options! { emit_comments: false });
    let mut documents = Vec::new();
    let mut builder = Builder::new(file, nodes);
    while let Some(event) = parser.next_event() {
        let step = match event {
            Ok((Event::StreamEnd, _)) => break,
            Ok((Event::DocumentStart(..), _)) => {
                builder = Builder::new(file, nodes);
                continue;
            }
            Ok((Event::DocumentEnd, _)) => {
                let duplicates = std::mem::take(&mut builder.findings);
                documents.extend(builder.root.take().map(|root| Document { root, duplicates }));
                continue;
            }
            Ok((event, span)) => builder.take(event, &span),
            Err(error) => Err(Box::new(not_yaml(file, text, &error))),
        };
        if let Err(finding) = step {
            findings.push(*finding);
            builder = Builder::new(file, nodes);
            if !matches!(parser.proceed_next_document(), Ok(true)) {
                break;
            }
        }
    }
    documents
}

fn place(span: &Span) -> At {
    let start = span.start;
    At { line: start.line(), column: start.col() + 1, byte: start.byte_offset().unwrap_or_default() }
}

fn not_yaml(file: &str, text: &str, error: &ScanError) -> Finding {
    let marker = error.marker();
    let at = At { line: marker.line(), column: marker.col() + 1, byte: marker.byte_offset().unwrap_or_default() };
    if matches!(error.kind(), ErrorKind::TabInBlockIndentation | ErrorKind::TabNotAllowed) {
        return tab(file, text, at);
    }
    let what = error.info();
    let message = format!("this is not YAML: {what}; look at this line and the one before");
    let vi = format!("không phải YAML hợp lệ: {what}; vui lòng xem lại dòng này và dòng trước.");
    Finding::error(file, Code::NotYaml, message, vi).at(at)
}

/// A tab where blanks belong; the parser stops behind it.
fn tab(file: &str, text: &str, at: At) -> Finding {
    let line = text.lines().nth(at.line.saturating_sub(1)).unwrap_or_default();
    let column = line.chars().position(|c| c == '\t').map_or(at.column, |i| i + 1);
    let message = "a tab stands in the indentation; YAML allows blanks only: replace each tab by two blanks";
    let vi = "có ký tự tab ở đầu dòng; YAML chỉ cho phép dấu cách: vui lòng thay mỗi tab bằng hai dấu cách.";
    Finding::error(file, Code::TabIndentation, message, vi).at(At { column, ..at })
}

/// A list or mapping that is not closed yet.
enum Open {
    Seq { at: At, anchor: usize, items: Vec<Node> },
    Map { at: At, anchor: usize, map: Mapping, key: Option<(String, At)>, seen: Seen },
}

/// Index of each key, and whether a merge brought it: then a key of the mapping itself takes its place.
type Seen = HashMap<String, (usize, bool)>;

struct Builder<'f> {
    file: &'f str,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    most: usize,
    root: Option<Node>,
    findings: Vec<Finding>,
}

type Step = Result<(), Box<Finding>>;

impl<'f> Builder<'f> {
    fn new(file: &'f str, most: usize) -> Self {
        Self { file, open: Vec::new(), anchors: HashMap::new(), nodes: 0, most, root: None, findings: Vec::new() }
    }

    fn take(&mut self, event: Event<'_>, span: &Span) -> Step {
        let at = place(span);
        let end = span.end.byte_offset().unwrap_or(at.byte);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let kind = if plain { scalar::resolve(&text) } else { ScalarKind::Text };
                let scalar = Scalar { text: text.into_owned(), kind, plain };
                self.close(Node { at, end, value: Value::Scalar(scalar) }, anchor, 1)
            }
            Event::SequenceStart(_, anchor, _) => self.open(Open::Seq { at, anchor, items: Vec::new() }, at),
            Event::MappingStart(style, anchor, _) => {
                let map = Mapping { flow: style == StructureStyle::Flow, entries: Vec::new() };
                self.open(Open::Map { at, anchor, map, key: None, seen: HashMap::new() }, at)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::Seq { at, anchor, items }) => {
                    self.close(Node { at, end, value: Value::Seq(items) }, anchor, 1)
                }
                Some(Open::Map { at, anchor, map, .. }) => {
                    self.close(Node { at, end, value: Value::Map(map) }, anchor, 1)
                }
                None => Ok(()),
            },
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => {
                    let size = node.size();
                    self.close(Node { at, end, ..node }, 0, size)
                }
                None => Err(Box::new(self.too_large(at))),
            },
            _ => Ok(()),
        }
    }

    fn open(&mut self, open: Open, at: At) -> Step {
        self.open.push(open);
        if self.open.len() > MAX_DEPTH { Err(Box::new(self.too_large(at))) } else { Ok(()) }
    }

    fn too_large(&self, at: At) -> Finding {
        let most = self.most;
        let message = format!(
            "the document has more than {most} values or {MAX_DEPTH} levels, or an alias inside itself; split it"
        );
        let vi = format!(
            "tài liệu có hơn {most} giá trị hoặc {MAX_DEPTH} cấp, hoặc có alias trỏ vào chính nó; vui lòng chia nhỏ."
        );
        Finding::error(self.file, Code::DocumentTooLarge, message, vi).at(at)
    }

    /// A value is complete: it goes into what is open around it. `size` counts for the limit of the document.
    fn close(&mut self, node: Node, anchor: usize, size: usize) -> Step {
        self.nodes += size;
        if self.nodes > self.most {
            return Err(Box::new(self.too_large(node.at)));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let mut twice = None;
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::Seq { items, .. }) => items.push(node),
            Some(Open::Map { map, key, seen, .. }) => match key.take() {
                None => *key = Some((key_text(self.file, &node)?, node.at)),
                Some((name, _)) if name == "<<" && merge(map, seen, &node) => {}
                Some((name, key_at)) => match seen.get(&name).copied() {
                    Some((index, false)) => twice = Some((name, key_at, map.entries[index].key_at)),
                    Some((index, true)) => {
                        seen.insert(name.clone(), (index, false));
                        map.entries[index] = Entry { key: name, key_at, value: node };
                    }
                    None => {
                        seen.insert(name.clone(), (map.entries.len(), false));
                        map.entries.push(Entry { key: name, key_at, value: node });
                    }
                },
            },
        }
        if let Some((name, at, first)) = twice {
            let path = self.path() + &name;
            self.findings.push(duplicate(self.file, &path, at, first));
        }
        Ok(())
    }

    /// The path of what is open, with what goes between it and a key.
    fn path(&self) -> String {
        let mut path = String::new();
        for open in &self.open {
            match open {
                Open::Seq { items, .. } => path = format!("{}[{}].", path.trim_end_matches('.'), items.len()),
                Open::Map { key: Some((key, _)), .. } => path += &format!("{key}."),
                Open::Map { .. } => {}
            }
        }
        path
    }
}

fn key_text(file: &str, node: &Node) -> Result<String, Box<Finding>> {
    match &node.value {
        Value::Scalar(scalar) => Ok(scalar.text.clone()),
        _ => {
            let message = "a key must be a word, not a list or mapping";
            let vi = "tên trường phải là một từ, không phải danh sách hay ánh xạ.";
            Err(Box::new(Finding::error(file, Code::NotYaml, message, vi).at(node.at)))
        }
    }
}

/// `<<: *defaults`: fields that are not there yet. Whether it was a merge.
fn merge(map: &mut Mapping, seen: &mut Seen, from: &Node) -> bool {
    let sources: Vec<&Mapping> = match &from.value {
        Value::Map(map) => vec![map],
        Value::Seq(items) => items.iter().filter_map(Node::map).collect(),
        Value::Scalar(_) => return false,
    };
    for entry in sources.into_iter().flat_map(|m| &m.entries) {
        if !seen.contains_key(&entry.key) {
            seen.insert(entry.key.clone(), (map.entries.len(), true));
            map.entries.push(entry.clone());
        }
    }
    true
}

fn duplicate(file: &str, path: &str, at: At, first: At) -> Finding {
    let line = first.line;
    let message = format!("{path} stands already in line {line}; remove one of the two");
    let vi = format!("{path} đã có ở dòng {line}; vui lòng bỏ một trong hai.");
    Finding::error(file, Code::DuplicateKey, message, vi).at(at).field(path)
}
