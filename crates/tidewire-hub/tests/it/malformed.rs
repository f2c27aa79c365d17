//! Nothing a client sends panics, hangs or is passed over in silence (law 19).

use proptest::prelude::*;
use tidewire_hub::Input;
use tidewire_protocol::{Class, Encoded, ServerMessage};

use crate::world::World;

/// Every message a client can send, well formed.
const WELL_FORMED: [&str; 8] = [
    r#"{"type":"SUBSCRIBE","id":1,"entityType":"tasks","want":"changes"}"#,
    r#"{"type":"SUBSCRIBE","id":1,"entityType":"tasks","want":"snapshot","resume":{"epoch":"one","offset":0,"view":"all"}}"#,
    r#"{"type":"UNSUBSCRIBE","id":1,"entityType":"tasks"}"#,
    r#"{"type":"FETCH","id":1,"entityType":"tasks","ids":["a",7]}"#,
    r#"{"type":"FETCH","id":1,"entityType":"tasks","query":"where score > 5 limit 10"}"#,
    r#"{"type":"ACTION","id":"01890a5d-ac96-774b-bcce-b302099a8057","lane":"main","seq":1,"previous":0,"name":"delete","entityType":"tasks","entityId":"a","payload":{},"hash":"x"}"#,
    r#"{"type":"PING","n":1}"#,
    r#"{"type":"PONG","n":1}"#,
];

const MALFORMED: [&str; 22] = [
    "",
    " ",
    "null",
    "[]",
    "7",
    "\"PING\"",
    "{",
    "{}",
    r#"{"type":7}"#,
    r#"{"type":"PING"}"#,
    r#"{"type":"PING","n":-1}"#,
    r#"{"type":"PING","n":9007199254740992}"#,
    r#"{"type":"PING","n":1}{"type":"PING","n":1}"#,
    r#"{"type":"SUBSCRIBE","id":1}"#,
    r#"{"type":"SUBSCRIBE","id":1,"entityType":"","want":"changes"}"#,
    r#"{"type":"SUBSCRIBE","id":1,"entityType":"tasks","want":"everything"}"#,
    r#"{"type":"SUBSCRIBE","id":1,"entityType":"tasks","want":"changes","resume":{"epoch":"one"}}"#,
    r#"{"type":"FETCH","id":1,"entityType":"tasks"}"#,
    r#"{"type":"FETCH","id":1,"entityType":"tasks","ids":[{}]}"#,
    r#"{"type":"FETCH","id":1,"entityType":"tasks","query":7}"#,
    r#"{"type":"ACTION","id":"not-a-uuid","lane":"main","seq":1,"previous":0,"name":"delete","payload":{},"hash":"x"}"#,
    r#"{"type":"ACTION","id":"01890a5d-ac96-774b-bcce-b302099a8057","lane":"main","seq":1,"previous":0,"name":"x","payload":[],"hash":"x"}"#,
];

#[test]
fn a_query_that_means_nothing_is_refused_and_the_connection_goes_on() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    world.tell_text(
        peer,
        r#"{"type":"FETCH","id":4,"entityType":"tasks","query":"where"}"#,
    );
    let messages = world.messages(peer);
    let [ServerMessage::FetchError(error)] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert_eq!(
        (error.id.0, &*error.code, error.class),
        (4, "bad_request", Class::Permanent)
    );
    assert_eq!((world.closed(peer), world.stats().malformed), (None, 1));
    world.tell_text(peer, r#"{"type":"PING","n":9}"#);
    assert_eq!(world.messages(peer), [ServerMessage::Pong(9)]);
    // Before the client was let in, nothing is answered.
    let silent = world.open();
    world.tell_text(
        silent,
        r#"{"type":"FETCH","id":4,"entityType":"tasks","query":"where"}"#,
    );
    assert_eq!(world.closed(silent), Some(4000));
}

