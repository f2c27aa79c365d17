//! An entry as it lies in memory: what most entries have side by side, the rest apart.
//!
//! There is one for each entity held, so each byte counts. Says the same as [`Entry`].

use tidewire_model::{Offset, Tick, Version};

use crate::base::{At, Entry, Image, Mark, Moment, Origin};
use crate::held::Held;
use crate::standing::Evidence;

/// What is kept of one entity.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    image: Image,
    version: Packed,
    known: Packed,
    learnt: Tick,
    confirmed: Moment,
    /// The era of `known`.
    era: u32,
    fetched: Fetched,
    origin: Origin,
    rare: Option<Box<Rare>>,
}

/// A number below the largest, or nothing.
#[derive(Debug, Clone, Copy)]
struct Packed(u64);

/// When the latest request began that was answered with the entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fetched {
    Never,
    /// Nothing whole was learnt after it.
    AsConfirmed,
    /// It is kept apart.
    Apart,
}

/// What few entries have.
#[derive(Debug, Clone)]
struct Rare {
    stale_at: Option<At>,
    mark: Option<Mark>,
    fetched: Moment,
}

impl Packed {
    const NONE: u64 = u64::MAX;

    fn new(number: Option<u64>) -> Self {
        // Versions and offsets end far below.
        Self(number.unwrap_or(Self::NONE))
    }

    fn get(self) -> Option<u64> {
        (self.0 != Self::NONE).then_some(self.0)
    }
}

impl Kept {
    pub(crate) fn image(&self) -> &Image {
        &self.image
    }

    /// The version, where it can be compared.
    pub(crate) fn version_in(&self, era: u32) -> Option<Version> {
        let comparable = self.known.get().is_none() || self.era == era;
        self.version().filter(|_| comparable)
    }

    /// Up to where it is known, where that can be compared.
    pub(crate) fn known(&self, era: u32) -> Option<Offset> {
        self.known_at()?.within(era)
    }

    pub(crate) fn known_at(&self) -> Option<At> {
        let offset = self.known.get().and_then(Offset::new)?;
        Some(At {
            era: self.era,
            offset,
        })
    }

    /// What a reading of it rests on; nothing if nothing is known of it.
    pub(crate) fn evidence(&self) -> Option<Evidence> {
        if self.image == Image::Unknown {
            return None;
        }
        Some(Evidence {
            at: self.known_at(),
            stale_at: self.rare.as_ref().and_then(|rare| rare.stale_at),
            mark: self.mark(),
            confirmed: self.confirmed,
            learnt: self.learnt,
        })
    }

    pub(crate) fn mark(&self) -> Option<Mark> {
        self.rare.as_ref()?.mark
    }

    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    /// When it was learnt.
    pub(crate) fn learnt(&self) -> Tick {
        self.learnt
    }

    /// From which point on it is out of date, where that can be compared.
    pub(crate) fn stale_at(&self, era: u32) -> Option<Offset> {
        self.rare.as_ref()?.stale_at?.within(era)
    }

    /// What it holds beside itself.
    pub(crate) fn held_bytes(&self) -> usize {
        self.image.held_bytes() + self.rare_bytes()
    }

    /// The same as the budget counts it.
    pub(crate) fn counted_bytes(&self) -> usize {
        self.image.counted_bytes() + self.rare_bytes()
    }

    fn rare_bytes(&self) -> usize {
        self.rare.as_ref().map_or(0, |_| size_of::<Rare>())
    }

    fn version(&self) -> Option<Version> {
        self.version.get().and_then(Version::new)
    }
}

impl From<&Entry> for Kept {
    fn from(entry: &Entry) -> Self {
        let fetched = match entry.fetched {
            never if never == Moment::default() => Fetched::Never,
            latest if latest == entry.confirmed => Fetched::AsConfirmed,
            _ => Fetched::Apart,
        };
        let rare = entry.stale_at.is_some() || entry.mark.is_some() || fetched == Fetched::Apart;
        Self {
            version: Packed::new(entry.version.map(Version::get)),
            known: Packed::new(entry.known_at.map(|at| at.offset.get())),
            learnt: entry.learnt,
            confirmed: entry.confirmed,
            era: entry.known_at.map_or(0, |at| at.era),
            fetched,
            origin: entry.origin,
            rare: rare.then(|| {
                Box::new(Rare {
                    stale_at: entry.stale_at,
                    mark: entry.mark,
                    fetched: entry.fetched,
                })
            }),
            image: entry.image.clone(),
        }
    }
}

impl From<&Kept> for Entry {
    fn from(kept: &Kept) -> Self {
        let rare = kept.rare.as_deref();
        let fetched = match kept.fetched {
            Fetched::Never => Moment::default(),
            Fetched::AsConfirmed => kept.confirmed,
            Fetched::Apart => rare.map_or(Moment::default(), |rare| rare.fetched),
        };
        Self {
            image: kept.image.clone(),
            version: kept.version(),
            known_at: kept.known_at(),
            stale_at: rare.and_then(|rare| rare.stale_at),
            mark: rare.and_then(|rare| rare.mark),
            confirmed: kept.confirmed,
            fetched,
            learnt: kept.learnt,
            origin: kept.origin,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;
    use tidewire_model::Record;

    use super::*;
    use crate::trust::StaleReason;

    fn at() -> impl Strategy<Value = At> {
        (0..3_u32, 0..=Offset::MAX_WIRE).prop_map(|(era, offset)| At {
            era,
            offset: Offset::new(offset).expect("it is not larger"),
        })
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let image = prop_oneof![
            Just(Image::Unknown),
            Just(Image::Absent),
            Just(Image::Present(Record::new())),
        ];
        let version = option::of(
            (0..=Version::MAX_WIRE).prop_map(|number| Version::new(number).expect("so")),
        );
        let moment = || (0..4_u64).prop_map(Moment);
        let mark = moment().prop_map(|moment| Mark {
            moment,
            why: StaleReason::MissedVersion,
        });
        let points = (option::of(at()), option::of(at()), option::of(mark));
        let origin = prop_oneof![Just(Origin::Push), Just(Origin::Set)];
        let moments = (
            moment(),
            moment(),
            (0..9_u64).prop_map(Tick::from_micros),
            origin,
        );
        (image, version, points, moments).prop_map(
            |(image, version, (known_at, stale_at, mark), (confirmed, fetched, learnt, origin))| {
                Entry {
                    image,
                    version,
                    known_at,
                    stale_at,
                    mark,
                    confirmed,
                    fetched,
                    learnt,
                    origin,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_kept_says_the_same_as_the_entry(entry in entry()) {
            let kept = Kept::from(&entry);
            prop_assert_eq!(&Entry::from(&kept), &entry);
            prop_assert_eq!(kept.evidence(), entry.evidence());
            for era in 0..3 {
                prop_assert_eq!(kept.known(era), entry.known(era));
                prop_assert_eq!(kept.version_in(era), entry.version_in(era));
            }
        }
    }

    #[test]
    fn what_most_entries_have_takes_no_more_than_eighty_bytes() {
        assert!(size_of::<Kept>() <= 80, "{}", size_of::<Kept>());
    }
}
