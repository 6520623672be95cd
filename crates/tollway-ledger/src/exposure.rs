//! What this process holds for sales in progress: reserves, commitments and nonces in flight.
//!
//! [`Exposure`] is pure; [`ExposureTable`] is the one lock around it. Three rules make it exact:
//! a commitment is looked up in the books between [`Exposure::look`] and [`Exposure::admit`], and
//! whatever settled in between is remembered until `admit`; of two copies of an account the one
//! touched later counts; and while a commit is under way its accounts are not replaced by what a
//! reader may already see, because their reserves are still counted here.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tollway_protocol::{Amount, Reason, Refusal};

use crate::account::{Account, add, less};
use crate::id::{AgentId, CommitmentId, Fingerprint, Hash, Sequence};
use crate::nonce::nonce_key;
use crate::sale::Sale;

/// The one lock around the [`Exposure`] of a process.
#[derive(Debug)]
pub struct ExposureTable(Mutex<Exposure>);

/// Sales in progress. Grows with requests in flight, never with the number of agents or sales.
#[derive(Debug)]
pub struct Exposure {
    positions: HashMap<AgentId, Position>,
    reserved: HashMap<CommitmentId, Fingerprint>,
    nonces: HashSet<Hash>,
    /// The newest count of nonces in the books, and the head of the journal it was read at.
    booked: Option<(Sequence, u64)>,
    nonce_capacity: u64,
    commits: u32,
    settled: Settled,
}

/// What the books say about a sale that is about to be reserved, read after [`Exposure::look`].
#[derive(Debug, Clone)]
pub struct Seen {
    /// The payer's row.
    pub account: Option<Account>,
    /// Whether the key's nonce stands in the books.
    pub nonce_used: bool,
    /// How many live nonces the books hold.
    pub nonces: u64,
    /// The last place of the journal when this was read.
    pub head: Sequence,
}

/// The answer to a first look at a commitment.
#[derive(Debug)]
pub enum Look {
    /// Nothing here holds it: read the books, then [`Exposure::admit`] (or [`Exposure::abandon`]).
    Go(Ticket),
    /// The same commitment is reserved.
    InFlight,
    /// It is reserved for another request.
    Refused(Refusal),
}

/// The answer of [`Exposure::admit`].
#[derive(Debug)]
pub enum Admission {
    /// The reserve is held until settled or released.
    Reserved,
    /// It settled since the look: read the books again.
    LookAgain,
    /// Another task reserved it since the look.
    InFlight,
    /// It may not be reserved.
    Refused(Refusal),
}

/// Proof of a look that is not finished yet; hand it back exactly once.
#[derive(Debug)]
#[must_use = "a look that is never finished keeps settled sales in memory"]
pub struct Ticket(u64);

/// A reserve. Dropping it releases the reserve.
#[derive(Debug)]
#[must_use = "dropping a reservation releases it"]
pub struct Reservation {
    sale: Box<Sale>,
    table: Arc<ExposureTable>,
    open: bool,
}

#[derive(Debug)]
struct Position {
    account: Account,
    reserved: Amount,
    holds: u32,
    committing: u32,
}

/// What settled while looks were under way, oldest first, and the looks that may have missed it.
#[derive(Debug, Default)]
struct Settled {
    tick: u64,
    looks: BTreeMap<u64, u32>,
    log: VecDeque<(u64, CommitmentId, Option<Hash>, AgentId)>,
    ids: HashSet<CommitmentId>,
    nonces: HashSet<Hash>,
}

impl ExposureTable {
    /// An empty table; the books take at most `nonce_capacity` live nonces.
    #[must_use]
    pub fn new(nonce_capacity: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Exposure {
            positions: HashMap::new(),
            reserved: HashMap::new(),
            nonces: HashSet::new(),
            booked: None,
            nonce_capacity,
            commits: 0,
            settled: Settled::default(),
        })))
    }

    /// The table, locked. Hold it briefly and never across a wait.
    pub fn lock(&self) -> MutexGuard<'_, Exposure> {
        // Every change below is completed before anything can panic, so poison carries no news.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much is held here for `agent`.
    #[must_use]
    pub fn reserved(&self, agent: &AgentId) -> Amount {
        let table = self.lock();
        table.positions.get(agent).map_or(Amount::ZERO, |position| position.reserved)
    }

    /// The reservation for a sale that [`Exposure::admit`] has just reserved in this table.
    pub fn reservation(self: &Arc<Self>, sale: Sale) -> Reservation {
        Reservation { sale: Box::new(sale), table: Arc::clone(self), open: true }
    }
}

