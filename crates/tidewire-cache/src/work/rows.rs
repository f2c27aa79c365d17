//! Rows of answers: to requests for entities, to own actions, and those that came unasked.

use std::collections::BTreeMap;

use tidewire_model::{ActionId, EntityId, EntityKey, EntityType, Point, Record, Row, Version};

use super::{Desk, Step};
use crate::base::{At, Moment, Origin};
use crate::fetch::{FetchTicket, Request, Wanted};
use crate::overlay::Answered;
use crate::stream::Stream;
use crate::table::Lesson;
use crate::world::Names;

/// Rows, and the word that others are missing, row by row.
#[derive(Debug)]
struct Rows {
    rows: std::vec::IntoIter<Row>,
    missing: std::vec::IntoIter<EntityId>,
}

/// What an answer says of one entity: its fields and version, or that it is missing.
type Said = Option<(Record, Option<Version>)>;

impl Rows {
    fn len(&self) -> usize {
        self.rows.len() + self.missing.len()
    }

    fn next(&mut self) -> Option<(EntityId, Said)> {
        match self.rows.next() {
            Some(row) => Some((row.id, Some((row.record, row.version)))),
            None => self.missing.next().map(|id| (id, None)),
        }
    }
}

/// The answer to a request for entities.
#[derive(Debug)]
pub(crate) struct FetchedRows {
    ticket: FetchTicket,
    as_of: Option<Point>,
    rows: Rows,
}

/// A request that was refused for good.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) ticket: FetchTicket,
}

/// Rows that nobody asked for.
#[derive(Debug)]
pub(crate) struct LooseRows {
    entity_type: EntityType,
    as_of: Point,
    rows: Rows,
    begun: Moment,
}

/// The answer to an own action.
#[derive(Debug)]
pub(crate) struct AnswerRows {
    action: ActionId,
    as_of: BTreeMap<EntityType, Point>,
    rows: std::vec::IntoIter<(EntityType, Row)>,
    missing: std::vec::IntoIter<EntityKey>,
    replaced: Names,
    moment: Moment,
}

