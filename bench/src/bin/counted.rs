//! Runs what is about memory, with an allocator that counts. Its times say nothing.

use std::alloc::System;
use std::process::ExitCode;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tidewire_bench::options::Options;
use tidewire_bench::suites;

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    let suite = Options::read(std::env::args().skip(1)).map(|options| options.suite);
    let done = suite.and_then(|suite| match suite.as_str() {
        "memory" => {
            suites::memory::run();
            Ok(())
        }
        "read" => suites::memory::reads(),
        other => Err(format!("There is no suite `{other}` here.")),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
    }
}
