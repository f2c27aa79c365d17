//! Every state of a stream, and what each event does in it.

use std::time::Duration;

use tidewire_model::{EntityType, Tick};
use tidewire_protocol::RequestId;

use super::{Answers, From, Gap, RequestIds, Step, Subscriptions};
use crate::random::Random;
use crate::settings::Settings;

struct Bench {
    streams: Subscriptions,
    ids: RequestIds,
    random: Random,
    now: Tick,
}

fn orders() -> EntityType {
    EntityType::new("orders").unwrap()
}

impl Bench {
    fn new() -> Self {
        let streams = Subscriptions::new(&Settings::default());
        Self {
            streams,
            ids: RequestIds::default(),
            random: Random::new(7),
            now: Tick::from_micros(0),
        }
    }

    /// What may be sent now.
    fn steps(&mut self) -> Vec<Step> {
        let (now, ids) = (self.now, &mut self.ids);
        std::iter::from_fn(|| self.streams.next_step(now, ids)).collect()
    }

    fn want(&mut self) -> Vec<Step> {
        self.streams.on_wanted(self.now, &orders());
        self.steps()
    }

    fn up(&mut self) -> Vec<Step> {
        self.streams.on_up(Answers::Yes);
        self.steps()
    }

    fn subscribed(&mut self, id: u64) -> bool {
        self.streams
            .on_subscribed(self.now, &orders(), RequestId(id))
    }

    fn refused(&mut self, id: u64, again_at: Option<Tick>) -> Option<EntityType> {
        self.streams
            .on_refused(self.now, RequestId(id), again_at, &mut self.random)
    }

    fn gap(&mut self) -> Gap {
        self.streams.on_gap(self.now, &orders(), &mut self.random)
    }

    /// What is given back at that time, and what is sent then.
    fn due(&mut self, at: Tick) -> (Vec<EntityType>, Vec<Step>) {
        self.now = at;
        let over = self.streams.on_due(at);
        (over, self.steps())
    }

    /// When the stream is asked for again.
    fn again_at(&self) -> Option<Tick> {
        self.streams.deadlines(self.now).1
    }

    fn held() -> Self {
        let mut bench = Self::new();
        bench.up();
        bench.want();
        assert!(bench.subscribed(1));
        bench
    }
}

fn subscribe(id: u64) -> Step {
    Step::Subscribe(orders(), RequestId(id), From::Applied)
}

fn unsubscribe(id: u64) -> Step {
    Step::Unsubscribe(orders(), RequestId(id))
}

#[test]
fn a_wanted_stream_is_asked_for_once_however_many_want_it() {
    let mut bench = Bench::new();
    bench.up();
    assert_eq!(bench.want(), [subscribe(1)]);
    assert_eq!(bench.want(), []);
    assert!(!bench.streams.is_held(&orders()));
    assert!(bench.subscribed(1));
    assert!(bench.streams.is_held(&orders()));
    assert_eq!(bench.want(), []);
}

#[test]
fn what_is_wanted_while_down_is_asked_for_when_up() {
    let mut bench = Bench::new();
    assert_eq!(bench.want(), []);
    assert_eq!(bench.up(), [subscribe(1)]);
}

#[test]
fn coverage_b8_after_a_loss_every_stream_is_asked_for_again() {
    let mut bench = Bench::held();
    assert_eq!(bench.streams.on_down(), [orders()]);
    assert_eq!(bench.up(), [subscribe(2)]);
}

#[test]
fn an_answer_to_an_older_request_is_ignored() {
    let mut bench = Bench::new();
    bench.up();
    bench.want();
    bench.streams.on_down();
    bench.up();
    assert!(!bench.subscribed(1));
    assert!(bench.subscribed(2));
    assert_eq!(bench.refused(2, None), None);
}

