//! The table: made once, and looked at before anything is put into it.

use tokio_postgres::Client;

use crate::delivery::{
    postgres::trouble::{self, held},
    sink::Setback,
};

/// Whether the table is there, in the shape that is known.
///
/// # Errors
///
/// When it has another shape.
pub(in crate::delivery::postgres) async fn is_there(client: &Client) -> Result<bool, Setback> {
    let found = client.query_one(SHAPE, &[]).await;
    let found = found.map_err(|error| trouble::asking(&error))?;
    let (columns, keys) = (found.get::<_, Option<Vec<String>>>(0), found.get(1));
    let Some(columns) = columns else {
        return Ok(false);
    };
    let keys: Vec<String> = keys;
    let missing = |expected: &[&'static str], found: &[String]| -> Vec<&'static str> {
        let is_missing = |one: &&&str| !found.iter().any(|other| other == **one);
        expected.iter().filter(is_missing).copied().collect()
    };
    let mut lacks = missing(&COLUMNS, &columns);
    lacks.extend(missing(&KEYS, &keys));
    if lacks.is_empty() {
        return Ok(true);
    }
    Err(held(&format!(
        "the table audit_records has another shape; it lacks: {}",
        lacks.join(", ")
    )))
}

/// Makes the table where it is absent. Of several gateways that begin at once one makes it.
pub(in crate::delivery::postgres) async fn make(client: &Client) -> Result<(), Setback> {
    if is_there(client).await? {
        return Ok(());
    }
    let made = client
        .batch_execute(&format!("{ALONE}{SCHEMA}COMMIT;"))
        .await;
    made.map_err(|error| match trouble::asking(&error) {
        Setback::Held { why } => held(&format!(
            "the table audit_records is absent and cannot be made: {why}; have the schema's owner run \
             src/delivery/postgres/schema.sql and grant INSERT and SELECT on it"
        )),
        other => other,
    })
}

/// Lines are kept byte by byte, which no other encoding can.
pub(in crate::delivery::postgres) async fn check_encoding(client: &Client) -> Result<(), Setback> {
    let found = client
        .query_one("SELECT getdatabaseencoding()::text", &[])
        .await;
    let encoding: String = found.map_err(|error| trouble::asking(&error))?.get(0);
    if encoding == "UTF8" {
        return Ok(());
    }
    Err(held(&format!(
        "the database has the encoding {encoding:?}; accepted: UTF8"
    )))
}

/// The table was there, and is not any more.
pub(in crate::delivery::postgres) fn gone() -> Setback {
    held(
        "the table audit_records is gone, with the records that were in it; restore it, or have the schema's owner \
         run src/delivery/postgres/schema.sql, and the records that the journal still has are sent again; or stop the \
         gateway, remove the sink's file under cursors/ in audit.dir and start it, which makes the table where its \
         role may",
    )
}

/// The same for all gateways: `parngate` in ASCII.
const ALONE: &str = "BEGIN; SELECT pg_advisory_xact_lock(x'7061726e67617465'::bigint);";

const SCHEMA: &str = include_str!("schema.sql");

/// The columns with their types, NULL without the table, and its unique keys.
const SHAPE: &str = "
    SELECT
        (SELECT array_agg(attname || ' ' || format_type(atttypid, atttypmod))
           FROM pg_attribute WHERE attrelid = wanted AND attnum > 0 AND NOT attisdropped),
        (SELECT coalesce(array_agg('unique ' || columns), '{}') FROM (
            SELECT (SELECT string_agg(attname, '+' ORDER BY attname)
                      FROM pg_attribute WHERE attrelid = wanted AND attnum = ANY (indkey)) AS columns
              FROM pg_index
             WHERE indrelid = wanted AND indisunique AND indisvalid AND indpred IS NULL AND indexprs IS NULL
        ) AS keys)
    FROM (SELECT to_regclass('audit_records')::oid AS wanted) AS named";

const COLUMNS: [&str; 15] = [
    "id uuid",
    "journal uuid",
    "seq bigint",
    "time timestamp with time zone",
    "kind text",
    "call uuid",
    "operation text",
    "customer uuid",
    "transfer uuid",
    "principal text",
    "status integer",
    "outcome text",
    "correlation_id uuid",
    "line text",
    "line_sha256 bytea",
];

const KEYS: [&str; 2] = ["unique id", "unique journal+seq"];
