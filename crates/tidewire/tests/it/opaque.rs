//! Lists that only the server can evaluate, from the builder to a server that knows what is meant.

use std::time::Duration;

use tidewire::{LoadError, Patch, StaleReason, Trust};
use tidewire_hub::Write;
use tokio::time::Instant;

use crate::pipe_server::{PipeServer, entity_type, put};
use crate::waiting::{Customer, customer, ids, page_where, record};

const MEMBERS: Trust = Trust::Stale(StaleReason::MembersUnknown);

#[tokio::test(start_paused = true)]
#[expect(clippy::too_many_lines, reason = "one story, told to its end")]
async fn coverage_a6_a_list_of_parameters_follows_the_server_a_burst_at_a_time() {
    let server = PipeServer::start();
    server.publish(vec![
        put("customers", &record("c1", 1)),
        put("customers", &record("c2", 2)),
    ]);
    let client = server.client().start().expect("it starts");
    let customers = client
        .collection::<Customer>("customers")
        .opaque_wait(Duration::from_secs(2), Duration::from_secs(10))
        .build()
        .expect("a good name");
    let found = customers
        .query()
        .opaque("named", "customer")
        .limit(2)
        .live();
    let page = found.loaded().await.expect("it loads");
    assert_eq!(
        (ids(&page), page.trust()),
        (vec!["c2".into(), "c1".into()], Trust::Live)
    );
    assert_eq!((page.total_count(), page.total_is_exact()), (Some(2), true));

    // Of the server: said at once, in the list when changes have come to rest.
    let began = Instant::now();
    for score in 3..8 {
        server.publish(vec![put("customers", &record(&format!("c{score}"), score))]);
    }
    let page = page_where(&found, "that is stale", |page| page.trust() == MEMBERS).await;
    assert_eq!(ids(&page), ["c2", "c1"]);
    assert!(began.elapsed() < Duration::from_secs(1));
    let page = page_where(&found, "that is live", |page| page.trust() == Trust::Live).await;
    assert_eq!(
        (ids(&page), page.total_count()),
        (vec!["c7".into(), "c6".into()], Some(7))
    );
    let waited = began.elapsed();
    assert!(
        waited >= Duration::from_secs(2) && waited < Duration::from_secs(4),
        "{waited:?}"
    );

    // Of one's own: an update and a deletion in place, a creation once the server has it.
    customers
        .update("c6", Patch::new().set("score", 60))
        .expect("taken");
    assert_eq!(
        found.current().rows()[1]
            .record
            .get("score")
            .and_then(|score| score.as_i64()),
        Some(60)
    );
    customers.delete("c7").expect("taken");
    assert_eq!(found.current().rows()[0].id.to_string(), "c6");
    let made = customers
        .create(&Customer {
            id: None,
            ..customer("new", 100)
        })
        .expect("taken");
    assert!(!ids(&found.current()).contains(&made.current_id().to_string()));
    let page = page_where(&found, "with all", |page| {
        page.trust() == Trust::Live && page.total_is_exact()
    })
    .await;
    let real = made.current_id().to_string();
    assert_eq!(ids(&page), [real, "c6".into()]);
    assert_eq!((page.total_count(), page.total_is_exact()), (Some(7), true));

    // More of it keeps what is there.
    found.more(3);
    let page = page_where(&found, "longer", |page| page.rows().len() == 5).await;
    assert_eq!(page.trust(), Trust::Live);
    server.publish(vec![Write::Delete {
        entity_type: entity_type("customers"),
        id: "c6".parse().expect("a good id"),
    }]);
    let page = page_where(&found, "without c6", |page| {
        !ids(page).contains(&"c6".into())
    })
    .await;
    assert_eq!((page.total_count(), page.trust()), (Some(6), MEMBERS));
}

#[tokio::test(start_paused = true)]
async fn parameters_that_mean_nothing_to_the_server_are_refused_and_that_is_said() {
    let server = PipeServer::start();
    let client = server.client().start().expect("it starts");
    let customers = client
        .collection::<Customer>("customers")
        .build()
        .expect("a good name");
    let near = customers.query().opaque("near", "me").limit(2).live();
    let code = "unsupported".into();
    assert_eq!(near.loaded().await.err(), Some(LoadError::Refused { code }));
    for score in 1..20 {
        server.publish(vec![put("customers", &record("c1", score))]);
        tokio::time::timeout(Duration::from_secs(2), std::future::pending::<()>())
            .await
            .ok();
    }
    assert_eq!(
        near.current().reason(),
        Some("the server refused this: unsupported")
    );
    assert_eq!(near.current().trust(), Trust::Unknown);
}
