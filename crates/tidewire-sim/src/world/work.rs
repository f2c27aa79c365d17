//! What is done: by the server's application, and by the clients' applications.

use std::collections::BTreeSet;

use tidewire_cache::{Presence, Target};
use tidewire_engine::{Command, CommandError, Reply, Submission, Submitted, Write};
use tidewire_hub::{CallerId, Input, Write as ServerWrite};
use tidewire_model::{
    ActionId, Effect, EffectBody, EntityId, EntityKey, EntityType, Lane, Patch, Record, Value,
    ValueRef,
};
use tidewire_queue::Action;

use super::World;
use crate::broken::Broken;
use crate::event::Event;
use crate::hits::Hit;
use crate::names;
use crate::options::Work;
use crate::server::brief;

/// So many ids a type may have before no more are made.
const MOST_IDS: usize = 16;
/// So many writes of a client wait before it makes no more.
const MOST_WRITES: usize = 25;
/// So many things a client watches at once.
const MOST_WATCHES: usize = 7;

/// How large a written entity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Small,
    Large,
}

/// Who names a created entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Own,
    Servers,
}

impl World {
    pub(super) fn plan_work(&mut self) {
        let wait = self.work_chance.spread(self.options.work_mean_ms);
        self.clock.plan(wait, Event::Work);
    }

    pub(super) fn work(&mut self) -> Result<(), Broken> {
        self.plan_work();
        let Some(work) = self.work_chance.pick(&self.options.work).copied() else {
            return Ok(());
        };
        let index = self.work_chance.below(self.clients.len() as u64);
        let index = usize::try_from(index).unwrap_or(0);
        match work {
            Work::PublishCreate
            | Work::PublishUpdate
            | Work::PublishDelete
            | Work::PublishSeveral
            | Work::PublishTwoStreams
            | Work::PublishLarge => self.publish(work),
            _ if self.clients[index].engine.is_none() => Ok(()),
            Work::CreateOwnId
            | Work::CreateUnnamed
            | Work::Update
            | Work::Delete
            | Work::Transaction => self.submit(index, work),
            Work::Decide => self.decide(index),
            Work::Cancel => self.cancel(index),
            Work::WatchEntity | Work::WatchList => self.watch(index, work),
            Work::Unwatch => self.unwatch(index),
            Work::Invalidate => self.invalidate(index),
        }
    }

    fn publish(&mut self, work: Work) -> Result<(), Broken> {
        if self.server.hub.is_none() {
            return Ok(());
        }
        let (writes, hit) = match work {
            Work::PublishCreate => (vec![self.server_creation()], Hit::PublishCreate),
            Work::PublishDelete => {
                let key = self.present_key();
                let write = ServerWrite::Delete {
                    entity_type: key.entity_type,
                    id: key.id,
                };
                (vec![write], Hit::PublishDelete)
            }
            Work::PublishSeveral => {
                let entity_type = names::draw_type(&mut self.work_chance);
                let count = self.work_chance.between(2, 5);
                (
                    (0..count)
                        .map(|_| self.server_put(&entity_type, Size::Small))
                        .collect(),
                    Hit::PublishSeveral,
                )
            }
            Work::PublishTwoStreams => {
                let first = names::draw_type(&mut self.work_chance);
                let second = names::draw_type(&mut self.work_chance);
                let writes = vec![
                    self.server_put(&first, Size::Small),
                    self.server_put(&second, Size::Small),
                ];
                (
                    writes,
                    if first == second {
                        Hit::PublishSeveral
                    } else {
                        Hit::PublishTwoStreams
                    },
                )
            }
            Work::PublishLarge => {
                let entity_type = names::draw_type(&mut self.work_chance);
                let count = self.work_chance.between(6, 12);
                (
                    (0..count)
                        .map(|_| self.server_put(&entity_type, Size::Large))
                        .collect(),
                    Hit::PublishLarge,
                )
            }
            _ => (vec![self.server_update()], Hit::PublishUpdate),
        };
        self.hit(hit);
        self.callers += 1;
        let caller = CallerId(self.callers);
        self.note(format_args!("publish {}: {}", caller.0, brief(&writes)));
        self.tell_hub(Input::Publish { caller, writes })
    }

