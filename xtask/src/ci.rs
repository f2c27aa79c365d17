//! Everything a change must pass, in the order in which a failure is cheapest to find. CI does nothing that this does
//! not do, so that it can be done by hand.

mod steps;

use std::time::{Duration, Instant};

use crate::metadata::Workspace;
use crate::needs;
use crate::repository::Repository;
use steps::{Step, Work};

/// How much is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// What every change must pass.
    Usual,
    /// Also what takes too long for every change.
    Deep,
}

/// Runs all steps, and stops at the first that fails.
///
/// # Errors
/// The name of the step that failed, and why.
pub(crate) fn run(repository: &Repository, depth: Depth) -> Result<(), String> {
    let begun = Instant::now();
    let mut times = Vec::new();
    let outcome = run_steps(repository, depth, &mut times);
    println!("\n{}", table(&times, begun.elapsed()));
    outcome
        .inspect(|()| println!("\nci: all passed"))
        .map_err(|failure| format!("\nci: failed at {failure}"))
}

fn run_steps(
    repository: &Repository,
    depth: Depth,
    times: &mut Vec<(String, Duration)>,
) -> Result<(), String> {
    let workspace = Workspace::read(repository)?;
    let mut variables = Vec::new();
    timed("needs", times, || {
        println!("\n==> needs: what the machine must have");
        variables = needs::gather(repository, &workspace.target_directory)?;
        Ok(())
    })?;
    for step in steps::steps(repository, &workspace, depth, &variables) {
        timed(&step.name, times, || perform(repository, &step))?;
    }
    Ok(())
}

fn perform(repository: &Repository, step: &Step) -> Result<(), String> {
    match &step.work {
        Work::Call(call) => {
            println!("\n==> {}: {}", step.name, call.shown());
            call.run(repository.root())
        }
        Work::Lacking(what) => {
            println!("\n==> {}\n    lacking: {what}", step.name);
            Ok(())
        }
        Work::Chore(chore, options) => {
            let call = format!("{} {}", chore.name, options.join(" "));
            println!("\n==> {}: cargo xtask {}", step.name, call.trim_end());
            let options: Vec<String> = options.iter().map(ToString::to_string).collect();
            (chore.run)(repository, &options)
        }
    }
}

fn timed(
    name: &str,
    times: &mut Vec<(String, Duration)>,
    work: impl FnOnce() -> Result<(), String>,
) -> Result<(), String> {
    let begun = Instant::now();
    let outcome = work();
    let took = begun.elapsed();
    println!("    {name} took {}", seconds(took));
    times.push((name.to_string(), took));
    outcome.map_err(|failure| format!("{name}: {failure}"))
}

fn table(times: &[(String, Duration)], total: Duration) -> String {
    let all = times
        .iter()
        .map(|(name, took)| (name.as_str(), *took))
        .chain([("total", total)]);
    let width = times
        .iter()
        .map(|(name, _)| name.len())
        .chain(["total".len()])
        .max()
        .unwrap_or_default();
    all.map(|(name, took)| format!("{name:<width$}  {:>9}", seconds(took)))
        .collect::<Vec<_>>()
        .join("\n")
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_timed_and_a_failure_names_its_step() {
        let mut times = Vec::new();
        assert_eq!(timed("tidy", &mut times, || Ok(())), Ok(()));
        let failed = timed("docs", &mut times, || Err("two findings".to_string()));
        assert_eq!(failed, Err("docs: two findings".to_string()));
        assert_eq!(
            times
                .iter()
                .map(|(name, _)| name.as_str())
                .collect::<Vec<_>>(),
            ["tidy", "docs"]
        );
    }

    #[test]
    fn the_table_ends_with_the_total() {
        let times = [
            ("fmt".to_string(), Duration::from_millis(1240)),
            ("clippy".to_string(), Duration::from_secs(60)),
        ];
        let expected = "fmt         1.2 s\nclippy     60.0 s\ntotal      62.0 s";
        assert_eq!(table(&times, Duration::from_secs(62)), expected);
    }
}
