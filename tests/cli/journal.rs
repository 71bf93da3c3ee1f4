//! `journal verify` and `journal show`, on files and through a kubectl that stands for a cluster.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use mail_operator::domain::journal::{Event, Head, Known, preamble, seal};
use serde_json::Value;
use tempfile::TempDir;

/// The lines of a journal of `n` entries, one a day from 1 June 2026 on.
fn lines(n: u32) -> (Vec<String>, Head) {
    let mut head = Head::default();
    let lines = (1..=n).map(|i| {
        let event = Event {
            key: format!("lock/nv-{i}"),
            at: format!("2026-06-{i:02}T20:00:00Z").parse().unwrap(),
            actor: "mail-operator".into(),
            mailbox: format!("nv-{i}"),
            address: format!("a{i}.stttt@gialai.gov.vn"),
            action: "Lock".into(),
            cause: "Inactive".into(),
            rule: "6.2.a".into(),
            before: "Active".into(),
            after: "Locked".into(),
            document: Some("12/STTTT-VP ngày 2/2/2026 của Sở Thông tin và Truyền thông".into()),
            ..Event::default()
        };
        let (line, next) = seal(&head, &event).unwrap();
        head = next;
        line + "\n"
    });
    (lines.collect(), head)
}

/// On a terminal of so many columns.
fn run_on(columns: &str, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-mail"));
    let run = command.arg("journal").args(args).env("COLUMNS", columns).env("LANG", "C").env_remove("LC_ALL").output();
    String::from_utf8(run.unwrap().stdout).unwrap()
}

struct Run {
    out: String,
    err: String,
    code: i32,
}

fn run(args: &[&str], path: Option<&Path>, input: &str) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-mail"));
    command.arg("journal").args(args).env_remove("LC_ALL").env_remove("LC_MESSAGES").env("LANG", "C");
    command.env_remove("COLUMNS");
    if let Some(path) = path {
        command.env("PATH", format!("{}:/usr/bin:/bin", path.display()));
    }
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = process.stdin.take().unwrap().write_all(input.as_bytes());
    let run = process.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { out: text(run.stdout), err: text(run.stderr), code: run.status.code().unwrap() }
}

/// A folder with the journal in two files.
fn folder(lines: &[String]) -> (TempDir, [String; 2]) {
    let folder = TempDir::new().unwrap();
    let name = |month: u8| folder.path().join(format!("journal-2026-{month:02}.jsonl")).to_string_lossy().into_owned();
    let names = [name(6), name(7)];
    fs::write(&names[0], lines[..3].concat()).unwrap();
    fs::write(&names[1], lines[3..].concat()).unwrap();
    (folder, names)
}

#[test]
fn r7_2_a_good_journal_says_where_it_begins_and_ends() {
    let (lines, head) = lines(5);
    let (_folder, [june, july]) = folder(&lines);
    let good = run(&["verify", &june, &july], None, "");
    assert_eq!((good.code, good.err.as_str()), (0, ""));
    let expected = format!("every entry is good: 5, from 1 (2026-06-02 03:00) to 5 (2026-06-06 03:00)\nhead {head}\n");
    assert_eq!(good.out, expected);
    let head = head.to_string();
    let json = run(&["verify", "-", "-o", "json", "--head", &head], None, &lines.concat());
    let said: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&said["ok"], &said["entries"], &said["head"]), (&true.into(), &5.into(), &head.as_str().into()));
    let vietnamese = run(&["verify", &july, "--lang", "vi"], None, "");
    assert!(vietnamese.out.starts_with("Nhật ký toàn vẹn: 2 mục, từ mục 4"), "{}", vietnamese.out);
    assert!(vietnamese.out.contains("Các mục trước mục 4 không có ở đây"), "{}", vietnamese.out);
}

