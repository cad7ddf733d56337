//! Thumbnails in the terminal: real images with kitty, iTerm2 or sixel, otherwise coloured half blocks.
//!
//! A row of thumbnails is laid out in a buffer of cells and painted at the cursor, in line with the text.

use std::fmt;
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
use ratatui_image::picker::{Picker, ProtocolType};
use ratatui_image::protocol::Protocol;
use ratatui_image::{FontSize, Image, Resize};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::Output;
use super::photo::{day, name};
use super::probe::{self, Answer};
use crate::settings::Graphics;
use crate::terminal::escape;

/// Size of a tile: a thumbnail and a line below it. Cells are about twice as tall as wide, so the thumbnail gets the 4:3
/// of most cameras, and two rows of tiles fit on 24 lines.
pub(crate) const TILE: Size = Size { width: 24, height: 10 };
/// Columns between tiles.
pub(crate) const GAP: u16 = 2;
/// The part of a tile that is left for the picture.
pub(crate) const PICTURE: Size = Size { height: TILE.height - 1, ..TILE };
/// The largest cell in pixels that is believed, in each direction. This bounds the size of the pictures.
const LARGEST_CELL: u16 = 64;

/// How this terminal shows pictures.
#[derive(Clone)]
pub(crate) struct Painter(Picker);

/// A picture as this terminal shows it.
pub(crate) type Painted = Protocol;

impl Painter {
    /// A painter for this terminal, and what was typed while the terminal was asked. It is asked once in each session, and
    /// not at all if no answer can come. Without an answer, half blocks are used.
    pub(crate) fn ask(graphics: &Graphics) -> (Painter, Vec<u8>) {
        // Pictures need colours even if `NO_COLOR` is set; `--color always` has overridden it.
        force_color_output(true);
        if !graphics.can_answer || !stdin().is_terminal() {
            return (Painter(Picker::halfblocks()), Vec::new());
        }
        if let Some(means) = graphics.remembered().as_deref().and_then(Means::parse) {
            return (Painter(means.picker()), Vec::new());
        }
        let (answer, typed) = probe::ask(graphics);
        let means = Means::of(answer);
        graphics.remember(&means.to_string());
        (Painter(means.picker()), typed)
    }

    /// Width and height in pixels of a picture of this size.
    fn pixels(&self, size: Size) -> (u32, u32) {
        let FontSize { width, height } = self.0.font_size();
        (u32::from(size.width) * u32::from(width), u32::from(size.height) * u32::from(height))
    }

    /// The longer side in pixels that a thumbnail of this size in cells needs.
    pub(crate) fn side(&self, size: Size) -> u32 {
        let (width, height) = self.pixels(size);
        width.max(height)
    }

    /// Prepares a picture of this size in cells, or says why that fails.
    pub(crate) fn paint(&self, picture: RgbImage, size: Size) -> Result<Painted, String> {
        let (width, height) = self.pixels(size);
        let fitted = DynamicImage::ImageRgb8(picture).resize(width, height, FilterType::Triangle);
        self.0.new_protocol(fitted, size, Resize::Fit(None)).map_err(|error| error.to_string())
    }
}

/// How a terminal shows pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Means {
    /// With half blocks, or with iTerm2's protocol if the environment says so and the size of a cell is known.
    Plain(Option<(u16, u16)>),
    Kitty((u16, u16)),
    Sixel((u16, u16)),
}

impl Means {
    fn of(answer: Answer) -> Means {
        let is_sane = |side: u16| (1..=LARGEST_CELL).contains(&side);
        let cell = answer.cell.filter(|(width, height)| is_sane(*width) && is_sane(*height));
        match cell {
            Some(cell) if answer.kitty => Means::Kitty(cell),
            Some(cell) if answer.sixel => Means::Sixel(cell),
            cell => Means::Plain(cell),
        }
    }

