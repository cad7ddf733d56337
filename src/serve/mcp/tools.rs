//! The tools: names, descriptions, arguments, and what each does.

use imgsearch::photo::Id;
use imgsearch::query::separate_line;
use rmcp::model::{CallToolResult, JsonObject, Tool, ToolAnnotations};
use serde_json::{Map, Value, json};

use super::answer::{self, brief, facts, with_picture, with_thumbnails};
use super::arguments::{Arguments, described, known, schema};
use super::overview::{self, paths};
use super::records::{json, told, told_of};
use crate::serve::overview::HIDDEN_WITH_PLACES;
use crate::serve::problem::Problem;
use crate::serve::search::{Asked, Said, SearchPage, similar_to, similar_to_picture};
use crate::serve::{App, duplicates, photos, tags};

/// The maximum and the default number of photos, groups or labels in an answer.
const MOST: u32 = 50;
const USUAL: u32 = 10;
/// The maximum and the default number of thumbnails in an answer.
const MOST_THUMBNAILS: u32 = 12;
const USUAL_THUMBNAILS: u32 = 4;
/// The maximum, default and minimum length of a photo's longer side, in pixels.
const LARGEST_SIDE: u32 = 1_568;
const USUAL_SIDE: u32 = 768;
const SMALLEST_SIDE: u32 = 64;
/// The maximum number of duplicates in an answer, in all groups together.
const MOST_DUPLICATES: usize = 200;

/// Parameters of the API that the tools have under the same names: conditions, and the order of results.
const CONDITIONS: &[&str] = &[
    "after",
    "before",
    "on",
    "near",
    "radius",
    "camera",
    "type",
    "orientation",
    "text",
    "caption",
    "keyword",
    "person",
    "place",
    "name",
    "words",
];
/// The conditions that tell something of the names of files and folders.
const OF_NAMES: &[&str] = &["in", "glob", "name", "words"];
const ORDER: &[&str] = &["sort", "collapse"];

/// The description of the argument `likeness`.
const LIKENESS: &str = "How similar: the same bytes, also the same picture saved again (the default), or also other shots \
                        of the same scene.";

