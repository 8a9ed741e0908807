//! Metrics in the text format that Prometheus reads.
//!
//! Numbers live where they come about; they are read and written onto a page when somebody asks. This room
//! knows what a page looks like and nothing of what the numbers mean. A label never holds a customer, a
//! transfer or a principal: their number has no bound, and who may scrape need not know them.

use prometheus::{Error, GaugeVec, IntCounterVec, Opts, Registry, TextEncoder};

/// What is measured, under one name.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// The name, with its unit.
    pub name: &'static str,
    /// What it means, in one sentence.
    pub help: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
}

/// A page of metrics as of one moment.
#[derive(Debug, Default)]
pub struct Page(Registry);

impl Page {
    /// Writes numbers that go up and down, each with the values of its labels; none, and the family is left
    /// out.
    ///
    /// # Errors
    ///
    /// When the family is on the page already, or its labels do not match.
    pub fn gauges<'v>(
        &self,
        family: &Family,
        numbers: impl IntoIterator<Item = (Vec<&'v str>, f64)>,
    ) -> Result<(), Error> {
        let gauges = GaugeVec::new(family.options(), family.labels)?;
        for (labels, number) in numbers {
            gauges.get_metric_with_label_values(&labels)?.set(number);
        }
        self.0.register(Box::new(gauges))
    }

    /// Writes numbers that only grow, each with the values of its labels.
    ///
    /// # Errors
    ///
    /// When the family is on the page already, or its labels do not match.
    pub fn counters<'v>(
        &self,
        family: &Family,
        numbers: impl IntoIterator<Item = (Vec<&'v str>, u64)>,
    ) -> Result<(), Error> {
        let counters = IntCounterVec::new(family.options(), family.labels)?;
        for (labels, number) in numbers {
            counters
                .get_metric_with_label_values(&labels)?
                .inc_by(number);
        }
        self.0.register(Box::new(counters))
    }

    /// The page as text.
    ///
    /// # Errors
    ///
    /// When a family on it is not what Prometheus reads.
    pub fn text(&self) -> Result<String, Error> {
        TextEncoder::new().encode_to_string(&self.0.gather())
    }
}

impl Family {
    fn options(&self) -> Opts {
        Opts::new(self.name, self.help)
    }
}

/// The media type of a page.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
