use std::collections::HashMap;

/// Counts words.
pub struct Counter {
    counts: HashMap<String, usize>,
}

pub trait Count {
    fn count(&mut self, text: &str) -> usize;
}

impl Count for Counter {
    fn count(&mut self, text: &str) -> usize {
        for word in text.split_whitespace() {
            *self.counts.entry(word.to_string()).or_insert(0) += 1;
        }
        self.counts.len()
    }
}

pub fn most_common(counter: &Counter) -> Option<(&String, &usize)> {
    counter.counts.iter().max_by_key(|(_, count)| **count)
}

macro_rules! square {
    ($x:expr) => {
        $x * $x
    };
}

mod inner {
    pub const LIMIT: usize = 10;
}
