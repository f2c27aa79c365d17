//! The one entity of the work, as a typed struct, and how each is made. A customer depends on the seed and its number
//! alone, so none has to be kept.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::random::Random;

/// What `status` can be.
pub const STATUSES: [&str; 5] = ["active", "trial", "paused", "overdue", "closed"];

/// Scores lie below this.
pub const MAX_SCORE: u64 = 100_000;

/// Characters of `notes`.
const NOTES: usize = 100;

const FIRST: [&str; 16] = [
    "Ada", "Bruno", "Clara", "David", "Emilia", "Felix", "Greta", "Hannes", "Ines", "Jakob",
    "Klara", "Linus", "Mathilda", "Niklas", "Olga", "Paulina",
];
const LAST: [&str; 16] = [
    "Adler",
    "Bachmann",
    "Conrad",
    "Dietrich",
    "Eberhardt",
    "Friedrichs",
    "Gruber",
    "Hoffmann",
    "Iversen",
    "Jansen",
    "Kaufmann",
    "Lindemann",
    "Meissner",
    "Neumann",
    "Oppenheim",
    "Petersen",
];
const WORDS: [&str; 16] = [
    "call", "again", "after", "invoice", "asked", "for", "offer", "renewal", "in", "spring",
    "prefers", "mail", "and", "short", "answers", "only",
];

/// A customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Customer {
    /// Its id.
    pub id: String,
    /// First name, last name, and a number.
    pub name: String,
    /// An address.
    pub email: String,
    /// One of [`STATUSES`].
    pub status: String,
    /// One of a hundredth as many as there are customers.
    pub company_id: String,
    /// What lists are sorted by.
    pub score: u64,
    /// The number of the commit that changed it last.
    pub version: u64,
    /// When that was.
    pub updated_at: String,
    /// A hundred characters.
    pub notes: String,
}

/// A customer as it stands in a v1 frame: its version stands beside it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WithoutVersion<'a> {
    id: &'a str,
    name: &'a str,
    email: &'a str,
    status: &'a str,
    company_id: &'a str,
    score: u64,
    updated_at: &'a str,
    notes: &'a str,
}

impl Customer {
    /// The customer with this number, as it is made by commit `version`.
    #[must_use]
    pub fn make(seed: u64, number: u64, companies: u64, version: u64) -> Self {
        let mut random = Random::new(seed ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93));
        let (name, email) = (name(&mut random), email(&mut random));
        Self {
            id: id(number),
            name,
            email,
            status: status(&mut random).to_owned(),
            company_id: company_id(company(seed, number, companies)),
            score: random.below(MAX_SCORE),
            version,
            updated_at: time(version),
            notes: notes(&mut random),
        }
    }

    /// What a v1 frame says of it beside the version.
    #[must_use]
    pub fn without_version(&self) -> WithoutVersion<'_> {
        WithoutVersion {
            id: &self.id,
            name: &self.name,
            email: &self.email,
            status: &self.status,
            company_id: &self.company_id,
            score: self.score,
            updated_at: &self.updated_at,
            notes: &self.notes,
        }
    }
}

/// The id of the customer with this number.
#[must_use]
pub fn id(number: u64) -> String {
    format!("c-{number:08}")
}

/// The company a customer is made in.
#[must_use]
pub fn company(seed: u64, number: u64, companies: u64) -> u64 {
    Random::new(!seed ^ number.wrapping_mul(0xa076_1d64_78bd_642f)).below(companies)
}

/// The id of the company with this number.
#[must_use]
pub fn company_id(number: u64) -> String {
    format!("k-{number:05}")
}

/// The time of a commit: one a millisecond.
#[must_use]
pub fn time(version: u64) -> String {
    let (seconds, millis) = (version / 1_000, version % 1_000);
    let (hours, minutes) = (seconds / 3_600 % 24, seconds / 60 % 60);
    let seconds = seconds % 60;
    format!("2026-11-23T{hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z")
}

pub(crate) fn name(random: &mut Random) -> String {
    let (first, last) = (FIRST[random.place(16)], LAST[random.place(16)]);
    format!("{first} {last} {}", random.below(1_000))
}

pub(crate) fn email(random: &mut Random) -> String {
    let last = LAST[random.place(16)].to_lowercase();
    format!("{last}.{:04}@mail.example", random.below(10_000))
}

pub(crate) fn status(random: &mut Random) -> &'static str {
    STATUSES[random.place(STATUSES.len())]
}

pub(crate) fn notes(random: &mut Random) -> String {
    let mut text = String::with_capacity(NOTES + 16);
    while text.len() < NOTES {
        let _ = write!(text, "{} ", WORDS[random.place(16)]);
    }
    text.truncate(NOTES);
    text
}
