//! Amounts as people read them.

use tollway_protocol::{Amount, Asset, Price, Scale};

/// What amounts are counted in, and how many digits follow the point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// What is counted.
    pub asset: Asset,
    /// Decimal digits of its atomic unit.
    pub scale: Scale,
}

impl Unit {
    /// Micro-dollars.
    pub fn micro_usd() -> Self {
        Self { asset: Asset::usd(), scale: Scale::MICRO }
    }

    /// `$0.012`, or `0.012` and a short name of the asset.
    pub fn written(&self, amount: Amount) -> String {
        let decimal = self.decimal(amount);
        match self.asset.as_str() {
            "USD" => format!("${decimal}"),
            other => format!("{decimal} {}", shortened(other)),
        }
    }

    /// The decimal number alone.
    pub fn decimal(&self, amount: Amount) -> String {
        Price { amount, asset: self.asset.clone(), scale: self.scale }.to_decimal()
    }

    /// The same for a sum that may be below nothing.
    pub fn signed(&self, sum: i128) -> String {
        let text = self.written(Amount::new(sum.unsigned_abs()));
        if sum < 0 { format!("−{text}") } else { text }
    }
}

/// The ends of a long address; other text as it is.
pub fn shortened(text: &str) -> String {
    if text.len() > 20 && text.is_ascii() && text.starts_with("0x") {
        format!("{}…{}", &text[..6], &text[text.len() - 4..])
    } else {
        text.to_owned()
    }
}

/// `12,345`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_written_whole() {
        let usd = Unit::micro_usd();
        assert_eq!(usd.written(Amount::new(12_300)), "$0.0123");
        assert_eq!(usd.signed(-2_000_000), "−$2.00");
        let token = Unit { asset: "0x036CbD53842c5426634e7929541eC2318f3dCF7e".parse().unwrap(), scale: Scale::MICRO };
        assert_eq!(token.written(Amount::new(1_000)), "0.001 0x036C…CF7e");
        assert_eq!((grouped(0), grouped(999), grouped(1_234_567)), ("0".into(), "999".into(), "1,234,567".into()));
    }
}
