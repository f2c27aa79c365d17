//! Promises about clients and what is kept of them.

use std::collections::BTreeMap;

use tidewire_model::Lane;
use tidewire_protocol::ClientInfo;

use super::{Act, Desk, Subject, TASKS, create, info, offset};
use crate::{ActionOutcome, Answer, Greeting, WriteOutcome};

/// A client that may have sent actions.
fn sender(name: &str, incarnation: u64, run: u64) -> ClientInfo {
    ClientInfo {
        may_have_sent: true,
        ..info(name, incarnation, run)
    }
}

fn known(last_seq: u64) -> Greeting {
    Greeting::Known(BTreeMap::from([(Lane::main(), last_seq)]))
}

fn stored(outcome: &ActionOutcome) -> bool {
    matches!(outcome, ActionOutcome::Stored(Answer::Applied { .. }))
}

/// A client may send ahead: that a later action was done does not mean that the answer arrived.
pub async fn answers_stay_until_the_client_has_confirmed_them(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    let first = desk.greet("client").await;
    let acts: Vec<Act> = (1..=4)
        .map(|seq| Act::new(seq, vec![create(TASKS, &format!("e{seq}"), 1)]))
        .collect();
    for act in &acts {
        desk.act(&first, act).await;
    }
    for act in &acts {
        assert!(
            stored(&desk.act(&first, act).await.0),
            "number {} is not confirmed",
            act.seq
        );
    }
    let second = info("client", 1, 2);
    assert_eq!(desk.greet_again(&second, 2).await, known(4));
    for act in &acts[..2] {
        let (outcome, _) = desk.act(&second, act).await;
        assert!(
            matches!(outcome, ActionOutcome::Forgotten) || stored(&outcome),
            "{outcome:?}"
        );
    }
    for act in &acts[2..] {
        assert!(
            stored(&desk.act(&second, act).await.0),
            "number {} is not confirmed",
            act.seq
        );
    }
    assert_eq!(desk.rows(TASKS).await.0, offset(4));
}

/// A restart between effect and answer is no reason to do it twice.
pub async fn answers_are_there_after_opening_again(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    let client = desk.greet("client").await;
    let act = Act::new(1, vec![create(TASKS, "a", 1)]);
    let (first, _) = desk.act(&client, &act).await;
    drop(desk);
    let desk = Desk::at(subject).await;
    let again = info("client", 1, 2);
    assert_eq!(desk.greet_again(&again, 0).await, known(1));
    let (second, commit) = desk.act(&again, &act).await;
    let (ActionOutcome::New(first), ActionOutcome::Stored(second)) = (first, second) else {
        panic!("done first, and stored then");
    };
    assert_eq!((second, commit), (first.without_rows(), None));
}

/// Of two runs with one number, the second is a copy; of two runs, the older one is over.
pub async fn a_copied_store_is_fenced(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    let first = desk.greet("client").await;
    assert_eq!(desk.greet_again(&first, 0).await, Greeting::Fenced);
    let third = info("client", 1, 3);
    assert_eq!(
        desk.greet_again(&third, 0).await,
        Greeting::Known(BTreeMap::new())
    );
    assert_eq!(
        desk.greet_again(&info("client", 1, 2), 0).await,
        Greeting::Fenced
    );
    let act = Act::new(1, vec![create(TASKS, "a", 1)]);
    assert_eq!(desk.act(&first, &act).await, (ActionOutcome::Fenced, None));
    let (outcome, _) = desk.act(&third, &act).await;
    assert!(matches!(outcome, ActionOutcome::New(_)), "{outcome:?}");
    drop(desk);
    let desk = Desk::at(subject).await;
    assert_eq!(
        desk.greet_again(&third, 0).await,
        Greeting::Fenced,
        "after a restart as well"
    );
}

