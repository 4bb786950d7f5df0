//! Chromium without a screen, through chromedriver: WebDriver is JSON over HTTP, so no more than that is here.

#![expect(clippy::disallowed_methods, reason = "the files of these tests need not be durable")]

use std::fs::Permissions;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::{NamedTempFile, TempDir};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::peers::{PATIENCE, program};

const LOOK_EVERY: Duration = Duration::from_millis(25);

/// It goes nowhere by itself, and knows nothing of other runs.
const ARGUMENTS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];

/// A window of a browser of its own. It ends with the test.
pub(crate) struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    directory: TempDir,
}

/// How the page is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// `light` or `dark`.
    pub(crate) scheme: &'static str,
}

/// A desk.
pub(crate) const DESK: Look = Look { width: 1280, height: 900, scheme: "light" };

/// The narrowest phone that is sold.
pub(crate) const PHONE: Look = Look { width: 360, height: 740, scheme: "light" };

impl Browser {
    /// Starts one; `None` where it is missing, which the test says and CI does not forgive. Scripts may be
    /// off.
    pub(crate) async fn start(has_scripts: bool) -> Option<Self> {
        let (driver, browser) = (program("chromedriver")?, program("chromium")?);
        let words = NamedTempFile::new().expect("a temporary file");
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(driver)
            .arg("--port=0")
            .envs([("NO_PROXY", "*"), ("no_proxy", "*")])
            .stdin(Stdio::null())
            .stdout(words.reopen().expect("the file is there"))
            .stderr(Stdio::null())
            .spawn()
            .expect("setpriv, of util-linux, runs");
        let directory = TempDir::new().expect("a temporary directory");
        let mut this = Self {
            driver: child,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            session: String::new(),
            directory,
        };
        this.address.set_port(port(words.path()).await);
        this.open(&browser, has_scripts).await;
        Some(this)
    }

    async fn open(&mut self, browser: &Path, has_scripts: bool) {
        let profile = format!("--user-data-dir={}/profile", self.directory.path().display());
        // Chromedriver leaves its browser behind where it is killed.
        let launcher = self.directory.path().join("launcher");
        let text =
            format!("#!/bin/sh\nexec setpriv --pdeathsig KILL -- {} \"$@\"\n", browser.display());
        std::fs::write(&launcher, text).expect("the directory can be written");
        let can_run = Permissions::from_mode(0o755);
        std::fs::set_permissions(&launcher, can_run).expect("the file is ours");
        let arguments: Vec<&str> = ARGUMENTS.into_iter().chain([profile.as_str()]).collect();
        let scripts = if has_scripts { 1 } else { 2 };
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {
                "binary": launcher,
                "args": arguments,
                "prefs": {"profile.managed_default_content_settings.javascript": scripts},
            },
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }}});
        let session = self.call("POST", "/session", &wanted).await;
        let id = session["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {session}"));
        self.session = format!("/session/{id}");
    }

    /// Goes to a page.
    pub(crate) async fn go(&self, url: &str) {
        self.ask("POST", "/url", json!({"url": url})).await;
    }

    /// What a function body returns on the page.
    pub(crate) async fn eval(&self, script: &str) -> Value {
        self.ask("POST", "/execute/sync", json!({"script": script, "args": []})).await
    }

    /// Waits until an expression on the page is true.
    pub(crate) async fn until(&self, expression: &str) {
        let until = Instant::now() + PATIENCE;
        while self.eval(&format!("return !!({expression})")).await != true {
            if Instant::now() > until {
                let page = self.eval("return document.body.innerText").await;
                panic!("never {expression}:\n{}", page.as_str().unwrap_or_default());
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Everything that can be read on the page.
    pub(crate) async fn text(&self) -> String {
        let text = self.eval("return document.body.innerText").await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Looks in another way from now on.
    pub(crate) async fn look(&self, look: Look) {
        let Look { width, height, scheme } = look;
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", media).await;
    }

    /// A picture of the whole page under `target/status`.
    pub(crate) async fn shoot(&self, name: &str) {
        let wanted = json!({"format": "png", "captureBeyondViewport": true});
        let shot = self.devtools("Page.captureScreenshot", wanted).await;
        let picture = STANDARD.decode(shot["data"].as_str().expect("a picture")).expect("base64");
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/status");
        std::fs::create_dir_all(&directory).expect("target can be written");
        std::fs::write(directory.join(format!("{name}.png")), picture).expect("it can be written");
    }

    /// What the console said since it was last asked.
    pub(crate) async fn console(&self) -> Vec<String> {
        let lines = self.ask("POST", "/se/log", json!({"type": "browser"})).await;
        let text = |line: &Value| line["message"].as_str().unwrap_or_default().to_owned();
        lines.as_array().expect("a list").iter().map(text).collect()
    }

    /// The addresses of everything that pages asked for since it was last asked.
    pub(crate) async fn requests(&self) -> Vec<String> {
        let lines = self.ask("POST", "/se/log", json!({"type": "performance"})).await;
        let url = |line: &Value| {
            let told: Value = serde_json::from_str(line["message"].as_str()?).ok()?;
            let message = &told["message"];
            let is_request = message["method"] == "Network.requestWillBeSent";
            is_request.then(|| message["params"]["request"]["url"].as_str().map(str::to_owned))?
        };
        lines.as_array().expect("a list").iter().filter_map(url).collect()
    }

    async fn devtools(&self, command: &str, params: Value) -> Value {
        self.ask("POST", "/goog/cdp/execute", json!({"cmd": command, "params": params})).await
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> Value {
        self.call(method, &format!("{}{path}", self.session), &body).await
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let answered = timeout(PATIENCE, exchange(self.address, &request)).await;
        let answer = answered.expect("chromedriver answers").expect("it answers in whole");
        let told: Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{answer}"));
        assert!(told["value"]["error"].is_null(), "{method} {path}: {}", told["value"]);
        told["value"].clone()
    }
}

/// The body of the answer. Chromedriver keeps a connection open, whatever it is asked for, and leaves out
/// what white space it may.
async fn exchange(address: SocketAddr, request: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut came = Vec::new();
    loop {
        if stream.read_buf(&mut came).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some(end) = came.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&came[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        if came.len() >= end + 4 + length {
            return Ok(String::from_utf8_lossy(&came[end + 4..]).into_owned());
        }
    }
}

/// The port that chromedriver says it got.
async fn port(words: &Path) -> u16 {
    let until = Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read_to_string(words).expect("it says text");
        let port = text.split_once("successfully on port ").and_then(|(_, rest)| {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            // Half a number is followed by nothing.
            rest.chars().nth(digits.len())?;
            digits.parse().ok()
        });
        if let Some(port) = port {
            return port;
        }
        assert!(Instant::now() < until, "chromedriver says only: {text}");
        sleep(LOOK_EVERY).await;
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The kernel ends the browser with its driver.
        self.driver.kill().ok();
        self.driver.wait().ok();
    }
}
