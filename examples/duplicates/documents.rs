//! Pictures of documents with random content: different ones on one template, like the invoices of one company.

use image::{Rgb, RgbImage};

/// The kinds of documents there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A letterhead, a few lines with amounts, a total, fine print.
    Invoice,
    /// A monthly invoice with the same lines and amounts; only number and date differ.
    Subscription,
    /// A coloured bar, a seat, a time, a square of random dots.
    Ticket,
    /// Boxes, some of them filled in by hand.
    Form,
    /// A shop's receipt: always the same goods at different prices.
    Slip,
    /// Only text.
    Page,
    /// A conversation on a phone's screen.
    Chat,
}

impl Kind {
    /// All kinds.
    pub(crate) const ALL: [Kind; 7] =
        [Kind::Invoice, Kind::Subscription, Kind::Ticket, Kind::Form, Kind::Slip, Kind::Page, Kind::Chat];
}

const BLACK: [u8; 3] = [0; 3];
const GREY: [u8; 3] = [120; 3];
const WHITE: [u8; 3] = [255; 3];

/// The document of this kind on template number `template` with content number `content`.
pub(crate) fn document(kind: Kind, template: u64, content: u64) -> RgbImage {
    let mut form = Random(1_000 * (kind as u64 + 1) + template);
    let mut filled = Random(1_000_000 * (kind as u64 + 1) + 1_000 * template + content + 1);
    match kind {
        Kind::Invoice => invoice(&mut form, &mut filled, false),
        Kind::Subscription => invoice(&mut form, &mut filled, true),
        Kind::Ticket => ticket(&mut form, &mut filled),
        Kind::Form => filled_form(&mut form, &mut filled),
        Kind::Slip => slip(&mut form, &mut filled),
        Kind::Page => page(&mut filled),
        Kind::Chat => chat(&mut form, &mut filled),
    }
}

fn invoice(form: &mut Random, filled: &mut Random, is_subscription: bool) -> RgbImage {
    let mut paper = Paper::new(1240, 1754, WHITE);
    paper.frame(60, 60, 1120, 180);
    paper.text(90, 110, 10, BLACK, &form.words(2));
    paper.text(90, 300, 5, BLACK, &format!("invoice {}", filled.digits(6)));
    paper.text(700, 300, 5, BLACK, &format!("date {}", filled.digits(8)));
    let mut amounts = *form;
    let (lines, goods) = if is_subscription { (4, &mut amounts) } else { (2 + filled.below(5), filled) };
    for line in 0..lines {
        let y = 450 + 90 * line;
        paper.text(90, y, 5, BLACK, &goods.words(2));
        paper.text(900, y, 5, BLACK, &goods.digits(5));
        paper.fill(80, y + 60, 1080, 2, GREY);
    }
    paper.text(90, 1300, 7, BLACK, "total due");
    paper.text(880, 1300, 7, BLACK, &goods.digits(5));
    let print = form.words(7);
    (0..6).for_each(|line| paper.text(90, 1420 + 45 * line, 3, GREY, &print));
    paper.0
}

fn ticket(form: &mut Random, filled: &mut Random) -> RgbImage {
    let mut paper = Paper::new(900, 400, [250, 248, 240]);
    paper.fill(0, 0, 900, 70, [20, 60, 140]);
    paper.text(20, 15, 5, WHITE, &form.words(2));
    paper.text(30, 110, 5, BLACK, &filled.words(1));
    paper.text(30, 180, 4, BLACK, &format!("seat {}", filled.digits(2)));
    paper.text(30, 250, 4, BLACK, &filled.digits(10));
    for (x, y) in (0..25).flat_map(|x| (0..25).map(move |y| (x, y))) {
        if filled.below(2) == 0 {
            paper.fill(600 + 10 * x, 110 + 10 * y, 10, 10, BLACK);
        }
    }
    paper.0
}

fn filled_form(form: &mut Random, filled: &mut Random) -> RgbImage {
    let mut paper = Paper::new(1240, 1754, WHITE);
    paper.text(90, 80, 8, BLACK, &form.words(2));
    for row in 0..14 {
        let y = 260 + 95 * row;
        paper.text(90, y - 35, 3, BLACK, &form.words(2));
        paper.frame(90, y, 1060, 50);
        if filled.below(10) < 7 {
            (0..3 + filled.below(12)).for_each(|letter| paper.scribble(110 + 32 * letter, y + 5, filled));
        }
    }
    paper.0
}

