//! Both sides of the rejections, for people and for programs.

use std::{
    fmt::Display,
    io::{self, Write},
    path::PathBuf,
    time::SystemTime,
};

use serde_json::{Value, json};

use super::read_in;
use crate::{
    audit::{rejections::Rejection, verify::findings::Findings},
    cli::audit::shown,
    partner_center::wire::activity::Activity,
    transfers::two_sides::{Beginning, Comparison, OnlyOurs, OnlyTheirs, Period},
};

/// What there is to tell.
pub(super) struct Told<'a> {
    /// Each journal and its directory, the gateway's own first.
    pub(super) journals: Vec<(&'a Findings, &'a PathBuf)>,
    pub(super) beginnings: &'a [Beginning],
    pub(super) account: &'a str,
    pub(super) tenant: &'a str,
    pub(super) period: Period,
    /// How many records Partner Center has.
    pub(super) records: usize,
    pub(super) pages: usize,
    pub(super) found: Comparison<'a>,
}

impl Told<'_> {
    /// Whether every rejection is on both sides.
    pub(super) fn is_even(&self) -> bool {
        let found = &self.found;
        found.only_ours.is_empty() && found.only_theirs.is_empty() && found.not_covered.is_empty()
    }

    /// Since when all journals tell of calls, where that is later than was asked for.
    fn covered_from(&self) -> Option<SystemTime> {
        let latest = self.beginnings.iter().map(|it| it.time).max()?;
        (latest > self.period.since).then_some(latest)
    }
}

/// Tells people.
pub(super) fn as_text(told: &Told<'_>, out: &mut dyn Write) -> io::Result<()> {
    let (found, Period { since, until }) = (&told.found, told.period);
    for (findings, dir) in &told.journals {
        read_in(dir, findings, out)?;
    }
    writeln!(
        out,
        "account {}, tenant {}: {} records of Partner Center read, {} of them of something else",
        told.account, told.tenant, told.records, found.passed_over
    )?;
    writeln!(out, "from {} to {}", stamp(since), stamp(until))?;
    if let Some(time) = told.covered_from() {
        writeln!(
            out,
            "the journal tells of nothing before {}; what Partner Center has of earlier times cannot be matched",
            stamp(time)
        )?;
    }
    writeln!(
        out,
        "in both: {}; only ours: {}; only theirs: {}; not covered: {}",
        found.in_both,
        found.only_ours.len(),
        found.only_theirs.len(),
        found.not_covered.len()
    )?;
    if !told.is_even() {
        table(found, out)?;
    }
    Ok(())
}

fn table(found: &Comparison<'_>, out: &mut dyn Write) -> io::Result<()> {
    let heads = ["class", "time", "customer", "transfer", "correlation ID"];
    row(heads.map(str::to_owned), "what is known", out)?;
    for only in &found.only_ours {
        row(ours_cells(only.call), &ours_words(only), out)?;
    }
    for only in &found.only_theirs {
        let cells = theirs_cells("only theirs", only.activity);
        row(cells, &theirs_words(only.activity, only.denied_by), out)?;
    }
    for activity in &found.not_covered {
        let cells = theirs_cells("not covered", activity);
        row(cells, &theirs_words(activity, None), out)?;
    }
    Ok(())
}

fn row(cells: [String; 5], words: &str, out: &mut dyn Write) -> io::Result<()> {
    let [class, time, customer, transfer, correlation] = cells;
    writeln!(
        out,
        "{class:11}  {time:20}  {customer:36}  {transfer:36}  {correlation:36}  {words}"
    )
}

fn ours_cells(call: &Rejection) -> [String; 5] {
    [
        "only ours".to_owned(),
        stamp(call.began),
        or_none(call.customer),
        or_none(call.transfer),
        or_none(call.correlation),
    ]
}

fn ours_words(only: &OnlyOurs<'_>) -> String {
    let OnlyOurs {
        call,
        is_recent,
        failed,
    } = only;
    let principal = call.principal.as_deref().unwrap_or("-");
    let recent = match is_recent {
        true => "; recent: Partner Center may yet show it",
        false => "",
    };
    let failed = match failed {
        Some(_) => "; Partner Center says that it failed",
        None => "",
    };
    let (name, said) = (&call.call, call.said.as_str());
    shown(&format!(
        "call {name} for {principal}, by the journal {said}{failed}{recent}"
    ))
}

fn theirs_cells(class: &str, activity: &Activity) -> [String; 5] {
    [
        class.to_owned(),
        stamp(activity.time),
        or_none(activity.customer),
        or_none(activity.transfer),
        or_none(activity.correlation),
    ]
}

fn theirs_words(activity: &Activity, denied_by: Option<&Rejection>) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let denied = denied_by.map_or(String::new(), |call| {
        format!("; by the journal not done by call {}", call.call)
    });
    shown(&format!(
        "{} {} by {} through {}{denied}",
        text(&activity.operation),
        text(&activity.status),
        text(&activity.user),
        text(&activity.application)
    ))
}

/// Tells programs.
pub(super) fn as_json(told: &Told<'_>, out: &mut dyn Write) -> io::Result<()> {
    let found = &told.found;
    let journal = |(findings, dir): &(&Findings, &PathBuf)| {
        json!({
            "journal": findings.journal.to_string(),
            "dir": dir.to_string_lossy(),
            "records": findings.records,
        })
    };
    let not_covered = found.not_covered.iter();
    let told = json!({
        "even": told.is_even(),
        "journals": told.journals.iter().map(journal).collect::<Vec<_>>(),
        "account": told.account,
        "partner_tenant": told.tenant,
        "since": stamp(told.period.since),
        "until": stamp(told.period.until),
        "covered_from": told.covered_from().map(stamp),
        "partner_center": {
            "records": told.records,
            "pages": told.pages,
            "passed_over": found.passed_over,
        },
        "in_both": found.in_both,
        "only_ours": found.only_ours.iter().map(ours).collect::<Vec<_>>(),
        "only_theirs": found.only_theirs.iter().map(only_theirs).collect::<Vec<_>>(),
        "not_covered": not_covered.map(|activity| theirs(activity)).collect::<Vec<_>>(),
    });
    writeln!(out, "{told}")
}

fn ours(only: &OnlyOurs<'_>) -> Value {
    let call = only.call;
    json!({
        "call": call.call,
        "time": stamp(call.began),
        "customer": call.customer.map(text),
        "transfer": call.transfer.map(text),
        "correlation_id": call.correlation.map(text),
        "principal": call.principal,
        "account": call.account,
        "said": call.said.as_str(),
        "recent": only.is_recent,
        "failed": only.failed.map(theirs),
    })
}

fn only_theirs(only: &OnlyTheirs<'_>) -> Value {
    let mut told = theirs(only.activity);
    if let Value::Object(members) = &mut told {
        let call = only.denied_by.map(|call| call.call.clone());
        members.insert("denied_by".to_owned(), json!(call));
    }
    told
}

fn theirs(activity: &Activity) -> Value {
    json!({
        "id": activity.id,
        "time": stamp(activity.time),
        "customer": activity.customer.map(text),
        "transfer": activity.transfer.map(text),
        "correlation_id": activity.correlation.map(text),
        "operation": activity.operation,
        "status": activity.status,
        "transfer_status": activity.transfer_status,
        "user": activity.user,
        "application": activity.application,
    })
}

fn text(id: impl Display) -> String {
    id.to_string()
}

fn or_none(id: Option<impl Display>) -> String {
    id.map_or("-".to_owned(), text)
}

fn stamp(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
