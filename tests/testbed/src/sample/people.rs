//! Names as people of the province have them: a few family names for many people, so that addresses collide.

use fastrand::Rng;

/// A name; the parts where the text alone would be read wrongly (D-08).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Family name, middle names, given name.
    pub full: String,
    /// Family name and the rest, where the family name has two words.
    pub structured: Option<(String, String, String)>,
}

/// Family names of the Kinh, each as often as it is frequent (of 100).
const FAMILIES: [(&str, u32); 18] = [
    ("Nguyễn", 38),
    ("Trần", 12),
    ("Lê", 10),
    ("Phạm", 7),
    ("Hoàng", 4),
    ("Phan", 4),
    ("Vũ", 3),
    ("Đặng", 3),
    ("Bùi", 3),
    ("Đỗ", 3),
    ("Hồ", 2),
    ("Ngô", 2),
    ("Dương", 2),
    ("Lý", 2),
    ("Huỳnh", 2),
    ("Võ", 1),
    ("Trương", 1),
    ("Đinh", 1),
];
const MEN: [&str; 24] = [
    "Văn", "Văn", "Văn", "Văn", "Văn", "Đình", "Hữu", "Đức", "Minh", "Quang", "Thành", "Ngọc", "Xuân", "Công", "Trọng",
    "Thanh", "Huỳnh", "Hoàng", "Quốc", "Tấn", "Viết", "Bá", "Mạnh", "Anh",
];
const WOMEN: [&str; 20] = [
    "Thị",
    "Thị",
    "Thị",
    "Thị",
    "Thị",
    "Thị",
    "Thị Thu",
    "Thị Như",
    "Thị Thanh",
    "Thị Kim",
    "Thị Mỹ",
    "Thị Ngọc",
    "Thị Hồng",
    "Thị Bích",
    "Thị Phương",
    "Thị Minh",
    "Ngọc",
    "Hồng",
    "Thùy",
    "Khánh",
];
const NAMES_OF_MEN: [&str; 52] = [
    "An", "Bảo", "Bình", "Chiến", "Cường", "Danh", "Dũng", "Duy", "Đạt", "Đông", "Đức", "Giang", "Hải", "Hậu", "Hiếu",
    "Hoàn", "Hòa", "Hùng", "Huy", "Khánh", "Khoa", "Kiên", "Lâm", "Long", "Lực", "Minh", "Nam", "Nghĩa", "Nguyên",
    "Nhân", "Phong", "Phúc", "Quân", "Quý", "Sang", "Sơn", "Tài", "Tân", "Thái", "Thắng", "Thịnh", "Thọ", "Tiến",
    "Toàn", "Trí", "Trung", "Tuấn", "Tùng", "Tú", "Việt", "Vinh", "Vũ",
];
const NAMES_OF_WOMEN: [&str; 52] = [
    "An", "Anh", "Bích", "Châu", "Chi", "Cúc", "Diễm", "Diệu", "Dung", "Duyên", "Giang", "Hà", "Hạnh", "Hằng", "Hiền",
    "Hoa", "Hòa", "Hồng", "Huệ", "Huyền", "Hương", "Lan", "Lê", "Liên", "Linh", "Loan", "Ly", "Mai", "My", "Nga",
    "Ngân", "Nguyệt", "Nhàn", "Nhung", "Oanh", "Phương", "Quỳnh", "Quyên", "Tâm", "Thảo", "Thắm", "Thủy", "Thùy",
    "Thư", "Trang", "Trinh", "Tuyết", "Uyên", "Vân", "Vy", "Xuân", "Yến",
];
const SECOND: [&str; 8] = ["Nguyễn", "Trần", "Lê", "Phạm", "Huỳnh", "Hoàng", "Đặng", "Trương"];
/// Family names of Jrai, Bahnar and Ede people.
const HIGHLAND: [&str; 9] = ["Rơ Châm", "Rah Lan", "Ksor", "Siu", "Kpă", "Nay", "Puih", "Rmah", "Niê"];
const HIGHLAND_GIVEN: [&str; 40] = [
    "H'Lan",
    "H’Bơ̆n",
    "H'Nhưn",
    "H'Yên",
    "H'Blim",
    "H'Nga",
    "H'Thu",
    "H'Plưn",
    "Y Brôk",
    "Y Thĭn",
    "Y Wăn",
    "Y Djuân",
    "Hyuh",
    "Blưm",
    "Chŭn",
    "Alĕ",
    "Hluh",
    "Thương",
    "Ñun",
    "Čuih",
    "Djuân",
    "Tơl",
    "Hyơk",
    "Bluih",
    "Phơn",
    "Alơ",
    "Hnin",
    "Thoan",
    "Gơl",
    "Krunh",
    "Lưng",
    "Suih",
    "Jem",
    "Tuynh",
    "Wưn",
    "Ayun",
    "Nhuk",
    "Blơi",
    "Mlah",
    "Doan",
];

/// Somebody's name.
pub fn name(random: &mut Rng) -> Name {
    if random.u32(0..100) < 18 { highland(random) } else { lowland(random) }
}

fn lowland(random: &mut Rng) -> Name {
    let mut at = random.u32(0..100);
    let mut family = FAMILIES[0].0;
    for (name, share) in FAMILIES {
        family = name;
        if at < share {
            break;
        }
        at -= share;
    }
    let (middles, givens): (&[&str], &[&str]) =
        if random.bool() { (&MEN, &NAMES_OF_MEN) } else { (&WOMEN, &NAMES_OF_WOMEN) };
    let given = givens[random.usize(0..givens.len())];
    let middle = middles[random.usize(0..middles.len())];
    let full = match random.u32(0..20) {
        0 => format!("{family} {given}"),
        // The mother's family name, or a second middle name.
        1..6 => format!("{family} {} {middle} {given}", SECOND[random.usize(0..SECOND.len())]),
        _ => format!("{family} {middle} {given}"),
    };
    Name { full, structured: None }
}

fn highland(random: &mut Rng) -> Name {
    let family = HIGHLAND[random.usize(0..HIGHLAND.len())];
    let given = HIGHLAND_GIVEN[random.usize(0..HIGHLAND_GIVEN.len())];
    let full = format!("{family} {given}");
    let structured = family.contains(' ').then(|| (family.to_owned(), String::new(), given.to_owned()));
    Name { full, structured }
}
