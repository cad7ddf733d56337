//! Reads records ahead of a walk.
//!
//! An index run asks for the record of every file that it meets, one after the other. One question to a server takes as long
//! as reading a thousand records, and a walk goes through a folder nearly in the order of the keys. So records that follow
//! the requested one are fetched with it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::library::store::{StoreError, Stored};

/// Records fetched with the requested one: where the walk just began or jumped, and at most.
const FEWEST: i64 = 16;
const MOST: i64 = 2_000;

/// How long they are used. Other processes may change them meanwhile.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// Records by their keys; `None` for one that a newer version wrote.
pub(super) type Fetched = BTreeMap<Vec<u8>, Option<Stored>>;

/// The records that were read ahead.
#[derive(Default)]
pub(super) struct Ahead {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Everything from the first to the last key is known: what is not among the records does not exist.
    known: Option<Known>,
    /// Changed when records change, so that what was fetched before is not kept.
    generation: u64,
}

struct Known {
    first: Vec<u8>,
    /// The last key; `None` if there are no more records.
    last: Option<Vec<u8>>,
    records: Fetched,
    fetched: Instant,
    /// How many records were asked for.
    most: i64,
}

impl Known {
    fn covers(&self, key: &[u8]) -> bool {
        *self.first <= *key && self.last.as_ref().is_none_or(|last| *key <= **last)
    }
}

/// While this exists, nothing that is fetched is kept.
pub(super) struct Changing<'a>(&'a Ahead);

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.0.forget();
    }
}

impl Ahead {
    /// The record with this key. `fetch` returns at most as many records as it is asked for, from a key on.
    ///
    /// # Errors
    /// Those of `fetch`.
    pub(super) fn get(
        &self,
        key: &[u8],
        fetch: impl FnOnce(&[u8], i64) -> Result<Fetched, StoreError>,
    ) -> Result<Option<Stored>, StoreError> {
        let (most, generation) = {
            let state = self.state();
            let mut most = FEWEST;
            if let Some(known) = &state.known {
                if known.covers(key) && known.fetched.elapsed() < FRESH_FOR {
                    return Ok(known.records.get(key).cloned().flatten());
                }
                if *known.first <= *key {
                    most = (known.most * 4).min(MOST);
                }
            }
            (most, state.generation)
        };
        let fetched = Instant::now();
        let records = fetch(key, most)?;
        let found = records.get(key).cloned().flatten();
        let is_all = i64::try_from(records.len()).is_ok_and(|records| records < most);
        let last = if is_all { None } else { records.keys().next_back().cloned() };
        let mut state = self.state();
        if state.generation == generation {
            state.known = Some(Known { first: key.to_vec(), last, records, fetched, most });
        }
        Ok(found)
    }

    /// Forgets the records, now and again when the returned guard is dropped: they are being changed.
    pub(super) fn changing(&self) -> Changing<'_> {
        self.forget();
        Changing(self)
    }

    /// Forgets the records.
    pub(super) fn forget(&self) {
        let mut state = self.state();
        state.generation += 1;
        // Where the walk is stays known, and so how many records it pays to fetch.
        if let Some(known) = &mut state.known {
            known.records.clear();
            known.last = Some(Vec::new());
        }
    }

    /// No thread panics while it holds the state.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::item::Item;

    fn stored(name: &str) -> Stored {
        Stored { item: Item::file(name), content: None, photo: None, vector: None }
    }

    #[test]
    fn a_walk_in_order_takes_few_questions() {
        let (ahead, questions) = (Ahead::default(), Cell::new(0));
        let names: Vec<String> = (0..5_000).map(|number| format!("/{number:05}")).collect();
        let fetch = |from: &[u8], most: i64| {
            questions.set(questions.get() + 1);
            let rest = names.iter().filter(|name| name.as_bytes() >= from && !name.ends_with('7'));
            let rest = rest.take(usize::try_from(most).unwrap());
            Ok(rest.map(|name| (name.as_bytes().to_vec(), Some(stored(name)))).collect())
        };
        for name in &names {
            let found = ahead.get(name.as_bytes(), fetch).unwrap();
            assert_eq!(found.is_some(), !name.ends_with('7'), "{name}");
        }
        assert!(questions.get() < 20, "{}", questions.get());
    }

    #[test]
    fn what_changes_meanwhile_is_not_kept() {
        let ahead = Ahead::default();
        let nothing = |_: &[u8], _| Ok(Fetched::new());
        let one = |_: &[u8], _| Ok(Fetched::from([(b"/a".to_vec(), Some(stored("/a")))]));
        assert!(ahead.get(b"/a", nothing).unwrap().is_none());
        assert!(ahead.get(b"/a", one).unwrap().is_none(), "it was read ahead");
        let changing = ahead.changing();
        let during = |from: &[u8], most| {
            drop(changing);
            nothing(from, most)
        };
        assert!(ahead.get(b"/a", during).unwrap().is_none());
        assert!(ahead.get(b"/a", one).unwrap().is_some(), "it was fetched before the change");
    }
}
