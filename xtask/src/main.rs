//! The chores of the project: `cargo xtask` lists them. This file reads the command line and does no chore itself.

mod bench;
mod chores;
mod ci;
mod docs;
mod layers;
mod licences;
mod metadata;
mod needs;
mod process;
mod report;
mod repository;
mod rust_source;
mod sim;
mod tidy;

use std::process::ExitCode;

use chores::Request;
use repository::Repository;

/// What a wrong command line ends with, as is usual for programs.
const MISUSE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (chore, options) = match chores::read(&arguments) {
        Ok(Request::Run(chore, options)) => (chore, options),
        Ok(Request::Help) => {
            println!("{}", chores::usage());
            return ExitCode::SUCCESS;
        }
        Err(misuse) => {
            eprintln!("{misuse}\n\n{}", chores::usage());
            return ExitCode::from(MISUSE);
        }
    };
    let done = Repository::open().and_then(|repository| (chore.run)(&repository, &options));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}
