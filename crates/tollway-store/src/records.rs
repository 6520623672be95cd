//! Records over one SQLite transaction.
//!
//! Rows that many commands of a batch change (the head, accounts, nonce counts) are read once and
//! written once, by [`SqliteRecords::flush`], however many commands the batch has.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use tollway_ledger::nonce::live_bucket;
use tollway_ledger::{
    Account, AgentId, BillPayment, CommitmentId, CommitmentRow, Document, DocumentKind, Entry, Hash, Index, Ledger,
    Period, Records, RecordsError, Sequence, Statement, StatementFilter,
};
use tollway_protocol::Amount;

use crate::failure::{damaged, failure};
use crate::rows::{account, bill_of, commitment, document, entry, integer, most, natural, place, state_number, sum};

mod passes;
mod payments;

/// Most nonces dropped in one transaction, so that no batch waits long.
const DROP_AT_ONCE: u64 = 4_096;

const ENTRY: &str = "SELECT e.sequence, e.at, e.kind, e.body, e.hash, \
    (SELECT p.hash FROM entries p WHERE p.sequence = e.sequence - 1) FROM entries e";

const STATEMENT: &str = "SELECT e.sequence, e.at, e.kind, e.body, e.hash, \
    (SELECT p.hash FROM entries p WHERE p.sequence = e.sequence - 1), b.amount, b.rail, b.reference \
    FROM entries e JOIN statements s ON s.sequence = e.sequence JOIN agents a ON a.number = s.agent \
    LEFT JOIN bills b ON b.statement = s.sequence \
    WHERE (?1 IS NULL OR a.agent = ?1) AND (?2 IS NULL OR s.period = ?2) ORDER BY s.sequence";

const ACCOUNT: &str = "SELECT number, agent, credit_limit, daily_budget, blocked, posted, \
    undelivered, pending, spent_day, spent, since, last_sale, touched, paid FROM agents";

const COMMITMENT: &str = "SELECT c.id, c.fingerprint, c.state, a.agent, c.amount, c.expires, \
    c.first, c.posted, c.at, c.noted FROM commitments c JOIN agents a ON a.number = c.agent";

const DOCUMENT: &str = "SELECT id, hash, at, body FROM documents";

pub(crate) struct SqliteRecords<'c> {
    connection: &'c Connection,
    ledger: &'c Ledger,
    nonce_capacity: u64,
    head: Option<(Sequence, Hash)>,
    accounts: HashMap<AgentId, Cached>,
    buckets: Option<BTreeMap<u64, Bucket>>,
    /// Nonces found in the file though they have ended, with their buckets.
    ended: HashMap<Hash, u64>,
    dropped: bool,
}

struct Cached {
    number: i64,
    account: Account,
    changed: bool,
}

#[derive(Clone, Copy)]
struct Bucket {
    count: u64,
    changed: bool,
}

impl<'c> SqliteRecords<'c> {
    pub(crate) fn new(connection: &'c Connection, ledger: &'c Ledger, nonce_capacity: u64) -> Self {
        Self {
            connection,
            ledger,
            nonce_capacity,
            head: None,
            accounts: HashMap::new(),
            buckets: None,
            ended: HashMap::new(),
            dropped: false,
        }
    }

    /// Writes what was gathered; the accounts that changed.
    pub(crate) fn flush(self) -> Result<Vec<Account>, RecordsError> {
        let mut changed = Vec::new();
        for cached in self.accounts.into_values().filter(|cached| cached.changed) {
            write_account(self.connection, cached.number, &cached.account)?;
            changed.push(cached.account);
        }
        for (bucket, Bucket { count, changed }) in self.buckets.into_iter().flatten() {
            if changed {
                let sql = "INSERT INTO nonce_buckets VALUES (?1, ?2) \
                    ON CONFLICT (bucket) DO UPDATE SET count = ?2";
                run(self.connection, sql, (integer(bucket), integer(count)))?;
            }
        }
        Ok(changed)
    }

    fn number(&mut self, agent: &AgentId) -> Result<i64, RecordsError> {
        if self.account(agent)?.is_none() {
            return Err(damaged("an agent"));
        }
        let cached = self.accounts.get(agent);
        cached.map(|cached| cached.number).ok_or_else(|| damaged("an agent"))
    }

    fn buckets(&mut self) -> Result<&mut BTreeMap<u64, Bucket>, RecordsError> {
        if self.buckets.is_none() {
            let rows = all(self.connection, "SELECT bucket, count FROM nonce_buckets", [], |row| {
                Ok((natural(row, 0)?, Bucket { count: natural(row, 1)?, changed: false }))
            })?;
            self.buckets = Some(rows.into_iter().collect());
        }
        Ok(self.buckets.get_or_insert_default())
    }
}

