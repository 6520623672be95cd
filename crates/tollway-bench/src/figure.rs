//! A figure of the report: a ratio, what it should be at most, and how it spread over the rounds.

use std::collections::BTreeMap;

use serde::Serialize;

/// One measured ratio.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Figure {
    #[serde(skip)]
    pub(crate) name: &'static str,
    /// Median of the rounds.
    pub(crate) ratio: f64,
    /// The ratio is good up to this.
    pub(crate) goal: f64,
    pub(crate) met: bool,
    /// What was compared, and the figures beside it, in words.
    pub(crate) note: String,
    /// Smallest and largest ratio of a round.
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
    /// The figures beside it, as numbers: medians of the rounds.
    pub(crate) numbers: BTreeMap<&'static str, f64>,
}

/// Values of the rounds of one quantity.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
}

impl Spread {
    /// Of at least one value.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.as_slice() {
            [] => f64::NAN,
            all if all.len() % 2 == 1 => all[middle],
            all => f64::midpoint(all[middle - 1], all[middle]),
        };
        let at = |end: Option<&f64>| end.copied().unwrap_or(f64::NAN);
        Self { median, lowest: at(values.first()), highest: at(values.last()) }
    }
}

impl Figure {
    pub(crate) fn new(name: &'static str, ratios: &Spread, goal: f64, numbers: &[(&'static str, f64)]) -> Self {
        Self {
            name,
            ratio: rounded(ratios.median),
            goal,
            met: ratios.median <= goal,
            note: String::new(),
            lowest: rounded(ratios.lowest),
            highest: rounded(ratios.highest),
            numbers: numbers.iter().map(|(name, number)| (*name, rounded(*number))).collect(),
        }
    }

    pub(crate) fn with_note(self, note: String) -> Self {
        Self { note, ..self }
    }
}

/// Three digits after the point: more would be noise.
fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        let spread = Spread::of([3.0, 1.0, 2.0]);
        assert_eq!(spread, Spread { median: 2.0, lowest: 1.0, highest: 3.0 });
        assert_eq!(Spread::of([4.0, 1.0]), Spread { median: 2.5, lowest: 1.0, highest: 4.0 });
        assert!(Spread::of([]).median.is_nan());
    }

    #[test]
    fn a_goal_is_met_up_to_itself_and_never_by_nothing() {
        let met = |ratio| Figure::new("a", &Spread::of([ratio]), 2.0, &[]).met;
        assert!(met(2.0) && met(0.1));
        assert!(!met(2.0004) && !met(f64::NAN));
    }
}
