//! Sums of money as people read and write them; inside they are micro-dollars.

use tollway_protocol::{Amount, Asset, Price, Scale};

/// Micro-dollars in a cent.
const CENT: u128 = 10_000;

/// As people read it: `$0.01`, and as many digits as it takes.
pub(crate) fn dollars(amount: Amount) -> String {
    let price = Price { amount, asset: Asset::usd(), scale: Scale::MICRO };
    let text = price.to_decimal();
    let (whole, digits) = text.split_once('.').unwrap_or((&text, ""));
    format!("${whole}.{digits:0<2}")
}

/// So many cents.
pub(crate) fn cents(count: u128) -> Amount {
    Amount::new(count.saturating_mul(CENT))
}

/// A sum in a text of words: `$0.05`, `0.05`, `10 cents`, `2 dollars`. The first one counts.
pub(crate) fn sum_in(text: &str) -> Option<Amount> {
    let words: Vec<&str> = text.split_whitespace().map(|word| word.trim_matches([',', ';', '?', '!', '"'])).collect();
    words.iter().enumerate().find_map(|(place, word)| {
        let unit = words.get(place + 1).copied().unwrap_or_default().trim_end_matches('.');
        sum(word.trim_end_matches('.'), unit)
    })
}

fn sum(word: &str, unit: &str) -> Option<Amount> {
    let (number, is_cents) = match (word.strip_prefix('$'), word.strip_suffix('¢')) {
        (Some(number), _) => (number, false),
        (None, Some(number)) => (number, true),
        (None, None) => (word, matches!(unit, "cent" | "cents" | "ct")),
    };
    if is_cents {
        return number.parse::<u128>().ok()?.checked_mul(CENT).map(Amount::new);
    }
    Price::parse_decimal(number, Asset::usd(), Scale::MICRO).ok().map(|price| price.amount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_read_as_people_write_them() {
        for (text, micro) in [
            ("crawl the site for 0.05", 50_000),
            ("crawl the site for $0.05.", 50_000),
            ("watch the feed for 10 cents", 100_000),
            ("watch it for 1 cent, please", 10_000),
            ("watch it for 3¢", 30_000),
            ("spend 2 dollars", 2_000_000),
        ] {
            assert_eq!(sum_in(text), Some(Amount::new(micro)), "{text}");
        }
        for text in ["", "crawl the site", "-1", "1e9", "99999999999999999999999999999999999999999 cents"] {
            assert_eq!(sum_in(text), None, "{text}");
        }
    }

    #[test]
    fn money_has_two_digits_at_least() {
        let read = |micro| dollars(Amount::new(micro));
        assert_eq!([read(10_000), read(500), read(1_000_000), read(0)], ["$0.01", "$0.0005", "$1.00", "$0.00"]);
    }
}
