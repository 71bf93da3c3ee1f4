//! What `--help` of each command says at its end: examples first. What is to be typed stands in one line, which no terminal breaks.

use std::io::{IsTerminal, Write};

use clap::error::{Error, ErrorKind};
use mail_operator::cli::output::HARD_BLANK;

pub use mail_operator::cli::output::unbroken;

/// Ends the program with what clap has to say: help, or what is wrong with the command line.
pub fn or_wrong_use(error: &Error) -> ! {
    let help = ErrorKind::DisplayHelp == error.kind();
    if !help && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        error.exit();
    }
    let plain = std::env::var_os("NO_COLOR").is_some() || std::env::var("TERM").is_ok_and(|term| term == "dumb");
    let colour = !plain && if help { std::io::stdout().is_terminal() } else { std::io::stderr().is_terminal() };
    let text = error.render();
    let text = if colour { text.ansi().to_string() } else { text.to_string() }.replace(HARD_BLANK, " ");
    // Who stops reading has seen enough.
    let _ = if help { write!(std::io::stdout(), "{text}") } else { write!(std::io::stderr(), "{text}") };
    std::process::exit(error.exit_code());
}

pub const EXIT_CODES: &str = "\
Exit codes: 0 as wished (warnings too), 1 errors or conflicts, 2 wrong use, 3 a file or the cluster
cannot be read.";

pub const VALIDATE: &str = "\
Examples:
  # A folder, before a commit
  kubectl mail validate manifests/gialai

  # In CI: errors end with exit code 1, warnings do not
  kubectl mail validate . -o github
  kubectl mail validate . -o sarif > mail.sarif

  # Agencies live in another repository: no warning for those
  kubectl mail validate mailboxes --allow-missing 'Agency/*' --allow-missing QuotaPolicy/people

  # In Vietnamese, errors alone
  kubectl mail validate . --lang vi -o json |
    jq '.findings[] | select(.severity == \"error\") | .messageVi'";

pub const PIN: &str = "\
Examples:
  # Write spec.localPart wherever it is missing; comments and order stay as they are
  kubectl mail pin manifests/gialai

  # In CI: exit code 1 while something is not pinned, nothing is written
  kubectl mail pin manifests/gialai --check

  # Beside what is issued already: who has an address gets it written down, others yield
  kubectl mail pin manifests/gialai --claims cluster -n thu-cong-vu

The addresses are those of `kubectl mail plan`: of several who would get one address each gets its
next one (4.2.b). Two of one full name (4.2.c), and bodies that want one address, are left unpinned
and named, with exit code 1: decide, and write it down.
While one file has an error nothing is written in any file: the last line names it, exit code 1.";

pub const PLAN: &str = "\
Examples:
  # What would be issued if nothing were issued yet
  kubectl mail plan manifests/gialai

  # Beside what the cluster has issued: what a merge would issue, change, and revoke
  kubectl mail plan manifests/gialai --claims cluster -n thu-cong-vu

  # In CI, without access to the cluster: claims that somebody exports, with the Mailboxes if
  # revocations matter
  kubectl -n thu-cong-vu get addressclaims,mailboxes -o yaml > claims.yaml
  kubectl mail plan . --claims claims.yaml -o markdown --lang vi > comment.md

  # One file beside the cluster: who is not in it stays
  kubectl mail plan mailboxes/nv-000123.yaml --partial --claims cluster -n thu-cong-vu

  # Who needs a decision, and why
  kubectl mail plan . -o json |
    jq -r '.items[] | select(.outcome == \"Conflict\") | .name + \" \" + .errors[0].message'

Of a part of the tree (a file) everybody else would be revoked: that is said, and --partial leaves
them out.
Who is revoked and never had an address gets none: outcome Kept without address, noAddress says why,
and it is counted there and not under kept.
Outcomes: Issued, Kept (an issued address stays), Changed (a transfer or spec.rename; the old one
becomes an alias), Conflict (a person decides), Rejected (a rule refuses it), Waiting (its Agency is
not there).
Exit code 1 if there is a Conflict, something Rejected, or a file with errors.";

pub const PASSWORD: &str = "\
Examples:
  kubectl mail password check                  # asks, and shows nothing of what is typed
  kubectl mail password check -o json < FILE

