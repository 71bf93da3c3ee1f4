//! Tests of the addresses of bodies (R4.1), among them every body of the list of 2022.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization;

use super::*;

fn naming(level: Level, name: &str) -> AgencyNaming<'_> {
    AgencyNaming { level, name, initials: None, form: None, local_part: None, suffix: None, parent: None }
}

fn derive(naming: &AgencyNaming) -> AgencyAddress {
    agency_address(Profile::GiaLai2022, naming).unwrap()
}

fn pair(address: &AgencyAddress) -> (&str, &str) {
    (address.local_part.as_str(), &address.suffix)
}

fn top(level: Level, name: &str) -> AgencyAddress {
    derive(&naming(level, name))
}

fn below(level: Level, name: &str, parent: &AgencyAddress) -> AgencyAddress {
    derive(&AgencyNaming { parent: Some(parent), ..naming(level, name) })
}

fn unit(name: &str, parent: &AgencyAddress) -> String {
    below(Level::Unit, name, parent).local_part.into()
}

fn ia_grai() -> AgencyAddress {
    top(Level::District, "Ủy ban nhân dân huyện Ia Grai")
}

fn error(naming: &AgencyNaming) -> (&'static str, String) {
    let error = agency_address(Profile::GiaLai2022, naming).unwrap_err();
    (error.code, error.path)
}

const DEPARTMENTS: [(&str, Option<&str>, &str); 20] = [
    ("Văn phòng Ủy ban nhân dân tỉnh", Some("vpubnd"), "vpubnd"),
    ("Sở Nội vụ", None, "snv"),
    ("Sở Tư pháp", None, "stp"),
    ("Sở Kế hoạch và Đầu tư", None, "skhdt"),
    ("Sở Tài chính", None, "stc"),
    ("Sở Công Thương", None, "sct"),
    ("Sở Nông nghiệp và Phát triển nông thôn", None, "snnptnt"),
    ("Sở Giao thông vận tải", None, "sgtvt"),
    ("Sở Xây dựng", None, "sxd"),
    ("Sở Tài nguyên và Môi trường", None, "stnmt"),
    ("Sở Thông tin và Truyền thông", None, "stttt"),
    ("Sở Lao động – Thương binh và Xã hội", None, "sldtbxh"),
    ("Sở Văn hóa, Thể thao và Du lịch", None, "svhttdl"),
    ("Sở Khoa học và Công nghệ", None, "skhcn"),
    ("Sở Giáo dục và Đào tạo", None, "sgddt"),
    ("Sở Y tế", None, "syt"),
    ("Sở Ngoại vụ", Some("sngv"), "sngv"),
    ("Thanh tra tỉnh", Some("ttt"), "ttt"),
    ("Ban Dân tộc", None, "bdt"),
    ("Ban Quản lý Khu kinh tế", None, "bqlkkt"),
];

const DISTRICTS: [(&str, &str); 17] = [
    ("Ủy ban nhân dân thành phố Pleiku", "pleiku"),
    ("Ủy ban nhân dân thị xã An Khê", "ankhe"),
    ("Ủy ban nhân dân thị xã Ayun Pa", "ayunpa"),
    ("Ủy ban nhân dân huyện Chư Păh", "chupah"),
    ("Ủy ban nhân dân huyện Chư Prông", "chuprong"),
    ("Ủy ban nhân dân huyện Chư Pưh", "chupuh"),
    ("Ủy ban nhân dân huyện Chư Sê", "chuse"),
    ("Ủy ban nhân dân huyện Đak Đoa", "dakdoa"),
    ("Ủy ban nhân dân huyện Đak Pơ", "dakpo"),
    ("Ủy ban nhân dân huyện Đức Cơ", "ducco"),
    ("Ủy ban nhân dân huyện Ia Grai", "iagrai"),
    ("Ủy ban nhân dân huyện Ia Pa", "iapa"),
    ("Ủy ban nhân dân huyện KBang", "kbang"),
    ("Ủy ban nhân dân huyện Kông Chro", "kongchro"),
    ("Ủy ban nhân dân huyện Krông Pa", "krongpa"),
    ("Ủy ban nhân dân huyện Mang Yang", "mangyang"),
    ("Ủy ban nhân dân huyện Phú Thiện", "phuthien"),
];

