//! Why a call to the API server failed, and what that means.

use std::fmt;

use crate::domain::text::cut;

/// Bytes of what the API server said that are kept: some answers name every field of an object.
const SAID: usize = 480;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server or the way to it.
    #[error("{call}: {}", said(.source, .call))]
    Api {
        /// What was tried.
        call: Call,
        /// Why it failed.
        source: Box<kube::Error>,
    },
    /// No answer in time.
    #[error("{call}: no answer from the API server within 10 s")]
    Timeout {
        /// What was tried.
        call: Call,
    },
}

/// What was tried on which object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The verb, as RBAC names it; `patch/status` is apart.
    pub verb: &'static str,
    /// The kind.
    pub kind: String,
    /// The name.
    pub name: String,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.verb, self.kind, self.name)
    }
}

/// What to do about a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Somebody else wrote at the same time: again at once.
    Conflict,
    /// The Role lacks a verb, or a quota, policy or webhook says no: again in minutes.
    Forbidden,
    /// The object is not taken as it is: again in minutes.
    Invalid,
    /// Anything else: again with backoff.
    Transient,
}

impl Error {
    /// What to do about it.
    pub fn class(&self) -> Class {
        match self.code() {
            409 => Class::Conflict,
            403 => Class::Forbidden,
            400 | 405 | 406 | 413 | 415 | 422 => Class::Invalid,
            _ => Class::Transient,
        }
    }

    /// Whether what was tried may have been done all the same: only an answer that refuses says that it was not.
    pub fn may_be_done(&self) -> bool {
        let code = self.code();
        code == 408 || !(400..500).contains(&code)
    }

    /// What was tried.
    pub fn call(&self) -> &Call {
        match self {
            Self::Api { call, .. } | Self::Timeout { call } => call,
        }
    }

    /// What the API server said, at most 480 bytes of it.
    pub fn said(&self) -> String {
        match self {
            Self::Api { source, call } => said(source, call),
            Self::Timeout { .. } => "no answer within 10 s".into(),
        }
    }

    /// The API server finds the object itself wrong.
    pub fn is_invalid(&self) -> bool {
        self.code() == 422
    }

    /// The kind is not served here, or the Role does not let us write it.
    pub fn is_not_served(&self) -> bool {
        matches!(self.code(), 403 | 404)
    }

    pub(super) fn matches(&self, test: impl Fn(&kube::core::Status) -> bool) -> bool {
        matches!(self, Self::Api { source, .. } if matches!(source.as_ref(), kube::Error::Api(status) if test(status)))
    }

    /// The HTTP status; 0 where there was no answer.
    fn code(&self) -> u16 {
        match self {
            Self::Api { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => status.code,
                _ => 0,
            },
            Self::Timeout { .. } => 0,
        }
    }
}

/// The sentence of the API server alone, or why there was none. An answer that finds the content of a Secret wrong may repeat
/// it: then the fields alone.
fn said(error: &kube::Error, call: &Call) -> String {
    match error {
        kube::Error::Api(status) if call.kind == "Secret" && matches!(status.code, 400 | 413 | 415 | 422) => {
            let causes = status.details.iter().flat_map(|d| &d.causes).map(|c| c.field.as_str());
            let fields: Vec<&str> = causes.filter(|f| !f.is_empty()).collect();
            let fields = if fields.is_empty() { "not told".into() } else { fields.join(", ") };
            cut(&format!("HTTP {} {}: the Secret is not taken; fields: {fields}", status.code, status.reason), SAID)
        }
        kube::Error::Api(status) if !status.message.is_empty() => cut(&status.message, SAID),
        kube::Error::Api(status) => format!("HTTP {}", status.code),
        other => cut(&other.to_string(), SAID),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: u16, message: &str) -> Error {
        let status = kube::core::Status { code, message: message.into(), ..kube::core::Status::default() };
        let call = Call { verb: "create", kind: "Secret".into(), name: "nv-1-credentials".into() };
        Error::Api { call, source: Box::new(kube::Error::Api(Box::new(status))) }
    }

    #[test]
    fn what_is_said_of_a_secret_never_repeats_it() {
        let said = error(422, "data[hash]: Invalid value: \"kT4mx@9RwB7@npq3H\"").to_string();
        assert!(!said.contains("kT4mx") && said.contains("create Secret nv-1-credentials: HTTP 422"), "{said}");
        assert!(error(403, "secrets is forbidden: quota").to_string().contains("forbidden: quota"));
    }

    #[test]
    fn what_may_pass_is_told_from_what_may_not() {
        for (code, class) in [
            (409, Class::Conflict),
            (403, Class::Forbidden),
            (422, Class::Invalid),
            (400, Class::Invalid),
            (429, Class::Transient),
            (500, Class::Transient),
            (503, Class::Transient),
            (404, Class::Transient),
        ] {
            assert_eq!(error(code, "").class(), class, "{code}");
        }
    }

    #[test]
    fn only_an_answer_that_refuses_says_that_nothing_was_done() {
        for (code, done) in
            [(409, false), (403, false), (404, false), (422, false), (429, false), (500, true), (504, true)]
        {
            assert_eq!(error(code, "").may_be_done(), done, "{code}");
        }
        let call = Call { verb: "update", kind: "Secret".into(), name: "x".into() };
        assert!(Error::Timeout { call }.may_be_done());
    }

    #[test]
    fn an_error_says_what_was_tried_and_what_the_server_said_once_and_bounded() {
        let text = error(403, "exceeded quota: q").to_string();
        assert_eq!(text, "create Secret nv-1-credentials: exceeded quota: q");
        assert!(error(500, &"field ".repeat(1000)).to_string().len() < SAID + 60);
    }
}
