//! Builds answers that are not too long. Clients cut longer ones, or refuse them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use imgsearch::photo::Id;
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::Value;

use super::records::{Detail, json};
use crate::render::document;
use crate::serve::App;
use crate::serve::problem::Problem;

/// The maximum length of an answer, in bytes of JSON.
pub(super) const MOST_BYTES: usize = 200_000;
/// The maximum length of the facts in an answer, in bytes. Claude Code does not show the assistant a text of more than
/// 50,000 characters.
const FACTS_BYTES: usize = 45_000;
/// Bytes for everything around the blocks, and for a note at the end.
const ROOM: usize = 1_000;

/// The size of thumbnails in pixels: normally, and if they do not fit.
const THUMBNAIL_SIDES: [u32; 2] = [256, 160];
/// A picture of this size always fits.
const SMALLEST_SIDE: u32 = 100;
/// How many characters are kept of a text in a list of photos: normally, and if the list is too long.
const BRIEF: [usize; 4] = [300, 100, 30, 10];
/// The same for the facts about one photo.
const WHOLE: [usize; 3] = [4_000, 300, 30];

/// The facts about a list of photos, in as much detail as fits.
pub(super) fn brief(facts: impl Fn(Detail) -> Value) -> Value {
    fitting(true, &BRIEF, facts)
}

/// The facts about one photo, in as much detail as fits.
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

/// An answer with thumbnails, each after a text with the id of its photo.
///
/// It has no structured content, because Claude Code and VS Code would then show the assistant nothing else, so no
/// pictures. The facts are the JSON in the first block.
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

/// The thumbnails that fit, and the number of their photos.
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

/// A picture that fits.
pub(super) struct Picture {
    pub(super) jpeg: Vec<u8>,
    /// The maximum length of its longer side, which is less than requested if that did not fit.
    pub(super) side: u32,
}

/// The photo at the requested size, or smaller if it would take more than `room` bytes of an answer.
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

/// The length of a block in the JSON of an answer, with the comma after it.
fn length(block: &ContentBlock) -> usize {
    json(block).map_or(MOST_BYTES, |block| block.to_string().len() + 1)
}

/// The length of a text in the JSON of an answer.
fn escaped_length(text: &str) -> usize {
    Value::from(text).to_string().len()
}
