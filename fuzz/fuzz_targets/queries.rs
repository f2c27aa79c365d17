//! Any text as a query and as a cache key: an error or a value, whose canonical text reads back to it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidewire_model::{CacheKey, EntityType, Query};

fuzz_target!(|text: &str| {
    let orders = EntityType::new("orders").expect("a good name");
    if let Ok(query) = Query::parse(orders.clone(), text) {
        let canonical = query.to_string();
        assert_eq!(
            Query::parse(orders, &canonical).as_ref(),
            Ok(&query),
            "{canonical}"
        );
    }
    if let Ok(key) = CacheKey::parse(text) {
        assert_eq!(CacheKey::parse(&key.to_string()).as_ref(), Ok(&key));
    }
});
