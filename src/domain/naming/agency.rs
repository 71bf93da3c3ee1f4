//! Addresses of bodies, and what stands after the dot in their people's addresses (Điều 4 khoản 1, D-01, D-23).

use serde::{Deserialize, Serialize};

use super::derive::{check_suffix, is_plain};
use super::fold::{fold, initial};
use super::normalise::{Alphabet, clean, is_apostrophe};
use super::{Derivation, LocalPart, NameError, Step, Warning, same_name};

/// The naming profile of a mail system, chosen by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Profile {
    /// The regulation of 2022: province, districts, communes.
    #[default]
    GiaLai2022,
    /// Since 1 July 2025: no districts; `ubnd<commune>`, staff `<name>.<commune>`.
    TwoTier2025,
}

impl Profile {
    /// The profile of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::GiaLai2022, Self::TwoTier2025].into_iter().find(|profile| profile.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::GiaLai2022 => "GiaLai2022",
            Self::TwoTier2025 => "TwoTier2025",
        }
    }
}

/// Where a body stands (R4.1.a–d).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Level {
    /// A department or body of the province (R4.1.a).
    Province,
    /// The People's Committee of a district, town or city (R4.1.b).
    District,
    /// The People's Committee of a commune, ward or township (R4.1.c).
    Commune,
    /// A unit of a department or of a district (R4.1.d).
    Unit,
}

/// How the address of a unit is formed (R4.1.d, D-23).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Form {
    /// Initials of every word: `ccbvmt.stnmt`.
    Initials,
    /// The name in full without Phòng or Ban: `tuphap.iagrai`.
    FullName,
}

/// What decides the address of a body.
#[derive(Clone, Copy, Debug)]
pub struct AgencyNaming<'a> {
    /// Where it stands.
    pub level: Level,
    /// Official name, with its type word.
    pub name: &'a str,
    /// Initials decided by hand (`spec.initials`).
    pub initials: Option<&'a str>,
    /// Form decided by hand (`spec.form`).
    pub form: Option<Form>,
    /// The whole local part decided by hand (`spec.localPart`, D-21).
    pub local_part: Option<&'a str>,
    /// The suffix of its people decided by hand (`spec.suffix`).
    pub suffix: Option<&'a str>,
    /// The address of the body above it (`spec.parentRef`).
    pub parent: Option<&'a AgencyAddress>,
}

/// The address of a body and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgencyAddress {
    /// The address before the `@`.
    pub local_part: LocalPart,
    /// What its people and units get after the dot.
    pub suffix: String,
    /// How both came about.
    pub steps: Vec<Step>,
    /// What was accepted and should be looked at.
    pub warnings: Vec<Warning>,
}

const COMMITTEE: [&str; 2] = ["ủy ban nhân dân", "ubnd"];
const DISTRICTS: [&str; 6] = ["huyện", "thị xã", "thành phố", "quận", "tp", "tx"];
const COMMUNES: [&str; 5] = ["xã", "phường", "thị trấn", "đặc khu", "tt"];

/// Derives the address of a body and the suffix of its people (R4.1.a–d).
pub fn agency_address(profile: Profile, agency: &AgencyNaming) -> Result<AgencyAddress, NameError> {
    if let Some(initials) = agency.initials.filter(|initials| !is_plain(initials)) {
        return Err(initials_invalid(initials));
    }
    let cleaned = clean(agency.name, "spec.name", Alphabet::Agency)?;
    let name = Words::of(&cleaned.text);
    if name.words.is_empty() {
        return Err(no_name(agency.name));
    }
    let mut derivation = Derivation { steps: Vec::new(), warnings: cleaned.warnings };
    let (rule, derived, suffix) = match agency.level {
        Level::Province => province(agency, &name, &mut derivation),
        Level::District => district(profile, agency, &name, &mut derivation)?,
        Level::Commune => commune(profile, agency, &name, &mut derivation)?,
        Level::Unit => unit(agency, &name, &mut derivation)?,
    };
    let Derivation { mut steps, warnings } = derivation;
    let local_part = match agency.local_part {
        Some(pinned) => {
            steps.push(Step::new("D-21", "spec.localPart", pinned));
            LocalPart::parse(pinned, "spec.localPart")?
        }
        None => {
            steps.push(Step::new(rule, "localPart", derived.as_str()));
            LocalPart::parse(&derived, "spec.name")?
        }
    };
    let suffix = match agency.suffix {
        Some(decided) => {
            check_suffix(decided, "spec.suffix")?;
            steps.push(Step::new("4.2.a", "spec.suffix", decided));
            decided.to_owned()
        }
        None => {
            steps.push(Step::new("4.2.a", "suffix", suffix.as_str()));
            suffix
        }
    };
    Ok(AgencyAddress { local_part, suffix, steps, warnings })
}

