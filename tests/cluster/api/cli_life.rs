//! `kubectl mail` for the life of accounts on a real API server: reading, releasing what is held, handing over first passwords.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use mail_operator::api::{HANDED_OVER_ANNOTATION, HOLDER_ANNOTATION};
use serde_json::{Value, json};

use super::{AGENCY, SOON, SYSTEM, World};
use crate::support::operator::Operator;
use crate::support::{apply, eventually, initial_password, wait_ready};

impl World {
    fn mail(&self, folder: &Path, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-mail"));
        command.args(args).args(["-n", &self.namespace]).current_dir(folder).env("LANG", "C").env_remove("LC_ALL");
        command.output().expect("kubectl mail")
    }

    fn document(&self, folder: &Path, args: &[&str]) -> (Value, i32) {
        let output = self.mail(folder, &[args, &["-o", "json"]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {said}"));
        (document, output.status.code().expect("an exit code"))
    }

    async fn marked(&self, mailbox: &str) -> Option<String> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let secret = secrets.get(&format!("{mailbox}-credentials")).await.expect("credentials");
        secret.annotations().get(HANDED_OVER_ANNOTATION).cloned()
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cluster_is_forecast_explained_and_shown() {
    let Some((world, operator, _agent)) = World::running("cli-life").await else { return };
    world.person("nv-1", "Hoàng Thị Như Quỳnh", "").await;
    let lock = ", lock: {reasons: [Compromised], basis: {number: 7/CV, date: '2026-03-01', issuer: Công an tỉnh}}";
    world.person("nv-2", "Trần Đình Nguyên", lock).await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    wait_ready(&world.mailboxes, "nv-2", SOON).await;
    let folder = tempfile::tempdir().expect("folder");
    let (forecast, code) = world.document(folder.path(), &["forecast"]);
    let states: Vec<String> = forecast["states"]
        .as_array()
        .expect("states")
        .iter()
        .map(|s| format!("{} {}", s["mailbox"], s["state"]))
        .collect();
    assert_eq!(states, ["\"agency-stttt\" \"Active\"", "\"nv-1\" \"Active\"", "\"nv-2\" \"Locked\""]);
    assert_eq!(code, 0);
    let (explained, _) = world.document(folder.path(), &["explain", "nguyentd.stttt@gialai.gov.vn"]);
    assert_eq!((&explained["mailbox"], &explained["reasons"][0]["rule"]), (&"nv-2".into(), &"6.2.b".into()));
    assert_eq!(explained["reasons"][0]["document"], "7/CV (2026-03-01, Công an tỉnh)");
    let command = explained["changes"][0]["command"].as_str().expect("a command");
    assert!(command.starts_with(&format!("kubectl -n {} patch mbx nv-2", world.namespace)), "{command}");
    let (nobody, code) = world.document(folder.path(), &["explain", "nobody"]);
    assert_eq!((nobody["found"].as_bool(), code), (Some(false), 1));
    let (status, _) = world.document(folder.path(), &["status"]);
    let system = &status["systems"][0];
    assert_eq!((&system["mailboxes"], &system["states"]["Locked"]), (&3.into(), &1.into()), "{system}");
    assert!(system["conditions"].as_array().is_some_and(|all| all.iter().any(|c| c["type"] == "Ready")), "{system}");
    let list = world.mail(folder.path(), &["proposals", "-o", "csv"]);
    assert!(list.stdout.starts_with("\u{feff}\"STT\"".as_bytes()) && list.status.success());
    // Whose Mailbox is gone is still explained (D-14).
    world.mailboxes.delete("nv-1", &kube::api::DeleteParams::default()).await.expect("deleted");
    let (gone, _) = world.document(folder.path(), &["explain", "quynhhtn.stttt@gialai.gov.vn"]);
    assert_eq!((&gone["mailbox"], gone["found"].as_bool()), (&"nv-1".into(), Some(true)), "{gone}");
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_1_a_first_password_is_handed_over_once_and_marked_before_it_is_printed() {
    let Some((world, operator, _agent)) = World::running("handover").await else { return };
    world.person("nv-1", "Hoàng Thị Như Quỳnh", ", title: 'Chuyên viên <b>'").await;
    world.person("nv-2", "Trần Đình Nguyên", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    wait_ready(&world.mailboxes, "nv-2", SOON).await;
    let password = initial_password(&world.client, &world.namespace, "nv-1").await;
    let folder = tempfile::tempdir().expect("folder");
    // Where no file can be made, nothing is marked.
    let nowhere = world.mail(folder.path(), &["handover", "nv-1", "--out", "none/sheet.html"]);
    assert_eq!((nowhere.status.code(), world.marked("nv-1").await), (Some(3), None), "{}", said(&nowhere));
    let done = world.mail(folder.path(), &["handover", "nv-1", "nv-9", "--out", "sheet.html"]);
    assert_eq!(done.status.code(), Some(1), "nv-9 is nobody: {}", said(&done));
    assert!(!said(&done).contains(&password) && said(&done).contains("1 sheet in sheet.html"), "{}", said(&done));
    let path = folder.path().join("sheet.html");
    let sheet = std::fs::read_to_string(&path).expect("the sheet");
    assert_eq!(std::fs::metadata(&path).expect("file").permissions().mode() & 0o777, 0o600);
    let letters: String = sheet
        .split("class=\"password\">")
        .nth(1)
        .expect("a password")
        .split("</p>")
        .next()
        .expect("its end")
        .split('<')
        .filter_map(|part| part.split_once('>'))
        .map(|(_, letter)| letter)
        .collect();
    assert!(letters == password, "the sheet has another password");
    for part in [
        "Hoàng Thị Như Quỳnh",
        "quynhhtn.stttt@gialai.gov.vn",
        "https://mail.gialai.gov.vn/",
        "khoản 2 Điều 9",
        "Hạn đổi mật khẩu",
        "Chuyên viên &lt;b&gt;",
        "Sở Thông tin và Truyền thông",
    ] {
        assert!(sheet.contains(part), "{part}");
    }
    assert!(!sheet.contains("src=") && !sheet.contains("href=") && sheet.ends_with("</html>\n"));
    let at = world.marked("nv-1").await.expect("marked");
    // Never twice.
    let again = world.mail(folder.path(), &["handover", "nv-1", "--out", "again.html"]);
    assert_eq!((again.status.code(), folder.path().join("again.html").exists()), (Some(1), false));
    let flat = said(&again).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains(&format!("was handed over at {at}")) && flat.contains("spec.restore"), "{flat}");
    // A file that is there is nobody's to overwrite, and nothing is marked for it.
    let there = world.mail(folder.path(), &["handover", "nv-2", "--out", "sheet.html"]);
    assert_eq!((there.status.code(), world.marked("nv-2").await), (Some(3), None));
    // What cannot be printed any more was marked before: nobody can have two.
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-mail"));
    command.args(["handover", "nv-2", "--out", "-", "-n", &world.namespace]).stdout(full);
    let lost = command.output().expect("kubectl mail");
    assert_eq!(lost.status.code(), Some(3));
    assert!(world.marked("nv-2").await.is_some() && said(&lost).contains("nobody has seen it"), "{}", said(&lost));
    // All of an agency: who has one is told, and that is no failure.
    let rest = world.mail(folder.path(), &["handover", "--agency", "stttt", "--out", "rest.html"]);
    let sheets = std::fs::read_to_string(folder.path().join("rest.html")).expect("the sheet of the agency");
    assert_eq!((rest.status.code(), sheets.matches("<section").count()), (Some(0), 1), "{}", said(&rest));
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_02_r9_1_a_renamed_holder_gets_the_sheet_and_somebody_else_does_not() {
    let Some((world, operator, _agent)) = World::running("handover-rename").await else { return };
    let page = SYSTEM.replace("hostname:", "portal: {url: 'https://matkhau.gialai.gov.vn/'}, hostname:");
    apply(&world.systems, &page).await.expect("system");
    let wrong = SYSTEM.replace("hostname:", "portal: {url: 'http://matkhau.gialai.gov.vn/'}, hostname:");
    let error = apply(&world.systems, &wrong).await.expect_err("no https");
    assert!(error.to_string().contains("spec.portal.url is"), "{error}");
    world.person("nv-1", "Lê Thị Hoa", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    // A name that was merely changed may be somebody else's.
    world.person("nv-1", "Lê Thị Huệ", "").await;
    eventually("the new name is looked at", SOON, || async {
        let status = world.mailboxes.get("nv-1").await.expect("nv-1").status.unwrap_or_default();
        let said = status.conditions.iter().any(|c| c.reason == "NameChanged");
        if said { Ok(()) } else { Err(format!("{:?}", status.conditions)) }
    })
    .await;
    let folder = tempfile::tempdir().expect("folder");
    let refused = world.mail(folder.path(), &["handover", "nv-1", "--out", "sheet.html"]);
    let flat = said(&refused).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!((refused.status.code(), world.marked("nv-1").await), (Some(1), None), "{flat}");
    assert!(flat.contains("spec.rename"), "{flat}");
    // The document says that it is the same person; until the operator has read it, no sheet shows the former address.
    operator.stop().await;
    let rename = ", rename: {basis: {number: 7/SNV, date: '2026-05-04', issuer: SNV}}";
    world.person("nv-1", "Lê Thị Huệ", rename).await;
    let early = world.mail(folder.path(), &["handover", "nv-1", "--out", "sheet.html"]);
    assert_eq!((early.status.code(), world.marked("nv-1").await), (Some(1), None), "{}", said(&early));
    assert!(said(&early).contains("has not looked at the last change"), "{}", said(&early));
    let operator = Operator::start(world.client.clone(), &world.namespace);
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    let secret = secrets.get("nv-1-credentials").await.expect("credentials");
    assert_eq!(secret.annotations().get(HOLDER_ANNOTATION).map(String::as_str), Some("Lê Thị Huệ"));
    let done = world.mail(folder.path(), &["handover", "nv-1", "--out", "sheet.html"]);
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    let sheet = std::fs::read_to_string(folder.path().join("sheet.html")).expect("the sheet");
    for part in ["Lê Thị Huệ", "huelt.stttt@gialai.gov.vn", "<b>https://matkhau.gialai.gov.vn/</b>"] {
        assert!(sheet.contains(part), "{part}");
    }
    operator.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d_15_what_is_held_is_released_by_its_token_and_a_document() {
    let Some(world) = World::new("acknowledge").await else { return };
    apply(&world.systems, SYSTEM).await.expect("system");
    apply(&world.agencies, AGENCY).await.expect("agency");
    let folder = tempfile::tempdir().expect("folder");
    let (nothing, code) = world.document(folder.path(), &["acknowledge"]);
    assert_eq!((nothing["released"].as_bool(), code), (Some(false), 0));
    let held = json!({"status": {"held": {"count": 1, "token": "1-abcd",
        "actions": [{"mailbox": "nv-1", "action": "Lock", "reason": "Inactive", "rule": "6.2.a"}]}}});
    world.systems.patch_status("gialai", &PatchParams::default(), &Patch::Merge(&held)).await.expect("status");
    let document = ["--number", "15/STTTT", "--date", "2026-06-16", "--issuer", "Sở Thông tin và Truyền thông"];
    let word = async || world.systems.get("gialai").await.expect("system").spec.acknowledge;
    for args in [
        &["acknowledge"][..],
        &[&["acknowledge", "1-old", "--yes"], &document[..]].concat(),
        &[&["acknowledge"], &document[..]].concat(),
    ] {
        let refused = world.mail(folder.path(), args);
        assert_eq!((refused.status.code(), word().await), (Some(1), None), "{args:?}: {}", said(&refused));
    }
    let shown = said(&world.mail(folder.path(), &["acknowledge"]));
    assert!(shown.contains("nv-1") && shown.contains("6.2.a") && shown.contains("1-abcd"), "{shown}");
    let released = world.mail(folder.path(), &[&["acknowledge", "1-abcd", "--yes"], &document[..]].concat());
    assert!(released.status.success() && said(&released).contains("In Git"), "{}", said(&released));
    let written = word().await.expect("a word");
    assert_eq!((written.held.as_str(), written.basis.number.as_str()), ("1-abcd", "15/STTTT"));
    let system = world.systems.get("gialai").await.expect("system");
    assert!(system.managed_fields().iter().any(|entry| entry.manager.as_deref() == Some("kubectl-mail")));
    // What Git owns is for Git to write.
    let git = SYSTEM.replace(
        "{domain:",
        "{acknowledge: {held: 0-git, basis: {number: 1/x, date: '2026-01-01', issuer: x}}, domain:",
    );
    apply(&world.systems, &git).await.expect("by Git");
    let refused = world.mail(folder.path(), &[&["acknowledge", "--yes"], &document[..]].concat());
    assert!(refused.status.code() == Some(1) && said(&refused).contains("comes from Git"), "{}", said(&refused));
    assert_eq!(word().await.expect("a word").held, "0-git");
    world.end().await;
}
