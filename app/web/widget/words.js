/** What the component says, in each of its languages; English where another has no word. */

import de from './words-de.js';
import fr from './words-fr.js';

const en = {
  add: 'Add',
  addHint: 'name',
  addLabel: 'Add a person or a room',
  allow: 'Accept',
  asks: '{name} would like to chat with you',
  back: 'Conversations',
  befriend: 'Add to contacts',
  chat: 'Chat',
  connecting: 'Connecting…',
  conversations: 'Conversations',
  delayed: 'delayed',
  earlier: 'Show earlier messages',
  elsewhere: 'You signed in elsewhere, and this window was signed out.',
  ended: 'You have been signed out.',
  file: 'Send a file',
  fileTooLarge: 'This file is too large, or of a kind that is not allowed.',
  fileFailed: 'The file could not be sent.',
  guest: 'Guest',
  here: 'Use it here',
  hello: 'Say hello to {name}.',
  helloRoom: 'Nobody has said anything here yet.',
  join: 'Enter a room',
  keys: 'Enter sends, Shift and Enter begin a new line.',
  latest: 'Latest',
  leave: 'Leave the room',
  lost: 'The connection is lost. What you write now is kept and sent once.',
  message: 'Message',
  messages: 'Messages',
  missed: '{count} new',
  name: 'Name',
  noAnswer: 'The server does not answer. What you write now is kept and sent once.',
  nobody: 'Nobody is here yet.',
  nobodyHint: 'Add a person to begin a conversation.',
  notAName: 'Write a name, or name@domain.',
  notDelivered: 'Not delivered: {reason}.',
  occupants: 'People in the room: {count}',
  password: 'Password',
  refuse: 'Decline',
  requests: 'Requests',
  room: 'room',
  self: 'That is you.',
  send: 'Send',
  sending: 'Sending {name}',
  signIn: 'Sign in',
  signInTo: 'Sign in to {domain}',
  signOut: 'Sign out',
  stranger: 'Sign in to this site to chat.',
  today: 'Today',
  tooMany: 'There are too many conversations.',
  tryAgain: 'Try again',
  tryNow: 'Try now',
  typing: '{name} is typing…',
  unread: '{count} unread',
  write: 'Write a message',
  you: 'You: ',
  'presence.online': 'online',
  'presence.away': 'away',
  'presence.xa': 'away for long',
  'presence.dnd': 'does not want to be disturbed',
  'presence.offline': 'offline',
  'state.queued': 'Sending',
  'state.acked': 'Sent',
  'state.delivered': 'Delivered',
  'state.read': 'Read',
  'state.failed': 'Not delivered',
  'room.gone': 'You are no longer in this room.',
  'room.refused': 'This room did not let you in: {reason}.',
  'auth.not-authorized': 'The name or the password is wrong.',
  'auth.account-disabled': 'This account is disabled.',
  'auth.credentials-expired': 'The password has expired.',
  'auth.encryption-required': 'The server accepts passwords over an encrypted connection only.',
  'auth.temporary-auth-failure': 'The server cannot check who you are right now. Try again in a moment.',
  'auth.no-cryptography': 'Signing in needs https here.',
  'auth.no-proof': 'The server could not prove that it knows this account.',
  'auth.other': 'Signing in failed: {reason}.',
  'error.forbidden': 'it is not allowed',
  'error.not-allowed': 'it is not allowed',
  'error.registration-required': 'it is for members only',
  'error.conflict': 'the name is taken',
  'error.service-unavailable': 'this person cannot be reached',
  'error.item-not-found': 'there is nobody of this name',
  'error.remote-server-not-found': 'that server was not found',
  'error.remote-server-timeout': 'that server does not answer',
  'error.recipient-unavailable': 'this person cannot be reached',
  'error.policy-violation': 'the server does not allow it',
  'error.not-acceptable': 'the server did not accept it',
  'error.resource-constraint': 'the server is busy',
};

const CATALOGUE = { de, en, fr };

/** The words of the first language that is here: `say(key, { … })` fills them in. */
export function wordsOf(...languages) {
  const found = languages.map((tag) => (tag ?? '').toLowerCase().split('-')[0]).find((tag) => Object.hasOwn(CATALOGUE, tag));
  const words = { ...en, ...CATALOGUE[found] };
  const say = (key, facts = {}) => (words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => facts[name]);
  say.language = found ?? 'en';
  say.has = (key) => Object.hasOwn(words, key);
  /** The words for a condition, or what else there is to say of it. */
  say.error = (name, text = '') => (say.has(`error.${name}`) ? say(`error.${name}`) : text || name);
  return say;
}
