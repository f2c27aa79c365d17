//! What is known of one entity: its image, how new it is, and what speaks against it.
//!
//! Holds single entries; which entries there are is the stream's business.

use tidewire_model::{Offset, Record, Tick, Version};

use crate::standing::Evidence;
use crate::trust::StaleReason;

/// A moment of this cache's own: rises with each local mark and with each accepted action, so that
/// "asked after that" can be told without a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Moment(pub(crate) u64);

/// An offset and the era it belongs to. An era is an epoch, numbered in the order of arrival here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) era: u32,
    pub(crate) offset: Offset,
}

impl At {
    /// The offset, if it can be compared with offsets of this era.
    pub(crate) fn within(self, era: u32) -> Option<Offset> {
        (self.era == era).then_some(self.offset)
    }
}

/// The newer of two points; one that cannot be compared with the newer era counts as none.
pub(crate) fn later(old: Option<At>, new: At) -> At {
    match old {
        Some(old) if old.era == new.era && old.offset > new.offset => old,
        _ => new,
    }
}

/// Stale from this moment on, until it is asked for after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) moment: Moment,
    pub(crate) why: StaleReason,
}

/// What an entity looks like, as far as known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Image {
    /// Nothing is known.
    #[default]
    Unknown,
    /// It is known to be deleted or out of sight.
    Absent,
    /// It is there.
    Present(Record),
}

impl Image {
    pub(crate) fn record(&self) -> Option<&Record> {
        if let Self::Present(record) = self {
            Some(record)
        } else {
            None
        }
    }
}

impl From<Option<Record>> for Image {
    fn from(record: Option<Record>) -> Self {
        record.map_or(Self::Absent, Self::Present)
    }
}

/// From what kind of input the image of an entity came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Origin {
    /// A change that was told.
    #[default]
    Push,
    /// The answer to a request, or to an own action.
    Answer,
    /// A snapshot of the whole stream.
    Snapshot,
    /// The application, by [`Cache::set`](crate::Cache::set) or [`Cache::update`](crate::Cache::update).
    Set,
    /// An own action that was accepted, where nothing can be asked for.
    Prediction,
}

/// What the server confirmed of one entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) image: Image,
    /// The version the server gave to the image.
    pub(crate) version: Option<Version>,
    /// The point up to which the image is known to hold.
    pub(crate) known_at: Option<At>,
    /// From this point on the image is out of date.
    pub(crate) stale_at: Option<At>,
    /// A local mark that nothing has answered yet.
    pub(crate) mark: Option<Mark>,
    /// The moment of the latest whole knowledge, for marks on the whole stream.
    pub(crate) confirmed: Moment,
    /// The beginning of the latest request that was answered with this entity.
    pub(crate) fetched: Moment,
    /// When it was learnt.
    pub(crate) learnt: Tick,
    /// What the image came from.
    pub(crate) origin: Origin,
}

impl Entry {
    /// An entry of which nothing is known.
    pub(crate) fn unknown(learnt: Tick) -> Self {
        Self {
            image: Image::Unknown,
            version: None,
            known_at: None,
            stale_at: None,
            mark: None,
            confirmed: Moment::default(),
            fetched: Moment::default(),
            learnt,
            origin: Origin::default(),
        }
    }

    /// What a reading of it rests on; nothing if nothing is known of it.
    pub(crate) fn evidence(&self) -> Option<Evidence> {
        if self.image == Image::Unknown {
            return None;
        }
        Some(Evidence {
            at: self.known_at,
            stale_at: self.stale_at,
            mark: self.mark,
            confirmed: self.confirmed,
            learnt: self.learnt,
        })
    }

    /// Up to where it is known, where that can be compared.
    pub(crate) fn known(&self, era: u32) -> Option<Offset> {
        self.known_at?.within(era)
    }

    /// The highest point noted of it, where that can be compared.
    pub(crate) fn newest(&self, era: u32) -> Option<Offset> {
        let stale = self.stale_at.and_then(|at| at.within(era));
        self.known(era).max(stale)
    }

    /// The version, where it can be compared. Like points, versions end with their epoch.
    pub(crate) fn version_in(&self, era: u32) -> Option<Version> {
        self.version
            .filter(|_| self.known_at.is_none_or(|at| at.era == era))
    }

    /// Whether something speaks against this entry alone.
    pub(crate) fn is_doubtful(&self, era: u32) -> bool {
        let stale = self.stale_at.and_then(|at| at.within(era));
        self.mark.is_some()
            || stale.is_some_and(|stale| self.known(era).is_none_or(|known| known < stale))
    }
}
