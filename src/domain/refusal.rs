//! Calls that the API server does not carry out: when a person is told, and what they can do.

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The answer was no, and will be until somebody changes something.
    Refused,
    /// Somebody else wrote at the same time.
    Conflict,
    /// No answer, or one that may be another next time.
    Transient,
    /// A bug of ours.
    Bug,
}

/// Attempts that a conflict gets before it is told: with their pauses half a minute.
const CONFLICTS: u32 = 8;
/// The same for what may pass: 15 s and the time of the calls.
const TRANSIENT: u32 = 5;

/// Whether the status is to tell of a failure at this attempt (from 1): never of a blip.
pub fn tell(failure: Failure, attempt: u32) -> bool {
    match failure {
        Failure::Refused | Failure::Bug => true,
        Failure::Conflict => attempt >= CONFLICTS,
        Failure::Transient => attempt >= TRANSIENT,
    }
}

/// What to do about a refusal, from what the API server said.
pub fn remedy(said: &str) -> &'static str {
    let says = |text: &str| said.contains(text);
    if says("exceeded quota") || says("status unknown for quota") {
        "raise that ResourceQuota or remove what is not needed"
    } else if says("is being terminated") {
        "the namespace is being deleted; use another one"
    } else if says("violates PodSecurity") || says("admission webhook") || says("ValidatingAdmissionPolicy") {
        "change that policy or webhook, or what it asks for"
    } else if says("cannot ") && says(" resource ") {
        "give the operator's Role this verb: helm upgrade the chart, with this namespace in 'namespaces'"
    } else if says("is invalid") || says("Invalid value") || says("Required value") {
        "change the field that it names; if you did not write it, the kinds are older than the operator: apply crds/"
    } else {
        "change what it names"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_at_once_and_a_blip_never() {
        assert!(tell(Failure::Refused, 1) && tell(Failure::Bug, 1));
        for (failure, first) in [(Failure::Conflict, 8), (Failure::Transient, 5)] {
            assert!((1..first).all(|attempt| !tell(failure, attempt)), "{failure:?}");
            assert!((first..100).all(|attempt| tell(failure, attempt)), "{failure:?}");
        }
    }

    #[test]
    fn what_the_server_says_leads_to_what_to_do() {
        for (said, expected) in [
            (r#"secrets "x" is forbidden: exceeded quota: secrets, requested: count/secrets=1"#, "ResourceQuota"),
            (r#"secrets "x" is forbidden: User "u" cannot create resource "secrets" in API group """#, "Role"),
            ("ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no", "policy"),
            (r#"admission webhook "w" denied the request: no"#, "policy"),
            (r#"unable to create new content in namespace x because it is being terminated"#, "another one"),
            (r#"Mailbox "x" is invalid: spec.fullName: Invalid value: "": too short"#, "field"),
            ("something new", "what it names"),
        ] {
            assert!(remedy(said).contains(expected), "{said}: {}", remedy(said));
        }
    }
}
