//! The queue of compilations: bounded, by priority, each once.
//!
//! A rank is a number that never changes while the job waits, although waiting jobs shall gain: the
//! binary logarithm of the job's worth, [`AGE`] times, minus its number. So all jobs age alike
//! without being touched, and a job that came `AGE` later must be worth twice as much to overtake.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// How many later jobs a factor of two in worth makes up for.
const AGE: i64 = 64;

/// Jobs by key.
#[derive(Debug)]
pub(crate) struct Queue<K, J> {
    /// By (rank, number), the last one is next. The number makes ranks differ.
    jobs: BTreeMap<(i64, u64), Entry<K, J>>,
    places: HashMap<K, (i64, u64)>,
    capacity: usize,
    next_number: u64,
}

#[derive(Debug)]
struct Entry<K, J> {
    key: K,
    job: J,
    worth: u64,
}

/// What became of a job that was added.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Added<J> {
    /// It waits.
    Waiting,
    /// The same job waits already; the two are worth more.
    Merged,
    /// It waits, but this one, which was worth less, had to go.
    InsteadOf(J),
    /// There is no place for it.
    Refused(J),
}

impl<K: Clone + Eq + Hash, J> Queue<K, J> {
    /// A queue for at most `capacity` jobs.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { jobs: BTreeMap::new(), places: HashMap::new(), capacity, next_number: 0 }
    }

    /// Number of jobs that wait.
    pub(crate) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Adds a job, or its worth to the same job that waits.
    pub(crate) fn add(&mut self, key: K, worth: u64, job: J) -> Added<J> {
        if self.raise(&key, worth) {
            return Added::Merged;
        }
        let number = self.next_number;
        let place = (rank(worth, number), u64::MAX - number);
        let mut out = None;
        if self.jobs.len() >= self.capacity {
            match self.jobs.first_key_value() {
                Some((&least, _)) if least < place => out = self.remove(least),
                _ => return Added::Refused(job),
            }
        }
        self.next_number += 1;
        self.places.insert(key.clone(), place);
        self.jobs.insert(place, Entry { key, job, worth });
        out.map_or(Added::Waiting, |entry| Added::InsteadOf(entry.job))
    }

    /// Adds to the worth of a job, if it waits.
    pub(crate) fn raise(&mut self, key: &K, worth: u64) -> bool {
        let Some(&old) = self.places.get(key) else { return false };
        let Some(mut entry) = self.remove(old) else { return false };
        entry.worth = entry.worth.saturating_add(worth);
        let place = (rank(entry.worth, u64::MAX - old.1), old.1);
        self.places.insert(entry.key.clone(), place);
        self.jobs.insert(place, entry);
        true
    }

    /// The job that is worth most.
    pub(crate) fn pop(&mut self) -> Option<J> {
        let (&place, _) = self.jobs.last_key_value()?;
        self.remove(place).map(|entry| entry.job)
    }

    /// Takes out all jobs that `condition` is true of.
    pub(crate) fn take_if(&mut self, condition: impl Fn(&J) -> bool) -> Vec<J> {
        let found = self.jobs.iter().filter(|(_, entry)| condition(&entry.job));
        let places: Vec<_> = found.map(|(&place, _)| place).collect();
        places.into_iter().filter_map(|place| Some(self.remove(place)?.job)).collect()
    }

    fn remove(&mut self, place: (i64, u64)) -> Option<Entry<K, J>> {
        let entry = self.jobs.remove(&place)?;
        self.places.remove(&entry.key);
        Some(entry)
    }
}

fn rank(worth: u64, number: u64) -> i64 {
    // Eighths of the logarithm, from the bits behind the first.
    let worth = worth.max(1);
    let log = worth.ilog2();
    let below = if log >= 3 { worth >> (log - 3) & 7 } else { (worth << (3 - log)) & 7 };
    let eighths = i64::from(log) * 8 + i64::try_from(below).unwrap_or(0);
    (eighths * (AGE / 8)).saturating_sub_unsigned(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(queue: &mut Queue<u32, u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn worth_decides_then_age() {
        let mut queue = Queue::new(10);
        for (key, worth) in [(1, 100), (2, 1000), (3, 100), (4, 10)] {
            assert_eq!(queue.add(key, worth, key), Added::Waiting);
        }
        assert_eq!(queue.len(), 4);
        assert_eq!(drain(&mut queue), [2, 1, 3, 4]);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn a_job_waits_once_and_rises() {
        let mut queue = Queue::new(10);
        queue.add(1, 100, 1);
        queue.add(2, 150, 2);
        assert_eq!(queue.add(1, 100, 9), Added::Merged);
        assert_eq!(drain(&mut queue), [1, 2]);
        assert!(!queue.raise(&1, 5));
        assert_eq!(queue.add(1, 1, 1), Added::Waiting);
        assert_eq!(queue.pop(), Some(1));
    }

    #[test]
    fn the_least_job_goes_when_it_is_full() {
        let mut queue = Queue::new(2);
        queue.add(1, 100, 1);
        queue.add(2, 50, 2);
        assert_eq!(queue.add(3, 10, 3), Added::Refused(3));
        assert_eq!(queue.add(4, 200, 4), Added::InsteadOf(2));
        assert_eq!(queue.add(2, 300, 2), Added::InsteadOf(1));
        assert_eq!(drain(&mut queue), [2, 4]);
        assert_eq!(Queue::new(0).add(1, 1, 1), Added::Refused(1));
    }

    #[test]
    fn nothing_starves() {
        let mut queue = Queue::new(1000);
        queue.add(0, 100, 0);
        let mut popped = 0;
        // A steady stream of jobs worth twice as much.
        for i in 1..1000 {
            queue.add(i, 200, i);
            popped = queue.pop().unwrap();
            if popped == 0 {
                break;
            }
        }
        assert_eq!(popped, 0);
    }

    #[test]
    fn jobs_are_taken_by_condition() {
        let mut queue = Queue::new(100);
        for i in 0..20_u32 {
            queue.add(i, u64::from(i) + 1, i);
        }
        assert_eq!(queue.take_if(|job| job % 2 == 0).len(), 10);
        assert!(!queue.raise(&4, 1));
        assert!(drain(&mut queue).iter().all(|job| job % 2 == 1));
    }
}