const COMMUNES: [(&str, &str, &str); 5] = [
    ("Ủy ban nhân dân huyện Chư Păh", "Ủy ban nhân dân xã Hòa Phú", "ubndhoaphu.chupah"),
    ("Ủy ban nhân dân huyện Chư Prông", "Ủy ban nhân dân xã Ia Boòng", "ubndiaboong.chuprong"),
    ("Ủy ban nhân dân huyện Ia Grai", "Ủy ban nhân dân xã Ia Dêr", "ubndiader.iagrai"),
    ("Ủy ban nhân dân huyện Đức Cơ", "Ủy ban nhân dân xã Ia Dom", "ubndiadom.ducco"),
    ("Ủy ban nhân dân huyện KBang", "Ủy ban nhân dân thị trấn KBang", "ubndkbang.kbang"),
];

#[test]
fn r4_1_a_every_body_of_the_province_has_its_initials() {
    for (name, initials, expected) in DEPARTMENTS {
        let address = derive(&AgencyNaming { initials, ..naming(Level::Province, name) });
        assert_eq!(pair(&address), (expected, expected), "{name}");
        assert!(address.warnings.is_empty());
    }
}

#[test]
fn r4_1_b_every_district_has_its_name() {
    for (name, expected) in DISTRICTS {
        let address = top(Level::District, name);
        assert_eq!(pair(&address), (format!("ubnd{expected}").as_str(), expected), "{name}");
    }
}

#[test]
fn r4_1_c_every_commune_has_its_name_and_the_districts() {
    for (district, name, expected) in COMMUNES {
        let district = top(Level::District, district);
        let address = below(Level::Commune, name, &district);
        assert_eq!(pair(&address), (expected, district.suffix.as_str()), "{name}");
    }
}

#[test]
fn d_05_all_bodies_of_the_list_have_different_unreserved_addresses() {
    let mut seen = BTreeSet::new();
    let mut add = |address: AgencyAddress| {
        assert!(!is_reserved(&address.local_part), "{}", address.local_part);
        assert!(seen.insert(address.local_part.clone()), "{}", address.local_part);
    };
    for (name, initials, _) in DEPARTMENTS {
        add(derive(&AgencyNaming { initials, ..naming(Level::Province, name) }));
    }
    for (name, _) in DISTRICTS {
        add(top(Level::District, name));
    }
    for (district, name, _) in COMMUNES {
        add(below(Level::Commune, name, &top(Level::District, district)));
    }
    assert_eq!(seen.len(), 42);
}

#[test]
fn r4_1_a_so_thong_tin_va_truyen_thong_is_stttt() {
    let address = top(Level::Province, "Sở Thông tin và Truyền thông");
    assert_eq!(pair(&address), ("stttt", "stttt"));
    assert_eq!(address.steps[0], Step::new("4.1.a", "initials", "stttt"));
    let nfd: String = "Sở Thông tin và Truyền thông".nfd().collect();
    assert_eq!(top(Level::Province, &nfd), address);
}

#[test]
fn d_01_va_punctuation_and_dashes_are_ignored_however_they_are_written() {
    for name in [
        "Sở Lao động - Thương binh và Xã hội",
        "Sở Lao động—Thương binh & Xã hội",
        "SỞ LAO ĐỘNG, THƯƠNG BINH VÀ XÃ HỘI",
        "So Lao dong Thuong binh va Xa hoi",
    ] {
        assert_eq!(top(Level::Province, name).suffix, "sldtbxh", "{name}");
    }
}

#[test]
fn d_01_abbreviations_and_numbers_stay_whole_in_initials() {
    assert_eq!(top(Level::Province, "Văn phòng UBND tỉnh").suffix, "vpubndt");
    assert_eq!(top(Level::Province, "Ban Quản lý dự án 12").suffix, "bqlda12");
}

#[test]
fn r4_1_b_thanh_pho_pleiku_is_ubndpleiku() {
    for name in [
        "Ủy ban nhân dân thành phố Pleiku",
        "Uỷ ban nhân dân thành phố Pleiku",
        "ỦY BAN NHÂN DÂN THÀNH PHỐ PLEIKU",
        "Uy ban nhan dan thanh pho Pleiku",
        "UBND TP. Pleiku",
        "Ủy ban nhân dân thành phố Pleiku, tỉnh Gia Lai",
    ] {
        assert_eq!(pair(&top(Level::District, name)), ("ubndpleiku", "pleiku"), "{name}");
    }
}

