//! Cutting what is too large for one frame into several.
//!
//! Knows frames and their bounds, not what is in them.

use crate::Frame;

/// How long frames may become, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameBounds {
    /// Where items are cut into the next frame.
    pub(crate) chunk: usize,
    /// What a frame with a single item may have; the most that the client takes.
    pub(crate) single: usize,
}

/// One item alone is too large for a frame that the client takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// A frame with as many of the first items as fit, and how many they are. Of no items, an empty
/// frame.
pub(crate) fn first_frame<T>(
    items: &[T],
    estimate: impl Fn(&T) -> usize,
    bounds: FrameBounds,
    encode: impl Fn(&[T]) -> Frame,
) -> Result<(usize, Frame), TooLarge> {
    let mut taken = fitting(items.iter().map(estimate), bounds.chunk).min(items.len());
    loop {
        let frame = encode(&items[..taken]);
        let bound = if taken > 1 {
            bounds.chunk
        } else {
            bounds.single
        };
        if frame.len() <= bound {
            return Ok((taken, frame));
        }
        if taken <= 1 {
            return Err(TooLarge);
        }
        // In proportion to what it came to, with a margin, so that the second try is nearly always the last.
        let fitting = taken.saturating_mul(bounds.chunk) / frame.len();
        taken = (fitting - fitting / 10).clamp(1, taken - 1);
    }
}

/// How many of the first sizes fit into a bound; at least one.
fn fitting(sizes: impl Iterator<Item = usize>, bound: usize) -> usize {
    let mut room = bound;
    let mut taken = 0;
    for size in sizes {
        if size > room && taken > 0 {
            break;
        }
        room = room.saturating_sub(size);
        taken += 1;
    }
    taken.max(1)
}

#[cfg(test)]
mod tests {
    use tidewire_protocol::Encoded;

    use super::*;

    const BOUNDS: FrameBounds = FrameBounds {
        chunk: 10,
        single: 20,
    };

    fn encode(items: &[&str]) -> Frame {
        Frame::new(Encoded::Text(items.concat()))
    }

    fn cut(
        mut items: &[&str],
        estimate: impl Fn(&&str) -> usize + Copy,
    ) -> Result<Vec<usize>, TooLarge> {
        let mut counts = Vec::new();
        while !items.is_empty() {
            let (taken, frame) = first_frame(items, estimate, BOUNDS, encode)?;
            assert!(taken > 0 && frame.len() <= BOUNDS.single);
            counts.push(taken);
            items = &items[taken..];
        }
        Ok(counts)
    }

    #[test]
    fn items_are_cut_at_the_bound_and_none_is_lost() {
        let exact = |item: &&str| item.len();
        assert_eq!(cut(&["aaaaa", "bbbbb", "c"], exact), Ok(vec![2, 1]));
        assert_eq!(cut(&["aaaaa", "bbbbbb", "c"], exact), Ok(vec![1, 2]));
        assert_eq!(cut(&[], exact), Ok(vec![]));
    }

    #[test]
    fn a_wrong_estimate_is_corrected_by_what_it_came_to() {
        assert_eq!(
            cut(&["aaaaaaaa", "bbbbbbbb", "cccc"], |_| 0),
            Ok(vec![1, 1, 1])
        );
    }

    #[test]
    fn a_single_item_may_have_as_much_as_the_client_takes_and_no_more() {
        let exact = |item: &&str| item.len();
        assert_eq!(
            cut(&["a", "bbbbbbbbbbbbbbbbbbbb", "c"], exact),
            Ok(vec![1, 1, 1])
        );
        assert_eq!(cut(&["bbbbbbbbbbbbbbbbbbbbb"], exact), Err(TooLarge));
    }

    #[test]
    fn nothing_makes_an_empty_frame() {
        assert_eq!(
            first_frame(&[], |_: &&str| 0, BOUNDS, encode).map(|(taken, _)| taken),
            Ok(0)
        );
    }
}
