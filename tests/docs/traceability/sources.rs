//! Which rules a source cites, and which ones the names of its tests name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::Rules;

/// What is read: Rust, and what the mail server is configured with.
const READ: [&str; 6] = ["rs", "conf", "cf", "lua", "inc", "txt"];

/// Path in the repository and text of every source, in order.
pub fn all(root: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root.join("src"), root.join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| READ.iter().any(|known| e == *known)) {
                found.push((relative(&path, root), fs::read_to_string(&path).unwrap_or_default()));
            }
        }
    }
    found.sort();
    found
}

fn relative(path: &Path, root: &Path) -> String {
    let parts = path.strip_prefix(root).unwrap().components();
    parts.map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// Whether a file below `src` holds tests alone.
pub fn is_test(path: &str) -> bool {
    let stem = PathBuf::from(path).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    stem.ends_with("tests") || ["model", "properties"].contains(&stem.as_str())
}

/// A source without its module of tests, which stands at its end.
pub fn without_tests(text: &str) -> &str {
    let end = text.match_indices("#[cfg(test)]").map(|(at, _)| at);
    let inline = |at: &usize| text[*at..].lines().take(4).any(|line| line.starts_with("mod ") && line.ends_with('{'));
    &text[..end.into_iter().find(inline).unwrap_or(text.len())]
}

/// Names of test functions.
pub fn tests(text: &str) -> Vec<String> {
    let (mut names, mut is_test) = (Vec::new(), false);
    for line in text.lines().map(str::trim) {
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let function = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "));
        if let Some(name) = function.and_then(|rest| rest.split('(').next()).filter(|_| is_test) {
            names.push(name.to_owned());
            is_test = false;
        }
    }
    names
}

/// The rules that a text cites: `R6.2.a`, `D-15`; `6.2.a`; and `6.3` where nothing else can be meant, in quotes or at the beginning
/// of a bracket. An ID that no rule has is `Err`.
pub fn cited(text: &str, rules: &Rules) -> BTreeSet<Result<String, String>> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, 'đ' | '.' | '-' | '_');
    let (mut found, mut before) = (BTreeSet::new(), ' ');
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        if length == 0 {
            (before, rest) = (first, &rest[first.len_utf8()..]);
            continue;
        }
        found.extend(cite(rest[..length].trim_end_matches(['.', '-']), before, rules));
        (before, rest) = (' ', &rest[length..]);
    }
    found
}

fn cite(word: &str, before: char, rules: &Rules) -> Option<Result<String, String>> {
    let known = |id: &str| rules.has(id) || rules.is_whole(id);
    if word.strip_prefix("D-").is_some_and(|n| n.len() == 2 && is_number(n)) {
        return Some(if known(word) { Ok(word.to_owned()) } else { Err(word.to_owned()) });
    }
    let (marked, parts) = match word.strip_prefix('R').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
        Some(rest) => (true, rest),
        None => (matches!(before, '"' | '('), word),
    };
    let parts: Vec<&str> = parts.split('.').collect();
    let point = |part: &str| part.chars().count() == 1 && part.chars().all(char::is_alphabetic);
    let shape = match parts[..] {
        [article] => marked && word.starts_with('R') && is_number(article),
        [article, clause] => marked && is_number(article) && is_number(clause),
        [article, clause, last] => is_number(article) && is_number(clause) && point(last),
        _ => false,
    };
    let id = |parts: &[&str]| format!("R{}", parts.join("."));
    let whole = id(&parts);
    // A point of a clause that is one rule as a whole: 6.3.b.
    let clause = || parts.get(..2).filter(|_| parts.len() == 3).map(id).filter(|id| rules.has(id));
    let found = if known(&whole) { Some(whole) } else { clause() };
    match found {
        _ if !shape => None,
        Some(id) => Some(Ok(id)),
        None if word.starts_with('R') => Some(Err(word.to_owned())),
        None => None,
    }
}

fn is_number(part: &str) -> bool {
    !part.is_empty() && part.len() <= 2 && part.chars().all(|c| c.is_ascii_digit())
}

