//! The output of `models`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use imgsearch::hub::{Installed, Known, OFFLINE, RECALL_SOURCE, Speeds};
use serde::Serialize;

use super::Output;
use super::json::escaped;
use crate::terminal::escape;

/// A model that is installed, known, or both. The field names are the keys of `models list --json`.
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
    pub(crate) images_per_second: Option<f32>,
    pub(crate) query_ms: Option<f32>,
    pub(crate) relative_speed: Option<f32>,
    /// Size of its files, if it is installed.
    #[serde(skip)]
    installed_mb: Option<u64>,
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
    /// Describes a model from the table of known models.
    pub(crate) fn of_known(known: &Known, speeds: &Speeds) -> Description {
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
            relative_speed: speeds.estimated(known),
            ..Description::default()
        }
    }

    /// Adds what an installed model's files say.
    pub(crate) fn is_installed(&mut self, model: &Installed) {
        self.name.clone_from(&model.name);
        self.installed = true;
        self.installed_mb = Some(model.files().iter().map(|(_, bytes)| bytes).sum::<u64>() / 1_000_000);
        if let Some(origin) = &model.origin {
            self.repo = Some(origin.repo.clone());
            self.revision = Some(origin.commit.clone());
        } else if model.name == OFFLINE {
            self.languages = Some("English");
            self.license = Some("Apache-2.0");
            self.suits = Some("starting without a download; finds less than the others");
        }
    }

    /// Adds its speed, if the model of this space was measured.
    pub(crate) fn was_measured(&mut self, speeds: &Speeds, space: &str) {
        if let Some((images_per_second, query_ms)) = speeds.measured(&self.name, space) {
            self.images_per_second = Some(images_per_second);
            self.query_ms = Some(query_ms);
            self.relative_speed = speeds.relative(&self.name);
        }
    }

    /// Its speed as a multiple of the offline model's, with a `~` if it is an estimate.
    fn relative_speed(&self) -> String {
        let mark = if self.images_per_second.is_some() { "" } else { "~" };
        self.relative_speed.map_or_else(String::new, |speed| match speed {
            ..0.1 => format!("{mark}{speed:.3} ×"),
            0.1..1.0 => format!("{mark}{speed:.2} ×"),
            _ => format!("{mark}{speed:.1} ×"),
        })
    }

    /// Adds the folder and its files.
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
    /// One line per model: `*` marks installed models, `>` the default for new libraries.
    pub(crate) fn models(&mut self, models: &[Description]) -> io::Result<()> {
        writeln!(
            self.out,
            "  {:<15} {:>5} {:>8} {:>8} {:>8}  {:<10} {:<12} suits",
            "name", "dim", "size", "speed", "recall", "languages", "licence"
        )?;
        for model in models {
            let mark = match (model.default, model.installed) {
                (true, _) => '>',
                (false, true) => '*',
                (false, false) => ' ',
            };
            let dim = model.embed_dim.map_or_else(String::new, |dim| dim.to_string());
            let size = model.installed_mb.or(model.download_mb.map(Into::into));
            let size = size.map_or_else(String::new, |megabytes| format!("{megabytes} MB"));
            let speed = model.relative_speed();
            let recall = model.recall.get("en").map_or_else(String::new, |recall| format!("{recall:.2} %"));
            let (languages, license) = (model.languages.unwrap_or(""), model.license.unwrap_or(""));
            let line = format!(
                "{mark} {:<15} {dim:>5} {size:>8} {speed:>8} {recall:>8}  {languages:<10} {license:<12} {}",
                model.name,
                model.suits.unwrap_or("")
            );
            self.line(line.trim_end())?;
        }
        writeln!(self.out, "\n* installed  > default for new libraries")?;
        writeln!(self.out, "size: of the download")?;
        writeln!(
            self.out,
            "speed: compared with the offline model; ~ marks an estimate from the size of the computation, `imgsearch \
             models bench` measures the installed models on this computer"
        )?;
        writeln!(self.out, "recall: English {RECALL_SOURCE}; the offline model is not in it")
    }

    /// Prints what `models bench` measured.
    pub(crate) fn speeds(&mut self, models: &[Description]) -> io::Result<()> {
        writeln!(self.out, "{:<15} {:>12} {:>10} {:>10}", "name", "pictures/s", "speed", "query")?;
        for model in models {
            let Some((images_per_second, query_ms)) = model.images_per_second.zip(model.query_ms) else {
                continue;
            };
            let speed = model.relative_speed();
            self.line(&format!(
                "{:<15} {images_per_second:>12.1} {speed:>10} {query_ms:>7.1} ms",
                model.name
            ))?;
        }
        writeln!(self.out, "\nspeed: compared with the offline model")
    }

    /// One JSON object per line.
    pub(crate) fn models_as_json(&mut self, models: &[Description]) -> io::Result<()> {
        models.iter().try_for_each(|model| writeln!(self.out, "{}", escaped(&serde_json::to_string(model)?)))
    }

    /// Everything about one model.
    pub(crate) fn model(&mut self, model: &Description) -> io::Result<()> {
        let Description { name, installed, default, repo, revision, embed_dim, image_size, .. } = model;
        let state = match (installed, default) {
            (true, true) => "installed, default for new libraries",
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
        self.optional("speed", Some(model.relative_speed()).filter(|speed| !speed.is_empty()).as_ref())?;
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

    /// Prints the result of `models verify` for one model.
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
