//! A process that is killed while it writes: what it acknowledged is there, once.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use tidewire_hub::{ActionOutcome, Answer, Backend, Greeting, Write};
use tidewire_model::{Lane, Offset};
use tidewire_server::SqliteBackend;

use crate::support::*;

/// Tells a process that it is the one to be killed, and which file it writes.
const FILE: &str = "TIDEWIRE_TEST_CRASH_FILE";
/// Tells it how often the client has connected.
const RUN: &str = "TIDEWIRE_TEST_CRASH_RUN";

/// How often the process is killed.
fn kills() -> u64 {
    let rounds = std::env::var("TIDEWIRE_CRASH_ROUNDS").ok();
    rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(4)
}

/// The same test in two processes: the one that is started by the test runner starts the other one and kills it.
#[tokio::test]
async fn what_was_acknowledged_before_a_kill_is_there_exactly_once_and_answers_repeat() {
    if let Ok(path) = std::env::var(FILE) {
        write_until_killed(
            Path::new(&path),
            std::env::var(RUN).unwrap().parse().unwrap(),
        )
        .await;
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let mut acknowledged = BTreeMap::new();
    for run in 1..=kills() {
        let before = acknowledged.len();
        read_until_enough(&path, run, &mut acknowledged);
        assert!(
            acknowledged.len() >= before + 20,
            "the child wrote in run {run}"
        );
    }

    let backend = SqliteBackend::open(&path).unwrap();
    let client = TestClient::new("phone").in_run(kills() + 1);
    let greeting = backend
        .greet("anonymous", &client.info, &BTreeMap::new())
        .await
        .unwrap();
    let Greeting::Known(lanes) = greeting else {
        panic!("{greeting:?} for a client that wrote")
    };
    let last = lanes[&Lane::main()];
    assert!(last >= *acknowledged.keys().max().unwrap());
    let by_number: BTreeMap<u64, u64> = rows(&backend, "c")
        .await
        .into_values()
        .map(|(entity, version)| (entity["number"].as_u64().unwrap(), version.get()))
        .collect();
    assert_eq!(
        by_number.keys().copied().collect::<Vec<_>>(),
        (1..=last).collect::<Vec<_>>(),
        "each once"
    );
    let commits = backend
        .journal(ASKER, &stream("c"), Offset::ZERO, usize::MAX)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(commits.len() as u64, last, "one commit for each action");
    for (seq, version) in acknowledged {
        assert_eq!(
            by_number[&seq], version,
            "at the point that was acknowledged"
        );
    }
    for seq in 1..=last {
        let (outcome, commit) = act(&backend, client.action(seq, vec![new(seq)])).await;
        assert_eq!(commit, None);
        assert!(
            matches!(&outcome, ActionOutcome::Stored(answer) if point(answer) == by_number[&seq]),
            "{outcome:?}"
        );
    }
    assert_eq!(rows(&backend, "c").await.len() as u64, last);
}

/// Starts the child, takes down what it acknowledges, and kills it.
fn read_until_enough(path: &Path, run: u64, acknowledged: &mut BTreeMap<u64, u64>) {
    let name =
        "crash::what_was_acknowledged_before_a_kill_is_there_exactly_once_and_answers_repeat";
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(FILE, path)
        .env(RUN, run.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut seen = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some(rest) = line.strip_prefix("acknowledged ") else {
            continue;
        };
        let (seq, version) = rest.split_once(' ').unwrap();
        acknowledged.insert(seq.parse().unwrap(), version.parse().unwrap());
        seen += 1;
        if seen == 20 + 7 * run {
            // What the child wrote between this line and its end is in the pipe, and is read on.
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
}

/// Writes one entity after the other, several actions at a time, and says what was acknowledged.
async fn write_until_killed(path: &Path, run: u64) {
    let backend = SqliteBackend::open(path).unwrap();
    let client = TestClient::new("phone").in_run(run);
    let greeting = backend
        .greet("anonymous", &client.info, &BTreeMap::new())
        .await
        .unwrap();
    let Greeting::Known(lanes) = greeting else {
        panic!("{greeting:?} for a client that wrote")
    };
    let mut seq = lanes.get(&Lane::main()).copied().unwrap_or(0);
    loop {
        let group = (seq + 1..=seq + 3)
            .map(|seq| client.action(seq, vec![new(seq)]))
            .collect();
        for outcome in backend.write(group).await.unwrap() {
            let tidewire_hub::WriteOutcome::Action {
                outcome: ActionOutcome::New(answer),
                ..
            } = outcome
            else {
                panic!("{outcome:?} for a new action")
            };
            seq += 1;
            let mut out = std::io::stdout().lock();
            writeln!(out, "\nacknowledged {seq} {}", point(&answer)).unwrap();
            out.flush().unwrap();
        }
    }
}

/// Without an id, so that a write done twice would be two entities.
fn new(number: u64) -> Write {
    Write::Create {
        entity_type: stream("c"),
        id: None,
        entity: record(&format!(r#"{{"number":{number}}}"#)),
    }
}

fn point(answer: &Answer) -> u64 {
    match answer {
        Answer::Applied { as_of, .. } => as_of[&stream("c")].get(),
        Answer::Refused { message, .. } => panic!("refused: {message}"),
    }
}
