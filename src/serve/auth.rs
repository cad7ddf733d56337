//! Login: one layer around all routes.
//!
//! The secret is 128 random bits, stored in the library's folder, which only its owner can read. The printed link has
//! it in the fragment, which browsers do not send and servers do not log. The login page posts it once and gets a
//! cookie with a value derived from the secret. Other programs send the secret as a bearer token. A password also gets
//! the cookie.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use axum::extract::{Form, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use imgsearch::Library;
use imgsearch::files::{Readers, create, read_bounded};
use serde::Deserialize;

use super::problem::Problem;
use super::{App, Peer};

/// The file in the library's folder that stores the secret.
const FILE: &str = "serve-token";

/// The name of the cookie.
const COOKIE: &str = "imgsearch";

/// The shortest time between two login attempts from one address.
const ATTEMPT_EVERY: Duration = Duration::from_secs(1);

/// The maximum number of addresses to remember. If there are more, logging in fails for a moment.
const MOST_ADDRESSES: usize = 10_000;

/// The secret and the password.
pub(crate) struct Login {
    /// 32 hexadecimal digits.
    pub(crate) secret: String,
    cookie: String,
    /// An argon2id hash.
    password: Option<String>,
    is_secure: bool,
    attempts: Mutex<HashMap<IpAddr, Instant>>,
}

impl Login {
    /// The login of a library. `is_secure` restricts the cookie to TLS.
    pub(crate) fn of(library: &Library, password: Option<String>, is_secure: bool) -> Result<Login> {
        let secret = secret(library)?;
        let cookie = blake3::derive_key("imgsearch 2026-11-29 cookie of serve", secret.as_bytes());
        let cookie = blake3::Hash::from_bytes(cookie).to_hex().to_string();
        Ok(Login { secret, cookie, password, is_secure, attempts: Mutex::default() })
    }

    /// Whether a request has the cookie or the secret.
    fn knows(&self, headers: &HeaderMap) -> bool {
        let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = bearer.and_then(|value| value.split_once(' '));
        if let Some((scheme, token)) = bearer
            && scheme.eq_ignore_ascii_case("bearer")
        {
            return is_same(token.trim(), &self.secret);
        }
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs =
            cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.any(|(name, value)| name == COOKIE && is_same(value, &self.cookie))
    }

    /// Whether this address may try to log in now. Counts as an attempt.
    fn may_try(&self, address: IpAddr) -> bool {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.retain(|_, last| last.elapsed() < ATTEMPT_EVERY);
        let is_free = !attempts.contains_key(&address) && attempts.len() < MOST_ADDRESSES;
        if is_free {
            attempts.insert(address, Instant::now());
        }
        is_free
    }

    /// Whether this is the secret or the password. This is slow by design of argon2.
    fn accepts(&self, given: &str) -> bool {
        let is_password = || {
            let hash = self.password.as_deref().and_then(|hash| PasswordHash::new(hash).ok());
            hash.is_some_and(|hash| Argon2::default().verify_password(given.as_bytes(), &hash).is_ok())
        };
        is_same(given, &self.secret) || is_password()
    }

    fn set_cookie(&self, value: &str, age: &str) -> HeaderValue {
        let secure = if self.is_secure { "; Secure" } else { "" };
        let cookie = format!("{COOKIE}={value}; HttpOnly; SameSite=Strict; Path=/{age}{secure}");
        HeaderValue::try_from(cookie).unwrap_or(HeaderValue::from_static(""))
    }
}

/// Compares in constant time.
fn is_same(given: &str, expected: &str) -> bool {
    // The comparison of `blake3::Hash` takes constant time.
    blake3::hash(given.as_bytes()) == blake3::hash(expected.as_bytes())
}

/// The secret of a library. Creates it if it does not exist.
fn secret(library: &Library) -> Result<String> {
    library.create()?;
    let file = library.folder().join(FILE);
    let cannot = || format!("cannot read the secret in {}", file.display());
    match read_bounded(&file, 256) {
        Ok(bytes) => {
            let secret = String::from_utf8_lossy(&bytes).trim().to_owned();
            if secret.len() < 32 || !secret.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                bail!(
                    "{} does not contain a secret: delete it, and start again to create a new one",
                    file.display()
                );
            }
            Ok(secret)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes).ok().context("the operating system gives no random numbers")?;
            let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            create(&file, secret.as_bytes(), Readers::Owner)
                .with_context(|| format!("cannot write the secret to {}", file.display()))?;
            Ok(secret)
        }
        Err(error) => Err(error).with_context(cannot),
    }
}