type Call = fn(&App, &Arguments<'_>) -> Result<CallToolResult, Problem>;

/// A tool.
struct Known {
    name: &'static str,
    title: &'static str,
    what: &'static str,
    arguments: fn(&App) -> JsonObject,
    call: Call,
    /// Whether it reads the whole library, which takes long.
    is_slow: bool,
}

const TOOLS: &[Known] = &[
    Known {
        name: "search_photos",
        title: "Search photos",
        what: "Finds photos by what they show and by conditions, the best first. Without a query it lists the newest photos \
               that meet the conditions. `text` finds words in pictures. The first `thumbnails` results are shown. `relevant_until` is the rank of the last \
               result that likely shows what was asked for, and `why` says which words were found where. `cursor` in the answer means that there are more.",
        arguments: |app| searching(app, vec![("query", query())]),
        call: search,
        is_slow: false,
    },
    Known {
        name: "get_photo",
        title: "Look at a photo",
        what: "Shows one photo, and says all that is known of it: when, where and with what it was taken, its title, \
               description and keywords, and the paths of its copies.",
        arguments: |_| {
            let what = format!("Pixels of its longer side at most. Default: {USUAL_SIDE}.");
            schema(
                vec![("id", id()), ("size", described(count(SMALLEST_SIDE, LARGEST_SIDE), &what))],
                &["id"],
            )
        },
        call: look,
        is_slow: false,
    },
    Known {
        name: "similar_photos",
        title: "Find similar photos",
        what: "Finds photos that look like one of the archive (`id`) or like a picture that you send (`picture`). A query \
               says what else they should show. Otherwise it is like search_photos.",
        arguments: |app| {
            let picture = json!({ "type": "string" });
            let what = "A picture file in base64, 3 MB at most. 512 pixels are enough.";
            searching(app, vec![("id", id()), ("picture", described(picture, what)), ("query", query())])
        },
        call: similar,
        is_slow: false,
    },
    Known {
        name: "describe_library",
        title: "Describe the archive",
        what: "Says what the archive holds: photos by year, folder, place, camera and file type, which languages the model \
               understands and what it is bad at, which files were left out, and when it was last brought up to date.",
        arguments: |_| schema(Vec::new(), &[]),
        call: |app, _| facts(overview::of_library(app)?),
        is_slow: true,
    },
    Known {
        name: "find_duplicates",
        title: "Find duplicates",
        what: "Finds photos that are there more than once, in groups, each with the one to keep first. It deletes nothing.",
        arguments: |app| {
            let likeness = json!({ "type": "string", "enum": ["exact", "re-encoded", "similar"] });
            let keep = json!({ "type": "string", "enum": ["best", "oldest", "largest"] });
            let mut all = folder(app);
            all.extend([
                ("likeness", described(likeness, LIKENESS)),
                ("keep", described(keep, "Which photo of a group is the one to keep. Default: best.")),
                ("limit", described(count(1, MOST), "How many groups at most. Default: 10.")),
                (
                    "cursor",
                    described(count(1, 1_000_000_000), "Where to go on: `cursor` of the answer before."),
                ),
            ]);
            schema(all, &[])
        },
        call: find_duplicates,
        is_slow: true,
    },
    Known {
        name: "tags",
        title: "Tag photos",
        what: "Says in everyday words what one photo shows (`id`), or what the photos show that meet the conditions, with \
               how many photos show it.",
        arguments: |app| {
            let label = json!({ "type": "string", "maxLength": 200 });
            let labels = json!({ "type": "array", "items": label, "maxItems": 100 });
            let mut all = vec![
                ("id", id()),
                (
                    "labels",
                    described(
                        labels,
                        "The labels to choose from; about five hundred everyday words by default.",
                    ),
                ),
                (
                    "min_probability",
                    described(
                        json!({ "type": "number", "minimum": 0, "maximum": 1 }),
                        "Only labels that are at least so likely. Default: 0.5.",
                    ),
                ),
                ("limit", described(count(1, MOST), "How many labels at most. Default: 10.")),
            ];
            all.extend(known(&conditions(app)));
            all.extend(folder(app));
            schema(all, &[])
        },
        call: tag,
        is_slow: true,
    },
];

/// The list of all tools.
pub(super) fn all(app: &App) -> Vec<Tool> {
    TOOLS
        .iter()
        .map(|tool| {
            let hints = ToolAnnotations::with_title(tool.title);
            let hints = hints.read_only(true).destructive(false).idempotent(true).open_world(false);
            Tool::new(tool.name, tool.what, (tool.arguments)(app)).with_title(tool.title).annotate(hints)
        })
        .collect()
}

/// The answer of the tool of this name; `None` if there is no such tool.
pub(super) async fn call(
    app: &App,
    name: &str,
    given: JsonObject,
) -> Option<Result<CallToolResult, Problem>> {
    let tool = TOOLS.iter().find(|tool| tool.name == name)?;
    let asked = app.clone();
    let work = move || {
        let arguments = Arguments::new(&given, &(tool.arguments)(&asked))?;
        if asked.service.engine()?.is_none() {
            let hint = "run `imgsearch index FOLDER` in a terminal".to_owned();
            return Err(Problem::not_found("nothing is indexed yet").hint(Some(hint)));
        }
        (tool.call)(&asked, &arguments)
    };
    Some(if tool.is_slow { app.slowly(work).await } else { app.blocking(work).await })
}

fn count(least: u32, most: u32) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most })
}

