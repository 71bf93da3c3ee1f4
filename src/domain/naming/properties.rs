//! What holds for every name and every crowd of claimants, tried on made-up ones. A failure prints the seed that repeats it.

use std::collections::{BTreeSet, HashMap};

use arbtest::arbitrary::{Result, Unstructured};
use arbtest::arbtest;
use unicode_normalization::UnicodeNormalization;

use super::fold::fold;
use super::local_part::MAX_OCTETS;
use super::*;

const WORDS: [&str; 26] = [
    "Nguyễn",
    "Trần",
    "Lê",
    "Đỗ",
    "Hoàng",
    "Thị",
    "Văn",
    "Như",
    "Quỳnh",
    "Minh",
    "An",
    "Hòa",
    "Hoà",
    "Thủy",
    "Thùy",
    "H'Lan",
    "H’",
    "Rơ-Châm",
    "Y",
    "Ñŏ",
    "Bơ̆ng",
    "Čuih",
    "ƀar",
    "ÐỨC",
    "kpă",
    "Ksor",
];
const SUFFIXES: [&str; 3] = ["stttt", "dakpo", "x"];

/// One to six words, sometimes with characters that may not stand there.
fn name(u: &mut Unstructured) -> Result<String> {
    let count = u.int_in_range(1..=6)?;
    let mut words = Vec::new();
    for _ in 0..count {
        words.push(match u.int_in_range(0..=19)? {
            0 => String::from_utf8_lossy(u.bytes(6)?).into_owned(),
            1 => u.arbitrary::<char>()?.to_string(),
            _ => (*u.choose(&WORDS)?).to_owned(),
        });
    }
    Ok(words.join(u.choose(&[" ", "  ", "\u{a0}", "-"])?))
}

/// A dot-atom of RFC 5321 in lower case that is an object name as well, checked without the code that makes it.
fn is_dot_atom(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= MAX_OCTETS && text.split('.').all(label)
}

