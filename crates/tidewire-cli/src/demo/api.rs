//! What the page asks for: writes, the switch, decisions on parked writes, which customers to show.
//!
//! Each is a POST with a JSON object. A write is answered once it is durable; what becomes of it is
//! told by the stream of events, from the client's view.

use std::fmt::Display;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tidewire::{ActionHandle, ActionId, CallError, Patch, Record};

use super::Demonstration;
use super::lists::Choice;
use super::queue;
use crate::listing::Listing;

type Demo = State<Arc<Demonstration>>;

/// A write as the page asks for it.
#[derive(Deserialize)]
#[serde(tag = "name", rename_all = "lowercase", deny_unknown_fields)]
enum Write {
    Create {
        fields: Record,
    },
    Update {
        id: String,
        fields: Record,
        /// Fields that the customer goes without from now on.
        #[serde(default)]
        unset: Vec<String>,
    },
    Delete {
        id: String,
    },
}

/// `POST /api/write`
pub(super) async fn write(State(demo): Demo, body: Bytes) -> Result<Response, Refusal> {
    let write: Write = read(&body)?;
    let customers = demo.lists.customers();
    let submitted: Result<ActionHandle, CallError> = match write {
        Write::Create { fields } => customers.create_record(fields),
        Write::Update { id, fields, unset } => {
            let patch = Patch::from_record(fields);
            let patch = unset.iter().fold(patch, |patch, name| patch.unset(name));
            customers.update(&id, patch)
        }
        Write::Delete { id } => customers.delete(&id),
    };
    demo.queue.on_command();
    let action = submitted.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error))?;
    // The page shows it already; the answer says that it will not be lost.
    action
        .durable()
        .await
        .map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error))?;
    let (id, action) = (action.current_id().to_string(), action.id().to_string());
    let json = serde_json::to_string(&Submitted { action, id })
        .map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response())
}

#[derive(Serialize)]
struct Submitted {
    action: String,
    id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Switch {
    online: bool,
}

/// `POST /api/switch`
pub(super) async fn switch(State(demo): Demo, body: Bytes) -> Result<StatusCode, Refusal> {
    let switch: Switch = read(&body)?;
    // In one step: of two tabs that switch at once, the one that comes last has it on both sides.
    demo.online.send_modify(|online| {
        demo.lists.client().set_online(switch.online);
        *online = switch.online;
    });
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    action: ActionId,
}

/// `POST /api/retry`
pub(super) async fn retry(State(demo): Demo, body: Bytes) -> Result<StatusCode, Refusal> {
    let Decision { action } = read(&body)?;
    decided(&demo, action, demo.lists.client().actions().retry(action))
}

/// `POST /api/discard`
pub(super) async fn discard(State(demo): Demo, body: Bytes) -> Result<StatusCode, Refusal> {
    let Decision { action } = read(&body)?;
    decided(&demo, action, demo.lists.client().actions().discard(action))
}

fn decided<E: Display>(
    demo: &Demonstration,
    action: ActionId,
    done: Result<(), E>,
) -> Result<StatusCode, Refusal> {
    demo.queue.on_command();
    let Err(error) = done else {
        return Ok(StatusCode::NO_CONTENT);
    };
    let client = demo.lists.client();
    let why = if Listing::all(client).get(action).is_some() {
        queue::told(client, &error.to_string())
    } else {
        "this write is gone: it was accepted or given up already".to_owned()
    };
    Err(Refusal::new(StatusCode::CONFLICT, why))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chosen {
    tab: u64,
    choice: Choice,
}

/// `POST /api/customers`
pub(super) async fn choose(State(demo): Demo, body: Bytes) -> Result<StatusCode, Refusal> {
    let Chosen { tab, choice } = read(&body)?;
    if let Some(fault) = choice.fault() {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, fault));
    }
    if demo.tabs.choose(tab, choice) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Refusal::new(
            StatusCode::GONE,
            "this tab is not open any more",
        ))
    }
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    let advice = |error| format!("the request cannot be read: {error}");
    serde_json::from_slice(body)
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, advice(error)))
}

/// Why nothing was done, in one line for whoever uses the page.
pub(super) struct Refusal {
    status: StatusCode,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, message: impl Display) -> Self {
        Self {
            status,
            message: format!("{message}\n"),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
        (self.status, kind, self.message).into_response()
    }
}
