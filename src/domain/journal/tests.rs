use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn event(n: usize) -> Event {
    Event {
        key: format!("lock/nv-{n}/2026-06-16"),
        at: at("2026-06-15T17:00:00Z"),
        actor: "mail-operator".into(),
        mailbox: format!("nv-{n}"),
        address: format!("quynhhtn{n}.stttt@gialai.gov.vn"),
        action: "Lock".into(),
        cause: "Inactive".into(),
        rule: "6.2.a".into(),
        document: n.is_multiple_of(2).then(|| "12/STTTT-VP ngày 2/2/2026, \"Sở\"".into()),
        before: "Active".into(),
        after: "Locked".into(),
        note: "dòng 1\ndòng 2".into(),
    }
}

/// The lines of a journal of so many entries.
fn journal(entries: usize) -> (Vec<String>, Head) {
    let mut head = Head::default();
    let lines = (0..entries).map(|n| {
        let (line, next) = seal(&head, &event(n)).expect("JSON");
        head = next;
        line + "\n"
    });
    (lines.collect(), head)
}

fn known(head: &Head) -> Known {
    Known { first: Some(1), heads: vec![head.clone()], noted: None }
}

#[test]
fn r7_2_a_good_journal_is_good_and_says_what_it_holds() {
    let (lines, head) = journal(5);
    let summary = verify("a", &lines.concat(), known(&head)).expect("good");
    assert_eq!((summary.entries, summary.first.map(|f| f.0), &summary.head), (5, Some(1), &head));
    assert!(lines.iter().all(|line| line.matches('\n').count() == 1), "one line each");
    assert_eq!(read(lines[3].trim_end()).expect("an entry").event, event(3), "it reads back");
    assert_eq!(verify("a", "", Known::default()).expect("empty").entries, 0);
}

#[test]
fn r7_2_the_hash_is_that_of_the_line_before_it_so_that_anybody_can_check_it() {
    let (lines, head) = journal(1);
    let (canonical, rest) = lines[0].split_once(",\"hash\":").expect("a hash");
    assert_eq!(hash(canonical.as_bytes()), head.hash);
    assert_eq!(rest, format!("\"{}\"}}\n", head.hash));
    assert!(canonical.starts_with(&format!("{{\"sequence\":1,\"prev\":\"{GENESIS}\",\"key\":")), "{canonical}");
}

#[test]
fn r7_2_each_kind_of_damage_is_named_at_its_place() {
    let (lines, head) = journal(6);
    let bad = |lines: Vec<String>| {
        let bad = verify("f", &lines.concat(), known(&head)).expect_err("bad");
        (bad.fault, bad.place.line, bad.sequence)
    };
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = lines.clone();
        change(&mut lines);
        bad(lines)
    };
    assert_eq!(with(&|l| l[2] = l[2].replace("Inactive", "Compromised")), (Fault::Changed, 3, 3));
    assert_eq!(with(&|l| drop(l.remove(2))), (Fault::Missing, 3, 4));
    assert_eq!(with(&|l| drop(l.remove(0))), (Fault::Missing, 1, 2), "the beginning is known");
    assert_eq!(with(&|l| drop(l.remove(5))), (Fault::CutOff, 6, 6), "the end is known");
    assert_eq!(with(&|l| l.swap(2, 3)), (Fault::OutOfOrder, 3, 4));
    assert_eq!(with(&|l| l.insert(3, l[2].clone())), (Fault::Duplicate, 4, 3));
    assert_eq!(with(&|l| l.insert(5, l[1].clone())), (Fault::OutOfOrder, 6, 2));
    assert_eq!(with(&|l| l[3] = "hello\n".into()), (Fault::NotJson, 4, 4));
    assert_eq!(with(&|l| l[5].truncate(100)), (Fault::CutOff, 6, 6), "a crash in the middle of a write");
    // Somebody who makes new hashes breaks the chain after it.
    let (replaced, _) = seal(&read(lines[1].trim_end()).map(head_of).expect("entry"), &event(77)).expect("JSON");
    assert_eq!(with(&|l| l[2] = replaced.clone() + "\n"), (Fault::Changed, 4, 4));
    let last = |l: &mut Vec<String>| {
        let before = read(l[4].trim_end()).map(head_of).expect("entry");
        l[5] = seal(&before, &event(77)).expect("JSON").0 + "\n";
    };
    assert_eq!(with(&last), (Fault::Changed, 6, 6), "the head is known");
}

fn head_of(entry: Entry) -> Head {
    Head { sequence: entry.sequence, hash: entry.hash }
}

#[test]
fn r7_2_whatever_is_done_to_any_entry_the_first_bad_one_is_named() {
    arbtest::arbtest(|u| {
        let (lines, head) = journal(u.int_in_range(2..=12)?);
        let i = u.int_in_range(0..=lines.len() - 1)?;
        let mut broken = lines.clone();
        let line = match u.int_in_range(0..=4)? {
            0 => {
                // one byte is another one
                let mut bytes = lines[i].clone().into_bytes();
                let at = u.int_in_range(0..=bytes.len() - 2)?;
                let new = u.int_in_range(b' '..=b'~')?;
                if bytes[at] == new {
                    return Ok(());
                }
                bytes[at] = new;
                let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
                broken[i] = text;
                i
            }
            1 => {
                broken.remove(i);
                i
            }
            2 => {
                let at = u.int_in_range(0..=lines[i].len() - 2)?;
                if !lines[i].is_char_boundary(at) {
                    return Ok(());
                }
                broken[i].truncate(at);
                broken[i].push('\n');
                i
            }
            3 => {
                let to = u.int_in_range(i + 1..=lines.len())?;
                broken.insert(to, lines[i].clone());
                to
            }
            _ => {
                let other = u.int_in_range(0..=lines.len() - 1)?;
                if other == i {
                    return Ok(());
                }
                broken.swap(i, other);
                i.min(other)
            }
        };
        let bad = verify("f", &broken.concat(), known(&head)).expect_err("it is broken");
        assert_eq!(bad.place.line, line as u64 + 1, "{bad:?}");
        Ok(())
    })
    .budget_ms(2_000);
}

