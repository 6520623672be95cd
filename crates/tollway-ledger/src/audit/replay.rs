//! The books as an auditor keeps them: entry by entry, believing nothing.

use std::collections::{BTreeMap, HashMap, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tollway_protocol::{Amount, Dress, Scale};

use super::{AuditReport, EvidenceKeys, ExportLine, FaultKind, Proof};
use crate::account::{Account, AgentTerms, add, less};
use crate::body::{
    AgentBody, BlockBody, CheckpointBody, DeliveryBody, DocumentBody, EndedBody, FORMAT, GenesisBody, PostedBody,
    SaleBody, Stamp, StatementBody, UndeliveredBody, payer_account, revenue_account,
};
use crate::books::Ledger;
use crate::canonical::to_canonical;
use crate::closing::Tally;
use crate::id::{AgentId, CommitmentId, Hash, Sequence};
use crate::journal::EntryKind;
use crate::nonce::{Nonces, nonce_bucket, nonce_key};
use crate::sale::{EvidenceKind, SaleState};
use crate::statement::{Balance, Checkpoint, Line, SaleDetail, Statement};

mod exact;
mod pass;

use exact::Payments;
use pass::Passes;

pub(super) struct Replay<'k> {
    keys: &'k dyn EvidenceKeys,
    report: AuditReport,
    ledger: Option<Ledger>,
    head: Hash,
    /// Hashes of the entries after the last cut: a checkpoint names one of them.
    hashes: VecDeque<Hash>,
    hashes_from: u64,
    last_cut: Sequence,
    accounts: HashMap<AgentId, Account>,
    sales: HashMap<CommitmentId, Track>,
    nonces: Nonces,
    balances: BTreeMap<String, i128>,
    unbilled: BTreeMap<AgentId, VecDeque<Line>>,
    last_statements: HashMap<AgentId, Statement>,
    /// Statements since the last checkpoint, which the next one must stand for.
    fresh: Vec<(Sequence, Statement)>,
    payments: Payments,
    passes: Passes,
}

/// What must be remembered of a sale.
struct Track {
    state: SaleState,
    agent: AgentId,
    amount: Amount,
    rule: String,
    at: u64,
    noted: bool,
    claim: Option<Box<SaleDetail>>,
}

/// A fault in the entry at hand.
type Checked = Result<(), (FaultKind, String)>;

impl<'k> Replay<'k> {
    pub(super) fn new(keys: &'k dyn EvidenceKeys) -> Self {
        Self {
            keys,
            report: AuditReport::default(),
            ledger: None,
            head: Hash::ZERO,
            hashes: VecDeque::from([Hash::ZERO]),
            hashes_from: 0,
            last_cut: Sequence::ZERO,
            accounts: HashMap::new(),
            sales: HashMap::new(),
            nonces: Nonces::default(),
            balances: BTreeMap::new(),
            unbilled: BTreeMap::new(),
            last_statements: HashMap::new(),
            fresh: Vec::new(),
            payments: Payments::default(),
            passes: Passes::default(),
        }
    }

    pub(super) fn unreadable(&mut self, detail: String) {
        let place = self.report.sequence.next();
        self.report.fault(place, FaultKind::Unreadable, detail);
    }

    pub(super) fn take(&mut self, line: ExportLine) {
        let expected = self.report.sequence.next();
        self.report.entries += 1;
        let stamp: Stamp = match serde_json::from_str(&line.body) {
            Ok(stamp) => stamp,
            Err(error) => {
                self.report.fault(expected, FaultKind::Body, error.to_string());
                self.report.sequence = expected;
                self.chain(line.hash);
                return;
            }
        };
        let place = stamp.sequence;
        if place != expected {
            self.report.fault(place, FaultKind::Gap, format!("{expected} should follow"));
        }
        if line.prev != self.head {
            let detail = format!("the entry before it has hash {}", self.head);
            self.report.fault(place, FaultKind::Chain, detail);
        }
        let hash = line.prev.chain(line.body.as_bytes());
        if hash != line.hash {
            self.report.fault(place, FaultKind::Hash, format!("its body hashes to {hash}"));
        }
        if let Err((kind, detail)) = self.check(&stamp, &line) {
            self.report.fault(place, kind, detail);
        }
        self.report.sequence = place;
        self.chain(line.hash);
    }

