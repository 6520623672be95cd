//! Reading pages: their links, the one that fits a person's words, and the beginning of a text.

use url::Url;

/// Longest piece of a page that is shown in the chat, in characters.
const EXCERPT: usize = 600;
/// Words that tell nothing about an article.
const SAYS_NOTHING: [&str; 5] = ["the", "article", "about", "and", "read"];

/// A page that can be bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) url: Url,
    pub(super) title: String,
}

/// The page that shares most words with what was asked for; none where no word is shared.
pub(super) fn best<'a>(links: &'a [Link], words: &str) -> Option<&'a Link> {
    let wanted: Vec<String> = words
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| word.chars().count() > 2)
        .map(str::to_lowercase)
        .filter(|word| !SAYS_NOTHING.contains(&word.as_str()))
        .collect();
    let score = |link: &Link| {
        let text = format!("{} {}", link.title, link.url.path()).to_lowercase();
        wanted.iter().filter(|word| text.contains(word.as_str())).count()
    };
    if wanted.is_empty() {
        return links.first();
    }
    links.iter().max_by_key(|link| score(link)).filter(|link| score(link) > 0)
}

/// The targets and texts of a page's links.
pub(super) fn anchors(page: &str) -> impl Iterator<Item = (&str, String)> {
    page.split("<a ").skip(1).filter_map(|rest| {
        let (_, rest) = rest.split_once("href=\"")?;
        let (address, rest) = rest.split_once('"')?;
        let (_, rest) = rest.split_once('>')?;
        let (inner, _) = rest.split_once("</a>")?;
        Some((address, plain(inner)))
    })
}

/// The beginning of a page's text.
pub(super) fn excerpt(page: &str) -> String {
    let body = page.split_once("<main").map_or(page, |(_, main)| main).split_once('>').map_or("", |(_, body)| body);
    let text = plain(body);
    let mut short: String = text.chars().take(EXCERPT).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// Text without tags, spaces joined.
fn plain(html: &str) -> String {
    let mut text = String::new();
    for piece in html.split('<') {
        let words = piece.split_once('>').map_or(piece, |(_, words)| words);
        text.push_str(words);
        text.push(' ');
    }
    let text = text.replace("&amp;", "&").replace("&#39;", "'").replace("&quot;", "\"").replace("&nbsp;", " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(path: &str, title: &str) -> Link {
        Link { url: Url::parse("http://s.example").unwrap().join(path).unwrap(), title: title.to_owned() }
    }

    #[test]
    fn the_page_with_most_of_the_words_is_taken() {
        let links =
            [link("/articles/penny-post.html", "A letter"), link("/articles/lighthouse-dues.html", "Who pays?")];
        assert_eq!(best(&links, "lighthouse dues"), Some(&links[1]));
        assert_eq!(best(&links, "the penny post"), Some(&links[0]));
        assert_eq!(best(&links, "whales"), None);
        assert_eq!(best(&links, "the article"), Some(&links[0]), "any");
        assert_eq!(best(&[], "penny"), None);
    }

    #[test]
    fn links_and_texts_are_read_and_broken_pages_are_not_a_danger() {
        let page = "<p><a class=\"x\" href=\"/a.html\"><b>One &amp; two</b></a> <a href=\"/b.html";
        assert_eq!(anchors(page).collect::<Vec<_>>(), [("/a.html", "One & two".to_owned())]);
        assert_eq!(excerpt("<main id=\"m\"><h1>Title</h1> <p>Text.</p>"), "Title Text.");
        assert!(excerpt(&format!("<main>{}", "word ".repeat(1_000))).ends_with('…'));
        for broken in ["", "<", "<a ", "<a href=", "<main", "<main>", "<<<>>>"] {
            let _ = (anchors(broken).count(), excerpt(broken));
        }
    }
}
