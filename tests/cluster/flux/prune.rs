//! A commit that loses the whole tree: people, agencies and the MailSystem itself.

use std::process::Command;

use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use mail_operator::api::{Agency, HeldStatus, MailSystem};
use serde_json::{Value, json};

use super::{BASIS, Flux, HEAD};
use crate::support::mail::{Imap, Smtp};
use crate::support::{eventually, initial_password, ready, wait_ready};
use crate::world::{NAMESPACE, SOON, START, World, let_in};

/// Agencies of the tree, each with people of its own.
const AGENCIES: [(&str, &str); 2] = [("sgd", "Sở Giáo dục và Đào tạo"), ("syt", "Sở Y tế")];
/// Everybody of the tree, by turns in one agency and the other; more than the brake lets pass. The last one is locked.
const PEOPLE: [&str; 8] = [
    "Hoàng Thị Nhàn",
    "Rơ Châm Hường",
    "Đặng Văn Quý",
    "Ksor Thị Thảo",
    "Lý Văn Đức",
    "Vũ Thị Ngọc",
    "Nay Thị Bích",
    "Đỗ Văn Tùng",
];
const LOCKED: usize = PEOPLE.len() - 1;
const LIMIT: usize = 5;

/// Somebody's way in.
#[derive(Clone, Debug, PartialEq)]
struct Account {
    name: String,
    address: String,
    password: String,
    locked: bool,
}

fn name(i: usize) -> String {
    format!("nv-tree-{i}")
}

/// The MailSystem as the repository of the example protects it, with a small brake and an old word of a person.
fn system() -> String {
    let example = include_str!("../../../examples/gitops/system.yaml").split("\n---").next().unwrap_or_default();
    let example: Value = serde_yaml::from_str(example).expect("YAML");
    let system = json!({
        "apiVersion": "mail.gialai.gov.vn/v1alpha1",
        "kind": "MailSystem",
        "metadata": {"name": "gialai", "annotations": example["metadata"]["annotations"]},
        "spec": {
            "domain": "gialai.gov.vn",
            "hostname": "mail.gialai.gov.vn",
            "dovecot": {"storage": {"size": "1Gi"}},
            "regulation": {"firstAccess": "MailAllowed", "brake": {"max": LIMIT, "percent": 0}},
            "acknowledge": {"held": "1-old", "basis": {"number": "1/x", "date": "2026-01-01", "issuer": "x"}},
        },
    });
    // JSON is YAML, in which a date stays a text.
    system.to_string()
}

/// The whole tree: path and text.
fn tree() -> Vec<(String, String)> {
    let mut files = vec![("system.yaml".to_string(), system())];
    for (agency, title) in AGENCIES {
        let text = format!(
            "{HEAD} Agency\nmetadata: {{name: {agency}}}\nspec:\n  systemRef: {{name: gialai}}\n  level: Province\n  name: {title}\n{BASIS}"
        );
        files.push((format!("agencies/{agency}/agency.yaml"), text));
    }
    for (i, full_name) in PEOPLE.iter().enumerate() {
        let (agency, name) = (AGENCIES[i % AGENCIES.len()].0, name(i));
        let lock = "  lock: {reasons: [Compromised], basis: {number: 9/CV, date: '2026-03-01', issuer: SNV}}\n";
        let lock = if i == LOCKED { lock } else { "" };
        let text = format!(
            "{HEAD} Mailbox\nmetadata: {{name: {name}}}\nspec:\n  agencyRef: {{name: {agency}}}\n  fullName: {full_name}\n{BASIS}{lock}"
        );
        files.push((format!("agencies/{agency}/{name}.yaml"), text));
    }
    files
}

/// Puts the brake of the shared system back, whatever became of the test.
struct BrakeAsBefore;

impl Drop for BrakeAsBefore {
    fn drop(&mut self) {
        let patch = r#"{"spec": {"acknowledge": null, "regulation": {"brake": null}}}"#;
        let args = ["-n", NAMESPACE, "patch", "msys", "gialai", "--type=merge", "--patch", patch];
        let _ = Command::new("kubectl").args(args).status();
    }
}