#[test]
fn r4_1_c_hoa_phu_of_chu_pah_is_ubndhoaphu_chupah() {
    let district = top(Level::District, "Ủy ban nhân dân huyện Chư Păh");
    for name in ["Ủy ban nhân dân xã Hòa Phú", "Uỷ ban nhân dân xã Hoà Phú, huyện Chư Păh", "UBND xã Hòa Phú"]
    {
        assert_eq!(pair(&below(Level::Commune, name, &district)), ("ubndhoaphu.chupah", "chupah"), "{name}");
    }
}

#[test]
fn r4_1_c_names_of_communes_with_apostrophes_numbers_and_likeness_to_type_words() {
    let pleiku = top(Level::District, "Ủy ban nhân dân thành phố Pleiku");
    for (name, expected) in [
        ("Ủy ban nhân dân xã H'Drung", "ubndhdrung.pleiku"),
        ("Ủy ban nhân dân xã H’ Bông", "ubndhbong.pleiku"),
        ("Ủy ban nhân dân phường 1", "ubnd1.pleiku"),
        ("Ủy ban nhân dân Xa Lấp", "ubndxalap.pleiku"),
        ("Ủy ban nhân dân xã Xa Lấp", "ubndxalap.pleiku"),
    ] {
        assert_eq!(below(Level::Commune, name, &pleiku).local_part.as_str(), expected);
    }
}

#[test]
fn r4_1_d_phong_tu_phap_of_ia_grai_is_tuphap_iagrai() {
    let address = below(Level::Unit, "Phòng Tư pháp", &ia_grai());
    assert_eq!(pair(&address), ("tuphap.iagrai", "iagrai"));
    assert_eq!(unit("Phòng Y tế", &ia_grai()), "yte.iagrai");
}

#[test]
fn r4_1_d_chi_cuc_bao_ve_moi_truong_is_ccbvmt_stnmt() {
    let stnmt = top(Level::Province, "Sở Tài nguyên và Môi trường");
    let stttt = top(Level::Province, "Sở Thông tin và Truyền thông");
    let center = "Trung tâm Công nghệ thông tin và Truyền thông";
    assert_eq!(pair(&below(Level::Unit, "Chi cục Bảo vệ môi trường", &stnmt)), ("ccbvmt.stnmt", "stnmt"));
    assert_eq!(pair(&below(Level::Unit, center, &stttt)), ("ttcntttt.stttt", "stttt"));
}

#[test]
fn d_23_a_long_name_takes_initials_of_every_word_and_a_short_one_the_full_name() {
    for (name, expected) in [
        ("Phòng Tài chính - Kế hoạch", "ptckh.iagrai"),
        ("Phòng Tài nguyên và Môi trường", "ptnmt.iagrai"),
        ("Phòng Quản lý đô thị", "pqldt.iagrai"),
        ("Phòng Dân tộc", "dantoc.iagrai"),
        ("Ban Tiếp công dân", "tiepcongdan.iagrai"),
        ("Thanh tra huyện", "thanhtra.iagrai"),
        ("Thanh tra thị xã", "thanhtra.iagrai"),
        ("Phòng Trường Trương", "truongtruong.iagrai"),
        ("Phòng Trường Nghiêng", "ptn.iagrai"),
        ("Phòng", "phong.iagrai"),
    ] {
        assert_eq!(unit(name, &ia_grai()), expected, "{name}");
    }
}

#[test]
fn d_23_the_named_body_above_is_no_part_of_the_name() {
    assert_eq!(unit("Phòng Tư pháp huyện Ia Grai", &ia_grai()), "tuphap.iagrai");
    assert_eq!(unit("Phòng Tài chính - Kế hoạch huyện Ia Grai, tỉnh Gia Lai", &ia_grai()), "ptckh.iagrai");
}

#[test]
fn d_23_form_and_initials_override() {
    let parent = ia_grai();
    let base = AgencyNaming { parent: Some(&parent), ..naming(Level::Unit, "Phòng Tư pháp") };
    let local = |naming: &AgencyNaming| derive(naming).local_part.as_str().to_owned();
    assert_eq!(local(&AgencyNaming { form: Some(Form::Initials), ..base }), "ptp.iagrai");
    assert_eq!(local(&AgencyNaming { initials: Some("tp"), ..base }), "tp.iagrai");
    let long = AgencyNaming { name: "Phòng Quản lý đô thị", form: Some(Form::FullName), ..base };
    assert_eq!(local(&long), "quanlydothi.iagrai");
    let both = derive(&AgencyNaming { form: Some(Form::FullName), initials: Some("tp"), ..base });
    assert_eq!(both.local_part.as_str(), "tuphap.iagrai");
    assert_eq!(both.warnings[0].code, "InitialsUnused");
}

