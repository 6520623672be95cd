//! `tollway ledger`: what an owner asks of the books, also beside a running gateway.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tollway_core::seller::{BILLS_PATH, bill_token};
use tollway_ledger::{
    Books, CheckpointSigner, CloseOutcome, CommitmentId, Entry, ExactBooks as _, PaymentId, Period, Sequence,
    Statement, StatementFilter, reconcile,
};
use tollway_signatures::{PrivateKey, jws};
use tollway_store::SqliteBooks;

use super::agents::agent_id;
use super::{
    KnownKeys, buyer_lines, ledger_audit, ledger_csv, ledger_paid, ledger_passes, now, say, say_json, seller_lines,
};
use crate::cli::{Format, LedgerArgs, LedgerCommand};
use crate::compose::open_books;
use crate::config::Config;
use crate::keys;
use crate::money::dollars;

/// Entries read from the books at once.
const BATCH: usize = 1_000;

pub(crate) async fn run(args: LedgerArgs) -> anyhow::Result<ExitCode> {
    let path = &args.config.config;
    let json = args.json;
    match args.command {
        LedgerCommand::Close { period, now } => close(path, period.as_deref(), now, json).await,
        LedgerCommand::Statement { agent, period, lines } => statement(path, agent, period, lines, json).await,
        LedgerCommand::Paid(paid) => ledger_paid::run(path, paid, json).await,
        LedgerCommand::Passes { open } => ledger_passes::list(&open_books(&Config::read(path)?)?, open, json).await,
        LedgerCommand::Revoke { pass } => ledger_passes::revoke(&open_books(&Config::read(path)?)?, &pass, json).await,
        LedgerCommand::Export { format, out } => export(path, format, out.as_deref(), json).await,
        LedgerCommand::Verify { export, keys } => {
            let (bytes, known) = match export {
                Some(file) => (
                    std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?,
                    KnownKeys::default(),
                ),
                None => {
                    let books = open_books(&Config::read(path)?)?;
                    (export_bytes(&books).await?, KnownKeys::of_books(&books).await?)
                }
            };
            ledger_audit::verify(&bytes, known.with_files(&keys)?, json)
        }
        LedgerCommand::Show { id, last } => show(path, id, last, json).await,
        LedgerCommand::Reconcile { audit, export } => {
            let bytes = match export {
                Some(file) => std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?,
                None => export_bytes(&open_books(&Config::read(path)?)?).await?,
            };
            let found = reconcile(seller_lines(&bytes, None)?.into_iter(), buyer_lines(&audit)?.into_iter());
            ledger_audit::report_reconciliation(&found, json)
        }
    }
}

/// The seller's key as the books' signer.
pub(crate) struct SellerSigner {
    key: PrivateKey,
    seller: String,
}

impl SellerSigner {
    pub(crate) fn new(key: PrivateKey, seller: String) -> Self {
        Self { key, seller }
    }
}

/// `typ` of signed statements and checkpoints.
pub(crate) const SEAL_TYPE: &str = "tollway-books+jws";

impl CheckpointSigner for SellerSigner {
    fn sign(&self, payload: &[u8]) -> String {
        jws::sign(SEAL_TYPE, payload, &self.key)
    }

    fn thumbprint(&self) -> String {
        self.key.public().thumbprint().to_string()
    }

    fn seller(&self) -> String {
        self.seller.clone()
    }
}

async fn close(path: &Path, period: Option<&str>, at: Option<u64>, json: bool) -> anyhow::Result<ExitCode> {
    let config = Config::read(path)?;
    let books = open_books(&config)?;
    let now = at.unwrap_or_else(now);
    let period: Period = match period {
        Some(text) => {
            text.parse().map_err(|_| anyhow::anyhow!("`{text}` is no period such as 2026-11-22 or 2026-11"))?
        }
        // The last day that is over.
        None => Period::day_of(now.saturating_sub(86_400)),
    };
    let key = keys::read(&config.path(&config.seller.key))?;
    let signer = SellerSigner::new(key, config.sites()?[0].origin());
    let closed = books.close(period, now, &signer).await?;
    print_closed(&closed, json)?;
    Ok(ExitCode::SUCCESS)
}

fn print_closed(closed: &CloseOutcome, json: bool) -> anyhow::Result<()> {
    if json {
        return say_json(&json!({
            "period": closed.period.to_string(),
            "already_closed": closed.already_closed,
            "cut": closed.cut,
            "statements": closed.statements,
            "checkpoint": closed.checkpoint,
        }));
    }
    let how = if closed.already_closed { "was closed already" } else { "closed" };
    say(format_args!("{} {how}, {} bills, journal cut at {}", closed.period, closed.statements.len(), closed.cut));
    statement_table(&closed.statements);
    Ok(())
}

