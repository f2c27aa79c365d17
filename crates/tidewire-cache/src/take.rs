//! Taking knowledge in: each piece is compared with how far its stream has come in, and staged in
//! the order of arrival. Nothing is applied here.

use std::collections::{BTreeMap, VecDeque};

use tidewire_model::{ActionId, Change, EntityId, EntityKey, EntityType, Point, Row, Tick};

use crate::base::Mark;
use crate::cache::Cache;
use crate::fetch::Request;
use crate::inflow::Begun;
use crate::intake::{Attached, Commit, DetachReason, Intake, Taken};
use crate::trust::StaleReason;
use crate::work::{
    AnswerRows, Attach, Clearing, Detach, FetchedRows, InstallOpaque, InstallPage, Item, LooseRows,
    MarkStale, Owed, PageAnswer, Refused, SwapSnapshot, TellCommits, Told,
};

impl Cache {
    /// Takes one piece of knowledge, in the order of arrival. It is staged, and becomes visible
    /// with a batch.
    pub fn take(&mut self, _now: Tick, intake: Intake) -> Taken {
        match intake {
            Intake::Subscribed {
                entity_type,
                result,
                epoch,
                view,
                offset,
                head,
            } => self.take_subscribed(
                entity_type,
                result,
                view,
                Begun {
                    epoch,
                    offset,
                    head,
                },
            ),
            Intake::Commit(commit) => self.take_commits(vec![commit]),
            Intake::CommitGroup(parts) => self.take_commits(parts),
            Intake::Pushed {
                entity_type,
                changes,
                stale_all,
            } => self.take_push(entity_type, changes, stale_all),
            Intake::Head {
                entity_type,
                offset,
            } => {
                let taken = self
                    .inflow
                    .get(&entity_type)
                    .map_or(Taken::NotHeld, |inflow| inflow.admit_head(offset));
                self.note_gap(&entity_type, &taken);
                taken
            }
            Intake::Owed {
                entity_type,
                offset,
            } => self.stage(Item::Owed(Owed {
                entity_type,
                offset,
            })),
            Intake::Refused { ticket } => self.stage(Item::Refused(Refused { ticket })),
            Intake::SnapshotRows { .. } | Intake::SnapshotEnd { .. } => self.take_snapshot(intake),
            Intake::Entities { .. }
            | Intake::Page { .. }
            | Intake::Answer { .. }
            | Intake::Rows { .. } => self.take_answer(intake),
            Intake::Detached { entity_type, why } => {
                if !self.inflow.contains_key(&entity_type) {
                    return Taken::NotHeld;
                }
                self.detach(&entity_type, why);
                Taken::Staged
            }
            Intake::Clear { entity_type } => self.take_clear(entity_type),
            Intake::Stale { entity_type, ids } => {
                self.ensure(&entity_type);
                let mark = Mark {
                    moment: self.next_moment(),
                    why: StaleReason::Marked,
                };
                self.stage(Item::Stale(MarkStale {
                    entity_type,
                    ids,
                    mark,
                }))
            }
        }
    }

    /// What a peer without points pushed: its point is made here.
    fn take_push(
        &mut self,
        entity_type: EntityType,
        changes: Vec<Change>,
        stale_all: bool,
    ) -> Taken {
        let offset = self
            .inflow
            .get_mut(&entity_type)
            .and_then(|inflow| inflow.admit_push());
        let Some(offset) = offset else {
            return Taken::NotHeld;
        };
        let changes = (changes, stale_all);
        let told = Told::new(entity_type, offset, changes, Vec::new(), self.moment);
        self.stage(Item::Commits(TellCommits {
            parts: VecDeque::from([told]),
        }))
    }

    fn take_subscribed(
        &mut self,
        entity_type: EntityType,
        result: Attached,
        view: String,
        begun: Begun,
    ) -> Taken {
        self.ensure(&entity_type);
        let moment = self.begin_moment();
        let Some(inflow) = self.inflow.get_mut(&entity_type) else {
            return Taken::NotHeld;
        };
        let dropped = inflow.detach();
        let Begun {
            epoch,
            offset,
            head,
        } = inflow.attach(result, begun, moment);
        self.retired.push(dropped);
        self.stage(Item::Attach(Attach {
            entity_type,
            result,
            epoch,
            view,
            offset,
            head,
            clearing: Clearing::default(),
        }))
    }

    fn take_commits(&mut self, commits: Vec<Commit>) -> Taken {
        let moment = self.moment;
        let (mut parts, mut outcome) = (VecDeque::new(), Taken::NotHeld);
        for commit in commits {
            let taken = self
                .inflow
                .get_mut(&commit.entity_type)
                .map_or(Taken::NotHeld, |inflow| inflow.admit(&commit));
            self.note_gap(&commit.entity_type, &taken);
            if taken == Taken::Staged {
                let Commit {
                    entity_type,
                    to,
                    changes,
                    stale_all,
                    echoes,
                    ..
                } = commit;
                parts.push_back(Told::new(
                    entity_type,
                    to,
                    (changes, stale_all),
                    echoes,
                    moment,
                ));
            }
            outcome = both(outcome, taken);
        }
        if !parts.is_empty() {
            self.staged.push_back(Item::Commits(TellCommits { parts }));
        }
        outcome
    }

