//! The knowledge table: what each kind of input does to what is known of one entity.
//!
//! Points decide, never clocks, arrival order or kinds of message. Each clause here says its row of
//! the table in words; lists react in their own place.

use std::cmp::Ordering;

use tidewire_model::{Base, Change, ChangeBody, EntityId, Offset, Patch, Record, Tick, Version};

use crate::base::{Entry, Image, Mark, Moment, Origin, later};
use crate::fetch::RunKey;
use crate::overlay::Overlay;
use crate::run::{Cause, News};
use crate::settings::Versions;
use crate::slots::SlotNumber;
use crate::stream::{Stream, Touches};
use crate::trust::StaleReason;

/// What goes with a change beside the change itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) now: Tick,
    /// The point of the commit.
    pub(crate) offset: Offset,
    /// A moment newer than every request under way.
    pub(crate) moment: Moment,
    /// Another change of the same commit has touched this entity.
    pub(crate) again: bool,
}

/// What goes with a row of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lesson<'a> {
    pub(crate) now: Tick,
    /// The point the answer speaks for, where it has one.
    pub(crate) at: Option<crate::base::At>,
    /// When the request began.
    pub(crate) begun: Moment,
    /// A moment newer than every request under way.
    pub(crate) moment: Moment,
    /// The run the answer was asked for.
    pub(crate) home: Option<&'a RunKey>,
    pub(crate) origin: Origin,
}

impl Lesson<'_> {
    /// Whether a row differs from what is held because something changed. Without versions two lists
    /// could find each other's rows changed for ever, where the server makes some field anew for each
    /// answer; so a page of an opaque list does not tell then.
    fn shows_change(&self, held: &Entry, row: Option<(&Record, Option<Version>)>) -> bool {
        let is_told_by_list = self.home.is_some_and(|home| home.query().is_opaque());
        match (&held.image, row) {
            (Image::Present(old), Some((new, version))) => match (held.version, version) {
                (Some(old), Some(new)) => old != new,
                _ => !is_told_by_list && old != new,
            },
            (Image::Present(_), None) | (Image::Absent, Some(_)) => true,
            (Image::Unknown, _) | (Image::Absent, None) => false,
        }
    }
}

/// What a change makes of an entry.
enum Verdict {
    /// The change is not newer than what is known.
    Ignored,
    /// The entity after it is known.
    Known(Entry),
    /// Something changed that cannot be worked out from what is held.
    Doubtful(Entry),
}

impl Stream {
    /// One change of a commit.
    pub(crate) fn apply_change(
        &mut self,
        change: &Change,
        arrival: Arrival,
        overlay: &Overlay,
        touches: &mut Touches,
    ) {
        let id = &change.key.id;
        let found = self.find(id);
        let held = found.as_ref().map(|(_, entry)| self.comparable(entry));
        let era = self.standing.era;
        // Any change, k <= known_at: ignored, unless its own commit has set known_at. A list may
        // not count it yet, though.
        let known = held.as_ref().and_then(|entry| entry.known(era));
        if known.is_some_and(|known| arrival.offset <= known) && !arrival.again {
            self.tell_old_news(change, arrival, touches);
            self.note_told(self.standing.at(arrival.offset), arrival.now, touches);
            return;
        }
        let before = self.before(change, held.as_ref());
        let let_go = known.is_none() && self.floor(held.as_ref()) > Some(arrival.offset);
        let entry = held.unwrap_or_else(|| Entry::unknown(arrival.now));
        let verdict = if let_go {
            // Something newer may have been known of it and let go: nothing older is believed.
            self.doubtful(entry, arrival)
        } else {
            self.decide(change, arrival, entry)
        };
        let (entry, after) = match verdict {
            Verdict::Ignored => return,
            Verdict::Known(entry) => {
                let after = entry.image.clone();
                (entry, after)
            }
            Verdict::Doubtful(entry) => (entry, told_after(change)),
        };
        let patch = patch_of(change);
        let news = News {
            at: self.standing.at(arrival.offset),
            before,
            after,
            patch,
        };
        let cause = Cause::Told(&news);
        self.put_over(id, (found, Some(&entry)), overlay, cause, touches);
        self.note_told(news.at, arrival.now, touches);
    }

    /// One row of an answer, or the word that there is none. Returns whether it was believed.
    pub(crate) fn apply_row(
        &mut self,
        id: &EntityId,
        row: Option<(&Record, Option<Version>)>,
        lesson: Lesson<'_>,
        overlay: &Overlay,
        touches: &mut Touches,
    ) -> bool {
        let found = self.find(id);
        let held = found.as_ref().map(|(_, entry)| self.comparable(entry));
        let version = row.and_then(|(_, version)| version);
        if !self.believes(held.as_ref(), version, lesson) {
            return false;
        }
        // Believed: record or absent; known_at := a.
        let shows_change = !self.is_live()
            && held
                .as_ref()
                .is_some_and(|held| lesson.shows_change(held, row));
        let mut entry = held.unwrap_or_else(|| Entry::unknown(lesson.now));
        match row {
            Some((record, version)) => {
                entry.image = keep_if_equal(entry.image, record);
                entry.version = version;
            }
            None => entry.image = Image::Absent,
        }
        entry.known_at = lesson.at;
        entry.learnt = lesson.now;
        entry.origin = lesson.origin;
        entry.fetched = entry.fetched.max(lesson.begun);
        entry.confirmed = entry.confirmed.max(lesson.begun);
        entry.mark = entry.mark.filter(|mark| mark.moment > lesson.begun);
        let mark = Mark {
            moment: lesson.moment,
            why: StaleReason::Marked,
        };
        let cause = Cause::Learnt {
            at: lesson.at,
            home: lesson.home,
            mark,
        };
        self.put_over(id, (found, Some(&entry)), overlay, cause, touches);
        if shows_change {
            self.note_learnt(lesson.begun, lesson.now, touches);
        }
        true
    }

