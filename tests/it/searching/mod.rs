//! Searching journals: what is found, page by page, and how much is read for it.

mod asking;
mod indexes;
mod limits;
pub(crate) mod written;

use std::{fs, io::Write as _, path::Path};

use partner_gateway::audit::{
    search::{Effort, Next, Search, filters::Filters, follow::Follow, page, query::Query},
    verify::Unreadable,
};

use self::written::{CUSTOMERS, JOURNAL, append, call, guid, journal, line, segment};

/// What one search has found.
pub(crate) struct Found {
    pub(crate) seqs: Vec<u64>,
    pub(crate) next: Option<String>,
}

/// No bounds, and nothing left behind.
pub(crate) const READING: Effort = Effort {
    most_bytes: None,
    leaves_index: false,
};

pub(crate) fn find(dir: &Path, query: &str) -> Found {
    find_with(dir, query, READING)
}

pub(crate) fn find_with(dir: &Path, query: &str, effort: Effort) -> Found {
    let parameters = query.split('&').filter(|pair| !pair.is_empty());
    let parameters = parameters.map(|pair| pair.split_once('=').expect("a pair"));
    let query = Query::read(parameters.map(|(name, value)| (name.into(), value.into())));
    let page = page::find(dir, u64::MAX, &query.expect("query"), effort).expect("a page");
    let page = serde_json::to_value(page).expect("JSON");
    let records = page["records"].as_array().expect("records");
    let seqs = records.iter().map(|record| record["seq"].as_u64().unwrap());
    Found {
        seqs: seqs.collect(),
        next: page["next"].as_str().map(str::to_owned),
    }
}

/// Every page after the other.
pub(crate) fn find_all(dir: &Path, query: &str, effort: Effort) -> Vec<u64> {
    let mut found = find_with(dir, query, effort);
    let mut seqs = found.seqs;
    let mut pages = 1;
    while let Some(next) = found.next {
        pages += 1;
        assert!(pages < 10_000, "pages without an end: {next}");
        found = find_with(dir, &format!("{query}&cursor={next}"), effort);
        seqs.extend(found.seqs);
    }
    seqs
}

#[test]
fn finds_by_each_filter_alone_and_by_all_together() {
    let dir = journal(60, &[1, 13, 29]);

    for (query, wanted) in questions() {
        assert_eq!(find(dir.path(), &query).seqs, wanted, "{query}");
    }
}

/// Queries, and the records of 60 that each is to find.
#[expect(clippy::too_many_lines, reason = "a table")]
fn questions() -> Vec<(String, Vec<u64>)> {
    let seqs = |wanted: &dyn Fn(u64) -> bool| -> Vec<u64> {
        (1..=60).rev().filter(|seq| wanted(*seq)).collect()
    };
    let outcome = |seq: u64| seq.is_multiple_of(2);

    vec![
        (String::new(), seqs(&|_| true)),
        (
            format!("customer={}", CUSTOMERS[1]),
            seqs(&|seq| call(seq) % 3 == 1),
        ),
        (
            format!("customer={}", CUSTOMERS[1].to_uppercase()),
            seqs(&|seq| call(seq) % 3 == 1),
        ),
        (
            format!("transfer={}", guid(7, 5)),
            seqs(&|seq| call(seq) % 7 == 5),
        ),
        (
            "principal=billing".to_owned(),
            seqs(&|seq| call(seq) % 5 != 4),
        ),
        (
            "principal=a \"quoted\" one é".to_owned(),
            seqs(&|seq| call(seq) % 5 == 4),
        ),
        ("principal=bill".to_owned(), vec![]),
        (format!("correlation_id={}", guid(9, 11)), vec![24, 23]),
        (format!("audit_id={}", guid(1, 17)), vec![17]),
        (
            "status=403".to_owned(),
            seqs(&|seq| outcome(seq) && call(seq).is_multiple_of(4)),
        ),
        ("status=400".to_owned(), vec![]),
        (
            "outcome=refused".to_owned(),
            seqs(&|seq| outcome(seq) && call(seq).is_multiple_of(4)),
        ),
        (
            "since=2026-03-01T00:00:50Z".to_owned(),
            seqs(&|seq| seq >= 50),
        ),
        (
            "until=2026-03-01T00:00:50Z".to_owned(),
            seqs(&|seq| seq < 50),
        ),
        (
            "since=2026-03-01T00:00:10Z&until=2026-03-01T00:00:12.000001Z".to_owned(),
            vec![12, 11, 10],
        ),
        (
            format!(
                "customer={}&transfer={}&principal=billing&correlation_id={}&audit_id={}&status=403\
                 &outcome=refused&since=2026-03-01T00:00:34Z&until=2026-03-01T00:00:35Z&limit=1",
                CUSTOMERS[1],
                guid(7, 2),
                guid(9, 16),
                guid(1, 34),
            ),
            vec![34],
        ),
        (
            format!("customer={}&audit_id={}", CUSTOMERS[0], guid(1, 34)),
            vec![],
        ),
    ]
}