/// The argon2id hash for a password file, which contains a hash or a password.
pub(crate) fn password_hash(text: &str) -> Result<String> {
    let line = text.lines().next().unwrap_or_default().trim_end_matches('\r');
    if line.is_empty() {
        bail!("its first line is empty, but must be the password");
    }
    if line.starts_with("$argon2") {
        let hash = PasswordHash::new(line).ok().filter(|hash| {
            hash.algorithm.as_str() == "argon2id" && hash.salt.is_some() && hash.hash.is_some()
        });
        return hash.map(|_| line.to_owned()).context("its first line is not an argon2id hash");
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok().context("the operating system gives no random numbers")?;
    let salt = SaltString::encode_b64(&bytes).ok().context("the salt has the wrong length")?;
    let hash = Argon2::default().hash_password(line.as_bytes(), &salt).ok().context("it cannot be hashed")?;
    Ok(hash.to_string())
}

/// Rejects requests without login, except for the login page and its files.
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let Some(login) = &app.login else { return next.run(request).await };
    let is_open = super::pages::is_open_to_all(request.uri().path());
    if is_open || login.knows(request.headers()) {
        return next.run(request).await;
    }
    let accepts = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let is_browser = accepts.is_some_and(|accept| accept.contains("text/html"));
    if is_browser && request.method() == Method::GET && !request.uri().path().starts_with("/api/") {
        return Redirect::to("/login").into_response();
    }
    let problem = Problem::new(StatusCode::UNAUTHORIZED);
    let problem = problem.detail("log in, or send the server's secret as `Authorization: Bearer SECRET`");
    ([(header::WWW_AUTHENTICATE, "Bearer")], problem).into_response()
}

/// The form of the login page.
#[derive(Deserialize)]
pub(crate) struct Attempt {
    secret: String,
}

/// `POST /login`: sets the cookie if the form has the secret or the password.
pub(crate) async fn log_in(
    State(app): State<App>,
    Peer(address): Peer,
    Form(Attempt { secret }): Form<Attempt>,
) -> Response {
    let Some(login) = app.login.clone() else { return Redirect::to("/").into_response() };
    if !login.may_try(address) {
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS).detail("wait a second between attempts");
        return ([(header::RETRY_AFTER, "1")], problem).into_response();
    }
    let checked = app.blocking(move || Ok(login.accepts(&secret))).await;
    match (checked, &app.login) {
        (Ok(true), Some(login)) => {
            let cookie = login.set_cookie(&login.cookie, "; Max-Age=31536000");
            ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()
        }
        (Err(problem), _) => problem.into_response(),
        _ => Problem::new(StatusCode::UNAUTHORIZED).detail("this is not the password").into_response(),
    }
}

/// `POST /logout`: deletes the cookie.
pub(crate) async fn log_out(State(app): State<App>) -> Response {
    let Some(login) = &app.login else { return Redirect::to("/").into_response() };
    ([(header::SET_COOKIE, login.set_cookie("", "; Max-Age=0"))], Redirect::to("/login")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(library: &Library) -> Login {
        Login::of(library, Some(password_hash("open sesame\n").unwrap()), false).unwrap()
    }

    #[test]
    fn the_secret_stays_the_same_and_only_the_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let library = Library::new(folder.path().join("library"));
        let secret = login(&library).secret;
        assert_eq!(secret.len(), 32);
        assert_eq!(login(&library).secret, secret);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = library.folder().join(FILE).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        std::fs::write(library.folder().join(FILE), "short").unwrap();
        assert!(Login::of(&library, None, false).is_err());
    }

    #[test]
    fn the_secret_and_the_password_are_accepted_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let login = login(&Library::new(folder.path()));
        assert!(login.accepts(&login.secret) && login.accepts("open sesame"));
        for wrong in ["", "open sesam", "open sesame ", &login.cookie, &login.secret[1..]] {
            assert!(!login.accepts(wrong), "{wrong}");
        }
    }

    #[test]
    fn requests_log_in_by_cookie_or_bearer_token() {
        let folder = tempfile::tempdir().unwrap();
        let login = login(&Library::new(folder.path()));
        let knows = |name: header::HeaderName, value: &str| {
            let value = HeaderValue::from_str(value).unwrap();
            login.knows(&HeaderMap::from_iter([(name, value)]))
        };
        assert!(knows(header::AUTHORIZATION, &format!("Bearer {}", login.secret)));
        assert!(knows(header::AUTHORIZATION, &format!("bearer {}", login.secret)));
        assert!(knows(header::COOKIE, &format!("a=b; {COOKIE}={}", login.cookie)));
        assert!(!knows(header::AUTHORIZATION, "Bearer open sesame"));
        assert!(!knows(header::AUTHORIZATION, &format!("Basic {}", login.secret)));
        assert!(!knows(header::COOKIE, &format!("{COOKIE}={}", login.secret)));
        assert!(!knows(header::COOKIE, &format!("other={}", login.cookie)));
        assert!(!login.knows(&HeaderMap::new()));
    }

    #[test]
    fn each_address_must_wait_between_attempts() {
        let folder = tempfile::tempdir().unwrap();
        let login = login(&Library::new(folder.path()));
        let [one, other] = ["10.0.0.1", "10.0.0.2"].map(|address| address.parse().unwrap());
        assert!(login.may_try(one) && !login.may_try(one) && login.may_try(other));
    }

    #[test]
    fn a_password_file_has_a_password_or_its_hash() {
        let hash = password_hash("a b\nsecond line").unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert_eq!(password_hash(&hash).unwrap(), hash);
        for wrong in ["", "\nx", "$argon2id$nonsense", &hash.replace("argon2id", "argon2i")] {
            assert!(password_hash(wrong).is_err(), "{wrong}");
        }
    }
}
