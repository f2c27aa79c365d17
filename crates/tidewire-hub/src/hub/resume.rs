//! Whether a subscription goes on where an earlier one stopped (protocol rule 7).

use std::sync::Arc;

use tidewire_model::{Epoch, Offset};
use tidewire_protocol::{Resume, SubscribeResult};

use super::{Asked, Hub};
use crate::connection::feed::{Feed, FeedState, Flow};
use crate::stream::{Entry, Variant, render_events};
use crate::{Anew, BackendError, Commit, ConnectionId, Fact, Frame, Output, Ticket};

/// Where a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// Behind the place the client named, from memory.
    Resume,
    /// Behind the place the client named, if the journal still has what memory has not.
    Journal,
    /// Anew, and why where the client named a place.
    Anew(Option<Anew>),
}

/// What a stream is, as far as resuming goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing<'a> {
    pub(crate) epoch: &'a Epoch,
    pub(crate) view: &'a str,
    pub(crate) floor: Offset,
    pub(crate) head: Offset,
    /// The most commits that are read from the journal.
    pub(crate) replay_commits: usize,
}

/// Decides where a subscription begins.
pub(crate) fn beginning(resume: Option<&Resume>, standing: Standing<'_>) -> Beginning {
    let Some(resume) = resume else {
        return Beginning::Anew(None);
    };
    if resume.epoch != *standing.epoch {
        return Beginning::Anew(Some(Anew::Epoch));
    }
    if resume.view != standing.view {
        return Beginning::Anew(Some(Anew::View));
    }
    if resume.offset > standing.head {
        return Beginning::Anew(Some(Anew::Ahead));
    }
    if resume.offset >= standing.floor {
        return Beginning::Resume;
    }
    let missing = standing.floor.get() - resume.offset.get();
    if missing <= standing.replay_commits as u64 {
        Beginning::Journal
    } else {
        Beginning::Anew(Some(Anew::TooFar))
    }
}

impl Hub {
    pub(super) fn on_journal_read(
        &mut self,
        ticket: Ticket,
        result: Result<Option<Vec<Commit>>, BackendError>,
    ) {
        let Some(Asked::Journal {
            connection: id,
            entity_type,
        }) = self.stop_asking(ticket)
        else {
            return;
        };
        let floor = self.streams.floor(&entity_type);
        let replay = match result {
            Ok(Some(commits)) => self.replay(id, &entity_type, floor, commits),
            Ok(None) => None,
            Err(error) => {
                self.incident(format!(
                    "the journal of {entity_type} could not be read: {error}"
                ));
                None
            }
        };
        let Some((after, frames)) = replay else {
            self.refuse_resume(id, &entity_type, Anew::Journal);
            return self.begin_anew(id, &entity_type);
        };
        self.counts.resumed_from_journal += 1;
        let flow = Flow {
            replay: frames.into(),
            ..Flow::after(after)
        };
        self.answer_subscribed(
            id,
            &entity_type,
            SubscribeResult::Resumed,
            after,
            FeedState::Flowing(flow),
        );
    }

    /// The frames of what the journal has and memory has not; `None` where that is incomplete or
    /// too much.
    fn replay(
        &mut self,
        id: ConnectionId,
        entity_type: &tidewire_model::EntityType,
        floor: Offset,
        commits: Vec<Commit>,
    ) -> Option<(Offset, Vec<Arc<[Frame]>>)> {
        let dialect = self.connections.get(&id)?.dialect;
        let client = self.client(id)?;
        let max_frame_bytes = client.max_frame_bytes;
        let feed = client.feeds.get(entity_type)?;
        let FeedState::Replaying { resume, .. } = &feed.state else {
            return None;
        };
        let (after, want) = (resume.offset, feed.want);
        let mut reached = after;
        // Of all streams of the connection together, or each would have as much.
        let mut bytes: usize = client.feeds.values().map(Feed::replay_bytes).sum();
        let mut replay = Vec::new();
        for commit in commits {
            let part = commit
                .streams
                .iter()
                .position(|part| part.entity_type == *entity_type)?;
            let to = commit.streams[part].to;
            if to > floor {
                break;
            }
            if to != reached.next() {
                return None;
            }
            reached = to;
            let mut entry = Entry::new(0, Arc::new(commit), part);
            let settings = &self.settings;
            let frames = Variant::for_client(dialect, want, max_frame_bytes, |variant| {
                entry.frames(variant, |commit, part| {
                    let dialect = &*settings.dialects[dialect];
                    render_events(dialect, variant, commit, part, settings.chunk_bytes)
                })
            })?;
            bytes += frames.iter().map(Frame::len).sum::<usize>();
            replay.push(frames);
            if bytes > self.settings.replay_bytes {
                return None;
            }
        }
        (reached >= floor).then_some((after, replay))
    }

    pub(super) fn refuse_resume(
        &mut self,
        id: ConnectionId,
        entity_type: &tidewire_model::EntityType,
        why: Anew,
    ) {
        let entity_type = entity_type.clone();
        self.outputs.push_back(Output::Notify(Fact::ResumeRefused {
            connection: id,
            entity_type,
            why,
        }));
    }

    /// Asks the journal for what came between the place a client named and the floor.
    pub(super) fn ask_journal(
        &mut self,
        id: ConnectionId,
        entity_type: &tidewire_model::EntityType,
        after: Offset,
    ) -> Ticket {
        let asked = Asked::Journal {
            connection: id,
            entity_type: entity_type.clone(),
        };
        let ticket = self.ask(id, asked);
        self.outputs.push_back(Output::ReadJournal {
            ticket,
            entity_type: entity_type.clone(),
            after,
            limit: self.settings.replay_commits,
        });
        ticket
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(number: u64) -> Offset {
        Offset::new(number).unwrap()
    }

    fn begin(resume: Option<(&str, u64, &str)>) -> Beginning {
        let epoch = Epoch::new("one").unwrap();
        let standing = Standing {
            epoch: &epoch,
            view: "all",
            floor: offset(50),
            head: offset(60),
            replay_commits: 20,
        };
        let resume = resume.map(|(epoch, number, view)| Resume {
            epoch: Epoch::new(epoch).unwrap(),
            offset: offset(number),
            view: view.to_owned(),
        });
        beginning(resume.as_ref(), standing)
    }

    #[test]
    fn a_place_is_resumed_only_in_its_epoch_and_view_and_between_floor_and_head() {
        let table = [
            (None, Beginning::Anew(None)),
            (Some(("one", 50, "all")), Beginning::Resume),
            (Some(("one", 60, "all")), Beginning::Resume),
            (Some(("one", 61, "all")), Beginning::Anew(Some(Anew::Ahead))),
            (Some(("one", 49, "all")), Beginning::Journal),
            (Some(("one", 30, "all")), Beginning::Journal),
            (
                Some(("one", 29, "all")),
                Beginning::Anew(Some(Anew::TooFar)),
            ),
            (Some(("two", 55, "all")), Beginning::Anew(Some(Anew::Epoch))),
            (Some(("one", 55, "some")), Beginning::Anew(Some(Anew::View))),
        ];
        for (resume, expected) in table {
            assert_eq!(begin(resume), expected, "{resume:?}");
        }
    }
}
