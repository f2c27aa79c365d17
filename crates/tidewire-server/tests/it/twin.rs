//! The backend on a file against the truth in memory: the same steps, the same outcomes.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tidewire_hub::{
    ActionOutcome, Answer, Backend, Commit, StreamCommit, Truth, Write, WriteOutcome, WriteRequest,
};
use tidewire_model::{Lane, Offset, Version};
use tidewire_server::{SqliteBackend, SqliteOptions};

use crate::support::*;

const STREAMS: [&str; 2] = ["a", "b"];
const JOURNAL: usize = 5;

#[derive(Clone, Debug)]
enum Step {
    Publish(Vec<Write>),
    /// Several actions in one group, each so far ahead of the number it should have.
    Act(Vec<(u64, Option<u64>, Vec<Write>)>),
    /// The client connects again, in the next run or not, and confirms what it has so far or nothing.
    Greet {
        runs: u64,
        confirms: bool,
    },
    Reopen,
}

fn writes() -> impl Strategy<Value = Vec<Write>> {
    let one = (0..5u8, 0..2usize, 0..3u8, 0..3u8).prop_map(|(kind, entity_type, name, value)| {
        let (entity_type, name, fields) = (
            STREAMS[entity_type],
            name.to_string(),
            format!(r#"{{"f{value}":{value}}}"#),
        );
        match kind {
            0 => delete(entity_type, &name),
            1 => put(entity_type, &name, &fields),
            2 => update(entity_type, &name, &fields),
            _ => create(entity_type, &name, &fields),
        }
    });
    prop::collection::vec(one, 0..4)
}

fn step() -> impl Strategy<Value = Step> {
    let action = (
        prop_oneof![4 => Just(1u64), 1 => 0..3u64],
        prop::option::weighted(0.2, 0..6u64),
        writes(),
    );
    prop_oneof![
        3 => writes().prop_map(Step::Publish),
        4 => prop::collection::vec(action, 1..4).prop_map(Step::Act),
        1 => (0..3u64, any::<bool>()).prop_map(|(runs, confirms)| Step::Greet { runs, confirms }),
        1 => Just(Step::Reopen),
    ]
}

/// Both, side by side.
struct Pair {
    path: std::path::PathBuf,
    backend: Option<SqliteBackend>,
    twin: Truth,
    client: TestClient,
    last_seq: u64,
}

impl Pair {
    async fn new(path: std::path::PathBuf) -> Self {
        let backend = open(&path);
        let twin = Truth::new(backend.epoch().clone()).with_journal_commits(JOURNAL);
        Self {
            path,
            backend: Some(backend),
            twin,
            client: TestClient::new("phone"),
            last_seq: 0,
        }
    }

    fn backend(&self) -> &SqliteBackend {
        self.backend.as_ref().unwrap()
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Publish(writes) => self.write(vec![WriteRequest::Publish(writes)]).await,
            Step::Act(actions) => {
                let mut next = self.last_seq;
                let group = actions.into_iter().map(|(ahead, base, writes)| {
                    let seq = (next + ahead).max(1);
                    next = next.max(seq);
                    self.client
                        .action_on(seq, base.and_then(Version::new), writes)
                });
                self.write(group.collect()).await;
            }
            Step::Greet { runs, confirms } => {
                self.client.info.run += runs;
                let confirmed =
                    BTreeMap::from([(Lane::main(), if confirms { self.last_seq } else { 0 })]);
                let TestClient { principal, info } = &self.client;
                let greeting = self
                    .backend()
                    .greet(principal, info, &confirmed)
                    .await
                    .unwrap();
                assert_eq!(
                    greeting,
                    self.twin
                        .greet(&self.client.principal, &self.client.info, &confirmed)
                );
            }
            Step::Reopen => {
                self.backend = None;
                self.backend = Some(open(&self.path));
            }
        }
        self.compare().await;
    }

    async fn write(&mut self, group: Vec<WriteRequest>) {
        let outcomes = self.backend().write(group.clone()).await.unwrap();
        let numbers: Vec<_> = group.iter().map(number_of).collect();
        let expected = self.twin.write(group);
        for (number, outcome) in numbers.into_iter().zip(&expected) {
            if let WriteOutcome::Action {
                outcome: ActionOutcome::New(_),
                ..
            } = outcome
            {
                self.last_seq = number;
            }
        }
        assert_eq!(
            outcomes.iter().map(nameless).collect::<Vec<_>>(),
            expected.iter().map(nameless).collect::<Vec<_>>()
        );
    }

    async fn compare(&mut self) {
        assert_eq!(self.backend().open().await.unwrap(), self.twin.opened());
        for name in STREAMS {
            let entity_type = stream(name);
            let mut snapshot = self.backend().snapshot(&entity_type).await.unwrap();
            let rows = snapshot.next(100).await.unwrap();
            assert_eq!((snapshot.as_of(), rows), self.twin.snapshot(&entity_type));
            for after in 0..=self.twin.head(&entity_type).get() {
                let after = Offset::new(after).unwrap();
                let journal = self
                    .backend()
                    .journal(ASKER, &entity_type, after, 3)
                    .await
                    .unwrap();
                let expected = self.twin.journal(&entity_type, after, 3);
                let of_stream = |commits: Vec<Commit>| {
                    commits
                        .iter()
                        .map(|commit| own(commit, name))
                        .collect::<Vec<_>>()
                };
                assert_eq!(journal.map(of_stream), expected.map(of_stream));
            }
        }
    }
}

