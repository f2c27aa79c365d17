//! Writes in the basic dialect: by the application's own backend, in order, each once as far as that
//! can be known.

use std::time::Duration;

use tidewire_cache::Interest;
use tidewire_engine::{Command, Failure, Input, OwnBackend, Stage, Switch};
use tidewire_model::ActionId;
use tidewire_protocol::Class;
use tidewire_queue::ActionState;

use crate::basic_bench::{
    OWN, OWN_WITH_KEY, basic, basic_settings, basic_with, by_client, person_row, refusal,
    rows_stored, wrote,
};
use crate::bench::Bench;

#[test]
fn law_13_a_lane_is_executed_one_action_at_a_time_and_in_order() {
    let mut bench = basic(OWN);
    bench.basic_up();
    let ids: Vec<_> = (0..3).map(|score| bench.update("c1", score)).collect();
    assert_eq!(bench.executed_ids(), ids[..1]);
    bench.answer(ids[0], Ok(wrote(vec![person_row("c1", "A", 1)])));
    assert_eq!(bench.executed_ids(), ids[..2]);
    bench.answer(ids[1], Err(refusal(Class::Permanent)));
    assert_eq!(
        bench.executed_ids(),
        ids,
        "a refused one makes room as well"
    );
}

#[test]
fn other_lanes_do_not_wait_for_one_that_is_at_work() {
    let mut bench = basic(OWN);
    bench.basic_up();
    let first = bench.update("c1", 1);
    let write = tidewire_engine::Write::Delete {
        key: crate::bench::key("c2"),
    };
    let lane = tidewire_model::Lane::new("other").expect("a good name");
    let second = bench.submit_in(lane, write);
    assert_eq!(bench.executed_ids(), [first, second]);
}

#[test]
fn law_13_a_write_at_work_is_not_given_again_when_the_socket_is_lost() {
    for own in [OWN, OWN_WITH_KEY] {
        let mut bench = basic(own);
        bench.basic_up();
        let first = bench.update("c1", 1);
        let second = bench.update("c1", 2);
        bench.cut();
        bench.basic_up();
        assert_eq!(bench.executed_ids(), [first], "it is still at work");
        assert_eq!(bench.state(first), Some(ActionState::PossiblySent));
        bench.answer(first, Ok(wrote(vec![person_row("c1", "A", 1)])));
        assert_eq!(bench.executed_ids(), [first, second]);
    }
}

#[test]
fn an_answer_that_comes_while_the_socket_is_lost_counts() {
    let mut bench = basic(OWN);
    bench.basic_up();
    let first = bench.update("c1", 1);
    bench.cut();
    bench.answer(first, Ok(wrote(vec![person_row("c1", "A", 1)])));
    assert!(bench.stages.contains(&(first, Stage::Accepted(Vec::new()))));
    assert!(bench.engine.queue().get(first).is_none());
    let second = bench.update("c1", 2);
    assert_eq!(bench.executed_ids(), [first], "offline nothing is begun");
    bench.basic_up();
    assert_eq!(bench.executed_ids(), [first, second]);
}

#[test]
fn a_write_put_off_while_the_socket_is_lost_is_given_again_under_the_same_key() {
    let mut bench = basic(OWN);
    bench.basic_up();
    let first = bench.update("c1", 1);
    bench.cut();
    bench.answer(first, Err(refusal(Class::Retry)));
    bench.basic_up();
    bench.run_for(Duration::from_secs(31));
    assert_eq!(bench.executed_ids(), [first, first]);
}

#[test]
fn a_write_whose_mark_was_not_stored_before_the_loss_is_given_once_after_it() {
    let mut bench = basic(OWN);
    bench.basic_up();
    let first = bench.update("c1", 1);
    bench.answer(first, Ok(wrote(vec![person_row("c1", "A", 1)])));
    bench.executes.clear();
    bench.store_works = false;
    let second = bench.update("c1", 2);
    let durable = bench.stored.last().expect("it is being stored").0;
    bench.handle(Input::Stored {
        ticket: durable,
        result: Ok(()),
    });
    let marked = bench.stored.last().expect("its mark is being stored").0;
    assert_ne!(durable, marked);
    bench.cut();
    bench.store_works = true;
    bench.handle(Input::Stored {
        ticket: marked,
        result: Ok(()),
    });
    assert!(bench.executes.is_empty());
    bench.basic_up();
    assert_eq!(bench.executed_ids(), [second]);
}

