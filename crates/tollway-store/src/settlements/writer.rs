//! The one thread that writes a facilitator's books: all that wait share a transaction and an fsync.

use rusqlite::{Connection, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};
use tollway_ledger::{
    Attempt, BooksError, ClaimAnswer, PaymentId, SettlementClaim, SettlementOutcome, SettlementState, SignerAddress,
    TransactionHash,
};
use tollway_protocol::{Network, Reason, Refusal};

use super::rows::{self, integer};
use crate::failure::failure;

/// Most commands in one transaction.
const BATCH_MAX: usize = 512;

pub(super) enum Task {
    Claim(Box<SettlementClaim>),
    Release(PaymentId),
    Attempt(Box<Attempt>),
    Outcomes(Vec<(PaymentId, SettlementOutcome)>),
    Close { network: Network, signer: SignerAddress, nonce: u64, gwei: u64 },
}

pub(super) enum Done {
    Answered(ClaimAnswer),
    Written,
}

pub(super) struct Job {
    pub(super) task: Task,
    pub(super) now: u64,
    pub(super) reply: oneshot::Sender<Result<Done, BooksError>>,
}

pub(super) struct Writer {
    pub(super) connection: Connection,
}

impl Writer {
    /// Works until every sender is gone and the queue is empty.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        while let Some(first) = queue.blocking_recv() {
            let mut batch = vec![first];
            while batch.len() < BATCH_MAX
                && let Ok(job) = queue.try_recv()
            {
                batch.push(job);
            }
            let answers = self.commit(&batch);
            for (index, job) in batch.into_iter().enumerate() {
                let answer = match &answers {
                    Ok(answers) => answers.get(index).map_or(Ok(Done::Written), copy),
                    Err(error) => Err(error.clone()),
                };
                // Who asked may have left; the books keep what was done.
                let _ = job.reply.send(answer);
            }
        }
    }

    /// Everything or nothing of a batch. A refusal is an answer: its command has written nothing.
    fn commit(&mut self, batch: &[Job]) -> Result<Vec<Result<Done, BooksError>>, BooksError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failure)?;
        let mut answers = Vec::with_capacity(batch.len());
        for job in batch {
            match apply(&transaction, &job.task, job.now) {
                Err(error) if !matches!(error, BooksError::Refused(_)) => return Err(error),
                answer => answers.push(answer),
            }
        }
        transaction.commit().map_err(failure)?;
        Ok(answers)
    }
}

fn copy(answer: &Result<Done, BooksError>) -> Result<Done, BooksError> {
    match answer {
        Ok(Done::Answered(answer)) => Ok(Done::Answered(answer.clone())),
        Ok(Done::Written) => Ok(Done::Written),
        Err(error) => Err(error.clone()),
    }
}

fn apply(connection: &Connection, task: &Task, now: u64) -> Result<Done, BooksError> {
    match task {
        Task::Claim(claim) => return self::claim(connection, claim, now).map(Done::Answered),
        Task::Release(id) => release(connection, id)?,
        Task::Attempt(attempt) => self::attempt(connection, attempt, now)?,
        Task::Outcomes(outcomes) => self::outcomes(connection, outcomes, now)?,
        Task::Close { network, signer, nonce, gwei } => close(connection, network, *signer, *nonce, *gwei)?,
    }
    Ok(Done::Written)
}

fn claim(connection: &Connection, claim: &SettlementClaim, now: u64) -> Result<ClaimAnswer, BooksError> {
    if let Some(record) = rows::record(connection, &claim.id)? {
        let same = record.claim.digest == claim.digest;
        return Ok(if same { ClaimAnswer::Known(Box::new(record)) } else { ClaimAnswer::Conflict });
    }
    let sql = "INSERT INTO claims (id, digest, network, asset, payer, pay_to, amount, expires, body, state, carried, \
        claimed_at, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?10, ?10)";
    let values = params![
        &claim.id.as_bytes()[..],
        &claim.digest.as_bytes()[..],
        claim.network.as_str(),
        claim.asset.as_str(),
        claim.payer,
        claim.pay_to,
        &claim.amount.get().to_be_bytes()[..],
        integer(claim.expires.min(i64::MAX.unsigned_abs()))?,
        claim.order,
        integer(now)?,
    ];
    connection.prepare_cached(sql).map_err(failure)?.execute(values).map_err(failure)?;
    Ok(ClaimAnswer::Claimed)
}

fn release(connection: &Connection, id: &PaymentId) -> Result<(), BooksError> {
    let id = &id.as_bytes()[..];
    let sql = "DELETE FROM claims WHERE id = ? AND state = 0 AND carried = 0";
    let gone = connection.prepare_cached(sql).map_err(failure)?.execute([id]).map_err(failure)?;
    let mut left = connection.prepare_cached("SELECT 1 FROM claims WHERE id = ?").map_err(failure)?;
    if gone == 0 && left.exists([id]).map_err(failure)? {
        return Err(Refusal::from(Reason::InvalidTransactionState).into());
    }
    Ok(())
}

