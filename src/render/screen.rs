//! The full screen of `browse`: a line to type in, tiles of photos, and a line about the chosen one.

use std::borrow::Cow;
use std::io::{self, Stdout, Write, stdout};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::{Constraint, Layout, Position, Rect, Size};
use ratatui::style::{Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use ratatui::{Frame, Terminal};

use super::preview::{GAP, TILE, Tile, shortened, tiles_across};
use crate::terminal::escape;

/// The text in front of the query, and the line below it.
const PROMPT: &str = "search: ";
const HELP: &str =
    "Enter: large · Tab: similar · ^Space: mark · ^O: open · ^Y: copy path · ^S: copy to folder · Esc: back";
/// The same for a photo that fills the screen.
const LARGE_HELP: &str =
    "Enter: open · arrows: next, previous · ^Space: mark · ^Y: copy path · ^S: copy to folder · Esc: back";
/// The text in front of a folder that is typed.
const FOLDER: &str = "copy to folder: ";
/// Lines without tiles: these two and the status line.
const OTHER_LINES: u16 = 3;

/// The terminal in full-screen mode. Dropping this restores it, even during a panic.
pub(crate) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    pub(crate) fn take() -> io::Result<Screen> {
        enable_raw_mode()?;
        let taken = execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste)
            .and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
        taken.map(|terminal| Screen { terminal }).inspect_err(|_| give_back())
    }

    /// The screen's columns and lines.
    pub(crate) fn size(&self) -> io::Result<(u16, u16)> {
        self.terminal.size().map(|size| (size.width, size.height))
    }

    /// Asks the terminal to put a text on the clipboard (OSC 52). Terminals do not say whether they did.
    pub(crate) fn put_on_clipboard(&self, text: &str) -> io::Result<()> {
        write!(stdout(), "\x1b]52;c;{}\x07", BASE64_STANDARD.encode(text))?;
        stdout().flush()
    }

    /// Draws the changes, or everything if the terminal was resized.
    pub(crate) fn draw(&mut self, view: &View<'_>) -> io::Result<()> {
        self.terminal.draw(|frame| view.draw(frame)).map(|_| ())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        _ = self.terminal.show_cursor();
        give_back();
    }
}

/// Restores the terminal. Also called before a panic is printed, so that its message is visible.
pub(crate) fn give_back() {
    _ = execute!(stdout(), DisableBracketedPaste, LeaveAlternateScreen);
    _ = disable_raw_mode();
}

/// The contents of the screen.
pub(crate) struct View<'a> {
    pub(crate) query: &'a str,
    /// The name of the photo in the query (chosen with Tab).
    pub(crate) like: Option<Cow<'a, str>>,
    /// The tiles, starting with the first one on the screen.
    pub(crate) tiles: Vec<Tile<'a>>,
    /// The index of the chosen tile.
    pub(crate) chosen: Option<usize>,
    /// The photo that fills the screen in place of the tiles.
    pub(crate) large: Option<Tile<'a>>,
    /// The folder that is typed in place of the query.
    pub(crate) folder: Option<&'a str>,
    pub(crate) status: String,
}

/// How many tiles fit across and down on a screen of this size (columns, lines), with an empty line between them.
pub(crate) fn grid((columns, lines): (u16, u16)) -> (u16, u16) {
    let down = (lines.saturating_sub(OTHER_LINES) + 1) / (TILE.height + 1);
    (tiles_across(columns), down.max(1))
}

/// The size in cells of a picture that fills a screen of this size (columns, lines), with a caption below it.
pub(crate) fn large_picture((columns, lines): (u16, u16)) -> Size {
    Size { width: columns.max(1), height: lines.saturating_sub(OTHER_LINES + 1).max(1) }
}

impl<'a> View<'a> {
    /// A screen with a query and nothing else yet.
    pub(crate) fn of(query: &'a str) -> View<'a> {
        View {
            query,
            like: None,
            tiles: Vec::new(),
            chosen: None,
            large: None,
            folder: None,
            status: String::new(),
        }
    }
}

impl View<'_> {
    fn draw(&self, frame: &mut Frame<'_>) {
        let line = Constraint::Length(1);
        let rows = Layout::vertical([line, line, Constraint::Fill(1), line]);
        let [top, help, middle, bottom] = rows.areas(frame.area());
        let asked = self.query_line();
        // Show the end of a long query, where the cursor is.
        let end = u16::try_from(asked.width()).unwrap_or(u16::MAX);
        let hidden = end.saturating_add(1).saturating_sub(top.width);
        frame.render_widget(Paragraph::new(asked).scroll((0, hidden)), top);
        let keys = if self.large.is_some() { LARGE_HELP } else { HELP };
        frame.render_widget(Line::from(shortened(keys, help.width.into())).dim(), help);
        match &self.large {
            Some(large) if middle.height > 1 => large.draw(middle, frame.buffer_mut()),
            Some(_) => {}
            None => self.draw_tiles(middle, frame.buffer_mut()),
        }
        let status = shortened(&escape(&self.status), bottom.width.into());
        frame.render_widget(Line::from(status).dim(), bottom);
        frame.set_cursor_position(Position::new(top.x + end - hidden, top.y));
    }

    fn query_line(&self) -> Line<'_> {
        if let Some(folder) = self.folder {
            return Line::from(vec![FOLDER.dim(), Span::raw(escape(folder))]);
        }
        let like = self.like.as_ref().map(|name| format!("[like {}] ", escape(name)));
        let mut spans = vec![PROMPT.dim()];
        spans.extend(like.map(Stylize::bold));
        spans.push(Span::raw(escape(self.query)));
        Line::from(spans)
    }

    fn draw_tiles(&self, area: Rect, buffer: &mut Buffer) {
        let across = tiles_across(area.width);
        for (tile, at) in self.tiles.iter().zip(0u16..) {
            let place = Rect {
                x: area.x + at % across * (TILE.width + GAP),
                y: area.y + at / across * (TILE.height + 1),
                width: TILE.width,
                height: TILE.height,
            };
            // On a screen smaller than a tile, show none: part of a picture cannot be drawn.
            if area.intersection(place) != place {
                continue;
            }
            tile.draw(place, buffer);
            if self.chosen == Some(usize::from(at)) {
                let caption = Rect { y: place.bottom() - 1, height: 1, ..place };
                buffer.set_style(caption, Style::new().reversed());
            }
        }
    }
}
