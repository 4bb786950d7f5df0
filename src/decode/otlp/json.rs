//! Requests in protobuf's JSON, walked in place. Members come in any order; what a level says about its
//! children is looked for ahead where it has not come before them, once for each level.
//!
//! Names are lowerCamelCase and nothing else, as OTLP has it; others are passed over. A text that is not
//! the JSON of this message, by its grammar or by the type of a member, is refused as a whole.

use bumpalo::Bump;

use super::around::Around;
use super::point::Bare;
use super::{Direction, Kind, Metric, Point, Temporality};
use crate::decode::json::JsonReader;
use crate::decode::labelled::{Asides, Labelled, Readout, Series};
use crate::decode::pull::{Extent, Fault, Pull};

mod attribute;
mod point;
mod value;

/// Reads an `ExportMetricsServiceRequest`.
pub(crate) struct Json<'a> {
    reader: JsonReader<'a>,
    level: Level,
    /// How far the container of each level has been read.
    extents: [u32; LEVELS.len()],
    /// What has been said about the level that is open.
    said: Said,
    around: Around<'a>,
    metric: Metric<'a>,
    point: Point<'a>,
    bare: Bare,
    asides: Asides,
    arena: &'a Bump,
}

/// The containers of a request, from the outermost in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// Nothing has been read.
    Start,
    Request,
    Resources,
    Resource,
    Scopes,
    Scope,
    Metrics,
    Metric,
    Data,
    Points,
    /// The body has ended.
    End,
}

const LEVELS: [Level; 11] = [
    Level::Start,
    Level::Request,
    Level::Resources,
    Level::Resource,
    Level::Scopes,
    Level::Scope,
    Level::Metrics,
    Level::Metric,
    Level::Data,
    Level::Points,
    Level::End,
];

/// What is known before the children of a level are read: it was said, or it is said nowhere.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    resource: bool,
    scope: bool,
    name: bool,
    /// Description or unit.
    described: bool,
    data: bool,
    temporality: bool,
    direction: bool,
}

impl<'a> Json<'a> {
    /// At the start of `text`; unlike an empty message, an empty text is none.
    pub(crate) fn new(text: &'a str, arena: &'a Bump) -> Self {
        let mut reader = JsonReader::new(text, arena);
        if text.starts_with('\u{feff}') {
            reader.rewind('\u{feff}'.len_utf8());
        }
        Self {
            reader,
            level: Level::Start,
            extents: [0; LEVELS.len()],
            said: Said::default(),
            around: Around::default(),
            metric: Metric::default(),
            point: Point::default(),
            bare: Bare::No,
            asides: Asides::default(),
            arena,
        }
    }

    fn enter(&mut self, level: Level) {
        self.level = level;
        self.extents[level as usize] = 0;
    }

    fn leave(&mut self) {
        self.level = LEVELS[self.level as usize - 1];
    }

