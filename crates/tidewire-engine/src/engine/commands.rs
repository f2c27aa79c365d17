//! What the application asks for, done before the call returns.

use tidewire_cache::{CollectionSettings, Intake, Interest, Target};
use tidewire_model::{
    ActionId, Effect, EffectBody, EntityId, EntityKey, EntityType, Patch, Record, RecordBuilder,
    Value,
};
use tidewire_protocol::Naming;
use tidewire_queue::{Draft, SubmitError};

use super::{Collection, Engine, names};
use crate::input::{Command, Submission, Switch, Write};
use crate::output::{CommandError, Reply, Submitted};
use crate::persistence::Then;
use crate::session::Event;
use crate::settings::Dialects;

/// One write, as it goes into an action.
struct Worked {
    name: &'static str,
    key: EntityKey,
    payload: Record,
    effect: EffectBody,
}

impl Worked {
    fn changes_something(&self) -> bool {
        match &self.effect {
            EffectBody::Merge(patch) => !patch.is_empty(),
            _ => true,
        }
    }
}

impl Engine {
    pub(super) fn on_command(&mut self, command: Command) -> Reply {
        if let (true, Some(reason)) = (must_be_stored(&command), self.persistence.failure()) {
            return Reply::Refused(CommandError::Store(reason.to_owned()));
        }
        let done = match command {
            Command::Define {
                entity_type,
                settings,
                naming,
            } => self.define(entity_type, settings, naming),
            Command::Watch(target) => return self.watch(target),
            Command::Unwatch(id) => {
                self.unwant_stream(id);
                self.cache.unwatch(id);
                Ok(())
            }
            Command::Submit(submission) => {
                return self.submit(submission).unwrap_or_else(Reply::Refused);
            }
            Command::Cancel(id) => self
                .queue
                .cancel(self.now.wall, id)
                .map_err(refused)
                .map(|outcome| self.after_queue(outcome)),
            Command::Retry(id) => self
                .queue
                .retry(self.now.wall, id)
                .map_err(refused)
                .map(|outcome| self.after_queue(outcome)),
            Command::Discard(id) => self
                .queue
                .discard(self.now.wall, id)
                .map_err(refused)
                .map(|outcome| self.after_queue(outcome)),
            Command::Invalidate { entity_type, ids } => {
                self.take(Intake::Stale { entity_type, ids });
                self.batch.hurry();
                Ok(())
            }
            Command::Cache(command) => {
                return self
                    .on_cache_command(command)
                    .unwrap_or_else(Reply::Refused);
            }
            Command::Switch(Switch::On) => {
                self.session_event(Event::SwitchedOn);
                Ok(())
            }
            Command::Switch(Switch::Off) => {
                self.session_event(Event::SwitchedOff);
                Ok(())
            }
        };
        done.map_or_else(Reply::Refused, |()| Reply::Done)
    }

    fn define(
        &mut self,
        entity_type: EntityType,
        settings: CollectionSettings,
        naming: Naming,
    ) -> Result<(), CommandError> {
        let same = |held: &Collection| held.settings == settings && held.naming == naming;
        match self.collections.get(&entity_type) {
            Some(held) if same(held) => Ok(()),
            Some(_) => Err(CommandError::DefinedOtherwise(entity_type)),
            None => {
                let defined = self.cache.define(entity_type.clone(), settings.clone());
                defined.map_err(|error| CommandError::DefinedOtherwise(error.entity_type))?;
                self.collections
                    .insert(entity_type, Collection { settings, naming });
                Ok(())
            }
        }
    }

