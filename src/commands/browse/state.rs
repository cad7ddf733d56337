//! The state of `browse` (query, matches, chosen photo), and what each key does to it.

use std::path::PathBuf;

use imgsearch::Match;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::answers::{Answer, Question};
use crate::render::grid;
use crate::terminal::escape_path;

/// What to do after a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    Draw,
    /// Draw everything again, thumbnails too, because the terminal may have lost them.
    Repaint,
    /// Run the changed query.
    Ask,
    Open(PathBuf),
    Quit,
}

#[derive(Default)]
pub(super) struct State {
    question: Question,
    /// The last matches, and the question that they answer.
    matches: Vec<Match>,
    answered: Option<Question>,
    /// The indices of the chosen match and of the first match on the screen.
    chosen: usize,
    first: usize,
    /// The screen's columns and lines.
    size: (u16, u16),
    /// A message shown in place of the chosen photo's path until the next key.
    message: Option<String>,
}

impl State {
    pub(super) fn new(text: String, size: (u16, u16)) -> State {
        State { question: Question { text, like: None }, size, ..State::default() }
    }

    pub(super) fn question(&self) -> &Question {
        &self.question
    }

    /// Whether an answer is pending.
    pub(super) fn is_waiting(&self) -> bool {
        self.answered.as_ref() != Some(&self.question)
    }

    pub(super) fn say(&mut self, message: String) {
        self.message = Some(message);
    }

    pub(super) fn resize(&mut self, size: (u16, u16)) -> Action {
        self.size = size;
        self.scroll();
        Action::Repaint
    }

    /// Shows an answer.
    pub(super) fn show(&mut self, Answer { question, matches }: Answer) {
        match matches {
            Ok(matches) => {
                let is_empty = matches.is_empty() && question != Question::default();
                self.message = is_empty.then(|| "nothing found".to_owned());
                self.matches = matches;
                (self.chosen, self.first) = (0, 0);
            }
            // A half-typed query may be invalid (`a cat +`), so keep the last matches.
            Err(error) => self.message = Some(error),
        }
        self.answered = Some(question);
    }

    pub(super) fn on_screen(&self) -> impl Iterator<Item = &Match> {
        self.matches.iter().skip(self.first).take(self.page())
    }

    /// The index of the chosen match among those on the screen.
    pub(super) fn chosen_on_screen(&self) -> Option<usize> {
        self.chosen.checked_sub(self.first).filter(|_| !self.matches.is_empty())
    }

    fn across(&self) -> usize {
        grid(self.size).0.into()
    }

    /// How many tiles fit on the screen.
    fn page(&self) -> usize {
        let (across, down) = grid(self.size);
        usize::from(across) * usize::from(down)
    }

