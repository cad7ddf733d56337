//! `mcp`.

use std::sync::Arc;

use anyhow::Result;
use imgsearch::decode::Limits;
use imgsearch::query::Towns;
use imgsearch::service::Service;

use super::Exit;
use super::serve::opener;
use crate::cli::McpArgs;
use crate::serve::{self, Events, Hosts, Server};
use crate::settings::{Settings, zone};

pub(super) fn run(settings: Settings, args: &McpArgs) -> Result<Exit> {
    let settings = Arc::new(settings);
    serve::talk(Server {
        library: settings.library.clone(),
        service: Service::new(
            opener(&settings),
            zone(),
            Limits::default(),
            Some(settings.library.thumbnails()),
        ),
        towns: Towns::new(settings.places_file()),
        // There are no requests over HTTP.
        hosts: Hosts::new(Vec::new(), None, &[]),
        login: None,
        hides_places: args.hide_places,
        mcp_paths: args.paths.mcp_paths,
        threads: settings.threads,
        events: Events::default(),
    })?;
    Ok(Exit::Done)
}
