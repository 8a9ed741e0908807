//! The bodies of answers.

use serde_json::{Map, Value, json};

use crate::front::{
    openapi::record,
    problem::{Forwarded, code::Code},
};

/// Every body that more than one answer may have, or that deserves a name.
pub(in crate::front::openapi) fn all() -> Map<String, Value> {
    let all = [
        ("Problem", problem()),
        ("Transfer", transfer()),
        ("RejectedTransfer", rejected()),
        ("PartnerCenterError", partner_center_error()),
        ("AuditRecord", record::described()),
        ("Page", page()),
        ("Checks", checks()),
    ];
    all.map(|(name, schema)| (name.to_owned(), schema))
        .into_iter()
        .collect()
}

/// An ID of the one accepted form.
pub(in crate::front::openapi) fn guid() -> Value {
    json!({
        "type": "string",
        "format": "uuid",
        "pattern": "^(?!0{8}-0{4}-0{4}-0{4}-0{12}$)[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$",
    })
}

/// A problem with one of these codes.
pub(in crate::front::openapi) fn problem_with(codes: &[Code], forwarded: &[Forwarded]) -> Value {
    let words: Vec<_> = codes.iter().map(|code| code.as_str()).collect();
    let status = codes.first().map(|code| code.status().as_u16());
    let forwarded: Vec<_> = forwarded.iter().map(|it| it.as_str()).collect();
    json!({
        "allOf": [{"$ref": "#/components/schemas/Problem"}],
        "properties": {
            "status": {"const": status},
            "code": {"enum": words},
            "forwarded": {"enum": forwarded},
        },
    })
}

/// A problem as it may be answered.
pub(in crate::front::openapi) fn problem_of(code: Code) -> Value {
    let forwarded = code.forwarded().first().copied().unwrap_or(Forwarded::No);
    json!({
        "type": format!("urn:partner-gateway:problem:{}", code.as_str()),
        "title": code.title(),
        "status": code.status().as_u16(),
        "detail": format!("{}.", code.title()),
        "code": code.as_str(),
        "correlationId": "4e0fd5f3-7f5c-4d0b-9c0a-2f6f6c1f7c55",
        "requestId": null,
        "auditId": "0192f3c0-6b1e-7cc3-98c4-dc0c0c07398f",
        "forwarded": forwarded.as_str(),
    })
}

/// A transfer as Partner Center tells it.
pub(in crate::front::openapi) fn transfer_of(status: &str) -> Value {
    json!({"id": TRANSFER, "customerTenantId": CUSTOMER, "status": status})
}

fn problem() -> Value {
    let codes: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let forwarded = Forwarded::ALL.map(Forwarded::as_str);
    json!({
        "description": "What the gateway says in its own words, RFC 9457.",
        "type": "object",
        "required": PROBLEM_MEMBERS,
        "properties": {
            "type": {"type": "string", "format": "uri", "pattern": "^urn:partner-gateway:problem:[a-z_]+$"},
            "title": {"type": "string", "description": "The same for every occurrence."},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "What happened this time."},
            "code": {"enum": codes, "description": "What to branch on."},
            "correlationId": guid(),
            "requestId": {
                "description": "The last request to Partner Center, where one was made.",
                "anyOf": [guid(), {"type": "null"}],
            },
            "auditId": guid(),
            "forwarded": {
                "enum": forwarded,
                "description": "What happened upstream. `no`: nothing was sent, repeating is safe. `yes`: Partner \
                                Center answered. `unknown`: something was sent and nobody knows what became of it; \
                                read the transfer first.",
            },
            "upstream": {
                "description": "Partner Center's own error, where it is part of it.",
                "type": "object",
                "required": ["status"],
                "properties": {
                    "status": {"type": "integer"},
                    "code": {"type": "string"},
                    "description": {"type": "string"},
                },
            },
        },
    })
}

fn transfer() -> Value {
    json!({
        "description": "A transfer as Partner Center tells it; what else stands in it is Microsoft's to say.",
        "type": "object",
        "properties": {"id": {"type": "string"}, "status": {"type": "string"}},
    })
}

fn rejected() -> Value {
    json!({
        "description": "The transfer, rejected.",
        "allOf": [{"$ref": "#/components/schemas/Transfer"}],
        "required": ["id", "status"],
        "properties": {"status": {"pattern": "^[Rr][Ee][Jj][Ee][Cc][Tt]$"}},
    })
}

fn partner_center_error() -> Value {
    json!({
        "description": "Partner Center's own error: mostly an object with `code` and `description`.",
        "examples": [{"code": 900_100, "description": "Transfer not found."}],
    })
}

fn page() -> Value {
    json!({
        "type": "object",
        "required": ["records"],
        "properties": {
            "records": {"type": "array", "items": {"$ref": "#/components/schemas/AuditRecord"}},
            "next": {
                "type": "string",
                "description": "The `cursor` of the next page; where it is missing, there is no more.",
            },
            "ended": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Journals that ended in the directory of this one; nothing is searched there.",
            },
        },
        "additionalProperties": false,
    })
}

fn checks() -> Value {
    json!({
        "description": "What is not ready; with `verbose`, everything.",
        "type": "array",
        "items": {
            "type": "object",
            "required": ["check", "ready", "detail"],
            "properties": {
                "check": {"type": "string"},
                "account": {"type": "string", "description": "The account that it is about."},
                "ready": {"type": "boolean"},
                "detail": {"type": "string"},
            },
            "additionalProperties": false,
        },
    })
}

/// What stands in every problem.
const PROBLEM_MEMBERS: [&str; 9] = [
    "type",
    "title",
    "status",
    "detail",
    "code",
    "correlationId",
    "requestId",
    "auditId",
    "forwarded",
];

/// Those of Microsoft's documented example,
/// <https://learn.microsoft.com/partner-center/developer/transfer-subscriptions>.
pub(in crate::front::openapi) const CUSTOMER: &str = "b67f0b00-f9e8-4c57-bcb5-0b8b95c6ccf0";
pub(in crate::front::openapi) const TRANSFER: &str = "ac4a9d22-ba07-444e-890f-cfe084eed498";
