// A justified grid for any number of photos, with nodes only for those near the screen.

import { pack, places, rowAt, rowOf, Scroll } from './rows.js';
import { element, paint } from './dom.js';

/** The number of additional screens to render above and below. */
const MARGIN = .75;
/** Pictures are loaded after scrolling has been slow for this time, in milliseconds. */
const REST = 90;

export class Grid {
  /**
   * Callbacks for photos: `open(index)`, `refine(index, sign)` and `alike(index)`; `scrolled()` when other photos are on
   * the screen, and `failed(error)`.
   */
  constructor(element, calls) {
    this.element = element;
    this.calls = calls;
    this.nodes = new Map();
    this.free = [];
    this.current = 0;
    this.fast = false;
    this.photos = null;
    addEventListener('scroll', () => this.#scrolled());
    new ResizeObserver(() => this.photos && this.element.clientWidth !== this.rows.width && this.layout()).observe(element);
    element.addEventListener('click', (event) => this.#clicked(event));
    element.addEventListener('keydown', (event) => this.#key(event));
    element.addEventListener('focusin', (event) => this.#focused(event));
  }

  /** Shows other photos, a list as in photos.js. `anchor` is the photo at the top of the screen: `{index, offset}`. */
  show(photos, anchor = { index: 0, offset: 0 }) {
    const focused = this.element.contains(document.activeElement);
    this.photos = photos;
    this.current = anchor.current ?? 0;
    // Photos that stay in place must not flicker.
    for (const [key, node] of this.nodes) {
      if (key >= photos.length) this.#remove(key, node);
      else if (key >= 0) this.#fill(node, key);
    }
    this.layout(anchor);
    if (focused && photos.length) this.focus(this.current);
  }

  /** Updates the layout for another width or more photos. Photos on the screen stay there. */
  layout(anchor = this.anchor()) {
    const width = this.element.clientWidth;
    const target = Math.min(220, Math.max(110, width / 5));
    this.rows = pack(this.photos.aspects, width, { target, breaks: this.photos.breaks, gap: width < 600 ? 2 : 4 });
    this.scroll = new Scroll(this.rows.height, innerHeight);
    this.element.style.height = `${this.scroll.element}px`;
    for (const [key, node] of this.nodes) if (key < 0) this.#remove(key, node);
    this.goto(anchor);
  }

  /** The photo at the top of the screen. */
  anchor() {
    if (!this.rows?.count) return { index: 0, offset: 0, current: this.current };
    const index = this.rows.first[rowAt(this.rows, this.scroll.top)];
    return { index, offset: this.scroll.top - this.rows.top[rowOf(this.rows, index)], current: this.current };
  }

  goto({ index, offset }) {
    // At the first photo, the head of the page is visible, too.
    const beginning = index === 0 && offset <= 0;
    this.jump(beginning ? -this.#origin() : this.rows.top[rowOf(this.rows, index)] + offset);
  }

  /** Scrolls as little as possible to make a photo visible. */
  reveal(index) {
    const row = rowOf(this.rows, index);
    const head = document.querySelector('header').offsetHeight;
    const top = this.rows.top[row] - head - 8;
    const bottom = this.rows.top[row] + this.rows.tall[row] + 8 - innerHeight;
    const now = Math.min(this.scroll.top, scrollY - this.#origin());
    if (now > top) this.jump(top);
    else if (now < bottom) this.jump(bottom);
  }

  focus(index) {
    this.current = Math.min(this.photos.length - 1, Math.max(0, index));
    this.reveal(this.current);
    this.render();
    this.nodes.get(this.current)?.firstChild.focus({ preventScroll: true });
  }

  /** Scrolls to `top`. Values below 0 are above the grid. */
  jump(top) {
    scrollTo(0, this.#origin() + this.scroll.at(top) + Math.min(0, top));
    this.#drawn();
    this.#settle();
  }

  #drawn() {
    this.render();
    this.calls.scrolled();
  }

  #origin() {
    return this.element.getBoundingClientRect().top + scrollY;
  }

  #scrolled() {
    if (!this.photos) return;
    const y = Math.max(0, -this.element.getBoundingClientRect().top);
    const way = Math.abs(y - this.scroll.y);
    if (way < .5) return;
    this.scroll.to(y);
    // Photos that pass within a few frames are not worth loading.
    this.fast = way > innerHeight / 8;
    // Render once per frame, not for each scroll event.
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.#drawn();
    });
    this.#settle();
  }

  /** Does the work that waits until scrolling is slow. */
  #settle() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.fast = false;
      // If positions are scaled, correct the scroll bar.
      if (this.scroll.factor > 1) {
        scrollTo(0, this.#origin() + this.scroll.at(this.scroll.top));
        this.render();
      }
      if (!this.range) return;
      for (const [key, node] of this.nodes) if (key >= 0) this.#load(node, key);
      const { photos } = this;
      photos.need(...this.range).then((more) => more && photos === this.photos && this.layout(), this.calls.failed);
    }, REST);
  }

