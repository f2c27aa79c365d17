//! Actions by the number that `queue ls` shows and its commands take, in place of ids that nobody types.
//!
//! Reads what a client lists; decides nothing. Ids of actions stay in JSON.

use std::collections::HashMap;

use tidewire::{Action, ActionId, ActionState, Client, EntityId, Refusal, RefusalClass};
use tidewire_model::Lane;

/// How texts of the client name an action, in front of its id.
const NAMED: &str = "action ";
/// What is said of an action that is not listed: it was given up, or its row in the store cannot be read.
const NOT_LISTED: &str = "an action that is gone or cannot be read";
/// Codes of refusals that meet the same write each time: it is larger or deeper than may be.
const HOPELESS: [&str; 2] = ["too_large", "too_deep"];
/// The length of an id as text.
const ID_LEN: usize = 36;

/// Actions of a client, in order of submission, found by id.
pub(crate) struct Listing {
    actions: Vec<Action>,
    places: HashMap<ActionId, usize>,
    /// The first action of a lane that waits for more than its turn, by its place.
    holders: HashMap<Lane, usize>,
}

impl Listing {
    /// Every action of a client.
    pub(crate) fn all(client: &Client) -> Self {
        let mut actions = client.actions().pending();
        actions.extend(client.actions().parked());
        Self::new(actions)
    }

    pub(crate) fn new(mut actions: Vec<Action>) -> Self {
        actions.sort_by_key(|action| action.number);
        let places = actions.iter().enumerate();
        let mut listing = Self {
            places: places.map(|(place, action)| (action.id, place)).collect(),
            holders: HashMap::new(),
            actions,
        };
        let mut holders = HashMap::new();
        for (place, action) in listing.actions.iter().enumerate() {
            if listing.holds_up(action) {
                holders.entry(action.lane.clone()).or_insert(place);
            }
        }
        listing.holders = holders;
        listing
    }

    pub(crate) fn actions(&self) -> &[Action] {
        &self.actions
    }

    /// The action of this id, where it is in the queue.
    pub(crate) fn get(&self, id: ActionId) -> Option<&Action> {
        self.places.get(&id).map(|&place| &self.actions[place])
    }

    /// The action of this number.
    pub(crate) fn numbered(&self, number: u64) -> Option<&Action> {
        let place = self
            .actions
            .binary_search_by_key(&number, |action| action.number);
        place.ok().map(|place| &self.actions[place])
    }

    /// Whether an action that waits for a decision could be accepted if it were sent again as it is. One that
    /// is too large, or whose creation is gone, never is.
    pub(crate) fn can_be_retried(&self, action: &Action) -> bool {
        let ActionState::Parked(refusal) = &action.state else {
            return true;
        };
        let RefusalClass::Dependency(on) = refusal.class else {
            return !is_hopeless(refusal);
        };
        // An id that stands for an entity without a name is only ever named by its creation.
        let is_nameless = action
            .entity_id
            .as_ref()
            .is_some_and(EntityId::is_temporary);
        let is_its_creation =
            action.behind.contains(&on) || (is_nameless && action.after.contains(&on));
        self.get(on).is_some() || !is_its_creation
    }

    /// A text of the client, with numbers in place of ids.
    pub(crate) fn told(&self, text: &str) -> String {
        self.told_by(text, |action| format!("action {}", action.number))
    }