    fn server_creation(&mut self) -> ServerWrite {
        let key = names::draw_key(&mut self.work_chance);
        let unnamed = self.work_chance.chance(15) && self.has_room(&key.entity_type);
        let entity = self.fields();
        ServerWrite::Create {
            entity_type: key.entity_type,
            id: (!unnamed).then_some(key.id),
            entity,
        }
    }

    fn server_put(&mut self, entity_type: &EntityType, size: Size) -> ServerWrite {
        let id = names::draw_id(&mut self.work_chance);
        let mut entity = self.fields();
        if size == Size::Large {
            entity = entity.with("text", names::filler(&mut self.work_chance));
        }
        ServerWrite::Put {
            entity_type: entity_type.clone(),
            id,
            entity,
        }
    }

    fn server_update(&mut self) -> ServerWrite {
        let key = self.present_key();
        let (changes, unset) = (self.some_fields(), self.work_chance.chance(15));
        let unset = if unset {
            vec!["title".to_owned()]
        } else {
            Vec::new()
        };
        ServerWrite::Update {
            entity_type: key.entity_type,
            id: key.id,
            changes,
            unset,
        }
    }

    /// An entity that is there, mostly.
    fn present_key(&mut self) -> EntityKey {
        let entity_type = names::draw_type(&mut self.work_chance);
        let rows = self
            .history
            .at(&entity_type, self.history.head(&entity_type));
        let ids: Vec<EntityId> = rows.keys().cloned().collect();
        let id = self.work_chance.pick(&ids).cloned();
        match id {
            Some(id) if !self.work_chance.chance(8) => EntityKey::new(entity_type, id),
            _ => names::draw_key(&mut self.work_chance),
        }
    }

    fn has_room(&self, entity_type: &EntityType) -> bool {
        let unnamed = self.clients.iter().flat_map(|client| &client.unnamed);
        let unnamed = unnamed
            .filter(|(_, key)| self.history.named(&key.id).is_none())
            .count();
        self.history.ids(entity_type).count() + unnamed < MOST_IDS
    }

    fn fields(&mut self) -> Record {
        self.marks += 1;
        names::draw_fields(&mut self.work_chance, self.marks)
    }

    /// Changed fields; always the mark, so that no write is like another.
    fn some_fields(&mut self) -> Record {
        let all = self.fields();
        match self.work_chance.below(3) {
            0 => all,
            1 => all.without("state").without("title"),
            _ => all.without("rank"),
        }
    }

    fn submit(&mut self, index: usize, work: Work) -> Result<(), Broken> {
        if self.clients[index]
            .queue()
            .is_some_and(|queue| queue.pending().count() >= MOST_WRITES)
        {
            return Ok(());
        }
        let (writes, hit) = match work {
            Work::CreateOwnId => (vec![self.creation(Name::Own)], Hit::CreateOwnId),
            Work::CreateUnnamed => (vec![self.creation(Name::Servers)], Hit::CreateUnnamed),
            Work::Delete => (
                vec![Write::Delete {
                    key: self.known_key(index),
                }],
                Hit::Delete,
            ),
            Work::Transaction => {
                let mut writes = vec![self.update(index), self.update(index)];
                if self.work_chance.chance(40) {
                    writes.push(self.creation(Name::Servers));
                }
                (writes, Hit::Transaction)
            }
            _ => (vec![self.update(index)], Hit::Update),
        };
        let lane = if self.work_chance.chance(70) {
            "main"
        } else {
            "side"
        };
        let mut after = Vec::new();
        if self.work_chance.chance(15) {
            after.extend(self.clients[index].promises.keys().next_back());
        }
        let submission = Submission {
            lane: Lane::new(lane).expect("a plain word names a lane"),
            writes: writes.clone(),
            after: after.clone(),
        };
        match self.command_write(index, Command::Submit(submission))? {
            Reply::Submitted(submitted) => {
                self.hit(hit);
                self.on_submitted(index, &submitted, writes, after);
                self.look(index)
            }
            Reply::Refused(CommandError::Queue(error)) => {
                self.note(format_args!("client {index} may not: {error}"));
                Ok(())
            }
            other => Err(Broken::law(
                19,
                format!("client {index}: a write was answered with {other:?}"),
            )),
        }
    }

