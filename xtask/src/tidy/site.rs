//! The site that ships with the program is whole: a crawler that starts at the contents finds every page, every link
//! leads somewhere, data can be read, and nothing is fetched from elsewhere.

use std::collections::BTreeSet;

use super::{
    Violation,
    tree::{File, Tree},
};

const FOLDER: &str = "crates/tollway/site/";
const START: &str = "index.html";

/// The fewest priced pages that make a crawl worth watching.
const ARTICLES_MIN: usize = 16;

/// What every page has: (text, what it is).
const NEEDED: &[(&str, &str)] = &[
    ("<!DOCTYPE html>\n<html lang=\"en\">", "a doctype and a language"),
    ("<title>", "a title"),
    ("<meta name=\"description\" content=\"", "a description"),
    ("<meta name=\"viewport\"", "a viewport"),
];

/// What no page has: it would run, or be fetched from elsewhere.
const FOREIGN: &[&str] = &["<script", "<iframe", "http://", "https://", "=\"//", " style=\""];

/// Pages that lack something, links that lead nowhere, files that nothing links to.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for page in pages(tree) {
        let lacks = NEEDED.iter().filter(|(text, _)| !page.text.contains(text));
        found.extend(lacks.map(|(_, what)| Violation::of_file(&page.path, format!("lacks {what}"))));
        let holds = FOREIGN.iter().filter(|text| page.text.contains(**text));
        found.extend(holds.map(|text| Violation::of_file(&page.path, format!("holds `{text}`"))));
    }
    found.extend(tree.files().iter().filter_map(broken_data));
    let reached = reached(tree, &mut found);
    for path in tree.files().iter().filter_map(name) {
        if !reached.contains(path) && path != "robots.txt" {
            let what = format!("no way leads here from {START}");
            found.push(Violation::of_file(&format!("{FOLDER}{path}"), what));
        }
    }
    let articles = reached.iter().filter(|path| is_article(path)).count();
    if articles < ARTICLES_MIN {
        let what = format!("{articles} articles reached, {ARTICLES_MIN} wanted");
        found.push(Violation::of_file(FOLDER, what));
    }
    found
}

/// JSON that does not parse, or a table with rows of another width than its head (its cells hold no commas).
fn broken_data(file: &File) -> Option<Violation> {
    let name = name(file)?;
    if name.ends_with(".json") {
        let error = serde_json::from_str::<serde_json::Value>(&file.text).err()?;
        return Some(Violation::of_file(&file.path, error.to_string()));
    }
    let mut widths = file.text.lines().map(|row| row.split(',').count());
    let head = widths.next().filter(|_| name.ends_with(".csv"))?;
    let row = widths.position(|width| width != head)?;
    Some(Violation::on_line(&file.path, row + 2, format!("a row has {head} cells")))
}

fn is_article(path: &str) -> bool {
    path.starts_with("articles/") && path.ends_with(".html")
}

fn pages(tree: &Tree) -> impl Iterator<Item = &File> {
    let is_page = |file: &&File| name(file).is_some_and(|name| name.ends_with(".html"));
    tree.files().iter().filter(is_page)
}

/// A file's path inside the site.
fn name(file: &File) -> Option<&str> {
    file.path.strip_prefix(FOLDER)
}

/// Every file a crawler reaches from the start, noting links that lead nowhere.
fn reached(tree: &Tree, found: &mut Vec<Violation>) -> BTreeSet<String> {
    let mut seen = BTreeSet::from([START.to_owned()]);
    let mut waiting = vec![START.to_owned()];
    while let Some(path) = waiting.pop() {
        let Some(file) = tree.find(&format!("{FOLDER}{path}")) else {
            found.push(Violation::of_file(&format!("{FOLDER}{path}"), "linked but missing"));
            continue;
        };
        if !path.ends_with(".html") {
            continue;
        }
        for link in links(&file.text) {
            let target = resolve(&path, link);
            if seen.insert(target.clone()) {
                waiting.push(target);
            }
        }
    }
    seen
}

/// The targets of `href` and `src`, without those on the same page or elsewhere.
fn links(text: &str) -> impl Iterator<Item = &str> {
    [" href=\"", " src=\""]
        .into_iter()
        .flat_map(|start| text.split(start).skip(1))
        .filter_map(|rest| rest.split(['"', '#']).next())
        .filter(|link| !link.is_empty() && !link.contains(':'))
}

/// A relative link as seen from a page, inside the site.
fn resolve(page: &str, link: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(links: &str) -> String {
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><title>a</title>\n<meta name=\"description\" content=\"b\">\
             <meta name=\"viewport\" content=\"c\">{links}"
        )
    }

    fn found(start: &str, extra: &[(&str, &str)]) -> Vec<String> {
        let names: Vec<String> = (0..ARTICLES_MIN).map(|number| format!("{FOLDER}articles/{number}.html")).collect();
        let next: Vec<String> = (1..=ARTICLES_MIN)
            .map(|number| page(&format!("<a href=\"../articles/{}.html\">", number % ARTICLES_MIN)))
            .collect();
        let home = format!("{FOLDER}{START}");
        let mut samples = vec![(home.as_str(), start)];
        samples.extend(names.iter().map(String::as_str).zip(next.iter().map(String::as_str)));
        samples.extend(extra);
        let violations = check(&Tree::of(&samples));
        violations.iter().map(ToString::to_string).collect()
    }

    const LINK: &str = "<a href=\"articles/0.html#top\">";

    #[test]
    fn a_whole_site_is_clean() {
        assert_eq!(found(&page(LINK), &[]), [""; 0]);
    }

    #[test]
    fn dead_links_and_lost_files_are_found() {
        let dead = found(&page(&format!("{LINK}<img src=\"./a.svg\">")), &[]);
        assert_eq!(dead, ["crates/tollway/site/a.svg: linked but missing"]);
        let lost = found(&page(LINK), &[("crates/tollway/site/b.html", &page(""))]);
        assert_eq!(lost, ["crates/tollway/site/b.html: no way leads here from index.html"]);
    }

    #[test]
    fn bare_pages_and_foreign_things_are_found() {
        let bare = found(&page(LINK).replace("<title>", "<b>"), &[]);
        assert_eq!(bare, ["crates/tollway/site/index.html: lacks a title"]);
        let foreign = found(&page(&format!("{LINK}<script>")), &[]);
        assert_eq!(foreign, ["crates/tollway/site/index.html: holds `<script`"]);
    }

    #[test]
    fn broken_data_is_found() {
        let links = page(&format!("{LINK}<a href=\"a.json\"><a href=\"b.csv\">"));
        let json = "crates/tollway/site/a.json";
        let csv = "crates/tollway/site/b.csv";
        assert_eq!(found(&links, &[(json, "[1]"), (csv, "a,b\n1,2\n")]), [""; 0]);
        let broken = found(&links, &[(json, "[1"), (csv, "a,b\n1,2\n1,2,3\n")]);
        assert!(broken[0].starts_with(json));
        assert_eq!(broken[1], "crates/tollway/site/b.csv:3: a row has 2 cells");
    }

    #[test]
    fn too_few_articles_are_found() {
        assert!(found(&page(""), &[]).last().unwrap().contains("0 articles reached"));
    }
}
