//! The answers to an operation: each status, with its codes.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    command::Operation,
    front::{
        openapi::{
            headers::{self, ALLOW, CHALLENGE, LOCALE, RETRY_AFTER},
            schemas,
        },
        problem::{Forwarded, Outcome, code::Code},
    },
};

/// One answer, while it is put together.
pub(in crate::front::openapi) struct Answer {
    pub(in crate::front::openapi) words: String,
    pub(in crate::front::openapi) headers: Map<String, Value>,
    pub(in crate::front::openapi) content: Map<String, Value>,
}

/// The answers to an operation by status.
pub(in crate::front::openapi) type Answers = BTreeMap<String, Answer>;

impl Answer {
    /// What stands in the document.
    pub(in crate::front::openapi) fn described(&self) -> Value {
        let Self {
            words,
            headers,
            content,
        } = self;
        json!({"description": words, "headers": headers, "content": content})
    }
}

/// What the gateway says in its own words, by status, where nobody else can say anything.
pub(in crate::front::openapi) fn own(operation: Operation) -> Answers {
    let answer = |(status, codes): (StatusCode, Vec<Code>)| {
        let answer = problem(operation, &codes, &[]);
        (status.as_str().to_owned(), answer)
    };
    codes(operation).into_iter().map(answer).collect()
}

/// What the gateway says, by status, and what Partner Center may say in its place.
pub(in crate::front::openapi) fn with_upstream(operation: Operation) -> Answers {
    let answer = |(status, codes): (StatusCode, Vec<Code>)| {
        // Partner Center's 401 is about the gateway, and no caller sees it.
        let answer = if status == StatusCode::UNAUTHORIZED {
            problem(operation, &codes, &[])
        } else {
            or_passed_on(problem(operation, &codes, PASSED_ON))
        };
        (status.as_str().to_owned(), answer)
    };
    let mut all: Answers = codes(operation).into_iter().map(answer).collect();
    all.insert("default".to_owned(), passed_on());
    all
}

/// A method that a path does not take.
pub(in crate::front::openapi) fn method_not_allowed() -> Value {
    let code = Code::MethodNotAllowed;
    let schema = schemas::problem_with(&[code], &[Forwarded::No]);
    let answer = Answer {
        words: "The path takes another method. The probes say so in plain words.".to_owned(),
        headers: headers::of_outcomes(&[code.outcome()], &[ALLOW]),
        content: one(PROBLEM, json!({"schema": schema})),
    };
    answer.described()
}

/// Partner Center's answer to what was asked.
pub(in crate::front::openapi) fn granted(schema: &str, example: &Value) -> Answer {
    let schema = json!({"$ref": format!("#/components/schemas/{schema}")});
    Answer {
        words: "Partner Center's answer, byte for byte.".to_owned(),
        headers: headers::of_outcomes(PASSED_ON, &[LOCALE, RETRY_AFTER]),
        content: one(JSON, json!({"schema": schema, "example": example})),
    }
}

/// A list of one kind of content.
pub(in crate::front::openapi) fn one(kind: &str, content: Value) -> Map<String, Value> {
    Map::from_iter([(kind.to_owned(), content)])
}

/// The answers of an operation as they stand in the document.
pub(in crate::front::openapi) fn all(answers: &Answers) -> Map<String, Value> {
    let described = answers.iter();
    described
        .map(|(status, answer)| (status.clone(), answer.described()))
        .collect()
}

fn codes(operation: Operation) -> BTreeMap<StatusCode, Vec<Code>> {
    let mut codes: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for code in Code::ALL.iter().filter(|code| code.is_of(operation)) {
        codes.entry(code.status()).or_default().push(*code);
    }
    codes
}

/// An answer that has one of these codes, or came about otherwise.
fn problem(operation: Operation, codes: &[Code], otherwise: &[Outcome]) -> Answer {
    let outcomes = codes.iter().map(|code| code.outcome());
    let outcomes = each(outcomes.chain(otherwise.iter().copied()));
    // What only reads changes nothing, so that nothing about it is unknown.
    let reads = operation != Operation::TransfersReject;
    let forwarded = codes.iter().flat_map(|code| code.forwarded()).copied();
    let forwarded = each(forwarded.filter(|it| !reads || *it != Forwarded::Unknown));
    let challenge = codes.contains(&Code::Unauthenticated).then_some(CHALLENGE);
    let mut headers = headers::of_outcomes(&outcomes, challenge.as_slice());
    if codes.iter().all(|code| code.tells_when_to_come_again()) {
        headers.insert(RETRY_AFTER.to_owned(), headers::seconds());
    }
    let examples: Map<String, Value> = codes.iter().map(|code| example(*code)).collect();
    let schema = schemas::problem_with(codes, &forwarded);
    Answer {
        words: words(codes),
        headers,
        content: one(PROBLEM, json!({"schema": schema, "examples": examples})),
    }
}

fn example(code: Code) -> (String, Value) {
    let word = code.as_str().to_owned();
    let place = format!("#/components/examples/{word}");
    (word, json!({"$ref": place}))
}

fn words(codes: &[Code]) -> String {
    let lines = codes
        .iter()
        .map(|code| format!("- `{}`: {}", code.as_str(), code.title()));
    lines.collect::<Vec<_>>().join("\n")
}

/// Adds what Partner Center may say under the same status.
fn or_passed_on(mut answer: Answer) -> Answer {
    answer
        .words
        .push_str("\n- or Partner Center's own answer, byte for byte");
    answer
        .headers
        .extend(headers::named(&[LOCALE, RETRY_AFTER]));
    answer.content.extend(upstream_content());
    answer
}

/// Partner Center's answer under a status that the gateway does not use itself.
fn passed_on() -> Answer {
    Answer {
        words: "Partner Center's answer in any other status, byte for byte.".to_owned(),
        headers: headers::of_outcomes(PASSED_ON, &[LOCALE, RETRY_AFTER]),
        content: upstream_content().into_iter().collect(),
    }
}

/// Partner Center speaks JSON; who stands in front of it need not.
fn upstream_content() -> [(String, Value); 2] {
    let error = json!({"schema": {"$ref": "#/components/schemas/PartnerCenterError"}});
    [(JSON.to_owned(), error), ("*/*".to_owned(), json!({}))]
}

fn each<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    all.fold(Vec::new(), |mut seen, one| {
        if !seen.contains(&one) {
            seen.push(one);
        }
        seen
    })
}

/// How Partner Center's answers come about.
const PASSED_ON: &[Outcome] = &[Outcome::Forwarded, Outcome::Reconciled, Outcome::Replayed];

/// RFC 9457.
const PROBLEM: &str = "application/problem+json";
pub(in crate::front::openapi) const JSON: &str = "application/json";
