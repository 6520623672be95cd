//! Revenue summed up from the moves of the books: by time, rule, path, payer and way to pay, for each asset apart.
//!
//! Every figure is exact: where there are more names than are kept, the surplus is summed under one name.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use tollway_ledger::{Direction, Move, Sequence, Way};

use crate::money::Unit;

/// Names kept of each dimension, in all and for each day.
const NAMES_MAX: usize = 2_000;
/// Assets kept apart.
const ASSETS_MAX: usize = 32;
/// Days whose sums are kept apart.
const DAYS_MAX: usize = 31;
/// Hours and days drawn.
const HOURS_MAX: usize = 24 * DAYS_MAX;
/// Longest name kept, in characters.
const NAME_MAX: usize = 200;
/// Newest sales shown.
pub const RECENT: usize = 12;

const DAY: u64 = 86_400;
const HOUR: u64 = 3_600;

/// What sales are summed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dimension {
    /// The pricing rule.
    Rule,
    /// The path of the URL, without its query.
    Path,
    /// The agent, or the address on a chain.
    Payer,
    /// The scheme, and its wire or network.
    Way,
}

/// How far back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// The UTC day of now.
    Today,
    /// The last 30 UTC days.
    Month,
    /// Since the books were opened.
    All,
}

/// What some sales come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// Sales, those taken back included.
    pub sales: u64,
    /// Charged or settled, in atomic units.
    pub earned: u128,
    /// Taken back or owed back, in atomic units.
    pub back: u128,
}

/// Sums of one asset over some time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// All of it.
    pub total: Sum,
    by: BTreeMap<Dimension, BTreeMap<String, Sum>>,
}

/// Everything known of one asset.
#[derive(Debug, Clone)]
pub struct AssetFigures {
    /// How its amounts are written.
    pub unit: Unit,
    all: Sums,
    days: BTreeMap<u64, Sums>,
    hours: BTreeMap<u64, Sum>,
}

/// Figures of all assets, up to a place in the journal.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// The last entry that is in these figures.
    pub read_to: Sequence,
    /// By `USD`, or `network/asset`.
    pub assets: BTreeMap<String, AssetFigures>,
    /// The newest moves, newest first.
    pub recent: VecDeque<Move>,
    /// Moves in assets beyond those that are kept apart.
    pub beyond: u64,
}

impl Figures {
    /// Takes what an entry moved.
    pub fn add(&mut self, step: &Move) {
        let key = step.asset_key();
        if self.assets.len() >= ASSETS_MAX && !self.assets.contains_key(&key) {
            self.beyond += 1;
            return;
        }
        let unit = || Unit { asset: step.asset.clone(), scale: step.scale };
        self.assets.entry(key).or_insert_with(|| AssetFigures::new(unit())).add(step);
        self.recent.push_front(step.clone());
        self.recent.truncate(RECENT);
    }
}

impl AssetFigures {
    fn new(unit: Unit) -> Self {
        Self { unit, all: Sums::default(), days: BTreeMap::new(), hours: BTreeMap::new() }
    }

    /// Nothing sold, in dollars.
    pub fn empty() -> Self {
        Self::new(Unit::micro_usd())
    }

    fn add(&mut self, step: &Move) {
        self.all.add(step);
        self.days.entry(step.at / DAY).or_default().add(step);
        self.hours.entry(step.at / HOUR).or_default().add(step);
        while self.days.len() > DAYS_MAX {
            self.days.pop_first();
        }
        while self.hours.len() > HOURS_MAX {
            self.hours.pop_first();
        }
    }

    /// What this time comes to, by every dimension.
    pub fn over(&self, range: Range, now: u64) -> Sums {
        let mut sums = Sums::default();
        match range.first_day(now) {
            None => return self.all.clone(),
            Some(first) => self.days.range(first..).for_each(|(_, day)| sums.join(day)),
        }
        sums
    }

    /// What this time comes to in all: cheap.
    pub fn total(&self, range: Range, now: u64) -> Sum {
        let mut sum = Sum::default();
        match range.first_day(now) {
            None => return self.all.total,
            Some(first) => self.days.range(first..).for_each(|(_, day)| sum.join(day.total)),
        }
        sum
    }

