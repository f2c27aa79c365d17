//! Lists that only the server can evaluate against a naive twin and against the server itself, over
//! random sequences of commits, answers, own writes, losses and time.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
use tidewire_cache::{
    Attached, DetachReason, FetchTicket, Intake, Settings, StaleReason, Target, Trust, Wanted,
    WatchId,
};
use tidewire_model::{Change, Effect, EffectBody, Query, Row, Start, Tick};

use crate::support::{
    Rig, commit, create, echo, effect, point, put, remove, row, set, things, windowed,
};

const QUIET: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
struct Roll {
    kind: u8,
    which: u8,
    n: i8,
    millis: u16,
}

fn rolls() -> impl Strategy<Value = Vec<Roll>> {
    let roll = (0..100_u8, any::<u8>(), -9..9_i8, 0..1_500_u16);
    proptest::collection::vec(
        roll.prop_map(|(kind, which, n, millis)| Roll {
            kind,
            which,
            n,
            millis,
        }),
        120..200,
    )
}

fn queries() -> [Query; 2] {
    let opaque = |name: &str| Query::new(things()).opaque("pick", name);
    [opaque("even").limit(3), opaque("all").offset(1).limit(4)]
}

/// The truth: what the server has after each commit.
#[derive(Debug, Clone, Default)]
struct Server {
    /// By offset: entities with their number and version.
    states: Vec<BTreeMap<String, (i64, u64)>>,
}

impl Server {
    fn head(&self) -> u64 {
        self.states.len() as u64 - 1
    }

    /// What the server alone knows: who is in a list, and in which order.
    fn members(&self, offset: u64, query: &Query) -> Vec<Row> {
        let state = &self.states[usize::try_from(offset).unwrap()];
        let mut rows: Vec<Row> = state
            .iter()
            .map(|(name, (n, version))| row(name, *n, *version))
            .collect();
        if query.to_string().contains("even") {
            rows.retain(|row| row.record.get("n").unwrap().as_i64().unwrap() % 2 == 0);
            rows.sort_by_key(|row| std::cmp::Reverse(row.record.get("n").unwrap().as_i64()));
        } else {
            rows.reverse();
        }
        rows
    }

    /// A page, with the total and whether nothing follows.
    fn page(&self, offset: u64, query: &Query) -> (Vec<Row>, u64, bool) {
        let members = self.members(offset, query);
        let Start::Offset(skip) = query.start() else {
            panic!("no list here begins after a row");
        };
        let (skip, total) = (usize::try_from(*skip).unwrap(), members.len());
        let limit = usize::try_from(query.row_limit().unwrap()).unwrap();
        let rows: Vec<Row> = members.into_iter().skip(skip).take(limit).collect();
        let end = skip + rows.len() >= total;
        (rows, total as u64, end)
    }
}

/// What travels to the client, in order.
#[derive(Debug, Clone)]
enum Message {
    Commit(u64, Vec<Change>, Option<u64>),
    Page {
        list: usize,
        begun: u64,
        ticket: FetchTicket,
        as_of: u64,
        page: (Vec<Row>, u64, bool),
    },
    Marked(u64),
    Lost,
    Resumed,
}

/// What is to be seen of one list.
#[derive(Debug, Clone, Default)]
struct Seen {
    rows: Vec<String>,
    total: u64,
    as_of: u64,
    /// When its page was asked for, counted in requests and marks.
    begun: u64,
}

/// The twin: plain maps, every rule where it applies, nothing kept in step.
#[derive(Debug, Default)]
struct Twin {
    /// Up to where each entity is known, and whether it is there.
    known: BTreeMap<String, (u64, bool)>,
    lists: [Option<Seen>; 2],
    /// When each commit showed.
    changes: Vec<(Tick, u64)>,
    marked: u64,
    live: bool,
    pending: Vec<(u64, String, Effect)>,
}