/// Rule, local part and suffix as derived.
type Address = (&'static str, String, String);

fn province(agency: &AgencyNaming, name: &Words, derivation: &mut Derivation) -> Address {
    let initials = decided_or_initials(agency, name, "4.1.a", derivation);
    ("4.1.a", initials.clone(), initials)
}

fn district(
    profile: Profile,
    agency: &AgencyNaming,
    name: &Words,
    derivation: &mut Derivation,
) -> Result<Address, NameError> {
    if profile == Profile::TwoTier2025 {
        return Err(NameError::new(
            "LevelNotInProfile",
            "4.1.b",
            "spec.level",
            "the profile TwoTier2025 has no districts; write level: Commune or Province, or choose the profile GiaLai2022",
            "Mô hình TwoTier2025 không còn cấp huyện; vui lòng chọn level: Commune hoặc Province, hoặc dùng mô hình GiaLai2022.",
        ));
    }
    let district = name.place(&DISTRICTS).ok_or_else(|| no_name(agency.name))?;
    warn_of_unused_initials(agency, derivation);
    derivation.steps.push(Step::new("4.1.b", "district", district.as_str()));
    Ok(("4.1.b", format!("ubnd{district}"), district))
}

fn commune(
    profile: Profile,
    agency: &AgencyNaming,
    name: &Words,
    derivation: &mut Derivation,
) -> Result<Address, NameError> {
    let commune = name.place(&COMMUNES).ok_or_else(|| no_name(agency.name))?;
    warn_of_unused_initials(agency, derivation);
    derivation.steps.push(Step::new("4.1.c", "commune", commune.as_str()));
    if profile == Profile::TwoTier2025 {
        return Ok(("4.1.c", format!("ubnd{commune}"), commune));
    }
    let district = parent_suffix(agency)?;
    derivation.steps.push(Step::new("4.1.c", "district", district));
    Ok(("4.1.c", format!("ubnd{commune}.{district}"), district.to_owned()))
}

fn unit(agency: &AgencyNaming, name: &Words, derivation: &mut Derivation) -> Result<Address, NameError> {
    let parent = parent_suffix(agency)?;
    let name = name.without_body_named(parent);
    let own = name.own_words();
    let letters: usize = own.iter().map(|word| word.folded.len()).sum();
    let is_long = own.len() > 3 || letters > 12;
    let form = match (agency.form, agency.initials) {
        (Some(form), _) => form,
        (None, Some(_)) => Form::Initials,
        (None, None) if is_long => Form::Initials,
        (None, None) => Form::FullName,
    };
    let part = match form {
        Form::Initials => decided_or_initials(agency, &name, "4.1.d", derivation),
        Form::FullName => {
            warn_of_unused_initials(agency, derivation);
            let full = joined(own);
            derivation.steps.push(Step::new("4.1.d", "full name", full.as_str()));
            full
        }
    };
    derivation.steps.push(Step::new("4.1.d", "parent", parent));
    Ok(("4.1.d", format!("{part}.{parent}"), parent.to_owned()))
}

fn decided_or_initials(agency: &AgencyNaming, name: &Words, rule: &'static str, derivation: &mut Derivation) -> String {
    let (step, initials) = match agency.initials {
        Some(decided) => ("spec.initials", decided.to_owned()),
        None => ("initials", name.initials()),
    };
    derivation.steps.push(Step::new(rule, step, initials.as_str()));
    initials
}

fn parent_suffix<'a>(agency: &AgencyNaming<'a>) -> Result<&'a str, NameError> {
    agency.parent.map(|parent| parent.suffix.as_str()).ok_or_else(|| {
        let (rule, above, above_vi) = match agency.level {
            Level::Commune => ("4.1.c", "its district", "Ủy ban nhân dân cấp huyện"),
            _ => ("4.1.d", "its department or district", "sở, ban, ngành hoặc Ủy ban nhân dân cấp huyện"),
        };
        NameError::new(
            "ParentRequired",
            rule,
            "spec.parentRef",
            format!("the address ends with the name of the body above; name the Agency of {above} in spec.parentRef"),
            format!(
                "Địa chỉ kết thúc bằng tên cơ quan cấp trên; vui lòng ghi Agency của {above_vi} vào spec.parentRef."
            ),
        )
    })
}

fn warn_of_unused_initials(agency: &AgencyNaming, derivation: &mut Derivation) {
    if let Some(initials) = agency.initials {
        derivation.warnings.push(Warning {
            code: "InitialsUnused",
            rule: "4.1",
            path: "spec.initials".into(),
            message: format!(
                "the address is formed from the name in full, so the initials '{initials}' are not used; remove them, or write spec.localPart"
            ),
            message_vi: format!(
                "Địa chỉ được tạo từ tên đầy đủ nên tên viết tắt “{initials}” không được dùng; vui lòng bỏ, hoặc ghi spec.localPart."
            ),
        });
    }
}

fn initials_invalid(initials: &str) -> NameError {
    let shown = initials.escape_debug();
    NameError::new(
        "InitialsInvalid",
        "4.1",
        "spec.initials",
        format!("the initials '{shown}' are not made of lower-case letters a-z and digits; write them like stttt"),
        format!(
            "Tên viết tắt “{shown}” phải gồm chữ thường a-z không dấu và chữ số, viết liền; vui lòng ghi lại, ví dụ stttt."
        ),
    )
}

