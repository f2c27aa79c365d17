//! What a client must show: the truth at its applied point, with its own pending writes replayed on
//! it, worked out the slow way. Says "cannot tell" where a client may be in either of two right
//! states; reads nothing from the client's cache.

use std::collections::{BTreeMap, BTreeSet};

use tidewire_model::{ActionId, Effect, EffectBody, EntityId, EntityType, Offset, Record, Value};

use crate::history::History;

/// The own writes of a client that are not seen in its base yet, in the order of replay.
#[derive(Debug, Default)]
pub(crate) struct Twin {
    mine: Vec<Mine>,
}

#[derive(Debug)]
struct Mine {
    action: ActionId,
    effects: Vec<Effect>,
    /// The refusals its client knew of when it was submitted, or sent again.
    refusals_known: u64,
}

/// Whether an effect lies over the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    In,
    Maybe,
    Out,
}

/// An entity as it must be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) record: Option<Record>,
    pub(crate) pending: bool,
}

/// What pending writes alone say of an entity, whatever the base is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Certain {
    /// It is there, with at least these fields.
    Present(Record),
    /// It is not there.
    Absent,
    /// If it is there, it has these fields.
    Fields(Record),
}

/// One stream as one client is to see it.
#[derive(Clone, Debug)]
pub(crate) struct Sight<'a> {
    pub(crate) history: &'a History,
    pub(crate) entity_type: &'a EntityType,
    /// Up to where the stream is visible.
    pub(crate) applied: Option<Offset>,
    /// The stream is live.
    pub(crate) live: bool,
    /// Every commit up to there was seen, or a snapshot that says which actions it contains.
    pub(crate) unbroken: bool,
    /// The temporary ids for which the client knows the server's name.
    pub(crate) names: BTreeMap<EntityId, EntityId>,
}

impl Sight<'_> {
    /// The id an entity goes by at this client.
    fn resolve<'a>(&'a self, id: &'a EntityId) -> &'a EntityId {
        self.names.get(id).unwrap_or(id)
    }
}

impl Twin {
    pub(crate) fn submitted(
        &mut self,
        action: ActionId,
        effects: Vec<Effect>,
        refusals_known: u64,
    ) {
        self.gone(action);
        self.mine.push(Mine {
            action,
            effects,
            refusals_known,
        });
    }

    pub(crate) fn gone(&mut self, action: ActionId) {
        self.mine.retain(|mine| mine.action != action);
    }

    pub(crate) fn restart(&mut self) {
        self.mine.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.mine.is_empty()
    }

    /// Every temporary id and every other id that pending writes are about.
    pub(crate) fn ids(&self, entity_type: &EntityType) -> BTreeSet<EntityId> {
        let effects = self.mine.iter().flat_map(|mine| &mine.effects);
        effects
            .filter(|effect| effect.key.entity_type == *entity_type)
            .map(|effect| effect.key.id.clone())
            .collect()
    }

    /// The ways in which an entity may be seen on a live stream; nothing where that cannot be told.
    pub(crate) fn seen(&self, sight: &Sight<'_>, id: &EntityId) -> Option<Vec<Seen>> {
        let base = sight
            .history
            .at(sight.entity_type, sight.applied?)
            .get(id)
            .map(|(record, _)| record.clone());
        let mut ways = vec![Seen {
            record: base,
            pending: false,
        }];
        for (effect, standing) in self.effects_on(sight, id) {
            if standing == Standing::Out {
                continue;
            }
            let replayed = ways.iter().map(|way| Seen {
                record: effect.body.apply(way.record.as_ref()),
                pending: true,
            });
            let replayed: Vec<Seen> = replayed.collect();
            if standing == Standing::In {
                ways = replayed;
            } else {
                ways.extend(replayed);
            }
            ways.dedup();
            if ways.len() > 32 {
                return None;
            }
        }
        Some(ways)
    }

    /// Every entity as it must be seen on a live stream; nothing where that cannot be told.
    pub(crate) fn view(&self, sight: &Sight<'_>) -> Option<BTreeMap<EntityId, Seen>> {
        let base = sight.history.at(sight.entity_type, sight.applied?);
        let mut ids: BTreeSet<EntityId> = base.keys().cloned().collect();
        ids.extend(
            self.ids(sight.entity_type)
                .iter()
                .map(|id| sight.resolve(id).clone()),
        );
        let mut view = BTreeMap::new();
        for id in ids {
            let ways = self.seen(sight, &id)?;
            let [way] = &ways[..] else { return None };
            if way.record.is_some() {
                view.insert(id, way.clone());
            }
        }
        Some(view)
    }

    /// What must hold of an entity even where the stream is not live (law 11).
    pub(crate) fn certain(&self, sight: &Sight<'_>, id: &EntityId) -> Option<Certain> {
        let mut certain: Option<Certain> = None;
        for (effect, standing) in self.effects_on(sight, id) {
            if standing != Standing::In {
                return None;
            }
            certain = Some(match (&effect.body, certain) {
                (EffectBody::Put(record), _) => Certain::Present(record.clone()),
                (EffectBody::Remove, _) | (_, Some(Certain::Absent)) => Certain::Absent,
                (EffectBody::Merge(patch), Some(Certain::Present(record))) => {
                    Certain::Present(record.merge(patch))
                }
                (EffectBody::Merge(patch), Some(Certain::Fields(fields))) => {
                    Certain::Fields(fields.merge(patch))
                }
                (EffectBody::Merge(patch), None) => Certain::Fields(patch.set_record().clone()),
                (_, _) => return None,
            });
        }
        certain
    }

    fn effects_on(&self, sight: &Sight<'_>, id: &EntityId) -> Vec<(Effect, Standing)> {
        let mut effects = Vec::new();
        for mine in &self.mine {
            let on_stream = mine
                .effects
                .iter()
                .filter(|effect| effect.key.entity_type == *sight.entity_type);
            for effect in on_stream.filter(|effect| sight.resolve(&effect.key.id) == id) {
                let body = renamed(&effect.body, &effect.key.id, id);
                effects.push((Effect::new(effect.key.clone(), body), standing(sight, mine)));
            }
        }
        effects
    }
}

fn standing(sight: &Sight<'_>, mine: &Mine) -> Standing {
    let Some(fate) = sight.history.fate(mine.action) else {
        return Standing::In;
    };
    let Some(contained) = fate.offsets.get(sight.entity_type) else {
        // Refused, or done without effect: it lies there until its client has heard, which it may
        // first do from a snapshot.
        let answered = fate.done > 0 || fate.refused > mine.refusals_known;
        return if answered {
            Standing::Maybe
        } else {
            Standing::In
        };
    };
    match sight.applied {
        Some(applied) if applied >= *contained && sight.unbroken => Standing::Out,
        Some(applied) if applied < *contained && sight.live => Standing::In,
        _ => Standing::Maybe,
    }
}

/// A creation under a temporary id, once the server has named the entity.
fn renamed(body: &EffectBody, temporary: &EntityId, real: &EntityId) -> EffectBody {
    match body {
        EffectBody::Put(record) if temporary != real => {
            let is_id =
                record.get("id").and_then(|value| value.as_text()) == Some(temporary.as_str());
            EffectBody::Put(if is_id {
                record.with("id", Value::from(real.as_str()))
            } else {
                record.clone()
            })
        }
        other => other.clone(),
    }
}