Exit code 1 if the password may not be used. It is printed nowhere, and given to nobody.";

pub const NAME: &str = "\
Examples:
  kubectl mail name \"Hoàng Thị Như Quỳnh\" --suffix stttt
  kubectl mail name \"Trần Đình Nguyên\" --suffix dakpo -o json";

pub const FORECAST: &str = "\
Examples:
  # What is due in the cluster today
  kubectl mail forecast -n thu-cong-vu

  # Who will be locked, proposed, revoked or purged within six months
  kubectl mail forecast --until \"$(date -d '+6 months' +%F)\" --warnings

  # From files, as of a day
  kubectl -n thu-cong-vu get msys,wcal,agency,mbx,mact -o yaml > all.yaml
  kubectl mail forecast all.yaml --now 2026-06-16 --until 2026-09-16 -o json

  # Names of those who will be locked for silence
  kubectl mail forecast --until \"$(date -d '+3 months' +%F)\" -o json |
    jq -r '.actions[] | select(.reason == \"Inactive\") | .at + \" \" + .mailbox'

Files are MailSystem, WorkCalendar, Agencies, Mailboxes with status, MailboxActivities.
Actions: Lock, Unlock, RestoreDue, ProposeRevocation, Revoke, Purge, Warn (the holder is told).
What the brake holds (D-15) stands under held, clocks that cannot be read (D-16) under unknown.
Nobody logs in and nothing arrives in a forecast; sources of activity that work go on working.
Exit code 1 if an object could not be read and is left out.";

pub const EXPLAIN: &str = "\
Examples:
  # Why is this account locked, by which article and document, and what gives it back?
  kubectl mail explain quynhhtn.stttt@gialai.gov.vn -n thu-cong-vu --lang vi

  # By the name of the Mailbox; a former address works, too
  kubectl mail explain nv-000123

  # From files, as of a day
  kubectl mail explain nv-000123 --dir all.yaml --now 2026-06-16 -o json

The commands that it prints have NUMBER and ISSUER where the document belongs.
Exit code 1 if nobody has that address or name.";

pub const STATUS: &str = "\
Examples:
  # Is all well, who waits for whom, what comes this week?
  kubectl mail status -n thu-cong-vu

  # For a monitoring script: overdue restores
  kubectl mail status -o json | jq '.systems[].restores[] | select(.progress == \"Overdue\")'

Exit code 3 if the namespace of the cluster has no MailSystem, 1 if files have none.";

pub const PROPOSALS: &str = "\
Examples:
  # Whose revocation is proposed (8.3.đ)
  kubectl mail proposals -n thu-cong-vu

  # The list for the department, for Excel
  kubectl mail proposals -o csv > de-xuat-thu-hoi.csv

Who is approved gets spec.state: Revoked and the document in spec.ending (5.4.c); who logs in leaves
the list. '-' as last login: nobody ever logged in, or MailboxActivities may not be read.";

pub const ACKNOWLEDGE: &str = "\
Examples:
  # Look at what is held, without saying anything
  kubectl mail acknowledge -n thu-cong-vu

  # Release it, on a document; asks before it writes
  kubectl mail acknowledge --number 15/STTTT --date 2026-06-16 --issuer 'Sở TTTT'

  # In a script: exactly these, and nothing if others were held since
  kubectl mail acknowledge 25-1a2b3c4d --number 15/STTTT --date 2026-06-16 --issuer STTTT --yes

If it is a mistake, mend the files instead: what nobody wants any more is not held any more.
Exit code 1 if something is held and was not released.";

pub const HANDOVER: &str = "\
Examples:
  # Sheets for all of an agency who have none yet
  kubectl mail handover --agency stttt -n thu-cong-vu --out stttt.html

  # For one person, to another program and without a file
  kubectl mail handover nv-000123 --out - | weasyprint - - | lp

  # With whom to ask
  kubectl mail handover nv-000123 --contact 'Phòng CNTT, điện thoại 0269 3xxx xxx'

The file is new and readable by you alone (0600). Print it with a browser on A4, one page a person,
hand the sheets over, remove the file. Needs get and patch on Secrets.
Exit code 1 if somebody who was named got no sheet, or nobody is of that agency.";
