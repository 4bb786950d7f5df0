//! The limiter's memory: one number per address, never more addresses than allowed.
//!
//! governor's own stores grow with every address seen, and addresses are what an attacker has most of.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;

/// Locks, so that cores seldom wait for one another.
const SHARDS: usize = 16;

/// Who is counted: an IPv4 address, or the /64 of an IPv6 address, which is what one customer gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    V4(u32),
    V6Prefix(u64),
}

impl Key {
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6Prefix((address.to_bits() >> 64) as u64),
        }
    }
}

type Shard = HashMap<Key, Nanos>;

/// When each key has its whole quota again (governor calls it the theoretical arrival time).
pub(super) struct Table {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    /// Keys in all shards together.
    keys: AtomicUsize,
    keys_max: usize,
    /// The bucket of all who found the table full (contract C1.10).
    overflow: Mutex<Option<Nanos>>,
}

impl Table {
    pub(super) fn new(keys_max: usize) -> Self {
        Self {
            shards: Default::default(),
            hasher: RandomState::new(),
            keys: AtomicUsize::new(0),
            keys_max,
            overflow: Mutex::new(None),
        }
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        lock(&self.shards[self.hasher.hash_one(key) as usize % SHARDS])
    }

    fn claim_key(&self) -> bool {
        let below = |keys: usize| (keys < self.keys_max).then_some(keys + 1);
        self.keys.fetch_update(Ordering::Relaxed, Ordering::Relaxed, below).is_ok()
    }
}

impl StateStore for Table {
    type Key = Key;

    fn measure_and_replace<T, F, E>(&self, key: &Key, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut shard = self.shard(key);
        if let Some(state) = shard.get_mut(key) {
            let (outcome, next) = measure(Some(*state))?;
            *state = next;
            return Ok(outcome);
        }
        // Measured before the key is claimed: a refusal, should there be one, must not leak a key.
        let (outcome, next) = measure(None)?;
        if self.claim_key() {
            shard.insert(*key, next);
            return Ok(outcome);
        }
        drop(shard);
        let mut state = lock(&self.overflow);
        let (outcome, next) = measure(*state)?;
        *state = Some(next);
        Ok(outcome)
    }
}

impl ShrinkableKeyedStateStore<Key> for Table {
    fn retain_recent(&self, drop_below: Nanos) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            let before = shard.len();
            shard.retain(|_, state| *state > drop_below);
            self.keys.fetch_sub(before - shard.len(), Ordering::Relaxed);
        }
    }

    fn shrink_to_fit(&self) {
        for shard in &self.shards {
            lock(shard).shrink_to_fit();
        }
    }

    fn len(&self) -> usize {
        self.keys.load(Ordering::Relaxed)
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that runs under these locks leaves a half-made state behind, even if it panics.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
