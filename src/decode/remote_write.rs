//! Prometheus' remote write 1.0 and 2.0, decompressed.
//!
//! The two differ in how a series names its labels and where its type stands; [`Dialect`] is the
//! difference. Fields may come in any order, as protobuf has it: a series is gone through once for what it
//! is and once more for its measurements.
//!
//! # Types
//!
//! What is said of a family in the same request decides (`family`), else the end of the name. Nothing is
//! remembered from one request to the next: metadata that comes in requests of its own, as Prometheus
//! sends it with 1.0, is counted and changes no type.

use super::RemoteWrite;
use super::labelled::{Asides, Flaw, Labelled, Reading, Readout, Series};
use super::protobuf::{Field, Message, Slice};
use super::pull::Fault;

mod bounds;
mod family;
mod histogram;
mod labels;
mod repeated;
mod sample;
mod v1;
mod v2;

use family::{Family, Sort};
use labels::Labels;
use repeated::{bytes, varint};

pub(crate) use v1::V1;
pub(crate) use v2::V2;

/// The label that may name a sender's token where no header does.
pub(crate) const TOKEN_LABEL: &str = "better_stack_source_token";

/// What 1.0 and 2.0 do not have in common.
pub(crate) trait Dialect<'a> {
    /// The field of the request that holds a series.
    const SERIES: u32;
    /// The field of the request that its version has beside the series.
    const BESIDE: u32;
    /// The fields of a request of the other version.
    const FOREIGN: [u32; 2];
    /// The field of a series that holds a histogram; samples are [`SAMPLES`] in both.
    const HISTOGRAMS: u32;
    /// The field of a series that holds an exemplar.
    const EXEMPLARS: u32;

    /// Another series is gone through.
    fn begin(&mut self) {}

    /// Takes in what `field` of a series, which began at `at`, says of its labels and its type.
    fn head(
        &mut self,
        field: Field<'a>,
        at: usize,
        labels: &mut Labels<'_, 'a>,
        head: &mut Head,
    ) -> Result<(), Fault>;

    /// The series has been gone through.
    fn end(&mut self, _: &mut Labels<'_, 'a>) {}

    /// What a sample of `name` is, and what a histogram; `told` is what the series itself says.
    fn sorts(&self, name: &str, told: Family) -> Sorts;

    /// Metadata that does not belong to one series.
    fn metadata(&self) -> u64 {
        0
    }

    /// Bytes of its tables, made or not.
    fn memory(&self) -> u64;

    /// Makes its tables; the request has been gone through once.
    fn prepare(&mut self) -> Result<(), Fault>;
}

/// What a series' values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sorts {
    pub(crate) sample: Sort,
    /// Native histograms count on, unless their family is one of the moment.
    pub(crate) histogram: Sort,
}

/// The field of a series that holds a sample.
const SAMPLES: u32 = 2;

/// What a series says before its measurements.
#[derive(Default)]
pub(crate) struct Head {
    family: Family,
    /// There was metadata.
    is_described: bool,
    exemplars: u64,
    measurements: u64,
}

/// Reads a request of either version.
pub(crate) struct Reader<'a, D> {
    request: Message<'a>,
    dialect: D,
    /// There was a field of this version, or one of the other.
    is_known: bool,
    is_foreign: bool,
    /// Whether it has its tables: whoever accounts for memory hears of them first.
    is_prepared: bool,
    open: Option<Open<'a>>,
    asides: Asides,
    /// The token that every series must name.
    token: Option<&'a str>,
}

/// A series whose measurements are being read.
struct Open<'a> {
    rest: Message<'a>,
    flaw: Option<Flaw>,
    sorts: Sorts,
    /// None of its measurements has been handed out.
    is_new: bool,
    /// All that it has are exemplars that cannot be taken.
    is_only_flawed: bool,
}

