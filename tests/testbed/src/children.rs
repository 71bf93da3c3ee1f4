//! The processes of a test bed: started with a log file each, watched while something is waited for.

use std::{
    ffi::OsStr,
    fs::{self, File},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(50);
/// How much of a log is shown.
const TAIL: usize = 15;

/// A program that runs beside us.
struct Running {
    name: String,
    child: Child,
    log: PathBuf,
    told: bool,
}

/// All programs that were started; they are killed when this is dropped.
pub struct Children {
    logs: PathBuf,
    running: Vec<Running>,
}

impl Children {
    /// No programs yet; logs go to `<logs>/<name>.log`.
    pub fn new(logs: &Path) -> Self {
        let logs = logs.to_owned();
        let running = Vec::new();
        Self { logs, running }
    }

    /// Starts a program.
    pub fn start<S: AsRef<OsStr>>(
        &mut self,
        name: &str,
        program: &Path,
        args: impl IntoIterator<Item = S>,
    ) -> Result<()> {
        let log = self.logs.join(format!("{name}.log"));
        let out = File::create(&log)?;
        // setpriv makes the kernel end the program when we are gone, however that happens.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            // Ctrl-C is for the user's command; the cluster must outlive it.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {} through setpriv", program.display()))?;
        let name = name.to_owned();
        self.running.push(Running { name, child, log, told: false });
        Ok(())
    }

    /// Waits until `done` says so. Fails when a program ends meanwhile, or after `limit`, with the end of the
    /// log of the program that is waited for.
    pub fn wait(&mut self, what: &str, who: &str, limit: Duration, mut done: impl FnMut() -> bool) -> Result<()> {
        let start = Instant::now();
        loop {
            if done() {
                return Ok(());
            }
            for one in &mut self.running {
                if let Some(status) = one.child.try_wait()? {
                    bail!("{} ended while waiting for {what} ({}){}", one.name, describe(status), tail(&one.log));
                }
            }
            if start.elapsed() > limit {
                let log = self.logs.join(format!("{who}.log"));
                bail!("waited {} s in vain for {what}{}", limit.as_secs(), tail(&log));
            }
            sleep(PAUSE);
        }
    }

    /// Says on standard error, once each, which programs have ended.
    pub fn report_dead(&mut self) {
        for one in &mut self.running {
            if one.told {
                continue;
            }
            if let Ok(Some(status)) = one.child.try_wait() {
                one.told = true;
                eprintln!("testbed: {} ended ({}){}", one.name, describe(status), tail(&one.log));
            }
        }
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        // Not SIGTERM: the API server would drain its watches for up to a minute.
        for one in &mut self.running {
            let _ = one.child.kill();
        }
        for one in &mut self.running {
            let _ = one.child.wait();
        }
    }
}

/// How a program ended, in words.
pub fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// The exit code that stands for a status, as a shell gives it.
pub fn code(status: ExitStatus) -> i32 {
    let by_signal = status.signal().map(|signal| 128 + signal);
    status.code().or(by_signal).unwrap_or(1)
}

/// Path and last lines of a log, to be appended to a message.
pub fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let mut message = format!("; log {}:", log.display());
    for line in &lines[lines.len().saturating_sub(TAIL)..] {
        message.push_str("\n    ");
        message.push_str(line);
    }
    message
}
