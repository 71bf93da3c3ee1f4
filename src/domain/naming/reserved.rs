//! Local parts that nobody may claim (RFC 2142, RFC 5321, D-01, D-05).

use super::{LocalPart, NameError};

/// Reserved names, in the order of the requirements. `postmaster` accepts mail on a fresh system.
pub const RESERVED: [&str; 22] = [
    "postmaster",
    "abuse",
    "hostmaster",
    "webmaster",
    "security",
    "noc",
    "info",
    "support",
    "root",
    "admin",
    "administrator",
    "mailer-daemon",
    "noreply",
    "no-reply",
    "autodiscover",
    "autoconfig",
    "dmarc",
    "tlsrpt",
    "quantri",
    "thongbao",
    "ubnd",
    "sttt",
];

/// Whether the whole local part is reserved; `info.stttt` is not.
pub fn is_reserved(local_part: &LocalPart) -> bool {
    RESERVED.contains(&local_part.as_str())
}

/// What is said to who wrote a reserved one at `path`.
pub fn refuse_reserved(local_part: &LocalPart, path: &str) -> Result<(), NameError> {
    if !is_reserved(local_part) {
        return Ok(());
    }
    let field = if path.starts_with("spec.aliases") { path } else { "spec.localPart" };
    Err(NameError::new(
        "ReservedLocalPart",
        "D-05",
        path,
        format!("{local_part} is reserved for the system itself; write another one in {field}"),
        format!("{local_part} dành riêng cho hệ thống; vui lòng chọn tên khác và ghi vào {field}."),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reserved(text: &str) -> bool {
        is_reserved(&LocalPart::parse(text, "spec.localPart").unwrap())
    }

    #[test]
    fn d_05_reserved_names_are_valid_local_parts_and_reserved() {
        for name in RESERVED {
            assert!(reserved(name), "{name}");
        }
    }

    #[test]
    fn d_01_sttt_is_reserved_and_stttt_is_not() {
        assert!(reserved("sttt"));
        assert!(!reserved("stttt"));
    }

    #[test]
    fn d_05_only_the_whole_local_part_is_reserved() {
        assert!(!reserved("info.stttt"));
        assert!(!reserved("ubndpleiku"));
        assert!(!reserved("postmaster2"));
    }
}
