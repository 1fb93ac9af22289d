#!/bin/sh
# A throw-away root: an overlay over this machine's own, in a mount namespace, so that packages are installed for real and nothing stays. Reads lines of shell
# from its standard input and runs each in it; after each line "done STATUS". Ends, with all that runs in it, at end of file.
set -e
at=$1
mount --make-rprivate /
mount -t tmpfs -o size=2g,mode=755 tidegate-test "$at"
mkdir "$at/up" "$at/work" "$at/over"
mount -t overlay overlay -o lowerdir=/,upperdir="$at/up",workdir="$at/work" "$at/over"
mount -t proc proc "$at/over/proc"
mount --rbind /dev "$at/over/dev"
mount -t tmpfs -o mode=755 run "$at/over/run"
mount -t tmpfs -o mode=1777 tmp "$at/over/tmp"
exec chroot "$at/over" sh -c '
	cd /
	while read -r line; do
		status=0
		(eval "$line") </dev/null >/tmp/out 2>&1 || status=$?
		sed "s/^/| /" /tmp/out
		echo "done $status"
	done
	pid=$(cat /tmp/pid 2>/dev/null) && kill "$pid" && for i in $(seq 200); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done'
