// Uses the page in a browser as people do, on the real server.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { accessible, HOSTILE, launch, open, photos, serve } from './harness.mjs';
import { many } from './many.mjs';

const TILE = '.tile:not([hidden])';
let folder;
let server;
let browser;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'imgsearch-photos-'));
  server = await serve(photos(join(folder, 'photos')));
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs `f` on a page at `path`, and then checks that the page had no errors. */
async function on(path, f, options) {
  const page = await open(browser, options);
  try {
    await page.goto(server.url + path);
    await f(page);
    page.clean();
  } finally {
    await page.context().close();
  }
}

const status = (page) => page.locator('#status').textContent();
const count = async (page) => Number(/[\d,]+/.exec(await status(page))?.[0].replace(',', '') ?? 0);
const settled = (page) => page.waitForFunction(() => !document.querySelector('#results').hasAttribute('aria-busy'));
/** Waits until the photo has opened and accepts keys. */
const opened = (page) => page.waitForSelector('.pswp--open.pswp--ui-visible').then(() => page.waitForTimeout(500));
const first = (page) => page.locator(TILE).first().locator('a').getAttribute('href');

async function search(page, text) {
  const answered = page.waitForResponse(/\/api\/v1\/search/);
  await page.fill('#q', text);
  await answered;
  await settled(page);
}

test('the timeline shows all photos, newest month first', () =>
  on('/', async (page) => {
    await page.waitForSelector(TILE);
    const headings = await page.locator('.heading').allTextContents();
    assert.ok(headings.length > 0);
    const times = headings.map((text) => Date.parse(`1 ${text}`));
    assert.deepEqual(times, [...times].sort((a, b) => b - a));
    assert.ok((await count(page)) > 10);
    await page.waitForFunction(() => document.querySelector('.tile img.there')?.naturalWidth > 0);
  }));

test('typing searches, and updates the address', () =>
  on('/', async (page) => {
    await search(page, 'a rocket');
    assert.match(page.url(), /\?q=a\+rocket$/);
    assert.match(await page.locator(`${TILE} a`).first().getAttribute('aria-label'), /rocket/);
    assert.match(await page.title(), /^a rocket/);
    await page.reload();
    await page.waitForSelector(TILE);
    assert.match(await page.locator(`${TILE} a`).first().getAttribute('aria-label'), /rocket/);
    assert.equal(await page.inputValue('#q'), 'a rocket');
  }));

