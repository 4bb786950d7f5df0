//! `prometheus.WriteRequest`: labels in full, metadata by the name of the family.

use super::family::Family;
use super::labels::{Labels, text};
use super::{Dialect, Head, Reader, Sorts, bytes, varint};
use crate::decode::protobuf::{Field, Message, Slice};
use crate::decode::pull::Fault;

const METADATA: u32 = 3;
const LABELS: u32 = 1;

/// Names of families that are longer are of no series that is accepted.
const NAME_BYTES_MAX: usize = 1_024;

/// Reads a `prometheus.WriteRequest`.
pub(crate) type V1<'a> = Reader<'a, One<'a>>;

impl<'a> V1<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Result<Self, Fault> {
        Ok(Reader::over(body, One::new(body)?))
    }
}

/// What a request of version 1 says of its families.
pub(crate) struct One<'a> {
    body: &'a [u8],
    /// By name, and by place among equal ones.
    families: Vec<Known>,
    metadata: u64,
}

/// Eight bytes for a family, for a hostile sender needs nine to name one.
#[derive(Clone, Copy)]
struct Known {
    at: u32,
    bytes: u16,
    family: Family,
}

impl<'a> One<'a> {
    fn new(body: &'a [u8]) -> Result<Self, Fault> {
        if u32::try_from(body.len()).is_err() {
            return Err(Fault::new(0, "expected less than 4 GiB"));
        }
        let mut one = Self { body, families: Vec::new(), metadata: 0 };
        let mut request = Message::new(body);
        loop {
            let at = request.offset();
            let Some(field) = request.field()? else { break };
            if field.number == METADATA {
                one.metadata += 1;
                one.families.extend(known(bytes(field, at)?)?);
            }
        }
        one.families.sort_unstable_by(|a, b| (a.name(body), a.at).cmp(&(b.name(body), b.at)));
        Ok(one)
    }

    fn find(&self, name: &str) -> Family {
        let name = name.as_bytes();
        let behind = self.families.partition_point(|known| known.name(self.body) <= name);
        let last = behind.checked_sub(1).and_then(|index| self.families.get(index));
        last.filter(|known| known.name(self.body) == name).map_or(Family::Unknown, |k| k.family)
    }
}

impl Known {
    fn name(self, body: &[u8]) -> &[u8] {
        let at = self.at as usize;
        body.get(at..at + usize::from(self.bytes)).unwrap_or_default()
    }
}

/// Reads a `MetricMetadata`; one that says no type tells nothing.
fn known(metadata: Slice<'_>) -> Result<Option<Known>, Fault> {
    let (mut name, mut family) = (None, Family::Unknown);
    let mut message = metadata.message();
    loop {
        let at = message.offset();
        let Some(field) = message.field()? else { break };
        match field.number {
            1 => family = Family::of(varint(field, at)?),
            2 => name = Some(bytes(field, at)?),
            4 | 5 => drop(bytes(field, at)?),
            _ => {}
        }
    }
    let name = name.filter(|name| name.bytes.len() <= NAME_BYTES_MAX);
    Ok(name.filter(|_| family != Family::Unknown).map(|name| Known {
        at: name.at as u32,
        bytes: name.bytes.len() as u16,
        family,
    }))
}

impl<'a> Dialect<'a> for One<'a> {
    const SERIES: u32 = 1;
    const HISTOGRAMS: u32 = 4;
    const EXEMPLARS: u32 = 3;

    #[inline]
    fn head(
        &mut self,
        field: Field<'a>,
        at: usize,
        labels: &mut Labels<'_, 'a>,
        _: &mut Head,
    ) -> Result<(), Fault> {
        if field.number != LABELS {
            return Ok(());
        }
        let (mut name, mut value) = (&[][..], &[][..]);
        let mut label = bytes(field, at)?.message();
        loop {
            let at = label.offset();
            let Some(field) = label.field()? else { break };
            match field.number {
                1 => name = bytes(field, at)?.bytes,
                2 => value = bytes(field, at)?.bytes,
                _ => {}
            }
        }
        labels.add(text(name), text(value));
        Ok(())
    }

    #[inline]
    fn sorts(&self, name: &str, _: Family) -> Sorts {
        let sample = Family::sort_among(name, |name| self.find(name));
        Sorts { sample, histogram: self.find(name).histogram_sort() }
    }

    fn metadata(&self) -> u64 {
        self.metadata
    }

    fn memory(&self) -> u64 {
        (self.families.capacity() * size_of::<Known>()) as u64
    }
}
