//! Closing a period: cut the journal, sum each payer's lines once, sign, write.
//!
//! Planned in a read, signed outside any transaction, written in one. What lies before the cut
//! never changes, so a plan stays true unless another close was written meanwhile; that is checked.

use std::borrow::Cow;
use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use tollway_protocol::{Amount, Reason, Refusal};

use crate::account::add;
use crate::apply::{Outcome, append};
use crate::body::{CheckpointBody, StatementBody};
use crate::books::{BooksError, CheckpointSigner, CloseOutcome, Ledger};
use crate::id::{AgentId, Hash, Sequence};
use crate::journal::EntryKind;
use crate::period::Period;
use crate::read::{entry, line};
use crate::records::{Index, Records, RecordsError};
use crate::statement::{Balance, Checkpoint, Line, LineKind, ProofCounts, Statement, StatementFilter};

const LINES_AT_ONCE: usize = 1_000;

/// What closing a period would write.
#[derive(Debug)]
pub struct ClosePlan {
    statements: Vec<Statement>,
    checkpoint: Checkpoint,
    after: Option<Sequence>,
}

/// The same, signed.
#[derive(Debug)]
pub struct SignedClose(ClosePlan);

/// What there is to do for a period.
#[derive(Debug)]
pub enum Closing {
    /// Nothing: it was closed before.
    Already(Box<CloseOutcome>),
    /// This is to be signed and written.
    Planned(ClosePlan),
}

/// Reads what closing `period` at `now` comes to.
///
/// # Errors
///
/// [`BooksError::Refused`] with `period_open` before its end; else what storage answers.
pub fn plan_close(records: &mut dyn Records, period: Period, now: u64) -> Result<Closing, RecordsError> {
    if let Some(place) = records.closed(&period)? {
        return Ok(Closing::Already(Box::new(written(records, period, place, true)?)));
    }
    if now < period.end() {
        let detail = format!("the period ends at Unix second {}", period.end());
        return Err(Refusal::new(Reason::PeriodOpen, detail).into());
    }
    let after = records.last_checkpoint()?;
    let last_cut = match after {
        Some(place) => Checkpoint::from_entry(&entry(records, place)?)?.sequence,
        None => Sequence::ZERO,
    };
    let cut = find_cut(records, last_cut, period.end())?;
    let head = match cut {
        Sequence::ZERO => Hash::ZERO,
        cut => entry(records, cut)?.hash,
    };
    let ledger = records.ledger().clone();
    let tallies = tally(records, last_cut, cut)?;
    let mut statements = Vec::with_capacity(tallies.len());
    for (agent, tally) in tallies {
        let previous = records.last_statement(&agent)?;
        statements.push(tally.statement(agent, &ledger, period, cut, previous.as_ref())?);
    }
    let checkpoint = Checkpoint {
        asset: ledger.asset,
        head,
        period,
        scale: ledger.scale.get(),
        seller: ledger.seller,
        sequence: cut,
        jws: String::new(),
    };
    Ok(Closing::Planned(ClosePlan { statements, checkpoint, after }))
}

impl ClosePlan {
    /// Signs every statement and the checkpoint.
    ///
    /// # Errors
    ///
    /// [`BooksError::Refused`] with `not_yours` if the signer speaks for another seller.
    pub fn sign(mut self, signer: &dyn CheckpointSigner) -> Result<SignedClose, BooksError> {
        if signer.seller() != self.checkpoint.seller {
            let detail = "the signing key belongs to another seller";
            return Err(Refusal::new(Reason::NotYours, detail).into());
        }
        for statement in &mut self.statements {
            statement.jws = signer.sign(statement.payload().as_bytes());
        }
        self.checkpoint.jws = signer.sign(self.checkpoint.payload().as_bytes());
        Ok(SignedClose(self))
    }
}

