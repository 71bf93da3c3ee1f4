//! Texts that go where only so much fits.

/// At most `bytes` bytes of a text, cut between characters and marked with `…` where something is missing.
pub fn cut(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.into();
    }
    let room = bytes.saturating_sub('…'.len_utf8());
    let end = (0..=room).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_only_if_it_is_too_long() {
        assert_eq!(cut("Sở Y tế", 20), "Sở Y tế");
        assert_eq!(cut("aaaaaa", 5), "aa…");
        for bytes in 3..40 {
            let cut = cut("Đặng Thị Ưu Điểm, Ủy ban nhân dân tỉnh", bytes);
            assert!(cut.len() <= bytes && cut.ends_with('…'), "{bytes}: {cut}");
        }
    }
}
