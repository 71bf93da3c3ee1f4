//! The page as a browser uses it, over accounts in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Extension;
use axum::http::{HeaderMap, Request, StatusCode};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;
use tower::ServiceExt;

use super::accounts::{Account, Locked, hash_of};
use super::change::{Clock, Desk};
use super::client::Proxies;
use super::csrf::Csrf;
use super::hash::{Hasher, make};
use super::memory::MemoryAccounts;
use super::routes::{Peer, Web, routes};
use crate::api::{LockReason, PASSWORD_CHANGED_AT};
use crate::telemetry::Metrics;

pub(super) const ADDRESS: &str = "quynhhtn.stttt@gialai.gov.vn";
pub(super) const OLD: &str = "kT4mx@9RwB7@npq3H";
pub(super) const NEW: &str = "Phố-núi@2026";
const BEGIN: i64 = 1_790_000_000;

pub(super) struct Site {
    app: Router,
    pub accounts: Arc<MemoryAccounts>,
    pub metrics: Metrics,
    pub second: Arc<AtomicI64>,
}

pub(super) struct Answer {
    pub status: StatusCode,
    headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn token(&self) -> String {
        let found = self.text.split("name=\"token\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        found.expect("a token").into()
    }

    pub fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap_or_default().into()
    }

    /// What is said above the form.
    pub fn alert(&self) -> String {
        let alert = self.text.split("role=\"alert\"").nth(1).and_then(|rest| rest.split("</div>").next());
        alert.unwrap_or_default().into()
    }
}

fn secret(mailbox: &str, password: &str) -> Secret {
    let hash = make(&SecretString::from(password)).expect("hash");
    serde_json::from_value(json!({"metadata": {"name": format!("{mailbox}-credentials")},
        "data": {"hash": base64(&hash), "initialPassword": base64(password)}}))
    .expect("a Secret")
}

fn base64(text: &str) -> String {
    use ::base64::Engine;
    ::base64::engine::general_purpose::STANDARD.encode(text)
}

fn account(mailbox: &str, addresses: &[&str], locks: Vec<Locked>) -> Account {
    Account {
        mailbox: mailbox.into(),
        addresses: addresses.iter().map(|a| (*a).to_string()).collect(),
        locked: !locks.is_empty(),
        locks,
        agency: "Sở Thông tin và Truyền thông".into(),
        office: crate::api::Office::default(),
    }
}

pub(super) fn site() -> Site {
    let accounts = Arc::new(MemoryAccounts::new("gialai.gov.vn"));
    accounts.put(account("nv-1", &[ADDRESS, "quynh.cu@gialai.gov.vn"], vec![]), secret("nv-1", OLD));
    let lock = Locked {
        reason: LockReason::Compromised,
        since: Timestamp::from_second(BEGIN).ok(),
        basis: "9/CV (2026-03-01, STTTT)".into(),
    };
    accounts.put(account("nv-2", &["khoa.stttt@gialai.gov.vn"], vec![lock]), secret("nv-2", OLD));
    let (metrics, second) = (Metrics::default(), Arc::new(AtomicI64::new(BEGIN)));
    let clock = {
        let second = second.clone();
        Clock::new(move || Timestamp::from_second(second.load(Ordering::Relaxed)).expect("a time"))
    };
    let csrf = Arc::new(Csrf::default());
    csrf.set(&SecretString::from("a key"));
    let desk = Desk::new(accounts.clone(), metrics.clone(), clock, Duration::ZERO);
    let proxies = Proxies(vec!["10.0.0.0/8".parse().expect("a network")]);
    let app = routes(Arc::new(Web::new(desk, csrf, proxies).expect("templates")));
    Site { app: app.layer(Extension(Peer("192.0.2.1".parse().expect("an address")))), accounts, metrics, second }
}

pub(super) fn encode(fields: &[(&str, &str)]) -> String {
    let byte = |b: u8| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") };
    let text = |t: &str| t.bytes().map(byte).collect::<String>();
    fields.iter().map(|(name, value)| format!("{name}={}", text(value))).collect::<Vec<_>>().join("&")
}

