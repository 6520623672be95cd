//! Sellers' keys, each seller's fetched once from its own directory.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderMap;
use parking_lot::Mutex;
use tokio::sync::OnceCell;
use tollway_protocol::{Reason, Refusal};
use tollway_signatures::{DIRECTORY_PATH, Directory, DirectoryPolicy, PublicKey, Thumbprint, verify_directory};

use url::Url;

use super::request::Target;
use super::{PayError, Payer};
use crate::message::ResponseView;

/// Sellers remembered.
const SELLERS_MAX: usize = 10_000;

/// Directories by origin.
#[derive(Default)]
pub(super) struct SellerKeys {
    known: Mutex<HashMap<String, Arc<OnceCell<Directory>>>>,
}

impl SellerKeys {
    fn slot(&self, origin: &str) -> Arc<OnceCell<Directory>> {
        let mut known = self.known.lock();
        if known.len() >= SELLERS_MAX && !known.contains_key(origin) {
            known.clear();
        }
        Arc::clone(known.entry(origin.to_owned()).or_default())
    }

    fn forget(&self, origin: &str) {
        self.known.lock().remove(origin);
    }
}

impl Payer {
    /// A seller's key by thumbprint. A key that is not in the directory known so far may be new:
    /// the directory is read once more.
    pub(super) async fn seller_key(&self, target: &Target, keyid: &Thumbprint) -> Result<PublicKey, PayError> {
        for attempt in 0..2 {
            let slot = self.sellers.slot(&target.origin);
            let directory = slot.get_or_try_init(|| self.fetch_directory(target)).await?;
            let now_ms = self.parts.buyer.clock.now() * 1_000;
            match directory.find(keyid, now_ms) {
                Ok(key) => return Ok(key),
                Err(_) if attempt == 0 => self.sellers.forget(&target.origin),
                Err(_) => break,
            }
        }
        let detail = "the seller's directory does not hold the key it signs with";
        Err(Refusal::new(Reason::SellerKeyUnknown, detail).into())
    }

    /// The same for a seller's origin.
    ///
    /// # Errors
    /// See [`PayError`].
    pub async fn key_of(&self, origin: &Url, keyid: &Thumbprint) -> Result<PublicKey, PayError> {
        self.seller_key(&Target::of(origin)?, keyid).await
    }

    async fn fetch_directory(&self, target: &Target) -> Result<Directory, PayError> {
        let url = target.url.join(DIRECTORY_PATH).map_err(|error| PayError::Unreachable(error.to_string()))?;
        let directory = Target::of(&url)?;
        let reply = self.send(&directory, &HeaderMap::new()).await?;
        if reply.status != http::StatusCode::OK {
            let detail = format!("the seller's directory answers {}", reply.status.as_u16());
            return Err(Refusal::new(Reason::SellerKeyUnknown, detail).into());
        }
        let empty = HeaderMap::new();
        let view = ResponseView { status: 200, headers: &reply.headers, request: directory.view(&empty) };
        let policy = DirectoryPolicy::default();
        let now = self.parts.buyer.clock.now();
        Ok(verify_directory(&view, &reply.body, &policy, now)?)
    }
}
