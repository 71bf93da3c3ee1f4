//! `examples/gitops` and the command lines of all documents: the files are read, the scripts are run, the options exist.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_yaml::Value;

use crate::markdown::{self, words};
use crate::{read, root};

const EXAMPLE: &str = "examples/gitops";
const PROGRAM: &str = env!("CARGO_BIN_EXE_kubectl-mail");

/// Files below a folder of the repository, hidden ones too.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() { folders.push(entry.path()) } else { found.push(entry.path()) }
        }
    }
    found.sort();
    found
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "yaml" || e == "yml")
}

fn documents(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let read = serde_yaml::Deserializer::from_str(&text).map(serde::Deserialize::deserialize);
    read.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn kubectl_mail(folder: &Path, arguments: &[String]) -> Output {
    Command::new(PROGRAM).args(arguments).current_dir(folder).env_remove("KUBECONFIG").output().unwrap()
}

/// Command lines of the program in a text, without what the shell does with them.
fn commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for name in ["kubectl mail ", "kubectl-mail "] {
        for part in text.split(name).skip(1) {
            let line = part.lines().next().unwrap_or_default();
            let end = line.find(['|', '>', ';', '&', '#', '`']).unwrap_or(line.len());
            // A path of the program is no command line.
            if line.starts_with(|c: char| c.is_ascii_lowercase()) {
                found.push(line[..end].trim().to_owned());
            }
        }
    }
    found
}

/// What of a document is meant to be typed: blocks, and what stands between backticks.
fn typed(document: &str) -> String {
    let (_, blocks) = markdown::parse(document);
    let mut text: Vec<String> = blocks.iter().map(|block| block.lines.join("\n")).collect();
    let prose = document.split("```").step_by(2);
    text.extend(prose.flat_map(|prose| prose.split('`').skip(1).step_by(2)).map(String::from));
    text.join("\n")
}

#[test]
fn every_yaml_file_of_the_examples_is_yaml() {
    let files: Vec<PathBuf> = files("examples").into_iter().filter(|path| is_yaml(path)).collect();
    assert!(files.len() >= 10, "{files:?}");
    for path in &files {
        for document in documents(path) {
            let known = ["kind", "jobs", "default"].iter().any(|key| document.get(key).is_some());
            assert!(known, "{}: neither an object nor a pipeline", path.display());
        }
    }
}

#[test]
fn every_command_line_of_documents_and_examples_is_understood() {
    let mut lines: Vec<(String, String)> = Vec::new();
    for path in files("examples") {
        let text = fs::read_to_string(&path).unwrap();
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        lines.extend(commands(&code.join("\n")).into_iter().map(|line| (path.display().to_string(), line)));
    }
    let pages = ["README.md", "docs/naming.md", "docs/gitops.md", "docs/operations.md", "docs/benchmarks.md"];
    let runbooks =
        files("docs/runbooks").into_iter().map(|path| path.strip_prefix(root()).unwrap().display().to_string());
    for page in pages.map(String::from).into_iter().chain(runbooks) {
        lines.extend(commands(&typed(&read(&page))).into_iter().map(|line| (page.clone(), line)));
    }
    assert!(lines.len() >= 15, "{lines:#?}");
    let empty = tempfile::tempdir().unwrap();
    for (page, line) in lines {
        // A subcommand that is only named has to exist.
        let line = if line.contains(' ') { line } else { format!("{line} --help") };
        let run = kubectl_mail(empty.path(), &words(&line));
        // 2: wrong use.
        let said = String::from_utf8_lossy(&run.stderr);
        assert_ne!(run.status.code(), Some(2), "{page}: kubectl mail {line}\n{said}");
    }
}

#[test]
fn command_lines_are_found_in_blocks_tables_and_scripts() {
    let text = "`kubectl mail pin . --check`; kubectl mail reads\n```sh\nkubectl mail name \"Lê An\" -o json | jq\n```\n| `kubectl-mail validate .` |\n";
    assert_eq!(commands(&typed(text)), ["name \"Lê An\" -o json", "pin . --check", "validate ."]);
}

