//! What comes in, before it is worked: how far each stream has come in, and snapshots whose end is
//! still to come. Decides what is staged; applies nothing.

use std::collections::BTreeMap;

use tidewire_model::{EntityId, EntityType, Epoch, Offset, Point, Row};

use crate::base::Moment;
use crate::intake::{Attached, Commit, Taken};
use crate::settings::{CollectionSettings, Interest, Points};
use crate::stream::client_epoch;

/// How far one stream has come in.
#[derive(Debug)]
pub(crate) struct Inflow {
    name: EntityType,
    points: Points,
    received: Option<Point>,
    attached: bool,
    /// The snapshot that is expected, as far as it has come.
    snapshot: Option<Snapshot>,
    interest: Interest,
}

#[derive(Debug)]
struct Snapshot {
    as_of: Option<Offset>,
    rows: BTreeMap<EntityId, Row>,
    /// Roughly what the rows take.
    bytes: usize,
    begun: Moment,
}

/// A snapshot whose end has come.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) rows: BTreeMap<EntityId, Row>,
    pub(crate) begun: Moment,
}

/// Where an attached stream stands, as it will be remembered.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) epoch: Epoch,
    pub(crate) offset: Offset,
    pub(crate) head: Offset,
}

impl Inflow {
    pub(crate) fn new(name: EntityType, settings: &CollectionSettings) -> Self {
        let received = match settings.points {
            Points::Server => None,
            Points::Client => Some(Point::new(client_epoch(), Offset::ZERO)),
        };
        Self {
            name,
            points: settings.points,
            received,
            attached: false,
            snapshot: None,
            interest: settings.interest,
        }
    }

    pub(crate) fn received(&self) -> Option<&Point> {
        self.received.as_ref()
    }

    pub(crate) fn is_attached(&self) -> bool {
        self.attached
    }

    /// How many rows of a snapshot wait for its end.
    pub(crate) fn waiting_rows(&self) -> usize {
        self.snapshot
            .as_ref()
            .map_or(0, |snapshot| snapshot.rows.len())
    }

    /// How the collection is kept by now.
    pub(crate) fn interest(&self) -> Interest {
        self.interest
    }

    /// The collection is windowed from now on.
    pub(crate) fn become_windowed(&mut self) {
        self.interest = Interest::Windowed;
    }

    /// The collection may have become windowed on the way.
    pub(crate) fn follow(&mut self, interest: Interest) {
        if interest == Interest::Windowed {
            self.become_windowed();
        }
    }

    /// The feed is attached. Points made here begin with one of their own, so that what was known
    /// before lies outside the coverage.
    pub(crate) fn attach(&mut self, result: Attached, begun: Begun, moment: Moment) -> Begun {
        self.attached = true;
        self.snapshot = None;
        let begun = match (self.points, &self.received) {
            (Points::Client, Some(received)) => {
                let offset = received.offset.next();
                Begun {
                    epoch: received.epoch.clone(),
                    offset,
                    head: offset,
                }
            }
            _ => begun,
        };
        if result == Attached::Snapshot {
            self.snapshot = Some(Snapshot {
                as_of: None,
                rows: BTreeMap::new(),
                bytes: 0,
                begun: moment,
            });
        }
        self.received = Some(Point::new(begun.epoch.clone(), begun.offset));
        begun
    }

    /// The feed is over. Returns the rows of a snapshot that is not whole.
    pub(crate) fn detach(&mut self) -> Option<BTreeMap<EntityId, Row>> {
        self.attached = false;
        self.snapshot.take().map(|snapshot| snapshot.rows)
    }

    /// Compares a commit with what was received.
    pub(crate) fn admit(&mut self, commit: &Commit) -> Taken {
        let Some(received) = self
            .received
            .as_mut()
            .filter(|_| self.attached && self.points == Points::Server)
        else {
            return Taken::NotHeld;
        };
        if commit.to <= received.offset {
            // to <= received: a repeat.
            return Taken::Repeat;
        }
        if commit.from != received.offset {
            // from > received: a gap. An overlap cannot be told apart from one.
            return gap(&self.name, received);
        }
        // from = received: staged; received := to.
        received.offset = commit.to;
        Taken::Staged
    }

