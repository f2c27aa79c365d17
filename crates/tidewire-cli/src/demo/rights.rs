//! Who may write what in the demo: clients write customers, and a customer has a name.

use tidewire::{Class, Record};
use tidewire_server::{Principal, Refused, Rights, Write};

use super::data::CUSTOMERS;

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
                format!("{entity_type} are published by the server; clients only read them"),
            ));
        }
        let named = match write {
            Write::Create { entity, .. } | Write::Put { entity, .. } => has_name(entity),
            Write::Update { changes, unset, .. } => {
                !unset.iter().any(|field| field == "name")
                    && (changes.get("name").is_none() || has_name(changes))
            }
            Write::Delete { .. } => true,
        };
        if named {
            Ok(())
        } else {
            Err(refused(
                "name_missing",
                "a customer needs a name that is not empty".to_owned(),
            ))
        }
    }
}

fn has_name(fields: &Record) -> bool {
    let name = fields
        .get("name")
        .and_then(tidewire_model::ValueRef::as_text);
    name.is_some_and(|name| !name.trim().is_empty())
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
