//! The full screen of `browse`: a line to type in, tiles of photos, and a line about the chosen one.

use std::borrow::Cow;
use std::io::{self, Stdout, stdout};

use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::{Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use ratatui::{Frame, Terminal};

use super::preview::{GAP, TILE, Tile, tiles_across};
use crate::terminal::escape;

/// What is before the query on its line, and what is below it.
const PROMPT: &str = "search: ";
const HELP: &str = "Enter opens · Tab finds more like it · arrows choose · Esc clears, then quits";
/// Lines that hold no tiles: those two, and the status.
const OTHER_LINES: u16 = 3;

/// The terminal, taken over. Dropping it gives it back as it was, also when a panic unwinds.
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

    /// Columns and lines.
    pub(crate) fn size(&self) -> io::Result<(u16, u16)> {
        self.terminal.size().map(|size| (size.width, size.height))
    }

    /// Draws what has changed; everything, when the terminal's size has.
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

/// Also called when a panic is about to be reported, so that its message is seen.
pub(crate) fn give_back() {
    _ = execute!(stdout(), DisableBracketedPaste, LeaveAlternateScreen);
    _ = disable_raw_mode();
}

/// What the screen shows.
pub(crate) struct View<'a> {
    pub(crate) query: &'a str,
    /// The photo that the query also asks for photos like.
    pub(crate) like: Option<Cow<'a, str>>,
    /// The tiles from the first one on that is on the screen.
    pub(crate) tiles: Vec<Tile<'a>>,
    /// Which of them is chosen.
    pub(crate) chosen: Option<usize>,
    pub(crate) status: String,
}

/// Tiles across and down, on a screen of so many columns and lines. An empty line is between tiles.
pub(crate) fn grid((columns, lines): (u16, u16)) -> (u16, u16) {
    let down = (lines.saturating_sub(OTHER_LINES) + 1) / (TILE.height + 1);
    (tiles_across(columns), down.max(1))
}

impl View<'_> {
    fn draw(&self, frame: &mut Frame<'_>) {
        let line = Constraint::Length(1);
        let rows = Layout::vertical([line, line, Constraint::Fill(1), line]);
        let [top, help, middle, bottom] = rows.areas(frame.area());
        let asked = self.query_line();
        // The end of a long query is where one types.
        let end = u16::try_from(asked.width()).unwrap_or(u16::MAX);
        let hidden = end.saturating_add(1).saturating_sub(top.width);
        frame.render_widget(Paragraph::new(asked).scroll((0, hidden)), top);
        frame.render_widget(Line::from(HELP).dim(), help);
        self.draw_tiles(middle, frame.buffer_mut());
        frame.render_widget(Line::from(escape(&self.status)).dim(), bottom);
        frame.set_cursor_position(Position::new(top.x + end - hidden, top.y));
    }

    fn query_line(&self) -> Line<'_> {
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
            // A screen smaller than one tile shows none: half a picture cannot be drawn.
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