    /// The next member of the object that is open.
    fn key(&mut self) -> Result<Option<&'a str>, Fault> {
        let mut extent = Extent(self.extents[self.level as usize]);
        let key = value::key(&mut self.reader, &mut extent)?;
        self.extents[self.level as usize] = extent.0;
        Ok(key)
    }

    /// Whether the array that is open has another element.
    fn element(&mut self) -> Result<bool, Fault> {
        let mut extent = Extent(self.extents[self.level as usize]);
        let more = self.reader.element(&mut extent)?;
        self.extents[self.level as usize] = extent.0;
        Ok(more)
    }

    /// Enters an array, which may be null.
    fn enter_array(&mut self, level: Level) -> Result<(), Fault> {
        if value::array(&mut self.reader)?.is_some() {
            self.enter(level);
        }
        Ok(())
    }

    /// Enters the next element of an array of objects, or leaves it; true if there was one.
    fn enter_element(&mut self, level: Level) -> Result<bool, Fault> {
        let more = self.element()?;
        if more {
            value::element(&mut self.reader)?;
            self.enter(level);
        } else {
            self.leave();
        }
        Ok(more)
    }

    /// Looks at the members behind the value that is next, and comes back to it.
    fn look_ahead(
        &mut self,
        mut member: impl FnMut(&mut Self, &'a str) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let here = self.reader.mark();
        self.reader.skip()?;
        // Not the first member.
        let mut extent = Extent(1);
        while let Some(key) = value::key(&mut self.reader, &mut extent)? {
            member(self, key)?;
        }
        self.reader.rewind(here);
        Ok(())
    }

    fn start(&mut self) -> Result<(), Fault> {
        value::element(&mut self.reader)?;
        self.enter(Level::Request);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fault> {
        if !self.reader.at_end() {
            let expected = "expected nothing more after one JSON value";
            return Err(Fault::new(self.reader.offset(), expected));
        }
        self.level = Level::End;
        Ok(())
    }

    /// One step on the way to the next point.
    fn step(&mut self) -> Result<(), Fault> {
        match self.level {
            Level::Start => self.start()?,
            Level::Request => match self.key()? {
                Some("resourceMetrics") => self.enter_array(Level::Resources)?,
                Some(_) => self.reader.skip()?,
                None => self.end()?,
            },
            Level::Resources => {
                if self.enter_element(Level::Resource)? {
                    self.said.resource = false;
                    self.around.begin_resource();
                }
            }
            Level::Resource => match self.key()? {
                Some("scopeMetrics") => {
                    if !self.said.resource {
                        self.look_ahead(Self::resource_member)?;
                        self.said.resource = true;
                    }
                    self.enter_array(Level::Scopes)?;
                }
                Some(key) => self.resource_member(key)?,
                None => self.leave(),
            },
            Level::Scopes => {
                if self.enter_element(Level::Scope)? {
                    self.said.scope = false;
                    self.around.begin_scope();
                }
            }
            Level::Scope => match self.key()? {
                Some("metrics") => {
                    if !self.said.scope {
                        self.look_ahead(Self::scope_member)?;
                        self.said.scope = true;
                    }
                    self.enter_array(Level::Metrics)?;
                }
                Some(key) => self.scope_member(key)?,
                None => self.leave(),
            },
            Level::Metrics => {
                if self.enter_element(Level::Metric)? {
                    self.begin_metric();
                }
            }
            Level::Metric => match self.key()? {
                Some(key) => self.metric_member(key)?,
                None => self.leave(),
            },
            Level::Data => match self.key()? {
                Some("dataPoints") => {
                    self.look_at_data()?;
                    self.enter_array(Level::Points)?;
                }
                Some(key) => self.data_member(key)?,
                None => self.leave(),
            },
            Level::Points | Level::End => {}
        }
        Ok(())
    }

    /// `ResourceMetrics`
    fn resource_member(&mut self, key: &'a str) -> Result<(), Fault> {
        if key != "resource" || self.said.resource {
            return self.reader.skip();
        }
        let Some(mut extent) = value::object(&mut self.reader)? else { return Ok(()) };
        self.said.resource = true;
        while let Some(key) = value::key(&mut self.reader, &mut extent)? {
            match key {
                "attributes" => {
                    attribute::read_all(&mut self.reader, &mut self.around, self.arena)?;
                }
                _ => self.reader.skip()?,
            }
        }
        self.around.end_resource();
        Ok(())
    }

    /// `ScopeMetrics`
    fn scope_member(&mut self, key: &'a str) -> Result<(), Fault> {
        if key != "scope" || self.said.scope {
            return self.reader.skip();
        }
        let Some(mut extent) = value::object(&mut self.reader)? else { return Ok(()) };
        self.said.scope = true;
        let (mut name, mut version) = ("", "");
        while let Some(key) = value::key(&mut self.reader, &mut extent)? {
            match key {
                "name" => name = value::text(&mut self.reader)?,
                "version" => version = value::text(&mut self.reader)?,
                "attributes" => {
                    attribute::read_all(&mut self.reader, &mut self.around, self.arena)?;
                }
                _ => self.reader.skip()?,
            }
        }
        self.around.end_scope(name, version);
        Ok(())
    }

    fn begin_metric(&mut self) {
        self.metric = Metric::default();
        self.bare = Bare::No;
        let Said { resource, scope, .. } = self.said;
        self.said = Said { resource, scope, ..Said::default() };
    }

    /// `Metric`
    fn metric_member(&mut self, key: &'a str) -> Result<(), Fault> {
        let kind = match key {
            "gauge" => Kind::Gauge,
            "sum" => Kind::Sum,
            "histogram" => Kind::Histogram,
            "exponentialHistogram" => Kind::Exponential,
            "summary" => Kind::Summary,
            "description" | "unit" => {
                if !value::text(&mut self.reader)?.is_empty() && !self.said.described {
                    self.said.described = true;
                    self.asides.metadata += 1;
                }
                return Ok(());
            }
            _ => return self.name_member(key),
        };
        if !self.said.name {
            self.look_ahead(Self::name_member)?;
            self.said.name = true;
        }
        let start = value::start(&mut self.reader);
        if value::object(&mut self.reader)?.is_some() {
            if std::mem::replace(&mut self.said.data, true) {
                return Err(Fault::new(start, "expected one kind of data in a metric"));
            }
            self.metric.kind = kind;
            self.enter(Level::Data);
        }
        Ok(())
    }

    fn name_member(&mut self, key: &'a str) -> Result<(), Fault> {
        if key != "name" || self.said.name {
            return self.reader.skip();
        }
        self.metric.name = value::text(&mut self.reader)?;
        self.said.name = true;
        Ok(())
    }

    /// What the points need to be understood may stand behind them.
    fn look_at_data(&mut self) -> Result<(), Fault> {
        let Said { temporality, direction, .. } = self.said;
        let is_complete = match self.metric.kind {
            Kind::Gauge | Kind::Summary => true,
            Kind::Sum => temporality && direction,
            Kind::Histogram | Kind::Exponential => temporality,
        };
        if !is_complete {
            self.look_ahead(Self::data_member)?;
        }
        (self.said.temporality, self.said.direction) = (true, true);
        Ok(())
    }

    /// `Sum`, `Histogram` and so on.
    fn data_member(&mut self, key: &'a str) -> Result<(), Fault> {
        match key {
            "aggregationTemporality" if !self.said.temporality => {
                let number = value::temporality(&mut self.reader)?;
                self.metric.temporality = Temporality::from_number(number);
                self.said.temporality = true;
            }
            "isMonotonic" if !self.said.direction => {
                self.metric.direction = Direction::from(value::boolean(&mut self.reader)?);
                self.said.direction = true;
            }
            _ => self.reader.skip()?,
        }
        Ok(())
    }
}

impl<'a> Readout<'a> for Json<'a> {
    fn next(&mut self, next: &mut Labelled<'a>) -> Result<Option<Series>, Fault> {
        while self.level != Level::End {
            if self.level != Level::Points {
                self.step()?;
            } else if self.element()? {
                let Self { reader, point, metric, around, bare, asides, .. } = self;
                point.clear();
                point::read(reader, point, self.arena)?;
                asides.exemplars += point.exemplars;
                return Ok(Some(point.measure(metric, around, bare, next)));
            } else {
                self.leave();
            }
        }
        Ok(None)
    }

    fn asides(&self) -> Asides {
        self.asides
    }
}
