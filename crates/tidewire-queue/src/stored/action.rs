//! The stored form of one action.
//!
//! Its own type, so that a change of the action in memory is not by accident a change of what is on disks.

use serde::{Deserialize, Serialize};
use tidewire_model::{ActionId, Effect, EntityId, EntityType, Lane, Record, Version, WallTime};

use super::{FORMAT, MAX_NUMBER, read};
use crate::action::{Action, ActionState, Draft};
use crate::refusal::{Refusal, RefusalClass};

/// The value of an action's row.
pub(crate) fn action_row(action: &Action) -> Vec<u8> {
    let row = Written {
        v: FORMAT,
        id: action.id,
        lane: action.lane.as_str(),
        seq: action.seq,
        name: &action.name,
        entity_type: action.entity_type.as_ref(),
        entity_id: action.entity_id.as_ref(),
        payload: &action.payload,
        effects: &action.effects,
        base: action.base,
        after: &action.after,
        behind: &action.behind,
        submitted: action.submitted,
        changed: action.changed,
        state: State::from(&action.state),
    };
    serde_json::to_vec(&row).expect("every field has a JSON form and every key is text")
}

#[derive(Serialize)]
struct Written<'a> {
    v: u32,
    id: ActionId,
    lane: &'a str,
    seq: u64,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity_type: Option<&'a EntityType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity_id: Option<&'a EntityId>,
    payload: &'a Record,
    effects: &'a [Effect],
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<Version>,
    after: &'a [ActionId],
    #[serde(skip_serializing_if = "<[ActionId]>::is_empty")]
    behind: &'a [ActionId],
    submitted: WallTime,
    changed: WallTime,
    state: State,
}

/// An action's row as it was read.
#[derive(Deserialize)]
pub(crate) struct StoredAction {
    id: ActionId,
    lane: String,
    seq: u64,
    name: String,
    #[serde(default)]
    entity_type: Option<EntityType>,
    #[serde(default)]
    entity_id: Option<EntityId>,
    payload: Record,
    effects: Vec<Effect>,
    #[serde(default)]
    base: Option<Version>,
    after: Vec<ActionId>,
    #[serde(default)]
    behind: Vec<ActionId>,
    submitted: WallTime,
    changed: WallTime,
    state: State,
}

impl StoredAction {
    /// Reads a row.
    ///
    /// # Errors
    /// Why the row cannot be used, as text for people.
    pub(crate) fn read(number: u64, value: &[u8]) -> Result<Action, String> {
        let row: Self = read(value)?;
        let lane = Lane::new(&row.lane).map_err(|error| format!("its lane is refused: {error}"))?;
        if row.name.is_empty() || row.name.len() > Draft::MAX_NAME_BYTES {
            return Err(format!("its name has {} bytes", row.name.len()));
        }
        if row.seq == 0 || row.seq > MAX_NUMBER {
            return Err(format!("its number in its lane is {}", row.seq));
        }
        Ok(Action {
            id: row.id,
            number,
            lane,
            seq: row.seq,
            name: row.name,
            entity_type: row.entity_type,
            entity_id: row.entity_id,
            payload: row.payload,
            effects: row.effects,
            base: row.base,
            after: row.after,
            behind: row.behind,
            submitted: row.submitted,
            changed: row.changed,
            attempts: 0,
            state: row.state.into_state()?,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Waiting,
    Uncertain,
    Parked {
        class: Class,
        code: String,
        message: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on: Option<ActionId>,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Class {
    Permanent,
    Conflict,
    Retry,
    Auth,
    Session,
    Dependency,
}

impl From<&ActionState> for State {
    fn from(state: &ActionState) -> Self {
        match state {
            ActionState::Waiting | ActionState::PossiblySent => Self::Waiting,
            ActionState::Uncertain => Self::Uncertain,
            ActionState::Parked(refusal) => {
                let (class, on) = match refusal.class {
                    RefusalClass::Permanent => (Class::Permanent, None),
                    RefusalClass::Conflict => (Class::Conflict, None),
                    RefusalClass::Retry => (Class::Retry, None),
                    RefusalClass::Auth => (Class::Auth, None),
                    RefusalClass::Session => (Class::Session, None),
                    RefusalClass::Dependency(on) => (Class::Dependency, Some(on)),
                };
                Self::Parked {
                    class,
                    code: refusal.code.clone(),
                    message: refusal.message.clone(),
                    on,
                }
            }
        }
    }
}

impl State {
    fn into_state(self) -> Result<ActionState, String> {
        Ok(match self {
            Self::Waiting => ActionState::Waiting,
            Self::Uncertain => ActionState::Uncertain,
            Self::Parked {
                class,
                code,
                message,
                on,
            } => {
                let class = match class {
                    Class::Permanent => RefusalClass::Permanent,
                    Class::Conflict => RefusalClass::Conflict,
                    Class::Retry => RefusalClass::Retry,
                    Class::Auth => RefusalClass::Auth,
                    Class::Session => RefusalClass::Session,
                    Class::Dependency => RefusalClass::Dependency(
                        on.ok_or("it depends on an action that is not named")?,
                    ),
                };
                ActionState::Parked(Refusal {
                    class,
                    code,
                    message,
                })
            }
        })
    }
}
