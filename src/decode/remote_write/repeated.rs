//! Fields as their schema has them, and repeated ones element by element.
//!
//! Numbers that repeat are packed by most writers and need not be; both are read, without a list of them.

use crate::decode::protobuf::{Field, Message, Slice, Wire};
use crate::decode::pull::Fault;

/// A string, bytes or a message.
#[inline]
pub(super) fn bytes(field: Field<'_>, at: usize) -> Result<Slice<'_>, Fault> {
    match field.wire {
        Wire::Bytes(slice) => Ok(slice),
        _ => Err(Fault::new(at, "expected a field with a length")),
    }
}

/// An integer.
#[inline]
pub(super) fn varint(field: Field<'_>, at: usize) -> Result<u64, Fault> {
    match field.wire {
        Wire::Varint(varint) => Ok(varint),
        _ => Err(Fault::new(at, "expected a varint")),
    }
}

/// A double.
#[inline]
pub(super) fn double(field: Field<'_>, at: usize) -> Result<f64, Fault> {
    match field.wire {
        Wire::Fixed64(bits) => Ok(f64::from_bits(bits)),
        _ => Err(Fault::new(at, "expected a double")),
    }
}

/// Sees that a message which is not read further is one.
pub(super) fn walk(slice: Slice<'_>) -> Result<(), Fault> {
    let mut message = slice.message();
    while message.field()?.is_some() {}
    Ok(())
}

/// One field of a message, wherever it stands.
#[derive(Clone, Copy)]
pub(super) struct Repeated<'a> {
    message: Message<'a>,
    number: u32,
    /// What is left of a packed run.
    run: Message<'a>,
}

impl<'a> Repeated<'a> {
    pub(super) fn of(message: Slice<'a>, number: u32) -> Self {
        Self { message: message.message(), number, run: Message::new(&[]) }
    }

    /// The next integer.
    #[inline]
    pub(super) fn varint(&mut self) -> Result<Option<u64>, Fault> {
        loop {
            if !self.run.is_empty() {
                return self.run.varint().map(Some);
            }
            let at = self.message.offset();
            match self.field()?.map(|field| field.wire) {
                None => return Ok(None),
                Some(Wire::Varint(varint)) => return Ok(Some(varint)),
                Some(Wire::Bytes(run)) => self.run = run.message(),
                Some(_) => return Err(Fault::new(at, "expected varints")),
            }
        }
    }

    /// The next double.
    #[inline]
    pub(super) fn double(&mut self) -> Result<Option<f64>, Fault> {
        loop {
            if !self.run.is_empty() {
                return self.run.fixed64().map(|bits| Some(f64::from_bits(bits)));
            }
            let at = self.message.offset();
            match self.field()?.map(|field| field.wire) {
                None => return Ok(None),
                Some(Wire::Fixed64(bits)) => return Ok(Some(f64::from_bits(bits))),
                Some(Wire::Bytes(run)) => self.run = run.message(),
                Some(_) => return Err(Fault::new(at, "expected doubles")),
            }
        }
    }

    /// The next message.
    pub(super) fn message(&mut self) -> Result<Option<Slice<'a>>, Fault> {
        let at = self.message.offset();
        self.field()?.map(|field| bytes(field, at)).transpose()
    }

    fn field(&mut self) -> Result<Option<Field<'a>>, Fault> {
        while let Some(field) = self.message.field()? {
            if field.number == self.number {
                return Ok(Some(field));
            }
        }
        Ok(None)
    }
}
