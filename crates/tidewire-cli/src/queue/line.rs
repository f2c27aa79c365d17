//! One action of a queue as one line.

use serde::Serialize;
use tidewire::{Action, ActionState, EntityId, EntityType};

use crate::failure::Failure;
use crate::listing::Listing;
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

/// One action, as it is said.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    number: u64,
    id: String,
    name: &'a str,
    #[serde(rename = "type")]
    entity_type: Option<&'a EntityType>,
    entity: Option<&'a EntityId>,
    state: &'static str,
    reason: Option<String>,
    /// What it waits for beside its turn, by number.
    waits_for: Vec<u64>,
    /// The number it had before, where it has a new one.
    #[serde(skip)]
    was: Option<u64>,
    /// The reason as people are told it.
    #[serde(skip)]
    told: Option<String>,
}

impl<'a> Line<'a> {
    /// An action that is in the queue, among all that are.
    pub(super) fn new(action: &'a Action, listing: &Listing) -> Self {
        let mut line = Self::settled(action, state_word(&action.state));
        if let ActionState::Parked(refusal) = &action.state {
            let code = &refusal.code;
            let told = listing.told(&refusal.message);
            line.told = Some(format!("{code}: {told}"));
            line.reason = Some(format!("{code}: {}", refusal.message));
        }
        line.waits_for = listing.waits_for(action);
        line
    }

    /// An action that is no longer in the queue.
    pub(super) fn settled(action: &'a Action, state: &'static str) -> Self {
        Self {
            number: action.number,
            id: action.id.to_string(),
            name: &action.name,
            entity_type: action.entity_type.as_ref(),
            entity: action.entity_id.as_ref(),
            state,
            reason: None,
            waits_for: Vec::new(),
            was: None,
            told: None,
        }
    }

    /// With the id its entity has by now, where that is not the one it was submitted with.
    pub(super) fn named(mut self, entity: Option<&'a EntityId>) -> Self {
        self.entity = entity.or(self.entity);
        self
    }

    /// With the number it had before.
    pub(super) fn was(mut self, number: Option<u64>) -> Self {
        self.was = number.filter(|number| *number != self.number);
        self
    }

    pub(super) async fn print(&self, look: Look) -> Result<(), Failure> {
        match look {
            Look::Json => output::json(self).await,
            Look::Text => output::line(&self.text()).await,
        }
    }

    fn text(&self) -> String {
        let words = [
            Some(self.name),
            self.entity_type.map(EntityType::as_str),
            self.entity.map(EntityId::as_str),
        ];
        let words: Vec<&str> = words.into_iter().flatten().collect();
        let mut text = format!(
            "{:>4}  {:<13}  {}",
            self.number,
            self.state,
            words.join(" ")
        );
        if let Some(was) = self.was {
            text.push_str(&format!("  (was {was})"));
        }
        if let Some(told) = &self.told {
            text.push_str(&format!("  ({told})"));
        }
        let numbers: Vec<String> = self.waits_for.iter().map(u64::to_string).collect();
        // Why it is parked says so already.
        if !numbers.is_empty() && self.told.is_none() {
            text.push_str(&format!("  (waits for {})", numbers.join(", ")));
        }
        plain(&text)
    }
}

/// Where an action stands, in one word.
fn state_word(state: &ActionState) -> &'static str {
    match state {
        ActionState::Waiting => "waiting",
        ActionState::PossiblySent => "possibly_sent",
        ActionState::Uncertain => "uncertain",
        ActionState::Parked(_) => "parked",
    }
}
