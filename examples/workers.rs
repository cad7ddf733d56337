//! One of several workers that fill a library on a server together, for `scripts/bench/workers` and a test.
//!
//! ```text
//! workers LIBRARY ITEMS MICROSECONDS
//! ```
//!
//! It walks through the names of ITEMS synthetic photos as `imgsearch index` walks through files, with the same claims, and
//! takes so many microseconds for each where that would decode and embed. It prints the number of each item that it has
//! embedded, right after it did, so that what a killed worker embedded in vain is counted too.
#![expect(clippy::print_stdout, reason = "what it did is its output")]

use std::collections::VecDeque;
use std::io::Write as _;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use imgsearch::Library;
use imgsearch::item::Item;
use imgsearch::library::{Secrets, Sink, Url, Write};
use imgsearch::photo::{Photo, Stamp};
use imgsearch_index::{Space, Vector};

/// As in `imgsearch index`: files claimed at once, and stored at once.
const TOGETHER: usize = 64;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [library, items, micros] = &args[..] else {
        anyhow::bail!("usage: workers LIBRARY ITEMS MICROSECONDS")
    };
    let url = Url::parse(Path::new(library)).context("a URL is expected")?;
    let library = Library::on_server(&url, &Secrets::default(), &std::env::temp_dir())?;
    let sink = library.lock()?.open(&Space::new("w", "W", 8)?)?.sink;
    let each = Duration::from_micros(micros.parse()?);
    let mut waiting: VecDeque<u32> = (0..items.parse()?).collect();
    let (mut is_first_round, mut until) = (true, Instant::now());
    while !waiting.is_empty() {
        let round = waiting.len();
        let mut progress = false;
        for _ in 0..round.div_ceil(TOGETHER) {
            let together = waiting.len().min(TOGETHER);
            let batch: Vec<u32> = waiting.drain(..together).collect();
            let claimed = sink.claim(&batch.iter().map(|number| item(*number)).collect::<Vec<_>>())?;
            let mut mine = Vec::new();
            for (number, is_mine) in batch.into_iter().zip(claimed) {
                if is_mine { mine.push(number) } else { waiting.push_back(number) }
            }
            progress |= !mine.is_empty();
            embed(&*sink, &mine, each, &mut until)?;
        }
        if !progress && !is_first_round {
            sleep(Duration::from_millis(100));
            until = Instant::now();
        }
        is_first_round = false;
    }
    sink.close()?;
    Ok(())
}

fn item(number: u32) -> Item {
    Item::file(format!("/archive/{:03}/{number:06}.jpg", number / 100))
}

/// Embeds and stores what is not stored, and gives up the claims on the rest. In `imgsearch index`, claiming and storing go
/// on while others are embedded; here the time that they take is caught up with.
fn embed(sink: &dyn Sink, numbers: &[u32], each: Duration, until: &mut Instant) -> Result<()> {
    let (mut writes, mut stored) = (Vec::new(), Vec::new());
    for number in numbers {
        let item = item(*number);
        if sink.get(&item)?.is_some() {
            stored.push(item);
            continue;
        }
        *until += each;
        sleep(until.saturating_duration_since(Instant::now()));
        println!("{number}");
        let photo = Photo::read(Stamp { size: 1, modified_ns: 2, changed_ns: 3 }, 0, None);
        let vector = Some(Vector::normalized(vec![1.0; 8])?);
        writes.push(Write::Put { item, content: None, photo, vector });
    }
    std::io::stdout().flush()?;
    if !writes.is_empty() {
        sink.apply(writes)?;
    }
    sink.release(&stored)?;
    sink.renew_claims()?;
    Ok(())
}
