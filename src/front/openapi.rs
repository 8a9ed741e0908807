//! The description of both listeners, OpenAPI 3.1.
//!
//! It is made from the tables that the gateway itself goes by: operations, problems, parameters, bounds. What
//! only words can say of them stands here. Nothing of it is asked for while calls are answered.

mod answers;
mod calls;
mod headers;
mod probes;
mod record;
mod schemas;
mod search;

use serde_json::{Map, Value, json};

use crate::{
    command::Operation,
    front::{
        admin,
        probe::Probe,
        problem::code::Code,
        route::{REJECT, TRANSFER},
    },
};

/// Describes both listeners.
#[must_use]
pub fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "partner-gateway",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": env!("CARGO_PKG_DESCRIPTION"),
            "description": DESCRIPTION,
            "license": {"name": "Apache License 2.0", "identifier": env!("CARGO_PKG_LICENSE")},
        },
        "servers": [CALLERS.server()],
        "tags": [CALLERS.tag(), OPERATORS.tag()],
        "paths": paths(),
        "components": {
            "schemas": schemas::all(),
            "parameters": calls::parameters(),
            "headers": headers::all(),
            "responses": {"MethodNotAllowed": answers::method_not_allowed()},
            "examples": examples(),
            "securitySchemes": security_schemes(),
        },
    })
}

/// The document as text, the same each time, with a newline at its end.
#[must_use]
pub fn text() -> String {
    format!("{:#}\n", document())
}

/// One of the two listeners.
struct Listener {
    name: &'static str,
    description: &'static str,
    key: &'static str,
    port: &'static str,
}

impl Listener {
    fn server(&self) -> Value {
        let Self { key, port, .. } = self;
        json!({
            "url": "{scheme}://{address}",
            "description": format!("`{key}` of the configuration"),
            "variables": {
                "scheme": {"enum": ["http", "https"], "default": "http"},
                "address": {"default": format!("127.0.0.1:{port}")},
            },
        })
    }

    fn tag(&self) -> Value {
        json!({"name": self.name, "description": self.description})
    }
}

fn paths() -> Map<String, Value> {
    let calls = Operation::ALL.map(of_call);
    let probes = Probe::ALL.map(of_probe);
    calls.into_iter().chain(probes).collect()
}

fn of_call(operation: Operation) -> (String, Value) {
    let (path, method, listener, described) = match operation {
        Operation::TransfersReject => (REJECT, "post", &CALLERS, calls::reject()),
        Operation::TransfersRead => (TRANSFER, "get", &CALLERS, calls::read()),
        Operation::AuditRead => (admin::RECORDS, "get", &OPERATORS, search::described()),
    };
    let known = json!({
        "operationId": operation.as_str(),
        "tags": [listener.name],
        "security": [{"bearer": []}, {"clientCertificate": []}],
    });
    let mut item = json!({"servers": [listener.server()], method: joined(known, described)});
    if path.contains('{') {
        item = joined(item, json!({"parameters": calls::in_path()}));
    }
    (path.to_owned(), item)
}

fn of_probe(probe: Probe) -> (String, Value) {
    let anybody = json!({"tags": [OPERATORS.name], "security": []});
    let described = joined(anybody, probes::described(probe));
    let item = json!({"servers": [OPERATORS.server()], "get": described});
    (probe.path().to_owned(), item)
}

/// The members of both objects.
fn joined(mut one: Value, other: Value) -> Value {
    if let (Some(members), Value::Object(more)) = (one.as_object_mut(), other) {
        members.extend(more);
    }
    one
}

/// One problem for each code.
fn examples() -> Map<String, Value> {
    let all = Code::ALL.iter();
    all.map(|code| {
        let example = json!({"summary": code.title(), "value": schemas::problem_of(*code)});
        (code.as_str().to_owned(), example)
    })
    .collect()
}

fn security_schemes() -> Value {
    json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "The caller's own token: of a configured issuer (`callers.issuers`), for one of the \
                            `audiences` configured with it, or of the file `callers.token_file`. It is never forwarded, and where it is there it decides alone. \
                            Where `callers.anonymous` is set, a loopback listener takes calls without one.",
        },
        "clientCertificate": {
            "type": "mutualTLS",
            "description": "A certificate of `server.tls.client_ca_file`, where `callers.mtls` is set. The \
                            operators' listener has no TLS, and knows nobody by a certificate.",
        },
    })
}

