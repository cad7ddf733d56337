// The photo page. The form and the address hold the search, the grid shows the results.

import { $, debounce, element } from './dom.js';
import { Form } from './form.js';
import { Grid } from './grid.js';
import { Places } from './map.js';
import { Found, get, Timeline } from './photos.js';
import { Scrubber } from './scrubber.js';
import { View } from './view.js';

const results = $('#results');
const status = $('#status');
const empty = $('#empty');
/** Cancels the last search; a new search cancels an older one. */
let asked;
let running;
/** Pictures to search by. The browser's history stores their index. */
const pictures = [];
/** Whether the photo view is closing because of a new search. */
let leaving = false;

history.scrollRestoration = 'manual';

const form = new Form($('#search'), {
  changed: () => go(form.parameters()),
  typed: debounce(120, () => go(form.parameters(), { typing: true })),
});

const remember = debounce(150, () => history.replaceState({ ...history.state, anchor: grid.anchor() }, '', location.href));

const grid = new Grid($('#photos'), {
  open: (index) => open(index, true),
  refine: (index, sign) => refine(grid.photos.id(index), sign),
  alike: (index) => alike(grid.photos.id(index)),
  failed: problem,
  scrolled: () => {
    scrubber.update();
    remember();
  },
});
const scrubber = new Scrubber($('#scrubber'), grid);

const view = new View(grid, {
  refine,
  alike,
  moved: (index) => {
    history.replaceState(history.state, '', `#p=${grid.photos.id(index)}`);
    grid.photos.need(index, index + 40).then((more) => more && grid.layout(), problem);
  },
  // Back closes the photo view, and closing it goes back.
  closing: () => {
    if (leaving || !location.hash) return;
    if (history.state?.view) history.back();
    else history.replaceState(history.state, '', location.pathname + location.search);
  },
  closed: (index) => grid.focus(index),
});

function open(index, added) {
  if (added) history.pushState({ ...history.state, view: true }, '', `#p=${grid.photos.id(index)}`);
  view.open(grid.photos, index);
}

/** Searches with these parameters, and adds the search to the browser's history. */
function go(parameters, { typing } = {}) {
  const address = parameters.size ? `/?${parameters}` : '/';
  const picture = pictures.indexOf(form.picture);
  const isNew = address !== location.pathname + location.search || picture !== (history.state?.picture ?? -1);
  // Typing adds one entry to the history, not one for each letter.
  const how = typing && history.state?.typing ? 'replaceState' : 'pushState';
  if (isNew || !typing) history[isNew ? how : 'replaceState']({ typing, picture }, '', address);
  search(parameters);
}

async function search(parameters, anchor) {
  const question = `${parameters}`;
  asked?.abort();
  asked = new AbortController();
  const { signal } = asked;
  form.describe();
  document.title = [parameters.get('q'), 'imgsearch'].filter(Boolean).join(' · ');
  // The timeline has only conditions.
  const finds = form.picture || ['q', 'like', 'minus', 'sort', 'collapse'].some((name) => parameters.has(name));
  const photos = finds ? new Found(parameters, form.picture) : new Timeline(parameters);
  results.ariaBusy = true;
  try {
    do await photos.more(signal);
    while (anchor && photos.cursor && photos.length <= anchor.index);
  } catch (error) {
    if (error.name !== 'AbortError') problem(error);
    return;
  } finally {
    if (asked.signal === signal) results.ariaBusy = null;
  }
  running = question;
  grid.show(photos, anchor);
  scrubber.show();
  status.textContent = photos.length ? photos.summary() : 'No photo matches.';
  // If there are no photos, a larger text below says so.
  status.className = photos.length ? '' : 'unseen';
  nothing(parameters, photos.length);
  $('#notice').textContent = photos.notice;
}

function problem(error) {
  running = null;
  status.textContent = error.message;
  status.className = 'problem';
}

/** Shows the text for an empty page that fits, or none. */
function nothing(parameters, found) {
  const filtered = [...parameters.keys()].some((name) => name !== 'q');
  empty.hidden = found > 0;
  $('#no-photos').hidden = parameters.size > 0;
  $('#no-match').hidden = !filtered;
  $('#no-words').hidden = parameters.size === 0 || filtered;
}

function refine(id, sign) {
  form.add(sign === '+' ? 'like' : 'minus', id);
  leave();
}

function alike(id) {
  form.clear();
  $('#q').value = '';
  form.add('like', id);
  leave();
}

/** Searches, also from the photo view, which closes. Back opens it again. */
function leave() {
  leaving = true;
  view.close();
  leaving = false;
  go(form.parameters());
}

async function restore() {
  const parameters = new URLSearchParams(location.search);
  const id = new URLSearchParams(location.hash.slice(1)).get('p');
  const { anchor, picture } = history.state ?? {};
  if (!id) view.close();
  if (`${parameters}` !== running || form.picture !== pictures[picture]) {
    form.fill(parameters);
    form.picture = pictures[picture];
    await search(parameters, anchor);
  }
  if (!id || view.isOpen || !grid.photos) return;
  let index = grid.photos.length;
  while (index-- && grid.photos.id(index) !== id);
  if (index < 0) location.replace(`/photo/${id}`);
  else open(index);
}

addEventListener('popstate', restore);
addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || view.isOpen) return;
  const typing = event.target.matches('input, select, textarea');
  if (event.key === '/' && !typing) $('#q').select();
  else if (event.key === '?' && !typing) $('#help').showModal();
  else if (event.key === 'ArrowDown' && event.target.id === 'q') grid.focus(grid.current);
  else return;
  event.preventDefault();
});

// A picture to search by can be chosen, pasted, or dropped anywhere.
function use(files) {
  const picture = [...files].find(({ type }) => type.startsWith('image/'));
  if (!picture) return;
  pictures.push(picture);
  form.picture = picture;
  go(form.parameters());
}
$('#file').addEventListener('change', ({ target }) => {
  use(target.files);
  target.value = '';
});
addEventListener('paste', ({ clipboardData }) => use(clipboardData.files));
addEventListener('dragover', (event) => event.preventDefault());
addEventListener('drop', (event) => {
  event.preventDefault();
  use(event.dataTransfer.files);
});

$('#help-button').addEventListener('click', () => $('#help').showModal());
$('#clear-filters').addEventListener('click', (event) => {
  event.preventDefault();
  form.clear();
  go(form.parameters());
});

// The map is created when it is first opened.
const place = $('#place');
place?.addEventListener('toggle', async () => {
  if (!place.open || place.dataset.made) return;
  place.dataset.made = 'yes';
  const places = new Places($('#map'), (latitude, longitude, kilometres) => {
    $('input', place).value = `${latitude.toFixed(4)},${longitude.toFixed(4)},${kilometres}`;
    form.close();
    go(form.parameters());
  });
  await get('places').then((answer) => places.show(answer.places)).catch(problem);
});

// The names of cameras are loaded when they are first needed.
$('#camera').addEventListener('toggle', async () => {
  const { cameras } = await get('cameras').catch(() => ({ cameras: [] }));
  $('#cameras').replaceChildren(...cameras.map(({ name }) => element('option', { value: name })));
}, { once: true });

// The server sends the library's version at once and after each change. The open photo view is not updated.
let version;
new EventSource('/api/v1/events').addEventListener('changed', ({ data }) => {
  const last = version;
  version = data;
  if (last && last !== version && grid.photos && !view.isOpen && !form.picture) search(new URLSearchParams(location.search), grid.anchor());
});

for (const node of document.querySelectorAll('[data-script]')) node.hidden = !node.hidden;
$('#listed')?.remove();
restore();
