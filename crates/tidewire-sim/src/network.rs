//! Connections between clients and the server: in each direction an ordered pipe, which can only
//! lose its end. Holds what is on its way; when it arrives is decided outside.

use std::collections::{BTreeMap, VecDeque};

use tidewire_engine::{FrameReader, Generation};
use tidewire_model::Tick;
use tidewire_protocol::Encoded;

/// One connection, by the number the server knows it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkId(pub(crate) u64);

/// Which way something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To the server.
    Up,
    /// To the client.
    Down,
}

/// Who is told that a connection was cut. Whoever is not has to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Both,
    Client,
    Server,
    Nobody,
}

/// What travels.
#[derive(Debug)]
pub(crate) enum Item {
    Frame(Encoded),
    /// The other side closed.
    Close {
        code: Option<u16>,
        reason: String,
    },
}

/// One direction.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    items: VecDeque<Item>,
    /// When the last item that was put in arrives.
    pub(crate) last_at: Tick,
    dead: bool,
}

impl Pipe {
    /// Puts something in. Whether it will arrive.
    pub(crate) fn push(&mut self, item: Item) -> bool {
        if !self.dead {
            self.items.push_back(item);
        }
        !self.dead
    }

    pub(crate) fn pop(&mut self) -> Option<Item> {
        self.items.pop_front()
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead
    }

    /// What is on its way is lost, and nothing arrives any more.
    pub(crate) fn cut(&mut self) {
        self.items.clear();
        self.dead = true;
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) client: usize,
    pub(crate) life: u64,
    pub(crate) generation: Generation,
    pub(crate) up: Pipe,
    pub(crate) down: Pipe,
    /// The client has not closed it, nor heard that it is over.
    pub(crate) client_open: bool,
    /// The same of the server.
    pub(crate) server_open: bool,
    /// Reads its frames, once it stands at the client.
    pub(crate) reader: Option<FrameReader>,
    /// The last ping that arrived at the client.
    pub(crate) last_ping: Option<Encoded>,
}

impl Link {
    pub(crate) fn pipe(&mut self, direction: Direction) -> &mut Pipe {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }

    pub(crate) fn cut(&mut self) {
        self.up.cut();
        self.down.cut();
    }

    /// Nobody holds an end of it.
    pub(crate) fn is_over(&self) -> bool {
        !self.client_open && !self.server_open
    }
}

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct Network {
    links: BTreeMap<LinkId, Link>,
    count: u64,
}

impl Network {
    pub(crate) fn open(&mut self, client: usize, life: u64, generation: Generation) -> LinkId {
        self.count += 1;
        let id = LinkId(self.count);
        let link = Link {
            client,
            life,
            generation,
            up: Pipe::default(),
            down: Pipe::default(),
            client_open: false,
            server_open: false,
            reader: None,
            last_ping: None,
        };
        self.links.insert(id, link);
        id
    }

    pub(crate) fn link(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.get_mut(&id)
    }

    pub(crate) fn ids(&self) -> Vec<LinkId> {
        self.links.keys().copied().collect()
    }

    /// Forgets connections that are over on both sides.
    pub(crate) fn sweep(&mut self, id: LinkId) {
        if self.links.get(&id).is_some_and(Link::is_over) {
            self.links.remove(&id);
        }
    }
}
