//! Applying commits and pushes: their names first, then the changes row by row, then the point.

use std::collections::{BTreeSet, VecDeque};

use tidewire_model::{Change, EntityId, EntityType, Offset};

use super::{Demote, Desk, Item, Step};
use crate::base::Moment;
use crate::intake::Echo;
use crate::settings::Interest;
use crate::table::Arrival;

/// One or more commits that become visible in one step.
#[derive(Debug)]
pub(crate) struct TellCommits {
    pub(crate) parts: VecDeque<Told>,
}

/// One stream's part.
#[derive(Debug)]
pub(crate) struct Told {
    entity_type: EntityType,
    to: Offset,
    changes: std::vec::IntoIter<Change>,
    stale_all: bool,
    echoes: VecDeque<Echo>,
    moment: Moment,
    /// The entities whose point this commit has set.
    settled: BTreeSet<EntityId>,
}

impl TellCommits {
    pub(crate) fn step(&mut self, desk: &mut Desk<'_>) -> Step {
        while let Some(part) = self.parts.front_mut() {
            if part.step(desk) == Step::Paused {
                return Step::Paused;
            }
            self.parts.pop_front();
        }
        Step::Done
    }

    pub(crate) fn rows(&self) -> usize {
        self.parts.iter().map(|part| part.changes.len()).sum()
    }
}

impl Told {
    pub(crate) fn new(
        entity_type: EntityType,
        to: Offset,
        (changes, stale_all): (Vec<Change>, bool),
        echoes: Vec<Echo>,
        moment: Moment,
    ) -> Self {
        Self {
            entity_type,
            to,
            changes: changes.into_iter(),
            stale_all,
            echoes: echoes.into(),
            moment,
            settled: BTreeSet::new(),
        }
    }

    fn step(&mut self, desk: &mut Desk<'_>) -> Step {
        // The commit names the own actions it contains: their effects leave with it.
        while let Some(echo) = self.echoes.front() {
            if !desk.spend() {
                return Step::Paused;
            }
            for (temporary, real) in &echo.replaced {
                desk.rename(temporary, real);
            }
            desk.world
                .leave(echo.action, &self.entity_type, &mut desk.touches);
            self.echoes.pop_front();
        }
        while desk.budget > 0 {
            let Some(change) = self.changes.next() else {
                self.finish(desk);
                return Step::Done;
            };
            desk.spend();
            self.apply(&change, desk);
        }
        Step::Paused
    }

    fn apply(&mut self, change: &Change, desk: &mut Desk<'_>) {
        let id = &change.key.id;
        let Some((stream, overlay)) = desk.world.edit(&self.entity_type) else {
            return;
        };
        if stream.standing.applied >= Some(self.to) {
            // Applied before the stream was resumed behind it: totals must not count it twice.
            return;
        }
        let again = self.settled.contains(id);
        let arrival = Arrival {
            now: desk.now,
            offset: self.to,
            moment: self.moment,
            again,
        };
        stream.apply_change(change, arrival, overlay, &mut desk.touches);
        // Another change of the commit may be about it.
        if self.changes.len() > 0 {
            let era = stream.standing.era;
            let known = stream.base.read(id, |kept| kept.known(era)).flatten();
            if known == Some(self.to) {
                self.settled.insert(id.clone());
            }
        }
        desk.evict(&self.entity_type);
    }

    /// Everything of the commit is there: applied := to.
    fn finish(&mut self, desk: &mut Desk<'_>) {
        let was_live = desk.is_live(&self.entity_type);
        let Some((stream, _)) = desk.world.edit(&self.entity_type) else {
            return;
        };
        let standing = &mut stream.standing;
        if standing.is_building() {
            standing.reached = standing.reached.max(Some(self.to));
        } else {
            standing.applied = standing.applied.max(Some(self.to));
        }
        if self.stale_all {
            standing.stale_at = standing.stale_at.max(Some(self.to));
            stream.touch_all(&mut desk.touches);
        }
        let held = stream.kept_len();
        let too_many = match stream.settings.interest {
            Interest::Complete { max_rows } => u64::try_from(held).unwrap_or(u64::MAX) > max_rows,
            _ => false,
        };
        desk.note_live(&self.entity_type, was_live);
        desk.world.settle(&self.entity_type, &mut desk.touches);
        if too_many {
            desk.later
                .push_back(Item::Demote(Demote::new(self.entity_type.clone())));
        }
    }
}
