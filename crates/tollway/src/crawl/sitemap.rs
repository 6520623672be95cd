//! Sitemaps (sitemaps.org protocol 0.9): the addresses a site lists of itself, as XML or as plain lines of text.
//!
//! Only `loc` elements count, in documents of either kind; extensions (`image:loc`) do not. One pass, no tree.

use url::Url;

/// Bytes of one file, as the protocol has it; what follows is not read.
const FILE_BYTES_MAX: usize = 50 << 20;

/// Addresses of one file, as the protocol has it; the rest are dropped.
pub(crate) const LOCATIONS_MAX: usize = 50_000;

/// Indexes above a sitemap: an index lists sitemaps, and those list pages.
pub(crate) const LEVEL_MAX: u8 = 1;

/// What a file lists.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Sitemap {
    /// Pages.
    Pages(Vec<Url>),
    /// Further sitemaps.
    Index(Vec<Url>),
}

impl Sitemap {
    /// Reads a file found at `at`. What is no sitemap lists nothing.
    pub(crate) fn read(file: &[u8], at: &Url) -> Self {
        let file = file.get(..FILE_BYTES_MAX).unwrap_or(file);
        let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file).trim_ascii_start();
        let resolve = |text: String| at.join(text.trim()).ok();
        if file.starts_with(b"<") {
            let found = Locations { rest: file }.filter_map(resolve).take(LOCATIONS_MAX).collect();
            return if is_index(file) { Self::Index(found) } else { Self::Pages(found) };
        }
        // A line of text is an address only in full: any other file would make relative ones of its words.
        let lines = file.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
        Self::Pages(lines.filter_map(|line| Url::parse(line.trim()).ok()).take(LOCATIONS_MAX).collect())
    }
}

/// Whether the first element is `sitemapindex`.
fn is_index(file: &[u8]) -> bool {
    let mut rest = file;
    while let Some(at) = find(rest, b"<") {
        rest = &rest[at + 1..];
        if rest.first().is_some_and(|byte| !matches!(byte, b'?' | b'!')) {
            return name(rest) == b"sitemapindex";
        }
    }
    false
}

/// The texts of `loc` elements.
struct Locations<'a> {
    rest: &'a [u8],
}

impl Iterator for Locations<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        loop {
            let at = find(self.rest, b"<")?;
            self.rest = &self.rest[at + 1..];
            if self.rest.starts_with(b"!--") {
                self.rest = &self.rest[find(self.rest, b"-->")?..];
            } else if name(self.rest) == b"loc" {
                let begin = find(self.rest, b">")? + 1;
                let end = begin + find(&self.rest[begin..], b"</loc")?;
                let text = text(&self.rest[begin..end]);
                self.rest = &self.rest[end..];
                return Some(text);
            }
        }
    }
}

/// The name at the start of a tag.
fn name(tag: &[u8]) -> &[u8] {
    let end = tag.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'));
    &tag[..end.unwrap_or(tag.len())]
}

/// Character data with references and CDATA sections resolved.
fn text(raw: &[u8]) -> String {
    let raw = String::from_utf8_lossy(raw);
    if let Some(inner) = raw.trim().strip_prefix("<![CDATA[").and_then(|text| text.strip_suffix("]]>")) {
        return inner.to_owned();
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw.as_ref();
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let resolved =
            rest.find(';').filter(|end| *end <= 10).and_then(|end| Some((reference(&rest[1..end])?, end + 1)));
        let (c, used) = resolved.unwrap_or(('&', 1));
        out.push(c);
        rest = &rest[used..];
    }
    out.push_str(rest);
    out
}

fn reference(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    loop {
        let at = from + haystack.get(from..)?.iter().position(|byte| *byte == first)?;
        if haystack[at..].starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str) -> Sitemap {
        Sitemap::read(file.as_bytes(), &Url::parse("https://a.example/maps/sitemap.xml").unwrap())
    }

    fn urls(urls: &[&str]) -> Vec<Url> {
        urls.iter().map(|url| Url::parse(url).unwrap()).collect()
    }

    #[test]
    fn pages_of_a_set() {
        let file = r#"<?xml version="1.0" encoding="UTF-8"?>
            <!-- <url><loc>https://a.example/no-comment</loc></url> -->
            <urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
              <url><loc>https://a.example/1?x=1&amp;y=&#50;</loc><lastmod>2026-01-01</lastmod>
                <image:image><image:loc>https://a.example/no-image.png</image:loc></image:image></url>
              <url><loc >
                  https://a.example/caf&#xe9; </loc></url>
              <url><loc><![CDATA[https://a.example/a&b]]></loc></url>
              <url><loc>/relative</loc></url><url><loc>http://[bad</loc></url><url><loc>https://a.example/cut
        "#;
        let expected = urls(&[
            "https://a.example/1?x=1&y=2",
            "https://a.example/caf%C3%A9",
            "https://a.example/a&b",
            "https://a.example/relative",
        ]);
        assert_eq!(read(file), Sitemap::Pages(expected));
    }

    #[test]
    fn sitemaps_of_an_index() {
        let file = "\u{feff}<?xml version='1.0'?>\n<sitemapindex xmlns='x'><sitemap><loc>one.xml</loc></sitemap>\
                    <sitemap><loc>https://a.example/two.xml</loc></sitemap></sitemapindex>";
        let expected = urls(&["https://a.example/maps/one.xml", "https://a.example/two.xml"]);
        assert_eq!(read(file), Sitemap::Index(expected));
    }

    #[test]
    fn lines_of_text_and_files_of_other_kinds() {
        let lines = "https://a.example/1\r\nnot an address\n\nhttps://a.example/2";
        assert_eq!(read(lines), Sitemap::Pages(urls(&["https://a.example/1", "https://a.example/2"])));
        assert_eq!(read("<!doctype html><title>Not found</title>"), Sitemap::Pages(Vec::new()));
        assert_eq!(read(""), Sitemap::Pages(Vec::new()));
        assert_eq!(read("&&&<loc>&bogus;&#xffffffff;</loc>"), Sitemap::Pages(Vec::new()));
    }

    #[test]
    fn a_file_lists_so_many_and_no_more() {
        let many: String = (0..LOCATIONS_MAX + 5).map(|n| format!("<loc>/{n}</loc>")).collect();
        let Sitemap::Pages(pages) = read(&format!("<urlset>{many}")) else { panic!("a set") };
        assert_eq!(pages.len(), LOCATIONS_MAX);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(file: Vec<u8>, text in "(<|loc|</|>|&|;|#|<!--|-->|x|\n){0,60}") {
            let at = Url::parse("https://a.example/").unwrap();
            Sitemap::read(&file, &at);
            Sitemap::read(text.as_bytes(), &at);
        }
    }
}
