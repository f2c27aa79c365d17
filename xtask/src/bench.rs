//! The benchmarks, which are a package of their own beside the workspace. What they measure is their own affair.

use crate::process::Call;
use crate::repository::Repository;

/// The suites, each with the programs that run it: one for times, and one whose allocator counts.
const SUITES: &[(&str, &[&str])] = &[
    ("read", &["tidewire-bench", "counted"]),
    ("apply", &["tidewire-bench"]),
    ("lists", &["tidewire-bench"]),
    ("memory", &["counted"]),
];

/// Runs one suite, built for speed.
///
/// # Errors
/// The suite is not named or not there, or a program did not end well.
pub(crate) fn run(repository: &Repository, options: &[String]) -> Result<(), String> {
    for call in calls(options)? {
        println!("==> {}", call.shown());
        call.run(repository.root())?;
    }
    Ok(())
}

fn calls(options: &[String]) -> Result<Vec<Call>, String> {
    let named = options
        .iter()
        .find_map(|option| option.strip_prefix("--suite="));
    let (suite, programs) = SUITES
        .iter()
        .find(|(suite, _)| Some(*suite) == named)
        .ok_or_else(|| {
            let suites: Vec<&str> = SUITES.iter().map(|(suite, _)| *suite).collect();
            format!("`--suite` wants one of: {}.", suites.join(", "))
        })?;
    let call = |program: &&str| {
        let call = Call::new(&format!(
            "cargo run --release --quiet --locked --manifest-path bench/Cargo.toml --bin {program} -- {suite}"
        ));
        let others = options
            .iter()
            .filter(|option| !option.starts_with("--suite="));
        others.fold(call, |call, option| call.argument(option))
    };
    Ok(programs.iter().map(call).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(options: &[&str]) -> Result<Vec<String>, String> {
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        let calls = calls(&options)?;
        let words = calls.iter().map(|call| {
            let shown = call.shown();
            shown.split_once("--bin ").unwrap_or_default().1.to_string()
        });
        Ok(words.collect())
    }

    #[test]
    fn a_suite_is_run_by_its_programs_with_the_other_options() {
        assert_eq!(
            shown(&["--suite=read", "--rounds=3", "--quick"]),
            Ok(vec![
                "tidewire-bench -- read --rounds=3 --quick".to_string(),
                "counted -- read --rounds=3 --quick".to_string()
            ])
        );
        assert_eq!(
            shown(&["--suite=memory"]),
            Ok(vec!["counted -- memory".to_string()])
        );
    }

    #[test]
    fn a_suite_that_is_not_there_is_answered_with_those_that_are() {
        let wrong = Err("`--suite` wants one of: read, apply, lists, memory.".to_string());
        assert_eq!(shown(&[]), wrong);
        assert_eq!(shown(&["--suite=all"]), wrong);
    }
}
