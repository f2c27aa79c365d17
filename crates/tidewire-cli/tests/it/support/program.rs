//! The program `tidewire`, started as a process of its own.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use serde_json::Value;

use super::DEADLINE;

/// A running program. Killed when dropped.
pub(crate) struct Program {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
    name: String,
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<String>,
    pub(crate) err: Vec<String>,
}

impl Program {
    /// Starts `tidewire` with these arguments.
    pub(crate) fn start<S: AsRef<OsStr>>(arguments: &[S]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidewire"));
        command.args(arguments);
        Self::spawn(command)
    }

    /// Starts `tidewire` with these arguments, and leaves its output to the test.
    pub(crate) fn start_unread<S: AsRef<OsStr>>(arguments: &[S]) -> (Self, ChildStdout) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidewire"));
        command.args(arguments);
        Self::spawn_unread(command)
    }

    /// Starts any program.
    pub(crate) fn spawn(command: Command) -> Self {
        let (mut program, out) = Self::spawn_unread(command);
        program.out = lines(out);
        program
    }

    fn spawn_unread(mut command: Command) -> (Self, ChildStdout) {
        let name = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let out = child.stdout.take().unwrap();
        let err = lines(child.stderr.take().unwrap());
        let program = Self {
            child,
            out: channel().1,
            err,
            name,
        };
        (program, out)
    }

    /// The next line of its output.
    pub(crate) fn line(&self) -> String {
        self.out.recv_timeout(DEADLINE).unwrap_or_else(|error| {
            let said: Vec<String> = self.err.try_iter().collect();
            panic!("{}: no further line ({error}); it said {said:?}", self.name)
        })
    }

    /// The next line of its standard error.
    pub(crate) fn error_line(&self) -> String {
        let line = self.err.recv_timeout(DEADLINE);
        line.unwrap_or_else(|error| panic!("{}: no line on standard error ({error})", self.name))
    }

    /// The next line of its output, as JSON.
    pub(crate) fn json(&self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{}: {line}: {error}", self.name))
    }

    /// Reads on until a line fits; gives all lines read, the fitting one last.
    pub(crate) fn until(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
        let started = Instant::now();
        let mut read = Vec::new();
        loop {
            let line = self.json();
            let found = fits(&line);
            read.push(line);
            if found {
                return read;
            }
            assert!(
                started.elapsed() < DEADLINE,
                "{}: never {what}; it printed {read:#?}",
                self.name
            );
        }
    }

    /// Reads on until a line fits, and gives it.
    pub(crate) fn find(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        self.until(what, fits).pop().unwrap()
    }

    /// Ends it without a chance to tidy up.
    pub(crate) fn kill(mut self) {
        self.stop();
    }

    /// The same, for whoever only borrows it. It must still have been running.
    pub(crate) fn stop(&mut self) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        #[cfg(unix)]
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(9),
            "{} ended by itself: {status}",
            self.name
        );
        #[cfg(not(unix))]
        assert!(!status.success(), "{} ended by itself: {status}", self.name);
    }

    /// Asks it to end, as `kill` does by default.
    #[cfg(unix)]
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Asks it to end, as Ctrl-C does.
    #[cfg(unix)]
    pub(crate) fn interrupt(&self) {
        self.signal("INT");
    }

    #[cfg(unix)]
    fn signal(&self, name: &str) {
        // Every shell has `kill`; the program of that name is not everywhere.
        let ask = format!("kill -{name} {}", self.child.id());
        let asked = Command::new("sh").args(["-c", &ask]).status();
        assert!(asked.unwrap().success());
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it has ended by itself, whatever it may still hold open.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(started.elapsed() < DEADLINE, "{} does not end", self.name);
            std::thread::yield_now();
        }
    }

    /// Waits until it has ended and said everything.
    pub(crate) fn ended(mut self) -> Ended {
        let out = rest(&self.out, &self.name);
        let err = rest(&self.err, &self.name);
        // Its pipes are closed, so nothing holds it up any more.
        let code = self.child.wait().unwrap().code();
        Ended { code, out, err }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `tidewire` to its end.
pub(crate) fn run<S: AsRef<OsStr>>(arguments: &[S]) -> Ended {
    Program::start(arguments).ended()
}

impl Ended {
    /// Its one line of output, as JSON.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.out.len(), 1, "{self:?}");
        serde_json::from_str(&self.out[0]).unwrap()
    }

    /// Its one line on standard error, after it failed with this code.
    pub(crate) fn failure(&self, code: i32) -> &str {
        assert_eq!((self.code, self.err.len()), (Some(code), 1), "{self:?}");
        &self.err[0]
    }

    /// Its output, after it did well and complained of nothing.
    pub(crate) fn success(&self) -> &[String] {
        assert_eq!((self.code, self.err.len()), (Some(0), 0), "{self:?}");
        &self.out
    }
}

fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            let Ok(line) = line else { return };
            // With nobody listening, the pipe is closed.
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn rest(lines: &Receiver<String>, name: &str) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        match lines.recv_timeout(DEADLINE) {
            Ok(line) => all.push(line),
            Err(RecvTimeoutError::Disconnected) => return all,
            Err(RecvTimeoutError::Timeout) => panic!("{name} does not end; it printed {all:#?}"),
        }
    }
}