impl Twin {
    fn apply(&mut self, now: Tick, message: &Message) {
        match message {
            Message::Commit(offset, changes, action) => {
                for change in changes {
                    let name = change.key.id.to_string();
                    let is_there = change.after_image().is_some()
                        || matches!(change.body, tidewire_model::ChangeBody::Put { .. });
                    self.known.insert(name.clone(), (*offset, is_there));
                    for seen in self.lists.iter_mut().flatten() {
                        let before = seen.rows.len();
                        seen.rows.retain(|held| is_there || *held != name);
                        seen.total -= (before - seen.rows.len()) as u64;
                    }
                }
                if !changes.is_empty() {
                    self.changes.push((now, *offset));
                }
                self.pending
                    .retain(|(number, _, _)| Some(*number) != *action);
            }
            Message::Page {
                list,
                begun,
                as_of,
                page,
                ..
            } => {
                let (rows, mut total, _) = page.clone();
                let mut held = Vec::new();
                for row in rows {
                    let name = row.id.to_string();
                    let known = self.known.entry(name.clone()).or_insert((*as_of, true));
                    if known.0 <= *as_of {
                        *known = (*as_of, true);
                    }
                    if known.1 {
                        held.push(name);
                    } else {
                        total -= 1;
                    }
                }
                self.lists[*list] = Some(Seen {
                    rows: held,
                    total,
                    as_of: *as_of,
                    begun: *begun,
                });
            }
            Message::Marked(moment) => self.marked = *moment,
            Message::Lost => self.live = false,
            Message::Resumed => {}
        }
    }

    fn is_hidden(&self, name: &str) -> bool {
        let mut is_there = true;
        for (_, _, effect) in self.pending.iter().filter(|(_, of, _)| of == name) {
            is_there = match effect.body {
                EffectBody::Remove => false,
                EffectBody::Put(_) => true,
                _ => is_there,
            };
        }
        !is_there
    }

    fn is_outrun(&self, seen: &Seen) -> bool {
        self.changes.iter().any(|(_, offset)| *offset > seen.as_of)
    }

    /// Up to which commit the lists may be asked for again, from the times alone.
    fn due(&self, now: Tick) -> u64 {
        let (mut due, mut burst, mut newest) = (0, None::<(Tick, Tick)>, 0);
        let ends = |(first, last): (Tick, Tick)| (last + QUIET).min(first + WAIT_MAX);
        for (at, offset) in &self.changes {
            burst = match burst {
                Some(burst) if ends(burst) > *at => Some((burst.0, *at)),
                _ => {
                    due = newest;
                    Some((*at, *at))
                }
            };
            newest = *offset;
        }
        if burst.is_none_or(|burst| ends(burst) <= now) {
            newest
        } else {
            due
        }
    }
}

struct Play {
    rig: Rig,
    server: Server,
    twin: Twin,
    /// On the way to the client.
    channel: VecDeque<Message>,
    /// Taken by the client, not shown yet.
    taken: Vec<Message>,
    /// Requests the server has not looked at, and answers it has not sent.
    asked: Vec<(usize, u64, FetchTicket, Query)>,
    answers: Vec<Message>,
    watchers: [Option<WatchId>; 2],
    /// Rises with each request and each mark.
    moment: u64,
    actions: u64,
}

impl Play {
    fn new() -> Self {
        let bounds = Settings {
            refill_rows: 1,
            ..Settings::default()
        };
        let mut rig = Rig::with(bounds, windowed());
        let mut server = Server::default();
        server.states.push(BTreeMap::new());
        for n in 1..6_i64 {
            let mut state = server.states.last().unwrap().clone();
            state.insert(format!("e{n}"), (n, server.states.len() as u64));
            server.states.push(state);
        }
        rig.subscribe(Attached::Now, server.head(), server.head());
        let watchers = queries().map(|query| Some(rig.cache.watch(Target::List(query))));
        rig.flush();
        Self {
            rig,
            server,
            twin: Twin {
                live: true,
                ..Twin::default()
            },
            channel: VecDeque::new(),
            taken: Vec::new(),
            asked: Vec::new(),
            answers: Vec::new(),
            watchers,
            moment: 0,
            actions: 0,
        }
    }

