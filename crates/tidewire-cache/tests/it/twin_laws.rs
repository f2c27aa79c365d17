//! Laws 1 to 11 against the naive twin, over random sequences of everything that can come in.

use proptest::prelude::*;
use serde_json::json;
use tidewire_cache::{
    Attached, DetachReason, FetchTicket, Intake, Presence, Progress, Taken, Target, Trust,
};
use tidewire_model::{
    Base, Change, ChangeBody, Effect, EffectBody, EntityId, Query, Value, Version, field,
};

use crate::support::{
    Rig, action, at, commit, complete, create, echo_naming, effect, epoch, id, put, record, remove,
    row, set, stale, thing, things, windowed,
};
use crate::twin::{Event, Twin};

/// One step, as numbers to be made sense of where it is taken.
#[derive(Debug, Clone)]
struct Roll {
    kind: u8,
    which: u8,
    n: i8,
    more: u8,
}

fn rolls() -> impl Strategy<Value = Vec<Roll>> {
    let roll = (0..100_u8, any::<u8>(), -9..9_i8, any::<u8>());
    proptest::collection::vec(
        roll.prop_map(|(kind, which, n, more)| Roll {
            kind,
            which,
            n,
            more,
        }),
        200..260,
    )
}

/// The ids that things happen to.
fn name(which: u8) -> String {
    format!("e{}", which % 8)
}

/// Those, and the ones that this many actions have given.
fn all_names(actions: u64) -> Vec<String> {
    let temporary = (0..actions).map(|number| EntityId::temporary(action(number)).to_string());
    (0..8)
        .map(name)
        .chain((0..actions).map(|number| format!("r{number}")))
        .chain(temporary)
        .collect()
}

fn queries() -> [Query; 2] {
    let all = Query::new(things());
    [
        all.clone().sort_asc("n").limit(4),
        all.filter(field("n").ge(0)).sort_desc("n").limit(3),
    ]
}

struct Play {
    rig: Rig,
    events: Vec<Event>,
    twin: Twin,
    /// Where the server's stream stands, as the rolls have it.
    offset: u64,
    epoch: u64,
    view: u64,
    actions: u64,
    tickets: Vec<FetchTicket>,
    begun: bool,
    /// What the last intake was answered with.
    taken: Option<Taken>,
}

impl Play {
    fn new(complete_stream: bool) -> Self {
        let mut rig = Rig::new(if complete_stream {
            complete()
        } else {
            windowed()
        });
        if complete_stream {
            rig.cache.watch(Target::List(queries()[0].clone()));
        }
        let mut play = Self {
            rig,
            events: Vec::new(),
            twin: Twin::default(),
            offset: 5,
            epoch: 1,
            view: 0,
            actions: 0,
            tickets: Vec::new(),
            begun: false,
            taken: None,
        };
        play.subscribe(if complete_stream {
            Attached::Snapshot
        } else {
            Attached::Now
        });
        play
    }

    fn take(&mut self, intake: Intake) {
        let taken = self.rig.take(intake.clone());
        self.events.push(Event::Take(Box::new(intake)));
        self.taken = Some(taken);
    }

    fn subscribe(&mut self, result: Attached) {
        let offset = match (result, self.rig.cache.applied(&things())) {
            (Attached::Resumed, Some(applied))
                if applied.epoch == epoch(&format!("e{}", self.epoch)) =>
            {
                applied.offset.get()
            }
            _ => self.offset,
        };
        self.offset = offset;
        self.take(Intake::Subscribed {
            entity_type: things(),
            result,
            epoch: epoch(&format!("e{}", self.epoch)),
            view: format!("v{}", self.view),
            offset: at(offset),
            head: at(offset + u64::from(offset % 3 == 0)),
        });
    }

    fn version_of(&self, name: &str) -> Version {
        self.rig.get(name).version.unwrap_or(Version::ZERO)
    }

