//! `browse`.
//!
//! This thread draws and reads keys, one thread answers queries with the loaded model, and some threads decode
//! thumbnails. They communicate through channels, so the screen never waits.

mod actions;
mod answers;
mod line;
mod state;
mod thumbnails;

use std::io::{IsTerminal, stdin};
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use imgsearch::query::Towns;
use imgsearch::{Expression, Match, Query};
use ratatui::crossterm::event::{self, Event};

use super::filter::filter;
use super::search::near_duplicates;
use super::{Exit, open_engine, see};
use crate::cli::BrowseArgs;
use crate::progress;
use crate::render::{
    PICTURE, Painter, Screen, Tile, View, caption, dated_caption, events, give_back, large_picture, name,
};
use crate::settings::{Settings, zone};
use crate::usage::UsageError;

use answers::{Answerer, Answers};
use state::{Action, State};
use thumbnails::{Thumbnails, Wish};

/// Maximum number of results to page through.
const MOST: NonZeroUsize = NonZeroUsize::new(200).expect("not zero");
/// How long to wait for a key while answers or thumbnails are pending: too short to be noticed as a delay.
const TICK: Duration = Duration::from_millis(30);
/// How long to wait for a key when nothing is pending.
const IDLE: Duration = Duration::from_secs(1);

pub(super) fn run(settings: &Settings, args: &BrowseArgs) -> Result<Exit> {
    see::check_terminal(settings.ui, "browse")?;
    if !stdin().is_terminal() {
        let error = UsageError::new("browse needs a terminal, but stdin is redirected");
        return Err(error.hint("`imgsearch query` needs no terminal").into());
    }
    let every = Query {
        filter: filter(settings, &args.filter)?,
        near_duplicates: near_duplicates(&args.collapse, true),
        ..Query::new(Expression::text(String::new()), MOST)
    };
    let answerer = Answerer {
        engine: open_engine(settings)?,
        every,
        towns: Towns::new(settings.places_file()),
        zone: zone(),
        home: settings.home(),
    };
    progress::give_back_on_panic(give_back);
    // Ctrl-C arrives as a key. This is for a signal from outside, and for a terminal that is closed.
    ctrlc::set_handler(|| {
        give_back();
        crate::end(Exit::Interrupted);
    })?;
    std::thread::scope(|scope| {
        let answers = Answers::start(scope, answerer);
        let mut screen = Screen::take()?;
        let mut state = State::new(args.words.join(" "), screen.size()?);
        screen.draw(&View { status: "loading …".to_owned(), ..View::of(&state.question().text) })?;
        let (painter, typed) = Painter::ask(&settings.graphics());
        let typed: Vec<_> = events(&typed).into_iter().map(|event| act(&mut state, event)).collect();
        if typed.contains(&Action::Quit) {
            return Ok(());
        }
        let thumbnails = Thumbnails::start(&painter, settings.threads);
        let done = browse(&mut screen, state, &answers, thumbnails, settings.home().as_deref());
        drop(screen);
        answers.end();
        done
    })?;
    Ok(Exit::Done)
}

/// Reads keys and draws until the user quits.
fn browse(
    screen: &mut Screen,
    mut state: State,
    answers: &Answers<'_>,
    mut thumbnails: Thumbnails,
    home: Option<&Path>,
) -> Result<()> {
    answers.ask(state.question().clone());
    let mut is_changed = true;
    loop {
        if let Some(answer) = answers.take() {
            state.show(answer);
            is_changed = true;
        }
        is_changed |= thumbnails.take();
        if is_changed {
            let size = screen.size()?;
            thumbnails.want(&wishes(&state, size));
            screen.draw(&view(&state, &thumbnails, size))?;
        }
        if answers.have_ended() {
            bail!("the search thread has stopped");
        }
        let is_waiting = state.is_waiting() || thumbnails.are_pending();
        if !event::poll(if is_waiting { TICK } else { IDLE })? {
            is_changed = false;
            continue;
        }
        is_changed = true;
        match act(&mut state, event::read()?) {
            Action::Draw => {}
            Action::Repaint => thumbnails.clear(),
            Action::Ask => answers.ask(state.question().clone()),
            Action::Open(paths) => state.say(actions::open(&paths)),
            Action::CopyPaths(paths) => state.say(actions::copy_paths(&paths, screen)),
            Action::CopyTo(paths, folder) => state.say(actions::copy_to(&paths, &folder, home)),
            Action::Quit => return Ok(()),
        }
    }
}

fn act(state: &mut State, event: Event) -> Action {
    match event {
        Event::Key(key) if key.is_press() => state.press(key),
        Event::Paste(text) => state.insert(&text),
        Event::Resize(columns, lines) => state.resize((columns, lines)),
        Event::Key(_) | Event::Mouse(_) | Event::FocusGained | Event::FocusLost => Action::Draw,
    }
}

/// The thumbnails that the screen needs.
fn wishes(state: &State, screen: (u16, u16)) -> Vec<Wish> {
    match state.large() {
        Some(found) => vec![(found.path.clone(), large_picture(screen))],
        None => state.on_screen().map(|found| (found.path.clone(), PICTURE)).collect(),
    }
}

fn view<'a>(state: &'a State, thumbnails: &'a Thumbnails, screen: (u16, u16)) -> View<'a> {
    let tile = |found: &Match, size| {
        let picture = thumbnails.of(&found.path, size);
        let mark = if state.is_marked(&found.path) { "● " } else { "" };
        let caption = if state.is_recent() { dated_caption(found) } else { caption(found) };
        Tile {
            picture: picture.map(|made| made.as_ref().map_err(String::as_str)),
            caption: format!("{mark}{caption}"),
        }
    };
    let question = state.question();
    View {
        query: &question.text,
        like: question.like.as_deref().map(name),
        tiles: state.on_screen().map(|found| tile(found, PICTURE)).collect(),
        chosen: state.chosen_on_screen(),
        large: state.large().map(|found| tile(found, large_picture(screen))),
        folder: state.folder(),
        status: state.status(),
    }
}