    /// Net revenue hour by hour for one day, else day by day; the last one is now's.
    pub fn series(&self, range: Range, now: u64) -> Vec<(String, u64)> {
        let height = |sum: Option<&Sum>| u64::try_from(sum.map_or(0, Sum::net)).unwrap_or_default();
        if range == Range::Today {
            let first = now / DAY * 24;
            let hours =
                (first..=now / HOUR).map(|hour| (format!("{:02}:00", hour % 24), height(self.hours.get(&hour))));
            return hours.collect();
        }
        let last = now / DAY;
        let days = (last.saturating_sub(29)..=last).map(|day| {
            let sum = self.days.get(&day).map(|sums| &sums.total);
            (crate::when::day(day), height(sum))
        });
        days.collect()
    }
}

impl Sums {
    fn add(&mut self, step: &Move) {
        self.total.add(step);
        for dimension in Dimension::ALL {
            let names = self.by.entry(dimension).or_default();
            names.entry(room(names_of(dimension, step), names)).or_default().add(step);
        }
    }

    fn join(&mut self, more: &Self) {
        self.total.join(more.total);
        for (dimension, sums) in &more.by {
            let names = self.by.entry(*dimension).or_default();
            for (name, sum) in sums {
                names.entry(room(name.clone(), names)).or_default().join(*sum);
            }
        }
    }

    /// By name, the highest net first.
    pub fn by(&self, dimension: Dimension) -> Vec<(&str, Sum)> {
        let sums = self.by.get(&dimension).into_iter().flatten();
        let mut rows: Vec<_> = sums.map(|(name, sum)| (name.as_str(), *sum)).collect();
        rows.sort_by(|one, other| other.1.net().cmp(&one.1.net()).then(one.0.cmp(other.0)));
        rows
    }
}

impl Sum {
    fn add(&mut self, step: &Move) {
        match step.direction {
            Direction::Earned => {
                self.sales += 1;
                self.earned = self.earned.saturating_add(step.amount.get());
            }
            Direction::Back => self.back = self.back.saturating_add(step.amount.get()),
        }
    }

    fn join(&mut self, more: Self) {
        self.sales += more.sales;
        self.earned = self.earned.saturating_add(more.earned);
        self.back = self.back.saturating_add(more.back);
    }

    /// What is left.
    pub fn net(&self) -> i128 {
        let signed = |amount: u128| i128::try_from(amount).unwrap_or(i128::MAX);
        signed(self.earned).saturating_sub(signed(self.back))
    }
}

/// The name itself, or where there is no room for it the one for all others.
fn room(name: String, names: &BTreeMap<String, Sum>) -> String {
    if names.len() < NAMES_MAX || names.contains_key(&name) { name } else { "(others)".to_owned() }
}

fn names_of(dimension: Dimension, step: &Move) -> String {
    let name = match dimension {
        Dimension::Rule => step.rule.clone(),
        Dimension::Path => path(&step.url),
        Dimension::Payer => step.payer.clone(),
        Dimension::Way => way(&step.way),
    };
    if name.chars().nth(NAME_MAX).is_some() { name.chars().take(NAME_MAX).collect() } else { name }
}

/// The path of a URL.
pub fn path(url: &str) -> String {
    url::Url::parse(url).map_or_else(|_| url.to_owned(), |url| url.path().to_owned())
}

/// The scheme and its wire or network, in words.
pub fn way(way: &Way) -> String {
    match way {
        Way::Deferred(dress) => format!("deferred, {dress}"),
        Way::Exact(network) => format!("exact, {network}"),
    }
}

impl Dimension {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Rule, Self::Path, Self::Payer, Self::Way];

    /// What it is called.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Rule => "By rule",
            Self::Path => "By path",
            Self::Payer => "By agent",
            Self::Way => "By scheme",
        }
    }

    /// One of its names.
    pub fn singular(self) -> &'static str {
        match self {
            Self::Rule => "Rule",
            Self::Path => "Path",
            Self::Payer => "Agent or payer",
            Self::Way => "Scheme",
        }
    }

    /// The word in addresses.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Path => "path",
            Self::Payer => "agent",
            Self::Way => "scheme",
        }
    }
}

impl Range {
    /// Every one, with its word in addresses and its name.
    pub const ALL: [(Self, &'static str, &'static str); 3] =
        [(Self::Today, "today", "Today"), (Self::Month, "month", "30 days"), (Self::All, "all", "All time")];