#[test]
fn d_21_local_part_and_suffix_decided_by_hand_win() {
    let parent = ia_grai();
    let pinned = derive(&AgencyNaming {
        local_part: Some("tp.huyen-iagrai"),
        suffix: Some("tpiagrai"),
        parent: Some(&parent),
        ..naming(Level::Unit, "Phòng Tư pháp")
    });
    assert_eq!(pair(&pinned), ("tp.huyen-iagrai", "tpiagrai"));
    assert!(pinned.steps.contains(&Step::new("D-21", "spec.localPart", "tp.huyen-iagrai")));
    assert_eq!(unit("Tổ Một cửa", &pinned), "tomotcua.tpiagrai");
}

#[test]
fn r4_1_what_is_decided_by_hand_is_checked() {
    let base = naming(Level::Province, "Sở Nội vụ");
    let at = |path: &str, code| (code, path.to_owned());
    assert_eq!(error(&AgencyNaming { initials: Some("S-NV"), ..base }), at("spec.initials", "InitialsInvalid"));
    assert_eq!(error(&AgencyNaming { initials: Some(""), ..base }), at("spec.initials", "InitialsInvalid"));
    assert_eq!(error(&AgencyNaming { suffix: Some("s.nv"), ..base }), at("spec.suffix", "SuffixInvalid"));
    assert_eq!(error(&AgencyNaming { local_part: Some("s_nv"), ..base }), at("spec.localPart", "LocalPartCharacter"));
    assert_eq!(error(&naming(Level::Province, " – ")), at("spec.name", "EmptyName"));
    assert_eq!(error(&naming(Level::District, "Ủy ban nhân dân huyện")), at("spec.name", "EmptyName"));
}

#[test]
fn r4_1_c_r4_1_d_a_parent_is_required() {
    for level in [Level::Commune, Level::Unit] {
        assert_eq!(error(&naming(level, "Phòng Tư pháp")), ("ParentRequired", "spec.parentRef".to_owned()));
    }
}

#[test]
fn two_tier_2025_has_communes_without_districts() {
    let two = |naming: &AgencyNaming| agency_address(Profile::TwoTier2025, naming);
    let commune = two(&naming(Level::Commune, "Ủy ban nhân dân xã Ia Dêr")).unwrap();
    assert_eq!(pair(&commune), ("ubndiader", "iader"));
    let ward = two(&naming(Level::Commune, "Ủy ban nhân dân phường Pleiku, tỉnh Gia Lai")).unwrap();
    assert_eq!(pair(&ward), ("ubndpleiku", "pleiku"));
    let office = AgencyNaming { parent: Some(&ward), ..naming(Level::Unit, "Phòng Kinh tế phường Pleiku") };
    assert_eq!(pair(&two(&office).unwrap()), ("kinhte.pleiku", "pleiku"));
    assert_eq!(two(&naming(Level::District, "Ủy ban nhân dân huyện Ia Grai")).unwrap_err().code, "LevelNotInProfile");
    assert_eq!(two(&naming(Level::Province, "Sở Nội vụ")).unwrap().suffix, "snv");
}

#[test]
fn profiles_are_chosen_by_name() {
    assert_eq!(Profile::by_name("GiaLai2022"), Some(Profile::GiaLai2022));
    assert_eq!(Profile::by_name("TwoTier2025"), Some(Profile::TwoTier2025));
    assert_eq!(Profile::by_name("gialai2022"), None);
}

#[test]
fn r4_2_a_people_of_an_office_of_a_district_carry_its_name() {
    let district = top(Level::District, "Ủy ban nhân dân huyện Đak Pơ");
    let office = below(Level::Unit, "Văn phòng Ủy ban nhân dân huyện", &district);
    let name = person_name("Trần Đình Nguyên", None).unwrap();
    assert_eq!(person_local_part(&name, &office.suffix).unwrap().local_part.as_str(), "nguyentd.dakpo");
}
