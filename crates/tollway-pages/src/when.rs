//! Times as pages write them: UTC, by the calendar of the books.

use maud::{Markup, html};
use tollway_ledger::Period;

const DAY: u64 = 86_400;

/// `2026-11-22 12:00:05 UTC` as a `time` element.
pub fn at(second: u64) -> Markup {
    html! { time.num datetime=(iso(second)) { (day(second / DAY)) " " (clock(second)) } }
}

/// `2026-11-22T12:00:05Z`.
pub fn iso(second: u64) -> String {
    format!("{}T{}Z", day(second / DAY), clock(second))
}

/// `2026-11-22`: a day counted from 1970.
pub fn day(days: u64) -> String {
    Period::day_of(days.saturating_mul(DAY)).to_string()
}

fn clock(second: u64) -> String {
    format!("{:02}:{:02}:{:02}", second / 3_600 % 24, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noon_is_noon() {
        assert_eq!(iso(1_795_348_805), "2026-11-22T12:00:05Z");
        assert!(at(1_795_348_805).into_string().contains("2026-11-22 12:00:05"));
    }
}