    pub(super) fn finish(mut self) -> AuditReport {
        for (place, _) in std::mem::take(&mut self.fresh) {
            let detail = "no checkpoint stands for the statement";
            self.report.fault(place, FaultKind::Checkpoint, detail);
        }
        let last = self.report.sequence;
        if self.balances.values().sum::<i128>() != 0 {
            self.report.fault(last, FaultKind::Balance, "the accounts do not sum to zero");
        }
        for (agent, account) in &self.accounts {
            let booked = self.balances.get(&payer_account(agent)).copied().unwrap_or(0);
            // A charge taken back after its statement was paid leaves a credit, below zero.
            let charged = Balance::of(account.posted, account.undelivered);
            let owed = charged.and_then(|charged| charged.checked_add(Balance::of(Amount::ZERO, account.paid)?));
            if owed != Some(Balance::new(booked)) {
                let detail = format!("{agent} owes {}, its transfers say {booked}", account.owed());
                self.report.fault(last, FaultKind::Balance, detail);
            }
        }
        std::mem::take(&mut self.payments).finish(last, &mut self.report);
        self.report.head = self.head.to_string();
        let balances = self.balances.into_iter();
        self.report.balances = balances.map(|(name, sum)| (name, Balance::new(sum))).collect();
        self.report
    }

    fn chain(&mut self, hash: Hash) {
        self.head = hash;
        self.hashes.push_back(hash);
    }

    fn check(&mut self, stamp: &Stamp, line: &ExportLine) -> Checked {
        if (stamp.kind == EntryKind::Genesis) != self.ledger.is_none() {
            // Said once: what follows is judged as far as it can be.
            let detail = "the one genesis entry comes first";
            self.report.fault(stamp.sequence, FaultKind::Genesis, detail);
        }
        let (body, hash) = (line.body.as_str(), line.hash);
        match stamp.kind {
            EntryKind::Genesis => self.genesis(read(body)?),
            EntryKind::Agent => self.agent(read(body)?),
            EntryKind::Block => self.block(read(body)?),
            EntryKind::Document => read::<DocumentBody>(body).map(drop),
            EntryKind::Sale | EntryKind::Claim => self.sale(read(body)?, hash),
            EntryKind::SalePosted => self.sale_posted(read(body)?, hash),
            EntryKind::Void => self.ended(read(body)?, SaleState::Voided),
            EntryKind::Expire => self.ended(read(body)?, SaleState::Expired),
            EntryKind::Undelivered => self.undelivered(read(body)?, hash),
            EntryKind::Delivery => self.delivery(&read(body)?),
            EntryKind::Statement => self.statement(read(body)?),
            EntryKind::Checkpoint => self.checkpoint(&read(body)?),
            EntryKind::ExactClaim => self.exact_claim(read(body)?),
            EntryKind::ExactUnknown | EntryKind::ExactFailed | EntryKind::ExactReleased => {
                self.exact_step(&read(body)?)
            }
            EntryKind::ExactSettled => self.exact_settled(&read(body)?),
            EntryKind::RefundOwed => self.refund_owed(&read(body)?),
            EntryKind::BillPaid => self.bill_paid(&read(body)?),
            EntryKind::PassOpened => self.pass_opened(&read(body)?),
            EntryKind::PassUsed => self.pass_used(&read(body)?),
            EntryKind::PassReturned => self.pass_returned(&read(body)?),
            EntryKind::PassRevoked => self.pass_revoked(&read(body)?),
        }
    }

    fn genesis(&mut self, body: GenesisBody) -> Checked {
        let scale = Scale::new(body.scale).ok_or((FaultKind::Body, "no such scale".to_owned()))?;
        expect(body.format == FORMAT, FaultKind::Genesis, "another form of journal")?;
        self.ledger = Some(Ledger { seller: body.seller, asset: body.asset, scale });
        Ok(())
    }

    fn agent(&mut self, body: AgentBody) -> Checked {
        let AgentBody { agent, credit_limit, daily_budget, at, .. } = body;
        let terms = AgentTerms { agent: agent.clone(), credit_limit, daily_budget };
        match self.accounts.get_mut(&agent) {
            Some(account) => account.terms = terms,
            None => drop(self.accounts.insert(agent, Account::new(terms, at))),
        }
        Ok(())
    }

    fn block(&mut self, body: BlockBody) -> Checked {
        match self.accounts.get_mut(&body.agent) {
            Some(account) => {
                account.blocked = body.blocked;
                Ok(())
            }
            None => Err((FaultKind::Limit, "the agent has no account".to_owned())),
        }
    }