fn slip(form: &mut Random, filled: &mut Random) -> RgbImage {
    let mut paper = Paper::new(600, 1100, WHITE);
    paper.text(120, 30, 5, BLACK, &form.words(1));
    for row in 0..9 {
        paper.text(30, 130 + 50 * row, 3, BLACK, &form.words(2));
        paper.text(430, 130 + 50 * row, 3, BLACK, &filled.digits(4));
    }
    paper.text(30, 620, 5, BLACK, "total");
    paper.text(400, 620, 5, BLACK, &filled.digits(4));
    paper.text(30, 900, 3, BLACK, &filled.digits(12));
    paper.0
}

fn page(filled: &mut Random) -> RgbImage {
    let mut paper = Paper::new(1240, 1754, WHITE);
    for row in 0..33 {
        let words = if filled.below(10) == 0 { 1 + filled.below(5) } else { 8 };
        paper.text(100, 150 + 44 * row, 3, BLACK, &filled.words(words));
    }
    paper.0
}

fn chat(form: &mut Random, filled: &mut Random) -> RgbImage {
    let mut paper = Paper::new(720, 1280, [236, 229, 221]);
    paper.fill(0, 0, 720, 100, [7, 94, 84]);
    paper.text(80, 30, 5, WHITE, &form.words(1));
    for row in 0..15 {
        let words = 1 + filled.below(3);
        let text = filled.words(words);
        let width = 30 + 18 * u32::try_from(text.len()).unwrap_or(0);
        let is_mine = filled.below(2) == 0;
        let x = if is_mine { 700_u32.saturating_sub(width) } else { 20 };
        let bubble = if is_mine { [220, 248, 198] } else { WHITE };
        paper.fill(x, 130 + 70 * row, width, 56, bubble);
        paper.text(x + 15, 145 + 70 * row, 3, BLACK, &text);
    }
    paper.0
}

/// Something to write on.
struct Paper(RgbImage);

impl Paper {
    fn new(width: u32, height: u32, colour: [u8; 3]) -> Paper {
        Paper(RgbImage::from_pixel(width, height, Rgb(colour)))
    }

    fn fill(&mut self, x: u32, y: u32, width: u32, height: u32, colour: [u8; 3]) {
        for (x, y) in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
            if let Some(pixel) = self.0.get_pixel_mut_checked(x, y) {
                *pixel = Rgb(colour);
            }
        }
    }

    fn frame(&mut self, x: u32, y: u32, width: u32, height: u32) {
        self.fill(x, y, width, 3, BLACK);
        self.fill(x, y + height - 3, width, 3, BLACK);
        self.fill(x, y, 3, height, BLACK);
        self.fill(x + width - 3, y, 3, height, BLACK);
    }

    /// Draws letters of five by seven squares: not real ones, but different for each letter.
    fn text(&mut self, x: u32, y: u32, size: u32, colour: [u8; 3], text: &str) {
        for (letter, at) in text.bytes().zip(0..) {
            let mut squares = Random(u64::from(letter));
            for (column, row) in (0..5).flat_map(|column| (0..7).map(move |row| (column, row))) {
                if letter != b' ' && squares.below(100) < 45 {
                    self.fill(x + size * (6 * at + column), y + size * row, size, size, colour);
                }
            }
        }
    }

    /// Draws a handwritten letter of 25 by 40 pixels.
    fn scribble(&mut self, x: u32, y: u32, random: &mut Random) {
        for _ in 0..4 {
            let (across, down) = (random.below(20), random.below(30));
            if random.below(2) == 0 {
                self.fill(x + across, y + down, 4, 4 + random.below(12), [20, 20, 90]);
            } else {
                self.fill(x + across, y + down, 4 + random.below(8), 4, [20, 20, 90]);
            }
        }
    }
}

/// Steele and Vigna's `SplitMix64`.
#[derive(Clone, Copy)]
struct Random(u64);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((z ^ (z >> 31)) % u64::from(end)).unwrap_or(0)
    }

    fn letters(&mut self, first: u8, kinds: u32, count: u32) -> String {
        let mut letter = || char::from(first + u8::try_from(self.below(kinds)).unwrap_or(0));
        (0..count).map(|_| letter()).collect()
    }

    fn digits(&mut self, count: u32) -> String {
        self.letters(b'0', 10, count)
    }

    fn words(&mut self, count: u32) -> String {
        let words: Vec<String> = (0..count)
            .map(|_| {
                let length = 2 + self.below(7);
                self.letters(b'a', 26, length)
            })
            .collect();
        words.join(" ")
    }
}
