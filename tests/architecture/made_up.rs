//! Tries each check on a fault made up for it, and on what only looks like one.

use std::collections::BTreeSet;

use crate::{
    constant, crooked, dangling, documented, forbidden_crates, forbidden_rooms, overlong,
    reading::{Source, links, marked, paths},
    strangers, unexplained, vague, walk,
};

fn source(path: &str, text: &str) -> [Source; 1] {
    [Source {
        path: path.to_owned(),
        text: text.to_owned(),
    }]
}

fn joined(text: &str) -> Vec<String> {
    paths(text).iter().map(|path| path.join("::")).collect()
}

#[test]
fn takes_groups_apart() {
    let text = "use crate::{a::{self, B as C, d::*}, e};\nuse f;\nfn g() { h.i(); j::k::<L>() }";

    assert_eq!(
        joined(text),
        [
            "crate::a::self",
            "crate::a::B",
            "crate::a::d::*",
            "crate::e",
            "f",
            "j::k"
        ]
    );
}

#[test]
fn reads_no_path_in_comments_strings_and_characters() {
    let text = r##"
        // a::b
        /* c::d */
        const E: (&str, &str, char) = ("f::g \" h::i", r#"j::k " l::m"#, '"');
        fn n<'o>(p: &'o str) -> q::R { b"s::t"; '\'' }
    "##;

    assert_eq!(joined(text), ["q::R"]);
}

#[test]
fn finds_a_room_that_may_not_be_named() {
    let table = constant("ids:\ntoken: ids\napp: every\nlib:");
    let faults = |path: &str, text: &str| forbidden_rooms(&source(path, text), &table).len();

    assert_eq!(
        faults("src/token/cell.rs", "use crate::{ids::Id, front::Stack};"),
        1
    );
    assert_eq!(
        faults(
            "src/token/cell.rs",
            "fn f() { partner_gateway::front::g() }"
        ),
        1
    );
    assert_eq!(faults("src/token/mod.rs", "use super::front::Stack;"), 1);
    assert_eq!(faults("src/ids.rs", "use crate::token;"), 1);
    assert_eq!(faults("src/new/mod.rs", ""), 1);

    assert_eq!(faults("src/app.rs", "use crate::{front, token::cell};"), 0);
    assert_eq!(
        faults(
            "src/token/cell.rs",
            "use super::grant;\nuse crate::token::grant;"
        ),
        0
    );
    assert_eq!(
        faults(
            "src/ids.rs",
            "\n#[cfg(test)]\nmod tests { use crate::token; }"
        ),
        0
    );
}

#[test]
fn finds_a_crate_that_may_not_be_named() {
    let table = constant("tower: front\nhyper_util::server: front\nstd::env: config");
    let faults = |path: &str, text: &str| forbidden_crates(&source(path, text), &table).len();

    assert_eq!(faults("src/app.rs", "use tower::ServiceExt as _;"), 1);
    assert_eq!(faults("src/app.rs", "use tower as spire;"), 1);
    assert_eq!(
        faults(
            "src/app.rs",
            "use hyper_util::{rt::TokioIo, server::conn::auto};"
        ),
        1
    );
    assert_eq!(faults("src/app.rs", "use std::{env, fmt};"), 1);
    assert_eq!(faults("src/app.rs", "fn f() { std::env::vars() }"), 1);

    assert_eq!(faults("src/front/stack.rs", "use tower::Service;"), 0);
    assert_eq!(
        faults(
            "src/app.rs",
            "use std::fmt; use tower_http::a; use hyper_util::rt;"
        ),
        0
    );
}

#[test]
fn finds_a_row_for_a_room_that_is_gone() {
    let rooms = BTreeSet::from(["ids".to_owned(), "app".to_owned()]);

    assert_eq!(
        strangers(&constant("ids: clock\nold: ids\napp: every"), &rooms),
        ["clock", "old"]
    );
}

#[test]
fn reads_the_tables_of_the_document() {
    let document = "<!-- t:begin -->\n| room | may name |\n|---|---|\n| `a`, `b` | `c`, `d` |\n\
        | `e` | every room |\n| `f` | nothing of ours |\n<!-- t:end -->\n| `g` | `h` |";

    let table = documented(marked(document, "t"));

    assert_eq!(table, constant("a: c d\nb: c d\ne: every\nf:"));
}

#[test]
fn finds_a_dependency_without_a_row() {
    let manifest =
        "[lib]\n\n[dependencies]\nhttp.workspace = true\nhyper = \"1\"\n\n[features]\nx = []";

    assert_eq!(
        unexplained(manifest, &constant("hyper::server: front")),
        ["http"]
    );
}

#[test]
fn finds_a_file_that_is_too_long() {
    let code = "fn f() {}\n".repeat(3);
    let tests = format!("{code}\n#[cfg(test)]\nmod tests {{\n}}\n");

    assert_eq!(
        overlong(&source("src/ids.rs", &code), 2),
        ["src/ids.rs: 3 lines, at most 2"]
    );
    assert_eq!(overlong(&source("src/ids.rs", &tests), 4), [""; 0]);
    assert_eq!(overlong(&source("tests/ids.rs", &tests), 4).len(), 1);
}

#[test]
fn finds_imports_that_do_not_say_what() {
    let faults = |text: &str| vague(&source("src/a/b.rs", text)).len();

    assert_eq!(faults("use super::super::c;"), 1);
    assert_eq!(faults("use super::{super::c, d};"), 1);
    assert_eq!(faults("use crate::*;"), 1);
    assert_eq!(faults("use super::*;"), 1);
    assert_eq!(
        faults("use super::c; use crate::a::*;\n#[cfg(test)]\nmod t { use super::*; }"),
        0
    );
}

#[test]
fn finds_a_walk_that_does_not_arrive() {
    let straight =
        walk("1. `src/main.rs`, then\n   `not/this.rs`\n2. `src/partner_center/wire/request.rs`");
    let long = [
        ["src/main.rs"; 13].as_slice(),
        &["src/partner_center/wire/request.rs"],
    ]
    .concat();

    assert_eq!(
        straight,
        ["src/main.rs", "src/partner_center/wire/request.rs"]
    );
    assert_eq!(crooked(&straight), None);
    assert_eq!(crooked(&["src/main.rs"]), Some("does not end at the PATCH"));
    assert_eq!(crooked(&["src/lib.rs"]), Some("does not begin in main"));
    assert_eq!(crooked(&[]), Some("does not begin in main"));
    assert_eq!(crooked(&long), Some("too long"));
}

#[test]
fn finds_a_link_that_leads_nowhere() {
    let text = "[a](gone.md#part) and [b](https://example.com) `[c](d)`\n```\n[e](f)\n```\n[g]: h.md\n[i](#j)";
    let there = source("docs/index.md", "[a](../LICENSE \"its title\")");

    assert_eq!(links(text), ["gone.md", "h.md"]);
    assert_eq!(
        dangling(&source("docs/index.md", text), &|_| false).len(),
        2
    );
    assert_eq!(
        dangling(&there, &|path| path.ends_with("docs/../LICENSE")),
        [""; 0]
    );
}