    fn watch(&mut self, target: Target) -> Reply {
        let entity_type = target.entity_type().clone();
        if !self.collections.contains_key(&entity_type) {
            return Reply::Refused(CommandError::UnknownCollection(entity_type));
        }
        if let Target::List(query) = &target
            && let Err(error) = query.validate()
        {
            return Reply::Refused(CommandError::Query(error));
        }
        if let Target::List(query) = &target
            && query.is_opaque()
            && self.cache.interest(&entity_type) == Interest::PushesOnly
        {
            return Reply::Refused(CommandError::OpaqueQuery);
        }
        let id = self.cache.watch(target);
        self.watches.insert(id, entity_type.clone());
        self.ageing.on_changed();
        self.want_stream(&entity_type);
        Reply::Watching(id)
    }

    fn submit(&mut self, submission: Submission) -> Result<Reply, CommandError> {
        if self.settings.dialects == Dialects::Basic && !self.settings.own.execute {
            return Err(CommandError::NoExecute);
        }
        let id = ActionId::new(self.now.wall.as_unix_millis(), self.random.id_bytes());
        let mut worked = Vec::with_capacity(submission.writes.len());
        let reader = self.cache.reader();
        for (place, write) in submission.writes.into_iter().enumerate() {
            worked.push(self.work_out(id, place, names::named(write, &reader))?);
        }
        let keys: Vec<EntityKey> = worked.iter().map(|write| write.key.clone()).collect();
        worked.retain(Worked::changes_something);
        if worked.is_empty() && !keys.is_empty() {
            return Ok(Reply::Unchanged(keys));
        }
        let effects: Vec<Effect> = worked
            .iter()
            .map(|write| Effect::new(write.key.clone(), write.effect.clone()))
            .collect();
        self.check_room()?;
        let mut draft = draft(worked)?;
        draft.lane = submission.lane;
        draft.after = submission.after;
        draft.effects = effects.clone();
        let txn = self.queue.submit(self.now.wall, id, draft)?;
        let publication = self.cache.add_action(self.now.tick, id, effects);
        self.publish(publication);
        self.persistence.push(txn, Some(Then::Durable(id)));
        // A name on its way into the view is not replaced by the view, and the queue has told its
        // actions of it already.
        if let Some(txn) = self.queue.renamed(&self.answers.names()) {
            self.persistence.push(txn, None);
        }
        Ok(Reply::Submitted(Submitted { id, keys }))
    }

    /// What was accepted and still has effects in the view has left the queue, and is pending all the same.
    ///
    /// # Errors
    /// With what is in the queue it is as much as may be.
    fn check_room(&self) -> Result<(), SubmitError> {
        let limit = self.settings.queue.max_actions;
        if self.queue.counts().total() + self.answers.len() >= limit {
            return Err(SubmitError::Full { limit });
        }
        Ok(())
    }

    /// One write: what goes to the server, and what it does to the view meanwhile.
    fn work_out(
        &mut self,
        action: ActionId,
        place: usize,
        write: Write,
    ) -> Result<Worked, CommandError> {
        match write {
            Write::Create {
                entity_type,
                record,
            } => self.work_out_create(action, place, entity_type, &record),
            Write::Update { key, patch } => {
                let id_field = &self.defined(&key.entity_type)?.naming.id_field;
                let patch = without_id(patch, id_field, &key.id)?;
                let payload = update_payload(&patch);
                Ok(Worked {
                    name: "update",
                    key,
                    payload,
                    effect: EffectBody::Merge(patch),
                })
            }
            Write::Delete { key } => {
                self.defined(&key.entity_type)?;
                Ok(Worked {
                    name: "delete",
                    key,
                    payload: Record::new(),
                    effect: EffectBody::Remove,
                })
            }
        }
    }

