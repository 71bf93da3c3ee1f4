//! Who reads mail for postmaster and abuse (RFC 5321 4.5.1, RFC 2142): somebody who receives, also after the one who was named left.

use crate::api::MailSystem;
use crate::controllers::context::Ctx;
use crate::domain::successor::{self, Heir, Nobody};

/// The address of the Mailbox that `spec.postmasterRef` names, or of its successor once it is revoked; or why nobody reads that mail. None
/// where nobody is named.
pub(super) fn find(system: &MailSystem, ctx: &Ctx) -> Option<Result<String, String>> {
    let named = &system.spec.postmaster_ref.as_ref()?.name;
    let heir = |name: &str| {
        let mailbox = ctx.mailbox(name)?;
        let issued = mailbox.status.as_ref().is_some_and(|status| status.issued_at.is_some());
        let heir = mailbox.heir();
        Some(Heir { address: heir.address.filter(|_| issued), ..heir })
    };
    Some(of(named, heir))
}

fn of(named: &str, find: impl Fn(&str) -> Option<Heir>) -> Result<String, String> {
    // No Mailbox has an empty name: whoever leads in a circle is among those who are named.
    successor::follow("", named, find).map(|target| target.address).map_err(|nobody| told(&nobody))
}

fn told(nobody: &Nobody) -> String {
    let why = match nobody {
        Nobody::NotFound(name) => format!("Mailbox '{name}' does not exist"),
        Nobody::NoAddress(name) => format!("Mailbox '{name}' has no address"),
        Nobody::Revoked(name) => format!("Mailbox '{name}' is revoked and names no successor"),
        Nobody::Circle(names) | Nobody::TooMany(names) => {
            let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
            format!("{} are revoked and name each other", names.join(" → "))
        }
    };
    format!(
        "spec.postmasterRef: {why}; mail for postmaster and abuse is kept in a store that nobody reads. Name somebody who receives"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r5_4_c_mail_for_postmaster_goes_to_who_receives_or_it_is_said_that_nobody_reads_it() {
        let find = |name: &str| {
            let (address, revoked, successor) = match name {
                "nv-reads" => (Some("reads@x.vn"), false, None),
                "nv-new" => (None, false, None),
                "nv-gone" => (Some("gone@x.vn"), true, None),
                "nv-left" => (Some("left@x.vn"), true, Some("nv-reads")),
                "nv-round" => (Some("round@x.vn"), true, Some("nv-round")),
                _ => return None,
            };
            Some(Heir { address: address.map(String::from), revoked, successor: successor.map(String::from) })
        };
        for named in ["nv-reads", "nv-left"] {
            assert_eq!(of(named, find), Ok("reads@x.vn".to_string()), "{named}");
        }
        for (named, part) in [
            ("nv-nobody", "'nv-nobody' does not exist"),
            ("nv-new", "'nv-new' has no address"),
            ("nv-gone", "'nv-gone' is revoked"),
            ("nv-round", ": nv-round → nv-round are revoked"),
        ] {
            let why = of(named, find).expect_err(named);
            assert!(why.contains(part) && why.contains("a store that nobody reads"), "{why}");
        }
    }
}
