//! Runs one suite and prints its tables. What allocates is counted by the other program, `counted`, so that nothing
//! here pays for counting.

use std::process::ExitCode;

use tidewire_bench::options::Options;
use tidewire_bench::suites;

fn main() -> ExitCode {
    let done = Options::read(std::env::args().skip(1)).and_then(|options| {
        suites::print_conditions(&options);
        match options.suite.as_str() {
            "apply" => suites::apply::run(&options),
            "lists" => suites::lists::run(&options),
            "read" => suites::read::run(&options),
            other => return Err(format!("There is no suite `{other}` here.")),
        }
        Ok(())
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(misuse) => {
            eprintln!("{misuse}");
            ExitCode::from(2)
        }
    }
}
