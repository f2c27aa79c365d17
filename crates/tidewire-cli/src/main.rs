//! The program `tidewire`: reads its arguments, runs one command, and ends with its exit code.
//!
//! What a command does stands in a file of its own. Nothing here talks to a server or a store.

mod act;
mod address;
mod arguments;
mod demo;
mod failure;
mod fields;
mod hosts;
mod listen;
mod listing;
mod output;
mod queue;
mod reasons;
mod serve;
mod serving;
mod session;
mod signals;
mod text;
mod trouble;
mod watch;
mod words;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use arguments::{Command, Program};
use failure::Failure;

/// What still runs when a command is done, such as a name lookup, is waited for no longer than this.
const LEFTOVERS_MAX: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let done = match Program::try_parse() {
        Ok(program) => run(program.command),
        // They were asked for, or are the answer to a command without any words behind it.
        Err(error) if arguments::is_help(&error) => error.exit(),
        Err(error) => Err(Failure::misuse(arguments::fault(&error))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(command: Command) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // A command may wait for a reader of its output, and the connection must go on meanwhile.
        .worker_threads(std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2)))
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("the program cannot start: {error}")))?;
    let leftovers_max = match &command {
        // It leaves nothing but a page that is being made, or waits for its reader.
        Command::Watch(_) => Duration::ZERO,
        _ => LEFTOVERS_MAX,
    };
    let result = runtime.block_on(async {
        match command {
            Command::Demo(arguments) => demo::run(arguments).await,
            Command::Serve(arguments) => serve::run(arguments).await,
            Command::Watch(arguments) => watch::run(arguments).await,
            Command::Act(arguments) => act::run(arguments).await,
            Command::Queue(arguments) => queue::run(arguments).await,
        }
    });
    runtime.shutdown_timeout(leftovers_max);
    result
}