impl Flux<'_> {
    /// Pushes, and waits until all of it is applied and healthy. A MailSystem that holds something is Stalled: Flux says
    /// HealthCheckFailed at once, and looks again after its interval, or when a person says `flux reconcile kustomization`.
    async fn settles(&self) {
        let revision = self.push().await;
        if self.tried(&revision).await.0 != "True" {
            wait_ready(&self.world.systems, "gialai", SOON).await;
            let patch = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": revision}}});
            self.kustomizations.patch(self.name, &PatchParams::default(), &Patch::Merge(&patch)).await.expect("asked");
        }
        eventually(&format!("Flux applies {revision}"), START, || async {
            let (status, reason, message) = self.tried(&revision).await;
            if status == "True" { Ok(()) } else { Err(format!("{reason}: {message}")) }
        })
        .await;
    }

    async fn system(&self) -> MailSystem {
        self.world.systems.get("gialai").await.expect("the MailSystem is never pruned")
    }

    /// Everybody, those of the agencies' own mailboxes too, and how they get in.
    async fn accounts(&self) -> (Vec<Account>, Vec<Account>) {
        let of = async |name: String, locked: bool| {
            let mailbox = wait_ready(&self.world.mailboxes, &name, START).await;
            let address = mailbox.status.and_then(|s| s.address).expect("address");
            let password = initial_password(&self.world.client, NAMESPACE, &name).await;
            Account { name, address, password, locked }
        };
        let (mut people, mut own) = (Vec::new(), Vec::new());
        for i in 0..PEOPLE.len() {
            people.push(of(name(i), i == LOCKED).await);
        }
        for (agency, _) in AGENCIES {
            own.push(of(format!("agency-{agency}"), false).await);
        }
        (people, own)
    }

    async fn deliver(&self, to: &str, subject: &str) -> String {
        let mut smtp = Smtp::server(&self.world.mx).await.expect("25");
        smtp.send("a@example.org", to, subject, "x").await.expect("an answer")
    }

    /// Each gets in with the password that was issued, but who is locked; mail arrives, and mail of before is there.
    async fn use_theirs(&self, accounts: &[Account], before: &[&str], subject: &str) {
        for account in accounts {
            let Account { name, address, password, locked } = account;
            let answer = self.deliver(address, subject).await;
            assert!(answer.starts_with("250"), "{name}: {answer}");
            if *locked {
                let (_, answer) = self.world.login(address, password).await;
                assert!(!let_in(&answer), "{name} is locked: {answer}");
                continue;
            }
            for subject in before.iter().chain(&[subject]) {
                self.world.arrives(address, password, subject).await;
            }
        }
    }

    /// Waits until exactly the people of the tree are held; what stands there, and the line that Ready says.
    async fn held(&self) -> (HeldStatus, String) {
        eventually("everybody of the tree is held", START, || async {
            let system = self.system().await;
            let said = ready(&system).err().unwrap_or_default();
            let held = system.status.and_then(|status| status.held).ok_or_else(|| said.clone())?;
            let all = usize::try_from(held.count) == Ok(PEOPLE.len());
            if all && said.contains(&held.token) { Ok((held, said)) } else { Err(format!("{held:?} {said}")) }
        })
        .await
    }

    /// The objects are gone, the rest is not: the MailSystem is the same one, what is held is everybody, and one line says what to do.
    async fn is_held(&self, uid: Option<&str>) -> (HeldStatus, String) {
        let (held, said) = self.held().await;
        assert_eq!(self.system().await.uid().as_deref(), uid, "the same MailSystem");
        for i in 0..PEOPLE.len() {
            assert!(self.world.mailboxes.get_opt(&name(i)).await.expect("asked").is_none(), "{}", name(i));
        }
        let agencies: Api<Agency> = Api::namespaced(self.world.client.clone(), NAMESPACE);
        for (agency, _) in AGENCIES {
            assert!(agencies.get_opt(agency).await.expect("asked").is_none(), "{agency}");
        }
        let named: Vec<&str> = held.actions.iter().map(|action| action.mailbox.as_str()).collect();
        assert_eq!(named, (0..PEOPLE.len()).map(name).collect::<Vec<_>>());
        let why = |a: &mail_operator::api::HeldAction| (a.action.clone(), a.reason.clone());
        assert!(held.actions.iter().all(|a| why(a) == ("Revoke".into(), "Deleted".into())), "{held:?}");
        assert!(said.starts_with("\"HeldByBrake\""), "{said}");
        for words in ["nv-tree-0", "logins and mail go on", "To undo: ", "git revert", "kubectl mail acknowledge "] {
            assert!(said.contains(words), "{words}: {said}");
        }
        assert!(!said.contains("\\n"), "one line: {said}");
        (held, said)
    }

    /// Nothing is held any more, and the system is well.
    async fn nothing_is_held(&self) {
        wait_ready(&self.world.systems, "gialai", SOON).await;
        assert_eq!(self.system().await.status.and_then(|status| status.held), None);
    }

    /// Login refused, and mail for good.
    async fn are_revoked(&self, accounts: &[Account]) {
        for Account { name, address, .. } in accounts {
            eventually(&format!("{name} is revoked"), SOON, || async {
                let answer = self.deliver(address, "late").await;
                if answer.starts_with("550 5.2.1") { Ok(()) } else { Err(answer) }
            })
            .await;
        }
        // Dovecot answers who fails later and later: all ask at once.
        let login = async |account: &Account| {
            let (_, answer) = self.world.login(&account.address, &account.password).await;
            assert!(!let_in(&answer), "{}: {answer}", account.name);
        };
        futures::future::join_all(accounts.iter().map(login)).await;
    }
}

