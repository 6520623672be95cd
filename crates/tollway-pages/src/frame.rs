//! The frame of every page: head, bar, footer, and the parts that pages are put together from. All text is escaped.

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// A page before its body.
#[derive(Debug, Clone, Default)]
pub struct Page<'a> {
    /// What program part it is of, after the name: `console`.
    pub product: &'a str,
    /// Its heading.
    pub title: &'a str,
    /// A sentence under the heading.
    pub lede: &'a str,
    /// Where else one can go.
    pub nav: &'a [NavItem<'a>],
    /// Path of this page among `nav`.
    pub current: &'a str,
    /// Module scripts by name below `/assets/`; `frame.js` is always there.
    pub scripts: &'a [&'a str],
    /// More style sheets by name below `/assets/`.
    pub styles: &'a [&'a str],
    /// Right of the heading: buttons, a state.
    pub aside: Option<Markup>,
}

/// A link of the bar.
#[derive(Debug, Clone, Copy)]
pub struct NavItem<'a> {
    /// Where to.
    pub path: &'a str,
    /// What it says.
    pub text: &'a str,
}

/// Where a figure comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The books: exact, and provable.
    Ledger,
    /// Counters: they begin anew with lost files, and are no proof.
    Counted,
    /// Neither: a setting, a sample.
    Plain,
}

/// How a badge or notice is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Nothing to say.
    Neutral,
    /// As it should be.
    Good,
    /// Look at it.
    Warn,
    /// Wrong or refused.
    Bad,
    /// For information.
    Info,
}

impl<'a> Page<'a> {
    /// A page without links.
    pub fn titled(title: &'a str) -> Self {
        Self { title, ..Self::default() }
    }

    /// The whole document.
    pub fn render(&self, body: &Markup) -> String {
        let words = if self.product.is_empty() { "Tollway".to_owned() } else { format!("Tollway {}", self.product) };
        let document = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="robots" content="noindex";
                    title { (self.title) " · " (words) }
                    link rel="icon" href="/assets/mark.svg" type="image/svg+xml";
                    link rel="stylesheet" href="/assets/style.css";
                    @for style in self.styles { link rel="stylesheet" href={ "/assets/" (style) }; }
                    script type="module" src="/assets/frame.js" {}
                    @for script in self.scripts { script type="module" src={ "/assets/" (script) } {} }
                }
                body {
                    a.skip href="#main" { "Skip to the page" }
                    header.bar { div { (self.brand()) (self.links()) } }
                    main #main tabindex="-1" {
                        div.title {
                            div {
                                h1 { (self.title) }
                                @if !self.lede.is_empty() { p { (self.lede) } }
                            }
                            @if let Some(aside) = &self.aside { div.row { (aside) } }
                        }
                        (body)
                    }
                    footer { div {
                        span { "Tollway " (env!("CARGO_PKG_VERSION")) }
                        span { "Served from this machine. Nothing here is asked of another host." }
                    } }
                }
            }
        };
        document.into_string()
    }

    fn brand(&self) -> Markup {
        html! {
            a.brand href="/" {
                img src="/assets/mark.svg" alt="" width="30" height="30";
                "Tollway"
                @if !self.product.is_empty() { " " span { (self.product) } }
            }
        }
    }

    fn links(&self) -> Markup {
        html! {
            @if !self.nav.is_empty() {
                nav aria-label="Pages" {
                    @for item in self.nav {
                        a href=(item.path) aria-current=[(item.path == self.current).then_some("page")] { (item.text) }
                    }
                }
            }
        }
    }
}

impl Mark {
    /// The mark as a small label.
    pub fn badge(self) -> Markup {
        match self {
            Self::Ledger => html! { span.badge.ledger title="From the books: exact, and provable" { "ledger" } },
            Self::Counted => html! { span.badge.counted title="From counters: no proof" { "counted" } },
            Self::Plain => html! {},
        }
    }
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Self::Neutral => "",
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Info => "info",
        }
    }
}

/// A word in a coloured pill.
pub fn badge(tone: Tone, text: &str) -> Markup {
    html! { span class={ "badge " (tone.class()) } { (text) } }
}

/// A line that says what happened; read aloud when it appears.
pub fn notice(tone: Tone, text: &str) -> Markup {
    html! { p class={ "notice " (tone.class()) } role="status" { (text) } }
}

