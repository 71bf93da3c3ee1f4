//! Which notices there are to send now (R6, R7.3.d, D-17): pure. A key names the cause, so that each is sent once, whoever leads.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::api::{LockStatus, Mailbox, MailboxState, MailboxStatus};
use crate::domain::calendar::day;
use crate::domain::lifecycle::{self, Account, Cause, Kind, LockReason, Rules};
use crate::domain::notice::{FULL, Letter, Notice, Party};
use crate::domain::quota::Bytes;

/// What happened longer ago is told no more: keys are kept for months, and a start looks at all.
const RECENT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A notice, and to whose mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The same cause has the same key.
    pub key: String,
    /// Name of the Mailbox that gets it.
    pub mailbox: String,
    pub letter: Letter,
}

/// Whom notices about a mailbox go to beside its holder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Agency {
    /// Name of the agency.
    pub name: String,
    /// Who reads for it, where there is such a mailbox.
    pub reader: Option<Reader>,
}

/// The own mailbox of an agency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reader {
    /// Name of the Mailbox.
    pub mailbox: String,
    pub address: String,
    /// Name of the agency whose it is.
    pub name: String,
}

/// What is to be told of one mailbox. `life` are its facts now, `new_password`: whether its password was made for an unlock.
pub(super) fn wanted(
    mailbox: &Mailbox,
    life: &Account,
    new_password: bool,
    agency: &Agency,
    rules: &Rules,
    url: &str,
    now: Timestamp,
) -> Vec<Wanted> {
    let Some(status) = mailbox.status.as_ref().filter(|status| receives(status)) else { return Vec::new() };
    let Some(address) = status.address.clone() else { return Vec::new() };
    let about = Party { name: mailbox.spec.full_name.clone(), address };
    let case = Case { mailbox, status, about, agency, url, now };
    let mut all = Vec::new();
    all.extend(case.before_lock(life, rules));
    all.extend(case.locked());
    // A revocation that is undone keeps the password, and is no restore.
    all.extend(case.restored().into_iter().filter(|_| new_password));
    all.extend(case.quota());
    all
}

/// Whether mail arrives.
fn receives(status: &MailboxStatus) -> bool {
    !matches!(status.state, None | Some(MailboxState::Pending | MailboxState::Revoked | MailboxState::Purged))
}

/// Whether somebody reads what arrives, or can after the first access.
pub(super) fn is_read(status: &MailboxStatus) -> bool {
    use MailboxState::{Active, MustChangePassword, RevocationProposed};
    matches!(status.state, Some(Active | MustChangePassword | RevocationProposed)) && status.locks.is_empty()
}

struct Case<'a> {
    mailbox: &'a Mailbox,
    status: &'a MailboxStatus,
    about: Party,
    agency: &'a Agency,
    url: &'a str,
    now: Timestamp,
}

impl Case<'_> {
    fn name(&self) -> String {
        self.mailbox.metadata.name.clone().unwrap_or_default()
    }

    fn is_recent(&self, at: Timestamp) -> bool {
        at <= self.now && self.now.duration_since(at) < RECENT
    }

    fn letter(&self, to: Party, notice: Notice) -> Letter {
        Letter {
            to,
            about: self.about.clone(),
            agency: self.agency.name.clone(),
            agency_address: self.agency.reader.as_ref().map(|reader| reader.address.clone()),
            password_url: Some(self.url.into()),
            notice,
        }
    }

    fn key(&self, what: &str) -> String {
        format!("{}/{what}", self.mailbox.metadata.uid.as_deref().unwrap_or_default())
    }

    fn to_holder(&self, what: &str, notice: Notice) -> Wanted {
        Wanted { key: self.key(what), mailbox: self.name(), letter: self.letter(self.about.clone(), notice) }
    }

    /// The agency, or the holder where nobody reads for it, or it is the holder itself.
    fn to_agency(&self, what: &str, notice: Notice) -> Wanted {
        match self.agency.reader.as_ref().filter(|reader| reader.mailbox != self.name()) {
            Some(reader) => {
                let to = Party { name: reader.name.clone(), address: reader.address.clone() };
                Wanted { key: self.key(what), mailbox: reader.mailbox.clone(), letter: self.letter(to, notice) }
            }
            None => self.to_holder(what, notice),
        }
    }

    /// The nearest of the days before a lock that has come. Who cannot read mail before the first access is told by the agency.
    fn before_lock(&self, life: &Account, rules: &Rules) -> Option<Wanted> {
        let told = lifecycle::warnings(rules, life, self.now);
        let warning = told.into_iter().filter(|warning| warning.at <= self.now).max_by_key(|warning| warning.at)?;
        let lock = lifecycle::due(rules, life, self.now).into_iter().find(|action| action.kind == Kind::Lock)?;
        let Cause::Locks(reason) = lock.cause else { return None };
        if lock.at <= self.now {
            return None;
        }
        let step = lock.at.duration_since(warning.at).as_hours() / 24;
        let what = format!("before-lock/{}/{}/{step}", reason.as_str(), lock.at);
        // Told late, it says how many there are now.
        let days_left = u16::try_from((day(lock.at) - day(self.now)).get_days()).ok()?;
        let notice = Notice::BeforeLock { reason, day: day(lock.at), days_left };
        let shut = self.status.state == Some(MailboxState::MustChangePassword);
        Some(if shut { self.to_agency(&what, notice) } else { self.to_holder(&what, notice) })
    }

    fn locked(&self) -> Option<Wanted> {
        let newest = self.status.locks.iter().map(|lock| lock.since.0).max()?;
        let reasons: Vec<LockReason> = self.status.locks.iter().map(|lock| lock.reason.into()).collect();
        let document =
            self.status.locks.iter().find_map(|lock: &LockStatus| lock.basis.as_ref()).map(|basis| basis.cited());
        let notice = Notice::Locked { reasons, day: day(newest), document };
        self.is_recent(newest).then(|| self.to_agency(&format!("locked/{newest}"), notice))
    }

    fn restored(&self) -> Vec<Wanted> {
        let Some(at) = self.status.unlocked_at.as_ref().map(|at| at.0).filter(|at| self.is_recent(*at)) else {
            return Vec::new();
        };
        let now = |handled: &Time| handled.0.duration_since(at).abs() < SignedDuration::from_mins(1);
        let restored = self.status.restored.as_ref();
        let handled = restored.filter(|restored| restored.handled_at.as_ref().is_some_and(now));
        let notice = Notice::Restored { day: day(at), document: handled.map(|restored| restored.document.clone()) };
        let (holder, agency) = (format!("restored/{at}/holder"), format!("restored/{at}/agency"));
        let both = [self.to_holder(&holder, notice.clone()), self.to_agency(&agency, notice)];
        // One letter where both are one.
        let same = both[0].mailbox == both[1].mailbox;
        both.into_iter().take(if same { 1 } else { 2 }).collect()
    }

    fn quota(&self) -> Option<Wanted> {
        let quota = self.status.quota.as_ref()?;
        let told = quota.told.as_ref().filter(|told| self.is_recent(told.at.0))?;
        let storage = Bytes::parse(&quota.storage, "status.quota.storage").ok()?;
        let (percent, day) = (u32::try_from(told.percent).ok()?, day(told.at.0));
        let full = percent >= u32::from(FULL);
        let notice =
            if full { Notice::OverQuota { percent, storage, day } } else { Notice::Quota { percent, storage, day } };
        Some(self.to_holder(&format!("quota/{percent}/{}", told.at.0), notice))
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
