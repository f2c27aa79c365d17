//! Actions by the number that `queue ls` shows and its commands take, in place of ids that nobody types.
//!
//! Reads what a client lists; decides nothing. Ids of actions stay in JSON.

use tidewire::{Action, ActionId, ActionState, Client, Refusal, RefusalClass};

/// Every action of a client, in order of submission.
pub(crate) fn all(client: &Client) -> Vec<Action> {
    let mut actions = client.actions().pending();
    actions.extend(client.actions().parked());
    actions.sort_by_key(|action| action.number);
    actions
}

/// The action of this id, where it is in the queue.
pub(crate) fn of(id: ActionId, actions: &[Action]) -> Option<&Action> {
    actions.iter().find(|action| action.id == id)
}

/// A text of the client, with numbers in place of ids.
pub(crate) fn told(text: &str, actions: &[Action]) -> String {
    told_by(text, actions, |action| format!("action {}", action.number))
}

/// A text of the client, with names of one's own for actions.
pub(crate) fn told_by(text: &str, actions: &[Action], name: impl Fn(&Action) -> String) -> String {
    let mut told = text.to_owned();
    for action in actions {
        // An id is like no other text, so nothing else is taken for it.
        let id = action.id.to_string();
        if told.contains(&id) {
            told = told.replace(&format!("action {id}"), &name(action));
        }
    }
    told
}

/// Why an action was refused, told so; an action that it depends on may be gone by now.
pub(crate) fn why(
    refusal: &Refusal,
    actions: &[Action],
    name: impl Fn(&Action) -> String,
) -> String {
    match refusal.class {
        RefusalClass::Dependency(on) if of(on, actions).is_none() => refusal
            .message
            .replace(&format!("action {on}"), "an action that is gone"),
        _ => told_by(&refusal.message, actions, name),
    }
}

/// The numbers of what an action that was never sent waits for, beside its turn: creations, wherever they
/// stand, and what holds up its own lane.
pub(crate) fn waits_for(action: &Action, actions: &[Action]) -> Vec<u64> {
    if action.state != ActionState::Waiting {
        return Vec::new();
    }
    let own = parents(action, actions).map(|parent| parent.number);
    let ahead = actions.iter().filter(|ahead| {
        ahead.number < action.number && ahead.lane == action.lane && holds_up(ahead, actions)
    });
    let mut numbers: Vec<u64> = own.chain(ahead.map(|ahead| ahead.number)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// What it waits for and is not accepted yet.
fn parents<'a>(action: &'a Action, actions: &'a [Action]) -> impl Iterator<Item = &'a Action> {
    action.parents().filter_map(|id| of(id, actions))
}

/// Whether its lane waits for more than its turn.
fn holds_up(action: &Action, actions: &[Action]) -> bool {
    match action.state {
        ActionState::Uncertain => true,
        ActionState::Waiting => parents(action, actions).any(|parent| parent.lane != action.lane),
        ActionState::PossiblySent | ActionState::Parked(_) => false,
    }
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

    #[test]
    fn an_action_waits_for_a_creation_in_another_lane_and_its_lane_for_it() {
        let waiting =
            |number, lane, behind: &[u8]| action(number, lane, ActionState::Waiting, behind);
        let actions = [
            waiting(1, "side", &[]),
            waiting(2, "main", &[]),
            waiting(3, "main", &[1, 9]),
            waiting(4, "main", &[]),
            waiting(5, "side", &[1]),
            waiting(6, "side", &[]),
        ];
        let waits: Vec<_> = actions.iter().map(|one| waits_for(one, &actions)).collect();
        assert_eq!(waits, [vec![], vec![], vec![1], vec![3], vec![1], vec![]]);
    }

    #[test]
    fn behind_an_uncertain_action_its_lane_waits_for_a_decision() {
        let actions = [
            action(1, "main", ActionState::Uncertain, &[]),
            action(2, "main", ActionState::Waiting, &[]),
            action(3, "side", ActionState::Waiting, &[]),
            action(4, "main", ActionState::PossiblySent, &[]),
        ];
        let waits: Vec<_> = actions.iter().map(|one| waits_for(one, &actions)).collect();
        assert_eq!(waits, [vec![], vec![1], vec![], vec![]]);
    }

    #[test]
    fn ids_are_told_as_numbers_and_of_what_is_gone_it_is_said() {
        let actions = [action(7, "main", ActionState::Waiting, &[])];
        let refusal = |id| Refusal {
            class: RefusalClass::Dependency(id),
            code: "dependency".into(),
            message: format!("depends on action {id}, which was not done"),
        };
        let number = |action: &Action| action.number.to_string();
        let there = why(&refusal(actions[0].id), &actions, number);
        assert_eq!(there, "depends on 7, which was not done");
        let gone = why(&refusal(ActionId::from_bytes([1; 16])), &actions, number);
        assert_eq!(
            gone,
            "depends on an action that is gone, which was not done"
        );
        let told = told(&refusal(actions[0].id).message, &actions);
        assert_eq!(told, "depends on action 7, which was not done");
    }
}
