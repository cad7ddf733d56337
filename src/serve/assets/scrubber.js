// A slider beside the timeline, with years to jump to and the current month.

import { element } from './dom.js';

export class Scrubber {
  constructor(node, grid) {
    this.node = node;
    this.grid = grid;
    this.thumb = element('div', { className: 'thumb' });
    node.tabIndex = 0;
    node.addEventListener('pointerdown', (event) => {
      node.setPointerCapture(event.pointerId);
      this.#drag(event);
    });
    node.addEventListener('pointermove', (event) => node.hasPointerCapture(event.pointerId) && this.#drag(event));
    node.addEventListener('keydown', (event) => this.#key(event));
  }

  /** Shows the years of a timeline, or nothing if there is little to scroll. */
  show() {
    const { node, grid } = this;
    const { breaks } = grid.photos;
    this.breaks = breaks;
    const long = grid.photos.ids && grid.rows.height > 3 * innerHeight;
    node.hidden = !long;
    document.body.classList.toggle('scrubbed', Boolean(long));
    if (!long) return;
    node.replaceChildren(this.thumb);
    node.ariaValueMax = breaks.length - 1;
    let last = -Infinity;
    let year;
    const headings = [...grid.rows.headings.keys()];
    this.tops = headings.map((row) => grid.rows.top[row]);
    this.tops.forEach((top, i) => {
      const at = (top / grid.rows.height) * node.clientHeight;
      if (breaks[i].year === year || at - last < 18) return;
      year = breaks[i].year;
      last = at;
      const mark = element('span', { textContent: year });
      mark.style.top = `${at}px`;
      node.append(mark);
    });
    this.update();
  }

  /** Shows the month at the top of the screen. */
  update() {
    if (this.node.hidden) return;
    const { top, most } = this.grid.scroll;
    this.month = Math.max(0, this.tops.findLastIndex((y) => y <= top + 60));
    const { label } = this.breaks[this.month];
    this.node.ariaValueNow = this.month;
    this.node.ariaValueText = label;
    this.thumb.textContent = label;
    this.thumb.style.transform = `translateY(${(top / most) * (this.node.clientHeight - 24)}px)`;
  }

  #drag(event) {
    const { top, height } = this.node.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientY - top) / height));
    this.grid.jump(share * this.grid.scroll.most);
  }

  #key(event) {
    const last = this.tops.length - 1;
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 12, PageUp: -12, Home: -last, End: last };
    if (!(event.key in step)) return;
    event.preventDefault();
    this.grid.jump(this.tops[Math.min(last, Math.max(0, this.month + step[event.key]))]);
  }
}
