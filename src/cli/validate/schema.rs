//! What the API server checks by the schema of a kind, with places, and stricter in one point: an unknown field is an error.

use std::collections::HashSet;

use serde_json::Value as Json;

use crate::cli::tree::{At, Mapping, Node, Object, Scalar, ScalarKind, Value, is_ambiguous};
use crate::cli::{Code, Finding};

use super::{date, vietnamese};

/// Everything that the schema of its kind says against an object.
pub fn check(schema: &Json, object: &Object, findings: &mut Vec<Finding>) {
    let mut checker = Checker { file: &object.file, findings };
    checker.value(Field { schema, path: String::new(), rule: "" }, &object.node, object.node.at);
}

struct Checker<'a> {
    file: &'a str,
    findings: &'a mut Vec<Finding>,
}

/// A field and what is said about it.
struct Field<'s> {
    schema: &'s Json,
    path: String,
    /// The rule in its description, or in that of the nearest field above that names one.
    rule: &'s str,
}

impl<'s> Field<'s> {
    fn child(&self, schema: &'s Json, path: String) -> Self {
        let own = schema.get("description").and_then(Json::as_str).and_then(rule_in);
        Self { schema, path, rule: own.unwrap_or(self.rule) }
    }

    fn number(&self, key: &str) -> Option<f64> {
        self.schema.get(key).and_then(Json::as_f64)
    }

    fn is(&self, key: &str) -> bool {
        self.schema.get(key).and_then(Json::as_bool) == Some(true)
    }
}

/// `R5.2` in `The document it rests on (R5.2).`, `D-21` in `pinned (D-21): …`
fn rule_in(description: &str) -> Option<&str> {
    let inside = description.split('(').skip(1).filter_map(|part| part.split_once([')', ':', ',', ' ']));
    inside.map(|(word, _)| word).find(|word| {
        let digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
        word.strip_prefix('R').is_some_and(digit) || word.strip_prefix("D-").is_some_and(digit)
    })
}

