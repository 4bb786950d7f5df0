//! Requests in protobuf, walked in place. What a level says about its children may stand behind them, so
//! each level is looked at once before they are read; its children are passed over in one step.

use bumpalo::Bump;

use super::around::Around;
use super::point::Bare;
use super::{Direction, Kind, Metric, Point, Temporality};
use crate::decode::labelled::{Asides, Labelled, Readout, Series};
use crate::decode::protobuf::{Field, Message, Slice, Wire};
use crate::decode::pull::Fault;

mod attribute;
mod point;

/// Reads an `ExportMetricsServiceRequest`.
pub(crate) struct Protobuf<'a> {
    /// What is left of each level, the outermost first.
    request: Message<'a>,
    resource: Message<'a>,
    scope: Message<'a>,
    data: Rest<'a>,
    points: Message<'a>,
    around: Around<'a>,
    metric: Metric<'a>,
    point: Point<'a>,
    bare: Bare,
    asides: Asides,
    arena: &'a Bump,
}

/// The fields of a metric that hold its points: one, which may come in several pieces.
#[derive(Clone, Copy)]
struct Rest<'a> {
    field: u32,
    message: Message<'a>,
}

impl<'a> Protobuf<'a> {
    /// At the start of `body`; an empty one is a request without metrics.
    pub(crate) fn new(body: &'a [u8], arena: &'a Bump) -> Self {
        let nothing = Message::new(&[]);
        Self {
            request: Message::new(body),
            resource: nothing,
            scope: nothing,
            data: Rest { field: 0, message: nothing },
            points: nothing,
            around: Around::default(),
            metric: Metric::default(),
            point: Point::default(),
            bare: Bare::No,
            asides: Asides::default(),
            arena,
        }
    }

    /// `ResourceMetrics`
    fn enter_resource(&mut self, slice: Slice<'a>) -> Result<(), Fault> {
        self.around.begin_resource();
        self.resource = slice.message();
        let mut message = slice.message();
        while let Some(resource) = child(&mut message, 1)? {
            let mut attributes = resource.message();
            while let Some(attribute) = child(&mut attributes, 1)? {
                attribute::read(attribute, &mut self.around, self.arena)?;
            }
        }
        self.around.end_resource();
        Ok(())
    }

    /// `ScopeMetrics`
    fn enter_scope(&mut self, slice: Slice<'a>) -> Result<(), Fault> {
        self.around.begin_scope();
        self.scope = slice.message();
        let mut message = slice.message();
        let (mut name, mut version) = ("", "");
        while let Some(scope) = child(&mut message, 1)? {
            let mut fields = scope.message();
            while let Some(Field { number, wire }) = fields.field()? {
                match number {
                    1 => name = text(wire, &fields)?,
                    2 => version = text(wire, &fields)?,
                    3 => attribute::read(bytes(wire, &fields)?, &mut self.around, self.arena)?,
                    _ => {}
                }
            }
        }
        self.around.end_scope(name, version);
        Ok(())
    }

    /// `Metric`
    fn enter_metric(&mut self, slice: Slice<'a>) -> Result<(), Fault> {
        self.metric = Metric::default();
        self.bare = Bare::No;
        self.data = Rest { field: 0, message: Message::new(&[]) };
        let mut is_described = false;
        let mut message = slice.message();
        loop {
            let from = message;
            let Some(Field { number, wire }) = message.field()? else { break };
            match number {
                1 => self.metric.name = text(wire, &message)?,
                2 | 3 => is_described |= !bytes(wire, &message)?.bytes.is_empty(),
                5 | 7 | 9 | 10 | 11 => {
                    let slice = bytes(wire, &message)?;
                    // Of several kinds the last counts, and of its pieces those in a row.
                    if self.data.field != number {
                        self.data = Rest { field: number, message: from };
                        self.metric = Metric { name: self.metric.name, ..Metric::default() };
                    }
                    self.metric.kind = kind(number);
                    self.look_at_data(slice)?;
                }
                _ => {}
            }
        }
        self.asides.metadata += u64::from(is_described);
        Ok(())
    }

