//! Why something is not as wished, in two languages: by which rule, and what to do.

use serde::Serialize;

use crate::api::{ACKNOWLEDGE_SUPERSEDES, Holder, Mailbox, Reason};
use crate::cli::Finding;
use crate::cli::output::Said;
use crate::domain::lifecycle;
use crate::domain::naming::conflict::{Explained, explain};
use crate::domain::naming::moving::Cause as Move;
use crate::domain::naming::sticky::{self, Kept};
use crate::domain::naming::{AgencyProblem, Cause, Conflict, NameError};

/// Names that a note has.
const NAMED: usize = 3;

/// Something that is to be mended, decided or looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// Stable code; the reasons of conditions where they mean the same.
    pub code: String,
    /// Article or decision; empty where it is a matter of YAML or Kubernetes.
    pub rule: String,
    /// Field.
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
    /// The same in Vietnamese.
    pub message_vi: String,
    /// Where it stands in the file, if that is known.
    #[serde(skip)]
    pub(super) at: Option<(usize, usize)>,
}

impl Told {
    fn new(reason: Reason, rule: &str, path: &str, message: String, message_vi: String) -> Self {
        Self { code: reason.as_str().into(), rule: rule.into(), path: path.into(), message, message_vi, at: None }
    }

    fn explained(reason: Reason, why: Explained) -> Self {
        Self::new(reason, why.rule, why.path, why.message, why.message_vi)
    }
}

impl From<&Finding> for Told {
    fn from(finding: &Finding) -> Self {
        let Finding { code, rule, path, message, message_vi, .. } = finding;
        let (rule, path) = (rule.clone(), path.clone());
        let at = Some((finding.line, finding.column));
        Self { code: (*code).into(), rule, path, message: message.clone(), message_vi: message_vi.clone(), at }
    }
}

impl From<NameError> for Told {
    fn from(error: NameError) -> Self {
        let NameError { code, rule, path, message, message_vi } = error;
        Self { code: code.into(), rule: rule.into(), path, message, message_vi, at: None }
    }
}

/// Somebody else gets the address, or nobody.
pub fn conflict(mailbox: &Mailbox, conflict: &Conflict, domain: &str, suggestions: &[String]) -> Told {
    let told = explain(conflict, domain, suggestions, mailbox.spec.holder == Holder::Agency);
    let reason = if conflict.cause == Cause::Reserved { Reason::ReservedLocalPart } else { Reason::Conflict };
    Told::explained(reason, told)
}

/// What was issued under this resource name belongs to somebody else.
pub fn mismatch(local: &str, holder: &str, name: &str) -> Told {
    Told::explained(Reason::HolderMismatch, sticky::mismatch(Kept::Address(local), holder, name))
}

/// The name of a holder changed; the address stays.
pub fn renamed(holder: &str, name: &str) -> Told {
    Told::explained(Reason::NameChanged, sticky::renamed(holder, name))
}

/// Another address is written down than the issued one.
pub fn pinned_elsewhere(pin: &str, local: &str) -> Told {
    Told::explained(Reason::AddressKept, sticky::pinned_elsewhere(pin, local))
}

impl Told {
    /// Its sentence alone.
    pub(in crate::cli) fn said(self) -> Said {
        Said::new(self.message, self.message_vi)
    }
}

/// It is revoked, and nothing was ever issued to it.
pub fn never_issued(cause: lifecycle::Cause) -> Told {
    let path = if cause == lifecycle::Cause::EndsOn { "spec.endsOn" } else { "spec.state" };
    let message = format!("it is revoked by {path} and no address was issued to it: it gets none");
    let vi = format!("đã thu hồi theo {path} và chưa được cấp địa chỉ nào nên không được cấp địa chỉ.");
    Told::new(Reason::Revoked, "R5.4", path, message, vi)
}

/// What was kept of its account was removed. `over`: its file says that it is revoked, else somebody wants it back.
pub fn purged(over: bool) -> Told {
    let (message, vi) = if over {
        (
            "its mail was removed after the time of keeping, and its address is nobody's for a time (D-19)",
            "thư đã được xóa hẳn sau thời hạn lưu giữ, địa chỉ cũ tạm thời chưa cấp cho ai (D-19).",
        )
    } else {
        (
            "its mail was removed after the time of keeping, so nothing can be given back. For a new, empty account with a new address \
             delete this Mailbox in the cluster and create it again",
            "thư đã được xóa hẳn sau thời hạn lưu giữ nên không khôi phục được gì. Để có tài khoản mới với địa chỉ mới, vui lòng xóa \
             Mailbox này trên cụm rồi tạo lại.",
        )
    };
    Told::new(Reason::Purged, "D-14", "spec.state", message.into(), vi.into())
}

