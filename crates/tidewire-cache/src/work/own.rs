//! Own writes. One that comes while a batch is being worked is shown at once, and reaches the next
//! world when everything of that batch is there: what a batch makes does not depend on its slices,
//! and no piece of work meets a write half-way.

use tidewire_model::{ActionId, Effect, EntityId, EntityKey};

use super::{Desk, Step, limit_aliases};
use crate::overlay::Place;
use crate::stream::Touches;
use crate::world::World;

/// One change of the pending actions that was made here.
#[derive(Debug)]
pub(crate) enum OwnStep {
    /// An action is added, or gets other effects.
    Add {
        place: Place,
        action: ActionId,
        effects: Vec<Effect>,
    },
    /// Actions are refused or cancelled.
    Remove(Vec<ActionId>),
    /// An entity gets the server's name.
    Rename {
        temporary: EntityId,
        real: EntityKey,
    },
}

impl OwnStep {
    /// Takes the step. False if it changes nothing.
    pub(crate) fn take(&self, world: &mut World, touches: &mut Touches) -> bool {
        match self {
            Self::Add {
                place,
                action,
                effects,
            } => {
                world.add_action(*place, *action, effects, touches);
                true
            }
            Self::Remove(actions) => world.remove_actions(actions, touches),
            Self::Rename { temporary, real } => world.rename(temporary, &real.id, touches),
        }
    }

    /// The entities that must not be let go before it is taken.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &EntityKey> {
        let (effects, renamed): (&[Effect], Option<&EntityKey>) = match self {
            Self::Add { effects, .. } => (effects, None),
            Self::Remove(_) => (&[], None),
            Self::Rename { real, .. } => (&[], Some(real)),
        };
        effects.iter().map(|effect| &effect.key).chain(renamed)
    }

    pub(crate) fn step(&self, desk: &mut Desk<'_>) -> Step {
        self.take(desk.world, &mut desk.touches);
        limit_aliases(desk.world, desk.watches, desk.settings.max_aliases);
        Step::Done
    }
}
