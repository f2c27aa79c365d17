//! Names, points and times keep their bounds and their text.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::time::Duration;

use proptest::prelude::*;
use tidewire_model::{
    ActionId, CacheKey, CacheKeyError, EntityId, EntityKey, EntityType, Epoch, Lane,
    MAX_NAME_BYTES, MAX_WIRE, NameError, NameKind, Offset, Point, Query, Tick, ValueKey, Version,
};

use crate::strategies::{customers, example_filter, id, query};

#[test]
fn a_name_is_refused_when_it_is_empty_too_long_or_has_control_characters() {
    let longest = "é".repeat(MAX_NAME_BYTES / 2);
    let too_long = format!("{longest}x");
    assert!(
        EntityType::new(&longest).is_ok()
            && EntityId::text(&longest).is_ok()
            && Epoch::new(&longest).is_ok()
    );
    let errors = |text: &str| {
        [
            EntityType::new(text).unwrap_err(),
            EntityId::text(text).unwrap_err(),
            Epoch::new(text).unwrap_err(),
        ]
    };
    let kinds = [NameKind::EntityType, NameKind::EntityId, NameKind::Epoch];
    assert_eq!(errors(""), kinds.map(NameError::Empty));
    assert_eq!(errors("a\nb"), kinds.map(NameError::Control));
    let expected = kinds.map(|kind| NameError::TooLong {
        kind,
        bytes: MAX_NAME_BYTES + 1,
        max_bytes: MAX_NAME_BYTES,
    });
    assert_eq!(errors(&too_long), expected);
    assert_eq!(
        Lane::new(&"l".repeat(65)),
        Err(NameError::TooLong {
            kind: NameKind::Lane,
            bytes: 65,
            max_bytes: 64
        })
    );
}

#[test]
fn an_error_says_what_the_name_was_to_name() {
    let said = [
        EntityType::new("").map(|_| ()),
        EntityId::text("").map(|_| ()),
        EntityId::text("a\nb").map(|_| ()),
        Epoch::new("").map(|_| ()),
        Lane::new("").map(|_| ()),
    ];
    assert_eq!(
        said.map(|refused| refused.unwrap_err().to_string()),
        [
            "the entity type is empty",
            "the entity id is empty",
            "the entity id contains a control character",
            "the epoch is empty",
            "the name of the lane is empty",
        ]
    );
}

#[test]
fn an_entity_type_never_contains_what_separates_the_parts_of_a_cache_key() {
    for text in ["a:list-b", ":detail-", "x:detail-:list-"] {
        assert!(
            matches!(EntityType::new(text), Err(NameError::Reserved { .. })),
            "{text}"
        );
    }
    assert!(EntityType::new("orders:shop-7").is_ok());
}

#[test]
fn one_and_text_one_are_one_id_and_each_is_written_back_as_it_came() {
    let (number, text): (EntityId, EntityId) = (
        serde_json::from_str("1").unwrap(),
        serde_json::from_str("\"1\"").unwrap(),
    );
    assert_eq!(number, text);
    assert_eq!(HashSet::from([number.clone(), text.clone()]).len(), 1);
    assert!(HashSet::from([number.clone()]).contains("1"));
    assert_eq!(number.cmp(&text), std::cmp::Ordering::Equal);
    assert_eq!(serde_json::to_string(&number).unwrap(), "1");
    assert_eq!(serde_json::to_string(&text).unwrap(), "\"1\"");
    for json in ["-9223372036854775808", "18446744073709551615", "0"] {
        let id: EntityId = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), json);
    }
}

#[test]
fn an_id_is_text_or_an_integer_and_nothing_else() {
    for json in [
        "1.5",
        "null",
        "true",
        "[]",
        "{}",
        "\"\"",
        "18446744073709551616",
        "\"\\u0000\"",
    ] {
        assert!(serde_json::from_str::<EntityId>(json).is_err(), "{json}");
    }
}

/// Texts around the length up to which an id needs no memory of its own, many of them alike.
fn id_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ab]{1,3}",
        "a{20,24}[ab]{0,2}",
        "[aé]{9,13}",
        "\\PC{1,12}",
        any::<i64>().prop_map(|number| number.to_string()),
    ]
}

