//! Everything that is known, as one value that is cheap to copy: the streams, the pending actions,
//! and the names given to temporary ids.
//!
//! One world is shown to readers; the next one is a copy that a batch changes unseen. Nothing here
//! knows which of the two it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidewire_model::{ActionId, Effect, EntityId, EntityKey, EntityType, Query, Revision};

use crate::fetch::RunKey;
use crate::held::{SHARE_BYTES, tree_bytes};
use crate::overlay::{Overlay, Place};
use crate::rename;
use crate::slots::{Limits, Stamp};
use crate::sorted_map::SortedMap;
use crate::stream::{Stream, Touches};
use crate::values::Values;

/// Everything that is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    pub(crate) revision: Revision,
    /// What was written to entries up to here is in this world.
    pub(crate) stamp: Stamp,
    pub(crate) limits: Limits,
    /// Whether it is being worked, so that entries may be written. What is shown is never written to.
    pub(crate) open: bool,
    streams: BTreeMap<EntityType, Arc<Stream>>,
    pub(crate) overlay: Overlay,
    pub(crate) values: Values,
    /// The names the server gave, by temporary id.
    pub(crate) aliases: SortedMap<EntityId, EntityId>,
    /// The temporary ids in the order in which they were named.
    alias_order: SortedMap<u64, EntityId>,
    next_alias: u64,
}

/// One commit's or answer's new names, by temporary id.
pub(crate) type Names = BTreeMap<EntityId, EntityId>;

impl World {
    pub(crate) fn stream(&self, entity_type: &EntityType) -> Option<&Stream> {
        self.streams.get(entity_type).map(|stream| &**stream)
    }

    pub(crate) fn streams(&self) -> impl Iterator<Item = &Stream> {
        self.streams.values().map(|stream| &**stream)
    }

    pub(crate) fn types(&self) -> Vec<EntityType> {
        self.streams.keys().cloned().collect()
    }

    /// Roughly what was asked of the allocator beside streams and overlay.
    pub(crate) fn side_bytes(&self) -> usize {
        /// What two ids hold, of which one is temporary.
        const NAMES: usize = 104;
        let names = self.aliases.held_bytes() + self.alias_order.held_bytes();
        let streams = tree_bytes::<EntityType, Arc<Stream>>(self.streams.len());
        SHARE_BYTES + size_of::<Self>() + names + self.aliases.len() * NAMES + streams
    }

    /// What the budget counts for everything.
    pub(crate) fn counted_bytes(&self) -> usize {
        let streams = self.streams().map(Stream::counted_bytes);
        streams.sum::<usize>() + self.overlay.counted_bytes() + self.values.bytes()
    }

    pub(crate) fn insert_stream(&mut self, stream: Stream) {
        self.streams.insert(stream.name.clone(), Arc::new(stream));
    }

    /// A stream to be changed, and the pending actions beside it.
    pub(crate) fn edit(&mut self, entity_type: &EntityType) -> Option<(&mut Stream, &Overlay)> {
        let stream = Arc::make_mut(self.streams.get_mut(entity_type)?);
        stream.base.set_stamp(self.stamp, &self.limits);
        Some((stream, &self.overlay))
    }

    /// The server's name for a temporary id, where it gave one.
    pub(crate) fn alias(&self, id: &EntityId) -> Option<&EntityId> {
        self.aliases.get(id)
    }

    /// The id under which an entity is held.
    pub(crate) fn resolve<'a>(&'a self, id: &'a EntityId) -> &'a EntityId {
        self.alias(id).unwrap_or(id)
    }

    /// The query with temporary ids replaced where the server named them.
    pub(crate) fn resolve_query(&self, query: &Query) -> Option<Query> {
        if self.aliases.is_empty() {
            return None;
        }
        rename::query(query, &|id| self.alias(id).cloned())
    }

    /// The run that the window of a query lies in.
    pub(crate) fn run_key(&self, query: &Query) -> RunKey {
        let resolved = self.resolve_query(query);
        let query = resolved.as_ref().unwrap_or(query);
        self.stream(query.entity_type())
            .map_or_else(|| RunKey::of(query), |stream| stream.run_key(query))
    }

