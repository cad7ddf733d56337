//! The thread that answers queries.

use std::path::PathBuf;
use std::thread::{Scope, ScopedJoinHandle};

use crossbeam_channel::{Receiver, Sender, unbounded};
use imgsearch::query::{Term, parse_line};
use imgsearch::{Engine, Expression, Match, Query};

/// What to search for: a text, a picture to be similar to, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) text: String,
    pub(super) like: Option<PathBuf>,
}

/// The answer to a question: the matches or an error message.
pub(super) struct Answer {
    pub(super) question: Question,
    pub(super) matches: Result<Vec<Match>, String>,
}

pub(super) struct Answers<'scope> {
    questions: Sender<Question>,
    answers: Receiver<Answer>,
    thread: ScopedJoinHandle<'scope, ()>,
}

/// Answers questions.
pub(super) struct Answerer {
    pub(super) engine: Engine,
    /// The options of all queries; each question fills in the expression.
    pub(super) every: Query,
}

impl<'scope> Answers<'scope> {
    /// Starts the thread.
    pub(super) fn start(scope: &'scope Scope<'scope, '_>, answerer: Answerer) -> Answers<'scope> {
        let (questions, asked) = unbounded::<Question>();
        let (sender, answers) = unbounded();
        let thread = scope.spawn(move || {
            while let Ok(question) = asked.recv() {
                // The user typed on during the last answer: only the newest question counts.
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
        // This fails only if the thread has panicked, which `have_ended` tells.
        _ = self.questions.send(question);
    }

    /// The newest answer since the last call.
    pub(super) fn take(&self) -> Option<Answer> {
        self.answers.try_iter().last()
    }

    /// Ends the thread after its current question. If it panicked, that has already been reported.
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
