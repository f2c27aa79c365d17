//! A real browser, driven over the WebDriver protocol.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::DEADLINE;
use super::http;
use super::program::Program;

/// The name under which WebDriver gives elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// How long a script in the page may wait.
const SCRIPT_MS: u64 = 50_000;

/// A browser with one session. Ends when dropped.
pub(crate) struct Browser {
    address: String,
    session: String,
    _driver: Program,
    _profile: TempDir,
}

impl Browser {
    /// None where the browser or its driver is not named.
    pub(crate) fn chromium() -> Option<Self> {
        let chromium = std::env::var("TIDEWIRE_CHROMIUM").ok()?;
        let driver = std::env::var_os("TIDEWIRE_CHROMEDRIVER")?;
        let profile = tempfile::tempdir().unwrap();
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--window-size=1400,1250",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let wanted = json!({
            "goog:chromeOptions": {"binary": chromium, "args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        });
        let driver = driver_of(&driver, &["--port=0"]);
        let port = port_of(&driver, "started successfully on port ");
        Some(Self::session(driver, &port, profile, wanted))
    }

    /// None where the browser or its driver is not named.
    pub(crate) fn firefox() -> Option<Self> {
        let firefox = std::env::var("TIDEWIRE_FIREFOX").ok()?;
        let driver = std::env::var_os("TIDEWIRE_GECKODRIVER")?;
        let profile = tempfile::tempdir().unwrap();
        let arguments = ["-headless", "--width=1400", "--height=1250"];
        let wanted = json!({"moz:firefoxOptions": {"binary": firefox, "args": arguments}});
        let folder = profile.path().to_str().unwrap();
        // One more port beside its own, so that several can run at once.
        let driver = driver_of(
            &driver,
            &["--port=0", "--websocket-port=0", "--profile-root", folder],
        );
        let port = port_of(&driver, "Listening on 127.0.0.1:");
        Some(Self::session(driver, &port, profile, wanted))
    }

    fn session(driver: Program, port: &str, profile: TempDir, mut wanted: Value) -> Self {
        wanted["timeouts"] = json!({"script": SCRIPT_MS});
        let mut browser = Self {
            address: format!("127.0.0.1:{port}"),
            session: String::new(),
            _driver: driver,
            _profile: profile,
        };
        let made = browser.ask(
            "POST",
            "/session",
            &json!({"capabilities": {"alwaysMatch": wanted}}),
        );
        browser.session = format!("/session/{}", made["sessionId"].as_str().unwrap());
        browser
    }

    pub(crate) fn open(&self, url: &str) {
        self.command("/url", &json!({"url": url}));
    }

    /// Gives the page a size, also one that no window can have. Only Chromium can.
    pub(crate) fn resize(&self, width: u64, height: u64) {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.command(
            "/goog/cdp/execute",
            &json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": size}),
        );
    }

    pub(crate) fn reload(&self) {
        self.command("/refresh", &json!({}));
    }

    /// Runs a script in the page and gives what it returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.command("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// Runs a script that calls `done` when it has something to give.
    pub(crate) fn run_until(&self, script: &str) -> Value {
        let script = format!("const done = arguments[0]; {script}");
        self.command("/execute/async", &json!({"script": script, "args": []}))
    }

    /// Waits until an expression in the page is true.
    pub(crate) fn wait(&self, expression: &str) {
        self.run_until(&format!(
            "(function look() {{ ({expression}) ? done(true) : setTimeout(look, 20); }})();"
        ));
    }

    pub(crate) fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.command(&format!("{element}/click"), &json!({}));
    }

    /// Types a text in place of what a field holds.
    pub(crate) fn fill(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.command(&format!("{element}/clear"), &json!({}));
        if !text.is_empty() {
            self.command(&format!("{element}/value"), &json!({"text": text}));
        }
    }

    /// A picture of the window, as the bytes of a PNG in base64.
    pub(crate) fn picture(&self) -> String {
        let picture = self.ask("GET", &format!("{}/screenshot", self.session), &json!({}));
        picture.as_str().unwrap().to_owned()
    }

    /// Errors the browser has told of the page: of its scripts, its files, its policy.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.command("/se/log", &json!({"type": "browser"}));
        let entries = log.as_array().unwrap().iter();
        entries
            .filter(|entry| entry["level"] == "SEVERE")
            .map(|entry| entry["message"].to_string())
            .collect()
    }

    fn element(&self, selector: &str) -> String {
        let found = self.command(
            "/element",
            &json!({"using": "css selector", "value": selector}),
        );
        format!("/element/{}", found[ELEMENT].as_str().unwrap())
    }

    fn command(&self, path: &str, body: &Value) -> Value {
        self.ask("POST", &format!("{}{path}", self.session), body)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if method == "GET" {
            String::new()
        } else {
            body.to_string()
        };
        let headers = [("Content-Type", "application/json; charset=utf-8")];
        let answer = http::request(&self.address, method, path, &headers, &body);
        let mut json = answer.json();
        assert_eq!(answer.status, 200, "{path}: {}", json["value"]["message"]);
        json["value"].take()
    }
}

fn driver_of(program: &OsStr, arguments: &[&str]) -> Program {
    let mut driver = Command::new(program);
    driver.args(arguments);
    Program::spawn(driver)
}

/// The port a driver says it listens on, behind these words.
fn port_of(driver: &Program, words: &str) -> String {
    loop {
        if let Some((_, rest)) = driver.line().split_once(words) {
            return rest.trim_end_matches('.').to_owned();
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if self.session.is_empty() {
            return;
        }
        // Also after a failure: the browser is a process of its own, and would stay when its driver
        // goes. Nothing here may fail in turn.
        if let Ok(mut stream) = TcpStream::connect(&self.address) {
            let request = format!(
                "DELETE {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                self.session, self.address
            );
            let _ = stream.set_read_timeout(Some(DEADLINE));
            let _ = stream.write_all(request.as_bytes());
            // The answer comes when the browser has ended.
            let _ = stream.read(&mut [0; 64]);
        }
    }
}