    /// The day, counted from 1970, with which it begins; nothing where it has no beginning.
    fn first_day(self, now: u64) -> Option<u64> {
        match self {
            Self::All => None,
            Self::Today => Some(now / DAY),
            Self::Month => Some((now / DAY).saturating_sub(29)),
        }
    }

    /// The range of this word; the month where there is none.
    pub fn of(word: Option<&str>) -> Self {
        Self::ALL.into_iter().find(|(_, known, _)| Some(*known) == word).map_or(Self::Month, |(range, ..)| range)
    }

    /// The word in addresses.
    pub fn word(self) -> &'static str {
        Self::ALL.into_iter().find(|(range, ..)| *range == self).map_or("month", |(_, word, _)| word)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tollway_protocol::{Amount, Asset, Dress, Scale};

    use super::*;

    fn step(at: u64, amount: u128, rule: &str, direction: Direction) -> Move {
        Move {
            sequence: Sequence::new(1),
            at,
            direction,
            amount: Amount::new(amount),
            asset: Asset::usd(),
            scale: Scale::MICRO,
            way: Way::Deferred(Dress::X402),
            payer: "https://a.example".into(),
            rule: rule.into(),
            method: "GET".into(),
            url: format!("https://shop.example/{rule}?q=1"),
        }
    }

    #[test]
    fn days_and_names_are_told_apart() {
        let now = 40 * DAY + 5 * HOUR;
        let mut figures = Figures::default();
        figures.add(&step(now, 10, "a", Direction::Earned));
        figures.add(&step(now - DAY, 20, "b", Direction::Earned));
        figures.add(&step(now - 35 * DAY, 40, "b", Direction::Earned));
        figures.add(&step(now, 4, "a", Direction::Back));
        let usd = &figures.assets["USD"];
        assert_eq!(usd.over(Range::Today, now).total, Sum { sales: 1, earned: 10, back: 4 });
        assert_eq!(usd.over(Range::Month, now).total.net(), 26);
        assert_eq!(usd.over(Range::All, now).total.net(), 66);
        let sums = usd.over(Range::All, now);
        assert_eq!(sums.by(Dimension::Rule)[0], ("b", Sum { sales: 2, earned: 60, back: 0 }));
        assert_eq!(sums.by(Dimension::Path)[1].0, "/a");
        assert_eq!(usd.series(Range::Today, now).last().unwrap(), &("05:00".to_owned(), 6));
        assert_eq!(usd.series(Range::Month, now).len(), 30);
    }

    #[test]
    fn threat_93_names_are_bounded_and_sums_stay_exact() {
        let mut figures = Figures::default();
        for number in 0..3_000_u64 {
            figures.add(&step(number * HOUR, 1, &format!("rule-{number}"), Direction::Earned));
        }
        let usd = &figures.assets["USD"];
        let sums = usd.over(Range::All, 0);
        let rules = sums.by(Dimension::Rule);
        assert_eq!(rules.len(), NAMES_MAX + 1);
        assert_eq!(rules[0], ("(others)", Sum { sales: 1_000, earned: 1_000, back: 0 }));
        assert!(usd.days.len() <= DAYS_MAX && usd.hours.len() <= HOURS_MAX && figures.recent.len() <= RECENT);
    }

    proptest! {
        #[test]
        fn every_dimension_sums_to_the_total(steps in prop::collection::vec((0..60_u64, 1..1_000_u128, 0..5_u8, any::<bool>()), 0..80)) {
            let now = 60 * DAY;
            let mut figures = Figures::default();
            for (day, amount, rule, back) in steps {
                let direction = if back { Direction::Back } else { Direction::Earned };
                figures.add(&step(day * DAY, amount, &format!("r{rule}"), direction));
            }
            for usd in figures.assets.values() {
                for (range, ..) in Range::ALL {
                    let sums = usd.over(range, now);
                    for dimension in Dimension::ALL {
                        let net: i128 = sums.by(dimension).iter().map(|(_, sum)| sum.net()).sum();
                        prop_assert_eq!(net, sums.total.net());
                        prop_assert_eq!(sums.total, usd.total(range, now));
                    }
                }
            }
        }
    }
}
