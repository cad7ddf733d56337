//! Collections: their names, their fields, and which of them is in use.
//!
//! ```text
//! NAME                 an alias for the collection in use
//! NAME__53f0…          a collection with the vectors of one model: in use, or being built beside the one in use
//! NAME__c__COLLECTION  the alias of a collection of the library (library/collections.rs), and so on
//! ```
//!
//! The description of a collection names its model, as JSON.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use imgsearch_index::Space;
use prost::Message;
use serde::{Deserialize, Serialize};

use super::client::{Client, Failure};
use super::key::LONGEST;
use super::messages::{
    CollectionSchema, CreateCollection, CreateIndex, DescribeIndex, Described, DescribedIndex, FieldSchema,
    Flush, FlushStateOf, Flushed, GetFlushState, GetLoadState, LoadStateOf, OfCollection, SetAlias,
    ShowCollections, ShownCollections, Status, consistency, data_type, load_state,
};
use super::row;
use super::table::{Table, pair};
use crate::library::{StoreError, words};

/// The graph's links per row and the candidates while it is built, as in our own index and Milvus's documentation.
const GRAPH: &str = r#"{"M": 16, "efConstruction": 200}"#;

/// How long a collection may take to be loaded: 100 million rows take minutes.
const LOADING: Duration = Duration::from_secs(1_800);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The model of a collection, in its description.
#[derive(Serialize, Deserialize)]
struct Description {
    /// The version of the fields.
    imgsearch: u32,
    space: String,
    label: String,
    dim: usize,
}

/// Version 1 had no field for words. A field cannot be added to a collection.
const VERSION: u32 = 2;
const FIRST_WITH_WORDS: u32 = 2;

/// The name of the collection of a library for vectors of `space`.
pub(super) fn collection_of(library: &str, space: &Space) -> String {
    format!("{library}__{}", &blake3::hash(space.id().as_bytes()).to_hex()[..16])
}

