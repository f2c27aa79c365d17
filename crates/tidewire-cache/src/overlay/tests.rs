//! The overlay against a plain list of effects, and how many steps a replay takes.

use proptest::prelude::*;
use proptest::sample::Index;
use tidewire_model::{
    ActionId, Effect, EffectBody, EntityId, EntityKey, EntityType, Patch, Record, Value,
};

use super::{BLOCK, Overlay, digest};
use crate::base::Image;

const FIELDS: [&str; 3] = ["a", "b", "c"];

fn key(id: EntityId) -> EntityKey {
    EntityKey::new(EntityType::new("notes").expect("a type"), id)
}

fn action(number: u64) -> ActionId {
    ActionId::from_bytes(u128::from(number).to_be_bytes())
}

fn set(name: &str, value: i64) -> EffectBody {
    EffectBody::Merge(Patch::new().set(name, value))
}

/// What readers get to see, the order of fields included.
fn text(image: &Image) -> String {
    match image {
        Image::Present(record) => serde_json::to_string(record).expect("JSON"),
        other => format!("{other:?}"),
    }
}

/// The overlay's twin: actions in order, and their effects.
type Twin = Vec<(u64, Vec<Effect>)>;

fn one_by_one(twin: &Twin, key: &EntityKey, base: &Image) -> Image {
    let effects = twin.iter().flat_map(|(_, effects)| effects);
    effects
        .filter(|effect| effect.key == *key)
        .fold(base.clone(), |image, effect| {
            digest::apply(&effect.body, image)
        })
}

fn body() -> impl Strategy<Value = EffectBody> {
    let field = || prop::sample::select(&FIELDS[..]);
    let patch = prop::collection::vec((field(), prop::option::of(0_i64..9)), 0..3);
    prop_oneof![
        8 => patch.prop_map(|fields| EffectBody::Merge(fields.into_iter().fold(
            Patch::new(),
            |patch, (name, value)| match value {
                Some(value) => patch.set(name, value),
                None => patch.unset(name),
            },
        ))),
        1 => (field(), 0_i64..9).prop_map(|(name, value)| {
            EffectBody::Put(Record::default().with(name, value))
        }),
        1 => Just(EffectBody::Remove),
        2 => (field(), -9_i64..9).prop_map(|(field, by)| EffectBody::Increment {
            field: field.into(),
            by: Value::Int(by),
        }),
        2 => (field(), 0_i64..9).prop_map(|(field, value)| EffectBody::Append {
            field: field.into(),
            value: Value::Int(value),
        }),
    ]
}

/// What is done to the overlay; the flag of an effect tells which entity it is on.
#[derive(Debug, Clone)]
enum Doing {
    Add(Vec<(bool, EffectBody)>),
    Replace(Index, Vec<(bool, EffectBody)>),
    Remove(Index),
    RemoveEffects(Index, bool),
    Rename,
}

fn doing() -> impl Strategy<Value = Doing> {
    let effects = || prop::collection::vec((prop::bool::weighted(0.8), body()), 1..3);
    prop_oneof![
        40 => effects().prop_map(Doing::Add),
        4 => (any::<Index>(), effects()).prop_map(|(which, effects)| Doing::Replace(which, effects)),
        8 => any::<Index>().prop_map(Doing::Remove),
        4 => (any::<Index>(), any::<bool>()).prop_map(|(which, on)| Doing::RemoveEffects(which, on)),
        1 => Just(Doing::Rename),
    ]
}

struct Both {
    overlay: Overlay,
    twin: Twin,
    /// The first is temporary until it is renamed.
    keys: [EntityKey; 2],
}

impl Both {
    fn effects(&self, bodies: Vec<(bool, EffectBody)>) -> Vec<Effect> {
        let on = |first: bool| self.keys[usize::from(!first)].clone();
        let bodies = bodies.into_iter();
        bodies
            .map(|(first, body)| Effect::new(on(first), body))
            .collect()
    }

    fn at(&self, which: Index) -> Option<usize> {
        (!self.twin.is_empty()).then(|| which.index(self.twin.len()))
    }

    fn run(&mut self, number: u64, doing: Doing) {
        match doing {
            Doing::Add(bodies) => {
                let effects = self.effects(bodies);
                self.overlay.add(number, action(number), effects.clone());
                self.twin.push((number, effects));
            }
            Doing::Replace(which, bodies) => {
                let Some(at) = self.at(which) else { return };
                let effects = self.effects(bodies);
                let old = action(self.twin[at].0);
                self.overlay.add(number, old, effects.clone());
                self.twin[at].1 = effects;
            }
            Doing::Remove(which) => {
                let Some(at) = self.at(which) else { return };
                let (old, _) = self.twin.remove(at);
                self.overlay.remove(action(old));
            }
            Doing::RemoveEffects(which, first) => {
                let Some(at) = self.at(which) else { return };
                let key = self.keys[usize::from(!first)].clone();
                let (old, effects) = &mut self.twin[at];
                self.overlay
                    .remove_effects(action(*old), |effect| effect.key == key);
                effects.retain(|effect| effect.key != key);
                self.twin.retain(|(_, effects)| !effects.is_empty());
            }
            Doing::Rename => {
                let real = key(EntityId::text("n-1").expect("an id"));
                self.overlay.rename(&self.keys[0].id, &real.id);
                for effect in self.twin.iter_mut().flat_map(|(_, effects)| effects) {
                    if effect.key == self.keys[0] {
                        effect.key = real.clone();
                    }
                }
                self.keys[0] = real;
            }
        }
    }
}

proptest! {
    #[test]
    fn a_replay_makes_what_the_effects_make_one_after_the_other(
        doings in prop::collection::vec(doing(), 1..250),
    ) {
        let mut both = Both {
            overlay: Overlay::default(),
            twin: Twin::new(),
            keys: [
                key(EntityId::temporary(action(7))),
                key(EntityId::text("n-2").expect("an id")),
            ],
        };
        let filled = FIELDS.iter().fold(Record::default(), |record, name| record.with(name, 5));
        let bases = [Image::Unknown, Image::Absent, Image::Present(Record::default()), Image::Present(filled)];
        for (number, doing) in (0..).zip(doings) {
            both.run(number, doing);
            for (key, base) in both.keys.iter().flat_map(|key| bases.iter().map(move |base| (key, base))) {
                let image = both.overlay.replay(key, base);
                prop_assert_eq!(text(&image), text(&one_by_one(&both.twin, key, base)));
                let touched = both.twin.iter().any(|(_, effects)| effects.iter().any(|effect| effect.key == *key));
                prop_assert_eq!(both.overlay.touches(key), touched);
            }
        }
    }
}

#[test]
fn many_updates_of_one_entity_are_replayed_in_few_steps() {
    let mut overlay = Overlay::default();
    let note = key(EntityId::text("n-1").expect("an id"));
    let other = key(EntityId::text("n-2").expect("an id"));
    for number in 0..100 * BLOCK {
        let value = i64::try_from(number).expect("small");
        let effects = vec![Effect::new(note.clone(), set("a", value))];
        overlay.add(number, action(number), effects);
    }
    overlay.add(
        100 * BLOCK,
        action(100 * BLOCK),
        vec![Effect::new(other.clone(), set("a", 1))],
    );
    assert_eq!(overlay.steps(&note).count(), 100);
    assert_eq!(overlay.steps(&other).count(), 1);
    // Accepted from the front, one after the other.
    for number in 0..99 * BLOCK {
        overlay.remove(action(number));
    }
    assert_eq!(overlay.steps(&note).count(), 1);
}
