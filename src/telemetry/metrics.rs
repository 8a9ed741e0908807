//! Metrics in the text format that Prometheus reads.
//!
//! Numbers live where they come about; they are read and written onto a page when somebody asks. This room
//! knows what a page looks like and nothing of what the numbers mean. A label never holds a customer, a
//! transfer or a principal: their number has no bound, and who may scrape need not know them.

use std::collections::HashMap;

use prometheus::{
    Error, GaugeVec, IntCounterVec, Opts, Registry, TextEncoder,
    core::{Collector, Desc},
    proto::{Bucket, Histogram, LabelPair, Metric, MetricFamily, MetricType},
};

use crate::measure::Counts;

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

    /// Writes how amounts are distributed, each distribution with the values of its labels.
    ///
    /// # Errors
    ///
    /// When the family is on the page already, or its labels do not match.
    pub fn distributions<'v>(
        &self,
        family: &Family,
        distributions: impl IntoIterator<Item = (Vec<&'v str>, Counts)>,
    ) -> Result<(), Error> {
        let mut told = MetricFamily::default();
        told.set_name(family.name.to_owned());
        told.set_help(family.help.to_owned());
        told.set_field_type(MetricType::HISTOGRAM);
        let metrics = distributions.into_iter();
        let metrics = metrics.map(|(values, counts)| family.histogram(&values, counts));
        told.set_metric(metrics.collect::<Result<_, _>>()?);
        let labels = family.labels.iter().map(|name| (*name).to_owned());
        let desc = Desc::new(
            family.name.to_owned(),
            family.help.to_owned(),
            labels.collect(),
            HashMap::new(),
        )?;
        self.0.register(Box::new(Told(desc, told)))
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

/// Distributions as of the moment of the page.
struct Told(Desc, MetricFamily);

impl Collector for Told {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.0]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        vec![self.1.clone()]
    }
}

impl Family {
    fn histogram(&self, values: &[&str], counts: Counts) -> Result<Metric, Error> {
        if values.len() != self.labels.len() {
            return Err(Error::InconsistentCardinality {
                expect: self.labels.len(),
                got: values.len(),
            });
        }
        let labels = self.labels.iter().zip(values).map(|(name, value)| {
            let mut label = LabelPair::default();
            label.set_name((*name).to_owned());
            label.set_value((*value).to_owned());
            label
        });
        let buckets = counts.upto.into_iter().map(|(end, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(end);
            bucket.set_cumulative_count(count);
            bucket
        });
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(counts.total);
        histogram.set_sample_sum(counts.sum);
        let mut metric = Metric::from_label(labels.collect());
        metric.set_histogram(histogram);
        Ok(metric)
    }

    fn options(&self) -> Opts {
        Opts::new(self.name, self.help)
    }
}

/// The media type of a page.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
