//! A store behind named roots: those above it see paths of this machine, and it keeps paths with the roots' names.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use imgsearch_index::{Fingerprint, Space};

use super::store::{
    Ask, Hit, Load, Sink, Standing, Stats, StoreError, Stored, View, Visit, VisitItem, Write,
};
use super::{Note, Opened};
use crate::item::{Folder, Item};
use crate::query::{Filter, TextCondition};
use crate::roots::Roots;

struct RootedView {
    inner: Arc<dyn View>,
    roots: Roots,
}

/// The view with paths of this machine.
pub(super) fn view(inner: Arc<dyn View>, roots: &Roots) -> Arc<dyn View> {
    if roots.is_empty() { inner } else { Arc::new(RootedView { inner, roots: roots.clone() }) }
}

/// The sink, and the view that it replaces, with paths of this machine.
pub(super) fn opened(opened: Opened, roots: &Roots) -> Opened {
    if roots.is_empty() {
        return opened;
    }
    let Opened { sink, replaces } = opened;
    let sink = Box::new(RootedSink { inner: sink, roots: roots.clone() });
    Opened { sink, replaces: replaces.map(|replaced| view(replaced, roots)) }
}

fn stored_item(roots: &Roots, item: &Item) -> Item {
    Item { path: roots.stored(&item.path), part: item.part }
}

fn local(roots: &Roots, stored: Stored) -> Stored {
    let Item { path, part } = stored.item;
    Stored { item: Item { path: roots.local(&path), part }, ..stored }
}

/// The filter for stored paths.
fn stored_filter(roots: &Roots, filter: &Filter) -> Filter {
    let folders = filter.folders.iter().flat_map(|folder| roots.stored_folders_in_nfc(folder.path()));
    let folders = folders.map(|folder| Folder::from(&folder)).collect();
    let names = filter.names.as_ref().map(|names| names.clone().on(roots));
    Filter { folders, names, ..filter.clone() }
}

impl View for RootedView {
    fn space(&self) -> &Space {
        self.inner.space()
    }

    fn note(&self) -> Note {
        self.inner.note()
    }

    fn stats(&self) -> Stats {
        self.inner.stats()
    }

    fn newer(&self) -> Result<Option<Arc<dyn View>>, StoreError> {
        Ok(self.inner.newer()?.map(|newer| view(newer, &self.roots)))
    }

    fn search(&self, ask: &Ask<'_>) -> Result<Vec<Hit>, StoreError> {
        let filter = stored_filter(&self.roots, ask.filter);
        let without: Vec<Item> =
            ask.without_items.iter().map(|item| stored_item(&self.roots, item)).collect();
        let hits = self.inner.search(&Ask { filter: &filter, without_items: &without, ..*ask })?;
        Ok(hits.into_iter().map(|hit| Hit { stored: local(&self.roots, hit.stored), ..hit }).collect())
    }

    fn standing(&self, ask: &Ask<'_>, words: &[TextCondition]) -> Result<Option<Standing>, StoreError> {
        let filter = stored_filter(&self.roots, ask.filter);
        let without: Vec<Item> =
            ask.without_items.iter().map(|item| stored_item(&self.roots, item)).collect();
        let ask = Ask { filter: &filter, without_items: &without, ..*ask };
        let Some(standing) = self.inner.standing(&ask, words)? else { return Ok(None) };
        let hits = standing.hits.into_iter();
        let hits = hits.map(|(hit, marks)| (Hit { stored: local(&self.roots, hit.stored), ..hit }, marks));
        Ok(Some(Standing { hits: hits.collect(), ..standing }))
    }

    fn count(&self, filter: &Filter) -> Result<usize, StoreError> {
        self.inner.count(&stored_filter(&self.roots, filter))
    }

    fn get(&self, item: &Item) -> Result<Option<Stored>, StoreError> {
        let found = self.inner.get(&stored_item(&self.roots, item))?;
        Ok(found.map(|stored| local(&self.roots, stored)))
    }

    fn of_content(&self, content: &Fingerprint, most: usize) -> Result<Vec<Stored>, StoreError> {
        let found = self.inner.of_content(content, most)?;
        Ok(found.into_iter().map(|stored| local(&self.roots, stored)).collect())
    }

    fn each(&self, filter: &Filter, load: Load, visit: Visit<'_>) -> Result<(), StoreError> {
        let filter = stored_filter(&self.roots, filter);
        self.inner.each(&filter, load, &mut |stored| visit(local(&self.roots, stored)))
    }

    fn each_item(&self, visit: VisitItem<'_>) -> Result<(), StoreError> {
        self.inner.each_item(&mut |stored, is_photo| visit(local(&self.roots, stored), is_photo))
    }
}

struct RootedSink {
    inner: Box<dyn Sink>,
    roots: Roots,
}

impl RootedSink {
    fn stored_write(&self, write: Write) -> Write {
        match write {
            Write::Put { item, content, photo, vector } => {
                Write::Put { item: stored_item(&self.roots, &item), content, photo, vector }
            }
            Write::Remove { path } => Write::Remove { path: self.roots.stored(&path) },
        }
    }

    fn stored_items(&self, items: &[Item]) -> Vec<Item> {
        items.iter().map(|item| stored_item(&self.roots, item)).collect()
    }
}

impl Sink for RootedSink {
    fn get(&self, item: &Item) -> Result<Option<Stored>, StoreError> {
        let found = self.inner.get(&stored_item(&self.roots, item))?;
        Ok(found.map(|stored| local(&self.roots, stored)))
    }

    fn of_content(&self, content: &Fingerprint, visit: Visit<'_>) -> Result<(), StoreError> {
        self.inner.of_content(content, &mut |stored| visit(local(&self.roots, stored)))
    }

    fn each_under(&self, folder: &Path, visit: Visit<'_>) -> Result<(), StoreError> {
        let mut goes_on = ControlFlow::Continue(());
        for folder in self.roots.stored_folders(folder) {
            if goes_on.is_continue() {
                self.inner.each_under(&folder, &mut |stored| {
                    goes_on = visit(local(&self.roots, stored));
                    goes_on
                })?;
            }
        }
        Ok(())
    }

    fn check(&self, write: &Write) -> Result<(), StoreError> {
        self.inner.check(&self.stored_write(write.clone()))
    }

    fn apply(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        self.inner.apply(writes.into_iter().map(|write| self.stored_write(write)).collect())
    }

    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }

    fn claim(&self, files: &[Item]) -> Result<Vec<bool>, StoreError> {
        self.inner.claim(&self.stored_items(files))
    }

    fn renew_claims(&self) -> Result<(), StoreError> {
        self.inner.renew_claims()
    }

    fn release(&self, files: &[Item]) -> Result<(), StoreError> {
        self.inner.release(&self.stored_items(files))
    }

    fn note(&self) -> Result<Note, StoreError> {
        self.inner.note()
    }

    fn set_note(&self, note: &Note) -> Result<(), StoreError> {
        self.inner.set_note(note)
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        self.inner.close()
    }
}