#[test]
fn r7_2_the_first_bad_entry_is_named_with_file_line_and_number() {
    let (mut lines, head) = lines(5);
    lines[3] = lines[3].replace("6.2.a", "6.2.b");
    let (_folder, [june, july]) = folder(&lines);
    let bad = run(&["verify", &june, &july], None, "");
    assert_eq!(bad.code, 1);
    assert_eq!(
        bad.out,
        format!("{july}:1: entry 4 is not the one that was written: it, or its hash, was changed [Changed]\n")
    );
    let json = run(&["verify", &june, &july, "-o", "json"], None, "");
    let said: Value = serde_json::from_str(&json.out).unwrap();
    let bad = &said["bad"];
    assert_eq!((json.code, &said["ok"], &bad["sequence"]), (1, &false.into(), &4.into()));
    assert_eq!((&bad["fault"], &bad["file"]), (&"Changed".into(), &july.as_str().into()));
    assert!(bad["messageVi"].as_str().unwrap().contains("đã bị sửa"));
    // Cut off where nobody could see it but for the head that was noted.
    let short = run(&["verify", &june, "--head", &head.to_string()], None, "");
    assert!(short.code == 1 && short.out.contains("[CutOff]"), "{}", short.out);
    assert_eq!(run(&["verify", &june], None, "").code, 0);
}

#[test]
fn show_chooses_by_mailbox_and_day_and_fits_the_terminal() {
    let (lines, _) = lines(5);
    let (_folder, [june, july]) = folder(&lines);
    let all = run(&["show", &june, &july], None, "");
    assert_eq!((all.code, all.out.lines().count()), (0, 6));
    assert!(all.out.contains("2026-06-02 03:00 nv-1") && all.out.contains("Active → Locked"), "{}", all.out);
    // Nothing is cut, whatever the terminal; where there is none an entry is a line.
    assert!(all.out.contains("Sở Thông tin và Truyền thông; mail-operator") && !all.out.contains('…'), "{}", all.out);
    for columns in [80, 100] {
        let narrow = run_on(&columns.to_string(), &["show", &june, &july]);
        assert!(narrow.lines().all(|line| line.chars().count() <= columns) && !narrow.contains('…'), "{narrow}");
        let text = narrow.split_whitespace().collect::<Vec<_>>().join(" ");
        let document = "Inactive; 12/STTTT-VP ngày 2/2/2026 của Sở Thông tin và Truyền thông; mail-operator";
        assert_eq!(text.matches(document).count(), 5, "{narrow}");
    }
    assert!(!run_on("220", &["show", &june, &july]).contains('…'));
    let wide = run(&["show", &june, &july, "-o", "wide"], None, "");
    assert_eq!((wide.code, wide.out.lines().count()), (0, 6), "{}", wide.out);
    let document = "12/STTTT-VP ngày 2/2/2026 của Sở Thông tin và Truyền thông; mail-operator";
    assert!(wide.out.lines().skip(1).all(|line| line.ends_with(document)) && !wide.out.contains('…'), "{}", wide.out);
    let one = run(&["show", &june, &july, "--mailbox", "a4.stttt@gialai.gov.vn", "-o", "json"], None, "");
    let said: Value = serde_json::from_str(&one.out).unwrap();
    assert_eq!((said["entries"].as_array().unwrap().len(), &said["entries"][0]["mailbox"]), (1, &"nv-4".into()));
    // 20:00 UTC is the next day in the province.
    let since = run(&["show", &june, &july, "--since", "2026-06-05", "-o", "json"], None, "");
    assert_eq!(serde_json::from_str::<Value>(&since.out).unwrap()["entries"].as_array().unwrap().len(), 2);
    let none = run(&["show", &june, "--mailbox", "nobody", "-o", "json"], None, "");
    assert_eq!(serde_json::from_str::<Value>(&none.out).unwrap()["entries"].as_array().unwrap().len(), 0);
    let damaged = run(&["show", "-"], None, &(lines[0].clone() + &lines[2]));
    assert_eq!((damaged.code, damaged.out.lines().count()), (1, 3), "what can be read is shown");
    assert!(damaged.err.contains("entry 2 is missing"), "{}", damaged.err);
}