    fn on_submitted(
        &mut self,
        index: usize,
        submitted: &Submitted,
        writes: Vec<Write>,
        after: Vec<ActionId>,
    ) {
        let mut needs: BTreeSet<ActionId> = after.into_iter().collect();
        let (mut effects, mut own) = (Vec::new(), Vec::new());
        for (write, key) in writes.into_iter().zip(&submitted.keys) {
            let client = &mut self.clients[index];
            let creator = client
                .unnamed
                .iter()
                .find(|(_, other)| other == key)
                .map(|(creator, _)| *creator);
            if creator.is_some() {
                self.hits.note(Hit::UpdateUnnamed);
            }
            needs.extend(creator);
            if let Some(maker) = client.maker(key) {
                needs.insert(maker);
                self.hits.note(Hit::UpdateOwn);
            }
            if let Write::Update { patch, .. } = &write {
                let parent = patch.get("parent").and_then(ValueRef::as_text);
                let creator = client
                    .unnamed
                    .iter()
                    .find(|(_, other)| Some(other.id.as_str()) == parent);
                needs.extend(creator.map(|(creator, _)| *creator));
            }
            if matches!(write, Write::Create { .. }) {
                let made = (submitted.id, key.clone());
                if key.id.is_temporary() {
                    client.unnamed.push(made);
                } else {
                    own.push(made);
                }
            }
            effects.push(effect_of(write, key));
        }
        needs.remove(&submitted.id);
        let client = &mut self.clients[index];
        // Whom the server has named by now is no longer waited for.
        needs.retain(|id| client.queue().is_some_and(|queue| queue.get(*id).is_some()));
        client.promises.entry(submitted.id).or_default().after = needs;
        client.own.extend(own);
        client.twin.submitted(submitted.id, effects, 0);
    }

    fn creation(&mut self, name: Name) -> Write {
        let key = names::draw_key(&mut self.work_chance);
        let record = self.fields();
        let own_id = name == Name::Own || !self.has_room(&key.entity_type);
        let record = if own_id {
            record.with("id", id_value(&key.id))
        } else {
            record
        };
        Write::Create {
            entity_type: key.entity_type,
            record,
        }
    }

    fn update(&mut self, index: usize) -> Write {
        let key = self.known_key(index);
        let mut patch = Patch::from_record(self.some_fields());
        if self.work_chance.chance(10) {
            patch.drop_field("title");
        }
        if self.work_chance.chance(15)
            && let Some((_, other)) = self.clients[index].unnamed.last()
        {
            patch.put("parent", other.id.as_str());
            self.hits.note(Hit::MentionUnnamed);
        }
        Write::Update { key, patch }
    }

    /// An entity the client sees, mostly.
    fn known_key(&mut self, index: usize) -> EntityKey {
        if self.work_chance.chance(20)
            && let Some((_, key)) = self.work_chance.pick(&self.clients[index].unnamed)
        {
            return key.clone();
        }
        let key = self.present_key();
        let now = self.clock.tick();
        let known = self.clients[index].engine.as_ref().is_some_and(|engine| {
            matches!(
                engine.reader().get(now, &key).presence,
                Presence::Present(_)
            )
        });
        if known || self.work_chance.chance(30) {
            key
        } else {
            self.present_key()
        }
    }

