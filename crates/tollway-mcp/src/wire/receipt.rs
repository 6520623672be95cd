//! The seller's receipt: `_meta["x402/payment-response"]` of a result.

use serde_json::{Map, Value};
use tollway_protocol::{Reason, Refusal, SettleResponse, limits, v1};

use super::json::text_within;
use super::names;
use super::payment::meta_of;

/// Puts a receipt into a result.
pub fn write_receipt(result: &mut Map<String, Value>, receipt: &SettleResponse) {
    let value = serde_json::to_value(receipt).expect("a receipt is plain data");
    meta_of(result).insert(names::PAYMENT_RESPONSE.to_owned(), value);
}

/// The same for a buyer that speaks version 1.
pub fn write_receipt_v1(result: &mut Map<String, Value>, receipt: &SettleResponse) {
    meta_of(result).insert(names::PAYMENT_RESPONSE.to_owned(), v1::settle_response(receipt));
}

/// The receipt of a result, of at most [`limits::RECEIPT_HEADER`] bytes, an object or its base64, in either version.
///
/// # Errors
/// `receipt_invalid`: it was the seller's to write.
pub fn read_receipt(result: &Map<String, Value>) -> Result<Option<SettleResponse>, Refusal> {
    let meta = result.get(names::META).and_then(Value::as_object);
    let Some(value) = meta.and_then(|meta| meta.get(names::PAYMENT_RESPONSE)) else { return Ok(None) };
    let too_large = || Refusal::new(Reason::ReceiptInvalid, "the receipt is larger than 8 KiB");
    let receipt = match value {
        Value::String(text) => v1::decode_receipt(text)?,
        _ => v1::decode_receipt_json(&text_within(value, limits::RECEIPT_HEADER).ok_or_else(too_large)?)?,
    };
    Ok(Some(receipt))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use tollway_protocol::{Amount, Attachments, Network, Settlement};

    use super::*;

    fn receipt() -> SettleResponse {
        SettleResponse::Settled(Settlement {
            transaction: "0x12".into(),
            network: "eip155:84532".parse::<Network>().unwrap(),
            payer: Some("0xab".into()),
            amount: Some(Amount::new(5)),
            attachments: Attachments::default(),
        })
    }

    #[test]
    fn a_receipt_reads_back_in_both_versions() {
        let mut result = Map::new();
        write_receipt(&mut result, &receipt());
        assert_eq!(read_receipt(&result).unwrap().unwrap(), receipt());
        write_receipt_v1(&mut result, &receipt());
        assert_eq!(result[names::META][names::PAYMENT_RESPONSE]["network"], "base-sepolia");
        let SettleResponse::Settled(read) = read_receipt(&result).unwrap().unwrap() else { panic!("settled") };
        assert_eq!(read.network.as_str(), "eip155:84532");
        assert_eq!(read_receipt(&Map::new()), Ok(None));
    }

    #[test]
    fn what_is_no_receipt_is_refused() {
        for value in [json!(1), json!({}), json!("e30="), json!({"success": true, "pad": "x".repeat(9_000)})] {
            let result = Map::from_iter([(names::META.to_owned(), json!({names::PAYMENT_RESPONSE: value}))]);
            assert_eq!(read_receipt(&result).unwrap_err().reason, Reason::ReceiptInvalid);
        }
    }

    proptest! {
        #[test]
        fn no_receipt_makes_the_reader_panic(text in ".{0,200}") {
            let result = Map::from_iter([(names::META.to_owned(), json!({names::PAYMENT_RESPONSE: text}))]);
            let _ = read_receipt(&result);
        }
    }
}
