//! Answers that fit: clients cut what is longer, or count it against what the assistant can hold in mind.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use imgsearch::photo::Id;
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::Value;

use super::records::{Detail, json};
use crate::render::document;
use crate::serve::App;
use crate::serve::problem::Problem;

/// The longest answer, in bytes of its JSON.
pub(super) const MOST_BYTES: usize = 200_000;
/// Facts take so many bytes at most. Claude Code keeps texts above 50,000 characters from the assistant.
const FACTS_BYTES: usize = 45_000;
/// What is around the blocks, and what is said behind them.
const ROOM: usize = 1_000;

/// Pixels of the longer side of a thumbnail: as it should be, and where there would be too little room.
const THUMBNAIL_SIDES: [u32; 2] = [256, 160];
/// No picture needs to be smaller to fit.
const SMALLEST_SIDE: u32 = 100;
/// Texts of one photo among others are cut at so many characters: as it should be, and where there would be too little
/// room.
const BRIEF: [usize; 4] = [300, 100, 30, 10];
/// The same for one photo alone.
const WHOLE: [usize; 3] = [4_000, 300, 30];

/// What is told of photos, in the most detail that is not too long.
pub(super) fn brief(facts: impl Fn(Detail) -> Value) -> Value {
    fitting(true, &BRIEF, facts)
}

/// What is told of one photo, in the most detail that is not too long.
pub(super) fn whole(facts: impl Fn(Detail) -> Value) -> Value {
    fitting(false, &WHOLE, facts)
}

fn fitting(is_brief: bool, lengths: &[usize], facts: impl Fn(Detail) -> Value) -> Value {
    let mut told = Value::Null;
    for longest in lengths.iter().copied() {
        told = facts(Detail { is_brief, longest });
        if escaped_length(&told.to_string()) <= FACTS_BYTES {
            break;
        }
    }
    told
}

/// An answer without pictures.
pub(super) fn facts(facts: Value) -> Result<CallToolResult, Problem> {
    let mut result = CallToolResult::success(vec![ContentBlock::text(text(&facts)?)]);
    result.structured_content = Some(facts);
    Ok(result)
}

/// An answer with thumbnails of some of its photos, each behind its id.
///
/// It has no structured content: some assistants, Claude Code and VS Code among them, then see nothing else, and so no
/// pictures. The facts are JSON all the same, in the first block.
pub(super) fn with_thumbnails(app: &App, facts: Value, ids: &[Id]) -> Result<CallToolResult, Problem> {
    if ids.is_empty() {
        return self::facts(facts);
    }
    let text = text(&facts)?;
    let room = MOST_BYTES.saturating_sub(ROOM + escaped_length(&text));
    let (mut blocks, mut shown) = (Vec::new(), 0);
    for side in THUMBNAIL_SIDES {
        (blocks, shown) = thumbnails(app, ids, side, room);
        if shown == ids.len() {
            break;
        }
    }
    let mut content = vec![ContentBlock::text(text)];
    content.extend(blocks);
    if shown < ids.len() {
        content.push(ContentBlock::text(format!(
            "The answer has no room for the thumbnails of {} more photos: ask for fewer photos, or look at one with get_photo.",
            ids.len() - shown
        )));
    }
    Ok(CallToolResult::success(content))
}

/// As many thumbnails as there is room for, and how many photos they are of.
fn thumbnails(app: &App, ids: &[Id], side: u32, mut room: usize) -> (Vec<ContentBlock>, usize) {
    let (mut blocks, mut shown) = (Vec::new(), 0);
    for id in ids {
        let pair = match app.service.within(*id, side) {
            Ok(jpeg) => vec![ContentBlock::text(format!("photo {id}")), image(&jpeg)],
            Err(error) => vec![ContentBlock::text(format!("photo {id} cannot be shown: {error}"))],
        };
        let length: usize = pair.iter().map(length).sum();
        if length > room {
            break;
        }
        room -= length;
        shown += 1;
        blocks.extend(pair);
    }
    (blocks, shown)
}

/// A picture, and whether it had to be made smaller than it was asked for.
pub(super) struct Picture {
    pub(super) jpeg: Vec<u8>,
    /// Pixels of its longer side at most.
    pub(super) side: u32,
}

/// A photo at this size, or at the largest at which it takes so many bytes of an answer.
pub(super) fn picture_within(app: &App, id: Id, mut side: u32, room: usize) -> Result<Picture, Problem> {
    loop {
        let jpeg = app.service.within(id, side)?;
        // Base64 makes four bytes of three.
        if jpeg.len().div_ceil(3) * 4 <= room || side < SMALLEST_SIDE {
            return Ok(Picture { jpeg, side });
        }
        side = side * 7 / 8;
    }
}

/// An answer with one large picture.
pub(super) fn with_picture(app: &App, facts: &Value, id: Id, side: u32) -> Result<CallToolResult, Problem> {
    let text = text(facts)?;
    let picture = picture_within(app, id, side, MOST_BYTES - ROOM - escaped_length(&text))?;
    let mut content = vec![ContentBlock::text(text), image(&picture.jpeg)];
    if picture.side < side {
        content.push(ContentBlock::text(format!(
            "The picture has {} pixels on its longer side at most, because an answer has no room for {side}.",
            picture.side
        )));
    }
    Ok(CallToolResult::success(content))
}

fn text(facts: &Value) -> Result<String, Problem> {
    document(facts).map_err(|error| Problem::internal(&error.into()))
}

fn image(jpeg: &[u8]) -> ContentBlock {
    ContentBlock::image(BASE64_STANDARD.encode(jpeg), "image/jpeg")
}

/// Bytes of a block in the JSON of an answer, with the comma behind it.
fn length(block: &ContentBlock) -> usize {
    json(block).map_or(MOST_BYTES, |block| block.to_string().len() + 1)
}

/// Bytes of a text in the JSON of an answer.
fn escaped_length(text: &str) -> usize {
    Value::from(text).to_string().len()
}
