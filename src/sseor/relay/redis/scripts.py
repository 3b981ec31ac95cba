"""What happens within Redis: each change of a stream is one script, so that it happens wholly or not at all.

A stream is four keys. `meta` is a hash: `generation`, `owner` and `worker` (whose wake key the writer listens to),
`epoch`, `last` (the number of the newest record), `folded` and `snapshot` (the record that stands for all up to that
number), `ended`, `cancelled`. `log` is a Redis stream of batches: an entry's ID is `EPOCH-NUMBER` of its last record,
its field `r` holds records, one a line, its field `e` the terminal record. The epoch is the time of the opening in
milliseconds; whoever ends a stream in its writer's place uses the next, after which Redis refuses the writer's IDs.
`lease` is there while the writer lives, `watchers` a sorted set of workers by the time until which each is known to
look.

All scripts may be sent again: what has been done is not done twice. Those that end something run also when Redis is
full.
"""

from __future__ import annotations

import hashlib

__all__ = [
    "APPEND",
    "CANCEL",
    "END",
    "ERA",
    "FENCED",
    "FOLLOW",
    "INTERRUPT",
    "KEPT",
    "LOST",
    "OPEN",
    "REWRITE",
    "UNWATCHED",
    "WATCH",
    "Script",
]

KEPT, FENCED, LOST = 1, 0, -1
"""What APPEND, END and REWRITE answer first: kept; ended by somebody else; the log has not all that came before."""

FULL = "#!lua flags=allow-oom\n"
NOW = "local t = redis.call('TIME')\nlocal now = t[1] * 1000 + math.floor(t[2] / 1000)\n"


class Script:
    """A script, and the name under which a server remembers it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode()).hexdigest()  # noqa: S324 (Redis names scripts so)


# KEYS meta log lease watchers; ARGV generation owner worker lease live. The epoch, or nil: there is one.
OPEN = Script(
    "#!lua\n"
    + NOW
    + """
local found = redis.call('HMGET', KEYS[1], 'generation', 'epoch')
if found[1] then
  return found[1] == ARGV[1] and found[2]
end
redis.call('DEL', KEYS[2], KEYS[4])
local epoch = string.format('%.0f', now)
redis.call('HSET', KEYS[1], 'generation', ARGV[1], 'owner', ARGV[2], 'worker', ARGV[3], 'epoch', epoch,
  'last', 0, 'folded', 0, 'snapshot', '')
redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[4])
redis.call('ZADD', KEYS[4], now, '')
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('PEXPIRE', KEYS[4], ARGV[5])
return epoch
"""
)

# KEYS meta log lease watchers; ARGV generation before last field data lease live [folded snapshot].
# The records after number `before` up to `last`, none to renew the lease; with `e` the terminal one, after which the
# stream lives for `live` yet. Returns what became of it, and whether the stream is cancelled.
KEEP = """
local meta = redis.call('HMGET', KEYS[1], 'generation', 'ended', 'last', 'folded', 'epoch', 'cancelled')
if not meta[1] then return {-1} end
if meta[1] ~= ARGV[1] or meta[2] then return {0} end
local last, before, after = tonumber(meta[3]), tonumber(ARGV[2]), tonumber(ARGV[3])
if last < before then return {-1} end
if last > after then return {0} end
if last < after then
  local id = meta[5] .. '-' .. ARGV[3]
  if last == tonumber(meta[4]) then
    redis.call('XADD', KEYS[2], id, ARGV[4], ARGV[5])
  elseif not redis.call('XADD', KEYS[2], 'NOMKSTREAM', id, ARGV[4], ARGV[5]) then
    return {-1}
  end
  redis.call('HSET', KEYS[1], 'last', ARGV[3])
end
if ARGV[8] then
  redis.call('HSET', KEYS[1], 'folded', ARGV[8], 'snapshot', ARGV[9])
  redis.call('XTRIM', KEYS[2], 'MINID', meta[5] .. '-' .. string.format('%.0f', ARGV[8] + 1))
end
if ARGV[4] == 'e' then
  redis.call('HSET', KEYS[1], 'ended', 1)
  redis.call('DEL', KEYS[3])