fn attempt(connection: &Connection, attempt: &Attempt, now: u64) -> Result<(), BooksError> {
    let known = rows::attempts(connection, &attempt.network, attempt.signer, Some(attempt.nonce))?;
    if known.contains(attempt) {
        return Ok(());
    }
    let rivals: Vec<_> = known.iter().map(|attempt| attempt.transaction).collect();
    for id in &attempt.claims {
        let record = rows::record(connection, id)?.ok_or_else(not_found)?;
        attempt.may_carry(&record.state, &rivals)?;
    }
    let state = SettlementState::Broadcast { transaction: attempt.transaction };
    for id in &attempt.claims {
        write_state(connection, id, &state, now)?;
    }
    let sql = "INSERT INTO attempts (network, signer, nonce, hash, raw, max_fee, tip, gas, head, claims, day, most, at, \
        value) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let claims: Vec<u8> = attempt.claims.iter().flat_map(|id| *id.as_bytes()).collect();
    let values = params![
        attempt.network.as_str(),
        &attempt.signer[..],
        integer(attempt.nonce)?,
        &attempt.transaction[..],
        attempt.raw,
        &attempt.max_fee.to_be_bytes()[..],
        &attempt.tip.to_be_bytes()[..],
        integer(attempt.gas)?,
        integer(attempt.head)?,
        claims,
        integer(attempt.at / 86_400)?,
        integer(attempt.most_gwei().min(i64::MAX.unsigned_abs()))?,
        integer(attempt.at)?,
        &attempt.value.to_be_bytes()[..],
    ];
    connection.prepare_cached(sql).map_err(failure)?.execute(values).map_err(failure)?;
    Ok(())
}

fn outcomes(connection: &Connection, outcomes: &[(PaymentId, SettlementOutcome)], now: u64) -> Result<(), BooksError> {
    let mut changes: Vec<(PaymentId, SettlementState)> = Vec::with_capacity(outcomes.len());
    for (id, outcome) in outcomes {
        let earlier = changes.iter().rev().find(|(other, _)| other == id);
        let before = match earlier {
            Some((_, state)) => state.clone(),
            None => rows::record(connection, id)?.ok_or_else(not_found)?.state,
        };
        if let Some(after) = before.after(outcome)? {
            changes.push((*id, after));
        }
    }
    changes.iter().try_for_each(|(id, state)| write_state(connection, id, state, now))
}

fn close(
    connection: &Connection,
    network: &Network,
    signer: SignerAddress,
    nonce: u64,
    gwei: u64,
) -> Result<(), BooksError> {
    let attempts = rows::attempts(connection, network, signer, Some(nonce))?;
    let Some(first) = attempts.first() else {
        return Ok(());
    };
    let sql = "DELETE FROM attempts WHERE network = ? AND signer = ? AND nonce = ?";
    let slot = params![network.as_str(), &signer[..], integer(nonce)?];
    connection.prepare_cached(sql).map_err(failure)?.execute(slot).map_err(failure)?;
    let day = first.at / 86_400;
    let sql = "INSERT INTO spent VALUES (?, ?, ?) \
        ON CONFLICT DO UPDATE SET gwei = min(gwei + excluded.gwei, 4611686018427387904)";
    let values = params![network.as_str(), integer(day)?, integer(gwei.min(1 << 61))?];
    connection.prepare_cached(sql).map_err(failure)?.execute(values).map_err(failure)?;
    Ok(())
}

fn write_state(connection: &Connection, id: &PaymentId, state: &SettlementState, now: u64) -> Result<(), BooksError> {
    let hash: Option<TransactionHash> = state.transaction();
    let (number, block, reason) = match state {
        SettlementState::Claimed => (rows::CLAIMED, None, None),
        SettlementState::Broadcast { .. } => (rows::BROADCAST, None, None),
        SettlementState::Unknown { .. } => (rows::UNKNOWN, None, None),
        SettlementState::Settled { block, .. } => (rows::SETTLED, Some(integer(*block)?), None),
        SettlementState::Failed { reason, .. } => (rows::FAILED, None, Some(reason)),
    };
    let sql = "UPDATE claims SET state = ?2, hash = ?3, block = ?4, reason = ?5, changed_at = ?6, \
        carried = max(carried, ?2 = 1) WHERE id = ?1";
    let hash = hash.as_ref().map(|hash| &hash[..]);
    let values = params![&id.as_bytes()[..], number, hash, block, reason, integer(now)?];
    connection.prepare_cached(sql).map_err(failure)?.execute(values).map_err(failure)?;
    Ok(())
}

fn not_found() -> BooksError {
    Refusal::from(Reason::NotFound).into()
}
