//! A value of every message with everything in it, and for every closed list of words one with each word.
//!
//! Written out in full on purpose: a message that gets a field does not compile here until the sample has it, and then
//! the listing of shapes shows it. Text that only stands for some text is written `<like this>`.

use std::collections::BTreeMap;
use std::iter::successors;

use tidewire_model::{
    ActionId, EntityId, EntityType, Epoch, Lane, Offset, Patch, Point, Query, Record, Value,
    Version,
};
use tidewire_protocol::{
    Ack, AckResult, ActionEcho, ActionMessage, ActionSync, AnnouncedLimits, AnswerRow, Bye, Class,
    ClientInfo, ClientMessage, CommitInfo, Data, Drain, Events, Fetch, FetchWhat, Hello, Op, Ping,
    Push, Reject, RequestError, RequestId, Resume, ServerMessage, Snapshot, SnapshotEnd, Subscribe,
    SubscribeResult, Subscribed, SyncReason, Unsubscribe, Unsubscribed, VersionRange, Want,
    Welcome, WireRow,
};

/// The golden file of every message of v1.
pub(crate) const V1_KINDS: &[&str] = &[
    "ack",
    "action",
    "action_sync",
    "bye",
    "data",
    "drain",
    "events",
    "fetch",
    "fetch_error",
    "hello",
    "other_from_client",
    "other_from_server",
    "ping_from_client",
    "ping_from_server",
    "pong_from_client",
    "pong_from_server",
    "reject",
    "snapshot",
    "snapshot_end",
    "subscribe",
    "subscribe_error",
    "subscribed",
    "unsubscribe",
    "unsubscribed",
    "welcome",
];

/// The golden file of every message of the basic dialect.
pub(crate) const BASIC_KINDS: &[&str] = &[
    "bulk_update",
    "entity_created",
    "entity_deleted",
    "entity_updated",
    "other_from_client",
    "other_from_server",
    "subscribe",
    "unsubscribe",
];

/// The golden file of a client's message in v1.
pub(crate) fn client_kind(message: &ClientMessage) -> &'static str {
    match message {
        ClientMessage::Hello(_) => "hello",
        ClientMessage::Subscribe(_) => "subscribe",
        ClientMessage::Unsubscribe(_) => "unsubscribe",
        ClientMessage::Fetch(_) => "fetch",
        ClientMessage::Action(_) => "action",
        ClientMessage::Ping(_) => "ping_from_client",
        ClientMessage::Pong(_) => "pong_from_client",
        ClientMessage::Unknown { .. } => "other_from_client",
    }
}

/// The golden file of a server's message in v1. A push has no words there.
pub(crate) fn server_kind(message: &ServerMessage) -> &'static str {
    match message {
        ServerMessage::Welcome(_) => "welcome",
        ServerMessage::Subscribed(_) => "subscribed",
        ServerMessage::SubscribeError(_) => "subscribe_error",
        ServerMessage::Snapshot(_) => "snapshot",
        ServerMessage::SnapshotEnd(_) => "snapshot_end",
        ServerMessage::Events(_) => "events",
        ServerMessage::Unsubscribed(_) => "unsubscribed",
        ServerMessage::Data(_) => "data",
        ServerMessage::FetchError(_) => "fetch_error",
        ServerMessage::Ack(_) => "ack",
        ServerMessage::Reject(_) => "reject",
        ServerMessage::ActionSync(_) => "action_sync",
        ServerMessage::Ping(_) => "ping_from_server",
        ServerMessage::Pong(_) => "pong_from_server",
        ServerMessage::Drain(_) => "drain",
        ServerMessage::Bye(_) => "bye",
        ServerMessage::Push(_) | ServerMessage::Unknown { .. } => "other_from_server",
    }
}

pub(crate) fn entity_type() -> EntityType {
    EntityType::new("<type>").unwrap()
}

fn offset(number: u64) -> Offset {
    Offset::new(number).unwrap()
}

fn version(number: u64) -> Version {
    Version::new(number).unwrap()
}