/// Does what the line says, as somebody who copies it from there to its end.
fn confirm(said: &str) {
    let command = said.split_once("which the journal says: ").expect("a command").1.trim_end_matches('"');
    let output = Command::new("sh").args(["-c", command]).output().expect("sh");
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}

async fn session(world: &World, account: &Account) -> Imap {
    let (mut session, answer) = world.login(&account.address, &account.password).await;
    assert!(let_in(&answer), "{answer}");
    session.command("SELECT INBOX").await.expect("selected");
    session
}

async fn goes_on(session: &mut Imap) {
    let answer = session.command("NOOP").await.expect("an answer");
    assert!(answer.last().is_some_and(|last| last.starts_with("OK")), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d_15_a_prune_of_the_whole_tree_is_held_and_one_line_undoes_or_confirms_it() {
    let Some(world) = World::alone_on(&[2]).await else { return };
    let _brake = BrakeAsBefore;
    let files = tree();
    let first: Vec<(&str, Option<&str>)> =
        files.iter().map(|(path, text)| (path.as_str(), Some(text.as_str()))).collect();
    let flux = Flux::deliver_to(&world, "tree", &first).await;
    flux.settles().await;
    let (people, own) = flux.accounts().await;
    let uid = flux.system().await.uid();
    flux.use_theirs(&people, &[], "one").await;
    flux.use_theirs(&own, &[], "one").await;
    let mut open = session(&world, &people[0]).await;

    // Everything goes but what is no object of ours: an empty tree may be an error of the engine.
    let mut gone: Vec<(&str, Option<&str>)> = files.iter().map(|(path, _)| (path.as_str(), None)).collect();
    gone.push(("left.yaml", Some("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: left}\n")));
    flux.git.commit(&gone);
    flux.settles().await;
    let (first, _) = flux.is_held(uid.as_deref()).await;
    flux.use_theirs(&people, &["one"], "two").await;
    flux.use_theirs(&own, &["one"], "two").await;
    goes_on(&mut open).await;

    // Undone by the commit that takes it back.
    flux.git.revert();
    flux.settles().await;
    assert_eq!(flux.accounts().await, (people.clone(), own.clone()), "the same addresses and passwords");
    flux.nothing_is_held().await;
    flux.use_theirs(&people, &["one", "two"], "three").await;
    goes_on(&mut open).await;

    // Again, and this time it is meant.
    flux.git.revert();
    flux.settles().await;
    let (second, said) = flux.is_held(uid.as_deref()).await;
    assert_ne!(second.token, first.token, "a word for the first time would say nothing now");
    confirm(&said);
    flux.are_revoked(&people).await;
    let bye = open.unsolicited().await.expect("BYE");
    assert!(bye.starts_with("* BYE"), "{bye}");
    flux.nothing_is_held().await;
    flux.use_theirs(&own, &["one", "two"], "three").await;

    // Also what was confirmed comes back (D-14).
    flux.git.revert();
    flux.settles().await;
    assert_eq!(flux.accounts().await, (people.clone(), own.clone()));
    flux.use_theirs(&people, &["one", "two", "three"], "four").await;
    let forget = json!({"metadata": {"annotations": {"mail.gialai.gov.vn/acknowledge-held": null}}});
    world.systems.patch("gialai", &PatchParams::default(), &Patch::Merge(&forget)).await.expect("forgotten");
}
