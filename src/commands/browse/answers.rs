//! The thread that answers queries.

use std::path::PathBuf;
use std::thread::{Scope, ScopedJoinHandle};

use crossbeam_channel::{Receiver, Sender, unbounded};
use imgsearch::query::{Term, parse_line};
use imgsearch::{Engine, Expression, Match, Query};

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) text: String,
    pub(super) like: Option<PathBuf>,
}

/// What came of it: the matches, or an error in words.
pub(super) struct Answer {
    pub(super) question: Question,
    pub(super) matches: Result<Vec<Match>, String>,
}

pub(super) struct Answers<'scope> {
    questions: Sender<Question>,
    answers: Receiver<Answer>,
    thread: ScopedJoinHandle<'scope, ()>,
}

/// Whoever answers, and on what conditions.
pub(super) struct Answerer {
    pub(super) engine: Engine,
    /// Any query, but for what it asks for.
    pub(super) every: Query,
}

impl<'scope> Answers<'scope> {
    /// Starts the thread.
    pub(super) fn start(scope: &'scope Scope<'scope, '_>, answerer: Answerer) -> Answers<'scope> {
        let (questions, asked) = unbounded::<Question>();
        let (sender, answers) = unbounded();
        let thread = scope.spawn(move || {
            while let Ok(question) = asked.recv() {
                // While one was answered more was typed: only the last counts.
                let question = asked.try_iter().last().unwrap_or(question);
                let matches = answerer.answer(&question).map_err(|error| format!("{error:#}"));
                if sender.send(Answer { question, matches }).is_err() {
                    break;
                }
            }
        });
        Answers { questions, answers, thread }
    }

    pub(super) fn ask(&self, question: Question) {
        // Only a panic ends the thread before this is dropped.
        _ = self.questions.send(question);
    }

    /// The last answer that has come since it was asked for the last time.
    pub(super) fn take(&self) -> Option<Answer> {
        self.answers.try_iter().last()
    }

    /// Ends the thread, once it has answered what it is at. Its panic was reported when it happened.
    pub(super) fn end(self) {
        let Answers { questions, answers, thread } = self;
        drop((questions, answers));
        _ = thread.join();
    }

    /// Whether a panic has ended the thread.
    pub(super) fn have_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

impl Answerer {
    fn answer(&self, question: &Question) -> anyhow::Result<Vec<Match>> {
        let results = &|rank| self.engine.library().remembered(rank);
        let mut terms = parse_line(&question.text, results)?;
        if let Some(like) = &question.like {
            terms.push(Term::picture(like.as_os_str(), results)?);
        }
        if terms.is_empty() {
            return Ok(Vec::new());
        }
        let query = Query { expression: Expression::new(terms)?, ..self.every.clone() };
        Ok(self.engine.search(&query)?)
    }
}
