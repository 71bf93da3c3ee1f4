//! One line into a file, every other byte as it was. The new text is read again before it is written: it must say what the
//! old one said, and the address.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::Value as Json;

use crate::cli::tree::{BOM, Entry, ScalarKind, Tree, is_ambiguous, resolve};

use super::decide::Pin;

/// Why a file was left alone, in English and Vietnamese.
pub type Why = (String, String);

/// Writes the pins of one file.
pub fn write(pins: &[Pin]) -> Result<(), Why> {
    let Some(file) = pins.first().map(|pin| pin.object.file.as_str()) else { return Ok(()) };
    let fail = |e: std::io::Error| (format!("the file cannot be written: {e}"), format!("không ghi được tệp: {e}"));
    // A link stays a link.
    let path = fs::canonicalize(file).map_err(fail)?;
    let old = fs::read_to_string(&path).map_err(fail)?;
    let new = pinned(&old, pins)?;
    replace(&path, &new).map_err(fail)
}

/// The text with the pins in it.
pub fn pinned(old: &str, pins: &[Pin]) -> Result<String, Why> {
    let offset = if old.starts_with(BOM) { BOM.len() } else { 0 };
    let mut insertions = Vec::new();
    for pin in pins {
        let (at, text) = insertion(&old[offset..], pin).ok_or_else(no_place)?;
        insertions.push((at + offset, text));
    }
    insertions.sort_by_key(|insertion| std::cmp::Reverse(insertion.0));
    let mut new = old.to_string();
    for (at, text) in &insertions {
        new.insert_str(*at, text);
    }
    if same_but_for(old, &new, pins) { Ok(new) } else { Err(no_place()) }
}

fn no_place() -> Why {
    (
        "the file changed meanwhile, or is written in a way that a line cannot be put into safely".into(),
        "tệp vừa bị thay đổi, hoặc cách viết của tệp không cho phép chèn thêm dòng an toàn".into(),
    )
}

/// Where the address goes and what is written there: behind the name of the holder.
fn insertion(text: &str, pin: &Pin) -> Option<(usize, String)> {
    let spec = pin.object.node.get("spec")?.map()?;
    let name = spec.get(if pin.object.kind == "Agency" { "name" } else { "fullName" })?;
    // A block scalar ends where the next key begins.
    let start = name.value.at.byte;
    let end = start + text.get(start..name.value.end)?.trim_end().len();
    let json = text.get(name.key_at.byte..)?.starts_with('"');
    let key = if json { "\"localPart\"" } else { "localPart" };
    let value = quoted(pin.local_part.as_str(), json);
    if spec.flow {
        return Some((end, format!(", {key}: {value}")));
    }
    let indentation = indentation(text, name)?;
    let line = format!("{indentation}{key}: {value}");
    let line_break = if text.contains("\r\n") { "\r\n" } else { "\n" };
    Some(match text[end..].find('\n') {
        Some(i) if text[..end + i].ends_with('\r') => (end + i + 1, format!("{line}\r\n")),
        Some(i) => (end + i + 1, format!("{line}\n")),
        None => (text.len(), format!("{line_break}{line}")),
    })
}

/// The blanks before the key, if nothing else stands there.
fn indentation<'t>(text: &'t str, entry: &Entry) -> Option<&'t str> {
    let start = text.get(..entry.key_at.byte)?.rfind('\n').map_or(0, |i| i + 1);
    let before = text.get(start..entry.key_at.byte)?;
    before.bytes().all(|b| b == b' ').then_some(before)
}

/// `no` and `12` are addresses of agencies, and no text to YAML.
fn quoted(local: &str, json: bool) -> String {
    let plain = resolve(local) == ScalarKind::Text && !is_ambiguous(local);
    if plain && !json { local.into() } else { format!("\"{local}\"") }
}

/// Whether the new text says what the old one said, and the addresses.
fn same_but_for(old: &str, new: &str, pins: &[Pin]) -> bool {
    let read = |text: &str| {
        let mut tree = Tree::default();
        tree.take("", text.as_bytes());
        (tree.findings.is_empty()).then_some(tree.objects)
    };
    let (Some(old), Some(new)) = (read(old), read(new)) else { return false };
    let wanted = |kind: &str, name: &str, namespace: &str| {
        let same = |pin: &&Pin| {
            let object = pin.object;
            (object.kind.as_str(), object.name.as_str(), object.namespace.as_str()) == (kind, name, namespace)
        };
        pins.iter().find(same).map(|pin| pin.local_part.to_string())
    };
    old.len() == new.len()
        && old.iter().zip(&new).all(|(old, new)| {
            let mut expected = old.node.json();
            if let Some(local) = wanted(&old.kind, &old.name, &old.namespace)
                && let Some(spec) = expected.get_mut("spec").and_then(Json::as_object_mut)
            {
                spec.insert("localPart".into(), local.into());
            }
            expected == new.node.json()
        })
}

/// Puts the new text in the place of the old one at once, with its permissions.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.pin-{}", std::process::id()));
    let written = (|| {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.set_permissions(fs::metadata(path)?.permissions())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::naming::LocalPart;

    const TEXT: &str =
        "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: Mailbox\nmetadata: {name: a}\nspec:\n  fullName: Lê An\n";

    #[test]
    fn a_text_that_changed_since_it_was_read_is_left() {
        let mut tree = Tree::default();
        tree.take("f", TEXT.as_bytes());
        let pin = Pin { object: &tree.objects[0], local_part: LocalPart::parse("anl.x", "").expect("local part") };
        let pins = [pin];
        assert_eq!(pinned(TEXT, &pins), Ok(format!("{TEXT}  localPart: anl.x\n")));
        let changed = TEXT.replace("kind", "# by somebody else: 1\nkind");
        assert_eq!(pinned(&changed, &pins), Err(no_place()));
        assert_eq!(pinned("", &pins), Err(no_place()));
    }
}
