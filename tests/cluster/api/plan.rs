//! `kubectl mail plan` beside what a cluster has issued.

use std::process::Command;

use super::{AGENCY, SOON, World, person};
use crate::support::wait_ready;

/// Standard output and error of the plan of a folder beside the claims of a namespace.
fn plan(folder: &std::path::Path, namespace: &str) -> (String, String) {
    let program = env!("CARGO_BIN_EXE_kubectl-mail");
    let mut command = Command::new(program);
    command.args(["plan", ".", "--claims", "cluster", "--namespace", namespace, "-o", "json"]).current_dir(folder);
    let output = command.output().expect("kubectl mail");
    (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_namespace_of_files_that_name_none_is_said_and_what_it_has_issued_is_kept() {
    let Some((world, operator, _agent)) = World::running("plan").await else { return };
    world.person("nv-1", "Hoàng Thị Như Quỳnh", "").await;
    wait_ready(&world.mailboxes, "nv-1", SOON).await;
    let folder = tempfile::tempdir().expect("folder");
    let head = |kind: &str, text: &str| format!("apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: {kind}\n{text}\n---\n");
    let text = head("Agency", AGENCY) + &head("Mailbox", &person("nv-1", "Hoàng Thị Như Quỳnh", ""));
    std::fs::write(folder.path().join("all.yaml"), text).expect("file");
    let (kept, said) = plan(folder.path(), &world.namespace);
    assert_eq!((kept.matches("\"Kept\"").count(), kept.matches("\"Issued\"").count()), (2, 0), "{kept}");
    assert!(said.contains(&format!("compared with 2 AddressClaims of namespace {}", world.namespace)), "{said}");
    // Elsewhere nothing is issued, and who looks there by mistake is told.
    let (issued, said) = plan(folder.path(), "default");
    assert_eq!((issued.matches("\"Kept\"").count(), issued.matches("\"Issued\"").count()), (0, 2), "{issued}");
    assert!(said.contains("compared with 0 AddressClaims of namespace default"), "{said}");
    operator.stop().await;
    world.end().await;
}
