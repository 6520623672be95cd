//! A facilitator's books: which authorization it has claimed, which transactions it has made for it,
//! and what became of it on the chain. What was promised is written before anything is sent.

use async_trait::async_trait;
use tollway_protocol::{Amount, Asset, Network, Reason, Refusal};

use crate::books::BooksError;
use crate::id::{Hash, PaymentId};

mod memory;

pub use memory::MemorySettlements;

/// Hash of a transaction, as its chain computes it.
pub type TransactionHash = [u8; 32];
/// Address of the account that sends a transaction and pays its fees.
pub type SignerAddress = [u8; 20];

/// Most claims that one transaction may carry.
pub const CLAIMS_PER_ATTEMPT: usize = 256;
/// Longest order and longest raw transaction that is kept, in bytes.
pub const ORDER_MAX_BYTES: usize = 256 * 1_024;

/// An authorization that is to be settled: the facilitator's claim on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettlementClaim {
    /// Network, asset, payer and nonce of the authorization, in one.
    pub id: PaymentId,
    /// Of the signed payload. Another payload under the same id is another claim, and refused.
    pub digest: Hash,
    /// Where it settles.
    pub network: Network,
    /// In what.
    pub asset: Asset,
    /// Who pays, as the network writes it.
    pub payer: String,
    /// To whom.
    pub pay_to: String,
    /// How much, in atomic units.
    pub amount: Amount,
    /// Unix second from which the chain refuses the authorization.
    pub expires: u64,
    /// What it takes to settle it, also after a restart. Only the scheme can read it.
    pub order: Vec<u8>,
}

/// The lives of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettlementState {
    /// Nothing of it is on its way.
    Claimed,
    /// A transaction that carries it was made, and may have been sent.
    Broadcast {
        /// The newest one.
        transaction: TransactionHash,
    },
    /// The account nonce of its transactions is used up, and not by a transaction that is known.
    Unknown {
        /// The newest one that was sent.
        transaction: TransactionHash,
    },
    /// The money has moved.
    Settled {
        /// By this transaction.
        transaction: TransactionHash,
        /// In the block of this number.
        block: u64,
    },
    /// It will not settle.
    Failed {
        /// In the words of the scheme.
        reason: String,
        /// The transaction in which it failed, if it came so far.
        transaction: Option<TransactionHash>,
    },
}

/// What is known of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettlementRecord {
    /// What was claimed.
    pub claim: SettlementClaim,
    /// Where in its life it is.
    pub state: SettlementState,
    /// Unix second of the claim.
    pub claimed_at: u64,
    /// Unix second of the last change.
    pub changed_at: u64,
}

/// The answer to a wish to claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimAnswer {
    /// Durable: nobody else gets this answer for this authorization.
    Claimed,
    /// The same payload was claimed before.
    Known(Box<SettlementRecord>),
    /// Another payload was claimed under this id.
    Conflict,
}

/// One signed transaction, written down before it is sent.
///
/// Attempts with the same network, signer and account nonce are rivals: the chain takes at most one
/// of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Where it is sent.
    pub network: Network,
    /// Who sends it.
    pub signer: SignerAddress,
    /// Account nonce of the sender.
    pub nonce: u64,
    /// Its hash.
    pub transaction: TransactionHash,
    /// Its bytes, as they are sent.
    pub raw: Vec<u8>,
    /// Most it pays for a unit of gas, in wei.
    pub max_fee: u128,
    /// Of that the part for who builds the block, in wei.
    pub tip: u128,
    /// Most gas it may use.
    pub gas: u64,
    /// Of the chain's own asset it gives away besides, in wei.
    pub value: u128,
    /// Height of the chain when it was made.
    pub head: u64,
    /// What it carries. None, if it only uses up the account nonce.
    pub claims: Vec<PaymentId>,
    /// Unix second in which it was made.
    pub at: u64,
}

/// How a claim went on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettlementOutcome {
    /// The money has moved.
    Settled {
        /// By this transaction, be it ours or not.
        transaction: TransactionHash,
        /// In the block of this number.
        block: u64,
    },
    /// It will not settle.
    Failed {
        /// In the words of the scheme.
        reason: String,
        /// The transaction in which it failed.
        transaction: Option<TransactionHash>,
    },
    /// The account nonce is used up by something unknown.
    Unknown,
    /// None of its transactions can count any more: it may go into a new one.
    Requeued,
    /// The block that decided it is no longer part of the chain.
    Reopened,
}

