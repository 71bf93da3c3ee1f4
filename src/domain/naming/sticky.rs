//! What people are told when what is issued stays where it is (D-02, D-14, D-19): to whom it belongs, and what to write.

use super::conflict::Explained;
use super::moving::Cause;

/// What is kept for the holder of a resource name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept<'a> {
    /// An address (its local part) with its mail.
    Address(&'a str),
    /// Mail and password, whose address is not known any more.
    Mail,
}

/// What was issued under this resource name belongs to `holder`; `name` is somebody else.
pub fn mismatch(kept: Kept<'_>, holder: &str, name: &str) -> Explained {
    let (what, what_vi) = match kept {
        Kept::Address(local) => (format!("{local} and its mail"), format!("{local} cùng hộp thư")),
        Kept::Mail => ("the mail and the password".into(), "thư và mật khẩu".into()),
    };
    Explained {
        rule: "D-14",
        path: "spec.fullName",
        message: format!(
            "{what} under this resource name belong to '{holder}'; '{name}' is somebody else (D-06). Use another metadata.name for \
             the new person, or write the old spec.fullName to give the mailbox back"
        ),
        message_vi: format!(
            "{what_vi} mang tên đối tượng này đã cấp cho '{holder}'; '{name}' là người khác (D-06). Vui lòng đặt metadata.name \
             khác cho người mới, hoặc ghi lại spec.fullName cũ để trả lại hộp thư."
        ),
    }
}

/// The name of a holder changed while the mailbox stands: a person should look whether it is still the same one.
pub fn renamed(holder: &str, name: &str) -> Explained {
    Explained {
        rule: "D-02",
        path: "spec.fullName",
        message: format!(
            "the address was issued to '{holder}', spec.fullName is now '{name}'; the address stays, at a transfer as well. If that is \
             another person, use a new Mailbox: this one holds the mail of the first. If it is the same one, spec.rename names the document"
        ),
        message_vi: format!(
            "địa chỉ đã cấp cho '{holder}', nay spec.fullName là '{name}'; địa chỉ giữ nguyên, kể cả khi điều chuyển. Nếu là người khác, \
             vui lòng tạo Mailbox mới: hộp thư này chứa thư của người trước. Nếu vẫn là một người, vui lòng ghi văn bản vào spec.rename."
        ),
    }
}

/// Another address is written down than the issued one.
pub fn pinned_elsewhere(pin: &str, local: &str) -> Explained {
    Explained {
        rule: "D-02",
        path: "spec.localPart",
        message: format!(
            "spec.localPart is '{pin}', but '{local}' is issued and stays (D-21); write '{local}' there, or ask for the other one by \
             spec.rename with a basis"
        ),
        message_vi: format!(
            "spec.localPart ghi '{pin}' nhưng địa chỉ đã cấp là '{local}' và được giữ nguyên (D-21); vui lòng ghi '{local}', hoặc \
             đề nghị đổi bằng spec.rename kèm văn bản căn cứ."
        ),
    }
}

/// A transfer or a rename does not come about; `because` and `because_vi` say why.
pub fn stays(why: Cause, address: &str, because: &str, because_vi: &str) -> (String, String) {
    let (what, what_vi) = match why {
        Cause::Transfer => ("the address of the new Agency", "địa chỉ ở cơ quan mới"),
        Cause::Rename => ("the new address (spec.rename)", "địa chỉ mới (spec.rename)"),
    };
    (
        format!("{what} cannot be issued yet, {address} stays until then: {because}"),
        format!("chưa cấp được {what_vi}, {address} giữ nguyên đến khi đó: {because_vi}"),
    )
}

/// The address of a former holder is to be handed on, and nobody confirmed that (by `annotation`, with `value`).
pub fn unacknowledged(local: &str, former: &str, annotation: &str, value: &str) -> Explained {
    Explained {
        rule: "D-19",
        path: "spec.supersedes",
        message: format!(
            "{local} was the address of '{former}'; mail that people still send there would come here. Confirm by the annotation \
             {annotation}: {value}"
        ),
        message_vi: format!(
            "{local} từng là địa chỉ của '{former}'; thư gửi đến địa chỉ này sẽ vào hộp thư mới. Vui lòng xác nhận bằng annotation \
             {annotation}: {value}"
        ),
    }
}
