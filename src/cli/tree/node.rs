//! YAML values that know where they stand.

use serde_json::{Map, Number, Value as Json};

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Offset in bytes in the text behind a byte-order mark.
    pub byte: usize,
}

/// One value.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it begins.
    pub at: At,
    /// Offset of the byte behind a scalar; for lists and mappings where the parser saw their end.
    pub end: usize,
    /// What it is.
    pub value: Value,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Value {
    /// Text, number, boolean or nothing.
    Scalar(Scalar),
    /// A list.
    Seq(Vec<Node>),
    /// A mapping.
    Map(Mapping),
}

/// A scalar as it was written and as Kubernetes reads it.
#[derive(Clone, Debug)]
pub struct Scalar {
    /// Its text.
    pub text: String,
    /// What it is read as.
    pub kind: ScalarKind,
    /// Written without quotes, on the line of its key.
    pub plain: bool,
}

/// What a scalar is read as.
#[derive(Clone, Debug, PartialEq)]
pub enum ScalarKind {
    /// Nothing: empty, `~`, `null`.
    Null,
    /// `true`, `no`, `on`, …
    Bool(bool),
    /// A number.
    Number(Number),
    /// Text.
    Text,
}

/// A mapping.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// `{a: b}` rather than lines.
    pub flow: bool,
    /// In the order of the file; no key twice.
    pub entries: Vec<Entry>,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_at: At,
    /// The value.
    pub value: Node,
}

impl Node {
    /// The mapping, if it is one.
    pub fn map(&self) -> Option<&Mapping> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub fn items(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// The text, if it is text.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) if scalar.kind == ScalarKind::Text => Some(&scalar.text),
            _ => None,
        }
    }

    /// Whether it is nothing.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.kind == ScalarKind::Null)
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.map()?.get(key).map(|entry| &entry.value)
    }

    /// The value of a dotted path without indexes, for example `spec.agencyRef.name`.
    pub fn find(&self, path: &str) -> Option<&Node> {
        path.split('.').try_fold(self, |node, key| node.get(key))
    }

    /// Where the field of `path` stands (`spec.aliases[1]`): its value, or where it is missing the key of the nearest field
    /// above it.
    pub fn place(&self, path: &str) -> At {
        let (mut node, mut at) = (self, self.at);
        for segment in path.split(['.', '[']).filter(|s| !s.is_empty()) {
            let next = match segment.strip_suffix(']') {
                Some(index) => index.parse().ok().and_then(|i: usize| node.items()?.get(i)).map(|item| (item.at, item)),
                None => node.map().and_then(|m| m.get(segment)).map(|e| (e.key_at, &e.value)),
            };
            let Some((key_at, value)) = next else { return at };
            (node, at) = (value, key_at);
        }
        if node.map().is_some() || node.is_null() { at } else { node.at }
    }

    /// The value as JSON.
    pub fn json(&self) -> Json {
        match &self.value {
            Value::Scalar(scalar) => match &scalar.kind {
                ScalarKind::Null => Json::Null,
                ScalarKind::Bool(value) => Json::Bool(*value),
                ScalarKind::Number(number) => Json::Number(number.clone()),
                ScalarKind::Text => Json::String(scalar.text.clone()),
            },
            Value::Seq(items) => Json::Array(items.iter().map(Node::json).collect()),
            Value::Map(map) => {
                Json::Object(map.entries.iter().map(|e| (e.key.clone(), e.value.json())).collect::<Map<_, _>>())
            }
        }
    }

    /// How many values it holds, itself among them.
    pub(super) fn size(&self) -> usize {
        match &self.value {
            Value::Scalar(_) => 1,
            Value::Seq(items) => 1 + items.iter().map(Node::size).sum::<usize>(),
            Value::Map(map) => 1 + map.entries.iter().map(|e| e.value.size()).sum::<usize>(),
        }
    }
}

impl Mapping {
    /// The entry of a key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

#[cfg(test)]
mod tests {
    use super::super::yaml::documents;

    #[test]
    fn a_field_that_is_missing_stands_where_the_nearest_field_above_it_stands() {
        let text = "kind: x\nspec:\n  list: [a, b]\n  name: {}\n";
        let node = documents("f", text, &mut Vec::new()).remove(0).root;
        for (path, place) in [
            ("spec.list[1]", (3, 13)),
            ("spec.list[7]", (3, 3)),
            ("spec.list", (3, 9)),
            ("spec.name.first", (4, 3)),
            ("spec.gone.deep", (2, 1)),
            ("gone", (1, 1)),
        ] {
            let at = node.place(path);
            assert_eq!((at.line, at.column), place, "{path}");
        }
    }
}
