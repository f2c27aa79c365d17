//! Many steps on a world, each of which tells runs of changes; `check_ask` looks at every telling.

use proptest::prelude::*;
use tidewire_model::{
    ActionId, Base, Change, ChangeBody, Cursor, Effect, EffectBody, EntityId, EntityKey,
    EntityType, Epoch, Filter, Offset, Patch, Query, Record, Tick, Value, Version, field,
};

use crate::base::{Image, Mark, Moment};
use crate::fetch::RunKey;
use crate::overlay::Overlay;
use crate::run::{Extent, Scope, Total};
use crate::settings::{CollectionSettings, Interest, Settings};
use crate::stream::{Pins, Stream, Touches};
use crate::table::{Arrival, Lesson};
use crate::trust::StaleReason;
use crate::world::World;

const TEMPORARY: &str = "tmp_1";
const IDS: [&str; 6] = ["e1", "e2", "e3", "e4", TEMPORARY, "17"];

#[derive(Debug, Clone)]
enum Step {
    /// A change that the server tells: of which commit, on which base.
    Told(usize, u64, Option<u64>, Body),
    Learnt(usize, Option<u64>, Option<Record>, Option<usize>),
    Mark(usize),
    Evict,
    Act(u64, Vec<(usize, Effected)>),
    Withdraw(u64),
    Rename,
    /// A list, and how many of the rows held are placed before something else happens.
    Open(usize, usize),
    /// A page of a list: up to the place of a record, or to the end.
    Page(usize, Option<(usize, Record)>),
    Close(usize),
    Demote,
    Clear,
    /// Another epoch.
    Epoch(u64),
    /// Applied and covered from here on.
    Cover(u64),
}

#[derive(Debug, Clone)]
enum Body {
    Put(Record, Option<Record>),
    Merge(Patch, Option<Record>, Option<Record>),
    Remove(Option<Record>),
    Stale,
}

#[derive(Debug, Clone)]
enum Effected {
    Put(Record),
    Merge(Patch),
    Remove,
}

struct Nobody;

impl Pins for Nobody {
    fn is_pinned(&self, _: &EntityId) -> bool {
        false
    }
}

fn notes() -> EntityType {
    EntityType::new("notes").expect("a type")
}

fn id(number: usize) -> EntityId {
    EntityId::text(IDS[number % IDS.len()]).expect("an id")
}

fn at(number: u64) -> Offset {
    Offset::new(number).expect("an offset")
}

fn action(number: u64) -> ActionId {
    ActionId::from_bytes(u128::from(number).to_be_bytes())
}

/// The lists that may be watched: guarded, guarded in several ways, and not at all.
fn queries() -> Vec<Query> {
    let (a, b) = (|| field("a"), || field("b"));
    let filters = [
        a().eq(1),
        a().eq(1.0),
        a().eq("x").and(b().eq(1)),
        a().eq("x").and(b().gt(0)),
        a().one_of(["x", TEMPORARY]).and(b().ne(1)),
        a().eq(TEMPORARY),
        a().eq("17"),
        a().is_null(),
        a().eq("x").or(a().eq(1)),
        a().eq("x").or(b().eq(1)),
        a().eq("x").or(b().gt(0)),
        b().one_of([1, 2]).and(a().ne(TEMPORARY)),
        b().eq(true).and(a().is_null().or(a().eq(1))),
        field("o.x").eq(1).and(a().eq("x")),
        b().eq(Value::List(vec![Value::Int(1)])),
        b().ne(1),
        a().contains("x"),
        Filter::Or(Vec::new()),
        Filter::All,
    ];
    let query = |filter: Filter| Query::new(notes()).filter(filter);
    let mut all: Vec<Query> = filters
        .into_iter()
        .flat_map(|filter| [query(filter.clone()), query(filter).sort_desc("b")])
        .collect();
    all.push(Query::new(notes()).filter(a().eq("x")).after(Cursor {
        values: Vec::new(),
        id: EntityId::text(TEMPORARY).expect("an id"),
    }));
    all
}