#[test]
fn r7_2_after_the_retention_a_chain_begins_with_the_first_entry_that_is_there() {
    let (lines, head) = journal(6);
    let summary = verify("f", &lines[3..].concat(), Known::default()).expect("good");
    assert_eq!((summary.entries, summary.first.map(|f| f.0)), (3, Some(4)));
    let of_index = Known { first: Some(4), heads: vec![head], noted: None };
    let printed = preamble(&of_index).expect("JSON") + "\n" + &lines[3..].concat();
    assert_eq!(verify("f", &printed, Known::default()).expect("good").entries, 3);
    let printed = preamble(&of_index).expect("JSON") + "\n" + &lines[4..].concat();
    let bad = verify("f", &printed, Known::default()).expect_err("entry 4 is gone");
    assert_eq!((bad.fault, bad.place.line), (Fault::Missing, 2));
    assert!(bad.message.contains("entry 4 is missing"), "{}", bad.message);
    // A head that somebody noted long ago says nothing of what the retention left.
    let old = Known { first: None, heads: vec![Head { sequence: 1, hash: GENESIS.into() }], noted: None };
    assert!(verify("f", &lines[3..].concat(), old).is_ok());
}

#[test]
fn r7_2_what_was_noted_outside_must_be_there_wherever_the_journal_begins() {
    let (lines, head) = journal(6);
    let noted = |head: &Head| Known { noted: Some(head.clone()), ..Known::default() };
    let fourth = Head { sequence: 4, hash: read(lines[3].trim_end()).expect("an entry").hash };
    for begin in 0..4 {
        assert!(verify("f", &lines[begin..].concat(), noted(&fourth)).is_ok(), "{begin}");
    }
    let of = |text: String, head: &Head| verify("f", &text, noted(head)).expect_err("bad");
    let bad = of(lines[4..].concat(), &fourth);
    assert_eq!((bad.fault, bad.sequence), (Fault::Missing, 5), "{}", bad.message);
    assert!(bad.message.contains("entry 4 is missing"), "{}", bad.message);
    let bad = of(lines[..4].concat(), &head);
    assert_eq!((bad.fault, bad.sequence), (Fault::CutOff, 5));
    let bad = of(lines.concat(), &Head { sequence: 4, hash: head.hash.clone() });
    assert_eq!((bad.fault, bad.sequence), (Fault::Changed, 4));
    assert_eq!(of(String::new(), &head).fault, Fault::CutOff);
    // What the index says of the retention takes nothing away from it.
    let printed = preamble(&Known { first: Some(5), ..Known::default() }).expect("JSON") + "\n" + &lines[4..].concat();
    assert_eq!(of(printed, &fourth).fault, Fault::Missing);
}

#[test]
fn the_copy_on_stdout_can_be_verified_too() {
    let (lines, head) = journal(4);
    let copy: String = lines.iter().map(|l| for_stdout(l.trim_end()) + "\n").collect();
    assert_eq!(verify("log", &copy, known(&head)).expect("good").entries, 4);
    assert_eq!(head, head.to_string().parse().expect("a head"));
    assert!("12".parse::<Head>().is_err());
}

#[test]
fn what_no_journal_can_take_is_refused_and_long_texts_are_cut() {
    assert_eq!(Event { key: String::new(), ..event(1) }.fit(), Err(Unfit::NoKey));
    assert_eq!(Event { key: "k".repeat(301), ..event(1) }.fit(), Err(Unfit::LongKey));
    assert_eq!(Event { actor: String::new(), ..event(1) }.fit(), Err(Unfit::Nothing));
    let long = Event { note: "đ".repeat(4_000), ..event(1) }.fit().expect("cut");
    assert!(long.note.len() <= LONGEST_TEXT && long.note.ends_with('…'));
}

#[test]
fn r7_2_files_go_only_when_each_entry_is_older_than_the_months_and_enough_newer_ones_are_there() {
    let names: Vec<String> = (1..=9).map(|m| format!("journal-2026-{m:02}.jsonl")).collect();
    let gone = |now: &str, months: u16| outdated(&names, at(now), months);
    // 31 July 2026 is a Friday: on the last moment of it the entries of 31 January are six months old and no more.
    assert_eq!(gone("2026-07-31T16:59:59Z", 6), Vec::<String>::new());
    assert_eq!(gone("2026-07-31T17:00:00Z", 6), ["journal-2026-01.jsonl"]);
    assert_eq!(gone("2026-07-31T17:00:00Z", 2), ["journal-2026-01.jsonl"], "less than six is six");
    assert_eq!(gone("2026-07-31T17:00:00Z", 12), Vec::<String>::new());
    // A clock that jumped far ahead.
    assert_eq!(gone("2099-01-01T00:00:00Z", 6), names[..2].to_vec());
    assert_eq!(outdated(&names[..7], at("2099-01-01T00:00:00Z"), 6), Vec::<String>::new());
    let other = ["journal-2026-13.jsonl", "journal-26-1.jsonl", "index.sqlite", "journal-2026-01.jsonl.bak"];
    assert!(other.iter().all(|name| month_of(name).is_none()));
}
