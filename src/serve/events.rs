//! What happens, told as it happens: server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use serde::Serialize;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::App;
use super::overview::version_of;

/// Whether the library has changed is looked at as often as this, while somebody listens.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Something is sent as often as this, so that neither end takes the other for gone.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Events that one who listens slowly may be behind.
const BEHIND: usize = 64;

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
pub(crate) enum Event {
    /// The library may show other photos than before.
    Changed {
        /// Tells states of the library apart.
        version: String,
    },
    /// How far an index run is.
    Index {
        /// Whether it still runs.
        is_running: bool,
        /// Photos that are done with.
        done: u64,
        /// Photos met so far.
        total: u64,
    },
}

/// Where events are told, to all who listen.
#[derive(Clone)]
pub(crate) struct Events(broadcast::Sender<Event>);

impl Default for Events {
    fn default() -> Events {
        Events(broadcast::Sender::new(BEHIND))
    }
}

impl Events {
    /// Tells all who listen.
    pub(crate) fn tell(&self, event: Event) {
        // Perhaps nobody listens.
        _ = self.0.send(event);
    }
}

/// Somebody who listens.
struct Listener {
    app: App,
    events: broadcast::Receiver<Event>,
    ending: CancellationToken,
    looks: Interval,
    /// The state of the library that was told last.
    version: Option<u64>,
}

/// What happens, as it happens (server-sent events).
///
/// `changed`, at once and whenever the library may show other photos: `{"version"}`. `index`, while photos are indexed:
/// `{"is_running", "done", "total"}`.
#[utoipa::path(
    get,
    path = "/events",
    tag = "library",
    responses((status = 200, description = "Events, for as long as both ends wish.", content_type = "text/event-stream", body = String)),
)]
pub(super) async fn events(State(app): State<App>) -> Sse<impl Stream<Item = Result<Sent, Infallible>>> {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (events, ending) = (app.events.0.subscribe(), app.ending.clone());
    let listener = Listener { app, events, ending, looks, version: None };
    let told = unfold(listener, async |mut listener| {
        let event = listener.next().await?;
        Some((Ok(sent(&event)), listener))
    });
    Sse::new(told).keep_alive(KeepAlive::new().interval(HEARTBEAT))
}

impl Listener {
    /// The next event; `None` when the server ends.
    async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                () = self.ending.cancelled() => return None,
                event = self.events.recv() => match event {
                    Ok(event) => return Some(event),
                    // What is missed is only progress; the library's state is looked at anyway.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                },
                _ = self.looks.tick() => {
                    let service = self.app.service.clone();
                    // What is wrong with the library, the next question tells.
                    _ = self.app.blocking(move || Ok(service.engine()?)).await;
                    let version = self.app.service.version();
                    if self.version.replace(version) != Some(version) {
                        return Some(Event::Changed { version: version_of(version) });
                    }
                }
            }
        }
    }
}

fn sent(event: &Event) -> Sent {
    let told = serde_json::to_value(event).unwrap_or_default();
    let name = told["event"].as_str().unwrap_or_default();
    Sent::default().event(name).data(told["data"].to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_a_name_and_data() {
        let told = serde_json::to_value(Event::Changed { version: "7".into() }).unwrap();
        assert_eq!(told, serde_json::json!({ "event": "changed", "data": { "version": "7" } }));
    }
}
