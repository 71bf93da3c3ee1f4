//! A Git repository served over HTTP by git's own `git http-backend`, and a clone of it in which people work.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::Command;

pub struct Git {
    folder: Arc<TempDir>,
    pub port: u16,
}

/// Runs git as nobody in particular: without the configuration, hooks and proxies of whoever runs the tests.
fn git(args: &[&str]) -> String {
    let none = [("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1"), ("NO_PROXY", "*"), ("no_proxy", "*")];
    let output = std::process::Command::new("git").envs(none).args(args).output().expect("git");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "git {args:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

impl Git {
    /// An empty repository that everybody may read and write.
    pub async fn serve() -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("folder"));
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        git(&["init", "--quiet", "--bare", "--initial-branch=main", &path("mail.git")]);
        let listener = TcpListener::bind(SocketAddr::from(([0, 0, 0, 0], 0))).await.expect("a port");
        let port = listener.local_addr().expect("address").port();
        let served = Router::new().fallback(backend).with_state(folder.clone());
        tokio::spawn(async move { axum::serve(listener, served).await });
        let url = format!("http://127.0.0.1:{port}/mail.git");
        tokio::task::block_in_place(|| git(&["clone", "--quiet", &url, &path("work")]));
        Self { folder, port }
    }

    fn git(&self, args: &[&str]) -> String {
        let work = self.folder.path().join("work").to_string_lossy().into_owned();
        let who = ["-c", "user.name=a-person", "-c", "user.email=a-person@example.org"];
        // The server is in this process.
        tokio::task::block_in_place(|| git(&[&["-C", &work], &who[..], args].concat()))
    }

    /// Writes files, or takes them away; commits that.
    pub fn commit(&self, files: &[(&str, Option<&str>)]) {
        for (file, text) in files {
            let path = self.folder.path().join("work").join(file);
            match text {
                Some(text) => {
                    std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("folder");
                    std::fs::write(path, text).expect("file");
                }
                None => std::fs::remove_file(path).expect("a file"),
            }
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", files[0].0]);
    }

    /// Takes the last commit back by another one.
    pub fn revert(&self) {
        self.git(&["revert", "--no-edit", "HEAD"]);
    }

    /// Publishes what was committed; the new revision as Flux writes it.
    pub fn push(&self) -> String {
        self.git(&["push", "--quiet", "origin", "HEAD:main"]);
        format!("main@sha1:{}", self.git(&["rev-parse", "HEAD"]).trim())
    }
}

/// One request through `git http-backend`, which is a CGI program (RFC 3875).
async fn backend(
    State(folder): State<Arc<TempDir>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let environment = HashMap::from([
        ("GIT_PROJECT_ROOT", folder.path().to_string_lossy().into_owned()),
        ("GIT_HTTP_EXPORT_ALL", "1".into()),
        ("REMOTE_USER", "anybody".into()),
        ("REQUEST_METHOD", method.to_string()),
        ("PATH_INFO", uri.path().into()),
        ("QUERY_STRING", uri.query().unwrap_or_default().into()),
        ("CONTENT_TYPE", header("content-type")),
        ("CONTENT_LENGTH", body.len().to_string()),
        ("HTTP_CONTENT_ENCODING", header("content-encoding")),
        ("GIT_PROTOCOL", header("git-protocol")),
    ]);
    let mut child = Command::new("git")
        .arg("http-backend")
        .envs(environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("git http-backend");
    let mut input = child.stdin.take().expect("stdin");
    let fed = tokio::spawn(async move { input.write_all(&body).await });
    let output = child.wait_with_output().await.expect("its answer").stdout;
    let _ = fed.await;
    answer(&output)
}

fn answer(output: &[u8]) -> Response<Body> {
    let end = output.windows(4).position(|four| four == b"\r\n\r\n").expect("headers");
    let mut response = Response::builder();
    for line in String::from_utf8_lossy(&output[..end]).lines() {
        let (name, value) = line.split_once(": ").expect("a header");
        response = match name {
            "Status" => response.status(value.split(' ').next().unwrap_or_default()),
            _ => response.header(name, value),
        };
    }
    let body = Body::from(output[end + 4..].to_vec());
    response.body(body).unwrap_or_else(|_| {
        let mut wrong = Response::new(Body::empty());
        *wrong.status_mut() = StatusCode::BAD_GATEWAY;
        wrong
    })
}