#[test]
fn a_frame_that_means_nothing_closes_with_a_reason_that_names_the_fault() {
    for text in MALFORMED {
        let mut world = World::new();
        let peer = world.connect("client", 1);
        world.tell_text(peer, text);
        assert_eq!(world.closed(peer), Some(4000), "{text}");
        let messages = world.messages(peer);
        let [ServerMessage::Bye(bye)] = &messages[..] else {
            panic!("{text}: {messages:?}")
        };
        assert_eq!((bye.code, bye.class), (4000, Class::Permanent));
        assert!(bye.reason.starts_with("the peer"), "{}", bye.reason);
        assert_eq!(world.stats().malformed, 1);
        assert_eq!(world.stats().connections, 0);
    }
}

#[test]
fn what_is_well_formed_is_answered() {
    for text in WELL_FORMED {
        let mut world = World::new();
        let peer = world.connect("client", 1);
        world.tell_text(peer, text);
        world.settle();
        assert_eq!(world.closed(peer), None, "{text}");
        assert_eq!(
            world.messages(peer).is_empty(),
            text.contains("PONG"),
            "{text}"
        );
    }
}

#[test]
fn a_binary_frame_is_no_message_of_a_text_dialect() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    world.say(Input::Frame {
        connection: peer,
        payload: Encoded::Binary(b"{\"type\":\"PING\",\"n\":1}".to_vec()),
    });
    assert_eq!(world.closed(peer), Some(4000));
}

#[test]
fn a_type_from_the_future_is_skipped_unless_it_must_not_be() {
    let mut world = World::new();
    let peer = world.connect("client", 1);
    world.tell_text(peer, r#"{"type":"WAVE","height":3}"#);
    assert_eq!(
        (world.closed(peer), world.stats().unknown_messages),
        (None, 1)
    );
    world.tell_text(peer, r#"{"type":"WAVE","critical":true}"#);
    assert_eq!(world.closed(peer), Some(4002));
}

#[test]
fn inputs_about_what_is_not_there_are_ignored() {
    use tidewire_hub::{ConnectionId, Principal, Ticket};
    use tidewire_protocol::ClientMessage;
    let mut world = World::new();
    let nobody = ConnectionId(99);
    let ticket = Ticket(99);
    let before = world.log.len();
    world.tell(nobody, &ClientMessage::Ping(1));
    for input in [
        Input::Closed { connection: nobody },
        Input::Writable {
            connection: nobody,
            bytes: 7,
        },
        Input::Authenticated {
            connection: nobody,
            result: Ok(Principal::named("x")),
        },
        Input::Greeted {
            connection: nobody,
            result: Err(tidewire_hub::BackendError::Closed),
        },
        Input::SnapshotOpened {
            ticket,
            as_of: crate::world::offset(1),
        },
        Input::SnapshotRows {
            ticket,
            rows: vec![],
        },
        Input::SnapshotFailed {
            ticket,
            error: tidewire_hub::BackendError::Closed,
        },
        Input::JournalRead {
            ticket,
            result: Ok(None),
        },
        Input::Time,
    ] {
        world.say(input);
    }
    assert_eq!(world.log.len(), before);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// One place of a well-formed frame changed: it is a message, is refused by its number, or closes the connection.
    #[test]
    fn no_damaged_frame_leaves_a_connection_in_doubt(
        which in 0..WELL_FORMED.len(),
        place in any::<prop::sample::Index>(),
        with in any::<char>(),
        cut in any::<bool>(),
    ) {
        let mut text: Vec<char> = WELL_FORMED[which].chars().collect();
        let place = place.index(text.len());
        if cut { text.truncate(place) } else { text[place] = with }
        let text: String = text.into_iter().collect();
        let mut world = World::new();
        let peer = world.connect("client", 1);
        world.tell_text(peer, &text);
        world.settle();
        let closed = world.closed(peer);
        prop_assert!(matches!(closed, None | Some(4000)), "{:?}", closed);
        let is_refused = world.messages(peer).iter().any(|message| {
            matches!(message, ServerMessage::FetchError(error) if error.code == "bad_request")
        });
        prop_assert_eq!(world.stats().malformed, u64::from(closed.is_some() || is_refused));
        prop_assert_eq!(world.stats().incidents, 0);
    }
}
