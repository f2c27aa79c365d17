//! The frames printed in `docs/protocol.md` are frames: a reader who copies one is understood.

use std::fs;
use std::path::Path;

use tidewire_protocol::{Basic, Dialect, V1Json, Want};

use crate::golden::{Side, decode, encode};

/// Each frame of the page, with the dialect whose section it stands in.
fn frames(page: &str) -> Vec<(&'static dyn Dialect, Side, &str)> {
    let mut dialect: &'static dyn Dialect = &Basic::DEFAULT;
    let mut frames = Vec::new();
    for line in page.lines() {
        match line {
            "## Basic" => dialect = &Basic::DEFAULT,
            "## v1" => dialect = &V1Json::DEFAULT,
            _ => {}
        }
        if let Some(frame) = line.strip_prefix("→ ") {
            frames.push((dialect, Side::Client, frame));
        } else if let Some(frame) = line.strip_prefix("← ") {
            frames.push((dialect, Side::Server, frame));
        }
    }
    frames
}

#[test]
fn every_frame_in_the_documentation_is_read_and_written_as_it_is_printed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol.md");
    let page = fs::read_to_string(path).unwrap();
    let frames = frames(&page);
    for (dialect, from, frame) in &frames {
        let message =
            decode(*dialect, *from, frame).unwrap_or_else(|error| panic!("{error}\n{frame}"));
        assert_eq!(
            encode(*dialect, &message, Want::Changes).as_deref(),
            Some(*frame)
        );
    }
    assert!(
        frames.len() >= 30,
        "only {} frames were found",
        frames.len()
    );
}

#[test]
fn the_documentation_names_every_message() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol.md");
    let page = fs::read_to_string(path).unwrap();
    let files = crate::sample::V1_KINDS
        .iter()
        .chain(crate::sample::BASIC_KINDS);
    for kind in files.filter(|kind| !kind.starts_with("other")) {
        let name = kind.split("_from_").next().unwrap_or(kind).to_uppercase();
        assert!(
            page.contains(&format!("{{\"type\":\"{name}\"")),
            "no frame of {name}"
        );
    }
}
