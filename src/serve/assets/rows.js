// Lays photos out in rows that fill the width. Typed arrays make this fast: 100,000 photos take a few milliseconds.

/** The limits of a photo's aspect in the layout. Photos beyond them are cropped. */
const NARROWEST = .5;
const WIDEST = 3.5;

/** The width of a photo with height 1. */
export const clamp = (aspect) => Math.min(WIDEST, Math.max(NARROWEST, aspect || 1));

/**
 * The rows for photos with these aspects (width / height).
 *
 * At each of the `breaks`, a heading and a new row begin: `[{at: index of a photo, label}]`, in order.
 * Row `r` has the photos from `first[r]` to before `first[r + 1]`. A heading, `headings.get(r)`, has no photos.
 */
export function pack(aspects, width, { target = 220, gap = 4, breaks = [], heading = 52 } = {}) {
  const most = aspects.length + breaks.length;
  const first = new Uint32Array(most + 1);
  const top = new Float64Array(most + 1);
  const tall = new Float32Array(most);
  const headings = new Map();
  let row = 0;
  let y = 0;
  const add = (from, height) => {
    first[row] = from;
    top[row] = y;
    tall[row++] = height;
    y += height + gap;
  };
  let next = 0;
  for (let i = 0; i < aspects.length; ) {
    while (next < breaks.length && breaks[next].at <= i) {
      headings.set(row, breaks[next++].label);
      add(i, heading);
    }
    const end = Math.min(breaks[next]?.at ?? Infinity, aspects.length);
    let sum = 0;
    let j = i;
    // A row is full if its height for the whole width is at most the target.
    while (j < end && sum * target < width - (j - i - 1) * gap) sum += clamp(aspects[j++]);
    let height = (width - (j - i - 1) * gap) / sum;
    if (height < target && j - i > 1) {
      // It may be closer to the target with one photo less.
      const less = sum - clamp(aspects[j - 1]);
      const higher = (width - (j - i - 2) * gap) / less;
      if (higher / target < target / height) {
        height = higher;
        j--;
      }
    }
    // A last row that is far from full is as high as the others.
    add(i, j === end && height > target * 1.4 ? target : height);
    i = j;
  }
  first[row] = aspects.length;
  top[row] = y;
  return { count: row, first, top, tall, headings, height: y, width, gap };
}

/** The greatest `i` below `count` with `sorted[i] <= value`, or 0. */
function lastAtMost(sorted, count, value) {
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (sorted[middle] <= value) low = middle;
    else high = middle - 1;
  }
  return Math.max(0, low);
}

/** The row at height `y`. */
export const rowAt = (rows, y) => lastAtMost(rows.top, rows.count, y);

/** The row of photo `index`. A heading has the same first photo as the row below it. */
export const rowOf = (rows, index) => lastAtMost(rows.first, rows.count, index);

/** The positions of the photos in a row: `[{index, x, width}]`. The last photo of a full row ends at the edge. */
export function places(rows, aspects, row) {
  const found = [];
  let x = 0;
  for (let index = rows.first[row]; index < rows.first[row + 1]; index++) {
    const width = clamp(aspects[index]) * rows.tall[row];
    found.push({ index, x, width });
    x += width + rows.gap;
  }
  return found;
}

/** Maps the height of the content to the height of an element, which browsers limit. */
export class Scroll {
  constructor(content, viewport, limit = 7e6) {
    this.element = Math.min(content, limit);
    const room = this.element - viewport;
    this.most = Math.max(0, content - viewport);
    this.factor = this.element < content && room > 0 ? this.most / room : 1;
    this.viewport = viewport;
    this.y = 0;
    this.top = 0;
  }

  /** Called when the element was scrolled to `y`. Short distances are exact, long ones are scaled. */
  to(y) {
    const way = y - this.y;
    const near = this.factor > 1 && Math.abs(way) < this.viewport && y > 0 && y < this.element - this.viewport - 1;
    this.top = Math.min(this.most, Math.max(0, near ? this.top + way : y * this.factor));
    this.y = y;
  }

  /** Returns the scroll position of the element that shows the content from `top`. */
  at(top) {
    this.top = Math.min(this.most, Math.max(0, top));
    this.y = this.top / this.factor;
    return this.y;
  }
}
