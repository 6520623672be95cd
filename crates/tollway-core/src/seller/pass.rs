//! Passes: one payment opens a number of requests under its rule. An agent uses its pass by signing its
//! requests; who paid from a wallet, whose requests nobody signs, shows a token that names the pass.

use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use tollway_ledger::{Pass, PassId, PassNonce, PassRecord, PassTaken, PassUse, Sequence};
use tollway_protocol::{Reason, Refusal};
use tollway_signatures::jws;

use super::{Identified, Seller, unavailable};
use crate::rules::{PassTerms, Rule};
use crate::seller::exact::from_books;

/// Type of a pass token.
pub const PASS_TYPE: &str = "tollway-pass+jws";
/// Longest token, in characters.
const TOKEN_MAX: usize = 2 * 1024;

/// A payment that may have bought a pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassBought {
    /// The payment.
    pub id: PassId,
    /// Who paid.
    pub payer: String,
    /// The offer it was bought under: its terms hold, whatever the rule says since.
    pub offer: Option<String>,
}

/// What a token says. Members are in alphabetic order.
#[derive(Serialize, Deserialize)]
struct Token {
    ends: u64,
    id: PassId,
    payer: String,
    requests: u32,
    rule: String,
    seller: String,
}

impl Seller {
    /// Opens the pass that a payment has bought, if one was sold. The same payment again finds it as it is.
    ///
    /// # Errors
    /// The books' reason: the payment stands, and asking again with it opens its pass.
    pub async fn open_pass(&self, bought: &PassBought, rule: &Rule, now: u64) -> Result<Option<PassRecord>, Refusal> {
        let Some(PassTerms { requests, seconds }) = self.pass_terms(bought, rule) else { return Ok(None) };
        let pass = Pass {
            id: bought.id,
            payer: bought.payer.clone(),
            rule: rule.id.clone(),
            requests,
            ends: now.saturating_add(u64::from(seconds)),
        };
        let opened = self.books().pass_open(pass, now).await.map_err(from_books)?;
        self.shared.memory.passes_opened.store(true, Ordering::Relaxed);
        Ok(Some(opened))
    }

    fn pass_terms(&self, bought: &PassBought, rule: &Rule) -> Option<PassTerms> {
        let offer = bought.offer.as_deref().and_then(|id| id.parse().ok()).and_then(|id| self.offer_by_id(id));
        match offer {
            Some(offer) => offer.document().pass,
            None => rule.charge_terms()?.pass,
        }
    }

    /// The token by which a wallet's pass is used.
    pub fn pass_token(&self, record: &PassRecord) -> String {
        let Pass { id, payer, rule, requests, ends } = record.pass.clone();
        let token = Token { ends, id, payer, requests, rule, seller: self.origin().to_owned() };
        let payload = serde_json::to_vec(&token).expect("a token is plain data");
        jws::sign(PASS_TYPE, &payload, self.key())
    }

    /// Takes a request from the pass that a token names.
    ///
    /// # Errors
    /// `pass_unknown` for a token that is not ours or of another rule, `pass_ended`; the books' reasons.
    pub async fn take_by_token(&self, rule: &Rule, token: &str, used: PassUse, now: u64) -> Result<PassTaken, Refusal> {
        let payload = jws::verify(PASS_TYPE, token, TOKEN_MAX, &self.key().public())
            .map_err(|_| Refusal::new(Reason::PassUnknown, "this is no pass of this seller"))?;
        let token: Token = tollway_protocol::decode_json(&payload, TOKEN_MAX)?;
        if token.rule != rule.id || token.seller != self.origin() {
            return Err(Refusal::new(Reason::PassUnknown, "this pass is for other resources"));
        }
        self.books().pass_take(&token.id, used, now).await.map_err(from_books)
    }

    /// Takes a request from the pass of the agent that has signed it, if it has one.
    ///
    /// # Errors
    /// `nonce_missing` for a signature without a nonce: it could be shown again; `pass_ended` where the last
    /// request went to another at the same time; `nonce_replayed`; the books' reasons.
    pub async fn take_by_agent(
        &self,
        rule: &Rule,
        signed: &Identified,
        used: PassUse,
        now: u64,
    ) -> Result<Option<PassTaken>, Refusal> {
        let found = self.books().pass_of(signed.agent.as_str(), &rule.id, now).await;
        let Some(found) = found.map_err(|error| unavailable(&error))? else { return Ok(None) };
        let signature = &signed.signature;
        let nonce = signature
            .nonce()
            .ok_or_else(|| Refusal::new(Reason::NonceMissing, "a request within a pass is signed with a nonce"))?;
        let nonce = PassNonce {
            thumbprint: *signature.thumbprint().as_bytes(),
            nonce: nonce.to_owned(),
            expires: signature.expires(),
        };
        let used = PassUse { nonce: Some(nonce), ..used };
        self.books().pass_take(&found.pass.id, used, now).await.map(Some).map_err(from_books)
    }

    /// Gives a request back that was not served.
    ///
    /// # Errors
    /// The books' reason.
    pub async fn return_pass(&self, taken: PassTaken) -> Result<(), Refusal> {
        self.books().pass_return(taken, self.now()).await.map_err(from_books)
    }

    /// Ends the pass of a payment whose charge was taken back, if it has opened one.
    ///
    /// # Errors
    /// The books' reason.
    pub async fn take_back_pass(&self, id: PassId) -> Result<(), Refusal> {
        match self.books().pass_revoke(&id, self.now()).await {
            Ok(_) => Ok(()),
            Err(error) if error.reason() == Reason::PassUnknown => Ok(()),
            Err(error) => Err(from_books(error)),
        }
    }

    /// Whether a signed request under this rule may be within a pass: where passes are sold, and where they were.
    ///
    /// # Errors
    /// The books' reason.
    pub async fn has_passes(&self, rule: &Rule) -> Result<bool, Refusal> {
        if rule.charge_terms().is_some_and(|charge| charge.pass.is_some()) {
            return Ok(true);
        }
        let memory = &self.shared.memory;
        let sold = memory.passes_sold.get_or_try_init(|| async {
            let first = self.books().passes(Sequence::ZERO, 1).await;
            first.map(|found| !found.is_empty()).map_err(|error| unavailable(&error))
        });
        // Sold since the start is sold under a rule that has them, or had them until the rules changed.
        Ok(*sold.await? || memory.passes_opened.load(Ordering::Relaxed))
    }
}