    fn change(&self, roll: &Roll, turn: u8) -> Change {
        let target = name(roll.which.wrapping_add(turn));
        let to = self.offset + 1;
        match (roll.more >> turn) % 8 {
            0..=2 => put(&target, roll.n.into(), to),
            3 | 4 => {
                let base = self.version_of(&target).get() + u64::from(roll.more.is_multiple_of(5));
                crate::support::merge(&target, json!({"n": roll.n, "m": turn}), to, base)
            }
            5 => Change {
                body: ChangeBody::Merge {
                    patch: crate::support::patch(json!({"n": roll.n})),
                    after: Some(thing(&target, roll.n.into())),
                    was: None,
                },
                base: Base::Exactly(Version::ZERO),
                ..put(&target, 0, to)
            },
            6 => remove(&target, to),
            _ => stale(&target),
        }
    }

    fn step(&mut self, roll: &Roll) {
        match roll.kind {
            // What shrinking turns a step into that does not matter.
            0 => {}
            1..=28 => self.tell(roll),
            29 => self.take(Intake::Clear {
                entity_type: things(),
            }),
            30..=33 => {
                // A repeat, a gap, or a head.
                let to = (self.offset + u64::from(roll.more % 4)).max(2) - 1;
                if roll.n > 5 {
                    self.take(Intake::Head {
                        entity_type: things(),
                        offset: at(to),
                    });
                } else {
                    self.take(Intake::Commit(commit(
                        to.max(1),
                        vec![put(&name(roll.which), 0, to)],
                    )));
                }
            }
            34..=38 => self.detach(roll),
            39..=46 => self.subscribe_somehow(roll),
            47..=53 => self.end_or_feed_snapshot(roll),
            54..=59 => self.ask(roll),
            60..=65 => self.answer_request(roll),
            66..=67 => {
                let as_of =
                    tidewire_model::Point::new(epoch(&format!("e{}", self.epoch)), at(self.offset));
                let rows = vec![row(&name(roll.which), roll.n.into(), self.offset)];
                self.take(Intake::Rows {
                    entity_type: things(),
                    as_of,
                    rows,
                    missing: Vec::new(),
                });
            }
            68..=69 => {
                let ids = (!roll.more.is_multiple_of(3)).then(|| vec![id(&name(roll.which))]);
                self.take(Intake::Stale {
                    entity_type: things(),
                    ids,
                });
            }
            70..=77 => self.act(roll),
            78..=79 => {
                let refused = action(u64::from(roll.more) % self.actions.max(1));
                let _ = self
                    .rig
                    .cache
                    .remove_actions(self.rig.now, vec![refused])
                    .map(drop);
                self.events.push(Event::Refuse(refused));
            }
            80..=84 => self.answer_action(roll),
            _ => self.work(roll),
        }
    }

    fn tell(&mut self, roll: &Roll) {
        let changes = (0..=roll.more % 3)
            .map(|turn| self.change(roll, turn))
            .collect();
        let mut told = commit(self.offset + 1, changes);
        told.stale_all = roll.more == 7;
        if roll.which.is_multiple_of(5) && self.actions > 0 {
            let number = u64::from(roll.more) % self.actions;
            let temporary = EntityId::temporary(action(number));
            let real = format!("r{number}");
            told.changes
                .push(put(&real, roll.n.into(), self.offset + 1));
            told.echoes
                .push(echo_naming(number, &[(temporary.as_str(), &real)]));
        }
        if self.rig.cache.holds(&things()) {
            self.offset += 1;
        }
        self.take(Intake::Commit(told));
    }

    fn detach(&mut self, roll: &Roll) {
        let why = if roll.more.is_multiple_of(5) {
            DetachReason::Rights
        } else {
            DetachReason::Disconnected
        };
        if why == DetachReason::Rights {
            self.view += 1;
        }
        self.take(Intake::Detached {
            entity_type: things(),
            why,
        });
    }

    fn subscribe_somehow(&mut self, roll: &Roll) {
        if roll.more.is_multiple_of(9) {
            self.epoch += 1;
            self.offset = u64::from(roll.which % 7) + 2;
        } else {
            self.offset += u64::from(roll.which % 3);
        }
        let complete_stream = matches!(
            self.rig.cache.interest(&things()),
            tidewire_cache::Interest::Complete { .. }
        );
        self.subscribe(match roll.more % 3 {
            0 => Attached::Resumed,
            1 => Attached::Now,
            _ if complete_stream => Attached::Snapshot,
            _ => Attached::Now,
        });
    }