#[test]
fn the_example_has_no_findings_and_the_layout_that_is_recommended() {
    let folder = root().join(EXAMPLE);
    let run = kubectl_mail(&folder, &words("validate . -o json"));
    let said = String::from_utf8(run.stdout).unwrap();
    let said: Value = serde_yaml::from_str(&said).unwrap();
    assert_eq!(said["findings"].as_sequence().map(Vec::len), Some(0), "{said:?}");
    for path in files("examples/gitops/agencies") {
        let object = &documents(&path)[0];
        let inside = path.parent().unwrap().file_name().unwrap().to_string_lossy();
        let (kind, name) = (object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
        match kind {
            "Agency" => assert!(path.ends_with(format!("{name}/agency.yaml")), "{}", path.display()),
            _ => {
                assert!(path.ends_with(format!("{name}.yaml")), "{}", path.display());
                assert_eq!(object["spec"]["agencyRef"]["name"].as_str(), Some(&*inside), "{}", path.display());
            }
        }
    }
}

#[test]
fn a_sample_of_the_testbed_has_that_layout_and_no_findings() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_owned();
    testbed::sample::write(&testbed::sample::Sample { dir: dir.clone(), agencies: 150, mailboxes: 600, seed: 5 })
        .unwrap();
    let run = kubectl_mail(&dir, &words("validate . -o json"));
    let said: Value = serde_yaml::from_str(&String::from_utf8(run.stdout).unwrap()).unwrap();
    assert_eq!(said["findings"].as_sequence().map(Vec::len), Some(0), "{said:?}");
    assert!(dir.join("system.yaml").is_file() && dir.join("agencies/stttt/agency.yaml").is_file());
    // No two agencies of it want one address, and people are not pinned yet.
    let run = kubectl_mail(&dir, &words("pin . --check -o json"));
    let said: Value = serde_yaml::from_str(&String::from_utf8(run.stdout).unwrap()).unwrap();
    let findings = said["findings"].as_sequence().unwrap();
    let of = |code: &str| findings.iter().filter(|f| f["code"].as_str() == Some(code)).collect::<Vec<_>>();
    assert!(of("Conflict").iter().all(|f| !f["file"].as_str().unwrap().ends_with("agency.yaml")), "{said:?}");
    assert!(of("NotPinned").len() > 600, "{}", findings.len());
}

/// The owner that CODEOWNERS gives to a path: the last line that fits.
fn owner(path: &str) -> String {
    let fits = |pattern: &str| match pattern.split_once('*') {
        None => path.starts_with(pattern),
        Some(("", "")) => true,
        Some((before, after)) => {
            let middle = path.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            middle.is_some_and(|middle| !middle.contains('/'))
        }
    };
    let text = read("examples/gitops/.github/CODEOWNERS");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let found = lines.filter_map(|line| line.split_once(' ')).rfind(|(pattern, _)| fits(pattern));
    found.unwrap_or_else(|| panic!("nobody owns {path}")).1.trim().to_owned()
}

#[test]
fn an_agency_owns_its_people_and_nothing_else() {
    let agencies = fs::read_dir(root().join(EXAMPLE).join("agencies")).unwrap().flatten();
    for agency in agencies.map(|entry| entry.file_name().into_string().unwrap()) {
        let clerks = owner(&format!("/agencies/{agency}/nv-1.yaml"));
        assert!(clerks.starts_with("@gialai/clerks-"), "{agency} belongs to {clerks}");
        assert_eq!(owner(&format!("/agencies/{agency}/agency.yaml")), "@gialai/mail-department");
    }
    assert_eq!(owner("/agencies/stttt/nv-1.yaml"), "@gialai/clerks-stttt");
    assert_eq!(owner("/agencies/ubnddakpo/nv-1.yaml"), "@gialai/clerks-dakpo");
    for path in ["/system.yaml", "/.github/workflows/mail.yaml", "/.github/CODEOWNERS", "/agencies/new/nv-1.yaml"] {
        assert_eq!(owner(path), "@gialai/mail-department");
    }
}

