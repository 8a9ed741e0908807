//! The index: what it saves, and that no answer hangs on it.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use partner_gateway::audit::search::{Effort, Next, Search, filters::Filters};

use super::{
    READING, find_all, find_with,
    written::{CUSTOMERS, append, guid, journal, segment},
};

const INDEXING: Effort = Effort {
    most_bytes: None,
    leaves_index: true,
};

const FIRSTS: [u64; 6] = [1, 301, 601, 901, 1201, 1501];

#[test]
fn gives_the_same_answers_with_and_without_an_index_and_with_a_corrupt_one() {
    let dir = journal(1800, &FIRSTS);
    let expected: Vec<_> = queries()
        .iter()
        .map(|it| find_all(dir.path(), it, READING))
        .collect();
    let answers = |why: &str| {
        for (query, expected) in queries().iter().zip(&expected) {
            let found = find_all(dir.path(), query, INDEXING);
            assert_eq!(found, *expected, "{why}: {query}");
        }
    };

    answers("none yet");
    assert_eq!(
        indexes(dir.path()).len(),
        5,
        "one for each segment but the last"
    );
    answers("whole");
    for path in indexes(dir.path()) {
        let whole = fs::read(&path).unwrap();
        for place in [0, 9, 40, 600, 2000, 4500, whole.len() - 1] {
            let mut corrupt = whole.clone();
            corrupt[place] ^= 0xff;
            fs::write(&path, corrupt).unwrap();
            answers("corrupt");
        }
        for bytes in [&b""[..], b"{}", &whole[..600]] {
            fs::write(&path, bytes).unwrap();
            answers("cut short");
        }
        fs::remove_file(&path).unwrap();
        answers("deleted");
        fs::write(&path, vec![0; whole.len()]).unwrap();
        answers("zeros");
    }
    let (one, other) = (&indexes(dir.path())[0], &indexes(dir.path())[1]);
    fs::copy(one, other).unwrap();
    answers("of another segment");
}

#[test]
fn does_not_believe_an_index_of_a_segment_that_has_changed() {
    let dir = journal(1800, &FIRSTS);
    let sought = format!("audit_id={}", guid(1, 900));
    let later = format!("audit_id={}", guid(1, 5000));
    assert!(find_all(dir.path(), &later, INDEXING).is_empty());

    let text = fs::read_to_string(segment(dir.path(), 601)).unwrap();
    let (rest, _) = text.trim_end().rsplit_once('\n').unwrap();
    fs::write(segment(dir.path(), 601), format!("{rest}\n")).unwrap();
    assert!(find_all(dir.path(), &sought, INDEXING).is_empty());
    append(dir.path(), 601, 900..=900);

    assert_eq!(find_all(dir.path(), &sought, INDEXING), [900]);
    let other = text.replace(&guid(1, 900), &guid(1, 7000));
    assert_eq!(other.len(), text.len());
    fs::write(segment(dir.path(), 601), other).unwrap();
    let sought = format!("audit_id={}", guid(1, 7000));
    assert_eq!(find_all(dir.path(), &sought, INDEXING), [900]);
}

#[test]
fn reads_only_the_segments_in_which_something_may_be_found() {
    let firsts: Vec<u64> = (0..20).map(|nth| 1 + nth * 300).collect();
    let dir = journal(6000, &firsts);
    let size = fs::metadata(segment(dir.path(), 301)).unwrap().len();
    let filters = Filters {
        audit_id: guid(1, 450).parse().ok(),
        ..Filters::default()
    };
    let early = Filters {
        until: humantime("2026-03-01T00:03:00Z"),
        ..Filters::default()
    };

    let without = read_bytes(dir.path(), &filters);
    find_all(dir.path(), &format!("audit_id={}", guid(1, 9999)), INDEXING);
    let with = read_bytes(dir.path(), &filters);
    let by_time = read_bytes(dir.path(), &early);

    let looks = 19 * (2 * 4096 + 512);
    assert!(without >= 20 * size * 9 / 10, "{without}");
    assert!(
        with <= 2 * size + size / 10 + looks,
        "{with} bytes; a segment has {size}"
    );
    assert!(by_time <= 2 * size + size / 10 + looks, "{by_time} bytes");
}

#[test]
fn leaves_an_index_of_every_segment_though_it_pauses() {
    let dir = journal(1800, &FIRSTS);
    let size = fs::metadata(segment(dir.path(), 301)).unwrap().len();
    let bounded = |most_bytes| Effort {
        most_bytes: Some(most_bytes),
        leaves_index: true,
    };
    let query = format!("audit_id={}", guid(1, 450));

    let too_large = find_all(dir.path(), &query, bounded(size / 2));
    assert!(indexes(dir.path()).is_empty());
    let first = find_with(dir.path(), &query, bounded(size + size / 2));
    assert_eq!(indexes(dir.path()).len(), 1, "and the last has none");
    let all = find_all(dir.path(), &query, bounded(size + size / 2));

    assert_eq!((first.seqs, first.next.is_some()), (vec![], true));
    assert_eq!((too_large, all), (vec![450], vec![450]));
    assert_eq!(indexes(dir.path()).len(), 5);
}

#[test]
fn leaves_nothing_where_it_may_not_and_finds_all_the_same() {
    let dir = journal(1800, &FIRSTS);
    let query = format!("customer={}", CUSTOMERS[0]);
    let expected = find_all(dir.path(), &query, READING);
    assert!(
        indexes(dir.path()).is_empty(),
        "a search that must not write"
    );

    fs::write(
        dir.path().join("index"),
        "a file, where a directory is needed",
    )
    .unwrap();

    assert_eq!(find_all(dir.path(), &query, INDEXING), expected);
}

#[test]
fn removes_the_indexes_of_segments_that_are_gone() {
    let dir = journal(1800, &FIRSTS);
    let query = format!("audit_id={}", guid(1, 5000));
    find_all(dir.path(), &query, INDEXING);
    let unfinished = dir.path().join("index").join("left-behind.new");
    fs::write(&unfinished, "half").unwrap();
    let mode = fs::metadata(&indexes(dir.path())[0])
        .unwrap()
        .permissions()
        .mode();

    fs::remove_file(segment(dir.path(), 1)).unwrap();
    find_all(dir.path(), &query, READING);
    let untouched = indexes(dir.path()).len();
    find_all(dir.path(), &query, INDEXING);

    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(untouched, 6, "by a search that must not write");
    assert!(!unfinished.exists());
    let left: Vec<String> = indexes(dir.path()).iter().map(|path| name(path)).collect();
    let expected = [301, 601, 901, 1201].map(|it: u64| format!("journal-{it:020}.bin"));
    assert_eq!(left, expected);
}

fn queries() -> Vec<String> {
    vec![
        format!("customer={}", CUSTOMERS[2]),
        format!("transfer={}&status=403", guid(7, 3)),
        "principal=billing&limit=1000".to_owned(),
        "principal=nobody".to_owned(),
        format!("correlation_id={}", guid(9, 333)),
        format!("audit_id={}", guid(1, 1)),
        format!("audit_id={}", guid(1, 1777)),
        "since=2026-03-01T00:05:00Z&until=2026-03-01T00:05:05Z".to_owned(),
    ]
}

fn read_bytes(dir: &Path, filters: &Filters) -> u64 {
    let mut search = Search::begin(dir, filters, u64::MAX, READING).unwrap();
    while !matches!(search.find_next().unwrap(), Next::End) {}
    search.read_bytes()
}

fn indexes(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("index")).into_iter().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn humantime(text: &str) -> Option<std::time::SystemTime> {
    partner_gateway::audit::search::query::time(text).ok()
}
