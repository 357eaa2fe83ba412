/** Sending files (XEP-0363): a slot from the domain, then the file to its URL. */

import { child, NS, xml } from './xml.js';

const HEADERS = new Set(['authorization', 'cookie', 'expires']); // section 4, and no others

export class UploadError extends Error {}

/**
 * Put a file where others can get it, and return its URL.
 *
 * `progress(part)` is called with what has gone, of 1. Rejects with the RequestError of who refused
 * the slot, or with an UploadError.
 */
export async function upload(requests, domain, file, progress) {
  const request = xml`<request xmlns='${NS.upload}' filename='${file.name || 'file'}' size='${file.size}' content-type='${file.type || 'application/octet-stream'}'/>`;
  const answer = await requests.ask('get', domain, request);
  const slot = child(answer, 'slot', NS.upload);
  const put = slot && child(slot, 'put');
  const url = slot && child(slot, 'get')?.getAttribute('url');
  if (!put || !/^https?:/.test(url ?? '')) throw new UploadError();
  const headers = [...put.children].filter((node) => HEADERS.has(node.getAttribute('name')?.toLowerCase()));
  await send(put.getAttribute('url'), file, headers, progress);
  return url;
}

/** The name of a file, as its URL ends. */
export function fileName(url) {
  const last = url.split(/[?#]/)[0].split('/').at(-1);
  try {
    return decodeURIComponent(last) || url;
  } catch {
    return last;
  }
}

// fetch() tells nothing of what has gone.
function send(url, file, headers, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('PUT', url);
    request.setRequestHeader('Content-Type', file.type || 'application/octet-stream');
    for (const header of headers) request.setRequestHeader(header.getAttribute('name'), header.textContent.replace(/[\r\n]/g, ''));
    request.upload.addEventListener('progress', ({ loaded, total }) => progress(total ? loaded / total : 0));
    request.addEventListener('load', () => (request.status === 201 ? resolve() : reject(new UploadError())));
    request.addEventListener('error', () => reject(new UploadError()));
    request.send(file);
  });
}
