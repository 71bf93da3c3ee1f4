//! `password check`.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

fn check(password: &[u8], args: &[&str]) -> (String, String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-mail"));
    command.args(["password", "check"]).args(args).env_remove("LC_ALL").env_remove("LC_MESSAGES").env("LANG", "C");
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(password).unwrap();
    let run = process.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(run.stdout), text(run.stderr), run.status.code().unwrap())
}

#[test]
fn r9_2_each_part_that_is_missing_is_named_in_both_languages_and_the_password_is_not() {
    let (out, err, code) = check(b"matkhau\n", &["-o", "json"]);
    let said: Value = serde_json::from_str(&out).unwrap();
    let codes: Vec<&str> = said["failures"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect();
    assert_eq!((codes, &said["ok"], code), (vec!["TooShort", "NoUpper", "NoDigit", "NoSpecial"], &json!(false), 1));
    let first = &said["failures"][0];
    assert_eq!(first["rule"], "9.2");
    assert!(
        first["message"].as_str().unwrap().contains('8') && first["messageVi"].as_str().unwrap().contains("8 ký tự")
    );
    assert!(!out.contains("matkhau") && err.is_empty());
    let (vietnamese, _, _) = check(b"matkhau\n", &["--lang", "vi"]);
    assert_eq!(vietnamese.lines().count(), 4);
    assert!(vietnamese.starts_with("Mật khẩu có ít hơn 8 ký tự"), "{vietnamese}");
}

#[test]
fn r9_2_d_18_a_good_one_is_good_with_any_end_of_line_and_blanks_belong_to_it() {
    for password in ["Đồng bằng@9", "Đồng bằng@9\n", "Đồng bằng@9\r\n", "Aa1@    \n"] {
        let (out, _, code) = check(password.as_bytes(), &["-o", "json"]);
        assert_eq!((out.as_str(), code), ("{\"failures\":[],\"ok\":true}\n", 0), "{password:?}");
    }
    assert_eq!(check(b"", &[]).2, 1);
}

#[test]
fn r3_1_a_password_on_the_command_line_is_refused_and_not_repeated() {
    let (out, err, code) = check(b"", &["--", "Mat-khau@1"]);
    assert_eq!((out.as_str(), code), ("", 2));
    assert!(err.contains("standard input") && !err.contains("Mat-khau@1"), "{err}");
    let (out, err, code) = check(b"", &["Mat-khau@1"]);
    assert_eq!((out.as_str(), code), ("", 2));
    assert!(err.contains("standard input") && !err.contains("Mat-khau@1"), "{err}");
}

#[test]
fn what_is_no_text_or_endless_cannot_be_read() {
    let longest = format!("Aa1@{}\n", "ế".repeat(1_364));
    assert_eq!((longest.len(), check(longest.as_bytes(), &[]).2), (4_097, 0));
    for input in [vec![0xff, 0xfe, b'\n'], vec![b'a'; 5_000]] {
        let (out, err, code) = check(&input, &["-o", "json"]);
        assert_eq!((out.as_str(), code), ("", 3));
        assert!(err.starts_with("kubectl mail: the password"), "{err}");
    }
}
