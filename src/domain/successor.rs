//! Who gets the mail of a revoked account (requirements §5: refused, or forwarded to the successor). Pure: what is known of the others
//! is asked for by name.

/// Successors that are followed until one is there who receives.
pub const MOST: usize = 8;

/// What of a Mailbox matters to who names it as successor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heir {
    /// Its address, once it has one.
    pub address: Option<String>,
    /// Whether it is revoked.
    pub revoked: bool,
    /// Whom it names itself.
    pub successor: Option<String>,
}

/// Where mail goes instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Name of the Mailbox.
    pub mailbox: String,
    /// Its address.
    pub address: String,
}

/// Why mail goes to nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nobody {
    /// There is no such Mailbox.
    NotFound(String),
    /// It has no address yet.
    NoAddress(String),
    /// It is revoked and names no successor.
    Revoked(String),
    /// Those who are named lead back to one of them: their names.
    Circle(Vec<String>),
    /// So many are revoked one after the other that nobody follows them: their names.
    TooMany(Vec<String>),
}

impl Nobody {
    /// Whether it may end by itself, and what to do, in a sentence.
    pub fn told(&self) -> (bool, String) {
        let (waiting, told) = match self {
            Self::NotFound(name) => (true, format!("there is no Mailbox '{name}'; apply it, or name another one")),
            Self::NoAddress(name) => (true, format!("Mailbox '{name}' has no address yet; its conditions say why")),
            Self::Revoked(name) => (
                true,
                format!(
                    "Mailbox '{name}' is revoked itself and names no successor; name one there, or another one here"
                ),
            ),
            Self::Circle(names) => {
                (false, format!("{} lead in a circle; name somebody who receives", names.join(" → ")))
            }
            Self::TooMany(names) => {
                let names = names.join(" → ");
                (
                    false,
                    format!(
                        "{names} are revoked one after the other, and at most {MOST} are followed; name the last one here"
                    ),
                )
            }
        };
        (waiting, format!("{told}. Mail is refused until then"))
    }
}

/// The first successor who is not revoked, from `first` that the revoked `mailbox` names. A lock is no obstacle: mail is received (R6.1).
pub fn follow(mailbox: &str, first: &str, find: impl Fn(&str) -> Option<Heir>) -> Result<Target, Nobody> {
    let mut passed = vec![mailbox.to_string()];
    let mut next = first.to_string();
    loop {
        if passed.contains(&next) {
            passed.push(next);
            return Err(Nobody::Circle(passed));
        }
        if passed.len() > MOST {
            passed.push(next);
            return Err(Nobody::TooMany(passed));
        }
        let Some(heir) = find(&next) else { return Err(Nobody::NotFound(next)) };
        if !heir.revoked {
            return match heir.address {
                Some(address) => Ok(Target { mailbox: next, address }),
                None => Err(Nobody::NoAddress(next)),
            };
        }
        let Some(successor) = heir.successor else { return Err(Nobody::Revoked(next)) };
        passed.push(std::mem::replace(&mut next, successor));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    type All = HashMap<String, Heir>;

    /// `name:successor`, revoked; `name` alone, somebody who receives; `name:` revoked and without a successor.
    fn all(heirs: &[&str]) -> All {
        let heir = |text: &&str| {
            let (name, next) = text.split_once(':').map_or((*text, None), |(name, next)| (name, Some(next)));
            let successor = next.filter(|next| !next.is_empty()).map(String::from);
            let address = Some(format!("{name}.stttt@x.vn"));
            (name.to_string(), Heir { address, revoked: next.is_some(), successor })
        };
        heirs.iter().map(heir).collect()
    }

    fn followed(all: &All, first: &str) -> Result<String, Nobody> {
        follow("a", first, |name| all.get(name).cloned()).map(|target| target.address)
    }

    #[test]
    fn r5_4_c_mail_goes_to_the_successor_and_on_to_theirs_while_they_are_revoked() {
        assert_eq!(followed(&all(&["b"]), "b").as_deref(), Ok("b.stttt@x.vn"));
        assert_eq!(followed(&all(&["b:c", "c"]), "b").as_deref(), Ok("c.stttt@x.vn"));
        // Whom a successor names that is not revoked makes no difference.
        let mut open = all(&["b", "c"]);
        open.insert("b".into(), Heir { successor: Some("a".into()), ..open["b"].clone() });
        assert_eq!(followed(&open, "b").as_deref(), Ok("b.stttt@x.vn"));
    }

    #[test]
    fn r5_4_c_nobody_who_receives_is_told_apart_and_waited_for() {
        assert_eq!(followed(&all(&[]), "b"), Err(Nobody::NotFound("b".into())));
        assert_eq!(followed(&all(&["b:c"]), "b"), Err(Nobody::NotFound("c".into())));
        assert_eq!(followed(&all(&["b:c", "c:"]), "b"), Err(Nobody::Revoked("c".into())));
        let new = HashMap::from([("b".to_string(), Heir::default())]);
        assert_eq!(followed(&new, "b"), Err(Nobody::NoAddress("b".into())));
        for nobody in [Nobody::NotFound("b".into()), Nobody::NoAddress("b".into()), Nobody::Revoked("b".into())] {
            let (waiting, told) = nobody.told();
            assert!(waiting && told.contains("'b'") && told.ends_with("Mail is refused until then"), "{told}");
        }
    }

    #[test]
    fn r5_4_c_circles_end_wherever_they_close() {
        let names = |names: &[&str]| Err(Nobody::Circle(names.iter().map(|n| n.to_string()).collect()));
        assert_eq!(followed(&all(&["a:a"]), "a"), names(&["a", "a"]));
        assert_eq!(followed(&all(&["a:b", "b:a"]), "b"), names(&["a", "b", "a"]));
        assert_eq!(followed(&all(&["b:c", "c:b"]), "b"), names(&["a", "b", "c", "b"]));
        let (waiting, told) = Nobody::Circle(vec!["a".into(), "b".into(), "a".into()]).told();
        assert!(!waiting && told.starts_with("a → b → a lead in a circle"), "{told}");
    }

    #[test]
    fn r5_4_c_so_many_are_followed_and_no_more() {
        let chain = |revoked: usize| -> All {
            let names: Vec<String> = (1..=revoked).map(|i| format!("n{i}:n{}", i + 1)).collect();
            let mut heirs = all(&names.iter().map(String::as_str).collect::<Vec<_>>());
            heirs.extend(all(&[&*format!("n{}", revoked + 1)]));
            heirs
        };
        assert_eq!(followed(&chain(MOST - 1), "n1").as_deref(), Ok(&*format!("n{MOST}.stttt@x.vn")));
        assert!(matches!(followed(&chain(MOST), "n1"), Err(Nobody::TooMany(_))));
    }
}
