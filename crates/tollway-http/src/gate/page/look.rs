//! What a seller's page looks like: its name and its colour.

use std::str::FromStr;

use super::STYLE;

/// Longest name, in characters.
const NAME_MAX: usize = 80;

/// The name and the colour of a seller's 402 page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageLook {
    name: Option<String>,
    style: String,
}

/// A colour as `#rgb` or `#rrggbb`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Colour(String);

/// Why a page cannot look so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PageLookError {
    /// Not a colour.
    #[error("a colour is `#rgb` or `#rrggbb`")]
    Colour,
    /// White text on it cannot be read.
    #[error("the colour is too light: white text on it has a contrast below 4.5 to 1")]
    Light,
    /// Not a name.
    #[error("a name has 1 to {NAME_MAX} characters and no control characters")]
    Name,
}

impl PageLook {
    /// A look of one's own; what is not given is Tollway's.
    ///
    /// # Errors
    /// A name that is empty, too long or not of one line.
    pub fn new(name: Option<String>, accent: Option<Colour>) -> Result<Self, PageLookError> {
        let fits =
            |name: &String| (1..=NAME_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control);
        if !name.as_ref().is_none_or(fits) {
            return Err(PageLookError::Name);
        }
        let Colour(accent) = accent.unwrap_or_else(|| Colour("#1f6f54".to_owned()));
        // Text in the accent colour on a dark ground is the colour in a lighter tone.
        let style = format!(
            ":root{{--accent:{accent}}}{STYLE}@media(prefers-color-scheme:dark){{.seller{{color:color-mix(in oklab,{accent},white 55%)}}}}"
        );
        Ok(Self { name, style })
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(super) fn style(&self) -> &str {
        &self.style
    }
}

impl Default for PageLook {
    fn default() -> Self {
        Self::new(None, None).expect("no name at all is no wrong one")
    }
}

impl FromStr for Colour {
    type Err = PageLookError;

    fn from_str(text: &str) -> Result<Self, PageLookError> {
        let digits =
            text.strip_prefix('#').filter(|digits| matches!(digits.len(), 3 | 6)).ok_or(PageLookError::Colour)?;
        let digits: Vec<u32> =
            digits.chars().map(|c| c.to_digit(16)).collect::<Option<_>>().ok_or(PageLookError::Colour)?;
        let parts: Vec<u32> = match digits.len() {
            3 => digits.iter().map(|digit| digit * 17).collect(),
            _ => digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect(),
        };
        let light = luminance(&parts);
        // WCAG 2.2, 1.4.3: contrast with white.
        if 1.05 / (light + 0.05) < 4.5 {
            return Err(PageLookError::Light);
        }
        Ok(Self(format!("#{:02x}{:02x}{:02x}", parts[0], parts[1], parts[2])))
    }
}

/// Relative luminance (WCAG 2.2) of red, green and blue in 0 to 255.
fn luminance(parts: &[u32]) -> f64 {
    let linear = |part: u32| {
        let part = f64::from(part) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(parts[0]) + 0.7152 * linear(parts[1]) + 0.0722 * linear(parts[2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_hexadecimal_and_dark_enough_for_white_text() {
        let read = |text: &str| text.parse::<Colour>().map(|colour| colour.0);
        assert_eq!(read("#1f6f54"), Ok("#1f6f54".to_owned()));
        assert_eq!(read("#00F"), Ok("#0000ff".to_owned()));
        for light in ["#fff", "#ffff00", "#8a8a8a"] {
            assert_eq!(read(light), Err(PageLookError::Light), "{light}");
        }
        for text in ["", "red", "#12", "#12345", "#12345g", "#1f6f54;}", "#é1"] {
            assert_eq!(read(text), Err(PageLookError::Colour), "{text}");
        }
    }

    #[test]
    fn names_are_one_line() {
        let named = |name: &str| PageLook::new(Some(name.to_owned()), None).map(|_| ());
        assert_eq!(named("The Daily Page"), Ok(()));
        for name in ["", "a\nb", &"x".repeat(81)] {
            assert_eq!(named(name), Err(PageLookError::Name), "{name}");
        }
    }
}