    fn step(&mut self, roll: &Roll) {
        let Roll {
            which, n, millis, ..
        } = roll;
        let name = format!("e{}", which % 8);
        match roll.kind {
            0..16 => self.write(&[(name, i64::from(*n), which % 3 == 0)], None),
            16..19 => {
                let many = (0..8).map(|at| (format!("e{at}"), i64::from(*n) + at, at % 2 == 0));
                self.write(&many.collect::<Vec<_>>(), None);
            }
            19..40 => self.deliver(),
            40..46 => {
                self.rig.cache.work(self.rig.now, usize::from(which % 5));
            }
            46..58 => self.show(),
            58..70 => {
                self.show();
                self.rig.pass(u64::from(*millis));
            }
            70..78 => self.ask(),
            78..83 => self.look(),
            83..88 => self.send(),
            88..92 => self.act(&name, i64::from(*n), *which),
            92..95 => self.settle(*which),
            95..97 => self.lose(),
            97 => {
                self.moment += 1;
                self.rig.take(Intake::Stale {
                    entity_type: things(),
                    ids: None,
                });
                self.taken.push(Message::Marked(self.moment));
            }
            _ => self.toggle(usize::from(which % 2)),
        }
    }

    /// A commit of the server: each entity written or deleted.
    fn write(&mut self, writes: &[(String, i64, bool)], action: Option<u64>) {
        let offset = self.server.head() + 1;
        let mut state = self.server.states.last().unwrap().clone();
        let mut changes = Vec::new();
        for (name, n, deleted) in writes {
            if !deleted {
                state.insert(name.clone(), (*n, offset));
                changes.push(put(name, *n, offset));
            } else if state.remove(name).is_some() {
                changes.push(remove(name, offset));
            }
        }
        if changes.is_empty() && action.is_none() {
            return;
        }
        self.server.states.push(state);
        self.channel
            .push_back(Message::Commit(offset, changes, action));
    }

    fn deliver(&mut self) {
        let Some(message) = self.channel.pop_front() else {
            return;
        };
        match &message {
            Message::Commit(offset, changes, action) => {
                let echoes = action.iter().map(|number| echo(*number)).collect();
                let commit = tidewire_cache::Commit {
                    echoes,
                    ..commit(*offset, changes.clone())
                };
                self.rig.take(Intake::Commit(commit));
            }
            Message::Page {
                ticket,
                as_of,
                page,
                ..
            } => {
                let (rows, total, end) = page.clone();
                self.rig
                    .page(*ticket, Some(point(*as_of)), rows, Some(total), end);
            }
            Message::Marked(_) | Message::Lost | Message::Resumed => {}
        }
        self.taken.push(message);
    }

    /// Everything taken becomes visible, and is compared.
    fn show(&mut self) {
        self.rig.flush();
        for message in std::mem::take(&mut self.taken) {
            self.twin.apply(self.rig.now, &message);
        }
        self.twin.live = self.rig.reader.read(|snapshot| snapshot.is_live(&things()));
        self.compare();
    }

    fn ask(&mut self) {
        for wanted in self.rig.wants() {
            if let Wanted::Page { query, .. } = &wanted {
                self.moment += 1;
                let list = usize::from(!query.to_string().contains("even"));
                let ticket = self.rig.begin(&wanted);
                self.asked.push((list, self.moment, ticket, query.clone()));
            }
        }
    }

    /// The server answers what it was asked, by what it has now; the answer waits.
    fn look(&mut self) {
        let as_of = self.server.head();
        for (list, begun, ticket, query) in std::mem::take(&mut self.asked) {
            let page = self.server.page(as_of, &query);
            self.answers.push(Message::Page {
                list,
                begun,
                ticket,
                as_of,
                page,
            });
        }
    }

    fn send(&mut self) {
        self.channel.extend(self.answers.drain(..));
    }

    fn act(&mut self, name: &str, n: i64, which: u8) {
        self.actions += 1;
        let effect = match which % 3 {
            0 => effect(name, EffectBody::Remove),
            1 => create(name, n),
            _ => set(name, json!({"n": n})),
        };
        self.rig.add(self.actions, vec![effect.clone()]);
        self.twin
            .pending
            .push((self.actions, name.to_owned(), effect));
        if self.taken.is_empty() {
            self.show();
        }
    }