proptest! {
    #[test]
    fn an_id_is_its_text_however_long_it_is(one in id_text(), two in id_text()) {
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let ids = [&one, &two].map(|text| id(text));
        prop_assert_eq!(ids[0].as_str(), &one);
        prop_assert_eq!(ids[0].as_bytes(), one.as_bytes());
        prop_assert_eq!(&ids[0].to_string(), &one);
        prop_assert_eq!(ids[0] == ids[1], one == two);
        prop_assert_eq!(ids[0].cmp(&ids[1]), one.as_bytes().cmp(two.as_bytes()));
        prop_assert_eq!(hasher.hash_one(&ids[0]), hasher.hash_one(&*one), "it is found by its text");
        prop_assert_eq!(&ids[0].clone(), &ids[0]);
        let written = serde_json::to_string(&ids[0]).unwrap();
        prop_assert_eq!(&written, &serde_json::to_string(&one).unwrap());
        prop_assert_eq!(&serde_json::from_str::<EntityId>(&written).unwrap(), &ids[0]);
        if let Ok(number) = one.parse::<i64>().map(EntityId::integer)
            && number.as_str() == one
        {
            prop_assert_eq!(&number, &ids[0]);
            prop_assert_eq!(hasher.hash_one(&number), hasher.hash_one(&ids[0]));
        }
    }
}

#[test]
fn ids_are_ordered_by_bytes() {
    let mut ids = [
        id("b"),
        EntityId::integer(10),
        id("B"),
        EntityId::integer(9),
        id("é"),
    ];
    ids.sort();
    assert_eq!(
        ids.map(|id| id.as_str().to_owned()),
        ["10", "9", "B", "b", "é"]
    );
}

#[test]
fn action_ids_rise_with_time_and_read_back_in_one_form_only() {
    let first = ActionId::new(1_000, [255; 10]);
    let second = ActionId::new(1_001, [0; 10]);
    assert!(first < second);
    let text = first.to_string();
    assert_eq!(ActionId::parse(&text), Ok(first));
    assert_eq!(
        serde_json::to_string(&first).unwrap(),
        format!("\"{text}\"")
    );
    assert_eq!(
        serde_json::from_str::<ActionId>(&format!("\"{text}\"")).unwrap(),
        first
    );
    assert_eq!(ActionId::from_bytes(*first.as_bytes()), first);
    assert_eq!(text.as_bytes()[14], b'7', "version 7");
    let simple = text.replace('-', "");
    for other in [
        simple.clone(),
        format!("{{{text}}}"),
        format!("urn:uuid:{text}"),
        String::new(),
    ] {
        assert_eq!(ActionId::parse(&other), Err(NameError::NotUuid), "{other}");
    }
    let temporary = EntityId::temporary(first);
    assert_eq!(temporary.as_str(), format!("tmp_{simple}"));
    assert!(temporary.is_temporary() && !id("c-1").is_temporary());
}

