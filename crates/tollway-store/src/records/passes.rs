//! Rows of passes.

use rusqlite::{Row, params};
use tollway_ledger::{Pass, PassId, PassRecord, PassRecords, RecordsError, Sequence};

use super::{SqliteRecords, all, one, run};
use crate::rows::{integer, most, natural};

const PASS: &str = "SELECT id, payer, rule, requests, ends, used, revoked, opened_at, first FROM passes";

impl PassRecords for SqliteRecords<'_> {
    fn pass(&mut self, id: &PassId) -> Result<Option<PassRecord>, RecordsError> {
        let sql = format!("{PASS} WHERE id = ?");
        one(self.connection, &sql, [id.as_bytes()], pass)
    }

    fn put_pass(&mut self, record: &PassRecord) -> Result<(), RecordsError> {
        let sql = "INSERT INTO passes (id, payer, rule, requests, ends, used, revoked, opened_at, first) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (id) DO UPDATE SET used = ?6, revoked = ?7";
        let PassRecord { pass, used, revoked, opened_at, first } = record;
        let values = params![
            pass.id.as_bytes(),
            pass.payer,
            pass.rule,
            pass.requests,
            integer(pass.ends),
            used,
            revoked,
            integer(*opened_at),
            integer(first.get()),
        ];
        run(self.connection, sql, values)
    }

    fn open_pass(&mut self, payer: &str, rule: &str, now: u64) -> Result<Option<PassRecord>, RecordsError> {
        let sql = format!(
            "{PASS} WHERE payer = ? AND rule = ? AND ends > ? AND revoked = 0 AND used < requests \
             ORDER BY ends, first LIMIT 1"
        );
        one(self.connection, &sql, (payer, rule, integer(now)), pass)
    }

    fn passes(&mut self, after: Sequence, limit: usize) -> Result<Vec<PassRecord>, RecordsError> {
        let sql = format!("{PASS} WHERE first > ? ORDER BY first LIMIT ?");
        all(self.connection, &sql, (integer(after.get()), most(limit)), pass)
    }
}

fn pass(row: &Row<'_>) -> rusqlite::Result<PassRecord> {
    Ok(PassRecord {
        pass: Pass {
            id: PassId::from_bytes(row.get(0)?),
            payer: row.get(1)?,
            rule: row.get(2)?,
            requests: row.get(3)?,
            ends: natural(row, 4)?,
        },
        used: row.get(5)?,
        revoked: row.get(6)?,
        opened_at: natural(row, 7)?,
        first: Sequence::new(natural(row, 8)?),
    })
}