    fn work_out_create(
        &mut self,
        action: ActionId,
        place: usize,
        entity_type: EntityType,
        record: &Record,
    ) -> Result<Worked, CommandError> {
        let id_field = self.defined(&entity_type)?.naming.id_field.clone();
        let named = record.get(&id_field).is_some_and(|value| !value.is_null());
        let id = if named {
            record
                .entity_id(&id_field)
                .map_err(|error| CommandError::BadId(error.to_string()))?
        } else if place == 0 {
            EntityId::temporary(action)
        } else {
            // Several creations of one action need several temporary ids.
            EntityId::temporary(ActionId::new(
                self.now.wall.as_unix_millis(),
                self.random.id_bytes(),
            ))
        };
        let shown = record.with(&id_field, id_value(&id));
        let sent = if id.is_temporary() {
            record.without(&id_field)
        } else {
            shown.clone()
        };
        let payload = RecordBuilder::new()
            .field("entity", sent.to_value())
            .build();
        Ok(Worked {
            name: "create",
            key: EntityKey::new(entity_type, id),
            payload,
            effect: EffectBody::Put(shown),
        })
    }

    pub(super) fn defined(&self, entity_type: &EntityType) -> Result<&Collection, CommandError> {
        self.collections
            .get(entity_type)
            .ok_or_else(|| CommandError::UnknownCollection(entity_type.clone()))
    }
}

/// Whether a command means nothing unless the store works. A connection does too: the attempt's
/// number is stored before it.
fn must_be_stored(command: &Command) -> bool {
    match command {
        Command::Submit(_)
        | Command::Cancel(_)
        | Command::Retry(_)
        | Command::Discard(_)
        | Command::Switch(Switch::On) => true,
        Command::Define { .. }
        | Command::Watch(_)
        | Command::Unwatch(_)
        | Command::Invalidate { .. }
        | Command::Cache(_)
        | Command::Switch(Switch::Off) => false,
    }
}

/// One write is an action of its own name; several are one action named `transaction`.
fn draft(mut worked: Vec<Worked>) -> Result<Draft, CommandError> {
    if worked.len() > 1 {
        let writes: Vec<Value> = worked.iter().map(nested).collect();
        let mut draft = Draft::new("transaction");
        draft.payload = RecordBuilder::new().field("writes", writes).build();
        return Ok(draft);
    }
    let write = worked.pop().ok_or(CommandError::Empty)?;
    let mut draft = Draft::new(write.name);
    draft.entity_type = Some(write.key.entity_type);
    draft.entity_id = Some(write.key.id);
    draft.payload = write.payload;
    Ok(draft)
}

fn nested(write: &Worked) -> Value {
    RecordBuilder::new()
        .field("name", write.name)
        .field("entityType", write.key.entity_type.as_str())
        .field("entityId", id_value(&write.key.id))
        .field("payload", write.payload.to_value())
        .build()
        .to_value()
}

/// A patch may repeat the entity's id, as one made of a whole record does: that says nothing, and is
/// left out.
pub(super) fn without_id(
    patch: Patch,
    id_field: &str,
    id: &EntityId,
) -> Result<Patch, CommandError> {
    if !patch.touches(id_field) {
        return Ok(patch);
    }
    match patch.set_record().entity_id(id_field) {
        Ok(set) if set == *id => Ok(patch.without(id_field)),
        Ok(_) | Err(_) => Err(CommandError::IdChanged {
            field: id_field.to_owned(),
            id: id.clone(),
        }),
    }
}

fn update_payload(patch: &Patch) -> Record {
    let unset: Vec<&str> = patch.unset_fields().collect();
    let payload = RecordBuilder::new().field("changes", patch.set_record().to_value());
    if unset.is_empty() {
        payload.build()
    } else {
        payload.field("unset", unset).build()
    }
}

/// An id as it stands in a record: an integer where it came as one.
pub(super) fn id_value(id: &EntityId) -> Value {
    let number = id.is_integer().then(|| id.as_str());
    match number.map(|digits| (digits.parse::<i64>(), digits.parse::<u64>())) {
        Some((Ok(signed), _)) => Value::from(signed),
        Some((Err(_), Ok(unsigned))) => Value::from(unsigned),
        Some((Err(_), Err(_))) | None => Value::from(id.as_str()),
    }
}

fn refused(error: impl std::fmt::Display) -> CommandError {
    CommandError::Action(error.to_string())
}
