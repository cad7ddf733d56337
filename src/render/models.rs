//! What `models` prints.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use imgsearch::hub::{Installed, Known, RECALL_SOURCE};
use serde::Serialize;

use super::Output;
use super::json::escaped;
use crate::terminal::escape;

/// A model, installed or known or both. The names are the keys of `models list --json`.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Description {
    pub(crate) name: String,
    pub(crate) installed: bool,
    pub(crate) default: bool,
    pub(crate) repo: Option<String>,
    pub(crate) revision: Option<String>,
    pub(crate) embed_dim: Option<usize>,
    pub(crate) image_size: Option<u32>,
    pub(crate) download_mb: Option<u32>,
    pub(crate) languages: Option<&'static str>,
    pub(crate) license: Option<&'static str>,
    pub(crate) recall: BTreeMap<&'static str, f32>,
    pub(crate) suits: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) folder: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) commit: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<DescribedFile>,
}

/// A file of an installed model.
#[derive(Debug, Serialize)]
pub(super) struct DescribedFile {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) sha256: Option<String>,
}

impl Description {
    /// What is known of a model beforehand.
    pub(crate) fn of_known(known: &Known) -> Description {
        Description {
            name: known.name.to_owned(),
            repo: Some(known.repo.to_owned()),
            revision: Some(known.revision.to_owned()),
            embed_dim: Some(known.embed_dim as usize),
            image_size: Some(known.image_size),
            download_mb: known.megabytes,
            languages: Some(known.languages),
            license: known.license,
            recall: known.recall.iter().copied().collect(),
            suits: Some(known.suits),
            ..Description::default()
        }
    }

    /// Adds what an installed model says of itself.
    pub(crate) fn is_installed(&mut self, model: &Installed) {
        self.name.clone_from(&model.name);
        self.installed = true;
        if let Some(origin) = &model.origin {
            self.repo = Some(origin.repo.clone());
            self.revision = Some(origin.commit.clone());
        }
    }

    /// Adds where it lies and what of.
    pub(crate) fn lies_in(&mut self, model: &Installed) {
        let sha256 = |path: &Path| {
            let origin = model.origin.as_ref()?;
            let parts: Option<Vec<_>> = path.components().map(|part| part.as_os_str().to_str()).collect();
            origin.sha256.get(&parts?.join("/")).cloned()
        };
        let files = model.files().into_iter().filter_map(|(path, bytes)| {
            let path = path.strip_prefix(&model.folder).ok()?.to_owned();
            Some(DescribedFile { sha256: sha256(&path), path, bytes })
        });
        self.files = files.collect();
        self.commit = model.origin.as_ref().map(|origin| origin.commit.clone());
        self.folder = Some(model.folder.clone());
    }
}

impl Output {
    /// A line a model: `*` where it is installed, `>` where it is the one for new libraries.
    pub(crate) fn models(&mut self, models: &[Description]) -> io::Result<()> {
        writeln!(
            self.out,
            "  {:<15} {:>5} {:>9} {:>9}  {:<10} {:<12} suits",
            "name", "dim", "download", "recall", "languages", "licence"
        )?;
        for model in models {
            let mark = match (model.default, model.installed) {
                (true, _) => '>',
                (false, true) => '*',
                (false, false) => ' ',
            };
            let dim = model.embed_dim.map_or_else(String::new, |dim| dim.to_string());
            let download = model.download_mb.map_or_else(String::new, |megabytes| format!("{megabytes} MB"));
            let recall = model.recall.get("en").map_or_else(String::new, |recall| format!("{recall:.2} %"));
            let (languages, license) = (model.languages.unwrap_or(""), model.license.unwrap_or(""));
            let line = format!(
                "{mark} {:<15} {dim:>5} {download:>9} {recall:>9}  {languages:<10} {license:<12} {}",
                model.name,
                model.suits.unwrap_or("")
            );
            self.line(line.trim_end())?;
        }
        writeln!(self.out, "\n* installed  > used for new libraries")?;
        writeln!(self.out, "recall: English {RECALL_SOURCE}")
    }

    /// One JSON object a line.
    pub(crate) fn models_as_json(&mut self, models: &[Description]) -> io::Result<()> {
        models.iter().try_for_each(|model| writeln!(self.out, "{}", escaped(&serde_json::to_string(model)?)))
    }

    /// Everything about one model.
    pub(crate) fn model(&mut self, model: &Description) -> io::Result<()> {
        let Description { name, installed, default, repo, revision, embed_dim, image_size, .. } = model;
        let state = match (installed, default) {
            (true, true) => "installed, used for new libraries",
            (true, false) => "installed",
            (false, _) => "not installed",
        };
        self.line(&format!("name        {name}"))?;
        writeln!(self.out, "state       {state}")?;
        self.optional("from", repo.as_ref())?;
        self.optional("revision", revision.as_ref())?;
        self.optional("dimensions", embed_dim.as_ref())?;
        self.optional("picture", image_size.map(|side| format!("{side} × {side} pixels")).as_ref())?;
        self.optional("download", model.download_mb.map(|megabytes| format!("{megabytes} MB")).as_ref())?;
        self.optional("languages", model.languages.as_ref())?;
        self.optional("licence", model.license.as_ref())?;
        self.optional("suits", model.suits.as_ref())?;
        if !model.recall.is_empty() {
            let recall: Vec<_> =
                model.recall.iter().map(|(language, recall)| format!("{language} {recall:.2}")).collect();
            writeln!(self.out, "recall      {} ({RECALL_SOURCE})", recall.join(", "))?;
        }
        let Some(folder) = &model.folder else { return Ok(()) };
        write!(self.out, "folder      ")?;
        self.path(folder)?;
        for DescribedFile { path, bytes, sha256 } in &model.files {
            write!(self.out, "{bytes:>12}  {:<64}  ", escape(sha256.as_deref().unwrap_or("")))?;
            self.path(path)?;
        }
        Ok(())
    }

    /// What `models verify` found of one model.
    pub(crate) fn verified(&mut self, name: &str, result: &Result<(), anyhow::Error>) -> io::Result<()> {
        match result {
            Ok(()) => self.line(&format!("ok     {name}")),
            Err(error) => self.line(&format!("wrong  {name}: {error:#}")),
        }
    }

    fn optional(&mut self, label: &str, value: Option<&impl std::fmt::Display>) -> io::Result<()> {
        value.map_or(Ok(()), |value| self.line(&format!("{label:<11} {value}")))
    }
}
