/** Addresses, as people write them. */

import { spelled } from './xml.js';

const LOCALPART = /^[^\s"&'/:<>@]{1,255}$/u;
const DOMAIN = /^[\p{L}\p{N}.:[\]-]{1,255}$/u;

/** A name at `domain`, or an address with another domain, as an address; empty where it cannot be one. */
export function addressOf(typed, domain) {
  const [local, given = domain, ...rest] = typed.trim().toLowerCase().split('@');
  const host = spelled(given, domain);
  return LOCALPART.test(local) && DOMAIN.test(host) && !rest.length ? `${local}@${host}` : '';
}
