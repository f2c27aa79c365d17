//! Writing: shown at once, offline too, and what becomes of it.

use std::time::Duration;

use tidewire::{ActionError, CallError, CommandError, Patch, Record, Value};

use crate::pipe_server::{PipeServer, put};
use crate::waiting::{Customer, customer, customers, ids, page_where, record, until};

#[tokio::test(start_paused = true)]
async fn a_write_made_offline_is_in_the_view_at_once_and_arrives_later() {
    let server = PipeServer::start();
    server.publish(vec![put("customers", &record("c1", 1))]);
    let client = server.client().start().expect("it starts");
    let customers = customers(&client);
    let list = customers.query().sort_asc("score").live();
    list.loaded().await.expect("it loads");
    client.set_online(false);
    until("it is offline", || server.stats().connections == 0).await;

    let made = customers
        .create(&Customer {
            id: None,
            name: "new".into(),
            score: 5,
        })
        .expect("taken");
    let edit = customers
        .update("c1", Patch::new().set("score", 7))
        .expect("taken");
    let page = list.current();
    assert_eq!(page.rows().len(), 2);
    assert_eq!(page.pending_count(), 2);
    assert!(made.current_id().is_temporary());
    assert_eq!(client.actions().counts().waiting, 2);
    assert_eq!(server.rows("customers"), [record("c1", 1)]);

    client.set_online(true);
    made.visible().await.expect("accepted");
    edit.visible().await.expect("accepted");
    let page = list.current();
    assert_eq!(page.pending_count(), 0);
    assert_eq!(page.rows().len(), 2);
    assert!(!made.current_id().is_temporary());
    assert_eq!(server.rows("customers").len(), 2);
    assert_eq!(client.actions().pending().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn coverage_a13_whoever_holds_the_temporary_id_follows_the_name() {
    let server = PipeServer::start();
    let client = server.client().offline().start().expect("it starts");
    let customers = customers(&client);
    let made = customers
        .create(&Customer {
            id: None,
            name: "new".into(),
            score: 5,
        })
        .expect("taken");
    let temporary = made.current_id();
    let entity = customers.entity(temporary.as_str()).expect("a good id");
    let edit = customers
        .update(temporary.as_str(), Patch::new().set("score", 6))
        .expect("taken");
    client.set_online(true);
    edit.visible().await.expect("accepted");
    let reading = entity.current();
    assert_eq!(reading.id, made.current_id());
    assert_ne!(reading.id, temporary);
    assert_eq!(
        reading.value.expect("it is there").expect("it fits").score,
        6
    );
    assert_eq!(server.rows("customers").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_write_is_an_error_of_the_action_and_parked() {
    let server = PipeServer::start();
    let client = server.client().start().expect("it starts");
    let customers = customers(&client);
    let edit = customers
        .update("nobody", Patch::new().set("score", 7))
        .expect("taken");
    let Err(ActionError::Refused(refusal)) = edit.accepted().await else {
        panic!("it was not refused")
    };
    assert_eq!(refusal.code, "not_found");
    assert_eq!(client.actions().parked().len(), 1);
    client.actions().discard(edit.id()).expect("it is parked");
    assert_eq!(client.actions().parked().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn law_14_an_update_behind_a_refused_creation_leaves_the_entity_of_that_id_alone() {
    let server = PipeServer::start();
    let client = server.client().start().expect("it starts");
    let customers = customers(&client);
    client.set_online(false);
    let create = customers.create(&customer("c1", 1)).expect("taken");
    let update = customers
        .update("c1", Patch::new().set("score", 7))
        .expect("taken");
    server.publish(vec![put("customers", &record("c1", 100))]);
    client.set_online(true);
    let Err(ActionError::Refused(refusal)) = create.accepted().await else {
        panic!("it was not refused")
    };
    assert_eq!(refusal.code, "exists");
    let Err(ActionError::Refused(refusal)) = update.accepted().await else {
        panic!("it was not refused")
    };
    assert_eq!(refusal.code, "dependency");
    assert_eq!(server.rows("customers"), [record("c1", 100)]);
}

#[tokio::test(start_paused = true)]
async fn without_a_durable_store_durable_is_an_error_and_not_a_lie() {
    let server = PipeServer::start();
    let client = server.client().start().expect("it starts");
    let customers = customers(&client);
    let made = customers
        .create(&Customer {
            id: None,
            name: "new".into(),
            score: 5,
        })
        .expect("taken");
    assert!(matches!(
        made.durable().await,
        Err(ActionError::NotDurable(_))
    ));
}

#[tokio::test(start_paused = true)]
async fn several_writes_are_one_action_and_one_commit() {
    let server = PipeServer::start();
    server.publish(vec![
        put("customers", &record("c1", 1)),
        put("customers", &record("c2", 2)),
    ]);
    let client = server.client().start().expect("it starts");
    let customers = customers(&client);
    let list = customers.query().sort_asc("score").live();
    list.loaded().await.expect("it loads");
    let commits = server.stats().commits;
    let both = client.transaction(|transaction| {
        transaction
            .update(&customers, "c1", Patch::new().set("score", 10))?
            .delete(&customers, "c2")?;
        Ok(())
    });
    let both = both.expect("taken");
    assert_eq!(ids(&list.current()), ["c1"]);
    both.visible().await.expect("accepted");
    assert_eq!(server.rows("customers"), [record("c1", 10)]);
    assert_eq!(server.stats().commits, commits + 1);
}

#[tokio::test(start_paused = true)]
async fn writes_from_a_value_that_is_no_object_are_refused_by_the_call() {
    let server = PipeServer::start();
    let client = server.client().start().expect("it starts");
    let numbers = client
        .collection::<i64>("numbers")
        .build()
        .expect("a good name");
    assert!(numbers.create(&7).is_err());
    let customers = customers(&client);
    assert!(
        customers.update("", Patch::new()).is_err(),
        "an empty id is no id"
    );
    let odd = Record::new().with("id", vec![1]);
    assert!(customers.create_record(odd).is_err());
    assert!(
        client
            .collection::<Customer>("bad\u{0}name")
            .build()
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn the_connection_is_cut_a_hundred_times_and_every_write_arrives_once() {
    let server = PipeServer::start();
    let client = server.client().start().expect("it starts");
    let customers = client
        .collection::<Customer>("customers")
        .complete(1_000)
        .build()
        .expect("a good name");
    let list = customers.query().live();
    let mut last = None;
    for n in 0..100 {
        last = Some(
            customers
                .create(&customer(&format!("c{n:03}"), n))
                .expect("taken"),
        );
        if n % 3 == 0 {
            tokio::time::timeout(
                Duration::from_millis(n.unsigned_abs()),
                std::future::pending::<()>(),
            )
            .await
            .ok();
        }
        server.network().cut();
    }
    last.expect("a hundred").accepted().await.expect("accepted");
    let page = page_where(&list, "of all rows", |page| {
        page.rows().len() == 100 && page.pending_count() == 0
    })
    .await;
    assert_eq!(server.rows("customers").len(), 100);
    assert_eq!(page.total_count(), Some(100));
}

#[tokio::test(start_paused = true)]
async fn one_action_writes_several_collections() {
    let server = PipeServer::start();
    server.publish(vec![put("customers", &record("c1", 1))]);
    let client = server.client().start().expect("it starts");
    let of = |name| {
        client
            .collection::<Customer>(name)
            .build()
            .expect("a good name")
    };
    let (customers, orders) = (of("customers"), of("orders"));
    let commits = server.stats().commits;
    let both = client
        .transaction(|transaction| {
            transaction
                .update(&customers, "c1", Patch::new().set("score", 2))?
                .create(&orders, &customer("o1", 3))?;
            Ok(())
        })
        .expect("taken");
    assert!(
        orders.get("o1").expect("it fits").is_some(),
        "shown at once"
    );
    assert_eq!(client.actions().counts().waiting, 1, "it is one action");
    both.accepted().await.expect("accepted");
    assert_eq!(server.rows("customers"), [record("c1", 2)]);
    assert_eq!(server.rows("orders"), [record("o1", 3)]);
    assert_eq!(server.stats().commits, commits + 1);

    let stranger = server.client().offline().start().expect("it starts");
    let mixed = stranger.transaction(|transaction| {
        transaction.delete(&customers, "c1")?;
        Ok(())
    });
    assert!(matches!(mixed, Err(CallError::OtherClient(_))), "{mixed:?}");
    assert!(client.transaction(|_| Ok(())).is_err(), "nothing to write");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_threads_that_edit_one_entity_lose_nothing() {
    let server = PipeServer::start();
    let client = server.client().offline().start().expect("it starts");
    let customers = customers(&client);
    customers.create(&customer("c1", 0)).expect("taken");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    customers
                        .edit("c1", |customer| customer.score += 1)
                        .expect("taken");
                }
            });
        }
    });
    let value = customers.get("c1").expect("it fits");
    assert_eq!(value.expect("it is there").score, 400);
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_changes_nothing_is_no_action() {
    let server = PipeServer::start();
    let client = server.client().offline().start().expect("it starts");
    let customers = customers(&client);
    customers.create(&customer("c1", 7)).expect("taken");
    let edit = customers
        .edit("c1", |customer| customer.score = 7)
        .expect("nothing to do");
    assert!(edit.is_nothing());
    assert_eq!(client.actions().counts().waiting, 1);
    edit.accepted().await.expect("there is nothing to accept");
    edit.visible().await.expect("it is visible");
    assert_eq!(edit.current_id().as_str(), "c1");
    assert!(edit.cancel().is_err());
    let real = customers
        .edit("c1", |customer| customer.score = 8)
        .expect("taken");
    assert!(!real.is_nothing());
}

#[tokio::test(start_paused = true)]
async fn an_edit_unsets_what_the_value_no_longer_writes_and_leaves_what_its_type_does_not_know() {
    #[derive(Clone, serde::Serialize, serde::Deserialize)]
    struct Named {
        id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nick: Option<String>,
    }

    let server = PipeServer::start();
    let client = server.client().offline().start().expect("it starts");
    let whole = client.collection::<Record>("customers").build();
    let record = record("c1", 7).with("nick", "A");
    whole
        .expect("it is one")
        .create(&record)
        .expect("it is taken");
    let named = client.collection::<Named>("customers").build();
    let named = named.expect("the same entities");
    named
        .edit("c1", |named| named.nick = None)
        .expect("it is taken");
    let reading = named.read("c1").expect("a good id");
    assert_eq!(reading.record, Some(record.without("nick")));
    let nothing = named.edit("c1", |named| named.nick = None);
    assert!(nothing.expect("nothing to do").is_nothing());
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_writes_its_own_entity_is_an_error_and_no_endless_loop() {
    let server = PipeServer::start();
    let client = server.client().offline().start().expect("it starts");
    let customers = customers(&client);
    customers.create(&customer("c1", 0)).expect("taken");
    let inside = customers.clone();
    let mut n = 0;
    let edit = customers.edit("c1", |customer| {
        n += 1;
        customer.score = -1;
        let patch = Patch::new().set("score", n);
        inside.update("c1", patch).expect("taken");
    });
    assert!(matches!(edit, Err(CallError::Contended(_))), "{edit:?}");
}

/// The call was refused, since it would change the id; the words say what to do.
fn id_changed<T: std::fmt::Debug>(result: Result<T, CallError>) -> bool {
    let Err(error @ CallError::Refused(CommandError::IdChanged { .. })) = result else {
        return false;
    };
    assert_eq!(
        error.to_string(),
        "the field \"id\" is the id of the entity c1, which an update cannot change; \
         leave the field out, or delete the entity and create another"
    );
    true
}

#[tokio::test(start_paused = true)]
async fn a_write_that_changes_the_id_is_refused_by_the_call() {
    let server = PipeServer::start();
    let client = server.client().offline().start().expect("it starts");
    let customers = customers(&client);
    customers.create(&customer("c1", 1)).expect("taken");
    for patch in [
        Patch::new().set("id", "c2").set("score", 7),
        Patch::new().set("id", Value::Null),
        Patch::new().set("id", ""),
        Patch::new().unset("id"),
        Patch::from_record(record("c2", 7)),
    ] {
        assert!(id_changed(customers.update("c1", patch.clone())));
        assert!(id_changed(client.transaction(|transaction| {
            transaction
                .delete(&customers, "c9")?
                .update(&customers, "c1", patch)?;
            Ok(())
        })));
    }
    assert!(id_changed(
        customers.edit("c1", |customer| customer.id = Some("c2".into()))
    ));
    assert!(id_changed(
        customers.edit("c1", |customer| customer.id = None)
    ));
    assert_eq!(client.actions().counts().waiting, 1, "the creation");
    let reading = customers.read("c1").expect("a good id");
    assert_eq!(reading.record, Some(record("c1", 1)));
    assert!(customers.get("c2").expect("a good id").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_patch_of_a_whole_record_may_name_the_id_the_entity_has() {
    let server = PipeServer::start();
    let client = server.client().start().expect("it starts");
    let customers = customers(&client);
    customers.create(&customer("c1", 1)).expect("taken");
    let edit = customers.update("c1", Patch::from_record(record("c1", 7)));
    edit.expect("taken").accepted().await.expect("accepted");
    assert_eq!(server.rows("customers"), [record("c1", 7)]);

    let made = customers.create(&Customer {
        id: None,
        name: "new".into(),
        score: 1,
    });
    let made = made.expect("taken");
    let temporary = made.current_id();
    made.accepted().await.expect("accepted");
    let patch = Patch::new().set("id", temporary.as_str()).set("score", 2);
    let edit = customers.update(temporary.as_str(), patch);
    edit.expect("still its id")
        .accepted()
        .await
        .expect("accepted");
}

#[tokio::test(start_paused = true)]
async fn an_update_that_changes_nothing_is_no_action() {
    let server = PipeServer::start();
    let client = server.client().offline().start().expect("it starts");
    let customers = customers(&client);
    customers.create(&customer("c1", 7)).expect("taken");
    for (id, patch) in [
        ("c1", Patch::new()),
        ("c1", Patch::new().set("id", "c1")),
        ("nobody", Patch::new()),
    ] {
        let update = customers.update(id, patch.clone()).expect("nothing to do");
        assert!(update.is_nothing());
        assert_eq!(update.current_id().as_str(), id);
        update
            .visible()
            .await
            .expect("there is nothing to wait for");
        let alone = client.transaction(|transaction| {
            transaction.update(&customers, id, patch.clone())?;
            Ok(())
        });
        assert!(alone.expect("nothing to do").is_nothing());
    }
    assert_eq!(client.actions().counts().waiting, 1, "the creation");
    let both = client
        .transaction(|transaction| {
            transaction
                .update(&customers, "nobody", Patch::new())?
                .update(&customers, "c1", Patch::new().set("score", 8))?;
            Ok(())
        })
        .expect("taken");
    client.set_online(true);
    both.accepted().await.expect("only c1 is asked about");
    assert_eq!(server.rows("customers"), [record("c1", 8)]);
}

#[tokio::test(start_paused = true)]
async fn a_creation_without_fields_has_nothing_but_an_id() {
    let server = PipeServer::start();
    let client = server.client().start().expect("it starts");
    let customers = customers(&client);
    let made = customers.create_record(Record::new()).expect("taken");
    assert!(!made.is_nothing());
    made.accepted().await.expect("accepted");
    let id = made.current_id();
    let row = Record::new().with("id", id.as_str());
    assert_eq!(server.rows("customers"), [row]);
}

#[tokio::test(start_paused = true)]
async fn what_the_server_does_not_have_can_be_deleted_and_not_updated() {
    let server = PipeServer::start();
    let client = server.client().start().expect("it starts");
    let customers = customers(&client);
    let delete = customers.delete("nobody").expect("taken");
    delete.accepted().await.expect("it is gone");
    let update = customers.update("nobody", Patch::new().set("score", 7));
    let refused = update.expect("taken").accepted().await;
    let Err(ActionError::Refused(refusal)) = refused else {
        panic!("it was not refused: {refused:?}")
    };
    assert_eq!(refusal.code, "not_found");
}

#[tokio::test(start_paused = true)]
async fn a_fetch_without_a_connection_can_be_given_up_and_leaves_nothing() {
    let server = PipeServer::start();
    server.publish(vec![put("customers", &record("c1", 1))]);
    let client = server.client().offline().start().expect("it starts");
    let customers = customers(&client);
    let held = client.held();
    let wait = Duration::from_secs(3_600);
    let fetch = tokio::time::timeout(wait, customers.fetch("c1")).await;
    assert!(fetch.is_err(), "it waits: {fetch:?}");
    let many = tokio::time::timeout(wait, customers.fetch_many(&["c1", "c2"])).await;
    assert!(many.is_err(), "it waits: {many:?}");
    assert_eq!(client.held(), held);
    client.set_online(true);
    let fetch = customers.fetch("c1").await.expect("it comes");
    assert_eq!(fetch.expect("it is there").score, 1);
}