/// A kubectl of one cluster, which writes down how it was called.
fn kubectl(folder: &Path, script: &str) {
    let file = folder.join("kubectl");
    fs::write(&file, format!("#!/bin/sh\necho \"$@\" >> {}/calls\n{script}\n", folder.display())).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn without_files_the_mail_pod_of_the_cluster_is_asked() {
    let (lines, head) = lines(3);
    let folder = TempDir::new().unwrap();
    let known = Known { first: Some(1), heads: vec![head], noted: None };
    let printed = folder.path().join("printed");
    fs::write(&printed, preamble(&known).unwrap() + "\n" + &lines.concat()).unwrap();
    let print = format!("case \"$*\" in *'get '*) echo 'gialai : ';; *) cat {};; esac", printed.display());
    kubectl(folder.path(), &print);
    let good = run(&["verify", "-n", "thu-cong-vu", "--context", "tinh"], Some(folder.path()), "");
    assert_eq!((good.code, good.err.as_str()), (0, ""), "{}", good.out);
    assert!(good.out.contains("has noted no entry yet"), "{}", good.out);
    let calls = fs::read_to_string(folder.path().join("calls")).unwrap();
    let flags = "--namespace=thu-cong-vu --context=tinh";
    let (get, print) = calls.split_once("{end}\n").unwrap();
    assert!(get.starts_with(&format!("{flags} get mailsystems.mail.gialai.gov.vn -o jsonpath=")), "{calls}");
    assert_eq!(print, format!("{flags} exec gialai-0 -c agent -- /usr/bin/mail-operator journal print\n"));
    // The pod knows where its journal ends.
    fs::write(&printed, preamble(&known).unwrap() + "\n" + &lines[..2].concat()).unwrap();
    let cut =
        run(&["verify", "-n", "x", "--kubeconfig", "k", "--as", "lan", "--as-group", "a"], Some(folder.path()), "");
    let calls = fs::read_to_string(folder.path().join("calls")).unwrap();
    assert!(calls.contains("\n--namespace=x --kubeconfig=k --as=lan --as-group=a get mailsystems"), "{calls}");
    assert!(cut.code == 1 && cut.out.contains("gialai-0:4: entry 3 was cut off"), "{}", cut.out);
}

#[test]
fn r7_2_the_journal_must_hold_what_the_mail_system_noted_of_it() {
    let (lines, head) = lines(5);
    let folder = TempDir::new().unwrap();
    let printed = folder.path().join("printed");
    let noted = |head: &Head| {
        let get = format!("echo 'gialai {head} 2026-06-06T02:00:00Z'");
        let script = format!("case \"$*\" in *'get '*) {get};; *) cat {};; esac", printed.display());
        kubectl(folder.path(), &script);
    };
    // Whoever exchanges the files exchanges what the pod knows with them.
    let journal = |lines: &[String], first: u64, head: &Head| {
        let known = Known { first: Some(first), heads: vec![head.clone()], noted: None };
        fs::write(&printed, preamble(&known).unwrap() + "\n" + &lines.concat()).unwrap();
    };
    let verify = |more: &[&str]| run(&[&["verify"], more].concat(), Some(folder.path()), "");
    noted(&head);
    journal(&lines, 1, &head);
    let good = verify(&[]);
    assert_eq!(good.code, 0, "{}", good.out);
    assert!(good.out.contains("entry 5, which the MailSystem noted at 2026-06-06 09:00, is there"), "{}", good.out);
    let zoned: Value = serde_json::from_str(&verify(&["-o", "json"]).out).unwrap();
    assert_eq!(zoned["noted"]["at"], "2026-06-06T09:00:00+07:00");
    assert_eq!(
        (&zoned["first"]["at"], &zoned["last"]["at"]),
        (&"2026-06-02T03:00:00+07:00".into(), &"2026-06-06T03:00:00+07:00".into())
    );
    let (short, end) = self::lines(3);
    journal(&short, 1, &end);
    let cut = verify(&[]);
    assert!(cut.code == 1 && cut.out.contains("gialai-0:5: entry 4 was cut off"), "{}", cut.out);
    assert!(cut.out.contains("the MailSystem noted entry 5 (hash ") && cut.out.contains("2026-06-06"), "{}", cut.out);
    let vietnamese = verify(&["--lang", "vi"]);
    assert!(vietnamese.out.contains("MailSystem đã ghi nhận mục 5"), "{}", vietnamese.out);
    assert!(vietnamese.out.contains("lúc 06/06/2026 09:00") && !cut.out.contains("Z:"), "{}", vietnamese.out);
    let json: Value = serde_json::from_str(&verify(&["-o", "json"]).out).unwrap();
    assert_eq!((&json["bad"]["sequence"], &json["noted"]["head"]), (&4.into(), &head.to_string().into()));
    // Another journal, good in itself, that is as long or longer.
    let other: Vec<String> = exchanged(7);
    let end = mail_operator::domain::journal::read(other[6].trim_end()).unwrap();
    journal(&other, 1, &Head { sequence: 7, hash: end.hash });
    let bad = verify(&[]);
    assert!(bad.code == 1 && bad.out.contains("gialai-0:6: entry 5 is not the one that was written"), "{}", bad.out);
    // One that begins behind it, as if the retention had removed it.
    journal(&other[5..], 6, &Head { sequence: 7, hash: "0".repeat(64) });
    let bad = verify(&[]);
    assert!(bad.code == 1 && bad.out.contains("entry 5 is missing"), "{}", bad.out);
    // Whoever names an entry asks for that one alone.
    journal(&short, 1, &self::lines(3).1);
    assert_eq!(verify(&["--head", &self::lines(3).1.to_string()]).code, 0);
}

/// A good journal of other entries.
fn exchanged(n: usize) -> Vec<String> {
    let mut head = Head::default();
    let one = |i| {
        let (key, at) = (format!("other/{i}"), "2026-06-01T20:00:00Z".parse().unwrap());
        let event = Event { key, at, actor: "x".into(), action: "Lock".into(), ..Event::default() };
        let (line, next) = seal(&head, &event).unwrap();
        head = next;
        line + "\n"
    };
    (0..n).map(one).collect()
}

#[test]
fn what_cannot_be_read_is_exit_code_3_and_wrong_use_is_2() {
    let folder = TempDir::new().unwrap();
    kubectl(folder.path(), "echo 'no such host' >&2; exit 1");
    let failed = run(&["verify"], Some(folder.path()), "");
    assert!(failed.code == 3 && failed.err.contains("no such host"), "{}", failed.err);
    kubectl(folder.path(), "true");
    let none = run(&["show"], Some(folder.path()), "");
    assert!(none.code == 3 && none.err.contains("there is no MailSystem"), "{}", none.err);
    assert_eq!(run(&["verify", "/nonexistent"], None, "").code, 3);
    assert_eq!(run(&["verify", "-", "--head", "12"], None, "").code, 2);
    assert_eq!(run(&["show", "-", "--since", "yesterday"], None, "").code, 2);
    assert_eq!(run(&["show", "-", "-o", "sarif"], None, "").code, 2);
}

#[test]
fn a_namespace_without_a_mail_system_is_told_with_those_that_have_one() {
    let folder = TempDir::new().unwrap();
    kubectl(folder.path(), "case \"$*\" in *' -A '*) echo thu-cong-vu;; *'config view'*) echo cua-toi;; esac");
    for (args, namespace) in
        [(&["verify", "-n", "default", "--context", "tinh"][..], "default"), (&["show"], "cua-toi")]
    {
        let none = run(args, Some(folder.path()), "");
        let said = format!("there is no MailSystem in namespace '{namespace}'; one is there with -n thu-cong-vu");
        assert!(none.code == 3 && none.out.is_empty() && none.err.contains(&said), "{}", none.err);
    }
    let calls = fs::read_to_string(folder.path().join("calls")).unwrap();
    assert!(calls.contains("\n--context=tinh get mailsystems.mail.gialai.gov.vn -A -o"), "{calls}");
    let vietnamese = run(&["show", "-n", "default", "--lang", "vi"], Some(folder.path()), "");
    assert!(vietnamese.err.contains("namespace 'default' không có MailSystem; có MailSystem khi dùng -n thu-cong-vu"));
    // Who may not list them all is told how.
    kubectl(folder.path(), "case \"$*\" in *' -A '*) echo forbidden >&2; exit 1;; esac");
    let none = run(&["show", "-n", "default"], Some(folder.path()), "");
    assert!(none.err.contains("'kubectl get msys -A' lists all") && !none.err.contains("forbidden"), "{}", none.err);
}

#[test]
fn r5_1_who_may_not_read_the_journal_is_told_which_right_is_missing() {
    let folder = TempDir::new().unwrap();
    let refused = |what: &str, verb: &str, group: &str| {
        format!(
            "echo 'Error from server (Forbidden): {what} is forbidden: User \"lan\" cannot {verb} resource \"{what}\" in API group \"{group}\" in the namespace \"x\"' >&2; exit 1"
        )
    };
    kubectl(folder.path(), &refused("mailsystems", "list", "mail.gialai.gov.vn"));
    let none = run(&["verify", "-n", "x"], Some(folder.path()), "");
    assert!(
        none.code == 3 && none.err.contains("'lan' has no right to list mailsystems.mail.gialai.gov.vn"),
        "{}",
        none.err
    );
    assert!(none.err.contains("people.agencies") && !none.err.contains("Error from server"), "{}", none.err);
    let exec = refused("pods/exec", "create", "");
    kubectl(folder.path(), &format!("case \"$*\" in *'get '*) echo 'gialai : ';; *) {exec};; esac"));
    let none = run(&["show", "-n", "x", "--lang", "vi"], Some(folder.path()), "");
    assert!(none.code == 3 && none.err.contains("'lan' không có quyền create pods/exec"), "{}", none.err);
    assert!(none.err.contains("kubectl auth can-i create pods/exec -n x"), "{}", none.err);
    // A clerk may not even ask for the pod, which kubectl does first. Nobody of `people` has both rights: to be an auditor would not help.
    let pod = refused("pods", "get", "");
    kubectl(folder.path(), &format!("case \"$*\" in *'get '*) echo 'gialai : ';; *) {pod};; esac"));
    for (lang, right) in
        [("en", "'lan' has no right to create pods/exec"), ("vi", "'lan' không có quyền create pods/exec")]
    {
        let none = run(&["verify", "-n", "x", "--lang", lang], Some(folder.path()), "");
        assert!(none.code == 3 && none.err.contains(right) && none.err.contains("(get pods)"), "{}", none.err);
        assert!(
            !none.err.contains("people.auditors") && none.err.contains("can-i create pods/exec -n x"),
            "{}",
            none.err
        );
    }
}

#[test]
fn a_mailbox_that_no_entry_names_is_told_with_the_nearest_names() {
    let (lines, _) = lines(5);
    let (_folder, [june, july]) = folder(&lines);
    for form in ["text", "json"] {
        let none = run(&["show", &june, &july, "--mailbox", "nv-44", "-o", form], None, "");
        let said = "kubectl mail: no entry of this journal names the mailbox 'nv-44' (did you mean nv-4?)\n";
        assert_eq!((none.code, none.err.as_str()), (1, said));
        assert!(form == "text" || none.out.contains("\"entries\":[]"), "{}", none.out);
    }
    let far = run(&["show", &june, "--mailbox", "an.stttt@gialai.gov.vn", "--lang", "vi"], None, "");
    assert!(
        far.err.contains("không mục nào của nhật ký này ghi hộp thư 'an.stttt@gialai.gov.vn' (có phải ý là a1.stttt"),
        "{}",
        far.err
    );
    assert!(!run(&["show", &june, "--mailbox", "typo"], None, "").err.contains("did you mean"));
    // One that has no entry of these days is no mistake.
    let later = run(&["show", &june, &july, "--mailbox", "nv-1", "--since", "2026-06-05"], None, "");
    assert_eq!((later.code, later.err.as_str(), later.out.as_str()), (0, "", "no such entry\n"));
}

#[test]
fn r7_2_validate_refuses_less_than_six_months_before_the_api_server_does() {
    let system = "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: MailSystem\nmetadata: {name: gialai}\nspec:\n  domain: gialai.gov.vn\n  hostname: mail.gialai.gov.vn\n  dovecot: {storage: {size: 1Gi}}\n  regulation:\n    retention:\n      logMonths: 5\n";
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("system.yaml"), system).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-mail"));
    let run = command.arg("validate").arg(folder.path()).args(["--lang", "en"]).output().unwrap();
    let out = String::from_utf8(run.stdout).unwrap();
    assert!(out.contains("logs and journal are kept for at least 6 months") && out.contains("[7.2"), "{out}");
    assert_eq!(run.status.code(), Some(1));
}
