//! Every state, and what each event does in it.

use std::time::Duration;

use tidewire_model::Tick;

use super::{Event, Loss, Manners, Opening, Session, SessionSettings, Step};
use crate::random::Random;
use crate::status::Connection;

const MANNERS: Manners = Manners {
    silence: Duration::from_secs(35),
    jitter: Duration::from_millis(500),
};

struct Bench {
    session: Session,
    random: Random,
    now: Tick,
}

impl Bench {
    fn new() -> Self {
        let session = Session::new(SessionSettings::default());
        Self {
            session,
            random: Random::new(1),
            now: Tick::from_micros(1_000_000),
        }
    }

    fn on(&mut self, event: Event) -> Vec<Step> {
        self.session.on(self.now, event, &mut self.random)
    }

    fn connecting() -> Self {
        let mut bench = Self::new();
        assert_eq!(bench.on(Event::SwitchedOn), [Step::Prepare]);
        assert_eq!(bench.on(Event::Prepared), [Step::Connect]);
        bench
    }

    fn ready() -> Self {
        let mut bench = Self::connecting();
        assert_eq!(bench.on(Event::Connected(Opening::Greeting)), [Step::Greet]);
        assert_eq!(bench.on(Event::Welcomed(MANNERS)), [Step::Up]);
        bench
    }

    fn connection(&self) -> Connection {
        self.session.status().connection
    }
}

fn lost(code: Option<u16>) -> Event {
    Event::Lost(Loss {
        code,
        reason: "gone".into(),
        retry_after: None,
    })
}

#[test]
fn a_connection_is_made_greeted_and_up() {
    assert_eq!(Bench::new().connection(), Connection::Disconnected);
    assert_eq!(Bench::connecting().connection(), Connection::Connecting);
    assert_eq!(Bench::ready().connection(), Connection::Connected);
}

#[test]
fn without_a_greeting_it_is_up_at_once_and_silence_is_asked_about() {
    let mut bench = Bench::connecting();
    assert_eq!(bench.on(Event::Connected(Opening::None)), [Step::Up]);
    assert_eq!(bench.session.deadlines().silence, None);
    bench.now += Duration::from_secs(25);
    assert_eq!(bench.on(Event::Due), [Step::Ping]);
    bench.now += Duration::from_secs(10);
    assert!(matches!(
        bench.on(Event::Due)[..],
        [Step::Disconnect(..), Step::Down]
    ));
}

#[test]
fn a_transport_that_cannot_ping_is_probed_for_ever() {
    let mut bench = Bench::connecting();
    bench.on(Event::Connected(Opening::None));
    assert_eq!(bench.on(Event::NoPing), [Step::Probe]);
    for _ in 0..10 {
        bench.now += Duration::from_secs(25);
        assert_eq!(bench.on(Event::Due), [Step::Probe]);
    }
    assert_eq!(bench.connection(), Connection::Connected);
}

#[test]
fn a_loss_is_followed_by_another_attempt_with_a_new_generation() {
    let mut bench = Bench::ready();
    let generation = bench.session.generation();
    assert_eq!(bench.on(lost(None)), [Step::Down]);
    let until = bench
        .session
        .status()
        .next_attempt
        .expect("an attempt is planned");
    bench.now = until;
    assert_eq!(bench.on(Event::Due), [Step::Prepare]);
    assert!(bench.session.generation() > generation);
}

#[test]
fn the_class_of_the_close_code_decides() {
    let mut bench = Bench::ready();
    bench.on(lost(Some(4003)));
    assert_eq!(bench.connection(), Connection::Stopped);
    assert_eq!(bench.session.status().reason, "gone");

    let mut bench = Bench::ready();
    bench.now += Duration::from_secs(60);
    bench.on(lost(Some(4200)));
    let wait = bench.session.status().next_attempt.unwrap() - bench.now;
    assert!(wait <= MANNERS.jitter);
}

#[test]
fn a_wish_to_be_left_alone_for_a_while_is_granted() {
    let mut bench = Bench::ready();
    let retry_after = Some(Duration::from_secs(60));
    bench.on(Event::Lost(Loss {
        code: Some(4101),
        reason: "busy".into(),
        retry_after,
    }));
    let wait = bench.session.status().next_attempt.unwrap() - bench.now;
    assert!(wait >= Duration::from_secs(60));
}

