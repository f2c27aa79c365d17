//! Any message of a server.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use tidewire_model::{EntityType, Point};
use tidewire_protocol::{
    Ack, ActionEcho, ActionSync, AnnouncedLimits, Bye, Class, CommitInfo, Data, Drain, Events, Op,
    Ping, Push, Reject, RequestError, ServerMessage, Snapshot, SnapshotEnd, Subscribed,
    Unsubscribed, Welcome,
};

use super::{
    action_id, answer_rows, entity_id, entity_type, epoch, lane, lanes, number, offset, offsets,
    patch, record, replaced, request_id, rows, setting, text, value, version,
};
use crate::sample;

pub(crate) fn op() -> BoxedStrategy<Op> {
    let updated = (
        entity_id(),
        version(),
        option::of(version()),
        patch(),
        option::of(record()),
        option::of(record()),
    );
    prop_oneof![
        (record(), version()).prop_map(|(entity, version)| Op::Created {
            entity,
            version: Some(version)
        }),
        updated.prop_map(|(id, version, base, changes, entity, was)| {
            Op::Updated {
                id,
                version: Some(version),
                base,
                changes,
                entity,
                was,
            }
        }),
        (entity_id(), version(), option::of(record())).prop_map(|(id, version, was)| Op::Deleted {
            id,
            version: Some(version),
            was
        }),
        vec(entity_id(), 0..3).prop_map(Op::Stale),
        Just(Op::StaleAll(None)),
    ]
    .boxed()
}

fn class() -> BoxedStrategy<Class> {
    prop::sample::select(sample::classes().collect::<Vec<_>>()).boxed()
}

fn welcome() -> BoxedStrategy<Welcome> {
    let names = (vec(text(), 0..3), text(), text(), text());
    let times = (number(), number(), option::of(number()), number());
    (
        any::<u32>(),
        names,
        times,
        vec(number(), 8),
        option::of(lanes()),
    )
        .prop_map(|(protocol, names, times, limits, last_seq)| {
            let (features, principal, session, node) = names;
            let (heartbeat_ms, grace_ms, token_expires_ms, reconnect_jitter_ms) = times;
            let limits = AnnouncedLimits {
                max_frame_bytes: limits[0],
                max_depth: limits[1],
                max_id_bytes: limits[2],
                max_subscriptions: limits[3],
                max_lanes: limits[4],
                max_pending_actions: limits[5],
                commands_per_second: limits[6],
                command_burst: limits[7],
            };
            Welcome {
                protocol,
                features,
                principal,
                session,
                node,
                heartbeat_ms,
                grace_ms,
                limits,
                last_seq,
                token_expires_ms,
                reconnect_jitter_ms,
            }
        })
        .boxed()
}

fn events() -> BoxedStrategy<Events> {
    let commit = (text(), offsets()).prop_map(|(id, offsets)| CommitInfo { id, offsets });
    let chunk = (0..100_u64, 1..100_u64).prop_map(|(place, more)| (place, place + more));
    let actions = vec(
        (action_id(), replaced()).prop_map(|(id, replaced)| ActionEcho { id, replaced }),
        0..2,
    );
    (
        entity_type(),
        offset(),
        offset(),
        vec(op(), 0..4),
        option::of(commit),
        option::of(chunk),
        actions,
    )
        .prop_map(|(entity_type, one, other, ops, commit, chunk, actions)| {
            let (from, to) = (one.min(other), one.max(other));
            Events {
                entity_type,
                from,
                to,
                ops,
                commit,
                chunk,
                actions,
            }
        })
        .boxed()
}

fn data() -> BoxedStrategy<Data> {
    let place = (
        request_id(),
        epoch(),
        offset(),
        number(),
        any::<bool>(),
        any::<bool>(),
    );
    let start_key = option::of((vec(value(), 0..3), entity_id()));
    (
        place,
        rows(),
        vec(entity_id(), 0..3),
        option::of(number()),
        start_key,
    )
        .prop_map(|(place, rows, missing, total_count, start_key)| {
            let (id, epoch, offset, part, more, end) = place;
            Data {
                id,
                as_of: Point::new(epoch, offset),
                part,
                more,
                rows,
                missing,
                total_count,
                start_key,
                end,
            }
        })
        .boxed()
}

