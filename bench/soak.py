#!/usr/bin/env python3
"""Hold many sessions over real sockets while connections or the server are killed; count all.

    bench/soak.py [--sessions 1000] [--seconds 60] [--rate 1.0] [--life 20] [--expiry 30]
    bench/soak.py --restart 30 --seconds 600 --processes 3 [--bosh 0.3] [--room 10]
    bench/soak.py --restart 20 --seconds 600 --processes 3 --cluster redis [--nginx]
    bench/soak.py --sessions 20 --bosh 0.2 --room 10 --cut home-all:30 door-home:30 redis-all:2
    bench/soak.py --restart 20 --seconds 600 [--database postgresql://…] [--bosh 0.3] [--room 10]

Each session has stream management and writes to some others. Connections end
by TCP reset, by a reset in the middle of a frame, by a WebSocket close without
<close/>, or stay open and silent while their session goes on elsewhere; at any
moment, also while signing in. At the end every message must have come once and
in order, and when all have left, and those who just vanished have expired, the
server must hold no session, task, socket or memory of them.

With --restart it is the server that ends, by kill -9 and SIGTERM in turn every so
many seconds, and is started again at once. What everybody sees of everybody, chat,
presence and rooms, must then be as if it had not, and its journal be empty at the end.

With --processes N there are N servers of one chat (the setting cluster), each connection and each
request of BOSH goes to any of them, and one ends at a time: the home and another in turn. With
--nginx that is what gives them out, one after the other, by deploy/nginx.conf without TLS.

With --cluster redis they meet by a Redis, which is killed and started again once, in between.

With --cut three servers, a Redis, a PostgreSQL and the clients are on machines of their own,
network namespaces, and one is cut off from another, silently, while everybody writes: home-redis
in both directions, home>redis what the home sends, home-redis+home-postgres both of these, for so
many seconds, or until another is home (home-all:home); :KILL or :TERM behind it is what the home
gets meanwhile. The names are home, doors, door (one of them), redis, postgres, clients and all.
What was seen is printed, and what the logs say. It needs root, ip, redis-server and PostgreSQL.

The clients resend what the server's h does not cover, and drop nothing as doubled.
Exits 1 when a check fails.
"""

import sys

from soaking.command import main

if __name__ == "__main__":
    sys.exit(main(__doc__))
