//! Every decoder under random and broken input: it answers, within its caps, and what it accepts it
//! writes back to the same meaning.

use proptest::prelude::*;
use tollway_protocol::{Reason, decode_header, decode_json, encode_header, limits};

use crate::vectors::accepted;
use crate::wires::{KINDS, Reading, read};

/// Whatever is accepted must read the same after being written by us.
fn stable(kind: &str, wire: &str) -> Result<(), TestCaseError> {
    if let Ok(Reading { decoded, encoded }) = read(kind, wire) {
        let again = read(kind, &encoded);
        prop_assert!(again.is_ok(), "{}: own output {} is refused", kind, encoded);
        if let Ok(again) = again {
            prop_assert_eq!(again.decoded, decoded);
            prop_assert_eq!(again.encoded, encoded);
        }
    }
    Ok(())
}

/// Wraps JSON where a kind has it in base64, so that mutations reach behind the first check.
fn mutate_inside(kind: &str, wire: &str, mutate: impl Fn(&mut Vec<u8>)) -> Option<String> {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let in_base64 = matches!(kind, "payment_required" | "payment_payload" | "receipt" | "v1_payment" | "v1_receipt");
    let mut bytes = if in_base64 { STANDARD.decode(wire).unwrap() } else { wire.into() };
    mutate(&mut bytes);
    if in_base64 { Some(STANDARD.encode(bytes)) } else { String::from_utf8(bytes).ok() }
}

/// Pieces of valid messages, put together in ways no sender would.
fn json_like() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("2".to_owned()),
        Just("-1".to_owned()),
        Just("1e999".to_owned()),
        Just("\"5\"".to_owned()),
        Just("\"\"".to_owned()),
        Just("\"deferred\"".to_owned()),
        Just("\"tollway:402\"".to_owned()),
        Just("\"base-sepolia\"".to_owned()),
        Just("1".to_owned()),
    ];
    let key = prop::sample::select(vec![
        "x402Version",
        "accepts",
        "accepted",
        "payload",
        "resource",
        "url",
        "scheme",
        "network",
        "amount",
        "asset",
        "payTo",
        "maxTimeoutSeconds",
        "maxAmountRequired",
        "description",
        "mimeType",
        "extra",
        "extras",
        "id",
        "success",
        "isValid",
        "errorReason",
        "transaction",
        "kinds",
        "extensions",
        "signers",
        "other",
    ]);
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|v| format!("[{}]", v.join(","))),
            prop::collection::vec((key.clone(), inner), 0..9).prop_map(|members| {
                let members: Vec<_> = members.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn threat_70_any_text_is_answered(text in any::<String>(), kind in prop::sample::select(KINDS)) {
        stable(kind, &text)?;
    }

    #[test]
    fn threat_70_any_json_is_answered(json in json_like(), kind in prop::sample::select(KINDS)) {
        use base64::Engine;
        stable(kind, &json)?;
        stable(kind, &base64::engine::general_purpose::STANDARD.encode(&json))?;
    }

    #[test]
    fn threat_70_any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let read = decode_json::<serde_json::Value>(&bytes, 512);
        if bytes.len() > 512 {
            prop_assert_eq!(read.unwrap_err().reason, Reason::BodyTooLarge);
        } else if let Ok(strict) = read {
            // A second reader, the lax one, finds the same value in what the strict one accepts.
            prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&bytes).ok(), Some(strict));
        }
    }

    #[test]
    fn threat_72_strict_json_is_a_subset_with_one_meaning(json in json_like()) {
        if let Ok(strict) = decode_json::<serde_json::Value>(json.as_bytes(), 1 << 20) {
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&json).ok(), Some(strict.clone()));
            let header = encode_header(&strict);
            prop_assert_eq!(decode_header::<serde_json::Value>(&header, header.len()).ok(), Some(strict));
            prop_assert_eq!(
                decode_header::<serde_json::Value>(&header, header.len() - 1).unwrap_err().reason,
                Reason::PaymentTooLarge
            );
        }
    }

    #[test]
    fn threat_70_broken_messages_are_answered(
        row in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..6),
    ) {
        let rows = accepted();
        let row = &rows[row.index(rows.len())];
        let broken = mutate_inside(&row.kind, &row.wire, |bytes| {
            for (place, byte, what) in &edits {
                let place = place.index(bytes.len().max(1)).min(bytes.len());
                match what {
                    0 if place < bytes.len() => bytes[place] = *byte,
                    1 => bytes.insert(place, *byte),
                    2 if place < bytes.len() => drop(bytes.remove(place)),
                    _ => bytes.truncate(place),
                }
            }
        });
        if let Some(broken) = broken {
            stable(&row.kind, &broken)?;
        }
    }

    #[test]
    fn threat_73_any_dictionary_is_answered(
        members in prop::collection::vec(
            (
                prop::sample::select(vec!["scheme", "network", "id", "timestamp", "amount", "asset", "head", "x"]),
                prop::sample::select(vec![
                    "\"deferred\"", "\"n:1\"", "\"5\"", "\"USD\"", "1", "-1", "1.5", "?1", "tok", ":YQ==:",
                    "(\"a\" 1)", "\"a\";p", "@1", "%\"d\"", "\"", "",
                ]),
            ),
            0..9,
        ),
    ) {
        let text = members.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(", ");
        let keys: std::collections::HashSet<_> = members.iter().map(|(key, _)| key).collect();
        for kind in ["payment", "payment_response"] {
            stable(kind, &text)?;
            prop_assert!(keys.len() == members.len() || read(kind, &text).is_err(), "{}", text);
        }
    }
}

#[test]
fn threat_71_every_capped_decoder_refuses_one_byte_more() {
    for (kind, cap) in [
        ("payment_required", limits::DEMAND_HEADER_READ),
        ("payment_payload", limits::PAYMENT_HEADER),
        ("receipt", limits::RECEIPT_HEADER),
        ("settle_response", limits::FACILITATOR_RESPONSE),
        ("verify_response", limits::FACILITATOR_RESPONSE),
        ("supported_response", limits::FACILITATOR_RESPONSE),
        ("facilitator_request", limits::FACILITATOR_REQUEST),
        ("handshake_demand", limits::DEMAND_BODY),
        ("v1_demand", limits::DEMAND_BODY),
        ("v1_payment", limits::PAYMENT_HEADER),
        ("v1_receipt", limits::RECEIPT_HEADER),
        ("v1_facilitator_request", limits::FACILITATOR_REQUEST),
        ("payment", limits::HANDSHAKE_HEADER),
        ("payment_response", limits::HANDSHAKE_HEADER),
        ("crawler_price", limits::CRAWLER_VALUE),
        ("crawler_max_price", limits::CRAWLER_VALUE),
    ] {
        let detail = |size: usize| match read(kind, &"a".repeat(size)) {
            Err(Some(refusal)) => refusal.detail,
            _ => panic!("{kind} took {size} letters"),
        };
        let complaint = format!("at most {cap} are read");
        assert!(detail(cap + 1).contains(&complaint), "{kind}: {}", detail(cap + 1));
        assert!(!detail(cap).contains(&complaint), "{kind}: {}", detail(cap));
    }
}

#[test]
fn threat_71_sizes_from_1_kib_to_1_mib_are_answered_without_reading() {
    for kib in 1..=1024 {
        let text = "A".repeat(kib * 1024);
        for kind in ["payment_payload", "payment", "crawler_exact_price"] {
            assert!(read(kind, &text).is_err(), "{kind} {kib}");
        }
    }
}
