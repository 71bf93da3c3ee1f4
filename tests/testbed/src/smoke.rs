//! The test bed's own test: what the tests of the operator take for granted must hold on this machine.

use std::{
    env,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::{images, plan::Tier};

mod inside;

/// Runs the smoke test of a tier in a test bed, with a second one beside it at the same time.
pub fn smoke(tier: Tier) -> Result<i32> {
    let busybox = images::busybox()?;
    let me = env::current_exe()?;
    let number = tier.number();
    let start = |args: &[&str]| -> Result<Child> {
        let mut command = Command::new(&me);
        command.args(["run", "--tier", number]);
        if tier == Tier::Node {
            command.arg("--images").arg(&busybox.tar);
        }
        let command = command.arg("--").args(args);
        command.spawn().context("cannot start a test bed")
    };
    let path = me.to_string_lossy();
    let begun = Instant::now();
    let mut other = start(&["sh", "-c", "kubectl get --raw /readyz > /dev/null"])?;
    let mut main = start(&[&path, "__smoke"])?;
    let second = other.wait()?;
    let first = main.wait()?;
    ensure!(second.success(), "the second test bed failed: {second}");
    ensure!(first.success(), "the smoke test failed: {first}");
    let passed = begun.elapsed().as_secs_f32();
    eprintln!("smoke test of tier {number} passed in {passed:.1} s, with a second one at once");
    Ok(0)
}

/// The part that runs inside the test bed.
pub fn inside() -> Result<()> {
    match env::var("TESTBED_TIER").as_deref() {
        Ok("1") => inside::tier1(),
        Ok("2") => inside::tier2(),
        _ => anyhow::bail!("not inside a test bed"),
    }
}

/// Runs kubectl; gives its output, or its error when it fails.
fn kubectl(args: &[&str]) -> Result<String> {
    let output = Command::new("kubectl").args(args).output()?;
    ensure!(
        output.status.success(),
        "kubectl {} failed: {}",
        args.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Creates objects; gives what kubectl says, whether good or bad.
fn create(objects: &[serde_json::Value]) -> Result<(bool, String)> {
    use std::io::Write;
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let mut child = Command::new("kubectl")
        .args(["create", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(&serde_json::to_vec(&list)?)?;
    }
    let output = child.wait_with_output()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    Ok((output.status.success(), text))
}

/// Creates objects that must be accepted.
fn must_create(objects: &[serde_json::Value]) -> Result<()> {
    let (good, text) = create(objects)?;
    ensure!(good, "refused: {text}");
    Ok(())
}

/// Tries until it works or the time is over; then the last error is given.
fn eventually<T>(limit: Duration, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        match attempt() {
            Err(error) if start.elapsed() > limit => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
            Ok(value) => return Ok(value),
        }
    }
}

/// Runs one check and says how long it took.
fn check(what: &str, body: impl FnOnce() -> Result<()>) -> Result<()> {
    let start = Instant::now();
    body().with_context(|| format!("smoke test: {what}"))?;
    eprintln!("  ok {:5.1} s  {what}", start.elapsed().as_secs_f32());
    Ok(())
}
