//! What `--help` of each command says at its end: examples first.

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

  # Beside what is issued already: who has an address gets it written down, others yield to them
  kubectl mail pin manifests/gialai --claims cluster -n thu-cong-vu

The addresses are those of `kubectl mail plan`: of several who would get one address each gets its
next one (4.2.b). Two of one full name (4.2.c), and bodies that want one address, are left unpinned
and named, with exit code 1: decide, and write it down.";

pub const PLAN: &str = "\
Examples:
  # What would be issued if nothing were issued yet
  kubectl mail plan manifests/gialai

  # Beside what the cluster has issued: what a merge would issue, change, and revoke
  kubectl mail plan manifests/gialai --claims cluster -n thu-cong-vu

  # In CI, without access to the cluster: the claims as somebody exports them (with the Mailboxes if
  # revocations matter)
  kubectl -n thu-cong-vu get addressclaims,mailboxes -o yaml > claims.yaml
  kubectl mail plan . --claims claims.yaml -o markdown --lang vi > comment.md

  # Who needs a decision, and why
  kubectl mail plan . -o json |
    jq -r '.items[] | select(.outcome == \"Conflict\") | .name + \" \" + .errors[0].message'

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

  # Who will be locked, proposed, revoked or purged by the end of the year if nobody does anything
  kubectl mail forecast --until 2027-01-01 --warnings

  # From files, as of a day: MailSystem, WorkCalendar, Agencies, Mailboxes with status, MailboxActivities
  kubectl -n thu-cong-vu get msys,wcal,agency,mbx,mact -o yaml > all.yaml
  kubectl mail forecast all.yaml --now 2026-06-16 --until 2026-09-16 -o json

  # Names of those who will be locked for silence
  kubectl mail forecast --until 2026-09-01 -o json |
    jq -r '.actions[] | select(.action == \"Lock\" and .reason == \"Inactive\") | .at + \" \" + .mailbox'

Actions: Lock, Unlock, RestoreDue, ProposeRevocation, Revoke, Purge, Warn (the holder is told). What the
brake holds (D-15) stands under held, clocks that cannot be read (D-16) under unknown. Nobody logs in and
nothing arrives in a forecast; sources of activity that work go on working.
Exit code 1 if an object could not be read and is left out.";
