//! Storage and largest attachment of a mailbox (Điều 7 khoản 3): quantities, the message limit, and which policy holds.

use std::cmp::Reverse;
use std::fmt;

/// A number of bytes, written as a Kubernetes quantity without fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

/// A quantity that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{path}: '{text}' is not a usable quantity: write a whole number with k, M, G, T, Ki, Mi, Gi or Ti, for example 5Gi"
)]
pub struct QuantityError {
    /// Field.
    pub path: String,
    /// What stood there.
    pub text: String,
}

impl Bytes {
    /// Reads `5Gi`, `25M`, `1000`; `path` names the field in the error.
    pub fn parse(text: &str, path: &str) -> Result<Self, QuantityError> {
        let error = || QuantityError { path: path.into(), text: text.into() };
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let factor: u64 = match unit {
            "" => 1,
            "k" => 1_000,
            "M" => 1_000_000,
            "G" => 1_000_000_000,
            "T" => 1_000_000_000_000,
            "Ki" => 1 << 10,
            "Mi" => 1 << 20,
            "Gi" => 1 << 30,
            "Ti" => 1 << 40,
            _ => return Err(error()),
        };
        let number: u64 = number.parse().map_err(|_| error())?;
        number.checked_mul(factor).filter(|n| *n > 0 && *n <= i64::MAX as u64).map(Self).ok_or_else(error)
    }

    /// The message limit that lets an attachment of this many decoded bytes through (R7.3.b: base64 and its line
    /// breaks add 37 %), rounded up.
    pub fn message_limit(self) -> Self {
        Self(self.0.saturating_mul(137).div_ceil(100))
    }
}

impl fmt::Display for Bytes {
    /// The shortest exact quantity.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, factor) in [
            ("Ti", 1u64 << 40),
            ("T", 1_000_000_000_000),
            ("Gi", 1 << 30),
            ("G", 1_000_000_000),
            ("Mi", 1 << 20),
            ("M", 1_000_000),
            ("Ki", 1 << 10),
            ("k", 1_000),
        ] {
            if self.0 >= factor && self.0.is_multiple_of(factor) {
                return write!(f, "{}{unit}", self.0 / factor);
            }
        }
        write!(f, "{}", self.0)
    }
}

/// Storage and largest attachment, set together (R7.3.b).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Storage of the mailbox.
    pub storage: Bytes,
    /// Largest attachment in decoded bytes.
    pub max_attachment: Bytes,
}

/// Why a quota holds, in order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The mailbox names the policy.
    Mailbox,
    /// Its agency names the policy.
    Agency,
    /// The best policy whose selector covers it.
    Selector,
    /// The default of the system.
    SystemDefault,
}

impl Source {
    /// The text in `status.quota.source`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mailbox => "Mailbox",
            Self::Agency => "Agency",
            Self::Selector => "Selector",
            Self::SystemDefault => "SystemDefault",
        }
    }
}

/// Whom a policy covers; an empty list covers all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// Levels of agencies.
    pub levels: Vec<String>,
    /// Names of agencies.
    pub agencies: Vec<String>,
    /// Kinds of holders.
    pub holders: Vec<String>,
}

impl Selector {
    fn covers(&self, mailbox: &Subject<'_>) -> bool {
        let among = |list: &[String], value: &str| list.is_empty() || list.iter().any(|v| v == value);
        among(&self.levels, mailbox.level)
            && among(&self.agencies, mailbox.agency)
            && among(&self.holders, mailbox.holder)
    }
}

/// A policy that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Name of the QuotaPolicy.
    pub name: String,
    /// Its limits.
    pub limits: Limits,
    /// Whom it covers by itself; `None`: only those who name it.
    pub selector: Option<Selector>,
    /// The highest wins, then the smaller name.
    pub priority: i32,
    /// Percent of use at which the holder is told (D-17).
    pub warn_at: Vec<u8>,
    /// Percent of use below which the holder is told anew.
    pub rearm_below: u8,
}

/// The mailbox a quota is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// `spec.quotaPolicyRef` of the mailbox.
    pub own_ref: Option<&'a str>,
    /// `spec.quotaPolicyRef` of its agency.
    pub agency_ref: Option<&'a str>,
    /// Level of its agency.
    pub level: &'a str,
    /// Name of its agency.
    pub agency: &'a str,
    /// `Person` or `Agency`.
    pub holder: &'a str,
}

/// The quota in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The policy; `None` for the system's default.
    pub policy: Option<String>,
    /// Why this one.
    pub source: Source,
    /// The limits, the attachment capped by the system's largest.
    pub limits: Limits,
    /// Percent of use at which the holder is told; empty: the thresholds of D-17.
    pub warn_at: Vec<u8>,
    /// Percent of use below which the holder is told anew; 0: that of D-17.
    pub rearm_below: u8,
    /// A policy that was named but is not there (its path and name): the next in precedence holds meanwhile.
    pub missing: Option<(&'static str, String)>,
}