/// One figure with its label; put several into [`tiles`].
#[derive(Debug, Clone)]
pub struct Tile<'a> {
    /// What it is.
    pub label: &'a str,
    /// The figure.
    pub figure: &'a str,
    /// A line under it.
    pub note: &'a str,
    /// Where the figure comes from.
    pub mark: Mark,
    /// Name for `live.js` to set it by; empty for none.
    pub live: &'a str,
}

impl<'a> Tile<'a> {
    /// A figure of the books.
    pub fn ledger(label: &'a str, figure: &'a str, note: &'a str) -> Self {
        Self { label, figure, note, mark: Mark::Ledger, live: "" }
    }
}

/// Figures side by side; the first one stands out.
pub fn tiles(tiles: &[Tile<'_>]) -> Markup {
    html! {
        div.tiles {
            @for (place, tile) in tiles.iter().enumerate() {
                dl class=(if place == 0 { "tile accent" } else { "tile" }) {
                    dt { (tile.label) }
                    dd.figure data-live=[(!tile.live.is_empty()).then_some(tile.live)] { (tile.figure) }
                    dd.note { span { (tile.note) } (tile.mark.badge()) }
                }
            }
        }
    }
}

/// A card with a heading.
pub fn card(heading: &str, mark: Mark, body: &Markup) -> Markup {
    html! { section.card { header { h2 { (heading) } (mark.badge()) } (body) } }
}

/// A column's heading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head<'a> {
    /// Words.
    Text(&'a str),
    /// Figures, right-aligned.
    Num(&'a str),
    /// Over bars made by [`share`]; both are left out on narrow screens.
    Share,
    /// Seen by nobody, read aloud.
    Hidden(&'a str),
}

/// A table that scrolls by itself where it is too wide. `rows` are `tr` elements.
pub fn table(id: &str, label: &str, heads: &[Head<'_>], rows: &[Markup], empty: &str) -> Markup {
    if rows.is_empty() {
        return html! { p.empty { (empty) } };
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label=(label) {
            table #(id) {
                thead { tr { @for head in heads {
                    @match head {
                        Head::Text(text) => th scope="col" { (text) },
                        Head::Num(text) => th.num scope="col" { (text) },
                        Head::Share => th.share scope="col" { span.out { "Share" } },
                        Head::Hidden(text) => th scope="col" { span.out { (text) } },
                    }
                } } }
                tbody { @for row in rows { (row) } }
            }
        }
    }
}

/// A bar of `part` in `whole`, for the eye only: the figure stands beside it.
pub fn share(part: u128, whole: u128) -> Markup {
    let width = part.min(whole).saturating_mul(1000).checked_div(whole).unwrap_or_default();
    html! {
        svg.share viewBox="0 0 1000 8" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            rect width=(width) height="8" {}
        }
    }
}

/// Text that is markup already, made by one of our own functions.
pub(crate) fn trusted(svg: String) -> Markup {
    PreEscaped(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_97_texts_are_escaped_everywhere() {
        let bad = "\"><script>alert(1)</script>";
        let nav = [NavItem { path: bad, text: bad }];
        let page = Page { product: bad, title: bad, lede: bad, nav: &nav, current: "/", ..Page::default() };
        let tile = Tile::ledger(bad, bad, bad);
        let body = html! {
            (tiles(&[tile])) (badge(Tone::Bad, bad)) (notice(Tone::Good, bad)) (card(bad, Mark::Counted, &html! { (bad) }))
            (table(bad, bad, &[Head::Text(bad), Head::Num(bad), Head::Hidden(bad)], &[html! { tr { td { (bad) } } }], bad))
        };
        let text = page.render(&body);
        assert!(!text.contains("<script>"), "{text}");
        assert_eq!(text.matches("<script ").count(), 1);
    }

    #[test]
    fn a_share_stays_within_its_whole() {
        assert!(share(1, 4).into_string().contains("width=\"250\""));
        assert!(share(9, 4).into_string().contains("width=\"1000\""));
        assert!(share(1, 0).into_string().contains("width=\"0\""));
    }

    #[test]
    fn the_current_page_is_said() {
        let nav = [NavItem { path: "/a", text: "A" }, NavItem { path: "/b", text: "B" }];
        let text = Page { title: "B", nav: &nav, current: "/b", ..Page::default() }.render(&html! {});
        assert!(text.contains("<a href=\"/b\" aria-current=\"page\">B</a>"), "{text}");
    }
}
