//! `prometheus.WriteRequest`: labels in full, metadata by the name of the family.

use super::family::Family;
use super::labels::{Labels, NAME_BYTES_MAX, text};
use super::{Dialect, Head, Reader, Sorts, bytes, varint};
use crate::decode::protobuf::{Field, Message, Slice};
use crate::decode::pull::Fault;

const METADATA: u32 = 3;
const LABELS: u32 = 1;

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
    /// How many there will be.
    count: usize,
    metadata: u64,
}

/// Eight bytes for a family, for a hostile sender needs seven to name one.
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
        let (mut metadata, mut count) = (0, 0);
        each_metadata(body, |known| {
            metadata += 1;
            count += usize::from(known.is_some());
        })?;
        Ok(Self { body, families: Vec::new(), count, metadata })
    }

    fn find(&self, name: &str) -> Family {
        let name = name.as_bytes();
        let behind = self.families.partition_point(|known| known.name(self.body) <= name);
        let last = behind.checked_sub(1).and_then(|index| self.families.get(index));
        last.filter(|known| known.name(self.body) == name).map_or(Family::Unknown, |k| k.family)
    }
}

fn each_metadata(body: &[u8], mut see: impl FnMut(Option<Known>)) -> Result<(), Fault> {
    let mut request = Message::new(body);
    loop {
        let at = request.offset();
        let Some(field) = request.field()? else { return Ok(()) };
        if field.number == METADATA {
            see(known(bytes(field, at)?)?);
        }
    }
}

impl Known {
    fn name(self, body: &[u8]) -> &[u8] {
        let at = self.at as usize;
        body.get(at..at + usize::from(self.bytes)).unwrap_or_default()
    }
}

/// Reads a `MetricMetadata`; one that says no type, or is of no series that is accepted, tells nothing.
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
    let name = name.filter(|name| (1..=NAME_BYTES_MAX).contains(&name.bytes.len()));
    Ok(name.filter(|_| family != Family::Unknown).map(|name| Known {
        at: name.at as u32,
        bytes: name.bytes.len() as u16,
        family,
    }))
}

impl<'a> Dialect<'a> for One<'a> {
    const SERIES: u32 = 1;
    const BESIDE: u32 = METADATA;
    const FOREIGN: [u32; 2] = [4, 5];
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
        (self.count * size_of::<Known>()) as u64
    }

    fn prepare(&mut self) -> Result<(), Fault> {
        let body = self.body;
        self.families.reserve_exact(self.count);
        each_metadata(body, |known| self.families.extend(known))?;
        self.families.sort_unstable_by(|a, b| (a.name(body), a.at).cmp(&(b.name(body), b.at)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::labelled::{Labelled, Readout};

    #[test]
    fn families_are_told_of_before_they_are_listed_and_only_those_with_a_name_and_a_type() {
        let body =
            b"\x1a\x05\x08\x01\x12\x01b\x1a\x02\x08\x01\x1a\x04\x08\x01\x12\0\x1a\x03\x12\x01a";
        let mut reader = V1::new(body).unwrap();
        assert_eq!((reader.memory(), reader.asides().metadata), (8, 4));
        assert_eq!(reader.dialect.families.capacity(), 0);
        assert_eq!(reader.next(&mut Labelled::blank()), Ok(None));
        assert_eq!((reader.dialect.families.len(), reader.dialect.families.capacity()), (1, 1));
    }
}
