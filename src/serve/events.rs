//! Server-sent events.

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

/// The time between two checks for a change of the library, while there are clients.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The time between two heartbeats, which keep the connection open.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The maximum number of events that are queued for a slow client.
const BEHIND: usize = 64;

/// An event.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
pub(crate) enum Event {
    /// The library may have other photos than before.
    Changed {
        /// The new version of the library.
        version: String,
    },
    /// The progress of an index run.
    Index {
        /// Whether it is still running.
        is_running: bool,
        /// The number of finished photos.
        done: u64,
        /// The number of photos found so far.
        total: u64,
    },
}

/// Sends events to all clients.
#[derive(Clone)]
pub(crate) struct Events(broadcast::Sender<Event>);

impl Default for Events {
    fn default() -> Events {
        Events(broadcast::Sender::new(BEHIND))
    }
}

impl Events {
    /// Sends an event to all clients.
    pub(crate) fn tell(&self, event: Event) {
        // Sending fails if there are no clients, which is fine.
        _ = self.0.send(event);
    }
}

/// A client of the stream.
struct Listener {
    app: App,
    events: broadcast::Receiver<Event>,
    ending: CancellationToken,
    looks: Interval,
    /// The version that was sent last.
    version: Option<u64>,
}

/// Streams events (server-sent events).
///
/// `changed` with `{"version"}`: at the start, and whenever the library may have other photos. `index` with
/// `{"is_running", "done", "total"}`: while photos are indexed.
#[utoipa::path(
    get,
    path = "/events",
    tag = "library",
    responses((status = 200, description = "A stream of events.", content_type = "text/event-stream", body = String)),
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
    /// The next event; `None` if the server is ending.
    async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                () = self.ending.cancelled() => return None,
                event = self.events.recv() => match event {
                    Ok(event) => return Some(event),
                    // Only progress was missed: changes of the library are noticed below.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                },
                _ = self.looks.tick() => {
                    let service = self.app.service.clone();
                    let look = self.app.blocking(move || Ok(service.engine()?));
                    // The next request reports an error of the library. A slow look does not hold up the end.
                    _ = self.ending.run_until_cancelled(look).await?;
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
