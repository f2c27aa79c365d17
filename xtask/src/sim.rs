//! The simulator over many seeds, built for speed. What it simulates is its own affair.

use crate::process::Call;
use crate::repository::Repository;

/// Seeds of a run that names none.
const SEEDS: u64 = 2_000;

/// Runs the worlds of the seeds from 1 on, or of one.
///
/// # Errors
/// A law does not hold, or an option is no number.
pub(crate) fn run(repository: &Repository, options: &[String]) -> Result<(), String> {
    call(options)?.run(repository.root())
}

fn call(options: &[String]) -> Result<Call, String> {
    let (first, count) = match number(options, "--seed=")? {
        Some(seed) => (seed, 1),
        None => (1, number(options, "--seeds=")?.unwrap_or(SEEDS)),
    };
    let call = Call::new(&format!(
        "cargo run --release --quiet --package tidewire-sim --example seeds -- {first} {count}"
    ));
    Ok(match number(options, "--lines=")? {
        Some(lines) => call.argument(lines.to_string()),
        None => call,
    })
}

fn number(options: &[String], name: &str) -> Result<Option<u64>, String> {
    let value = options.iter().find_map(|option| option.strip_prefix(name));
    let read = value.map(|value| {
        value
            .parse()
            .map_err(|_| format!("`{name}` wants a whole number, not `{value}`."))
    });
    read.transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(options: &[&str]) -> Result<String, String> {
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        let shown = call(&options)?.shown();
        Ok(shown.rsplit_once("-- ").unwrap_or_default().1.to_string())
    }

    #[test]
    fn seeds_are_counted_from_one_and_one_can_be_named() {
        assert_eq!(shown(&[]), Ok("1 2000".to_string()));
        assert_eq!(shown(&["--seeds=7"]), Ok("1 7".to_string()));
        assert_eq!(shown(&["--seed=7", "--lines=90"]), Ok("7 1 90".to_string()));
    }

    #[test]
    fn what_is_no_number_is_named() {
        let wrong = "`--seeds=` wants a whole number, not `many`.";
        assert_eq!(shown(&["--seeds=many"]), Err(wrong.to_string()));
    }
}