impl Records for SqliteRecords<'_> {
    fn ledger(&self) -> &Ledger {
        self.ledger
    }

    fn head(&mut self) -> Result<(Sequence, Hash), RecordsError> {
        if let Some(head) = self.head {
            return Ok(head);
        }
        let sql = "SELECT sequence, hash FROM entries ORDER BY sequence DESC LIMIT 1";
        let row =
            one(self.connection, sql, [], |row| Ok((Sequence::new(natural(row, 0)?), Hash::from_bytes(row.get(1)?))))?;
        let head = row.unwrap_or((Sequence::ZERO, Hash::ZERO));
        self.head = Some(head);
        Ok(head)
    }

    fn append(&mut self, entry: &Entry, index: Index<'_>) -> Result<(), RecordsError> {
        let line = match index {
            Index::Line(agent) => Some(self.number(agent)?),
            _ => None,
        };
        let sequence = integer(entry.sequence.get());
        let hash = entry.hash.as_bytes();
        let sql = "INSERT INTO entries (sequence, at, kind, agent, hash, body) \
            VALUES (?, ?, ?, ?, ?, ?)";
        let row = (sequence, integer(entry.at), entry.kind.as_str(), line, hash, &entry.body);
        run(self.connection, sql, row)?;
        match index {
            Index::Place | Index::Line(_) => {}
            Index::Statement(agent, period) => {
                let row = (sequence, self.number(agent)?, period.to_string());
                run(self.connection, "INSERT INTO statements VALUES (?, ?, ?)", row)?;
            }
            Index::Checkpoint(period) => {
                let row = (period.to_string(), sequence);
                run(self.connection, "INSERT INTO checkpoints VALUES (?, ?)", row)?;
            }
        }
        self.head = Some((entry.sequence, entry.hash));
        Ok(())
    }

    fn entry(&mut self, at: Sequence) -> Result<Option<Entry>, RecordsError> {
        let sql = format!("{ENTRY} WHERE e.sequence = ?");
        one(self.connection, &sql, [integer(at.get())], entry)
    }

    fn entries(&mut self, from: Sequence, limit: usize) -> Result<Vec<Entry>, RecordsError> {
        let sql = format!("{ENTRY} WHERE e.sequence >= ? ORDER BY e.sequence LIMIT ?");
        all(self.connection, &sql, (integer(from.get()), most(limit)), entry)
    }

    fn lines(
        &mut self,
        agent: Option<&AgentId>,
        after: Sequence,
        to: Sequence,
        limit: usize,
    ) -> Result<Vec<Entry>, RecordsError> {
        let range = "e.sequence > ?1 AND e.sequence <= ?2";
        let (after, to, limit) = (integer(after.get()), integer(to.get()), most(limit));
        match agent {
            Some(agent) => {
                let Some(_) = self.account(agent)? else {
                    return Ok(Vec::new());
                };
                let number = self.number(agent)?;
                let order = "AND e.agent = ?4 ORDER BY e.sequence LIMIT ?3";
                let sql = format!("{ENTRY} WHERE {range} {order}");
                all(self.connection, &sql, (after, to, limit, number), entry)
            }
            None => {
                let order = "AND e.agent IS NOT NULL ORDER BY e.sequence LIMIT ?3";
                let sql = format!("{ENTRY} WHERE {range} {order}");
                all(self.connection, &sql, (after, to, limit), entry)
            }
        }
    }

    fn first_line(&mut self, after: Sequence, at: u64) -> Result<Option<Sequence>, RecordsError> {
        let sql = "SELECT sequence FROM entries WHERE sequence > ? AND agent IS NOT NULL \
            AND at >= ? ORDER BY sequence LIMIT 1";
        one(self.connection, sql, (integer(after.get()), integer(at)), place)
    }

    fn commitment(&mut self, id: &CommitmentId) -> Result<Option<CommitmentRow>, RecordsError> {
        let sql = format!("{COMMITMENT} WHERE c.id = ?");
        one(self.connection, &sql, [id.as_bytes()], commitment)
    }

    fn put_commitment(&mut self, row: &CommitmentRow) -> Result<(), RecordsError> {
        let agent = self.number(&row.agent)?;
        let sql = "INSERT INTO commitments (id, fingerprint, state, agent, amount, expires, first, \
            posted, at, noted) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
            ON CONFLICT (id) DO UPDATE SET state = ?3, posted = ?8, noted = ?10";
        let values = params![
            row.id.as_bytes(),
            row.fingerprint.as_bytes(),
            state_number(row.state),
            agent,
            sum(row.amount),
            integer(row.expires),
            integer(row.first.get()),
            row.posted.map(|posted| integer(posted.get())),
            integer(row.at),
            row.noted,
        ];
        run(self.connection, sql, values)
    }

    fn ended_claims(&mut self, before: u64, limit: usize) -> Result<Vec<CommitmentRow>, RecordsError> {
        let sql = format!("{COMMITMENT} WHERE c.state = 0 AND c.expires < ? ORDER BY c.expires, c.id LIMIT ?");
        all(self.connection, &sql, (integer(before), most(limit)), commitment)
    }

    fn account(&mut self, agent: &AgentId) -> Result<Option<Account>, RecordsError> {
        if let Some(cached) = self.accounts.get(agent) {
            return Ok(Some(cached.account.clone()));
        }
        let sql = format!("{ACCOUNT} WHERE agent = ?");
        let Some((number, account)) = one(self.connection, &sql, [agent.as_str()], account)? else {
            return Ok(None);
        };
        let cached = Cached { number, account: account.clone(), changed: false };
        self.accounts.insert(agent.clone(), cached);
        Ok(Some(account))
    }

    fn put_account(&mut self, account: &Account) -> Result<(), RecordsError> {
        let agent = &account.terms.agent;
        if self.account(agent)?.is_none() {
            // A new row is written at once, for its number; its values follow with the others.
            let none = sum(Amount::ZERO);
            let sql = "INSERT INTO agents (agent, credit_limit, blocked, posted, undelivered, \
                pending, spent_day, spent, since, touched) VALUES (?1, ?2, 0, ?2, ?2, ?2, 0, ?2, 0, 0)";
            run(self.connection, sql, (agent.as_str(), none))?;
        }
        let number = match self.accounts.get(agent) {
            Some(cached) => cached.number,
            None => self.connection.last_insert_rowid(),
        };
        let cached = Cached { number, account: account.clone(), changed: true };
        self.accounts.insert(agent.clone(), cached);
        Ok(())
    }

    fn accounts(&mut self) -> Result<Vec<Account>, RecordsError> {
        let sql = format!("{ACCOUNT} ORDER BY agent");
        all(self.connection, &sql, [], |row| account(row).map(|(_, account)| account))
    }

    fn nonce_used(&mut self, key: &Hash, now: u64) -> Result<bool, RecordsError> {
        let sql = "SELECT bucket FROM nonces WHERE key = ?";
        let found = one(self.connection, sql, [key.as_bytes()], |row| natural(row, 0))?;
        match found {
            Some(bucket) if bucket < live_bucket(now) => {
                // Ended but not dropped yet: it makes room if the key comes back.
                self.ended.insert(*key, bucket);
                Ok(false)
            }
            found => Ok(found.is_some()),
        }
    }

    fn put_nonce(&mut self, key: &Hash, bucket: u64) -> Result<(), RecordsError> {
        if let Some(ended) = self.ended.remove(key) {
            let sql = "DELETE FROM nonces WHERE key = ?";
            let gone = changes(self.connection, sql, [key.as_bytes()])?;
            // It may have been dropped with its bucket since.
            if gone > 0
                && let Some(counts) = self.buckets()?.get_mut(&ended)
            {
                counts.count = counts.count.saturating_sub(1);
                counts.changed = true;
            }
        }
        let row = (key.as_bytes(), integer(bucket));
        run(self.connection, "INSERT INTO nonces VALUES (?, ?)", row)?;
        let counts = self.buckets()?.entry(bucket).or_insert(Bucket { count: 0, changed: true });
        counts.count += 1;
        counts.changed = true;
        Ok(())
    }

    fn nonces(&mut self, now: u64) -> Result<u64, RecordsError> {
        let live = self.buckets()?.range(live_bucket(now)..);
        Ok(live.map(|(_, bucket)| bucket.count).sum())
    }

    fn nonce_capacity(&self) -> u64 {
        self.nonce_capacity
    }

    fn drop_nonces(&mut self, now: u64) -> Result<(), RecordsError> {
        if self.dropped {
            return Ok(());
        }
        self.dropped = true;
        let mut ended = self.buckets()?.range(..live_bucket(now));
        let Some((bucket, counts)) = ended.next().map(|(bucket, counts)| (*bucket, *counts)) else {
            return Ok(());
        };
        let sql = "DELETE FROM nonces WHERE key IN \
            (SELECT key FROM nonces WHERE bucket = ? LIMIT ?)";
        run(self.connection, sql, (integer(bucket), integer(DROP_AT_ONCE)))?;
        if counts.count > DROP_AT_ONCE {
            let left = Bucket { count: counts.count - DROP_AT_ONCE, changed: true };
            self.buckets()?.insert(bucket, left);
            return Ok(());
        }
        let sql = "DELETE FROM nonce_buckets WHERE bucket = ?";
        run(self.connection, sql, [integer(bucket)])?;
        self.buckets()?.remove(&bucket);
        Ok(())
    }

    fn document(&mut self, kind: DocumentKind, id: &str) -> Result<Option<Document>, RecordsError> {
        let sql = format!("{DOCUMENT} WHERE kind = ? AND id = ?");
        one(self.connection, &sql, (kind.as_str(), id), |row| document(kind, row))
    }

    fn put_document(&mut self, document: &Document) -> Result<(), RecordsError> {
        let Document { kind, id, hash, at, body } = document;
        let row = (kind.as_str(), id, hash.as_bytes(), integer(*at), body);
        run(self.connection, "INSERT INTO documents VALUES (?, ?, ?, ?, ?)", row)
    }

    fn documents(&mut self, kind: DocumentKind, since: u64) -> Result<Vec<Document>, RecordsError> {
        let sql = format!("{DOCUMENT} WHERE kind = ? AND at >= ? ORDER BY at, rowid");
        all(self.connection, &sql, (kind.as_str(), integer(since)), |row| document(kind, row))
    }

    fn closed(&mut self, period: &Period) -> Result<Option<Sequence>, RecordsError> {
        let sql = "SELECT sequence FROM checkpoints WHERE period = ?";
        one(self.connection, sql, [period.to_string()], place)
    }

    fn last_checkpoint(&mut self) -> Result<Option<Sequence>, RecordsError> {
        let sql = "SELECT sequence FROM checkpoints ORDER BY sequence DESC LIMIT 1";
        one(self.connection, sql, [], place)
    }

    fn last_statement(&mut self, agent: &AgentId) -> Result<Option<Statement>, RecordsError> {
        let sql = format!(
            "{ENTRY} JOIN statements s ON s.sequence = e.sequence JOIN agents a ON \
            a.number = s.agent WHERE a.agent = ? ORDER BY s.sequence DESC LIMIT 1"
        );
        let entry = one(self.connection, &sql, [agent.as_str()], entry)?;
        entry.as_ref().map(Statement::from_entry).transpose()
    }

    fn statements(&mut self, filter: &StatementFilter) -> Result<Vec<Statement>, RecordsError> {
        let agent = filter.agent.as_ref().map(AgentId::as_str);
        let period = filter.period.map(|period| period.to_string());
        let rows = all(self.connection, STATEMENT, (agent, period), |row| Ok((entry(row)?, bill_of(row)?)))?;
        let read = |(entry, paid): (Entry, Option<(Amount, String, String)>)| {
            let mut statement = Statement::from_entry(&entry)?;
            let (agent, period) = (statement.agent.clone(), statement.period);
            statement.paid =
                paid.map(|(amount, rail, reference)| BillPayment { agent, period, amount, rail, reference });
            Ok(statement)
        };
        rows.into_iter().map(read).collect()
    }
}

