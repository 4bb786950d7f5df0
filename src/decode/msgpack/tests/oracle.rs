//! The same bytes through rmp-serde: random values must read alike, random bytes be judged alike.

use std::fmt;

use proptest::prelude::*;
use rmp::encode;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{MsgpackReader, Tree, read, read_all};
use crate::decode::pull::Pull;

/// A value as it is to be written. Unlike [`Tree`] it has keys of every kind.
#[derive(Clone, Debug)]
enum Sent {
    Scalar(Tree),
    Array(Vec<Sent>),
    Map(Vec<(Sent, Sent)>),
}

fn sent() -> impl Strategy<Value = Sent> {
    let integer = prop_oneof![any::<i64>(), -70_000_i64..70_000, -200_i64..300];
    let scalar = prop_oneof![
        Just(Tree::Null),
        any::<bool>().prop_map(Tree::Bool),
        any::<u64>().prop_map(Tree::Unsigned),
        integer.prop_map(|n| u64::try_from(n).map_or(Tree::Signed(n), Tree::Unsigned)),
        any::<u32>().prop_map(Tree::Single),
        any::<u64>().prop_map(Tree::Double),
        "\\PC{0,40}".prop_map(Tree::Text),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Tree::Bytes),
        (any::<i8>(), prop::collection::vec(any::<u8>(), 0..20))
            .prop_map(|(kind, payload)| Tree::Extension(kind, payload)),
    ];
    scalar.prop_map(Sent::Scalar).prop_recursive(4, 60, 20, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(Sent::Array),
            prop::collection::vec((inner.clone(), inner), 0..20).prop_map(Sent::Map),
        ]
    })
}

/// Writing to memory cannot fail, so results are dropped.
fn write(sent: &Sent, out: &mut Vec<u8>) {
    match sent {
        Sent::Scalar(Tree::Null) => drop(encode::write_nil(out)),
        Sent::Scalar(Tree::Bool(value)) => drop(encode::write_bool(out, *value)),
        Sent::Scalar(Tree::Unsigned(number)) => drop(encode::write_uint(out, *number)),
        Sent::Scalar(Tree::Signed(number)) => drop(encode::write_sint(out, *number)),
        Sent::Scalar(Tree::Single(bits)) => drop(encode::write_f32(out, f32::from_bits(*bits))),
        Sent::Scalar(Tree::Double(bits)) => drop(encode::write_f64(out, f64::from_bits(*bits))),
        Sent::Scalar(Tree::Text(text)) => drop(encode::write_str(out, text)),
        Sent::Scalar(Tree::Bytes(bytes)) => drop(encode::write_bin(out, bytes)),
        Sent::Scalar(Tree::Extension(kind, payload)) => {
            // By hand where the length has a form of its own: the writer refuses negative types.
            match payload.len() {
                1 => out.push(0xd4),
                2 => out.push(0xd5),
                4 => out.push(0xd6),
                8 => out.push(0xd7),
                16 => out.push(0xd8),
                length => out.extend([0xc7, length as u8]),
            }
            out.push(*kind as u8);
            out.extend(payload);
        }
        Sent::Scalar(Tree::Array(_) | Tree::Map(_)) => unreachable!("no scalars"),
        Sent::Array(elements) => {
            drop(encode::write_array_len(out, elements.len() as u32));
            for element in elements {
                write(element, out);
            }
        }
        Sent::Map(members) => {
            drop(encode::write_map_len(out, members.len() as u32));
            for (key, value) in members {
                write(key, out);
                write(value, out);
            }
        }
    }
}

/// What rmp-serde reads, with our own few rules applied: binary that is UTF-8 is text, a positive
/// number is unsigned, and keys that are not text are none.
struct Theirs(Tree);

impl<'de> Deserialize<'de> for Theirs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Builder).map(Theirs)
    }
}

struct Builder;

impl<'de> Visitor<'de> for Builder {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }
    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }
    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(Tree::Unsigned(number))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(u64::try_from(number).map_or(Tree::Signed(number), Tree::Unsigned))
    }
    fn visit_f32<E>(self, number: f32) -> Result<Tree, E> {
        Ok(Tree::Single(number.to_bits()))
    }
    fn visit_f64<E>(self, number: f64) -> Result<Tree, E> {
        Ok(Tree::Double(number.to_bits()))
    }
    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }
    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Tree, E> {
        let text = std::str::from_utf8(bytes).map(|text| Tree::Text(text.to_owned()));
        Ok(text.unwrap_or_else(|_| Tree::Bytes(bytes.to_vec())))
    }
    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Tree, D::Error> {
        let (kind, Theirs(payload)) = Deserialize::deserialize(inner)?;
        let payload = match payload {
            Tree::Bytes(bytes) => bytes,
            Tree::Text(text) => text.into_bytes(),
            other => panic!("an extension of {other:?}"),
        };
        Ok(Tree::Extension(kind, payload))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Tree, A::Error> {
        let mut array = Vec::new();
        while let Some(Theirs(element)) = elements.next_element()? {
            array.push(element);
        }
        Ok(Tree::Array(array))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Tree, A::Error> {
        let mut map = Vec::new();
        while let Some((Theirs(key), Theirs(value))) = members.next_entry()? {
            map.push((if let Tree::Text(key) = key { Some(key) } else { None }, value));
        }
        Ok(Tree::Map(map))
    }
}

/// Whether rmp-serde takes `bytes` as one value and no more.
fn they_accept(mut bytes: &[u8]) -> bool {
    rmp_serde::decode::from_read::<_, IgnoredAny>(&mut bytes).is_ok() && bytes.is_empty()
}

fn we_accept(bytes: &[u8]) -> bool {
    let mut reader = MsgpackReader::new(bytes);
    reader.skip().is_ok() && reader.at_end()
}

proptest! {
    #[test]
    fn random_values_read_as_the_other_implementation_reads_them(sent in sent()) {
        let mut bytes = Vec::new();
        write(&sent, &mut bytes);
        let theirs = rmp_serde::from_slice::<Theirs>(&bytes).expect("well formed");
        prop_assert_eq!(read_all(&bytes), Ok(theirs.0));
    }

    #[test]
    fn random_bytes_are_judged_as_the_other_implementation_judges_them(
        bytes in prop::collection::vec(any::<u8>(), 0..60)
    ) {
        prop_assert_eq!(we_accept(&bytes), they_accept(&bytes));
    }

    #[test]
    fn broken_values_are_judged_as_the_other_implementation_judges_them(
        sent in sent(),
        at in any::<prop::sample::Index>(),
        with in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = Vec::new();
        write(&sent, &mut bytes);
        let at = at.index(bytes.len());
        bytes[at] = with;
        prop_assert_eq!(we_accept(&bytes), they_accept(&bytes), "{:x?}", bytes);
        bytes.truncate(cut.index(bytes.len() + 1));
        prop_assert_eq!(we_accept(&bytes), they_accept(&bytes), "{:x?}", bytes);
        // Reading agrees with skipping.
        let mut reader = MsgpackReader::new(&bytes);
        prop_assert_eq!(read(&mut reader).is_ok() && reader.at_end(), we_accept(&bytes));
    }
}

/// The one difference: rmp-serde gives up at 1,024 levels (and overflows a small stack before), where
/// we count instead of descending.
#[test]
fn deep_nesting_is_where_the_implementations_part() {
    let nested = |depth| [vec![0x91; depth], vec![0xc0]].concat();
    assert!(we_accept(&nested(64)) && they_accept(&nested(64)));
    assert!(we_accept(&nested(100_000)));
}