fn value() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        Value::Null,
        Value::Bool(true),
        Value::Int(1),
        Value::Float(1.0),
        Value::Int(2),
        Value::from("x"),
        Value::from(TEMPORARY),
        Value::from("17"),
        Value::List(vec![Value::Int(1)]),
        Value::object([("x", Value::Int(1))]),
    ])
}

/// Some of the fields, so that others are missing.
fn fields() -> impl Strategy<Value = Vec<(&'static str, Value)>> {
    let name = prop::sample::select(vec!["a", "b", "a", "b", "o", "o.x", "c"]);
    prop::collection::vec((name, value()), 0..4)
}

fn record() -> impl Strategy<Value = Record> {
    fields().prop_map(|fields| {
        let empty = Record::default();
        fields
            .into_iter()
            .fold(empty, |record, (name, value)| record.with(name, value))
    })
}

fn patch() -> impl Strategy<Value = Patch> {
    let unset = prop::option::weighted(0.2, prop::sample::select(vec!["a", "b"]));
    (fields(), unset).prop_map(|(fields, unset)| {
        let set = fields
            .into_iter()
            .fold(Patch::new(), |patch, (name, value)| patch.set(name, value));
        unset.into_iter().fold(set, Patch::unset)
    })
}

fn body() -> impl Strategy<Value = Body> {
    let perhaps = || prop::option::of(record());
    prop_oneof![
        3 => (record(), perhaps()).prop_map(|(record, was)| Body::Put(record, was)),
        4 => (patch(), perhaps(), perhaps())
            .prop_map(|(patch, after, was)| Body::Merge(patch, after, was)),
        1 => perhaps().prop_map(Body::Remove),
        1 => Just(Body::Stale),
    ]
}