#[test]
fn a_write_at_work_when_the_client_is_switched_off_is_not_given_again() {
    let mut bench = basic(OWN);
    bench.basic_up();
    let first = bench.update("c1", 1);
    bench.command(Command::Switch(Switch::Off));
    bench.command(Command::Switch(Switch::On));
    bench.handle(Input::Connected {
        generation: bench.generation,
        subprotocol: None,
        token: None,
    });
    assert_eq!(bench.executed_ids(), [first]);
}

fn lost() -> Failure {
    Failure::outcome_unknown("cut", "the answer was lost")
}

#[test]
fn law_13_a_lost_answer_makes_a_write_uncertain_where_no_key_is_honoured() {
    let mut bench = basic(OWN);
    bench.basic_up();
    let first = bench.update("c1", 1);
    let second = bench.update("c1", 2);
    bench.answer(first, Err(lost()));
    assert_eq!(bench.state(first), Some(ActionState::Uncertain));
    assert!(bench.stages.contains(&(first, Stage::Uncertain)));
    assert!(bench.get("c1").pending, "it stays in the view");
    bench.cut();
    bench.basic_up();
    bench.run_for(Duration::from_secs(20));
    assert_eq!(bench.executed_ids(), [first], "its lane waits for a person");
    bench.command(Command::Discard(first));
    assert_eq!(bench.executed_ids(), [first, second]);
}

#[test]
fn an_uncertain_write_is_given_again_when_a_person_says_so() {
    let mut bench = basic(OWN);
    bench.basic_up();
    let first = bench.update("c1", 1);
    bench.answer(first, Err(lost()));
    bench.command(Command::Retry(first));
    assert_eq!(bench.executed_ids(), [first, first]);
    assert_eq!(bench.executes[0].seq, bench.executes[1].seq);
}

#[test]
fn law_13_a_lost_answer_is_asked_for_again_under_the_same_key_where_it_is_honoured() {
    let mut bench = basic(OWN_WITH_KEY);
    bench.basic_up();
    let first = bench.update("c1", 1);
    let second = bench.update("c1", 2);
    bench.answer(first, Err(lost()));
    assert_eq!(bench.executed_ids(), [first], "not at once");
    bench.run_for(Duration::from_secs(1));
    assert_eq!(bench.executed_ids(), [first, first]);
    assert_eq!(bench.executes[0], {
        let mut again = bench.executes[1].clone();
        again.attempts = 1;
        again
    });
    bench.answer(first, Ok(wrote(vec![person_row("c1", "A", 1)])));
    assert_eq!(bench.executed_ids(), [first, first, second]);
}

/// A client that ended while its write was under way, begun again.
fn after_a_crash(own: OwnBackend) -> (Bench, ActionId) {
    let mut bench = basic(own);
    bench.basic_up();
    let id = bench.update("c1", 1);
    assert_eq!(bench.executed_ids(), [id]);
    let kept = by_client(Interest::Windowed);
    let bench = basic_with(basic_settings(own), kept, rows_stored(&bench));
    (bench, id)
}

#[test]
fn law_13_a_crash_before_the_answer_makes_a_write_uncertain_where_no_key_is_honoured() {
    let (mut bench, id) = after_a_crash(OWN);
    bench.basic_up();
    assert_eq!(bench.state(id), Some(ActionState::Uncertain));
    assert!(bench.executes.is_empty());
    assert!(bench.get("c1").pending, "it stays in the view");
}

#[test]
fn law_13_a_crash_before_the_answer_sends_again_under_the_same_key_where_it_is_honoured() {
    let (mut bench, id) = after_a_crash(OWN_WITH_KEY);
    bench.basic_up();
    assert_eq!(bench.executed_ids(), [id]);
}

#[test]
fn what_was_never_given_before_a_crash_is_given_after_it() {
    let mut bench = basic(OWN);
    let id = bench.update("c1", 1);
    let kept = by_client(Interest::Windowed);
    let mut bench = basic_with(basic_settings(OWN), kept, rows_stored(&bench));
    bench.basic_up();
    assert_eq!(bench.executed_ids(), [id]);
}
