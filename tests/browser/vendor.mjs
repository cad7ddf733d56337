// Creates src/serve/assets/vendor from npm packages, or lists differences. See the README there.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { feature } from 'topojson-client';
import { presimplify, simplify } from 'topojson-simplify';

const here = new URL('.', import.meta.url);
const vendor = new URL('../../src/serve/assets/vendor/', here);
const from = (path) => readFileSync(new URL(`node_modules/${path}`, here));

/** Details of coastlines smaller than this are left out, in square degrees. */
const DETAIL = 0.02;
/** Islands with fewer points than this are left out. */
const FEWEST = 5;

/** A ring that crosses the date line continues beyond 180 degrees. */
const unrolled = (ring) => {
  let turn = 0;
  const whole = ring.map(([longitude, latitude], i) => {
    const way = i ? longitude - ring[i - 1][0] : 0;
    if (Math.abs(way) > 180) turn -= Math.sign(way) * 360;
    return [longitude + turn, latitude];
  });
  // Antarctica surrounds the pole.
  if (turn) return ring;
  const west = Math.min(...whole.map(([longitude]) => longitude)) < -200;
  return whole.map(([longitude, latitude]) => [west ? longitude + 360 : longitude, latitude]);
};

/**
 * The outlines of land. Each ring has its number of points, then the longitude and latitude of each point in 1/90 of a
 * degree, all as 16-bit little-endian integers.
 */
function land() {
  const atlas = JSON.parse(from('world-atlas/land-50m.json'));
  const { geometry } = feature(simplify(presimplify(atlas), DETAIL), atlas.objects.land).features[0];
  const rings = geometry.coordinates.flat().filter((ring) => ring.length >= FEWEST).map(unrolled);
  const numbers = rings.flatMap((ring) => [ring.length, ...ring.flat().map((degrees) => Math.round(degrees * 90))]);
  return Buffer.from(Int16Array.from(numbers).buffer);
}

const files = {
  'land.bin': land(),
  'photoswipe.css': from('photoswipe/dist/photoswipe.css'),
  'photoswipe.esm.min.js': from('photoswipe/dist/photoswipe.esm.min.js'),
  'photoswipe.LICENSE': from('photoswipe/LICENSE'),
  'thumbhash.js': from('thumbhash/thumbhash.js'),
  'world-atlas.LICENSE': from('world-atlas/LICENSE'),
};
const hash = (bytes) => createHash('sha256').update(bytes).digest('hex');
const sums = Object.entries(files).map(([name, bytes]) => `${hash(bytes)}  ${name}\n`).join('');

if (process.argv[2] === '--write') {
  mkdirSync(vendor, { recursive: true });
  for (const [name, bytes] of Object.entries(files)) writeFileSync(new URL(name, vendor), bytes);
  writeFileSync(new URL('SHA256SUMS', vendor), sums);
} else {
  const wrong = Object.entries(files).filter(([name, bytes]) => !bytes.equals(readFileSync(new URL(name, vendor))));
  const known = [...Object.keys(files), 'README.md', 'SHA256SUMS', 'thumbhash.LICENSE'];
  const strange = readdirSync(vendor).filter((name) => !known.includes(name));
  if (readFileSync(new URL('SHA256SUMS', vendor), 'utf8') !== sums) wrong.push(['SHA256SUMS']);
  for (const [name] of wrong) console.error(`${name} is not what the npm packages have`);
  for (const name of strange) console.error(`${name} is from no package`);
  if (wrong.length || strange.length) process.exit(1);
  console.log('the vendored files are those of the npm packages');
}
