//! The demo's data: this machine's processes and load, what happens on the server, and customers.
//!
//! Published through the server once a second, one commit per type, and only what has changed. The
//! database is looked at once, before the server has it.

mod activities;
mod customers;
mod machine;
mod metrics;
mod processes;
mod published;

use std::time::Duration;

use tidewire::{EntityType, Record};
use tidewire_server::{Backend, PublishError, Server, SqliteBackend, Write};
use tokio::time::MissedTickBehavior;

use crate::failure::Failure;
use activities::Activities;
use machine::Machine;
use published::Published;

pub(super) const PROCESSES: &str = "processes";
pub(super) const METRICS: &str = "dashboard-metrics";
pub(super) const ACTIVITIES: &str = "activities";
pub(super) const CUSTOMERS: &str = "customers";

/// How often the machine is looked at.
const TICK: Duration = Duration::from_secs(1);
/// Rows read at once.
const ROWS: usize = 1_000;

/// What the database held when the demo was started.
pub(super) struct Present {
    processes: Published,
    metrics: Published,
    activities: Published,
    /// Whether there ever were customers: those that were deleted must not come back.
    had_customers: bool,
}

impl Present {
    /// Reads it, before the server has the database.
    pub(super) async fn read(backend: &SqliteBackend) -> Result<Self, Failure> {
        Ok(Self {
            processes: published(backend, PROCESSES).await?,
            metrics: published(backend, METRICS).await?,
            activities: published(backend, ACTIVITIES).await?,
            had_customers: backend
                .open()
                .await
                .map_err(Failure::failed)?
                .heads
                .contains_key(&named(CUSTOMERS)),
        })
    }
}

fn named(name: &str) -> EntityType {
    EntityType::new(name).expect("the names above are within the rules for names")
}

async fn published(backend: &SqliteBackend, name: &str) -> Result<Published, Failure> {
    let entity_type = named(name);
    let rows = rows(backend, &entity_type).await?;
    Ok(Published::new(entity_type, rows))
}

async fn rows(backend: &SqliteBackend, entity_type: &EntityType) -> Result<Vec<Record>, Failure> {
    let mut snapshot = backend
        .snapshot(entity_type)
        .await
        .map_err(Failure::failed)?;
    let mut all = Vec::new();
    loop {
        let rows = snapshot.next(ROWS).await.map_err(Failure::failed)?;
        if rows.is_empty() {
            return Ok(all);
        }
        all.extend(rows.into_iter().map(|(record, _)| record));
    }
}

/// Publishes for as long as the server takes it; gives the reason why it does not any more.
pub(super) async fn publish(server: Server, present: Present) -> Failure {
    let Err(failure) = go_on(server, present).await;
    failure
}

async fn go_on(server: Server, present: Present) -> Result<std::convert::Infallible, Failure> {
    let Present {
        mut processes,
        mut metrics,
        activities,
        had_customers,
    } = present;
    let mut activities = Activities::new(activities);
    let mut facts = server.facts().await;
    let mut machine = Machine::new()?;
    if !had_customers {
        publish_all(&server, customers::first()).await?;
    }
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ended = false;
    loop {
        tokio::select! {
            news = facts.next(), if !ended => match news {
                Some(news) => activities.on_news(&news),
                None => ended = true,
            },
            _ = ticks.tick() => {
                let sample = machine.look().await?;
                activities.on_processes(&processes::comings_and_goings(&processes, &sample.processes));
                commit(&server, &mut processes, processes::entities(&sample)).await?;
                let stats = server.stats().await;
                commit(&server, &mut metrics, metrics::entities(&sample, &stats)).await?;
                let (published, entities) = activities.entities();
                commit(&server, published, entities).await?;
            }
        }
    }
}

/// Makes what is published equal to these entities, in one commit.
async fn commit(
    server: &Server,
    published: &mut Published,
    entities: published::Entities,
) -> Result<(), Failure> {
    let writes = published.writes(&entities);
    if writes.is_empty() {
        return Ok(());
    }
    publish_all(server, writes).await?;
    published.replace(entities);
    Ok(())
}

/// Publishes. Where the server has no room now, it is tried again a tick later.
async fn publish_all(server: &Server, writes: Vec<Write>) -> Result<(), Failure> {
    loop {
        match server.publish(writes.clone()).await {
            Ok(_) => return Ok(()),
            Err(PublishError::Full) => tokio::time::sleep(TICK).await,
            // The demo is ending, and whoever ended it waits for the server.
            Err(PublishError::Draining) => std::future::pending().await,
            Err(error) => return Err(Failure::failed(error)),
        }
    }
}
