//! The list of steps, cheap ones first. Nothing is run here.

use super::Depth;
use crate::chores::{CHORES, Chore};
use crate::metadata::Workspace;
use crate::process::Call;
use crate::repository::Repository;

/// One step and what it is called in the table of times.
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) work: Work,
}

/// What a step does.
pub(crate) enum Work {
    Call(Call),
    Chore(&'static Chore, &'static [&'static str]),
    /// What would have been done, had the machine what it takes.
    Lacking(&'static str),
}

/// Chores that read the tree and build nothing.
const READING: &[&str] = &["tidy", "layers", "docs"];

/// Cases that each property is tried with where every change waits for them.
const USUAL_PROPTEST_CASES: &str = "64";
/// Cases that each property is tried with in a deep run.
const DEEP_PROPTEST_CASES: &str = "4096";
/// Times that a process is killed and started again in a deep run.
const DEEP_CRASH_ROUNDS: &str = "100";
/// What `fuzz/` holds.
const FUZZ_TARGETS: &[&str] = &["frames", "queries", "records", "stored"];
/// Worlds that are simulated in a deep run.
const DEEP_SEEDS: &str = "--seeds=20000";

/// All steps of a run. The variables are those that tests read.
pub(crate) fn steps(
    repository: &Repository,
    workspace: &Workspace,
    depth: Depth,
    variables: &[(String, String)],
) -> Vec<Step> {
    let mut steps = vec![
        call("fmt", Call::new("cargo fmt --all --check")),
        call("fmt, bench", of_bench("fmt", "--check")),
    ];
    steps.extend(
        CHORES
            .iter()
            .filter(|chore| READING.contains(&chore.name))
            .map(step),
    );
    steps.push(licences(tool(repository, "cargo deny --version")));
    steps.extend(clippy(workspace));
    let runner = tool(repository, "cargo nextest --version");
    steps.push(call(
        "tests",
        tests(runner, Depth::Usual).variables(variables),
    ));
    steps.push(call(
        "doctests",
        Call::new("cargo test --doc --workspace --all-features"),
    ));
    let rustdoc = Call::new("cargo doc --workspace --no-deps --all-features");
    steps.push(call(
        "rustdoc",
        rustdoc.variable("RUSTDOCFLAGS", "-D warnings"),
    ));
    if depth == Depth::Deep {
        steps.push(call(
            "deep tests",
            tests(runner, Depth::Deep).variables(variables),
        ));
        steps.push(deep_sim());
        steps.push(call(
            "clippy, bench",
            of_bench("clippy --locked --all-targets", "-- -D warnings"),
        ));
        steps.push(call(
            "tests of bench",
            of_bench("test --locked --all-targets", ""),
        ));
        steps.extend(fuzz(tool(repository, "cargo fuzz --version")));
    }
    steps
}

/// Whether a tool that we can do without is on this machine.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tool {
    Present,
    Lacking,
}

fn tool(repository: &Repository, check: &str) -> Tool {
    if Call::new(check).works(repository.root()) {
        Tool::Present
    } else {
        Tool::Lacking
    }
}

/// Warnings are errors, with all features and, crate by crate, with none: what is gated away must not be missed.
fn clippy(workspace: &Workspace) -> Vec<Step> {
    let all = Call::new("cargo clippy --workspace --all-targets --all-features -- -D warnings");
    let mut steps = vec![call("clippy", all)];
    for package in workspace
        .packages
        .iter()
        .filter(|package| package.has_library && !package.features.is_empty())
    {
        let name = &package.name;
        let bare = Call::new(&format!(
            "cargo clippy --package {name} --lib --no-default-features -- -D warnings"
        ));
        steps.push(call(&format!("clippy, bare {name}"), bare));
    }
    steps
}

fn tests(runner: Tool, depth: Depth) -> Call {
    let call = match (runner, depth) {
        (Tool::Present, Depth::Usual) => {
            Call::new("cargo nextest run --workspace --all-features --config-file .ci/nextest.toml")
        }
        (Tool::Present, Depth::Deep) => Call::new(
            "cargo nextest run --workspace --all-features --config-file .ci/nextest.toml --profile deep",
        ),
        (Tool::Lacking, _) => {
            Call::new("cargo test --workspace --all-features --lib --bins --tests --no-fail-fast")
        }
    };
    match depth {
        Depth::Usual => call.variable("PROPTEST_CASES", USUAL_PROPTEST_CASES),
        Depth::Deep => call
            .variable("PROPTEST_CASES", DEEP_PROPTEST_CASES)
            .variable("TIDEWIRE_CRASH_ROUNDS", DEEP_CRASH_ROUNDS)
            .variable("TIDEWIRE_TIMINGS", "1"),
    }
}

fn licences(cargo_deny: Tool) -> Step {
    match cargo_deny {
        Tool::Present => call("licences", Call::new("cargo deny check bans licenses")),
        Tool::Lacking => step(chore("licences")),
    }
}

/// Each target for a minute. Nothing in this tree is `unsafe`, so no sanitizer looks for what only that can do.
fn fuzz(cargo_fuzz: Tool) -> Vec<Step> {
    if cargo_fuzz == Tool::Lacking {
        let what = "cargo-fuzz, so nothing is fuzzed: run `cargo install cargo-fuzz`";
        return vec![Step {
            name: "fuzz".to_string(),
            work: Work::Lacking(what),
        }];
    }
    let run = |target: &&str| {
        let line = format!("cargo fuzz run --sanitizer none {target} -- -max_total_time=60");
        // The instrumentation is not part of stable Rust, but is there.
        let run = Call::new(&line).variable("RUSTC_BOOTSTRAP", "1");
        call(&format!("fuzz {target}"), run)
    };
    FUZZ_TARGETS.iter().map(run).collect()
}

/// The package beside the workspace that measures us beside others. Those others are built in a deep run only.
fn of_bench(command: &str, arguments: &str) -> Call {
    Call::new(&format!(
        "cargo {command} --manifest-path bench/Cargo.toml {arguments}"
    ))
}

fn deep_sim() -> Step {
    Step {
        name: "sim".to_string(),
        work: Work::Chore(chore("sim"), &[DEEP_SEEDS]),
    }
}

fn chore(name: &str) -> &'static Chore {
    CHORES
        .iter()
        .find(|chore| chore.name == name)
        .expect("the table of chores has it")
}

fn call(name: &str, call: Call) -> Step {
    Step {
        name: name.to_string(),
        work: Work::Call(call),
    }
}

fn step(chore: &'static Chore) -> Step {
    Step {
        name: chore.name.to_string(),
        work: Work::Chore(chore, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(depth: Depth) -> Vec<(String, String)> {
        let repository = Repository::open().unwrap();
        let workspace = Workspace::read(&repository).unwrap();
        let variables = [("TIDEWIRE_PYTHON".to_string(), "/p".to_string())];
        let shown = |step: Step| match step.work {
            Work::Call(call) => (step.name, call.shown()),
            Work::Lacking(what) => (step.name, what.to_string()),
            Work::Chore(chore, options) => {
                (step.name, format!("{} {}", chore.name, options.join(" ")))
            }
        };
        steps(&repository, &workspace, depth, &variables)
            .into_iter()
            .map(shown)
            .collect()
    }

    fn names(depth: Depth) -> Vec<String> {
        let names = listed(depth).into_iter().map(|(name, _)| name);
        names
            .filter(|name| !name.starts_with("clippy, bare"))
            .collect()
    }

    #[test]
    fn a_usual_run_has_these_steps_in_this_order() {
        let expected = [
            "fmt",
            "fmt, bench",
            "tidy",
            "layers",
            "docs",
            "licences",
            "clippy",
            "tests",
            "doctests",
            "rustdoc",
        ];
        assert_eq!(names(Depth::Usual), expected);
    }

    #[test]
    fn a_deep_run_adds_and_leaves_nothing_out() {
        let (usual, deep) = (names(Depth::Usual), names(Depth::Deep));
        assert_eq!(deep[..usual.len()], usual);
        let added = ["deep tests", "sim", "clippy, bench", "tests of bench"];
        assert_eq!(deep[usual.len()..][..added.len()], added);
        assert!(
            deep[usual.len() + added.len()..]
                .iter()
                .all(|name| name.starts_with("fuzz"))
        );
        for expected in [
            "PROPTEST_CASES=4096",
            "TIDEWIRE_CRASH_ROUNDS=100",
            "sim --seeds=20000",
        ] {
            let runs = listed(Depth::Deep);
            assert!(
                runs.iter().any(|(_, call)| call.contains(expected)),
                "{expected}"
            );
        }
    }

    #[test]
    fn every_target_of_the_fuzzer_is_run_or_said_to_be_left_out() {
        let there = Repository::open().unwrap();
        let targets = there
            .files()
            .iter()
            .filter_map(|path| path.strip_prefix("fuzz/fuzz_targets/"));
        let targets: Vec<&str> = targets
            .filter_map(|name| name.strip_suffix(".rs"))
            .collect();
        assert_eq!(targets, FUZZ_TARGETS);
        assert_eq!(fuzz(Tool::Present).len(), FUZZ_TARGETS.len());
        assert!(matches!(
            fuzz(Tool::Lacking)[..],
            [Step {
                work: Work::Lacking(_),
                ..
            }]
        ));
    }

    #[test]
    fn tests_see_what_the_machine_has() {
        let mut runs = listed(Depth::Deep);
        runs.retain(|(name, _)| name == "tests" || name == "deep tests");
        assert_eq!(runs.len(), 2);
        assert!(
            runs.iter()
                .all(|(_, call)| call.contains("TIDEWIRE_PYTHON=/p"))
        );
    }

    #[test]
    fn crates_with_features_are_checked_without_them() {
        let runs = listed(Depth::Usual);
        let bare = |name: &str| {
            runs.iter()
                .find(|(step, _)| step == &format!("clippy, bare {name}"))
        };
        assert!(
            bare("tidewire-store").is_some_and(|(_, call)| call.contains("--no-default-features"))
        );
        assert!(bare("tidewire-model").is_none());
    }

    #[test]
    fn tests_run_with_or_without_nextest() {
        let with = tests(Tool::Present, Depth::Usual).shown();
        let without = tests(Tool::Lacking, Depth::Usual).shown();
        assert!(with.contains("cargo nextest run --workspace"));
        assert!(without.contains("cargo test --workspace"));
    }
}
