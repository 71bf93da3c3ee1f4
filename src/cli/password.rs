//! `kubectl mail password check`: the rule of Điều 9 khoản 2 for a password on standard input.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::output::Lang;
use crate::domain::password;

/// Bytes of a password that are read at most.
const LONGEST: u64 = 4_096;

/// Reads the first line of standard input. On a terminal nothing of it is shown.
pub fn read(lang: Lang) -> io::Result<SecretString> {
    let input = io::stdin();
    let quiet = input.is_terminal().then(|| Quiet::begin(lang)).transpose()?;
    let mut line = Vec::new();
    // With the end of the line.
    input.lock().take(LONGEST + 2).read_until(b'\n', &mut line)?;
    drop(quiet);
    for end in [b'\n', b'\r'] {
        line.pop_if(|last| *last == end);
    }
    if line.len() as u64 > LONGEST {
        let wrong = match lang {
            Lang::En => format!("the password has more than {LONGEST} bytes"),
            Lang::Vi => format!("mật khẩu dài hơn {LONGEST} byte"),
        };
        return Err(io::Error::other(wrong));
    }
    let wrong = || io::Error::other(lang.pick("the password is not UTF-8", "mật khẩu không phải UTF-8"));
    let line = String::from_utf8(line).map_err(|_| wrong())?;
    Ok(SecretString::from(line))
}

/// A terminal that does not echo.
struct Quiet(Termios);

impl Quiet {
    fn begin(lang: Lang) -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        let guard = Self(before);
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        write!(io::stderr(), "{}: ", lang.pick("Password", "Mật khẩu"))?;
        Ok(guard)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
        let _ = writeln!(io::stderr());
    }
}

/// What is said of it, and whether it may be used. The password stands in no word of it.
pub fn check(password: &SecretString, as_json: bool, lang: Lang) -> (String, bool) {
    let failures = password::check(password.expose_secret());
    let ok = failures.is_empty();
    if as_json {
        return (format!("{}\n", json!({"ok": ok, "failures": failures})), ok);
    }
    let good = lang.pick("the password may be used (9.2)", "Mật khẩu đạt yêu cầu (9.2).");
    let mut text = if ok { format!("{good}\n") } else { String::new() };
    for failure in failures {
        text += &format!("{} ({})\n", lang.pick(failure.message, failure.message_vi), failure.rule);
    }
    (text, ok)
}
