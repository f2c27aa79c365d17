//! How many bytes things hold in memory, and what the budget counts for them.
//!
//! Two figures, since two things are wanted. *Held* is what was asked of the allocator, spare room in
//! tables and nodes included; it depends on when readers let go of old worlds. *Counted* depends on
//! what is held alone, so that the same inputs always let the same entities go. Shared values are
//! counted once, with the one who most often holds them alone: an id with the entry of its entity, a
//! record with the entry or the prediction that shows it. Nothing here changes anything.

use std::sync::Arc;

use tidewire_model::{
    ActionId, Effect, EffectBody, EntityId, EntityKey, Offset, Record, Tick, Value, ValueKey,
};

use crate::base::Image;
use crate::fetch::RunKey;
use crate::opaque::OpaqueList;
use crate::overlay::{Digest, Pending};
use crate::row_number::RowNumber;
use crate::run::{Run, Share};
use crate::sorted_map::SortedMap;
use crate::values::HeldValue;

/// What stands before shared memory: how many share it.
pub(crate) const SHARE_BYTES: usize = 2 * size_of::<usize>();

/// What a key or a value of a map holds beside itself.
pub(crate) trait Held {
    /// What was asked of the allocator for it.
    fn held_bytes(&self) -> usize {
        0
    }

    /// What the budget counts for it.
    fn counted_bytes(&self) -> usize {
        self.held_bytes()
    }
}

/// Counted elsewhere, or nothing beside themselves.
macro_rules! holds_nothing {
    ($($kind:ty),+ $(,)?) => { $(impl Held for $kind {})+ };
}

holds_nothing!((), u64, EntityId, ActionId, RunKey, RowNumber, Share);
holds_nothing!(Arc<Run>, Arc<Digest>, Arc<str>, Arc<[Box<str>]>);
// The texts of names and the values are counted with the values.
holds_nothing!(Arc<OpaqueList>, ValueKey, (Tick, ValueKey), Arc<HeldValue>);
holds_nothing!((EntityKey, u64, usize), (EntityKey, u64), (EntityId, u64));
holds_nothing!((u32, Option<Offset>, EntityId));

#[cfg(test)]
holds_nothing!(u16, u32);

/// The index of runs is counted with the runs.
impl<K, V> Held for SortedMap<K, V> {}

impl Held for Image {
    fn held_bytes(&self) -> usize {
        self.record().map_or(0, Record::held_bytes)
    }

    fn counted_bytes(&self) -> usize {
        self.record().map_or(0, Record::counted_bytes)
    }
}

impl Held for Arc<Pending> {
    fn held_bytes(&self) -> usize {
        let effects = self.effects.iter().map(effect_bytes).sum::<usize>();
        SHARE_BYTES + size_of::<Pending>() + effects
    }
}

/// Roughly what a standard ordered map of so many entries takes; a set, with `V` as nothing.
pub(crate) fn tree_bytes<K, V>(len: usize) -> usize {
    /// How many entries have room in a node.
    const ROOM: usize = 11;
    let node = ROOM * size_of::<(K, V)>() + SHARE_BYTES;
    // A node is three quarters full, mostly.
    len.div_ceil(ROOM * 3 / 4) * node
}

/// The text of an id.
pub(crate) fn id_bytes(id: &EntityId) -> usize {
    id.held_bytes()
}

/// An effect in a list, and what it holds. The record it puts is that of the prediction.
fn effect_bytes(effect: &Effect) -> usize {
    let body = match &effect.body {
        EffectBody::Put(_) | EffectBody::Remove => 0,
        EffectBody::Merge(patch) => {
            let unset = patch.unset_fields().map(str::len).sum::<usize>();
            patch.set_record().counted_bytes() + unset
        }
        EffectBody::Increment { field, by: value } | EffectBody::Append { field, value } => {
            field.len() + value_bytes(value)
        }
    };
    size_of::<Effect>() + id_bytes(&effect.key.id) + body
}

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::List(values) => {
            let inside = values.iter().map(value_bytes).sum::<usize>();
            values.len() * size_of::<Value>() + inside
        }
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| size_of::<(Box<str>, Value)>() + name.len() + value_bytes(value))
            .sum(),
        _ => 0,
    }
}
