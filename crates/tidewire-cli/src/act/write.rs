//! The write that `act` was given: read from its words, checked, and given to a client.
//!
//! Nothing is opened or made here; what comes of the write is the business of the command.

use std::fmt;

use tidewire::{ActionHandle, CallError, Client, EntityId, Patch, Record};
use tidewire_model::TEMPORARY_PREFIX;

use crate::arguments::ActWrite;
use crate::failure::Failure;
use crate::{address, fields, session};

/// The field that holds an entity's id.
const ID: &str = "id";

/// A write as it was typed, checked.
pub(super) struct Write {
    entity_type: String,
    kind: Kind,
}

enum Kind {
    Create(Record),
    Update(String, Record),
    Delete(String),
}

impl Write {
    pub(super) fn read(typed: &ActWrite) -> Result<Self, Failure> {
        let (ActWrite::Create { entity_type, .. }
        | ActWrite::Update { entity_type, .. }
        | ActWrite::Delete { entity_type, .. }) = typed;
        let kind = match typed {
            ActWrite::Create { fields, .. } => Kind::Create(creation(fields)?),
            ActWrite::Update { id, fields, .. } => Kind::Update(id_text(id)?, changes(fields)?),
            ActWrite::Delete { id, .. } => Kind::Delete(id_text(id)?),
        };
        Ok(Self {
            entity_type: address::entity_type(entity_type)?.to_string(),
            kind,
        })
    }

    /// The id of the entity, where it was typed.
    pub(super) fn id(&self) -> Option<EntityId> {
        match &self.kind {
            Kind::Create(record) => record.entity_id(ID).ok(),
            Kind::Update(id, _) | Kind::Delete(id) => EntityId::text(id).ok(),
        }
    }

    /// Submits it to a client that keeps and sends nothing, so that one that no client takes is misuse, and
    /// no store is opened or made for it.
    pub(super) fn rehearse(&self) -> Result<(), Failure> {
        let client = session::start(session::builder(session::NOWHERE).offline())?;
        match self.submit(&client) {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::misuse(format!("{self}: {error}"))),
        }
    }

    pub(super) fn submit(&self, client: &Client) -> Result<ActionHandle, CallError> {
        let collection = client.collection::<Record>(&self.entity_type).build()?;
        match &self.kind {
            Kind::Create(record) => collection.create_record(record.clone()),
            Kind::Update(id, record) => collection.update(id, Patch::from_record(record.clone())),
            Kind::Delete(id) => collection.delete(id),
        }
    }
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entity_type = &self.entity_type;
        match &self.kind {
            Kind::Create(_) => write!(f, "create {entity_type}"),
            Kind::Update(id, _) => write!(f, "update {entity_type} {id}"),
            Kind::Delete(id) => write!(f, "delete {entity_type} {id}"),
        }
    }
}

fn id_text(id: &str) -> Result<String, Failure> {
    match EntityId::text(id) {
        Ok(_) => Ok(id.to_owned()),
        Err(error) => Err(Failure::misuse(format!(
            "the id {id:?} cannot be used: {error}"
        ))),
    }
}

/// The fields of a creation. An id that looks like one of the client's own would be taken for one that the
/// server is still to replace.
fn creation(fields: &str) -> Result<Record, Failure> {
    let record = record(fields)?;
    match record.entity_id(ID) {
        Ok(id) if id.is_temporary() => Err(Failure::misuse(format!(
            "the id {:?} cannot be used: ids that begin with {TEMPORARY_PREFIX:?} stand for entities the server has not named yet; give another, or leave it out",
            id.as_str()
        ))),
        _ => Ok(record),
    }
}

/// The fields of an update. One without any would be taken by some servers and refused by others, and
/// whoever typed it meant something else.
fn changes(fields: &str) -> Result<Record, Failure> {
    let record = record(fields)?;
    if record.fields().any(|(name, _)| name != ID) {
        return Ok(record);
    }
    Err(Failure::misuse(
        "the update changes nothing; name at least one field beside the id, such as '{\"name\":\"Ada\"}'",
    ))
}

fn record(fields: &str) -> Result<Record, Failure> {
    let record = fields::read(fields)?;
    match record.entity_id(ID) {
        Err(error) if record.get(ID).is_some_and(|id| !id.is_null()) => {
            Err(Failure::misuse(format!("the id cannot be used: {error}")))
        }
        _ => Ok(record),
    }
}
