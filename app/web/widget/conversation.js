/** One person, or one room, and what was said. */

const HISTORY_LIMIT = 2000; // messages
const STORED_LIMIT = 200; // of which survive a reload

/** How many messages of one conversation are kept here. */
export const isFull = ({ messages }) => messages.length >= HISTORY_LIMIT;

/**
 * A message is { id, own, author, text, time, state, … }: `author` is the nickname in a room and
 * else empty; `state` is queued, acked, delivered, read or failed, and only of own ones.
 */
export class Conversation {
  messages = [];
  unread = 0;
  /** Who is writing; empty for nobody. */
  typing = '';
  /** A person's available resources, full address to what they show; a room's occupants by nickname. */
  resources = new Map();
  /** Whether a presence came in at all; in a room, whether we are in. */
  heard = false;
  /** The contact list's entry { name, subscription, asking }, where there is one. */
  contact = null;
  /** What this person calls himself, where that is known. */
  called = '';
  /** Whether this person is to see us though he may be no contact. */
  greeted = false;
  /** Of a room: our nickname, its subject, and the condition for which it did not let us in. */
  nick = '';
  subject = '';
  refusal = '';
  /** Where the archive goes on towards the past; null before it was asked. */
  cursor = null;
  /** Whether the archive has no more. */
  complete = false;
  #byKey = new Map();

  constructor(jid, isRoom) {
    this.jid = jid;
    this.isRoom = isRoom;
    this.local = jid.slice(0, jid.indexOf('@'));
    this.domain = jid.slice(jid.indexOf('@') + 1);
  }

  get name() {
    return this.contact?.name || this.called || this.local;
  }

  /** The best of the other side's presences, or null when none is known. */
  get presence() {
    if (this.isRoom) return this.heard ? 'online' : null;
    const shows = new Set(this.resources.values());
    const best = ['online', 'away', 'xa', 'dnd'].find((show) => shows.has(show));
    return best ?? (this.heard ? 'offline' : null);
  }

  /** The message with this id, ours, or of this author's in a room. */
  find(own, id, author = '') {
    return this.#byKey.get(key({ own, id, author }));
  }

  /** Take one more message; one out of the past goes where it belongs. Returns whether that is the end. */
  add(message, past = false) {
    const { messages } = this;
    let at = messages.length;
    if (past) while (at > 0 && messages[at - 1].time > message.time) at -= 1;
    const last = at === messages.length;
    messages.splice(at, 0, message);
    this.#byKey.set(key(message), message);
    if (messages.length > HISTORY_LIMIT) this.#byKey.delete(key(messages.shift()));
    return last;
  }

  /** What a reload of the page should bring back, as plain data. */
  save() {
    const { jid, isRoom, nick, subject, called, greeted, unread, heard, resources, messages } = this;
    return {
      jid,
      isRoom,
      facts: { nick, subject, called, greeted, unread },
      there: { heard, resources: [...resources] },
      messages: messages.slice(-STORED_LIMIT),
    };
  }

  /** Take what `save` gave; who was there is believed only in a session that goes on. */
  restore({ facts, there, messages }, resumed) {
    Object.assign(this, facts);
    if (resumed) {
      this.heard = there.heard;
      this.resources = new Map(there.resources);
    }
    for (const message of messages) this.add(message);
  }
}

function key({ own, author, id }) {
  return `${own} ${own ? '' : author} ${id}`;
}