impl FetchedRows {
    pub(crate) fn new(
        ticket: FetchTicket,
        as_of: Option<Point>,
        rows: Vec<Row>,
        missing: Vec<EntityId>,
    ) -> Self {
        Self {
            ticket,
            as_of,
            rows: Rows {
                rows: rows.into_iter(),
                missing: missing.into_iter(),
            },
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn step(&mut self, desk: &mut Desk<'_>) -> Step {
        let Some(request) = desk.requests.get(self.ticket) else {
            return Step::Done;
        };
        let (entity_type, begun) = (request.wanted.entity_type().clone(), request.begun);
        let at = match desk
            .world
            .edit(&entity_type)
            .map(|(stream, _)| point_of_answer(stream, request, &self.as_of))
        {
            Some(Ok(at)) => at,
            // It speaks for another epoch, or for less than was known when it was asked.
            Some(Err(Unusable)) | None => {
                desk.requests.end(self.ticket);
                return Step::Done;
            }
        };
        if learn(&mut self.rows, &entity_type, (at, begun), desk) == Step::Paused {
            return Step::Paused;
        }
        desk.requests.end(self.ticket);
        desk.world.settle(&entity_type, &mut desk.touches);
        Step::Done
    }
}

impl Refused {
    pub(crate) fn step(&self, desk: &mut Desk<'_>) -> Step {
        if let Some(request) = desk.requests.end(self.ticket)
            && let Wanted::Entities { entity_type, ids } = &request.wanted
        {
            desk.world
                .give_up(entity_type, ids, request.begun, &mut desk.touches);
        }
        Step::Done
    }
}

impl LooseRows {
    pub(crate) fn new(
        entity_type: EntityType,
        as_of: Point,
        rows: Vec<Row>,
        missing: Vec<EntityId>,
        begun: Moment,
    ) -> Self {
        Self {
            entity_type,
            as_of,
            rows: Rows {
                rows: rows.into_iter(),
                missing: missing.into_iter(),
            },
            begun,
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn step(&mut self, desk: &mut Desk<'_>) -> Step {
        let as_of = &self.as_of;
        let Some(Some(at)) = desk
            .world
            .edit(&self.entity_type)
            .map(|(stream, _)| stream.adopt(as_of, None))
        else {
            return Step::Done;
        };
        let known = (Some(at), self.begun);
        if learn(&mut self.rows, &self.entity_type, known, desk) == Step::Paused {
            return Step::Paused;
        }
        desk.world.settle(&self.entity_type, &mut desk.touches);
        Step::Done
    }
}

impl AnswerRows {
    pub(crate) fn new(
        action: ActionId,
        as_of: BTreeMap<EntityType, Point>,
        (rows, missing): (Vec<(EntityType, Row)>, Vec<EntityKey>),
        replaced: Names,
        moment: Moment,
    ) -> Self {
        Self {
            action,
            as_of,
            rows: rows.into_iter(),
            missing: missing.into_iter(),
            replaced,
            moment,
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows.len() + self.missing.len()
    }

    pub(crate) fn step(&mut self, desk: &mut Desk<'_>) -> Step {
        while let Some((temporary, real)) = self.replaced.pop_first() {
            desk.rename(&temporary, &real);
        }
        while desk.budget > 0 {
            let (entity_type, id, content) = if let Some((entity_type, row)) = self.rows.next() {
                (entity_type, row.id, Some((row.record, row.version)))
            } else if let Some(key) = self.missing.next() {
                (key.entity_type, key.id, None)
            } else {
                self.finish(desk);
                return Step::Done;
            };
            desk.spend();
            // What cannot be compared with what is held teaches nothing; it is asked for.
            if let Some(at) = self.point(&entity_type, desk) {
                let known = (Some(at), self.moment);
                learn_one(&entity_type, &id, content.as_ref(), known, desk);
            }
        }
        Step::Paused
    }

    /// The point the answer speaks for on a stream, where it can be compared with what is held.
    fn point(&self, entity_type: &EntityType, desk: &mut Desk<'_>) -> Option<At> {
        let (stream, _) = desk.world.edit(entity_type)?;
        let Some(point) = self.as_of.get(entity_type) else {
            // Got now: up to here everything pushed has been seen.
            let applied = stream
                .standing
                .applied
                .filter(|_| stream.has_client_points())?;
            return Some(stream.standing.at(applied));
        };
        if stream.standing.epoch.is_none() {
            stream.enter_epoch(&point.epoch);
        }
        stream.at_point(point)
    }

    fn finish(&self, desk: &mut Desk<'_>) {
        let names = self.as_of.keys();
        let as_of = names
            .map(|name| (name.clone(), self.point(name, desk)))
            .collect();
        desk.world.overlay.answer(
            self.action,
            Answered {
                as_of,
                moment: self.moment,
            },
        );
        let types: Vec<EntityType> = desk
            .world
            .streams()
            .map(|stream| stream.name.clone())
            .collect();
        for entity_type in types {
            desk.world.settle(&entity_type, &mut desk.touches);
        }
    }
}

/// An answer that says nothing about what is held.
#[derive(Debug)]
pub(super) struct Unusable;

/// The point an answer speaks for.
pub(super) fn point_of_answer(
    stream: &mut Stream,
    request: &Request,
    as_of: &Option<Point>,
) -> Result<Option<At>, Unusable> {
    let at = match as_of {
        Some(as_of) => Some(
            stream
                .adopt(as_of, request.epoch.as_ref())
                .ok_or(Unusable)?,
        ),
        None => None,
    };
    let begun_at = request.begun_at.as_ref();
    let begun = begun_at.and_then(|begun| stream.at_point(begun));
    match (at, begun) {
        (Some(at), Some(begun)) if at.offset < begun.offset => Err(Unusable),
        (Some(at), _) => Ok(Some(at)),
        // Made here: where the stream stood when the request began.
        (None, None) if begun_at.is_some() => Err(Unusable),
        (None, begun) => Ok(begun),
    }
}

fn learn(
    rows: &mut Rows,
    entity_type: &EntityType,
    known: (Option<At>, Moment),
    desk: &mut Desk<'_>,
) -> Step {
    while desk.budget > 0 {
        let Some((id, content)) = rows.next() else {
            return Step::Done;
        };
        desk.spend();
        learn_one(entity_type, &id, content.as_ref(), known, desk);
    }
    if rows.len() == 0 {
        Step::Done
    } else {
        Step::Paused
    }
}

fn learn_one(
    entity_type: &EntityType,
    id: &EntityId,
    content: Option<&(Record, Option<Version>)>,
    (at, begun): (Option<At>, Moment),
    desk: &mut Desk<'_>,
) {
    let lesson = Lesson {
        now: desk.now,
        at,
        begun,
        moment: desk.moment,
        home: None,
        origin: Origin::Answer,
    };
    let Some((stream, overlay)) = desk.world.edit(entity_type) else {
        return;
    };
    let row = content.map(|(record, version)| (record, *version));
    stream.apply_row(id, row, lesson, overlay, &mut desk.touches);
    desk.evict(entity_type);
}