    fn sale(&mut self, body: SaleBody<'static>, hash: Hash) -> Checked {
        let place = body.sequence;
        let posted = body.status.is_some();
        for (right, kind, detail) in [
            (posted == (body.kind == EntryKind::Sale), FaultKind::Body, "a claim has no status"),
            (is_derived(&body), FaultKind::CommitmentId, "it does not follow from the evidence"),
            (has_accounts(&body), FaultKind::Transfer, "debit and credit are not payer and revenue"),
            (self.is_asset(&body), FaultKind::Transfer, "it counts another asset"),
        ] {
            if !right {
                self.report.fault(place, kind, detail);
            }
        }
        self.use_nonce(&body);
        self.prove(&body);
        let track = Track {
            state: if posted { SaleState::Posted } else { SaleState::Pending },
            agent: body.agent.clone().into_owned(),
            amount: body.amount,
            rule: body.rule.clone().into_owned(),
            at: body.at,
            noted: false,
            claim: None,
        };
        self.spend(&track, place, posted);
        let (id, debit, credit) = (body.id, body.debit.clone(), body.credit.clone());
        let claim = if posted {
            self.charge(&debit, &credit, body.into_line(hash));
            None
        } else {
            Some(Box::new(body.into_detail(0)))
        };
        let known = self.sales.insert(id, Track { claim, ..track });
        expect(known.is_none(), FaultKind::Duplicate, "the commitment stands in the journal before")
    }

    fn sale_posted(&mut self, body: PostedBody, hash: Hash) -> Checked {
        let track = self.step(&body.id, &[SaleState::Pending], SaleState::Posted)?;
        let (agent, amount, rule) = (track.agent.clone(), track.amount, track.rule.clone());
        let claim = track.claim.take().ok_or((FaultKind::State, "never claimed".to_owned()))?;
        if let Some(account) = self.accounts.get_mut(&agent) {
            account.pending = less(account.pending, amount);
            account.posted = add(account.posted, amount);
        }
        let right = body.agent == agent
            && body.amount == amount
            && body.debit == payer_account(&agent)
            && body.credit == revenue_account(&rule);
        let (debit, credit) = (body.debit.clone(), body.credit.clone());
        self.charge(&debit, &credit, body.into_line(rule, *claim, hash));
        expect(right, FaultKind::Transfer, "it is not the transfer that was claimed")
    }

    fn ended(&mut self, body: EndedBody, state: SaleState) -> Checked {
        let track = self.step(&body.id, &[SaleState::Pending], state)?;
        let (agent, amount, at) = (track.agent.clone(), track.amount, track.at);
        track.claim = None;
        if let Some(account) = self.accounts.get_mut(&agent) {
            account.pending = less(account.pending, amount);
            account.unspend(amount, at);
        }
        let right = body.agent == agent && body.amount == amount;
        expect(right, FaultKind::Transfer, "it is not the transfer that was claimed")
    }

    fn undelivered(&mut self, body: UndeliveredBody, hash: Hash) -> Checked {
        let track = self.step(&body.id, &[SaleState::Posted], SaleState::Undelivered)?;
        let (agent, amount, rule) = (track.agent.clone(), track.amount, track.rule.clone());
        let (at, noted) = (track.at, std::mem::replace(&mut track.noted, true));
        if let Some(account) = self.accounts.get_mut(&agent) {
            account.undelivered = add(account.undelivered, amount);
            account.unspend(amount, at);
        }
        self.report.undelivered = add(self.report.undelivered, body.amount);
        self.transfer(&body.debit, &body.credit, body.amount);
        let right = body.agent == agent
            && body.amount == amount
            && body.rule == rule
            && body.credit == payer_account(&agent)
            && body.debit == revenue_account(&rule);
        self.unbilled.entry(agent).or_default().push_back(body.into_line(hash));
        expect(!noted, FaultKind::State, "the answer was recorded as whole")?;
        expect(right, FaultKind::Transfer, "it does not take back what was charged")
    }

    fn delivery(&mut self, body: &DeliveryBody) -> Checked {
        let track = self.step(&body.id, &[SaleState::Posted], SaleState::Posted)?;
        let noted = std::mem::replace(&mut track.noted, true);
        expect(!noted, FaultKind::State, "the answer was recorded before")
    }

