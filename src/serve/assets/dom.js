// Helpers for the document. Text of photos is untrusted: it is only ever set as text, never as HTML.

import { thumbHashToRGBA } from './vendor/thumbhash.js';

export const $ = (selector, within = document) => within.querySelector(selector);

export function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** Draws a thumbhash (base64), if there is one. */
export function paint(canvas, hash) {
  const context = canvas.getContext('2d');
  if (!hash) return context.clearRect(0, 0, canvas.width, canvas.height);
  const { w, h, rgba } = thumbHashToRGBA(Uint8Array.from(atob(hash), (c) => c.charCodeAt(0)));
  canvas.width = w;
  canvas.height = h;
  context.putImageData(new ImageData(new Uint8ClampedArray(rgba), w, h), 0, 0);
}

/** Calls `f` after this many milliseconds without another call. */
export function debounce(milliseconds, f) {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(f, milliseconds, ...given);
  };
}

export const photosOf = (n) => (n === 1 ? 'one photo' : `${n.toLocaleString()} photos`);
