//! Why an entity reads as it does: what is held of it, how new that is, and what speaks for and against it.
//!
//! For people who look into something odd. Worked out when it is asked for; nothing is kept for it.

use std::fmt;
use std::time::Duration;

use tidewire_model::{ActionId, EntityKey, Point, Tick, Version};

use crate::base::{Image, Origin};
use crate::kept::Kept;
use crate::reader::{Reader, Snapshot};
use crate::reading::Presence;
use crate::stream::Stream;
use crate::trust::Trust;

/// Where a reading of an entity comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// The entity, by the name it has by now.
    pub key: EntityKey,
    /// What the server confirmed of it, apart from pending actions; nothing where nothing is held.
    pub confirmed: Option<Confirmed>,
    /// Up to where the stream of its type is visible.
    pub applied: Option<Point>,
    /// The pending actions that shaped the reading, in order.
    pub actions: Vec<ActionId>,
    /// Whether it is there in the reading, once the pending actions are on top.
    pub shown: Shown,
    /// How far the reading is trusted, with the clause that decided it.
    pub trust: Trust,
    /// How long ago it was last known to be so.
    pub age: Option<Duration>,
}

/// What is held of an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    /// Whether that is a record; else it is known to be absent, or only that something changed.
    pub shown: Shown,
    /// The kind of input it came from last.
    pub origin: Origin,
    /// The version the server gave to it.
    pub version: Option<Version>,
    /// The point up to which it is known to hold. Nothing where an answer had none, or where it is of an
    /// epoch that is over.
    pub known_at: Option<Point>,
    /// How long ago it was learnt.
    pub learnt_ago: Duration,
    /// From this point on it is out of date, as the server told.
    pub stale_at: Option<Point>,
    /// Whether something here marked it, and no answer to a request made since has come.
    pub marked: bool,
}

/// Whether something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// A record.
    Present,
    /// It is known to be deleted or out of sight.
    Absent,
    /// Nothing is known.
    Unknown,
}

impl Reader {
    /// Why an entity reads as it does. See [`Snapshot::why`].
    pub fn why(&self, now: Tick, key: &EntityKey) -> Option<Provenance> {
        self.read(|snapshot| snapshot.why(now, key))
    }
}

impl Snapshot<'_> {
    /// Why an entity reads as it does, and so a row of a list with its id; nothing where its type is not used
    /// here, or may not be shown to this principal. Meant for logs and tools: a reading is cheaper.
    pub fn why(&self, now: Tick, key: &EntityKey) -> Option<Provenance> {
        let stream = self
            .world()
            .stream(&key.entity_type)
            .filter(|stream| !stream.standing.hidden)?;
        let key = self.current_key(key);
        let reading = self.get(now, &key);
        let confirmed = stream
            .base
            .read(&key.id, |kept| confirmed(stream, kept, now));
        Some(Provenance {
            confirmed,
            applied: self.applied(&key.entity_type),
            actions: self.world().overlay.actions_on(&key),
            shown: match reading.presence {
                Presence::Present(_) => Shown::Present,
                Presence::Absent => Shown::Absent,
                Presence::Unknown => Shown::Unknown,
            },
            trust: reading.trust,
            age: reading.age,
            key,
        })
    }
}

fn confirmed(stream: &Stream, kept: &Kept, now: Tick) -> Confirmed {
    let standing = &stream.standing;
    let point = |offset| standing.point(offset);
    Confirmed {
        shown: match kept.image() {
            Image::Present(_) => Shown::Present,
            Image::Absent => Shown::Absent,
            Image::Unknown => Shown::Unknown,
        },
        origin: kept.origin(),
        version: kept.version_in(standing.era),
        known_at: kept.known(standing.era).and_then(point),
        learnt_ago: now - kept.learnt(),
        stale_at: kept.stale_at(standing.era).and_then(point),
        marked: kept.mark().is_some(),
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Present => "there",
            Self::Absent => "absent",
            Self::Unknown => "unknown",
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Push => "a change that was told",
            Self::Answer => "an answer",
            Self::Snapshot => "a snapshot",
            Self::Set => "the application itself",
            Self::Prediction => "an accepted own action",
        })
    }
}

/// One paragraph, for a log.
impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is {}, {}",
            self.key.cache_key(),
            self.shown,
            self.trust
        )?;
        if let Some(age) = self.age.filter(|age| !age.is_zero()) {
            write!(
                f,
                " ({} ms since it was last known to be so)",
                age.as_millis()
            )?;
        }
        match &self.confirmed {
            Some(confirmed) => write!(f, ". {confirmed}")?,
            None => f.write_str(". Nothing is held of it")?,
        }
        match self.actions.as_slice() {
            [] => f.write_str(". No pending action is about it")?,
            actions => {
                f.write_str(". Pending actions on top, in order:")?;
                for (place, action) in actions.iter().enumerate() {
                    let comma = if place == 0 { "" } else { "," };
                    write!(f, "{comma} {action}")?;
                }
            }
        }
        match &self.applied {
            Some(point) => write!(f, ". The stream is visible up to {point}."),
            None => f.write_str(". Nothing of the stream was received yet."),
        }
    }
}

impl fmt::Display for Confirmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ago = self.learnt_ago.as_millis();
        match self.shown {
            Shown::Present => write!(f, "Held is a record")?,
            Shown::Absent => write!(f, "Held is that it is gone")?,
            Shown::Unknown => return write!(f, "Held is only that something of it changed"),
        }
        write!(f, " from {}, {ago} ms ago", self.origin)?;
        if let Some(version) = self.version {
            write!(f, ", version {version}")?;
        }
        match &self.known_at {
            Some(point) => write!(f, ", known to hold at {point}")?,
            None => f.write_str(", at no point that can be compared")?,
        }
        if let Some(point) = &self.stale_at {
            write!(f, ", out of date from {point} on")?;
        }
        if self.marked {
            f.write_str(", marked as out of date here")?;
        }
        Ok(())
    }
}
