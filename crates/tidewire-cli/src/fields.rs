//! The fields of a write as they are typed: a JSON object, checked whole before anything is opened.
//!
//! What is wrong is said of the field it is wrong with. What only a client can tell, such as how much a
//! write may be, is left to the client.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use tidewire::Record;
use tidewire_model::RESERVED_FIELD;
use tidewire_server::MAX_ENTITY_DEPTH;

use crate::failure::Failure;

/// How deep the fields may be nested, the object they are in counted as one: as deep as an entity may be.
const DEPTH_MAX: usize = MAX_ENTITY_DEPTH;

/// Reads a JSON object.
///
/// # Errors
/// It is none, names a field twice or one that cannot be sent, or is nested deeper than a write may be;
/// says which field.
pub(crate) fn read(text: &str) -> Result<Record, Failure> {
    let mut fault = None;
    let mut json = serde_json::Deserializer::from_str(text);
    let checked = Checked {
        place: &Place::Top,
        fault: &mut fault,
    };
    // The walk ends at the first fault, which is then the reason.
    let walked = checked.deserialize(&mut json);
    if let (Err(_), Some(fault)) = (walked, fault) {
        return Err(Failure::misuse(fault));
    }
    serde_json::from_str(text).map_err(|error| {
        Failure::misuse(format!(
            "the fields must be a JSON object such as '{{\"name\":\"Ada\"}}': {error}"
        ))
    })
}

/// Where a value stands.
enum Place<'a> {
    Top,
    Field(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>),
}

impl Place<'_> {
    /// So many lists and objects it stands in.
    fn depth(&self) -> usize {
        match self {
            Self::Top => 0,
            Self::Field(around, _) | Self::Item(around) => around.depth() + 1,
        }
    }

    /// The field of the entity it belongs to.
    fn field(&self) -> Option<&str> {
        match self {
            Self::Top => None,
            Self::Field(Place::Top, name) => Some(name),
            Self::Field(around, _) | Self::Item(around) => around.field(),
        }
    }
}

/// A value that is looked through and not kept.
struct Checked<'a> {
    place: &'a Place<'a>,
    fault: &'a mut Option<String>,
}

impl Checked<'_> {
    /// Whether one more list or object may begin here.
    fn enter<E: Error>(&mut self) -> Result<(), E> {
        if self.place.depth() < DEPTH_MAX {
            return Ok(());
        }
        let field = self.place.field().unwrap_or_default();
        self.wrong(format!(
            "the field {field:?} is nested deeper than {DEPTH_MAX}; make it flatter"
        ))
    }

    fn wrong<T, E: Error>(&mut self, fault: String) -> Result<T, E> {
        *self.fault = Some(fault);
        Err(E::custom("it cannot be used"))
    }
}

impl<'de> DeserializeSeed<'de> for Checked<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Checked<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.enter()?;
        let mut names = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == RESERVED_FIELD {
                return self.wrong(format!(
                    "the field {name:?} cannot be sent, for readers take it for a number; give it another name"
                ));
            }
            if names.contains(&name) {
                return self.wrong(format!("the field {name:?} is given twice; leave one out"));
            }
            map.next_value_seed(Checked {
                place: &Place::Field(self.place, &name),
                fault: self.fault,
            })?;
            names.insert(name);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        self.enter()?;
        loop {
            let item = Checked {
                place: &Place::Item(self.place),
                fault: self.fault,
            };
            if list.next_element_seed(item)?.is_none() {
                return Ok(());
            }
        }
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        match read(text) {
            Err(Failure::Misuse(line)) => line,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn what_is_wrong_is_said_of_the_field() {
        let deep = format!("{{\"a\":1,\"b\":{}1{}}}", "[".repeat(40), "]".repeat(40));
        assert!(fault(&deep).starts_with("the field \"b\" is nested deeper than"));
        let reserved = format!("{{\"a\":[{{\"{RESERVED_FIELD}\":\"1\"}}]}}");
        assert!(fault(&reserved).contains(RESERVED_FIELD));
        assert!(fault(r#"{"id":"a","id":"b"}"#).contains("\"id\" is given twice"));
        assert!(fault(r#"{"a":{"b":1,"c":2,"b":1}}"#).contains("\"b\" is given twice"));
        assert!(fault(r#"{"a":1e999}"#).contains("number out of range"));
    }

    #[test]
    fn everything_else_is_taken() {
        let text = r#"{"a":[1,-1,1.5,true,null,"x",{"a":1}],"b":{"a":1},"c":18446744073709551616}"#;
        assert_eq!(read(text).unwrap().len(), 3);
    }
}
