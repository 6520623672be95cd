//! Start tags of an HTML document, after the tokenizer of the HTML standard (WHATWG, section 13.2.5).
//!
//! One pass, no tree: reading costs time in proportion to the page, whatever the page does. (Building the tree of 48 KiB
//! of nested `<div>` took an html5ever-based parser 11 s in a debug build; a crawler reads strangers' pages.)

/// Attributes kept per tag; a tag with more is read to its end and the rest dropped.
const ATTRIBUTES_MAX: usize = 64;

/// Elements whose content is text, not markup, up to their own end tag.
const TEXT_ELEMENTS: [&str; 8] = ["iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp"];

/// One start tag.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Tag<'a> {
    name: &'a [u8],
    attributes: Vec<(&'a [u8], &'a [u8])>,
}

impl Tag<'_> {
    /// Whether this is the element of that (lower-case) name.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The value of an attribute, character references resolved; the first one counts where a name is repeated.
    /// `name` is in lower case.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        let (_, value) = self.attributes.iter().find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))?;
        Some(resolve_references(&String::from_utf8_lossy(value)))
    }
}

/// The start tags of `html` in document order. Comments, declarations and text elements are stepped over; an unfinished
/// last tag is dropped. `<noscript>` is read as markup, as a reader without scripts does.
pub(crate) fn start_tags(html: &[u8]) -> StartTags<'_> {
    StartTags { rest: html }
}

/// Iterator over start tags.
#[derive(Debug)]
pub(crate) struct StartTags<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for StartTags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        loop {
            self.skip_past(b"<")?;
            match self.rest {
                [b'!', b'-', b'-', ..] => self.skip_comment()?,
                [b'!' | b'?', ..] => self.skip_past(b">")?,
                [b'/', letter, ..] if letter.is_ascii_alphabetic() => drop(self.tag_body()?),
                [b'/', ..] => self.skip_past(b">")?,
                [letter, ..] if letter.is_ascii_alphabetic() => {
                    let tag = self.tag_body()?;
                    if tag.is("plaintext") {
                        self.rest = &[];
                    } else if TEXT_ELEMENTS.iter().any(|name| tag.is(name)) {
                        self.skip_text_of(tag.name);
                    }
                    return Some(tag);
                }
                _ => {}
            }
        }
    }
}

impl<'a> StartTags<'a> {
    /// Moves behind the next `mark`; ends the document where there is none.
    fn skip_past(&mut self, mark: &[u8]) -> Option<()> {
        let at = self.rest.windows(mark.len()).position(|window| window == mark);
        self.rest = at.map_or(&[], |at| &self.rest[at + mark.len()..]);
        at.map(|_| ())
    }

    /// From `!--` to behind the comment's end: `-->` or `--!>`, or at once `<!-->` and `<!--->`.
    fn skip_comment(&mut self) -> Option<()> {
        let text = &self.rest[3..];
        if let Some(after) = text.strip_prefix(b">").or_else(|| text.strip_prefix(b"->")) {
            self.rest = after;
            return Some(());
        }
        let ends = |at: &usize| [b"-->".as_slice(), b"--!>"].iter().any(|end| text[*at..].starts_with(end));
        let end = (0..text.len()).find(ends);
        self.rest = end.map_or(&[], |end| &text[end..]);
        self.skip_past(b">")
    }

    /// Moves to the end tag of the text element `name`, or to the end of the document.
    fn skip_text_of(&mut self, name: &[u8]) {
        loop {
            if self.skip_past(b"</").is_none() {
                return;
            }
            let ends = self.rest.get(..name.len()).is_some_and(|here| here.eq_ignore_ascii_case(name));
            match self.rest.get(name.len()) {
                Some(byte) if ends && (is_space(*byte) || matches!(byte, b'/' | b'>')) => return,
                _ => {}
            }
        }
    }

    /// Reads name and attributes up to behind `>`; `None` where the document ends first.
    fn tag_body(&mut self) -> Option<Tag<'a>> {
        if self.rest.first() == Some(&b'/') {
            self.rest = &self.rest[1..];
        }
        let name = self.take_while(|byte| !is_space(byte) && !matches!(byte, b'/' | b'>'));
        let mut attributes = Vec::new();
        loop {
            self.take_while(|byte| is_space(byte) || byte == b'/');
            if *self.rest.first()? == b'>' {
                self.rest = &self.rest[1..];
                break;
            }
            let attribute = self.attribute()?;
            if attributes.len() < ATTRIBUTES_MAX {
                attributes.push(attribute);
            }
        }
        Some(Tag { name, attributes })
    }

    fn attribute(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let start = self.rest;
        // An equals sign in front is part of the name.
        self.rest = &start[1..];
        self.take_while(|byte| !is_space(byte) && !matches!(byte, b'/' | b'>' | b'='));
        let name = &start[..start.len() - self.rest.len()];
        self.take_while(is_space);
        let Some(after) = self.rest.strip_prefix(b"=") else {
            return Some((name, &[]));
        };
        self.rest = after;
        self.take_while(is_space);
        let value = match *self.rest.first()? {
            quote @ (b'"' | b'\'') => {
                self.rest = &self.rest[1..];
                let value = self.take_while(|byte| byte != quote);
                self.rest = self.rest.strip_prefix(&[quote])?;
                value
            }
            _ => self.take_while(|byte| !is_space(byte) && byte != b'>'),
        };
        Some((name, value))
    }

    fn take_while(&mut self, keep: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !keep(*byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c)
}

