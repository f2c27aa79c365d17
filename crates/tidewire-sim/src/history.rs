//! The truth, as it was at every point: what each stream held after each commit, and what became of
//! each action. The measure that clients are held against; learns nothing from them.

use std::collections::{BTreeMap, BTreeSet};

use tidewire_hub::{ActionOutcome, Answer, Commit, Truth, WriteOutcome, WriteRequest};
use tidewire_model::{ActionId, EntityId, EntityType, Offset, Record, Value, ValueRef};

use crate::broken::Broken;

/// The entities of a type with the version of each.
pub(crate) type Rows = BTreeMap<EntityId, (Record, Offset)>;

/// What became of one action at the server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fate {
    /// How often it was done.
    pub(crate) done: u64,
    /// How often it was refused for good.
    pub(crate) refused: u64,
    /// The streams its effect is in, each with the offset.
    pub(crate) offsets: BTreeMap<EntityType, Offset>,
}

/// All that ever was.
#[derive(Debug, Default)]
pub(crate) struct History {
    streams: BTreeMap<EntityType, Vec<Rows>>,
    ids: BTreeMap<EntityType, BTreeSet<EntityId>>,
    shared: Vec<BTreeMap<EntityType, Offset>>,
    fates: BTreeMap<ActionId, Fate>,
    named: BTreeMap<EntityId, EntityId>,
    last_done: BTreeMap<(String, u64, String), u64>,
}

impl History {
    /// Notes what one write came to, right after it was done.
    pub(crate) fn note(
        &mut self,
        truth: &Truth,
        request: &WriteRequest,
        outcome: &WriteOutcome,
    ) -> Result<(), Broken> {
        match (request, outcome) {
            (
                WriteRequest::Action { origin, action, .. },
                WriteOutcome::Action { outcome, commit },
            ) => {
                if let ActionOutcome::New(answer) = outcome {
                    let lane = (
                        origin.client.clone(),
                        origin.incarnation,
                        action.lane.to_string(),
                    );
                    self.note_order(lane, action.seq)?;
                    self.note_answer(action.id, answer)?;
                }
                self.note_commit(truth, commit.as_ref(), Some(action.id))
            }
            (_, WriteOutcome::Published(Ok(commit))) => {
                self.note_commit(truth, commit.as_ref(), None)
            }
            _ => Ok(()),
        }
    }

    fn note_order(&mut self, lane: (String, u64, String), seq: u64) -> Result<(), Broken> {
        let last = self.last_done.entry(lane).or_insert(0);
        if seq <= *last {
            return Err(Broken::law(
                13,
                format!("number {seq} of a lane was done after number {last}"),
            ));
        }
        *last = seq;
        Ok(())
    }

    fn note_answer(&mut self, action: ActionId, answer: &Answer) -> Result<(), Broken> {
        let fate = self.fates.entry(action).or_default();
        match answer {
            Answer::Applied { .. } => fate.done += 1,
            Answer::Refused { .. } => fate.refused += 1,
        }
        if fate.done > 1 {
            return Err(Broken::law(
                13,
                format!("action {action} was done {} times", fate.done),
            ));
        }
        Ok(())
    }

    fn note_commit(
        &mut self,
        truth: &Truth,
        commit: Option<&Commit>,
        action: Option<ActionId>,
    ) -> Result<(), Broken> {
        let Some(commit) = commit else { return Ok(()) };
        let offsets: BTreeMap<EntityType, Offset> = commit
            .streams
            .iter()
            .map(|part| (part.entity_type.clone(), part.to))
            .collect();
        for (entity_type, to) in &offsets {
            let states = self
                .streams
                .entry(entity_type.clone())
                .or_insert_with(|| vec![Rows::new()]);
            if states.len() as u64 != to.get() {
                return Err(Broken::law(
                    3,
                    format!("the server's commit of {entity_type} skips to {to}"),
                ));
            }
            let rows = rows_of(truth, entity_type)?;
            self.ids
                .entry(entity_type.clone())
                .or_default()
                .extend(rows.keys().cloned());
            states.push(rows);
        }
        for echo in &commit.actions {
            for (temporary, real) in &echo.replaced {
                self.named.insert(temporary.clone(), real.clone());
            }
        }
        if let Some(action) = action {
            self.fates.entry(action).or_default().offsets = offsets.clone();
        }
        if offsets.len() > 1 {
            self.shared.push(offsets);
        }
        Ok(())
    }

    /// What a stream held at a point.
    pub(crate) fn at(&self, entity_type: &EntityType, offset: Offset) -> &Rows {
        static NOTHING: Rows = Rows::new();
        let place = usize::try_from(offset.get()).unwrap_or(usize::MAX);
        self.streams
            .get(entity_type)
            .and_then(|states| states.get(place))
            .unwrap_or(&NOTHING)
    }

    /// The newest point of a stream.
    pub(crate) fn head(&self, entity_type: &EntityType) -> Offset {
        let count = self
            .streams
            .get(entity_type)
            .map_or(0, |states| states.len() - 1);
        Offset::new(count as u64).unwrap_or_default()
    }

    /// Every id the stream ever had.
    pub(crate) fn ids(&self, entity_type: &EntityType) -> impl Iterator<Item = &EntityId> {
        self.ids.get(entity_type).into_iter().flatten()
    }

    /// The first point, not before `from`, at which an entity was not there.
    pub(crate) fn first_absence(
        &self,
        entity_type: &EntityType,
        id: &EntityId,
        from: Offset,
    ) -> Option<Offset> {
        let mut offset = from;
        while offset <= self.head(entity_type) {
            if !self.at(entity_type, offset).contains_key(id) {
                return Some(offset);
            }
            offset = offset.next();
        }
        None
    }

    /// The commits over several streams, newest last.
    pub(crate) fn shared(&self) -> &[BTreeMap<EntityType, Offset>] {
        &self.shared
    }

    pub(crate) fn fate(&self, action: ActionId) -> Option<&Fate> {
        self.fates.get(&action)
    }

    /// The name the server gave to the entity of a temporary id.
    pub(crate) fn named(&self, temporary: &EntityId) -> Option<&EntityId> {
        self.named.get(temporary)
    }

    /// Whether a text is a temporary id that was named.
    pub(crate) fn is_named(&self, text: &str) -> bool {
        self.named.contains_key(text)
    }

    /// The record with each temporary id that was named by now replaced.
    pub(crate) fn canonical(&self, record: &Record) -> Record {
        let named = |text: &str| self.named.get(text).map(|real| real.as_str().to_owned());
        let mut canonical = record.clone();
        for (name, value) in record.fields() {
            if let ValueRef::Text(text) = value
                && let Some(real) = named(text)
            {
                canonical = canonical.with(name, Value::from(real));
            }
        }
        canonical
    }
}

fn rows_of(truth: &Truth, entity_type: &EntityType) -> Result<Rows, Broken> {
    let rows = truth
        .rows(entity_type)
        .into_iter()
        .map(|(record, version)| {
            let id = record.entity_id(tidewire_hub::ID_FIELD);
            id.map(|id| (id, (record, version)))
        });
    rows.collect::<Result<Rows, _>>()
        .map_err(|error| Broken::world(format!("the truth holds a bad id: {error}")))
}
