//! JSON objects, and nothing else, for structures.

use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};

/// Reads a structure from an object only. What serde derives would take an array for one, field after field, and so a hub
/// would accept what it must refuse.
pub(crate) struct ObjectVisitor<T, R>(pub(crate) R, pub(crate) PhantomData<T>);

/// The derived reader of a structure, under `#[serde(remote = "Self")]`.
pub(crate) trait Derived<'de, T> {
    fn read<A: MapAccess<'de>>(self, object: MapAccessDeserializer<A>) -> Result<T, A::Error>;
}

impl<'de, T, R: Derived<'de, T>> Visitor<'de> for ObjectVisitor<T, R> {
    type Value = T;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        self.0.read(MapAccessDeserializer::new(map))
    }
}

/// Implements serde's traits for structures whose derived code stands under `#[serde(remote = "Self")]`.
macro_rules! object_only {
    ($($name:ident),+) => { $(
        const _: () = {
            struct Reader;

            impl<'de: 'a, 'a> $crate::object::Derived<'de, $name<'a>> for Reader {
                fn read<A: serde::de::MapAccess<'de>>(
                    self,
                    object: serde::de::value::MapAccessDeserializer<A>,
                ) -> Result<$name<'a>, A::Error> {
                    $name::deserialize(object)
                }
            }

            impl<'de: 'a, 'a> serde::Deserialize<'de> for $name<'a> {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let visitor = $crate::object::ObjectVisitor(Reader, std::marker::PhantomData);
                    deserializer.deserialize_map(visitor)
                }
            }

            impl serde::Serialize for $name<'_> {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    $name::serialize(self, serializer)
                }
            }
        };
    )+ };
}
pub(crate) use object_only;

/// Whether a JSON text is an object.
pub(crate) fn is_object(json: &str) -> bool {
    json.trim_start().starts_with('{')
}
