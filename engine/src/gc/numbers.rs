//! Sets of small numbers.

use crate::fallible;

/// A set that takes a bit for each number up to the largest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NumberSet {
    words: Vec<u64>,
    is_incomplete: bool,
}

impl NumberSet {
    /// Adds a number: whether it was not there before. Without memory for it, the set is incomplete.
    pub(crate) fn insert(&mut self, number: u32) -> bool {
        let (word, bit) = place(number);
        if fallible::grow(&mut self.words, word + 1, 0).is_err() {
            self.is_incomplete = true;
            return true;
        }
        let is_new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        is_new
    }

    /// Whether all numbers that were added are in the set.
    pub(crate) fn is_complete(&self) -> bool {
        !self.is_incomplete
    }

    /// Whether a number was added.
    pub(crate) fn contains(&self, number: u32) -> bool {
        let (word, bit) = place(number);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }
}

impl FromIterator<u32> for NumberSet {
    fn from_iter<T: IntoIterator<Item = u32>>(numbers: T) -> Self {
        let mut set = Self::default();
        numbers.into_iter().for_each(|number| {
            set.insert(number);
        });
        set
    }
}

fn place(number: u32) -> (usize, u64) {
    ((number / u64::BITS) as usize, 1 << (number % u64::BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_were_added_are_in_the_set() {
        let set: NumberSet = [64, 3, 1000, 3].into_iter().collect();
        assert!([3, 64, 1000].into_iter().all(|number| set.contains(number)));
        assert!(!set.contains(2) && !set.contains(65) && !set.contains(u32::MAX));
        assert_eq!([3, 4, 4].map(|number| set.clone().insert(number)), [false, true, true]);
        assert!(!NumberSet::default().contains(0));
    }
}
