//! How text may look: made once by the command line from the terminal, `NO_COLOR` and the locale.

use anstyle::{AnsiColor, Color, Effects};

/// The narrowest width that is laid out for; a narrower terminal wraps by itself.
pub(crate) const NARROWEST: usize = 24;

/// The widest layout: right-aligned times stay within sight of what they belong to.
pub(crate) const WIDEST: usize = 110;

/// What the reader's terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether colours may be used.
    pub color: bool,
    /// Columns of the terminal; any number is fine.
    pub width: usize,
    /// Whether characters beyond ASCII can be shown: ticks, lines, dots.
    pub unicode: bool,
}

impl Style {
    /// For pipes and files: no colour, 100 columns, ASCII with no exception.
    #[must_use]
    pub const fn plain() -> Self {
        Self { color: false, width: 100, unicode: false }
    }

    /// The columns to lay out for.
    pub(crate) fn columns(&self) -> usize {
        self.width.clamp(NARROWEST, WIDEST)
    }
}

/// What a stretch of text means; the colour follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Ordinary text.
    Plain,
    /// What to read first.
    Strong,
    /// What may be skipped.
    Faint,
    /// It went well.
    Good,
    /// It went wrong.
    Bad,
    /// It wants attention.
    Warn,
    /// An address or a command to give.
    Link,
    /// A service's own colour.
    Service(u8),
}

/// The colours of services; none that means good, bad or warning.
const SERVICES: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::BrightCyan,
    AnsiColor::BrightMagenta,
    AnsiColor::BrightBlue,
];

impl Ink {
    /// The colour of the service with this name: the same in every run.
    pub(crate) fn service(name: &str) -> Self {
        // FNV-1a, enough to tell a handful of names apart.
        let hash = name
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619));
        Self::Service((hash >> 8).to_le_bytes()[0])
    }

    /// `text` in this ink; as it is where there is no colour.
    pub(crate) fn paint(self, text: &str, style: &Style) -> String {
        let look = self.look();
        if !style.color || text.is_empty() || look.is_plain() {
            return text.to_owned();
        }
        format!("{look}{text}{look:#}")
    }

    fn look(self) -> anstyle::Style {
        let colour = |colour| anstyle::Style::new().fg_color(Some(Color::Ansi(colour)));
        match self {
            Self::Plain => anstyle::Style::new(),
            Self::Strong => anstyle::Style::new() | Effects::BOLD,
            Self::Faint => anstyle::Style::new() | Effects::DIMMED,
            Self::Good => colour(AnsiColor::Green),
            Self::Bad => colour(AnsiColor::Red) | Effects::BOLD,
            Self::Warn => colour(AnsiColor::Yellow),
            Self::Link => colour(AnsiColor::Cyan) | Effects::UNDERLINE,
            Self::Service(which) => colour(SERVICES[usize::from(which) % SERVICES.len()]),
        }
    }
}
