// Tests the layout of the grid without a browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clamp, pack, places, rowAt, rowOf, Scroll } from '../../src/serve/assets/rows.js';

/** 100,000 photos with ordinary and some odd shapes, always the same. */
function shapes(count = 100_000) {
  const known = [1.5, 0.6667, 1.3333, 0.75, 1, 1.7778, 0.05, 30, NaN];
  let state = 1;
  return Float64Array.from({ length: count }, () => {
    state = (state * 48271) % 2147483647;
    return known[state % (state % 50 ? 6 : 9)];
  });
}

test('100,000 photos fill rows without gaps or missing photos', () => {
  const aspects = shapes();
  const breaks = Array.from({ length: 140 }, (_, month) => ({ at: month * 700, label: `month ${month}` }));
  for (const width of [340, 1280, 3840]) {
    const rows = pack(aspects, width, { target: 200, breaks });
    let next = 0;
    let bottom = 0;
    for (let row = 0; row < rows.count; row++) {
      assert.ok(Math.abs(rows.top[row] - bottom) < 0.01, `row ${row} stands below the one before it`);
      bottom = rows.top[row] + rows.tall[row] + rows.gap;
      assert.equal(rows.first[row], next);
      const placed = places(rows, aspects, row);
      assert.equal(placed.length === 0, rows.headings.has(row), 'only a heading has no photos');
      if (!placed.length) continue;
      next += placed.length;
      const last = placed.at(-1);
      const isLast = next === aspects.length || rows.headings.has(row + 1);
      const wide = clamp(aspects[rows.first[row]]) * 200 >= width;
      assert.ok(last.x + last.width < width + 0.5, `row ${row} is not wider than the page`);
      if (!isLast && !wide) {
        assert.ok(last.x + last.width > width - 0.5, `row ${row} fills the page`);
        assert.ok(rows.tall[row] > 70 && rows.tall[row] < 480, `row ${row} is ${rows.tall[row]} high`);
      }
    }
    assert.equal(next, aspects.length);
    assert.ok(Math.abs(rows.height - bottom) < 0.01);
    assert.equal(rows.headings.size, breaks.length);
  }
});

test('rows are found by height and by photo', () => {
  const aspects = shapes(5_000);
  const rows = pack(aspects, 1000, { breaks: [{ at: 0, label: 'first' }, { at: 2_000, label: 'second' }] });
  for (let row = 0; row < rows.count; row++) {
    assert.equal(rowAt(rows, rows.top[row] + 1), row);
    for (const { index } of places(rows, aspects, row)) assert.equal(rowOf(rows, index), row);
  }
  assert.equal(rowAt(rows, -50), 0);
  assert.equal(rowAt(rows, 1e9), rows.count - 1);
});

test('without photos there are no rows', () => {
  const rows = pack([], 1000);
  assert.deepEqual([rows.count, rows.height], [0, 0]);
});

test('content that is too high for a browser can be scrolled completely', () => {
  const content = 40e6;
  const scroll = new Scroll(content, 800);
  assert.ok(scroll.element <= 7e6);
  // A mouse wheel scrolls a little each time.
  scroll.to(1_000);
  const near = scroll.top;
  scroll.to(1_100);
  assert.equal(scroll.top, near + 100);
  // The scroll bar reaches the end, and any position.
  scroll.to(scroll.element - 800);
  assert.equal(scroll.top, content - 800);
  scroll.to(0);
  assert.equal(scroll.top, 0);
  const y = scroll.at(20e6);
  assert.ok(Math.abs(y / scroll.element - 0.5) < 0.01);
  // Content that fits is not scaled.
  const small = new Scroll(5e6, 800);
  small.to(123_456);
  assert.equal(small.top, 123_456);
});
