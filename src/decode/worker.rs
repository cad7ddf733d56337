//! Work with a time limit. Neither a decoder nor a read from a disk can be interrupted, but the waiting thread can abandon it
//! and continue.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::contained;

/// After this many abandoned threads no more work of their kind is started, because each may use as much memory as the limits
/// allow.
const MOST_LEFT_BEHIND: usize = 4;
/// How often the waiting thread checks whether to stop.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Does one kind of work on a separate thread, one task at a time. If a task takes too long, its thread is abandoned and the
/// next task gets a new one.
pub struct Worker<Task, Answer> {
    name: &'static str,
    work: Arc<dyn Fn(Task) -> Answer + Send + Sync>,
    max_time: Duration,
    thread: Option<Thread<Task, Answer>>,
    pub(super) left_behind: LeftBehind,
}

/// The result of waiting.
#[derive(Debug)]
pub enum Waited<Answer> {
    /// The answer.
    Done(Answer),
    /// The time limit was reached. The thread is abandoned.
    TooSlow,
    /// The caller requested a stop. The thread is abandoned.
    Stopped,
    /// The work panicked, with this message.
    Panicked(String),
}

/// Abandoned threads.
pub(super) struct LeftBehind(Vec<JoinHandle<()>>);

/// A thread that waits for tasks or is working on one.
struct Thread<Task, Answer> {
    tasks: Sender<Task>,
    answers: Receiver<Result<Answer, String>>,
    handle: JoinHandle<()>,
    #[cfg(target_os = "linux")]
    id: Receiver<rustix::process::Pid>,
}

impl<Task: Send + 'static, Answer: Send + 'static> Worker<Task, Answer> {
    /// A worker without a thread yet. Its threads get this `name`.
    pub fn new(
        name: &'static str,
        max_time: Duration,
        work: impl Fn(Task) -> Answer + Send + Sync + 'static,
    ) -> Worker<Task, Answer> {
        Worker { name, work: Arc::new(work), max_time, thread: None, left_behind: LeftBehind::new() }
    }

    /// Does the task, and waits until it is done, the time is over, or `should_stop` returns true.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub fn ask(&mut self, task: Task, should_stop: &dyn Fn() -> bool) -> io::Result<Waited<Answer>> {
        let thread = match self.thread.take() {
            Some(thread) => thread,
            None => Thread::start(self.name, Arc::clone(&self.work))?,
        };
        // The thread waits for tasks until `tasks` is dropped, and catches panics of its work.
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

    /// The time limit for one task.
    pub fn max_time(&self) -> Duration {
        self.max_time
    }

    /// Whether too many abandoned threads are still running.
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

    /// Abandons the thread with the lowest priority, so that it hardly slows down others. Only Linux has priorities for
    /// single threads.
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

    /// A worker whose task is to wait for a channel to close.
    fn waiting(max_time: Duration) -> Worker<Receiver<()>, &'static str> {
        Worker::new("test", max_time, |gate: Receiver<()>| {
            gate.recv().ok();
            "done"
        })
    }

    #[test]
    fn a_slow_task_is_abandoned_and_the_next_one_done() {
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
    fn waiting_can_be_stopped() {
        let mut worker = waiting(Duration::from_secs(600));
        let (_open, gate) = bounded(0);
        let stop = AtomicBool::new(false);
        let asked = || stop.swap(true, Ordering::Relaxed);
        assert!(matches!(worker.ask(gate, &asked).unwrap(), Waited::Stopped));
    }

    #[test]
    fn a_panic_is_returned_and_the_thread_continues() {
        let mut worker = Worker::new("test", Duration::from_secs(600), |divisor: u32| 6 / divisor);
        let panicked = worker.ask(0, &|| false).unwrap();
        assert!(matches!(panicked, Waited::Panicked(said) if said.contains("divide by zero")));
        assert!(matches!(worker.ask(2, &|| false).unwrap(), Waited::Done(3)));
    }
}
