//! Holds the source to what ARCHITECTURE.md says of it: who names whom, how long a file may grow,
//! which way leads to the `PATCH`, and that no link in the documents leads nowhere.
//!
//! The source is read as text: comments, strings and the test module at a file's end are left out,
//! groups of imports are taken apart. Each check is also tried on a fault made up for it.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "architecture/made_up.rs"]
mod made_up;
#[path = "architecture/reading.rs"]
mod reading;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use crate::reading::{Source, entries, file, files, links, marked, paths, ticked};

/// What may name what: rooms by room, or rooms by outside crate.
type Table = BTreeMap<String, BTreeSet<String>>;

#[test]
fn names_no_room_that_the_table_does_not_allow() {
    let table = constant(ROOMS);

    let faults = forbidden_rooms(&files(root(), "src", ".rs"), &table);

    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn names_outside_crates_only_where_the_table_allows() {
    let faults = forbidden_crates(&files(root(), "src", ".rs"), &constant(CRATES));

    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn documents_the_tables_that_are_enforced() {
    let document = architecture();
    let crates = documented(marked(&document, "crates"));
    let free = |rooms: &BTreeSet<String>| rooms.contains(EVERY);
    let bound: Table = crates
        .clone()
        .into_iter()
        .filter(|(_, rooms)| !free(rooms))
        .collect();

    assert_eq!(documented(marked(&document, "rooms")), constant(ROOMS));
    assert_eq!(bound, constant(CRATES));
    assert_eq!(
        unexplained(&file(root(), &root().join("Cargo.toml")).text, &crates),
        [""; 0]
    );
}

#[test]
fn lists_only_rooms_that_exist() {
    let rooms = rooms();

    assert_eq!(strangers(&constant(ROOMS), &rooms), [""; 0]);
    assert!(
        constant(CRATES)
            .values()
            .flatten()
            .all(|room| rooms.contains(room))
    );
}

#[test]
fn keeps_files_short() {
    let library = ["src", "sandbox/src", "shim/src", "bench/src", "examples"]
        .map(|below| (below, LONGEST_FILE));

    let faults: Vec<_> = library
        .into_iter()
        .chain([("tests", LONGEST_TEST), ("sandbox/tests", LONGEST_TEST)])
        .flat_map(|(below, longest)| overlong(&files(root(), below, ".rs"), longest))
        .collect();

    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn names_things_by_where_they_are() {
    let faults: Vec<_> = ["src", "sandbox/src", "shim/src", "bench/src"]
        .into_iter()
        .flat_map(|below| vague(&files(root(), below, ".rs")))
        .collect();

    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn shows_a_short_walk_from_main_to_the_patch() {
    let document = architecture();
    let walk = walk(marked(&document, "walk"));

    let missing: Vec<_> = walk
        .iter()
        .filter(|path| !root().join(path).is_file())
        .collect();

    assert_eq!(missing, [&""; 0]);
    assert_eq!(crooked(&walk), None);
}

#[test]
fn links_only_to_files_that_exist() {
    let mut documents = files(root(), "docs", ".md");
    let top = entries(root())
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "md"));
    documents.extend(top.map(|path| file(root(), &path)));

    let faults = dangling(&documents, &|path| path.exists());

    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Every room that a file names although the table does not allow it.
fn forbidden_rooms(sources: &[Source], table: &Table) -> Vec<String> {
    let mut faults = BTreeSet::new();
    for source in sources {
        let room = source.room().expect("a file under src");
        let Some(allowed) = table.get(room) else {
            faults.insert(format!("{}: room {room} has no row", source.path));
            continue;
        };
        for path in paths(source.without_tests()) {
            let [first, named, ..] = path.as_slice() else {
                continue;
            };
            let absolute = matches!(first.as_str(), "crate" | "partner_gateway")
                || first == "super" && source.stands_on_top();
            if absolute && named != room && !allowed.contains(named) && !allowed.contains(EVERY) {
                faults.insert(format!("{}: {room} may not name {named}", source.path));
            }
        }
    }
    faults.into_iter().collect()
}

/// Every outside crate, or part of one, that a file names although the table keeps it for others.
fn forbidden_crates(sources: &[Source], table: &Table) -> Vec<String> {
    let mut faults = BTreeSet::new();
    for source in sources {
        let room = source.room().expect("a file under src");
        for path in paths(source.without_tests()) {
            let path = path.join("::");
            for (bound, allowed) in table {
                let rest = path.strip_prefix(bound.replace('-', "_").as_str());
                let named = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
                if named && !allowed.contains(room) {
                    faults.insert(format!("{}: {room} may not name {bound}", source.path));
                }
            }
        }
    }
    faults.into_iter().collect()
}

/// Every name in the table that no room has.
fn strangers(table: &Table, rooms: &BTreeSet<String>) -> Vec<String> {
    let named = table
        .iter()
        .flat_map(|(room, allowed)| allowed.iter().chain([room]));
    let strange = named.filter(|name| *name != EVERY && !rooms.contains(*name));
    strange.cloned().collect()
}

/// Every dependency of the manifest that the table has no row for.
fn unexplained(manifest: &str, table: &Table) -> Vec<String> {
    let (_, after) = manifest
        .split_once("\n[dependencies]\n")
        .expect("a list of dependencies");
    let list = after.split("\n[").next().unwrap_or_default();
    let name = |line: &str| {
        line.split([' ', '.', '='])
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let explained = |name: &String| table.keys().any(|key| key.split("::").next() == Some(name));
    list.lines()
        .map(name)
        .filter(|name| !name.is_empty() && !explained(name))
        .collect()
}

/// Every file with more lines than allowed; the test module at its end is not counted.
fn overlong(sources: &[Source], longest: usize) -> Vec<String> {
    let mut faults = Vec::new();
    for source in sources {
        let lines = source.without_tests().lines().count();
        if lines > longest {
            faults.push(format!("{}: {lines} lines, at most {longest}", source.path));
        }
    }
    faults
}

/// Every path that says where from, but not what: two steps up, or everything from above.
fn vague(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for source in sources {
        for path in paths(source.without_tests()) {
            let steps: Vec<_> = path.iter().map(String::as_str).collect();
            let upwards = steps.windows(2).any(|pair| pair == ["super", "super"]);
            if upwards || matches!(steps.as_slice(), ["crate" | "super", "*"]) {
                faults.push(format!("{}: {}", source.path, steps.join("::")));
            }
        }
    }
    faults
}

/// What is wrong with the shape of the walk.
fn crooked(walk: &[&str]) -> Option<&'static str> {
    let ends = ["src/partner_center/wire/request.rs"];
    if walk.len() > LONGEST_WALK {
        Some("too long")
    } else if walk.first() != Some(&"src/main.rs") {
        Some("does not begin in main")
    } else if !walk.last().is_some_and(|last| ends.contains(last)) {
        Some("does not end at the PATCH")
    } else {
        None
    }
}

/// Every local link that names nothing.
fn dangling(documents: &[Source], exists: &dyn Fn(&Path) -> bool) -> Vec<String> {
    let mut faults = Vec::new();
    for document in documents {
        let path = root().join(&document.path);
        let directory = path.parent().expect("a directory");
        for target in links(&document.text) {
            if !exists(&directory.join(&target)) {
                faults.push(format!("{}: {target}", document.path));
            }
        }
    }
    faults
}

/// Reads a table of the document: names in backticks in the first two columns.
fn documented(rows: &str) -> Table {
    let mut table = Table::new();
    for row in rows.lines().filter(|row| row.starts_with("| `")) {
        let mut cells = row.split('|').skip(1);
        let (who, whom) = (
            cells.next().unwrap_or_default(),
            cells.next().unwrap_or_default(),
        );
        let mut allowed: BTreeSet<_> = ticked(whom).into_iter().map(str::to_owned).collect();
        if whom.trim().starts_with("every") {
            allowed.insert(EVERY.to_owned());
        }
        for name in ticked(who) {
            let twice = table.insert(name.to_owned(), allowed.clone());
            assert!(twice.is_none(), "{name} has two rows");
        }
    }
    table
}

/// Reads a table of this file: a name, a colon, and whom it may name or who may name it.
fn constant(lines: &str) -> Table {
    let rows = lines.lines().filter_map(|line| line.rsplit_once(':'));
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    rows.map(|(who, whom)| (who.trim().to_owned(), words(whom)))
        .collect()
}

/// Reads the files of a numbered list, each named first in its item.
fn walk(list: &str) -> Vec<&str> {
    let items = list
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
    items
        .filter_map(|item| ticked(item).first().copied())
        .collect()
}

fn rooms() -> BTreeSet<String> {
    let stem = |path: &Path| {
        path.file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
    };
    entries(&root().join("src"))
        .iter()
        .filter_map(|path| stem(path))
        .collect()
}

fn architecture() -> String {
    file(root(), &root().join("ARCHITECTURE.md")).text
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Stands for every room there is.
const EVERY: &str = "every";

/// Which room may name which.
const ROOMS: &str = "
    main: cli
    lib:
    ids:
    measure:
    json:
    cause:
    clock:
    shutdown:
    http_client:
    file:
    secret: file
    flight:
    validity:
    spans: ids clock
    command: ids
    identity: ids clock http_client secret cause flight file validity
    authorization: ids command identity
    token: clock http_client file secret cause flight validity cluster
    partner_center: ids measure clock command authorization token http_client cause spans
    audit: ids measure json clock http_client file
    cluster: cause http_client file secret
    delivery: ids measure clock cause http_client file secret audit cluster
    transfers: ids command clock cause identity authorization token partner_center audit cluster spans
    telemetry: ids measure json audit
    front: ids measure command clock cause shutdown transfers audit delivery telemetry identity authorization partner_center validity spans
    config: ids command file secret identity authorization token partner_center audit delivery transfers telemetry front cluster
    cli: every
    app: every
";

/// Which outside crate, or part of one, only some rooms may name.
const CRATES: &str = "
    arc-swap: front transfers
    async-nats: cluster delivery
    base64: audit token transfers
    clap: main cli
    flate2: delivery
    form_urlencoded: front token
    governor: authorization
    hyper-rustls: http_client
    hyper::server: front
    hyper_util::server: front
    jsonwebtoken: identity token
    marked-yaml: config
    memchr: audit
    moka: identity transfers
    nkeys: cluster
    oauth2: token
    opentelemetry: delivery spans
    opentelemetry-proto: delivery
    opentelemetry_sdk: delivery spans
    prometheus: front telemetry
    prost: delivery
    rustix: audit
    rustls-native-certs: http_client
    socket2: front
    std::env: config
    strsim: config
    tokio-postgres: delivery
    tokio-postgres-rustls: delivery
    tokio-rustls: front
    tower: front
    tower-service: http_client
    tracing-subscriber: config telemetry
    uuid: audit config ids token
    x509-parser: identity validity
";

/// Beyond this a file has two subjects.
const LONGEST_FILE: usize = 300;

/// Tests repeat themselves on purpose.
const LONGEST_TEST: usize = 400;

/// A walk that does not fit into one sitting is not a walk.
const LONGEST_WALK: usize = 13;