fn open(path: &std::path::Path) -> SqliteBackend {
    SqliteOptions::new(path)
        .journal_commits(JOURNAL as u64)
        .open()
        .unwrap()
}

/// The number of an action; none for what the application writes.
fn number_of(request: &WriteRequest) -> u64 {
    match request {
        WriteRequest::Action { action, .. } => action.seq,
        WriteRequest::Publish(_) => 0,
    }
}

/// An outcome without the name of its commit, which is each backend's own.
fn nameless(outcome: &WriteOutcome) -> WriteOutcome {
    let mut outcome = outcome.clone();
    let (WriteOutcome::Action { commit, .. } | WriteOutcome::Published(Ok(commit))) = &mut outcome
    else {
        return outcome;
    };
    if let Some(commit) = commit {
        commit.id.clear();
    }
    outcome
}

/// A commit as one stream's journal must have it: its own part whole, the places of the others, the actions.
fn own(
    commit: &Commit,
    name: &str,
) -> (
    StreamCommit,
    Vec<(String, Offset)>,
    Vec<tidewire_protocol::ActionEcho>,
) {
    let part = commit
        .streams
        .iter()
        .find(|part| part.entity_type.as_str() == name)
        .unwrap();
    let places = commit
        .streams
        .iter()
        .map(|part| (part.entity_type.to_string(), part.to))
        .collect();
    (part.clone(), places, commit.actions.clone())
}

/// A sixteenth of the usual cases, since each makes files. `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: usual.cases.div_ceil(16),
        failure_persistence: None,
        ..usual
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_file_does_what_the_truth_in_memory_does(steps in prop::collection::vec(step(), 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let mut pair = Pair::new(directory.path().join("app.db")).await;
            pair.step(Step::Greet { runs: 0, confirms: false }).await;
            for step in steps {
                pair.step(step).await;
            }
        });
    }
}

/// The steps of the test above reach what it is there for.
#[tokio::test]
async fn steps_reach_every_kind_of_outcome() {
    let directory = tempfile::tempdir().unwrap();
    let mut pair = Pair::new(directory.path().join("app.db")).await;
    let one = |ahead| Step::Act(vec![(ahead, None, vec![create("a", "1", "{}")])]);
    pair.step(one(1)).await;
    pair.step(Step::Greet {
        runs: 1,
        confirms: false,
    })
    .await;
    for ahead in [1, 0, 2, 1] {
        pair.step(one(ahead)).await;
    }
    pair.step(Step::Act(vec![(
        1,
        Some(7),
        vec![update("a", "1", r#"{"n":1}"#)],
    )]))
    .await;
    assert_eq!(pair.last_seq, 3);
    let (refused, _) = act(pair.backend(), pair.client.action(3, Vec::new())).await;
    let ActionOutcome::Stored(Answer::Refused { code, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(code, "base_mismatch");
}
