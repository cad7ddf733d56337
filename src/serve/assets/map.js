// A map without tiles: outlines of land, and dots for the photos. It needs no network.

import { element } from './dom.js';

/** Dots closer than this are merged, in pixels. */
const CLOSE = 36;
const DEGREE = Math.PI / 180;
/** Kilometres around the equator. */
const AROUND = 40075;

// Web Mercator: the world is a square from 0 to 1.
const across = (longitude) => longitude / 360 + 0.5;
const down = (latitude) => 0.5 - Math.asinh(Math.tan(Math.max(-85, Math.min(85, latitude)) * DEGREE)) / (2 * Math.PI);
const latitudeOf = (y) => Math.atan(Math.sinh((0.5 - y) * 2 * Math.PI)) / DEGREE;

export class Places {
  /** `chosen(latitude, longitude, kilometres)` is called when a place is chosen. */
  constructor(node, chosen) {
    this.chosen = chosen;
    this.canvas = element('canvas', { ariaHidden: true });
    this.list = element('ul', { className: 'places' });
    const zoom = (title, sign, by) =>
      element('button', { type: 'button', title, textContent: sign, onclick: () => this.#zoom(by) });
    const buttons = element('div', { className: 'zoom' }, zoom('Nearer', '+', 2), zoom('Farther', '−', 0.5));
    node.replaceChildren(element('div', { className: 'map' }, this.canvas, buttons), this.list);
    this.#listen();
    new ResizeObserver(() => this.#draw()).observe(this.canvas);
  }

  /** Shows photos by place, sorted by count, descending: `[{latitude, longitude, count}]`. */
  async show(places) {
    this.points = places.map((place) => ({ ...place, x: across(place.longitude), y: down(place.latitude) }));
    this.list.replaceChildren(...places.slice(0, 8).map((place) => this.#entry(place)));
    const land = await fetch(new URL('vendor/land.bin', import.meta.url));
    this.land = outlines(await land.arrayBuffer());
    this.#fit();
  }

  #entry({ latitude, longitude, count }) {
    const textContent = `${latitude.toFixed(1)}°, ${longitude.toFixed(1)}° (${count})`;
    const onclick = () => this.chosen(latitude, longitude, 10);
    return element('li', {}, element('button', { type: 'button', textContent, onclick }));
  }

  /** Shows all photos. */
  #fit() {
    const xs = this.points.map(({ x }) => x);
    const ys = this.points.map(({ y }) => y);
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const { clientWidth, clientHeight } = this.canvas;
    this.x = (left + right) / 2 || 0.5;
    this.y = (top + bottom) / 2 || 0.4;
    this.scale = Math.min(clientWidth / (right - left + 0.1), clientHeight / (bottom - top + 0.1));
    this.#zoom(1);
  }

  /** Changes the scale. The point at (x, y) from the middle stays in place. */
  #zoom(by, x = 0, y = 0) {
    const scale = Math.min(2 ** 18, Math.max(this.canvas.clientWidth * 0.9 || 300, this.scale * by));
    this.x += x / this.scale - x / scale;
    this.y += y / this.scale - y / scale;
    this.scale = scale;
    this.#draw();
  }

  #listen() {
    const { canvas } = this;
    const fingers = new Map();
    const middle = ({ clientX, clientY }) => {
      const box = canvas.getBoundingClientRect();
      return [clientX - box.left - box.width / 2, clientY - box.top - box.height / 2];
    };
    canvas.addEventListener('wheel', (event) => {
      event.preventDefault();
      this.#zoom(2 ** (-event.deltaY / 300), ...middle(event));
    });
    canvas.addEventListener('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, event);
      this.moved = fingers.size > 1;
    });
    canvas.addEventListener('pointermove', (event) => {
      const last = fingers.get(event.pointerId);
      if (!last) return;
      const [dx, dy] = [event.clientX - last.clientX, event.clientY - last.clientY];
      if (Math.abs(dx) + Math.abs(dy) > 2) this.moved = true;
      if (!this.moved) return;
      fingers.set(event.pointerId, event);
      this.x -= dx / this.scale / fingers.size;
      this.y -= dy / this.scale / fingers.size;
      const other = [...fingers.values()].find((finger) => finger !== event);
      const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
      this.#zoom(other ? apart(event) / apart(last) : 1, ...middle(other ?? event));
    });
    for (const kind of ['pointerup', 'pointercancel']) canvas.addEventListener(kind, ({ pointerId }) => fingers.delete(pointerId));
    canvas.addEventListener('click', (event) => this.moved || this.#choose(...middle(event)));
  }

  #choose(x, y) {
    const near = this.dots?.find((dot) => Math.hypot(dot.left - x, dot.top - y) < CLOSE * 0.7);
    if (!near) return;
    const latitude = latitudeOf(near.y);
    const kilometres = (CLOSE * AROUND * Math.cos(latitude * DEGREE)) / this.scale;
    this.chosen(latitude, near.x * 360 - 180, Math.max(1, Math.round(kilometres)));
  }

  /** Merges points that are close on the screen, at the average position of their photos. */
  #together() {
    const dots = [];
    for (const { x, y, count } of this.points) {
      const near = dots.find((dot) => Math.hypot(dot.x - x, dot.y - y) * this.scale < CLOSE);
      if (near) {
        const all = near.count + count;
        Object.assign(near, { x: near.x + ((x - near.x) * count) / all, y: near.y + ((y - near.y) * count) / all, count: all });
      } else dots.push({ x, y, count });
    }
    for (const dot of dots) Object.assign(dot, { left: (dot.x - this.x) * this.scale, top: (dot.y - this.y) * this.scale });
    return dots;
  }

  #draw() {
    const { canvas, land } = this;
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!land || !width) return;
    canvas.width = width * devicePixelRatio;
    canvas.height = height * devicePixelRatio;
    const pen = canvas.getContext('2d');
    const { color, backgroundColor, accentColor } = getComputedStyle(canvas);
    pen.scale(devicePixelRatio, devicePixelRatio);
    pen.fillStyle = backgroundColor;
    pen.fillRect(0, 0, width, height);
    pen.translate(width / 2, height / 2);
    pen.beginPath();
    for (const ring of land) {
      for (let i = 0; i < ring.length; i += 2) {
        pen.lineTo((ring[i] - this.x) * this.scale, (ring[i + 1] - this.y) * this.scale);
      }
      pen.closePath();
    }
    pen.fillStyle = color;
    pen.fill('evenodd');
    this.dots = this.#together();
    pen.font = '600 11px system-ui, sans-serif';
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    for (const { left, top, count } of this.dots) {
      pen.beginPath();
      pen.arc(left, top, 8 + 1.2 * Math.log2(count), 0, 7);
      pen.fillStyle = accentColor;
      pen.fill();
      pen.fillStyle = '#fff';
      if (count > 1) pen.fillText(count, left, top);
    }
  }
}

/** The rings of land.bin, as pairs of `across` and `down`. */
function outlines(buffer) {
  const numbers = new Int16Array(buffer);
  const rings = [];
  for (let at = 0; at < numbers.length; at += 1 + 2 * numbers[at]) {
    const ring = numbers.subarray(at + 1, at + 1 + 2 * numbers[at]);
    rings.push(Float64Array.from(ring, (value, i) => (i % 2 ? down : across)(value / 90)));
  }
  return rings;
}
