"""The scripts that Redis runs, each of them whole or not at all.

A lease is a hash: ``token``, which its holder alone knows, ``fence``, a number that rises from
holder to holder, and ``where``, what the holder says of itself. The number that was given last is
kept longer than any lease. It is the server's clock in milliseconds, or one more than the last, so
that it rises also over a server that has lost what it had. Which chat it is that all who take it
are of is told by a random name beside it, made by the first.

The journal is a hash, too: ``current``, the name of the list that has its lines, and ``writer``,
the connection that may append to it. What an earlier connection still had under way when it
broke is void, whenever it arrives. The lists' names follow from the hash's, in the same slot.
"""

from typing import Final

__all__ = ["APPEND", "ASIDE", "CLAIM", "JOIN", "RELEASE", "SWITCH"]

CLAIM: Final = """
local lease, fences, bell, names = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local token, ttl, mine, where, keep = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local holder = redis.call('hget', lease, 'token')
local name = redis.call('get', names) or ARGV[6]
local fence
if holder == token then
  fence = redis.call('hget', lease, 'fence')
elseif holder then
  return {0, redis.call('pttl', lease), name}
else
  local last = redis.call('get', fences)
  if mine == '' and not last then
    local up = string.match(redis.call('info', 'server'), 'uptime_in_seconds:(%d+)')
    local early = ttl - up * 1000
    if early > 0 then
      return {-1, early, name}
    end
  end
  if mine == '' then
    local time = redis.call('time')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    fence = string.format('%.0f', math.max(now, (tonumber(last) or 0) + 1))
  elseif last and last ~= mine then
    return {0, 0, name}
  else
    fence = mine
  end
end
local former = redis.call('hget', lease, 'where')
if holder ~= token then
  redis.call('hset', lease, 'token', token, 'fence', fence)
end
redis.call('pexpire', lease, ttl)
if holder ~= token or redis.call('pexpire', fences, keep) == 0 then
  redis.call('set', fences, fence, 'px', keep)
end
if redis.call('pexpire', names, keep) == 0 then
  redis.call('set', names, name, 'px', keep)
end
if where ~= '' and where ~= former then
  redis.call('hset', lease, 'where', where)
  redis.call('publish', bell, 'here')
end
return {1, fence, name}
"""
"""Take or renew a lease: ``{1, fence, name}``, or ``{0, milliseconds, name}`` until it may be free;
-1 in place of 0: the server has not run for long enough.

Whoever has it renews it also where the server's memory is full, for which nothing may be set.
``mine`` is the fence of who renews, empty for who takes. Who renews what the server has lost gets
it again, if nobody had it since. Where no number is known the server may have been started without
what it had: nobody takes it before the time is over for which others may believe to hold it. The
name is what the server has, or what who asks knows it to be.
"""

RELEASE: Final = """
if redis.call('hget', KEYS[1], 'token') ~= ARGV[1] then
  return 0
end
redis.call('del', KEYS[1])
redis.call('publish', KEYS[2], 'free')
return 1
"""
"""Give a lease back, if it is one's own."""

JOIN: Final = """
local lease, journal = KEYS[1], KEYS[2]
local token, writer, abandoned, keep = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local holder = redis.call('hget', lease, 'token')
if holder ~= token then
  return {holder and -1 or -3, ''}
end
local current = redis.call('hget', journal, 'current') or ''
if abandoned ~= '' and abandoned ~= current then
  redis.call('unlink', journal .. ':' .. abandoned)
end
redis.call('hset', journal, 'writer', writer)
redis.call('pexpire', journal, keep)
return {redis.call('llen', journal .. ':' .. current), current}
"""
"""Let this connection be the one that may append: ``{length, name}`` of the list that is current.

A list that is not gone on with is removed. In place of a length, -1: the lease is another's; -3: it
is nobody's, which its holder may not have heard of, or be about to put right.
"""

APPEND: Final = """
local lease, journal, name = KEYS[1], KEYS[2], KEYS[3]
local token, writer, at, keep = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local holder = redis.call('hget', lease, 'token')
if holder ~= token then
  return holder and -1 or -3
end
if redis.call('hget', journal, 'writer') ~= writer then
  return -2
end
local length = redis.call('llen', name)
if length ~= at then
  return length
end
for index = 5, #ARGV do
  length = redis.call('rpush', name, ARGV[index])
end
redis.call('pexpire', name, keep)
redis.call('pexpire', journal, keep)
return length
"""
"""Append lines to a list that has ``at`` of them; return its length.

-1 and -3 as above; -2: another connection has joined since.
"""

SWITCH: Final = """
local lease, journal, name = KEYS[1], KEYS[2], KEYS[3]
local token, writer, length, new, keep = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local holder = redis.call('hget', lease, 'token')
if holder ~= token then
  return holder and -1 or -3
end
if redis.call('hget', journal, 'writer') ~= writer then
  return -2
end
if redis.call('llen', name) ~= length then
  return 0
end
local former = redis.call('hget', journal, 'current')
redis.call('hset', journal, 'current', new)
redis.call('pexpire', journal, keep)
if former and former ~= new then
  redis.call('unlink', journal .. ':' .. former)
end
return 1
"""
"""Let a list of so many lines be the current one, and remove the former; 0: it has not so many."""

ASIDE: Final = """
local lease, name, aside = KEYS[1], KEYS[2], KEYS[3]
if redis.call('hget', lease, 'token') ~= ARGV[1] then
  return -1
end
redis.call('copy', name, aside)
redis.call('pexpire', aside, ARGV[2])
return 1
"""
"""Keep a list that is damaged under another name, too, unless it is there already."""