/// The quota of one mailbox (R7.3): its own reference, else its agency's, else the best policy that covers it, else the
/// system's default. A reference to nothing falls through and is reported.
pub fn effective(subject: Subject<'_>, policies: &[Policy], default: Limits, largest: Bytes) -> Effective {
    let mut missing = None;
    let mut find = |path: &'static str, name: Option<&str>| {
        let name = name?;
        let found = policies.iter().find(|p| p.name == name);
        if found.is_none() && missing.is_none() {
            missing = Some((path, name.to_string()));
        }
        found
    };
    let own = find("spec.quotaPolicyRef", subject.own_ref).map(|p| (p, Source::Mailbox));
    let chosen = own
        .or_else(|| find("Agency spec.quotaPolicyRef", subject.agency_ref).map(|p| (p, Source::Agency)))
        .or_else(|| {
            policies
                .iter()
                .filter(|p| p.selector.as_ref().is_some_and(|s| s.covers(&subject)))
                .min_by_key(|p| (Reverse(p.priority), &p.name))
                .map(|p| (p, Source::Selector))
        });
    let (warn_at, rearm_below) =
        chosen.map_or((Vec::new(), 0), |(policy, _)| (policy.warn_at.clone(), policy.rearm_below));
    let (policy, source, limits) = match chosen {
        Some((policy, source)) => (Some(policy.name.clone()), source, policy.limits),
        None => (None, Source::SystemDefault, default),
    };
    let limits = Limits { storage: limits.storage, max_attachment: limits.max_attachment.min(largest) };
    Effective { policy, source, limits, warn_at, rearm_below, missing }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(storage: u64) -> Limits {
        Limits { storage: Bytes(storage), max_attachment: Bytes(10) }
    }

    fn policy(name: &str, priority: i32, selector: Option<Selector>) -> Policy {
        Policy {
            name: name.into(),
            limits: limits(100 + priority.unsigned_abs() as u64),
            selector,
            priority,
            warn_at: vec![],
            rearm_below: 75,
        }
    }

    const SUBJECT: Subject<'static> =
        Subject { own_ref: None, agency_ref: None, level: "Province", agency: "stttt", holder: "Person" };

    #[test]
    fn r7_3_quantities_read_and_print_exactly() {
        for (text, bytes, printed) in
            [("5Gi", 5 << 30, "5Gi"), ("25M", 25_000_000, "25M"), ("1024", 1024, "1Ki"), ("1000k", 1_000_000, "1M")]
        {
            let value = Bytes::parse(text, "spec.storage").expect(text);
            assert_eq!(value.0, bytes, "{text}");
            assert_eq!(value.to_string(), printed);
        }
        for bad in ["", "0", "1.5Gi", "5GB", "-1", "99999999999999999999", "9999999999Ti", "Gi"] {
            let error = Bytes::parse(bad, "spec.storage").expect_err(bad);
            assert!(error.to_string().starts_with("spec.storage: "), "{error}");
        }
    }

    #[test]
    fn r7_3_b_an_attachment_of_25_mb_needs_a_message_of_about_34_2_mb() {
        assert_eq!(Bytes::parse("25M", "x").expect("25M").message_limit(), Bytes(34_250_000));
    }

    #[test]
    fn r7_3_precedence_is_mailbox_agency_selector_default() {
        let all = Some(Selector::default());
        let policies =
            [policy("a", 1, all.clone()), policy("b", 5, all.clone()), policy("c", 5, all), policy("named", 9, None)];
        let pick = |subject| {
            let e = effective(subject, &policies, limits(1), Bytes(1000));
            (e.policy, e.source)
        };
        assert_eq!(pick(SUBJECT), (Some("b".into()), Source::Selector), "highest priority, then the smaller name");
        let agency = Subject { agency_ref: Some("named"), ..SUBJECT };
        assert_eq!(pick(agency), (Some("named".into()), Source::Agency));
        assert_eq!(pick(Subject { own_ref: Some("a"), ..agency }), (Some("a".into()), Source::Mailbox));
        let own = Policy { warn_at: vec![60], rearm_below: 50, ..policies[0].clone() };
        let own = effective(SUBJECT, &[own], limits(1), Bytes(1000));
        assert_eq!((own.warn_at, own.rearm_below), (vec![60], 50), "D-17");
        let none = effective(SUBJECT, &policies[3..], limits(1), Bytes(1000));
        assert_eq!((none.policy, none.source, none.limits.storage), (None, Source::SystemDefault, Bytes(1)));
    }

    #[test]
    fn r7_3_selectors_cover_only_what_every_list_names() {
        let selector = Selector { levels: vec!["Province".into()], agencies: vec![], holders: vec!["Agency".into()] };
        let policies = [policy("a", 0, Some(selector))];
        assert_eq!(effective(SUBJECT, &policies, limits(1), Bytes(9)).policy, None);
        let agency = Subject { holder: "Agency", ..SUBJECT };
        assert_eq!(effective(agency, &policies, limits(1), Bytes(9)).policy.as_deref(), Some("a"));
    }

    #[test]
    fn r7_3_references_to_nothing_fall_through_and_are_reported() {
        let policies = [policy("a", 0, Some(Selector::default()))];
        let found = effective(Subject { own_ref: Some("gone"), ..SUBJECT }, &policies, limits(1), Bytes(9));
        assert_eq!(found.policy.as_deref(), Some("a"));
        assert_eq!(found.missing, Some(("spec.quotaPolicyRef", "gone".into())));
    }

    #[test]
    fn r7_3_b_the_attachment_is_capped_by_the_systems_largest() {
        let found = effective(SUBJECT, &[], limits(1), Bytes(7));
        assert_eq!(found.limits.max_attachment, Bytes(7));
    }
}