/// Whether this is a collection of the library, and not of another or of one of its collections.
fn is_collection_of(name: &str, library: &str) -> bool {
    let hash = name.strip_prefix(library).and_then(|rest| rest.strip_prefix("__"));
    hash.is_some_and(|hash| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The alias of a collection of the library. Names of collections have no underscore.
pub(super) fn alias_of(library: &str, collection: &str) -> String {
    format!("{library}__c__{}", collection.replace('-', "_"))
}

/// The collection with this name or alias, ready to be read; `None` if there is none.
pub(super) fn table(client: &Arc<Client>, name: &str) -> Result<Option<Table>, StoreError> {
    let request = OfCollection { collection_name: name.to_owned() };
    let described: Described = match client.call("open", method!("DescribeCollection"), request) {
        Err(Failure::NotFound(_)) => return Ok(None),
        described => described?,
    };
    let schema = described.schema.unwrap_or_default();
    let foreign = |what: &str| {
        let hint = "give the library another name, or the URL another database";
        client.error("open", format!("the collection `{name}` {what}"), Some(hint))
    };
    let description: Description =
        serde_json::from_str(&schema.description).map_err(|_| foreign("was not made by imgsearch"))?;
    if !(1..=VERSION).contains(&description.imgsearch) {
        return Err(foreign("was made by another version of imgsearch"));
    }
    let Description { imgsearch, space, label, dim } = description;
    let has_words = imgsearch >= FIRST_WITH_WORDS;
    let space = Space::new(space, label, dim).map_err(|_| foreign("was not made by imgsearch"))?;
    // `collection_name` of the answer is the alias, if that was asked for.
    let name = schema.name;
    let table = Table { client: Arc::clone(client), name, space, has_words };
    load(&table)?;
    Ok(Some(table))
}

/// Creates the library's collection for `space`, unless it exists, and loads it.
pub(super) fn create(
    client: &Arc<Client>,
    library: &str,
    space: &Space,
    shards: u16,
) -> Result<Table, StoreError> {
    let name = collection_of(library, space);
    if let Some(table) = table(client, &name)? {
        return Ok(table);
    }
    let description = Description {
        imgsearch: VERSION,
        space: space.id().to_owned(),
        label: space.label().to_owned(),
        dim: space.dim(),
    };
    let description = serde_json::to_string(&description)
        .map_err(|error| client.error("create", error.to_string(), None))?;
    let schema = CollectionSchema { name: name.clone(), description, fields: fields(space.dim()) };
    let request = CreateCollection {
        collection_name: name.clone(),
        schema: schema.encode_to_vec(),
        shards_num: i32::from(shards),
        consistency_level: consistency::BOUNDED,
    };
    let Status { .. } = client.call("create", method!("CreateCollection"), request)?;
    let table = Table { client: Arc::clone(client), name, space: space.clone(), has_words: true };
    load(&table)?;
    Ok(table)
}

/// Creates the indexes of a collection, unless they exist. All of them have to exist before it is loaded.
fn create_indexes(client: &Client, collection: &str) -> Result<(), StoreError> {
    let vector = vec![
        pair("index_type", "HNSW".to_owned()),
        pair("metric_type", "COSINE".to_owned()),
        pair("params", GRAPH.to_owned()),
    ];
    index(client, collection, "vector", vector)?;
    // Every new file is looked up by its content.
    index(client, collection, "content", vec![pair("index_type", "Trie".to_owned())])
}

fn index(
    client: &Client,
    collection: &str,
    field: &str,
    extra_params: Vec<super::messages::KeyValuePair>,
) -> Result<(), StoreError> {
    let request = CreateIndex {
        collection_name: collection.to_owned(),
        field_name: field.to_owned(),
        extra_params,
        index_name: field.to_owned(),
    };
    let Status { .. } = client.call("create an index for", method!("CreateIndex"), request)?;
    Ok(())
}

fn fields(dim: usize) -> Vec<FieldSchema> {
    let field = |name: &str, data_type| FieldSchema {
        name: name.to_owned(),
        is_primary_key: name == "key",
        data_type,
        type_params: Vec::new(),
        element_type: 0,
    };
    let text = |name: &str, most: usize| FieldSchema {
        type_params: vec![pair("max_length", most.to_string())],
        ..field(name, data_type::VAR_CHAR)
    };
    let vector = field("vector", data_type::FLOAT_VECTOR);
    let capacity = pair("max_capacity", row::MOST_WORDS.to_string());
    let words = FieldSchema {
        element_type: data_type::VAR_CHAR,
        type_params: vec![pair("max_length", words::LONGEST_IN_BYTES.to_string()), capacity],
        ..field("words", data_type::ARRAY)
    };
    vec![
        text("key", LONGEST),
        field("kind", data_type::INT8),
        field("is_part", data_type::BOOL),
        text("content", 32),
        text("record", LONGEST),
        text("normal", LONGEST),
        text("ending", 64),
        field("width", data_type::INT64),
        field("height", data_type::INT64),
        field("pixels", data_type::INT64),
        field("taken_first", data_type::INT64),
        field("taken_last", data_type::INT64),
        field("is_moment", data_type::BOOL),
        field("latitude", data_type::DOUBLE),
        field("longitude", data_type::DOUBLE),
        words,
        FieldSchema { type_params: vec![pair("dim", dim.to_string())], ..vector },
    ]
}

/// Loads a collection, unless it is, and waits until it answers.
fn load(table: &Table) -> Result<(), StoreError> {
    let Table { client, name, .. } = table;
    let start = Instant::now();
    let mut is_asked = false;
    loop {
        let request = GetLoadState { collection_name: name.clone() };
        let answer: LoadStateOf = client.call("load", method!("GetLoadState"), request)?;
        match answer.state {
            load_state::LOADED => return Ok(()),
            load_state::LOADING => {}
            _ if !is_asked => {
                // Another writer may have created the collection just now.
                create_indexes(client, name)?;
                let request = OfCollection { collection_name: name.clone() };
                let Status { .. } = client.call("load", method!("LoadCollection"), request)?;
                is_asked = true;
                continue;
            }
            _ => {}
        }
        if start.elapsed() > LOADING {
            let hint = "look into Milvus's log: it may lack memory for this collection";
            let seconds = LOADING.as_secs();
            return Err(client.error("load", format!("it is not loaded after {seconds} s"), Some(hint)));
        }
        thread::sleep(LOOK_AGAIN);
    }
}

/// Makes `alias` mean this collection.
pub(super) fn put_into_use(table: &Table, alias: &str, is_new: bool) -> Result<(), StoreError> {
    let request = SetAlias { collection_name: table.name.clone(), alias: alias.to_owned() };
    let method = if is_new { method!("CreateAlias") } else { method!("AlterAlias") };
    let Status { .. } = table.client.call("write to", method, request)?;
    Ok(())
}

/// Removes a collection. It need not exist.
pub(super) fn remove(client: &Client, name: &str) -> Result<(), StoreError> {
    let request = OfCollection { collection_name: name.to_owned() };
    match client.call::<_, Status>("remove an index of", method!("DropCollection"), request) {
        Ok(_) | Err(Failure::NotFound(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The names of all collections of the library itself, whether in use or not.
pub(super) fn collections_of(client: &Client, library: &str) -> Result<Vec<String>, StoreError> {
    let mut names = all(client)?;
    names.retain(|name| is_collection_of(name, library));
    names.sort();
    Ok(names)
}

/// The names of the library's collections, as [`alias_of`] was given them.
pub(super) fn names_of_collections(client: &Client, library: &str) -> Result<Vec<String>, StoreError> {
    let prefix = alias_of(library, "");
    let names = all(client)?;
    let name = |name: &String| Some(name.strip_prefix(&prefix)?.split_once("__")?.0.replace('_', "-"));
    let mut names: Vec<String> = names.iter().filter_map(name).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

fn all(client: &Client) -> Result<Vec<String>, StoreError> {
    let answer: ShownCollections = client.call("read", method!("ShowCollections"), ShowCollections {})?;
    Ok(answer.collection_names)
}

/// Ends the growing segments, so that their graphs are built. Small segments make searches slower, so this is for the end
/// of a large change only. Returns a function that tells whether they have ended: that takes seconds.
pub(super) fn flush(table: &Table) -> Result<impl Fn() -> Result<bool, StoreError> + '_, StoreError> {
    let Table { client, name, .. } = table;
    let request = Flush { collection_names: vec![name.clone()] };
    let Flushed { coll_seg_ids, coll_flush_ts, .. } = client.call("write to", method!("Flush"), request)?;
    let request = GetFlushState {
        segment_ids: coll_seg_ids.get(name).map(|ids| ids.data.clone()).unwrap_or_default(),
        flush_ts: coll_flush_ts.get(name).copied().unwrap_or_default(),
        collection_name: name.clone(),
    };
    Ok(move || {
        let answer: FlushStateOf = client.call("read", method!("GetFlushState"), request.clone())?;
        Ok(answer.flushed)
    })
}

/// How many rows the graph has, and how many there are in ended segments.
pub(super) fn graph_rows(table: &Table) -> Result<(usize, usize), StoreError> {
    let request = DescribeIndex { collection_name: table.name.clone(), index_name: "vector".to_owned() };
    let answer: DescribedIndex = table.client.call("read", method!("DescribeIndex"), request)?;
    let number = |number: i64| usize::try_from(number).unwrap_or(0);
    let vector = answer.index_descriptions.iter().find(|index| index.field_name == "vector");
    Ok(vector.map_or((0, 0), |index| {
        let total = number(index.total_rows);
        (number(index.indexed_rows).min(total.saturating_sub(number(index.pending_index_rows))), total)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_collections_of_a_library_are_told_from_those_of_others() {
        let space = Space::new("id", "Label", 2).unwrap();
        let own = collection_of("photos", &space);
        assert!(is_collection_of(&own, "photos"));
        assert!(!is_collection_of(&own, "photo") && !is_collection_of("photos__c__faces", "photos"));
        let of_collection = collection_of(&alias_of("photos", "text-2"), &space);
        assert!(!is_collection_of(&of_collection, "photos"));
        assert!(of_collection.starts_with("photos__c__text_2__"));
    }
}
