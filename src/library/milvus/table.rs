//! Reading the rows of a collection.

use std::ops::ControlFlow;
use std::sync::Arc;

use imgsearch_index::{Space, Vector};
use prost::Message;

use super::client::{Client, Failure};
use super::condition::Condition;
use super::key::NOTE;
use super::messages::{
    EXPRESSION, Field, FieldData, Ids, KeyValuePair, LongArray, PlaceholderGroup, PlaceholderValue, Query,
    QueryResults, ScalarField, Scalars, Search, SearchResultData, SearchResults, consistency, data_type,
};
use super::row::{Read, selected};
use crate::library::{Load, StoreError};

/// The most rows that Milvus returns at once.
pub(super) const MOST_ROWS: usize = 16_384;

/// Rows fetched at once by a listing: a few megabytes.
const PAGE: usize = 2_000;

/// How many candidates a search in a graph keeps, or the number of rows that are asked for if that is more. This is
/// Milvus's `ef`; `scripts/bench/stores` measures the recall.
const CANDIDATES: usize = 200;

/// A collection with the vectors of one model.
#[derive(Clone)]
pub(super) struct Table {
    pub(super) client: Arc<Client>,
    /// The collection's name, not its alias.
    pub(super) name: String,
    pub(super) space: Space,
    /// Whether it has the words of photos; collections of earlier versions have not.
    pub(super) has_words: bool,
}

/// Which changes a read has to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sees {
    /// All but those of the last seconds.
    Nearly,
    /// Those until this time in Milvus's clock: a change of this process.
    Until(u64),
    /// All. This waits for Milvus's clock, about 0.2 s.
    Everything,
}

/// What [`Published::times`] says of a collection that another one has replaced. It is removed when the library is opened
/// for changes the next time, so that queries that began before still have their answers.
const RETIRED: &str = "retired";

/// What the row of the note says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) note: Vec<u8>,
    /// Changes whenever a run publishes its changes.
    pub(super) times: String,
}

impl Published {
    /// Whether another collection has replaced this one.
    pub(super) fn is_retired(&self) -> bool {
        self.times == RETIRED
    }

    /// This, of a collection that another one has replaced.
    pub(super) fn retired(self) -> Published {
        Published { times: RETIRED.to_owned(), ..self }
    }
}

impl Table {
    /// The rows that meet the condition with the smallest keys, sorted by key: at most `most`, and fewer only if there are
    /// no more.
    pub(super) fn first(
        &self,
        condition: &Condition,
        load: Load,
        most: usize,
        sees: Sees,
    ) -> Result<Vec<Read>, StoreError> {
        let mut rows = self.some(condition, load, most, sees)?;
        // A server with several shards returns fewer than it could, and none only if there are none.
        while rows.len() < most {
            let Some(last) = rows.last() else { break };
            let mut which = condition.clone();
            which.behind(&last.id);
            let more = self.some(&which, load, most - rows.len(), sees)?;
            if more.is_empty() {
                break;
            }
            rows.extend(more);
        }
        Ok(rows)
    }

    /// Some of the rows that meet the condition with the smallest keys, sorted by key: at most `most`, and at least one if
    /// there is one.
    fn some(
        &self,
        condition: &Condition,
        load: Load,
        most: usize,
        sees: Sees,
    ) -> Result<Vec<Read>, StoreError> {
        let answer = self.query(condition, selected(load), Some(most.min(MOST_ROWS)), sees)?;
        if answer.is_empty() {
            return Ok(Vec::new());
        }
        let mut rows = Read::all(answer).ok_or_else(|| self.misread())?;
        rows.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(rows)
    }

