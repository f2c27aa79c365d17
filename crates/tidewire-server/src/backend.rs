//! The backend on SQLite: one file, one writing thread, a few reading ones.
//!
//! Holds the parts together; what they do stands in the modules below.

mod clients;
mod entities;
mod error;
mod file;
mod ids;
mod journal;
mod number;
mod options;
mod owner;
mod page;
mod prepared;
mod reader;
mod schema;
mod snapshot;
mod streams;
mod text;
mod write;
mod writer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use tidewire_hub::{
    Backend, BackendError, Commit, ConnectionId, Greeting, Opened, ReadAnswer, ReadRequest,
    SnapshotRows, WriteOutcome, WriteRequest,
};
use tidewire_model::{EntityType, Epoch, Lane, Offset};
use tidewire_protocol::ClientInfo;

pub use error::OpenError;
pub use options::SqliteOptions;

use error::of_file;
use file::HeldFile;
use options::EpochChoice;
use reader::Readers;
use snapshot::Snapshots;
use writer::Writer;

/// The truth in one SQLite file.
///
/// Entities, journal, answers and the last numbers of a group of writes become durable in one transaction, synced to
/// the medium before anybody hears of them. Reads and snapshots run beside the writes, each on one consistent cut.
///
/// One process holds the file, with a lock on a file of the same name and `.lock` behind it. Dropping the backend
/// ends its snapshots and waits for the writes that were handed in; then the file is free.
///
/// A page costs one pass over the rows of its entity type. Connections take turns at reading, a few milliseconds each,
/// so that a page over many rows delays nobody by more than that.
#[derive(Debug)]
pub struct SqliteBackend {
    epoch: Epoch,
    // Dropped in this order. The last connection to close writes SQLite's log into the file, and of two that close at
    // once none may be the last; so the one that writes closes after those that read. The lock goes last.
    readers: Readers,
    snapshots: Snapshots,
    writer: Writer,
    file: HeldFile,
}

impl SqliteBackend {
    /// Opens a file with the defaults, and makes it where there is none. Blocks for as long as that takes.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong with the file and who must do what.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, OpenError> {
        SqliteOptions::new(path).open()
    }

    /// Opens an older copy of a file that was put back; see [`SqliteOptions::new_epoch`].
    ///
    /// # Errors
    /// As for [`SqliteBackend::open`].
    pub fn open_restored(path: impl Into<PathBuf>) -> Result<Self, OpenError> {
        SqliteOptions::new(path).new_epoch().open()
    }

    /// The file, with links resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The epoch of every stream.
    #[must_use]
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    fn with(options: &SqliteOptions) -> Result<Self, OpenError> {
        let file = HeldFile::hold(&options.path)?;
        let trouble = |trouble| OpenError::from_trouble(file.path(), &trouble);
        let connection = file.open_writing()?;
        if options.epoch == EpochChoice::Begin {
            schema::begin_epoch(&connection).map_err(trouble)?;
        }
        let epoch = schema::epoch(&connection).map_err(trouble)?;
        let io = |error: std::io::Error| OpenError::from_io(file.path(), &error);
        let read_file = file.clone();
        let readers =
            Readers::start(options.reads, move || read_file.open_reading()).map_err(io)?;
        let writer = Writer::start(connection, options.journal).map_err(io)?;
        Ok(Self {
            epoch,
            readers,
            snapshots: Snapshots::new(),
            writer,
            file,
        })
    }
}

#[async_trait]
impl Backend for SqliteBackend {
    async fn open(&self) -> Result<Opened, BackendError> {
        let heads = self
            .readers
            .run(None, |prepared, _| streams::heads(prepared))
            .await
            .map_err(of_file(self.path()))?;
        Ok(Opened {
            epoch: self.epoch.clone(),
            heads,
        })
    }

    async fn greet(
        &self,
        principal: &str,
        client: &ClientInfo,
        confirmed: &BTreeMap<Lane, u64>,
    ) -> Result<Greeting, BackendError> {
        self.writer
            .greet(principal.to_owned(), client.clone(), confirmed.clone())
            .await
    }

    async fn write(&self, group: Vec<WriteRequest>) -> Result<Vec<WriteOutcome>, BackendError> {
        self.writer.write(group).await
    }

    async fn read(
        &self,
        asker: ConnectionId,
        request: ReadRequest,
    ) -> Result<ReadAnswer, BackendError> {
        if let ReadRequest::Page { query } = &request
            && query.is_opaque()
        {
            return Err(BackendError::Unsupported(format!(
                "the query {query} has no filter that can be evaluated"
            )));
        }
        self.readers
            .run(Some(asker), move |prepared, turn| {
                page::read(prepared, turn, &request)
            })
            .await
            .map_err(of_file(self.path()))
    }

    async fn snapshot(
        &self,
        entity_type: &EntityType,
    ) -> Result<Box<dyn SnapshotRows>, BackendError> {
        self.snapshots
            .open(self.file.clone(), entity_type.clone())
            .await
    }

    async fn journal(
        &self,
        asker: ConnectionId,
        entity_type: &EntityType,
        after: Offset,
        limit: usize,
    ) -> Result<Option<Vec<Commit>>, BackendError> {
        let entity_type = entity_type.clone();
        self.readers
            .run(Some(asker), move |prepared, turn| {
                prepared.in_one_cut(|prepared| {
                    journal::read(prepared, turn, &entity_type, after, limit)
                })
            })
            .await
            .map_err(of_file(self.path()))
    }
}
