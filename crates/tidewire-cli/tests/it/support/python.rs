//! The same peer on Python's `websockets`, run by the interpreter that `TIDEWIRE_PYTHON` names.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use super::DEADLINE;
use super::foreign::BasicServer;

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/it/support/basic_server.py"
);

pub(crate) struct PythonServer {
    child: Child,
    heard: Receiver<String>,
    port: String,
}

impl PythonServer {
    /// None where no interpreter is named.
    pub(crate) fn start() -> Option<Self> {
        let python = std::env::var_os("TIDEWIRE_PYTHON")?;
        let mut child = Command::new(python)
            .arg(SCRIPT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("TIDEWIRE_PYTHON names an interpreter that can be run");
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, heard) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let port = heard
            .recv_timeout(DEADLINE)
            .expect("the script prints its port");
        Some(Self { child, heard, port })
    }
}

impl BasicServer for PythonServer {
    fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/live", self.port)
    }

    fn heard(&self) -> String {
        self.heard
            .recv_timeout(DEADLINE)
            .expect("a frame from the client")
    }

    fn say(&mut self, frame: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{frame}").unwrap();
    }

    fn cut(&mut self) {
        self.say("");
    }
}

impl Drop for PythonServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
