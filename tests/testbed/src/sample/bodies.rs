//! The bodies of a sample: those of the list of 2022, then offices, communes and schools below them.

use std::{collections::HashSet, fs, path::Path};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use unicode_normalization::UnicodeNormalization;

/// A body.
#[derive(Clone, Debug)]
pub struct Body {
    /// Name of its object and folder.
    pub name: String,
    /// Its file.
    pub yaml: String,
    /// Its name in words.
    pub words: String,
    /// What its people have after the dot; the rules themselves are the operator's.
    pub suffix: String,
    /// How many people it has, compared with others.
    pub weight: u32,
}

/// As much of an Agency as a sample needs.
#[derive(Deserialize)]
struct Agency {
    metadata: Metadata,
    spec: Spec,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
struct Spec {
    name: String,
    level: String,
}

const DISTRICT_OFFICES: [&str; 12] = [
    "Phòng Nội vụ",
    "Phòng Tư pháp",
    "Phòng Y tế",
    "Phòng Dân tộc",
    "Phòng Tài chính – Kế hoạch",
    "Phòng Tài nguyên và Môi trường",
    "Phòng Lao động – Thương binh và Xã hội",
    "Phòng Giáo dục và Đào tạo",
    "Phòng Văn hóa và Thông tin",
    "Phòng Nông nghiệp và Phát triển nông thôn",
    "Phòng Kinh tế và Hạ tầng",
    "Trung tâm Dịch vụ nông nghiệp",
];

const DEPARTMENT_OFFICES: [&str; 6] = [
    "Văn phòng",
    "Thanh tra",
    "Phòng Pháp chế",
    "Phòng Tổ chức cán bộ",
    "Phòng Kế hoạch – Tài chính",
    "Trung tâm Dịch vụ công",
];

const COMMUNES: [&str; 24] = [
    "Ia Băng",
    "Ia Bă",
    "Ia Chía",
    "Ia Drang",
    "Ia Grăng",
    "Ia Hrung",
    "Ia Khai",
    "Ia Kly",
    "Ia Krái",
    "Ia Krêl",
    "Ia Lâu",
    "Ia Me",
    "Ia Nan",
    "Ia Pếch",
    "Ia Phìn",
    "Ia Piơr",
    "Ia Sao",
    "Ia Tô",
    "Ia Vê",
    "Ia Yok",
    "Tân An",
    "Hòa Bình",
    "Đăk Hlơ",
    "Kon Chiêng",
];

/// No two of a list have the same initials.
const SCHOOLS: [(&str, &str); 3] = [("Trường Tiểu học", "tth"), ("Trường THCS", "tthcs"), ("Trường Mầm non", "tmn")];
const PATRONS: [&str; 22] = [
    "Nguyễn Du",
    "Lê Lợi",
    "Trần Phú",
    "Quang Trung",
    "Hùng Vương",
    "Kim Đồng",
    "Lương Thế Vinh",
    "Chu Văn An",
    "Phan Bội Châu",
    "Nguyễn Trãi",
    "Võ Thị Sáu",
    "Trưng Vương",
    "Bùi Thị Xuân",
    "Lý Thường Kiệt",
    "Ngô Quyền",
    "Phạm Hồng Thái",
    "Hoàng Hoa Thám",
    "Nguyễn Viết Xuân",
    "Tôn Đức Thắng",
    "Cao Bá Quát",
    "Đinh Tiên Hoàng",
    "Anh hùng Núp",
];

/// Letters a-z and digits of a name.
pub fn ascii(text: &str) -> String {
    let letters = text.nfd().map(|c| if matches!(c, 'đ' | 'Đ') { 'd' } else { c });
    letters.filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn initials(text: &str) -> String {
    text.split_whitespace().filter_map(|word| ascii(word).chars().next()).collect()
}

/// The first `count` bodies: a parent stands before its children. `folder` has the files of the list of 2022.
pub fn bodies(folder: &Path, count: usize) -> Result<Vec<Body>> {
    let (tops, mut all) = listed(folder)?;
    let mut names: HashSet<String> = tops.iter().chain(&all).map(|body| body.name.clone()).collect();
    let mut found = tops.clone();
    found.append(&mut all);
    for child in children(&tops) {
        if found.len() >= count {
            break;
        }
        if names.insert(child.name.clone()) {
            found.push(child);
        }
    }
    if found.len() < count {
        bail!("a sample has {} agencies at most; ask for fewer than {count}", found.len());
    }
    found.truncate(count);
    Ok(found)
}

/// The bodies of the list: those without a parent, and the others.
fn listed(folder: &Path) -> Result<(Vec<Body>, Vec<Body>)> {
    let mut paths: Vec<_> =
        fs::read_dir(folder).with_context(|| folder.display().to_string())?.flatten().map(|e| e.path()).collect();
    paths.sort();
    let (mut tops, mut others) = (Vec::new(), Vec::new());
    for path in paths {
        let yaml = fs::read_to_string(&path)?;
        let Agency { metadata: Metadata { name }, spec } =
            serde_yaml::from_str(&yaml).with_context(|| path.display().to_string())?;
        let suffix = match spec.level.as_str() {
            "District" => name.trim_start_matches("ubnd").to_owned(),
            _ => name.rsplit('-').next().unwrap_or(&name).to_owned(),
        };
        let top = spec.level == "Province" || spec.level == "District";
        let body = Body { name, yaml, words: spec.name, suffix, weight: if top { 3 } else { 1 } };
        if top { tops.push(body) } else { others.push(body) }
    }
    Ok((tops, others))
}

/// Bodies below those, a round of each at a time, so that a small sample has some of all.
fn children(tops: &[Body]) -> impl Iterator<Item = Body> {
    let (districts, departments): (Vec<_>, Vec<_>) = tops.iter().partition(|top| top.name != top.suffix);
    let rounds = SCHOOLS.len() * PATRONS.len();
    (0..rounds).flat_map(move |round| {
        let offices = DEPARTMENT_OFFICES.get(round).into_iter();
        let offices: Vec<Body> =
            offices.flat_map(|office| departments.iter().map(|top| unit(top, office, 2))).collect();
        let below = districts.iter().flat_map(|top| {
            let office = DISTRICT_OFFICES.get(round).map(|office| unit(top, office, 2));
            let commune = COMMUNES.get(round).map(|name| commune(top, name));
            let (kind, code) = SCHOOLS[round % SCHOOLS.len()];
            office.into_iter().chain(commune).chain([school(top, kind, code, PATRONS[round / SCHOOLS.len()])])
        });
        offices.into_iter().chain(below).collect::<Vec<_>>()
    })
}

fn unit(top: &Body, words: &str, weight: u32) -> Body {
    let own = ascii(words.trim_start_matches("Phòng "));
    body(top, &own, "Unit", words.to_owned(), weight)
}

fn commune(top: &Body, name: &str) -> Body {
    body(top, &format!("ubnd{}", ascii(name)), "Commune", format!("Ủy ban nhân dân xã {name}"), 1)
}

fn school(top: &Body, kind: &str, code: &str, patron: &str) -> Body {
    body(top, &format!("{code}{}", initials(patron)), "Unit", format!("{kind} {patron}"), 2)
}

fn body(top: &Body, own: &str, level: &str, words: String, weight: u32) -> Body {
    let name = format!("{own}-{}", top.suffix);
    let (parent, issuer) = (&top.name, &top.words);
    let yaml = format!(
        "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: Agency\nmetadata:\n  name: {name}\nspec:\n  systemRef: {{name: gialai}}\n  \
         level: {level}\n  name: {words}\n  parentRef: {{name: {parent}}}\n  \
         basis: {{number: 341/QĐ-UBND, date: \"2022-06-20\", issuer: \"{issuer}\"}}\n"
    );
    Body { name, yaml, words, suffix: top.suffix.clone(), weight }
}
