//! Letters to `[a-z0-9]` (steps 6 and 7 of "From a name to an address").

use unicode_normalization::UnicodeNormalization;

/// Folds text to `[a-z0-9]`: decomposes (NFKD), maps letters that have no decomposition, drops marks and everything
/// else, and lower-cases. Blanks are dropped too: split first where words matter.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.nfkd() {
        match undecomposable(c) {
            Some(letters) => folded.push_str(letters),
            None if c.is_ascii_alphanumeric() => folded.push(c.to_ascii_lowercase()),
            None => {}
        }
    }
    folded
}

/// The first letter or digit of a folded word, or nothing.
pub fn initial(folded: &str) -> &str {
    folded.get(..1).unwrap_or("")
}

/// Latin letters without a decomposition. `ð` and `Ɖ` look like `Đ` and are typed in its place, so all become `d`.
fn undecomposable(c: char) -> Option<&'static str> {
    Some(match c {
        'đ' | 'Đ' | 'ð' | 'Ð' | 'ɖ' | 'Ɖ' | 'ɗ' | 'Ɗ' | 'ƌ' | 'Ƌ' | 'ꟈ' | 'Ꟈ' => "d",
        'ƀ' | 'Ƀ' | 'ɓ' | 'Ɓ' | 'ƃ' | 'Ƃ' => "b",
        'ƈ' | 'Ƈ' | 'ȼ' | 'Ȼ' => "c",
        'ɛ' | 'Ɛ' | 'ɇ' | 'Ɇ' | 'ə' | 'Ə' | 'ǝ' | 'Ǝ' => "e",
        'ɠ' | 'Ɠ' | 'ǥ' | 'Ǥ' => "g",
        'ħ' | 'Ħ' => "h",
        'ı' | 'ɨ' | 'Ɨ' => "i",
        'ɉ' | 'Ɉ' => "j",
        'ƙ' | 'Ƙ' => "k",
        'ł' | 'Ł' | 'ƚ' | 'Ƚ' => "l",
        'ɲ' | 'Ɲ' | 'ƞ' | 'Ƞ' => "n",
        'ŋ' | 'Ŋ' => "ng",
        'ø' | 'Ø' | 'ɔ' | 'Ɔ' | 'ɵ' | 'Ɵ' => "o",
        'ƥ' | 'Ƥ' => "p",
        'ɍ' | 'Ɍ' => "r",
        'ß' | 'ẞ' => "ss",
        'ŧ' | 'Ŧ' | 'ƭ' | 'Ƭ' => "t",
        'ʉ' | 'Ʉ' => "u",
        'ƴ' | 'Ƴ' | 'ɏ' | 'Ɏ' => "y",
        'ƶ' | 'Ƶ' => "z",
        'æ' | 'Æ' => "ae",
        'œ' | 'Œ' => "oe",
        'þ' | 'Þ' => "th",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_6_letters_without_decomposition_use_the_table() {
        for (text, folded) in [
            ("Đỗ", "do"),
            ("đạt", "dat"),
            ("Ðỗ", "do"),
            ("ðạt", "dat"),
            ("Ɖak", "dak"),
            ("ƀar", "bar"),
            ("Ƀok", "bok"),
            ("Łø", "lo"),
            ("æß", "aess"),
        ] {
            assert_eq!(fold(text), folded, "{text}");
        }
    }

    #[test]
    fn step_7_every_vietnamese_vowel_loses_its_marks() {
        for (vowels, letter) in [
            ("aàáảãạăằắẳẵặâầấẩẫậ", "a"),
            ("eèéẻẽẹêềếểễệ", "e"),
            ("iìíỉĩị", "i"),
            ("oòóỏõọôồốổỗộơờớởỡợ", "o"),
            ("uùúủũụưừứửữự", "u"),
            ("yỳýỷỹỵ", "y"),
        ] {
            for vowel in vowels.chars() {
                assert_eq!(fold(&vowel.to_string()), letter, "{vowel}");
                assert_eq!(fold(&vowel.to_uppercase().to_string()), letter, "{vowel}");
            }
        }
    }

    #[test]
    fn step_7_letters_of_jrai_bahnar_and_ede_names() {
        for (text, folded) in
            [("Bơ̆ng", "bong"), ("Kơ̆ĕ", "koe"), ("Ñŏ", "no"), ("čŭ", "cu"), ("b̆ok", "bok"), ("Ƀĭt", "bit")]
        {
            assert_eq!(fold(text), folded, "{text}");
        }
    }

    #[test]
    fn step_4_half_composed_reordered_and_full_width_letters_agree() {
        let composed = fold("Nguyễn");
        assert_eq!(composed, "nguyen");
        assert_eq!(fold("Nguyê\u{303}n"), composed);
        assert_eq!(fold("Nguye\u{303}\u{302}n"), composed);
        assert_eq!(fold("Ｎｇｕｙễｎ"), composed);
    }

    #[test]
    fn step_7_everything_else_is_dropped() {
        assert_eq!(fold("H'Lan – số 2, Ia-Dêr!"), "hlanso2iader");
    }
}
