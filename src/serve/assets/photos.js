// Lists of photos that the grid shows: the answer to a search, or all photos by time.

import { photosOf } from './dom.js';

const API = '/api/v1/';

/** The answer of the API. Errors have a message for people. */
export async function get(path, options) {
  const response = await fetch(API + path, options).catch((error) => {
    throw error.name === 'AbortError' ? error : Error('No answer. Is `imgsearch serve` running?');
  });
  if (response.status === 401) location.assign('/login');
  if (response.ok) return response.json();
  const problem = await response.json().catch(() => ({}));
  const { detail = `The server says ${response.status}.`, hint } = problem;
  throw Error(hint ? `${detail}: ${hint}` : detail);
}

const day = (options) => {
  const format = new Intl.DateTimeFormat(undefined, { ...options, timeZone: 'UTC' });
  return (days) => format.format(days * 864e5);
};
const dayOf = day({ dateStyle: 'long' });
const monthOf = day({ year: 'numeric', month: 'long' });

/** `2023-05-06T12:34:56+02:00` for people: the local time where the photo was taken. */
export function when(taken) {
  const [date, clock] = taken.split('T');
  if (date.length < 10) return date;
  return dayOf(Date.parse(date) / 864e5) + (clock ? `, ${clock.slice(0, 5)}` : '');
}

export const nameOf = (photo) => photo.title || photo.path.split(/[/\\]/).pop();

const labelOf = (photo) => nameOf(photo) + (photo.taken ? `, ${when(photo.taken)}` : '');

/** The number of photos per answer. */
const PAGE = 100;

/** Converts the page's parameters to the API's, where `like` and `minus` are parts of the expression. */
function question(parameters) {
  const asked = new URLSearchParams(parameters);
  const parts = [asked.get('q')];
  for (const id of asked.getAll('like')) parts.push(`+ #${id}`);
  for (const id of asked.getAll('minus')) parts.push(`- #${id}`);
  for (const name of ['q', 'like', 'minus']) asked.delete(name);
  const expression = parts.filter(Boolean).join(' ');
  if (expression) asked.set('q', expression);
  asked.set('n', PAGE);
  return asked;
}

/** The results of a search, or a list in an order of its own. Scrolling loads more. */
export class Found {
  refinable = true;
  aspects = [];
  breaks = [];
  photos = [];

  constructor(parameters, picture) {
    this.parameters = question(parameters);
    this.picture = picture;
  }

  async more(signal) {
    if (this.cursor) this.parameters.set('cursor', this.cursor);
    const body = this.picture && { method: 'POST', body: this.picture, headers: { 'content-type': this.picture.type } };
    const answer = await get(`search?${this.parameters}`, { signal, ...body });
    const known = this.length;
    for (const photo of answer.photos) {
      this.photos.push(photo);
      this.aspects.push(photo.width / photo.height);
    }
    // After the last likely photo of all pages so far.
    const at = answer.likely;
    if (at > known) this.breaks = [{ at, label: 'Less likely' }];
    else if (at === 0) this.breaks = [{ at, label: 'Nothing likely. The nearest photos:' }];
    this.cursor = answer.next;
    this.notice ??= answer.notice;
  }

  get length() {
    return this.photos.length;
  }
  id(index) {
    return this.photos[index].id;
  }
  label(index) {
    return labelOf(this.photos[index]);
  }
  hash(index) {
    return this.photos[index].thumbhash;
  }
  async facts(index) {
    return this.photos[index];
  }
  /** Called with the range of photos on the screen. Returns whether more photos were loaded. */
  async need(first, last) {
    if (!this.cursor || this.loading || last < this.length - 40) return;
    this.loading = true;
    try {
      await this.more();
      return true;
    } finally {
      this.loading = false;
    }
  }
  summary() {
    return (this.cursor && this.photos[0].rank ? 'The best ' : '') + photosOf(this.length);
  }
}

/** All photos, newest first. */
export class Timeline {
  breaks = [];

  constructor(parameters) {
    this.parameters = parameters;
  }

  async more(signal) {
    const { ids, aspects, days } = await get(`timeline?${this.parameters}`, { signal });
    Object.assign(this, { ids, aspects, days });
    days.forEach((day, at) => {
      const label = day === null ? 'No date' : monthOf(day);
      if (label !== this.breaks.at(-1)?.label) this.breaks.push({ at, label, year: day === null ? '' : new Date(day * 864e5).getUTCFullYear() });
    });
    // If months have only a few photos, a heading for each year is enough.
    if (days.length < 8 * this.breaks.length) {
      this.breaks = this.breaks.filter(({ year }, i, all) => year !== all[i - 1]?.year);
      for (const year of this.breaks) year.label = year.year || year.label;
    }
  }

  get length() {
    return this.ids.length;
  }
  id(index) {
    return this.ids[index];
  }
  label(index) {
    return this.days[index] === null ? 'Photo without a date' : `Photo of ${dayOf(this.days[index])}`;
  }
  hash() {}
  facts(index) {
    return get(`photos/${this.id(index)}`);
  }
  async need() {}
  summary() {
    return photosOf(this.length);
  }
}
