//! The table of the words of an index. A photo without words has no row there, so it is much smaller than that of the records.

use postgres::Error;

use super::connection::Connection;
use super::schema::Index;
use crate::library::words;

/// Records read at once to take their words.
const PAGE: i64 = 2_000;

/// Rows of the table that are written together, column by column.
#[derive(Default)]
pub(super) struct Worded {
    keys: Vec<Vec<u8>>,
    /// The tokens of each, with spaces between them.
    words: Vec<String>,
}

impl Worded {
    /// Adds the words of a photo, if it has any.
    pub(super) fn push(&mut self, key: &[u8], payload: &[u8]) {
        let words: Vec<String> = words::of_record(payload).into_iter().collect();
        if !words.is_empty() {
            self.keys.push(key.to_vec());
            self.words.push(words.join(" "));
        }
    }
}

/// Whether words of this index can be looked up.
pub(super) fn exist(connection: &mut Connection, index: &Index) -> Result<bool, Error> {
    let sql = format!("select to_regclass('{}') is not null", index.words());
    Ok(connection.query(&sql, &[])?.first().is_some_and(|row| row.get(0)))
}

/// Creates the table, unless it exists, from the records that are there. The caller has a transaction, and keeps other
/// writers away.
pub(super) fn create(connection: &mut Connection, index: &Index) -> Result<(), Error> {
    if exist(connection, index)? {
        return Ok(());
    }
    let (table, photos, id) = (index.words(), index.table(), index.id);
    connection.batch(&format!("create table {table} (key bytea primary key, words text[] not null)"))?;
    let sql = format!(
        "select key, record from {photos} where vector is not null and key > $1 order by key limit {PAGE}"
    );
    let mut last: Vec<u8> = Vec::new();
    loop {
        let rows = connection.query(&sql, &[&last])?;
        let Some(row) = rows.last() else { break };
        last = row.get(0);
        let mut worded = Worded::default();
        rows.iter().for_each(|row| worded.push(row.get(0), row.get(1)));
        insert(connection, index, &worded)?;
    }
    connection.batch(&format!("create index words_{id}_words on {table} using gin (words); analyze {table}"))
}

/// Replaces the words of these photos.
pub(super) fn replace(
    connection: &mut Connection,
    index: &Index,
    changed: &[&Vec<u8>],
    worded: &Worded,
) -> Result<(), Error> {
    connection.execute(&format!("delete from {} where key = any($1)", index.words()), &[&changed])?;
    insert(connection, index, worded)
}

fn insert(connection: &mut Connection, index: &Index, worded: &Worded) -> Result<(), Error> {
    let Worded { keys, words } = worded;
    if keys.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "insert into {} select key, string_to_array(words, ' ') from unnest($1::bytea[], $2::text[]) t (key, words)",
        index.words()
    );
    connection.execute(&sql, &[keys, words]).map(drop)
}
