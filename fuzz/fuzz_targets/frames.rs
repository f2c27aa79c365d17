//! Any bytes as a frame, on both sides and in both dialects: an error or a message, and a message that
//! is written is read back alike.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidewire_protocol::{Basic, Dialect, Encoded, Payload, V1Json, Want};

fn payload(encoded: &Encoded) -> Payload<'_> {
    match encoded {
        Encoded::Text(text) => Payload::Text(text),
        Encoded::Binary(bytes) => Payload::Binary(bytes),
    }
}

fn both_sides(dialect: &dyn Dialect, frame: Payload<'_>) {
    if let Ok(message) = dialect.decode_server(frame)
        && let Some(encoded) = dialect.encode_server(&message, Want::Changes)
    {
        let again = dialect
            .decode_server(payload(&encoded))
            .expect("what is written is read");
        let twice = dialect
            .encode_server(&again, Want::Changes)
            .expect("it was written before");
        assert_eq!(format!("{encoded:?}"), format!("{twice:?}"));
    }
    if let Ok(message) = dialect.decode_client(frame)
        && let Some(encoded) = dialect.encode_client(&message)
    {
        let again = dialect
            .decode_client(payload(&encoded))
            .expect("what is written is read");
        let twice = dialect
            .encode_client(&again)
            .expect("it was written before");
        assert_eq!(format!("{encoded:?}"), format!("{twice:?}"));
    }
}

fuzz_target!(|bytes: &[u8]| {
    for dialect in [&V1Json::DEFAULT as &dyn Dialect, &Basic::DEFAULT] {
        both_sides(dialect, Payload::Binary(bytes));
        if let Ok(text) = std::str::from_utf8(bytes) {
            both_sides(dialect, Payload::Text(text));
        }
    }
});
