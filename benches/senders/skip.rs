//! The least that has to be done to a body: every field of a message passed over, every line of a page
//! found, nothing kept.

/// A message of one of the protocols: which of its fields are messages is all that is known of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Schema {
    RemoteWrite1,
    RemoteWrite2,
    Otlp,
    Leaf,
    /// Of remote write 1.0: its labels and samples are leaves.
    Series1,
    /// Of remote write 2.0: its samples and its metadata are leaves.
    Series2,
    ResourceMetrics,
    /// A resource, or a scope less its name.
    Resource,
    Scope,
    ScopeMetrics,
    Metric,
    Points,
    Point,
    KeyValue,
}

impl Schema {
    /// What is in a field of that number, if that is a message.
    #[inline]
    fn field(self, number: u64) -> Option<Self> {
        match (self, number) {
            (Self::RemoteWrite1, 1) => Some(Self::Series1),
            (Self::RemoteWrite2, 5) => Some(Self::Series2),
            (Self::Otlp, 1) => Some(Self::ResourceMetrics),
            (Self::Series1, 1 | 2) | (Self::Series2, 2 | 5) | (Self::KeyValue, 2) => {
                Some(Self::Leaf)
            }
            (Self::ResourceMetrics, 1) => Some(Self::Resource),
            (Self::ResourceMetrics, 2) => Some(Self::ScopeMetrics),
            (Self::Resource, 1) | (Self::Scope, 3) | (Self::Point, 7) => Some(Self::KeyValue),
            (Self::ScopeMetrics, 1) => Some(Self::Scope),
            (Self::ScopeMetrics, 2) => Some(Self::Metric),
            (Self::Metric, 5 | 7) => Some(Self::Points),
            (Self::Points, 1) => Some(Self::Point),
            _ => None,
        }
    }
}

/// Passes over a message, and those in it; the number of fields, so that nothing can be left out.
pub(crate) fn fields(mut message: &[u8], schema: Schema) -> Option<u64> {
    let mut count = 0;
    while !message.is_empty() {
        count += 1;
        let key = varint(&mut message)?;
        match key & 7 {
            0 => drop(varint(&mut message)?),
            1 => message = message.get(8..)?,
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                let (inside, rest) = message.split_at_checked(length)?;
                message = rest;
                if let Some(schema) = schema.field(key >> 3) {
                    count += fields(inside, schema)?;
                }
            }
            5 => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(count)
}

#[inline]
fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// The lines of a page.
pub(crate) fn lines(page: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', page).map(std::hint::black_box).count() as u64
}
