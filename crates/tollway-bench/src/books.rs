//! The books alone: sales reserved and posted by many at once, beside bare SQLite writing lines of the same size in
//! groups of the same size on the same disk.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use rusqlite::Connection;
use tollway_ledger::{
    AgentId, AgentTerms, Books as _, CommitmentId, Delivery, Evidence, EvidenceKind, Fingerprint, Hash, PostOutcome,
    PriceProof, Reserve, Sale, Sequence,
};
use tollway_protocol::{Amount, Asset, Dress};
use tollway_store::SqliteBooks;

use crate::stage;

/// How many sell at the same time.
pub(crate) const SELLERS: u64 = 64;
const NOW: u64 = 1_800_000_000;
const AGENT: &str = "https://crawler.example";

/// What one round of posting came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Posted {
    /// Postings a second.
    pub(crate) rate: f64,
    /// Postings in one commit, on average.
    pub(crate) group: f64,
    /// Lines a second that bare SQLite writes in commits of that size.
    pub(crate) bare_rate: f64,
    /// Bytes of one line in the journal.
    pub(crate) line_bytes: usize,
}

/// Posts for so long, into new files below `dir`.
pub(crate) fn measure(dir: &Path, seconds: f64) -> anyhow::Result<Posted> {
    let folder = tempfile::tempdir_in(dir)?;
    let wait = Duration::from_secs_f64(seconds);
    let runtime = tokio::runtime::Runtime::new()?;
    let (rate, group, line_bytes) = runtime.block_on(post_for(&folder.path().join("books.db"), wait))?;
    let bare_rate = write_for(&folder.path().join("bare.db"), wait, group, line_bytes)?;
    Ok(Posted { rate, group, bare_rate, line_bytes })
}

async fn post_for(path: &Path, wait: Duration) -> anyhow::Result<(f64, f64, usize)> {
    let books = Arc::new(stage::books(path, "https://seller.example")?);
    let limit = Amount::new(u128::from(u64::MAX));
    books.agent_put(AgentTerms { agent: AgentId::new(AGENT)?, credit_limit: limit, daily_budget: None }, NOW).await?;
    let batches = books.batches();
    let begin = Instant::now();
    let end = begin + wait;
    let sellers: Vec<_> =
        (0..SELLERS).map(|seller| tokio::spawn(sell_until(Arc::clone(&books), seller, end))).collect();
    let mut sold = 0;
    for seller in sellers {
        sold += seller.await??;
    }
    let seconds = begin.elapsed().as_secs_f64();
    ensure!(sold > 0 && books.postings() == sold, "{} postings for {sold} sales", books.postings());
    let entries = books.entries(Sequence::ZERO.next(), 3).await?;
    let line = entries.last().map_or(0, |entry| entry.body.len());
    Ok((sold as f64 / seconds, sold as f64 / (books.batches() - batches) as f64, line))
}

async fn sell_until(books: Arc<SqliteBooks>, seller: u64, end: Instant) -> anyhow::Result<u64> {
    let mut sold = 0;
    while Instant::now() < end {
        let Reserve::Reserved(reservation) = books.reserve(sale(seller << 32 | sold)?, NOW).await? else {
            bail!("a new sale was not reserved");
        };
        let PostOutcome::Posted(_) = books.post(reservation, delivery(), NOW).await? else {
            bail!("a reserved sale was not posted");
        };
        sold += 1;
    }
    Ok(sold)
}

/// A sale as large as one of the paid path.
fn sale(number: u64) -> anyhow::Result<Sale> {
    let base = format!("{:>640}{number:020}", "\"@method\": GET");
    let thumbprint = [7; 32];
    Ok(Sale {
        id: CommitmentId::derive(NOW, &thumbprint, base.as_bytes()),
        fingerprint: Fingerprint::of("GET", "https://seller.example/paid/page.html", ""),
        agent: AgentId::new(AGENT)?,
        thumbprint,
        nonce: Some(format!("{number:022}==")),
        expires: NOW + 300,
        amount: Amount::new(2_000),
        asset: Asset::usd(),
        rule: "pages".to_owned(),
        method: "GET".to_owned(),
        url: "https://seller.example/paid/page.html".to_owned(),
        dress: Dress::X402,
        offer: Some("AAAAAAAAAAAAAAAAAAAAAA".to_owned()),
        terms: None,
        price_proof: PriceProof::BuyerSigned,
        evidence: Evidence { kind: EvidenceKind::Rfc9421, base, signature: [9; 64] },
    })
}

fn delivery() -> Delivery {
    let validator = Some("W/\"4096-1\"".to_owned());
    Delivery { status: 200, validator, digest: Some(Hash::of(b"page")), bytes: Some(4_096) }
}

/// Lines a second of bare SQLite: one table, one row a line, as durable as the books.
fn write_for(path: &Path, wait: Duration, group: f64, line_bytes: usize) -> anyhow::Result<f64> {
    let connection = Connection::open(path)?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection
        .execute_batch("PRAGMA synchronous = FULL; CREATE TABLE lines (number INTEGER PRIMARY KEY, body TEXT)")?;
    let line = "x".repeat(line_bytes);
    let begin = Instant::now();
    let (mut written, mut commits) = (0_u32, 0_u32);
    while begin.elapsed() < wait {
        commits += 1;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        // Groups are whole numbers; their mean is the books'.
        while f64::from(written) < f64::from(commits) * group {
            connection.prepare_cached("INSERT INTO lines (body) VALUES (?)")?.execute([&line])?;
            written += 1;
        }
        connection.execute_batch("COMMIT")?;
    }
    Ok(f64::from(written) / begin.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sales_are_posted_in_groups_and_bare_lines_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let posted = measure(folder.path(), 0.2).unwrap();
        assert!(posted.rate > 0.0 && posted.bare_rate > 0.0);
        assert!(posted.group > 1.0, "64 at once share commits: {}", posted.group);
        assert!(posted.line_bytes > 1_000);
    }
}
