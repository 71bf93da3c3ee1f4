//! The few requests that there are, and the headers of every answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::extract::{DefaultBodyLimit, Extension, Form, Query, Request, State};
use axum::http::header::{
    ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, HOST, LOCATION,
    ORIGIN, REFERRER_POLICY, RETRY_AFTER, SET_COOKIE, STRICT_TRANSPORT_SECURITY, VARY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use secrecy::SecretString;
use serde::Deserialize;

use super::change::{Desk, Outcome};
use super::client::Proxies;
use super::csrf::{Csrf, same_origin, seed_of, set_cookie};
use super::lang::Lang;
use super::pages::{Line, Pages, STYLE};
use super::typed::Attempt;

/// Bytes of a form: four fields of 256 characters, each written as %XX.
const LARGEST_BODY: usize = 16 * 1024;
/// An answer takes no longer.
const LIMIT: Duration = Duration::from_secs(30);
/// `no-referrer` would have browsers send `Origin: null` with our own form.
const REFERRER: &str = "same-origin";
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// Who is at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// What all requests share.
pub struct Web {
    desk: Desk,
    csrf: Arc<Csrf>,
    proxies: Proxies,
    pages: Pages,
}

impl Web {
    /// Over this desk.
    pub fn new(desk: Desk, csrf: Arc<Csrf>, proxies: Proxies) -> Result<Self, minijinja::Error> {
        Ok(Self { desk, csrf, proxies, pages: Pages::new()? })
    }

    fn domain(&self) -> String {
        self.desk.accounts().served().map(|served| served.domain).unwrap_or_default()
    }
}

#[derive(Deserialize, Default)]
struct Asked {
    lang: Option<String>,
}

/// What was typed. No Debug: it holds passwords.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Fields {
    token: String,
    address: String,
    current: String,
    new: String,
    again: String,
}

/// The pages. Requests carry their `Peer` as an extension.
pub fn routes(web: Arc<Web>) -> Router {
    let style = web.pages.style().to_string();
    Router::new()
        .route("/", get(show).post(submit))
        .route("/done", get(done))
        .route(&style, get(stylesheet))
        .route("/robots.txt", get(|| async { "User-agent: *\nDisallow: /\n" }))
        .fallback(not_found)
        .method_not_allowed_fallback(not_found)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn_with_state(web.clone(), guard))
        .with_state(web)
}

/// The bound on time, and the headers of every answer.
async fn guard(State(web): State<Arc<Web>>, request: Request, next: Next) -> Response {
    let (lang, sent) = (lang_of(request.headers(), None), request.method() == Method::POST);
    let mut response = match tokio::time::timeout(LIMIT, next.run(request)).await {
        Ok(response) => response,
        // A write may be under way.
        Err(_) if sent => unclear(&web, lang),
        Err(_) => unavailable(&web, lang),
    };
    let headers = response.headers_mut();
    let fixed = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, REFERRER),
        (STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn lang_of(headers: &HeaderMap, asked: Option<&str>) -> Lang {
    Lang::of(asked, header(headers, &ACCEPT_LANGUAGE))
}

fn page(status: StatusCode, lang: Lang, html: String) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_LANGUAGE, lang.code()),
        (VARY, "Accept-Language, Cookie"),
    ];
    (status, headers, html).into_response()
}

async fn stylesheet() -> Response {
    let headers = [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, STYLE).into_response()
}

async fn not_found(State(web): State<Arc<Web>>, headers: HeaderMap) -> Response {
    let lang = lang_of(&headers, None);
    let title = lang.pick("Không có trang này", "There is no such page");
    let text = lang.pick(
        "Địa chỉ trang không đúng, hoặc trang đã được chuyển đi.",
        "The address of the page is wrong, or the page has moved.",
    );
    page(StatusCode::NOT_FOUND, lang, web.pages.error(lang, &web.domain(), title, text))
}

fn unavailable(web: &Web, lang: Lang) -> Response {
    let title = lang.pick("Tạm thời chưa đổi được mật khẩu", "Passwords cannot be changed at the moment");
    let text = lang.pick(
        "Mật khẩu của bạn chưa thay đổi và thư vẫn hoạt động. Vui lòng thử lại sau vài phút.",
        "Your password was not changed, and mail works as before. Try again in a few minutes.",
    );
    let mut response = page(StatusCode::SERVICE_UNAVAILABLE, lang, web.pages.error(lang, &web.domain(), title, text));
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
    response
}

/// Nobody knows whether it was changed: whoever reads "not changed" would go on with a password that may be none any more.
fn unclear(web: &Web, lang: Lang) -> Response {
    let title = lang.pick("Chưa rõ mật khẩu đã đổi hay chưa", "It is not known whether the password was changed");
    let text = lang.pick(
        "Hệ thống không trả lời kịp nên không rõ mật khẩu đã được đổi hay chưa. Hãy thử đăng nhập bằng mật khẩu mới; nếu không được, \
         hãy mở lại trang này sau vài phút và đổi lại với mật khẩu cũ. Nếu cả hai mật khẩu đều không đúng, hãy báo cơ quan của bạn.",
        "The system did not answer in time, so it is not known whether the password was changed. Try to log in with the new password; \
         if that does not work, open this page again in a few minutes and use the old one. If neither is right, tell your agency.",
    );
    page(StatusCode::SERVICE_UNAVAILABLE, lang, web.pages.error(lang, &web.domain(), title, text))
}

