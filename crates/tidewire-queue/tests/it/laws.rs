//! The laws under random sequences of everything that can happen, against a naive server.
//!
//! Law 12: nothing is called durable before it is, and nothing durable is lost. Law 13: the effects of a lane happen in
//! order, each exactly once. Law 14: what is refused is parked, and what depends on it never runs before it.

use proptest::prelude::*;
use tidewire_queue::RefusalClass;

use crate::twin::Verdict;
use crate::world::{Kind, Step, World};

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        16 => Just(Verdict::Accept),
        1 => Just(Verdict::Refuse(RefusalClass::Permanent)),
        1 => Just(Verdict::Refuse(RefusalClass::Conflict)),
        1 => Just(Verdict::Refuse(RefusalClass::Retry)),
        1 => Just(Verdict::Refuse(RefusalClass::Auth)),
        1 => Just(Verdict::Refuse(RefusalClass::Session)),
    ]
}

fn submission() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![
        3 => Just(Kind::Update),
        2 => Just(Kind::Create),
        1 => Just(Kind::CreateNamed),
        2 => any::<u8>().prop_map(|n| Kind::Mention(n.into())),
    ];
    let after = prop::option::weighted(0.25, any::<u8>().prop_map(usize::from));
    (0..3_usize, kind, after).prop_map(|(lane, kind, after)| Step::Submit { lane, kind, after })
}

fn which() -> impl Strategy<Value = usize> {
    any::<u8>().prop_map(usize::from)
}

/// A step with one client: work, answers of every class, decisions, trouble on the way.
fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        24 => submission(),
        40 => (1..16_usize).prop_map(Step::Store),
        36 => (1..6_usize).prop_map(Step::Send),
        70 => verdict().prop_map(Step::Serve),
        36 => (1..6_usize).prop_map(Step::Deliver),
        16 => Just(Step::Connect),
        12 => Just(Step::Resume),
        12 => Just(Step::Authorize),
        6 => which().prop_map(Step::Retry),
        3 => which().prop_map(Step::DeliverAgain),
        8 => which().prop_map(Step::Echo),
        3 => which().prop_map(Step::Stray),
        3 => which().prop_map(Step::Cancel),
        3 => which().prop_map(Step::Discard),
        3 => which().prop_map(Step::Edit),
        1 => which().prop_map(Step::Park),
        1 => which().prop_map(Step::LoseAnswer),
        3 => Just(Step::Cut),
        3 => Just(Step::Crash),
    ]
}

/// The same, and the server forgets.
fn step_with_server_trouble() -> impl Strategy<Value = Step> {
    prop_oneof![
        80 => step(),
        1 => Just(Step::BackUpServer),
        1 => Just(Step::RestoreServer),
        1 => Just(Step::ForgetClients),
    ]
}

/// The same, and the store is copied and both copies go on.
fn step_with_copies() -> impl Strategy<Value = Step> {
    prop_oneof![100 => step(), 1 => Just(Step::CopyStore), 8 => Just(Step::OtherClient)]
}

fn run(steps: Vec<Step>) {
    let mut world = World::new();
    for step in steps {
        world.step(step);
    }
    world.settle();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.div_ceil(3), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn laws_12_13_14_hold_through_crashes_cuts_and_refusals(steps in prop::collection::vec(step(), 200..300)) {
        run(steps);
    }

    #[test]
    fn laws_12_13_14_hold_when_the_server_is_restored_or_forgets(
        steps in prop::collection::vec(step_with_server_trouble(), 200..300)
    ) {
        run(steps);
    }

    #[test]
    fn laws_12_13_14_hold_for_copied_stores(steps in prop::collection::vec(step_with_copies(), 200..300)) {
        run(steps);
    }
}

#[test]
fn a_run_reaches_every_end_an_action_can_come_to() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut seen = [false; 3];
    for _ in 0..8 {
        let steps = prop::collection::vec(step(), 200..300)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let mut world = World::new();
        steps.into_iter().for_each(|step| world.step(step));
        for (seen, saw) in seen.iter_mut().zip(world.saw()) {
            *seen |= saw;
        }
    }
    assert_eq!(seen, [true; 3], "accepted, gone, still there");
}
