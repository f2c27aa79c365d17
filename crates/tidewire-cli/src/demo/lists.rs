//! The lists a page shows, each held live by the demo's client.

use serde::Deserialize;
use tidewire::{Client, Collection, List, Query, Record, field};

use super::data::{ACTIVITIES, CUSTOMERS, METRICS, PROCESSES};
use crate::failure::Failure;

/// Types that are held whole are held up to this many entities.
const WHOLE_MAX: u64 = 20_000;
/// Activities shown.
const ACTIVITIES_SHOWN: u64 = 50;
/// Processes shown.
const PROCESSES_SHOWN: u64 = 20;
/// Rows of one page of customers at most.
const PAGE_MAX: u64 = 100;
/// Letters of a status asked for at most.
const STATUS_MAX: usize = 64;
/// Letters of a search at most; the field on the page takes no more.
const SEARCH_MAX: usize = 100;
/// The fields customers may be sorted by.
const SORTS: [&str; 4] = ["name", "city", "status", "score"];

/// The collections of the demo's client.
pub(super) struct Lists {
    client: Client,
    metrics: Collection<Record>,
    activities: Collection<Record>,
    processes: Collection<Record>,
    customers: Collection<Record>,
    /// Held for as long as the demo runs, so that a tab opened with the connection cut has
    /// something to show.
    kept: Vec<List<Record>>,
}

impl Lists {
    pub(super) fn new(client: Client) -> Result<Self, Failure> {
        let build = |name: &str, is_whole: Held| {
            let builder = client.collection::<Record>(name);
            let builder = match is_whole {
                Held::Whole => builder.complete(WHOLE_MAX),
                Held::Windows => builder,
            };
            builder.build().map_err(Failure::failed)
        };
        let mut lists = Self {
            metrics: build(METRICS, Held::Whole)?,
            activities: build(ACTIVITIES, Held::Windows)?,
            processes: build(PROCESSES, Held::Windows)?,
            // Whole, so that filter, sort and pages go on working with the connection cut.
            customers: build(CUSTOMERS, Held::Whole)?,
            client,
            kept: Vec::new(),
        };
        lists.kept.extend(lists.common().map(|(_, list)| list));
        lists.kept.push(lists.chosen(&Choice::default()));
        Ok(lists)
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The customers, to be written to.
    pub(super) fn customers(&self) -> &Collection<Record> {
        &self.customers
    }

    /// The lists every tab shows, each by its name.
    pub(super) fn common(&self) -> [(&'static str, List<Record>); 3] {
        [
            ("metrics", self.metrics.query().sort_asc("order").live()),
            (
                "activities",
                self.activities
                    .query()
                    .sort_desc("number")
                    .limit(ACTIVITIES_SHOWN)
                    .live(),
            ),
            (
                "processes",
                self.processes
                    .query()
                    .sort_desc("cpu")
                    .sort_desc("memory")
                    .limit(PROCESSES_SHOWN)
                    .live(),
            ),
        ]
    }

    /// The customers a tab asks for.
    pub(super) fn chosen(&self, choice: &Choice) -> List<Record> {
        let query = choice.query(self.customers.query().query().clone());
        self.customers
            .list(query)
            .expect("the query is made from one of this collection")
    }
}

/// How a type is held.
#[derive(Clone, Copy)]
enum Held {
    Whole,
    Windows,
}

/// Which customers a tab shows.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Choice {
    /// Only this status; empty for all.
    #[serde(default)]
    status: String,
    /// Only names or cities that contain this, in any case; empty for all.
    #[serde(default)]
    search: String,
    /// The field they are sorted by.
    sort: String,
    descending: bool,
    offset: u64,
    limit: u64,
}

impl Default for Choice {
    fn default() -> Self {
        let sort = "name".to_owned();
        Self {
            status: String::new(),
            search: String::new(),
            sort,
            descending: false,
            offset: 0,
            limit: 10,
        }
    }
}

impl Choice {
    /// What is wrong with it, if anything is.
    pub(super) fn fault(&self) -> Option<&'static str> {
        if !SORTS.contains(&self.sort.as_str()) {
            return Some("sort must be name, city, status or score");
        }
        if self.limit == 0 || self.limit > PAGE_MAX {
            return Some("limit must be from 1 to 100");
        }
        // In letters, as the page counts them too.
        let is_longer = |text: &str, letters| text.chars().nth(letters).is_some();
        if is_longer(&self.status, STATUS_MAX) || is_longer(&self.search, SEARCH_MAX) {
            return Some("status or search is too long");
        }
        None
    }

    fn query(&self, all: Query) -> Query {
        let mut query = all;
        if !self.status.is_empty() {
            query = query.filter(field("status").eq(self.status.as_str()));
        }
        let search = self.search.trim();
        if !search.is_empty() {
            let name = field("name").contains_ignoring_case(search);
            query = query.filter(name.or(field("city").contains_ignoring_case(search)));
        }
        query = if self.descending {
            query.sort_desc(&self.sort)
        } else {
            query.sort_asc(&self.sort)
        };
        query.offset(self.offset).limit(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewire::EntityType;

    fn text(json: &str) -> String {
        let choice: Choice = serde_json::from_str(json).unwrap();
        assert_eq!(choice.fault(), None);
        choice
            .query(Query::new(EntityType::new("customers").unwrap()))
            .to_string()
    }

    #[test]
    fn a_choice_becomes_one_query() {
        assert_eq!(
            Choice::default()
                .query(Query::new(EntityType::new("c").unwrap()))
                .to_string(),
            "sort name limit 10"
        );
        let all = r#"{"status":"lead","search":" an ","sort":"score","descending":true,"offset":20,"limit":10}"#;
        let query = text(all);
        for part in [
            "status = \"lead\"",
            "name icontains \"an\"",
            "city icontains \"an\"",
            "sort score desc",
            "limit 10 offset 20",
        ] {
            assert!(query.contains(part), "{query}");
        }
    }

    #[test]
    fn a_search_is_measured_in_letters() {
        let search = |letters: usize| Choice {
            search: "\u{1f600}".repeat(letters),
            ..Choice::default()
        };
        assert_eq!(search(SEARCH_MAX).fault(), None);
        assert!(search(SEARCH_MAX + 1).fault().is_some());
    }

    #[test]
    fn a_choice_that_asks_for_too_much_is_refused() {
        for (sort, limit) in [("password", 10), ("name", 0), ("name", 101)] {
            let choice = Choice {
                sort: sort.into(),
                limit,
                ..Choice::default()
            };
            assert!(choice.fault().is_some(), "{choice:?}");
        }
    }
}
