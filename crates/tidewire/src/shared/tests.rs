//! What holds between callers and the engine, whoever panics and whoever is first.

use tidewire_engine::Settings;

use super::*;

fn shared() -> Shared {
    let clock = Clock::start();
    let engine = Engine::new(clock.now(), Settings::default(), Vec::new());
    Shared::new(engine, clock, Ok(()))
}

#[test]
fn the_time_the_engine_sees_never_goes_back_whoever_comes() {
    let shared = shared();
    let seen = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    let note = |_: &mut Engine, now: Now| seen.lock().push(now.tick);
                    shared.ask(note).expect("it is open");
                    shared.drive(note).expect("it is open");
                }
            });
        }
    });
    assert!(seen.lock().is_sorted());
}

#[test]
fn a_panic_in_a_callers_turn_is_an_error_and_ends_the_client() {
    let shared = shared();
    let broken = shared.ask(|_, _| panic!("a broken invariant"));
    let Err(CallError::Stopped(reason)) = broken else {
        panic!("{broken:?}")
    };
    assert!(reason.contains("a broken invariant"), "{reason}");
    assert_eq!(
        shared.ask(|_, _| ()),
        Err(CallError::Stopped(reason.clone()))
    );
    assert_eq!(shared.drive(|_, _| ()), None);
    assert!(shared.end_if_stored(), "the driver sees it");
    shared.end_with(End::Closed);
    assert_eq!(shared.end(), Some(End::Failed(reason.clone())));
    let status = shared.status.borrow().clone();
    assert_eq!(status.connection, Connection::Stopped);
    assert!(status.reason.contains(&reason), "{status:?}");
}

#[test]
fn a_call_is_refused_from_the_moment_of_the_close() {
    let shared = shared();
    shared.begin_close();
    assert_eq!(shared.ask(|_, _| ()), Err(CallError::Closed));
    assert_eq!(shared.drive(|_, _| ()), Some(()), "the driver goes on");
    assert!(shared.end_if_stored());
    assert_eq!(shared.ask(|_, _| ()), Err(CallError::Closed));
}
