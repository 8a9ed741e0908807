//! A line of the log as one JSON object: what happened, and in `span` what it happened in.
//!
//! The library's own form reads the fields of spans back from JSON for each line, which costs a call more than both of
//! its records.

use std::fmt::{self, Debug, Display};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::Record,
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::Writer,
        time::{FormatTime as _, SystemTime},
    },
    registry::LookupSpan,
};

use crate::json::{Members, Value};

/// Writes lines, and the fields of spans for them.
#[derive(Clone, Copy, Debug)]
pub struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut now = String::new();
        SystemTime.format_time(&mut Writer::new(&mut now))?;
        let mut line = Members::with_room(TYPICAL_BYTES);
        line.put("timestamp", &Value::Text(&now));
        line.put("level", &Value::Text(event.metadata().level().as_str()));
        event.record(&mut Fields(&mut line));
        if let Some(span) = within(context, event) {
            line.put("span", &Value::Json(span));
        }
        writeln!(writer, "{{{}}}", line.into_text())
    }
}

/// The fields of all spans that an event is in, the outermost first, and the name of the innermost.
fn within<S, N>(context: &FmtContext<'_, S, N>, event: &Event<'_>) -> Option<String>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    let innermost = event.parent().and_then(|id| context.span(id));
    let innermost = innermost.or_else(|| context.lookup_current())?;
    let mut members = Members::with_room(TYPICAL_SPAN_BYTES);
    for span in innermost.scope().from_root() {
        if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
            members.join(fields);
        }
    }
    members.put("name", &Value::Text(innermost.name()));
    Some(format!("{{{}}}", members.into_text()))
}

impl<'writer> FormatFields<'writer> for JsonLine {
    fn format_fields<R: RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        let mut members = Members::default();
        fields.record(&mut Fields(&mut members));
        writer.write_str(&members.into_text())
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &Record<'_>,
    ) -> fmt::Result {
        let mut members = Members::default();
        members.join(&current.fields);
        fields.record(&mut Fields(&mut members));
        current.fields = members.into_text();
        Ok(())
    }
}

/// Puts fields in as members.
struct Fields<'a>(&'a mut Members);

impl Fields<'_> {
    fn plain(&mut self, field: &Field, value: &dyn Display) {
        self.0.put(field.name(), &Value::Plain(value));
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.plain(field, &value);
        } else {
            self.0.put(field.name(), &Value::Shown(&value));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, &value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.plain(field, &value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.plain(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.put(field.name(), &Value::Text(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0
            .put(field.name(), &Value::Shown(&format_args!("{value:?}")));
    }
}

/// Of a call's identifiers.
const TYPICAL_SPAN_BYTES: usize = 160;

/// Of a call's line, its span included.
const TYPICAL_BYTES: usize = 768;

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use serde_json::{Value as Json, json};
    use tracing::{field, info, info_span, subscriber, warn};
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[test]
    fn tells_what_happened_and_what_it_happened_in() {
        let lines = lines(|| {
            let call = info_span!("call", call.id = 7, late = field::Empty);
            call.in_scope(|| {
                info_span!("token", account = "a\"b").in_scope(|| {
                    warn!(took_ms = 12_u128, whole = true, why = ?"x\ny", share = 0.5, "odd \u{1b}[0m");
                });
                call.record("late", -1);
                info!("done");
            });
            info!(nothing = None::<u64>, "apart");
        });

        let [first, second, third] = lines.as_slice() else {
            panic!("{lines:?}")
        };
        let told = |line: &Json| {
            let mut line = line.clone();
            let time = line.as_object_mut().unwrap().remove("timestamp").unwrap();
            humantime::parse_rfc3339(time.as_str().unwrap()).unwrap();
            line
        };
        assert_eq!(
            told(first),
            json!({
                "level": "WARN", "message": "odd \u{1b}[0m", "took_ms": 12, "whole": true, "why": "\"x\\ny\"",
                "share": 0.5, "span": {"call.id": 7, "account": "a\"b", "name": "token"},
            })
        );
        assert_eq!(
            told(second),
            json!({
                "level": "INFO", "message": "done", "span": {"call.id": 7, "late": -1, "name": "call"},
            })
        );
        assert_eq!(told(third), json!({"level": "INFO", "message": "apart"}));
    }

    #[test]
    fn is_a_text_where_a_number_is_none() {
        let lines = lines(|| info!(share = f64::NAN, "odd"));

        assert_eq!(lines.first().unwrap()["share"], "NaN");
    }

    /// What is logged while something runs.
    fn lines(run: impl FnOnce()) -> Vec<Json> {
        let kept = Kept::default();
        let log = tracing_subscriber::fmt()
            .event_format(JsonLine)
            .fmt_fields(JsonLine)
            .with_writer(kept.clone());
        subscriber::with_default(log.finish(), run);
        let kept = kept.0.lock().unwrap();
        let lines = kept
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Kept {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }
}