#[test]
fn step_7_folding_is_idempotent_and_the_same_for_nfc_and_nfd() {
    arbtest(|u| {
        let text = if u.arbitrary()? { name(u)? } else { u.arbitrary::<String>()? };
        let folded = fold(&text);
        assert!(folded.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{text:?} → {folded:?}");
        assert_eq!(fold(&folded), folded, "{text:?}");
        assert_eq!(fold(&text.nfc().collect::<String>()), folded, "{text:?}");
        assert_eq!(fold(&text.nfd().collect::<String>()), folded, "{text:?}");
        Ok(())
    });
}

#[test]
fn r3_4_a_name_in_nfc_and_in_nfd_is_one_name() {
    arbtest(|u| {
        let text = name(u)?;
        let (nfc, nfd): (String, String) = (text.nfc().collect(), text.nfd().collect());
        assert_eq!(person_name(&nfc, None), person_name(&nfd, None), "{text:?}");
        assert!(same_name(&nfc, &nfd), "{text:?}");
        if let Ok(name) = person_name(&text, None) {
            let stored = name.stored();
            assert_eq!(stored.nfc().collect::<String>(), stored, "stored in NFC");
            let again = person_name(stored, None).unwrap();
            assert_eq!((again.stored(), again.steps()), (stored, name.steps()), "{text:?}");
        }
        Ok(())
    });
}

#[test]
fn rfc_5321_every_address_that_the_rules_give_is_a_dot_atom() {
    arbtest(|u| {
        let (text, suffix) = (name(u)?, *u.choose(&SUFFIXES)?);
        let Ok(name) = person_name(&text, None) else { return Ok(()) };
        let mut given: Vec<LocalPart> =
            candidates(&name, suffix).into_iter().flatten().map(|candidate| candidate.local_part).collect();
        given.extend(with_disambiguator(&name, suffix, "1985").map(|derived| derived.local_part));
        let distinct: BTreeSet<_> = given.iter().collect();
        assert_eq!(distinct.len(), given.len(), "{text:?}");
        for local_part in given {
            assert!(is_dot_atom(local_part.as_str()), "{text:?} → {local_part}");
        }
        Ok(())
    });
}

#[test]
fn r4_1_every_address_of_a_body_is_a_dot_atom() {
    arbtest(|u| {
        let words =
            ["Sở", "Phòng", "Ban", "UBND", "huyện", "xã", "và", "Ia", "Grai", "–", "12", "Tư pháp", "Môi trường"];
        let count = u.int_in_range(1..=9)?;
        let words = (0..count).map(|_| u.choose(&words).copied()).collect::<Result<Vec<_>>>()?.join(" ");
        let level = *u.choose(&[Level::Province, Level::District, Level::Commune, Level::Unit])?;
        let naming = AgencyNaming {
            level,
            name: &words,
            initials: None,
            form: None,
            local_part: None,
            suffix: None,
            parent: None,
        };
        let parent = agency_address(
            Profile::GiaLai2022,
            &AgencyNaming { level: Level::District, name: "UBND huyện Ia Grai", ..naming },
        );
        let naming = AgencyNaming { parent: parent.as_ref().ok(), ..naming };
        for profile in [Profile::GiaLai2022, Profile::TwoTier2025] {
            if let Ok(address) = agency_address(profile, &naming) {
                assert!(is_dot_atom(address.local_part.as_str()), "{words}: {}", address.local_part);
                assert!(
                    is_dot_atom(&address.suffix) && !address.suffix.contains(['.', '-']),
                    "{words}: {}",
                    address.suffix
                );
            }
        }
        Ok(())
    });
}

/// Who is there and who comes: few names, so that they collide.
struct Crowd {
    held: HashMap<LocalPart, Held>,
    requests: Vec<Request>,
}

fn local(text: &str) -> LocalPart {
    LocalPart::parse(text, "").unwrap()
}

fn one(u: &mut Unstructured, id: usize) -> Result<Request> {
    let names = [
        "Trần Huỳnh Tấn Minh",
        "Trương Hoàng Tiến Minh",
        "Trần Tấn Minh",
        "Trần Hùng Tấn Minh",
        "Lê An",
        "Lý An",
        "Tạ Minh",
        "Tà Minh",
        "Trần Anh Minh",
        "Trương Ân Minh",
    ];
    let name = *u.choose(&names)?;
    let person = person_name(name, None).unwrap();
    let candidates = candidates(&person, "stttt").unwrap();
    let wish = match u.int_in_range(0..=7)? {
        0 => Wish::Pinned(local(u.choose(&["sttt", "minhtht.stttt", "an", "anle.stttt"])?)),
        1 => {
            let derived = with_disambiguator(&person, "stttt", u.choose(&["1", "2"])?).unwrap();
            Wish::Decided(Candidate { rule: "4.2.c", local_part: derived.local_part, steps: derived.steps })
        }
        2 => Wish::Decided(candidates[0].clone()),
        _ => Wish::Ranked(candidates.clone()),
    };
    let some = |u: &mut Unstructured| -> Result<BTreeSet<LocalPart>> {
        let yes = u.ratio(1, 8)?;
        Ok(candidates.iter().take(usize::from(yes)).map(|c| c.local_part.clone()).collect())
    };
    Ok(Request { id: format!("nv-{id}"), name: name.into(), wish, supersedes: some(u)?, left: some(u)? })
}

fn crowd(u: &mut Unstructured) -> Result<Crowd> {
    let mut held = HashMap::new();
    for id in 0..u.int_in_range(0..=3)? {
        let holder = one(u, 100 + id)?;
        let address_use = *u.choose(&[Use::Primary, Use::Alias, Use::Tombstone, Use::Reserved])?;
        let local_part = holder.wish.local_parts()[0].clone();
        held.insert(local_part, Held { owner: holder.id, name: holder.name, address_use, purged: None });
    }
    let count = u.int_in_range(0..=9)?;
    let requests = (0..count).map(|id| one(u, id)).collect::<Result<_>>()?;
    Ok(Crowd { held, requests })
}

#[test]
fn d_05_no_two_live_holders_share_an_address_and_nobody_has_a_reserved_one() {
    arbtest(|u| {
        let Crowd { held, requests } = crowd(u)?;
        let result = allocate(&requests, |local_part| held.get(local_part));
        assert_eq!(result.outcomes.len(), requests.len(), "everybody gets an answer");
        let mut given = BTreeSet::new();
        for request in &requests {
            let Ok(grant) = &result.outcomes[&request.id] else { continue };
            let local_part = &grant.local_part;
            assert!(given.insert(local_part.clone()), "{local_part} twice");
            assert!(!is_reserved(local_part), "{local_part}");
            assert!(request.wish.local_parts().contains(&local_part), "{local_part} was not wanted");
            let before = held.get(local_part);
            let free =
                before.is_none_or(|h| h.address_use == Use::Tombstone && request.supersedes.contains(local_part));
            assert!(free, "{local_part} is held by {before:?}");
        }
        Ok(())
    });
}

#[test]
fn d_03_the_order_of_who_wants_never_matters() {
    arbtest(|u| {
        let Crowd { held, mut requests } = crowd(u)?;
        let result = allocate(&requests, |local_part| held.get(local_part));
        for _ in 0..3 {
            for at in (1..requests.len()).rev() {
                requests.swap(at, u.int_in_range(0..=at)?);
            }
            assert_eq!(allocate(&requests, |local_part| held.get(local_part)), result);
        }
        Ok(())
    });
}

#[test]
fn d_02_d_03_another_look_beside_what_was_issued_says_the_same() {
    arbtest(|u| {
        let Crowd { mut held, requests } = crowd(u)?;
        let first = allocate(&requests, |local_part| held.get(local_part));
        let mut rest = Vec::new();
        for request in requests {
            let Ok(grant) = &first.outcomes[&request.id] else {
                rest.push(request);
                continue;
            };
            let (owner, name) = (request.id, request.name);
            held.insert(grant.local_part.clone(), Held { owner, name, address_use: Use::Primary, purged: None });
        }
        let again = allocate(&rest, |local_part| held.get(local_part));
        for (id, outcome) in &again.outcomes {
            assert_eq!(outcome, &first.outcomes[id], "{id}");
        }
        Ok(())
    });
}
