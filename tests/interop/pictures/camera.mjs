/** Pictures as WebP, which Chromium makes of them: small enough to be kept beside the text. */

import { writeFileSync } from 'node:fs';
import path from 'node:path';

/** Return what takes a picture of a page into a folder, by a name. */
export async function camera(browser, folder) {
  const darkroom = await (await browser.newContext()).newPage();
  return async (page, name) => {
    const taken = await page.screenshot({ animations: 'disabled' });
    const made = await darkroom.evaluate(async (png) => {
      const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
      canvas.getContext('2d').drawImage(bitmap, 0, 0);
      const blob = await canvas.convertToBlob({ type: 'image/webp', quality: 0.85 });
      return Array.from(new Uint8Array(await blob.arrayBuffer()));
    }, taken.toString('base64'));
    writeFileSync(path.join(folder, `${name}.webp`), Buffer.from(made));
  };
}