impl Exposure {
    /// Before the books are read: is this commitment held here?
    pub fn look(&mut self, id: &CommitmentId, fingerprint: &Fingerprint) -> Look {
        match self.reserved.get(id) {
            Some(held) if held == fingerprint => Look::InFlight,
            Some(_) => Look::Refused(mismatch()),
            None => Look::Go(self.settled.look()),
        }
    }

    /// After the books were read and know the commitment.
    pub fn abandon(&mut self, ticket: Ticket) {
        self.finish(ticket);
    }

    /// After the books were read and do not know the commitment: reserve it, or say why not.
    pub fn admit(&mut self, ticket: Ticket, sale: &Sale, seen: Seen, now: u64) -> Admission {
        let admission = self.decide(sale, seen, now);
        self.finish(ticket);
        admission
    }

    /// A commit that settles reservations of these agents is about to be made.
    pub fn begin_commit<'a>(&mut self, agents: impl Iterator<Item = &'a AgentId>) {
        self.commits += 1;
        for agent in agents {
            if let Some(position) = self.positions.get_mut(agent) {
                position.committing += 1;
            }
        }
    }

    /// That commit was made or has failed. Same agents as in [`Exposure::begin_commit`]; settle and
    /// refresh under the same lock.
    pub fn end_commit<'a>(&mut self, agents: impl Iterator<Item = &'a AgentId>) {
        self.commits = self.commits.saturating_sub(1);
        for agent in agents {
            if let Some(position) = self.positions.get_mut(agent) {
                position.committing = position.committing.saturating_sub(1);
            }
        }
    }

    /// The reservation stands in the books now; refresh its account under the same lock.
    pub fn settle(&mut self, mut reservation: Reservation) {
        reservation.open = false;
        let sale = &reservation.sale;
        let nonce = self.drop_hold(sale);
        self.settled.record(sale.id, nonce, sale.agent.clone());
        self.purge();
    }

    /// Takes over an account as a commit has left it.
    pub fn refresh(&mut self, account: &Account) {
        if let Some(position) = self.positions.get_mut(&account.terms.agent)
            && account.touched > position.account.touched
        {
            position.account = account.clone();
        }
    }

    /// Takes over the count of live nonces as a commit that ends at `head` has left it.
    pub fn refresh_nonces(&mut self, head: Sequence, live: u64) {
        if self.booked.is_none_or(|(known, _)| head >= known) {
            self.booked = Some((head, live));
        }
    }

    /// How many sales are reserved.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.reserved.len()
    }

    /// How many entries of any kind are held: nothing in flight, nothing held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.positions.len() + self.reserved.len() + self.nonces.len() + self.settled.log.len()
    }

    fn decide(&mut self, sale: &Sale, seen: Seen, now: u64) -> Admission {
        match self.reserved.get(&sale.id) {
            Some(held) if *held == sale.fingerprint => return Admission::InFlight,
            Some(_) => return Admission::Refused(mismatch()),
            None if self.settled.ids.contains(&sale.id) => return Admission::LookAgain,
            None => {}
        }
        let nonce = sale.nonce.as_deref().map(|nonce| nonce_key(&sale.thumbprint, nonce));
        let used_here = |key: &Hash| self.nonces.contains(key) || self.settled.nonces.contains(key);
        if seen.nonce_used || nonce.as_ref().is_some_and(used_here) {
            return Admission::Refused(replayed());
        }
        let booked = self.booked_nonces(seen.head, seen.nonces);
        let position = match self.newest(&sale.agent, seen.account) {
            Some(position) => position,
            None => return Admission::Refused(unknown_agent()),
        };
        if let Err(refusal) = position.account.admit(sale.amount, position.reserved, now) {
            return Admission::Refused(refusal);
        }
        let waiting = u64::try_from(self.nonces.len()).unwrap_or(u64::MAX);
        if nonce.is_some() && booked.saturating_add(waiting) >= self.nonce_capacity {
            return Admission::Refused(full());
        }
        self.hold(sale, nonce, position);
        Admission::Reserved
    }

    /// The newest count of nonces; while a commit is under way, the one before it, because its nonces
    /// are still counted here.
    fn booked_nonces(&mut self, head: Sequence, live: u64) -> u64 {
        if self.commits == 0 {
            self.refresh_nonces(head, live);
        }
        self.booked.map_or(live, |(_, booked)| booked)
    }

    /// The newest copy of the account, with what is held for it. Stored only if the sale is reserved.
    fn newest(&self, agent: &AgentId, seen: Option<Account>) -> Option<Position> {
        let Some(known) = self.positions.get(agent) else {
            return seen.map(Position::of);
        };
        let account = match seen {
            Some(seen) if known.committing == 0 && seen.touched > known.account.touched => seen,
            _ => known.account.clone(),
        };
        Some(Position { account, ..*known })
    }

    fn hold(&mut self, sale: &Sale, nonce: Option<Hash>, mut position: Position) {
        position.reserved = add(position.reserved, sale.amount);
        position.holds += 1;
        self.positions.insert(sale.agent.clone(), position);
        self.reserved.insert(sale.id, sale.fingerprint);
        self.nonces.extend(nonce);
    }

    fn drop_hold(&mut self, sale: &Sale) -> Option<Hash> {
        self.reserved.remove(&sale.id);
        if let Some(position) = self.positions.get_mut(&sale.agent) {
            position.reserved = less(position.reserved, sale.amount);
            position.holds = position.holds.saturating_sub(1);
        }
        let key = nonce_key(&sale.thumbprint, sale.nonce.as_deref()?);
        self.nonces.take(&key)
    }

    fn release(&mut self, sale: &Sale) {
        self.drop_hold(sale);
        // The account may be newer than what a look under way has read: keep it until that ends.
        self.settled.retire(sale.agent.clone());
        self.purge();
    }

    fn finish(&mut self, ticket: Ticket) {
        self.settled.finish(ticket);
        self.purge();
    }

    fn purge(&mut self) {
        while let Some(agent) = self.settled.pop_old() {
            if self.positions.get(&agent).is_some_and(|position| position.holds == 0) {
                self.positions.remove(&agent);
            }
        }
    }
}