/// The facilitator's books.
///
/// Every writing method is durable when it returns. An `Err` means that nothing of it was kept, except
/// [`BooksError::Unavailable`] from a failing disk: look it up then.
#[async_trait]
pub trait Settlements: Send + Sync {
    /// Claims an authorization.
    async fn claim(&self, claim: SettlementClaim, now: u64) -> Result<ClaimAnswer, BooksError>;

    /// Takes back a claim that no transaction ever carried.
    ///
    /// # Errors
    /// [`BooksError::Refused`] with `invalid_transaction_state` if one did.
    async fn release(&self, id: &PaymentId, now: u64) -> Result<(), BooksError>;

    /// Writes a transaction down, before it is sent. Its claims are then broadcast by it.
    ///
    /// # Errors
    /// [`BooksError::Refused`] with `invalid_transaction_state` if one of the claims is decided, or is
    /// carried by transactions that are no rivals of this one.
    async fn attempt(&self, attempt: Attempt, now: u64) -> Result<(), BooksError>;

    /// Records how claims went on: all of them or none. The same outcome again changes nothing.
    ///
    /// # Errors
    /// [`BooksError::Refused`] with `not_found`, or `invalid_transaction_state` for a step that no
    /// claim takes.
    async fn outcomes(&self, outcomes: Vec<(PaymentId, SettlementOutcome)>, now: u64) -> Result<(), BooksError>;

    /// Forgets the attempts with an account nonce whose fate is final. What they cost stays.
    async fn close(&self, network: &Network, signer: SignerAddress, nonce: u64, gwei: u64) -> Result<(), BooksError>;

    /// What is known of a claim.
    async fn lookup(&self, id: &PaymentId) -> Result<Option<SettlementRecord>, BooksError>;

    /// Claims whose newest transaction is this one.
    async fn by_transaction(&self, transaction: &TransactionHash) -> Result<Vec<SettlementRecord>, BooksError>;

    /// Claims that are not decided, in the order of their ids after `after`, at most `limit`.
    async fn open(
        &self,
        network: &Network,
        after: Option<PaymentId>,
        limit: usize,
    ) -> Result<Vec<SettlementRecord>, BooksError>;

    /// Attempts of a signer that are not closed, by account nonce, rivals in the order they were made.
    async fn attempts(&self, network: &Network, signer: SignerAddress) -> Result<Vec<Attempt>, BooksError>;

    /// What the transactions first made on a day (days since 1970) cost or may still cost, in gwei, what
    /// they give away included.
    async fn spent(&self, network: &Network, day: u64) -> Result<u64, BooksError>;
}

impl SettlementState {
    /// Whether it is decided. Only a block that leaves the chain changes it then.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Settled { .. } | Self::Failed { .. })
    }

    /// The newest transaction.
    #[must_use]
    pub fn transaction(&self) -> Option<TransactionHash> {
        match self {
            Self::Claimed => None,
            Self::Broadcast { transaction } | Self::Unknown { transaction } | Self::Settled { transaction, .. } => {
                Some(*transaction)
            }
            Self::Failed { transaction, .. } => *transaction,
        }
    }

    /// The state after `outcome`; `None` if it stays.
    ///
    /// # Errors
    /// `invalid_transaction_state` for a step that no claim takes.
    pub fn after(&self, outcome: &SettlementOutcome) -> Result<Option<Self>, Refusal> {
        use SettlementOutcome as Outcome;
        let next = match outcome {
            Outcome::Settled { transaction, block } => Self::Settled { transaction: *transaction, block: *block },
            Outcome::Failed { reason, transaction } => {
                Self::Failed { reason: reason.clone(), transaction: *transaction }
            }
            Outcome::Requeued => Self::Claimed,
            Outcome::Unknown => match self {
                Self::Broadcast { transaction } | Self::Unknown { transaction } => {
                    Self::Unknown { transaction: *transaction }
                }
                _ => return Err(illegal("only what was sent can be unknown")),
            },
            Outcome::Reopened => match (self.is_final(), self.transaction()) {
                (true, Some(transaction)) => return Ok(Some(Self::Broadcast { transaction })),
                (true, None) => return Err(illegal("it never came into a block")),
                (false, _) => return Ok(None),
            },
        };
        match () {
            () if next == *self => Ok(None),
            () if self.is_final() => Err(illegal("it is decided")),
            () => Ok(Some(next)),
        }
    }
}

