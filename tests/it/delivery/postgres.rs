//! The `postgres` sink over a real server.

use std::{fs, path::PathBuf};

use futures_util::future::join_all;
use partner_gateway::{
    delivery::{
        postgres::{Postgres, Settings},
        sink::{Setback, Sink, Standing},
    },
    file::Disk,
    ids::JournalId,
    secret::SecretSource,
};
use tempfile::NamedTempFile;

use crate::harness::{
    postgres::{PASSWORD, Server, sink, url},
    process::within,
    records::{CALL, CORRELATION, CUSTOMER, TRANSFER, batch, record, records, texts, upto},
    severed::Severed,
};

#[tokio::test]
async fn keeps_every_line_as_it_was_sent_and_once() {
    let server = Server::start(&[]).await;
    let (sink, journal) = (server.sink(), JournalId::random());
    let mut lines = records(journal, 600);
    let last = lines.last().unwrap().hash;
    lines.push(record(
        journal,
        601,
        last,
        "a \0, a \u{1f600} and \"prev\":\"\\",
    ));

    assert_eq!(sink.stands(journal).await, Ok(Standing::Nothing));
    sink.establish().await.unwrap();
    for _ in 0..2 {
        for some in lines.chunks(256) {
            sink.deliver(&batch(journal, some)).await.unwrap();
        }
    }

    let auditor = server.auditor().await;
    assert_eq!(auditor.lines().await, texts(&lines));
    assert_eq!(auditor.breaks().await, []);
    assert_eq!(sink.stands(journal).await, Ok(upto(&lines[600])));
    let other = JournalId::random();
    assert_eq!(sink.stands(other).await, Ok(Standing::Nothing));
}

#[tokio::test]
async fn gives_people_who_read_the_log_columns_to_ask_for() {
    let server = Server::start(&[]).await;
    let (sink, journal) = (server.sink(), JournalId::random());
    let lines = records(journal, 2);
    sink.establish().await.unwrap();

    sink.deliver(&batch(journal, &lines)).await.unwrap();

    let query = "SELECT concat_ws(' ', id, journal, time AT TIME ZONE 'UTC', kind, call, operation, customer,
        transfer, principal, status, outcome, correlation_id, encode(line_sha256, 'hex'))
        FROM audit_records WHERE seq = 2";
    let row = server.auditor().await.client.query_one(query, &[]).await;
    let told: String = row.unwrap().get(0);
    let (id, hash) = (lines[1].id, lines[1].hash);
    assert_eq!(
        told,
        format!(
            "{id} {journal} 2026-11-22 04:00:00.000002 outcome {CALL} transfers.reject {CUSTOMER} {TRANSFER} billing \
             200 rejected {CORRELATION} {hash}"
        )
    );
}

#[tokio::test]
async fn shows_each_way_in_which_the_chain_was_tampered_with() {
    let server = Server::start(&[]).await;
    let (sink, journal) = (server.sink(), JournalId::random());
    let lines = records(journal, 9);
    sink.establish().await.unwrap();
    sink.deliver(&batch(journal, &lines)).await.unwrap();
    let auditor = server.auditor().await;

    let forged = "line = replace(line, 'billing', 'nobody')";
    let rehashed = format!(
        "{forged}, line_sha256 = sha256(convert_to(replace(line, 'billing', 'nobody'), 'UTF8'))"
    );
    let changed = "the line was changed: its hash is another";
    let follower = "the record names another line than the one before it";
    for (tampering, breaks) in [
        (
            format!("UPDATE audit_records SET {forged} WHERE seq = 4"),
            vec![(4, changed), (5, follower)],
        ),
        (
            format!("UPDATE audit_records SET {rehashed} WHERE seq = 4"),
            vec![(5, follower)],
        ),
        (
            "DELETE FROM audit_records WHERE seq IN (4, 5)".to_owned(),
            vec![(6, "records 4 to 5 are missing")],
        ),
        (
            "DELETE FROM audit_records WHERE seq = 1".to_owned(),
            vec![(2, "records 1 to 1 are missing")],
        ),
        (
            "UPDATE audit_records SET seq = 12 WHERE seq = 9".to_owned(),
            vec![
                (12, "records 9 to 11 are missing"),
                (
                    12,
                    "the line names another journal, number or id than its columns",
                ),
            ],
        ),
    ] {
        auditor.run("BEGIN").await;
        auditor.run(&tampering).await;

        let found = auditor.breaks().await;

        let found: Vec<_> = found
            .iter()
            .map(|(seq, what)| (*seq, what.as_str()))
            .collect();
        assert_eq!(found, breaks, "{tampering}");
        auditor.run("ROLLBACK").await;
    }
    assert_eq!(auditor.breaks().await, []);
}