    /// The oldest action is refused, or its commit comes.
    fn settle(&mut self, which: u8) {
        let on_its_way = |number: u64| {
            let messages = self.channel.iter().chain(&self.taken);
            let mut actions = messages.filter_map(|message| match message {
                Message::Commit(_, _, action) => *action,
                _ => None,
            });
            actions.any(|action| action == number)
        };
        let next = self
            .twin
            .pending
            .iter()
            .find(|(number, _, _)| !on_its_way(*number));
        let Some((number, name, effect)) = next.cloned() else {
            return;
        };
        if which.is_multiple_of(2) {
            self.rig.refuse(number);
            self.twin.pending.retain(|(other, _, _)| *other != number);
            if self.taken.is_empty() {
                self.show();
            }
            return;
        }
        let deleted = matches!(effect.body, EffectBody::Remove);
        self.write(&[(name, i64::from(which), deleted)], Some(number));
    }

    /// The connection is lost and the stream resumed: what was on its way comes again, answers do not.
    fn lose(&mut self) {
        self.show();
        let (asked, answers) = (
            std::mem::take(&mut self.asked),
            std::mem::take(&mut self.answers),
        );
        let (commits, pages): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.channel)
            .into_iter()
            .partition(|message| matches!(message, Message::Commit(..)));
        self.channel = commits;
        let unanswered = asked.into_iter().map(|(_, _, ticket, _)| ticket);
        let lost = answers
            .into_iter()
            .chain(pages)
            .filter_map(|message| match message {
                Message::Page { ticket, .. } => Some(ticket),
                _ => None,
            });
        for ticket in unanswered.chain(lost) {
            self.rig.cache.fail_fetch(self.rig.now, ticket);
        }
        self.rig.detach(DetachReason::Disconnected);
        self.taken.push(Message::Lost);
        self.show();
        let applied = self.rig.cache.applied(&things()).unwrap().offset.get();
        self.rig
            .subscribe(Attached::Resumed, applied, self.server.head());
        self.taken.push(Message::Resumed);
        self.show();
    }

    fn toggle(&mut self, list: usize) {
        self.show();
        match self.watchers[list].take() {
            Some(watcher) => {
                self.rig.cache.unwatch(watcher);
                self.twin.lists[list] = None;
                self.asked.retain(|(of, ..)| *of != list);
                let is_other = |message: &Message| !matches!(message, Message::Page { list: of, .. } if *of == list);
                self.answers.retain(is_other);
                self.channel.retain(is_other);
            }
            None => {
                let target = Target::List(queries()[list].clone());
                self.watchers[list] = Some(self.rig.cache.watch(target));
            }
        }
        self.show();
    }

    fn is_under_way(&self, list: usize) -> bool {
        let mut messages = self.answers.iter().chain(&self.channel);
        messages.any(|message| matches!(message, Message::Page { list: of, .. } if *of == list))
            || self.asked.iter().any(|(of, ..)| *of == list)
    }

    fn compare(&self) {
        for (list, query) in queries().iter().enumerate() {
            self.compare_list(list, query);
        }
        let wanted = |list: usize| {
            let seen = &self.twin.lists[list];
            let is_good = seen.as_ref().is_some_and(|seen| {
                self.twin.marked <= seen.begun && self.twin.due(self.rig.now) <= seen.as_of
            });
            self.watchers[list].is_some() && !self.is_under_way(list) && !is_good
        };
        let wants = self.rig.wants();
        for (list, query) in queries().iter().enumerate() {
            let run = tidewire_cache::RunKey::of(query);
            let is_wanted =
                |want: &Wanted| matches!(want, Wanted::Page { run: of, .. } if *of == run);
            assert_eq!(
                wants.iter().any(is_wanted),
                wanted(list),
                "list {list}: {wants:?}"
            );
        }
        // Whatever waits for a burst to end is wanted at the time that is named for it.
        if let Some(next) = self.rig.cache.next_requery(self.rig.now) {
            assert!(self.twin.due(next) > self.twin.due(self.rig.now));
        }
    }

    fn compare_list(&self, list: usize, query: &Query) {
        let reading = self.rig.list(query);
        let ids: Vec<String> = reading.rows.iter().map(|row| row.id.to_string()).collect();
        let Some(seen) = &self.twin.lists[list] else {
            assert_eq!(
                (reading.known, ids, reading.trust),
                (false, Vec::new(), Trust::Unknown)
            );
            return;
        };
        let limit = usize::try_from(query.row_limit().unwrap()).unwrap();
        let shown = seen.rows.iter().filter(|name| !self.twin.is_hidden(name));
        let hidden = (seen.rows.len() - shown.clone().count()) as u64;
        let expected: Vec<String> = shown.take(limit).cloned().collect();
        assert_eq!(ids, expected, "the rows of list {list}");
        let (outrun, pending) = (self.twin.is_outrun(seen), !self.twin.pending.is_empty());
        let total = (reading.total_count, reading.total_exact);
        assert_eq!(
            total,
            (Some(seen.total - hidden), !outrun && !pending),
            "list {list}"
        );
        for row in &reading.rows {
            // Law 2.
            let one = self.rig.get(row.id.as_str());
            assert_eq!(one.presence.record(), Some(&row.record));
            assert_eq!((one.version, one.pending), (row.version, row.pending));
        }
        let (sound, live) = (self.twin.marked <= seen.begun, self.twin.live);
        let own = reading.rows.iter().any(|row| row.pending);
        match reading.trust {
            Trust::Live => {
                assert!(live && sound && !outrun, "list {list} is not live");
                self.compare_with_server(query, &ids, total);
            }
            Trust::Stale(StaleReason::MembersUnknown) => assert!(live && sound && outrun),
            Trust::Stale(_) => assert!(!live || !sound || own, "{:?}", reading.trust),
            other => panic!("list {list} is {other}"),
        }
    }

    /// A live list is the one the server has at the applied point, less what own writes delete.
    fn compare_with_server(&self, query: &Query, ids: &[String], total: (Option<u64>, bool)) {
        let applied = self.rig.cache.applied(&things()).unwrap().offset.get();
        let limit = query.row_limit().unwrap();
        let (rows, count, _) = self.server.page(applied, &query.clone().limit(limit + 1));
        let names = rows.iter().map(|row| row.id.to_string());
        let seen = names.filter(|name| !self.twin.is_hidden(name));
        let expected: Vec<String> = seen.take(usize::try_from(limit).unwrap()).collect();
        assert_eq!(ids, expected);
        if total.1 {
            assert_eq!(total.0, Some(count));
        }
    }

    /// Faults and changes stop.
    fn come_to_rest(&mut self) {
        for number in std::mem::take(&mut self.twin.pending)
            .into_iter()
            .map(|(number, ..)| number)
        {
            self.rig.refuse(number);
        }
        for _ in 0..4 {
            self.look();
            self.send();
            while !self.channel.is_empty() {
                self.deliver();
            }
            self.show();
            self.rig.pass(5_000);
            self.ask();
        }
        assert!(self.asked.is_empty(), "nothing is asked for without end");
        for (list, query) in queries().iter().enumerate() {
            if self.watchers[list].is_some() {
                assert_eq!(self.rig.list(query).trust, Trust::Live);
            }
        }
    }
}

proptest! {
    #[test]
    fn laws_2_6_11_15_and_16_lists_that_only_the_server_can_evaluate_equal_their_twin(rolls in rolls()) {
        let mut play = Play::new();
        for roll in &rolls {
            play.step(roll);
        }
        play.come_to_rest();
        for watcher in play.watchers.into_iter().flatten() {
            play.rig.cache.unwatch(watcher);
        }
        play.rig.flush();
        let stats = play.rig.cache.stats();
        prop_assert_eq!((stats.runs, stats.run_rows, stats.requests), (0, 0, 0));
    }
}
