//! Decoding within a time. No decoder can be stopped from outside, but whoever waits for one can go on without it.

use std::io;
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::{DecodeError, Detail, Limits, Picture, THREAD, decode};

/// Threads that are left to themselves before no more pictures are tried: each may hold as much memory as the limits
/// allow.
const MOST_LEFT_BEHIND: usize = 4;

/// Decodes on a thread of its own, one picture at a time. When one takes longer than [`Limits::max_time`], the thread
/// is left to itself and the next picture gets another one.
pub struct Worker {
    limits: Limits,
    thread: Option<Thread>,
    pub(super) left_behind: LeftBehind,
}

/// Threads that were left to themselves.
pub(super) struct LeftBehind(Vec<JoinHandle<()>>);

/// A thread that waits for work, or is at it.
struct Thread {
    tasks: Sender<(Vec<u8>, Detail)>,
    pictures: Receiver<Result<Picture, DecodeError>>,
    handle: JoinHandle<()>,
    #[cfg(target_os = "linux")]
    id: Receiver<rustix::process::Pid>,
}

impl Worker {
    /// A worker that has no thread yet.
    pub fn new(limits: Limits) -> Worker {
        Worker { limits, thread: None, left_behind: LeftBehind::new() }
    }

    /// As [`decode()`], and [`DecodeError::TooSlow`] when the time is over.
    ///
    /// # Errors
    /// The outer one when the operating system gives no thread.
    pub fn decode(&mut self, bytes: Vec<u8>, detail: Detail) -> io::Result<Result<Picture, DecodeError>> {
        let thread = match self.thread.take() {
            Some(thread) => thread,
            None => Thread::start(self.limits)?,
        };
        // It waits for tasks until `tasks` is dropped, and no input makes `decode` panic.
        let ended = || io::Error::other("the decoding thread has ended");
        thread.tasks.send((bytes, detail)).map_err(|_| ended())?;
        match thread.pictures.recv_timeout(self.limits.max_time) {
            Ok(result) => {
                self.thread = Some(thread);
                Ok(result)
            }
            Err(RecvTimeoutError::Timeout) => {
                self.left_behind.0.push(thread.give_way());
                Ok(Err(DecodeError::TooSlow { seconds: self.limits.max_time.as_secs() }))
            }
            Err(RecvTimeoutError::Disconnected) => Err(ended()),
        }
    }

    /// Whether too many threads that were left to themselves are still at it.
    pub fn is_stuck(&mut self) -> bool {
        self.left_behind.are_too_many()
    }
}

impl LeftBehind {
    pub(super) const fn new() -> LeftBehind {
        LeftBehind(Vec::new())
    }

    pub(super) fn are_too_many(&mut self) -> bool {
        self.0.retain(|thread| !thread.is_finished());
        self.0.len() > MOST_LEFT_BEHIND
    }

    pub(super) fn join(&mut self, others: LeftBehind) {
        self.0.extend(others.0);
    }
}

impl Thread {
    fn start(limits: Limits) -> io::Result<Thread> {
        let (tasks, received) = bounded::<(Vec<u8>, Detail)>(1);
        let (sender, pictures) = bounded(1);
        #[cfg(target_os = "linux")]
        let (own_id, id) = bounded(1);
        let handle = Builder::new().name(THREAD.to_owned()).spawn(move || {
            #[cfg(target_os = "linux")]
            own_id.send(rustix::thread::gettid()).ok();
            for (bytes, detail) in received {
                if sender.send(decode(&bytes, &limits, detail)).is_err() {
                    break;
                }
            }
        })?;
        Ok(Thread {
            tasks,
            pictures,
            handle,
            #[cfg(target_os = "linux")]
            id,
        })
    }

    /// Leaves the thread to itself, with the lowest priority, so that it takes next to nothing from those that go on.
    /// Only Linux has priorities for single threads.
    fn give_way(self) -> JoinHandle<()> {
        #[cfg(target_os = "linux")]
        if let Ok(id) = self.id.recv() {
            rustix::process::setpriority_process(Some(id), 19).ok();
        }
        self.handle
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_that_takes_too_long_is_left_behind_and_the_next_is_decoded() {
        // Large enough that it is not decoded before this thread has its turn again, however busy the machine.
        let mut png = std::io::Cursor::new(Vec::new());
        image::RgbImage::new(6_000, 6_000).write_to(&mut png, image::ImageFormat::Png).unwrap();
        let png = png.into_inner();
        let mut worker = Worker::new(Limits { max_time: Duration::ZERO, ..Limits::default() });
        let too_slow = worker.decode(png.clone(), Detail::Full).unwrap();
        assert_eq!(too_slow.unwrap_err(), DecodeError::TooSlow { seconds: 0 });
        worker.limits = Limits::default();
        for _ in 0..2 {
            let picture = worker.decode(png.clone(), Detail::Full).unwrap();
            assert_eq!(picture.unwrap().full_size, (6_000, 6_000));
        }
        assert!(!worker.is_stuck());
    }
}
