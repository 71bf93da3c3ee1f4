//! What `--help` promises: forms that are taken, examples that can be copied and are understood.

use super::*;

/// Every command, with arguments that are right and ask no cluster.
const COMMANDS: &[(&[&str], &[&str])] = &[
    (&["validate"], &["."]),
    (&["pin"], &[".", "--check"]),
    (&["plan"], &["."]),
    (&["name"], &["Lê An", "--suffix", "stttt"]),
    (&["journal", "verify"], &["-"]),
    (&["journal", "show"], &["-"]),
    (&["forecast"], &["."]),
    (&["explain"], &["nv-1", "--dir", "."]),
    (&["status"], &["--dir", "."]),
    (&["proposals"], &["--dir", "."]),
    (&["acknowledge"], &[]),
    (&["handover"], &["nv-1"]),
    (&["password", "check"], &[]),
];

const FORMS: [&str; 7] = ["text", "wide", "markdown", "json", "csv", "sarif", "github"];

/// Runs the program where no cluster can be asked, on a terminal of so many columns.
fn run(args: &[&str], columns: &str) -> Output {
    let folder = Folder::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-mail"));
    command.args(args).current_dir(folder.path()).env("KUBECONFIG", "/nonexistent").env("COLUMNS", columns);
    command.env("LANG", "C").env_remove("LC_ALL").env_remove("LC_MESSAGES").env_remove("KUBERNETES_SERVICE_HOST");
    command.output().unwrap()
}

fn help(command: &[&str], columns: &str) -> String {
    let run = run(&[command, &["--help"]].concat(), columns);
    assert_eq!((run.status.code(), run.stderr.len()), (Some(0), 0), "{command:?}");
    String::from_utf8(run.stdout).unwrap()
}

/// Lines of the examples: those below the heading that begin with two blanks.
fn examples(help: &str) -> Vec<String> {
    let below = help.lines().skip_while(|line| *line != "Examples:").skip(1);
    let below = below.take_while(|line| line.is_empty() || line.starts_with("  "));
    below.filter(|line| !line.is_empty()).map(String::from).collect()
}

#[test]
fn no_line_of_a_help_is_longer_than_100_columns_and_examples_are_whole_on_any_terminal() {
    let groups: [(&[&str], &[&str]); 3] = [(&[], &[]), (&["journal"], &[]), (&["password"], &[])];
    for (command, _) in COMMANDS.iter().chain(&groups) {
        let wide = help(command, "200");
        let long: Vec<&str> = wide.lines().filter(|line| line.chars().count() > 100).collect();
        assert!(long.is_empty(), "{command:?}: {long:#?}");
        let narrow = help(command, "40");
        assert_eq!(examples(&narrow), examples(&wide), "{command:?}");
        assert!(!wide.contains('\u{a0}') && !narrow.contains('\u{a0}'), "{command:?}");
    }
    for (command, _) in COMMANDS {
        let examples = examples(&help(command, "100"));
        let starts = |line: &&String| line.starts_with(&format!("  kubectl mail {}", command.join(" ")));
        assert!(examples.iter().any(|line| starts(&line)), "{command:?}: {examples:#?}");
        // Below a line that ends in a pipe stands the rest of it, and nothing else is set in further.
        for pair in examples.windows(2) {
            assert_eq!(pair[0].ends_with('|'), pair[1].starts_with("    "), "{pair:#?}");
        }
    }
}

#[test]
fn the_examples_of_a_help_are_understood() {
    for (command, _) in COMMANDS {
        for line in examples(&help(command, "100")) {
            let Some(line) = line.strip_prefix("  kubectl mail ").filter(|line| !line.contains("NUMBER:HASH")) else {
                continue;
            };
            let end = line.find(" |").or_else(|| line.find(" >")).or_else(|| line.find(" <")).unwrap_or(line.len());
            let mut shell = Command::new("sh");
            let folder = Folder::new();
            let said = format!("\"$0\" {} </dev/null", &line[..end]);
            shell.args(["-c", &said, env!("CARGO_BIN_EXE_kubectl-mail")]).current_dir(folder.path());
            let run = shell.env("KUBECONFIG", "/nonexistent").env_remove("KUBERNETES_SERVICE_HOST").output().unwrap();
            assert_ne!(run.status.code(), Some(2), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
        }
    }
}

#[test]
fn a_command_takes_exactly_the_forms_that_its_help_lists() {
    for (command, args) in COMMANDS {
        let help = help(command, "100");
        let (_, below) = help.split_once("--output <FORM>").unwrap_or_else(|| panic!("{command:?}: {help}"));
        let (list, _) = below.split_once("[default: text]").unwrap();
        let listed: Vec<&str> =
            list.lines().filter_map(|line| line.trim().strip_prefix("- ")?.split(':').next()).collect();
        assert!(listed.len() >= 2 && listed.iter().all(|form| FORMS.contains(form)), "{command:?}: {listed:?}");
        for form in FORMS {
            let run = run(&[command, *args, &["-o", form]].concat(), "100");
            let said = String::from_utf8(run.stderr).unwrap();
            let refused = said.contains(&format!("invalid value '{form}' for '--output <FORM>'"));
            assert_eq!(refused, !listed.contains(&form), "{command:?} -o {form}: {said}");
            assert_eq!(run.status.code() == Some(2), refused, "{command:?} -o {form}: {said}");
        }
    }
}

#[test]
fn what_is_wrong_on_the_command_line_is_told_with_an_example() {
    for (args, expected) in [
        (&["explain", ""][..], "nv-000123"),
        (&["explain", "Trần Đình Nguyên"], "names of people are not searched"),
        (&["handover", ""], "nv-000123"),
        (&["handover", "--agency", "Sở Nội vụ"], "metadata.name"),
        (&["journal", "show", "-", "--since", "yesterday"], "for example 2026-06-01"),
        (&["journal", "show", "-", "--since", "2026-06-01T00:00:00"], "for example 2026-06-01"),
        (&["forecast", ".", "--now", "yesterday"], "for example 2026-06-16T08:00:00+07:00"),
        (&["plan", ".", "--partial"], "--claims"),
    ] {
        let run = run(args, "100");
        let said = String::from_utf8(run.stderr).unwrap();
        assert!(run.status.code() == Some(2) && said.contains(expected), "{args:?}: {said}");
    }
}
