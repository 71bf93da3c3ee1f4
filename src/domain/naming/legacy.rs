//! Recognises text of the encodings that came before Unicode (R3.4): TCVN3 (ABC) and VNI.
//!
//! Such text arrives as Latin-1 letters: `Hoµng ThÞ` is TCVN3, `Hoaøng Thò` is VNI. It is refused, never converted: the
//! reading is a guess, and an issued address stands. A word is evidence only if it cannot be Vietnamese as it stands
//! and becomes a Vietnamese syllable when decoded, so `Müller` and `Zoë` are left alone.

use unicode_normalization::UnicodeNormalization;

use super::fold::fold;

/// An encoding from before Unicode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// TCVN 5712:1993, fonts `.Vn…`.
    Tcvn3,
    /// VNI Windows, fonts `VNI-…`.
    Vni,
}

impl Encoding {
    /// The name people know it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcvn3 => "TCVN3 (ABC)",
            Self::Vni => "VNI",
        }
    }
}

/// Text that was recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Legacy {
    /// In what it is written.
    pub encoding: Encoding,
    /// What it seems to say.
    pub reading: String,
}

/// How surely a word is of an encoding. `Weak` does not count beside letters that only Unicode has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Evidence {
    Weak,
    Strong,
}

/// Recognises TCVN3 or VNI in NFC text whose invisible characters still stand (a soft hyphen is the TCVN3 letter ư).
pub fn recognise(text: &str) -> Option<Legacy> {
    let unicode = text.chars().any(|c| c > '\u{ff}' && c.is_alphabetic());
    let score = |evidence: fn(&str) -> Option<Evidence>| {
        words(text).filter_map(evidence).filter(|e| !unicode || *e == Evidence::Strong).count()
    };
    let (tcvn3, vni) = (score(tcvn3_evidence), score(vni_evidence));
    let (encoding, decode): (_, fn(&str) -> Option<String>) = match (tcvn3, vni) {
        (0, 0) => return None,
        (a, b) if a > b => (Encoding::Tcvn3, decode_tcvn3),
        _ => (Encoding::Vni, decode_vni),
    };
    let reading = text.split(' ').map(|word| decode(word).unwrap_or_else(|| word.to_owned()));
    Some(Legacy { encoding, reading: reading.collect::<Vec<_>>().join(" ") })
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || c.is_ascii_punctuation()).filter(|word| !word.is_empty())
}

/// Latin-1 letters that no language of the province uses.
fn is_foreign(c: char) -> bool {
    matches!(c, 'ä' | 'å' | 'æ' | 'ç' | 'ë' | 'î' | 'ï' | 'ö' | 'ø' | 'û' | 'ü' | 'ß' | 'þ')
        || matches!(c, 'Ä' | 'Å' | 'Æ' | 'Ç' | 'Ë' | 'Î' | 'Ï' | 'Ö' | 'Ø' | 'Û' | 'Ü' | 'Þ')
}

/// Letters of TCVN3 that are signs in Latin-1.
fn is_tcvn3_sign(c: char) -> bool {
    matches!(c, '\u{a1}'..='\u{be}' | '×' | '÷') && tcvn3(c).is_some() && c != SOFT_HYPHEN
}

const SOFT_HYPHEN: char = '\u{ad}';

fn tcvn3_evidence(word: &str) -> Option<Evidence> {
    if !is_syllable(&decode_tcvn3(word)?) {
        return None;
    }
    if word.chars().any(is_tcvn3_sign) {
        return Some(Evidence::Strong);
    }
    if word.contains(SOFT_HYPHEN) {
        let without = fold(&word.replace(SOFT_HYPHEN, ""));
        let vowel = without.contains(is_ascii_vowel);
        return Some(if vowel { Evidence::Weak } else { Evidence::Strong });
    }
    let lower = word.to_lowercase();
    // Nguyễn, Quỳnh or Huỳnh, Thủy: written so in TCVN3, impossible in Vietnamese.
    let impossible = ["uyô", "uún", "thñ"].iter().any(|s| lower.contains(s));
    let letters: Vec<char> = word.chars().collect();
    let capital_inside = (1..letters.len()).any(|i| {
        let beside_lower = letters[i - 1].is_lowercase() || letters.get(i + 1).is_some_and(|c| c.is_lowercase());
        is_latin1_capital(letters[i]) && beside_lower
    });
    (impossible || capital_inside || word.chars().any(is_foreign)).then_some(Evidence::Weak)
}

