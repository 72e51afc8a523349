//! A journal that forgets with the program.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use asaanbill_core::{BulkRequestId, Identifier};
use async_trait::async_trait;

use super::{Begun, ChunkKey, ChunkRecord, ChunkState, Closed, Draft, Journal, JournalError, Known};
use crate::intent::{Intent, IntentId, Wanted};

/// The most intents that may be open at once. A program with more of them has lost touch with its hub.
pub const INTENTS_MAX: usize = 10_000;

/// The most identifiers whose newest payment is kept: some 20 MB. The oldest make room; then a resolution sweeps the hub's
/// list instead of asking by PSID, and one warning less is given.
pub const IDENTIFIERS_MAX: usize = 100_000;

/// The most batches and chunks that are kept, each with its rows' outcomes. The oldest make room.
pub const CHUNKS_MAX: usize = 1_000;

/// Keeps intents in memory. A program that is killed forgets them: for more, take `SqliteJournal`.
#[derive(Default)]
pub struct MemoryJournal {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last: u64,
    /// In boxes: a tree moves its neighbours with each that comes or goes.
    open: BTreeMap<IntentId, Box<Open>>,
    taken: HashMap<Identifier, IntentId>,
    known: Capped<Identifier, Known>,
    batches: Capped<BulkRequestId, ()>,
    chunks: Capped<ChunkKey, Chunk>,
}

struct Open {
    intent: Intent,
    chunk: Option<ChunkKey>,
}

struct Chunk {
    rows: usize,
    digest: super::Digest,
    /// None while it is open.
    closed: Option<Closed>,
    intent: IntentId,
}

impl MemoryJournal {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn begin(&mut self, draft: Draft) -> Result<Begun, JournalError> {
        let Draft { wanted, sent_at, chunk } = draft;
        if let Some(done) = chunk.as_ref().and_then(|(key, _)| self.chunk(key)).filter(ChunkRecord::is_added) {
            return Ok(Begun::Done(done));
        }
        if self.open.len() >= INTENTS_MAX {
            return Err(JournalError::new("too many intents are open; resolve them first"));
        }
        let known = match &wanted {
            // The common case, without a list.
            Wanted::Add(new) => {
                let Some(identifier) = new.identifier() else {
                    return Err(JournalError::new(
                        "an intent needs an identifier, by which its outcome is found; give the payment one",
                    ));
                };
                match self.taken.entry(identifier.clone()) {
                    Entry::Occupied(mut taken) => match self.open.get(taken.get()) {
                        Some(open) => return Ok(Begun::Open(open.intent.clone())),
                        None => _ = taken.insert(IntentId(self.last + 1)),
                    },
                    Entry::Vacant(free) => _ = free.insert(IntentId(self.last + 1)),
                }
                self.known.get(identifier).copied()
            }
            Wanted::AddBulk(_) => {
                let identifiers = wanted.identifiers();
                if !self.taken.is_empty()
                    && let Some(open) = identifiers.iter().find_map(|one| self.open.get(self.taken.get(one)?))
                {
                    return Ok(Begun::Open(open.intent.clone()));
                }
                self.taken.extend(identifiers.into_iter().map(|identifier| (identifier, IntentId(self.last + 1))));
                None
            }
        };
        self.last += 1;
        let id = IntentId(self.last);
        let previous = known.and_then(|known| known.payment);
        let intent = Intent { id, sent_at, wanted, previous };
        let chunk = chunk.map(|(key, digest)| {
            let rows = rows(&intent);
            self.chunks.insert(key.clone(), Chunk { rows, digest, closed: None, intent: id }, CHUNKS_MAX);
            key
        });
        self.open.insert(id, Box::new(Open { intent: intent.clone(), chunk }));
        Ok(Begun::Noted(intent, known))
    }

