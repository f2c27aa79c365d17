//! The entity types and ids of the world, and its records. Few of each, so that things collide.

use tidewire_model::{
    EntityId, EntityKey, EntityType, Filter, Query, Record, RecordBuilder, field,
};

use crate::random::Random;

const TYPES: [&str; 3] = ["boards", "cards", "notes"];
const OWN_IDS: u64 = 7;
const STATES: [&str; 3] = ["open", "done", "late"];

/// Every entity type.
pub(crate) fn types() -> Vec<EntityType> {
    TYPES
        .iter()
        .map(|name| EntityType::new(name).expect("the names above are plain"))
        .collect()
}

pub(crate) fn draw_type(random: &mut Random) -> EntityType {
    EntityType::new(random.one(TYPES)).expect("the names above are plain")
}

/// An id out of few; some are integers.
pub(crate) fn draw_id(random: &mut Random) -> EntityId {
    match random.below(OWN_IDS + 2) {
        number if number < OWN_IDS => id(&format!("e{number}")),
        number => EntityId::unsigned(number),
    }
}

pub(crate) fn draw_key(random: &mut Random) -> EntityKey {
    EntityKey::new(draw_type(random), draw_id(random))
}

fn id(text: &str) -> EntityId {
    EntityId::text(text).expect("a short plain text is an id")
}

/// The fields of an entity, without its id. `mark` makes it unlike any other.
pub(crate) fn draw_fields(random: &mut Random, mark: u64) -> Record {
    let mut fields = RecordBuilder::new()
        .field("state", random.one(STATES))
        .field("rank", random.between(0, 5))
        .field("mark", mark);
    if random.chance(50) {
        fields.push(
            "title",
            format!(
                "{} {}",
                random.one(["Tide", "tide", "Ebb", "flow"]),
                random.below(20)
            ),
        );
    }
    if random.chance(10) {
        fields.push("rank", tidewire_model::Value::Null);
    }
    fields.build()
}

/// Text that makes a record large.
pub(crate) fn filler(random: &mut Random) -> String {
    let letter = random.one(['a', 'é', '"', '潮']);
    let count = usize::try_from(random.between(100, 300)).unwrap_or(100);
    std::iter::repeat_n(letter, count).collect()
}

/// A query with any filter, sort and window.
pub(crate) fn draw_query(random: &mut Random, entity_type: &EntityType) -> Query {
    let mut query = Query::new(entity_type.clone()).filter(draw_filter(random));
    query = match random.below(6) {
        0 => query,
        1 => query.sort_asc("rank"),
        2 => query.sort_desc("rank"),
        3 => query.sort_asc("state").sort_desc("rank"),
        4 => query.sort_desc("mark"),
        _ => query.sort_asc("title"),
    };
    query = match random.below(4) {
        0 => query.unlimited(),
        1 => query.limit(2),
        2 => query.limit(4),
        _ => query.limit(8),
    };
    if random.chance(20) {
        query.offset(random.between(1, 4))
    } else {
        query
    }
}

fn draw_filter(random: &mut Random) -> Filter {
    match random.below(9) {
        0..3 => Filter::All,
        3 => field("state").eq(random.one(STATES)),
        4 => field("rank").ge(random.between(1, 4)),
        5 => field("state").ne("done").and(field("rank").lt(4_u64)),
        6 => field("state")
            .one_of(["open", "late"])
            .or(field("title").contains_ignoring_case("tide")),
        7 => field("title").starts_with("T").not(),
        _ => field("rank").is_null().or(field("title").is_null()),
    }
}
