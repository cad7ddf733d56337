//! `serve`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;

/// Answer browsers and other programs, until it is ended with Ctrl-C.
///
/// Only this machine can connect, unless `--listen` says otherwise; whoever connects from elsewhere needs a secret. The
/// model is loaded once, and what `index` adds meanwhile is found within seconds. Nothing on the disk is changed but
/// what imgsearch itself keeps in the library's folder. `/api/v1/openapi.json` describes what programs can ask.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  imgsearch serve
  imgsearch serve --listen 0.0.0.0              prints a link with a secret in it
  imgsearch serve --port 0                      prints the port that was free")]
pub(crate) struct ServeArgs {
    /// Address to listen at; may be given several times [default: 127.0.0.1 and ::1].
    ///
    /// At any other address only those are answered who have the secret: the link that is printed, or the password of
    /// `--password-file`. Use TLS, or a reverse proxy that does, where you do not trust the network.
    /// Examples: `--listen 0.0.0.0`, `--listen 192.168.1.5 --listen ::1`
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Vec<IpAddr>,

    /// Port to listen at; 0 for any that is free.
    ///
    /// Example: `imgsearch serve --port 8080`
    #[arg(long, value_name = "PORT", default_value = "7878")]
    pub(crate) port: u16,

    /// Also answer to this name; may be given several times.
    ///
    /// A browser says which name it was told. Names other than this machine's own are refused, because a page from the
    /// network could otherwise pass itself off as this server. A reverse proxy passes its own name on.
    /// Example: `imgsearch serve --host-name photos.example.org`
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub(crate) host_name: Vec<String>,

    /// Ask everybody for the password in this file.
    ///
    /// Its first line is the password, or better its argon2id hash (`$argon2id$…`). Programs send the secret of the link
    /// in place of it, as `Authorization: Bearer SECRET`.
    /// Example: `imgsearch serve --listen 0.0.0.0 --password-file ~/.imgsearch-password`
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) password_file: Option<PathBuf>,

    /// Change nothing, and offer nothing that would.
    ///
    /// Example: `imgsearch serve --read-only`
    #[arg(long, hide_short_help = true)]
    pub(crate) read_only: bool,

    /// Tell nobody where photos were taken. Originals are then not given out, because cameras write the place into them.
    ///
    /// Example: `imgsearch serve --listen 0.0.0.0 --hide-places`
    #[arg(long, hide_short_help = true)]
    pub(crate) hide_places: bool,

    /// Certificate for TLS, in PEM, with the certificates above it.
    ///
    /// Example: `imgsearch serve --listen 0.0.0.0 --tls-cert cert.pem --tls-key key.pem`
    #[arg(long, value_name = "FILE", requires = "tls_key", hide_short_help = true)]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The key of the certificate, in PEM.
    ///
    /// Example: `imgsearch serve --listen 0.0.0.0 --tls-cert cert.pem --tls-key key.pem`
    #[arg(long, value_name = "FILE", requires = "tls_cert", hide_short_help = true)]
    pub(crate) tls_key: Option<PathBuf>,
}
