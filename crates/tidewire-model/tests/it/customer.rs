//! One customer, for tests and benches that measure records. Nothing is checked here.

use serde::{Deserialize, Serialize};

/// A customer as an application would declare it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Customer {
    id: String,
    name: String,
    email: String,
    status: String,
    company_id: String,
    score: i64,
    version: u64,
    updated_at: String,
    notes: String,
}

/// The same as JSON.
pub(crate) fn text() -> String {
    let customer = Customer {
        id: "c-000042".into(),
        name: "Ada Lovelace".into(),
        email: "ada.42@example.org".into(),
        status: "active".into(),
        company_id: "company-17".into(),
        score: 4711,
        version: 17,
        updated_at: "2026-11-23T10:00:00Z".into(),
        notes: "n".repeat(100),
    };
    serde_json::to_string(&customer).expect("a customer is JSON")
}