fn is_latin1_capital(c: char) -> bool {
    matches!(c, 'À'..='Þ')
}

fn vni_evidence(word: &str) -> Option<Evidence> {
    if !is_syllable(&decode_vni(word)?) {
        return None;
    }
    let lower: Vec<char> = word.to_lowercase().chars().collect();
    let mut pairs = 0;
    let mut impossible = lower.iter().copied().any(is_foreign);
    for (i, pair) in lower.windows(2).enumerate() {
        let &[base, mark] = pair else { continue };
        if vni_marks(base, mark).is_none() {
            continue;
        }
        pairs += 1;
        // `Hoà` is Vietnamese, `Aê` is an Ede word.
        let at_end = i + 2 == lower.len();
        let vietnamese = matches!((base, mark), ('o', 'à' | 'á' | 'ã')) || (mark == 'ê' && at_end);
        impossible |= !vietnamese;
    }
    (impossible || (pairs > 0 && lower.contains(&'ñ'))).then_some(Evidence::Weak)
}

fn decode_tcvn3(word: &str) -> Option<String> {
    word.chars().map(|c| if c.is_ascii() { Some(c) } else { tcvn3(c) }).collect()
}

fn tcvn3(c: char) -> Option<char> {
    const CODES: &str = "¡¢£¤¥¦§¨©ª«¬\u{ad}®µ¶·¸¹»¼½¾ÆÇÈÉÊËÌÎÏÐÑÒÓÔÕÖ×ØÜÝÞßáâãäåæçèéêëìíîïñòóôõö÷øùúûüýþ";
    const LETTERS: &str = "ĂÂÊÔƠƯĐăâêôơưđàảãáạằẳẵắặầẩẫấậèẻẽéẹềểễếệìỉĩíịòỏõóọồổỗốộờởỡớợùủũúụừửữứựỳỷỹýỵ";
    CODES.chars().position(|code| code == c).and_then(|i| LETTERS.chars().nth(i))
}

fn decode_vni(word: &str) -> Option<String> {
    let mut decoded = String::new();
    let mut chars = word.chars().peekable();
    while let Some(c) = chars.next() {
        let lower = c.to_lowercase().next().unwrap_or(c);
        let mut letters: String = match lower {
            'ô' => 'ơ',
            'ö' => 'ư',
            'æ' => 'ỉ',
            'ó' => 'ĩ',
            'ò' => 'ị',
            'î' => 'ỵ',
            'ñ' => 'đ',
            'ì' | 'í' => lower,
            _ if c.is_ascii() => lower,
            _ => return None,
        }
        .into();
        let mark = chars.peek().and_then(|next| next.to_lowercase().next());
        if let Some(marks) = mark.and_then(|mark| vni_marks(lower, mark)) {
            letters.push_str(marks);
            chars.next();
        }
        decoded.push_str(&if c.is_uppercase() { letters.to_uppercase() } else { letters });
    }
    Some(decoded.nfc().collect())
}

/// The combining marks that the letter after a vowel stands for in VNI.
fn vni_marks(base: char, mark: char) -> Option<&'static str> {
    Some(match (base, mark) {
        ('a' | 'e' | 'o' | 'u' | 'y' | 'ô' | 'ö', 'ù') => "\u{301}",
        ('a' | 'e' | 'o' | 'u' | 'y' | 'ô' | 'ö', 'ø') => "\u{300}",
        ('a' | 'e' | 'o' | 'u' | 'y' | 'ô' | 'ö', 'û') => "\u{309}",
        ('a' | 'e' | 'o' | 'u' | 'y' | 'ô' | 'ö', 'õ') => "\u{303}",
        ('a' | 'e' | 'o' | 'u' | 'ô' | 'ö', 'ï') => "\u{323}",
        ('a' | 'e' | 'o', 'â') => "\u{302}",
        ('a' | 'e' | 'o', 'á') => "\u{302}\u{301}",
        ('a' | 'e' | 'o', 'à') => "\u{302}\u{300}",
        ('a' | 'e' | 'o', 'å') => "\u{302}\u{309}",
        ('a' | 'e' | 'o', 'ã') => "\u{302}\u{303}",
        ('a' | 'e' | 'o', 'ä') => "\u{302}\u{323}",
        ('a', 'ê') => "\u{306}",
        ('a', 'é') => "\u{306}\u{301}",
        ('a', 'è') => "\u{306}\u{300}",
        ('a', 'ú') => "\u{306}\u{309}",
        ('a', 'ü') => "\u{306}\u{303}",
        ('a', 'ë') => "\u{306}\u{323}",
        _ => return None,
    })
}

