//! Writes the export of a day of exact payments to standard output: `exact_payments [payments]`.
//!
//! Each ends in another way, in two assets on two networks, signed by ERC-3009 or by Permit2. What is
//! signed is made up: it is for readers of books, not of chains.

use std::error::Error;
use std::io::Write;

use tollway_ledger::{
    Books, Delivery, ExactBooks, ExactOutcome, ExactSale, Fingerprint, Hash, PaymentFlow, PaymentId, Sequence,
};
use tollway_protocol::{Amount, Asset, Scale};
use tollway_store::{OpenOptions, SqliteBooks};

const NOW: u64 = 1_795_348_800;
const PAY_TO: &str = "0x00000000000000000000000000000000000000B2";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let payments: u64 = std::env::args().nth(1).map_or(Ok(24), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let options = OpenOptions::new("https://seller.example", Asset::usd(), Scale::MICRO);
    let books = SqliteBooks::open(folder.path().join("books"), options)?;
    for number in 0..payments {
        let sale = sale(number)?;
        let id = sale.id;
        books.exact_claim(sale, NOW + number).await?;
        for outcome in road(number) {
            books.exact_outcome(&id, outcome, NOW + number + 1).await?;
        }
    }
    let mut out = std::io::stdout().lock();
    for entry in books.entries(Sequence::new(1), usize::MAX).await? {
        writeln!(out, "{}", entry.export_line())?;
    }
    Ok(())
}

/// Six ways to end, one after the other; two payments share a transfer.
fn road(number: u64) -> Vec<ExactOutcome> {
    let transaction = format!("0x{:064x}", number / 12);
    let sent = ExactOutcome::Unknown { transaction: Some(transaction.clone()) };
    let delivery = Delivery { status: 200, bytes: Some(9), ..Delivery::default() };
    let settled = ExactOutcome::Settled { transaction: transaction.clone(), delivery };
    let upfront = ExactOutcome::Settled { transaction: transaction.clone(), delivery: Delivery::default() };
    let owed = ExactOutcome::RefundOwed { reason: "the handler answered 500".into() };
    let failed = ExactOutcome::Failed { reason: "invalid_transaction_state".into(), transaction: Some(transaction) };
    match number % 6 {
        0 => vec![ExactOutcome::Unknown { transaction: None }, sent, settled],
        1 => vec![upfront, owed],
        2 => vec![sent, failed],
        3 => vec![ExactOutcome::Released],
        4 => vec![sent],
        _ => vec![settled],
    }
}

fn sale(number: u64) -> Result<ExactSale, Box<dyn Error>> {
    let (network, asset) = match number % 4 {
        3 => ("eip155:1".parse()?, "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48".parse()?),
        _ => ("eip155:84532".parse()?, "0x036CbD53842c5426634e7929541eC2318f3dCF7e".parse::<Asset>()?),
    };
    // The last characters of an address in either case are the same payer.
    let payer =
        format!("0x00000000000000000000000000000000000000{}", if number.is_multiple_of(2) { "A1" } else { "a1" });
    let nonce = Hash::of(&number.to_be_bytes());
    let nonce_hex: String = nonce.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let (amount, ends) = (Amount::new(1_000 + u128::from(number)), NOW + 300);
    let payload = if number.is_multiple_of(5) {
        let nonce = decimal(nonce.as_bytes());
        format!(
            r#"{{"signature":"0x00","permit2Authorization":{{"from":"{payer}","permitted":{{"token":"{}","amount":"{amount}"}},"spender":"0x00","nonce":"{nonce}","deadline":"{ends}","witness":{{"to":"{PAY_TO}","validAfter":"0"}}}}}}"#,
            asset.as_str()
        )
    } else {
        format!(
            r#"{{"signature":"0x00","authorization":{{"from":"{payer}","to":"{PAY_TO}","value":"{amount}","validAfter":"0","validBefore":"{ends}","nonce":"0x{nonce_hex}"}}}}"#
        )
    };
    let url = format!("https://seller.example/exact/{number}");
    Ok(ExactSale {
        id: PaymentId::derive(&network, &asset, &payer, nonce.as_bytes()),
        fingerprint: Fingerprint::of("POST", &url, ""),
        payer,
        network,
        asset,
        scale: Scale::MICRO,
        amount,
        pay_to: PAY_TO.into(),
        rule: "exact".into(),
        method: "POST".into(),
        url,
        offer: None,
        expires: ends,
        flow: if number % 6 == 1 { PaymentFlow::Upfront } else { PaymentFlow::Authorization },
        identifier: number.is_multiple_of(3).then(|| format!("purchase_{number:08}")),
        payment: format!(r#"{{"x402Version":2,"paymentPayload":{{"x402Version":2,"payload":{payload}}}}}"#),
    })
}

/// 32 bytes as a decimal number.
fn decimal(bytes: &[u8; 32]) -> String {
    let mut digits = vec![0_u32];
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            let sum = *digit * 256 + carry;
            (*digit, carry) = (sum % 10, sum / 10);
        }
        while carry > 0 {
            digits.push(carry % 10);
            carry /= 10;
        }
    }
    digits.iter().rev().map(u32::to_string).collect()
}
