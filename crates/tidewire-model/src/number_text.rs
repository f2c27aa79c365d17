//! Numbers that arrive as their text: what serde_json gives once any crate of a program turns on its feature
//! `arbitrary_precision`.
//!
//! Features of one crate hold for the whole program, so that a number has to mean the same with it and without. Then a
//! number is an object with one field of this name, whose value is the text of the number. Such an object is read as the
//! number always, with or without the feature, so that two programs never read one frame differently. Knows nothing
//! else of any text format.

use serde::de::{Error, Expected, MapAccess, Unexpected};

use crate::value::Value;

/// The one name that no field may have: an object whose first field has it is read as a number. Whoever takes content from
/// an application refuses it, in objects of every depth.
pub const FIELD: &str = "$serde_json::private::Number";

/// The number, where it is all that an object could hold.
pub(crate) fn only<'de, A: MapAccess<'de>>(
    mut access: A,
    expected: &dyn Expected,
) -> Result<Value, A::Error> {
    match access.next_key::<Box<str>>()? {
        Some(name) if *name == *FIELD => value(access, expected),
        _ => Err(A::Error::invalid_type(Unexpected::Map, expected)),
    }
}

/// The number, after the name of its field was read.
pub(crate) fn value<'de, A: MapAccess<'de>>(
    mut access: A,
    expected: &dyn Expected,
) -> Result<Value, A::Error> {
    let text: Box<str> = access.next_value()?;
    let number = parse(&text)
        .ok_or_else(|| A::Error::invalid_value(Unexpected::Other("a number"), expected))?;
    if access.next_key::<Box<str>>()?.is_some() {
        return Err(A::Error::invalid_type(Unexpected::Map, expected));
    }
    Ok(number)
}

/// The number that a text of JSON stands for; `None` for one that is not finite, and for what is no number.
pub(crate) fn parse(text: &str) -> Option<Value> {
    let is_number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if !is_number {
        return None;
    }
    match text.parse::<i64>() {
        // What has a sign is a float, as it is without the feature.
        Ok(0) if text.starts_with('-') => Some(Value::Float(-0.0)),
        Ok(number) => Some(Value::Int(number)),
        Err(_) => match text.parse::<u64>() {
            Ok(number) => Some(Value::UInt(number)),
            Err(_) => text.parse().ok().and_then(Value::float),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde::de::value::{Error, MapDeserializer};

    use super::*;
    use crate::{EntityId, Record};

    /// What serde_json gives for a number with the feature turned on.
    fn given<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, Error> {
        T::deserialize(MapDeserializer::new([(FIELD, text)].into_iter()))
    }

    #[test]
    fn a_number_given_as_text_is_the_number_that_it_is_without_the_feature() {
        for text in [
            "0",
            "-0",
            "7",
            "-9223372036854775808",
            "9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
            "0.1",
            "1e2",
            "-1.5E-3",
            "123456789012345678901234567890",
        ] {
            let plain: Value = serde_json::from_str(text).unwrap();
            let read: Value = given(text).unwrap();
            assert_eq!(format!("{plain:?}"), format!("{read:?}"), "{text}");
        }
        for text in ["1e400", "", "inf", "NaN", "+1", "0x1", "1-2"] {
            assert!(given::<Value>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_id_given_as_text_of_a_number_is_that_integer() {
        for text in ["1", "-1", "18446744073709551615"] {
            let plain: EntityId = serde_json::from_str(text).unwrap();
            let read: EntityId = given(text).unwrap();
            assert_eq!((&read, read.is_integer()), (&plain, true), "{text}");
        }
        for text in ["1.0", "1e2", "18446744073709551616", "x"] {
            assert!(given::<EntityId>(text).is_err(), "{text}");
        }
        assert!(serde_json::from_str::<EntityId>("{}").is_err());
        assert!(serde_json::from_str::<EntityId>(r#"{"a":"1"}"#).is_err());
    }

    #[test]
    fn a_number_written_as_text_is_taken_as_the_number() {
        #[derive(serde::Serialize)]
        struct Number {
            #[serde(rename = "$serde_json::private::Number")]
            text: &'static str,
        }
        #[derive(serde::Serialize)]
        struct Row {
            score: Number,
        }
        let record = Record::from_serialize(&Row {
            score: Number { text: "12" },
        });
        assert_eq!(record, Ok(Record::new().with("score", 12)));
    }
}
