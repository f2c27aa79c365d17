//! Keeping to the budget of bytes: which entity of which type is looked at next.
//!
//! One hand goes over the entities of all types in the order in which they came. A few looks for each
//! row that comes in, so that no batch gets long; what is left is worked off by batches of its own.

use std::collections::BTreeSet;

use tidewire_model::{EntityId, EntityKey, EntityType};

use super::{Demote, Desk, Item, Step};
use crate::fetch::Requests;
use crate::overlay::Overlay;
use crate::slots::Line;
use crate::stats::Pressure;
use crate::stream::{Pins, Stream, Touches};
use crate::watch::Watches;

/// How many entities are looked at for each one that came in.
const LOOKS_PER_ROW: usize = 4;

/// How many entities are looked at in one batch that is about nothing else.
const LOOKS_PER_BATCH: usize = 1_024;

/// There is too much: lets go of some of it.
#[derive(Debug)]
pub(crate) struct Shrink {
    left: usize,
    /// Pins may have ended, so that those that were found pinned are looked at again.
    pins_ended: bool,
}

impl Shrink {
    pub(crate) fn new() -> Self {
        Self {
            left: LOOKS_PER_BATCH,
            pins_ended: false,
        }
    }

    /// The same after pins may have ended.
    pub(crate) fn after_pins() -> Self {
        Self {
            pins_ended: true,
            ..Self::new()
        }
    }

    /// Does what another one would have done too.
    pub(crate) fn join(&mut self, other: &Self) {
        self.pins_ended |= other.pins_ended;
    }

    pub(crate) fn step(&mut self, desk: &mut Desk<'_>) -> Step {
        if std::mem::take(&mut self.pins_ended) {
            desk.check_anew();
        }
        while self.left > 0 {
            if !desk.spend() {
                return Step::Paused;
            }
            self.left -= 1;
            if !desk.look() {
                break;
            }
        }
        Step::Done
    }
}

/// A choice among the streams.
type Best = Option<(usize, EntityType)>;

