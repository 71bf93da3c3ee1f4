//! What would change a state, as a command and as lines of a file. Who works by Git writes the file.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::{Next, Remedy, Said};
use crate::cli::life::Life;
use crate::domain::calendar::{day, midnight, rfc3339};
use crate::domain::lifecycle::{self, By, Cause, Kind, LockReason, State};

/// What would change the state of an account.
pub fn remedies(life: &Life<'_>, index: usize, state: State, next: &[Next], now: Timestamp) -> Vec<Remedy> {
    let writer = Writer { namespace: &life.namespace, name: &life.holders[index].name, now };
    let account = &life.accounts[index];
    let mut all = Vec::new();
    if account.gone {
        all.push(plain(
            "a Mailbox of the same name and holder gives back mail, address and password (D-14)",
            "tạo lại Mailbox cùng tên, cùng người thì thư, địa chỉ và mật khẩu trở lại như cũ (D-14).",
        ));
        return all;
    }
    match state {
        State::Revoked => all.extend(writer.revoked(life, index)),
        State::Purged => all.push(plain(
            "nothing brings the mail back; the address stays kept free (D-19)",
            "không khôi phục được thư; địa chỉ tạm thời không cấp cho người khác (D-19).",
        )),
        State::Pending if account.issued_at.is_some() || account.starts_on.is_some_and(|day| midnight(day) > now) => {}
        State::Pending if super::reasons::unmet(&life.holders[index]).is_empty() => all.push(plain(
            "the operator has not looked at it yet, or these files do not say so: nothing says what it waits for",
            "hệ thống chưa xử lý, hoặc các tệp này chưa có kết quả: chưa rõ đang chờ điều gì.",
        )),
        State::Pending => all.push(plain(
            "it waits for what stands above as not ready: mend that, the address then comes by itself",
            "đang chờ điều ghi ở mục “Chưa sẵn sàng” phía trên: sửa xong thì địa chỉ được cấp tự động.",
        )),
        State::RevocationProposed => {
            all.push(plain(
                "a login of the holder takes the proposal away, if nothing else locks the account",
                "chủ hộp thư đăng nhập thì đề xuất được bỏ, nếu tài khoản không bị khóa.",
            ));
            all.push(writer.approve());
        }
        State::MustChangePassword => all.push(plain(
            "the holder changes the password on the password page (9.1, 9.2)",
            "chủ hộp thư đổi mật khẩu trên trang đổi mật khẩu (khoản 1, 2 Điều 9).",
        )),
        State::Active | State::Locked => {}
    }
    if account.locks.values().any(|lock| lock.by == By::Person) {
        all.push(writer.unlock(lifecycle::asked(&life.rules, account).is_some()));
    }
    if account.locks.values().any(|lock| lock.by == By::Clock) {
        all.push(writer.restore());
    }
    all.extend(next.iter().filter(|next| next.what.kind == Kind::Lock).filter_map(|next| writer.avoid(next)));
    if next.iter().any(|next| next.held) {
        all.push(Remedy {
            says: Said::new(
                "the brake holds what is due; a person releases it (D-15)",
                "việc đến hạn đang bị giữ lại; cần người xác nhận (D-15).",
            ),
            command: Some(format!("kubectl mail acknowledge{}", flag(&life.namespace))),
            yaml: None,
        });
    }
    all
}

/// What gives an account to whom the file ends before there was one.
pub fn never(cause: Cause) -> Remedy {
    if cause == Cause::EndsOn {
        return plain(
            "if it is to have an account: take spec.endsOn out of the file, or write a later day",
            "nếu cần cấp tài khoản: bỏ spec.endsOn khỏi tệp hoặc ghi ngày muộn hơn.",
        );
    }
    plain(
        "if it is to have an account: take spec.state: Revoked out of the file",
        "nếu cần cấp tài khoản: bỏ spec.state: Revoked khỏi tệp.",
    )
}

fn plain(en: &str, vi: &str) -> Remedy {
    Remedy { says: Said::new(en, vi), command: None, yaml: None }
}

fn flag(namespace: &str) -> String {
    if namespace.is_empty() { String::new() } else { format!(" -n {namespace}") }
}

struct Writer<'a> {
    namespace: &'a str,
    name: &'a str,
    now: Timestamp,
}

