//! How many sales a second the books take: `postings [sales] [at once]`.
//!
//! Each is reserved and posted, with about 700 bytes of evidence; an answer means it is on the disk.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use tollway_ledger::{
    AgentId, AgentTerms, Books, CommitmentId, Delivery, Evidence, EvidenceKind, Fingerprint, PostOutcome, PriceProof,
    Reserve, Sale,
};
use tollway_protocol::{Amount, Asset, Dress, Scale};
use tollway_store::{OpenOptions, SqliteBooks};

const NOW: u64 = 1_795_348_800;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = std::env::args().skip(1);
    let sales: u64 = numbers.next().map_or(Ok(50_000), |text| text.parse())?;
    let at_once: u64 = numbers.next().map_or(Ok(64), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let options = OpenOptions::new("https://seller.example", Asset::usd(), Scale::MICRO);
    let books = Arc::new(SqliteBooks::open(folder.path().join("books"), options)?);
    let terms = AgentTerms {
        agent: AgentId::new("https://crawler.example")?,
        credit_limit: Amount::new(u128::from(sales)),
        daily_budget: None,
    };
    books.agent_put(terms.clone(), NOW).await?;

    let start = Instant::now();
    let buyers: Vec<_> = (0..at_once)
        .map(|buyer| {
            let (books, agent) = (Arc::clone(&books), terms.agent.clone());
            tokio::spawn(async move {
                let mut charged = 0_u64;
                for number in (buyer..sales).step_by(usize::try_from(at_once).unwrap_or(1)) {
                    charged += u64::from(buy(&books, sale(&agent, number)).await);
                }
                charged
            })
        })
        .collect();
    let mut charged = 0;
    for buyer in buyers {
        charged += buyer.await?;
    }
    let millis = start.elapsed().as_millis().max(1);
    let rate = u128::from(charged) * 1_000 / millis;
    let batches = books.batches();
    writeln!(std::io::stdout(), "{charged} sales in {millis} ms: {rate}/s, {batches} commits")?;
    Ok(())
}

async fn buy(books: &SqliteBooks, sale: Sale) -> bool {
    let Ok(Reserve::Reserved(reservation)) = books.reserve(sale, NOW).await else {
        return false;
    };
    let delivery = Delivery { status: 200, bytes: Some(20_000), ..Delivery::default() };
    matches!(books.post(reservation, delivery, NOW).await, Ok(PostOutcome::Posted(_)))
}

fn sale(agent: &AgentId, number: u64) -> Sale {
    let url = format!("https://seller.example/articles/{number}");
    let filler = "\"@authority\": seller.example\n".repeat(18);
    let base = format!("\"@method\": GET\n\"@target-uri\": {url}\n{filler};created={NOW}");
    Sale {
        id: CommitmentId::derive(NOW, &[7; 32], base.as_bytes()),
        fingerprint: Fingerprint::of("GET", &url, ""),
        agent: agent.clone(),
        thumbprint: [7; 32],
        nonce: Some(format!("nonce-{number}")),
        expires: NOW + 300,
        amount: Amount::new(1),
        asset: Asset::usd(),
        rule: "articles".into(),
        method: "GET".into(),
        url,
        dress: Dress::X402,
        offer: Some("w5yAn3vVkVYzTqjXcG1p4g".into()),
        terms: None,
        price_proof: PriceProof::BuyerSigned,
        evidence: Evidence { kind: EvidenceKind::Rfc9421, base, signature: [9; 64] },
    }
}
