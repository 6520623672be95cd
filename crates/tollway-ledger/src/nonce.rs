//! Memory of used nonces: one per (key, nonce) until it can no longer be replayed.
//!
//! Live nonces are never forgotten to make room; when the memory is full, new ones are refused.

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest, Sha256};

use crate::id::Hash;

/// How long after `expires` a nonce is remembered, in seconds: the largest clock skew, doubled.
pub const NONCE_SKEW_SECONDS: u64 = 60;

const BUCKET_SECONDS: u64 = 64;

/// What a nonce is remembered under: SHA-256 of the key's thumbprint and the nonce as signed.
#[must_use]
pub fn nonce_key(thumbprint: &[u8; 32], nonce: &str) -> Hash {
    let digest = Sha256::new().chain_update(thumbprint).chain_update(nonce);
    Hash::from_bytes(digest.finalize().into())
}

/// The bucket in which a nonce of a signature that ends at `expires` is kept.
#[must_use]
pub fn nonce_bucket(expires: u64) -> u64 {
    expires.saturating_add(NONCE_SKEW_SECONDS) / BUCKET_SECONDS
}

/// The first bucket that may hold a live nonce at `now`; all before it can be dropped.
#[must_use]
pub fn live_bucket(now: u64) -> u64 {
    now / BUCKET_SECONDS
}

/// Nonces in memory, bucketed by expiry and dropped a bucket at a time.
#[derive(Debug, Clone, Default)]
pub struct Nonces {
    used: HashMap<Hash, u64>,
    buckets: BTreeMap<u64, Vec<Hash>>,
}

impl Nonces {
    /// Whether the nonce is used and live at `now`.
    #[must_use]
    pub fn contains(&self, key: &Hash, now: u64) -> bool {
        self.used.get(key).is_some_and(|bucket| *bucket >= live_bucket(now))
    }

    /// Remembers a nonce until its bucket ends.
    pub fn insert(&mut self, key: Hash, bucket: u64) {
        if self.used.insert(key, bucket) != Some(bucket) {
            self.buckets.entry(bucket).or_default().push(key);
        }
    }

    /// Drops every bucket that ended before `now`; how many nonces that were.
    pub fn drop_ended(&mut self, now: u64) -> usize {
        let live = self.buckets.split_off(&live_bucket(now));
        let ended = std::mem::replace(&mut self.buckets, live);
        let mut dropped = 0;
        for (bucket, keys) in ended {
            for key in keys {
                // The key may have come back since, in a later bucket.
                if self.used.get(&key) == Some(&bucket) {
                    self.used.remove(&key);
                    dropped += 1;
                }
            }
        }
        dropped
    }

    /// How many remembered nonces are live at `now`.
    #[must_use]
    pub fn live(&self, now: u64) -> u64 {
        let buckets = self.buckets.range(live_bucket(now)..);
        buckets.map(|(_, keys)| u64::try_from(keys.len()).unwrap_or(u64::MAX)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_outlives_its_signature_by_the_skew() {
        for expires in [0, 1, 63, 64, 1_795_305_600, 1_795_305_603] {
            let mut nonces = Nonces::default();
            let key = nonce_key(&[1; 32], "n");
            nonces.insert(key, nonce_bucket(expires));
            assert_eq!(nonces.drop_ended(expires + NONCE_SKEW_SECONDS), 0);
            assert!(nonces.contains(&key, expires + NONCE_SKEW_SECONDS));
            let ended = expires + NONCE_SKEW_SECONDS + BUCKET_SECONDS;
            assert!(!nonces.contains(&key, ended));
            nonces.insert(key, nonce_bucket(ended));
            assert_eq!(nonces.drop_ended(ended), 0);
            assert!(nonces.contains(&key, ended));
            assert_eq!((nonces.live(ended), nonces.drop_ended(2 * ended)), (1, 1));
        }
    }

    #[test]
    fn threat_79_one_nonce_of_two_keys_is_two_nonces() {
        assert_ne!(nonce_key(&[1; 32], "n"), nonce_key(&[2; 32], "n"));
        assert_ne!(nonce_key(&[1; 32], "n"), nonce_key(&[1; 32], "N"));
    }
}
