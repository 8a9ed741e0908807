-- What the gateway's records are kept in, and the view that checks their chain. The gateway runs this itself where
-- its role may make tables; where it may not, the owner of the schema runs it, and grants INSERT and SELECT on
-- audit_records. The role then needs nothing more, and can change no record that is there.

CREATE TABLE IF NOT EXISTS audit_records (
    id             uuid PRIMARY KEY,
    journal        uuid NOT NULL,
    seq            bigint NOT NULL,
    time           timestamptz NOT NULL,
    kind           text NOT NULL,
    call           uuid,
    operation      text,
    customer       uuid,
    transfer       uuid,
    principal      text,
    status         integer,
    outcome        text,
    correlation_id uuid,
    line           text NOT NULL, -- the record as it stands in the journal, byte by byte
    line_sha256    bytea NOT NULL,
    UNIQUE (journal, seq)
);

CREATE INDEX IF NOT EXISTS audit_records_time ON audit_records (time);
CREATE INDEX IF NOT EXISTS audit_records_customer ON audit_records (customer, time) WHERE customer IS NOT NULL;
CREATE INDEX IF NOT EXISTS audit_records_transfer ON audit_records (transfer) WHERE transfer IS NOT NULL;
CREATE INDEX IF NOT EXISTS audit_records_correlation ON audit_records (correlation_id) WHERE correlation_id IS NOT NULL;

-- Everything that is wrong with the chain of any journal; no rows where all is as it was written. A quotation mark
-- within a value is escaped in the line, so that no value can look like the key `prev`.
CREATE OR REPLACE VIEW audit_chain_breaks AS
WITH hashed AS (
    SELECT journal, seq, id, line, line_sha256, sha256(convert_to(line, 'UTF8')) AS hash FROM audit_records
), linked AS (
    SELECT *,
        lag(seq, 1, 0::bigint) OVER before AS seq_before,
        lag(hash, 1, decode(repeat('00', 32), 'hex')) OVER before AS hash_before
    FROM hashed WINDOW before AS (PARTITION BY journal ORDER BY seq)
)
SELECT linked.journal, linked.seq, found.what
FROM linked CROSS JOIN LATERAL (VALUES
    (hash <> line_sha256, 'the line was changed: its hash is another'),
    (line !~ ('^\{"v":[0-9]+,"journal":"' || journal || '","seq":' || seq || ',"id":"' || id || '",'),
        'the line names another journal, number or id than its columns'),
    (seq <> seq_before + 1, 'records ' || seq_before + 1 || ' to ' || seq - 1 || ' are missing'),
    (seq = seq_before + 1
        AND substring(line from '"prev":"([0-9a-f]{64})"') IS DISTINCT FROM encode(hash_before, 'hex'),
        'the record names another line than the one before it')
) AS found (is_so, what)
WHERE found.is_so;

-- Tells a later version of the gateway what is there.
CREATE TABLE IF NOT EXISTS audit_schema (
    version integer PRIMARY KEY,
    made_at timestamptz NOT NULL DEFAULT now()
);

INSERT INTO audit_schema (version) VALUES (1) ON CONFLICT DO NOTHING;