/// Scripts of the two pipelines by job.
fn scripts() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let github = &documents(&root().join(EXAMPLE).join(".github/workflows/mail.yaml"))[0];
    for (job, body) in github["jobs"].as_mapping().unwrap() {
        let runs = body["steps"].as_sequence().unwrap().iter().filter_map(|step| step["run"].as_str());
        found.extend(runs.map(|run| (format!("github {}", job.as_str().unwrap()), run.to_owned())));
    }
    let gitlab = &documents(&root().join(EXAMPLE).join(".gitlab-ci.yml"))[0];
    for (job, body) in gitlab.as_mapping().unwrap() {
        let lines = body["script"].as_sequence().into_iter().flatten().filter_map(Value::as_str);
        found.extend(lines.map(|line| (format!("gitlab {}", job.as_str().unwrap()), line.to_owned())));
    }
    found
}

fn shell(folder: &Path, script: &str) -> Output {
    let mut command = Command::new("sh");
    command.args(["-e", "-c", script]).current_dir(folder).env("HOME", folder.parent().unwrap());
    let path = format!("{}:{}", Path::new(PROGRAM).parent().unwrap().display(), std::env::var("PATH").unwrap());
    command.env("PATH", path).env("GITHUB_WORKSPACE", folder).env("CI_DEFAULT_BRANCH", "main");
    command.output().unwrap()
}

fn sound(folder: &Path, script: &str) -> String {
    let run = shell(folder, script);
    assert!(run.status.success(), "{script}\n{}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap()
}

#[test]
fn scripts_of_the_pipelines_are_sound_for_the_shell() {
    let scripts = scripts();
    assert!(scripts.len() >= 7, "{scripts:#?}");
    for (job, script) in scripts {
        let run = Command::new("sh").args(["-n", "-c", &script]).output().unwrap();
        assert!(run.status.success(), "{job}: {}", String::from_utf8_lossy(&run.stderr));
    }
}

#[test]
fn d_21_the_pin_jobs_pin_and_push_once_and_are_red_for_what_is_left() {
    for job in ["github pin", "gitlab pin"] {
        let folder = tempfile::tempdir().unwrap();
        let (origin, copy) = (folder.path().join("origin"), folder.path().join("copy"));
        fs::create_dir_all(&origin).unwrap();
        sound(&origin, "git init --quiet --bare --initial-branch=main .");
        sound(folder.path(), &format!("cp -r '{}' copy", root().join(EXAMPLE).display()));
        sound(&copy, "git init --quiet --initial-branch=main . && git add . && git remote add origin ../origin");
        sound(
            &copy,
            "git -c user.name=x -c user.email=x@example.org commit --quiet -m x && git push --quiet -u origin main",
        );
        let (_, script) = scripts().into_iter().find(|(name, _)| name == job).unwrap();
        let script = script.replace("https://mail-ci:$PUSH_TOKEN@$CI_SERVER_HOST/$CI_PROJECT_PATH.git", "origin");
        sound(&copy, &script);
        let person = "agencies/stttt/nv-000123.yaml";
        let pushed = sound(&origin, &format!("git show main:{person}"));
        assert!(pushed.contains("localPart: quynhhtn.stttt"), "{job}: {pushed}");
        let commits = || sound(&origin, "git rev-list --count main").trim().to_owned();
        assert_eq!(commits(), "2", "{job}");
        sound(&copy, &script);
        assert_eq!(commits(), "2", "{job}: nothing to pin, nothing to push");
        let twin = fs::read_to_string(copy.join(person)).unwrap();
        let twin = twin.replace("nv-000123", "nv-000125").replace("  localPart: quynhhtn.stttt\n", "");
        fs::write(copy.join("agencies/stttt/nv-000125.yaml"), twin).unwrap();
        assert_eq!(shell(&copy, &script).status.code(), Some(1), "{job}: a conflict is red");
    }
}
