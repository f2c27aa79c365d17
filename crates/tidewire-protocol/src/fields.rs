//! The two macros that a message's shape is written with: what its fields are when it is read, and when it is written.
//!
//! Neither builds a tree, and neither knows a byte format: both go through serde.

/// The fields of an object, all of them optional while it is read.
///
/// Fields may stand in any order. One that is not listed is skipped, one that is null counts as absent, and one that
/// stands twice is an error. An array is never taken for an object.
macro_rules! fields {
    ($(#[$meta:meta])* $name:ident { $($field:ident: $wire:literal => $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug)]
        pub(crate) struct $name {
            $($field: Option<$type>,)*
        }

        const _: () = {
            #[expect(non_camel_case_types, reason = "the variants are named like the fields")]
            #[derive(serde::Deserialize)]
            #[serde(field_identifier)]
            enum Key {
                $(#[serde(rename = $wire)] $field,)*
                #[serde(other)]
                other_field,
            }

            struct FieldsVisitor;

            impl<'de> serde::de::Visitor<'de> for FieldsVisitor {
                type Value = $name;

                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }

                fn visit_map<A: serde::de::MapAccess<'de>>(self, mut access: A) -> Result<$name, A::Error> {
                    let mut fields = $name { $($field: None,)* };
                    while let Some(key) = access.next_key::<Key>()? {
                        match key {
                            $(Key::$field if fields.$field.is_some() => {
                                return Err(serde::de::Error::duplicate_field($wire));
                            }
                            Key::$field => fields.$field = access.next_value()?,)*
                            Key::other_field => {
                                access.next_value::<serde::de::IgnoredAny>()?;
                            }
                        }
                    }
                    Ok(fields)
                }
            }

            impl<'de> serde::Deserialize<'de> for $name {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    deserializer.deserialize_map(FieldsVisitor)
                }
            }
        };
    };
}

/// Writes an object: `"name" => value,` always, `"name" =>? value,` when the value is not `None`.
macro_rules! object {
    (@entries $map:ident,) => {};
    (@entries $map:ident, $name:literal => $value:expr, $($rest:tt)*) => {
        serde::ser::SerializeMap::serialize_entry(&mut $map, $name, &$value)?;
        object!(@entries $map, $($rest)*);
    };
    (@entries $map:ident, $name:literal =>? $value:expr, $($rest:tt)*) => {
        if let Some(value) = &$value {
            serde::ser::SerializeMap::serialize_entry(&mut $map, $name, value)?;
        }
        object!(@entries $map, $($rest)*);
    };
    ($serializer:expr, { $($entries:tt)* }) => {{
        let mut map = serde::Serializer::serialize_map($serializer, None)?;
        object!(@entries map, $($entries)*);
        serde::ser::SerializeMap::end(map)
    }};
}

pub(crate) use {fields, object};
