// Lists of photos that the grid shows: the answer to a search, or all photos by time.

import { counted } from './dom.js';

const API = '/api/v1/';

/** A request that failed, with a sentence for people. */
export class Problem extends Error {}

export async function get(path, options) {
  let response;
  try {
    response = await fetch(API + path, options);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem('The server does not answer. Is `imgsearch serve` running?');
  }
  if (response.status === 401) location.assign('/login');
  if (response.ok) return response.json();
  const problem = await response.json().catch(() => ({}));
  throw new Problem([problem.detail ?? problem.title ?? `The server says ${response.status}.`, problem.hint].filter(Boolean).join(': '));
}

const day = (options) => {
  const format = new Intl.DateTimeFormat(undefined, { ...options, timeZone: 'UTC' });
  return (days) => format.format(days * 864e5);
};
const dayOf = day({ dateStyle: 'long' });
const monthOf = day({ year: 'numeric', month: 'long' });

/** `2023-05-06T12:34:56+02:00` for people: what the clock showed where it was taken. */
export function when(taken) {
  const [date, clock] = taken.split('T');
  if (date.length < 10) return date;
  return dayOf(Date.parse(date) / 864e5) + (clock ? `, ${clock.slice(0, 5)}` : '');
}

export const nameOf = (photo) => photo.title || photo.path.split(/[/\\]/).pop();

const labelOf = (photo) => [nameOf(photo), photo.taken && when(photo.taken)].filter(Boolean).join(', ');

/** So many photos of an answer come at once. */
const PAGE = 100;

/** The page's parameters as the API has them: there, photos that the answer shall be like are parts of the expression. */
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

/** The answer to a search, the best first. It grows while one scrolls. */
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
    // Behind the last likely one of all pages so far.
    const at = answer.likely;
    if (at > known) this.breaks = [{ at, label: 'Less likely' }];
    else if (at === 0) this.breaks = [{ at, label: 'Nothing likely. The nearest photos:' }];
    this.cursor = answer.next;
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
  /** The photos of this range are on the screen. */
  async need(first, last) {
    if (!this.cursor || this.loading || last < this.length - 40) return null;
    this.loading = true;
    try {
      await this.more();
      return 'more';
    } finally {
      this.loading = false;
    }
  }
  summary() {
    const count = counted(this.length, 'photo', 'photos');
    return this.cursor ? `The best ${count}` : count;
  }
}

/** All photos, the newest first. */
export class Timeline {
  breaks = [];
  known = new Map();

  constructor(parameters) {
    this.parameters = parameters;
  }

  async more(signal) {
    const { ids, aspects, days } = await get(`timeline?${this.parameters}`, { signal });
    Object.assign(this, { ids, aspects, days });
    let last;
    days.forEach((day, at) => {
      // In UTC, for days are what the camera's calendar showed.
      const date = new Date(day * 864e5);
      const year = day === null ? '' : date.getUTCFullYear();
      const month = `${year} ${date.getUTCMonth()}`;
      if (month !== last) this.breaks.push({ at, label: day === null ? 'No date' : monthOf(day), year });
      last = month;
    });
  }

  get length() {
    return this.ids.length;
  }
  id(index) {
    return this.ids[index];
  }
  label(index) {
    const photo = this.known.get(index);
    if (photo) return labelOf(photo);
    return this.days[index] === null ? 'Photo without a date' : `Photo of ${dayOf(this.days[index])}`;
  }
  hash(index) {
    return this.known.get(index)?.thumbhash;
  }
  async facts(index) {
    return this.known.get(index) ?? get(`photos/${this.id(index)}`);
  }
  async need() {
    return null;
  }
  summary() {
    return counted(this.length, 'photo', 'photos');
  }
}