impl Site {
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.app.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8_lossy(&bytes).replace("&#x2f;", "/"),
        }
    }

    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).expect("a request")).await
    }

    /// Sends the form as a browser does that has just opened it.
    pub async fn change(&self, fields: [&str; 4]) -> Answer {
        self.change_with("/", fields, &[]).await
    }

    pub async fn change_with(
        &self,
        path: &str,
        [address, current, new, again]: [&str; 4],
        more: &[(&str, &str)],
    ) -> Answer {
        let shown = self.get(path, &[]).await;
        let token = shown.token();
        let body =
            encode(&[("token", &token), ("address", address), ("current", current), ("new", new), ("again", again)]);
        self.post(path, &shown.cookie(), body, more).await
    }

    pub async fn post(&self, path: &str, cookie: &str, body: String, more: &[(&str, &str)]) -> Answer {
        let mut all = vec![
            ("host", "mail.gialai.gov.vn"),
            ("origin", "https://mail.gialai.gov.vn"),
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("cookie", cookie),
        ];
        all.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
        let mut request = Request::post(path);
        for (name, value) in all.iter().chain(more).filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body)).expect("a request")).await
    }

    pub async fn opens(&self, mailbox: &str, password: &str) -> bool {
        let hash = hash_of(&self.accounts.secret(mailbox).expect("a Secret"));
        let hasher = Hasher::default();
        let turn = hasher.turn().expect("a turn");
        hasher.verify(turn, hash, &SecretString::from(password)).await.expect("computed")
    }
}

#[tokio::test]
async fn r9_1_a_holder_changes_the_initial_password_by_any_address_in_any_case() {
    for typed in [ADDRESS, "QuynhHTN.STTTT@gialai.gov.vn", "quynhhtn.stttt", " quynh.cu@gialai.gov.vn "] {
        let site = site();
        let answer = site.change([typed, OLD, NEW, NEW]).await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/done?lang=vi"), "{typed}");
        assert!(site.opens("nv-1", NEW).await && !site.opens("nv-1", OLD).await);
        let secret = site.accounts.secret("nv-1").expect("a Secret");
        assert!(!secret.data.expect("data").contains_key("initialPassword"));
        assert!(secret.metadata.annotations.expect("annotations")[PASSWORD_CHANGED_AT].starts_with("2026-09-21T"));
        assert!(site.get("/done?lang=vi", &[]).await.text.contains("Đã đổi mật khẩu"));
        assert!(site.metrics.text().contains("portal_attempts_total{result=\"changed\"} 1"));
    }
}