    fn statement(&mut self, body: StatementBody<'static>) -> Checked {
        self.report.statements += 1;
        let statement = body.statement.into_owned();
        let agent = statement.agent.clone();
        let lines = self.unbilled.entry(agent.clone()).or_default();
        let billed = lines.partition_point(|line| line.sequence <= statement.to);
        let mut tally = Tally::default();
        let mut in_period = true;
        for line in lines.drain(..billed) {
            in_period &= line.at < statement.period.end();
            tally.add(&line);
        }
        let previous = self.last_statements.get(&agent);
        let expected = self.ledger.as_ref().and_then(|ledger| {
            let made = tally.statement(agent.clone(), ledger, statement.period, statement.to, previous);
            made.ok()
        });
        self.seal(body.sequence, &body.jws, &statement.payload());
        let follows = expected.as_ref() == Some(&statement) && statement.lines > 0;
        self.payments.bill(body.sequence, &statement);
        self.last_statements.insert(agent, statement.clone());
        self.fresh.push((body.sequence, statement));
        expect(in_period, FaultKind::Statement, "a line is later than the period")?;
        expect(follows, FaultKind::Statement, "it does not follow from its lines")
    }

    fn checkpoint(&mut self, body: &CheckpointBody<'static>) -> Checked {
        self.report.checkpoints += 1;
        let checkpoint: &Checkpoint = &body.checkpoint;
        let cut = checkpoint.sequence;
        self.seal(body.sequence, &body.jws, &checkpoint.payload());
        for (place, statement) in std::mem::take(&mut self.fresh) {
            if statement.period != checkpoint.period || statement.to != cut {
                let detail = "its period or cut is not that of the checkpoint after it";
                self.report.fault(place, FaultKind::Statement, detail);
            }
        }
        let forgotten = self.unbilled.values().filter_map(VecDeque::front);
        let forgotten: Vec<_> = forgotten
            .filter(|line| line.sequence <= cut)
            .map(|line| (line.sequence, format!("no statement bills the line to {}", line.agent)))
            .collect();
        for (place, detail) in forgotten {
            self.report.fault(place, FaultKind::Statement, detail);
        }
        let ours = self.ledger.as_ref().is_some_and(|ledger| {
            ledger.seller == checkpoint.seller
                && ledger.asset == checkpoint.asset
                && ledger.scale.get() == checkpoint.scale
        });
        expect(ours, FaultKind::Checkpoint, "it is of other books")?;
        expect(cut >= self.last_cut, FaultKind::Checkpoint, "it cuts before an earlier cut")?;
        let index = usize::try_from(cut.get() - self.hashes_from).unwrap_or(usize::MAX);
        let right = self.hashes.get(index) == Some(&checkpoint.head);
        if index < self.hashes.len() {
            self.hashes.drain(..index);
            self.hashes_from = cut.get();
            self.last_cut = cut;
        }
        expect(right, FaultKind::Checkpoint, "the entry at its cut has another hash")
    }

    /// The sale, moved on to `next` if it is in one of the states `from`.
    fn step(
        &mut self,
        id: &CommitmentId,
        from: &[SaleState],
        next: SaleState,
    ) -> Result<&mut Track, (FaultKind, String)> {
        match self.sales.get_mut(id) {
            Some(track) if from.contains(&track.state) => {
                track.state = next;
                Ok(track)
            }
            Some(track) => Err((FaultKind::State, format!("the sale is {:?}", track.state))),
            None => Err((FaultKind::State, "there is no such sale".to_owned())),
        }
    }

    fn spend(&mut self, track: &Track, place: Sequence, posted: bool) {
        let Some(account) = self.accounts.get_mut(&track.agent) else {
            self.report.fault(place, FaultKind::Limit, "the payer has no account");
            return;
        };
        if let Err(refusal) = account.admit(track.amount, Amount::ZERO, track.at) {
            self.report.fault(place, FaultKind::Limit, refusal.to_string());
        }
        account.spend(track.amount, track.at);
        let total = if posted { &mut account.posted } else { &mut account.pending };
        *total = add(*total, track.amount);
    }

    fn charge(&mut self, debit: &str, credit: &str, line: Line) {
        self.report.sales += 1;
        self.report.charged = add(self.report.charged, line.amount);
        self.transfer(debit, credit, line.amount);
        self.unbilled.entry(line.agent.clone()).or_default().push_back(line);
    }

    fn transfer(&mut self, debit: &str, credit: &str, amount: Amount) {
        let amount = i128::try_from(amount.get()).unwrap_or(i128::MAX);
        let left = self.balances.entry(debit.to_owned()).or_default();
        *left = left.saturating_add(amount);
        let right = self.balances.entry(credit.to_owned()).or_default();
        *right = right.saturating_sub(amount);
    }