impl<'a, D: Dialect<'a>> Reader<'a, D> {
    fn over(body: &'a [u8], dialect: D) -> Self {
        let asides = Asides { metadata: dialect.metadata(), ..Asides::default() };
        let request = Message::new(body);
        Self {
            request,
            dialect,
            is_known: false,
            is_foreign: false,
            is_prepared: false,
            open: None,
            asides,
            token: None,
        }
    }

    /// Rejects every series that does not name `token` in its label.
    pub(crate) fn of_token(self, token: Option<&'a str>) -> Self {
        Self { token, ..self }
    }

    /// The token that the first series names in its label; of a version whose labels need no table.
    fn first_token(mut self) -> Result<Option<&'a str>, Fault> {
        let mut series = Labelled::blank();
        let Some(message) = self.next_series()? else { return Ok(None) };
        Ok(self.head(message, &mut series)?.1)
    }

    fn next_series(&mut self) -> Result<Option<Slice<'a>>, Fault> {
        loop {
            let at = self.request.offset();
            let Some(field) = self.request.field()? else {
                return self.check_version().map(|()| None);
            };
            self.is_known |= field.number == D::SERIES || field.number == D::BESIDE;
            self.is_foreign |= D::FOREIGN.contains(&field.number);
            if field.number == D::SERIES {
                return bytes(field, at).map(Some);
            }
        }
    }

    /// The versions have no field in common, so that one read as the other would be a request without
    /// series: it would be acknowledged, and all of it lost.
    fn check_version(&self) -> Result<(), Fault> {
        if self.is_known || !self.is_foreign {
            return Ok(());
        }
        Err(Fault::new(
            0,
            "expected series, or what comes with them, of this version of remote write",
        ))
    }

    /// Goes through a series for its labels and what comes along with them.
    #[inline]
    fn head(
        &mut self,
        series: Slice<'a>,
        next: &mut Labelled<'a>,
    ) -> Result<(Open<'a>, Option<&'a str>), Fault> {
        next.begin();
        let (mut labels, mut head) = (Labels::of(next), Head::default());
        self.dialect.begin();
        let mut message = series.message();
        loop {
            let at = message.offset();
            let Some(field) = message.field()? else { break };
            if field.number == SAMPLES || field.number == D::HISTOGRAMS {
                head.measurements += 1;
            } else if field.number == D::EXEMPLARS {
                repeated::walk(bytes(field, at)?)?;
                head.exemplars += 1;
            } else {
                self.dialect.head(field, at, &mut labels, &mut head)?;
            }
        }
        self.dialect.end(&mut labels);
        let (flaw, token) = labels.judge(self.token);
        let sorts = self.dialect.sorts(next.name, head.family);
        if flaw.is_none() {
            self.asides.exemplars += head.exemplars;
        }
        self.asides.metadata += u64::from(head.is_described);
        let is_only_flawed = flaw.is_some() && head.measurements == 0 && head.exemplars > 0;
        let open = Open { rest: series.message(), flaw, sorts, is_new: true, is_only_flawed };
        Ok((open, token))
    }
}

impl<'a, D: Dialect<'a>> Readout<'a> for Reader<'a, D> {
    fn next(&mut self, next: &mut Labelled<'a>) -> Result<Option<Series>, Fault> {
        loop {
            if let Some(open) = &mut self.open {
                if let Some(reading) = open.read::<D>(next)? {
                    next.reading = match (open.flaw, reading) {
                        // A histogram's fault comes before one of the labels (contract C2.4).
                        (Some(Flaw::Tags(_) | Flaw::TooLarge(_)), Reading::Unfit(_))
                        | (None, _) => reading,
                        (Some(flaw), _) => Reading::Unfit(flaw),
                    };
                    let is_new = std::mem::take(&mut open.is_new);
                    return Ok(Some(if is_new { Series::Another } else { Series::Same }));
                }
                self.open = None;
            }
            if !self.is_prepared {
                self.dialect.prepare()?;
                self.is_prepared = true;
            }
            let Some(series) = self.next_series()? else { return Ok(None) };
            self.open = Some(self.head(series, next)?.0);
        }
    }

    fn asides(&self) -> Asides {
        self.asides
    }

    fn memory(&self) -> u64 {
        self.dialect.memory()
    }
}

impl<'a> Open<'a> {
    /// The next measurement of the series.
    #[inline]
    fn read<D: Dialect<'a>>(
        &mut self,
        next: &mut Labelled<'a>,
    ) -> Result<Option<Reading<'a>>, Fault> {
        if std::mem::take(&mut self.is_only_flawed) {
            // What was not taken must be told, if it is an exemplar.
            return Ok(Some(Reading::NotFinite));
        }
        loop {
            let at = self.rest.offset();
            let Some(field) = self.rest.field()? else { return Ok(None) };
            let is_sample = field.number == SAMPLES;
            if !is_sample && field.number != D::HISTOGRAMS {
                continue;
            }
            if !self.is_new {
                next.again();
            }
            let message = bytes(field, at)?;
            return Ok(Some(if is_sample {
                sample::read(message, self.sorts.sample, next)?
            } else {
                histogram::read(message, self.sorts.histogram, next)?
            }));
        }
    }
}

/// The token that the first series of a request names in its label; a body that cannot be read names none.
pub(crate) fn label_token(body: &[u8], version: RemoteWrite) -> Option<&str> {
    let token = match version {
        RemoteWrite::V1 => V1::new(body).and_then(Reader::first_token),
        RemoteWrite::V2 => V2::new(body).and_then(|mut reader| match reader.next_series()? {
            Some(series) => v2::token_of(body, series),
            None => Ok(None),
        }),
    };
    token.ok().flatten()
}