    fn decide(&mut self, index: usize) -> Result<(), Broken> {
        let parked = self.parked(index);
        let Some(id) = self.work_chance.pick(&parked).copied() else {
            return Ok(());
        };
        if self.work_chance.chance(40) {
            self.hit(Hit::Discard);
            return self.command(index, Command::Discard(id)).map(drop);
        }
        self.hit(Hit::Retry);
        self.command_write(index, Command::Retry(id))?;
        let client = &mut self.clients[index];
        let queue = client.queue();
        let pending = queue.into_iter().flat_map(|queue| queue.pending());
        // In the order in which they stand now.
        let revived: Vec<Action> = pending
            .filter(|action| parked.contains(&action.id))
            .cloned()
            .collect();
        for action in revived {
            if let Some(promise) = client.promises.get_mut(&action.id) {
                (promise.parked, promise.retried) = (false, true);
                let refusals = self.history.fate(action.id).map_or(0, |fate| fate.refused);
                client.twin.submitted(action.id, action.effects, refusals);
            }
        }
        self.look(index)
    }

    fn parked(&self, index: usize) -> Vec<ActionId> {
        self.clients[index].queue().map_or(Vec::new(), |queue| {
            queue.parked().map(|action| action.id).collect()
        })
    }

    fn cancel(&mut self, index: usize) -> Result<(), Broken> {
        let pending: Vec<ActionId> = self.clients[index].queue().map_or(Vec::new(), |queue| {
            queue.pending().map(|action| action.id).collect()
        });
        let Some(id) = self.work_chance.pick(&pending).copied() else {
            return Ok(());
        };
        if self.command(index, Command::Cancel(id))? == Reply::Done {
            self.hit(Hit::Cancel);
        }
        Ok(())
    }

    pub(super) fn watch_something(&mut self, index: usize) -> Result<(), Broken> {
        let work = if self.work_chance.chance(40) {
            Work::WatchEntity
        } else {
            Work::WatchList
        };
        self.watch(index, work)
    }

    fn watch(&mut self, index: usize, work: Work) -> Result<(), Broken> {
        if self.clients[index].watches.len() >= MOST_WATCHES {
            return Ok(());
        }
        let entity_type = names::draw_type(&mut self.work_chance);
        let target = match work {
            Work::WatchEntity if self.work_chance.chance(20) => Target::Stream(entity_type),
            Work::WatchEntity => Target::Entity(self.known_key(index)),
            _ => Target::List(names::draw_query(&mut self.work_chance, &entity_type)),
        };
        self.hit(if matches!(target, Target::List(_)) {
            Hit::WatchList
        } else {
            Hit::WatchEntity
        });
        match self.command(index, Command::Watch(target.clone()))? {
            Reply::Watching(id) => {
                self.clients[index].watches.insert(id, target);
                self.look(index)
            }
            other => Err(Broken::law(
                19,
                format!("client {index}: a watch was answered with {other:?}"),
            )),
        }
    }

    fn unwatch(&mut self, index: usize) -> Result<(), Broken> {
        let ids: Vec<_> = self.clients[index].watches.keys().copied().collect();
        let Some(id) = self.work_chance.pick(&ids).copied() else {
            return Ok(());
        };
        self.hit(Hit::Unwatch);
        self.clients[index].watches.remove(&id);
        self.command(index, Command::Unwatch(id)).map(drop)
    }

    fn invalidate(&mut self, index: usize) -> Result<(), Broken> {
        self.hit(Hit::Invalidate);
        let key = self.present_key();
        let ids = self.work_chance.chance(60).then(|| vec![key.id]);
        self.command(
            index,
            Command::Invalidate {
                entity_type: key.entity_type,
                ids,
            },
        )
        .map(drop)
    }
}

/// What a write does to the view until the server has done it.
fn effect_of(write: Write, key: &EntityKey) -> Effect {
    let body = match write {
        Write::Create { record, .. } => EffectBody::Put(record.with("id", id_value(&key.id))),
        Write::Update { patch, .. } => EffectBody::Merge(patch),
        Write::Delete { .. } => EffectBody::Remove,
    };
    Effect::new(key.clone(), body)
}

/// An id as it stands in a record.
fn id_value(id: &EntityId) -> Value {
    match id.as_str().parse::<u64>() {
        Ok(number) if id.is_integer() => Value::from(number),
        _ => Value::from(id.as_str()),
    }
}
