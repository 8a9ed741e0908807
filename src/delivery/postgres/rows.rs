//! Records as rows: put in by one statement and one transaction, whose commit acknowledges them.

use serde::Deserialize;
use tokio_postgres::{Client, types::ToSql};

use crate::{
    audit::chain::LineHash,
    delivery::{
        batch::{Batch, Line},
        postgres::{
            session::LONGEST_STATEMENT,
            trouble::{self, held},
        },
        sink::{Setback, Standing},
    },
    ids::JournalId,
};

/// The last record of a journal.
pub(in crate::delivery::postgres) async fn last(
    client: &Client,
    journal: JournalId,
) -> Result<Standing, Setback> {
    let row = client.query_opt(LAST, &[&journal.to_string()]).await;
    let Some(row) = row.map_err(|error| trouble::asking(&error))? else {
        return Ok(Standing::Nothing);
    };
    let (seq, line): (i64, &str) = (row.get(0), row.get(1));
    let seq = u64::try_from(seq)
        .map_err(|_| held(&format!("the table has a record of the number {seq}")))?;
    Ok(Standing::Upto {
        seq,
        hash: LineHash::of(line.as_bytes()),
    })
}

/// Puts records in, all or none.
pub(in crate::delivery::postgres) async fn insert(
    client: &Client,
    batch: &Batch,
) -> Result<(), Setback> {
    let rows = Rows::of(batch.lines())?;
    let journal = batch.journal().to_string();
    let asking = |error| trouble::asking(&error);
    client.batch_execute(&begin()).await.map_err(asking)?;
    let made = client.execute(INSERT, &rows.values(&journal)).await;
    if made.map_err(asking)? < rows.expected() {
        let other = client.query_opt(OTHER, &rows.named(&journal)).await;
        if let Some(other) = other.map_err(asking)? {
            let seq: i64 = other.get(0);
            return Err(held(&format!(
                "the table already has another line for record {seq} of journal {journal}: the table or the \
                 journal was tampered with, or two gateways have the same journal"
            )));
        }
    }
    client.batch_execute("COMMIT").await.map_err(asking)
}

/// A server may be told to call a commit done that is not yet on a disk; ours is.
fn begin() -> String {
    format!(
        "BEGIN; SET LOCAL statement_timeout = '{LONGEST_STATEMENT}'; \
         SELECT set_config('synchronous_commit', 'on', true) \
         WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')"
    )
}

/// Records, column by column.
#[derive(Debug, Default)]
struct Rows<'a> {
    id: Vec<String>,
    seq: Vec<i64>,
    time: Vec<String>,
    kind: Vec<String>,
    call: Vec<Option<String>>,
    operation: Vec<Option<String>>,
    customer: Vec<Option<String>>,
    transfer: Vec<Option<String>>,
    principal: Vec<Option<String>>,
    status: Vec<Option<i32>>,
    outcome: Vec<Option<String>>,
    correlation_id: Vec<Option<String>>,
    line: Vec<&'a str>,
    hash: Vec<String>,
}

/// What of a record has a column of its own.
#[derive(Debug, Deserialize)]
struct Columns {
    time: String,
    kind: String,
    call: Option<String>,
    operation: Option<String>,
    customer: Option<String>,
    transfer: Option<String>,
    principal: Option<String>,
    status: Option<i32>,
    outcome: Option<String>,
    correlation_id: Option<String>,
}

impl<'a> Rows<'a> {
    fn of(lines: &'a [Line]) -> Result<Self, Setback> {
        let mut rows = Self::default();
        for line in lines {
            rows.add(line)?;
        }
        Ok(rows)
    }

    fn add(&mut self, line: &'a Line) -> Result<(), Setback> {
        let refused = |why: String| Setback::Refused {
            why: format!("record {}: {why}", line.seq),
        };
        let columns: Columns = serde_json::from_str(&line.text)
            .map_err(|error| refused(format!("its line is no record: {error}")))?;
        let seq = i64::try_from(line.seq).map_err(|error| refused(error.to_string()))?;
        self.id.push(line.id.to_string());
        self.seq.push(seq);
        self.time.push(columns.time);
        self.kind.push(shown(columns.kind));
        self.call.push(columns.call);
        self.operation.push(columns.operation.map(shown));
        self.customer.push(columns.customer);
        self.transfer.push(columns.transfer);
        self.principal.push(columns.principal.map(shown));
        self.status.push(columns.status);
        self.outcome.push(columns.outcome.map(shown));
        self.correlation_id.push(columns.correlation_id);
        self.line.push(&line.text);
        self.hash.push(line.hash.to_string());
        Ok(())
    }

    fn expected(&self) -> u64 {
        u64::try_from(self.seq.len()).unwrap_or(u64::MAX)
    }

    fn named<'b>(&'b self, journal: &'b String) -> [&'b (dyn ToSql + Sync); 4] {
        [journal, &self.id, &self.seq, &self.line]
    }

    fn values<'b>(&'b self, journal: &'b String) -> [&'b (dyn ToSql + Sync); 15] {
        [
            journal,
            &self.id,
            &self.seq,
            &self.time,
            &self.kind,
            &self.call,
            &self.operation,
            &self.customer,
            &self.transfer,
            &self.principal,
            &self.status,
            &self.outcome,
            &self.correlation_id,
            &self.line,
            &self.hash,
        ]
    }
}

/// The one character that the server takes in no text; in the line it is escaped.
fn shown(text: String) -> String {
    if text.contains('\0') {
        text.replace('\0', "\u{fffd}")
    } else {
        text
    }
}

const LAST: &str = "
    SELECT seq, line FROM audit_records WHERE journal = $1::text::uuid ORDER BY seq DESC LIMIT 1";

const INSERT: &str = "
    INSERT INTO audit_records (id, journal, seq, time, kind, call, operation, customer, transfer, principal,
        status, outcome, correlation_id, line, line_sha256)
    SELECT id::uuid, $1::text::uuid, seq, time::timestamptz, kind, call::uuid, operation, customer::uuid,
        transfer::uuid, principal, status, outcome, correlation_id::uuid, line, decode(hash, 'hex')
    FROM unnest($2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
        $10::text[], $11::integer[], $12::text[], $13::text[], $14::text[], $15::text[])
        AS record (id, seq, time, kind, call, operation, customer, transfer, principal, status, outcome,
            correlation_id, line, hash)
    ON CONFLICT DO NOTHING";

/// The first record that is not in the table as it was sent.
const OTHER: &str = "
    SELECT sent.seq FROM unnest($2::text[], $3::bigint[], $4::text[]) AS sent (id, seq, line)
    WHERE NOT EXISTS (
        SELECT FROM audit_records AS kept
        WHERE kept.id = sent.id::uuid AND kept.journal = $1::text::uuid AND kept.seq = sent.seq
            AND kept.line = sent.line
    )
    ORDER BY sent.seq LIMIT 1";