#[test]
fn offsets_and_versions_stay_below_two_to_the_53() {
    assert_eq!(Offset::new(MAX_WIRE), Some(Offset::MAX));
    assert_eq!(Offset::new(MAX_WIRE + 1), None);
    assert_eq!(Offset::ZERO.next().get(), 1);
    assert_eq!(Offset::MAX.next(), Offset::MAX);
    assert_eq!(
        serde_json::from_str::<Version>("9007199254740991").unwrap(),
        Version::MAX
    );
    for json in ["9007199254740992", "-1", "1.5", "\"1\"", "null"] {
        assert!(serde_json::from_str::<Version>(json).is_err(), "{json}");
        assert!(serde_json::from_str::<Offset>(json).is_err(), "{json}");
    }
    let point = Point::new(Epoch::new("e").unwrap(), Offset::new(7).unwrap());
    let json = serde_json::to_string(&point).unwrap();
    assert_eq!(json, r#"{"epoch":"e","offset":7}"#);
    assert_eq!(serde_json::from_str::<Point>(&json).unwrap(), point);
}

#[test]
fn ticks_saturate_at_both_ends() {
    let tick = Tick::from_micros(5);
    assert_eq!(tick + Duration::from_millis(1), Tick::from_micros(1_005));
    assert_eq!(tick - Tick::from_micros(7), Duration::ZERO);
    assert_eq!(Tick::from_micros(7) - tick, Duration::from_micros(2));
    assert_eq!(tick - Duration::from_secs(1), Tick::ZERO);
    assert_eq!(tick + Duration::MAX, Tick::MAX);
}

#[test]
fn an_entity_has_a_cache_key_that_reads_back() {
    let key = EntityKey::new(
        EntityType::new("orders:shop-7").unwrap(),
        id("x:list-:detail-9"),
    );
    assert_eq!(key.cache_key(), "orders:shop-7:detail-x:list-:detail-9");
    assert_eq!(CacheKey::parse(&key.cache_key()), Ok(CacheKey::Detail(key)));
}

#[test]
fn a_list_has_a_cache_key_that_reads_back() {
    let all = Query::new(customers());
    assert_eq!(all.cache_key(), "customers:list-");
    assert_eq!(CacheKey::parse("customers:list-"), Ok(CacheKey::List(all)));
    let some = Query::new(customers()).filter(example_filter());
    assert_eq!(
        CacheKey::parse(&some.cache_key()).unwrap().to_string(),
        some.cache_key()
    );
}

#[test]
fn the_first_mark_decides_what_a_cache_key_names() {
    let list = "customers:list-where a = \":detail-1\"";
    assert_eq!(
        CacheKey::parse(list).map(|key| matches!(key, CacheKey::List(_))),
        Ok(true)
    );
    let detail = "customers:detail-:list-where";
    assert_eq!(
        CacheKey::parse(detail).map(|key| matches!(key, CacheKey::Detail(_))),
        Ok(true)
    );
}

#[test]
fn what_is_no_cache_key_is_refused_with_the_part_that_is_wrong() {
    assert_eq!(
        CacheKey::parse(""),
        Err(CacheKeyError::Name(NameError::Empty(NameKind::ValueKey)))
    );
    assert_eq!(
        CacheKey::parse(":detail-1"),
        Err(CacheKeyError::Name(NameError::Empty(NameKind::EntityType)))
    );
    assert_eq!(
        CacheKey::parse("c:detail-"),
        Err(CacheKeyError::Name(NameError::Empty(NameKind::EntityId)))
    );
    assert!(matches!(
        CacheKey::parse("c:list-where"),
        Err(CacheKeyError::Query(_))
    ));
}

#[test]
fn a_text_without_a_mark_names_a_plain_value() {
    let key = CacheKey::parse("dashboard:metrics").unwrap();
    let CacheKey::Value(value) = &key else {
        panic!("{key:?}");
    };
    assert_eq!(
        (value.as_str(), key.entity_type()),
        ("dashboard:metrics", None)
    );
    assert_eq!(CacheKey::parse(&key.to_string()), Ok(key.clone()));
    let namespace = |name: &str| value.is_in(&EntityType::new(name).unwrap());
    assert!(namespace("dashboard") && !namespace("dash") && !namespace("metrics"));
    assert!(matches!(
        ValueKey::new("a:list-b"),
        Err(NameError::Reserved { .. })
    ));
}

proptest! {
    #[test]
    fn every_cache_key_reads_back(entity_type in "[:a-z-]{1,12}|(:list|:detail|-|:){1,4}", id in "(:list-|:detail-|a){1,3}", query in query()) {
        prop_assume!(EntityType::new(&entity_type).is_ok());
        let entity_type = EntityType::new(&entity_type).unwrap();
        let detail = CacheKey::Detail(EntityKey::new(entity_type.clone(), EntityId::text(&id).unwrap()));
        prop_assert_eq!(CacheKey::parse(&detail.to_string()), Ok(detail));
        let text = query.to_string();
        if let Ok(query) = Query::parse(entity_type, &text) {
            let list = CacheKey::List(query);
            prop_assert_eq!(CacheKey::parse(&list.to_string()), Ok(list));
        }
    }
}