test('a photo opens large, the next one too, and Back returns to the same row', () =>
  on('/?q=a+flower', async (page) => {
    await page.waitForSelector(TILE);
    await page.mouse.wheel(0, 500);
    await page.waitForTimeout(400);
    const before = await page.evaluate(() => scrollY);
    const third = page.locator(TILE).nth(6).locator('a');
    const name = await third.getAttribute('aria-label');
    await third.click();
    await page.waitForSelector('.pswp--open');
    assert.match(page.url(), /#p=[0-9a-f]{32}$/);
    await page.waitForSelector('.pswp__facts dl');
    assert.ok(name.includes(await page.locator('.pswp__facts h2').textContent()));
    const here = page.url();
    await opened(page);
    await page.keyboard.press('ArrowRight');
    await page.waitForFunction((url) => location.href !== url, here);
    await page.goBack();
    await page.waitForSelector('.pswp', { state: 'detached' });
    assert.ok(!page.url().includes('#'));
    assert.ok(Math.abs((await page.evaluate(() => scrollY)) - before) < 300, 'the grid stands where it stood');
    await page.goForward();
    await page.waitForSelector('.pswp--open');
    await opened(page);
    await page.keyboard.press('Escape');
    await page.waitForSelector('.pswp', { state: 'detached' });
    assert.ok(!page.url().includes('#'), 'Escape goes back, too');
  }));

test('Back and Forward go through searches and restore their rows', () =>
  on('/', async (page) => {
    await page.waitForSelector(TILE);
    await page.mouse.move(600, 500);
    await page.mouse.wheel(0, 900);
    await page.waitForTimeout(500);
    const row = await page.evaluate(() => scrollY);
    await search(page, 'a cat');
    await page.waitForTimeout(200);
    await page.goBack();
    await page.waitForFunction((row) => Math.abs(scrollY - row) < 60, row);
    assert.equal(await page.inputValue('#q'), '');
    await page.goForward();
    await page.waitForFunction(() => document.querySelector('#q').value === 'a cat');
    // What Enter settled is a step of its own, and the letters of the next word are one.
    await page.press('#q', 'Enter');
    await search(page, 'a dog');
    await search(page, 'a dog in the snow');
    await page.goBack();
    await page.waitForFunction(() => document.querySelector('#q').value === 'a cat');
  }));

test('filters are chips: camera, time, place, kind, orientation, folder', () =>
  on('/', async (page) => {
    await page.waitForSelector(TILE);
    const all = await count(page);
    const choose = async (chip, act) => {
      await page.click(`summary[data-name="${chip}"]`);
      const answered = page.waitForResponse(/\/api\/v1\/timeline/);
      await act();
      await answered;
      await page.keyboard.press('Escape');
      await settled(page);
    };
    await choose('Camera', async () => {
      await page.fill('input[name=camera]', 'EOS');
      await page.keyboard.press('Tab');
    });
    const canon = await count(page);
    assert.ok(canon > 0 && canon < all);
    assert.match(page.url(), /camera=EOS/);
    assert.match(await page.locator('.chip.on summary').textContent(), /EOS/);
    await choose('Date', () => page.fill('input[name=before]', '2018-01-01').then(() => page.keyboard.press('Tab')));
    await page.waitForSelector('#no-match:visible');
    await page.click('#clear-filters');
    await settled(page);
    assert.equal(await count(page), all);
    await choose('Kind', () => page.selectOption('select[name=type]', 'png'));
    assert.ok((await count(page)) < all);
    await choose('Kind', () => page.click('.chip.on .clear'));
    await choose('Orientation', () => page.selectOption('select[name=orientation]', 'square'));
    assert.ok((await count(page)) < all);
    await choose('Orientation', () => page.click('.chip.on .clear'));
    await choose('Folder', () => page.fill('input[name=in]', '/nowhere').then(() => page.keyboard.press('Tab')));
    await page.waitForSelector('#no-match:visible');
  }));

test('the map shows where photos are, and filters by a place', () =>
  on('/', async (page) => {
    await page.waitForSelector(TILE);
    const all = await count(page);
    await page.click('summary[data-name="Place"]');
    await page.waitForSelector('.places button');
    await accessible(page, 'the map');
    const drawn = await page.locator('#map canvas').evaluate((canvas) => {
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return new Set(new Uint32Array(data.buffer)).size;
    });
    assert.ok(drawn > 2, 'land, water and dots');
    await page.locator('.places button').first().click();
    await settled(page);
    assert.match(page.url(), /near=/);
    assert.ok((await count(page)) > 0 && (await count(page)) < all);
  }));

test('+ and − refine the search, and the photo view finds more like one', () =>
  on('/?q=something', async (page) => {
    const tile = page.locator(TILE).nth(2);
    await tile.hover();
    const refined = page.waitForResponse(/\/api\/v1\/search/);
    await tile.locator('button[data-sign="+"]').click();
    await refined;
    assert.match(page.url(), /like=[0-9a-f]{32}/);
    assert.equal(await page.locator('.term').count(), 1);
    await settled(page);
    await page.locator(TILE).nth(1).locator('a').focus();
    const again = page.waitForResponse(/\/api\/v1\/search/);
    await page.keyboard.press('-');
    await again;
    assert.match(page.url(), /minus=[0-9a-f]{32}/);
    await page.locator('.term .remove').first().click();
    await page.waitForFunction(() => !location.search.includes('like='));
    await settled(page);
    await page.locator(`${TILE} a`).first().click();
    const alike = page.waitForResponse(/\/api\/v1\/search/);
    await page.getByRole('button', { name: 'More like this', exact: true }).click();
    await alike;
    await page.waitForSelector('.pswp', { state: 'detached' });
    assert.match(page.url(), /\?like=[0-9a-f]{32}$/);
    await page.goBack();
    await page.waitForSelector('.pswp--open');
  }));

test('choosing or dropping a picture searches by it', () =>
  on('/', async (page) => {
    await page.waitForSelector(TILE);
    const picture = join(process.env.PHOTOS, 'rocket.jpg');
    const found = page.waitForResponse((response) => /\/api\/v1\/search/.test(response.url()) && response.request().method() === 'POST');
    await page.setInputFiles('#file', picture);
    assert.equal((await found).status(), 200);
    await settled(page);
    await page.waitForSelector('.term.upload');
    assert.match(await page.locator(`${TILE} a`).first().getAttribute('aria-label'), /rocket/);
    await page.goBack();
    await page.waitForSelector('.term.upload', { state: 'detached' });
    // Dropped.
    const dropped = page.waitForResponse((response) => response.request().method() === 'POST');
    await page.evaluate(async () => {
      const blob = await (await fetch(document.querySelector('.tile:not([hidden]) img').src)).blob();
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([blob], 'x.jpg', { type: 'image/jpeg' }));
      document.body.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }));
    });
    assert.equal((await dropped).status(), 200);
  }));

