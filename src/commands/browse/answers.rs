//! The thread that answers queries.

use std::path::PathBuf;
use std::thread::{Scope, ScopedJoinHandle};

use crossbeam_channel::{Receiver, Sender, unbounded};
use imgsearch::engine::{newest, spelling};
use imgsearch::query::{NearDuplicates, Term, Towns, parse_line};
use imgsearch::{Engine, Expression, Match, Query};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::line::{Split, split};

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
    /// Whether these are the newest photos, because the question says nothing about what photos show.
    pub(super) is_recent: bool,
    /// What was corrected in the question.
    pub(super) note: Option<String>,
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
    pub(super) towns: Towns,
    pub(super) zone: TimeZone,
    pub(super) home: Option<PathBuf>,
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
                let answer = answerer.answer(&question);
                let answer = match answer {
                    Ok((matches, is_recent, note)) => {
                        Answer { question, matches: Ok(matches), is_recent, note }
                    }
                    Err(error) => {
                        let matches = Err(format!("{error:#}"));
                        Answer { question, matches, is_recent: false, note: None }
                    }
                };
                if sender.send(answer).is_err() {
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
    /// The matches, whether they are the newest photos, and what was corrected.
    fn answer(&self, question: &Question) -> anyhow::Result<(Vec<Match>, bool, Option<String>)> {
        let results = &|rank| self.engine.library().remembered(rank);
        let Split { text, conditions, is_filtered } = split(&question.text, self.home.as_deref())?;
        let mut filter = self.every.filter.clone();
        if is_filtered {
            let now = || Timestamp::now().to_zoned_datetime(self.zone.clone());
            filter = filter.with(conditions.understand(&now, &self.towns)?.filter)?;
        }
        let mut terms = parse_line(&text, results)?;
        if let Some(like) = &question.like {
            terms.push(Term::picture(like.as_os_str(), results)?);
        }
        let view = self.engine.view();
        let query = Query { filter, ..self.every.clone() };
        if terms.is_empty() {
            let query = Query { near_duplicates: NearDuplicates::Show, ..query };
            let (found, note) = spelling::search(&*view, &query, |query| newest(&*view, query, &self.zone))?;
            return Ok((found, true, note));
        }
        let query = Query { expression: Expression::new(terms)?, ..query };
        let (found, note) = spelling::search(&*view, &query, |query| self.engine.search(query))?;
        Ok((found, false, note))
    }
}