fn effected() -> impl Strategy<Value = Effected> {
    prop_oneof![
        2 => record().prop_map(Effected::Put),
        3 => patch().prop_map(Effected::Merge),
        1 => Just(Effected::Remove),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let entity = || 0..IDS.len();
    let list = || 0..queries().len();
    let offset = || 1..20_u64;
    let step = prop_oneof![
        8 => (entity(), offset(), prop::option::of(offset()), body())
            .prop_map(|(entity, at, base, body)| Step::Told(entity, at, base, body)),
        4 => (
            entity(),
            prop::option::of(offset()),
            prop::option::of(record()),
            prop::option::of(list()),
        )
            .prop_map(|(entity, at, row, home)| Step::Learnt(entity, at, row, home)),
        1 => entity().prop_map(Step::Mark),
        2 => Just(Step::Evict),
        5 => (0..4_u64, prop::collection::vec((entity(), effected()), 1..3))
            .prop_map(|(number, effects)| Step::Act(number, effects)),
        3 => (0..4_u64).prop_map(Step::Withdraw),
        1 => Just(Step::Rename),
        5 => (list(), 0..9_usize).prop_map(|(list, placed)| Step::Open(list, placed)),
        4 => (list(), prop::option::of((entity(), record())))
            .prop_map(|(list, bound)| Step::Page(list, bound)),
        1 => list().prop_map(Step::Close),
        1 => Just(Step::Demote),
        1 => Just(Step::Clear),
        1 => (0..3_u64).prop_map(Step::Epoch),
        2 => offset().prop_map(Step::Cover),
    ];
    prop::collection::vec(step, 20..80)
}

/// A world with one stream.
struct Stage {
    world: World,
    lists: Vec<Query>,
    place: u64,
}

impl Stage {
    fn new(interest: Interest) -> Self {
        let bounds = Settings {
            max_absent: 1,
            refill_rows: 1,
            ..Settings::default()
        };
        let settings = CollectionSettings {
            interest,
            ..CollectionSettings::default()
        };
        let mut world = World::default();
        world.insert_stream(Stream::new(notes(), settings, &bounds));
        let mut stage = Self {
            world,
            lists: queries(),
            place: 0,
        };
        stage.take(Step::Epoch(0));
        stage
    }

    fn edit(&mut self) -> (&mut Stream, &Overlay) {
        self.world.edit(&notes()).expect("it was put there")
    }

    fn run_key(&self, list: usize) -> RunKey {
        self.world.run_key(&self.lists[list % self.lists.len()])
    }

    fn take(&mut self, step: Step) {
        let mut touches = Touches::default();
        match step {
            Step::Told(entity, offset, base, body) => {
                self.tell(id(entity), offset, base, body, &mut touches);
            }
            Step::Learnt(entity, offset, row, home) => {
                let home = home.map(|list| self.run_key(list));
                self.learn(
                    &id(entity),
                    offset,
                    row.as_ref(),
                    home.as_ref(),
                    &mut touches,
                );
            }
            Step::Mark(entity) => {
                let mark = Mark {
                    moment: Moment(3),
                    why: StaleReason::Marked,
                };
                let (stream, overlay) = self.edit();
                stream.mark(&id(entity), mark, overlay, &mut touches);
            }
            Step::Evict => self.evict(&mut touches),
            Step::Act(number, effects) => {
                let effects: Vec<Effect> = effects
                    .into_iter()
                    .map(|(entity, effected)| effect(id(entity), effected))
                    .collect();
                self.place += 1;
                self.world
                    .add_action(self.place, action(number), &effects, &mut touches);
            }
            Step::Withdraw(number) => {
                self.world.remove_actions(&[action(number)], &mut touches);
            }
            Step::Rename => {
                let (temporary, real) = (id(4), id(5));
                self.world.rename(&temporary, &real, &mut touches);
            }
            Step::Open(list, placed) => self.open(&self.run_key(list), placed, &mut touches),
            Step::Page(list, bound) => self.page(&self.run_key(list), bound, &mut touches),
            Step::Close(list) => {
                let key = self.run_key(list);
                self.edit().0.runs.remove(&key);
            }
            Step::Demote => self.demote(),
            Step::Clear => self.clear(&mut touches),
            Step::Epoch(number) => {
                let epoch = Epoch::new(&format!("e{number}")).expect("an epoch");
                self.edit().0.enter_epoch(&epoch);
            }
            Step::Cover(offset) => {
                let standing = &mut self.edit().0.standing;
                standing.applied = Some(at(offset));
                standing.since = standing.since.or(Some(at(offset)));
            }
        }
        let (stream, _) = self.edit();
        stream.check_counts();
        for number in 0..IDS.len() {
            let image = stream.view_image(&id(number));
            stream.check_holders(&id(number), &image, &stream.runs.holders(&image));
            stream.check_naming(&id(number));
        }
    }

    fn tell(
        &mut self,
        id: EntityId,
        offset: u64,
        base: Option<u64>,
        body: Body,
        touches: &mut Touches,
    ) {
        let body = match body {
            Body::Put(record, was) => ChangeBody::Put { record, was },
            Body::Merge(patch, after, was) => ChangeBody::Merge { patch, after, was },
            Body::Remove(was) => ChangeBody::Remove { was },
            Body::Stale => ChangeBody::Stale,
        };
        let base = base
            .and_then(Version::new)
            .map_or(Base::AnyLower, Base::Exactly);
        let change = Change {
            key: EntityKey::new(notes(), id),
            point: at(offset),
            version: Version::new(offset),
            base,
            body,
        };
        let arrival = Arrival {
            now: Tick::ZERO,
            offset: at(offset),
            moment: Moment(2),
            again: false,
        };
        let (stream, overlay) = self.edit();
        stream.apply_change(&change, arrival, overlay, touches);
    }

    fn learn(
        &mut self,
        id: &EntityId,
        offset: Option<u64>,
        row: Option<&Record>,
        home: Option<&RunKey>,
        touches: &mut Touches,
    ) {
        let (stream, overlay) = self.edit();
        let lesson = Lesson {
            now: Tick::ZERO,
            at: offset.map(|offset| stream.standing.at(at(offset))),
            begun: Moment(1),
            moment: Moment(2),
            home,
            origin: crate::base::Origin::Answer,
        };
        let row = row.map(|row| (row, None));
        stream.apply_row(id, row, lesson, overlay, touches);
    }

    /// As `OpenRun` does it; or half of it, as if the rest were still to come.
    fn open(&mut self, key: &RunKey, placed: usize, touches: &mut Touches) {
        let (stream, _) = self.edit();
        stream.open_run(key, Some(1));
        let mut next = stream.base.next(None).filter(|_| placed > 0);
        let mut left = placed;
        while let Some((slot, id)) = next {
            stream.ensure_placed(key, &id, touches);
            left -= 1;
            next = stream.base.next(Some(slot)).filter(|_| left > 0);
        }
        if left == 0 {
            return;
        }
        self.place_pending(key, touches);
        if let Some(mut run) = self.edit().0.runs.edit(key) {
            run.set_built();
        }
    }

    /// What of a page concerns the run.
    fn page(&mut self, key: &RunKey, bound: Option<(usize, Record)>, touches: &mut Touches) {
        let (stream, _) = self.edit();
        let applied = stream.standing.applied;
        let as_of = applied.map(|offset| stream.standing.at(offset));
        let Some(mut run) = stream.runs.edit(key) else {
            return;
        };
        if run.scope() == Scope::Whole {
            return;
        }
        let bound = bound.and_then(|(entity, record)| key.query().position(&record, &id(entity)));
        run.extent = bound.map_or(Extent::End, Extent::UpTo);
        run.as_of = as_of;
        run.total = Some(Total {
            rows: 3,
            exact: true,
            as_of,
        });
        drop(run);
        for number in 0..IDS.len() {
            stream.ensure_placed(key, &id(number), touches);
        }
        self.place_pending(key, touches);
    }

    fn evict(&mut self, touches: &mut Touches) {
        let (stream, overlay) = self.edit();
        if stream.has_many_marks() {
            stream.evict_mark(&Nobody, overlay, touches);
        }
        stream.base.begin_round();
        stream.evict_at_hand(&Nobody, overlay, touches);
        stream.recheck_pinned(&Nobody, touches);
    }

    fn demote(&mut self) {
        let (stream, _) = self.edit();
        let narrowing = stream.become_windowed();
        for key in stream.runs.keys() {
            stream.narrow_run(&key, &narrowing);
        }
    }

    fn place_pending(&mut self, key: &RunKey, touches: &mut Touches) {
        let (stream, _) = self.edit();
        let mut next = stream.next_pending(None);
        while let Some(id) = next {
            stream.ensure_pending(key, &id, |_, was| was, touches);
            next = stream.next_pending(Some(&id));
        }
    }

    fn clear(&mut self, touches: &mut Touches) {
        let (stream, overlay) = self.edit();
        drop(stream.clear());
        let mut next = stream.next_pending(None);
        while let Some(id) = next {
            stream.restore_pending(&id, overlay, touches);
            next = stream.next_pending(Some(&id));
        }
    }
}

fn effect(id: EntityId, effected: Effected) -> Effect {
    let body = match effected {
        Effected::Put(record) => EffectBody::Put(record),
        Effected::Merge(patch) => EffectBody::Merge(patch),
        Effected::Remove => EffectBody::Remove,
    };
    Effect::new(EntityKey::new(notes(), id), body)
}

fn interest() -> impl Strategy<Value = Interest> {
    prop::sample::select(vec![
        Interest::Windowed,
        Interest::Windowed,
        Interest::Complete { max_rows: 9 },
        Interest::PushesOnly,
    ])
}

proptest! {
    /// Same reactions, same touches, same log, in the same order: what is not asked would have done nothing.
    #[test]
    fn a_change_that_asks_some_runs_does_what_asking_every_run_would(interest in interest(), steps in steps()) {
        let mut stage = Stage::new(interest);
        for step in steps {
            stage.take(step);
        }
    }

    /// Whoever is shown by a list is found by what it looks like.
    #[test]
    fn a_run_that_matches_is_a_candidate(record in record()) {
        let mut stage = Stage::new(Interest::Windowed);
        for list in 0..queries().len() {
            stage.take(Step::Open(list, 0));
        }
        let image = Image::Present(record);
        let (stream, _) = stage.edit();
        let candidates = stream.runs.holders(&image);
        for run in stream.runs.iter() {
            let is_member = run.place(&id(0), &image).is_some();
            let is_candidate = candidates.iter().any(|candidate| candidate.key() == run.key());
            prop_assert!(!is_member || is_candidate, "{}", run.query());
        }
    }
}
