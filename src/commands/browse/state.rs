//! The state of `browse` (query, matches, chosen photo), and what each key does to it.

use std::path::{Path, PathBuf};

use imgsearch::Match;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::answers::{Answer, Question};
use crate::render::grid;
use crate::terminal::{escape, escape_path};

/// What to do after a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    Draw,
    /// Draw everything again, thumbnails too, because the terminal may have lost them.
    Repaint,
    /// Run the changed query.
    Ask,
    /// Open these photos with the desktop's program.
    Open(Vec<PathBuf>),
    /// Put these paths on the clipboard.
    CopyPaths(Vec<PathBuf>),
    /// Copy these photos into the folder that was typed.
    CopyTo(Vec<PathBuf>, String),
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
    /// Whether the matches are the newest photos.
    is_recent: bool,
    /// The marked photos, in the order in which they were marked.
    marked: Vec<PathBuf>,
    /// Whether the chosen photo fills the screen.
    is_large: bool,
    /// The folder to copy photos to, while it is typed.
    folder: Option<String>,
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
    pub(super) fn show(&mut self, Answer { question, matches, is_recent, note }: Answer) {
        match matches {
            Ok(matches) => {
                let is_empty = matches.is_empty() && question != Question::default();
                self.message = is_empty.then(|| "nothing found".to_owned()).or(note);
                (self.matches, self.is_recent) = (matches, is_recent);
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

    /// Whether the matches are the newest photos, which have no scores.
    pub(super) fn is_recent(&self) -> bool {
        self.is_recent
    }

    pub(super) fn is_marked(&self, path: &Path) -> bool {
        self.marked.iter().any(|marked| marked == path)
    }

    /// The photo that fills the screen.
    pub(super) fn large(&self) -> Option<&Match> {
        self.matches.get(self.chosen).filter(|_| self.is_large)
    }

    /// The folder that is being typed.
    pub(super) fn folder(&self) -> Option<&str> {
        self.folder.as_deref()
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
                let what = if self.is_recent { "newest, " } else { "" };
                let marked = match self.marked.len() {
                    0 => String::new(),
                    marked => format!("  {marked} marked"),
                };
                let (at, all, path) = (self.chosen + 1, self.matches.len(), escape_path(&chosen.path));
                let why = chosen.why.iter().map(|why| format!("  {}", escape(why))).collect::<String>();
                format!("{what}{at} of {all}{marked}  {path}{why}")
            }
            (None, None) if self.is_waiting() => "searching …".to_owned(),
            (None, None) => String::new(),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "all other keys do nothing")]
    pub(super) fn press(&mut self, key: KeyEvent) -> Action {
        self.message = None;
        if self.folder.is_some() {
            return self.press_in_folder(key);
        }
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
            KeyCode::Esc if self.is_large => {
                self.is_large = false;
                Action::Repaint
            }
            KeyCode::Esc if self.question == Question::default() => Action::Quit,
            KeyCode::Esc => self.edit(|question| *question = Question::default()),
            KeyCode::Enter if self.is_large => {
                self.chosen().map_or(Action::Draw, |path| Action::Open(vec![path]))
            }
            KeyCode::Enter => {
                self.is_large = !self.matches.is_empty();
                Action::Repaint
            }
            KeyCode::Insert => self.mark(),
            KeyCode::Tab => match self.chosen() {
                Some(path) => {
                    self.edit(|question| *question = Question { text: String::new(), like: Some(path) })
                }
                None => Action::Draw,
            },
            KeyCode::Left => self.choose(self.chosen.saturating_sub(1)),
            KeyCode::Right => self.choose(self.chosen + 1),
            KeyCode::Up if self.is_large => self.choose(self.chosen.saturating_sub(1)),
            KeyCode::Down if self.is_large => self.choose(self.chosen + 1),
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
            KeyCode::Char(' ') => self.mark(),
            KeyCode::Char('o') => self.on_these(Action::Open),
            KeyCode::Char('y') => self.on_these(Action::CopyPaths),
            KeyCode::Char('s') => {
                self.folder = (!self.these().is_empty()).then(String::new);
                Action::Draw
            }
            KeyCode::Char('u') => self.edit(|question| question.text.clear()),
            KeyCode::Char('w') => self.edit(|question| {
                let words = question.text.trim_end();
                let last = words.char_indices().rev().find(|(_, c)| c.is_whitespace());
                question.text.truncate(last.map_or(0, |(at, c)| at + c.len_utf8()));
            }),
            _ => Action::Draw,
        }
    }

    /// A key while the folder to copy to is typed.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other keys do nothing")]
    fn press_in_folder(&mut self, key: KeyEvent) -> Action {
        let Some(folder) = &mut self.folder else { return Action::Draw };
        match key.code {
            KeyCode::Char('c' | 'd') if key.modifiers.contains(KeyModifiers::CONTROL) => self.folder = None,
            KeyCode::Char(c) => folder.push(c),
            KeyCode::Backspace => _ = folder.pop(),
            KeyCode::Esc => self.folder = None,
            KeyCode::Enter => {
                let folder = std::mem::take(folder);
                self.folder = None;
                if !folder.trim().is_empty() {
                    return Action::CopyTo(self.these(), folder.trim().to_owned());
                }
            }
            _ => {}
        }
        Action::Draw
    }

    /// Marks the chosen photo, or takes its mark away, and goes to the next one.
    fn mark(&mut self) -> Action {
        let Some(path) = self.chosen() else { return Action::Draw };
        match self.marked.iter().position(|marked| *marked == path) {
            Some(at) => _ = self.marked.remove(at),
            None => self.marked.push(path),
        }
        self.choose(self.chosen + 1)
    }

    /// The marked photos, or else the chosen one.
    fn these(&self) -> Vec<PathBuf> {
        if self.marked.is_empty() { self.chosen().into_iter().collect() } else { self.marked.clone() }
    }

    fn on_these(&self, act: impl FnOnce(Vec<PathBuf>) -> Action) -> Action {
        Some(self.these()).filter(|these| !these.is_empty()).map_or(Action::Draw, act)
    }

    /// Appends typed or pasted text to the query, or to the folder that is typed.
    pub(super) fn insert(&mut self, text: &str) -> Action {
        let line = text.replace(char::is_control, " ");
        if let Some(folder) = &mut self.folder {
            folder.push_str(&line);
            return Action::Draw;
        }
        self.edit(|question| question.text.push_str(&line))
    }

    fn edit(&mut self, change: impl FnOnce(&mut Question)) -> Action {
        let before = self.question.clone();
        change(&mut self.question);
        self.is_large = false;
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
            score: Some(0.5),
            lift: None,
            path: format!("/{rank}.jpg").into(),
            part: None,
            content: None,
            photo: None,
            similar: 0,
            why: Vec::new(),
        };
        let matches = Ok((1..=20).map(found).collect());
        state.show(Answer { question: state.question().clone(), matches, is_recent: false, note: None });
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
        let control = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
        assert_eq!(state.press(control('o')), Action::Open(vec!["/1.jpg".into()]));
        assert_eq!((state.press(KeyCode::Enter.into()), state.large().is_some()), (Action::Repaint, true));
        assert_eq!(state.press(KeyCode::Enter.into()), Action::Open(vec!["/1.jpg".into()]));
        assert_eq!((state.press(KeyCode::Esc.into()), state.large().is_some()), (Action::Repaint, false));
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
    fn several_photos_can_be_marked_and_acted_on() {
        let control = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
        let mut state = state();
        let both: Vec<PathBuf> = vec!["/1.jpg".into(), "/3.jpg".into()];
        state.press(control(' '));
        state.press(KeyCode::Right.into());
        state.press(KeyCode::Insert.into());
        assert!(
            state.is_marked(&both[0]) && state.is_marked(&both[1]) && state.status().contains("2 marked")
        );
        assert_eq!(state.press(control('y')), Action::CopyPaths(both.clone()));
        assert_eq!(state.press(control('o')), Action::Open(both.clone()));
        state.press(control('s'));
        state.insert("/tmp/x");
        assert_eq!((state.folder(), state.question().text.as_str()), (Some("/tmp/x"), "a cat"));
        assert_eq!(state.press(KeyCode::Enter.into()), Action::CopyTo(both, "/tmp/x".into()));
        assert_eq!(state.folder(), None);
        // Without marks, the chosen photo counts. Esc leaves the folder.
        state.press(KeyCode::Home.into());
        state.press(control(' '));
        state.press(control('s'));
        assert_eq!((state.press(KeyCode::Esc.into()), state.folder()), (Action::Draw, None));
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
            is_recent: false,
            note: None,
        });
        assert_eq!(state.matches.len(), 20);
        assert!(state.status().contains("needs") && !state.is_waiting());
        state.press(KeyCode::Char('x').into());
        assert!(state.status().starts_with("1 of 20") && state.is_waiting());
    }
}