/// Who has answers from a past that is not here, or was never greeted, is not known.
pub async fn an_unknown_client_is_told_so(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    let restored = info("client", 1, 7);
    assert_eq!(desk.greet_again(&restored, 3).await, Greeting::Unknown);
    let act = Act::new(4, vec![create(TASKS, "a", 1)]);
    assert_eq!(
        desk.act(&restored, &act).await,
        (ActionOutcome::UnknownClient, None)
    );
    assert_eq!(desk.rows(TASKS).await.0, offset(0));
    // What it was answered is not here: this is an older state of the truth.
    let ahead = desk.greet("ahead").await;
    desk.act(&ahead, &Act::new(1, vec![create(TASKS, "b", 1)]))
        .await;
    let later = info("ahead", 1, 2);
    assert_eq!(desk.greet_again(&later, 2).await, Greeting::Unknown);
    assert_eq!(desk.greet_again(&later, 1).await, known(1));
    // Its first runs came to nothing.
    let late = info("other", 1, 7);
    assert_eq!(
        desk.greet_again(&late, 0).await,
        Greeting::Known(BTreeMap::new())
    );
    let (outcome, _) = desk
        .act(&late, &Act::new(1, vec![create(TASKS, "c", 1)]))
        .await;
    assert!(matches!(outcome, ActionOutcome::New(_)), "{outcome:?}");
    assert_eq!(desk.greet_again(&info("other", 1, 8), 0).await, known(1));
}

/// What a client that was forgotten sends again may have been done: it is told that it is not known, each time, until it
/// comes as a new one that has sent nothing.
pub async fn law_13_a_forgotten_client_is_not_known_before_it_began_anew(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    let act = Act::new(1, vec![create(TASKS, "a", 1)]);
    for run in 5..=6 {
        let forgotten = sender("client", 1, run);
        assert_eq!(desk.greet_again(&forgotten, 0).await, Greeting::Unknown);
        assert_eq!(
            desk.act(&forgotten, &act).await,
            (ActionOutcome::UnknownClient, None)
        );
    }
    let new = info("client", 2, 7);
    assert_eq!(
        desk.greet_again(&new, 0).await,
        Greeting::Known(BTreeMap::new())
    );
    // The same for one whose later incarnation was forgotten.
    assert_eq!(
        desk.greet_again(&sender("client", 3, 8), 0).await,
        Greeting::Unknown
    );
    let (outcome, _) = desk.act(&new, &act).await;
    assert!(matches!(outcome, ActionOutcome::New(_)), "{outcome:?}");
    assert_eq!(desk.greet_again(&sender("client", 2, 9), 0).await, known(1));
}

/// The store of a client began anew under the same id.
pub async fn a_new_incarnation_begins_anew(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    let old = desk.greet("client").await;
    desk.act(&old, &Act::new(1, vec![create(TASKS, "a", 1)]))
        .await;
    assert_eq!(
        desk.greet_again(&info("client", 2, 1), 9).await,
        Greeting::Unknown,
        "it has no past yet"
    );
    let new = info("client", 2, 2);
    assert_eq!(
        desk.greet_again(&new, 0).await,
        Greeting::Known(BTreeMap::new())
    );
    let act = Act {
        hash: "other",
        ..Act::new(1, vec![create(TASKS, "b", 1)])
    };
    let (outcome, _) = desk.act(&new, &act).await;
    assert!(
        matches!(outcome, ActionOutcome::New(Answer::Applied { .. })),
        "{outcome:?}"
    );
    assert_eq!(
        desk.greet_again(&info("client", 1, 9), 0).await,
        Greeting::Fenced
    );
    let behind = Act::new(2, vec![create(TASKS, "c", 1)]);
    assert_eq!(desk.act(&old, &behind).await, (ActionOutcome::Fenced, None));
}

/// One id under two principals is two clients.
pub async fn clients_of_two_principals_are_two(subject: &dyn Subject) {
    let desk = Desk::at(subject).await;
    let mine = desk.greet("client").await;
    desk.act(&mine, &Act::new(1, vec![create(TASKS, "a", 1)]))
        .await;
    let greeting = desk.backend.greet("another", &mine, &BTreeMap::new()).await;
    assert_eq!(greeting, Ok(Greeting::Known(BTreeMap::new())));
    let act = Act::new(1, vec![create(TASKS, "b", 1)]);
    let outcomes = desk
        .write(vec![
            act.request_of("another", &mine),
            act.request_of("nobody", &mine),
        ])
        .await;
    assert!(
        matches!(
            &outcomes[0],
            WriteOutcome::Action {
                outcome: ActionOutcome::New(Answer::Applied { .. }),
                ..
            }
        ),
        "{outcomes:?}"
    );
    assert!(
        matches!(
            &outcomes[1],
            WriteOutcome::Action {
                outcome: ActionOutcome::UnknownClient,
                ..
            }
        ),
        "{outcomes:?}"
    );
}
