//! A cache with a complete collection of customers, and changes of them, for tests that count and benches
//! that measure. Nothing is checked here.

use tidewire_cache::{
    Attached, Cache, CollectionSettings, Commit, Intake, Interest, Progress, Publication, Reader,
    Settings, Target, WatchId,
};
use tidewire_model::{
    Base, Change, ChangeBody, EntityId, EntityKey, EntityType, Epoch, Offset, Patch, Query, Record,
    RecordBuilder, Row, Tick, Version, field,
};

/// Rows that are worked in one call, as the engine does it.
const SLICE_ROWS: usize = 32;
/// What `status` can be.
const STATUSES: [&str; 5] = ["active", "trial", "paused", "overdue", "closed"];
/// Scores lie below this.
pub(crate) const MAX_SCORE: u64 = 1_000_000;

/// The cache, and what the server knows of its customers.
#[derive(Debug)]
pub(crate) struct Customers {
    /// The cache.
    pub(crate) cache: Cache,
    /// Reads what it shows.
    pub(crate) reader: Reader,
    /// By number: the version.
    versions: Vec<u64>,
    /// The last commit.
    offset: u64,
}

/// The type of customers.
pub(crate) fn customers() -> EntityType {
    EntityType::new("customers").expect("it is a name")
}

/// The key of the customer with this number.
pub(crate) fn key(number: u64) -> EntityKey {
    let id = EntityId::text(&format!("c-{number:08}")).expect("it is short");
    EntityKey::new(customers(), id)
}

/// The customer with this number, as it is made: its score has nothing to do with its number.
pub(crate) fn record(number: u64) -> Record {
    let chance = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let chance = chance.wrapping_mul(0xd6e8_feb8_6659_fd93) >> 20;
    RecordBuilder::new()
        .field("id", format!("c-{number:08}"))
        .field("name", format!("Ada Lovelace {}", chance % 1_000))
        .field("email", format!("ada.{:04}@mail.example", chance % 10_000))
        .field("status", STATUSES[(chance % 5) as usize])
        .field("companyId", company(number))
        .field("score", chance % MAX_SCORE)
        .field("updatedAt", "2026-11-23T10:00:00.000Z")
        .field(
            "notes",
            "call again after the invoice; prefers mail and short answers ".repeat(2),
        )
        .build()
}

/// The company of the customer with this number: ten customers have one.
pub(crate) fn company(number: u64) -> String {
    format!("k-{:06}", number / 10)
}

/// The list of all customers, the highest score first.
pub(crate) fn by_score() -> Query {
    Query::new(customers()).sort_desc("score")
}

/// The list of the customers of the company that has the customer with this number.
pub(crate) fn of_company(number: u64) -> Query {
    by_score().filter(field("companyId").eq(company(number)))
}

/// A patch of one field.
pub(crate) fn score(score: u64) -> Patch {
    Patch::new().set("score", score)
}

impl Customers {
    /// A cache that got so many customers in a snapshot.
    pub(crate) fn load(count: u64) -> Self {
        let mut cache = Cache::new(Settings {
            max_bytes: usize::MAX,
            max_snapshot_bytes: usize::MAX,
            ..Settings::default()
        });
        let settings = CollectionSettings {
            interest: Interest::Complete { max_rows: u64::MAX },
            ..CollectionSettings::default()
        };
        cache
            .define(customers(), settings)
            .expect("it is defined once");
        let mut loaded = Self {
            reader: cache.reader(),
            cache,
            versions: vec![1; usize::try_from(count).expect("it fits into memory")],
            offset: 1,
        };
        loaded.take_snapshot(count);
        loaded
    }

    fn take_snapshot(&mut self, count: u64) {
        let as_of = at(1);
        self.take(Intake::Subscribed {
            entity_type: customers(),
            result: Attached::Snapshot,
            epoch: Epoch::new("e1").expect("it is a name"),
            view: String::new(),
            offset: as_of,
            head: as_of,
        });
        let row = |number| Row {
            id: key(number).id,
            record: record(number),
            version: Version::new(1),
        };
        for first in (0..count).step_by(500) {
            self.take(Intake::SnapshotRows {
                entity_type: customers(),
                as_of,
                rows: (first..count.min(first + 500)).map(row).collect(),
            });
        }
        self.take(Intake::SnapshotEnd {
            entity_type: customers(),
            as_of,
            actions: Vec::new(),
        });
        drop(self.show());
    }

    /// Watches a list. It can be read once something is shown.
    pub(crate) fn watch(&mut self, query: Query) -> WatchId {
        self.cache.watch(Target::List(query))
    }

    /// The next commit changes fields of a customer.
    pub(crate) fn update(&mut self, number: u64, patch: Patch) -> Commit {
        let base = self.versions[number as usize];
        let body = ChangeBody::Merge {
            patch,
            after: None,
            was: None,
        };
        self.commit(number, Base::Exactly(version(base)), body)
    }

    /// The next commit makes a customer.
    pub(crate) fn create(&mut self, number: u64) -> Commit {
        self.create_as(number, record(number))
    }

    /// The next commit makes a customer that looks like this.
    pub(crate) fn create_as(&mut self, number: u64, record: Record) -> Commit {
        self.commit(number, Base::None, ChangeBody::Put { record, was: None })
    }

    /// The next commit deletes a customer.
    pub(crate) fn delete(&mut self, number: u64) -> Commit {
        self.commit(number, Base::None, ChangeBody::Remove { was: None })
    }

    /// Takes something in.
    pub(crate) fn take(&mut self, intake: Intake) {
        let _ = self.cache.take(Tick::ZERO, intake);
    }

    /// Works what was taken in, and shows it.
    pub(crate) fn show(&mut self) -> Option<Publication> {
        while self.cache.work(Tick::ZERO, SLICE_ROWS) == Progress::More {}
        self.cache.publish()
    }

    /// One commit, from the intake to what is let go of. Returns who is woken.
    pub(crate) fn apply(&mut self, commit: Commit) -> Vec<WatchId> {
        self.take(Intake::Commit(commit));
        self.show().map_or_else(Vec::new, |shown| shown.woken)
    }

    fn commit(&mut self, number: u64, base: Base, body: ChangeBody) -> Commit {
        let from = self.offset;
        self.offset += 1;
        let place = number as usize;
        if self.versions.len() <= place {
            self.versions.resize(place + 1, 0);
        }
        self.versions[place] = self.offset;
        Commit {
            entity_type: customers(),
            from: at(from),
            to: at(self.offset),
            changes: vec![Change {
                key: key(number),
                point: at(self.offset),
                version: Some(version(self.offset)),
                base,
                body,
            }],
            stale_all: false,
            echoes: Vec::new(),
        }
    }
}

fn at(offset: u64) -> Offset {
    Offset::new(offset).expect("it is small")
}

fn version(number: u64) -> Version {
    Version::new(number).expect("it is small")
}
