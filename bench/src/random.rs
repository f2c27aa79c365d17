//! Chance that can be repeated: a small generator of numbers, and a draw by Zipf's law. Not for secrets.

/// The generator splitmix64.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The generator of a seed. Same seed, same numbers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, of all 64 bits.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not zero.
    pub fn below(&mut self, end: u64) -> u64 {
        // The bias is below end / 2^64.
        u64::try_from((u128::from(self.number()) * u128::from(end)) >> 64).unwrap_or(0)
    }

    /// A place in a list of `len`, which is not empty.
    pub fn place(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// A fraction, from 0 and below 1.
    pub fn fraction(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Ranks from 0 on, the lower the likelier: rank `r` has the weight `1 / (r + 1)^s`.
#[derive(Clone, Debug)]
pub struct Zipf {
    /// Sums of the weights up to and with each rank.
    sums: Vec<f64>,
}

impl Zipf {
    /// The draw among `ranks` with the exponent `s`.
    #[must_use]
    pub fn new(ranks: usize, s: f64) -> Self {
        let weights = (0..ranks).map(|rank| Self::weight(rank, s));
        let sums = weights.scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        Self {
            sums: sums.collect(),
        }
    }

    /// What a rank weighs.
    #[must_use]
    pub fn weight(rank: usize, s: f64) -> f64 {
        ((rank + 1) as f64).powf(-s)
    }

    /// Draws a rank.
    pub fn draw(&self, random: &mut Random) -> usize {
        let all = self.sums.last().copied().unwrap_or_default();
        let at = random.fraction() * all;
        self.sums
            .partition_point(|sum| *sum <= at)
            .min(self.sums.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_numbers_of_splitmix64() {
        let mut random = Random::new(1_234_567);
        let drawn: Vec<u64> = (0..3).map(|_| random.number()).collect();
        let known = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!(drawn, known);
    }

    #[test]
    fn ranks_come_as_often_as_they_weigh() {
        let (zipf, mut random) = (Zipf::new(1_000, 0.99), Random::new(1));
        let mut counts = vec![0_u32; 1_000];
        for _ in 0..200_000 {
            counts[zipf.draw(&mut random)] += 1;
        }
        let all: f64 = (0..1_000).map(|rank| Zipf::weight(rank, 0.99)).sum();
        for rank in [0, 1, 9, 99] {
            let share = f64::from(counts[rank]) / 200_000.0;
            let expected = Zipf::weight(rank, 0.99) / all;
            assert!(
                (share - expected).abs() < 0.01,
                "{rank}: {share} {expected}"
            );
        }
    }
}
