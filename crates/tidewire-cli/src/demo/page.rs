//! The page's files, built into the program, and the routes that serve them.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};

use super::guard::{self, Guard};
use super::{Demonstration, api, sse};

/// The largest request, in bytes.
const REQUEST_MAX: usize = 64 * 1024;

/// The page loads nothing from elsewhere and is shown in no foreign frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

/// Path, kind, content.
type File = (&'static str, &'static str, &'static str);

const FILES: [File; 14] = [
    ("/", HTML, include_str!("page/index.html")),
    ("/page/style.css", CSS, include_str!("page/style.css")),
    ("/page/icon.svg", IMAGE, include_str!("page/icon.svg")),
    ("/page/main.js", SCRIPT, include_str!("page/main.js")),
    ("/page/feed.js", SCRIPT, include_str!("page/feed.js")),
    ("/page/rows.js", SCRIPT, include_str!("page/rows.js")),
    ("/page/format.js", SCRIPT, include_str!("page/format.js")),
    (
        "/page/connection.js",
        SCRIPT,
        include_str!("page/connection.js"),
    ),
    ("/page/metrics.js", SCRIPT, include_str!("page/metrics.js")),
    (
        "/page/processes.js",
        SCRIPT,
        include_str!("page/processes.js"),
    ),
    (
        "/page/activities.js",
        SCRIPT,
        include_str!("page/activities.js"),
    ),
    (
        "/page/customers.js",
        SCRIPT,
        include_str!("page/customers.js"),
    ),
    ("/page/dialog.js", SCRIPT, include_str!("page/dialog.js")),
    ("/page/queue.js", SCRIPT, include_str!("page/queue.js")),
];

/// The page, its stream of events, and what it may ask for.
pub(super) fn router(demo: Arc<Demonstration>, guard: Guard) -> Router {
    let mut router = Router::new()
        .route("/events", get(sse::events))
        .route("/api/write", post(api::write))
        .route("/api/switch", post(api::switch))
        .route("/api/retry", post(api::retry))
        .route("/api/discard", post(api::discard))
        .route("/api/customers", post(api::choose));
    for file in FILES {
        router = router.route(file.0, serve(file));
    }
    router
        .layer(DefaultBodyLimit::max(REQUEST_MAX))
        .layer(middleware::from_fn_with_state(guard, guard::check))
        .with_state(demo)
}

fn serve((_, kind, content): File) -> MethodRouter<Arc<Demonstration>> {
    get(move || async move { answer(kind, content) })
}

fn answer(kind: &'static str, content: &'static str) -> Response {
    let headers: [(HeaderName, &str); 4] = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, content).into_response()
}
