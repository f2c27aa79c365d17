//! The values a store is given and gives back: tables, operations, transactions, rows.
//! Holds bytes. Never knows what they mean.

use std::{
    borrow::Borrow,
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

/// The name of a table: a space of keys of its own. Cheap to clone; equal and ordered by its text.
#[derive(Clone)]
pub struct Table(Name);

#[derive(Clone)]
enum Name {
    Fixed(&'static str),
    Read(Arc<str>),
}

impl Table {
    /// A table named in the program, usable in a `const`.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(Name::Fixed(name))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Fixed(name) => name,
            Name::Read(name) => name,
        }
    }
}

/// A table whose name was read from somewhere.
impl From<Arc<str>> for Table {
    fn from(name: Arc<str>) -> Self {
        Self(Name::Read(name))
    }
}

impl Borrow<str> for Table {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Table {}

impl PartialOrd for Table {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Table {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Table {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({:?})", self.as_str())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One change to one table. Keys and values are any bytes, empty ones included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Sets the value of a key, whether or not it had one.
    Put {
        /// Where.
        table: Table,
        /// The key, compared byte by byte.
        key: Vec<u8>,
        /// What is kept.
        value: Vec<u8>,
    },
    /// Removes a key and its value; nothing happens if it is not there.
    Remove {
        /// Where.
        table: Table,
        /// The key, compared byte by byte.
        key: Vec<u8>,
    },
    /// Removes every key that starts with `prefix`; an empty one empties the table.
    RemovePrefix {
        /// Where.
        table: Table,
        /// What the keys start with.
        prefix: Vec<u8>,
    },
}

impl Op {
    /// [`Op::Put`], from anything that becomes bytes.
    #[must_use]
    pub fn put(table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self::Put {
            table,
            key: key.into(),
            value: value.into(),
        }
    }

    /// [`Op::Remove`], from anything that becomes bytes.
    #[must_use]
    pub fn remove(table: Table, key: impl Into<Vec<u8>>) -> Self {
        Self::Remove {
            table,
            key: key.into(),
        }
    }

    /// [`Op::RemovePrefix`], from anything that becomes bytes.
    #[must_use]
    pub fn remove_prefix(table: Table, prefix: impl Into<Vec<u8>>) -> Self {
        Self::RemovePrefix {
            table,
            prefix: prefix.into(),
        }
    }

    /// The bytes of key and value: what holding this operation costs, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Put { key, value, .. } => key.len() + value.len(),
            Self::Remove { key, .. } => key.len(),
            Self::RemovePrefix { prefix, .. } => prefix.len(),
        }
    }
}

/// When a transaction counts as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// Once it survives a power cut. Everything committed before it survives too.
    Synced,
    /// Once it is in line. It may be lost with the power, but only together with everything committed after it.
    Ordered,
}

/// Operations that are stored together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Txn {
    /// What is done, first to last.
    pub ops: Vec<Op>,
    /// When it counts as stored.
    pub commit: Commit,
}

impl Txn {
    /// A transaction that is stored once it survives a power cut.
    #[must_use]
    pub fn synced(ops: Vec<Op>) -> Self {
        Self {
            ops,
            commit: Commit::Synced,
        }
    }

    /// A transaction that may be lost with the power, never out of order.
    #[must_use]
    pub fn ordered(ops: Vec<Op>) -> Self {
        Self {
            ops,
            commit: Commit::Ordered,
        }
    }

    /// The bytes of all keys and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.ops.iter().map(Op::bytes).sum()
    }
}

/// One key and its value, as the store holds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where it is kept.
    pub table: Table,
    /// Its key.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
}