else
  redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[6])
end
redis.call('PEXPIRE', KEYS[1], ARGV[7])
redis.call('PEXPIRE', KEYS[2], ARGV[7])
redis.call('PEXPIRE', KEYS[4], ARGV[7])
return {1, meta[6] and 1 or 0}
"""
APPEND = Script("#!lua\n" + KEEP)
END = Script(FULL + KEEP)

# KEYS meta log lease watchers; ARGV generation owner worker lease live epoch last folded snapshot data.
# All that the writer has, in the place of what Redis has lost.
REWRITE = Script(
    "#!lua\n"
    + NOW
    + """
local found = redis.call('HMGET', KEYS[1], 'generation', 'ended')
if found[1] and (found[1] ~= ARGV[1] or found[2]) then return {0} end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[1], 'generation', ARGV[1], 'owner', ARGV[2], 'worker', ARGV[3], 'epoch', ARGV[6],
  'last', ARGV[7], 'folded', ARGV[8], 'snapshot', ARGV[9])
if ARGV[7] ~= ARGV[8] then
  redis.call('XADD', KEYS[2], ARGV[6] .. '-' .. ARGV[7], 'r', ARGV[10])
  redis.call('PEXPIRE', KEYS[2], ARGV[5])
end
redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[4])
redis.call('ZADD', KEYS[4], 'GT', now, '')
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('PEXPIRE', KEYS[4], ARGV[5])
return {1, 0}
"""
)

# KEYS meta log lease; ARGV generation terminal keep. The end of a stream whose writer is dead: 1 once it has ended, 0
# while the writer lives, -1 when there is no such stream any more.
INTERRUPT = Script(
    FULL
    + """
if redis.call('GET', KEYS[3]) == ARGV[1] then return 0 end
local meta = redis.call('HMGET', KEYS[1], 'generation', 'ended', 'epoch', 'last')
if meta[1] ~= ARGV[1] then return -1 end
if meta[2] then return 1 end
local id = string.format('%.0f-%.0f', meta[3] + 1, meta[4] + 1)
redis.call('XADD', KEYS[2], id, 'e', ARGV[2])
redis.call('HSET', KEYS[1], 'ended', 1, 'last', string.format('%.0f', meta[4] + 1))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1
"""
)

# KEYS meta log watchers; ARGV worker milliseconds. Generation, epoch, folded, snapshot and entries, or nil; the worker
# is noted as looking.
FOLLOW = Script(
    FULL
    + NOW
    + """
local meta = redis.call('HMGET', KEYS[1], 'generation', 'epoch', 'folded', 'snapshot')
if not meta[1] then return false end
if redis.call('EXISTS', KEYS[3]) == 1 then redis.call('ZADD', KEYS[3], now + ARGV[2], ARGV[1]) end
meta[5] = redis.call('XRANGE', KEYS[2], '-', '+')
return meta
"""
)

# KEYS watchers; ARGV worker milliseconds. The worker looks, for so long if nothing more is heard of it; 0: no longer.
WATCH = Script(
    FULL
    + NOW
    + "if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1]) end"
)

# KEYS watchers. For how many milliseconds nobody has looked, nil when that is not known.
UNWATCHED = Script(
    "#!lua flags=no-writes\n"
    + NOW
    + """
local newest = redis.call('ZRANGE', KEYS[1], 0, 0, 'REV', 'WITHSCORES')
return newest[2] and math.max(0, now - newest[2])
"""
)

# KEYS era; ARGV name. The name of the time since Redis has lost everything, or began.
ERA = Script(FULL + "redis.call('SET', KEYS[1], ARGV[1], 'NX')\nreturn redis.call('GET', KEYS[1])")

# KEYS meta. Note that the stream is to end; return the worker that writes it, or nil when it has ended.
CANCEL = Script(
    FULL
    + """
local meta = redis.call('HMGET', KEYS[1], 'worker', 'ended')
if not meta[1] or meta[2] then return false end
redis.call('HSET', KEYS[1], 'cancelled', 1)
return meta[1]
"""
)