#[test]
fn coverage_a3_an_unwanted_stream_is_given_back_after_the_linger() {
    let mut bench = Bench::held();
    bench.streams.on_unwanted(bench.now, &orders());
    let until = bench.now + Duration::from_secs(5);
    assert_eq!(bench.streams.deadlines(bench.now).0, Some(until));
    assert_eq!(bench.due(bench.now), (vec![], vec![]));
    assert_eq!(bench.due(until), (vec![orders()], vec![unsubscribe(2)]));
    assert!(bench.streams.is_empty());
}

#[test]
fn a_stream_wanted_again_during_the_linger_stays() {
    let mut bench = Bench::held();
    bench.streams.on_unwanted(bench.now, &orders());
    assert_eq!(bench.want(), []);
    let later = bench.now + Duration::from_secs(9);
    assert_eq!(bench.due(later), (vec![], vec![]));
    assert!(bench.streams.is_held(&orders()));
}

#[test]
fn a_gap_gives_the_feed_back_and_asks_again() {
    let mut bench = Bench::held();
    assert_eq!(bench.gap(), Gap::Again);
    assert_eq!(bench.steps(), [unsubscribe(2), subscribe(3)]);
    assert!(!bench.streams.is_held(&orders()));
    assert_eq!(bench.gap(), Gap::None);
}

#[test]
fn what_may_not_be_sent_yet_waits_and_a_feed_is_given_back_first() {
    let mut bench = Bench::held();
    bench.gap();
    bench.streams.on_unwanted(bench.now, &orders());
    bench.now += Duration::from_secs(5);
    assert_eq!(bench.streams.on_due(bench.now), []);
    bench.streams.on_wanted(bench.now, &orders());
    assert_eq!(bench.steps(), [unsubscribe(2), subscribe(3)]);
    // Nothing is owed to a server that is gone.
    bench.subscribed(3);
    bench.gap();
    bench.streams.on_down();
    assert_eq!(bench.up(), [subscribe(4)]);
}

/// Goes on to when the stream is asked for again, and has it answered; tells where it began.
fn next_feed(bench: &mut Bench) -> From {
    let mut steps = bench.steps();
    if !matches!(steps.last(), Some(Step::Subscribe(..)))
        && let Some(at) = bench.again_at()
    {
        steps.extend(bench.due(at).1);
    }
    let Some(Step::Subscribe(_, id, from)) = steps.pop() else {
        panic!("it is not asked for: {steps:?}");
    };
    assert!(bench.subscribed(id.0));
    from
}

#[test]
fn rule_4_a_stream_is_asked_for_anew_when_a_resume_brought_nothing() {
    let mut bench = Bench::held();
    assert_eq!(bench.gap(), Gap::Again);
    assert_eq!(next_feed(&mut bench), From::Applied);
    assert_eq!(bench.gap(), Gap::Again);
    assert_eq!(next_feed(&mut bench), From::Anew);
    bench.streams.on_progress(&orders());
    assert_eq!(bench.gap(), Gap::OnceMore);
    assert_eq!(next_feed(&mut bench), From::Applied);
}

#[test]
fn rule_14_gap_after_gap_is_asked_about_less_and_less_often_whatever_comes_in_between() {
    let mut bench = Bench::held();
    let mut waits = Vec::new();
    for _ in 0..200 {
        bench.gap();
        let before = bench.now;
        next_feed(&mut bench);
        bench.streams.on_progress(&orders());
        waits.push(bench.now - before);
    }
    assert_eq!(waits[0], Duration::ZERO, "the first is answered at once");
    for (n, wait) in (0..).zip(&waits[1..]) {
        let ceiling = Duration::from_millis(200 * (1 << n.min(10)));
        assert!(*wait <= ceiling.min(Duration::from_secs(30)));
    }
    let late: Duration = waits[100..].iter().sum();
    assert!(late > Duration::from_secs(1_000), "{late:?} for a hundred");
}

#[test]
fn rule_14_a_stream_that_stood_for_a_while_is_asked_for_at_once_again() {
    let mut bench = Bench::held();
    for _ in 0..20 {
        bench.gap();
        next_feed(&mut bench);
    }
    bench.now += Duration::from_secs(10);
    assert_eq!(bench.gap(), Gap::Again);
    let steps = bench.steps();
    assert!(
        matches!(steps[..], [_, Step::Subscribe(_, _, From::Applied)]),
        "{steps:?}"
    );
}