    /// What is held of an entity, and its slot.
    fn find(&self, id: &EntityId) -> Option<(SlotNumber, Entry)> {
        self.base.look_up(id, |kept| Entry::from(kept))
    }

    /// What is held of an entity; a version of an earlier epoch is none.
    fn comparable(&self, entry: &Entry) -> Entry {
        Entry {
            version: entry.version_in(self.standing.era),
            ..entry.clone()
        }
    }

    /// Up to where something is known of an entity, or, with no image held, may have been: what was
    /// let go, and what a complete stream does not hold, which is known to be absent up to its
    /// snapshot at least.
    fn floor(&self, held: Option<&Entry>) -> Option<Offset> {
        match held.filter(|entry| entry.image != Image::Unknown) {
            Some(entry) => entry.known(self.standing.era),
            None => self.standing.forgotten.max(self.standing.snapped_at()),
        }
    }

    /// Row or missing, as of a: believed when a >= known_at, or, with no image, a >= forgotten.
    fn believes(&self, held: Option<&Entry>, version: Option<Version>, lesson: Lesson<'_>) -> bool {
        let era = self.standing.era;
        let at = lesson.at.and_then(|at| at.within(era));
        if lesson.at.is_some() && at.is_none() {
            return false;
        }
        if self
            .floor(held)
            .is_some_and(|floor| at.is_none_or(|at| at < floor))
        {
            return false;
        }
        // A peer whose points are made here may answer from an older copy: a version tells.
        // What is doubtful takes any answer, or a peer that counts anew would never be believed.
        let sound = held.filter(|entry| entry.image != Image::Absent && !entry.is_doubtful(era));
        let held_version = sound.and_then(|entry| entry.version);
        !(self.has_client_points()
            && matches!((version, held_version), (Some(new), Some(old)) if new < old))
    }

    /// Marks an entity as out of date. What is not held needs no mark: nothing is believed of it.
    pub(crate) fn mark(
        &mut self,
        id: &EntityId,
        mark: Mark,
        overlay: &Overlay,
        touches: &mut Touches,
    ) {
        let Some(mut entry) = self.base.get(id) else {
            return;
        };
        entry.mark = Some(mark);
        self.put(id, Some(&entry), overlay, Cause::Marked, touches);
    }

    /// Takes what pending actions make of an entity as if the server had confirmed it, with a mark.
    pub(crate) fn absorb_prediction(
        &mut self,
        id: &EntityId,
        overlay: &Overlay,
        touches: &mut Touches,
    ) {
        let held = self
            .base
            .get(id)
            .unwrap_or_else(|| Entry::unknown(Tick::ZERO));
        let image = self.view_image(id);
        if image == Image::Unknown {
            return;
        }
        let known_at = self
            .standing
            .applied
            .map(|applied| self.standing.at(applied));
        let mark = Some(Mark {
            moment: held.confirmed,
            why: StaleReason::Marked,
        });
        self.put(
            id,
            Some(&Entry {
                image,
                known_at,
                mark,
                origin: Origin::Prediction,
                ..held
            }),
            overlay,
            Cause::Overlay,
            touches,
        );
    }

    /// A change of an entity of which something newer is known.
    fn tell_old_news(&mut self, change: &Change, arrival: Arrival, touches: &mut Touches) {
        let patch = patch_of(change);
        let before = told_before(change).unwrap_or(Image::Unknown);
        let after = told_after(change);
        let news = News {
            at: self.standing.at(arrival.offset),
            before,
            after,
            patch,
        };
        self.tell_totals(&change.key.id, &news, touches);
    }

    fn decide(&self, change: &Change, arrival: Arrival, held: Entry) -> Verdict {
        let version = change.version;
        match &change.body {
            // Whole record: record, version, known_at := k.
            ChangeBody::Put { record, .. }
            | ChangeBody::Merge {
                after: Some(record),
                ..
            } => {
                match self.order_of_versions(version, &held) {
                    Ordering::Greater => {}
                    Ordering::Equal => return Verdict::Ignored,
                    Ordering::Less => return Verdict::Doubtful(missed_version(held, arrival)),
                }
                let image = keep_if_equal(held.image.clone(), record);
                let entry = self.settled(&held, image, version, arrival);
                Verdict::Known(Entry {
                    mark: None,
                    confirmed: arrival.moment,
                    ..entry
                })
            }
            ChangeBody::Merge {
                patch, after: None, ..
            } => self.decide_merge(change, patch, arrival, held),
            // Deleted: absent; known_at := k.
            ChangeBody::Remove { .. } => {
                if self.has_client_points()
                    && matches!((version, held.version), (Some(new), Some(old)) if new < old)
                {
                    return Verdict::Ignored;
                }
                let version = version.or(held.version);
                let entry = self.settled(&held, Image::Absent, version, arrival);
                Verdict::Known(Entry {
                    mark: None,
                    confirmed: arrival.moment,
                    ..entry
                })
            }
            // Stale: stale_at := k.
            ChangeBody::Stale => self.doubtful(held, arrival),
        }
    }

