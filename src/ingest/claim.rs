//! Between the walk and reading, if several processes may fill one library: which of the files are ours?
//!
//! Each process walks everything and claims a few files at a time, right before they are read. A file that another process
//! has claimed is asked for again later: mostly it is stored by then, and otherwise, if that process has died, its claim
//! ends and the file is ours.

use std::collections::VecDeque;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::file::{Done, Job};
use super::pipeline::Run;
use super::{IngestError, Outcome};
use crate::item::Item;

/// Files claimed at once. What a process that dies has claimed, others do when its claims end.
const TOGETHER: usize = 64;

/// How long to leave a file to the process that claimed it before asking again, while there are other files to claim and
/// when there are none.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
const AGAIN_AT_END: Duration = Duration::from_millis(200);

/// The most files that wait for other processes before they are asked for again.
const MOST_WAITING: usize = 4_096;

/// Passes on the files that this process has claimed, and reports those that others have stored.
pub(super) fn claim(
    run: &Run<'_>,
    jobs: &Receiver<Job>,
    next: &Sender<Job>,
    done: &Sender<Done>,
) -> Result<(), IngestError> {
    let mut claims = Claims { run, next, done, waiting: VecDeque::new() };
    let mut is_open = true;
    while !run.should_stop() && (is_open || !claims.waiting.is_empty()) {
        let mut batch = Vec::new();
        match jobs.recv_timeout(AGAIN_AT_END) {
            Ok(job) => batch.push(job),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => is_open = false,
        }
        batch.extend(jobs.try_iter().take(TOGETHER - 1));
        let is_idle = batch.is_empty();
        if is_idle && !is_open {
            sleep(AGAIN_AT_END);
        }
        if !claims.take(batch)? || !claims.again(if is_idle { AGAIN_AT_END } else { AGAIN_AFTER })? {
            break;
        }
    }
    Ok(())
}

struct Claims<'a> {
    run: &'a Run<'a>,
    next: &'a Sender<Job>,
    done: &'a Sender<Done>,
    /// Files that other processes have claimed, and since when they wait.
    waiting: VecDeque<(Instant, Job)>,
}

impl Claims<'_> {
    /// Claims files. Whether to go on: not when the stages behind have ended.
    fn take(&mut self, jobs: Vec<Job>) -> Result<bool, IngestError> {
        if jobs.is_empty() {
            return Ok(true);
        }
        let sink = self.run.sink;
        let items: Vec<Item> = jobs.iter().map(|job| Item::file(job.path.as_path())).collect();
        let (mut mine, mut stored) = (Vec::new(), Vec::new());
        for (job, is_mine) in jobs.into_iter().zip(sink.claim(&items)?) {
            if is_mine {
                mine.push(job);
            } else {
                self.waiting.push_back((Instant::now(), job));
            }
        }
        for job in mine {
            // Another process may have stored it between our walk and our claim.
            if self.is_stored(&job)? {
                stored.push(job);
            } else if self.next.send(job).is_err() {
                return Ok(false);
            }
        }
        let items: Vec<Item> = stored.iter().map(|job| Item::file(job.path.as_path())).collect();
        if !items.is_empty() {
            sink.release(&items)?;
        }
        let mut unchanged = stored.into_iter().map(|job| Done::unstored(job, Outcome::Unchanged));
        Ok(unchanged.all(|file| self.done.send(file).is_ok()))
    }

    /// Asks again for files that have waited so long, or for the first of too many. Whether to go on.
    fn again(&mut self, after: Duration) -> Result<bool, IngestError> {
        let is_due = |since: &Instant| since.elapsed() >= after;
        // Those that are still claimed are put behind the others, and are not due again at once.
        let due = self.waiting.iter().take_while(|(since, _)| is_due(since)).count();
        let due = due.max(self.waiting.len().saturating_sub(MOST_WAITING));
        for _ in 0..due.div_ceil(TOGETHER) {
            let together = self.waiting.len().min(TOGETHER);
            let batch = self.waiting.drain(..together).map(|(_, job)| job).collect();
            if self.run.should_stop() || !self.take(batch)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the library has the file as it is now.
    fn is_stored(&self, job: &Job) -> Result<bool, IngestError> {
        let stored = self.run.sink.get(&Item::file(job.path.as_path()))?;
        let plan = self.run.plan;
        let is_current = stored
            .and_then(|stored| stored.photo)
            .is_some_and(|photo| photo.is_current(&job.stamp, &plan.steps) && photo.has_seen(&job.sidecars));
        Ok(is_current && !plan.force)
    }
}