impl Writer<'_> {
    /// A merge patch of the spec, and the same lines in a file.
    fn write(&self, says: Said, spec: &Json, yaml: &str) -> Remedy {
        let patch = json!({"spec": spec});
        let command = format!("kubectl{} patch mbx {} --type merge -p '{patch}'", flag(self.namespace), self.name);
        Remedy { says, command: Some(command), yaml: Some(yaml.into()) }
    }

    fn basis(&self) -> (Json, String) {
        let today = day(self.now).to_string();
        let yaml = format!("{{number: NUMBER, date: \"{today}\", issuer: ISSUER}}");
        (json!({"number": "NUMBER", "date": today, "issuer": "ISSUER"}), yaml)
    }

    fn restore(&self) -> Remedy {
        let ((basis, yaml), received) = (self.basis(), rfc3339(self.now));
        let says = Said::new(
            "the agency's document gives it back within 3 working days, with a new password (6.3)",
            "có văn bản của cơ quan thì khôi phục trong 03 ngày làm việc, với mật khẩu mới (điểm b khoản 3 Điều 6).",
        );
        let spec = json!({"restore": {"basis": basis, "receivedAt": received}});
        self.write(says, &spec, &format!("spec:\n  restore:\n    receivedAt: \"{received}\"\n    basis: {yaml}"))
    }

    /// A lock of people ends when it is taken out of the spec, which names no document by itself: `document` says whether `spec.restore`
    /// names one already.
    fn unlock(&self, document: bool) -> Remedy {
        if document {
            let says = Said::new(
                "people locked it: verify the document of spec.restore, then take spec.lock out of the file (6.3)",
                "tài khoản bị khóa theo quyết định: xác minh văn bản ở spec.restore, rồi bỏ spec.lock khỏi tệp (khoản 3 Điều 6).",
            );
            return self.write(says, &json!({"lock": null}), "spec:\n  # without lock:");
        }
        let says = Said::new(
            "people locked it: in one commit, take spec.lock out of the file and write the agency's document into spec.restore, so that \
             the journal names it (5.2, 6.3)",
            "tài khoản bị khóa theo quyết định: trong cùng một lần sửa, bỏ spec.lock khỏi tệp và ghi văn bản của cơ quan vào \
             spec.restore để nhật ký có căn cứ (khoản 2 Điều 5, khoản 3 Điều 6).",
        );
        let ((basis, yaml), received) = (self.basis(), rfc3339(self.now));
        let spec = json!({"lock": null, "restore": {"basis": basis, "receivedAt": received}});
        let lines = format!("spec:\n  # without lock:\n  restore:\n    receivedAt: \"{received}\"\n    basis: {yaml}");
        self.write(says, &spec, &lines)
    }

    fn approve(&self) -> Remedy {
        let (basis, yaml) = self.basis();
        let says = Said::new(
            "a document approves the revocation (5.4.c)",
            "có văn bản đồng ý thì thu hồi (điểm c khoản 4 Điều 5).",
        );
        self.write(
            says,
            &json!({"state": "Revoked", "ending": {"basis": basis}}),
            &format!("spec:\n  state: Revoked\n  ending:\n    basis: {yaml}"),
        )
    }

    fn revoked(&self, life: &Life<'_>, index: usize) -> Vec<Remedy> {
        let account = &life.accounts[index];
        let mut all = Vec::new();
        if account.revoke {
            let says = Said::new(
                "state Active gives back mail, address and password while they are kept (D-14)",
                "ghi state: Active thì thư, địa chỉ và mật khẩu trở lại như cũ khi còn lưu giữ (D-14).",
            );
            all.push(self.write(says, &json!({"state": "Active"}), "spec:\n  state: Active"));
        } else if account.ends_on.is_some() {
            let says = Said::new(
                "a later endsOn, or none, gives it back as it was (D-14)",
                "ghi endsOn muộn hơn, hoặc bỏ đi, thì tài khoản trở lại như cũ (D-14).",
            );
            all.push(self.write(says, &json!({"endsOn": null}), "spec:\n  # without endsOn:"));
        }
        if life.holders[index].mailbox.is_some_and(|mailbox| mailbox.spec.successor_ref.is_none()) {
            let says = Said::new(
                "a successor gets its mail instead of a refusal of it (5.4)",
                "ghi người kế nhiệm vào successorRef thì thư được chuyển tiếp cho người đó, không bị từ chối (khoản 4 Điều 5).",
            );
            let spec = json!({"successorRef": {"name": "MAILBOX"}});
            all.push(self.write(says, &spec, "spec:\n  successorRef: {name: MAILBOX}"));
        }
        if !account.hold {
            let (basis, yaml) = self.basis();
            let says = Said::new("a hold keeps it from being purged", "ghi hold thì dữ liệu không bị xóa hẳn.");
            all.push(self.write(
                says,
                &json!({"hold": {"basis": basis}}),
                &format!("spec:\n  hold:\n    basis: {yaml}"),
            ));
        }
        all
    }

    /// What keeps a lock from coming.
    fn avoid(&self, next: &Next) -> Option<Remedy> {
        match next.what.cause {
            Cause::Locks(LockReason::Inactive) => {
                let (basis, yaml) = self.basis();
                let today = day(self.now).to_string();
                let says = Said::new(
                    "a login, a mail sent or received begins the term of 6.2.a anew; so does a notified absence",
                    "đăng nhập, gửi hoặc nhận thư thì hạn theo 6.2.a tính lại; thông báo vắng mặt cũng vậy.",
                );
                let spec = json!({"absence": {"from": today, "to": "YYYY-MM-DD", "basis": basis}});
                let lines = format!("spec:\n  absence: {{from: \"{today}\", to: \"YYYY-MM-DD\", basis: {yaml}}}");
                Some(self.write(says, &spec, &lines))
            }
            Cause::Locks(LockReason::DefaultPassword) => Some(plain(
                "a change of the default password by the holder ends the term of 6.2.d",
                "chủ hộp thư đổi mật khẩu mặc định thì không còn hạn theo 6.2.d.",
            )),
            _ => None,
        }
    }
}