  render() {
    const { rows, scroll } = this;
    if (!rows?.count) return;
    const shift = scroll.y - scroll.top;
    const from = rowAt(rows, scroll.top - innerHeight * MARGIN);
    const to = rowAt(rows, scroll.top + innerHeight * (1 + MARGIN));
    const wanted = new Map();
    for (let row = from; row <= to; row++) {
      const y = rows.top[row] + shift;
      if (rows.headings.has(row)) wanted.set(-1 - row, { y });
      else for (const place of places(rows, this.photos.aspects, row)) wanted.set(place.index, { ...place, y, row });
    }
    this.range = [rows.first[from], rows.first[to + 1]];
    for (const [key, node] of this.nodes) {
      // Keep the photo with the focus, or the keyboard would lose its place.
      if (!wanted.has(key) && !node.contains(document.activeElement)) this.#remove(key, node);
    }
    // Nodes have the order of the photos, for screen readers. Existing nodes are not moved.
    let before = this.element.firstChild;
    for (const [key, place] of wanted) {
      let node = this.nodes.get(key);
      if (!node) {
        node = key < 0 ? heading(rows.headings.get(-1 - key)) : (this.free.pop() ?? tile());
        this.nodes.set(key, node);
        if (key >= 0) this.#fill(node, key);
      }
      while (before && before !== node && before.hidden) before = before.nextSibling;
      if (before === node) before = before.nextSibling;
      else this.element.insertBefore(node, before);
      node.hidden = false;
      if (key < 0) node.style.transform = `translateY(${place.y}px)`;
      else this.#place(node, place);
    }
    this.#tabStop();
  }

  #place(node, { x, y, width, row }) {
    const { style } = node;
    style.transform = `translate(${x}px,${y}px)`;
    style.width = `${width}px`;
    style.height = `${this.rows.tall[row]}px`;
  }

  #fill(node, index) {
    const { photos } = this;
    const [link, more, less] = node.children;
    node.index = index;
    link.href = `/photo/${photos.id(index)}`;
    link.ariaLabel = photos.label(index);
    more.hidden = less.hidden = !photos.refinable;
    const hash = photos.hash(index);
    if (hash !== node.hash) {
      node.hash = hash;
      paint(link.firstChild, hash);
    }
    if (!this.fast) this.#load(node, index);
  }

  #load(node, index) {
    const source = `/api/v1/photos/${this.photos.id(index)}/thumbnail`;
    const image = node.firstChild.lastChild;
    if (image.getAttribute('src') !== source) {
      image.className = '';
      image.src = source;
    }
  }

  #remove(key, node) {
    this.nodes.delete(key);
    if (node.index === undefined) return node.remove();
    node.hidden = true;
    const image = node.firstChild.lastChild;
    image.removeAttribute('src');
    image.className = '';
    this.free.push(node);
  }

  /** Tab reaches one photo of the grid: the last one that had the focus, or else the first on the screen. */
  #tabStop() {
    const stop = this.nodes.has(this.current) ? this.current : this.rows.first[rowAt(this.rows, this.scroll.top + 1)];
    for (const [key, node] of this.nodes) if (key >= 0) node.firstChild.tabIndex = key === stop ? 0 : -1;
  }

  #focused({ target }) {
    const { index } = target.parentNode;
    if (index === undefined) return;
    this.current = index;
    this.#tabStop();
  }

  #clicked(event) {
    const node = event.target.closest('.tile');
    // The browser opens new tabs and windows.
    if (!node || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.current = node.index;
    const sign = event.target.dataset.sign;
    if (sign) this.calls.refine(node.index, sign);
    else this.calls.open(node.index);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !event.target.closest('.tile')) return;
    const { rows, current } = this;
    const row = rowOf(rows, current);
    const to = {
      ArrowLeft: () => current - 1,
      ArrowRight: () => current + 1,
      ArrowUp: () => this.#above(row, -1),
      ArrowDown: () => this.#above(row, 1),
      Home: () => 0,
      End: () => this.photos.length - 1,
    }[event.key];
    if (to) this.focus(to());
    else if (event.key === '+' || event.key === '-') this.calls.refine(current, event.key);
    else if (event.key === 'l') this.calls.alike(current);
    else return;
    event.preventDefault();
  }

  /** The nearest photo in the row of photos above or below. */
  #above(row, step) {
    const of = (row) => places(this.rows, this.photos.aspects, row);
    const here = of(row).find((place) => place.index === this.current);
    const middle = here.x + here.width / 2;
    let next = row + step;
    while (this.rows.headings.has(next)) next += step;
    if (next < 0 || next >= this.rows.count) return this.current;
    return of(next).reduce((a, b) => (b.x <= middle ? b : a)).index;
  }
}

function tile() {
  const node = element('div', { className: 'tile' });
  const link = element('a', {}, element('canvas', { width: 32, height: 32 }), element('img', { alt: '', decoding: 'async' }));
  link.lastChild.addEventListener('load', (event) => (event.target.className = 'there'));
  node.append(link, sign('+', 'More like this photo'), sign('-', 'Less like this photo'));
  return node;
}

function sign(sign, title) {
  const textContent = sign === '-' ? '−' : sign;
  const button = element('button', { type: 'button', tabIndex: -1, title, ariaLabel: title, textContent });
  button.dataset.sign = sign;
  return button;
}

function heading(label) {
  return element('h2', { className: 'heading', textContent: label });
}
