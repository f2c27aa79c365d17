//! Looking for keys: of the entities that are there, of the lists that are known, of plain values.
//!
//! A pattern that begins with a literal is held against the keys with that beginning only. Changes
//! nothing; what makes the index is the writer.

mod beginning;
#[cfg(test)]
mod tests;

use regex::Regex;
use tidewire_model::{CacheKey, EntityType, Tick};

use self::beginning::Beginnings;
use crate::base::Image;
use crate::key_index::starting_with;
use crate::reader::{Reader, Snapshot};
use crate::slots::LOOKS;
use crate::stream::Stream;

/// The keys that a pattern matches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keys {
    /// The keys: type by type, entities by id before lists by text, then values by name.
    pub keys: Vec<CacheKey>,
    /// How many keys the pattern was held against. With a literal beginning, and where
    /// [`Cache::index_keys`](crate::Cache::index_keys) was called, those are the keys with that beginning.
    pub looked: usize,
    /// The types that were looked through as a whole since nobody called [`Cache::index_keys`](crate::Cache::index_keys) for them,
    /// though the pattern's beginning selects less than all of it.
    pub not_indexed: Vec<EntityType>,
}

/// What a pattern says is out of date.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matching {
    /// The types of which every key matches, whatever is held: a mark on the type says the same as one
    /// on each.
    pub types: Vec<EntityType>,
    /// The other keys that match.
    pub keys: Keys,
}

impl Reader {
    /// The keys that match. See [`Snapshot::keys`].
    pub fn keys(&self, now: Tick, pattern: &Regex) -> Keys {
        self.read(|snapshot| snapshot.keys(now, pattern))
    }
}

impl Snapshot<'_> {
    /// The keys of what is shown that a pattern matches anywhere, as regular expressions do. Lists are named without
    /// their window, since the windows of one list share what is held.
    ///
    /// Where the pattern begins with `^` and a literal, only keys with that beginning are looked at: those of an
    /// alternation of literals too. For the ids of a type that needs [`Cache::index_keys`](crate::Cache::index_keys); the keys of a type's lists
    /// are looked at together. A pattern without such a beginning is held against every key. So is one that contains
    /// white space, `#` or a flag such as `(?i)`, or that was built with such a flag: what it may begin with cannot be
    /// told from its text. While this runs, the revision it reads is kept in memory.
    pub fn keys(&self, now: Tick, pattern: &Regex) -> Keys {
        self.find(now, &Beginnings::of(pattern), pattern, |_| false)
    }

    /// The same for [`Cache::invalidate`](crate::Cache::invalidate): types whose keys all match are named instead of their keys.
    pub fn matching(&self, now: Tick, pattern: &Regex) -> Matching {
        let beginnings = Beginnings::of(pattern);
        let whole = |entity_type: &EntityType| beginnings.are_all_of(entity_type);
        let keys = self.find(now, &beginnings, pattern, whole);
        let types = self.world().streams().map(|stream| &stream.name);
        Matching {
            types: types.filter(|name| whole(name)).cloned().collect(),
            keys,
        }
    }

    fn find(
        &self,
        now: Tick,
        beginnings: &Beginnings,
        pattern: &Regex,
        is_left_out: impl Fn(&EntityType) -> bool,
    ) -> Keys {
        let mut search = Search {
            pattern,
            beginnings,
            text: String::new(),
            found: Keys::default(),
        };
        for stream in self.world().streams() {
            if stream.standing.hidden || is_left_out(&stream.name) {
                continue;
            }
            let begin = search.found.keys.len();
            search.find_entities(stream);
            if stream.settings.expire_after.is_some() {
                let found = search.found.keys.split_off(begin);
                let shown = found.into_iter().filter(|key| self.has(now, key));
                search.found.keys.extend(shown);
            }
            search.find_lists(stream, |key| self.has(now, key));
        }
        search.find_values(self, now);
        search.found
    }
}

/// One search under way.
struct Search<'a> {
    pattern: &'a Regex,
    beginnings: &'a Beginnings,
    text: String,
    found: Keys,
}

impl Search<'_> {
    fn matches(&mut self, prefix: &str, rest: &str) -> bool {
        self.found.looked += 1;
        self.text.clear();
        self.text.push_str(prefix);
        self.text.push_str(rest);
        self.pattern.is_match(&self.text)
    }

    fn find_entities(&mut self, stream: &Stream) {
        let prefix = CacheKey::detail_prefix(&stream.name);
        let rests = self.beginnings.behind(&prefix);
        if rests.is_empty() {
            return;
        }
        let mut ids = Vec::new();
        if let Some(index) = &stream.index {
            for rest in &rests {
                let held = index
                    .starting_with(rest)
                    .filter(|id| !stream.seen.contains_key(id));
                ids.extend(held.cloned());
            }
        } else {
            let selective = rests.iter().all(|rest| !rest.is_empty());
            if selective {
                self.found.not_indexed.push(stream.name.clone());
            }
            let mut behind = None;
            loop {
                let search = stream
                    .base
                    .search(behind, LOOKS, |kept| kept.image().record().is_some());
                if search.looked == 0 {
                    break;
                }
                behind = search.last;
                let held = search.found.into_iter().map(|(_, id, _)| id);
                ids.extend(held.filter(|id| !stream.seen.contains_key(id)));
            }
        }
        for rest in &rests {
            let own = starting_with(&stream.seen, rest);
            let there = own.filter(|(_, image)| matches!(image, Image::Present(_)));
            ids.extend(there.map(|(id, _)| id.clone()));
        }
        ids.sort_unstable();
        for id in ids {
            if self.matches(&prefix, id.as_str()) {
                self.found.keys.push(CacheKey::Detail(stream.key(&id)));
            }
        }
    }

    fn find_lists(&mut self, stream: &Stream, is_shown: impl Fn(&CacheKey) -> bool) {
        let prefix = CacheKey::list_prefix(&stream.name);
        if self.beginnings.behind(&prefix).is_empty() {
            return;
        }
        let known = stream
            .runs
            .iter()
            .filter(|run| run.is_built() && stream.is_known(run));
        let mut texts: Vec<(String, CacheKey)> = known
            .map(|run| {
                let query = run.query().clone();
                (query.to_string(), CacheKey::List(query))
            })
            .collect();
        texts.sort_unstable();
        for (text, key) in texts {
            if self.matches(&prefix, &text) && is_shown(&key) {
                self.found.keys.push(key);
            }
        }
    }

    fn find_values(&mut self, snapshot: &Snapshot<'_>, now: Tick) {
        for beginning in self.beginnings.behind("") {
            for key in snapshot.world().values.starting_with(&beginning, now) {
                if self.matches("", key.as_str()) {
                    self.found.keys.push(CacheKey::Value(key.clone()));
                }
            }
        }
    }
}
