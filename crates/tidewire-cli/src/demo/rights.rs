//! Who may write what in the demo: clients write customers, and a customer makes sense.
//!
//! The server takes any fields of any type; what an application knows of its own stands in its rights,
//! as here. A write that is refused tells its reason to whoever asked for it.

use std::ops::RangeInclusive;

use tidewire::{Class, Record};
use tidewire_model::ValueRef;
use tidewire_server::{Principal, Refused, Rights, Write};

use super::data::CUSTOMERS;

/// What a customer's status may be; the page offers the same.
const STATUSES: [&str; 3] = ["active", "lead", "paused"];
/// What a customer's score may be; the page says the same.
const SCORES: RangeInclusive<f64> = 0.0..=100.0;
/// Letters of a name or a city at most; the page's fields take no more.
const LETTERS_MAX: usize = 120;

/// Clients see everything and write only customers.
#[derive(Clone, Copy, Debug)]
pub(super) struct CustomersOnly;

impl Rights for CustomersOnly {
    fn may_read(
        &self,
        _principal: &Principal,
        _entity_type: &tidewire::EntityType,
    ) -> Option<String> {
        Some("all".to_owned())
    }

    fn may_write(&self, _principal: &Principal, write: &Write) -> Result<(), Refused> {
        let (Write::Create { entity_type, .. }
        | Write::Update { entity_type, .. }
        | Write::Delete { entity_type, .. }
        | Write::Put { entity_type, .. }) = write;
        if entity_type.as_str() != CUSTOMERS {
            return Err(refused(
                "read_only",
                format!("clients of the demo write {CUSTOMERS} only, not {entity_type}"),
            ));
        }
        match write {
            Write::Create { entity, .. } | Write::Put { entity, .. } => {
                check_name(entity.get("name"))?;
                check_others(entity)
            }
            Write::Update { changes, unset, .. } => {
                let name = changes.get("name");
                if name.is_some() || unset.iter().any(|field| field == "name") {
                    check_name(name)?;
                }
                check_others(changes)
            }
            Write::Delete { .. } => Ok(()),
        }
    }
}

fn check_name(name: Option<ValueRef<'_>>) -> Result<(), Refused> {
    let name = name.and_then(ValueRef::as_text).unwrap_or_default();
    if name.trim().is_empty() {
        let message = "a customer needs a name that is not empty".to_owned();
        return Err(refused("name_missing", message));
    }
    check_length("name", name)
}

/// The fields a customer may go without; what is given must make sense.
fn check_others(fields: &Record) -> Result<(), Refused> {
    if let Some(city) = fields.get("city") {
        let city = city.as_text().ok_or_else(|| {
            refused(
                "city_invalid",
                "a customer's city must be a text".to_owned(),
            )
        })?;
        check_length("city", city)?;
    }
    let status = fields.get("status");
    if status.is_some_and(|status| {
        !status
            .as_text()
            .is_some_and(|text| STATUSES.contains(&text))
    }) {
        let message = format!("a customer's status must be one of {}", STATUSES.join(", "));
        return Err(refused("status_unknown", message));
    }
    let score = fields.get("score");
    if score.is_some_and(|score| !score.as_f64().is_some_and(|score| SCORES.contains(&score))) {
        let (least, most) = (SCORES.start(), SCORES.end());
        let message = format!("a customer's score must be a number from {least} to {most}");
        return Err(refused("score_out_of_range", message));
    }
    Ok(())
}

fn check_length(field: &str, text: &str) -> Result<(), Refused> {
    if text.chars().nth(LETTERS_MAX).is_none() {
        return Ok(());
    }
    let message = format!("a customer's {field} may have at most {LETTERS_MAX} letters");
    Err(refused("too_long", message))
}

fn refused(code: &str, message: String) -> Refused {
    Refused {
        class: Class::Permanent,
        code: code.to_owned(),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewire::{EntityId, EntityType};

    fn outcome(entity_type: &str, json: &str) -> Result<(), String> {
        let entity_type = EntityType::new(entity_type).unwrap();
        let changes: Record = serde_json::from_str(json).unwrap();
        let id = EntityId::text("c1").unwrap();
        let write = Write::Update {
            entity_type,
            id,
            changes,
            unset: Vec::new(),
        };
        CustomersOnly
            .may_write(&Principal::named("a"), &write)
            .map_err(|refused| refused.code)
    }

    #[test]
    fn a_customer_keeps_a_name() {
        assert_eq!(outcome("customers", r#"{"name":"Ada"}"#), Ok(()));
        assert_eq!(outcome("customers", r#"{"score":1}"#), Ok(()));
        for fields in [
            r#"{"name":""}"#,
            r#"{"name":" \t"}"#,
            r#"{"name":7}"#,
            r#"{"name":null}"#,
        ] {
            assert_eq!(
                outcome("customers", fields),
                Err("name_missing".to_owned()),
                "{fields}"
            );
        }
    }

    #[test]
    fn a_customer_makes_sense() {
        let (longest, longer) = ("ö".repeat(LETTERS_MAX), "ö".repeat(LETTERS_MAX + 1));
        for fields in [
            r#"{"status":"lead","score":0}"#.to_owned(),
            r#"{"status":"paused","score":100}"#.to_owned(),
            r#"{"score":99.5,"city":"","more":[1]}"#.to_owned(),
            format!(r#"{{"name":"{longest}","city":"{longest}"}}"#),
        ] {
            assert_eq!(outcome("customers", &fields), Ok(()), "{fields}");
        }
        for (fields, code) in [
            (r#"{"status":"happy"}"#.to_owned(), "status_unknown"),
            (r#"{"status":null}"#.to_owned(), "status_unknown"),
            (r#"{"score":"high"}"#.to_owned(), "score_out_of_range"),
            (r#"{"score":-1}"#.to_owned(), "score_out_of_range"),
            (r#"{"score":101}"#.to_owned(), "score_out_of_range"),
            (r#"{"city":7}"#.to_owned(), "city_invalid"),
            (format!(r#"{{"name":"{longer}"}}"#), "too_long"),
            (format!(r#"{{"city":"{longer}"}}"#), "too_long"),
        ] {
            assert_eq!(
                outcome("customers", &fields),
                Err(code.to_owned()),
                "{fields}"
            );
        }
    }

    #[test]
    fn a_new_customer_has_a_name_and_an_old_one_does_not_lose_it() {
        let entity_type = EntityType::new(CUSTOMERS).unwrap();
        let create = Write::Create {
            entity_type: entity_type.clone(),
            id: None,
            entity: Record::new(),
        };
        let id = EntityId::text("c1").unwrap();
        let unset = vec!["name".to_owned()];
        let update = Write::Update {
            entity_type,
            id,
            changes: Record::new(),
            unset,
        };
        for write in [create, update] {
            let refused = CustomersOnly
                .may_write(&Principal::named("a"), &write)
                .unwrap_err();
            assert_eq!(
                (refused.class, refused.code.as_str()),
                (Class::Permanent, "name_missing")
            );
        }
    }

    #[test]
    fn what_the_server_publishes_clients_do_not_write() {
        for entity_type in ["processes", "dashboard-metrics", "activities", "anything"] {
            assert_eq!(
                outcome(entity_type, r#"{"name":"x"}"#),
                Err("read_only".to_owned())
            );
        }
    }
}
