//! What is written is read back, whatever stands around it.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn numbers_of_a_block_read_back(before in "\\PC{0,5}", numbers in vec(any::<u64>(), 0..80)) {
        for (width, bits) in [(Width::Narrow, 28), (Width::Wide, 56)] {
            let numbers: Vec<u64> = numbers.iter().map(|number| number >> (64 - bits)).collect();
            let mut text = before.clone();
            width.write(&mut text, numbers.iter().copied());
            prop_assert_eq!(text.len(), before.len() + numbers.len() * width.bytes());
            for (at, number) in numbers.iter().enumerate() {
                prop_assert_eq!(width.read(&text, before.len() + at * width.bytes()), *number);
            }
        }
    }

    #[test]
    fn whole_numbers_and_lengths_read_back(number in any::<u64>(), shift in 0_u32..64) {
        let number = number >> shift;
        let mut text = "ä".to_owned();
        write_number(&mut text, number);
        prop_assert_eq!(read_number(&text, 2), number);
        let at = text.len();
        let length = usize::try_from(number).unwrap();
        write_length(&mut text, length);
        prop_assert_eq!(read_length(&text, at), (length, text.len()));
    }
}