fn run(connection: &Connection, sql: &str, values: impl Params) -> Result<(), RecordsError> {
    changes(connection, sql, values).map(drop)
}

/// How many rows the statement changed.
fn changes(connection: &Connection, sql: &str, values: impl Params) -> Result<usize, RecordsError> {
    let mut statement = connection.prepare_cached(sql).map_err(failure)?;
    statement.execute(values).map_err(failure)
}

fn one<T>(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, RecordsError> {
    let mut statement = connection.prepare_cached(sql).map_err(failure)?;
    statement.query_row(values, read).optional().map_err(failure)
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, RecordsError> {
    let mut statement = connection.prepare_cached(sql).map_err(failure)?;
    let rows = statement.query_map(values, read).map_err(failure)?;
    rows.collect::<Result<_, _>>().map_err(failure)
}

fn write_account(connection: &Connection, number: i64, account: &Account) -> Result<(), RecordsError> {
    let sql = "UPDATE agents SET credit_limit = ?, daily_budget = ?, blocked = ?, posted = ?, \
        undelivered = ?, pending = ?, spent_day = ?, spent = ?, since = ?, last_sale = ?, \
        touched = ?, paid = ? WHERE number = ?";
    let values = params![
        sum(account.terms.credit_limit),
        account.terms.daily_budget.map(sum),
        account.blocked,
        sum(account.posted),
        sum(account.undelivered),
        sum(account.pending),
        integer(account.spent_day),
        sum(account.spent),
        integer(account.since),
        account.last_sale.map(integer),
        integer(account.touched.get()),
        sum(account.paid),
        number,
    ];
    run(connection, sql, values)
}
