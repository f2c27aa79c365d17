//! What the writer hands back when it made something visible.

use std::collections::BTreeMap;
use std::fmt;

use tidewire_model::{ChangeSet, EntityKey, EntityType, Notice, Query};

use crate::base::Image;
use crate::slots::Stamp;
use crate::watch::{WatchId, Watches};
use crate::world::World;

/// One step of the view.
#[derive(Debug)]
#[must_use = "watchers wait to be woken, and retired values to be dropped outside the lock"]
pub struct Publication {
    /// The revision, the touched entities, and notices for types whose stream is watched.
    pub change_set: ChangeSet,
    /// The watchers whose reading may have changed, in order.
    pub woken: Vec<WatchId>,
    /// The lists, without limit, of which a page came that the server filters or sorts otherwise
    /// than is done here; each once, until a page of it agrees again.
    pub disputed: Vec<Query>,
    /// What readers no longer need.
    pub retired: Retired,
}

/// Values that are no longer needed. Dropping them can take long, so the holder of a lock drops
/// them after giving it back.
#[derive(Default)]
pub struct Retired(Vec<Box<dyn Send + Sync>>);

impl Retired {
    pub(crate) fn push(&mut self, value: impl Send + Sync + 'static) {
        self.0.push(Box::new(value));
    }

    /// Whether there is nothing to drop.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Retired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Retired({})", self.0.len())
    }
}

/// The batch with which something that was staged becomes visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shows(pub(crate) Stamp);

/// How far the batch has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is staged.
    Idle,
    /// Some of what is staged is still to be applied.
    More,
    /// Everything that was staged when the batch began is applied and can be published.
    Ready,
}

/// Tells listeners what happened between two worlds. `entities` are those touched, in order.
pub(crate) fn notices(
    old: &World,
    new: &World,
    entities: &[EntityKey],
    watches: &Watches,
    max: usize,
) -> (Vec<Notice>, Vec<WatchId>) {
    let mut counts: BTreeMap<&EntityType, usize> = BTreeMap::new();
    for key in entities {
        *counts.entry(&key.entity_type).or_default() += 1;
    }
    let (mut notices, mut woken) = (Vec::new(), Vec::new());
    let mut rest = entities;
    while let Some(first) = rest.first() {
        let entity_type = &first.entity_type;
        let count = counts.get(entity_type).copied().unwrap_or(1);
        let (of_type, others) = rest.split_at(count.min(rest.len()));
        rest = others;
        let listeners: Vec<WatchId> = watches.listeners(entity_type).collect();
        if listeners.is_empty() {
            continue;
        }
        let told = notices.len();
        if count > max {
            notices.push(Notice::Bulk {
                entity_type: entity_type.clone(),
                count,
            });
        } else {
            notices.extend(of_type.iter().filter_map(|key| notice(old, new, key)));
        }
        if notices.len() > told {
            woken.extend(listeners);
        }
    }
    (notices, woken)
}

fn notice(old: &World, new: &World, key: &EntityKey) -> Option<Notice> {
    let key = key.clone();
    match (visible(old, &key), visible(new, &key)) {
        (Image::Present(before), Image::Present(after)) => {
            let changes = before.diff(&after);
            (!changes.is_empty()).then_some(Notice::Update { key, changes })
        }
        (_, Image::Present(record)) => Some(Notice::Create { key, record }),
        (Image::Present(_), Image::Absent) => Some(Notice::Delete { key }),
        // What is let go is not deleted.
        _ => None,
    }
}

fn visible(world: &World, key: &EntityKey) -> Image {
    match world.stream(&key.entity_type) {
        Some(stream) if !stream.standing.hidden => stream.read_image(&key.id),
        _ => Image::Unknown,
    }
}
