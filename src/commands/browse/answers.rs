//! The thread that answers queries.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::thread::{Scope, ScopedJoinHandle};

use crossbeam_channel::{Receiver, Sender, unbounded};
use imgsearch::item::Item;
use imgsearch::library::{Load, StoreError};
use imgsearch::query::{Filter, Term, Towns, parse_line};
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
    /// Whether these are the newest photos, because nothing was asked for.
    pub(super) is_recent: bool,
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
                let is_recent = matches!(answer, Ok((_, true)));
                let matches = answer.map(|(matches, _)| matches).map_err(|error| format!("{error:#}"));
                if sender.send(Answer { question, matches, is_recent }).is_err() {
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
    /// The matches, and whether they are the newest photos.
    fn answer(&self, question: &Question) -> anyhow::Result<(Vec<Match>, bool)> {
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
        if terms.is_empty() {
            return Ok((self.newest(&filter)?, true));
        }
        let query = Query { expression: Expression::new(terms)?, filter, ..self.every.clone() };
        Ok((self.engine.search(&query)?, false))
    }

    /// The newest photos that meet the conditions, as many as a query finds.
    fn newest(&self, filter: &Filter) -> Result<Vec<Match>, StoreError> {
        let mut all = Vec::new();
        self.engine.view().each(filter, Load::WithoutVector, &mut |stored| {
            let details = stored.photo.as_ref().and_then(|photo| photo.details.as_ref());
            all.push((details.map_or(i64::MIN, |details| details.wall_ms(&self.zone)), stored.item));
            ControlFlow::Continue(())
        })?;
        all.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.path.cmp(&b.1.path)));
        all.truncate(self.every.top.get());
        let found = |(rank, (_, item)): (usize, (i64, Item))| {
            let stored = self.engine.view().get(&item)?;
            let (content, photo) = stored.map_or((None, None), |stored| (stored.content, stored.photo));
            Ok(Match {
                rank: rank + 1,
                score: 0.0,
                path: item.path,
                part: item.part,
                content,
                photo,
                similar: 0,
            })
        };
        all.into_iter().enumerate().map(found).collect()
    }
}