const CALLERS: Listener = Listener {
    name: "callers",
    description: "What internal services may ask for, on `server.listen`.",
    key: "server.listen",
    port: "8080",
};

const OPERATORS: Listener = Listener {
    name: "operators",
    description: "Probes, metrics and the audit journal, on `admin.listen`. What takes GET takes HEAD, too.",
    key: "admin.listen",
    port: "9090",
};

const DESCRIPTION: &str = "\
Rejects Microsoft Partner Center subscription transfers for internal services that hold no Partner Center \
credentials.

Where Partner Center answered, its status and body are passed on as they are; `Gateway-Outcome` is then `forwarded`, \
`reconciled` or `replayed`. Where the gateway itself answers, it is `refused` or `failed`, and the body is a problem \
(RFC 9457) with a `code` to branch on. `forwarded` in it says whether anything was sent upstream.

Paths are taken as they stand: nothing is decoded or repaired, and another path is 404 `not_found`. A path that takes \
another method is 405 `method_not_allowed`, with `Allow`. Bytes that never become a request, such as a head that is too \
large, too slow or broken, are answered by the HTTP layer with 400, 408 or 431 and no body, and the connection ends.";

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, net::SocketAddr, path::Path};

    use http::{Method, Request};

    use super::*;
    use crate::{
        audit::trail::Trail,
        front::{
            problem::{Forwarded, every::every},
            reply::Reply,
            route,
        },
        ids::{CorrelationId, RecordId, TraceId},
    };

    const GUID: &str = "b67f0b00-f9e8-4c57-bcb5-0b8b95c6ccf0";

    #[test]
    fn is_the_one_that_is_checked_in() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");

        let checked_in = fs::read_to_string(file).unwrap_or_default();

        assert!(
            checked_in == text(),
            "docs/openapi.json is not what the code says: cargo run -- openapi > docs/openapi.json"
        );
    }

    #[test]
    fn describes_every_route_and_no_other() {
        let document = document();
        let paths = document["paths"].as_object().unwrap();
        let mut described: Vec<_> = operations(&document)
            .iter()
            .map(|(_, _, operation)| operation["operationId"].as_str().unwrap().to_owned())
            .collect();
        described.sort();

        let mut known = Operation::ALL.map(|it| it.as_str().to_owned()).to_vec();
        known.extend(Probe::ALL.map(|probe| probe.path().trim_start_matches('/').to_owned()));
        known.sort();
        assert_eq!(described, known);
        for (path, item) in paths {
            for method in [
                Method::GET,
                Method::POST,
                Method::PUT,
                Method::PATCH,
                Method::DELETE,
            ] {
                let name = method.as_str().to_lowercase();
                let taken = takes(&method, path);
                assert_eq!(item.get(name).is_some(), taken, "{method} {path}");
            }
        }
    }

    #[test]
    fn has_an_answer_for_every_code() {
        let document = document();
        let mut described = BTreeSet::new();
        let operations = operations(&document);
        for (_, _, operation) in &operations {
            for answer in operation["responses"].as_object().unwrap().values() {
                let problem = &answer["content"]["application/problem+json"]["schema"];
                let codes = problem["properties"]["code"]["enum"].as_array();
                described.extend(codes.into_iter().flatten().filter_map(Value::as_str));
            }
        }
        let elsewhere = [Code::MethodNotAllowed.as_str()];

        let all = Code::ALL.iter().map(|code| code.as_str());
        let missing: Vec<_> = all.filter(|code| !described.contains(code)).collect();

        assert_eq!(missing, elsewhere);
    }

    #[test]
    fn describes_the_problems_that_are_answered() {
        let document = document();
        for problem in every() {
            let code = problem.code();
            let rendered = rendered(&Reply::Problem(problem.clone()));
            for operation in Operation::ALL.into_iter().filter(|it| code.is_of(*it)) {
                let reads = operation != Operation::TransfersReject;
                if reads && problem.forwarded() == Forwarded::Unknown {
                    continue;
                }
                let all = operations(&document);
                let of = |it: &&(_, _, Value)| it.2["operationId"] == operation.as_str();
                let responses = &all.iter().find(of).unwrap().2["responses"];
                agrees(&document, &responses[code.status().as_str()], &rendered);
            }
            if code == Code::MethodNotAllowed {
                let response = &document["components"]["responses"]["MethodNotAllowed"];
                agrees(&document, response, &rendered);
            }
        }
    }

    /// An answer as it leaves.
    struct Leaving {
        headers: http::HeaderMap,
        body: Value,
    }

    fn rendered(reply: &Reply) -> Leaving {
        let peer: SocketAddr = "192.0.2.7:40000".parse().unwrap();
        let trail = Trail::begin(peer, CorrelationId::random(), TraceId::random());
        let rendered = reply.render(trail.facts(), RecordId::next());
        let body = serde_json::from_slice(rendered.body()).unwrap();
        let headers = rendered.into_response().headers().clone();
        Leaving { headers, body }
    }

    /// Names of headers and members, and the values that are enumerated.
    fn agrees(document: &Value, response: &Value, leaving: &Leaving) {
        let described = response["headers"].as_object().unwrap();
        let names: BTreeSet<_> = described.keys().map(|name| name.to_lowercase()).collect();
        let body = &leaving.body;
        for name in leaving
            .headers
            .keys()
            .filter(|name| *name != "content-type")
        {
            assert!(names.contains(name.as_str()), "{name} of {body}");
        }
        for (name, header) in described {
            let header = resolved(document, header);
            let value = leaving
                .headers
                .get(name)
                .map(|value| value.to_str().unwrap());
            assert!(
                header["required"] != true || value.is_some(),
                "{name} of {body}"
            );
            if let (Some(words), Some(value)) = (header["schema"]["enum"].as_array(), value) {
                assert!(words.contains(&value.into()), "{name}: {value}");
            }
        }
        let general = &document["components"]["schemas"]["Problem"];
        let kind = leaving.headers["content-type"].to_str().unwrap();
        let special = &response["content"][kind]["schema"]["properties"];
        let members: BTreeSet<_> = body.as_object().unwrap().keys().collect();
        let known = general["properties"].as_object().unwrap();
        assert!(
            members.iter().all(|name| known.contains_key(*name)),
            "{body}"
        );
        let required = general["required"].as_array().unwrap();
        assert!(
            required
                .iter()
                .all(|name| body.get(name.as_str().unwrap()).is_some())
        );
        for (member, words) in [("code", "code"), ("forwarded", "forwarded")] {
            let words = special[words]["enum"].as_array().unwrap();
            assert!(words.contains(&body[member]), "{member} of {body}");
        }
        assert_eq!(special["status"]["const"], body["status"]);
    }

    fn resolved<'a>(document: &'a Value, header: &'a Value) -> &'a Value {
        let place = header["$ref"]
            .as_str()
            .and_then(|place| place.strip_prefix('#'));
        place.map_or(header, |place| document.pointer(place).unwrap())
    }

    fn operations(document: &Value) -> Vec<(String, String, Value)> {
        let paths = document["paths"].as_object().unwrap().iter();
        let methods = |(path, item): (&String, &Value)| {
            let methods = item.as_object().unwrap().clone().into_iter();
            let path = path.clone();
            let operations = methods.filter(|(_, it)| it.get("responses").is_some());
            operations.map(move |(method, it)| (path.clone(), method, it))
        };
        paths.flat_map(methods).collect()
    }

    /// Whether the code takes this method at this path.
    fn takes(method: &Method, path: &str) -> bool {
        if path == admin::RECORDS || Probe::at(path).is_some() {
            return method == Method::GET;
        }
        let filled = path
            .replace("{customer-id}", GUID)
            .replace("{transfer-id}", GUID);
        let request = Request::builder().method(method).uri(filled).body(());
        route::find(&request.unwrap().into_parts().0).is_ok()
    }
}
