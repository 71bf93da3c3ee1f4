//! As much of W3C WebDriver as these tests need: chromedriver of Debian speaks it over HTTP, and takes commands of the DevTools
//! protocol for what the standard lacks (the accessibility tree, whole pages as pictures).

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(30);
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub const TAB: char = '\u{e004}';
pub const ENTER: char = '\u{e007}';

/// A chromedriver of our own; it ends with the test.
pub struct Driver {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether there is a browser; a missing one is told, and with REQUIRE=1 it is a failure.
pub fn there() -> bool {
    let found = Command::new("chromedriver").arg("--version").output().is_ok_and(|o| o.status.success());
    if !found {
        let why = "skipped: there is no chromedriver; `testbed doctor --install` or apt-get install chromium-driver";
        assert!(std::env::var("REQUIRE").as_deref() != Ok("1"), "{why}");
        eprintln!("{why}");
    }
    found
}

impl Driver {
    pub async fn start() -> Self {
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|l| l.local_addr()).expect("a port").port();
        let folder = tempfile::tempdir().expect("folder");
        let process = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .env("HOME", folder.path())
            .env("TMPDIR", folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver");
        let driver = Self { process, port, _folder: folder };
        let start = std::time::Instant::now();
        while driver.call("GET", "/status", None).await.is_err() {
            assert!(start.elapsed() < LIMIT, "chromedriver does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        driver
    }

    async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let exchange = async {
            let stream = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.map_err(|e| e.to_string())?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
            tokio::spawn(connection);
            let body = body.map(ToString::to_string).unwrap_or_default();
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header("host", format!("127.0.0.1:{}", self.port))
                .header("content-type", "application/json")
                .body(Full::new(Bytes::from(body)))
                .map_err(|e| e.to_string())?;
            let response = sender.send_request(request).await.map_err(|e| e.to_string())?;
            let bytes = response.into_body().collect().await.map_err(|e| e.to_string())?.to_bytes();
            let answer: Value = serde_json::from_slice(&bytes).map_err(|e| e.to_string())?;
            match answer["value"]["error"].as_str() {
                Some(error) => Err(format!("{method} {path}: {error}: {}", answer["value"]["message"])),
                None => Ok(answer["value"].clone()),
            }
        };
        tokio::time::timeout(LIMIT, exchange).await.map_err(|_| format!("{method} {path}: no answer"))?
    }

    /// A window of this size in CSS pixels; a telephone has touch and a dense screen.
    pub async fn window(&self, width: u32, height: u32, phone: bool) -> Window<'_> {
        // As root, in a container, Chromium's own sandbox cannot be made; it only sees our page.
        let mut options = json!({"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--accept-lang=vi-VN,vi", "--hide-scrollbars", format!("--window-size={width},{height}")]});
        if phone {
            options["mobileEmulation"] =
                json!({"deviceMetrics": {"width": width, "height": height, "pixelRatio": 2.0, "touch": true}});
        }
        let wanted = json!({"capabilities": {"alwaysMatch": {"browserName": "chrome", "acceptInsecureCerts": true,
            "goog:chromeOptions": options}}});
        let session = self.call("POST", "/session", Some(&wanted)).await.expect("a session");
        Window { driver: self, id: session["sessionId"].as_str().expect("an id").into() }
    }
}

/// One window of the browser.
pub struct Window<'a> {
    driver: &'a Driver,
    id: String,
}

impl Window<'_> {
    async fn post(&self, path: &str, body: Value) -> Value {
        let path = format!("/session/{}{path}", self.id);
        self.driver.call("POST", &path, Some(&body)).await.unwrap_or_else(|e| panic!("{e}"))
    }

    async fn get(&self, path: &str) -> Value {
        let path = format!("/session/{}{path}", self.id);
        self.driver.call("GET", &path, None).await.unwrap_or_else(|e| panic!("{e}"))
    }

    pub async fn close(self) {
        let _ = self.driver.call("DELETE", &format!("/session/{}", self.id), None).await;
    }

    pub async fn open(&self, url: &str) {
        self.post("/url", json!({"url": url})).await;
    }

    pub async fn title(&self) -> String {
        self.get("/title").await.as_str().unwrap_or_default().into()
    }

    /// Presses and releases each key where the focus is.
    pub async fn keys(&self, text: &str) {
        let keys =
            text.chars().flat_map(|c| [json!({"type": "keyDown", "value": c}), json!({"type": "keyUp", "value": c})]);
        let actions = json!({"actions": [{"type": "key", "id": "keyboard", "actions": keys.collect::<Vec<_>>()}]});
        self.post("/actions", actions).await;
    }

    /// What a script of the test finds; the page itself has none.
    pub async fn ask(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({"script": format!("return {script};"), "args": []})).await
    }

    /// Role and name, as a screen reader gets them, of what has the focus.
    pub async fn focused(&self) -> (String, String) {
        let element = self.get("/element/active").await;
        let id = element[ELEMENT].as_str().expect("an element").to_string();
        let text = |value: Value| value.as_str().unwrap_or_default().to_string();
        let role = text(self.get(&format!("/element/{id}/computedrole")).await);
        (role, text(self.get(&format!("/element/{id}/computedlabel")).await))
    }

    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({"cmd": command, "params": parameters})).await
    }

    /// The accessibility tree: role, name, description, and the properties that are set.
    pub async fn tree(&self) -> Vec<Node> {
        let tree = self.devtools("Accessibility.getFullAXTree", json!({})).await;
        let text = |node: &Value, what: &str| node[what]["value"].as_str().unwrap_or_default().to_string();
        let nodes = tree["nodes"].as_array().cloned().unwrap_or_default();
        let seen = nodes.iter().filter(|node| node["ignored"] != json!(true));
        let node = |node: &Value| Node {
            role: text(node, "role"),
            name: text(node, "name"),
            description: text(node, "description"),
            properties: node["properties"].as_array().cloned().unwrap_or_default(),
        };
        seen.map(node).collect()
    }

    /// The whole page as a picture.
    pub async fn picture(&self, name: &str) {
        let folder = std::env::var("PICTURES").unwrap_or_else(|_| format!("{}/portal", env!("CARGO_TARGET_TMPDIR")));
        std::fs::create_dir_all(&folder).expect("folder");
        let shot = self.devtools("Page.captureScreenshot", json!({"captureBeyondViewport": true})).await;
        let bytes = base64::engine::general_purpose::STANDARD.decode(shot["data"].as_str().expect("a picture"));
        std::fs::write(format!("{folder}/{name}.png"), bytes.expect("base64")).expect("file");
    }
}

/// What a screen reader gets of one element.
#[derive(Clone, Debug)]
pub struct Node {
    pub role: String,
    pub name: String,
    pub description: String,
    properties: Vec<Value>,
}

impl Node {
    /// A property such as `invalid` or `required`, as text.
    pub fn property(&self, name: &str) -> String {
        let found = self.properties.iter().find(|p| p["name"] == name).map(|p| &p["value"]["value"]);
        found.map(|v| v.as_str().map_or_else(|| v.to_string(), String::from)).unwrap_or_default()
    }
}
