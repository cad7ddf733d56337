//! Work within a time. Neither a decoder nor a read from a disk can be stopped from outside, but the one who waits for
//! it can go on without it.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::contained;

/// Threads that are left to themselves before no more work of their kind is tried: each may hold as much memory as the
/// limits allow.
const MOST_LEFT_BEHIND: usize = 4;
/// How often the one who waits asks whether to stop.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Does one kind of work on a thread of its own, one task at a time. When one takes too long, the thread is left to
/// itself and the next task gets another one.
pub struct Worker<Task, Answer> {
    name: &'static str,
    work: Arc<dyn Fn(Task) -> Answer + Send + Sync>,
    max_time: Duration,
    thread: Option<Thread<Task, Answer>>,
    pub(super) left_behind: LeftBehind,
}

/// What came of waiting.
#[derive(Debug)]
pub enum Waited<Answer> {
    /// The answer.
    Done(Answer),
    /// There was none in time. The thread is left to itself.
    TooSlow,
    /// The one who waits is to stop. The thread is left to itself.
    Stopped,
    /// The work panicked; what the panic said.
    Panicked(String),
}

/// Threads that were left to themselves.
pub(super) struct LeftBehind(Vec<JoinHandle<()>>);

/// A thread that waits for a task, or is at it.
struct Thread<Task, Answer> {
    tasks: Sender<Task>,
    answers: Receiver<Result<Answer, String>>,
    handle: JoinHandle<()>,
    #[cfg(target_os = "linux")]
    id: Receiver<rustix::process::Pid>,
}

impl<Task: Send + 'static, Answer: Send + 'static> Worker<Task, Answer> {
    /// A worker that has no thread yet. Its threads are called `name`.
    pub fn new(
        name: &'static str,
        max_time: Duration,
        work: impl Fn(Task) -> Answer + Send + Sync + 'static,
    ) -> Worker<Task, Answer> {
        Worker { name, work: Arc::new(work), max_time, thread: None, left_behind: LeftBehind::new() }
    }

    /// Does the task, and waits until it is done, the time is over, or `should_stop` says so.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn ask(&mut self, task: Task, should_stop: &dyn Fn() -> bool) -> io::Result<Waited<Answer>> {
        let thread = match self.thread.take() {
            Some(thread) => thread,
            None => Thread::start(self.name, Arc::clone(&self.work))?,
        };
        // It waits for tasks until `tasks` is dropped, and contains the panics of its work.
        let ended = || io::Error::other("a thread has ended that should wait for work");
        thread.tasks.send(task).map_err(|_| ended())?;
        let start = Instant::now();
        loop {
            let left = self.max_time.saturating_sub(start.elapsed());
            match thread.answers.recv_timeout(left.min(ASK_EVERY)) {
                Ok(answer) => {
                    self.thread = Some(thread);
                    return Ok(answer.map_or_else(Waited::Panicked, Waited::Done));
                }
                Err(RecvTimeoutError::Timeout) if start.elapsed() >= self.max_time => {
                    self.left_behind.0.push(thread.give_way());
                    return Ok(Waited::TooSlow);
                }
                Err(RecvTimeoutError::Timeout) if should_stop() => return Ok(Waited::Stopped),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(ended()),
            }
        }
    }

    /// The longest it waits for one task.
    pub fn max_time(&self) -> Duration {
        self.max_time
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

impl<Task: Send + 'static, Answer: Send + 'static> Thread<Task, Answer> {
    fn start(
        name: &str,
        work: Arc<dyn Fn(Task) -> Answer + Send + Sync>,
    ) -> io::Result<Thread<Task, Answer>> {
        let (tasks, received) = bounded::<Task>(1);
        let (sender, answers) = bounded(1);
        #[cfg(target_os = "linux")]
        let (own_id, id) = bounded(1);
        let handle = Builder::new().name(name.to_owned()).spawn(move || {
            #[cfg(target_os = "linux")]
            own_id.send(rustix::thread::gettid()).ok();
            for task in received {
                if sender.send(contained(|| work(task))).is_err() {
                    break;
                }
            }
        })?;
        Ok(Thread {
            tasks,
            answers,
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
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// A worker whose task is to wait for a channel to close, and to say so.
    fn waiting(max_time: Duration) -> Worker<Receiver<()>, &'static str> {
        Worker::new("test", max_time, |gate: Receiver<()>| {
            gate.recv().ok();
            "done"
        })
    }

    #[test]
    fn one_that_takes_too_long_is_left_behind_and_the_next_is_done() {
        let mut worker = waiting(Duration::from_millis(1));
        let (open, gate) = bounded(0);
        assert!(matches!(worker.ask(gate, &|| false).unwrap(), Waited::TooSlow));
        worker.max_time = Duration::from_secs(600);
        for _ in 0..2 {
            let (_, closed) = bounded(0);
            assert!(matches!(worker.ask(closed, &|| false).unwrap(), Waited::Done("done")));
        }
        assert!(!worker.is_stuck());
        drop(open);
    }

    #[test]
    fn the_one_who_waits_can_stop() {
        let mut worker = waiting(Duration::from_secs(600));
        let (_open, gate) = bounded(0);
        let stop = AtomicBool::new(false);
        let asked = || stop.swap(true, Ordering::Relaxed);
        assert!(matches!(worker.ask(gate, &asked).unwrap(), Waited::Stopped));
    }

    #[test]
    fn a_panic_is_an_answer_and_the_thread_goes_on() {
        let mut worker = Worker::new("test", Duration::from_secs(600), |divisor: u32| 6 / divisor);
        let panicked = worker.ask(0, &|| false).unwrap();
        assert!(matches!(panicked, Waited::Panicked(said) if said.contains("divide by zero")));
        assert!(matches!(worker.ask(2, &|| false).unwrap(), Waited::Done(3)));
    }
}
