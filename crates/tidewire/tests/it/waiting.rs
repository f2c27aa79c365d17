//! Waiting for a condition with a deadline, and the customers most tests use.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidewire::{Client, Collection, List, Page, Record};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Customer {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub name: String,
    pub score: i64,
}

pub fn customer(id: &str, score: i64) -> Customer {
    Customer {
        id: Some(id.into()),
        name: format!("customer {id}"),
        score,
    }
}

pub fn record(id: &str, score: i64) -> Record {
    Record::from_serialize(&customer(id, score)).expect("it is an object")
}

/// The customers of `client`, loaded by the window.
pub fn customers(client: &Client) -> Collection<Customer> {
    client.collection("customers").build().expect("a good name")
}

/// The next page of a list for which `wanted` holds.
pub async fn page_where(
    list: &List<Customer>,
    what: &str,
    wanted: impl Fn(&Page<Customer>) -> bool,
) -> Arc<Page<Customer>> {
    let mut pages = list.updates();
    let search = async {
        loop {
            let page = pages.next().await.expect("the list is held");
            if wanted(&page) {
                return page;
            }
        }
    };
    match tokio::time::timeout(Duration::from_secs(60), search).await {
        Ok(page) => page,
        Err(_) => panic!("no page {what}; the last is {:?}", list.current()),
    }
}

pub fn ids(page: &Page<Customer>) -> Vec<String> {
    page.rows().iter().map(|row| row.id.to_string()).collect()
}

/// Waits until `holds`, looking whenever other tasks had their turn.
pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{what} did not come true"
        );
        tokio::time::timeout(Duration::from_millis(1), std::future::pending::<()>())
            .await
            .ok();
    }
}
