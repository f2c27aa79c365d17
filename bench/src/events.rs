//! Events of the work as texts: messages of the basic dialect, and frames of v1. Says how they are written, not what
//! happens.

use std::fmt::Write;

use serde::Serialize;

use crate::customer::{self, Customer, MAX_SCORE};
use crate::random::Random;

/// One thing that happens to one customer.
#[derive(Debug)]
pub struct Event {
    /// Which customer.
    pub id: String,
    /// The number of the commit, which is its version from then on.
    pub version: u64,
    /// What happens.
    pub change: Change,
}

/// What happens to a customer.
#[derive(Debug)]
pub enum Change {
    /// It is made.
    Create(Box<Customer>),
    /// Two fields change, beside version and time.
    Update {
        /// The version the change was made on.
        base: u64,
        /// The two fields.
        fields: Fields,
    },
    /// It is gone.
    Delete,
}

/// Fields that an update sets; two of them are there.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fields {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    company_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<String>,
}

/// Two fields: in two of five updates the score is one of them, in one of ten the status, in one of fifty the company.
#[must_use]
pub fn fields(random: &mut Random, companies: u64) -> Fields {
    let mut fields = Fields::default();
    match random.below(50) {
        0..20 => fields.score = Some(random.below(MAX_SCORE)),
        20..25 => fields.status = Some(customer::status(random)),
        25 => fields.company_id = Some(customer::company_id(random.below(companies))),
        _ => fields.name = Some(customer::name(random)),
    }
    match random.below(3) {
        0 => fields.email = Some(customer::email(random)),
        _ => fields.notes = Some(customer::notes(random)),
    }
    fields
}

/// The fields of an update with its time.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Changes<'a> {
    #[serde(flatten)]
    fields: &'a Fields,
    updated_at: String,
}

/// Writes an event as a message of the basic dialect.
pub fn write_basic(text: &mut String, event: &Event) {
    let (id, version) = (&event.id, event.version);
    let _ = match &event.change {
        Change::Create(made) => write!(
            text,
            r#"{{"type":"ENTITY_CREATED","data":{{"entityType":"customers","entity":{}}}}}"#,
            json(made)
        ),
        Change::Update { fields, .. } => write!(
            text,
            r#"{{"type":"ENTITY_UPDATED","data":{{"entityType":"customers","entityId":"{id}","changes":{},"version":{version}}}}}"#,
            changes(fields, version)
        ),
        Change::Delete => write!(
            text,
            r#"{{"type":"ENTITY_DELETED","data":{{"entityType":"customers","entityId":"{id}","version":{version}}}}}"#
        ),
    };
}

/// Writes an event as a v1 frame: a commit of its own, as a server writes it.
pub fn write_v1(text: &mut String, event: &Event) {
    let (id, version) = (&event.id, event.version);
    let from = version - 1;
    let _ = write!(
        text,
        r#"{{"type":"EVENTS","entityType":"customers","from":{from},"to":{version},"ops":[{{"#
    );
    let _ = match &event.change {
        Change::Create(made) => write!(
            text,
            r#""type":"ENTITY_CREATED","entity":{},"version":{version}"#,
            json(&made.without_version())
        ),
        Change::Update { base, fields } => write!(
            text,
            r#""type":"ENTITY_UPDATED","entityId":"{id}","version":{version},"base":{base},"changes":{}"#,
            changes(fields, version)
        ),
        Change::Delete => write!(
            text,
            r#""type":"ENTITY_DELETED","entityId":"{id}","version":{version}"#
        ),
    };
    text.push_str("}]}");
}

/// One frame of a v1 snapshot.
pub fn snapshot(part: u64, as_of: u64, customers: impl Iterator<Item = Customer>) -> String {
    let rows: Vec<String> = customers
        .map(|one| {
            let entity = json(&one.without_version());
            format!(r#"{{"entity":{entity},"version":{}}}"#, one.version)
        })
        .collect();
    let rows = rows.join(",");
    format!(
        r#"{{"type":"SNAPSHOT","entityType":"customers","part":{part},"as_of":{as_of},"rows":[{rows}]}}"#
    )
}

fn changes(fields: &Fields, version: u64) -> String {
    json(&Changes {
        fields,
        updated_at: customer::time(version),
    })
}

/// The JSON of something that can be written as JSON.
pub fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("names are text and numbers are whole")
}
