//! Thumbnails in the terminal: real images with kitty, iTerm2 or sixel, otherwise coloured half blocks.
//!
//! A row of thumbnails is laid out in a buffer of cells and painted at the cursor, in line with the text.

use std::io::{self, IsTerminal, Write, stdin};

use image::imageops::FilterType;
use image::{DynamicImage, RgbImage};
use imgsearch::Match;
use ratatui::backend::IntoCrossterm;
use ratatui::buffer::{Buffer, Cell, CellDiffOption};
use ratatui::crossterm::cursor::{MoveDown, MoveToColumn, MoveUp, RestorePosition, SavePosition};
use ratatui::crossterm::queue;
use ratatui::crossterm::style::{Colors, Print, ResetColor, SetColors, force_color_output};
use ratatui::crossterm::terminal;
use ratatui::layout::{Rect, Size};
use ratatui::style::Color;
use ratatui::widgets::Widget;
use ratatui_image::picker::Picker;
use ratatui_image::protocol::Protocol;
use ratatui_image::{FontSize, Image, Resize};

use super::Output;
use super::photo::name;
use crate::terminal::escape;

/// Size of a tile: a thumbnail and a line below it. Cells are about twice as tall as wide, so the thumbnail gets the 4:3
/// of most cameras, and two rows of tiles fit on 24 lines.
pub(crate) const TILE: Size = Size { width: 24, height: 10 };
/// Columns between tiles.
pub(crate) const GAP: u16 = 2;
/// The lines of a tile that are left for the picture.
const PICTURE: Size = Size { height: TILE.height - 1, ..TILE };
/// The largest cell in pixels that is believed, in each direction. This bounds the size of the pictures.
const LARGEST_CELL: u16 = 64;

/// How this terminal shows pictures.
#[derive(Clone)]
pub(crate) struct Painter(Picker);

/// A picture as this terminal shows it.
pub(crate) type Painted = Protocol;

impl Painter {
    /// Asks the terminal what it supports. Without an answer in two seconds, half blocks are used.
    pub(crate) fn ask() -> Painter {
        // Pictures need colours even if `NO_COLOR` is set; `--color always` has overridden it.
        force_color_output(true);
        Painter(answered().unwrap_or_else(Picker::halfblocks))
    }

    /// Width and height of a tile's picture in pixels.
    fn pixels(&self) -> (u32, u32) {
        let FontSize { width, height } = self.0.font_size();
        (u32::from(PICTURE.width * width), u32::from(PICTURE.height * height))
    }

    /// The longer side in pixels that a tile's thumbnail needs.
    pub(crate) fn side(&self) -> u32 {
        let (width, height) = self.pixels();
        width.max(height)
    }

    /// Prepares a picture for a tile, or says why that fails.
    pub(crate) fn paint(&self, picture: RgbImage) -> Result<Painted, String> {
        let (width, height) = self.pixels();
        let fitted = DynamicImage::ImageRgb8(picture).resize(width, height, FilterType::Triangle);
        self.0.new_protocol(fitted, PICTURE, Resize::Fit(None)).map_err(|error| error.to_string())
    }
}

/// Reads the terminal's answer from standard input.
fn answered() -> Option<Picker> {
    if !stdin().is_terminal() {
        return None;
    }
    let picker = leaving_modes(Picker::from_query_stdio);
    let is_sane = |side: u16| (1..=LARGEST_CELL).contains(&side);
    picker.ok().filter(|picker| is_sane(picker.font_size().width) && is_sane(picker.font_size().height))
}

/// Restores the terminal's mode. The query itself restores it only after an answer, on a thread that is not waited for.
#[cfg(unix)]
fn leaving_modes<T>(ask: impl FnOnce() -> T) -> T {
    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
    let modes = tcgetattr(stdin());
    let asked = ask();
    if let Ok(modes) = modes {
        _ = tcsetattr(stdin(), OptionalActions::Now, &modes);
    }
    asked
}

#[cfg(not(unix))]
fn leaving_modes<T>(ask: impl FnOnce() -> T) -> T {
    ask()
}

/// A photo to preview.
pub(crate) struct Tile<'a> {
    /// Its picture, or why there is none; `None` while it is being made.
    pub(crate) picture: Option<Result<&'a Painted, &'a str>>,
    pub(crate) caption: String,
}

impl Tile<'_> {
    /// Draws the tile in an area of its size.
    pub(crate) fn draw(&self, area: Rect, buffer: &mut Buffer) {
        let width = usize::from(area.width);
        match self.picture {
            Some(Ok(picture)) => Image::new(picture).render(area, buffer),
            Some(Err(reason)) => {
                buffer.set_stringn(area.x, area.y, escape(reason), width, Color::DarkGray);
            }
            None => {}
        }
        let line = area.bottom() - 1;
        buffer.set_stringn(area.x, line, escape(&self.caption), width, Color::Reset);
    }
}

/// The line below a match's picture.
pub(crate) fn caption(found: &Match) -> String {
    let Match { rank, score, path, similar, .. } = found;
    match similar {
        0 => format!("{rank}  {score:.2}  {}", name(path)),
        similar => format!("{rank}  {score:.2}  +{similar}  {}", name(path)),
    }
}

/// How many tiles fit side by side in this many columns.
pub(crate) fn tiles_across(columns: u16) -> u16 {
    (columns.saturating_add(GAP) / (TILE.width + GAP)).max(1)
}

/// The least columns and lines for a preview: a tile and the line after it.
pub(crate) const LEAST: (u16, u16) = (TILE.width, TILE.height + 1);

/// Whether this terminal is large enough for a tile.
pub(crate) fn fits_a_tile() -> bool {
    terminal::size().is_ok_and(|(columns, lines)| columns >= LEAST.0 && lines >= LEAST.1)
}

impl Output {
    /// Draws tiles, as many side by side as fit.
    pub(crate) fn preview(&mut self, tiles: &[Tile<'_>]) -> io::Result<()> {
        let across = tiles_across(terminal::size()?.0);
        for row in tiles.chunks(across.into()) {
            let mut buffer = Buffer::empty(Rect::new(0, 0, across * (TILE.width + GAP), TILE.height));
            for (tile, at) in row.iter().zip(0u16..) {
                let area = Rect { x: at * (TILE.width + GAP), y: 0, width: TILE.width, height: TILE.height };
                tile.draw(area, &mut buffer);
            }
            paint(&mut self.out, &buffer)?;
            writeln!(self.out)?;
        }
        Ok(())
    }
}

/// Paints the cells from the cursor's line down. It scrolls first to make room, because a picture that reaches the last
/// line would shift everything above it.
fn paint(out: &mut impl Write, buffer: &Buffer) -> io::Result<()> {
    let Rect { width, height, .. } = buffer.area;
    write!(out, "{}", "\n".repeat(height.into()))?;
    queue!(out, MoveUp(height), MoveToColumn(0))?;
    for y in 0..height {
        for x in 0..width {
            let cell = &buffer[(x, y)];
            if cell.diff_option == CellDiffOption::Skip || is_blank(cell) {
                continue;
            }
            // A picture can leave the cursor anywhere.
            let colours = Colors::new(cell.fg.into_crossterm(), cell.bg.into_crossterm());
            queue!(out, SavePosition, MoveToColumn(x), SetColors(colours))?;
            queue!(out, Print(cell.symbol()), ResetColor, RestorePosition)?;
        }
        queue!(out, MoveDown(1))?;
    }
    queue!(out, MoveToColumn(0))
}

fn is_blank(cell: &Cell) -> bool {
    cell.symbol() == " " && cell.bg == Color::Reset
}
