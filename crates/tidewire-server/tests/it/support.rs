//! Values that the tests are made of. Asserts nothing by itself.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use tidewire_hub::{
    ActionOrigin, ActionOutcome, Backend, Commit, ConnectionId, Refused, Write, WriteOutcome,
    WriteRequest,
};
use tidewire_model::{ActionId, EntityId, EntityType, Lane, Offset, Record, Version};
use tidewire_protocol::{ActionMessage, ClientInfo};

/// The connection that reads.
pub(crate) const ASKER: ConnectionId = ConnectionId(1);

pub(crate) fn stream(name: &str) -> EntityType {
    EntityType::new(name).unwrap()
}

pub(crate) fn id(text: &str) -> EntityId {
    EntityId::text(text).unwrap()
}

pub(crate) fn offset(number: u64) -> Offset {
    Offset::new(number).unwrap()
}

/// Made from text, so that numbers are exactly what is written.
pub(crate) fn record(json: &str) -> Record {
    serde_json::from_str(json).unwrap()
}

pub(crate) fn json(record: &Record) -> Json {
    serde_json::to_value(record).unwrap()
}

pub(crate) fn create(entity_type: &str, name: &str, fields: &str) -> Write {
    Write::Create {
        entity_type: stream(entity_type),
        id: Some(id(name)),
        entity: record(fields),
    }
}

pub(crate) fn put(entity_type: &str, name: &str, fields: &str) -> Write {
    Write::Put {
        entity_type: stream(entity_type),
        id: id(name),
        entity: record(fields),
    }
}

pub(crate) fn update(entity_type: &str, name: &str, fields: &str) -> Write {
    Write::Update {
        entity_type: stream(entity_type),
        id: id(name),
        changes: record(fields),
        unset: Vec::new(),
    }
}

pub(crate) fn delete(entity_type: &str, name: &str) -> Write {
    Write::Delete {
        entity_type: stream(entity_type),
        id: id(name),
    }
}

/// Writes as the application does.
pub(crate) async fn publish(
    backend: &dyn Backend,
    writes: Vec<Write>,
) -> Result<Option<Commit>, Refused> {
    let mut outcomes = backend
        .write(vec![WriteRequest::Publish(writes)])
        .await
        .unwrap();
    match outcomes.pop().unwrap() {
        WriteOutcome::Published(result) => result,
        other @ WriteOutcome::Action { .. } => panic!("asked for a publication, got {other:?}"),
    }
}

/// All rows of a stream with their versions, by id.
pub(crate) async fn rows(
    backend: &dyn Backend,
    entity_type: &str,
) -> BTreeMap<String, (Json, Offset)> {
    let mut snapshot = backend.snapshot(&stream(entity_type)).await.unwrap();
    let mut rows = BTreeMap::new();
    loop {
        let part = snapshot.next(100).await.unwrap();
        if part.is_empty() {
            return rows;
        }
        for (entity, version) in part {
            rows.insert(
                entity.entity_id("id").unwrap().as_str().to_owned(),
                (json(&entity), version),
            );
        }
    }
}

/// A client as the backend sees it.
#[derive(Clone, Debug)]
pub(crate) struct TestClient {
    pub(crate) principal: String,
    pub(crate) info: ClientInfo,
}

impl TestClient {
    pub(crate) fn new(name: &str) -> Self {
        let info = ClientInfo {
            id: name.to_owned(),
            incarnation: 1,
            run: 1,
            may_have_sent: false,
            app: "tests".to_owned(),
            version: "1".to_owned(),
        };
        Self {
            principal: "anonymous".to_owned(),
            info,
        }
    }

    pub(crate) fn in_run(&self, run: u64) -> Self {
        let mut client = self.clone();
        client.info.run = run;
        client
    }

    /// The action with this number. Its id depends on the number only, so that it can be sent again.
    pub(crate) fn action(&self, seq: u64, writes: Vec<Write>) -> WriteRequest {
        self.action_on(seq, None, writes)
    }

    pub(crate) fn action_on(
        &self,
        seq: u64,
        base: Option<Version>,
        writes: Vec<Write>,
    ) -> WriteRequest {
        let mut random = [7; 10];
        random[..8].copy_from_slice(&seq.to_be_bytes());
        let action = ActionId::new(1_700_000_000_000, random);
        WriteRequest::Action {
            origin: ActionOrigin {
                principal: self.principal.clone(),
                client: self.info.id.clone(),
                incarnation: self.info.incarnation,
                run: self.info.run,
                action,
            },
            action: ActionMessage {
                id: action,
                lane: Lane::main(),
                seq,
                previous: seq - 1,
                name: "test".to_owned(),
                entity_type: None,
                entity_id: None,
                payload: Record::new(),
                base,
                hash: format!("hash-{seq}"),
            },
            writes: Ok(writes),
        }
    }
}

/// Does one action.
pub(crate) async fn act(
    backend: &dyn Backend,
    request: WriteRequest,
) -> (ActionOutcome, Option<Commit>) {
    let mut outcomes = backend.write(vec![request]).await.unwrap();
    match outcomes.pop().unwrap() {
        WriteOutcome::Action { outcome, commit } => (outcome, commit),
        other @ WriteOutcome::Published(_) => panic!("asked for an action, got {other:?}"),
    }
}