    fn use_nonce(&mut self, body: &SaleBody<'_>) {
        let Some(nonce) = &body.nonce else { return };
        let key = nonce_key(&body.thumbprint, nonce);
        self.nonces.drop_ended(body.at);
        if self.nonces.contains(&key, body.at) {
            let detail = "the key has used the nonce before";
            self.report.fault(body.sequence, FaultKind::Nonce, detail);
        }
        self.nonces.insert(key, nonce_bucket(body.expires));
    }

    fn prove(&mut self, body: &SaleBody<'_>) {
        match self.keys.verify_sale(&body.thumbprint, &body.base, &body.signature) {
            Proof::Proved => self.report.sales_proved += 1,
            Proof::NoKey => self.report.sales_unproved += 1,
            Proof::Wrong => {
                let detail = "the signature is not that of the payer's key";
                self.report.fault(body.sequence, FaultKind::Signature, detail);
            }
        }
    }

    /// A signed document must be the one beside its signature.
    fn seal(&mut self, place: Sequence, jws: &str, payload: &str) {
        let mut parts = jws.split('.').skip(1);
        let signed = parts.next().and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        if signed.as_deref() != Some(payload.as_bytes()) {
            self.report.fault(place, FaultKind::Seal, "what was signed is another document");
        } else if self.keys.verify_jws(jws).as_deref() == Some(payload.as_bytes()) {
            self.report.seals_proved += 1;
        }
    }

    fn is_asset(&self, body: &SaleBody<'_>) -> bool {
        self.ledger.as_ref().is_none_or(|ledger| ledger.asset == *body.asset)
    }
}

fn expect(right: bool, kind: FaultKind, detail: &str) -> Checked {
    if right { Ok(()) } else { Err((kind, detail.to_owned())) }
}

/// Reads a body that holds exactly the members of its kind.
fn read<B: DeserializeOwned + Serialize>(body: &str) -> Result<B, (FaultKind, String)> {
    let read: B = serde_json::from_str(body).map_err(|error| (FaultKind::Body, error.to_string()))?;
    expect(to_canonical(&read) == body, FaultKind::Body, "it holds members of no meaning")?;
    Ok(read)
}

fn has_accounts(body: &SaleBody<'_>) -> bool {
    body.debit == payer_account(&body.agent) && body.credit == revenue_account(&body.rule)
}

/// The `created` parameter. What stands in quotes is the buyer's to choose and says nothing.
fn created_of(parameters: &str) -> Option<u64> {
    let unescaped = parameters.replace(r"\\", "").replace(r#"\""#, "");
    let outside: String = unescaped.split('"').step_by(2).collect();
    let (_, after) = outside.split_once(";created=")?;
    after.split(';').next()?.parse().ok()
}

/// Whether the id follows from key and base, and its time is the one in the signature's parameters.
fn is_derived(body: &SaleBody<'_>) -> bool {
    let created = body.id.created();
    let derived = CommitmentId::derive(created, &body.thumbprint, body.base.as_bytes());
    let signed = match body.evidence {
        EvidenceKind::Rfc9421 => {
            let parameters = body.base.lines().next_back().unwrap_or("");
            parameters.strip_prefix("\"@signature-params\": ").and_then(created_of)
        }
        // A document that does not say when it was signed is none of ours.
        EvidenceKind::Jws => Some(issued_at(&body.base).unwrap_or(u64::MAX)),
    };
    let own_kind = (body.evidence == EvidenceKind::Jws) == (body.dress == Dress::Mcp);
    derived == body.id && own_kind && signed.is_none_or(|signed| signed == created)
}

/// `iat` in the payload of a JWS's signing input.
fn issued_at(signing_input: &str) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Claims {
        iat: u64,
    }
    let payload = URL_SAFE_NO_PAD.decode(signing_input.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Claims>(&payload).ok().map(|claims| claims.iat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn created_is_the_parameter_and_not_what_a_nonce_says() {
        for (parameters, expected) in [
            (r#"("@path");created=7;expires=9"#, Some(7)),
            (r#"("@path");nonce=";created=1;";created=7"#, Some(7)),
            (r#"("@path");nonce="a\";created=1;\"";created=7"#, Some(7)),
            (r#"("@path");nonce="a\\";created=7;keyid="\";created=1""#, Some(7)),
            (r#"("@query-param";name=";created=1");created=7"#, Some(7)),
            (r#"("@path");nonce=";created=1""#, None),
        ] {
            assert_eq!(created_of(parameters), expected, "{parameters}");
        }
    }
}