#[tokio::test]
async fn d_18_a_password_that_was_typed_in_nfd_opens_in_nfc() {
    let site = site();
    let apart = "Pho\u{302}\u{301}-nu\u{301}i@2026";
    assert_eq!(site.change([ADDRESS, OLD, apart, NEW]).await.status, StatusCode::SEE_OTHER);
    assert!(site.opens("nv-1", NEW).await);
    assert_eq!(site.change([ADDRESS, apart, "Biển-hồ@2026", "Biển-hồ@2026"]).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn r9_2_everything_that_is_missing_is_listed_at_once_and_no_attempt_is_spent() {
    let site = site();
    for _ in 0..20 {
        let answer = site.change([ADDRESS, "wrong", "abc", "abd"]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        for part in ["8 ký tự", "in hoa", "chữ số", "! @ # % $ * &amp;", "không giống nhau"] {
            assert!(answer.alert().contains(part), "{part}: {}", answer.alert());
        }
        assert!(answer.text.contains("aria-invalid=\"true\"") && answer.text.contains(&format!("value=\"{ADDRESS}\"")));
    }
    assert!(site.accounts.reads().is_empty());
    let english = site.change_with("/?lang=en", [ADDRESS, "wrong", "abc", "abd"], &[]).await;
    assert!(english.alert().contains("fewer than 8 characters") && !english.alert().contains("Mật khẩu"));
    let own = site.change([ADDRESS, OLD, "A1@quynhhtn.stttt", "A1@quynhhtn.stttt"]).await;
    assert!(own.alert().contains("phần trước dấu @"));
    // By another address of the same holder: told after the right password alone.
    let own = site.change(["quynh.cu", OLD, "A1@quynhhtn.stttt", "A1@quynhhtn.stttt"]).await;
    assert!(own.alert().contains("phần trước dấu @"));
    assert!(site.opens("nv-1", OLD).await, "nothing was changed");
}

#[tokio::test]
async fn unknown_wrong_and_one_without_credentials_get_the_same_answer_after_the_same_work() {
    let site = site();
    let without = account("nv-3", &["moi.stttt@gialai.gov.vn"], vec![]);
    site.accounts.put(without, Secret::default());
    let mut pages = Vec::new();
    for address in
        ["quynh.cu@gialai.gov.vn", "khong.co@gialai.gov.vn", "moi.stttt@gialai.gov.vn", "khoa.stttt@gialai.gov.vn"]
    {
        let answer = site.change([address, "Sai-mật-khẩu@1", NEW, NEW]).await;
        let page = answer.text.replace(address, "ADDRESS").replace(&answer.token(), "TOKEN");
        pages.push((answer.status, page));
    }
    assert!(pages.windows(2).all(|pair| pair[0] == pair[1]));
    assert!(pages[0].1.contains("không đúng"));
    assert_eq!(site.accounts.reads().len(), 4, "the API server is asked each time");
    assert!(site.metrics.text().contains("portal_attempts_total{result=\"wrong\"} 4"));
}

#[tokio::test]
async fn r6_3_a_locked_holder_is_told_why_and_whom_to_ask_after_the_right_password_alone() {
    let site = site();
    let wrong = site.change(["khoa.stttt", "Sai-mật-khẩu@1", NEW, NEW]).await;
    assert!(!wrong.text.contains("khóa"), "nothing of the lock");
    let answer = site.change(["khoa.stttt", OLD, NEW, NEW]).await;
    assert_eq!(answer.status, StatusCode::OK);
    for part in [
        "đang bị khóa",
        "Mật khẩu bị lộ",
        "điểm b khoản 2 Điều 6",
        "9/CV",
        "Sở Thông tin và Truyền thông",
        "3 ngày làm việc",
        "khoản 3 Điều 6",
        "khoản 1 Điều 6",
        "21/09/2026",
    ] {
        assert!(answer.text.contains(part), "{part}");
    }
    assert!(site.opens("nv-2", OLD).await && !site.opens("nv-2", NEW).await);
}

#[tokio::test]
async fn who_was_faster_wins_once_and_a_password_that_was_changed_meanwhile_is_looked_at_again() {
    let site = site();
    site.accounts.conflict(1);
    assert_eq!(site.change([ADDRESS, OLD, NEW, NEW]).await.status, StatusCode::SEE_OTHER, "again from anew");
    site.accounts.conflict(2);
    let answer = site.change([ADDRESS, NEW, "Biển-hồ@2026", "Biển-hồ@2026"]).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.text.contains("chưa thay đổi") && site.opens("nv-1", NEW).await);
}

#[tokio::test]
async fn an_api_server_that_is_down_is_said_and_changes_nothing() {
    let site = site();
    site.accounts.down(true);
    for address in [ADDRESS, "khong.co@gialai.gov.vn"] {
        let answer = site.change([address, OLD, NEW, NEW]).await;
        assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "60"));
    }
}

#[tokio::test]
async fn too_many_wrong_passwords_wait_and_the_right_one_waits_too() {
    let site = site();
    for _ in 0..6 {
        assert_eq!(site.change([ADDRESS, "Sai@12345", NEW, NEW]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let reads = site.accounts.reads().len();
    let answer = site.change([ADDRESS, OLD, NEW, NEW]).await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "30"));
    assert!(answer.alert().contains("1 phút"), "{}", answer.alert());
    assert_eq!(site.accounts.reads().len(), reads, "nothing is looked at");
    // From elsewhere, and by a trusted proxy, the holder gets through at once.
    let client = [("x-forwarded-for", "198.51.100.7")];
    let same = site.change_with("/", [ADDRESS, OLD, NEW, NEW], &client).await;
    assert_eq!(same.status, StatusCode::TOO_MANY_REQUESTS, "the header of anybody is not believed");
    site.second.fetch_add(31, Ordering::Relaxed);
    assert_eq!(site.change([ADDRESS, OLD, NEW, NEW]).await.status, StatusCode::SEE_OTHER);
    assert!(site.metrics.text().contains("portal_lockouts_total{by=\"address-from-source\"} 1"));
}
