//! Whether two full names are the same (D-06): with diacritics, wherever the tone mark is placed.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::normalise::{is_apostrophe, is_hyphen, is_invisible};

/// Whether two full names are the same after NFC, case folding and normalising the placement of the tone mark:
/// `Hoà` = `Hòa`, `Thủy` ≠ `Thùy`. Shapes of apostrophes, hyphens and of the letter `đ`, and blanks, do not tell names
/// apart either: nobody can see the difference.
pub fn same_name(a: &str, b: &str) -> bool {
    key(a) == key(b)
}

/// The form in which equal names are equal text; for indexes.
pub fn key(name: &str) -> String {
    // NFC first: some shapes of the apostrophe are one only by canonical equivalence.
    let spaced: String = name.nfc().filter(|c| !is_invisible(*c)).map(plain).collect();
    let joined = spaced.split_whitespace().collect::<Vec<_>>().join(" ").replace("' ", "'");
    let mut key = String::with_capacity(joined.len());
    let mut run = VowelRun::default();
    let mut base = ' ';
    for c in joined.chars().flat_map(char::to_lowercase).nfkd() {
        if is_combining_mark(c) {
            if is_vowel(base) && is_tone(c) {
                run.tones.push(c);
            } else if is_vowel(base) {
                run.marks.push(c);
            } else {
                key.push(c);
            }
            continue;
        }
        base = plain(c);
        if is_vowel(base) {
            run.next(base);
        } else {
            run.flush(&mut key);
            key.push(base);
        }
    }
    run.flush(&mut key);
    key.nfc().collect()
}

/// Vowels that stand together. Their tone goes behind the last one, so its place does not matter; the marks of one
/// vowel are sorted, so the order of typing does not matter.
#[derive(Default)]
struct VowelRun {
    letters: String,
    marks: Vec<char>,
    tones: Vec<char>,
}

impl VowelRun {
    fn next(&mut self, vowel: char) {
        self.close_letter();
        self.letters.push(vowel);
    }

    fn close_letter(&mut self) {
        self.marks.sort_unstable();
        self.letters.extend(self.marks.drain(..));
    }

    fn flush(&mut self, key: &mut String) {
        self.close_letter();
        key.push_str(&self.letters);
        key.extend(self.tones.drain(..));
        self.letters.clear();
    }
}

fn plain(c: char) -> char {
    match c {
        'ð' | 'ɖ' => 'đ',
        'Ð' | 'Ɖ' => 'Đ',
        c if is_apostrophe(c) => '\'',
        c if is_hyphen(c) => '-',
        c => c,
    }
}

fn is_vowel(c: char) -> bool {
    matches!(c, 'a' | 'e' | 'i' | 'o' | 'u' | 'y')
}

/// Grave, acute, tilde, hook above, dot below: the five written tones.
fn is_tone(c: char) -> bool {
    matches!(c, '\u{300}' | '\u{301}' | '\u{303}' | '\u{309}' | '\u{323}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d_06_the_place_of_the_tone_mark_does_not_matter() {
        for (a, b) in [("Nguyễn Văn Hoà", "Nguyễn Văn Hòa"), ("Thuý", "Thúy"), ("Lê Khoẻ", "Lê Khỏe"), ("Uỷ", "Ủy")]
        {
            assert!(same_name(a, b), "{a} {b}");
        }
    }

    #[test]
    fn d_06_different_tones_and_letters_are_different_names() {
        for (a, b) in [
            ("Thủy", "Thùy"),
            ("Hoa", "Hoà"),
            ("Tấn", "Tân"),
            ("Sơn", "Sôn"),
            ("Đạt", "Dạt"),
            ("Ñun", "Nun"),
            ("Ñun", "Nũn"),
            ("Như", "Nhu"),
            ("Hà Ánh", "Há Ành"),
            ("An Bình", "Bình An"),
            ("H'Lan", "HLan"),
        ] {
            assert!(!same_name(a, b), "{a} {b}");
        }
    }

    #[test]
    fn d_06_case_composition_and_order_of_marks_do_not_matter() {
        let decomposed: String = "Hoàng Thị Như Quỳnh".nfd().collect();
        assert!(same_name(&decomposed, "HOÀNG THỊ NHƯ QUỲNH"));
        assert!(same_name("Nguye\u{303}\u{302}n", "Nguyễn"));
        assert!(same_name("Rê\u{306}", "Re\u{306}\u{302}"));
        assert!(same_name("Cường", "Cu\u{31b}o\u{300}\u{31b}ng"));
    }

    #[test]
    fn d_06_what_nobody_can_see_does_not_matter() {
        assert!(same_name("H’Lan  Ksor ", "H'Lan Ksor"));
        assert!(same_name("H' Lan", "H'Lan"));
        assert!(same_name("Ðỗ Đạt", "Đỗ Đạt"));
        assert!(same_name("Lê\u{200b} An", "Lê\u{a0}An"));
    }
}
