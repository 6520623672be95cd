//! What sales rest on: agents' terms, blocks, documents.

use tollway_protocol::{Reason, Refusal};

use super::{Outcome, append};
use crate::account::{Account, AgentTerms};
use crate::body::{AgentBody, BlockBody, DocumentBody};
use crate::document::{DOCUMENT_MAX_BYTES, Document, DocumentKind};
use crate::exposure::unknown_agent;
use crate::id::{AgentId, Hash};
use crate::journal::EntryKind;
use crate::records::{Index, Records, RecordsError};

pub(super) fn put_agent(records: &mut dyn Records, terms: &AgentTerms, now: u64) -> Result<Outcome, RecordsError> {
    let known = records.account(&terms.agent)?;
    if known.as_ref().is_some_and(|account| account.terms == *terms) {
        return Ok(Outcome::Done);
    }
    let posting = append(records, EntryKind::Agent, Index::Place, now, |sequence| AgentBody {
        agent: terms.agent.clone(),
        at: now,
        credit_limit: terms.credit_limit,
        daily_budget: terms.daily_budget,
        kind: EntryKind::Agent,
        sequence,
    })?;
    let mut account = known.unwrap_or_else(|| Account::new(terms.clone(), now));
    account.terms = terms.clone();
    account.touched = posting.sequence;
    records.put_account(&account)?;
    Ok(Outcome::Done)
}

pub(super) fn block_agent(
    records: &mut dyn Records,
    agent: &AgentId,
    blocked: bool,
    now: u64,
) -> Result<Outcome, RecordsError> {
    let Some(mut account) = records.account(agent)? else {
        return Ok(Outcome::Refused(unknown_agent()));
    };
    if account.blocked == blocked {
        return Ok(Outcome::Done);
    }
    let posting = append(records, EntryKind::Block, Index::Place, now, |sequence| BlockBody {
        agent: agent.clone(),
        at: now,
        blocked,
        kind: EntryKind::Block,
        sequence,
    })?;
    account.blocked = blocked;
    account.touched = posting.sequence;
    records.put_account(&account)?;
    Ok(Outcome::Done)
}

pub(super) fn put_document(
    records: &mut dyn Records,
    kind: DocumentKind,
    id: &str,
    body: &[u8],
    now: u64,
) -> Result<Outcome, RecordsError> {
    let hash = Hash::of(body);
    if let Some(known) = records.document(kind, id)? {
        return Ok(if known.hash == hash {
            Outcome::Kept(hash)
        } else {
            let detail = "another document stands under this name";
            Outcome::Refused(Refusal::new(Reason::ReplayMismatch, detail))
        });
    }
    if body.len() > DOCUMENT_MAX_BYTES {
        let detail = "a document is at most 1 MiB";
        return Ok(Outcome::Refused(Refusal::new(Reason::BodyTooLarge, detail)));
    }
    append(records, EntryKind::Document, Index::Place, now, |sequence| DocumentBody {
        at: now,
        document: kind,
        id: id.to_owned(),
        kind: EntryKind::Document,
        sequence,
        sha256: hash,
    })?;
    let body = body.to_vec();
    records.put_document(&Document { kind, id: id.to_owned(), hash, at: now, body })?;
    Ok(Outcome::Kept(hash))
}
