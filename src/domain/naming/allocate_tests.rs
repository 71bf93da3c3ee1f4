use std::collections::HashMap;

use super::super::{candidates, person_name, with_disambiguator};
use super::*;

fn local(text: &str) -> LocalPart {
    LocalPart::parse(text, "spec.localPart").unwrap()
}

fn person(id: &str, name: &str) -> Request {
    let wish = Wish::Ranked(candidates(&person_name(name, None).unwrap(), "stttt").unwrap());
    Request { id: id.into(), name: name.into(), wish, supersedes: BTreeSet::new(), left: BTreeSet::new() }
}

fn disambiguated(id: &str, name: &str, extra: &str) -> Request {
    let derived = with_disambiguator(&person_name(name, None).unwrap(), "stttt", extra).unwrap();
    let wish = Wish::Decided(Candidate { rule: "4.2.c", local_part: derived.local_part, steps: derived.steps });
    Request { wish, ..person(id, name) }
}

fn pinned(id: &str, name: &str, pin: &str) -> Request {
    Request { wish: Wish::Pinned(local(pin)), ..person(id, name) }
}

fn body(id: &str, name: &str, address: &str) -> Request {
    let wish = Wish::Decided(Candidate { rule: "4.1.d", local_part: local(address), steps: Vec::new() });
    Request { id: id.into(), name: name.into(), wish, supersedes: BTreeSet::new(), left: BTreeSet::new() }
}

fn held(owner: &str, name: &str, address_use: Use) -> Held {
    Held { owner: owner.into(), name: name.into(), address_use, purged: None }
}

/// Outcome as text, checked to be the same in the opposite order.
fn settle(requests: &[Request], claims: &[(&str, Held)]) -> BTreeMap<String, String> {
    let claims: HashMap<LocalPart, Held> = claims.iter().map(|(l, h)| (local(l), h.clone())).collect();
    let result = allocate(requests, |l| claims.get(l));
    let reversed: Vec<Request> = requests.iter().rev().cloned().collect();
    assert_eq!(allocate(&reversed, |l| claims.get(l)), result, "the order of who wants never matters");
    let text = |outcome: Result<Grant, Conflict>| match outcome {
        Ok(grant) => format!("{} {}", grant.rule, grant.local_part),
        Err(conflict) => format!("{:?}", conflict.cause),
    };
    result.outcomes.into_iter().map(|(id, outcome)| (id, text(outcome))).collect()
}

fn is(outcomes: &BTreeMap<String, String>, id: &str, expected: &str) {
    assert_eq!(outcomes[id], expected, "{id} of {outcomes:?}");
}

const TIEN: &str = "Trương Hoàng Tiến Minh";
const TAN: &str = "Trần Huỳnh Tấn Minh";

#[test]
fn d_03_two_newcomers_with_one_address_both_take_rule_b() {
    let all = settle(&[person("tien", TIEN), person("tan", TAN)], &[]);
    is(&all, "tien", "4.2.b tienminhth.stttt");
    is(&all, "tan", "4.2.b tanminhth.stttt");
}

#[test]
fn d_03_what_was_contested_stays_closed_until_all_have_an_address() {
    let requests = [person("tien", TIEN), person("tan", TAN)];
    let result = allocate(&requests, |_| None);
    assert_eq!(result.contested, [(local("minhtht.stttt"), ["tan".to_string(), "tien".to_string()].into())].into());
    // The operator was killed after the first of the two: the second one gets what it would have got.
    let claims = [("tienminhth.stttt", held("tien", TIEN, Use::Primary))];
    let tan = Request { left: [local("minhtht.stttt")].into(), ..person("tan", TAN) };
    is(&settle(std::slice::from_ref(&tan), &claims), "tan", "4.2.b tanminhth.stttt");
    // Who comes later did not leave it.
    let later = settle(&[tan, person("later", "Trịnh Hữu Thế Minh")], &claims);
    is(&later, "tan", "4.2.b tanminhth.stttt");
    is(&later, "later", "4.2.a minhtht.stttt");
}

#[test]
fn d_03_who_got_no_address_may_come_back_to_the_contested_one() {
    let result = allocate(&[person("a", TAN), person("b", TAN), person("c", TIEN)], |_| None);
    assert_eq!(result.contested, [(local("minhtht.stttt"), ["c".to_string()].into())].into());
}

#[test]
fn a_conflict_names_a_few_rivals_whatever_the_order() {
    let many: Vec<Request> = (0..50).map(|i| person(&format!("nv-{i:02}"), TAN)).collect();
    let result = allocate(&many, |_| None);
    let Err(conflict) = &result.outcomes["nv-07"] else { panic!("{result:?}") };
    let named: Vec<&str> = conflict.tried[0].1.iter().map(|r| r.id.as_str()).collect();
    assert_eq!(named, ["nv-00", "nv-01", "nv-02", "nv-03"]);
}

