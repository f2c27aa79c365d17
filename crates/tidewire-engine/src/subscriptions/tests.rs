//! Every state of a stream, and what each event does in it.

use std::time::Duration;

use tidewire_model::{EntityType, Tick};
use tidewire_protocol::RequestId;

use super::{Answers, From, Gap, RequestIds, Step, Subscriptions};

struct Bench {
    streams: Subscriptions,
    ids: RequestIds,
    now: Tick,
}

fn orders() -> EntityType {
    EntityType::new("orders").unwrap()
}

impl Bench {
    fn new() -> Self {
        let streams = Subscriptions::new(Duration::from_secs(5));
        Self {
            streams,
            ids: RequestIds::default(),
            now: Tick::from_micros(0),
        }
    }

    fn want(&mut self) -> Vec<Step> {
        self.streams.on_wanted(&orders(), &mut self.ids)
    }

    fn up(&mut self) -> Vec<Step> {
        self.streams.on_up(Answers::Yes, &mut self.ids)
    }

    /// A gap, after which the stream is left alone for seven seconds at most.
    fn gap(&mut self) -> Gap {
        let again_at = self.now + Duration::from_secs(7);
        self.streams.on_gap(&orders(), again_at, &mut self.ids)
    }

    fn held() -> Self {
        let mut bench = Self::new();
        bench.up();
        bench.want();
        assert!(bench.streams.on_subscribed(&orders(), RequestId(1)));
        bench
    }
}

fn subscribe(id: u64) -> Step {
    Step::Subscribe(orders(), RequestId(id), From::Applied)
}

#[test]
fn a_wanted_stream_is_asked_for_once_however_many_want_it() {
    let mut bench = Bench::new();
    bench.up();
    assert_eq!(bench.want(), [subscribe(1)]);
    assert_eq!(bench.want(), []);
    assert!(!bench.streams.is_held(&orders()));
    assert!(bench.streams.on_subscribed(&orders(), RequestId(1)));
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
    assert_eq!(bench.streams.on_down(), [Step::Detach(orders())]);
    assert_eq!(bench.up(), [subscribe(2)]);
}

#[test]
fn an_answer_to_an_older_request_is_ignored() {
    let mut bench = Bench::new();
    bench.up();
    bench.want();
    bench.streams.on_down();
    bench.up();
    assert!(!bench.streams.on_subscribed(&orders(), RequestId(1)));
    assert!(bench.streams.on_subscribed(&orders(), RequestId(2)));
    assert_eq!(bench.streams.on_refused(RequestId(2), None), None);
}

#[test]
fn coverage_a3_an_unwanted_stream_is_given_back_after_the_linger() {
    let mut bench = Bench::held();
    bench.streams.on_unwanted(bench.now, &orders());
    assert_eq!(
        bench.streams.deadlines().0,
        Some(bench.now + Duration::from_secs(5))
    );
    assert_eq!(bench.streams.on_due(bench.now, &mut bench.ids), []);
    let steps = bench
        .streams
        .on_due(bench.now + Duration::from_secs(5), &mut bench.ids);
    assert_eq!(
        steps,
        [
            Step::Detach(orders()),
            Step::Unsubscribe(orders(), RequestId(2))
        ]
    );
    assert!(bench.streams.is_empty());
}

#[test]
fn a_stream_wanted_again_during_the_linger_stays() {
    let mut bench = Bench::held();
    bench.streams.on_unwanted(bench.now, &orders());
    assert_eq!(bench.want(), []);
    assert_eq!(
        bench
            .streams
            .on_due(bench.now + Duration::from_secs(9), &mut bench.ids),
        []
    );
    assert!(bench.streams.is_held(&orders()));
}

#[test]
fn a_gap_gives_the_feed_back_and_asks_again() {
    let mut bench = Bench::held();
    let steps = bench.gap();
    assert_eq!(steps, Gap::Again(again(From::Applied, 2)));
    assert!(!bench.streams.is_held(&orders()));
    assert_eq!(bench.gap(), Gap::Again(Vec::new()));
}

fn again(from: From, id: u64) -> Vec<Step> {
    vec![
        Step::Detach(orders()),
        Step::Unsubscribe(orders(), RequestId(id)),
        Step::Subscribe(orders(), RequestId(id + 1), from),
    ]
}

#[test]
fn rules_4_and_14_gap_after_gap_is_answered_anew_and_then_left_alone() {
    let mut bench = Bench::held();
    bench.gap();
    bench.streams.on_subscribed(&orders(), RequestId(3));
    assert_eq!(bench.gap(), Gap::Again(again(From::Anew, 4)));
    bench.streams.on_subscribed(&orders(), RequestId(5));
    let mut given_back = again(From::Anew, 6);
    given_back.pop();
    assert_eq!(bench.gap(), Gap::LeftAlone(given_back));
    let later = bench.now + Duration::from_secs(7);
    assert_eq!(bench.streams.deadlines().1, Some(later));
    assert_eq!(bench.streams.on_due(later, &mut bench.ids), [subscribe(7)]);
}

#[test]
fn what_comes_in_between_makes_a_gap_the_first_one_again() {
    let mut bench = Bench::held();
    bench.gap();
    bench.streams.on_subscribed(&orders(), RequestId(3));
    bench.streams.on_progress(&orders());
    assert_eq!(bench.gap(), Gap::Again(again(From::Applied, 4)));
}

#[test]
fn a_refused_stream_is_asked_for_again_only_at_its_time() {
    let mut bench = Bench::new();
    bench.up();
    bench.want();
    let at = bench.now + Duration::from_secs(1);
    assert_eq!(
        bench.streams.on_refused(RequestId(1), Some(at)),
        Some(orders())
    );
    assert_eq!(bench.streams.deadlines().1, Some(at));
    assert_eq!(bench.streams.on_due(bench.now, &mut bench.ids), []);
    assert_eq!(bench.streams.on_due(at, &mut bench.ids), [subscribe(2)]);
}

#[test]
fn a_refused_stream_that_nobody_wants_any_more_asks_for_no_time_but_the_lingers() {
    let mut bench = Bench::new();
    bench.up();
    bench.want();
    bench.streams.on_refused(RequestId(1), Some(bench.now));
    bench.streams.on_unwanted(bench.now, &orders());
    let linger = bench.now + Duration::from_secs(5);
    assert_eq!(bench.streams.deadlines(), (Some(linger), None));
}

#[test]
fn a_stream_refused_for_good_is_left_alone_until_the_next_connection() {
    let mut bench = Bench::new();
    bench.up();
    bench.want();
    bench.streams.on_refused(RequestId(1), None);
    assert_eq!(
        bench
            .streams
            .on_due(bench.now + Duration::from_secs(999), &mut bench.ids),
        []
    );
    bench.streams.on_down();
    assert_eq!(bench.up(), [subscribe(2)]);
}

#[test]
fn a_stream_the_server_ended_is_detached_and_asked_for_again() {
    let mut bench = Bench::held();
    let steps = bench.streams.on_ended(&orders(), Some(bench.now));
    assert_eq!(steps, [Step::Detach(orders())]);
    assert_eq!(
        bench.streams.on_due(bench.now, &mut bench.ids),
        [subscribe(2)]
    );
}

#[test]
fn a_dialect_without_answers_holds_a_stream_once_it_is_asked_for() {
    let mut bench = Bench::new();
    bench.streams.on_up(Answers::No, &mut bench.ids);
    bench.want();
    assert!(bench.streams.is_held(&orders()));
}