impl Checker<'_> {
    fn push(&mut self, code: Code, at: At, field: &Field, message: String, vi: String) {
        self.findings
            .push(Finding::error(self.file, code, message, vi).at(at).field(field.path.as_str()).by(field.rule));
    }

    fn value(&mut self, field: Field, node: &Node, key_at: At) {
        if node.is_null() {
            return self.null(&field, node, key_at);
        }
        let wanted = field.schema.get("type").and_then(Json::as_str);
        match (&node.value, wanted) {
            (_, None) => {}
            (Value::Map(map), Some("object")) => self.object(&field, map, key_at),
            (Value::Seq(items), Some("array")) => self.array(&field, items, node.at),
            (Value::Scalar(scalar), Some("string")) if scalar.kind == ScalarKind::Text => {
                self.text(&field, scalar, node.at);
            }
            (Value::Scalar(scalar), Some("string")) => self.unquoted(&field, scalar, node.at),
            (Value::Scalar(scalar), Some("boolean")) if matches!(scalar.kind, ScalarKind::Bool(_)) => {}
            (Value::Scalar(scalar), Some("integer" | "number")) => self.number(&field, scalar, node.at, wanted),
            (found, Some(wanted)) => self.wrong_type(&field, found, wanted, node.at),
        }
    }

    fn null(&mut self, field: &Field, node: &Node, key_at: At) {
        if field.is("nullable") || field.schema.get("type").is_none() {
            return;
        }
        let written = node.end > node.at.byte;
        let (at, path) = (if written { node.at } else { key_at }, &field.path);
        self.push(
            Code::MissingField,
            at,
            field,
            format!("{path} is empty; write its value, or remove the line if it is not needed"),
            format!("{path} đang để trống; vui lòng ghi giá trị, hoặc xóa dòng này nếu không cần."),
        );
    }

    fn wrong_type(&mut self, field: &Field, found: &Value, wanted: &str, at: At) {
        let (found, found_vi) = match found {
            Value::Map(_) => ("fields", "các trường con"),
            Value::Seq(_) => ("a list", "danh sách"),
            Value::Scalar(scalar) => match scalar.kind {
                ScalarKind::Bool(_) => ("true or false", "giá trị đúng/sai"),
                ScalarKind::Number(_) => ("a number", "số"),
                _ => ("text", "văn bản"),
            },
        };
        let (wanted, wanted_vi) = match wanted {
            "object" => ("fields below it, for example {name: …}", "các trường con, ví dụ {name: …}"),
            "array" => ("a list, for example [a, b]", "danh sách, ví dụ [a, b]"),
            "boolean" => ("true or false", "true hoặc false"),
            "integer" => ("a whole number", "số nguyên"),
            "number" => ("a number", "số"),
            _ => ("text", "văn bản"),
        };
        let path = &field.path;
        let message = format!("{path} has {found}; write {wanted}");
        self.push(Code::WrongType, at, field, message, format!("{path} đang là {found_vi}; vui lòng ghi {wanted_vi}."));
    }

    /// Text without quotes that is read as something else.
    fn unquoted(&mut self, field: &Field, scalar: &Scalar, at: At) {
        let text = &scalar.text;
        let (code, read, read_vi) = match &scalar.kind {
            ScalarKind::Bool(value) => {
                (Code::UnquotedWord, format!("the boolean {value}"), format!("giá trị đúng/sai {value}"))
            }
            _ => (Code::WrongType, "a number".into(), "số".into()),
        };
        let path = &field.path;
        self.push(
            code,
            at,
            field,
            format!("{path}: {text} without quotes is read as {read}, not as text; quote it: \"{text}\""),
            format!("{path}: {text} không có dấu ngoặc kép nên bị hiểu là {read_vi}, không phải văn bản; vui lòng ghi \"{text}\"."),
        );
    }

    fn text(&mut self, field: &Field, scalar: &Scalar, at: At) {
        let (text, path) = (scalar.text.as_str(), &field.path);
        if scalar.plain && is_ambiguous(text) {
            // kubectl does, and the API server refuses what it sends; Kustomize does not.
            let message = format!(
                "{path}: kubectl takes {text} without quotes for a boolean, which the API server refuses; quote it: \"{text}\""
            );
            let vi = format!(
                "{path}: {text} không có dấu ngoặc kép bị kubectl hiểu là giá trị đúng/sai nên cụm từ chối; vui lòng ghi \"{text}\"."
            );
            self.push(Code::UnquotedWord, at, field, message, vi);
        }
        if let Some(allowed) = field.schema.get("enum").and_then(Json::as_array) {
            return self.one_of(field, text, allowed, at);
        }
        let days: Option<fn(&str) -> _> = match field.schema.get("format").and_then(Json::as_str) {
            Some("date") => Some(date::check),
            Some("date-time") => Some(date::check_time),
            _ => None,
        };
        if let Some(check) = days {
            if let Err((message, vi)) = check(text) {
                self.push(Code::InvalidDate, at, field, format!("{path}: {message}"), format!("{path}: {vi}"));
            }
            return;
        }
        self.range(field, text.chars().count(), ["minLength", "maxLength"], ("characters", "ký tự"), at);
    }

    fn one_of(&mut self, field: &Field, text: &str, allowed: &[Json], at: At) {
        let allowed: Vec<&str> = allowed.iter().filter_map(Json::as_str).collect();
        if allowed.contains(&text) {
            return;
        }
        let (path, all) = (&field.path, allowed.join(", "));
        let (hint, hint_vi) = did_you_mean(text, allowed.into_iter());
        self.push(
            Code::NotAllowed,
            at,
            field,
            format!("{path}: '{text}' is not allowed{hint}; write one of: {all}"),
            format!("{path}: không dùng được '{text}'{hint_vi}; vui lòng ghi một trong: {all}."),
        );
    }

    fn number(&mut self, field: &Field, scalar: &Scalar, at: At, wanted: Option<&str>) {
        let ScalarKind::Number(number) = &scalar.kind else {
            return self.wrong_type(field, &Value::Scalar(scalar.clone()), wanted.unwrap_or_default(), at);
        };
        if wanted == Some("integer") && !number.is_i64() {
            return self.wrong_type(field, &Value::Scalar(scalar.clone()), "integer", at);
        }
        let value = number.as_f64().unwrap_or_default();
        let (min, max) = (field.number("minimum"), field.number("maximum"));
        if min.is_some_and(|min| value < min) || max.is_some_and(|max| value > max) {
            let (path, between) = (&field.path, bounds(min, max));
            let message = format!("{path} is {value}; write a number {between}");
            let vi = format!("{path} là {value}; vui lòng ghi số trong khoảng {}.", bounds_vi(min, max));
            self.push(Code::OutOfRange, at, field, message, vi);
        }
    }

    fn range(&mut self, field: &Field, count: usize, keys: [&str; 2], unit: (&str, &str), at: At) {
        let (min, max) = (field.number(keys[0]), field.number(keys[1]));
        let size = count as f64;
        if min.is_some_and(|min| size < min) || max.is_some_and(|max| size > max) {
            let (path, between, between_vi) = (&field.path, bounds(min, max), bounds_vi(min, max));
            let message = format!("{path} has {count} {}; {between} are allowed", unit.0);
            let vi = format!("{path} có {count} {}; cho phép {between_vi}.", unit.1);
            self.push(Code::OutOfRange, at, field, message, vi);
        }
    }

    fn array(&mut self, field: &Field, items: &[Node], at: At) {
        self.range(field, items.len(), ["minItems", "maxItems"], ("items", "mục"), at);
        if field.schema.get("x-kubernetes-list-type").and_then(Json::as_str) == Some("set") {
            let mut before = HashSet::new();
            for item in items {
                let Some(text) = item.text() else { continue };
                if !before.insert(text) {
                    let path = &field.path;
                    let message = format!("{path} has '{text}' twice; remove one");
                    let vi = format!("{path} có '{text}' hai lần; vui lòng bỏ một.");
                    self.push(Code::DuplicateValue, item.at, field, message, vi);
                }
            }
        }
        if let Some(schema) = field.schema.get("items") {
            for (i, item) in items.iter().enumerate() {
                self.value(field.child(schema, format!("{}[{i}]", field.path)), item, item.at);
            }
        }
    }

    fn object(&mut self, field: &Field, map: &Mapping, key_at: At) {
        self.range(field, map.entries.len(), ["minProperties", "maxProperties"], ("fields", "trường"), key_at);
        let path_of = |key: &str| if field.path.is_empty() { key.to_string() } else { format!("{}.{key}", field.path) };
        let properties = field.schema.get("properties").and_then(Json::as_object);
        let additional = field.schema.get("additionalProperties").filter(|a| a.is_object());
        let mut misspelt = Vec::new();
        for entry in &map.entries {
            match properties.and_then(|p| p.get(&entry.key)).or(additional) {
                Some(schema) => self.value(field.child(schema, path_of(&entry.key)), &entry.value, entry.key_at),
                None if field.is("x-kubernetes-preserve-unknown-fields") => {}
                None => {
                    let path = path_of(&entry.key);
                    let known = properties.into_iter().flat_map(|p| p.keys().map(String::as_str));
                    let near = nearest(&entry.key, known);
                    misspelt.extend(near);
                    let (hint, hint_vi) = hint(near);
                    let message =
                        format!("{path}: there is no such field{hint}; mend or remove it (kubectl explain lists all)");
                    let vi = format!("{path}: không có trường này{hint_vi}; vui lòng sửa hoặc xóa.");
                    self.findings
                        .push(Finding::error(self.file, Code::UnknownField, message, vi).at(entry.key_at).field(path));
                }
            }
        }
        let required = field.schema.get("required").and_then(Json::as_array);
        let lacks = |key: &&str| map.get(key).is_none() && !misspelt.contains(key);
        for key in required.into_iter().flatten().filter_map(Json::as_str).filter(lacks) {
            let missing = properties.and_then(|p| p.get(key)).map(|s| field.child(s, path_of(key)));
            let what = missing.as_ref().and_then(|m| m.schema.get("description")).and_then(Json::as_str);
            let what = what.map(first_sentence).map(|w| format!(" ({w})")).unwrap_or_default();
            let missing = missing.unwrap_or_else(|| field.child(field.schema, path_of(key)));
            let path = &missing.path;
            let message = format!("{path} is missing; write it{what}");
            self.push(
                Code::MissingField,
                key_at,
                &missing,
                message,
                format!("thiếu {path}{}; vui lòng bổ sung.", vietnamese::field(key)),
            );
        }
    }
}