    /// A text of the client, with names of one's own for actions; one that it names may be gone by now.
    pub(crate) fn told_by(&self, text: &str, name: impl Fn(&Action) -> String) -> String {
        let mut parts = text.split(NAMED);
        let mut told = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (id, rest) = part.split_at_checked(ID_LEN).unwrap_or((part, ""));
            // An id is like no other text, so nothing else is taken for it.
            match ActionId::parse(id).map(|id| self.get(id)) {
                Ok(Some(action)) => told.extend([&*name(action), rest]),
                Ok(None) => told.extend([NOT_LISTED, rest]),
                Err(_) => told.extend([NAMED, part]),
            }
        }
        told
    }

    /// The numbers of what an action waits for, beside its turn. One that was never sent waits for creations,
    /// wherever they stand, and the first that holds up its own lane; one that is parked because of another for
    /// that one, as long as it is there.
    pub(crate) fn waits_for(&self, action: &Action) -> Vec<u64> {
        match &action.state {
            ActionState::Waiting => {}
            ActionState::Parked(Refusal {
                class: RefusalClass::Dependency(on),
                ..
            }) => return self.get(*on).map(|on| on.number).into_iter().collect(),
            _ => return Vec::new(),
        }
        let own = self.parents(action).map(|parent| parent.number);
        let holder = self.holders.get(&action.lane);
        let ahead = holder.map(|&place| self.actions[place].number);
        let mut numbers: Vec<u64> = own
            .chain(ahead.filter(|number| *number < action.number))
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// What it waits for and is not accepted yet.
    fn parents<'a>(&'a self, action: &'a Action) -> impl Iterator<Item = &'a Action> {
        action.parents().filter_map(|id| self.get(id))
    }

    /// Whether its lane waits for more than its turn.
    fn holds_up(&self, action: &Action) -> bool {
        match action.state {
            ActionState::Uncertain => true,
            ActionState::Waiting => self
                .parents(action)
                .any(|parent| parent.lane != action.lane),
            ActionState::PossiblySent | ActionState::Parked(_) => false,
        }
    }
}

/// Whether the same write is refused each time.
pub(crate) fn is_hopeless(refusal: &Refusal) -> bool {
    HOPELESS.contains(&refusal.code.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewire::Record;
    use tidewire_model::{Lane, WallTime};

    fn action(number: u8, lane: &str, state: ActionState, behind: &[u8]) -> Action {
        let id = |number| ActionId::from_bytes([number; 16]);
        Action {
            id: id(number),
            number: number.into(),
            lane: Lane::new(lane).unwrap(),
            seq: 1,
            name: "create".into(),
            entity_type: None,
            entity_id: None,
            payload: Record::new(),
            effects: Vec::new(),
            base: None,
            after: Vec::new(),
            behind: behind.iter().copied().map(id).collect(),
            submitted: WallTime::from_unix_millis(0),
            changed: WallTime::from_unix_millis(0),
            attempts: 0,
            state,
        }
    }

    fn listing<const N: usize>(actions: [Action; N]) -> Listing {
        Listing::new(actions.into())
    }

    fn waits(listing: &Listing) -> Vec<Vec<u64>> {
        let actions = listing.actions().iter();
        actions.map(|one| listing.waits_for(one)).collect()
    }

    #[test]
    fn an_action_waits_for_a_creation_in_another_lane_and_its_lane_for_it() {
        let waiting =
            |number, lane, behind: &[u8]| action(number, lane, ActionState::Waiting, behind);
        let listing = listing([
            waiting(1, "side", &[]),
            waiting(2, "main", &[]),
            waiting(3, "main", &[1, 9]),
            waiting(4, "main", &[]),
            waiting(5, "side", &[1]),
            waiting(6, "side", &[]),
        ]);
        assert_eq!(
            waits(&listing),
            [vec![], vec![], vec![1], vec![3], vec![1], vec![]]
        );
    }

    #[test]
    fn behind_an_uncertain_action_its_lane_waits_for_a_decision() {
        let listing = listing([
            action(1, "main", ActionState::Uncertain, &[]),
            action(2, "main", ActionState::Waiting, &[]),
            action(3, "side", ActionState::Waiting, &[]),
            action(4, "main", ActionState::PossiblySent, &[]),
        ]);
        assert_eq!(waits(&listing), [vec![], vec![1], vec![], vec![]]);
    }

    #[test]
    fn ids_are_told_as_numbers_and_of_what_is_gone_it_is_said() {
        let listing = listing([action(7, "main", ActionState::Waiting, &[])]);
        let known = listing.actions()[0].id;
        let refusal = |id| Refusal {
            class: RefusalClass::Dependency(id),
            code: "dependency".into(),
            message: format!("depends on action {id}, which was not done"),
        };
        let number = |action: &Action| action.number.to_string();
        let there = listing.told_by(&refusal(known).message, number);
        assert_eq!(there, "depends on 7, which was not done");
        let gone = listing.told_by(&refusal(ActionId::from_bytes([1; 16])).message, number);
        assert_eq!(
            gone,
            "depends on an action that is gone or cannot be read, which was not done"
        );
        let told = listing.told(&refusal(ActionId::from_bytes([1; 16])).message);
        assert_eq!(told, gone);
        let told = listing.told(&refusal(known).message);
        assert_eq!(told, "depends on action 7, which was not done");
    }
}
