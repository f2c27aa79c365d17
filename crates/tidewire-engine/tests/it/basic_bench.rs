//! The bench with the basic dialect: pushes as text, and an application that reads and writes itself.

use tidewire_cache::{CollectionSettings, Interest, Points};
use tidewire_engine::{
    Command, Dialects, Executed, Failure, Fetched, Input, OwnBackend, Settings, Submission, Write,
};
use tidewire_model::{ActionId, EntityId, EntityType, Lane, Record, RecordBuilder};
use tidewire_protocol::{Basic, Class, ClientMessage, Naming, WireRow};
use tidewire_queue::{Action, ActionState};
use tidewire_store::{Op, Row};

use crate::bench::{Bench, customers, settings};

static BASIC: Basic = Basic::DEFAULT;

/// Reads and writes by the application's own backend, which honours no key.
pub const OWN: OwnBackend = OwnBackend {
    fetch: true,
    execute: true,
    honours_key: false,
};

/// The same, of a backend that takes the action's id as idempotency key.
pub const OWN_WITH_KEY: OwnBackend = OwnBackend {
    honours_key: true,
    ..OWN
};

pub fn basic_settings(own: OwnBackend) -> Settings {
    Settings {
        dialects: Dialects::Basic,
        own,
        ..settings()
    }
}

pub fn by_client(interest: Interest) -> CollectionSettings {
    CollectionSettings {
        interest,
        points: Points::Client,
        ..CollectionSettings::default()
    }
}

/// A bench with one collection, switched off.
pub fn basic(own: OwnBackend) -> Bench {
    basic_with(
        basic_settings(own),
        by_client(Interest::Windowed),
        Vec::new(),
    )
}

pub fn basic_with(settings: Settings, kept: CollectionSettings, stored: Vec<Row>) -> Bench {
    let mut bench = Bench::new(settings, stored);
    bench.dialect = &BASIC;
    bench.define_kept(&customers(), kept);
    bench
}

/// What the store of this bench holds.
pub fn rows_stored(bench: &Bench) -> Vec<Row> {
    let mut rows = std::collections::BTreeMap::new();
    let groups = bench.stored.iter().flat_map(|(_, group)| group);
    for op in groups.flat_map(|txn| txn.ops.clone()) {
        match op {
            Op::Put { table, key, value } => {
                rows.insert((table, key), value);
            }
            Op::Remove { table, key } => {
                rows.remove(&(table, key));
            }
            other => panic!("not expected here: {other:?}"),
        }
    }
    let rows = rows.into_iter();
    rows.map(|((table, key), value)| Row { table, key, value })
        .collect()
}

pub fn person(id: &str, name: &str, version: u64) -> Record {
    RecordBuilder::new()
        .field("id", id)
        .field("name", name)
        .field("version", version)
        .build()
}

pub fn person_row(id: &str, name: &str, version: u64) -> WireRow {
    WireRow {
        entity: person(id, name, version),
        version: None,
    }
}

/// An answer to a write with the entity as it is now.
pub fn wrote(rows: Vec<WireRow>) -> Executed {
    Executed {
        rows: rows.into_iter().map(|row| (customers(), row)).collect(),
        replaced: None,
    }
}

/// An answer to a creation.
pub fn named(temporary: &EntityId, id: &str, row: WireRow) -> Executed {
    Executed {
        replaced: Some((temporary.clone(), EntityId::text(id).expect("a good id"))),
        ..wrote(vec![row])
    }
}

impl Bench {
    /// Connects without a subprotocol.
    pub fn basic_up(&mut self) {
        if self.connects.is_empty() {
            self.switch_on();
        } else {
            self.wait_for_attempt(std::time::Duration::from_secs(31));
        }
        self.handle(Input::Connected {
            generation: self.generation,
            subprotocol: None,
            token: None,
        });
    }

    pub fn push_created(&mut self, id: &str, name: &str, version: u64) {
        self.push_created_of("customers", id, name, version);
    }

    pub fn push_created_of(&mut self, entity_type: &str, id: &str, name: &str, version: u64) {
        self.tell_text(&format!(
            r#"{{"type":"ENTITY_CREATED","data":{{"entityType":"{entity_type}","entity":{{"id":"{id}","name":"{name}","version":{version}}}}}}}"#
        ));
    }

    pub fn push_updated(&mut self, id: &str, name: &str, version: Option<u64>) {
        let version = version.map_or(String::new(), |version| format!(r#","version":{version}"#));
        self.tell_text(&format!(
            r#"{{"type":"ENTITY_UPDATED","data":{{"entityType":"customers","entityId":"{id}","changes":{{"name":"{name}"}}{version}}}}}"#
        ));
    }

    pub fn push_deleted(&mut self, id: &str) {
        self.tell_text(&format!(
            r#"{{"type":"ENTITY_DELETED","data":{{"entityType":"customers","entityId":"{id}"}}}}"#
        ));
    }

    pub fn answer(&mut self, action: ActionId, result: Result<Executed, Failure>) {
        self.handle(Input::Executed { action, result });
    }

    /// Answers the latest request for reading.
    pub fn fetched(&mut self, rows: Vec<WireRow>) {
        let number = self.asked.last().expect("something was asked for").0;
        let result = Ok(Fetched {
            rows,
            missing: Vec::new(),
            total_count: None,
            end: true,
        });
        self.handle(Input::Fetched { number, result });
    }

    pub fn name(&self, id: &str) -> Option<String> {
        let reading = self.get(id);
        let name = reading.presence.record()?.get("name")?.to_value();
        name.as_text().map(ToOwned::to_owned)
    }

    /// The ids given to the application's own backend to write, in order.
    pub fn executed_ids(&self) -> Vec<ActionId> {
        self.executes.iter().map(|action| action.id).collect()
    }

    pub fn state(&self, id: ActionId) -> Option<ActionState> {
        let action: Option<&Action> = self.engine.queue().get(id);
        action.map(|action| action.state.clone())
    }

    pub fn create(&mut self, entity_type: &EntityType, name: &str) -> (ActionId, EntityId) {
        let submitted = self.submit(Write::Create {
            entity_type: entity_type.clone(),
            record: RecordBuilder::new().field("name", name).build(),
        });
        (submitted.id, submitted.keys[0].id.clone())
    }

    pub fn submit_in(&mut self, lane: Lane, write: Write) -> ActionId {
        let submission = Submission {
            lane,
            writes: vec![write],
            after: Vec::new(),
        };
        match self.command(Command::Submit(submission)) {
            tidewire_engine::Reply::Submitted(submitted) => submitted.id,
            other => panic!("not submitted: {other:?}"),
        }
    }

    pub fn define_kept(&mut self, entity_type: &EntityType, settings: CollectionSettings) {
        let define = Command::Define {
            entity_type: entity_type.clone(),
            settings,
            naming: Naming::default(),
        };
        assert_eq!(self.command(define), tidewire_engine::Reply::Done);
    }

    pub fn subscribes_sent(&self) -> usize {
        self.count_sent(|message| matches!(message, ClientMessage::Subscribe(_)))
    }
}

/// A refusal of a class; nothing was done.
pub fn refusal(class: Class) -> Failure {
    Failure::new(class, "no", "no")
}
