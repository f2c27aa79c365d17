//! The lists of the work: of twenty, one of all, four by status, seven by company and eight by company and status; all
//! by score, highest first, in pages of 50, the hottest companies first.

use tidewire_model::{EntityType, Query, field};

use crate::customer::{Customer, STATUSES};
use crate::work::Work;

/// Rows of a page.
pub const PAGE: u64 = 50;

/// One page of one list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct List {
    /// Only with this status.
    pub status: Option<&'static str>,
    /// Only of this company.
    pub company: Option<String>,
    /// Which page, from 0.
    pub page: u64,
}

impl List {
    /// Whether a customer belongs in it, on whatever page.
    #[must_use]
    pub fn holds(&self, customer: &Customer) -> bool {
        self.status.is_none_or(|status| customer.status == status)
            && (self.company.as_ref()).is_none_or(|company| customer.company_id == *company)
    }

    /// It as a query.
    #[must_use]
    pub fn query(&self, entity_type: &EntityType) -> Query {
        let mut query = Query::new(entity_type.clone());
        if let Some(status) = self.status {
            query = query.filter(field("status").eq(status));
        }
        if let Some(company) = &self.company {
            query = query.filter(field("companyId").eq(&**company));
        }
        query
            .sort_desc("score")
            .offset(self.page * PAGE)
            .limit(PAGE)
    }
}

/// So many pages. Where there are not enough companies, further pages of the same are taken.
#[must_use]
pub fn lists(work: &Work, count: usize) -> Vec<List> {
    let companies = work.companies_by_heat();
    let by_company = |place: usize| companies[place % companies.len()].clone();
    let status_of = |place: usize| STATUSES[place % STATUSES.len()];
    let of_twenty = |number: usize| match (number % 20, number / 20) {
        (0, set) => List {
            status: None,
            company: None,
            page: set as u64,
        },
        (kind @ 1..5, set) => {
            let place = set * 4 + kind - 1;
            List {
                status: Some(status_of(place)),
                company: None,
                page: (place / STATUSES.len()) as u64,
            }
        }
        (kind @ 5..12, set) => {
            let place = set * 7 + kind - 5;
            let (company, page) = (place / 2, place % 2);
            List {
                status: None,
                company: Some(by_company(company)),
                page: (page + company / companies.len() * 2) as u64,
            }
        }
        (kind, set) => {
            let place = set * 8 + kind - 12;
            let company = place / STATUSES.len();
            List {
                status: Some(status_of(place)),
                company: Some(by_company(company)),
                page: (company / companies.len()) as u64,
            }
        }
    };
    (0..count).map(of_twenty).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn of_twenty_lists_one_is_of_all_four_by_status_seven_by_company_and_eight_by_both() {
        let lists = lists(&Work::new(100_000, 1), 1_000);
        let count = |status: bool, company: bool| {
            let kind = |list: &&List| (list.status.is_some(), list.company.is_some());
            lists
                .iter()
                .filter(|list| kind(list) == (status, company))
                .count()
        };
        assert_eq!(
            [
                count(false, false),
                count(true, false),
                count(false, true),
                count(true, true)
            ],
            [50, 200, 350, 400]
        );
        let different: HashSet<&List> = lists.iter().collect();
        assert_eq!(different.len(), lists.len());
    }

    #[test]
    fn ten_thousand_lists_are_different_too() {
        let lists = lists(&Work::new(100_000, 1), 10_000);
        assert_eq!(lists.iter().collect::<HashSet<_>>().len(), 10_000);
    }
}