async fn statement(
    path: &Path,
    agent: Option<String>,
    period: Option<String>,
    lines: bool,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let config = Config::read(path)?;
    let books = open_books(&config)?;
    let agent = agent.map(|text| agent_id(&text, config.agents.allow_loopback)).transpose()?;
    let period = period.map(|text| text.parse().map_err(|_| anyhow::anyhow!("`{text}` is no period"))).transpose()?;
    let statements = books.statements(StatementFilter { agent, period }).await?;
    if lines {
        say(ledger_csv::LINE_HEADER);
        for statement in &statements {
            print_lines(&books, statement).await?;
        }
    } else if json {
        let key = config.exact.is_some().then(|| keys::read(&config.path(&config.seller.key))).transpose()?;
        let shown = |s: &Statement| {
            let pay_url = key.as_ref().map(|key| format!("{}{BILLS_PATH}{}", s.seller, bill_token(key, s)));
            json!({"statement": s, "jws": s.jws, "paid": s.paid, "pay_url": pay_url})
        };
        say_json(&statements.iter().map(shown).collect::<Vec<_>>())?;
    } else {
        statement_table(&statements);
    }
    Ok(if statements.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn print_lines(books: &dyn Books, statement: &Statement) -> anyhow::Result<()> {
    let mut after = Sequence::ZERO;
    loop {
        let lines = books.lines(statement, after, BATCH).await?;
        let Some(last) = lines.last() else { return Ok(()) };
        after = last.sequence;
        lines.iter().for_each(|line| say(ledger_csv::statement_line(line)));
    }
}

pub(crate) fn statement_table(statements: &[Statement]) {
    if statements.is_empty() {
        say("no bills");
        return;
    }
    say(format_args!("{:<11} {:<44} {:>8} {:>14} {:>12}  paid", "period", "agent", "lines", "total", "payable"));
    for statement in statements {
        let total = tollway_protocol::Amount::new(u128::try_from(statement.total.get()).unwrap_or_default());
        let paid = statement.paid.as_ref().map_or("-".to_owned(), |paid| format!("{} {}", paid.rail, paid.reference));
        say(format_args!(
            "{:<11} {:<44} {:>8} {:>14} {:>12}  {paid}",
            statement.period.to_string(),
            statement.agent.as_str(),
            statement.lines,
            dollars(total),
            dollars(statement.payable),
        ));
    }
}

async fn export(path: &Path, format: Format, out: Option<&Path>, json: bool) -> anyhow::Result<ExitCode> {
    let books = open_books(&Config::read(path)?)?;
    let to_file = out.is_some();
    let mut sink: Box<dyn Write> = match out {
        Some(path) => Box::new(BufWriter::new(
            std::fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?,
        )),
        None => Box::new(BufWriter::new(std::io::stdout().lock())),
    };
    let entries = write_export(&books, format, &mut sink).await?;
    sink.flush().context("cannot write the export")?;
    drop(sink);
    if to_file {
        let (sequence, head) = books.head().await?;
        if json {
            say_json(&json!({"entries": entries, "sequence": sequence, "head": head}))?;
        } else {
            say(format_args!("{entries} entries, head {head}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the journal; how many entries it has.
pub(crate) async fn write_export(books: &SqliteBooks, format: Format, sink: &mut dyn Write) -> anyhow::Result<u64> {
    if format == Format::Csv {
        writeln!(sink, "{}", ledger_csv::HEADER)?;
    }
    let (end, _) = books.head().await?;
    let (mut from, mut count) = (Sequence::new(1), 0);
    while from <= end {
        let entries = books.entries(from, BATCH).await?;
        for entry in entries.iter().filter(|entry| entry.sequence <= end) {
            count += 1;
            match format {
                Format::Jsonl => writeln!(sink, "{}", entry.export_line())?,
                Format::Csv => {
                    if let Some(row) = ledger_csv::row(entry)? {
                        writeln!(sink, "{row}")?;
                    }
                }
            }
        }
        let Some(last) = entries.last() else { bail!("the journal ends before its head") };
        from = last.sequence.next();
    }
    Ok(count)
}

/// The journal as JSON lines.
pub(crate) async fn export_bytes(books: &SqliteBooks) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write_export(books, Format::Jsonl, &mut bytes).await?;
    Ok(bytes)
}

async fn show(path: &Path, id: Option<String>, last: u64, json: bool) -> anyhow::Result<ExitCode> {
    let books = open_books(&Config::read(path)?)?;
    let Some(id) = id else {
        let (head, _) = books.head().await?;
        let from = Sequence::new(head.get().saturating_sub(last.saturating_sub(1)).max(1));
        let entries = books.entries(from, usize::try_from(last).unwrap_or(usize::MAX)).await?;
        entries.iter().try_for_each(|entry| show_entry(entry, json))?;
        return Ok(ExitCode::SUCCESS);
    };
    let commitment: CommitmentId = id.parse().map_err(|_| anyhow::anyhow!("`{id}` is no commitment id"))?;
    if let Some(recorded) = books.lookup(&commitment).await? {
        say_json(&recorded)?;
    } else if let Some(record) = books.exact_lookup(&PaymentId::from_bytes(*commitment.as_bytes())).await? {
        say_json(&record)?;
    } else {
        bail!("the books do not know {id}");
    }
    Ok(ExitCode::SUCCESS)
}

fn show_entry(entry: &Entry, json: bool) -> anyhow::Result<()> {
    if json {
        say(entry.export_line());
        return Ok(());
    }
    let body: Value = serde_json::from_str(&entry.body)?;
    let word = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let about = [word("agent"), word("amount"), word("url"), word("id")].into_iter().filter(|word| !word.is_empty());
    say(format_args!(
        "{:>8}  {}  {:<11} {}",
        entry.sequence,
        entry.at,
        entry.kind,
        about.collect::<Vec<_>>().join("  ")
    ));
    Ok(())
}