    pub(super) fn status(&self) -> String {
        match (&self.message, self.matches.get(self.chosen)) {
            (Some(message), _) => message.clone(),
            (None, Some(chosen)) => {
                format!("{} of {}  {}", self.chosen + 1, self.matches.len(), escape_path(&chosen.path))
            }
            (None, None) if self.is_waiting() => "searching …".to_owned(),
            (None, None) => String::new(),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "all other keys do nothing")]
    pub(super) fn press(&mut self, key: KeyEvent) -> Action {
        self.message = None;
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return self.press_with_control(key.code);
        }
        match key.code {
            KeyCode::Char(c) => self.insert(c.encode_utf8(&mut [0; 4])),
            KeyCode::Backspace => self.edit(|question| {
                if question.text.pop().is_none() {
                    question.like = None;
                }
            }),
            KeyCode::Esc if self.question == Question::default() => Action::Quit,
            KeyCode::Esc => self.edit(|question| *question = Question::default()),
            KeyCode::Enter => self.chosen().map_or(Action::Draw, Action::Open),
            KeyCode::Tab => match self.chosen() {
                Some(path) => {
                    self.edit(|question| *question = Question { text: String::new(), like: Some(path) })
                }
                None => Action::Draw,
            },
            KeyCode::Left => self.choose(self.chosen.saturating_sub(1)),
            KeyCode::Right => self.choose(self.chosen + 1),
            KeyCode::Up => self.choose(self.chosen.checked_sub(self.across()).unwrap_or(self.chosen)),
            KeyCode::Down => self.choose(self.chosen + self.across()),
            KeyCode::PageUp => self.choose(self.chosen.saturating_sub(self.page())),
            KeyCode::PageDown => self.choose(self.chosen + self.page()),
            KeyCode::Home => self.choose(0),
            KeyCode::End => self.choose(usize::MAX),
            _ => Action::Draw,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "all other keys do nothing")]
    fn press_with_control(&mut self, code: KeyCode) -> Action {
        match code {
            KeyCode::Char('c' | 'd') => Action::Quit,
            KeyCode::Char('u') => self.edit(|question| question.text.clear()),
            KeyCode::Char('w') => self.edit(|question| {
                let words = question.text.trim_end();
                let last = words.char_indices().rev().find(|(_, c)| c.is_whitespace());
                question.text.truncate(last.map_or(0, |(at, c)| at + c.len_utf8()));
            }),
            _ => Action::Draw,
        }
    }

    /// Appends typed or pasted text to the query.
    pub(super) fn insert(&mut self, text: &str) -> Action {
        let line = text.replace(char::is_control, " ");
        self.edit(|question| question.text.push_str(&line))
    }

    fn edit(&mut self, change: impl FnOnce(&mut Question)) -> Action {
        let before = self.question.clone();
        change(&mut self.question);
        if self.question == before { Action::Draw } else { Action::Ask }
    }

    fn choose(&mut self, chosen: usize) -> Action {
        self.chosen = chosen.min(self.matches.len().saturating_sub(1));
        self.scroll();
        Action::Draw
    }

    /// Scrolls so that the chosen match is on the screen.
    fn scroll(&mut self) {
        let across = self.across();
        let (row, rows) = (self.chosen / across, self.page() / across);
        let first = (self.first / across).clamp((row + 1).saturating_sub(rows), row);
        self.first = first * across;
    }

    fn chosen(&self) -> Option<PathBuf> {
        self.matches.get(self.chosen).map(|found| found.path.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A screen of 3 × 2 tiles with 20 matches.
    fn state() -> State {
        let mut state = State::new("a cat".into(), (80, 24));
        assert_eq!(state.page(), 6);
        let found = |rank: usize| Match {
            rank,
            score: 0.5,
            path: format!("/{rank}.jpg").into(),
            part: None,
            content: None,
            photo: None,
            similar: 0,
        };
        let matches = Ok((1..=20).map(found).collect());
        state.show(Answer { question: state.question().clone(), matches });
        state
    }

    #[track_caller]
    fn check(keys: &[KeyCode], chosen: usize, first: usize) {
        let mut state = state();
        for key in keys {
            state.press((*key).into());
        }
        assert_eq!((state.chosen, state.first), (chosen, first), "{keys:?}");
    }

    #[test]
    fn the_chosen_match_stays_on_the_screen() {
        use KeyCode::{Down, End, Home, Left, PageDown, PageUp, Right, Up};
        check(&[], 0, 0);
        check(&[Left, Up], 0, 0);
        check(&[Right, Right, Down], 5, 0);
        check(&[Down, Down], 6, 3);
        check(&[Down, Down, Down, Up], 6, 6);
        check(&[PageDown], 6, 3);
        check(&[PageDown, PageUp], 0, 0);
        check(&[End], 19, 15);
        check(&[End, Right, Down], 19, 15);
        check(&[End, Home], 0, 0);
    }

    #[track_caller]
    fn check_text(keys: &[KeyEvent], expected: &str) {
        let mut state = state();
        for key in keys {
            state.press(*key);
        }
        assert_eq!(state.question.text, expected);
    }

    #[test]
    fn the_query_can_be_edited() {
        let control = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
        check_text(&[KeyCode::Char('s').into()], "a cats");
        check_text(&[KeyCode::Backspace.into()], "a ca");
        check_text(&[control('w'), KeyCode::Char('ü').into()], "a ü");
        check_text(
            &[KeyCode::Char('\u{3000}').into(), KeyCode::Char('x').into(), control('w')],
            "a cat\u{3000}",
        );
        check_text(&[control('u'), KeyCode::Backspace.into()], "");
        check_text(&[KeyCode::Esc.into()], "");
    }

    #[test]
    fn keys_ask_open_and_quit() {
        let mut state = state();
        assert_eq!(state.press(KeyCode::Enter.into()), Action::Open("/1.jpg".into()));
        state.press(KeyCode::Right.into());
        assert_eq!(state.press(KeyCode::Tab.into()), Action::Ask);
        assert_eq!(state.question, Question { text: String::new(), like: Some("/2.jpg".into()) });
        assert_eq!(state.insert("in\nsnow"), Action::Ask);
        assert_eq!(state.question.text, "in snow");
        assert_eq!(state.press(KeyCode::Esc.into()), Action::Ask);
        assert_eq!(state.press(KeyCode::Esc.into()), Action::Quit);
        assert_eq!(state.press(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Action::Quit);
    }

    #[test]
    fn a_tiny_screen_still_has_one_tile() {
        let mut state = state();
        assert_eq!(state.resize((1, 1)), Action::Repaint);
        assert_eq!((state.page(), state.press(KeyCode::End.into())), (1, Action::Draw));
        assert_eq!((state.chosen, state.first), (19, 19));
    }

    #[test]
    fn an_incomplete_query_keeps_the_last_matches() {
        let mut state = state();
        state.show(Answer {
            question: state.question().clone(),
            matches: Err("`+` needs something behind it".into()),
        });
        assert_eq!(state.matches.len(), 20);
        assert!(state.status().contains("needs") && !state.is_waiting());
        state.press(KeyCode::Char('x').into());
        assert!(state.status().starts_with("1 of 20") && state.is_waiting());
    }
}
