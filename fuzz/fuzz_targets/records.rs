//! Any JSON object as a record: it holds what `serde_json` reads, and is written and read back alike.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidewire_model::Record;

fuzz_target!(|text: &str| {
    let Ok(record) = serde_json::from_str::<Record>(text) else {
        return;
    };
    let written = serde_json::to_string(&record).expect("a record is JSON");
    let again: Record = serde_json::from_str(&written).expect("what is written is read");
    assert_eq!(again, record, "{written}");
    if let Ok(value) = serde_json::from_str::<serde_json::Value>(text) {
        let other: serde_json::Value = serde_json::from_str(&written).expect("it is JSON");
        assert_eq!(other, value);
    }
});
