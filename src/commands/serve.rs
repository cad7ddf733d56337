//! The command `serve`.

mod indexing;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use imgsearch::decode::Limits;
use imgsearch::query::Towns;
use imgsearch::service::{Open, Service};
use imgsearch::text_file;
use imgsearch::walk::resolve_roots;

use super::{Exit, existing, open_engine};
use crate::cli::ServeArgs;
use crate::progress;
use crate::render::Output;
use crate::serve::{self, Events, Hosts, Login, Server};
use crate::settings::{self, Settings, zone};
use crate::usage::UsageError;

use indexing::Indexing;

/// The default addresses.
const HERE: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

pub(super) fn run(settings: Settings, args: ServeArgs) -> Result<Exit> {
    let settings = Arc::new(settings);
    let folders = folders(&args)?;
    let listeners = listen(&args)?;
    let addresses = listeners.iter().map(TcpListener::local_addr).collect::<std::io::Result<Vec<_>>>()?;
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => Some(serve::tls(certificate, key)?),
        _ => None,
    };
    let login = login(&settings, &args, &addresses, tls.is_some())?;
    let machine = settings::machine_name();
    let ips = addresses.iter().map(SocketAddr::ip).collect();
    announce(&settings, &addresses, machine.as_deref(), login.as_ref(), tls.is_some())?;
    let (towns, threads, events) = (Towns::new(settings.places_file()), settings.threads, Events::default());
    let server = Server {
        library: settings.library.clone(),
        service: Service::new(
            opener(&settings),
            zone(),
            Limits::default(),
            args.thumbnails.of(&settings.library),
        ),
        towns,
        hosts: Hosts::new(ips, machine.as_deref(), &args.host_name),
        login,
        hides_places: args.hide_places,
        mcp_paths: args.paths.mcp_paths,
        threads,
        events: events.clone(),
    };
    let indexing = Indexing::start(&settings, args, folders, events)?;
    let served = serve::run(server, listeners, tls.as_ref());
    indexing.end();
    served.map(|()| Exit::Done)
}

/// Opens the library with the current settings.
pub(super) fn opener(settings: &Arc<Settings>) -> Open {
    let settings = Arc::clone(settings);
    Box::new(move || {
        if existing(&settings.library)?.is_none() {
            return Ok(None);
        }
        Ok(Some(open_engine(&settings)?))
    })
}

/// Listens at the addresses. By default, IPv6 is optional.
fn listen(args: &ServeArgs) -> Result<Vec<TcpListener>> {
    let ServeArgs { listen, port, .. } = args;
    if !listen.is_empty() {
        return serve::listen(listen, *port).map_err(|error| taken(error, *port));
    }
    serve::listen(&HERE, *port)
        .or_else(|_| serve::listen(&HERE[..1], *port))
        .map_err(|error| taken(error, *port))
}

fn taken(error: anyhow::Error, port: u16) -> anyhow::Error {
    let is_taken = error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
    });
    if !is_taken {
        return error;
    }
    let told = UsageError::new(format!("port {port} is taken"));
    told.hint("another `imgsearch serve` may be running; `--port 0` picks a free port").into()
}

/// The login, if needed: for other machines, behind a reverse proxy, or with a password.
fn login(
    settings: &Settings,
    args: &ServeArgs,
    addresses: &[SocketAddr],
    is_secure: bool,
) -> Result<Option<Login>> {
    let password = args.password_file.as_ref().map(|file| {
        let what = || format!("cannot use the password in {}", file.display());
        let text = text_file::read(file).with_context(what)?;
        serve::password_hash(&text).with_context(what)
    });
    let password = password.transpose()?;
    // A host name means a reverse proxy, through which other machines connect.
    let is_for_others =
        !args.host_name.is_empty() || addresses.iter().any(|address| !address.ip().is_loopback());
    if password.is_none() && !is_for_others {
        return Ok(None);
    }
    Login::of(&settings.library, password, is_secure).map(Some)
}

/// Prints one URL per address, with the secret if it is needed.
fn announce(
    settings: &Settings,
    addresses: &[SocketAddr],
    machine: Option<&str>,
    login: Option<&Login>,
    is_secure: bool,
) -> Result<()> {
    let scheme = if is_secure { "https" } else { "http" };
    let path = login.map_or_else(|| "/".to_owned(), |login| format!("/login#token={}", login.secret));
    let mut output = Output::new(settings.ui.look);
    for address in addresses {
        let here = match machine {
            Some(machine) if address.ip().is_unspecified() => format!("{machine}:{}", address.port()),
            _ => address.to_string(),
        };
        output.line(&format!("{scheme}://{here}{path}"))?;
    }
    output.finish()?;
    if !settings.ui.is_quiet() {
        let is_open =
            login.is_some() && !is_secure && addresses.iter().any(|address| !address.ip().is_loopback());
        if is_open {
            progress::print_warning(
                "without TLS, others in the network can read your traffic: use --tls-cert, or a reverse proxy with TLS",
            );
        }
        progress::print_note("press Ctrl-C to stop the server");
    }
    Ok(())
}

/// The folders to keep indexed.
fn folders(args: &ServeArgs) -> Result<Vec<PathBuf>> {
    let (folders, missing) = resolve_roots(&args.folders);
    if let Some((folder, error)) = missing.first() {
        bail!("cannot index {}: {error}", folder.display());
    }
    Ok(folders)
}