    fn close(&mut self, id: IntentId, how: Closed) {
        let Some(open) = self.open.remove(&id) else { return };
        let Open { intent, chunk } = *open;
        match &intent.wanted {
            Wanted::Add(new) => {
                // An open one's identifier is taken, and the map's own copy of it goes on to what is known.
                let taken = new.identifier().and_then(|identifier| self.taken.remove_entry(identifier));
                if let (Some((identifier, _)), Closed::Added(known)) = (taken, &how) {
                    self.known.insert(identifier, *known, IDENTIFIERS_MAX);
                }
            }
            Wanted::AddBulk(_) => {
                if self.open.is_empty() {
                    self.taken.clear();
                } else {
                    for identifier in intent.wanted.identifiers() {
                        self.taken.remove(&identifier);
                    }
                }
            }
        }
        if let Closed::AddedBulk { batch: Some(batch), .. } = &how {
            self.batches.insert(*batch, (), CHUNKS_MAX);
        }
        if let Some(chunk) = chunk.and_then(|key| self.chunks.get_mut(&key)) {
            chunk.closed = Some(how);
        }
    }

    fn chunk(&self, key: &ChunkKey) -> Option<ChunkRecord> {
        let Chunk { rows, digest, closed, intent } = self.chunks.get(key)?;
        let state = match closed {
            Some(how) => ChunkState::Closed(how.clone()),
            None => ChunkState::Open(self.open.get(intent)?.intent.clone()),
        };
        Some(ChunkRecord { rows: *rows, digest: *digest, state })
    }
}

fn rows(intent: &Intent) -> usize {
    match &intent.wanted {
        Wanted::Add(_) => 1,
        Wanted::AddBulk(rows) => rows.len(),
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn begin(&self, draft: Draft) -> Result<Begun, JournalError> {
        self.state().begin(draft)
    }

    async fn close(&self, intent: IntentId, how: Closed) -> Result<(), JournalError> {
        self.state().close(intent, how);
        Ok(())
    }

    async fn open(&self, after: Option<IntentId>, limit: usize) -> Result<Vec<Intent>, JournalError> {
        let state = self.state();
        let later = state.open.range(after.map_or(IntentId(0), |IntentId(after)| IntentId(after.saturating_add(1)))..);
        Ok(later.take(limit).map(|(_, open)| open.intent.clone()).collect())
    }

    async fn known(&self, identifier: &Identifier) -> Result<Option<Known>, JournalError> {
        Ok(self.state().known.get(identifier).copied())
    }

    async fn has_batch(&self, batch: BulkRequestId) -> Result<bool, JournalError> {
        Ok(self.state().batches.get(&batch).is_some())
    }

    async fn chunk(&self, chunk: &ChunkKey) -> Result<Option<ChunkRecord>, JournalError> {
        Ok(self.state().chunk(chunk))
    }
}

impl fmt::Debug for MemoryJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryJournal").field("open", &self.state().open.len()).finish_non_exhaustive()
    }
}

/// A map that forgets what came first when it is full.
struct Capped<K, V> {
    entries: HashMap<K, V>,
    order: VecDeque<K>,
}

impl<K: Hash + Eq + Clone, V> Capped<K, V> {
    fn insert(&mut self, key: K, value: V, max: usize) {
        match self.entries.entry(key) {
            Entry::Occupied(mut entry) => {
                entry.insert(value);
                return;
            }
            Entry::Vacant(entry) => {
                self.order.push_back(entry.key().clone());
                entry.insert(value);
            }
        }
        if self.order.len() > max
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
        }
    }

    fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key)
    }
}

impl<K, V> Default for Capped<K, V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::Capped;

    #[test]
    fn the_oldest_make_room() {
        let mut capped = Capped::default();
        for key in [1, 2, 1, 3, 4] {
            capped.insert(key, key * 10, 3);
        }
        assert_eq!([1, 2, 3, 4].map(|key| capped.get(&key).copied()), [None, Some(20), Some(30), Some(40)]);
        assert_eq!(capped.order.len(), capped.entries.len());
    }
}
