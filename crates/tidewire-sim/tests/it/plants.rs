//! Mistakes that are built into the world on purpose: each must be found, and by a law it breaks.

use tidewire_sim::{Options, Plant, run};

/// A mistake must be found within so many seeds.
const SEEDS: u64 = 30;

/// The first law that is found broken.
fn broken_law(plant: Plant) -> u8 {
    let failure = (1..=SEEDS).find_map(|seed| run(Options::draw(seed).with_plant(plant)).err());
    failure
        .unwrap_or_else(|| panic!("{plant:?} was not found in {SEEDS} seeds"))
        .broken
        .law
}

/// The laws that a mistake can break; which of them shows first is chance.
fn laws(plant: Plant) -> &'static [u8] {
    match plant {
        Plant::LostChanges => &[8, 9],
        Plant::TornCommit => &[1],
        Plant::DoneTwice => &[13],
        Plant::ForgetfulStore => &[12],
        Plant::FalseLife => &[16],
        Plant::OldRows => &[4, 5, 8, 9],
        Plant::NoAnswers => &[15],
        Plant::KeptSubscription => &[15, 18],
        other => panic!("nobody has said which law {other:?} breaks"),
    }
}

#[test]
fn every_planted_mistake_is_found() {
    for plant in Plant::ALL {
        let law = broken_law(*plant);
        assert!(laws(*plant).contains(&law), "{plant:?} showed as law {law}");
    }
}

#[test]
fn a_failure_names_its_seed_and_tells_what_happened_last() {
    let failure = (1..=SEEDS)
        .find_map(|seed| run(Options::draw(seed).with_plant(Plant::DoneTwice)).err())
        .expect("the mistake is found");
    let text = failure.to_string();
    assert!(
        text.ends_with(&format!("cargo xtask sim --seed={}", failure.seed)),
        "{text}"
    );
    assert!(text.contains("law 13"), "{text}");
    assert!(!failure.tail.is_empty());
}