fn no_name(name: &str) -> NameError {
    NameError::new(
        "EmptyName",
        "4.1",
        "spec.name",
        format!(
            "'{name}' does not name a body; write its official name in full, for example Ủy ban nhân dân huyện Ia Grai"
        ),
        format!(
            "“{name}” chưa nêu tên cơ quan; vui lòng ghi đầy đủ tên chính thức, ví dụ Ủy ban nhân dân huyện Ia Grai."
        ),
    )
}

/// The words of a name; punctuation and dashes are ignored (D-01).
#[derive(Clone)]
struct Words {
    words: Vec<Word>,
    /// Written without diacritics, so type words are recognised without them too.
    ascii: bool,
}

#[derive(Clone)]
struct Word {
    key: String,
    folded: String,
    /// Already an abbreviation or a number: `UBND`, `12`.
    whole: bool,
}

fn joined(words: &[Word]) -> String {
    words.iter().map(|word| word.folded.as_str()).collect()
}

impl Words {
    fn of(text: &str) -> Self {
        let mut spaced = String::with_capacity(text.len());
        let mut joining = false;
        for c in text.chars() {
            if is_apostrophe(c) {
                joining = true;
            } else if !(joining && c.is_whitespace()) {
                joining = false;
                let part_of_word = c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(c);
                spaced.push(if part_of_word { c } else { ' ' });
            }
        }
        let mixed = spaced.chars().any(char::is_lowercase);
        let word = |text: &str| {
            let folded = fold(text);
            let number = folded.bytes().all(|b| b.is_ascii_digit());
            let capitals = mixed && folded.len() > 1 && !text.chars().any(char::is_lowercase);
            Word { key: same_name::key(text), whole: number || capitals, folded }
        };
        let words = spaced.split_whitespace().map(word).filter(|word| !word.folded.is_empty()).collect();
        Self { words, ascii: text.is_ascii() }
    }

    /// How many words from `at` are the phrase, or nothing.
    fn phrase(&self, at: usize, phrase: &str) -> Option<usize> {
        let wanted: Vec<&str> = phrase.split(' ').collect();
        let found = self.words.get(at..at + wanted.len())?;
        let same =
            |word: &Word, text: &str| word.key == same_name::key(text) || (self.ascii && word.folded == fold(text));
        found.iter().zip(&wanted).all(|(word, text)| same(word, text)).then_some(wanted.len())
    }

    fn any_phrase(&self, at: usize, phrases: &[&str]) -> Option<usize> {
        phrases.iter().find_map(|phrase| self.phrase(at, phrase))
    }

    /// Initials of every word but "và" (D-01).
    fn initials(&self) -> String {
        let counted = (0..self.words.len()).filter(|at| self.phrase(*at, "và").is_none());
        counted
            .map(|at| &self.words[at])
            .map(|word| if word.whole { &word.folded } else { initial(&word.folded) })
            .collect()
    }

    /// The name of a place without committee, type word and what stands above it (R4.1.b, R4.1.c).
    fn place(&self, types: &[&str]) -> Option<String> {
        let start = self.any_phrase(0, &COMMITTEE).unwrap_or(0);
        let start = start + self.any_phrase(start, types).unwrap_or(0);
        let above = |at: &usize| self.any_phrase(*at, &DISTRICTS).or_else(|| self.phrase(*at, "tỉnh")).is_some();
        let end = (start + 1..self.words.len()).find(above).unwrap_or(self.words.len());
        let place = joined(self.words.get(start..end)?);
        (!place.is_empty()).then_some(place)
    }

    /// The name without the body above it, where that is named: `Phòng Tư pháp huyện Ia Grai` → `Phòng Tư pháp`.
    fn without_body_named(&self, parent: &str) -> Self {
        let count = self.words.len();
        let province = |at: &usize| self.phrase(*at, "tỉnh").is_some_and(|length| at + length < count);
        let end = (1..count).find(province).unwrap_or(count);
        let body = |at: &usize| {
            let length = self.any_phrase(*at, &DISTRICTS).or_else(|| self.any_phrase(*at, &COMMUNES));
            let named = |length| self.words.get(at + length..end).unwrap_or_default();
            length.is_some_and(|length| joined(named(length)) == parent)
        };
        let end = (1..end).find(body).unwrap_or(end);
        Self { words: self.words[..end].to_vec(), ascii: self.ascii }
    }

    /// The words that D-23 measures and that the full form writes: without Phòng or Ban and the words of the body.
    fn own_words(&self) -> &[Word] {
        let start = self.any_phrase(0, &["phòng", "ban"]).unwrap_or(0);
        let is_body = |at: &usize| {
            let length = self.any_phrase(*at, &["huyện", "thị xã", "thành phố", "tỉnh"]);
            length.is_some_and(|length| at + length == self.words.len())
        };
        let end = (start + 1..self.words.len()).find(is_body).unwrap_or(self.words.len());
        self.words.get(start..end).filter(|own| !own.is_empty()).unwrap_or(&self.words)
    }
}