pub(crate) fn write_close(
    records: &mut dyn Records,
    SignedClose(plan): &SignedClose,
    now: u64,
) -> Result<Outcome, RecordsError> {
    let period = plan.checkpoint.period;
    if let Some(place) = records.closed(&period)? {
        return Ok(Outcome::Closed(Box::new(written(records, period, place, true)?)));
    }
    if records.last_checkpoint()? != plan.after {
        return Ok(Outcome::Stale);
    }
    for statement in &plan.statements {
        let index = Index::Statement(&statement.agent, period);
        append(records, EntryKind::Statement, index, now, |sequence| StatementBody {
            at: now,
            jws: Cow::Borrowed(&statement.jws),
            kind: EntryKind::Statement,
            sequence,
            statement: Cow::Borrowed(statement),
        })?;
    }
    let index = Index::Checkpoint(period);
    let posting = append(records, EntryKind::Checkpoint, index, now, |sequence| CheckpointBody {
        at: now,
        checkpoint: Cow::Borrowed(&plan.checkpoint),
        jws: Cow::Borrowed(&plan.checkpoint.jws),
        kind: EntryKind::Checkpoint,
        sequence,
    })?;
    let outcome = written(records, period, posting.sequence, false)?;
    Ok(Outcome::Closed(Box::new(outcome)))
}

/// What the checkpoint entry at `place` has closed.
fn written(
    records: &mut dyn Records,
    period: Period,
    place: Sequence,
    already_closed: bool,
) -> Result<CloseOutcome, RecordsError> {
    let checkpoint = Checkpoint::from_entry(&entry(records, place)?)?;
    let filter = StatementFilter { agent: None, period: Some(period) };
    Ok(CloseOutcome {
        period,
        cut: checkpoint.sequence,
        statements: records.statements(&filter)?,
        checkpoint,
        already_closed,
    })
}

/// The last place before the first line at or after `end`; never before an earlier cut.
fn find_cut(records: &mut dyn Records, last_cut: Sequence, end: u64) -> Result<Sequence, RecordsError> {
    match records.first_line(last_cut, end)? {
        Some(first) => Ok(Sequence::new(first.get() - 1)),
        None => Ok(records.head()?.0),
    }
}

fn tally(
    records: &mut dyn Records,
    last_cut: Sequence,
    cut: Sequence,
) -> Result<BTreeMap<AgentId, Tally>, RecordsError> {
    let mut tallies = BTreeMap::<AgentId, Tally>::new();
    let mut after = last_cut;
    loop {
        let entries = records.lines(None, after, cut, LINES_AT_ONCE)?;
        let Some(last) = entries.last() else {
            return Ok(tallies);
        };
        after = last.sequence;
        for entry in &entries {
            let line = line(records, entry)?;
            tallies.entry(line.agent.clone()).or_default().add(&line);
        }
    }
}

/// One payer's lines, summed.
#[derive(Default)]
pub(crate) struct Tally {
    lines: u64,
    charged: Amount,
    undelivered: Amount,
    proofs: ProofCounts,
    hash: Sha256,
}

impl Tally {
    pub(crate) fn add(&mut self, line: &Line) {
        self.lines += 1;
        self.hash.update(line.to_jsonl());
        match line.kind {
            LineKind::Sale => self.charged = add(self.charged, line.amount),
            LineKind::Undelivered => self.undelivered = add(self.undelivered, line.amount),
        }
        if let Some(sale) = &line.sale {
            self.proofs.count(sale.price_proof);
        }
    }

    /// The statement of these lines, unsigned.
    pub(crate) fn statement(
        self,
        agent: AgentId,
        ledger: &Ledger,
        period: Period,
        cut: Sequence,
        previous: Option<&Statement>,
    ) -> Result<Statement, RecordsError> {
        let brought_forward = previous.map_or(Balance::ZERO, |statement| statement.carried);
        let total = Balance::of(self.charged, self.undelivered);
        let due = total.and_then(|total| total.checked_add(brought_forward));
        let (Some(total), Some(due)) = (total, due) else {
            let detail = format!("the lines of {agent} sum to more than an amount can hold");
            return Err(BooksError::Corrupt { detail });
        };
        let (payable, carried) = due.round_down(hundredth(ledger.scale.get()));
        Ok(Statement {
            agent,
            asset: ledger.asset.clone(),
            brought_forward,
            carried,
            charged: self.charged,
            from: previous.map_or(Sequence::new(1), |statement| statement.to.next()),
            lines: self.lines,
            lines_hash: Hash::from_bytes(self.hash.finalize().into()),
            payable,
            period,
            proofs: self.proofs,
            scale: ledger.scale.get(),
            seller: ledger.seller.clone(),
            to: cut,
            total,
            undelivered_total: self.undelivered,
            jws: String::new(),
            sequence: Sequence::ZERO,
            paid: None,
        })
    }
}

/// Atomic units in a hundredth of the asset; 1 if the asset has no hundredths.
fn hundredth(scale: u8) -> u128 {
    10_u128.pow(u32::from(scale.saturating_sub(2)))
}
