//! The service described for machines (OpenAPI 3.1).

use serde_json::{Value, json};

/// The document at `/openapi.json`.
pub(super) fn document() -> Value {
    let payment = json!({"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Request"}}}});
    let endpoint = |summary: &str, schema: &str| {
        json!({
            "summary": summary,
            "security": [{}, {"key": []}],
            "requestBody": payment.clone(),
            "responses": {
                "200": answer("The answer, a no included.", schema),
                "400": answer("The request cannot be read; the body reads as a no.", schema),
                "401": {"description": "The key is not known."},
                "403": {"description": "Nothing is settled for this payee."},
                "413": {"description": "The request is larger than is read."},
                "429": {"description": "Too many requests; see Retry-After."},
                "503": answer("There is no answer now; see Retry-After. After a settlement: ask again with the same payment.", schema),
            },
        })
    };
    let look = |summary: &str| json!({"summary": summary, "responses": {"200": {"description": "As it is."}}});
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tollway facilitator",
            "summary": "Verifies and settles x402 payments.",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "paths": {
            "/verify": {"post": endpoint("Whether a payment would settle.", "Verify")},
            "/settle": {"post": endpoint("Settle a payment, or say what became of it.", "Settle")},
            "/supported": {"get": look("Schemes, networks, extensions and signers.")},
            "/payments/{id}": {"get": {
                "summary": "What became of a payment.",
                "security": [{}, {"key": []}],
                "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string", "maxLength": 128},
                    "description": "The payment's id, or its transfer."}],
                "responses": {"200": answer("Its state.", "Status"), "404": {"description": "Not known here."}},
            }},
            "/health": {"get": look("Whether the program runs.")},
            "/ready": {"get": look("Whether payments can be settled now.")},
            "/metrics": {"get": look("Counts, in Prometheus' text form.")},
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas(),
        },
    })
}

fn answer(description: &str, schema: &str) -> Value {
    let reference = format!("#/components/schemas/{schema}");
    json!({"description": description, "content": {"application/json": {"schema": {"$ref": reference}}}})
}

fn schemas() -> Value {
    let text = || json!({"type": "string"});
    json!({
        "Requirements": {"type": "object",
            "required": ["scheme", "network", "amount", "asset", "payTo", "maxTimeoutSeconds"],
            "properties": {"scheme": text(), "network": text(), "amount": text(), "asset": text(), "payTo": text(),
                "maxTimeoutSeconds": {"type": "integer", "minimum": 1}, "extra": {"type": "object"}}},
        "Request": {"type": "object",
            "required": ["x402Version", "paymentPayload", "paymentRequirements"],
            "properties": {"x402Version": {"enum": [1, 2]}, "paymentPayload": {"type": "object"},
                "paymentRequirements": {"$ref": "#/components/schemas/Requirements"}}},
        "Verify": {"type": "object", "required": ["isValid"],
            "properties": {"isValid": {"type": "boolean"}, "invalidReason": text(), "invalidMessage": text(), "payer": text()}},
        "Settle": {"type": "object", "required": ["success", "transaction", "network"],
            "properties": {"success": {"type": "boolean"}, "errorReason": text(), "errorMessage": text(), "payer": text(),
                "transaction": text(), "network": text(), "amount": text()}},
        "Status": {"type": "object", "required": ["payment", "state", "network", "payer", "amount"],
            "properties": {"payment": text(), "state": {"enum": ["claimed", "pending", "settled", "failed", "unknown"]},
                "network": text(), "payer": text(), "amount": text(), "transaction": text(), "reason": text(),
                "gas": {"type": "string", "description": "This payment's share, in wei."}}},
    })
}
