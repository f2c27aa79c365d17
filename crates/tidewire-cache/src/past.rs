//! The worlds that were shown before, as long as somebody reads them, and what has to stay for them.
//!
//! A reader holds a share of the world it reads. Once only this list holds a world, nobody does.

use std::sync::Arc;

use crate::publish::Retired;
use crate::slots::{Limits, Pruning, Stamp};
use crate::world::World;

/// So many lists of what was replaced wait apart for readers; more are joined.
const MAX_WAITING: usize = 64;

/// What was shown before.
#[derive(Debug, Default)]
pub(crate) struct Past {
    worlds: Vec<Arc<World>>,
    /// What the batches shown so far replaced.
    replaced: Vec<Pruning>,
}

impl Past {
    /// Takes a world that was replaced.
    pub(crate) fn push(&mut self, world: Arc<World>) {
        self.worlds.push(world);
    }

    /// Takes the list of what the batch that is shown now has replaced.
    pub(crate) fn take_touched(&mut self, shown: &World) {
        let limits = self.limits(shown.stamp);
        let touched = shown
            .streams()
            .filter_map(|stream| stream.base.take_touched(&limits));
        self.replaced.extend(touched);
    }

    /// What has to stay of what was replaced up to the world that is shown.
    pub(crate) fn limits(&self, shown: Stamp) -> Limits {
        let read = self.worlds.iter().filter(|world| is_read(world));
        let mut needed: Vec<Stamp> = read.map(|world| world.stamp).collect();
        needed.retain(|stamp| *stamp < shown);
        needed.dedup();
        Limits {
            until: shown,
            needed: needed.into(),
        }
    }

    /// Hands over what nobody reads any more.
    pub(crate) fn let_go(&mut self, shown: Stamp, retired: &mut Retired) {
        let limits = self.limits(shown);
        for pruning in std::mem::take(&mut self.replaced) {
            let pruning = pruning.with(&limits);
            if pruning.is_held_up() {
                self.wait(pruning);
            } else {
                retired.push(pruning);
            }
        }
        for world in std::mem::take(&mut self.worlds) {
            if is_read(&world) {
                self.worlds.push(world);
            } else {
                retired.push(world);
            }
        }
    }

    /// Puts a list behind those that wait. A reader that stays makes them many: then it is joined with
    /// the last of the same entries, which has no more than these have slots, twice.
    fn wait(&mut self, pruning: Pruning) {
        let is_full = self.replaced.len() >= MAX_WAITING;
        let same = |waiting: &&mut Pruning| is_full && waiting.is_of_same(&pruning);
        match self.replaced.iter_mut().rev().find(same) {
            Some(last) => last.join(pruning),
            None => self.replaced.push(pruning),
        }
    }
}

fn is_read(world: &Arc<World>) -> bool {
    Arc::strong_count(world) > 1
}

#[cfg(test)]
mod tests {
    use tidewire_model::{EntityId, Tick};

    use super::*;
    use crate::base::Entry;
    use crate::kept::Kept;
    use crate::slots::Entries;

    fn world(stamp: Stamp) -> Arc<World> {
        let mut world = World::default();
        world.stamp = stamp;
        Arc::new(world)
    }

    #[test]
    fn law_18_a_world_stays_as_long_as_somebody_reads_it_and_no_longer() {
        let (first, second) = (Stamp::default(), Stamp::default().next());
        let shown = second.next();
        let mut past = Past::default();
        let reader = world(first);
        past.push(Arc::clone(&reader));
        past.push(world(second));
        let mut retired = Retired::default();
        past.let_go(shown, &mut retired);
        assert!(!retired.is_empty());
        assert_eq!(
            (past.worlds.len(), &*past.limits(shown).needed),
            (1, &[first][..])
        );
        drop(reader);
        past.let_go(shown, &mut Retired::default());
        assert_eq!((past.worlds.len(), past.limits(shown).needed.len()), (0, 0));
    }

    /// Shows batch after batch, each with one entry written, and hands each world to `read` before it is
    /// replaced. Returns the most that waited to be dropped.
    fn show_batches(count: usize, mut read: impl FnMut(&Arc<World>)) -> usize {
        let (mut past, mut entries) = (Past::default(), Entries::new(0));
        let id = EntityId::text("a").expect("it is short");
        let (mut stamp, mut most) = (Stamp::default(), 0);
        for _ in 0..count {
            let shown = world(stamp);
            read(&shown);
            let next = stamp.next();
            entries.set_stamp(next, &past.limits(stamp));
            entries.set((&id, None), Some(Kept::from(&Entry::unknown(Tick::ZERO))));
            past.push(shown);
            stamp = next;
            past.replaced
                .extend(entries.take_touched(&past.limits(stamp)));
            past.let_go(stamp, &mut Retired::default());
            most = most.max(past.replaced.len());
        }
        most
    }

    #[test]
    fn law_17_readers_that_follow_each_other_without_a_pause_hold_nothing_up() {
        let mut reader = None;
        let most = show_batches(500, |shown| reader = Some(Arc::clone(shown)));
        assert!(most <= 2, "{most}");
    }

    #[test]
    fn law_17_what_waits_for_a_reader_that_stays_is_bounded() {
        let mut reader = None;
        let most = show_batches(500, |shown| {
            reader.get_or_insert_with(|| Arc::clone(shown));
        });
        assert!(most <= MAX_WAITING, "{most}");
    }
}
