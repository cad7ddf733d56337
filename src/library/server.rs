//! Libraries in databases on servers: what a [`Library`](super::Library) needs of one, and which URL means which.
//!
//! Everything above works with a [`View`] and a [`Sink`](super::Sink) and does not know what is behind them. A new kind
//! of database is a module with a type that implements [`Server`], and one line in [`connect`].

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use imgsearch_index::Space;

use super::{Building, Opened, StoreError, Url, View};

/// Secrets that belong to no URL. They come from the environment or from files that the user names there.
#[derive(Clone, Default)]
pub struct Secrets {
    /// The password for PostgreSQL (`PGPASSWORD`).
    pub postgres_password: Option<String>,
    /// The file with passwords for PostgreSQL (`PGPASSFILE`, or else `.pgpass` in the home folder).
    pub postgres_password_file: Option<PathBuf>,
    /// `user:password` or an API key for Milvus (`MILVUS_TOKEN`).
    pub milvus_token: Option<String>,
}

/// One library in a database. Threads may share it, and any number of processes may change it at the same time.
pub(super) trait Server: Debug + Send + Sync {
    /// The library's URL.
    fn url(&self) -> &Url;

    /// Opens the index in use.
    ///
    /// # Errors
    /// [`StoreError::is_missing`] if nothing is indexed yet; [`StoreError::Database`].
    fn view(&self) -> Result<Arc<dyn View>, StoreError>;

    /// The indexes of other models that are being built beside the one in use.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    fn building(&self) -> Result<Vec<Building>, StoreError>;

    /// As [`LockedLibrary::open`](super::LockedLibrary::open).
    ///
    /// # Errors
    /// [`StoreError::Database`].
    fn open(&self, space: &Space) -> Result<Opened, StoreError>;

    /// As [`LockedLibrary::put_into_use`](super::LockedLibrary::put_into_use).
    ///
    /// # Errors
    /// [`StoreError::Database`].
    fn put_into_use(&self, space: &Space) -> Result<(), StoreError>;

    /// As [`LockedLibrary::optimize`](super::LockedLibrary::optimize).
    ///
    /// # Errors
    /// [`StoreError::Database`].
    fn optimize(
        &self,
        cancelled: &(dyn Fn() -> bool + Sync),
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<bool, StoreError>;

    /// The collection with this name, which need not exist yet.
    fn collection(&self, name: &str) -> Arc<dyn Server>;

    /// The names of the collections that exist.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    fn collections(&self) -> Result<Vec<String>, StoreError>;
}

/// The library with this URL. Whether it exists turns out when it is used.
pub(super) fn connect(url: &Url, secrets: &Secrets) -> Result<Arc<dyn Server>, StoreError> {
    // A build without any such store uses none.
    _ = secrets;
    let refuse = |reason: String| StoreError::Url { url: url.to_string(), reason };
    Err(match url.scheme() {
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => return super::postgres::connect(url, secrets),
        #[cfg(not(feature = "postgres"))]
        "postgres" | "postgresql" => refuse(left_out("postgres")),
        #[cfg(feature = "milvus")]
        "milvus" | "milvus+tls" => return super::milvus::connect(url, secrets),
        #[cfg(not(feature = "milvus"))]
        "milvus" | "milvus+tls" => refuse(left_out("milvus")),
        other => refuse(format!(
            "`{other}://` is not known; give a folder, or a URL that begins with `postgres://` or `milvus://`"
        )),
    })
}

/// Why a URL is refused by a build without this cargo feature.
#[cfg(not(all(feature = "milvus", feature = "postgres")))]
fn left_out(feature: &str) -> String {
    format!("this imgsearch was built without the feature `{feature}`")
}