fn bounds(min: Option<f64>, max: Option<f64>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!("from {min} to {max}"),
        (Some(min), None) => format!("from {min}"),
        (_, max) => format!("up to {}", max.unwrap_or_default()),
    }
}

fn bounds_vi(min: Option<f64>, max: Option<f64>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!("từ {min} đến {max}"),
        (Some(min), None) => format!("từ {min} trở lên"),
        (_, max) => format!("tối đa {}", max.unwrap_or_default()),
    }
}

/// The first sentence of a description, in one line, up to what it says in brackets.
fn first_sentence(description: &str) -> String {
    let line = description.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = [". ", " ("].iter().filter_map(|end| line.find(end)).min().unwrap_or(line.len());
    line[..end].trim_end_matches('.').to_string()
}

/// The nearest known word, if one is near, as a question.
pub fn did_you_mean<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> (String, String) {
    hint(nearest(word, known))
}

fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |k: &str| strsim::damerau_levenshtein(&word.to_lowercase(), &k.to_lowercase());
    known.map(|k| (distance(k), k)).min().filter(|(d, _)| *d <= (word.len() / 3).clamp(1, 3)).map(|(_, name)| name)
}

fn hint(near: Option<&str>) -> (String, String) {
    match near {
        Some(name) => (format!(" (did you mean {name}?)"), format!(" (có phải ý là {name}?)")),
        None => (String::new(), String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `check` looks at, and what says nothing about a value.
    const KNOWN: &[&str] = &[
        "type",
        "properties",
        "additionalProperties",
        "items",
        "required",
        "enum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minimum",
        "maximum",
        "minProperties",
        "maxProperties",
        "format",
        "nullable",
        "description",
        "title",
        "default",
        "x-kubernetes-list-type",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-validations",
        "x-kubernetes-preserve-unknown-fields",
    ];

    fn words<'s>(schema: &'s Json, found: &mut Vec<&'s str>) {
        let Some(map) = schema.as_object() else { return };
        found.extend(map.keys().map(String::as_str));
        for child in map.get("properties").and_then(Json::as_object).into_iter().flat_map(|p| p.values()) {
            words(child, found);
        }
        for key in ["items", "additionalProperties"] {
            map.get(key).into_iter().for_each(|child| words(child, found));
        }
    }

    #[test]
    fn every_word_of_the_schemas_is_checked() {
        let mut found = Vec::new();
        crate::cli::kinds::all().iter().for_each(|kind| words(&kind.schema, &mut found));
        found.retain(|word| !KNOWN.contains(word));
        assert!(found.is_empty(), "`check` does not look at {found:?}");
    }

    #[test]
    fn the_rule_of_a_field_stands_in_its_description() {
        assert_eq!(rule_in("The document it rests on (R5.2)."), Some("R5.2"));
        assert_eq!(rule_in("The local part, pinned (D-21): never derived again."), Some("D-21"));
        assert_eq!(rule_in("Largest (decoded) attachment (R7.3.b: the limit is more)."), Some("R7.3.b"));
        assert_eq!(rule_in("Reason (Root) of it"), None);
    }
}