impl Position {
    fn of(account: Account) -> Self {
        Self { account, reserved: Amount::ZERO, holds: 0, committing: 0 }
    }
}

impl Settled {
    fn look(&mut self) -> Ticket {
        *self.looks.entry(self.tick).or_default() += 1;
        Ticket(self.tick)
    }

    fn finish(&mut self, Ticket(tick): Ticket) {
        if let Some(count) = self.looks.get_mut(&tick) {
            *count -= 1;
            if *count == 0 {
                self.looks.remove(&tick);
            }
        }
    }

    fn record(&mut self, id: CommitmentId, nonce: Option<Hash>, agent: AgentId) {
        self.tick += 1;
        self.ids.insert(id);
        self.nonces.extend(nonce);
        self.log.push_back((self.tick, id, nonce, agent));
    }

    fn retire(&mut self, agent: AgentId) {
        self.tick += 1;
        // No commitment has this id: it would need a SHA-256 of 28 zero bytes.
        let nobody = CommitmentId::from_bytes([0; 32]);
        self.log.push_back((self.tick, nobody, None, agent));
    }

    /// The next agent whose settled sale every look under way has seen.
    fn pop_old(&mut self) -> Option<AgentId> {
        let oldest = self.looks.keys().next().copied().unwrap_or(u64::MAX);
        if self.log.front().is_none_or(|(tick, ..)| *tick > oldest) {
            return None;
        }
        let (_, id, nonce, agent) = self.log.pop_front()?;
        self.ids.remove(&id);
        if let Some(nonce) = nonce {
            self.nonces.remove(&nonce);
        }
        Some(agent)
    }
}

impl Reservation {
    /// The sale it holds for.
    #[must_use]
    pub fn sale(&self) -> &Sale {
        &self.sale
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.open {
            self.table.lock().release(&self.sale);
        }
    }
}

pub(crate) fn mismatch() -> Refusal {
    Refusal::new(Reason::ReplayMismatch, "the commitment was made for another request")
}

pub(crate) fn replayed() -> Refusal {
    Refusal::new(Reason::NonceReplayed, "this key has used the nonce before")
}

pub(crate) fn unknown_agent() -> Refusal {
    Refusal::new(Reason::AgentNotRegistered, "the agent has no account")
}

pub(crate) fn full() -> Refusal {
    Refusal::new(Reason::BooksFull, "the books hold as many nonces as they may")
}

pub(crate) fn other_asset() -> Refusal {
    Refusal::new(Reason::AssetMismatch, "these books count another asset")
}
