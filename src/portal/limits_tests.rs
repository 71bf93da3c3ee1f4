//! What an attempt costs, and what is said when an answer is lost, over accounts in memory.

use std::sync::atomic::Ordering;

use axum::http::StatusCode;

use super::memory::Lost;
use super::routes_tests::{ADDRESS, NEW, OLD, encode, site};

#[tokio::test]
async fn a_lost_answer_is_told_as_it_stands_changed_or_not_or_not_known() {
    const UNCLEAR: [&str; 2] = ["Chưa rõ mật khẩu đã đổi hay chưa", "thử đăng nhập bằng mật khẩu mới"];
    // It was done: that is said, whether by the first look or by a second write that finds it done.
    for times in [1, 2] {
        let site = site();
        site.accounts.lose(Lost { times, done: true, then_down: false });
        assert_eq!(site.change([ADDRESS, OLD, NEW, NEW]).await.status, StatusCode::SEE_OTHER);
        assert!(site.opens("nv-1", NEW).await);
    }
    // It was not: it is done once more over the same.
    let site = site();
    site.accounts.lose(Lost { times: 1, done: false, then_down: false });
    assert_eq!(site.change([ADDRESS, OLD, NEW, NEW]).await.status, StatusCode::SEE_OTHER);
    assert!(site.opens("nv-1", NEW).await);
    // Never answered: it may still come.
    site.accounts.lose(Lost { times: 9, done: false, then_down: false });
    let answer = site.change([ADDRESS, NEW, "Biển-hồ@2026", "Biển-hồ@2026"]).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(UNCLEAR.iter().all(|part| answer.text.contains(part)), "{}", answer.text);
    assert!(!answer.text.contains("chưa thay đổi"));
    site.accounts.lose(Lost { times: 1, done: true, then_down: true });
    let reads = site.accounts.reads().len();
    let english = site.change_with("/?lang=en", [ADDRESS, NEW, "Biển-hồ@2026", "Biển-hồ@2026"], &[]).await;
    assert!(english.text.contains("Try to log in with the new password") && !english.text.contains("was not changed"));
    assert_eq!(site.accounts.reads().len() - reads, 4, "once before and three looks after it");
    assert!(site.metrics.text().contains("portal_attempts_total{result=\"unclear\"} 2"));
    site.accounts.down(false);
    assert!(site.opens("nv-1", "Biển-hồ@2026").await, "and it was changed");
}

#[tokio::test]
async fn what_nobody_looked_at_is_no_guess() {
    let site = site();
    site.accounts.down(true);
    for _ in 0..60 {
        assert_eq!(site.change([ADDRESS, "Sai@12345", NEW, NEW]).await.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    site.accounts.down(false);
    let forged = encode(&[("token", "x"), ("address", ADDRESS), ("current", OLD), ("new", NEW), ("again", NEW)]);
    for _ in 0..60 {
        assert_eq!(site.post("/", "", forged.clone(), &[]).await.status, StatusCode::FORBIDDEN);
    }
    // And what was looked at still is one.
    for _ in 0..6 {
        assert_eq!(site.change([ADDRESS, "Sai@12345", NEW, NEW]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(site.change([ADDRESS, OLD, NEW, NEW]).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn another_address_of_a_mailbox_buys_no_guess_and_looks_like_one_that_nobody_has() {
    let site = site();
    for typed in [ADDRESS, "QUYNHHTN.stttt", ADDRESS, "quynhhtn.stttt@GIALAI.gov.vn", ADDRESS, ADDRESS] {
        assert_eq!(site.change([typed, "Sai@12345", NEW, NEW]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(site.change([ADDRESS, OLD, NEW, NEW]).await.status, StatusCode::TOO_MANY_REQUESTS);
    // Even the right password is not looked at, and nothing shows that.
    let mut pages = Vec::new();
    for typed in ["quynh.cu@gialai.gov.vn", "khong.co@gialai.gov.vn"] {
        let answer = site.change([typed, OLD, NEW, NEW]).await;
        pages.push((answer.status, answer.text.replace(typed, "ADDRESS").replace(&answer.token(), "TOKEN")));
    }
    assert_eq!((pages[0].0, &pages[0]), (StatusCode::UNPROCESSABLE_ENTITY, &pages[1]));
    assert!(pages[0].1.contains("địa chỉ khác của mình"), "what to do stands there for everybody");
    assert_eq!(&site.accounts.reads()[6..], [None, None], "the API server is asked all the same");
    assert!(site.opens("nv-1", OLD).await);
    site.second.fetch_add(31, Ordering::Relaxed);
    assert_eq!(site.change(["quynh.cu", OLD, NEW, NEW]).await.status, StatusCode::SEE_OTHER);
}
