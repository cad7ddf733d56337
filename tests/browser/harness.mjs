// Starts the real server on a library of a few photos, and a browser that checks every page for errors.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import axe from 'axe-core';
import { chromium } from 'playwright-core';

const { IMGSEARCH, PHOTOS, CHROMIUM } = process.env;

/** The metadata of the copies: place, time and camera. */
const SHOTS = [
  { taken: '2019-03-02T09:10:11', latitude: 38.72, longitude: -9.14, camera: ['Canon', 'EOS 80D'] },
  { taken: '2021-07-14T18:00:00', latitude: 52.52, longitude: 13.4, camera: ['Apple', 'iPhone 12'] },
  { taken: '2023-12-24T20:15:00', latitude: 64.15, longitude: -21.94, camera: ['NIKON', 'Z 6'] },
  { taken: '2024-05-01T12:00:00' },
];

/** A name that runs a script if a page uses it as HTML. */
export const HOSTILE = `<img src=x onerror=alert(1)>"'&lt;.jpg`;

/** Creates a folder of photos: the samples, and a copy of a JPEG for each of `SHOTS`. */
export function photos(folder) {
  mkdirSync(folder, { recursive: true });
  // Large photos would only take time.
  const all = readdirSync(PHOTOS).filter((name) => /^[^.].*\.(jpg|png)$/.test(name));
  const small = all.filter((name) => readFileSync(join(PHOTOS, name)).length < 700_000);
  for (const name of small) {
    const bytes = readFileSync(join(PHOTOS, name));
    if (!name.endsWith('.jpg')) copyFileSync(join(PHOTOS, name), join(folder, name));
    else SHOTS.forEach((shot, i) => writeFileSync(join(folder, `${i}-${name}`), withXmp(bytes, shot)));
  }
  const jpeg = small.find((name) => name.endsWith('.jpg'));
  const words = { description: '<script>alert(2)</script>', taken: '2018-01-01T00:00:00' };
  writeFileSync(join(folder, HOSTILE), withXmp(readFileSync(join(PHOTOS, jpeg)), words));
  return folder;
}

/** A JPEG with an XMP packet after its first marker. */
function withXmp(jpeg, { taken, latitude, longitude, camera, description }) {
  const degrees = (value, [plus, minus]) => `${Math.floor(Math.abs(value))},${(Math.abs(value) % 1) * 60}${value < 0 ? minus : plus}`;
  const fields = [
    taken && `exif:DateTimeOriginal="${taken}"`,
    latitude && `exif:GPSLatitude="${degrees(latitude, 'NS')}" exif:GPSLongitude="${degrees(longitude, 'EW')}"`,
    camera && `tiff:Make="${camera[0]}" tiff:Model="${camera[1]}"`,
  ];
  const escaped = description?.replaceAll('<', '&lt;');
  const text = escaped ? `<dc:description><rdf:Alt><rdf:li xml:lang="x-default">${escaped}</rdf:li></rdf:Alt></dc:description>` : '';
  const packet =
    'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x="adobe:ns:meta/">' +
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" ' +
    'xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" ' +
    `xmlns:dc="http://purl.org/dc/elements/1.1/" ${fields.filter(Boolean).join(' ')}>${text}</rdf:Description></rdf:RDF></x:xmpmeta>`;
  const marker = Buffer.alloc(4);
  marker.writeUInt16BE(0xffe1);
  marker.writeUInt16BE(packet.length + 2, 2);
  return Buffer.concat([jpeg.subarray(0, 2), marker, Buffer.from(packet), jpeg.subarray(2)]);
}

/**
 * Indexes `folder` and starts the server. Returns `{url, link, stop, index}`. If the environment has `SERVER`, it uses
 * that server as it is.
 */
export async function serve(folder, ...options) {
  if (process.env.SERVER) return { url: process.env.SERVER, stop() {}, index() {} };
  const data = mkdtempSync(join(tmpdir(), 'imgsearch-browser-'));
  const library = ['--library', join(data, 'library'), '--model', 'offline'];
  const index = (folder) => promisify(execFile)(IMGSEARCH, ['index', folder, ...library]);
  if (folder) await index(folder);
  const server = spawn(IMGSEARCH, ['serve', '--port', '0', ...options, ...library], { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = [];
  const link = await new Promise((found, failed) => {
    for (const stream of [server.stdout, server.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        said.push(line);
        const link = /https?:\/\/\S+/.exec(line);
        if (link) found(link[0]);
      });
    }
    server.on('exit', () => failed(new Error(`the server ended: ${said.join('\n')}`)));
  });
  const ended = new Promise((done) => server.on('exit', done));
  const stop = async () => {
    server.kill();
    await ended;
    rmSync(data, { recursive: true, force: true });
  };
  return { url: new URL(link).origin, link, stop, index };
}

export const launch = () => chromium.launch({ executablePath: CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });

/** A page that records its errors, violations of the security policy, and windows opened by scripts. */
export async function open(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-GB', ...options });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const wrong = [];
  page.on('console', (message) => message.type() === 'error' && wrong.push(message.text()));
  page.on('pageerror', (error) => wrong.push(String(error)));
  page.on('dialog', (dialog) => wrong.push(`a dialog: ${dialog.message()}`) && dialog.dismiss());
  page.clean = () => assert.deepEqual(wrong, [], 'errors on the page');
  page.wrong = wrong;
  return page;
}

/** Fails for serious or critical findings of axe. Its script bypasses the policy, as a debugger does. */
export async function accessible(page, where) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => window.axe.run(document));
  const bad = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
  const told = bad.map(({ id, help, nodes }) => `${id}: ${help}\n  ${nodes.map(({ html }) => html).join('\n  ')}`);
  assert.deepEqual(told, [], `axe on ${where}`);
}
