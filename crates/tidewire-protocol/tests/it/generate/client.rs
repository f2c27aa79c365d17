//! Any message of a client.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use tidewire_model::{MAX_WIRE, Query};
use tidewire_protocol::{
    ActionMessage, ClientInfo, ClientMessage, Fetch, FetchWhat, Hello, Resume, Subscribe,
    Unsubscribe, VersionRange,
};

use super::{
    action_id, entity_id, entity_type, epoch, lane, lanes, number, offset, record, request_id,
    text, version,
};
use crate::sample;

fn query() -> BoxedStrategy<FetchWhat> {
    let texts = vec![
        "",
        "limit 0",
        "where status = \"active\" sort score desc limit 50",
        "where not (a.b >= 1.5 or c is null) offset 20",
    ];
    (entity_type(), prop::sample::select(texts))
        .prop_map(|(entity_type, text)| FetchWhat::Query(Query::parse(entity_type, text).unwrap()))
        .boxed()
}

fn fetch() -> BoxedStrategy<Fetch> {
    let what = prop_oneof![vec(entity_id(), 0..4).prop_map(FetchWhat::Ids), query()];
    (request_id(), entity_type(), what)
        .prop_map(|(id, entity_type, what)| {
            let entity_type = match &what {
                FetchWhat::Query(query) => query.entity_type().clone(),
                FetchWhat::Ids(_) => entity_type,
            };
            Fetch {
                id,
                entity_type,
                what,
            }
        })
        .boxed()
}

/// Text that is not empty.
fn name() -> BoxedStrategy<String> {
    text()
        .prop_filter("a name is not empty", |text| !text.is_empty())
        .boxed()
}

fn hello() -> BoxedStrategy<Hello> {
    let client = (name(), number(), number(), any::<bool>(), text(), text()).prop_map(
        |(id, incarnation, run, may_have_sent, app, version)| ClientInfo {
            id,
            incarnation,
            run,
            may_have_sent,
            app,
            version,
        },
    );
    let protocol = (any::<u32>(), any::<u32>()).prop_map(|(one, other)| VersionRange {
        min: one.min(other),
        max: one.max(other),
    });
    (
        protocol,
        vec(name(), 0..3),
        client,
        option::of(text()),
        lanes(),
        number(),
    )
        .prop_map(
            |(protocol, features, client, token, confirmed, max_frame_bytes)| Hello {
                protocol,
                features,
                client,
                token,
                confirmed,
                max_frame_bytes,
            },
        )
        .boxed()
}

fn subscribe() -> BoxedStrategy<Subscribe> {
    let resume = (epoch(), offset(), text()).prop_map(|(epoch, offset, view)| Resume {
        epoch,
        offset,
        view,
    });
    let want = prop::sample::select(sample::wants().collect::<Vec<_>>());
    (request_id(), entity_type(), want, option::of(resume))
        .prop_map(|(id, entity_type, want, resume)| Subscribe {
            id,
            entity_type,
            want,
            resume,
        })
        .boxed()
}

fn action() -> BoxedStrategy<ActionMessage> {
    let place = (action_id(), lane(), 0..MAX_WIRE, 1..1000_u64);
    let target = (
        option::of(entity_type()),
        option::of(entity_id()),
        option::of(version()),
    );
    (place, name(), target, record(), name())
        .prop_map(|(place, name, target, payload, hash)| {
            let (id, lane, previous, step) = place;
            let seq = (previous + step).min(MAX_WIRE);
            let (entity_type, entity_id, base) = target;
            ActionMessage {
                id,
                lane,
                seq,
                previous,
                name,
                entity_type,
                entity_id,
                payload,
                base,
                hash,
            }
        })
        .boxed()
}

/// Everything a client can say in v1.
pub(crate) fn client_message() -> BoxedStrategy<ClientMessage> {
    prop_oneof![
        hello().prop_map(ClientMessage::Hello),
        subscribe().prop_map(ClientMessage::Subscribe),
        (request_id(), entity_type()).prop_map(|(id, entity_type)| ClientMessage::Unsubscribe(
            Unsubscribe { id, entity_type }
        )),
        fetch().prop_map(ClientMessage::Fetch),
        action().prop_map(ClientMessage::Action),
        number().prop_map(ClientMessage::Ping),
        number().prop_map(ClientMessage::Pong),
    ]
    .boxed()
}
