//! Figures: samples of rounds, what stands for them, and tables. Measures nothing itself.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// One figure for each round.
#[derive(Clone, Debug, Default)]
pub struct Rounds(Vec<f64>);

impl Rounds {
    /// Adds the figure of one round.
    pub fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// The one in the middle.
    #[must_use]
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
        match (sorted.get(low), sorted.get(high)) {
            (Some(low), Some(high)) => (low + high) / 2.0,
            _ => f64::NAN,
        }
    }

    /// The ratios to another's figures, round by round.
    #[must_use]
    pub fn over(&self, other: &Self) -> Self {
        let pairs = self.0.iter().zip(&other.0);
        Self(pairs.map(|(one, other)| one / other).collect())
    }

    /// The same figures in another unit.
    #[must_use]
    pub fn times(&self, factor: f64) -> Self {
        Self(self.0.iter().map(|figure| figure * factor).collect())
    }

    /// The median with the least and the largest.
    #[must_use]
    pub fn shown(&self) -> [String; 3] {
        let least = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        [self.median(), least, most].map(short)
    }
}

/// A number with as many digits as are worth something.
#[must_use]
pub fn short(number: f64) -> String {
    match number.abs() {
        size if !size.is_finite() => "–".to_owned(),
        0.0 => "0".to_owned(),
        size if size >= 100.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        size if size >= 0.1 => format!("{number:.2}"),
        _ => format!("{number:.4}"),
    }
}

/// Durations, to be asked for their quantiles.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<u64>);

impl Samples {
    /// Adds one.
    pub fn push(&mut self, took: Duration) {
        self.0
            .push(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Takes those of another in.
    pub fn join(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The quantiles, in microseconds, each given in thousandths.
    #[must_use]
    pub fn micros<const N: usize>(&mut self, thousandths: [usize; N]) -> [f64; N] {
        self.0.sort_unstable();
        thousandths.map(|part| {
            let place = (self.0.len() * part / 1_000).min(self.0.len().saturating_sub(1));
            self.0
                .get(place)
                .map_or(f64::NAN, |nanos| *nanos as f64 / 1_000.0)
        })
    }
}

/// What two looks at the clock cost, which is in every single time: the least of many, in microseconds.
#[must_use]
pub fn clock_micros() -> f64 {
    let looks = (0..10_000).map(|_| Instant::now().elapsed());
    looks.min().unwrap_or_default().as_nanos() as f64 / 1_000.0
}

/// A table as it can be pasted into a page.
#[derive(Debug)]
pub struct Table {
    columns: usize,
    lines: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    #[must_use]
    pub fn new(headings: &[&str]) -> Self {
        Self {
            columns: headings.len(),
            lines: vec![headings.iter().map(ToString::to_string).collect()],
        }
    }

    /// Adds a line.
    pub fn line<C: Display>(&mut self, cells: impl IntoIterator<Item = C>) {
        let mut line: Vec<String> = cells.into_iter().map(|cell| cell.to_string()).collect();
        line.resize(self.columns, String::new());
        self.lines.push(line);
    }

    /// Prints it.
    pub fn print(&self) {
        let width = |column: usize| {
            let cells = self.lines.iter().map(|line| line[column].chars().count());
            cells.max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..self.columns).map(width).collect();
        for (number, line) in self.lines.iter().enumerate() {
            let cells = line
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:<width$}"));
            println!("| {} |", cells.collect::<Vec<_>>().join(" | "));
            if number == 0 {
                let rules = widths.iter().map(|width| "-".repeat(*width));
                println!("| {} |", rules.collect::<Vec<_>>().join(" | "));
            }
        }
        println!();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_and_ratios_are_of_the_same_round() {
        let (mut one, mut other) = (Rounds::default(), Rounds::default());
        for (of_one, of_other) in [(1.0, 2.0), (9.0, 3.0), (4.0, 4.0)] {
            one.push(of_one);
            other.push(of_other);
        }
        assert_eq!(one.shown(), ["4.00", "1.00", "9.00"]);
        assert_eq!(one.over(&other).shown(), ["1.00", "0.50", "3.00"]);
    }

    #[test]
    fn quantiles_are_of_the_sorted_samples() {
        let mut samples = Samples::default();
        for micros in (1..=1_000).rev() {
            samples.push(Duration::from_micros(micros));
        }
        assert_eq!(samples.micros([500, 990, 999]), [501.0, 991.0, 1_000.0]);
    }
}