fn refuse_body(web: &Web, lang: Lang, status: StatusCode) -> Response {
    let title = lang.pick("Không đọc được biểu mẫu", "The form cannot be read");
    let text = lang.pick(
        "Vui lòng mở lại trang đổi mật khẩu và nhập lại.",
        "Open the password page again and type everything again.",
    );
    page(status, lang, web.pages.error(lang, &web.domain(), title, text))
}

/// The form with a token for the browser's seed; a browser without one gets one.
fn form(web: &Web, lang: Lang, headers: &HeaderMap, status: StatusCode, address: &str, summary: &[Line]) -> Response {
    let known = header(headers, &COOKIE).and_then(seed_of).map(String::from);
    let seed = known.clone().unwrap_or_else(Csrf::seed);
    let Some(token) = web.csrf.token(&seed, web.desk.now()) else { return unavailable(web, lang) };
    let mut response = page(status, lang, web.pages.form(lang, &web.domain(), &token, address, summary));
    if known.is_none()
        && let Ok(cookie) = HeaderValue::from_str(&set_cookie(&seed))
    {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

async fn show(State(web): State<Arc<Web>>, asked: Query<Asked>, headers: HeaderMap) -> Response {
    form(&web, lang_of(&headers, asked.lang.as_deref()), &headers, StatusCode::OK, "", &[])
}

async fn done(State(web): State<Arc<Web>>, asked: Query<Asked>, headers: HeaderMap) -> Response {
    let lang = lang_of(&headers, asked.lang.as_deref());
    page(StatusCode::OK, lang, web.pages.done(lang, &web.domain()))
}

/// Whether the form comes from our own page, in the browser that asked for it.
fn ours(web: &Web, headers: &HeaderMap, token: &str) -> bool {
    let hostname = web.desk.accounts().served().map(|served| served.hostname).unwrap_or_default();
    let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    same_origin(header(headers, &ORIGIN), site, header(headers, &HOST), &hostname)
        && header(headers, &COOKIE).and_then(seed_of).is_some_and(|seed| web.csrf.holds(seed, token, web.desk.now()))
}

async fn submit(
    State(web): State<Arc<Web>>,
    Extension(Peer(peer)): Extension<Peer>,
    asked: Query<Asked>,
    headers: HeaderMap,
    fields: Result<Form<Fields>, FormRejection>,
) -> Response {
    let lang = lang_of(&headers, asked.lang.as_deref());
    let Fields { token, address, current, new, again } = match fields {
        Ok(Form(fields)) => fields,
        Err(rejection) => return refuse_body(&web, lang, rejection.status()),
    };
    let [current, new, again] = [current, new, again].map(SecretString::from);
    if !ours(&web, &headers, &token) {
        web.desk.refused();
        let text = lang.pick(
            "Biểu mẫu đã hết hạn hoặc trình duyệt không nhận cookie của trang; mật khẩu chưa thay đổi. Vui lòng nhập lại.",
            "The form has expired, or the browser takes no cookie from this page; nothing was changed. Type everything again.",
        );
        return form(&web, lang, &headers, StatusCode::FORBIDDEN, &address, &[Line::whole(text)]);
    }
    let forwarded = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let client = web.proxies.client(peer, forwarded);
    let outcome = web.desk.attempt(&Attempt { address: address.clone(), current, new, again }, client).await;
    answer(&web, lang, &headers, &address, outcome)
}

fn answer(web: &Web, lang: Lang, headers: &HeaderMap, address: &str, outcome: Outcome) -> Response {
    match outcome {
        // A page of its own, so that "reload" sends nothing again.
        Outcome::Changed => {
            let to = format!("/done?lang={}", lang.code());
            (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response()
        }
        Outcome::Invalid(troubles) => {
            let lines: Vec<Line> = troubles.iter().map(|trouble| Line::of(trouble, lang)).collect();
            form(web, lang, headers, StatusCode::UNPROCESSABLE_ENTITY, address, &lines)
        }
        Outcome::Wrong => {
            let lines = [Line::whole(wrong(lang))];
            form(web, lang, headers, StatusCode::UNPROCESSABLE_ENTITY, address, &lines)
        }
        Outcome::Wait(time) => {
            let seconds = time.as_secs().max(1);
            let wait = lang.wait(seconds);
            let text = match lang {
                Lang::Vi => format!(
                    "Đã nhập sai quá nhiều lần. Vui lòng thử lại sau {wait}. Thư vẫn hoạt động với mật khẩu hiện tại."
                ),
                Lang::En => format!(
                    "Too many wrong attempts. Try again in {wait}. Mail works as before with the current password."
                ),
            };
            let mut response = form(web, lang, headers, StatusCode::TOO_MANY_REQUESTS, address, &[Line::whole(text)]);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
        Outcome::Locked(account) => page(StatusCode::OK, lang, web.pages.locked(lang, &web.domain(), &account)),
        Outcome::Unavailable => unavailable(web, lang),
        Outcome::Unclear => unclear(web, lang),
    }
}

/// One text for whoever is unknown, mistyped, revoked or not issued yet, and for whoever waits because of another address: nobody is
/// told that two addresses are one person's.
fn wrong(lang: Lang) -> &'static str {
    lang.pick(
        "Địa chỉ thư hoặc mật khẩu hiện tại không đúng. Hãy kiểm tra chữ hoa, chữ thường và bộ gõ tiếng Việt; nếu vừa nhập sai \
         nhiều lần bằng một địa chỉ khác của mình, hãy đợi một giờ. Nếu vẫn không được, hãy hỏi cơ quan của bạn.",
        "The address or the current password is wrong. Check upper and lower case and the keyboard; if you were wrong several times with \
         another address of yours, wait an hour. If that does not help, ask your agency.",
    )
}