fn stream_message() -> BoxedStrategy<ServerMessage> {
    let result = prop::sample::select(sample::subscribe_results().collect::<Vec<_>>());
    prop_oneof![
        (
            request_id(),
            entity_type(),
            result,
            epoch(),
            text(),
            offset(),
            offset()
        )
            .prop_map(|(id, entity_type, result, epoch, view, offset, head)| {
                ServerMessage::Subscribed(Subscribed {
                    id,
                    entity_type,
                    result,
                    epoch,
                    view,
                    offset,
                    head,
                })
            }),
        (entity_type(), number(), offset(), rows()).prop_map(|(entity_type, part, as_of, rows)| {
            ServerMessage::Snapshot(Snapshot {
                entity_type,
                part,
                as_of,
                rows,
            })
        }),
        (
            entity_type(),
            offset(),
            number(),
            lanes(),
            option::of(offset())
        )
            .prop_map(|(entity_type, as_of, count, actions, head)| {
                ServerMessage::SnapshotEnd(SnapshotEnd {
                    entity_type,
                    as_of,
                    count,
                    actions,
                    head: head.map(|head| head.max(as_of)),
                })
            }),
        events().prop_map(ServerMessage::Events),
        (
            option::of(request_id()),
            entity_type(),
            text(),
            any::<bool>()
        )
            .prop_map(|(id, entity_type, code, resubscribe)| {
                ServerMessage::Unsubscribed(Unsubscribed {
                    id,
                    entity_type,
                    code,
                    resubscribe,
                })
            }),
    ]
    .boxed()
}

fn error() -> BoxedStrategy<RequestError> {
    (request_id(), text(), class(), option::of(number()))
        .prop_map(|(id, code, class, retry_after_ms)| RequestError {
            id,
            code,
            class,
            retry_after_ms,
        })
        .boxed()
}

fn points() -> BoxedStrategy<BTreeMap<EntityType, Point>> {
    (epoch(), offsets())
        .prop_map(|(epoch, offsets)| {
            let points = offsets.into_iter();
            points
                .map(|(name, offset)| (name, Point::new(epoch.clone(), offset)))
                .collect()
        })
        .boxed()
}

fn answer() -> BoxedStrategy<ServerMessage> {
    let result = prop::sample::select(sample::ack_results().collect::<Vec<_>>());
    let reason = prop::sample::select(sample::sync_reasons().collect::<Vec<_>>());
    prop_oneof![
        error().prop_map(ServerMessage::FetchError),
        error().prop_map(ServerMessage::SubscribeError),
        data().prop_map(ServerMessage::Data),
        (
            action_id(),
            number(),
            result,
            points(),
            answer_rows(),
            replaced()
        )
            .prop_map(|(id, seq, result, as_of, rows, replaced)| {
                ServerMessage::Ack(Ack {
                    id,
                    seq,
                    result,
                    as_of,
                    rows,
                    replaced,
                })
            }),
        (action_id(), number(), error(), text(), answer_rows()).prop_map(
            |(id, seq, error, message, rows)| {
                let RequestError {
                    code,
                    class,
                    retry_after_ms,
                    ..
                } = error;
                ServerMessage::Reject(Reject {
                    id,
                    seq,
                    class,
                    code,
                    message,
                    retry_after_ms,
                    rows,
                })
            }
        ),
        (lane(), number(), reason).prop_map(|(lane, last_seq, reason)| {
            ServerMessage::ActionSync(ActionSync {
                lane,
                last_seq,
                reason,
            })
        }),
    ]
    .boxed()
}

/// Everything a server can say in v1.
pub(crate) fn server_message() -> BoxedStrategy<ServerMessage> {
    prop_oneof![
        6 => stream_message(),
        5 => answer(),
        1 => welcome().prop_map(ServerMessage::Welcome),
        1 => (number(), offsets()).prop_map(|(n, heads)| ServerMessage::Ping(Ping { n, heads })),
        1 => number().prop_map(ServerMessage::Pong),
        1 => (number(), number()).prop_map(|(in_ms, jitter_ms)| ServerMessage::Drain(Drain { in_ms, jitter_ms })),
        1 => (any::<u16>(), text(), class(), option::of(number())).prop_map(|(code, reason, class, retry_after_ms)| {
            ServerMessage::Bye(Bye { code, reason, class, retry_after_ms })
        }),
    ].boxed()
}

/// Everything the basic dialect says without loss.
pub(crate) fn push() -> BoxedStrategy<Push> {
    let updated = |id, version, changes| Op::Updated {
        id,
        version,
        base: None,
        changes,
        entity: None,
        was: None,
    };
    let ops = prop_oneof![
        record().prop_map(|entity| vec![Op::Created {
            entity,
            version: None
        }]),
        (entity_id(), option::of(version()), setting())
            .prop_map(move |(id, version, changes)| vec![updated(id, version, changes)]),
        (entity_id(), option::of(version())).prop_map(|(id, version)| vec![Op::Deleted {
            id,
            version,
            was: None
        }]),
        vec((entity_id(), version(), setting()), 2..5).prop_map(move |updates| {
            updates
                .into_iter()
                .map(|(id, version, changes)| updated(id, Some(version), changes))
                .collect()
        }),
        Just(vec![Op::StaleAll(Some(0))]),
    ];
    (entity_type(), ops)
        .prop_map(|(entity_type, ops)| Push { entity_type, ops })
        .boxed()
}
