//! Where a stream stands: its epoch, how far it is applied, since when without a break, and whether
//! it is live. Judges how far a piece of evidence can be trusted; holds no entities.

use std::time::Duration;

use tidewire_model::{Epoch, Offset, Point, Tick};

use crate::base::{At, Mark, Moment};
use crate::intake::DetachReason;
use crate::settings::{CollectionSettings, Points};
use crate::trust::{StaleReason, Trust};

/// Where a stream stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    pub(crate) epoch: Option<Epoch>,
    /// Rises with each change of epoch.
    pub(crate) era: u32,
    pub(crate) view: Option<String>,
    pub(crate) applied: Option<Offset>,
    /// The highest commit applied while a snapshot is still to come; not yet `applied`, since what
    /// lies before it is not all there.
    pub(crate) reached: Option<Offset>,
    /// The start of unbroken coverage: every later commit was seen.
    pub(crate) since: Option<Offset>,
    /// From this point on everything of the type is out of date.
    pub(crate) stale_at: Option<Offset>,
    pub(crate) mark: Option<Mark>,
    /// What is not held is believed only from this point on.
    pub(crate) forgotten: Option<Offset>,
    /// The highest point that was ever noted of an entity in this epoch.
    pub(crate) highest: Option<Offset>,
    /// The snapshot that made the stream complete.
    pub(crate) complete: Option<Snapped>,
    /// What the principal may see has changed; nothing is shown.
    pub(crate) hidden: bool,
    pub(crate) feed: Feed,
    /// When the stream last vouched for what it covers: it was live, or, with client points, attached.
    pub(crate) live_until: Option<Tick>,
}

/// The snapshot that made a stream complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Snapped {
    pub(crate) at: At,
    pub(crate) confirmed: Moment,
    pub(crate) learnt: Tick,
}

/// Whether commits come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Feed {
    /// They never did.
    #[default]
    Never,
    /// They do.
    Attached {
        head: Offset,
        /// A snapshot is still to come.
        building: bool,
    },
    /// They did.
    Detached(DetachReason),
}

/// What a reading rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Evidence {
    pub(crate) at: Option<At>,
    pub(crate) stale_at: Option<At>,
    pub(crate) mark: Option<Mark>,
    pub(crate) confirmed: Moment,
    pub(crate) learnt: Tick,
}

impl Snapped {
    pub(crate) fn evidence(&self) -> Evidence {
        Evidence {
            at: Some(self.at),
            stale_at: None,
            mark: None,
            confirmed: self.confirmed,
            learnt: self.learnt,
        }
    }
}

impl Standing {
    pub(crate) fn at(&self, offset: Offset) -> At {
        At {
            era: self.era,
            offset,
        }
    }

    pub(crate) fn point(&self, offset: Offset) -> Option<Point> {
        Some(Point::new(self.epoch.clone()?, offset))
    }

    pub(crate) fn is_attached(&self) -> bool {
        matches!(self.feed, Feed::Attached { .. })
    }

    pub(crate) fn is_building(&self) -> bool {
        matches!(self.feed, Feed::Attached { building: true, .. })
    }

    /// Live: attached, the whole of it there, received and applied up to the head.
    pub(crate) fn is_live(&self, points: Points) -> bool {
        let Feed::Attached {
            head,
            building: false,
        } = self.feed
        else {
            return false;
        };
        points == Points::Server
            && self.since.is_some()
            && self.applied.is_some_and(|applied| applied >= head)
    }

    /// Whether a point is within the unbroken coverage.
    pub(crate) fn covers(&self, at: Option<At>) -> bool {
        let at = at.and_then(|at| at.within(self.era));
        matches!((at, self.since), (Some(at), Some(since)) if at >= since)
    }

    /// The point of the snapshot that made the stream complete.
    pub(crate) fn snapped_at(&self) -> Option<Offset> {
        self.complete?.at.within(self.era)
    }

    /// What speaks against the evidence, whatever the feed does.
    pub(crate) fn objection(&self, evidence: &Evidence) -> Option<StaleReason> {
        let at = evidence.at.and_then(|at| at.within(self.era));
        if evidence.at.is_some() && at.is_none() {
            return Some(StaleReason::NewEpoch);
        }
        if let Some(mark) = evidence.mark {
            return Some(mark.why);
        }
        if let Some(mark) = self.mark
            && mark.moment > evidence.confirmed
        {
            return Some(mark.why);
        }
        let stale = evidence
            .stale_at
            .and_then(|at| at.within(self.era))
            .max(self.stale_at);
        if stale.is_some_and(|stale| at.is_none_or(|at| at < stale)) {
            return Some(StaleReason::Marked);
        }
        None
    }