    /// Visits the rows that meet the condition, sorted by key, page by page. No row is missed or repeated while others
    /// come and go, because each page begins behind the last key of the one before. (The iterator of Milvus's own
    /// clients, of version 3.0.3 and earlier, loses a row between two pages of a 2.3.5 server.)
    pub(super) fn each(
        &self,
        condition: &Condition,
        load: Load,
        sees: Sees,
        visit: &mut dyn FnMut(Read) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut last: Option<String> = None;
        loop {
            let mut which = condition.clone();
            last.iter().for_each(|last| which.behind(last));
            // The first page waits for everything, and so do those behind it.
            let waits = if last.is_some() && sees == Sees::Everything { Sees::Nearly } else { sees };
            let page = self.first(&which, load, PAGE, waits)?;
            let is_last = page.len() < PAGE;
            last = page.last().map(|read| read.id.clone());
            for read in page {
                if visit(read).is_break() {
                    return Ok(());
                }
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// The number of rows that meet the condition.
    pub(super) fn count(&self, condition: &Condition, sees: Sees) -> Result<usize, StoreError> {
        let answer = self.query(condition, vec!["count(*)".to_owned()], None, sees)?;
        let count = answer.into_iter().find_map(|column| match column.field? {
            Field::Scalars(ScalarField { data: Some(Scalars::Longs(LongArray { data })) }) => {
                data.first().copied()
            }
            Field::Scalars(_) | Field::Vectors(_) => None,
        });
        count.and_then(|count| usize::try_from(count).ok()).ok_or_else(|| self.misread())
    }

    /// The rows closest to a vector that meet the condition, each with its score, in no particular order: at most `most`.
    pub(super) fn closest(
        &self,
        condition: &Condition,
        vector: &Vector,
        most: usize,
        load: Load,
    ) -> Result<Vec<(f32, Read)>, StoreError> {
        let most = most.min(MOST_ROWS);
        let bytes = vector.as_slice().iter().flat_map(|x| x.to_le_bytes()).collect();
        let value =
            PlaceholderValue { tag: "$0".to_owned(), kind: data_type::FLOAT_VECTOR, values: vec![bytes] };
        let parameters = [
            ("anns_field", "vector".to_owned()),
            ("topk", most.to_string()),
            ("metric_type", "COSINE".to_owned()),
            ("params", format!("{{\"ef\": {}}}", most.max(CANDIDATES))),
            ("round_decimal", "-1".to_owned()),
        ];
        let request = Search {
            collection_name: self.name.clone(),
            dsl: condition.expression(),
            placeholder_group: PlaceholderGroup { placeholders: vec![value] }.encode_to_vec(),
            dsl_type: EXPRESSION,
            output_fields: selected(load),
            search_params: parameters.map(|(key, value)| pair(key, value)).into(),
            nq: 1,
            consistency_level: consistency::BOUNDED,
        };
        let answer: SearchResults = self.client.call("search", method!("Search"), request)?;
        let SearchResultData { mut fields_data, scores, ids } = answer.results.unwrap_or_default();
        if scores.is_empty() {
            return Ok(Vec::new());
        }
        // The primary key comes apart from the other fields, and in some versions with them, too.
        if !fields_data.iter().any(|column| column.field_name == "key")
            && let Some(Ids { str_id: Some(ids) }) = ids
        {
            let data = Some(Scalars::Strings(ids));
            let field = Some(Field::Scalars(ScalarField { data }));
            fields_data.push(FieldData { kind: data_type::VAR_CHAR, field_name: "key".to_owned(), field });
        }
        let rows = Read::all(fields_data).filter(|rows| rows.len() == scores.len());
        Ok(scores.into_iter().zip(rows.ok_or_else(|| self.misread())?).collect())
    }

    /// What the row of the note says; the default before the first run.
    pub(super) fn published(&self, sees: Sees) -> Result<Published, StoreError> {
        let rows = self.first(&Condition::row(NOTE), Load::WithoutVector, 1, sees)?;
        let row = rows.into_iter().next();
        Ok(row.map(|row| Published { note: row.payload, times: row.content }).unwrap_or_default())
    }

    fn query(
        &self,
        condition: &Condition,
        output_fields: Vec<String>,
        most: Option<usize>,
        sees: Sees,
    ) -> Result<Vec<FieldData>, StoreError> {
        // Without the last two, rows of the smallest keys need not come first.
        let in_order = |most: usize| {
            let yes = "True".to_owned();
            vec![
                pair("limit", most.to_string()),
                pair("iterator", yes.clone()),
                pair("reduce_stop_for_best", yes),
            ]
        };
        let (consistency_level, guarantee_timestamp) = match sees {
            Sees::Nearly => (consistency::BOUNDED, 0),
            Sees::Until(time) => (consistency::CUSTOMIZED, time),
            Sees::Everything => (consistency::STRONG, 0),
        };
        let request = Query {
            collection_name: self.name.clone(),
            expr: condition.expression(),
            output_fields,
            guarantee_timestamp,
            query_params: most.map(in_order).unwrap_or_default(),
            consistency_level,
        };
        let answer: Result<QueryResults, Failure> = self.client.call("read", method!("Query"), request);
        Ok(answer?.fields_data)
    }

    fn misread(&self) -> StoreError {
        let detail = "its answer has other fields than were asked for".to_owned();
        self.client.error("read", detail, Some("check that the collection was made by imgsearch"))
    }
}

pub(super) fn pair(key: &str, value: String) -> KeyValuePair {
    KeyValuePair { key: key.to_owned(), value }
}