    pub(crate) fn add_action(
        &mut self,
        place: Place,
        action: ActionId,
        effects: &[Effect],
        touches: &mut Touches,
    ) {
        // An action made before the server named an entity may still use the temporary id.
        let effects = effects
            .iter()
            .map(|effect| self.with_real_names(effect))
            .collect();
        let keys = self.overlay.add(place, action, effects);
        self.refresh(&keys, touches);
    }

    pub(crate) fn remove_actions(&mut self, actions: &[ActionId], touches: &mut Touches) -> bool {
        let keys: BTreeSet<EntityKey> = actions
            .iter()
            .flat_map(|action| self.overlay.remove(*action))
            .collect();
        self.refresh(&keys, touches);
        // What built on them may have nothing left to wait for.
        let types: BTreeSet<&EntityType> = keys.iter().map(|key| &key.entity_type).collect();
        for entity_type in types {
            self.settle(entity_type, touches);
        }
        !keys.is_empty()
    }

    /// Takes out the effects of an action on one stream.
    pub(crate) fn leave(
        &mut self,
        action: ActionId,
        entity_type: &EntityType,
        touches: &mut Touches,
    ) {
        let keys = self
            .overlay
            .remove_effects(action, |effect| effect.key.entity_type == *entity_type);
        self.refresh(&keys, touches);
    }

    /// Names an entity everywhere: pending actions, their values, views and runs.
    pub(crate) fn rename(
        &mut self,
        temporary: &EntityId,
        real: &EntityId,
        touches: &mut Touches,
    ) -> bool {
        if temporary == real || self.alias(temporary).is_some() {
            return false;
        }
        self.aliases.insert(temporary.clone(), real.clone());
        self.alias_order.insert(self.next_alias, temporary.clone());
        self.next_alias += 1;
        self.rename_runs(temporary, real, touches);
        let keys = self.overlay.rename(temporary, real);
        self.refresh(&keys, touches);
        true
    }

    /// Forgets the oldest name, or puts it at the end of the line if it is pinned.
    pub(crate) fn forget_oldest_alias(&mut self, pinned: impl Fn(&EntityId) -> bool) {
        let Some((place, temporary)) = self.alias_order.first() else {
            return;
        };
        let (place, temporary) = (*place, temporary.clone());
        self.alias_order.remove(&place);
        if pinned(&temporary) {
            self.alias_order.insert(self.next_alias, temporary);
            self.next_alias += 1;
        } else {
            self.aliases.remove(&temporary);
        }
    }

    pub(crate) fn refresh(&mut self, keys: &BTreeSet<EntityKey>, touches: &mut Touches) {
        for key in keys {
            if let Some((stream, overlay)) = self.edit(&key.entity_type) {
                stream.refresh(&key.id, overlay, touches);
            }
        }
    }

    fn with_real_names(&self, effect: &Effect) -> Effect {
        let mut named: Option<Effect> = None;
        let mut temporary = BTreeSet::new();
        rename::temporary_ids(effect, &mut |id| {
            temporary.insert(id);
        });
        for id in temporary {
            if let Some(real) = self.alias(&id) {
                named = Some(rename::effect(named.as_ref().unwrap_or(effect), &id, real));
            }
        }
        named.unwrap_or_else(|| effect.clone())
    }

    /// Runs whose filter names the temporary id go on under the real one. What they hold stays on
    /// screen; a window is asked for once more.
    fn rename_runs(&mut self, temporary: &EntityId, real: &EntityId, touches: &mut Touches) {
        let real_of = |id: &EntityId| (id == temporary).then(|| real.clone());
        let mut renamed: Vec<(RunKey, Query)> = Vec::new();
        for stream in self.streams.values() {
            for key in stream.runs.naming(temporary) {
                touches.count(1);
                renamed
                    .extend(rename::query(key.query(), &real_of).map(|query| (key.clone(), query)));
            }
            for key in stream.opaque.naming(temporary) {
                touches.count(1);
                renamed
                    .extend(rename::query(key.query(), &real_of).map(|query| (key.clone(), query)));
            }
        }
        for (old, query) in renamed {
            if let Some((stream, _)) = self.edit(query.entity_type()) {
                if query.is_opaque() {
                    stream.rename_opaque(&old, &query, touches);
                } else {
                    stream.rename_run(&old, &query, touches);
                }
            }
        }
    }
}
