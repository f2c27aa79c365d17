//! Commands in prose: those that can be typed pass, those that cannot are caught, whatever stands around them.

use super::*;

fn known() -> Known {
    Known {
        packages: ["tidewire", "tidewire-cli"]
            .map(ToString::to_string)
            .to_vec(),
        files: [
            "crates/tidewire-cli/Cargo.toml",
            "crates/tidewire/examples/hello.rs",
        ]
        .map(ToString::to_string)
        .to_vec(),
        program: Program::from_sources(&[
            "#[derive(Parser)]\nstruct A {\n    #[command(subcommand)]\n    command: B,\n}\n\
            #[derive(Subcommand)]\nenum B {\n    Demo,\n    Watch {\n        #[arg(long = \"for\")]\n        seconds: u64,\n    },\n}\n",
        ]),
    }
}

fn wrongs(text: &str) -> Vec<String> {
    check(&Page::read("a.md", text), &known())
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn commands_that_can_be_typed_pass() {
    for command in [
        "cargo xtask ci --deep",
        "CI=true cargo xtask ci",
        "cargo xtask",
        "cargo run --release -p tidewire-cli -- demo",
        "cargo test -p tidewire-cli --all-features",
        "cargo +nightly miri test -p CRATE",
        "cargo install --path crates/tidewire-cli",
        "cargo run -p tidewire --example hello",
        "tidewire watch ws://127.0.0.1:7878/live customers --for 5",
        "tidewire --help",
        "tidewire <command> --help",
        "target/release/tidewire demo",
        "cd a && cargo xtask tidy",
    ] {
        assert_eq!(wrongs(&format!("`{command}`")), [""; 0], "{command}");
        assert_eq!(
            wrongs(&format!("```sh\n$ {command}\n```")),
            [""; 0],
            "{command}"
        );
    }
}

#[test]
fn commands_that_cannot_be_typed_are_caught() {
    for (command, what) in [
        ("cargo xtask tidi", "there is no chore `tidi`"),
        ("cargo xtask tidy --deep", "`tidy` does not know `--deep`"),
        ("cargo frob", "cargo has no `frob`"),
        (
            "cargo run -p tidewire-gui",
            "there is no package `tidewire-gui`",
        ),
        (
            "cargo run -p tidewire-cli -- demonstrate",
            "`tidewire` has no `demonstrate`",
        ),
        (
            "cargo install --path crates/tidewire-gui",
            "`crates/tidewire-gui` is not in the tree",
        ),
        ("cargo run --example bye", "there is no example `bye`"),
        ("tidewire listen", "`tidewire` has no `listen`"),
        (
            "tidewire watch --seconds 5",
            "`tidewire` has no option `--seconds`",
        ),
    ] {
        assert_eq!(
            wrongs(&format!("`{command}`")),
            [format!("a.md:1: `{command}`: {what}")]
        );
    }
}

#[test]
fn commands_behind_variables_folders_and_line_ends_are_found() {
    let text = "```sh\nA=1 cargo frob # why\ncd a && cargo frob\ncargo \\\n  frob\n```\n";
    assert_eq!(wrongs(text).len(), 3);
}

#[test]
fn in_a_transcript_only_what_stands_behind_the_prompt_was_typed() {
    let text =
        "```console\n$ tidewire listen\ntidewire listens at port 7878\n$ cargo \\\n frob\n```\n";
    assert_eq!(wrongs(text).len(), 2);
}

#[test]
fn fences_of_other_languages_hold_no_commands() {
    assert_eq!(wrongs("```rust\ncargo frob\n```\n"), [""; 0]);
    assert_eq!(wrongs("Use `tidewire` and `tidewire::Client`."), [""; 0]);
}
