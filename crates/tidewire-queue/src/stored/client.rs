//! The stored form of the client record.

use serde::{Deserialize, Serialize};

use super::{FORMAT, MAX_NUMBER, read};
use crate::client::ClientRecord;

/// The value of the client's row.
pub(crate) fn client_row(client: &ClientRecord) -> Vec<u8> {
    let row = Written {
        v: FORMAT,
        id: &client.id,
        incarnation: client.incarnation,
        run: client.run,
        principal: client.principal.as_deref(),
    };
    serde_json::to_vec(&row).expect("text and numbers have a JSON form")
}

#[derive(Serialize)]
struct Written<'a> {
    v: u32,
    id: &'a str,
    incarnation: u64,
    run: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<&'a str>,
}

/// The client's row as it was read.
#[derive(Deserialize)]
pub(crate) struct StoredClient {
    id: String,
    incarnation: u64,
    run: u64,
    #[serde(default)]
    principal: Option<String>,
}

impl StoredClient {
    /// Reads the row.
    ///
    /// # Errors
    /// Why the row cannot be used, as text for people.
    pub(crate) fn read(value: &[u8]) -> Result<ClientRecord, String> {
        let Self {
            id,
            incarnation,
            run,
            principal,
        } = read(value)?;
        if id.is_empty()
            || id.len() > tidewire_model::MAX_NAME_BYTES
            || incarnation > MAX_NUMBER
            || run > MAX_NUMBER
        {
            return Err("its id or its counters make no sense".to_owned());
        }
        Ok(ClientRecord {
            id,
            incarnation,
            run,
            principal,
        })
    }
}