impl Desk<'_> {
    /// Lets go of what there is too much of, for one row that came in, and of nothing that a page on
    /// its way needs.
    pub(crate) fn evict(&mut self, entity_type: &EntityType) {
        self.log_changes();
        for _ in 0..LOOKS_PER_ROW {
            let stream = self.world.stream(entity_type);
            if !stream.is_some_and(Stream::has_many_marks) {
                break;
            }
            self.in_stream(entity_type, |stream, pins, overlay, touches| {
                stream.evict_mark(pins, overlay, touches);
            });
        }
        if self.is_within_budget() {
            return;
        }
        if let Some((_, entity_type)) = self.first_by(|stream| most_in(stream, Line::Pinned)) {
            self.in_stream(&entity_type, |stream, pins, _, touches| {
                stream.recheck_pinned(pins, touches);
            });
        }
        for _ in 0..LOOKS_PER_ROW {
            if !self.look() {
                break;
            }
        }
    }

    /// One look at something that may go. Returns whether another one makes sense.
    fn look(&mut self) -> bool {
        self.log_changes();
        if self.is_within_budget() {
            *self.pressure = Pressure::Within;
            return false;
        }
        if std::mem::replace(self.pressure, Pressure::Over) == Pressure::Within {
            // What has happened since room was short last is not known.
            self.check_anew();
        }
        let at_hand = |stream: &Stream| usize::try_from(stream.base.age_at_hand()?).ok();
        let mut next = self.first_by(|stream| evictable(stream).and_then(at_hand));
        if next.is_none() {
            for entity_type in self.world.types() {
                if let Some((stream, _)) = self.world.edit(&entity_type) {
                    stream.base.begin_round();
                }
            }
            next = self.first_by(|stream| evictable(stream).and_then(at_hand));
        }
        if let Some((_, entity_type)) = next {
            self.in_stream(&entity_type, |stream, pins, overlay, touches| {
                stream.evict_at_hand(pins, overlay, touches);
            });
            return true;
        }
        self.look_further()
    }

    /// Nothing is left that may go by itself.
    fn look_further(&mut self) -> bool {
        let is_left = |stream: &Stream| most_in(evictable(stream)?, Line::Free);
        if self.first_by(is_left).is_some() {
            // It came with this batch, and may go with the next.
            return false;
        }
        let unchecked = |stream: &Stream| {
            let unchecked = stream.base.has_unchecked();
            unchecked.then(|| most_in(stream, Line::Pinned))?
        };
        if let Some((_, entity_type)) = self.first_by(unchecked) {
            self.in_stream(&entity_type, |stream, pins, _, touches| {
                stream.recheck_pinned(pins, touches);
            });
            return true;
        }
        if let Some((_, entity_type)) = self.first_by(|stream| most_in(stream, Line::Absent)) {
            self.in_stream(&entity_type, |stream, pins, overlay, touches| {
                stream.evict_mark(pins, overlay, touches);
            });
            return true;
        }
        let whole = |stream: &Stream| {
            let bytes = stream.is_whole().then(|| stream.counted_bytes())?;
            // Something of it must be gained.
            (stream.base.line(Line::Free).0 > 0).then_some(usize::MAX - bytes)
        };
        if let Some((_, entity_type)) = self.first_by(whole) {
            // Not amid the work on it.
            let is_it = |item: &Item| matches!(item, Item::Demote(one) if one.is_of(&entity_type));
            if !self.later.iter().any(is_it) {
                self.later.push_back(Item::Demote(Demote::new(entity_type)));
            }
            return false;
        }
        *self.pressure = Pressure::Pinned;
        false
    }

    /// Those that were found pinned are looked at again.
    fn check_anew(&mut self) {
        for entity_type in self.world.types() {
            if let Some((stream, _)) = self.world.edit(&entity_type) {
                stream.base.check_anew();
            }
        }
    }

    fn is_within_budget(&self) -> bool {
        self.world.counted_bytes() <= self.max_bytes
    }

    /// The stream with the least number, the first of them by name.
    fn first_by(&self, number: impl Fn(&Stream) -> Option<usize>) -> Best {
        let numbered = self.world.streams();
        let numbered = numbered.filter_map(|stream| Some((number(stream)?, &stream.name)));
        let (least, name) = numbered.min()?;
        Some((least, name.clone()))
    }

    fn in_stream<R>(
        &mut self,
        entity_type: &EntityType,
        work: impl FnOnce(&mut Stream, &TypePins<'_>, &Overlay, &mut Touches) -> R,
    ) -> Option<R> {
        let pins = TypePins {
            watches: self.watches,
            requests: self.requests,
            own: self.own,
            entity_type,
        };
        let (stream, overlay) = self.world.edit(entity_type)?;
        Some(work(stream, &pins, overlay, &mut self.touches))
    }
}

/// What is needed outside the streams of one type.
struct TypePins<'a> {
    watches: &'a Watches,
    requests: &'a Requests,
    own: &'a BTreeSet<EntityKey>,
    entity_type: &'a EntityType,
}

impl Pins for TypePins<'_> {
    fn is_pinned(&self, id: &EntityId) -> bool {
        let key = EntityKey::new(self.entity_type.clone(), id.clone());
        self.watches.has_entity(&key)
            || self.own.contains(&key)
            || self.requests.needs(self.entity_type, id)
    }
}

/// A stream whose entities may go one by one.
fn evictable(stream: &Stream) -> Option<&Stream> {
    (!stream.is_whole()).then_some(stream)
}

/// A number that is the less, the more the budget counts for a line; none for an empty one.
fn most_in(stream: &Stream, line: Line) -> Option<usize> {
    let (len, bytes) = stream.base.line(line);
    (len > 0).then_some(usize::MAX - bytes)
}