fn is_ascii_vowel(c: char) -> bool {
    matches!(c, 'a' | 'e' | 'i' | 'o' | 'u' | 'y')
}

/// Whether a word has the shape of a Vietnamese syllable with at most one tone.
fn is_syllable(word: &str) -> bool {
    const ONSETS: [&str; 29] = [
        "", "b", "c", "ch", "d", "g", "gh", "gi", "h", "k", "kh", "l", "m", "n", "ng", "ngh", "nh", "p", "ph", "qu",
        "r", "s", "t", "th", "tr", "v", "x", "kr", "pl",
    ];
    const CLOSED: [&str; 16] =
        ["a", "e", "i", "o", "u", "y", "ie", "ye", "oa", "oe", "oo", "uo", "ua", "ue", "uy", "uye"];
    const OPEN: [&str; 23] = [
        "ai", "ao", "au", "ay", "eo", "eu", "ia", "iu", "ieu", "oi", "oai", "oay", "oao", "oeo", "ui", "uu", "uoi",
        "uou", "uay", "uya", "uyu", "ya", "yeu",
    ];
    const CODAS: [&str; 8] = ["c", "ch", "m", "n", "ng", "nh", "p", "t"];
    let tones = word.nfd().filter(|c| matches!(c, '\u{300}' | '\u{301}' | '\u{303}' | '\u{309}' | '\u{323}')).count();
    let letters = fold(word);
    tones <= 1
        && ONSETS.iter().filter_map(|onset| letters.strip_prefix(onset)).any(|rime| {
            let end = rime.find(|c| !is_ascii_vowel(c)).unwrap_or(rime.len());
            let (nucleus, coda) = rime.split_at(end);
            match coda {
                "" => CLOSED.contains(&nucleus) || OPEN.contains(&nucleus),
                _ => CLOSED.contains(&nucleus) && CODAS.contains(&coda),
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(Encoding, String)> {
        recognise(text).map(|l| (l.encoding, l.reading))
    }

    #[test]
    fn r3_4_tcvn3_is_recognised_and_read() {
        for (text, reading) in [
            ("Hoµng ThÞ Nh\u{ad} Quúnh", "Hoàng Thị Như Quỳnh"),
            ("TrÇn §×nh Nguyªn", "Trần Đình Nguyên"),
            ("NguyÔn V¨n An", "Nguyễn Văn An"),
            ("NguyÔn Minh Anh", "Nguyễn Minh Anh"),
            ("Bïi Ngäc Tïng", "Bùi Ngọc Tùng"),
            ("Mai H\u{ad}ng", "Mai Hưng"),
            ("L\u{ad}u Anh", "Lưu Anh"),
            ("Së Th«ng tin vµ TruyÒn th«ng", "Sở Thông tin và Truyền thông"),
            ("Phan Thu Thñy", "Phan Thu Thủy"),
            ("Phan TÊn", "Phan Tấn"),
        ] {
            assert_eq!(read(text), Some((Encoding::Tcvn3, reading.into())));
        }
    }

    #[test]
    fn r3_4_vni_is_recognised_and_read() {
        for (text, reading) in [
            ("Hoaøng Thò Nhö Quyønh", "Hoàng Thị Như Quỳnh"),
            ("Traàn Ñình Nguyeân", "Trần Đình Nguyên"),
            ("NGUYEÃN VAÊN AN", "NGUYỄN VĂN AN"),
            ("Ñoã Minh", "Đỗ Minh"),
            ("Nhö", "Như"),
            ("Döông Taán", "Dương Tấn"),
            ("Leâ Vaên Taùm", "Lê Văn Tám"),
            ("Sôû Thoâng tin vaø Truyeàn thoâng", "Sở Thông tin và Truyền thông"),
        ] {
            assert_eq!(read(text), Some((Encoding::Vni, reading.into())));
        }
    }

    #[test]
    fn r3_4_unicode_is_not_taken_for_a_legacy_encoding() {
        for text in [
            "Hoàng Thị Như Quỳnh",
            "HOÀNG THỊ NHƯ QUỲNH",
            "Lê Hoà",
            "Tô Hoàng Hùng",
            "Đỗ Đạt",
            "Lý Hoá",
            "Aê H'Ñun Êban",
            "Ñun",
            "Rơ Châm Ñôl",
            "Zoë Müller",
            "Björn",
            "Noël",
            "Nguyễn Loïc",
            "Quỳ\u{ad}nh",
            "Nguyen\u{ad} Van An",
            "Ð Ðinh",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn r3_4_both_tables_are_complete() {
        let letters = "ăâêôơưđàảãáạằẳẵắặầẩẫấậèẻẽéẹềểễếệìỉĩíịòỏõóọồổỗốộờởỡớợùủũúụừửữứựỳỷỹýỵ";
        let tcvn3: String = ('\u{a1}'..='\u{fe}').filter_map(super::tcvn3).collect();
        assert!(letters.chars().all(|c| tcvn3.contains(c)), "{tcvn3}");
        let vni = "aêaâeâoâôöñaøaûaõaùaïaèaúaüaéaëaàaåaãaáaäeøeûeõeùeïeàeåeãeáeäìæóíòoøoûoõoùoïoàoåoãoáoäôøôûôõôùôïuøuûuõuùuïöøöûöõöùöïyøyûyõyùî";
        assert_eq!(decode_vni(vni).as_deref(), Some(letters));
    }

    #[test]
    fn r3_4_a_reading_is_a_syllable_with_one_tone() {
        for (word, syllable) in [("tự", true), ("Nghiêng", true), ("tửù", false), ("Mỹller", false), ("oauc", false)]
        {
            assert_eq!(is_syllable(word), syllable, "{word}");
        }
    }

    #[test]
    fn r3_4_no_vietnamese_syllable_is_taken_for_a_legacy_encoding() {
        let onsets = " b c ch d đ g gh gi h k kh l m n ng ngh nh ph qu r s t th tr v x";
        let rimes = "aʼ aʼc aʼch aʼi aʼm aʼn aʼng aʼnh aʼo aʼp aʼt aʼu aʼy ăʼc ăʼm ăʼn âʼn âʼu âʼy eʼ eʼm eʼn eʼo êʼ êʼch êʼn êʼnh êʼu iʼ iʼa \
            iêʼc iêʼm iêʼn iêʼng iêʼt iêʼu iʼn iʼnh iʼu oʼ oʼa oaʼ oaʼc oaʼch oaʼi oaʼn oaʼng oaʼnh oaʼt oaʼy oeʼ oʼe oeʼn oʼi oʼn oʼng ôʼ \
            ôʼc ôʼi ôʼn ôʼng ơʼ ơʼi ơʼn uʼ uʼa uâʼn uâʼng uâʼt uêʼ uêʼnh uʼi uʼn uʼng uôʼc uôʼi uôʼn uôʼng uơʼ uʼy uyʼ uyêʼn uyêʼt uyʼnh ưʼ \
            ưʼa ưʼu ươʼc ươʼi ươʼng yʼ yêʼn yêʼu";
        for onset in onsets.split(' ') {
            let used = |rime: &&str| onset != "qu" || !rime.starts_with(['o', 'u', 'ư']);
            for rime in rimes.split_whitespace().filter(used) {
                for tone in ["", "\u{300}", "\u{301}", "\u{303}", "\u{309}", "\u{323}"] {
                    let syllable: String = format!("{onset}{}", rime.replace('ʼ', tone)).nfc().collect();
                    assert_eq!(read(&syllable), None, "{syllable}");
                    assert_eq!(read(&syllable.to_uppercase()), None, "{syllable}");
                }
            }
        }
    }
}