#[test]
fn gives_records_as_their_bytes_in_the_journal() {
    let dir = journal(3, &[1]);
    let text = fs::read_to_string(segment(dir.path(), 1)).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.reverse();

    let query = Query::read(std::iter::empty()).unwrap();
    let page = page::find(dir.path(), u64::MAX, &query, READING).unwrap();

    let expected = format!(r#"{{"records":[{}]}}"#, lines.join(","));
    assert_eq!(serde_json::to_string(&page).unwrap(), expected);
}

#[test]
fn gives_each_of_a_thousand_records_once_while_others_are_written() {
    let dir = journal(1000, &[1, 200, 201, 640]);
    let mut seen = Vec::new();
    let mut cursor = String::new();
    let mut newest = 1000;

    loop {
        let found = find(dir.path(), &format!("limit=37{cursor}"));
        seen.extend(found.seqs);
        append(dir.path(), 640, newest + 1..=newest + 5);
        newest += 5;
        match found.next {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }

    assert_eq!(seen, (1..=1000).rev().collect::<Vec<u64>>());
}

#[test]
fn goes_on_after_segments_are_deleted() {
    let dir = journal(90, &[1, 31, 61]);
    let first = find(dir.path(), "limit=40");
    fs::remove_file(segment(dir.path(), 1)).unwrap();

    let cursor = first.next.unwrap();
    let second = find(dir.path(), &format!("limit=40&cursor={cursor}"));
    fs::remove_file(segment(dir.path(), 31)).unwrap();
    let none = find(dir.path(), &format!("limit=40&cursor={cursor}"));

    assert_eq!(first.seqs, (51..=90).rev().collect::<Vec<u64>>());
    assert_eq!(second.seqs, (31..=50).rev().collect::<Vec<u64>>());
    assert_eq!((second.next, none.seqs, none.next), (None, vec![], None));
}

#[test]
fn says_that_there_is_no_more_with_the_last_record() {
    let dir = journal(10, &[1]);

    let all = find(dir.path(), "limit=10");
    let fewer = find(dir.path(), "limit=9");

    assert_eq!((all.seqs.len(), all.next), (10, None));
    assert!(fewer.next.is_some());
}

#[test]
fn passes_over_what_was_never_acknowledged() {
    let dir = journal(40, &[1, 21]);
    // The writes from record 19 on failed, and record 19 was written anew behind them.
    fs::remove_file(segment(dir.path(), 21)).unwrap();
    append(dir.path(), 19, 19..=30);
    let mut torn = fs::OpenOptions::new()
        .append(true)
        .open(segment(dir.path(), 19))
        .unwrap();
    let half = line(31);
    torn.write_all(&half.as_bytes()[..half.len() - 1]).unwrap();

    let all = find_all(dir.path(), "limit=7", READING);
    let other = format!("audit_id={}", guid(1, 20));

    assert_eq!(all, (1..=30).rev().collect::<Vec<u64>>());
    assert_eq!(find(dir.path(), &other).seqs, [20]);
    let unfinished = find(dir.path(), &format!("audit_id={}", guid(1, 31)));
    assert!(unfinished.seqs.is_empty(), "{:?}", unfinished.seqs);
}

#[test]
fn gives_each_record_once_where_it_pauses_among_what_was_never_acknowledged() {
    let dir = journal(20, &[1]);
    append(dir.path(), 16, 16..=30);
    let effort = Effort {
        most_bytes: Some(1),
        leaves_index: false,
    };

    let all = find_all(dir.path(), "", effort);

    assert_eq!(all, (1..=30).rev().collect::<Vec<u64>>());
}

#[test]
fn passes_over_a_segment_that_is_deleted_after_it_began() {
    let dir = journal(90, &[1, 31, 61]);
    let filters = Filters::default();
    let mut search = Search::begin(dir.path(), &filters, u64::MAX, READING).unwrap();
    let mut seqs = Vec::new();

    fs::remove_file(segment(dir.path(), 31)).unwrap();
    while let Next::Found(record) = search.find_next().unwrap() {
        seqs.push(record.seq);
    }

    let expected: Vec<u64> = (1..=30).chain(61..=90).rev().collect();
    assert_eq!(seqs, expected);
}

#[test]
fn follows_past_what_was_never_acknowledged() {
    let dir = journal(5, &[1]);
    let (mut follow, due) = Follow::from_end(dir.path()).unwrap();
    append(dir.path(), 1, 6..=8);
    append(dir.path(), 7, 7..=9);
    let mut told = Vec::new();

    let followed = follow.tell(&Filters::default(), &mut |line| {
        told.push(String::from_utf8(line.to_vec()).unwrap());
        Ok::<_, Unreadable>(())
    });

    followed.unwrap();
    let lines: Vec<String> = [6, 7, 8, 9].map(line).into();
    assert_eq!((due, told), (6, lines));
}

#[test]
fn stops_when_it_has_read_enough_and_goes_on_from_there() {
    let dir = journal(400, &[1, 150, 300]);
    let effort = Effort {
        most_bytes: Some(1),
        leaves_index: false,
    };

    let first = find_with(dir.path(), &format!("audit_id={}", guid(1, 2)), effort);
    let all = find_all(dir.path(), &format!("audit_id={}", guid(1, 2)), effort);
    let each = find_all(dir.path(), "limit=1000", effort);

    assert!(first.seqs.is_empty(), "{:?}", first.seqs);
    assert!(first.next.is_some());
    assert_eq!(all, [2]);
    assert_eq!(each, (1..=400).rev().collect::<Vec<u64>>());
}

#[test]
fn knows_the_cursor_of_another_journal() {
    let dir = journal(10, &[1]);
    let next = find(dir.path(), "limit=5").next.unwrap();
    let other = JOURNAL.replace('0', "1");
    fs::write(dir.path().join("journal.id"), other).unwrap();

    let parameters = [("cursor".into(), next.into())].into_iter();
    let query = Query::read(parameters).unwrap();
    let refused = page::find(dir.path(), u64::MAX, &query, READING).unwrap_err();

    assert!(
        refused.to_string().starts_with("parameter \"cursor\": "),
        "{refused}"
    );
}
