"""The replay log on Redis or Valkey, for relays on many machines; needs the extra `redis`."""

from sseor.relay.redis.log import RedisLog

__all__ = ["RedisLog"]
