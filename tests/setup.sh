# setup.sh - what ./check and ./quickstart share: installing what is missing, the cache folder, building. Sourced, not run.

CACHE=${TIDEGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}}/tidegate
BUILD_PACKAGES="cmake ninja-build gcc libc6-dev pkg-config libnng-dev default-libmysqlclient-dev libyaml-dev libbsd-dev libjansson-dev
	libsqlite3-dev libcurl4-openssl-dev zlib1g-dev libdeflate-dev libzstd-dev libssl-dev libseccomp-dev libpcre2-dev libxxhash-dev"
SERVER_PACKAGES="binutils xz-utils zstd tar util-linux procps"
TEST_PACKAGES="ccache iproute2 clang clang-format libclang-rt-14-dev libcmocka-dev mydumper python3-venv sysbench universal-ctags git openssl
	rpm dpkg-dev file systemd"

fail() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# Which of these Debian packages are not installed.
missing_packages() {
	local p
	for p; do
		[ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null)" = "ii " ] || echo "$p"
	done
}

# need_packages YES PACKAGE...: lists what is missing, asks on a terminal unless YES is 1, installs by apt.
need_packages() {
	local yes=$1 answer as=() missing
	shift
	command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
		{
			echo "This is no Debian: see CONTRIBUTING.md for the libraries. Going on with what is there." >&2
			return 0
		}
	missing=$(missing_packages "$@")
	[ -n "$missing" ] || return 0
	echo "To be installed by apt-get:" $missing
	if [ "$yes" != 1 ] && [ -t 0 ] && [ -t 1 ]; then
		read -r -p "Install them? [Y/n] " answer
		case $answer in [nN]*) fail "nothing was installed; without them it can't go on" ;; esac
	fi
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null || fail "not root and no sudo: have root run: apt-get install" $missing
		as=(sudo)
		[ -t 0 ] || as=(sudo -n)
	fi
	if ! quietly "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -q -y install --no-install-recommends $missing; then
		quietly "${as[@]}" apt-get -o DPkg::Lock::Timeout=300 -q update
		quietly "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -q -y install --no-install-recommends $missing ||
			{
				last_words
				fail "apt-get could not install them"
			}
	fi
}

# Runs a command with its output in $CACHE/last.log, for last_words. Addresses of mirrors are nobody's business.
quietly() {
	mkdir -p "$CACHE" || fail "can't make $CACHE"
	"$@" >"$CACHE/last.log" 2>&1 </dev/null
}
last_words() { sed -E 's#[a-z+]+://[^ ]*#(address)#g' "$CACHE/last.log" | tail -n "${1:-15}" >&2; }

# A tree that was copied or moved has build folders that cmake refuses: they go, they are only a cache.
fresh_if_moved() {
	local dir=$1
	[ ! -f "$dir/CMakeCache.txt" ] || grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$dir/CMakeCache.txt" || rm -rf "$dir"
}

# build PRESET [TARGET...]: configures and builds into build/PRESET.
build() {
	local preset=$1 launcher=()
	shift
	fresh_if_moved "build/$preset"
	export CCACHE_DIR="${CCACHE_DIR:-$CACHE/ccache}"
	! command -v ccache >/dev/null || launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache)
	quietly cmake --preset "$preset" "${launcher[@]}" && quietly cmake --build "build/$preset" -j "$(nproc)" ${1:+--target "$@"}
}

PROGRAMS="tidegate tidegated tidegate-agent tidegate-master tidegate-relay tidegate-dump tidegate-load tidegate-sync tidegate-check tidegate-cutover"
