//! Reading the table back, some rows at a time, each by its key.

use futures_util::future::BoxFuture;
use tokio_postgres::{Client, Row};

use crate::{
    audit::verify::copy::Entry,
    delivery::{
        copy::{Holding, Readable},
        postgres::{Postgres, schema, trouble},
        sink::Setback,
    },
    ids::JournalId,
};

impl Readable for Postgres {
    fn holds(&self, journal: JournalId) -> BoxFuture<'_, Result<Holding, Setback>> {
        Box::pin(self.with(async move |session| {
            if !schema::is_there(&session.client).await? {
                return Ok(Holding::default());
            }
            holding(&session.client, &journal.to_string()).await
        }))
    }

    fn read(
        &self,
        journal: JournalId,
        behind: u64,
        upto: u64,
    ) -> BoxFuture<'_, Result<Vec<Entry>, Setback>> {
        Box::pin(self.with(async move |session| {
            let (journal, behind, upto) = (journal.to_string(), number(behind), number(upto));
            let asked = session
                .client
                .query(READ, &[&journal, &behind, &upto])
                .await;
            let rows = asked.map_err(|error| trouble::asking(&error))?;
            Ok(rows.iter().map(entry).collect())
        }))
    }
}

async fn holding(client: &Client, own: &str) -> Result<Holding, Setback> {
    let rows = client.query(JOURNALS, &[]).await;
    let mut holding = Holding::default();
    for row in rows.map_err(|error| trouble::asking(&error))? {
        let (journal, last, count): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
        if journal == own {
            holding.upto = u64::try_from(last).unwrap_or(0);
        } else {
            let count = u64::try_from(count).unwrap_or(0);
            holding.others.push((journal, count));
        }
    }
    Ok(holding)
}

/// A row whose columns say something else than its line is as good as one without a record.
fn entry(row: &Row) -> Entry {
    let (seq, line, is_own): (i64, String, bool) = (row.get(0), row.get(1), row.get(2));
    Entry {
        at: u64::try_from(seq).unwrap_or(0),
        line: if is_own {
            line.into_bytes()
        } else {
            Vec::new()
        },
    }
}

fn number(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

const JOURNALS: &str =
    "SELECT journal::text, max(seq), count(*) FROM audit_records GROUP BY journal ORDER BY journal";

/// As many as go to the sink at once.
const READ: &str = r#"
    SELECT seq, line,
        line ~ ('^\{"v":[0-9]+,"journal":"' || journal || '","seq":' || seq || ',"id":"' || id || '",')
    FROM audit_records WHERE journal = $1::text::uuid AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT 256"#;
