//! The machine's processes as entities, and who came and went.

use std::collections::BTreeMap;

use tidewire::{EntityId, Record};
use tidewire_model::{RecordBuilder, ValueRef};

use super::machine::{Process, Sample};
use super::published::{Entities, Published};

/// Memory is told in steps of this size, so that every page of it is not news.
const MEMORY_STEP_BYTES: u64 = 256 * 1024;

/// A process that came or went.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Started { pid: u32, name: String },
    Ended { pid: u32, name: String },
}

/// Every process, by its process id.
pub(super) fn entities(sample: &Sample) -> Entities {
    let one = |(pid, process): (&u32, &Process)| {
        (EntityId::unsigned(u64::from(*pid)), entity(*pid, process))
    };
    sample.processes.iter().map(one).collect()
}

fn entity(pid: u32, process: &Process) -> Record {
    RecordBuilder::new()
        .field("id", pid)
        .field("pid", pid)
        .field("name", process.name.as_str())
        .field("cpu", super::metrics::rounded(process.cpu_percent))
        .field(
            "memory",
            process.memory_bytes / MEMORY_STEP_BYTES * MEMORY_STEP_BYTES,
        )
        .field("state", process.state.as_str())
        .field("started", process.started)
        .build()
}

/// Who came and went between what is published and what there is now. Nobody, where nothing was
/// published yet: the processes were there before the demo looked.
pub(super) fn comings_and_goings(
    published: &Published,
    now: &BTreeMap<u32, Process>,
) -> Vec<Change> {
    let before = published.entities();
    if before.is_empty() {
        return Vec::new();
    }
    // A process id is used again, so one that was published belongs to who has it now only if that one
    // started at the same time.
    let is_same = |entity: &Record, process: &Process| {
        let started = entity.get("started").and_then(ValueRef::as_u64);
        started.is_none_or(|started| started == process.started)
    };
    let started = now.iter().filter(|(pid, process)| {
        let published = before.get(pid.to_string().as_str());
        !published.is_some_and(|entity| is_same(entity, process))
    });
    let started = started.map(|(pid, process)| Change::Started {
        pid: *pid,
        name: process.name.clone(),
    });
    let ended = before.iter().filter_map(|(id, entity)| {
        let pid: u32 = id.as_str().parse().ok()?;
        let name = entity.get("name")?.as_text()?.to_owned();
        let runs = now
            .get(&pid)
            .is_some_and(|process| is_same(entity, process));
        (!runs).then_some(Change::Ended { pid, name })
    });
    // Who had an id ends before the next one starts with it.
    ended.chain(started).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewire::EntityType;

    fn process(name: &str) -> Process {
        Process {
            name: name.into(),
            cpu_percent: 0.04,
            memory_bytes: 300_000,
            state: "sleeping".into(),
            started: 1_000,
        }
    }

    fn published(pids: &[u32]) -> Published {
        let rows = pids
            .iter()
            .map(|pid| entity(*pid, &process("old")))
            .collect();
        Published::new(EntityType::new("processes").unwrap(), rows)
    }

    #[test]
    fn starts_and_ends_are_told_by_name() {
        let now = BTreeMap::from([(2, process("old")), (3, process("new"))]);
        let changes = comings_and_goings(&published(&[1, 2]), &now);
        let started = Change::Started {
            pid: 3,
            name: "new".into(),
        };
        assert_eq!(
            changes,
            [
                Change::Ended {
                    pid: 1,
                    name: "old".into()
                },
                started,
            ]
        );
        assert_eq!(comings_and_goings(&published(&[]), &now), []);
    }

    #[test]
    fn a_process_id_that_is_used_again_is_an_end_and_a_start() {
        let mut next = process("next");
        next.started = 2_000;
        let changes = comings_and_goings(&published(&[1]), &BTreeMap::from([(1, next)]));
        let (pid, [old, next]) = (1, ["old", "next"].map(String::from));
        assert_eq!(
            changes,
            [
                Change::Ended { pid, name: old },
                Change::Started { pid, name: next }
            ]
        );
    }

    #[test]
    fn what_moves_within_the_last_digit_is_no_news() {
        let (mut one, mut two) = (process("p"), process("p"));
        (one.cpu_percent, two.cpu_percent) = (1.21, 1.24);
        (one.memory_bytes, two.memory_bytes) = (1_048_576, 1_050_000);
        assert_eq!(entity(1, &one), entity(1, &two));
        two.cpu_percent = 1.26;
        assert_ne!(entity(1, &one), entity(1, &two));
    }
}