#[test]
fn silence_and_a_slow_handshake_are_losses() {
    let mut bench = Bench::ready();
    bench.now += MANNERS.silence;
    assert!(matches!(
        bench.on(Event::Due)[..],
        [Step::Disconnect(..), Step::Down]
    ));

    let mut bench = Bench::connecting();
    bench.now += Duration::from_secs(10);
    assert!(matches!(bench.on(Event::Due)[..], [Step::Disconnect(..)]));
    assert_eq!(bench.connection(), Connection::Disconnected);
}

#[test]
fn any_frame_is_a_sign_of_life() {
    let mut bench = Bench::ready();
    bench.now += Duration::from_secs(34);
    bench.on(Event::Heard);
    bench.now += Duration::from_secs(34);
    assert_eq!(bench.on(Event::Due), []);
    assert_eq!(bench.connection(), Connection::Connected);
}

#[test]
fn switched_off_stays_off_until_switched_on() {
    let mut bench = Bench::ready();
    assert!(matches!(
        bench.on(Event::SwitchedOff)[..],
        [Step::Disconnect(..), Step::Down]
    ));
    bench.now += Duration::from_secs(3_600);
    assert_eq!(bench.on(Event::Due), []);
    assert_eq!(bench.on(lost(None)), []);
    assert_eq!(bench.on(Event::SwitchedOn), [Step::Prepare]);
}

#[test]
fn a_stopped_connection_is_tried_again_only_when_the_application_says_so() {
    let mut bench = Bench::ready();
    bench.on(Event::Fatal("another principal".into()));
    assert_eq!(bench.connection(), Connection::Stopped);
    assert_eq!(bench.on(Event::Due), []);
    assert_eq!(bench.on(Event::Prepared), []);
    assert_eq!(bench.on(Event::Connected(Opening::Greeting)), []);
    assert_eq!(bench.on(Event::Welcomed(MANNERS)), []);
    assert_eq!(bench.on(Event::SwitchedOn), [Step::Prepare]);
}

#[test]
fn events_that_mean_nothing_in_a_state_change_nothing() {
    let mut bench = Bench::new();
    for event in [
        Event::Prepared,
        Event::Connected(Opening::None),
        Event::Welcomed(MANNERS),
        Event::Heard,
        Event::NoPing,
    ] {
        assert_eq!(bench.on(event), []);
    }
    assert_eq!(bench.on(Event::Broken(4000, "bad frame".into())), []);
    assert_eq!(bench.connection(), Connection::Disconnected);
    let mut bench = Bench::ready();
    for event in [
        Event::SwitchedOn,
        Event::Prepared,
        Event::Connected(Opening::None),
        Event::Welcomed(MANNERS),
        Event::NoPing,
    ] {
        assert_eq!(bench.on(event), []);
    }
    assert_eq!(bench.connection(), Connection::Connected);
}

#[test]
fn a_server_that_sends_every_connection_away_at_once_is_not_hammered() {
    let mut bench = Bench::connecting();
    let start = bench.now;
    for _ in 0..30 {
        bench.on(lost(Some(4204)));
        bench.now = bench.session.status().next_attempt.unwrap();
        assert_eq!(bench.on(Event::Due), [Step::Prepare]);
        bench.on(Event::Prepared);
    }
    assert!(bench.now - start > Duration::from_secs(60));
}

#[test]
fn law_19_a_peer_that_asks_to_be_left_alone_for_ever_is_asked_again() {
    let mut bench = Bench::ready();
    bench.on(Event::Lost(Loss {
        code: Some(4101),
        reason: "busy".into(),
        retry_after: Some(Duration::MAX),
    }));
    let next = bench.session.status().next_attempt.expect("there is one");
    assert_eq!(next - bench.now, Duration::from_secs(15 * 60));
}

#[test]
fn law_19_whatever_a_server_says_of_its_manners_silence_ends_and_so_does_the_spreading() {
    for (said, kept) in [
        (Duration::ZERO, Duration::from_millis(100)),
        (Duration::MAX, Duration::from_secs(60 * 60)),
    ] {
        let mut bench = Bench::connecting();
        bench.on(Event::Connected(Opening::Greeting));
        let manners = Manners {
            silence: said,
            jitter: said,
        };
        bench.on(Event::Welcomed(manners));
        let silence = bench.session.deadlines().silence;
        assert_eq!(silence, Some(bench.now + kept));
        bench.on(lost(Some(1001)));
        let next = bench.session.status().next_attempt.expect("there is one");
        assert!(next - bench.now <= Duration::from_secs(15 * 60));
    }
}