    /// How far the evidence can be trusted, and how long ago it was last known to hold.
    pub(crate) fn judge(
        &self,
        now: Tick,
        settings: &CollectionSettings,
        evidence: &Evidence,
    ) -> (Trust, Option<Duration>) {
        let covered = self.covers(evidence.at);
        let age = now - self.held_until(settings, evidence);
        if self.is_expired(now, settings, evidence) {
            return (Trust::Stale(StaleReason::Expired), Some(age));
        }
        if let Some(reason) = self.objection(evidence) {
            return (Trust::Stale(reason), Some(age));
        }
        if covered && self.is_live(settings.points) {
            return (Trust::Live, Some(Duration::ZERO));
        }
        let young = match (settings.stale_after, settings.points) {
            (Some(limit), _) => age < limit,
            (None, Points::Client) => self.is_attached() && covered,
            (None, Points::Server) => false,
        };
        if young {
            return (Trust::Fresh, Some(age));
        }
        (Trust::Stale(self.failing(settings, covered)), Some(age))
    }

    /// When the evidence was last known to hold, while nothing vouches for it.
    fn held_until(&self, settings: &CollectionSettings, evidence: &Evidence) -> Tick {
        // With client points and a limit of their own, readings age all the time.
        let by_stream = settings.points == Points::Server || settings.stale_after.is_none();
        let detached = settings.points == Points::Server || !self.is_attached();
        match self.live_until {
            Some(until) if by_stream && detached && self.covers(evidence.at) => {
                until.max(evidence.learnt)
            }
            _ => evidence.learnt,
        }
    }

    /// Whether the stream tells of everything that happens to what the evidence is about. A mark does not
    /// end that: what is marked is known to have changed, and stays until the answer is there.
    fn is_vouched_for(&self, settings: &CollectionSettings, evidence: &Evidence) -> bool {
        let told = match settings.points {
            Points::Server => self.is_live(settings.points),
            Points::Client => self.is_attached() && settings.stale_after.is_none(),
        };
        told && self.covers(evidence.at)
    }

    /// Whether the evidence is too old to be shown.
    pub(crate) fn is_expired(
        &self,
        now: Tick,
        settings: &CollectionSettings,
        evidence: &Evidence,
    ) -> bool {
        let expires = self.expires_at(settings, evidence);
        expires.is_some_and(|expires| now >= expires)
    }

    /// When time alone makes the evidence too old to be shown: never, if something vouches for it.
    pub(crate) fn expires_at(
        &self,
        settings: &CollectionSettings,
        evidence: &Evidence,
    ) -> Option<Tick> {
        let limit = settings.expire_after?;
        let unsure = !self.is_vouched_for(settings, evidence);
        unsure.then(|| self.held_until(settings, evidence) + limit)
    }

    /// When time alone makes the evidence stale: never, if it is already, or something vouches for
    /// it.
    pub(crate) fn ages_at(
        &self,
        settings: &CollectionSettings,
        evidence: &Evidence,
    ) -> Option<Tick> {
        let limit = settings.stale_after?;
        let live = self.covers(evidence.at) && self.is_live(settings.points);
        let ages = !live && self.objection(evidence).is_none();
        ages.then(|| self.held_until(settings, evidence) + limit)
    }

    /// What everything of a complete stream rests on.
    pub(crate) fn snapshot_evidence(&self) -> Option<Evidence> {
        let snapped = self.complete?;
        Some(Evidence {
            at: Some(snapped.at),
            stale_at: None,
            mark: None,
            confirmed: snapped.confirmed,
            learnt: snapped.learnt,
        })
    }

    /// How far a list of what was pushed can be trusted: nobody tells what was never pushed.
    pub(crate) fn judge_pushes(&self) -> Trust {
        if self.is_attached() {
            Trust::Fresh
        } else {
            Trust::Stale(self.not_attached())
        }
    }

    /// Whether the evidence is worth asking again while the stream is in good order.
    pub(crate) fn is_outdated(
        &self,
        now: Tick,
        settings: &CollectionSettings,
        evidence: &Evidence,
    ) -> bool {
        if self.objection(evidence).is_some() || self.is_expired(now, settings, evidence) {
            return true;
        }
        let aged = settings.points == Points::Client
            && settings
                .stale_after
                .is_some_and(|limit| now - evidence.learnt >= limit);
        aged || (self.is_attached() && !self.covers(evidence.at))
    }

    fn failing(&self, settings: &CollectionSettings, covered: bool) -> StaleReason {
        match self.feed {
            Feed::Never | Feed::Detached(_) => self.not_attached(),
            Feed::Attached { .. }
                if settings.points == Points::Server && !self.is_live(settings.points) =>
            {
                StaleReason::CatchingUp
            }
            Feed::Attached { .. } if covered => StaleReason::Aged,
            Feed::Attached { .. } => StaleReason::BeforeAttached,
        }
    }

    fn not_attached(&self) -> StaleReason {
        match self.feed {
            Feed::Detached(DetachReason::Disconnected | DetachReason::Rights) => {
                StaleReason::Disconnected
            }
            Feed::Detached(DetachReason::Gap) => StaleReason::Gap,
            Feed::Never | Feed::Attached { .. } | Feed::Detached(DetachReason::Ended) => {
                StaleReason::NotSubscribed
            }
        }
    }
}
