//! What an engine is told once, when it is made.

use std::time::Duration;

use crate::session::SessionSettings;

/// Everything that can be chosen, with the defaults that suit most applications.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who the application takes the user for; names the partition of queue and cache. Nothing is
    /// sent before the server confirms the same principal. `None` takes the first it confirms.
    pub identity: Option<String>,
    /// The application's name, told to the server.
    pub app: String,
    /// The application's version, told to the server.
    pub app_version: String,
    /// Which dialects may be spoken.
    pub dialects: Dialects,
    /// What the application does itself where the dialect has no words for it.
    pub own: OwnBackend,
    /// Changes that follow each other within this time become visible in one step.
    pub batch_window: Duration,
    /// A batch is shown before its window ends once it holds this many rows.
    pub batch_max_rows: usize,
    /// Rows worked on in one call; bounds how long a caller waits for the engine.
    pub slice_rows: usize,
    /// Above this many rows waiting to be worked on, no frames are wanted.
    pub staged_max_rows: usize,
    /// The same in bytes of frames, as they came.
    pub staged_max_bytes: usize,
    /// Changes and rows that wait for the rest of a commit, the commit itself included. With more, the
    /// connection is made anew.
    pub unfinished_max_rows: usize,
    /// The same in bytes of frames, as they came; what they say takes a few times as much memory.
    pub unfinished_max_bytes: usize,
    /// A stream nobody watches any more is kept this long.
    pub linger: Duration,
    /// Requests under way at once.
    pub max_fetches: usize,
    /// A request, the next part of its answer or snapshot, or the next step towards a stream's head, may take so long.
    /// Then whoever waits is told, with the code `no_answer`; a stream is asked for again at once, anything else once
    /// nothing came for twice as long again. The next time all of it takes twice as long, up to ten minutes. For a
    /// stream it begins anew whenever anything of any stream comes: a server sends one thing after the other.
    pub answer_wait: Duration,
    /// Bytes, roughly, that the parts of one answer to a request may take until it is whole. With more, the
    /// request counts as refused for good, with the code `too_large`.
    pub answer_max_bytes: usize,
    /// What could not be fetched is asked for again after this, doubled at every failure up to a
    /// minute.
    pub refetch_wait: Duration,
    /// With a dialect that does not answer `SUBSCRIBE`, what is watched is refreshed a second time
    /// this long after a reconnect.
    pub settle: Duration,
    /// In the basic dialect, pushes of a type are held back at most this long while an entity of the
    /// type is being created whose name the backend has yet to give, so that the push and the answer
    /// are one entity from the first moment on.
    pub create_hold: Duration,
    /// Changes held back for one type. With more, all of them are shown at once, in order: a created
    /// entity may then show twice until its answer comes.
    pub create_hold_max_changes: usize,
    /// The same in bytes of frames, as they came.
    pub create_hold_max_bytes: usize,
    /// Bytes given to the transport and not yet written, above which nothing more is sent.
    pub transmit_window_bytes: usize,
    /// The largest frame this client takes, told to the server.
    pub max_frame_bytes: u64,
    /// Times of the connection.
    pub session: SessionSettings,
    /// Bounds of the cache.
    pub cache: tidewire_cache::Settings,
    /// Bounds of the queue.
    pub queue: tidewire_queue::Settings,
    /// Where jitter and ids come from. Must differ between clients.
    pub seed: u64,
}

/// Which dialects may be spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialects {
    /// Only v1; a server that does not choose it is refused with a clear error.
    #[default]
    V1,
    /// v1 where the server chooses it, else basic.
    V1OrBasic,
    /// Only basic.
    Basic,
}

/// What the application does itself in the basic dialect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnBackend {
    /// Reads by request.
    pub fetch: bool,
    /// Writes by request.
    pub execute: bool,
    /// Its writes take an action's id as idempotency key: one given again after a lost answer has
    /// its effect once. Where they do not, a lost answer makes an action uncertain.
    pub honours_key: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            identity: None,
            app: String::new(),
            app_version: String::new(),
            dialects: Dialects::default(),
            own: OwnBackend::default(),
            batch_window: Duration::from_millis(100),
            batch_max_rows: 10_000,
            slice_rows: 32,
            staged_max_rows: 20_000,
            staged_max_bytes: 32 * 1024 * 1024,
            unfinished_max_rows: 250_000,
            unfinished_max_bytes: 32 * 1024 * 1024,
            linger: Duration::from_secs(5),
            max_fetches: 4,
            answer_wait: Duration::from_secs(30),
            answer_max_bytes: 32 * 1024 * 1024,
            refetch_wait: Duration::from_millis(500),
            settle: Duration::from_secs(2),
            create_hold: Duration::from_secs(1),
            create_hold_max_changes: 1_000,
            create_hold_max_bytes: 8 * 1024 * 1024,
            transmit_window_bytes: 256 * 1024,
            max_frame_bytes: 1024 * 1024,
            session: SessionSettings::default(),
            cache: tidewire_cache::Settings::default(),
            queue: tidewire_queue::Settings::default(),
            seed: 0,
        }
    }
}
