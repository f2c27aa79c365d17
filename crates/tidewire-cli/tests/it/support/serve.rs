//! `tidewire serve` on a free port, and what is said to it.

use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use super::program::{Ended, Program, run};

/// A server that can be killed and started again on the same port and database.
pub(crate) struct Serve {
    program: Option<Program>,
    folder: TempDir,
    address: String,
}

impl Serve {
    pub(crate) fn start() -> Self {
        Self::start_at("127.0.0.1:0")
    }

    /// Listens at an address of the test's choice.
    pub(crate) fn start_at(address: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut serve = Self {
            program: None,
            folder,
            address: address.into(),
        };
        serve.start_again();
        serve
    }

    /// Starts again at another address from now on.
    #[cfg(unix)]
    pub(crate) fn move_to(&mut self, address: &str) {
        self.address = address.into();
    }

    /// Starts it where it was before.
    pub(crate) fn start_again(&mut self) {
        self.start_again_with(&[]);
    }

    /// The same, with more arguments.
    pub(crate) fn start_again_with(&mut self, more: &[&str]) {
        assert!(self.program.is_none(), "it runs");
        let database = self.path("database");
        let database = database.to_str().unwrap();
        let words = ["serve", "--listen", &self.address, "--db", database];
        let program = Program::start(&[&words[..], more].concat());
        let line = program.line();
        let address = line
            .strip_prefix("listening on ws://")
            .and_then(|rest| rest.strip_suffix("/live"));
        self.address = address.unwrap_or_else(|| panic!("{line}")).to_owned();
        self.program = Some(program);
    }

    /// Ends it without a chance to tidy up.
    pub(crate) fn kill(&mut self) {
        self.program.take().unwrap().kill();
    }

    /// Asks it to end, and waits for it: what it holds is in its database file alone.
    #[cfg(unix)]
    pub(crate) fn end(&mut self) {
        let program = self.program.take().unwrap();
        program.terminate();
        assert_eq!(program.ended().code, Some(0));
    }

    /// Takes the process out of the test's hands.
    pub(crate) fn into_program(mut self) -> (Program, TempDir) {
        (self.program.take().unwrap(), self.folder)
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/live", self.address)
    }

    /// A file in the test's own folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Watches a type.
    pub(crate) fn watch(&self, entity_type: &str, more: &[&str]) -> Program {
        watch(&self.url(), entity_type, more)
    }

    /// Does one write and waits until it is accepted; gives what was printed.
    pub(crate) fn act(&self, words: &[&str]) -> Value {
        let ended = act(&self.url(), words);
        ended.success();
        ended.json()
    }
}

/// Watches a type, as JSON.
pub(crate) fn watch(url: &str, entity_type: &str, more: &[&str]) -> Program {
    let mut arguments = vec!["watch", url, entity_type, "--json"];
    arguments.extend(more);
    Program::start(&arguments)
}

/// Runs `act`, with JSON output.
pub(crate) fn act(url: &str, words: &[&str]) -> Ended {
    let mut arguments = vec!["act", url];
    arguments.extend(words);
    arguments.push("--json");
    run(&arguments)
}

/// The ids of a printed page, in order.
pub(crate) fn ids(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["id"].as_str().unwrap())
        .collect()
}

/// One field of the items of a printed page, in order.
pub(crate) fn fields<'a>(page: &'a Value, name: &str) -> Vec<&'a Value> {
    page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item[name])
        .collect()
}

/// Whether a printed page is live and holds these ids, in this order.
pub(crate) fn is_live_with(page: &Value, wanted: &[&str]) -> bool {
    page["status"] == "live" && page["trust"] == "live" && ids(page) == wanted
}