#[test]
fn rule_14_a_stream_ended_or_refused_again_and_again_rests_longer_than_was_asked_for() {
    let mut bench = Bench::held();
    for _ in 0..20 {
        let now = bench.now;
        bench
            .streams
            .on_ended(now, &orders(), Some(now), &mut bench.random);
        next_feed(&mut bench);
    }
    let ended = bench.now;
    assert!(ended > Tick::from_micros(60_000_000), "{ended:?}");
    bench.gap();
    for _ in 0..20 {
        let mut steps = bench.steps();
        if let Some(at) = bench.again_at() {
            steps.extend(bench.due(at).1);
        }
        let Some(Step::Subscribe(_, id, _)) = steps.pop() else {
            panic!("it is not asked for: {steps:?}");
        };
        bench.refused(id.0, Some(bench.now));
    }
    assert!(bench.now - ended > Duration::from_secs(60));
}

#[test]
fn a_stream_marked_stale_again_and_again_keeps_its_feed_until_it_has_rested() {
    let mut bench = Bench::held();
    let mut renewals = 0;
    while bench.now < Tick::from_micros(120_000_000) && renewals < 1_000 {
        if bench.streams.may_renew(bench.now, &orders()) {
            renewals += 1;
            assert!(
                bench
                    .streams
                    .on_renewed(bench.now, &orders(), &mut bench.random)
            );
            next_feed(&mut bench);
        } else {
            bench.now = bench.again_at().expect("it may be renewed at some time");
        }
        assert!(bench.streams.is_held(&orders()));
    }
    assert!(renewals < 60, "{renewals} in two minutes");
}

#[test]
fn a_refused_stream_is_asked_for_again_only_at_its_time() {
    let mut bench = Bench::new();
    bench.up();
    bench.want();
    let at = bench.now + Duration::from_secs(1);
    assert_eq!(bench.refused(1, Some(at)), Some(orders()));
    assert_eq!(bench.again_at(), Some(at));
    assert_eq!(bench.due(bench.now), (vec![], vec![]));
    assert_eq!(bench.due(at), (vec![], vec![subscribe(2)]));
}

#[test]
fn a_refused_stream_that_nobody_wants_any_more_asks_for_no_time_but_the_lingers() {
    let mut bench = Bench::new();
    bench.up();
    bench.want();
    bench.refused(1, Some(bench.now + Duration::from_secs(1)));
    bench.streams.on_unwanted(bench.now, &orders());
    let linger = bench.now + Duration::from_secs(5);
    assert_eq!(bench.streams.deadlines(bench.now), (Some(linger), None));
}

#[test]
fn a_stream_refused_for_good_is_left_alone_until_the_next_connection() {
    let mut bench = Bench::new();
    bench.up();
    bench.want();
    bench.refused(1, None);
    let later = bench.now + Duration::from_secs(999);
    assert_eq!(bench.due(later), (vec![], vec![]));
    bench.streams.on_down();
    assert_eq!(bench.up(), [subscribe(2)]);
}

#[test]
fn a_stream_the_server_ended_is_detached_and_asked_for_again() {
    let mut bench = Bench::held();
    let at = bench.now + Duration::from_secs(1);
    let lost = bench
        .streams
        .on_ended(bench.now, &orders(), Some(at), &mut bench.random);
    assert!(lost);
    assert_eq!(bench.due(bench.now), (vec![], vec![]));
    assert_eq!(bench.due(at), (vec![], vec![subscribe(2)]));
}

#[test]
fn a_dialect_without_answers_holds_a_stream_once_it_is_asked_for() {
    let mut bench = Bench::new();
    bench.streams.on_up(Answers::No);
    bench.want();
    assert!(bench.streams.is_held(&orders()));
}