    fn decide_merge(
        &self,
        change: &Change,
        patch: &Patch,
        arrival: Arrival,
        held: Entry,
    ) -> Verdict {
        let Image::Present(record) = &held.image else {
            // Not held: an update never creates, and never lifts an absent mark.
            return self.doubtful(held, arrival);
        };
        let missed = match change.base {
            Base::Exactly(base) if held.version == Some(base) => false,
            // A second change in one commit builds on the first.
            Base::Exactly(_) if arrival.again => false,
            Base::Exactly(_) => return self.doubtful(held, arrival),
            Base::None if !self.has_client_points() => return self.doubtful(held, arrival),
            Base::None => false,
            Base::AnyLower => match (change.version, held.version) {
                (Some(new), Some(old)) if new <= old => return Verdict::Ignored,
                (Some(new), Some(old)) => {
                    new != old.next() && self.settings.versions == Versions::Consecutive
                }
                _ => false,
            },
        };
        // On its base: merged; version, known_at := k.
        let image = Image::Present(record.merge(patch));
        let version = change.version.or(held.version);
        let mut entry = self.settled(&held, image, version, arrival);
        if missed {
            entry = missed_version(entry, arrival);
        }
        Verdict::Known(entry)
    }

    /// How a whole record stands to what is held, as far as versions of a peer without points
    /// tell. A creation lifts any absent mark.
    fn order_of_versions(&self, version: Option<Version>, held: &Entry) -> Ordering {
        match (version, held.version) {
            (Some(new), Some(old)) if self.has_client_points() && held.image != Image::Absent => {
                new.cmp(&old)
            }
            _ => Ordering::Greater,
        }
    }

    fn settled(
        &self,
        held: &Entry,
        image: Image,
        version: Option<Version>,
        arrival: Arrival,
    ) -> Entry {
        let known_at = Some(self.standing.at(arrival.offset));
        Entry {
            image,
            version,
            known_at,
            learnt: arrival.now,
            origin: Origin::Push,
            ..held.clone()
        }
    }

    /// Keep the image; stale_at := k.
    fn doubtful(&self, held: Entry, arrival: Arrival) -> Verdict {
        let stale_at = later(held.stale_at, self.standing.at(arrival.offset));
        Verdict::Doubtful(Entry {
            stale_at: Some(stale_at),
            ..held
        })
    }

    /// The entity right before a change, as the server had it.
    fn before(&self, change: &Change, held: Option<&Entry>) -> Image {
        let Some(entry) = held else {
            let unseen = if self.standing.complete.is_some() {
                Image::Absent
            } else {
                Image::Unknown
            };
            return told_before(change).unwrap_or(unseen);
        };
        let matching = matches!(change.base, Base::Exactly(base) if entry.version == Some(base));
        let sound = !entry.is_doubtful(self.standing.era);
        let current = matching
            || (sound && (self.has_client_points() || self.standing.covers(entry.known_at)));
        if current && entry.image != Image::Unknown {
            return entry.image.clone();
        }
        told_before(change).unwrap_or(Image::Unknown)
    }
}

/// Keep what is held, and ask.
fn missed_version(held: Entry, arrival: Arrival) -> Entry {
    Entry {
        mark: Some(Mark {
            moment: arrival.moment,
            why: StaleReason::MissedVersion,
        }),
        ..held
    }
}

/// The entity before a change, where the change itself tells. A creation tells that there was none.
fn told_before(change: &Change) -> Option<Image> {
    match (change.before_image(), &change.body) {
        (Some(record), _) => Some(Image::Present(record)),
        (None, ChangeBody::Put { .. }) => Some(Image::Absent),
        (None, _) => None,
    }
}

/// The entity after a change, where the change itself tells.
fn told_after(change: &Change) -> Image {
    match (change.after_image(), &change.body) {
        (Some(record), _) => Image::Present(record.clone()),
        (None, ChangeBody::Remove { .. }) => Image::Absent,
        (None, _) => Image::Unknown,
    }
}

/// The fields a change touches, where it tells.
fn patch_of(change: &Change) -> Option<&Patch> {
    if let ChangeBody::Merge { patch, .. } = &change.body {
        Some(patch)
    } else {
        None
    }
}

/// An equal record keeps its memory, so that what did not change is not taken for new.
fn keep_if_equal(held: Image, record: &Record) -> Image {
    match held {
        Image::Present(old) if old == *record => Image::Present(old),
        _ => Image::Present(record.clone()),
    }
}
