//! What really happened, as a feed: processes, writes, clients.
//!
//! Bounded: the newest are kept, and one tick adds only so many.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use tidewire::{EntityId, EntityType};
use tidewire_model::RecordBuilder;
use tidewire_server::{Fact, News};

use super::processes::Change;
use super::published::{Entities, Published};

/// The newest are kept.
const KEPT: usize = 200;
/// Processes of one tick told by name; of the others only the number is told.
const PROCESSES_NAMED: usize = 8;
/// What waits for the next tick at most; more than is kept would be gone at once.
const WAITING: usize = KEPT;

/// The feed.
pub(super) struct Activities {
    published: Published,
    number: u64,
    waiting: Vec<Activity>,
}

struct Activity {
    kind: &'static str,
    text: String,
    at_ms: u64,
}

impl Activities {
    pub(super) fn new(published: Published) -> Self {
        let numbers = published
            .entities()
            .values()
            .filter_map(|entity| entity.get("number")?.as_u64());
        let number = numbers.max().unwrap_or(0);
        Self {
            published,
            number,
            waiting: Vec::new(),
        }
    }

    /// Something happened on the server.
    pub(super) fn on_news(&mut self, news: &News) {
        let fact = match news {
            News::Fact(fact) => fact,
            News::Missed(missed) => {
                return self.note("server", format!("{missed} events were not told"));
            }
        };
        match &**fact {
            Fact::ClientCame { client, .. } => {
                self.note(
                    "client",
                    format!("client {} {} connected", client.app, client.version),
                );
            }
            Fact::ClientGone { code, .. } => {
                let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
                self.note("client", format!("a client left{code}"));
            }
            Fact::ActionAccepted { name, target, .. } => {
                self.note(
                    "write",
                    format!("{name} {} accepted", target_text(target.as_ref())),
                );
            }
            Fact::ActionRefused {
                name,
                target,
                message,
                ..
            } => {
                self.note(
                    "refusal",
                    format!("{name} {} refused: {message}", target_text(target.as_ref())),
                );
            }
            Fact::Incident { what } => self.note("server", what.clone()),
            _ => {}
        }
    }

    /// Processes came and went.
    pub(super) fn on_processes(&mut self, changes: &[Change]) {
        for change in changes.iter().take(PROCESSES_NAMED) {
            let text = match change {
                Change::Started { pid, name } => format!("{name} started (pid {pid})"),
                Change::Ended { pid, name } => format!("{name} ended (pid {pid})"),
            };
            self.note("process", text);
        }
        if changes.len() > PROCESSES_NAMED {
            self.note(
                "process",
                format!(
                    "more processes that came or went: {}",
                    changes.len() - PROCESSES_NAMED
                ),
            );
        }
    }

    fn note(&mut self, kind: &'static str, text: String) {
        if self.waiting.len() == WAITING {
            self.waiting.remove(0);
        }
        let at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let at_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        self.waiting.push(Activity { kind, text, at_ms });
    }

    /// What is published, and what is to be: the newest, those that waited among them.
    pub(super) fn entities(&mut self) -> (&mut Published, Entities) {
        let mut entities = self.published.entities().clone();
        for activity in self.waiting.drain(..) {
            self.number += 1;
            let id = format!("a-{:010}", self.number);
            let record = RecordBuilder::new()
                .field("id", id.as_str())
                .field("number", self.number)
                .field("at", activity.at_ms)
                .field("kind", activity.kind)
                .field("text", activity.text)
                .build();
            if let Ok(id) = EntityId::text(&id) {
                entities.insert(id, record);
            }
        }
        // The ids sort as the numbers do, so the oldest come first.
        let oldest = entities.len().saturating_sub(KEPT);
        let kept: BTreeMap<_, _> = entities.into_iter().skip(oldest).collect();
        (&mut self.published, kept)
    }
}

fn target_text(target: Option<&(EntityType, Option<EntityId>)>) -> String {
    match target {
        Some((entity_type, Some(id))) if !id.is_temporary() => format!("{entity_type} {id}"),
        Some((entity_type, _)) => entity_type.to_string(),
        None => "several entities".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Activities {
        Activities::new(Published::new(
            EntityType::new("activities").unwrap(),
            Vec::new(),
        ))
    }

    fn tick(activities: &mut Activities) -> Vec<String> {
        let (published, entities) = activities.entities();
        published.replace(entities);
        published
            .entities()
            .values()
            .map(|entity| entity.get("text").unwrap().as_text().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn the_newest_are_kept_and_numbers_go_on_after_a_restart() {
        let mut activities = empty();
        for number in 0..150 {
            activities.note("server", format!("event {number}"));
        }
        assert_eq!(tick(&mut activities).len(), 150);
        for number in 150..260 {
            activities.note("server", format!("event {number}"));
        }
        let texts = tick(&mut activities);
        assert_eq!(
            (texts.len(), texts[0].as_str(), texts[199].as_str()),
            (200, "event 60", "event 259")
        );

        let rows = activities.published.entities().values().cloned().collect();
        let mut again =
            Activities::new(Published::new(EntityType::new("activities").unwrap(), rows));
        again.note("server", "after".into());
        assert_eq!(tick(&mut again).last().map(String::as_str), Some("after"));
    }

    #[test]
    fn a_crowd_of_processes_is_told_in_few_lines() {
        let mut activities = empty();
        let crowd: Vec<Change> = (0..100)
            .map(|pid| Change::Started {
                pid,
                name: "p".into(),
            })
            .collect();
        activities.on_processes(&crowd);
        let texts = tick(&mut activities);
        assert_eq!(
            (texts.len(), texts[8].as_str()),
            (9, "more processes that came or went: 92")
        );
    }
}
