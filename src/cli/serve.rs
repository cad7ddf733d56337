//! The arguments of `serve`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;

use super::ReadingArgs;
use super::index::{RulesArgs, ThumbnailsArgs};
use super::mcp::McpPathsArgs;

/// Search in a browser, and from other programs, until you press Ctrl-C.
///
/// Only this machine can connect, unless you change that with `--listen`; other machines need a secret. The model is
/// loaded once, and photos that `index` adds meanwhile are found within seconds. The server changes no files except in
/// the library's folder. `/api/v1/openapi.json` describes the API for programs, and `/mcp` has tools for assistants.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch serve ~/Photos                      also keeps the library current
  imgsearch serve --listen 0.0.0.0              prints a link that contains the secret
  imgsearch serve --port 0                      prints the port that it picked")]
pub(crate) struct ServeArgs {
    /// Folders to index, and to keep indexed while the server runs.
    ///
    /// New, changed, moved and deleted photos are noticed within seconds. Without a folder, the server answers from the
    /// library as it is, and as `index` changes it.
    /// Example: `imgsearch serve ~/Photos`
    #[arg(value_name = "FOLDER", conflicts_with = "read_only")]
    pub(crate) folders: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) rules: RulesArgs,

    #[command(flatten)]
    pub(crate) thumbnails: ThumbnailsArgs,

    #[command(flatten)]
    pub(crate) reading: ReadingArgs,

    /// How often to search folders for changes that cannot be watched, in minutes [default: 15].
    ///
    /// Example: `imgsearch serve --rescan 60 /mnt/nas/photos`
    #[arg(long, value_name = "MINUTES", requires = "folders", hide_short_help = true, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rescan: Option<u32>,

    /// Listen at this address; may be given several times [default: 127.0.0.1 and ::1].
    ///
    /// At any other address you need the secret to connect: open the link that is printed, or set a password with
    /// `--password-file`. In a network that you do not trust, use TLS or a reverse proxy with TLS.
    /// Examples: `--listen 0.0.0.0`, `--listen 192.168.1.5 --listen ::1`
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Vec<IpAddr>,

    /// Listen at this port; 0 picks a free one.
    ///
    /// Example: `imgsearch serve --port 8080`
    #[arg(long, value_name = "PORT", default_value = "7878")]
    pub(crate) port: u16,

    /// Also answer to this host name; may be given several times.
    ///
    /// Use it behind a reverse proxy. Requests for other names than this machine's own are refused, because a malicious
    /// web page could otherwise pose as this server. With this option everybody needs the secret or the password.
    /// Example: `imgsearch serve --host-name photos.example.org`
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub(crate) host_name: Vec<String>,

    /// Require the password in this file, also on this machine.
    ///
    /// The first line of the file is the password or its argon2id hash (`$argon2id$…`). Programs send the secret from
    /// the link instead: `Authorization: Bearer SECRET`. Example: `imgsearch serve --listen 0.0.0.0 --password-file
    /// ~/.imgsearch-password`
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) password_file: Option<PathBuf>,

    /// Only answer: no FOLDER is indexed, and no request changes anything.
    ///
    /// No request changes your photos or their records in any case, so far.
    /// Example: `imgsearch serve --read-only`
    #[arg(long, hide_short_help = true)]
    pub(crate) read_only: bool,

    /// Hide where photos were taken. Original files are then not served, because cameras store the place in them.
    ///
    /// Example: `imgsearch serve --listen 0.0.0.0 --hide-places`
    #[arg(long, hide_short_help = true)]
    pub(crate) hide_places: bool,

    #[command(flatten)]
    pub(crate) paths: McpPathsArgs,

    /// The certificate for TLS and its chain, in PEM format.
    ///
    /// Example: `imgsearch serve --listen 0.0.0.0 --tls-cert cert.pem --tls-key key.pem`
    #[arg(long, value_name = "FILE", requires = "tls_key", hide_short_help = true)]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The key of the certificate, in PEM format.
    ///
    /// Example: `imgsearch serve --listen 0.0.0.0 --tls-cert cert.pem --tls-key key.pem`
    #[arg(long, value_name = "FILE", requires = "tls_cert", hide_short_help = true)]
    pub(crate) tls_key: Option<PathBuf>,
}