    fn end_or_feed_snapshot(&mut self, roll: &Roll) {
        let as_of = at(self.offset);
        if roll.more.is_multiple_of(2) {
            let rows = (0..4)
                .map(|turn| {
                    row(
                        &name(roll.which.wrapping_add(turn)),
                        roll.n.into(),
                        self.offset,
                    )
                })
                .collect();
            self.take(Intake::SnapshotRows {
                entity_type: things(),
                as_of,
                rows,
            });
        } else {
            let contained = (0..self.actions)
                .filter(|number| number % 4 == u64::from(roll.which % 4))
                .map(action);
            self.take(Intake::SnapshotEnd {
                entity_type: things(),
                as_of,
                actions: contained.collect(),
            });
        }
    }

    fn ask(&mut self, roll: &Roll) {
        if self.begun {
            // The twin knows only what is published of the epoch a request begins in.
            return;
        }
        let ticket = self
            .rig
            .ask(&[&name(roll.which), &name(roll.which.wrapping_add(1))]);
        self.tickets.push(ticket);
        self.events.push(Event::Ask(self.tickets.len() as u64));
    }

    fn answer_request(&mut self, roll: &Roll) {
        if self.tickets.is_empty() {
            return;
        }
        let ticket = self.tickets[usize::from(roll.more) % self.tickets.len()];
        let of = self.epoch - u64::from(roll.more.is_multiple_of(11) && self.epoch > 1);
        let offset = (self.offset + u64::from(roll.which % 4)).max(3) - 2;
        let as_of = tidewire_model::Point::new(epoch(&format!("e{of}")), at(offset));
        let (present, missing) = (name(roll.which), name(roll.which.wrapping_add(1)));
        // An answer comes once.
        let rows = vec![row(&present, roll.n.into(), offset)];
        let intake = Intake::Entities {
            ticket,
            as_of: Some(as_of),
            rows,
            missing: vec![id(&missing)],
        };
        let taken = self.rig.take(intake.clone());
        if taken != Taken::NotHeld {
            self.events.push(Event::Take(Box::new(intake)));
            self.taken = Some(taken);
        }
    }

    fn act(&mut self, roll: &Roll) {
        let number = self.actions;
        self.actions += 1;
        if number >= 40 {
            self.actions = 40;
            return;
        }
        let temporary = EntityId::temporary(action(number));
        let earlier = EntityId::temporary(action(u64::from(roll.which) % (number + 1)));
        let target = name(roll.which);
        let effects: Vec<Effect> = match roll.more % 6 {
            0 => vec![create(temporary.as_str(), roll.n.into())],
            1 => vec![set(&target, json!({"n": roll.n}))],
            2 => vec![effect(
                &target,
                EffectBody::Increment {
                    field: "n".into(),
                    by: Value::from(3),
                },
            )],
            3 => vec![
                effect(&target, EffectBody::Remove),
                set(&name(roll.which.wrapping_add(1)), json!({"n": roll.n})),
            ],
            4 => vec![set(earlier.as_str(), json!({"n": roll.n}))],
            _ => vec![effect(
                &target,
                EffectBody::Put(record(json!({"id": target, "n": roll.n}))),
            )],
        };
        drop(
            self.rig
                .cache
                .add_action(self.rig.now, action(number), effects.clone()),
        );
        self.events.push(Event::Add(action(number), effects));
    }

    fn answer_action(&mut self, roll: &Roll) {
        if self.actions == 0 {
            return;
        }
        let number = u64::from(roll.more) % self.actions;
        let temporary = EntityId::temporary(action(number));
        let real = format!("r{number}");
        if roll.which.is_multiple_of(4) {
            let _ = self
                .rig
                .cache
                .rename(self.rig.now, &temporary, &id(&real), &things())
                .map(drop);
            self.events.push(Event::Rename(temporary, id(&real)));
            return;
        }
        let as_of = (roll.which % 4 != 1).then(|| self.offset + u64::from(roll.which % 3));
        let rows = if roll.n > 0 {
            vec![(things(), row(&real, roll.n.into(), self.offset))]
        } else {
            Vec::new()
        };
        let of = self.epoch - u64::from(roll.more.is_multiple_of(11) && self.epoch > 1);
        let epoch = epoch(&format!("e{of}"));
        self.take(Intake::Answer {
            action: action(number),
            as_of: as_of
                .map(|offset| (things(), tidewire_model::Point::new(epoch, at(offset))))
                .into_iter()
                .collect(),
            rows,
            missing: Vec::new(),
            replaced: crate::support::naming(&[(temporary.as_str(), &real)]),
        });
    }