    fn picker(self) -> Picker {
        let (cell, protocol) = match self {
            Means::Plain(None) => return Picker::halfblocks(),
            Means::Plain(Some(cell)) => (cell, None),
            Means::Kitty(cell) => (cell, Some(ProtocolType::Kitty)),
            Means::Sixel(cell) => (cell, Some(ProtocolType::Sixel)),
        };
        #[expect(
            deprecated,
            reason = "the other constructor asks the terminal and drops what is typed meanwhile"
        )]
        let mut picker = Picker::from_fontsize(FontSize::new(cell.0, cell.1));
        if let Some(protocol) = protocol {
            picker.set_protocol_type(protocol);
        }
        picker
    }

    /// Reads what [`Means::to_string`] wrote.
    fn parse(text: &str) -> Option<Means> {
        let mut words = text.split(' ');
        let (name, mut numbers) = (words.next()?, words.map(str::parse));
        let cell = match (numbers.next(), numbers.next()) {
            (Some(Ok(width)), Some(Ok(height))) => Some((width, height)),
            _ => None,
        };
        match (name, cell) {
            ("plain", cell) => Some(Means::Plain(cell)),
            ("kitty", Some(cell)) => Some(Means::Kitty(cell)),
            ("sixel", Some(cell)) => Some(Means::Sixel(cell)),
            _ => None,
        }
    }
}

impl fmt::Display for Means {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Means::Plain(None) => write!(out, "plain"),
            Means::Plain(Some((width, height))) => write!(out, "plain {width} {height}"),
            Means::Kitty((width, height)) => write!(out, "kitty {width} {height}"),
            Means::Sixel((width, height)) => write!(out, "sixel {width} {height}"),
        }
    }
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
        buffer.set_stringn(area.x, line, shortened(&escape(&self.caption), width), width, Color::Reset);
    }
}

/// The text in this many columns. Where something is cut off, it ends with `…`.
pub(super) fn shortened(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    for c in text.chars() {
        if short.width() + c.width().unwrap_or(0) + 1 > width {
            break;
        }
        short.push(c);
    }
    if width > 0 {
        short.push('…');
    }
    short
}

/// The line below a match's picture.
pub(crate) fn caption(found: &Match) -> String {
    let Match { rank, score, path, similar, .. } = found;
    let Some(score) = score else { return dated_caption(found) };
    match similar {
        0 => format!("{rank}  {score:.2}  {}", name(path)),
        similar => format!("{rank}  {score:.2}  +{similar}  {}", name(path)),
    }
}

/// The line below one of the newest photos: its day and its name.
pub(crate) fn dated_caption(found: &Match) -> String {
    format!("{}  {}", day(found), name(&found.path))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_off_is_marked() {
        for (text, width, expected) in [
            ("0001.jpg", 8, "0001.jpg"),
            ("000000163497.jpg", 10, "000000163…"),
            ("写真写真.jpg", 6, "写真…"),
            ("abc", 1, "…"),
            ("abc", 0, ""),
        ] {
            assert_eq!(shortened(text, width), expected, "{text} {width}");
        }
    }

    #[test]
    fn an_answer_is_remembered_as_it_was() {
        #[track_caller]
        fn check(answer: Answer, expected: &str) {
            let means = Means::of(answer);
            assert_eq!((means.to_string().as_str(), Means::parse(expected)), (expected, Some(means)));
        }
        let cell = Some((10, 20));
        let none = Answer::default();
        check(none, "plain");
        check(Answer { cell, ..none }, "plain 10 20");
        check(Answer { cell, kitty: true, sixel: true, ..none }, "kitty 10 20");
        check(Answer { cell, sixel: true, ..none }, "sixel 10 20");
        // Without the size of a cell, and with one that cannot be true, pictures cannot be drawn.
        check(Answer { sixel: true, ..none }, "plain");
        check(Answer { sixel: true, cell: Some((10, 2_000)), ..none }, "plain");
        assert_eq!(Means::parse("sixel 10"), None);
    }
}
