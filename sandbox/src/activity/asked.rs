//! Which records a request asks for.

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::{Activity, RESOURCE_TYPE, bad};
use crate::partner_center::Refusal;

/// What a request asks for.
pub(super) struct Asked {
    from: SystemTime,
    before: SystemTime,
    filter: Option<Filter>,
    pub(super) size: usize,
    /// The query as it came, without what a page adds to it.
    pub(super) query: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Filter {
    field: String,
    value: String,
    operator: String,
}

impl Asked {
    pub(super) fn read(query: &str, now: SystemTime) -> Result<Self, Refusal> {
        let today = midnight(now);
        let (mut start, mut end, mut filter, mut size) = (None, None, None, LARGEST);
        let mut kept = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name.to_lowercase() {
                "startdate" => start = Some(date(&name, &value)?),
                "enddate" => end = Some(date(&name, &value)?),
                "filter" => filter = Some(Filter::read(&value)?),
                "size" => {
                    let number = value.parse().ok();
                    let sound = number.filter(|size| (1..=LARGEST).contains(size));
                    size = sound.ok_or_else(|| bad("size must be from 1 to 500"))?;
                    continue;
                }
                "seekoperation" if value == "Next" => continue,
                _ => return Err(bad(&format!("unknown parameter {name}"))),
            }
            let mut pair = form_urlencoded::Serializer::new(String::new());
            kept.push(pair.append_pair(&name, &value).finish());
        }
        let from = start.unwrap_or(today - MONTH);
        if today.duration_since(from).is_ok_and(|age| age > QUARTER) {
            return Err(bad(
                "startDate must not be more than 90 days before the current date",
            ));
        }
        let last = end.unwrap_or_else(|| today.min(from + MONTH));
        match last.duration_since(from) {
            Ok(span) if span <= MONTH => {}
            Ok(_) => return Err(bad("the period must not be longer than 30 days")),
            Err(_) => return Err(bad("endDate must not be before startDate")),
        }
        Ok(Self {
            from,
            before: last + DAY,
            filter,
            size,
            query: kept.join("&"),
        })
    }

    pub(super) fn takes(&self, activity: &Activity) -> bool {
        let filter = self.filter.as_ref();
        (self.from..self.before).contains(&activity.time)
            && filter.is_none_or(|filter| filter.takes(activity))
    }
}

impl Filter {
    fn read(text: &str) -> Result<Self, Refusal> {
        let filter: Self = serde_json::from_str(text).map_err(|_| bad("filter is not readable"))?;
        match (&*filter.field.to_lowercase(), &*filter.operator) {
            ("companyname", "substring") | ("customerid" | "resourcetype", "equals") => Ok(filter),
            _ => Err(bad("filter has a field or an operator that is not known")),
        }
    }

    fn takes(&self, activity: &Activity) -> bool {
        let is = |value: &str| self.value.eq_ignore_ascii_case(value);
        match &*self.field.to_lowercase() {
            "customerid" => is(&activity.customer),
            "resourcetype" => is(RESOURCE_TYPE),
            _ => "relecloud".contains(&self.value.to_lowercase()),
        }
    }
}

/// A day; a time of day is passed over.
fn date(name: &str, text: &str) -> Result<SystemTime, Refusal> {
    let day = text.get(..10).filter(|_| text.len() == 10);
    let midnight = day.and_then(|day| humantime::parse_rfc3339(&format!("{day}T00:00:00Z")).ok());
    midnight.ok_or_else(|| bad(&format!("{name} must have the form yyyy-mm-dd")))
}

fn midnight(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    let days = since.map_or(0, |since| since.as_secs() / DAY.as_secs());
    SystemTime::UNIX_EPOCH + Duration::from_secs(days * DAY.as_secs())
}

/// In records: the size of a page in the documented example.
const LARGEST: usize = 500;

pub(super) const DAY: Duration = Duration::from_hours(24);

const MONTH: Duration = Duration::from_hours(30 * 24);

const QUARTER: Duration = Duration::from_hours(90 * 24);