fn id() -> Value {
    described(json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" }), "The photo's id, as answers have it.")
}

fn query() -> Value {
    let what = "What the photos should show, in plain words. Weights, other texts and photos can be added and taken away: \
                `2:golden retriever + #ID - leash`, where ID is the id of a photo.";
    described(json!({ "type": "string", "maxLength": 500 }), what)
}

fn folder(app: &App) -> Vec<(&'static str, Value)> {
    let what = "Only photos in or below this folder, named as in the paths of answers.";
    let folder = ("folder", described(json!({ "type": "string", "maxLength": 500 }), what));
    Some(folder).filter(|_| overview::tells_paths(app)).into_iter().collect()
}

fn conditions(app: &App) -> Vec<&'static str> {
    let is_told = |name: &&str| {
        !(app.hides_places && HIDDEN_WITH_PLACES.contains(name))
            && (overview::tells_paths(app) || !OF_NAMES.contains(name))
    };
    CONDITIONS.iter().copied().filter(is_told).collect()
}

/// The schema of a search: the tool's own arguments, then those of every search.
fn searching(app: &App, mut own: Vec<(&'static str, Value)>) -> JsonObject {
    own.extend(known(&[&conditions(app), ORDER].concat()));
    own.extend(folder(app));
    let cursor = json!({ "type": "string", "maxLength": 100 });
    own.extend([
        ("limit", described(count(1, MOST), "How many photos at most. Default: 10.")),
        (
            "cursor",
            described(cursor, "Where to go on: `cursor` of the answer before, with all else as it was."),
        ),
        ("thumbnails", described(count(0, MOST_THUMBNAILS), "How many of the photos are shown. Default: 4.")),
    ]);
    schema(own, &[])
}

/// The parameters that the API has for a search.
fn said(app: &App, arguments: &Arguments<'_>) -> Result<Said, Problem> {
    let mut said = arguments.said_as("query", "q");
    for (_, query) in &said {
        let conditions = separate_line(query)?.conditions;
        let of_names = conditions.iter().find(|(name, _)| OF_NAMES.contains(name));
        if let Some((name, _)) = of_names.filter(|_| !overview::tells_paths(app)) {
            return Err(Problem::unprocessable(format!(
                "query: `{name}:` cannot be used here, because paths are hidden"
            )));
        }
    }
    said.extend(arguments.said(CONDITIONS));
    said.extend(arguments.said(ORDER));
    said.extend(arguments.said(&["cursor"]));
    if let Some(folder) = arguments.folder(&*paths(app)?)? {
        said.push(("in".to_owned(), folder.to_string_lossy().into_owned()));
    }
    said.push(("n".to_owned(), arguments.number("limit", 1, MOST, USUAL)?.to_string()));
    Ok(said)
}

fn search(app: &App, arguments: &Arguments<'_>) -> Result<CallToolResult, Problem> {
    let found = Asked::read(&said(app, arguments)?, Vec::new(), app)?.answer(app)?;
    shown(app, arguments, &found)
}

fn similar(app: &App, arguments: &Arguments<'_>) -> Result<CallToolResult, Problem> {
    let said = said(app, arguments)?;
    let found = match (arguments.id()?, arguments.picture()?) {
        (Some(id), None) => similar_to(app, id, &said)?,
        (None, Some(picture)) => similar_to_picture(app, picture, &said)?,
        _ => return Err(Problem::unprocessable("name one photo: by `id`, or as a `picture` in base64")),
    };
    shown(app, arguments, &found)
}

/// The answer of a search: facts, and thumbnails of the first photos.
fn shown(app: &App, arguments: &Arguments<'_>, found: &SearchPage) -> Result<CallToolResult, Problem> {
    let thumbnails = arguments.number("thumbnails", 0, MOST_THUMBNAILS, USUAL_THUMBNAILS)?;
    let (found, paths) = (json(found)?, paths(app)?);
    let facts = brief(|detail| {
        let told = [
            ("photos", told(&found["photos"], &paths, detail)),
            ("cursor", found["next"].clone()),
            ("relevant_until", found["likely"].clone()),
            ("near", found["near"].clone()),
            ("notice", found["notice"].clone()),
        ];
        known_only(told)
    });
    let photos = found["photos"].as_array().into_iter().flatten();
    let ids = photos.filter_map(|photo| photo["id"].as_str()?.parse::<Id>().ok());
    let ids: Vec<Id> = ids.take(thumbnails as usize).collect();
    with_thumbnails(app, facts, &ids)
}

fn look(app: &App, arguments: &Arguments<'_>) -> Result<CallToolResult, Problem> {
    let id = arguments.id()?.ok_or_else(|| Problem::unprocessable("id: it is missing"))?;
    let size = arguments.number("size", SMALLEST_SIDE, LARGEST_SIDE, USUAL_SIDE)?;
    let (photo, paths) = (json(&photos::with_all_paths(app, id)?.one())?, paths(app)?);
    let photo = photo.as_object().cloned().unwrap_or_default();
    let facts = answer::whole(|detail| told_of(&photo, &paths, detail).into());
    with_picture(app, &facts, id, size)
}

fn find_duplicates(app: &App, arguments: &Arguments<'_>) -> Result<CallToolResult, Problem> {
    let limit = arguments.number("limit", 1, MOST, USUAL)?;
    let mut said = arguments.said(&["likeness", "keep"]);
    said.extend(arguments.said_as("cursor", "from"));
    said.push(("n".to_owned(), limit.to_string()));
    let paths = paths(app)?;
    let folders: Vec<_> = arguments.folder(&paths)?.into_iter().collect();
    let found = json(&duplicates::found(app, &folders, &said)?)?;
    let photos: Vec<&Map<String, Value>> =
        found["photos"].as_array().into_iter().flatten().filter_map(Value::as_object).collect();
    let most = (MOST_DUPLICATES / limit as usize).min(20);
    let facts = brief(|detail| {
        let groups = photos.chunk_by(|a, b| a["group"] == b["group"]).map(|group| {
            let shown = group.iter().take(most).map(|photo| {
                let mut photo = told_of(photo, &paths, detail);
                photo.remove("group");
                photo.remove("likeness");
                Value::Object(photo)
            });
            let more = group.len().saturating_sub(most);
            known_only([
                ("likeness", group[0]["likeness"].clone()),
                ("photos", shown.collect()),
                ("more", if more > 0 { more.into() } else { Value::Null }),
            ])
        });
        let told = [
            ("groups", groups.collect()),
            ("all_groups", found["groups"].clone()),
            ("cursor", found["next"].clone()),
        ];
        known_only(told)
    });
    self::facts(facts)
}

fn tag(app: &App, arguments: &Arguments<'_>) -> Result<CallToolResult, Problem> {
    let mut said = arguments.said_as("labels", "label");
    said.extend(arguments.said(&["min_probability"]));
    said.push(("n".to_owned(), arguments.number("limit", 1, MOST, USUAL)?.to_string()));
    let conditions = arguments.said(CONDITIONS);
    let folder = arguments.folder(&*paths(app)?)?;
    let tags = match arguments.id()? {
        Some(_) if !conditions.is_empty() || folder.is_some() => {
            return Err(Problem::unprocessable("id: it goes with labels and limit only"));
        }
        Some(id) => json(&tags::photo_tags(app, id, said)?)?["tags"].take(),
        None => {
            said.extend(conditions);
            said.extend(folder.map(|folder| ("in".to_owned(), folder.to_string_lossy().into_owned())));
            json(&*tags::common_tags(app, said)?)?
        }
    };
    let tags = tags.as_array().into_iter().flatten().take(MOST as usize).filter_map(Value::as_object);
    let told = tags.map(|tag| {
        let mut tag = tag.clone();
        if let Some(Value::Number(probability)) = tag.get("probability") {
            let probability = super::records::rounded(probability, 3);
            tag.insert("probability".to_owned(), probability);
        }
        Value::Object(tag)
    });
    facts(json!({ "tags": told.collect::<Vec<_>>() }))
}

/// An object without the fields that are null.
fn known_only<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let known = fields.into_iter().filter(|(_, value)| !value.is_null());
    known.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into()
}
