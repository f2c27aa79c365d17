//! What the server refuses: whoever waits is told, and may try again.

use std::sync::Arc;

use tidewire::{ActionError, Client, Collection, LoadError, Patch, field};
use tidewire_hub::{Principal, Refused, Rights};
use tidewire_model::EntityType;

use crate::pipe_server::{PipeServer, put};
use crate::waiting::{Customer, record};

/// Nobody may see secrets.
#[derive(Debug)]
struct NoSecrets;

impl Rights for NoSecrets {
    fn may_read(&self, _principal: &Principal, entity_type: &EntityType) -> Option<String> {
        (entity_type.as_str() != "secrets").then(|| "all".to_owned())
    }

    fn may_write(&self, _: &Principal, _: &tidewire_hub::Write) -> Result<(), Refused> {
        Ok(())
    }
}

fn started(server: &PipeServer, name: &str) -> (Client, Collection<Customer>) {
    let client = server.client().start().expect("it starts");
    let collection = client.collection::<Customer>(name).build();
    (client, collection.expect("a good name"))
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_what_may_not_be_seen_is_told() {
    let server =
        PipeServer::start_with(64 * 1024, |settings| settings.rights = Arc::new(NoSecrets));
    server.publish(vec![put("secrets", &record("s1", 1))]);
    let (client, secrets) = started(&server, "secrets");
    let forbidden = LoadError::Refused {
        code: "forbidden".into(),
    };
    assert_eq!(secrets.fetch("s1").await.err(), Some(forbidden.clone()));
    let list = secrets.query().live();
    assert_eq!(list.loaded().await.err(), Some(forbidden.clone()));
    assert_eq!(
        list.loaded().await.err(),
        Some(forbidden),
        "and who asks later"
    );
    // Others are not concerned.
    let customers = client.collection::<Customer>("customers").build();
    let customers = customers.expect("a good name");
    assert_eq!(customers.fetch("c1").await.expect("it loads"), None);
}

#[tokio::test(start_paused = true)]
async fn a_query_that_cannot_be_sent_is_told_to_whoever_waits_for_it() {
    let server = PipeServer::start();
    let (_client, customers) = started(&server, "customers");
    let long = "x".repeat(20_000);
    let list = customers.query().filter(field("name").eq(long)).live();
    assert!(matches!(list.loaded().await, Err(LoadError::Call(_))));
}

#[tokio::test(start_paused = true)]
async fn a_refused_write_that_is_sent_again_can_be_waited_for_again() {
    let server = PipeServer::start();
    let (client, customers) = started(&server, "customers");
    let edit = customers
        .update("c1", Patch::new().set("score", 7))
        .expect("taken");
    let refused = edit.accepted().await;
    assert!(
        matches!(refused, Err(ActionError::Refused(_))),
        "{refused:?}"
    );
    server.publish(vec![put("customers", &record("c1", 1))]);
    client.actions().retry(edit.id()).expect("it is parked");
    assert_eq!(edit.accepted().await, Ok(()));
    let again = client.actions().retry(edit.id());
    assert!(again.is_err(), "it is done");
    assert_eq!(edit.accepted().await, Ok(()));
}
