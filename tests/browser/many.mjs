// Simulates a timeline of many photos on the page of a real server.

/** Gives `page` a timeline of `total` photos that repeats the photos of the library. */
export async function many(page, url, total) {
  const { photos } = await (await page.request.get(`${url}/api/v1/search?n=100`)).json();
  const ids = Array.from({ length: total }, (_, i) => photos[i % photos.length].id);
  const body = {
    ids,
    aspects: ids.map((_, i) => [1.5, 0.67, 1.33, 0.75, 1.78][i % 5]),
    days: ids.map((_, i) => 20_700 - Math.floor((i * 5_000) / total)),
  };
  await page.route('**/api/v1/timeline**', (route) => route.fulfill({ json: body }));
}