    /// Compares a sign of life with what was received.
    pub(crate) fn admit_head(&self, offset: Offset) -> Taken {
        match &self.received {
            Some(received) if self.attached && self.points == Points::Server => {
                if offset > received.offset {
                    gap(&self.name, received)
                } else {
                    Taken::Repeat
                }
            }
            _ => Taken::NotHeld,
        }
    }

    /// Compares the point of an answer with what was received: nothing said about an attached
    /// stream overtakes the events it includes (protocol rule 1).
    pub(crate) fn admit_answer(&self, as_of: &Point) -> Taken {
        match &self.received {
            Some(received)
                if self.attached
                    && received.epoch == as_of.epoch
                    && as_of.offset > received.offset =>
            {
                gap(&self.name, received)
            }
            _ => Taken::Staged,
        }
    }

    /// Makes the point of a push; nothing if the stream does not take pushes.
    pub(crate) fn admit_push(&mut self) -> Option<Offset> {
        let received = self
            .received
            .as_mut()
            .filter(|_| self.attached && self.points == Points::Client)?;
        received.offset = received.offset.next();
        Some(received.offset)
    }

    /// Makes the point of what the application itself knows, whether pushes come or not; nothing if the
    /// server makes the points.
    pub(crate) fn make_point(&mut self) -> Option<Offset> {
        let received = self
            .received
            .as_mut()
            .filter(|_| self.points == Points::Client)?;
        received.offset = received.offset.next();
        Some(received.offset)
    }

    /// A snapshot that is expected is of no use any more: all of it has to come again.
    pub(crate) fn begin_snapshot_anew(&self) -> Option<Taken> {
        let received = self.received.as_ref().filter(|_| self.snapshot.is_some())?;
        Some(gap(&self.name, received))
    }

    /// Takes rows of the expected snapshot, which may take so many bytes with them. The rows come back
    /// when they are not wanted.
    pub(crate) fn take_rows(
        &mut self,
        as_of: Offset,
        rows: Vec<Row>,
        max_bytes: usize,
    ) -> Result<Taken, Vec<Row>> {
        let Some(snapshot) = self.snapshot.as_mut().filter(|_| self.attached) else {
            return Err(rows);
        };
        if snapshot.as_of.is_some_and(|known| known != as_of) {
            // The parts belong to one snapshot, or they are nothing.
            return Err(rows);
        }
        snapshot.as_of = Some(as_of);
        for row in rows {
            snapshot.bytes += bytes_of(&row);
            if let Some(repeated) = snapshot.rows.insert(row.id.clone(), row) {
                snapshot.bytes -= bytes_of(&repeated);
            }
        }
        let count = u64::try_from(snapshot.rows.len()).unwrap_or(u64::MAX);
        let fits = matches!(self.interest, Interest::Complete { max_rows } if count <= max_rows)
            && snapshot.bytes <= max_bytes;
        Ok(if fits { Taken::Staged } else { Taken::TooLarge })
    }

    /// The end of the expected snapshot. One that does not fit its parts leaves a gap.
    pub(crate) fn end_snapshot(&mut self, as_of: Offset) -> Result<Whole, Taken> {
        let (true, Some(received)) = (self.attached, self.received.as_mut()) else {
            return Err(Taken::NotHeld);
        };
        let Some(snapshot) = self.snapshot.take() else {
            return Err(Taken::NotHeld);
        };
        if snapshot.as_of.is_some_and(|known| known != as_of) {
            return Err(gap(&self.name, received));
        }
        received.offset = received.offset.max(as_of);
        Ok(Whole {
            rows: snapshot.rows,
            begun: snapshot.begun,
        })
    }
}

/// Roughly what a row takes while it waits.
fn bytes_of(row: &Row) -> usize {
    size_of::<(EntityId, Row)>() + row.id.held_bytes() + row.record.held_bytes()
}

/// Something is missing behind what was received.
fn gap(name: &EntityType, received: &Point) -> Taken {
    Taken::Gap {
        received: BTreeMap::from([(name.clone(), received.clone())]),
    }
}