/// Names of accounts that were purged, where nobody told whether their Mailboxes still stand in the cluster.
pub fn maybe_purged(all: &[&str]) -> Said {
    let (count, named) = (all.len(), all.iter().take(NAMED).copied().collect::<Vec<_>>().join(", "));
    let more = if count > NAMED { ", …" } else { "" };
    let way = "kubectl get addr,mbx -o yaml";
    Said::new(
        format!(
            "of {count} names ({named}{more}) an account was purged (D-14), and the claims do not tell whether the Mailbox of then still \
             stands in the cluster: if it does, it gets no address, whatever is planned here. Give both (`{way}`), or --claims cluster"
        ),
        format!(
            "{count} tên ({named}{more}) có tài khoản cũ đã bị xóa hẳn (D-14), mà tệp không cho biết Mailbox cũ có còn trên cụm hay không: nếu \
             còn thì sẽ không được cấp địa chỉ, dù kế hoạch này ghi khác. Vui lòng xuất cả hai loại (`{way}`), hoặc dùng --claims cluster."
        ),
    )
}

/// A transfer or a rename does not come about.
pub fn stays(told: Told, why: Move, local: &str, domain: &str) -> Told {
    let (message, message_vi) = sticky::stays(why, &format!("{local}@{domain}"), &told.message, &told.message_vi);
    Told { message, message_vi, ..told }
}

/// The agency that gives the suffix gives none. `refused`: its file is wrong.
pub fn agency(problem: &AgencyProblem, refused: bool) -> Told {
    let (reason, message, vi) = match problem {
        AgencyProblem::NotFound(name) | AgencyProblem::ParentNotFound(name) if refused => (
            Reason::AgencyNotReady,
            format!("the Agency '{name}' is rejected; mend it first"),
            format!("Agency '{name}' đang bị từ chối; vui lòng sửa Agency này trước."),
        ),
        AgencyProblem::NotFound(name) => (
            Reason::AgencyNotFound,
            format!("there is no Agency '{name}' in these files (R1); add it, this one goes on by itself then"),
            format!(
                "không có Agency '{name}' trong các tệp này (R1); vui lòng bổ sung, sau đó hệ thống tự xử lý tiếp."
            ),
        ),
        AgencyProblem::ParentNotFound(name) => (
            Reason::AgencyNotReady,
            format!("there is no Agency '{name}' in these files, the parent of its Agency; add it"),
            format!("không có Agency cấp trên '{name}' trong các tệp này; vui lòng bổ sung."),
        ),
        AgencyProblem::ParentCycle => (
            Reason::AgencyNotReady,
            "the parents of its Agency form a circle or are nested too deep; mend spec.parentRef of the Agency".into(),
            "các cơ quan cấp trên tạo thành vòng hoặc quá nhiều cấp; vui lòng sửa spec.parentRef của Agency.".into(),
        ),
        AgencyProblem::Name(error) => (
            Reason::AgencyNotReady,
            format!("its Agency has no address: {} ({})", error.message, error.rule),
            format!("Agency chưa có địa chỉ: {} ({})", error.message_vi, error.rule),
        ),
    };
    Told::new(reason, "R1", "spec.agencyRef", message, vi)
}

/// The agency belongs to another MailSystem than the one of the files.
pub fn other_system(named: &str, served: &str) -> Told {
    let message =
        format!("its Agency names MailSystem '{named}', here is '{served}'; mend spec.systemRef of the Agency");
    let vi = format!("Agency ghi MailSystem '{named}', ở đây là '{served}'; vui lòng sửa spec.systemRef của Agency.");
    Told::new(Reason::AgencyNotReady, "", "spec.agencyRef", message, vi)
}

/// The address of a former holder is to be handed on, and nobody confirmed that.
pub fn unacknowledged(mailbox: &Mailbox, local: &str, former: &str) -> Told {
    let names = mailbox.spec.supersedes.join(",");
    Told::explained(Reason::SupersedesHeld, sticky::unacknowledged(local, former, ACKNOWLEDGE_SUPERSEDES, &names))
}

/// A further address is somebody else's.
pub fn alias_taken(path: &str, address: &str, holder: &str) -> Told {
    let message = format!("{address} belongs to '{holder}' and stays there; remove or change this alias");
    let vi = format!("{address} đã cấp cho '{holder}' và được giữ nguyên; vui lòng bỏ hoặc sửa bí danh này.");
    Told::new(Reason::AliasConflict, "D-05", path, message, vi)
}