#[tokio::test]
async fn loses_and_repeats_nothing_through_kills_of_the_server() {
    let mut server = Server::start(&["synchronous_commit=off"]).await;
    let (sink, journal) = (server.sink(), JournalId::random());
    let lines = records(journal, 2_000);
    sink.establish().await.unwrap();

    for (round, some) in lines.chunks(400).enumerate() {
        for some in some.chunks(100) {
            sink.deliver(&batch(journal, some)).await.unwrap();
        }
        server.kill();
        let away = sink.stands(journal).await;
        assert!(matches!(away, Err(Setback::Passing { .. })), "{away:?}");
        server.restart().await;

        let acknowledged = upto(&lines[round * 400 + 399]);
        assert_eq!(sink.stands(journal).await, Ok(acknowledged));
    }

    let auditor = server.auditor().await;
    assert_eq!(auditor.lines().await, texts(&lines));
    assert_eq!(auditor.breaks().await, []);
}

#[tokio::test]
async fn asks_again_when_the_answer_to_a_commit_is_lost() {
    let server = Server::start(&[]).await;
    let (journal, way) = (
        JournalId::random(),
        Severed::before(server.address(), b"COMMIT\0").await,
    );
    let sink = sink(&url(way.address()));
    let lines = records(journal, 10);
    server.sink().establish().await.unwrap();

    let told = sink.deliver(&batch(journal, &lines)).await;

    assert!(matches!(told, Err(Setback::Passing { .. })), "{told:?}");
    assert!(way.has_broken());
    assert_eq!(sink.stands(journal).await, Ok(upto(&lines[9])));
    sink.deliver(&batch(journal, &lines)).await.unwrap();
    assert_eq!(server.auditor().await.lines().await, texts(&lines));
}

#[tokio::test]
async fn commits_to_the_disk_whatever_the_server_is_used_to() {
    let server = Server::start(&["synchronous_commit=off"]).await;
    let (sink, journal) = (server.sink(), JournalId::random());
    sink.establish().await.unwrap();
    let auditor = server.auditor().await;
    auditor
        .run(
            "CREATE TABLE noted AS SELECT ''::text AS how;
             CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 UPDATE noted SET how = current_setting('synchronous_commit'); RETURN new; END $$;
             CREATE TRIGGER note BEFORE INSERT ON audit_records FOR EACH ROW EXECUTE FUNCTION note()",
        )
        .await;

    sink.deliver(&batch(journal, &records(journal, 1)))
        .await
        .unwrap();

    let noted = auditor.client.query_one("SELECT how FROM noted", &[]).await;
    assert_eq!(noted.unwrap().get::<_, &str>(0), "on");
}

#[tokio::test]
async fn makes_one_table_for_gateways_that_begin_at_once() {
    let server = Server::start(&[]).await;
    let sinks: Vec<_> = (0..8).map(|_| server.sink()).collect();

    let made = join_all(sinks.iter().map(Sink::establish)).await;

    assert_eq!(made, vec![Ok(()); 8]);
    let auditor = server.auditor().await;
    let versions = auditor
        .client
        .query("SELECT version FROM audit_schema", &[])
        .await;
    assert_eq!(versions.unwrap().len(), 1);
}

