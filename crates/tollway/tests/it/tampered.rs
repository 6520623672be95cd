//! An export with a single change anywhere: `verify` fails and names the place.

use serde_json::Value;

use crate::rig::{Crawler, Dice, Shop, tollway};

struct Exported {
    shop: Shop,
    lines: Vec<String>,
    keys: String,
}

fn exported() -> Exported {
    let (shop, crawler) = (Shop::open(5), Crawler::new());
    let _gateway = shop.gateway();
    assert_eq!(crawler.buy_all(&shop)["pages_paid"], 5);
    shop.close(1);
    let lines = shop.export("export.jsonl");
    let keys = shop.public_keys(&[&crawler]);
    let whole = Exported { shop, lines, keys };
    assert_eq!(whole.verify(&whole.lines, true)["proved"], true);
    whole
}

impl Exported {
    fn verify(&self, lines: &[String], with_keys: bool) -> Value {
        let path = self.shop.path("edited.jsonl");
        std::fs::write(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        let keys: &[&str] = if with_keys { &["--keys", &self.keys] } else { &[] };
        let said = tollway(["ledger", "verify", "--json", "--export", path.to_str().unwrap()].iter().chain(keys));
        let report = said.json();
        assert_eq!(said.code, Some(i32::from(report["consistent"] == false)));
        report
    }

    /// It fails, with keys and without, and its first fault is at one of these places.
    #[track_caller]
    fn fails(&self, lines: &[String], places: &[usize], what: &str) {
        for with_keys in [false, true] {
            let report = self.verify(lines, with_keys);
            assert_eq!((&report["consistent"], &report["proved"]), (&false.into(), &false.into()), "{what}");
            let first = report["faults"][0]["sequence"].as_u64().unwrap() as usize;
            assert!(places.contains(&first), "{what}: found at {first}: {}", report["faults"][0]);
        }
    }
}

#[test]
fn a_byte_changed_in_any_line_is_found() {
    let whole = exported();
    let mut dice = Dice::new();
    for index in 0..whole.lines.len() {
        let mut lines = whole.lines.clone();
        let at = dice.below(lines[index].len() as u64) as usize;
        let mut bytes = lines[index].clone().into_bytes();
        bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
        lines[index] = String::from_utf8(bytes).unwrap();
        whole.fails(&lines, &[index + 1], &format!("byte {at} of line {}", index + 1));
    }
}

#[test]
fn a_line_dropped_anywhere_is_found() {
    let whole = exported();
    let count = whole.lines.len();
    for index in 0..count {
        let mut lines = whole.lines.clone();
        lines.remove(index);
        // Without the checkpoint at its end, the bill before it stands alone.
        let place = if index + 1 == count { count - 1 } else { index + 2 };
        whole.fails(&lines, &[place], &format!("line {} dropped", index + 1));
    }
}

#[test]
fn two_lines_swapped_anywhere_are_found() {
    let whole = exported();
    for index in 1..whole.lines.len() {
        let mut lines = whole.lines.clone();
        lines.swap(index - 1, index);
        whole.fails(&lines, &[index + 1], &format!("lines {index} and {} swapped", index + 1));
    }
}

#[test]
fn an_amount_edited_anywhere_is_found() {
    let whole = exported();
    let mut edited = 0;
    for index in 0..whole.lines.len() {
        for (name, other) in [("amount", "1"), ("total", "1"), ("charged", "1"), ("payable", "0"), ("carried", "7")] {
            let Some(line) = with_sum(&whole.lines[index], name, other) else { continue };
            let mut lines = whole.lines.clone();
            lines[index] = line;
            whole.fails(&lines, &[index + 1], &format!("{name} of line {}", index + 1));
            edited += 1;
        }
    }
    assert_eq!(edited, 5 + 4, "five sales, four sums of a bill");
}

/// A careful forger hashes the chain anew: the seller's seals no longer fit.
#[test]
fn a_chain_made_anew_does_not_fit_its_seals() {
    let whole = exported();
    let sale = whole.lines.iter().position(|line| line.contains("\"kind\":\"sale\"")).unwrap();
    let mut lines = whole.lines.clone();
    lines[sale] = with_sum(&lines[sale], "amount", "1").unwrap();
    rechain(&mut lines);
    let report = whole.verify(&lines, false);
    let kinds: Vec<_> = report["faults"].as_array().unwrap().iter().map(|fault| fault["kind"].clone()).collect();
    assert!(!kinds.contains(&"hash".into()) && !kinds.contains(&"chain".into()), "the chain is whole: {report:#}");
    let bill = whole.lines.len() - 1;
    whole.fails(&lines, &[bill], "the bill's lines have another hash");
}

/// A shorter journal is still a journal. What shows its end are the heads that others hold.
#[test]
fn a_journal_cut_at_its_end_has_another_head() {
    let whole = exported();
    let lines = &whole.lines[..whole.lines.len() - 2];
    let (cut, full) = (whole.verify(lines, true), whole.verify(&whole.lines, true));
    assert_eq!(cut["consistent"], true);
    assert_ne!(cut["head"], full["head"]);
    let checkpoint: Value = serde_json::from_str(whole.lines.last().unwrap()).unwrap();
    assert_eq!(checkpoint["body"]["checkpoint"]["head"], cut["head"]);
}

#[test]
fn faults_are_told_to_people_with_their_place() {
    let whole = exported();
    let mut lines = whole.lines.clone();
    lines.remove(8);
    whole.verify(&lines, false);
    let said = tollway(["ledger", "verify", "--export", &whole.shop.file("edited.jsonl")]).refused(&[]).out;
    assert!(said.contains("FAULT at 10: Gap: 9 should follow"), "{said}");
    assert!(said.contains("\nNOT CONSISTENT: "), "{said}");
}

/// The line with another sum under `name`, if it has one.
fn with_sum(line: &str, name: &str, other: &str) -> Option<String> {
    let mut value: Value = serde_json::from_str(line).unwrap();
    let body = value["body"].as_object_mut()?;
    let holder = if body.contains_key(name) { body } else { body.get_mut("statement")?.as_object_mut()? };
    *holder.get_mut(name)? = other.into();
    Some(value.to_string())
}

fn rechain(lines: &mut [String]) {
    let mut head = tollway_ledger::Hash::ZERO;
    for line in lines {
        let mut value: Value = serde_json::from_str(line).unwrap();
        value["prev"] = head.to_string().into();
        head = head.chain(value["body"].to_string().as_bytes());
        value["hash"] = head.to_string().into();
        *line = value.to_string();
    }
}
