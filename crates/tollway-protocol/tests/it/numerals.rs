//! Threat 26: a sum that two readers could read as two sums. A golden list of odd numerals, whose
//! expectations were worked out by exact fractions elsewhere, and a model that never multiplies.

use proptest::prelude::*;
use serde::Deserialize;
use tollway_protocol::{Amount, Asset, ParsePriceError, Price, Scale};

use crate::vectors::load;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Numeral {
    text: String,
    /// The same digits, if the text is an amount.
    amount: Option<String>,
    /// Micro-units, if the text is the number of a price.
    price: Option<String>,
    /// The cause, where the text at least looks like a decimal.
    refused_as: Option<String>,
}

#[test]
fn threat_26_golden_numerals() {
    let rows: Vec<Numeral> = load("numerals.json");
    assert!(rows.len() >= 200);
    for row in rows {
        let amount = row.text.parse::<Amount>().ok().map(|amount| amount.to_string());
        assert_eq!(amount, row.amount, "{:?} as an amount", row.text);
        for read in in_every_place(&row.text) {
            let units = read.as_ref().ok().map(|price| price.amount.to_string());
            assert_eq!(units, row.price, "{:?} as a price", row.text);
            if let (Some(cause), Err(error)) = (&row.refused_as, read) {
                assert_eq!(&format!("{error:?}"), cause, "{:?}", row.text);
            }
        }
    }
}

fn in_every_place(number: &str) -> [Result<Price, ParsePriceError>; 4] {
    [
        Price::parse(&format!("${number}")),
        Price::parse(&format!("{number} USD")),
        Price::parse(&format!("{number} USDC")),
        Price::parse_crawler(&format!("USD {number}")),
    ]
}

/// What a decimal means in units of 10^-6, by moving digits only.
fn model(text: &str) -> Option<String> {
    let (whole, fraction) = match text.find('.') {
        Some(point) if point + 1 < text.len() => (&text[..point], &text[point + 1..]),
        Some(_) => return None,
        None => (text, ""),
    };
    let is_number = |part: &str| part.chars().all(|c| "0123456789".contains(c));
    let leading_zero = whole.len() > 1 && whole.as_bytes()[0] == b'0';
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) || leading_zero {
        return None;
    }
    if fraction.len() > 6 {
        return None;
    }
    let mut digits = format!("{whole}{fraction}");
    for _ in fraction.len()..6 {
        digits.push('0');
    }
    let trimmed = digits.trim_start_matches('0');
    match trimmed.len() {
        0 => Some("0".to_owned()),
        1..=38 => Some(trimmed.to_owned()),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn threat_26_prices_agree_with_the_model(text in "[0-9]{0,40}(\\.[0-9]{0,8})?") {
        for read in in_every_place(&text) {
            prop_assert_eq!(read.ok().map(|price| price.amount.to_string()), model(&text));
        }
    }

    #[test]
    fn threat_26_near_numbers_agree_with_the_model(text in "[-+.,_eE0-9 x]{0,12}") {
        for read in in_every_place(&text) {
            prop_assert_eq!(read.ok().map(|price| price.amount.to_string()), model(&text));
        }
    }

    #[test]
    fn threat_26_any_text_is_read_or_refused(text in any::<String>()) {
        for read in in_every_place(&text) {
            prop_assert_eq!(read.ok().map(|price| price.amount.to_string()), model(&text));
        }
        let _ = (Price::parse(&text), Price::parse_crawler(&text));
        if let Ok(amount) = text.parse::<Amount>() {
            prop_assert_eq!(amount.to_string(), text);
        }
    }

    #[test]
    fn threat_26_every_amount_survives_its_decimal_form(units in 0..10_u128.pow(38)) {
        let price = Price { amount: Amount::new(units), asset: Asset::usd(), scale: Scale::MICRO };
        let expected = Ok(price.clone());
        prop_assert_eq!(Price::parse(&price.to_string()), expected.clone());
        prop_assert_eq!(Price::parse_crawler(&price.to_crawler()), expected);
    }

    #[test]
    fn threat_86_sums_agree_with_wider_arithmetic(a in any::<u128>(), b in any::<u128>()) {
        let (x, y) = (Amount::new(a), Amount::new(b));
        let wraps = a > u128::MAX - b;
        prop_assert_eq!(x.checked_add(y).is_none(), wraps);
        prop_assert_eq!(x.checked_sub(y).is_none(), b > a);
        if let Some(sum) = x.checked_add(y) {
            prop_assert_eq!(sum.checked_sub(y), Some(x));
        }
        prop_assert_eq!(x.checked_mul(b).is_none(), a != 0 && b > u128::MAX / a);
    }
}

#[test]
fn threat_26_no_step_of_the_grid_between_two_cents_is_lost() {
    for units in 0..=20_000_u128 {
        let price = Price { amount: Amount::new(units), asset: Asset::usd(), scale: Scale::MICRO };
        assert_eq!(Price::parse_crawler(&price.to_crawler()).unwrap().amount.get(), units);
    }
}