impl Attempt {
    /// Most it can cost, in gwei, rounded up.
    #[must_use]
    pub fn most_gwei(&self) -> u64 {
        let wei = self.max_fee.saturating_mul(u128::from(self.gas)).saturating_add(self.value);
        u64::try_from(wei.div_ceil(1_000_000_000)).unwrap_or(u64::MAX)
    }

    /// Whether a claim in this state may be carried by this attempt; `rivals` are the transactions
    /// that were made for the same account nonce.
    ///
    /// # Errors
    /// `invalid_transaction_state`.
    pub fn may_carry(&self, state: &SettlementState, rivals: &[TransactionHash]) -> Result<(), Refusal> {
        match state {
            SettlementState::Claimed => Ok(()),
            SettlementState::Broadcast { transaction } if rivals.contains(transaction) => Ok(()),
            SettlementState::Broadcast { .. } => Err(illegal("another transaction carries it")),
            SettlementState::Unknown { .. } => Err(illegal("it is not known what became of its transaction")),
            SettlementState::Settled { .. } | SettlementState::Failed { .. } => Err(illegal("it is decided")),
        }
    }

    /// Whether its sizes are within bounds.
    ///
    /// # Errors
    /// `invalid_payload`.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.claims.len() > CLAIMS_PER_ATTEMPT || self.raw.len() > ORDER_MAX_BYTES {
            return Err(Refusal::new(Reason::InvalidPayload, "the transaction is larger than is kept"));
        }
        Ok(())
    }
}

impl SettlementClaim {
    /// Whether its sizes are within bounds.
    ///
    /// # Errors
    /// `invalid_payload`.
    pub fn check(&self) -> Result<(), Refusal> {
        let texts = [&self.payer, &self.pay_to];
        if self.order.len() > ORDER_MAX_BYTES || texts.iter().any(|text| text.len() > 128) {
            return Err(Refusal::new(Reason::InvalidPayload, "the claim is larger than is kept"));
        }
        Ok(())
    }
}

fn illegal(detail: &'static str) -> Refusal {
    Refusal::new(Reason::InvalidTransactionState, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: TransactionHash = [1; 32];
    const TWO: TransactionHash = [2; 32];

    #[test]
    fn what_is_decided_stays_unless_its_block_is_gone() {
        let settled = SettlementState::Settled { transaction: ONE, block: 7 };
        let same = SettlementOutcome::Settled { transaction: ONE, block: 7 };
        assert_eq!(settled.after(&same), Ok(None));
        for other in [
            SettlementOutcome::Settled { transaction: TWO, block: 7 },
            SettlementOutcome::Failed { reason: "no".into(), transaction: None },
            SettlementOutcome::Unknown,
            SettlementOutcome::Requeued,
        ] {
            assert_eq!(settled.after(&other).unwrap_err().reason, Reason::InvalidTransactionState);
        }
        let reopened = settled.after(&SettlementOutcome::Reopened).unwrap().unwrap();
        assert_eq!(reopened, SettlementState::Broadcast { transaction: ONE });
        let refused = SettlementState::Failed { reason: "no".into(), transaction: None };
        assert!(refused.after(&SettlementOutcome::Reopened).is_err());
    }

    #[test]
    fn only_what_was_sent_can_be_unknown() {
        assert!(SettlementState::Claimed.after(&SettlementOutcome::Unknown).is_err());
        let sent = SettlementState::Broadcast { transaction: ONE };
        let unknown = sent.after(&SettlementOutcome::Unknown).unwrap().unwrap();
        assert_eq!(unknown.transaction(), Some(ONE));
        assert_eq!(unknown.after(&SettlementOutcome::Requeued), Ok(Some(SettlementState::Claimed)));
    }
}
