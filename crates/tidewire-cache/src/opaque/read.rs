//! Reading an opaque list: its rows as the view has them, and how far to trust what is in it.

use tidewire_model::{Query, Revision, Tick};

use super::OpaqueList;
use crate::fetch::RunKey;
use crate::reader::worse;
use crate::reading::ListReading;
use crate::stream::Stream;
use crate::trust::{StaleReason, Trust};

impl Stream {
    /// One window of an opaque list; nothing where no page of it came, or nobody watches it.
    pub(crate) fn read_opaque(
        &self,
        now: Tick,
        query: &Query,
        revision: Revision,
    ) -> Option<ListReading> {
        let list = self.opaque.get(&RunKey::of(query))?;
        let of_list = self.judge_opaque(now, list)?;
        // What is too old is not shown, but for what own pending actions shaped.
        let expired = of_list.is_expired();
        let mut trust = of_list;
        let limit = query.row_limit().map_or(usize::MAX, |rows| {
            usize::try_from(rows).unwrap_or(usize::MAX)
        });
        let mut rows = Vec::new();
        for (_, id) in list.rows.iter() {
            if rows.len() == limit {
                break;
            }
            let Some((row, doubt)) = self.row_by_id(now, id) else {
                continue;
            };
            if row.pending || !(expired || doubt.is_expired()) {
                trust = worse(trust, doubt.of_shown());
                rows.push(row);
            }
        }
        if expired {
            return Some(ListReading {
                rows,
                total_count: None,
                total_exact: false,
                complete: false,
                trust: of_list,
                revision,
                known: false,
            });
        }
        let hidden = u64::try_from(list.hidden).unwrap_or(u64::MAX);
        Some(ListReading {
            complete: rows.len() == limit || list.end,
            rows,
            total_count: list.total.map(|rows| rows.saturating_sub(hidden)),
            // What pending writes do to it nobody here can tell.
            total_exact: list.total.is_some() && self.seen.is_empty() && !self.is_outrun(list),
            trust,
            revision,
            known: true,
        })
    }

    fn is_outrun(&self, list: &OpaqueList) -> bool {
        self.opaque.is_outrun(list, self.standing.era)
    }

    fn judge_opaque(&self, now: Tick, list: &OpaqueList) -> Option<Trust> {
        let evidence = list.evidence()?;
        let (trust, _) = self.standing.judge(now, &self.settings, &evidence);
        let members = if self.is_outrun(list) {
            Trust::Stale(StaleReason::MembersUnknown)
        } else {
            Trust::Live
        };
        Some(worse(trust, members))
    }
}
