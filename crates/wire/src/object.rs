//! JSON objects, and nothing else, for structures.
//!
//! guide:env-10

use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

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

/// Reads a structure from an object only, as a field of another one.
pub(crate) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    let raw = <&'de RawValue>::deserialize(deserializer)?.get();
    if !is_object(raw) {
        return Err(D::Error::custom("not an object"));
    }
    serde_json::from_str(raw).map_err(D::Error::custom)
}

/// Reads a structure from an object, and anything else as none: for what a reader can do without.
pub(crate) fn object_or_none<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let raw = <&'de RawValue>::deserialize(deserializer)?.get();
    Ok(is_object(raw).then(|| serde_json::from_str(raw).ok()).flatten())
}

/// Implements serde's traits for structures whose derived code stands under `#[serde(remote = "Self")]`.
macro_rules! object_only {
    ($($name:ident $(<$life:lifetime>)?),+) => { $(
        const _: () = {
            struct Reader;

            impl<'de $(: $life, $life)?> $crate::object::Derived<'de, $name $(<$life>)?> for Reader {
                fn read<A: serde::de::MapAccess<'de>>(
                    self,
                    object: serde::de::value::MapAccessDeserializer<A>,
                ) -> Result<$name $(<$life>)?, A::Error> {
                    $name::deserialize(object)
                }
            }

            impl<'de $(: $life, $life)?> serde::Deserialize<'de> for $name $(<$life>)? {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let visitor = $crate::object::ObjectVisitor(Reader, std::marker::PhantomData);
                    deserializer.deserialize_map(visitor)
                }
            }

            impl $(<$life>)? serde::Serialize for $name $(<$life>)? {
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