/// Resolves the character references that occur in addresses: numbers, and the five names of XML, each with its
/// semicolon. `?a=1&lt=2` stays as it is, as the standard has it for attribute values.
fn resolve_references(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        // The longest reference that is understood has 10 bytes (`&#x10FFFF;`, `&#1114111;`).
        let end = rest.bytes().take(12).position(|byte| byte == b';');
        match end.and_then(|end| reference(&rest[1..end]).map(|c| (c, end))) {
            Some((character, end)) => {
                out.push(character);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn reference(name: &str) -> Option<char> {
    let code = match name {
        "amp" => return Some('&'),
        "apos" => return Some('\''),
        "gt" => return Some('>'),
        "lt" => return Some('<'),
        "quot" => return Some('"'),
        _ => name.strip_prefix('#')?,
    };
    let number = match code.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => code.parse(),
    };
    char::from_u32(number.ok()?).filter(|c| *c != '\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of all start tags, each with its `href` if there is one.
    fn read(html: &str) -> Vec<String> {
        start_tags(html.as_bytes())
            .map(|tag| {
                let name = String::from_utf8_lossy(tag.name).into_owned();
                tag.attribute("href").map_or(name.clone(), |href| format!("{name} {href}"))
            })
            .collect()
    }

    #[test]
    fn attributes_in_every_dress() {
        for (html, expected) in [
            ("<a href=x>", "a x"),
            ("<A HREF='x y'>", "A x y"),
            ("<a\n\thref\n=\n\"x>y\">", "a x>y"),
            ("<a/href=x>", "a x"),
            ("<a href=x/>", "a x/"),
            ("<a title='<a href=no>' href=x>", "a x"),
            ("<a href=x href=y>", "a x"),
            ("<a href>", "a "),
            ("<a href=>", "a "),
            ("<a =href href=x>", "a x"),
            ("<a data-href=no>", "a"),
            ("<a href=\"\"\"x\">", "a "),
            ("<a href=?a=1&amp;b=2&lt=3&#x26;c&#38;d&#0;&#xD800;&nope;&>", "a ?a=1&b=2&lt=3&c&d&#0;&#xD800;&nope;&"),
            ("<a href='&quot;&apos;&lt;&gt;'>", "a \"'<>"),
        ] {
            assert_eq!(read(html), [expected], "{html}");
        }
    }

    #[test]
    fn what_is_not_markup_is_stepped_over() {
        for html in [
            "<!-- <a href=no> --><b>",
            "<!--><b><!-- x ---><!--->",
            "<!-- x --!><b>",
            "<!-- a -- b -> <a href=no> --><b>",
            "<!doctype html><b>",
            "<?xml version='1.0'?><b>",
            "<![CDATA[ x ]]><b>",
            "</a href=no><b>",
            "</ ><b>",
            "< a href=no><3 <b>",
            "<b></b",
            "<b><a href=no",
            "<b><a href='no>",
            "<b><!-- <a href=no>",
        ] {
            assert_eq!(read(html), ["b"], "{html}");
        }
    }

    #[test]
    fn text_elements_hide_their_content_up_to_their_own_end_tag() {
        for (html, expected) in [
            ("<script>'<a href=no></scripty>'</script ><b>", vec!["script", "b"]),
            ("<title></a><a href=no></TITLE><b>", vec!["title", "b"]),
            ("<textarea><a href=no></textarea/><b>", vec!["textarea", "b"]),
            ("<style><a href=no>", vec!["style"]),
            ("<noscript><a href=x></noscript>", vec!["noscript", "a x"]),
            ("<plaintext><a href=no></plaintext><a href=no>", vec!["plaintext"]),
        ] {
            assert_eq!(read(html), expected, "{html}");
        }
    }

    /// Each of these costs a parser that looks back, or builds a tree, more than time in proportion to its length.
    #[test]
    fn hostile_pages_are_read_in_one_pass() {
        let count = 100_000;
        for (part, expected) in [
            ("<div>", count),
            ("<b><p>", 2 * count),
            ("<!--", 0),
            ("<script></scripty", 1),
            ("<a href='", 0),
            ("</a ", 0),
            ("<a b ", 0),
            ("<<<<", 0),
        ] {
            assert_eq!(start_tags(part.repeat(count).as_bytes()).count(), expected, "{part}");
        }
        let tag = format!("<a {} href='{}'>", "b=c ".repeat(10), "&".repeat(count));
        assert_eq!(start_tags(tag.as_bytes()).next().unwrap().attribute("href").unwrap().len(), count);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_to_their_end(bytes: Vec<u8>) {
            proptest::prop_assert!(start_tags(&bytes).count() <= bytes.len() / 2);
        }

        #[test]
        fn any_mix_of_markup_is_read_to_its_end(
            parts in proptest::collection::vec("<|>|/|!|--|-|a|=|'|\"| |script|</script|&|#x|;", 0..60)
        ) {
            let html = parts.concat();
            for tag in start_tags(html.as_bytes()) {
                proptest::prop_assert!(tag.attribute("a").is_none_or(|value| value.len() <= html.len()));
            }
        }
    }
}
