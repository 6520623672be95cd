//! Double-entry books for promises to pay.
//!
//! Promise: every charge is an immutable transfer in a hash-chained journal, beside the signed bytes
//! that prove it; balances, statements and receipts can be recomputed from an export alone. One
//! commitment is charged at most once, and never beyond its payer's credit.
//!
//! Refusal: this crate never reads a clock, opens a file, speaks HTTP, checks a signature or rounds
//! an amount before the one place where a statement is cut. It never edits or deletes an entry.
//!
//! ```
//! use tollway_ledger::{CommitmentId, Period};
//!
//! let id = CommitmentId::derive(1_795_348_800, &[7; 32], b"\"@method\": GET");
//! let day = Period::day_of(id.created());
//! assert_eq!(day.to_string(), "2026-11-22");
//! assert!(day.start() <= id.created() && id.created() < day.end());
//! ```

pub mod account;
pub mod answers;
pub mod apply;
pub mod audit;
mod body;
pub mod books;
mod canonical;
pub mod closing;
pub mod document;
pub mod exact;
pub mod exposure;
pub mod id;
pub mod journal;
pub mod memory;
pub mod moves;
pub mod nonce;
pub mod pass;
pub mod period;
pub mod read;
pub mod reconcile;
pub mod records;
pub mod reserving;
pub mod sale;
pub mod settlement;
pub mod statement;

pub use account::{Account, AccountView, AgentTerms};
pub use apply::{Command, Outcome, apply};
pub use audit::{AssetTotals, AuditReport, EvidenceKeys, Fault, FaultKind, NoKeys, PaymentProof, Proof, verify_export};
pub use books::{Books, BooksError, CheckpointSigner, Claim, CloseOutcome, Ledger, PostOutcome, Reserve};
pub use document::{Document, DocumentKind};
pub use exact::{
    BillOutcome, BillPayment, ExactBooks, ExactClaim, ExactOutcome, ExactRecord, ExactSale, ExactState, PaymentFlow,
};
pub use exposure::{Exposure, ExposureTable, Reservation};
pub use id::{AgentId, CommitmentId, Fingerprint, Hash, ParseIdError, PassId, PaymentId, Sequence};
pub use journal::{Entry, EntryKind};
pub use memory::{MemoryBooks, MemoryRecords};
pub use moves::{Direction, Move, MoveBooks, Moves, Way};
pub use pass::{Pass, PassBooks, PassNonce, PassRecord, PassTaken, PassUse};
pub use period::{ParsePeriodError, Period};
pub use reconcile::{BuyerLine, Difference, Reconciliation, SellerLine, reconcile};
pub use records::{BillRow, CommitmentRow, Index, PassRecords, PaymentRecords, PaymentRow, Records, RecordsError};
pub use sale::{Delivery, DeliveryNote, Evidence, EvidenceKind, Posting, PriceProof, Recorded, Sale, SaleState};
pub use settlement::{
    Attempt, ClaimAnswer, MemorySettlements, SettlementClaim, SettlementOutcome, SettlementRecord, SettlementState,
    Settlements, SignerAddress, TransactionHash,
};
pub use statement::{Balance, Checkpoint, Line, LineKind, ProofCounts, SaleDetail, Statement, StatementFilter};
