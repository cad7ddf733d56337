// The photo view: one large photo with its details. PhotoSwipe handles swipes, pinches, keys and zoom.

import PhotoSwipe from './vendor/photoswipe.esm.min.js';
import { $, element } from './dom.js';
import { nameOf, when } from './photos.js';

/** The longer side of a preview, in pixels. */
const PREVIEW = 1600;

export class View {
  /** Callbacks: `refine(id, sign)`, `alike(id)`, `moved(index)`, `closing()`, `closed(index)`. */
  constructor(grid, calls) {
    this.grid = grid;
    this.calls = calls;
  }

  get isOpen() {
    return Boolean(this.swipe);
  }

  open(photos, index) {
    const tile = (index) => $('img', this.grid.nodes.get(index)) ?? undefined;
    const swipe = new PhotoSwipe({
      index,
      loop: false,
      bgOpacity: 1,
      returnFocus: false,
      wheelToZoom: true,
      paddingFn: ({ x }) => ({ top: 60, bottom: 0, left: 0, right: this.facts?.hidden || x < 900 ? 0 : 340 }),
    });
    swipe.addFilter('numItems', () => photos.length);
    swipe.addFilter('itemData', (_, index) => {
      const aspect = photos.aspects[index];
      const url = `/api/v1/photos/${photos.id(index)}/`;
      return {
        src: `${url}preview`,
        msrc: `${url}thumbnail`,
        alt: photos.label(index),
        width: PREVIEW * Math.min(1, aspect),
        height: PREVIEW / Math.max(1, aspect),
      };
    });
    swipe.addFilter('thumbEl', (_, item, index) => tile(index));
    swipe.on('uiRegister', () => this.#register(swipe));
    swipe.on('change', () => {
      this.#show(photos, swipe.currIndex);
      this.calls.moved(swipe.currIndex);
    });
    swipe.on('keydown', ({ originalEvent: event }) => this.#key(event));
    swipe.on('close', () => this.calls.closing());
    swipe.on('destroy', () => {
      this.swipe = null;
      this.#behind(false);
      if (photos === this.grid.photos) this.calls.closed(swipe.currIndex);
    });
    this.swipe = swipe;
    swipe.init();
    Object.assign(swipe.element, { ariaLabel: 'Photo', ariaModal: true });
    this.#behind(true);
  }

  /** Makes the page behind the photo inert while the photo is open. */
  #behind(inert) {
    for (const node of document.querySelectorAll('header, main, .skip')) node.inert = inert;
  }

  close() {
    const { swipe } = this;
    if (!swipe) return;
    // PhotoSwipe cannot close while it is still opening.
    if (swipe.opener.isOpen) swipe.close();
    else swipe.on('openingAnimationEnd', () => swipe.close());
  }

  #register(swipe) {
    swipe.ui.registerElement({
      name: 'about',
      title: 'Facts (I)',
      order: 9,
      isButton: true,
      onInit: (button) => {
        button.textContent = 'i';
        this.about = button;
      },
      onClick: () => this.#toggle(),
    });
    swipe.ui.registerElement({
      name: 'facts',
      tagName: 'aside',
      appendTo: 'root',
      order: 99,
      onInit: (aside) => {
        this.facts = aside;
        aside.ariaLabel = 'Facts';
        // Text here can be selected and scrolled without moving the picture.
        for (const kind of ['pointerdown', 'wheel', 'click']) aside.addEventListener(kind, (e) => e.stopPropagation());
        this.#toggle(innerWidth < 900);
      },
    });
  }

  #toggle(hidden = !this.facts.hidden) {
    this.facts.hidden = hidden;
    this.about.ariaExpanded = !hidden;
    this.swipe.updateSize(true);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { id } = this;
    if (event.key === 'i') this.#toggle();
    else if ('dt'.includes(event.key)) $(`a[title=${event.key} i]`, this.facts)?.click();
    else if (event.key === 'l') this.calls.alike(id);
    else if (event.key === '+' || event.key === '-') this.calls.refine(id, event.key);
    else return;
    event.preventDefault();
  }

  async #show(photos, index) {
    const id = photos.id(index);
    this.id = id;
    const photo = await photos.facts(index).catch(() => null);
    if (this.id !== id || !this.swipe) return;
    const act = (text, title, action) => element('button', { type: 'button', title, textContent: text, onclick: action });
    this.facts.replaceChildren(
      element('h2', { textContent: photo ? nameOf(photo) : 'Nothing is known of this photo' }),
      element(
        'p',
        { className: 'acts' },
        act('More like this', 'L', () => this.calls.alike(id)),
        act('+ add to the search', '+', () => this.calls.refine(id, '+')),
        act('− less like this', '-', () => this.calls.refine(id, '-')),
        element('a', { href: `/api/v1/photos/${id}/original`, download: '', title: 'D', textContent: 'Download' }),
        element('a', { href: `/photo/${id}?text`, title: 'T', textContent: 'Text' }),
      ),
      list(photo ?? {}),
    );
  }
}

/** The details of a photo, as a list of definitions. */
function list(photo) {
  const { latitude, longitude } = photo;
  const place = latitude != null && `${latitude.toFixed(4)}, ${longitude.toFixed(4)}`;
  const near = place && element('a', { href: `/?near=${latitude},${longitude},1`, textContent: photo.place ?? place });
  const rows = {
    Taken: photo.taken && when(photo.taken) + (photo.taken_from === 'file' ? ' (date of the file)' : ''),
    Place: near,
    Camera: photo.camera,
    Lens: photo.lens,
    Pixels: photo.width && `${photo.width} × ${photo.height}`,
    Size: photo.size && `${(photo.size / 1e6).toFixed(1)} MB`,
    Description: photo.description,
    Keywords: photo.keywords?.join(', '),
    File: photo.path,
    Note: photo.note,
    Why: photo.why?.join('; '),
  };
  const facts = element('dl', {});
  for (const [name, value] of Object.entries(rows)) {
    if (value) facts.append(element('dt', { textContent: name }), element('dd', {}, value));
  }
  return facts;
}