#[test]
fn d_02_the_newcomer_yields() {
    let all = settle(&[person("tan", TAN)], &[("minhtht.stttt", held("tien", TIEN, Use::Primary))]);
    is(&all, "tan", "4.2.b tanminhth.stttt");
}

#[test]
fn d_05_aliases_tombstones_and_reserved_ones_are_taken_too() {
    for address_use in [Use::Alias, Use::Tombstone, Use::Reserved] {
        let all = settle(&[person("tan", TAN)], &[("minhtht.stttt", held("x", "Ai Đó", address_use))]);
        is(&all, "tan", "4.2.b tanminhth.stttt");
    }
}

#[test]
fn r4_2_c_the_same_full_name_waits_for_a_disambiguator() {
    let taken = [("minhtht.stttt", held("old", TAN, Use::Primary))];
    is(&settle(&[person("new", TAN)], &taken), "new", "SameName");
    is(&settle(&[disambiguated("new", TAN, "2")], &taken), "new", "4.2.c minhtht2.stttt");
    let both = settle(&[person("a", TAN), person("b", TAN)], &[]);
    is(&both, "a", "SameName");
    is(&both, "b", "SameName");
    let one_decided = settle(&[person("a", TAN), disambiguated("b", TAN, "2")], &[]);
    is(&one_decided, "a", "4.2.a minhtht.stttt");
    is(&one_decided, "b", "4.2.c minhtht2.stttt");
}

#[test]
fn d_06_where_the_tone_mark_stands_makes_no_other_name() {
    let all = settle(&[person("a", "Lê Thị Hoà"), person("b", "Lê Thị Hòa")], &[]);
    is(&all, "a", "SameName");
    let differ = settle(&[person("a", "Lê Thị Thủy"), person("b", "Lê Thị Thùy")], &[]);
    // The same address all the way to F2: nothing tells them apart but a disambiguator.
    is(&differ, "a", "Exhausted");
    is(&differ, "b", "Exhausted");
}

#[test]
fn r4_2_c_two_of_one_name_do_not_keep_a_third_from_rule_b() {
    let all = settle(&[person("a", TAN), person("b", TAN), person("c", TIEN)], &[]);
    is(&all, "c", "4.2.b tienminhth.stttt");
    is(&all, "a", "SameName");
    is(&all, "b", "SameName");
}

#[test]
fn d_04_fallbacks_when_rule_b_is_taken_or_impossible() {
    let taken = [
        ("minhtht.stttt", held("x", TIEN, Use::Primary)),
        ("tanminhth.stttt", held("y", "Tống Hữu Tân Minh", Use::Primary)),
    ];
    is(&settle(&[person("tan", TAN)], &taken), "tan", "D-04 tanminhtranh.stttt");
    let short = settle(&[person("a", "Lê An"), person("b", "Lý Ẩn")], &[]);
    is(&short, "a", "D-04 anle.stttt");
    is(&short, "b", "D-04 anly.stttt");
    is(&settle(&[person("s", "Siu")], &[("siu.stttt", held("x", "Siu Ơ", Use::Primary))]), "s", "Exhausted");
}

#[test]
fn d_21_pins_are_settled_before_derivations() {
    let all = settle(&[person("tan", TAN), pinned("p", "Ai Đó", "minhtht.stttt")], &[]);
    is(&all, "p", "D-21 minhtht.stttt");
    is(&all, "tan", "4.2.b tanminhth.stttt");
}

#[test]
fn d_21_two_pins_on_one_address_and_a_reserved_one_are_conflicts() {
    let all = settle(&[pinned("a", "A", "x.stttt"), pinned("b", "B", "x.stttt"), pinned("c", "C", "sttt")], &[]);
    is(&all, "a", "Together");
    is(&all, "b", "Together");
    is(&all, "c", "Reserved");
    is(&settle(&[pinned("a", "A", "x.stttt")], &[("x.stttt", held("b", "B", Use::Primary))]), "a", "Taken");
}

#[test]
fn d_05_a_unit_and_a_person_can_meet_and_the_person_yields() {
    let requests = [body("agency-tan", "Phòng Minh", "minhtht.stttt"), person("tan", TAN)];
    let all = settle(&requests, &[]);
    is(&all, "agency-tan", "4.1.d minhtht.stttt");
    is(&all, "tan", "4.2.b tanminhth.stttt");
}

#[test]
fn d_19_a_tombstone_is_free_for_who_supersedes_it() {
    let claims = [("x.stttt", held("gone", "Sở Cũ", Use::Tombstone))];
    let mut request = pinned("new", "Sở Mới", "x.stttt");
    is(&settle(std::slice::from_ref(&request), &claims), "new", "Taken");
    request.supersedes.insert(local("x.stttt"));
    is(&settle(&[request], &claims), "new", "D-21 x.stttt");
}

#[test]
fn an_address_that_one_holds_already_is_given_again() {
    is(
        &settle(&[person("tan", TAN)], &[("minhtht.stttt", held("tan", TAN, Use::Primary))]),
        "tan",
        "4.2.a minhtht.stttt",
    );
}
