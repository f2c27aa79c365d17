//! The customers a new demo starts with. From then on they belong to whoever uses the page.

use tidewire::EntityId;
use tidewire_model::RecordBuilder;
use tidewire_server::Write;

use super::{CUSTOMERS, named};

/// Name, city, status, score.
const FIRST: [(&str, &str, &str, u32); 14] = [
    ("Ada Lindqvist", "Uppsala", "active", 92),
    ("Bram de Vries", "Utrecht", "active", 71),
    ("Chiara Fontana", "Torino", "lead", 38),
    ("Dario Petrov", "Plovdiv", "paused", 17),
    ("Elif Yıldız", "İzmir", "active", 84),
    ("Farid Rahimi", "Hamburg", "lead", 45),
    ("Greta Møller", "Aarhus", "active", 66),
    ("Hana Kobayashi", "Kanazawa", "active", 88),
    ("Inés Ortega", "Sevilla", "paused", 29),
    ("Jonas Weber", "Leipzig", "lead", 52),
    ("Kemi Adeyemi", "Ibadan", "active", 77),
    ("Louise Caron", "Nantes", "active", 59),
    ("Mateusz Nowak", "Gdynia", "lead", 33),
    ("Nora Byrne", "Galway", "active", 95),
];

/// The writes that create them.
pub(super) fn first() -> Vec<Write> {
    let create = |(number, (name, city, status, score)): (usize, &(&str, &str, &str, u32))| {
        let id = format!("c-{}", number + 1);
        let entity = RecordBuilder::new()
            .field("id", id.as_str())
            .field("name", *name)
            .field("city", *city)
            .field("status", *status)
            .field("score", *score)
            .build();
        Write::Create {
            entity_type: named(CUSTOMERS),
            id: EntityId::text(&id).ok(),
            entity,
        }
    };
    FIRST.iter().enumerate().map(create).collect()
}