    fn take_snapshot(&mut self, intake: Intake) -> Taken {
        match intake {
            Intake::SnapshotRows {
                entity_type,
                as_of,
                rows,
            } => {
                let Some(inflow) = self.inflow.get_mut(&entity_type) else {
                    return Taken::NotHeld;
                };
                match inflow.take_rows(as_of, rows, self.settings.max_snapshot_bytes) {
                    Ok(Taken::TooLarge) => {
                        let dropped = inflow.detach();
                        self.retired.push(dropped);
                        self.demote(&entity_type);
                        self.detach(&entity_type, DetachReason::Ended);
                        Taken::TooLarge
                    }
                    Ok(taken) => taken,
                    Err(rows) => {
                        self.retired.push(rows);
                        Taken::NotHeld
                    }
                }
            }
            Intake::SnapshotEnd {
                entity_type,
                as_of,
                actions,
            } => {
                let Some(inflow) = self.inflow.get_mut(&entity_type) else {
                    return Taken::NotHeld;
                };
                match inflow.end_snapshot(as_of) {
                    Ok(whole) => {
                        let swap =
                            SwapSnapshot::new(entity_type, as_of, whole.rows, actions, whole.begun);
                        self.stage(Item::Snapshot(swap))
                    }
                    Err(taken) => {
                        self.note_gap(&entity_type, &taken);
                        taken
                    }
                }
            }
            _ => Taken::NotHeld,
        }
    }

    fn take_answer(&mut self, intake: Intake) -> Taken {
        match intake {
            Intake::Entities {
                ticket,
                as_of,
                rows,
                missing,
            } => {
                let Some(entity_type) = self.requests.answer(ticket) else {
                    self.retired.push((rows, missing));
                    return Taken::NotHeld;
                };
                let taken = self.admit_answer(&entity_type, as_of.as_ref());
                self.staged.push_back(Item::Fetched(FetchedRows::new(
                    ticket, as_of, rows, missing,
                )));
                taken
            }
            Intake::Page {
                ticket,
                as_of,
                rows,
                total_count,
                end,
            } => self.take_page(PageAnswer {
                ticket,
                as_of,
                rows,
                total_count,
                end,
            }),
            Intake::Answer {
                action,
                as_of,
                rows,
                missing,
                replaced,
            } => self.take_own_answer(action, as_of, (rows, missing), replaced),
            Intake::Rows {
                entity_type,
                as_of,
                rows,
                missing,
            } => {
                if !self.inflow.contains_key(&entity_type) {
                    self.retired.push((rows, missing));
                    return Taken::NotHeld;
                }
                let begun = self.moment;
                self.stage(Item::Loose(LooseRows::new(
                    entity_type,
                    as_of,
                    rows,
                    missing,
                    begun,
                )))
            }
            _ => Taken::NotHeld,
        }
    }

    fn take_page(&mut self, page: PageAnswer) -> Taken {
        let Some(entity_type) = self.requests.answer(page.ticket) else {
            self.retired.push(page);
            return Taken::NotHeld;
        };
        let taken = self.admit_answer(&entity_type, page.as_of.as_ref());
        let request = self.requests.get(page.ticket);
        self.staged
            .push_back(if request.is_some_and(Request::is_opaque) {
                Item::OpaquePage(Box::new(InstallOpaque::new(page)))
            } else {
                Item::Page(Box::new(InstallPage::new(page)))
            });
        taken
    }

    /// The server accepted an own action.
    fn take_own_answer(
        &mut self,
        action: ActionId,
        as_of: BTreeMap<EntityType, Point>,
        (rows, missing): (Vec<(EntityType, Row)>, Vec<EntityKey>),
        replaced: BTreeMap<EntityId, EntityId>,
    ) -> Taken {
        // What it says of types that nobody here uses finds no stream, and is dropped.
        let moment = self.next_moment();
        let rows = (rows, missing);
        self.stage(Item::Answer(AnswerRows::new(
            action, as_of, rows, replaced, moment,
        )))
    }

    /// An answer that speaks for more than has come in tells that something before it is missing.
    fn admit_answer(&mut self, entity_type: &EntityType, as_of: Option<&Point>) -> Taken {
        let (Some(inflow), Some(as_of)) = (self.inflow.get(entity_type), as_of) else {
            return Taken::Staged;
        };
        let taken = inflow.admit_answer(as_of);
        self.note_gap(entity_type, &taken);
        taken
    }

    fn stage(&mut self, item: Item) -> Taken {
        self.staged.push_back(item);
        Taken::Staged
    }

    /// A gap ends the feed here: the stream is not live, said before any later change shows.
    fn note_gap(&mut self, entity_type: &EntityType, taken: &Taken) {
        if matches!(taken, Taken::Gap { .. }) {
            self.detach(entity_type, DetachReason::Gap);
        }
    }

    pub(crate) fn detach(&mut self, entity_type: &EntityType, why: DetachReason) {
        let dropped = self
            .inflow
            .get_mut(entity_type)
            .and_then(|inflow| inflow.detach());
        self.retired.push(dropped);
        let entity_type = entity_type.clone();
        self.staged.push_back(Item::Detach(Detach {
            entity_type,
            why,
            clearing: Clearing::default(),
        }));
    }
}

/// What became of two parts of one commit: every gap, else the better of the two.
fn both(one: Taken, other: Taken) -> Taken {
    match (one, other) {
        (Taken::Gap { mut received }, Taken::Gap { received: more }) => {
            received.extend(more);
            Taken::Gap { received }
        }
        (gap @ Taken::Gap { .. }, _) | (_, gap @ Taken::Gap { .. }) => gap,
        (Taken::Staged, _) | (_, Taken::Staged) => Taken::Staged,
        (Taken::Repeat, _) | (_, Taken::Repeat) => Taken::Repeat,
        (other, _) => other,
    }
}