fn id() -> EntityId {
    EntityId::text("<id>").unwrap()
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn lanes() -> BTreeMap<Lane, u64> {
    BTreeMap::from([(Lane::new("<lane>").unwrap(), 4)])
}

fn offsets() -> BTreeMap<EntityType, Offset> {
    BTreeMap::from([(entity_type(), offset(42))])
}

fn record() -> Record {
    Record::new().with("<field>", "<value>")
}

fn row() -> WireRow {
    WireRow {
        entity: record(),
        version: Some(version(41)),
    }
}

fn answer_row() -> AnswerRow {
    AnswerRow {
        entity_type: Some(entity_type()),
        row: row(),
    }
}

fn action_id() -> ActionId {
    ActionId::parse("0192f0c1-2345-7abc-8def-0123456789ab").unwrap()
}

fn replaced() -> BTreeMap<EntityId, EntityId> {
    BTreeMap::from([(EntityId::text("<temporary>").unwrap(), id())])
}

// Each of these goes from word to word by a match, so that a new word does not compile until it is in the list.

pub(crate) fn wants() -> impl Iterator<Item = Want> {
    successors(Some(Want::Snapshot), |want| match want {
        Want::Snapshot => Some(Want::Changes),
        Want::Changes => None,
    })
}

pub(crate) fn subscribe_results() -> impl Iterator<Item = SubscribeResult> {
    successors(Some(SubscribeResult::Resumed), |result| match result {
        SubscribeResult::Resumed => Some(SubscribeResult::Snapshot),
        SubscribeResult::Snapshot => Some(SubscribeResult::Now),
        SubscribeResult::Now => None,
    })
}

pub(crate) fn ack_results() -> impl Iterator<Item = AckResult> {
    successors(Some(AckResult::Applied), |result| match result {
        AckResult::Applied => Some(AckResult::Duplicate),
        AckResult::Duplicate => None,
    })
}

pub(crate) fn sync_reasons() -> impl Iterator<Item = SyncReason> {
    successors(Some(SyncReason::Order), |reason| match reason {
        SyncReason::Order => Some(SyncReason::Unknown),
        SyncReason::Unknown => Some(SyncReason::Fenced),
        SyncReason::Fenced => None,
    })
}

pub(crate) fn classes() -> impl Iterator<Item = Class> {
    successors(Some(Class::Permanent), |class| match class {
        Class::Permanent => Some(Class::Conflict),
        Class::Conflict => Some(Class::Retry),
        Class::Retry => Some(Class::Auth),
        Class::Auth => Some(Class::Session),
        Class::Session => None,
    })
}

/// Everything a client can say in v1.
pub(crate) fn client_messages() -> Vec<ClientMessage> {
    let mut messages = vec![
        ClientMessage::Hello(hello()),
        ClientMessage::Unsubscribe(Unsubscribe {
            id: RequestId(2),
            entity_type: entity_type(),
        }),
        ClientMessage::Fetch(Fetch {
            id: RequestId(3),
            entity_type: entity_type(),
            what: FetchWhat::Ids(vec![id()]),
        }),
        ClientMessage::Fetch(Fetch {
            id: RequestId(3),
            entity_type: entity_type(),
            what: FetchWhat::Query(Query::parse(entity_type(), "limit 50").unwrap()),
        }),
        ClientMessage::Action(action()),
        ClientMessage::Ping(9),
        ClientMessage::Pong(9),
    ];
    messages.extend(wants().map(|want| {
        let resume = Resume {
            epoch: Epoch::new("<epoch>").unwrap(),
            offset: offset(41),
            view: text("<view>"),
        };
        ClientMessage::Subscribe(Subscribe {
            id: RequestId(1),
            entity_type: entity_type(),
            want,
            resume: Some(resume),
        })
    }));
    messages
}

fn hello() -> Hello {
    Hello {
        protocol: VersionRange { min: 1, max: 1 },
        features: vec![text("<feature>")],
        client: ClientInfo {
            id: text("<client>"),
            incarnation: 1,
            run: 7,
            may_have_sent: true,
            app: text("<application>"),
            version: text("<version>"),
        },
        token: Some(text("<token>")),
        confirmed: lanes(),
        max_frame_bytes: 1_048_576,
    }
}

fn action() -> ActionMessage {
    ActionMessage {
        id: action_id(),
        lane: Lane::new("<lane>").unwrap(),
        seq: 5,
        previous: 4,
        name: text("<name>"),
        entity_type: Some(entity_type()),
        entity_id: Some(id()),
        payload: record(),
        base: Some(version(41)),
        hash: text("<hash>"),
    }
}

/// Everything a server can say in v1.
pub(crate) fn server_messages() -> Vec<ServerMessage> {
    let mut messages = vec![
        ServerMessage::Welcome(welcome()),
        ServerMessage::Snapshot(Snapshot {
            entity_type: entity_type(),
            part: 0,
            as_of: offset(42),
            rows: vec![row()],
        }),
        ServerMessage::SnapshotEnd(SnapshotEnd {
            entity_type: entity_type(),
            as_of: offset(42),
            count: 1,
            actions: lanes(),
            head: Some(offset(43)),
        }),
        ServerMessage::Events(events()),
        ServerMessage::Unsubscribed(Unsubscribed {
            id: Some(RequestId(2)),
            entity_type: entity_type(),
            code: text("<code>"),
            resubscribe: true,
        }),
        ServerMessage::Data(data()),
        ServerMessage::Ping(Ping {
            n: 9,
            heads: offsets(),
        }),
        ServerMessage::Pong(9),
        ServerMessage::Drain(Drain {
            in_ms: 5000,
            jitter_ms: 2000,
        }),
    ];
    messages.extend(subscribe_results().map(subscribed));
    messages.extend(ack_results().map(ack));
    messages.extend(sync_reasons().map(|reason| {
        ServerMessage::ActionSync(ActionSync {
            lane: Lane::new("<lane>").unwrap(),
            last_seq: 4,
            reason,
        })
    }));
    messages.extend(classes().flat_map(refusals));
    messages
}

fn welcome() -> Welcome {
    Welcome {
        protocol: 1,
        features: vec![text("<feature>")],
        principal: text("<principal>"),
        session: text("<session>"),
        node: text("<node>"),
        heartbeat_ms: 25_000,
        grace_ms: 10_000,
        limits: AnnouncedLimits {
            max_frame_bytes: 65_536,
            max_depth: 32,
            max_id_bytes: 256,
            max_subscriptions: 128,
            max_lanes: 64,
            max_pending_actions: 1024,
            commands_per_second: 100,
            command_burst: 200,
        },
        last_seq: Some(lanes()),
        token_expires_ms: Some(3_600_000),
        reconnect_jitter_ms: 2000,
    }
}

fn subscribed(result: SubscribeResult) -> ServerMessage {
    ServerMessage::Subscribed(Subscribed {
        id: RequestId(1),
        entity_type: entity_type(),
        result,
        epoch: Epoch::new("<epoch>").unwrap(),
        view: text("<view>"),
        offset: offset(41),
        head: offset(42),
    })
}

/// One op of every kind.
pub(crate) fn ops() -> Vec<Op> {
    vec![
        Op::Created {
            entity: record(),
            version: Some(version(42)),
        },
        Op::Updated {
            id: id(),
            version: Some(version(42)),
            base: Some(version(17)),
            changes: Patch::new().set("<field>", "<value>").unset("<gone>"),
            entity: Some(record()),
            was: Some(record()),
        },
        Op::Deleted {
            id: id(),
            version: Some(version(42)),
            was: Some(record()),
        },
        Op::Stale(vec![id()]),
        Op::StaleAll(None),
    ]
}

fn events() -> Events {
    Events {
        entity_type: entity_type(),
        from: offset(41),
        to: offset(42),
        ops: ops(),
        commit: Some(CommitInfo {
            id: text("<commit>"),
            offsets: offsets(),
        }),
        chunk: Some((0, 2)),
        actions: vec![ActionEcho {
            id: action_id(),
            replaced: replaced(),
        }],
    }
}

fn data() -> Data {
    Data {
        id: RequestId(3),
        as_of: Point::new(Epoch::new("<epoch>").unwrap(), offset(42)),
        part: 0,
        more: false,
        rows: vec![row()],
        missing: vec![id()],
        total_count: Some(120),
        start_key: Some((vec![Value::from("<value>")], id())),
        end: true,
    }
}

fn points() -> BTreeMap<EntityType, Point> {
    let epoch = Epoch::new("<epoch>").unwrap();
    let points = offsets().into_iter();
    points
        .map(|(name, offset)| (name, Point::new(epoch.clone(), offset)))
        .collect()
}

fn ack(result: AckResult) -> ServerMessage {
    ServerMessage::Ack(Ack {
        id: action_id(),
        seq: 5,
        result,
        as_of: points(),
        rows: vec![answer_row()],
        replaced: replaced(),
    })
}

/// Every message that names a class.
fn refusals(class: Class) -> Vec<ServerMessage> {
    let error = RequestError {
        id: RequestId(1),
        code: text("<code>"),
        class,
        retry_after_ms: Some(500),
    };
    vec![
        ServerMessage::SubscribeError(error.clone()),
        ServerMessage::FetchError(error),
        ServerMessage::Reject(Reject {
            id: action_id(),
            seq: 5,
            class,
            code: text("<code>"),
            message: text("<message>"),
            retry_after_ms: Some(500),
            rows: vec![answer_row()],
        }),
        ServerMessage::Bye(Bye {
            code: 4200,
            reason: text("<reason>"),
            class,
            retry_after_ms: Some(500),
        }),
    ]
}

/// Every push that the basic dialect has a word for.
pub(crate) fn pushes() -> Vec<ServerMessage> {
    let update = || Op::Updated {
        id: id(),
        version: Some(version(8)),
        base: None,
        changes: Patch::new().set("<field>", "<value>"),
        entity: None,
        was: None,
    };
    let entity = record().with("version", 1);
    let pushes = [
        vec![update()],
        vec![Op::Created {
            entity,
            version: None,
        }],
        vec![Op::Deleted {
            id: id(),
            version: Some(version(9)),
            was: None,
        }],
        vec![update(), update()],
    ];
    pushes
        .map(|ops| {
            ServerMessage::Push(Push {
                entity_type: entity_type(),
                ops,
            })
        })
        .into()
}
