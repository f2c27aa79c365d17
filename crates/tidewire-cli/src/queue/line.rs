//! One action of a queue as one line.

use serde::Serialize;
use tidewire::{Action, ActionState, EntityId};

use crate::failure::Failure;
use crate::output;
use crate::text::plain;

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// For people.
    Text,
    /// One JSON object each.
    Json,
}

#[derive(Serialize)]
struct Line<'a> {
    number: u64,
    id: String,
    name: &'a str,
    #[serde(rename = "type")]
    entity_type: Option<&'a str>,
    entity: Option<&'a EntityId>,
    state: &'a str,
    reason: Option<String>,
}

/// Where an action stands, in one word.
pub(super) fn state_word(state: &ActionState) -> &'static str {
    match state {
        ActionState::Waiting => "waiting",
        ActionState::PossiblySent => "possibly_sent",
        ActionState::Uncertain => "uncertain",
        ActionState::Parked(_) => "parked",
    }
}

/// Prints one action. `entity` is the id it has by now, where that is not the one it was submitted
/// with.
pub(super) async fn print(
    look: Look,
    action: &Action,
    state: &str,
    entity: Option<&EntityId>,
) -> Result<(), Failure> {
    let entity = entity.or(action.entity_id.as_ref());
    let reason = match &action.state {
        ActionState::Parked(refusal) => Some(format!("{}: {}", refusal.code, refusal.message)),
        ActionState::Waiting | ActionState::PossiblySent | ActionState::Uncertain => None,
    };
    let entity_type = action
        .entity_type
        .as_ref()
        .map(|entity_type| entity_type.as_str());
    if look == Look::Json {
        let id = action.id.to_string();
        let name = &action.name;
        return output::json(&Line {
            number: action.number,
            id,
            name,
            entity_type,
            entity,
            state,
            reason,
        })
        .await;
    }
    let target = [entity_type, entity.map(EntityId::as_str)]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ");
    let reason = reason
        .map(|reason| format!("  ({})", plain(&reason)))
        .unwrap_or_default();
    let (number, name) = (action.number, plain(&action.name));
    output::line(&format!(
        "{number:>4}  {state:<13}  {name} {}{reason}",
        plain(&target)
    ))
    .await
}