test('the page fits on a phone without horizontal scrolling', () =>
  on(
    '/?q=a+flower',
    async (page) => {
      await page.waitForSelector(TILE);
      const wide = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok((await wide()) <= 0, 'the grid');
      await page.tap('summary[data-name="Place"]');
      await page.waitForSelector('#map canvas');
      assert.ok((await wide()) <= 0, 'the map');
      await page.tap('summary[data-name="Place"]');
      await page.locator(`${TILE} a`).first().tap();
      await page.waitForSelector('.pswp--open');
      await page.tap('.pswp__button--about');
      await page.waitForSelector('.pswp__facts dl');
      await accessible(page, 'a photo on a phone');
    },
    { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
  ));

test('the page follows the dark mode of the system, and is readable in both modes', async () => {
  for (const colorScheme of ['light', 'dark']) {
    await on(
      '/',
      async (page) => {
        await page.waitForSelector(TILE);
        const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        assert.equal(/rgb\((\d+)/.exec(ground)[1] < 60, colorScheme === 'dark');
        await accessible(page, `the timeline, ${colorScheme}`);
        await search(page, 'a cat');
        await accessible(page, `results, ${colorScheme}`);
        await page.locator(`${TILE} a`).first().click();
        await page.waitForSelector('.pswp__facts dl');
        await page.waitForTimeout(500);
        await accessible(page, `a photo, ${colorScheme}`);
      },
      { colorScheme },
    );
  }
});

test('the page can be used with the keyboard alone', () =>
  on('/', async (page) => {
    await page.waitForSelector(TILE);
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
    await page.keyboard.press('/');
    const answered = page.waitForResponse(/\/api\/v1\/search/);
    await page.keyboard.type('a flower');
    await answered;
    await settled(page);
    await page.keyboard.press('ArrowDown');
    const focused = () => page.evaluate(() => document.activeElement.getAttribute('href'));
    assert.equal(await focused(), await first(page));
    await page.keyboard.press('ArrowRight');
    const second = await focused();
    assert.notEqual(second, await first(page));
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.pswp--open');
    await opened(page);
    const reached = new Set();
    for (let i = 0; i < 14; i++) {
      await page.keyboard.press('Tab');
      reached.add(await page.evaluate(() => document.activeElement.closest('.pswp, header, main, body').tagName + document.activeElement.textContent));
    }
    assert.ok([...reached].every((what) => !/^(HEADER|MAIN)/.test(what)), 'the page behind the photo is not reachable');
    assert.ok([...reached].some((what) => what.includes('Download')), 'all its buttons are');
    await page.keyboard.press('i');
    assert.ok(await page.locator('.pswp__facts').isHidden());
    await page.keyboard.press('Escape');
    await page.waitForSelector('.pswp', { state: 'detached' });
    assert.match(await focused(), /^\/photo\//, 'the focus is back on a photo');
    await page.keyboard.press('?');
    await page.waitForSelector('#help:modal');
    await accessible(page, 'the help');
    await page.keyboard.press('Escape');
    await page.keyboard.press('/');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'q');
  }));

test('text of photos is never used as HTML', () =>
  on('/?before=2018-06', async (page) => {
    await page.locator(`${TILE} a`).first().click();
    await page.waitForSelector('.pswp__facts dl');
    const facts = await page.locator('.pswp__facts').textContent();
    assert.ok(facts.includes(HOSTILE) && facts.includes('<script>alert(2)</script>'), facts);
    const { hash } = new URL(page.url());
    await page.goto(`${server.url}/photo/${hash.slice(3)}`);
    const text = await page.locator('main').textContent();
    assert.ok(text.includes(HOSTILE) && text.includes('<script>alert(2)</script>'), text);
    await page.goto(`${server.url}/?q=${encodeURIComponent('"><script>alert(3)</script>')}`);
    await settled(page);
    assert.equal(await page.inputValue('#q'), '"><script>alert(3)</script>');
  }));

test('the form, links, and the pages of photos work without scripts', () =>
  on(
    '/',
    async (page) => {
      assert.ok((await page.locator('.listed a').count()) > 10);
      await page.fill('#q', 'a rocket');
      await page.keyboard.press('Enter');
      await page.waitForURL(/q=a\+rocket/);
      await page.locator('.listed a').first().click();
      await page.waitForURL(/\/photo\/[0-9a-f]{32}$/);
      assert.match(await page.locator('h1').textContent(), /rocket/);
      await page.waitForFunction(() => document.querySelector('.photo img').naturalWidth > 0);
      const original = await page.locator('a[download]').getAttribute('href');
      assert.equal((await page.request.get(server.url + original)).status(), 200);
      await page.getByRole('link', { name: 'More like this' }).click();
      await page.waitForURL(/like=/);
      await page.goto(`${server.url}/`);
      await page.click('summary[data-name="Camera"]');
      await page.fill('input[name=camera]', 'Z 6');
      await page.click('form button:text("Search")');
      await page.waitForURL(/camera=Z\+6/);
      assert.ok((await page.locator('.listed a').count()) > 0);
      await page.goto(`${server.url}/?q=a+flower&n=5`);
      const before = await page.locator('.listed a').first().getAttribute('href');
      await page.getByRole('link', { name: 'More photos' }).click();
      await page.waitForURL(/cursor=/);
      assert.notEqual(await page.locator('.listed a').first().getAttribute('href'), before);
      await page.goto(`${server.url}/?after=2090`);
      assert.match(await page.locator('main').textContent(), /No photo matches/);
    },
    { javaScriptEnabled: false },
  ));

test('the page of duplicates shows them and changes nothing', () =>
  on('/duplicates', async (page) => {
    await page.waitForSelector('.group');
    assert.ok((await page.locator('.group .keep').count()) > 0);
    assert.equal(await page.locator('main form, main button').count(), 0);
    await accessible(page, 'duplicates');
  }));

test('every page is accessible, and empty pages say what to do', () =>
  on('/?after=2090', async (page) => {
    await page.waitForSelector('#no-match:visible');
    await accessible(page, 'no results');
    await page.goto(`${server.url}/`);
    await page.locator(`${TILE} a`).first().click({ button: 'left' });
    const { hash } = new URL(page.url());
    await page.goto(`${server.url}/photo/${hash.slice(3)}`);
    await accessible(page, 'the page of a photo');
    const missing = await page.goto(`${server.url}/photo/${'0'.repeat(32)}`);
    assert.equal(missing.status(), 404);
    await accessible(page, 'a photo that is not there');
    page.wrong.length = 0; // The browser reports the 404.
  }));

test('problems are visible, and the next search works', () =>
  on('/?q=a+cat', async (page) => {
    await page.waitForSelector(TILE);
    await page.goto(`${server.url}/?q=cat+-`);
    await page.waitForSelector('#status.problem');
    assert.match(await status(page), /nothing follows/);
    await search(page, 'cat');
    assert.ok((await count(page)) > 0);
    page.wrong.length = 0; // The browser reports the 400.
  }));

test('newly indexed photos appear by themselves', () =>
  on('/', async (page) => {
    await page.waitForSelector(TILE);
    const before = await count(page);
    const more = join(folder, 'more');
    mkdirSync(more);
    // A file with new content is a new photo.
    const jpeg = readFileSync(join(process.env.PHOTOS, 'rocket.jpg'));
    writeFileSync(join(more, 'new.jpg'), Buffer.concat([jpeg, Buffer.from('more')]));
    await server.index(more);
    await page.waitForFunction((count) => document.querySelector('#status').textContent.startsWith(`${count} `), before + 1);
  }));

test('the printed link and a password both log in', async () => {
  const guarded = await serve(null, '--listen', '127.0.0.1', '--password-file', passwordFile());
  try {
    const page = await open(browser);
    await page.goto(guarded.url);
    assert.match(page.url(), /\/login$/);
    await accessible(page, 'the login');
    await page.fill('input[name=secret]', 'wrong');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[role=alert]');
    await accessible(page, 'a wrong password');
    page.wrong.length = 0; // The browser reports the 401.
    // Only one attempt per second is allowed.
    await page.waitForTimeout(1_100);
    await page.fill('input[name=secret]', 'open sesame');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/$/);
    await page.waitForSelector('#no-photos:visible');
    assert.match(await page.locator('#no-photos').textContent(), /imgsearch index/);
    await accessible(page, 'an empty library');
    page.clean();
    await page.context().close();
    const other = await open(browser);
    await other.waitForTimeout(1_100);
    await other.goto(guarded.link);
    await other.waitForURL(/\/$/);
    assert.ok(!other.url().includes('token'));
    other.clean();
    await other.context().close();
  } finally {
    await guarded.stop();
  }
});

function passwordFile() {
  const file = join(folder, 'password');
  writeFileSync(file, 'open sesame\n');
  return file;
}

test('100,000 photos scroll with nodes for a few screens only', () =>
  on('/?before=1900', async (page) => {
    await many(page, server.url, 100_000);
    await page.goto(server.url);
    await page.waitForFunction(() => document.querySelector('#status').textContent.startsWith('100,000'));
    await page.keyboard.press('/');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('End');
    await page.waitForTimeout(300);
    const { nodes, bottom, high } = await page.evaluate(() => ({
      nodes: document.querySelectorAll('.tile').length,
      bottom: document.documentElement.scrollHeight - innerHeight - scrollY,
      high: document.documentElement.scrollHeight,
    }));
    assert.ok(nodes < 200, `${nodes} nodes`);
    assert.ok(bottom < 100, 'the last photo is at the bottom');
    assert.ok(high < 8e6);
    // The slider moves by months.
    await page.focus('#scrubber');
    await page.keyboard.press('Home');
    const newest = await page.getAttribute('#scrubber', 'aria-valuetext');
    await page.keyboard.press('PageDown');
    await page.waitForFunction((newest) => document.querySelector('#scrubber').ariaValueText !== newest, newest);
  }));
