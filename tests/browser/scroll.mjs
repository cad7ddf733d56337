// Scrolls a timeline of many photos as people do, and prints measurements from a trace. See scripts/bench/serve_scroll.

import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launch, open, photos, serve } from './harness.mjs';
import { many } from './many.mjs';

const total = Number(process.argv[2] ?? 100_000);
const server = await serve(photos(join(mkdtempSync(join(tmpdir(), 'imgsearch-scroll-')), 'photos')));
const browser = await launch();
const page = await open(browser);
await many(page, server.url, total);

const began = performance.now();
await page.goto(server.url);
await page.waitForFunction(() => document.querySelector('.tile img.there'));
console.log(`${total.toLocaleString('en')} photos, first pictures after ${Math.round(performance.now() - began)} ms`);

/** Scrolls by `step` pixels per frame, and prints the durations of frames and tasks. */
async function scroll(name, step, frames) {
  await page.waitForTimeout(1000);
  await browser.startTracing(page, { categories: ['toplevel', 'devtools.timeline', 'disabled-by-default-devtools.timeline'] });
  const times = await page.evaluate(
    async ({ step, frames }) => {
      const times = [];
      let last = await new Promise(requestAnimationFrame);
      for (let i = 0; i < frames; i++) {
        scrollBy(0, step);
        const now = await new Promise(requestAnimationFrame);
        times.push(now - last);
        last = now;
      }
      return times;
    },
    { step, frames },
  );
  const { traceEvents } = JSON.parse(await browser.stopTracing());
  const named = traceEvents.filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain');
  const mains = new Set(named.map(({ pid, tid }) => `${pid} ${tid}`));
  const tasks = traceEvents.filter(({ name, pid, tid, dur }) => name === 'RunTask' && dur && mains.has(`${pid} ${tid}`));
  const longest = (numbers) => Math.max(0, ...numbers).toFixed(1);
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.floor(share * (times.length - 1))].toFixed(1);
  console.log(
    `${name.padEnd(28)} frame: median ${at(0.5)} ms, 95 % ${at(0.95)} ms, longest ${longest(times)} ms;` +
      ` longest task ${longest(tasks.map(({ dur }) => dur / 1000))} ms`,
  );
}

await scroll('slowly, 40 px a frame', 40, 240);
await scroll('a wheel, 120 px a frame', 120, 240);
await scroll('a swipe, 1,000 px a frame', 1_000, 240);
await scroll('the bar, 20,000 px a frame', 20_000, 120);
await scroll('and back', -30_000, 120);
await browser.close();
await server.stop();