/// The rules that the name of a test names. An ID that no rule has is `Err`.
pub fn covered(name: &str, rules: &Rules) -> Vec<Result<String, String>> {
    let words: Vec<&str> = name.split('_').collect();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < words.len() {
        let decision = |at: usize| {
            let number = words.get(at + 1).filter(|n| words[at] == "d" && n.len() == 2 && is_number(n))?;
            number.parse::<u8>().ok()
        };
        let article = words[at].strip_prefix('r').filter(|n| is_number(n));
        if let Some(from) = decision(at) {
            let to = (words.get(at + 2) == Some(&"to")).then(|| decision(at + 3)).flatten();
            let ids = (from..=to.unwrap_or(from)).map(|n| format!("D-{n:02}"));
            found.extend(ids.map(|id| if rules.has(&id) { Ok(id) } else { Err(id) }));
            at += if to.is_some() { 5 } else { 2 };
        } else if let Some(article) = article {
            let (id, length) = rule(article, &words[at + 1..], rules);
            found.push(id);
            at += length;
        } else {
            at += 1;
        }
    }
    found
}

/// The longest ID that begins here, and of how many words it is.
fn rule(article: &str, words: &[&str], rules: &Rules) -> (Result<String, String>, usize) {
    let whole = format!("R{article}");
    let clause = words.first().filter(|n| is_number(n)).map(|clause| format!("{whole}.{clause}"));
    let letter = words.get(1).map(|letter| if *letter == "dd" { "đ" } else { letter });
    let other = words.get(1) == Some(&"d") && words.get(2).is_some_and(|n| n.len() == 2 && is_number(n));
    let point =
        clause.iter().zip(letter.filter(|_| !other)).map(|(clause, letter)| format!("{clause}.{letter}")).next();
    let known = |id: &String| rules.has(id) || rules.is_whole(id);
    match (point.filter(|id| rules.has(id)), clause) {
        (Some(point), _) => (Ok(point), 3),
        (None, Some(clause)) => (if known(&clause) { Ok(clause) } else { Err(clause) }, 2),
        (None, None) => (if known(&whole) { Ok(whole) } else { Err(whole) }, 1),
    }
}

#[cfg(test)]
mod checks {
    use super::*;

    fn rules() -> Rules {
        Rules::read(
            "**Six**\n- R6.1 a\n- R6.2.a b\n- R6.2.d c\n- R6.3 d\n- R8.3.d e\n- R8.3.đ f\n- R12 g\n## D\n| D-05 | x |\n| D-06 | y |\n",
        )
    }

    fn shown(found: impl IntoIterator<Item = Result<String, String>>) -> String {
        found.into_iter().map(|id| id.unwrap_or_else(|id| format!("!{id}"))).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn names_of_tests_are_read() {
        let of = |name: &str| shown(covered(name, &rules()));
        assert_eq!(of("r6_1_a_lock_ends_sessions"), "R6.1");
        assert_eq!(of("r6_2_a_a_notified_absence"), "R6.2.a");
        assert_eq!(of("r6_2_d_05_x_and_r6_3_d_06_y"), "R6.2 D-05 R6.3 D-06");
        assert_eq!(of("r8_3_dd_the_list_and_r8_3_d_the_incident"), "R8.3.đ R8.3.d");
        assert_eq!(of("d_05_to_d_06_alike"), "D-05 D-06");
        assert_eq!(of("r6_4_x_d_77_y_r12_z_rfc_5321_25_mb"), "!R6.4 !D-77 R12");
    }

    #[test]
    fn citations_are_read() {
        let of = |text: &str| shown(cited(text, &rules()));
        assert_eq!(of("(R6.1): see D-05, 6.2.a; rule \"6.3\"."), "D-05 R6.1 R6.2.a R6.3");
        assert_eq!(of("6.3 s, 6.1.2, version 0.6.3, 5.2.1 and R8.3.đ, 6.3.b, R6.2"), "R6.2 R6.3 R8.3.đ");
        assert_eq!(of("D-99 R7 R6.9"), "!D-99 !R6.9 !R7");
    }

    #[test]
    fn tests_are_found_and_are_no_code() {
        let text = "//! D-05\n#[cfg(test)]\nmod tests;\nfn a() {}\n#[cfg(test)]\n#[allow(x)]\nmod tests {\n // D-06\n #[test]\n fn d_06_x() {}\n fn no() {}\n}\n";
        assert_eq!(tests(text), ["d_06_x"]);
        assert_eq!(shown(cited(without_tests(text), &rules())), "D-05");
    }
}
