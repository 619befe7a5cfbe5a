//! The text of a compose file as a tree in which the tags `!reset` and `!override` can still be seen
//! (compose-spec, "Merge and override").

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::Tagged;

/// A table with this one key stands for a value with that tag. No key of a compose file begins so.
pub(super) const RESET: &str = "!reset";
pub(super) const OVERRIDE: &str = "!override";

/// Reads a compose file.
///
/// # Errors
/// What is wrong with it, as people read it.
pub(super) fn parse(text: &str) -> Result<Map<String, Value>, String> {
    let options = serde_saphyr::options! { strict_booleans: true };
    match serde_saphyr::from_str_with_options::<Node>(text, options) {
        Ok(Node(Value::Object(root))) => Ok(root),
        Ok(_) => Err("it is no map".to_owned()),
        Err(error) => Err(error.to_string().lines().next().unwrap_or_default().to_owned()),
    }
}

/// A value with its tag, if it has one that means something here.
struct Node(Value);

/// A value behind its tag.
struct Bare(Value);

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Tagged(Bare(value), tag) = Tagged::deserialize(deserializer)?;
        let marked = |tag: &str, value: Value| Value::Object(Map::from_iter([(tag.to_owned(), value)]));
        Ok(Self(match tag.as_deref() {
            Some(RESET) => marked(RESET, Value::Null),
            Some(OVERRIDE) => marked(OVERRIDE, value),
            _ => value,
        }))
    }
}

impl<'de> Deserialize<'de> for Bare {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visit).map(Self)
    }
}

struct Visit;

impl<'de> Visitor<'de> for Visit {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Bare::deserialize(deserializer).map(|Bare(value)| value)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(flag.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Node(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Map::new();
        while let Some((key, Node(value))) = map.next_entry::<String, Node>()? {
            entries.insert(key, value);
        }
        Ok(Value::Object(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_seen_and_everything_else_is_as_it_was() {
        let text = "a: &a { n: 1, t: on, f: 1.5, s: '1' }\nb: { <<: *a, ports: !override ['80:80'], env: !reset null }\nc: [!reset x, ~]\n";
        let told = Value::Object(parse(text).unwrap());
        assert_eq!(
            told,
            serde_json::from_str::<Value>(r#"{"a":{"n":1,"t":"on","f":1.5,"s":"1"},"b":{"n":1,"t":"on","f":1.5,"s":"1","ports":{"!override":["80:80"]},"env":{"!reset":null}},"c":[{"!reset":null},null]}"#).unwrap()
        );
        assert!(parse("[a]").unwrap_err().contains("no map"));
        parse("a: [").unwrap_err();
    }
}