    fn work(&mut self, roll: &Roll) {
        if !self.begun {
            self.events.push(Event::Begin);
            self.begun = true;
        }
        let progress = self
            .rig
            .cache
            .work(self.rig.now, 1 + usize::from(roll.more % 40));
        self.begun = progress != Progress::Idle;
        if progress == Progress::Idle {
            self.events.pop();
        }
        if progress == Progress::Ready && !roll.which.is_multiple_of(4) {
            let publication = self.rig.cache.publish().expect("it is ready");
            assert_eq!(publication.change_set.revision, self.rig.reader.revision());
            self.events.push(Event::Publish);
            self.begun = false;
        }
    }

    fn compare(&mut self) {
        self.twin.follow(&self.events);
        if let Err(difference) = self.difference() {
            let events: Vec<String> = self
                .events
                .iter()
                .map(|event| format!("{event:?}"))
                .collect();
            panic!("{difference}\nafter:\n{}", events.join("\n"));
        }
    }

    fn difference(&self) -> Result<(), String> {
        let twin = &self.twin;
        same(
            format_args!("what became of the intake"),
            &self.taken,
            &twin.taken,
        )?;
        let applied = self.rig.cache.applied(&things());
        same(
            format_args!("applied"),
            &applied.map(|point| (point.epoch.to_string(), point.offset.get())),
            &twin.applied(),
        )?;
        let names = all_names(self.actions.min(40));
        for name in &names {
            let reading = self.rig.get(name);
            let (image, pending) = twin.see(name);
            let expected = match image {
                None => Presence::Unknown,
                Some(None) => Presence::Absent,
                Some(Some(record)) => Presence::Present(record),
            };
            same(
                format_args!("law 8: {name}"),
                &(&reading.presence, reading.pending),
                &(&expected, pending),
            )?;
            same(
                format_args!("the version of {name}"),
                &reading.version,
                &twin.version(name),
            )?;
            let live = reading.trust == Trust::Live;
            same(
                format_args!("whether {name} is live ({:?})", reading.trust),
                &live,
                &twin.is_live(name),
            )?;
        }
        for query in queries() {
            let list = self.rig.list(&query);
            let Some((ids, total, live)) = twin.list(&query, &names) else {
                same(
                    format_args!("whether {query} is known"),
                    &list.known,
                    &false,
                )?;
                continue;
            };
            let shown: Vec<String> = list.rows.iter().map(|row| row.id.to_string()).collect();
            same(
                format_args!("law 9: {query}"),
                &(shown, list.total_count),
                &(ids, Some(total)),
            )?;
            same(
                format_args!("whether {query} is live ({:?})", list.trust),
                &(list.trust == Trust::Live),
                &live,
            )?;
        }
        Ok(())
    }

    fn finish(&mut self) {
        while self.rig.cache.has_staged() {
            self.work(&Roll {
                kind: 99,
                which: 1,
                n: 0,
                more: 255,
            });
        }
        self.compare();
    }
}

/// The word on a difference, if there is one.
fn same<T: PartialEq + std::fmt::Debug>(
    what: std::fmt::Arguments<'_>,
    shown: &T,
    expected: &T,
) -> Result<(), String> {
    if shown == expected {
        Ok(())
    } else {
        Err(format!("{what}: shown {shown:?}, expected {expected:?}"))
    }
}

fn play(complete_stream: bool, rolls: &[Roll]) {
    let mut play = Play::new(complete_stream);
    for roll in rolls {
        play.step(roll);
        play.compare();
    }
    play.finish();
}

/// A part of the usual cases, each of which is long. `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: usual.cases.div_ceil(16),
        max_shrink_iters: usual.max_shrink_iters.min(4_000),
        failure_persistence: None,
        ..usual
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn laws_1_to_9_a_complete_stream_equals_its_twin_after_every_step(rolls in rolls()) {
        play(true, &rolls);
    }

    #[test]
    fn laws_1_to_8_a_windowed_stream_equals_its_twin_after_every_step(rolls in rolls()) {
        play(false, &rolls);
    }
}