    /// `Sum`, `Histogram` and so on: what stands beside the points.
    fn look_at_data(&mut self, slice: Slice<'a>) -> Result<(), Fault> {
        if matches!(self.metric.kind, Kind::Gauge | Kind::Summary) {
            return Ok(());
        }
        let mut message = slice.message();
        while let Some(Field { number, wire }) = message.field()? {
            match number {
                2 => {
                    // An enumeration has 32 bits, whatever is sent.
                    let number = i64::from(varint(wire, &message)? as i32);
                    self.metric.temporality = Temporality::from_number(number);
                }
                3 if self.metric.kind == Kind::Sum => {
                    self.metric.direction = Direction::from(varint(wire, &message)? != 0);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl<'a> Readout<'a> for Protobuf<'a> {
    fn next(&mut self, next: &mut Labelled<'a>) -> Result<Option<Series>, Fault> {
        loop {
            if let Some(slice) = child(&mut self.points, 1)? {
                let Self { point, metric, around, bare, asides, .. } = self;
                point.clear();
                point::read(slice, metric.kind, point, self.arena)?;
                asides.exemplars += point.exemplars;
                return Ok(Some(point.measure(metric, around, bare, next)));
            } else if let Some(slice) = child(&mut self.data.message, self.data.field)? {
                self.points = slice.message();
            } else if let Some(slice) = child(&mut self.scope, 2)? {
                self.enter_metric(slice)?;
            } else if let Some(slice) = child(&mut self.resource, 2)? {
                self.enter_scope(slice)?;
            } else if let Some(slice) = child(&mut self.request, 1)? {
                self.enter_resource(slice)?;
            } else {
                return Ok(None);
            }
        }
    }

    fn asides(&self) -> Asides {
        self.asides
    }
}

fn kind(field: u32) -> Kind {
    match field {
        5 => Kind::Gauge,
        7 => Kind::Sum,
        9 => Kind::Histogram,
        10 => Kind::Exponential,
        _ => Kind::Summary,
    }
}

/// The next field of this number, which holds a message; others are passed over.
#[inline]
fn child<'a>(message: &mut Message<'a>, number: u32) -> Result<Option<Slice<'a>>, Fault> {
    while let Some(field) = message.field()? {
        if field.number == number {
            return bytes(field.wire, message).map(Some);
        }
    }
    Ok(None)
}

/// What was expected of a field that has just been read from `message`.
#[cold]
fn unexpected(message: &Message<'_>, expected: &'static str) -> Fault {
    Fault::new(message.offset(), expected)
}

#[inline]
fn bytes<'a>(wire: Wire<'a>, message: &Message<'_>) -> Result<Slice<'a>, Fault> {
    match wire {
        Wire::Bytes(slice) => Ok(slice),
        _ => Err(unexpected(message, "expected a field with a length before this")),
    }
}

#[inline]
fn text<'a>(wire: Wire<'a>, message: &Message<'_>) -> Result<&'a str, Fault> {
    let slice = bytes(wire, message)?;
    slice.text().ok_or_else(|| Fault::new(slice.at, "expected UTF-8 text"))
}

#[inline]
fn varint(wire: Wire<'_>, message: &Message<'_>) -> Result<u64, Fault> {
    match wire {
        Wire::Varint(number) => Ok(number),
        _ => Err(unexpected(message, "expected a varint before this")),
    }
}

#[inline]
fn fixed64(wire: Wire<'_>, message: &Message<'_>) -> Result<u64, Fault> {
    match wire {
        Wire::Fixed64(bits) => Ok(bits),
        _ => Err(unexpected(message, "expected a field of eight bytes before this")),
    }
}

#[inline]
fn double(wire: Wire<'_>, message: &Message<'_>) -> Result<f64, Fault> {
    fixed64(wire, message).map(f64::from_bits)
}
