//! The command line as people and CI use it: the real program on real files.
#![allow(clippy::unwrap_used)]

mod cluster;
mod forecast;
mod help;
mod input;
mod journal;
mod languages;
mod life;
mod output;
mod password;
mod pin;
mod plan;
mod rules;
mod tree;
mod validate;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A Mailbox without anything wrong.
const MAILBOX: &str = "\
apiVersion: mail.gialai.gov.vn/v1alpha1
kind: Mailbox
metadata:
  name: nv-1
spec:
  agencyRef: {name: stttt}
  fullName: Hoàng Thị Như Quỳnh
  basis: {number: 12/STTTT-VP, date: \"2026-02-02\", issuer: Sở Thông tin và Truyền thông}
";

/// Its Agency.
const AGENCY: &str = "\
apiVersion: mail.gialai.gov.vn/v1alpha1
kind: Agency
metadata:
  name: stttt
spec:
  systemRef: {name: gialai}
  level: Province
  name: Sở Thông tin và Truyền thông
  basis: {number: 341/QĐ-UBND, date: \"2022-06-20\", issuer: UBND tỉnh Gia Lai}
";

/// A folder with the Agency in it.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap()).with("agency.yaml", AGENCY)
    }

    fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// The same on a terminal of so many columns.
    fn run_on(&self, columns: &str, args: &[&str]) -> Output {
        self.command(args).env("COLUMNS", columns).output().unwrap()
    }

    /// Runs the program in the folder, and not on a terminal.
    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-mail"));
        command.args(args).current_dir(self.path()).env_remove("LC_ALL").env_remove("LC_MESSAGES").env("LANG", "C");
        command.env_remove("COLUMNS");
        command
    }

    /// Findings of `validate .`, and its exit code.
    fn validate(&self, more: &[&str]) -> (Vec<Found>, i32) {
        let run = self.run(&[&["validate", ".", "-o", "json"], more].concat());
        (found(&run.stdout), run.status.code().unwrap())
    }

    /// The only finding of `validate .`.
    fn only(&self) -> Found {
        let (mut findings, _) = self.validate(&[]);
        assert_eq!(findings.len(), 1, "{findings:#?}");
        findings.remove(0)
    }
}

fn found(stdout: &[u8]) -> Vec<Found> {
    let document: Value = serde_json::from_slice(stdout).unwrap();
    assert_eq!(document["kind"], "Findings");
    document["findings"].as_array().unwrap().iter().map(Found::of).collect()
}

/// A finding as JSON has it.
#[derive(Debug, Clone, PartialEq)]
struct Found {
    severity: String,
    place: String,
    path: String,
    code: String,
    rule: String,
    message: String,
    vi: String,
}

impl Found {
    fn of(value: &Value) -> Self {
        let text = |key: &str| value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}")).to_string();
        let found = Self {
            severity: text("severity"),
            place: format!("{}:{}:{}", text("file"), value["line"], value["column"]),
            path: text("path"),
            code: text("code"),
            rule: text("rule"),
            message: text("message"),
            vi: text("messageVi"),
        };
        assert!(!found.message.is_empty() && !found.vi.is_empty() && found.message != found.vi, "{found:?}");
        found
    }

    /// Code, place and field at once.
    fn is(&self, code: &str, place: &str, path: &str) {
        assert_eq!((self.code.as_str(), self.place.as_str(), self.path.as_str()), (code, place, path), "{self:#?}");
    }
}
