//! What the standard actions write.
//!
//! Looks at the action alone, never at what is there: whether an entity exists is found out when it is written.

use std::collections::BTreeSet;

use tidewire_model::{EntityId, EntityType, Record, ValueRef};
use tidewire_protocol::{ActionMessage, Class};

use crate::draft::ID_FIELD;
use crate::{Refused, Write};

/// The most writes of one transaction.
const MOST_WRITES: usize = 256;
/// The most streams of one transaction: all of them are named in each of its frames.
const MOST_TYPES: usize = 32;
/// The longest temporary id, in bytes: all of them are named in each frame of the commit.
const MOST_TEMPORARY_BYTES: usize = 64;

/// One write as it is asked for, by itself or in a transaction.
struct Asked<'a> {
    name: &'a str,
    entity_type: Option<EntityType>,
    id: Option<EntityId>,
    payload: Record,
}

/// The writes of a standard action.
pub(crate) fn standard(action: &ActionMessage) -> Result<Vec<Write>, Refused> {
    if action.name == "transaction" {
        return transaction(action);
    }
    let asked = Asked {
        name: &action.name,
        entity_type: action.entity_type.clone(),
        id: action.entity_id.clone(),
        payload: action.payload.clone(),
    };
    Ok(vec![asked.write()?])
}

fn transaction(action: &ActionMessage) -> Result<Vec<Write>, Refused> {
    if action.base.is_some() {
        return Err(bad("a transaction has no base"));
    }
    let Some(list) = action.payload.get("writes").and_then(ValueRef::as_list) else {
        return Err(bad("a transaction needs a list \"writes\" in its payload"));
    };
    if list.len() > MOST_WRITES {
        return Err(refused(
            "too_large",
            format!("a transaction has at most {MOST_WRITES} writes"),
        ));
    }
    let mut writes = Vec::with_capacity(list.len());
    let mut types = BTreeSet::new();
    for item in list.iter() {
        let Ok(item) = Record::from_value(item.to_value()) else {
            return Err(bad("each write of a transaction is an object"));
        };
        let write = asked_in(&item)?.write()?;
        types.insert(write.entity_type().clone());
        writes.push(write);
    }
    if types.len() > MOST_TYPES {
        return Err(refused(
            "too_large",
            format!("a transaction writes to at most {MOST_TYPES} entity types"),
        ));
    }
    Ok(writes)
}

fn asked_in(item: &Record) -> Result<Asked<'_>, Refused> {
    let text = |field| item.get(field).and_then(ValueRef::as_text);
    let entity_type = match text("entityType").map(EntityType::new) {
        Some(Ok(entity_type)) => Some(entity_type),
        Some(Err(error)) => return Err(bad(&error.to_string())),
        None => None,
    };
    let payload = match item.get("payload") {
        None => Record::new(),
        Some(value) => {
            Record::from_value(value.to_value()).map_err(|_| bad("a payload is an object"))?
        }
    };
    let id = match item.get("entityId") {
        None => None,
        Some(_) => Some(
            item.entity_id("entityId")
                .map_err(|error| bad(&error.to_string()))?,
        ),
    };
    Ok(Asked {
        name: text("name").unwrap_or_default(),
        entity_type,
        id,
        payload,
    })
}

impl Asked<'_> {
    fn write(self) -> Result<Write, Refused> {
        match self.name {
            "create" => self.create(),
            "update" => self.update(),
            "delete" => {
                let (entity_type, id) = self.target()?;
                Ok(Write::Delete { entity_type, id })
            }
            other => {
                let name: String = other.chars().take(64).collect();
                Err(refused(
                    "unknown_action",
                    format!("this server knows no action \"{name}\""),
                ))
            }
        }
    }

    fn create(self) -> Result<Write, Refused> {
        let entity_type = self
            .entity_type
            .clone()
            .ok_or_else(|| bad("the action names no entity type"))?;
        let entity = self
            .object("entity")?
            .ok_or_else(|| bad("a create needs an object \"entity\""))?;
        let inside = match entity.get(ID_FIELD) {
            None | Some(ValueRef::Null) => None,
            Some(_) => Some(
                entity
                    .entity_id(ID_FIELD)
                    .map_err(|error| bad(&error.to_string()))?,
            ),
        };
        if let (Some(inside), Some(named)) = (&inside, &self.id)
            && inside != named
        {
            return Err(bad("the entity has another id than the action names"));
        }
        // Inside the entity it still is what the application wrote, a number where it is one.
        let id = inside.or(self.id);
        if id
            .as_ref()
            .is_some_and(|id| id.is_temporary() && id.as_str().len() > MOST_TEMPORARY_BYTES)
        {
            return Err(bad("the temporary id is too long"));
        }
        Ok(Write::Create {
            entity_type,
            id,
            entity,
        })
    }

    fn update(self) -> Result<Write, Refused> {
        let changes = self.object("changes")?.unwrap_or_default();
        let mut unset = Vec::new();
        match self.payload.get("unset") {
            None => {}
            Some(ValueRef::List(names)) => {
                for name in names.iter() {
                    let name = name
                        .as_text()
                        .ok_or_else(|| bad("\"unset\" is a list of field names"))?;
                    unset.push(name.to_owned());
                }
            }
            Some(_) => return Err(bad("\"unset\" is a list of field names")),
        }
        let (entity_type, id) = self.target()?;
        Ok(Write::Update {
            entity_type,
            id,
            changes,
            unset,
        })
    }

    fn target(self) -> Result<(EntityType, EntityId), Refused> {
        match (self.entity_type, self.id) {
            (Some(entity_type), Some(id)) => Ok((entity_type, id)),
            _ => Err(bad("the action names no entity")),
        }
    }

    fn object(&self, field: &str) -> Result<Option<Record>, Refused> {
        let Some(value) = self.payload.get(field) else {
            return Ok(None);
        };
        let object = Record::from_value(value.to_value());
        object
            .map(Some)
            .map_err(|_| bad(&format!("\"{field}\" is an object")))
    }
}

impl Write {
    /// The stream it writes to.
    #[must_use]
    pub fn entity_type(&self) -> &EntityType {
        match self {
            Self::Create { entity_type, .. }
            | Self::Update { entity_type, .. }
            | Self::Delete { entity_type, .. }
            | Self::Put { entity_type, .. } => entity_type,
        }
    }
}

fn bad(message: &str) -> Refused {
    refused("bad_request", message.to_owned())
}

fn refused(code: &str, message: String) -> Refused {
    Refused {
        class: Class::Permanent,
        code: code.to_owned(),
        message,
    }
}

#[cfg(test)]
mod tests;