#[tokio::test]
async fn tells_what_a_person_has_to_mend() {
    let server = Server::start(&[]).await;
    let (journal, auditor) = (JournalId::random(), server.auditor().await);
    let lines = records(journal, 3);
    let batch = batch(journal, &lines);
    auditor
        .run(&format!("CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'"))
        .await;
    auditor
        .run("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
        .await;
    let url = server.url();
    let reader = sink(&url.replace("gateway", "reader"));

    let mut told = vec![
        held(
            sink(&url.replace(PASSWORD, "wrong-password"))
                .deliver(&batch)
                .await,
        ),
        held(
            sink(&url.replace("/postgres?", "/absent?"))
                .deliver(&batch)
                .await,
        ),
        held(
            sink(&url.replace("/postgres?", "/latin?"))
                .deliver(&batch)
                .await,
        ),
        held(
            sink(&url.replace("disable", "require"))
                .deliver(&batch)
                .await,
        ),
        held(reader.establish().await),
        held(server.sink().deliver(&batch).await),
    ];
    server.sink().establish().await.unwrap();
    told.push(held(reader.deliver(&batch).await));
    server.sink().deliver(&batch).await.unwrap();
    auditor
        .run("UPDATE audit_records SET line = '{}' WHERE seq = 2")
        .await;
    told.push(held(server.sink().deliver(&batch).await));
    auditor
        .run("ALTER TABLE audit_records DROP COLUMN outcome, DROP CONSTRAINT audit_records_journal_seq_key")
        .await;
    told.push(held(server.sink().deliver(&batch).await));

    let told = told.join("\n").replace(&journal.to_string(), "JOURNAL");
    insta::assert_snapshot!(told);
}

#[tokio::test]
async fn tells_what_passes_and_what_is_refused() {
    let server = Server::start(&[]).await;
    let (sink, journal) = (server.sink(), JournalId::random());
    let lines = records(journal, 3);
    sink.establish().await.unwrap();
    let auditor = server.auditor().await;

    for code in ["40001", "53100", "53300", "57014"] {
        auditor
            .run(&format!(
                "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                     RAISE EXCEPTION 'as a server may' USING ERRCODE = '{code}'; END $$;
                 CREATE TRIGGER fail BEFORE INSERT ON audit_records FOR EACH ROW EXECUTE FUNCTION fail()"
            ))
            .await;

        let told = sink.deliver(&batch(journal, &lines)).await;

        let expected = Setback::Passing {
            why: format!("PostgreSQL says {code}: as a server may"),
            after: None,
        };
        assert_eq!(told, Err(expected));
        auditor.run("DROP FUNCTION fail CASCADE").await;
    }
    let mut odd = lines.clone();
    odd[1].text = odd[1].text.replace(CUSTOMER, "b67f0b00");
    let told = sink.deliver(&batch(journal, &odd)).await;
    let why = "PostgreSQL says 22P02: invalid input syntax for type uuid: \"b67f0b00\"".to_owned();
    assert_eq!(told, Err(Setback::Refused { why }));
    odd[1].text = "no record".to_owned();
    let told = sink.deliver(&batch(journal, &odd)).await;
    let why = "record 2: its line is no record: expected ident at line 1 column 2".to_owned();
    assert_eq!(told, Err(Setback::Refused { why }));
    assert_eq!(auditor.lines().await, [""; 0]);
    sink.deliver(&batch(journal, &lines)).await.unwrap();
    assert_eq!(auditor.lines().await, texts(&lines));
}

#[tokio::test]
async fn encrypts_the_way_and_believes_no_certificate_of_a_stranger() {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let anchor = NamedTempFile::new().unwrap();
    fs::write(anchor.path(), own.cert.pem()).unwrap();
    let server = Server::with_certificate(&own.cert.pem(), &own.signing_key.serialize_pem()).await;
    let journal = JournalId::random();
    let port = server.address().port();
    let trusting = |host: &str, ca_file: Option<PathBuf>| {
        let url = format!("postgres://gateway:{PASSWORD}@{host}:{port}/postgres");
        let url = SecretSource::Value(url.into());
        Postgres::new(Settings { url, ca_file }, Disk::default())
    };
    let known = Some(anchor.path().to_owned());

    let trusted = trusting("localhost", known.clone());
    trusted.establish().await.unwrap();
    trusted
        .deliver(&batch(journal, &records(journal, 3)))
        .await
        .unwrap();

    let used = "SELECT count(*) FROM pg_stat_ssl WHERE ssl";
    let used = server.auditor().await.client.query_one(used, &[]).await;
    assert_eq!(used.unwrap().get::<_, i64>(0), 1);
    for stranger in [trusting("localhost", None), trusting("127.0.0.1", known)] {
        let told = held(stranger.stands(journal).await);
        assert!(told.contains("invalid peer certificate"), "{told}");
    }
}

#[tokio::test]
async fn reads_the_password_anew_for_each_connection() {
    let mut server = Server::start(&[]).await;
    let (journal, file) = (JournalId::random(), NamedTempFile::new().unwrap());
    fs::write(file.path(), server.url()).unwrap();
    let settings = Settings {
        url: SecretSource::File(file.path().to_owned()),
        ca_file: None,
    };
    let sink = Postgres::new(settings, Disk::default());
    assert_eq!(sink.stands(journal).await, Ok(Standing::Nothing));
    server
        .auditor()
        .await
        .run("ALTER ROLE gateway PASSWORD 'another-password'")
        .await;

    server.stop();
    server.restart().await;
    let mut old = None;
    within(async || {
        old = sink.stands(journal).await.err();
        matches!(old, Some(Setback::Held { .. }))
    })
    .await;
    fs::write(
        file.path(),
        server.url().replace(PASSWORD, "another-password"),
    )
    .unwrap();

    assert_eq!(sink.stands(journal).await, Ok(Standing::Nothing));
    let why = old.unwrap().to_string();
    assert_eq!(
        why,
        "PostgreSQL says 28P01: password authentication failed for user \"gateway\""
    );
}

#[track_caller]
fn held<T: std::fmt::Debug>(told: Result<T, Setback>) -> String {
    match told {
        Err(Setback::Held { why }) => why,
        other => panic!("{other:?}"),
    }
}
